//! [`Remembering`]: a store that recalls what it read, and is never told that it changed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_debug_implementations, reason = "no test prints it")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use actix_typed_session::store::{Created, Record, SessionStore, StoreError, Swept, Updated, Version};
use async_trait::async_trait;

/// Passes everything to another store, and recalls what it has loaded until it writes there itself: as far behind as a
/// store may ever be.
#[derive(Clone)]
pub struct Remembering {
    inner: Arc<dyn SessionStore>,
    memory: Arc<Mutex<HashMap<String, Record>>>,
}

impl Remembering {
    /// Over this store, with nothing to recall.
    pub fn new(store: impl SessionStore) -> Self {
        Self { inner: Arc::new(store), memory: Arc::default() }
    }

    /// Lets time pass for what is recalled.
    pub fn age(&self, by: Duration) {
        for record in self.memory().values_mut() {
            record.expires_in = record.expires_in.saturating_sub(by);
        }
    }

    fn memory(&self) -> MutexGuard<'_, HashMap<String, Record>> {
        self.memory.lock().unwrap()
    }
}

#[async_trait]
impl SessionStore for Remembering {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        let loaded = self.inner.load(key).await?;
        let mut memory = self.memory();
        match &loaded {
            Some(record) => memory.insert(key.to_owned(), record.clone()),
            None => memory.remove(key),
        };
        Ok(loaded)
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        self.memory().remove(key);
        self.inner.create(key, record).await
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        self.memory().remove(key);
        self.inner.update(key, record, expected).await
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        self.memory().remove(key);
        self.inner.touch(key, expires_in).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.memory().remove(key);
        self.inner.delete(key).await
    }

    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        self.inner.delete_expired(limit).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }

    fn recall(&self, key: &str) -> Option<Record> {
        self.memory().get(key).cloned()
    }

    fn recalls(&self) -> bool {
        true
    }

    fn name(&self) -> &'static str {
        self.inner.name()
    }
}
