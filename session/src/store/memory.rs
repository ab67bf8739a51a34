//! [`MemoryStore`]: sessions in this process, gone when it ends.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use self::{
    deadlines::NEVER,
    shard::{Key, Shard, Stored},
};
use crate::{
    Clock,
    clock::millis,
    store::{
        Created, Record, SessionStore, StoreError, StoreErrorKind, Swept, Updated, Version, async_trait, seldom::Seldom,
    },
};

mod deadlines;
mod shard;

/// Keeps sessions in the memory of this process: nothing to install, nothing left after a restart.
///
/// For development, tests, and apps that run as one process. Build it once, outside the app factory: its clones share
/// their records, while a store built by each worker would know only the sessions of that worker.
///
/// It is bounded, by default to 256 MiB of keys, bytes and bookkeeping (160 bytes a record). At the bound a write
/// removes the records that expire soonest, expired ones before live ones, and once a minute a warning says that live
/// sessions are being ended. A record larger than the whole bound is
/// [`TooLarge`](StoreErrorKind::TooLarge). Expired records are removed by the writes that follow, a few at a time, and
/// by [`delete_expired`](SessionStore::delete_expired); no thread runs for that.
///
/// At a million sessions of 400 bytes an operation takes one to two microseconds, and none holds up another for a
/// millisecond, unless the allocator returns memory to the system: after a sweep of all, that may be tens of them at
/// once. `benches/run memory` measures it.
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), actix_typed_session::store::StoreError> {
/// use actix_typed_session::store::{Created, MemoryStore, Record, SessionStore};
/// use std::time::Duration;
///
/// let store = MemoryStore::default().max_bytes(1024 * 1024 * 1024);
/// let record = Record::new("bytes", Duration::from_secs(60));
/// assert_eq!(store.create("session:1", &record).await?, Created::Created);
///
/// let clone = store.clone();
/// assert_eq!(clone.load("session:1").await?.unwrap().version, record.version);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    inner: Arc<Inner>,
}

impl MemoryStore {
    /// An empty store with another bound, in bytes.
    ///
    /// Default: 256 MiB, some 440 000 sessions of 400 bytes. A session takes its bytes, its key and 160 bytes more.
    ///
    /// ```
    /// use actix_typed_session::store::MemoryStore;
    ///
    /// let store = MemoryStore::default().max_bytes(16 * 1024 * 1024);
    /// ```
    #[must_use]
    pub fn max_bytes(self, max_bytes: usize) -> Self {
        Self { inner: Arc::new(Inner::new(max_bytes, self.inner.clock.clone())) }
    }

    /// An empty store that counts time by another clock, which a test moves. Default: the system's, which no change of
    /// the date moves.
    ///
    /// ```
    /// # #[actix_web::main] async fn main() -> Result<(), actix_typed_session::store::StoreError> {
    /// use actix_typed_session::{Clock, store::{MemoryStore, Record, SessionStore}};
    /// use std::time::Duration;
    ///
    /// let clock = Clock::manual();
    /// let store = MemoryStore::default().clock(clock.clone());
    /// let _ = store.create("session:1", &Record::new("bytes", Duration::from_secs(60))).await?;
    /// clock.advance(Duration::from_secs(61));
    /// assert_eq!(store.load("session:1").await?, None);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        Self { inner: Arc::new(Inner::new(self.inner.max_bytes, clock)) }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { inner: Arc::new(Inner::new(256 * 1024 * 1024, Clock::default())) }
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("max_bytes", &self.inner.max_bytes)
            .field("bytes", &self.inner.bytes.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        let (key, now) = (self.inner.key(key), self.inner.now());
        let loaded = self.inner.shard(index(key.hash), |shard| shard.load(key, now));
        Ok(loaded.map(|(stored, deadline)| stored.record(deadline, now)))
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        let (key, now) = (self.inner.key(key), self.inner.now());
        let stored = self.inner.copy(key, record)?;
        let deadline = deadline(now, record.expires_in);
        let created = self.inner.shard(index(key.hash), |shard| {
            let created = shard.create(key, stored, deadline, now);
            shard.remove_expired(TIDIED, now);
            created
        });
        if !created {
            return Ok(Created::Taken);
        }
        self.inner.make_room(key, now).await;
        Ok(Created::Created)
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        let (key, now) = (self.inner.key(key), self.inner.now());
        let stored = self.inner.copy(key, record)?;
        let deadline = deadline(now, record.expires_in);
        match self.inner.shard(index(key.hash), |shard| shard.update(key, stored, deadline, expected, now)) {
            Ok(()) => {
                self.inner.make_room(key, now).await;
                Ok(Updated::Done)
            }
            Err(Some((stored, deadline))) => Ok(Updated::Conflict(stored.record(deadline, now))),
            Err(None) => Ok(Updated::Gone),
        }
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        let (key, now) = (self.inner.key(key), self.inner.now());
        Ok(self.inner.shard(index(key.hash), |shard| shard.touch(key, deadline(now, expires_in), now)))
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let key = self.inner.key(key);
        self.inner.shard(index(key.hash), |shard| shard.remove(key));
        Ok(())
    }

    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        let now = self.inner.now();
        let mut deleted = 0;
        let mut since_yield = 0;
        for index in 0..SHARDS {
            while deleted < limit && self.inner.soonest(index) < now {
                let batch = BATCH.min(limit - deleted);
                let removed = self.inner.shard(index, |shard| shard.remove_expired(batch, now));
                deleted += removed;
                since_yield += removed;
                // the requests of this thread go on meanwhile
                if since_yield >= BATCH {
                    since_yield = 0;
                    tokio::task::yield_now().await;
                }
            }
        }
        Ok(Swept { deleted, more: deleted >= limit })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn name(&self) -> &'static str {
        "memory"
    }

    fn is_local(&self) -> bool {
        true
    }
}

