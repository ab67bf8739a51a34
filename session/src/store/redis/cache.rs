//! [`Cache`]: records as one connection read them last, until the server says that they changed.
//!
//! The server remembers which keys a connection has read (`CLIENT TRACKING`), and pushes a key once it changes, expires
//! or is thrown out. It does so in the stream of its answers: when a command is answered, all has arrived that changed
//! before the command ran. Two things follow from that.
//!
//! An answer may not be kept if its key was pushed before the answer is: what reads a key notes beforehand how often it
//! changed, and is refused if it has changed since. And a connection is as good as its last answer: on one that vanished
//! without a word, no push comes either, so that nothing is served that is not proven by an answer of the last second.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use lru::LruCache;
use redis::{PushKind, Value};
use tokio::time::Instant;

use crate::store::{Record, StoreError, Version};

/// How long ago the command was sent, at most, whose answer proves that the connection lives.
const PROVEN: Duration = Duration::from_secs(1);

/// What an entry takes beside its key and its bytes, at most: the allocations, the list, the table when it has just grown.
const OVERHEAD: usize = 256;

/// How many counters of changes there are; a key shares its own with others, which only costs an answer that is not kept.
const STRIPES: usize = 256;

/// The caches of a store, one a live connection.
///
/// They know each other, so that no worker serves what another one of the same process has replaced or removed.
pub(super) struct Caches {
    max_bytes: usize,
    all: Mutex<Vec<Weak<Cache>>>,
    is_refusal_told: AtomicBool,
}

impl Caches {
    /// Caches of so many bytes each.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, all: Mutex::default(), is_refusal_told: AtomicBool::new(false) }
    }

    /// An empty one, for a connection that is being opened.
    pub(super) fn open(&self) -> Arc<Cache> {
        let cache = Arc::new(Cache::new(self.max_bytes));
        let mut all = self.all();
        all.retain(|cache| cache.strong_count() > 0);
        all.push(Arc::downgrade(&cache));
        cache
    }

    /// Says that a record is about to be changed, until what comes back is dropped.
    pub(super) fn writing<'a>(&'a self, key: &'a str) -> Writing<'a> {
        self.forget(key);
        Writing { caches: self, key }
    }

    /// Warns, the first time, that a server does not tell what changes.
    pub(super) fn refused(&self, error: &StoreError) {
        if !self.is_refusal_told.swap(true, Ordering::Relaxed) {
            crate::events::store_uncached("redis", error);
        }
    }

    fn forget(&self, key: &str) {
        for cache in self.all().iter().filter_map(Weak::upgrade) {
            cache.lock().changed(key.as_bytes());
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Weak<Cache>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A write under way: what is read from before it to after it is not kept.
pub(super) struct Writing<'a> {
    caches: &'a Caches,
    key: &'a str,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.caches.forget(self.key);
    }
}

/// The records that one connection has read, as far as nothing has told of a change.
pub(super) struct Cache {
    max_bytes: usize,
    inner: Mutex<Inner>,
}

impl Cache {
    fn new(max_bytes: usize) -> Self {
        let inner = Inner {
            held: LruCache::unbounded(),
            bytes: 0,
            changes: [0; STRIPES],
            hasher: RandomState::new(),
            proven: Instant::now(),
        };
        Self { max_bytes, inner: Mutex::new(inner) }
    }

    /// The record under a key, if this connection read it and is known to live.
    pub(super) fn recall(&self, key: &str) -> Option<Record> {
        let now = Instant::now();
        let mut inner = self.lock();
        if now.saturating_duration_since(inner.proven) > PROVEN {
            return None;
        }
        let held = inner.held.get(key.as_bytes())?;
        let expires_in = held.until.saturating_duration_since(now);
        if expires_in.is_zero() {
            inner.remove(key.as_bytes());
            return None;
        }
        Some(Record { version: held.version, bytes: held.bytes.clone(), expires_in })
    }

