//! [`Call`]: an operation about one key, and what is found there.

use std::borrow::Cow;

use reqwest::Method;
use serde_json::Value;

use super::{
    ElasticsearchStore,
    http::{Answer, Effect, Patience, Request},
    layout::{self, Item},
    seen::{At, Sight},
    writes::Writes,
};
use crate::store::{Record, StoreError, StoreErrorKind, Updated, Version};

/// An operation about one key.
pub(super) struct Call<'a> {
    pub(super) store: &'a ElasticsearchStore,
    pub(super) key: &'a str,
    pub(super) id: Cow<'a, str>,
    pub(super) patience: Patience,
}

/// What is there under a key.
pub(super) enum Got {
    Live(Found),
    Expired(At),
    /// No record.
    Foreign,
    Nothing,
}

pub(super) struct Found {
    pub(super) item: Item,
    pub(super) at: At,
}

impl Found {
    pub(super) fn sight(&self) -> Sight {
        Sight { at: self.at, writes: self.item.writes.clone(), expires: self.item.expires }
    }

    /// What an update came to that finds this, and was refused before where it was sent.
    pub(super) fn instead_of(
        self,
        version: Version,
        expected: &Version,
        refused_at: Option<At>,
    ) -> Result<Updated, StoreError> {
        let writes = &self.item.writes;
        if writes.are_over(version) {
            // the servers sent it twice, and others wrote over it since
            return Ok(Updated::Done);
        }
        let is_later = |refused: At| refused.term == self.at.term && refused.sequence < self.at.sequence;
        if writes.contain(*expected) || refused_at.is_none_or(is_later) {
            return Ok(Updated::Conflict(self.item.record));
        }
        // too much was written since to tell, or this is a copy that does not have it all yet
        let text = "another copy became the primary meanwhile, and what became of the write is not to be seen";
        Err(StoreError::new(StoreErrorKind::OutcomeUnknown, text))
    }
}

/// What has to be there for a write to be done.
pub(super) enum Precondition {
    Absent,
    At(At),
}

pub(super) enum Touched {
    Done,
    Gone,
    Conflict,
}

impl Call<'_> {
    pub(super) async fn get(&self) -> Result<Got, StoreError> {
        let Self { store, id, .. } = self;
        let path = format!("/{}/_doc/{id}", store.index);
        let request = Request { method: Method::GET, path, body: None, effect: Effect::Read };
        let answer = store.cluster.send(&request, self.patience).await?;
        let found = answer.body.get("found").and_then(Value::as_bool);
        match (answer.status, found) {
            (200, Some(true)) => {}
            (404, Some(false)) => {
                store.seen.keep(id, None);
                return Ok(Got::Nothing);
            }
            _ => return Err(store.refused(&answer, Effect::Read)),
        }
        let Some(at) = at(&answer) else { return Err(store.cluster.nonsense(Effect::Read)) };
        let now = store.clock.now();
        let Some(item) = answer.body.get("_source").and_then(|source| layout::read(source, now)) else {
            crate::events::record_foreign("elasticsearch", self.key);
            return Ok(Got::Foreign);
        };
        if item.expires <= now {
            return Ok(Got::Expired(at));
        }
        let found = Found { item, at };
        store.seen.keep(id, Some(found.sight()));
        Ok(Got::Live(found))
    }

    /// Writes a document, and says whether what has to be there was there.
    pub(super) async fn put(
        &self,
        precondition: Precondition,
        record: &Record,
        writes: &Writes,
        expires: u64,
    ) -> Result<bool, StoreError> {
        let Self { store, id, .. } = self;
        let (index, wait) = (&store.index, store.wait());
        let path = match precondition {
            Precondition::Absent => format!("/{index}/_create/{id}?require_alias=true&{wait}"),
            Precondition::At(At { sequence, term }) => {
                format!("/{index}/_doc/{id}?require_alias=true&if_seq_no={sequence}&if_primary_term={term}&{wait}")
            }
        };
        let body = Some(layout::document(record, writes, expires));
        let request = Request { method: Method::PUT, path, body, effect: Effect::Write };
        let answer = store.cluster.send(&request, self.patience).await?;
        match answer.status {
            200 | 201 if result(&answer).is_some() => {
                let sight = at(&answer).map(|at| Sight { at, writes: writes.clone(), expires });
                store.seen.keep(id, sight);
                Ok(true)
            }
            409 if answer.error() == Some("version_conflict_engine_exception") => {
                store.seen.keep(id, None);
                Ok(false)
            }
            _ => Err(store.refused(&answer, Effect::Write)),
        }
    }

    /// Whether what was found is acknowledged: it is when it could be written once more as it is. A primary that was cut
    /// off shows what it alone has, which is thrown away when it is back.
    pub(super) async fn confirm(&self, found: &Found) -> Result<bool, StoreError> {
        let Found { item, at } = found;
        self.put(Precondition::At(*at), &item.record, &item.writes, item.expires).await
    }

    pub(super) async fn touch(&self, sight: Sight, expires: u64) -> Result<Touched, StoreError> {
        let Self { store, id, .. } = self;
        let At { sequence, term } = sight.at;
        let path = format!(
            "/{}/_update/{id}?require_alias=true&if_seq_no={sequence}&if_primary_term={term}&{}",
            store.index,
            store.wait()
        );
        let body = Some(layout::touch(expires));
        let request = Request { method: Method::POST, path, body, effect: Effect::Write };
        let answer = store.cluster.send(&request, self.patience).await?;
        let ended = match (answer.status, answer.error()) {
            (200, _) if result(&answer).is_some() => {
                store.seen.keep(id, at(&answer).map(|at| Sight { at, expires, ..sight }));
                return Ok(Touched::Done);
            }
            (404, Some("document_missing_exception")) => Touched::Gone,
            (409, Some("version_conflict_engine_exception")) => Touched::Conflict,
            _ => return Err(store.refused(&answer, Effect::Write)),
        };
        store.seen.keep(id, None);
        Ok(ended)
    }
}

/// What a write came to.
pub(super) fn result(answer: &Answer) -> Option<&str> {
    answer.body.get("result")?.as_str()
}

/// The number of the change that an answer is about.
fn at(answer: &Answer) -> Option<At> {
    let number = |name: &str| answer.body.get(name)?.as_u64();
    Some(At { sequence: number("_seq_no")?, term: number("_primary_term")? })
}
