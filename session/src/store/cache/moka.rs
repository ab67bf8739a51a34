//! [`MokaCache`].

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use moka::{
    Expiry,
    ops::compute::{CompResult, Op},
    policy::EvictionPolicy,
    sync::Cache as Moka,
};

use super::{Cache, Cached, Condition, Tag};
use crate::store::{StoreError, StoreErrorKind, async_trait};

/// A cache in this process, by [moka](https://docs.rs/moka), that throws out what was used longest ago when it is full.
///
/// What is new always gets in: a sign-in is never refused its place by sessions that are used more often, as it would be by
/// moka's own default policy. What was not read or written for the longest time goes instead, whenever it would expire.
///
/// [`MemoryStore`](crate::store::MemoryStore) is the better choice for most: it ends those sessions first that would expire
/// first, so that a user's list can be relied upon, which it can't be here ([`Cache::may_evict`]). This one is for a site
/// with many short visits and some long ones, in memory that is too small for all.
///
/// ```
/// use actix_typed_session::{SessionMiddleware, store::{CacheStore, MokaCache}};
///
/// let sessions = SessionMiddleware::new(CacheStore::new(MokaCache::new(64 * 1024 * 1024)));
/// ```
#[derive(Clone)]
pub struct MokaCache {
    values: Moka<String, Entry>,
    writes: Arc<AtomicU64>,
    max_bytes: u64,
}

#[derive(Clone)]
struct Entry {
    value: Bytes,
    number: u64,
    lifetime: Duration,
}

/// What moka and this file keep beside a key and a value, about.
const OVERHEAD: usize = 256;

/// The longest lifetime that is told to moka, whose times in nanoseconds can't hold all that a duration can: 100 years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

impl MokaCache {
    /// An empty cache of so many bytes of keys, values and bookkeeping (256 bytes a value). Its clones share their values.
    ///
    /// For a moment it may hold some hundred values more, until moka has come to throwing others out.
    ///
    /// ```
    /// use actix_typed_session::store::{CacheStore, MokaCache, SessionStore};
    ///
    /// let store = CacheStore::new(MokaCache::new(16 * 1024 * 1024));
    /// assert!(store.may_evict());
    /// ```
    #[must_use]
    pub fn new(max_bytes: u64) -> Self {
        let values = Moka::builder()
            .max_capacity(max_bytes)
            .weigher(|key: &String, entry: &Entry| u32::try_from(weight(key, &entry.value)).unwrap_or(u32::MAX))
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(Lifetime)
            .build();
        Self { values, writes: Arc::default(), max_bytes }
    }
}

impl fmt::Debug for MokaCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MokaCache").field("max_bytes", &self.max_bytes).finish_non_exhaustive()
    }
}

#[async_trait]
impl Cache for MokaCache {
    async fn get(&self, key: &str) -> Result<Option<Cached>, StoreError> {
        let found = self.values.get(key);
        Ok(found.map(|entry| Cached { value: entry.value, tag: tag(entry.number) }))
    }

    async fn put(
        &self,
        key: &str,
        value: Bytes,
        lifetime: Duration,
        condition: Condition<'_>,
    ) -> Result<bool, StoreError> {
        let size = weight(key, &value);
        if size as u64 > self.max_bytes.min(u32::MAX.into()) {
            return Err(StoreError::new(
                StoreErrorKind::TooLarge,
                format!("the record takes {size} bytes, and the cache may hold {} in all", self.max_bytes),
            ));
        }
        let number = self.writes.fetch_add(1, Ordering::Relaxed);
        let entry = Entry { value, number, lifetime: lifetime.min(LONGEST) };
        let outcome = self.values.entry_by_ref(key).and_compute_with(|found| {
            let found = found.map(|found| tag(found.into_value().number));
            match (condition, found) {
                (Condition::Absent, None) => Op::Put(entry),
                (Condition::At(tag), Some(found)) if found == *tag => Op::Put(entry),
                _ => Op::Nop,
            }
        });
        Ok(matches!(outcome, CompResult::Inserted(_) | CompResult::ReplacedWith(_)))
    }

    async fn remove(&self, key: &str, at: Option<&Tag>) -> Result<bool, StoreError> {
        let outcome = self.values.entry_by_ref(key).and_compute_with(|found| match (at, found) {
            (Some(at), Some(found)) if tag(found.value().number) != *at => Op::Nop,
            (_, Some(_)) => Op::Remove,
            (_, None) => Op::Nop,
        });
        Ok(matches!(outcome, CompResult::Removed(_)))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn name(&self) -> &'static str {
        "moka"
    }

    fn is_local(&self) -> bool {
        true
    }
}

/// Each value lives as long as its last write says.
struct Lifetime;

impl Expiry<String, Entry> for Lifetime {
    fn expire_after_create(&self, _: &String, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.lifetime)
    }

    fn expire_after_update(&self, _: &String, entry: &Entry, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(entry.lifetime)
    }
}

fn tag(number: u64) -> Tag {
    Tag::new(number.to_be_bytes().to_vec())
}

fn weight(key: &str, value: &Bytes) -> usize {
    key.len() + value.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    async fn put(cache: &MokaCache, key: &str) -> bool {
        cache.put(key, vec![0; 1000].into(), HOUR, Condition::Absent).await.unwrap()
    }

    /// A thousand sessions that are used all the time, and then a thousand sign-ins.
    #[tokio::test]
    async fn a_full_cache_takes_what_is_new_however_often_the_rest_is_used() {
        let cache = MokaCache::new(1000 * 1300);
        for index in 0..1000 {
            assert!(put(&cache, &format!("old {index}")).await);
        }
        for _ in 0..20 {
            for index in 0..1000 {
                let _ = cache.get(&format!("old {index}")).await.unwrap();
            }
            cache.values.run_pending_tasks();
        }
        for index in 0..1000 {
            let key = format!("new {index}");
            assert!(put(&cache, &key).await);
            cache.values.run_pending_tasks();
            assert!(cache.get(&key).await.unwrap().is_some(), "{key} was thrown out");
        }
    }

    #[tokio::test]
    async fn a_full_cache_throws_out_what_was_used_longest_ago() {
        let cache = MokaCache::new(10 * 1300);
        for index in 0..10 {
            assert!(put(&cache, &format!("{index}")).await);
            cache.values.run_pending_tasks();
        }
        assert!(cache.get("0").await.unwrap().is_some());
        cache.values.run_pending_tasks();
        for key in ["a", "b", "c"] {
            assert!(put(&cache, key).await);
            cache.values.run_pending_tasks();
        }
        assert!(cache.get("0").await.unwrap().is_some());
        assert!(cache.get("1").await.unwrap().is_none());
        assert!(cache.values.weighted_size() <= cache.max_bytes);
    }

    #[tokio::test]
    async fn a_value_larger_than_the_cache_is_too_large() {
        let cache = MokaCache::new(1000);
        let error = cache.put("key", vec![0; 1000].into(), HOUR, Condition::Absent).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::TooLarge);
    }

    #[tokio::test]
    async fn a_value_is_removed_at_its_own_tag_only() {
        let cache = MokaCache::new(100_000);
        assert!(put(&cache, "key").await);
        let first = cache.get("key").await.unwrap().unwrap().tag;
        assert!(cache.put("key", "next".into(), HOUR, Condition::At(&first)).await.unwrap());
        assert!(!cache.remove("key", Some(&first)).await.unwrap());
        let second = cache.get("key").await.unwrap().unwrap().tag;
        assert!(cache.remove("key", Some(&second)).await.unwrap());
        assert!(cache.get("key").await.unwrap().is_none());
    }
}
