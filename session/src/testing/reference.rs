//! [`ReferenceStore`]: the contract at its plainest.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    Clock,
    clock::millis,
    store::{Created, Record, SessionStore, StoreError, StoreErrorKind, Swept, Updated, Version, async_trait},
};

/// A store that does what the rules say, one lock around one map: what other stores are compared with.
///
/// It is unbounded and sweeps only when told to, which is right for a test and wrong for a server: there it is
/// `MemoryStore`. Its clones share their records.
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), actix_typed_session::store::StoreError> {
/// use actix_typed_session::{Clock, store::{Record, SessionStore}, testing::ReferenceStore};
/// use std::time::Duration;
///
/// let clock = Clock::manual();
/// let store = ReferenceStore::new(clock.clone());
/// let _ = store.create("session:1", &Record::new("bytes", Duration::from_secs(60))).await?;
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(store.load("session:1").await?, None);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReferenceStore {
    clock: Clock,
    max_bytes: Option<usize>,
    entries: Arc<Mutex<HashMap<String, Entry>>>,
}

#[derive(Clone, Debug)]
struct Entry {
    record: Record,
    deadline: u64,
}

impl ReferenceStore {
    /// An empty store that goes by this clock.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// The same with a limit on a record's bytes. There is none by default.
    #[must_use]
    pub fn max_bytes(mut self, limit: usize) -> Self {
        self.max_bytes = Some(limit);
        self
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, record: &Record) -> Result<Entry, StoreError> {
        if self.max_bytes.is_some_and(|limit| record.bytes.len() > limit) {
            return Err(StoreError::new(StoreErrorKind::TooLarge, "the record is over the limit of this store"));
        }
        Ok(Entry { record: record.clone(), deadline: self.clock.now().saturating_add(millis(record.expires_in)) })
    }
}

impl Entry {
    /// The record with what remains of its life, if something does.
    fn live(&self, now: u64) -> Option<Record> {
        let left = self.deadline.checked_sub(now).filter(|left| *left > 0)?;
        Some(Record { expires_in: Duration::from_millis(left), ..self.record.clone() })
    }
}

#[async_trait]
impl SessionStore for ReferenceStore {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        let now = self.clock.now();
        Ok(self.entries().get(key).and_then(|entry| entry.live(now)))
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        let entry = self.entry(record)?;
        let now = self.clock.now();
        let mut entries = self.entries();
        if entries.get(key).is_some_and(|entry| entry.live(now).is_some()) {
            return Ok(Created::Taken);
        }
        entries.insert(key.to_owned(), entry);
        Ok(Created::Created)
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        let entry = self.entry(record)?;
        let now = self.clock.now();
        let mut entries = self.entries();
        match entries.get(key).and_then(|entry| entry.live(now)) {
            None => Ok(Updated::Gone),
            Some(current) if current.version != *expected => Ok(Updated::Conflict(current)),
            Some(_) => {
                entries.insert(key.to_owned(), entry);
                Ok(Updated::Done)
            }
        }
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(key).filter(|entry| entry.live(now).is_some()) else { return Ok(false) };
        entry.deadline = entry.deadline.max(now.saturating_add(millis(expires_in)));
        Ok(true)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.entries().remove(key);
        Ok(())
    }

    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        let now = self.clock.now();
        let mut entries = self.entries();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let expired = entries.iter().filter(|(_, entry)| entry.live(now).is_none());
        let mut expired: Vec<String> = expired.map(|(key, _)| key.clone()).collect();
        let more = expired.len() > limit;
        expired.truncate(limit);
        for key in &expired {
            entries.remove(key);
        }
        Ok(Swept { deleted: expired.len() as u64, more })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn name(&self) -> &'static str {
        "reference"
    }
}