/// So many that a shard of a million sessions has a thousand, and grows in some tens of microseconds.
const SHARDS: usize = 1024;

/// How many expired records of its shard a new one removes: more than one, so that they become fewer.
const TIDIED: u64 = 2;

/// How many records a sweep removes before it lets others run, and a write that makes room.
const BATCH: u64 = 32;

/// How often a write tries to make room before it leaves the rest to the next one.
const EVICTIONS: u64 = 4096;

struct Inner {
    shards: Box<[Mutex<Shard>]>,
    /// The deadline of each shard's first record, side by side: a glance finds the first of all.
    soonest: Box<[AtomicU64]>,
    hasher: RandomState,
    bytes: AtomicUsize,
    max_bytes: usize,
    clock: Clock,
    warning: Seldom,
}

impl Inner {
    fn new(max_bytes: usize, clock: Clock) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            soonest: (0..SHARDS).map(|_| AtomicU64::new(NEVER)).collect(),
            hasher: RandomState::new(),
            bytes: AtomicUsize::new(0),
            max_bytes,
            clock,
            warning: Seldom::default(),
        }
    }

    fn now(&self) -> u64 {
        self.clock.elapsed()
    }

    fn key<'a>(&self, text: &'a str) -> Key<'a> {
        Key { text, hash: self.hasher.hash_one(text) }
    }

    fn soonest(&self, index: usize) -> u64 {
        self.soonest.get(index).map_or(NEVER, |soonest| soonest.load(Ordering::Relaxed))
    }

    /// What is to be written, copied while no lock is held.
    fn copy(&self, key: Key<'_>, record: &Record) -> Result<Stored, StoreError> {
        let size = shard::size(key.text, &record.bytes);
        if size > self.max_bytes {
            return Err(StoreError::new(
                StoreErrorKind::TooLarge,
                format!("the record takes {size} bytes, and the memory store may hold {} in all", self.max_bytes),
            ));
        }
        Ok(Stored::new(key, record))
    }

    /// Works on one shard, and then brings the account of bytes and the first deadline up to date.
    #[allow(clippy::indexing_slicing, reason = "both have SHARDS elements, and the index is below that")]
    fn shard<T>(&self, index: usize, work: impl FnOnce(&mut Shard) -> T) -> T {
        let index = index % SHARDS;
        let mut shard = self.shards[index].lock().unwrap_or_else(PoisonError::into_inner);
        let (bytes, soonest) = (shard.bytes(), shard.soonest());
        let outcome = work(&mut shard);
        match shard.bytes().checked_sub(bytes) {
            Some(0) => {}
            Some(more) => _ = self.bytes.fetch_add(more, Ordering::Relaxed),
            None => _ = self.bytes.fetch_sub(bytes - shard.bytes(), Ordering::Relaxed),
        }
        if shard.soonest() != soonest {
            self.soonest[index].store(shard.soonest(), Ordering::Relaxed);
        }
        outcome
    }

    /// Removes what expires soonest until the bound is kept, but not the record that was just written.
    async fn make_room(&self, written: Key<'_>, now: u64) {
        let mut live = 0_u64;
        for eviction in 1..=EVICTIONS {
            if self.bytes.load(Ordering::Relaxed) <= self.max_bytes {
                break;
            }
            let own = index(written.hash);
            let (mut index, mut first) = (own, self.shard(own, |shard| shard.soonest_but(written)));
            for (other, soonest) in self.soonest.iter().enumerate() {
                let soonest = soonest.load(Ordering::Relaxed);
                if soonest < first && other != own {
                    (index, first) = (other, soonest);
                }
            }
            if first == NEVER {
                break;
            }
            let except = (index == own).then_some(written);
            // another thread may have removed it meanwhile, and what is first there now need not be first of all
            let removed = self.shard(index, |shard| shard.remove_soonest(first, except));
            live += u64::from(removed.is_some_and(|deadline| now <= deadline));
            if eviction % BATCH == 0 {
                tokio::task::yield_now().await;
            }
        }
        if live > 0 && self.warning.is_due(self.now()) {
            crate::events::store_full("memory", self.max_bytes as u64, "`max_bytes`");
        }
    }
}

/// The shard of the keys with a hash: by bits of it that the tables inside the shards don't go by.
fn index(hash: u64) -> usize {
    (hash >> 32) as usize % SHARDS
}

/// The last millisecond of a life that begins now.
fn deadline(now: u64, expires_in: Duration) -> u64 {
    now.saturating_add(millis(expires_in)).min(NEVER - 1)
}

#[cfg(test)]
impl Inner {
    fn index(&self, key: &str) -> usize {
        index(self.key(key).hash)
    }
}

#[cfg(test)]
mod tests;
