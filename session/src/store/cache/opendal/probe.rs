//! Does the server do what it takes for granted that it can?

use bytes::Bytes;
use opendal::options;

use super::{Abilities, OpendalCache};
use crate::store::{
    StoreError, StoreErrorKind,
    cache::{Condition, Tag},
};

/// Writes an object of its own, against its condition too, and removes it.
pub(super) async fn probe(cache: &OpendalCache) -> Result<Abilities, StoreError> {
    // a dot and a letter that is no hex digit: no key's object has such a name
    let path = format!(".probe-{:032x}", rand::random::<u128>());
    let answer = ask(cache, &path).await;
    let removed = cache.delete(&path, None).await;
    let abilities = answer.map_err(not_written)?;
    removed.map_err(not_written)?;
    Ok(abilities)
}

async fn ask(cache: &OpendalCache, path: &str) -> Result<Abilities, StoreError> {
    let value = |text: &'static str| Bytes::from_static(text.as_bytes());
    if cache.read(path).await?.is_some() {
        return Err(unable("reads: it says that there is what was never written"));
    }
    if !cache.write(path, value("first"), Condition::Absent).await? {
        return Err(unable("writes with `If-None-Match: *`: it refuses them where there is nothing"));
    }
    if cache.write(path, value("again"), Condition::Absent).await? {
        return Err(unable("writes with `If-None-Match: *`: it writes over what is there"));
    }
    let first = tag(cache, path).await?;
    if !cache.write(path, value("second"), Condition::At(&first)).await? {
        return Err(unable("writes with `If-Match`: it refuses the ETag that it gave"));
    }
    if cache.write(path, value("third"), Condition::At(&first)).await? {
        return Err(unable("writes with `If-Match`: it takes an ETag that is not the object's"));
    }
    Ok(Abilities { delete_at: deletes_at(cache, path, &first).await })
}

async fn tag(cache: &OpendalCache, path: &str) -> Result<Tag, StoreError> {
    match cache.read(path).await? {
        Some(found) => Ok(found.tag),
        None => Err(unable("reads after writes: what was just written is not there")),
    }
}

/// Whether it leaves an object alone that it is to delete at another ETag.
async fn deletes_at(cache: &OpendalCache, path: &str, other: &Tag) -> bool {
    if !cache.operator.info().capability().delete_with_if_match {
        return false;
    }
    let options = options::DeleteOptions { if_match: Some(super::etag(other)), ..Default::default() };
    let refusal = cache.operator.delete_options(path, options).await;
    refusal.is_err_and(|error| super::is_lost_race(&error)) && tag(cache, path).await.is_ok()
}

fn unable(what: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, format!("the object storage can't be used, as it lacks {what}"))
}

/// The error of a write that was none of the caller's.
fn not_written(error: StoreError) -> StoreError {
    match error.kind() {
        StoreErrorKind::OutcomeUnknown => {
            StoreError::new(StoreErrorKind::Unavailable, "the object storage could not be tried out").with_source(error)
        }
        _ => error,
    }
}