    /// Notes that a key is about to be read.
    pub(super) fn asking(self: Arc<Self>, key: &str) -> Asked {
        let changes = {
            let inner = self.lock();
            inner.changes.get(inner.stripe(key.as_bytes())).copied().unwrap_or_default()
        };
        Asked { cache: self, changes }
    }

    /// Notes that a command was answered, and when it was sent.
    pub(super) fn answered(&self, sent: Instant) {
        let mut inner = self.lock();
        inner.proven = inner.proven.max(sent);
    }

    /// Takes what the server says unasked.
    pub(super) fn pushed(&self, push: &Value) {
        let mut inner = self.lock();
        match keys(push) {
            Some(keys) => keys.for_each(|key| inner.changed(key)),
            // all was flushed, or it is nothing that is understood
            None => inner.all_changed(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A read under way.
pub(super) struct Asked {
    cache: Arc<Cache>,
    /// How often the key had changed before.
    changes: u64,
}

impl Asked {
    /// Keeps the answer, unless it changed meanwhile or is larger than all that may be kept.
    pub(super) fn keep(self, key: &str, record: &Record) {
        let until = Instant::now().checked_add(record.expires_in);
        let mut inner = self.cache.lock();
        let changes = inner.changes.get(inner.stripe(key.as_bytes())).copied();
        let size = size(key.as_bytes(), &record.bytes);
        let Some(until) = until.filter(|_| changes == Some(self.changes) && size <= self.cache.max_bytes) else {
            return;
        };
        inner.remove(key.as_bytes());
        inner.bytes += size;
        inner.held.put(key.as_bytes().into(), Held { version: record.version, bytes: record.bytes.clone(), until });
        while inner.bytes > self.cache.max_bytes {
            let Some((key, held)) = inner.held.pop_lru() else { break };
            inner.bytes = inner.bytes.saturating_sub(self::size(&key, &held.bytes));
        }
    }
}

struct Inner {
    held: LruCache<Box<[u8]>, Held>,
    /// What all that is held takes.
    bytes: usize,
    /// How often a key of each stripe was said to have changed.
    changes: [u64; STRIPES],
    hasher: RandomState,
    /// When the latest command was sent that was answered.
    proven: Instant,
}

struct Held {
    version: Version,
    bytes: Bytes,
    until: Instant,
}

impl Inner {
    fn stripe(&self, key: &[u8]) -> usize {
        usize::from(self.hasher.hash_one(key).to_le_bytes().first().copied().unwrap_or_default())
    }

    /// Drops a record, and refuses what is being read.
    fn changed(&mut self, key: &[u8]) {
        let stripe = self.stripe(key);
        self.changes.get_mut(stripe).into_iter().for_each(|changes| *changes += 1);
        self.remove(key);
    }

    /// The same for all.
    fn all_changed(&mut self) {
        self.changes.iter_mut().for_each(|changes| *changes += 1);
        self.held = LruCache::unbounded();
        self.bytes = 0;
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(held) = self.held.pop(key) {
            self.bytes = self.bytes.saturating_sub(size(key, &held.bytes));
        }
    }
}

fn size(key: &[u8], bytes: &Bytes) -> usize {
    OVERHEAD + key.len() + bytes.len()
}

/// The keys that a push says have changed; none if it says anything else.
fn keys(push: &Value) -> Option<impl Iterator<Item = &[u8]>> {
    let Value::Push { kind: PushKind::Invalidate, data } = push else { return None };
    let [Value::Array(keys)] = data.as_slice() else { return None };
    keys.iter().all(|key| text(key).is_some()).then(|| keys.iter().filter_map(text))
}

fn text(key: &Value) -> Option<&[u8]> {
    if let Value::BulkString(text) = key { Some(text) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(max_bytes: usize, keys: &[&str]) -> (Caches, Arc<Cache>) {
        let caches = Caches::new(max_bytes);
        let cache = caches.open();
        keep(&cache, keys);
        (caches, cache)
    }

    fn keep(cache: &Arc<Cache>, keys: &[&str]) {
        for key in keys {
            cache.clone().asking(key).keep(key, &Record::new("bytes", Duration::from_secs(60)));
        }
    }

    fn held(cache: &Cache) -> usize {
        let inner = cache.lock();
        let bytes: usize = inner.held.iter().map(|(key, held)| size(key, &held.bytes)).sum();
        assert_eq!(inner.bytes, bytes);
        inner.held.len()
    }

    fn push(cache: &Arc<Cache>, kind: PushKind, data: Vec<Value>) {
        cache.pushed(&Value::Push { kind, data });
    }

    fn key(key: &str) -> Value {
        Value::BulkString(key.into())
    }

    #[test]
    fn what_is_said_to_have_changed_is_dropped() {
        let (_caches, cache) = holding(10_000, &["one", "two", "three"]);
        push(&cache, PushKind::Invalidate, vec![Value::Array(vec![key("one"), key("two"), key("other")])]);
        assert!(cache.recall("one").is_none() && cache.recall("two").is_none() && cache.recall("three").is_some());
    }

    #[test]
    fn a_push_that_is_not_understood_drops_all() {
        let invalidate = PushKind::Invalidate;
        for (kind, data) in [
            (invalidate.clone(), vec![]),
            (invalidate.clone(), vec![Value::Nil]),
            (invalidate.clone(), vec![key("other")]),
            (invalidate.clone(), vec![Value::Array(vec![key("other"), Value::Int(1)])]),
            (invalidate, vec![Value::Array(vec![key("other")]), Value::Nil]),
            (PushKind::Other("tracking-redir-broken".into()), vec![]),
            (PushKind::Disconnection, vec![]),
        ] {
            let (_caches, cache) = holding(10_000, &["one", "two"]);
            let asked = cache.clone().asking("three");
            push(&cache, kind.clone(), data.clone());
            asked.keep("three", &Record::new("bytes", Duration::from_secs(60)));
            assert_eq!(held(&cache), 0, "{kind:?} {data:?}");
        }
    }

    #[test]
    fn an_answer_is_not_kept_if_its_key_changed_after_it_was_asked_for() {
        let (caches, cache) = holding(10_000, &[]);
        let record = Record::new("bytes", Duration::from_secs(60));
        let asked = cache.clone().asking("one");
        push(&cache, PushKind::Invalidate, vec![Value::Array(vec![key("one")])]);
        asked.keep("one", &record);
        assert_eq!(held(&cache), 0, "it was pushed");

        // by whichever worker
        let other = caches.open();
        keep(&cache, &["one"]);
        let before = cache.clone().asking("one");
        let writing = caches.writing("one");
        assert_eq!(held(&cache), 0, "it is being written");
        let meanwhile = cache.clone().asking("one");
        drop(writing);
        let after = other.clone().asking("one");
        before.keep("one", &record);
        meanwhile.keep("one", &record);
        assert_eq!(held(&cache), 0, "it was written");
        after.keep("one", &record);
        assert_eq!(held(&other), 1);
    }

    #[test]
    fn no_more_is_held_than_fits_and_what_was_used_longest_ago_goes() {
        let each = OVERHEAD + 1 + "bytes".len();
        let (_caches, cache) = holding(3 * each, &["1", "2", "3"]);
        assert!(cache.recall("1").is_some());
        keep(&cache, &["4", "4", "4"]);
        assert_eq!(held(&cache), 3);
        assert!(cache.recall("2").is_none() && ["1", "3", "4"].iter().all(|key| cache.recall(key).is_some()));

        cache.clone().asking("1").keep("1", &Record::new(vec![0; 3 * each], Duration::from_secs(60)));
        assert_eq!(held(&cache), 3, "what is larger than all is not kept");
    }

    #[test]
    fn a_life_without_end_overflows_nothing() {
        let (_caches, cache) = holding(10_000, &[]);
        cache.clone().asking("1").keep("1", &Record::new("", Duration::MAX));
        assert_eq!(held(&cache), 0);
    }

    #[test]
    fn a_connection_that_is_gone_takes_its_cache_along() {
        let caches = Caches::new(10_000);
        for _ in 0..100 {
            drop(caches.open());
        }
        assert_eq!(caches.all().len(), 1);
    }
}
