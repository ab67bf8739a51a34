use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_typed_session::store::{Cache, Cached, Condition, HasEnded, StoreError, Swept, Tag, async_trait};
use bytes::Bytes;

/// A map under a lock, as a stand-in for your cache.
#[derive(Default)]
pub struct MapCache {
    values: Mutex<HashMap<String, Cached>>,
    writes: AtomicU64,
}

#[async_trait]
impl Cache for MapCache {
    async fn get(&self, key: &str) -> Result<Option<Cached>, StoreError> {
        Ok(self.values.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    async fn put(&self, key: &str, value: Bytes, _: Duration, condition: Condition<'_>) -> Result<bool, StoreError> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = match condition {
            Condition::Absent => !values.contains_key(key),
            Condition::At(tag) => values.get(key).is_some_and(|found| found.tag == *tag),
        };
        if holds {
            let number = self.writes.fetch_add(1, Ordering::Relaxed);
            let tag = Tag::new(number.to_be_bytes().to_vec());
            values.insert(key.to_owned(), Cached { value, tag });
        }
        Ok(holds)
    }

    async fn remove(&self, key: &str, tag: Option<&Tag>) -> Result<bool, StoreError> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = values.get(key).is_some_and(|found| tag.is_none_or(|tag| found.tag == *tag));
        Ok(holds && values.remove(key).is_some())
    }

    async fn sweep(&self, limit: u64, has_ended: &HasEnded<'_>) -> Result<Swept, StoreError> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = values.iter().filter(|(_, found)| has_ended(&found.value)).map(|(key, _)| key.clone());
        let ended: Vec<_> = ended.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect();
        let deleted = ended.iter().filter_map(|key| values.remove(key)).count() as u64;
        Ok(Swept { deleted, more: deleted == limit })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn name(&self) -> &'static str {
        "map_cache"
    }

    fn may_evict(&self) -> bool {
        false // it grows without a bound
    }
}
