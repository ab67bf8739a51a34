//! [`SpyStore`]: what a store was asked for.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::store::{Created, Record, SessionStore, StoreError, Swept, Updated, Version, async_trait};

/// An operation of [`SessionStore`].
///
/// ```
/// assert_eq!(actix_typed_session::testing::Operation::DeleteExpired.name(), "delete_expired");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`SessionStore::load`]
    Load,
    /// [`SessionStore::create`]
    Create,
    /// [`SessionStore::update`]
    Update,
    /// [`SessionStore::touch`]
    Touch,
    /// [`SessionStore::delete`]
    Delete,
    /// [`SessionStore::delete_expired`]
    DeleteExpired,
    /// [`SessionStore::ping`]
    Ping,
    /// [`SessionStore::migrate`]
    Migrate,
}

impl Operation {
    /// The method's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Create => "create",
            Self::Update => "update",
            Self::Touch => "touch",
            Self::Delete => "delete",
            Self::DeleteExpired => "delete_expired",
            Self::Ping => "ping",
            Self::Migrate => "migrate",
        }
    }
}

/// Passes every call to another store and keeps a log of the operations, in the order in which they began.
///
/// Its clones, and what [`for_worker`](SessionStore::for_worker) makes of it, write one log. The log is as long as it
/// gets: for tests only.
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), actix_typed_session::store::StoreError> {
/// use actix_typed_session::{store::SessionStore, testing::{ReferenceStore, SpyStore}};
///
/// let spy = SpyStore::new(ReferenceStore::default());
/// spy.load("session:1").await?;
/// spy.delete("session:1").await?;
/// assert_eq!(spy.take(), ["load", "delete"]);
/// assert!(spy.log().is_empty());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct SpyStore {
    inner: Arc<dyn SessionStore>,
    log: Arc<Mutex<Vec<&'static str>>>,
}

impl SpyStore {
    /// A spy on `store`, its log empty.
    pub fn new(store: impl SessionStore) -> Self {
        Self::over(Arc::new(store))
    }

    /// The same over a store that is shared already.
    #[must_use]
    pub fn over(store: Arc<dyn SessionStore>) -> Self {
        Self { inner: store, log: Arc::default() }
    }

    /// The operations so far, by their names ([`Operation::name`]).
    #[must_use]
    pub fn log(&self) -> Vec<&'static str> {
        self.entries().clone()
    }

    /// The operations so far, by their names, after which the log is empty.
    #[must_use]
    pub fn take(&self) -> Vec<&'static str> {
        mem::take(&mut self.entries())
    }

    fn note(&self, operation: Operation) {
        self.entries().push(operation.name());
    }

    fn entries(&self) -> MutexGuard<'_, Vec<&'static str>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SpyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpyStore").field("store", &self.inner.name()).field("log", &self.log()).finish()
    }
}

#[async_trait]
impl SessionStore for SpyStore {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        self.note(Operation::Load);
        self.inner.load(key).await
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        self.note(Operation::Create);
        self.inner.create(key, record).await
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        self.note(Operation::Update);
        self.inner.update(key, record, expected).await
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        self.note(Operation::Touch);
        self.inner.touch(key, expires_in).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.note(Operation::Delete);
        self.inner.delete(key).await
    }

    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        self.note(Operation::DeleteExpired);
        self.inner.delete_expired(limit).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.note(Operation::Ping);
        self.inner.ping().await
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        self.note(Operation::Migrate);
        self.inner.migrate().await
    }

    fn migration(&self) -> Option<String> {
        self.inner.migration()
    }

    async fn count_expired(&self) -> Result<Option<u64>, StoreError> {
        self.inner.count_expired().await
    }

    fn for_worker(&self) -> Option<Arc<dyn SessionStore>> {
        let inner = self.inner.for_worker()?;
        Some(Arc::new(Self { inner, log: Arc::clone(&self.log) }))
    }

    /// Asks nobody, so that it is in no log.
    fn recall(&self, key: &str) -> Option<Record> {
        self.inner.recall(key)
    }

    fn recalls(&self) -> bool {
        self.inner.recalls()
    }

    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn is_local(&self) -> bool {
        self.inner.is_local()
    }

    fn may_evict(&self) -> bool {
        self.inner.may_evict()
    }
}
