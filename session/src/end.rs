//! The end of a session, where a write that began before it may still be on its way: a tombstone stays under the id.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    changes::AUTHENTICATED,
    clock::SKEW,
    error::{SessionError, StoreError, StoreErrorKind},
    live::{self, Live},
    owner::{Entry, Owner},
    record::Contents,
    store::{Record, Updated},
    worker::{Budget, Worker},
    write::{self, Swapped},
};

/// What is under the id of a session that an entry names.
pub(crate) enum Found {
    /// A session of this user.
    Live(Record, Contents),
    /// Nothing that this entry could ever mean.
    Gone,
    /// Something else, or nothing, while the sign-in may still be on its way.
    Pending(Option<Record>),
}

/// Whether these are the bytes that stay for a while after an end, so that nothing begins or goes on under the id.
pub(crate) fn is_tombstone(bytes: &[u8]) -> bool {
    bytes == TOMBSTONE
}

/// Looks up what an entry of a user's record names.
pub(crate) async fn find(worker: &Worker, owner: &Owner, entry: Entry, budget: Budget) -> Result<Found, StoreError> {
    let key = entry.id.key(&worker.core.config.key_prefix);
    let record = worker.load(&key, budget).await?;
    let pending = |record| if is_young(worker, entry.at) { Found::Pending(record) } else { Found::Gone };
    let Some(record) = record else {
        return Ok(if entry.may_follow(None) { pending(None) } else { Found::Gone });
    };
    if is_tombstone(&record.bytes) {
        return Ok(Found::Gone);
    }
    Ok(match worker.open(&key, record.bytes.clone()) {
        Some(contents) if owner.owns(&contents) => {
            let is_over = live::deadline(worker, &contents) <= worker.core.config.clock.now();
            if is_over { Found::Gone } else { Found::Live(record, contents) }
        }
        // signed out or signed in as another since; one whose time is over may be signed in anew until then
        Some(contents) if !entry.may_follow(Some(&contents)) => Found::Gone,
        Some(_) => pending(Some(record)),
        // another server may have the key that opens it
        None => Found::Pending(Some(record)),
    })
}

/// Ends the session that an entry names if it is this user's, or is about to be; says whether there was one.
pub(crate) async fn end(worker: &Worker, owner: &Owner, entry: Entry, budget: Budget) -> Result<bool, SessionError> {
    let key = entry.id.key(&worker.core.config.key_prefix);
    let tombstone = tombstone(worker);
    for tries in 0.. {
        budget.pause(tries).await?;
        let (record, is_live) = match find(worker, owner, entry, budget).await? {
            Found::Gone => return Ok(false),
            Found::Live(record, _) => (Some(record), true),
            Found::Pending(record) => (record, false),
        };
        let is_done = match record {
            None => write::create(worker, &key, &tombstone, budget).await?,
            Some(record) => {
                let swapped = write::swap(worker, &key, &tombstone, &record.version, budget).await?;
                matches!(swapped, Swapped::Done)
            }
        };
        if is_done {
            return Ok(is_live);
        }
    }
    Err(SessionError::BudgetSpent)
}

/// Ends a session whose bearer asks for it.
pub(crate) async fn destroy(worker: &Worker, live: &Live, budget: Budget) -> Result<(), SessionError> {
    // a user's record can't tell a sign-in that is on its way from one that is over; where few are allowed, that must
    // not be a guess
    let counts = worker.core.config.limits_owners();
    let is_young = authenticated(&live.contents).is_some_and(|at| is_young(worker, at));
    if counts && is_young && bury(worker, live, budget).await {
        return Ok(());
    }
    let delete = || worker.delete(&live.key, budget);
    let deleted = match delete().await {
        // to delete twice is to delete once
        Err(error) if error.kind() == StoreErrorKind::OutcomeUnknown => delete().await,
        deleted => deleted,
    };
    Ok(deleted?)
}

/// Puts a tombstone in the place of a session; whether that is known to have happened.
async fn bury(worker: &Worker, live: &Live, budget: Budget) -> bool {
    let tombstone = tombstone(worker);
    let bury = async |version| worker.update(&live.key, &tombstone, &version, budget).await;
    let buried = match bury(live.version).await {
        Ok(Updated::Conflict(now)) => bury(now.version).await,
        buried => buried,
    };
    matches!(buried, Ok(Updated::Done | Updated::Gone))
}

/// When the session's bearer last proved who that is, in milliseconds since the epoch.
pub(crate) fn authenticated(contents: &Contents) -> Option<u64> {
    contents.fields.get(AUTHENTICATED)?.parse().ok()
}

/// No format of a record, and no sealed one.
const TOMBSTONE: &[u8] = &[0];

/// What stays under an id for as long as a write of its session may be on its way.
pub(crate) fn tombstone(worker: &Worker) -> Record {
    Record::new(Bytes::from_static(TOMBSTONE), grace(worker))
}

/// Whether a write that began then may still be on its way.
fn is_young(worker: &Worker, at: u64) -> bool {
    let age = worker.core.config.clock.now().saturating_sub(at);
    Duration::from_millis(age) < grace(worker)
}

/// How long a commit may take, with a minute for clocks that differ and for what a server that was stopped does late.
pub(crate) fn grace(worker: &Worker) -> Duration {
    worker.core.config.store_timeout * 2 + Duration::from_millis(SKEW)
}
