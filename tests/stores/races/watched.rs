//! [`Watched`]: a store that notes what is created and how often writes meet, lets others run around each call, and
//! loses answers if asked to.

use std::{
    mem,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_typed_session::store::{Created, Record, SessionStore, StoreError, StoreErrorKind, Updated, Version};
use async_trait::async_trait;

/// The store itself; what is made of it notes in the same place.
#[derive(Clone)]
pub(crate) struct Watched {
    inner: Arc<dyn SessionStore>,
    notes: Arc<Notes>,
}

/// What happened.
#[derive(Default)]
pub(crate) struct Notes {
    created: Mutex<Vec<String>>,
    /// Writes that were refused, for another came first.
    pub(crate) conflicts: AtomicU64,
    /// Records whose expiry was moved.
    pub(crate) touched: AtomicU64,
    /// Whether one of four updates is answered by an error that says nothing: half of these were done, and half were not.
    pub(crate) loses: AtomicBool,
    calls: AtomicU64,
}

impl Notes {
    /// The keys under which records were created since the last time.
    pub(crate) fn take_created(&self) -> Vec<String> {
        mem::take(&mut self.created.lock().unwrap())
    }

    fn count(&self, counter: &AtomicU64, happened: bool) {
        counter.fetch_add(u64::from(happened), Ordering::Relaxed);
    }

    /// Lets other requests of the worker run, up to three times: a store in memory never waits, and would hide them.
    async fn step_aside(&self) {
        for _ in 0..self.below(4) {
            tokio::task::yield_now().await;
        }
    }

    /// A number below `end` that differs from call to call.
    fn below(&self, end: u64) -> u64 {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        ((call.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) * end) >> 32
    }

    /// Whether an update is lost, and so whether before it was done.
    fn lost(&self) -> Option<bool> {
        let is_lost = self.loses.load(Ordering::Relaxed) && self.below(4) == 0;
        is_lost.then(|| self.below(2) == 0)
    }

    async fn around<T>(&self, call: impl Future<Output = T>) -> T {
        self.step_aside().await;
        let answer = call.await;
        self.step_aside().await;
        answer
    }
}

impl Watched {
    pub(crate) fn new(inner: Arc<dyn SessionStore>, notes: Arc<Notes>) -> Self {
        Self { inner, notes }
    }
}

#[async_trait]
impl SessionStore for Watched {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        self.notes.around(self.inner.load(key)).await
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        self.notes.created.lock().unwrap().push(key.to_owned());
        self.notes.around(self.inner.create(key, record)).await
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        let (lost, unknown) =
            (self.notes.lost(), || StoreError::new(StoreErrorKind::OutcomeUnknown, "lost on its way"));
        if lost == Some(true) {
            return Err(unknown());
        }
        let updated = self.notes.around(self.inner.update(key, record, expected)).await?;
        if lost.is_some() {
            return Err(unknown());
        }
        self.notes.count(&self.notes.conflicts, matches!(updated, Updated::Conflict(_)));
        Ok(updated)
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        let touched = self.notes.around(self.inner.touch(key, expires_in)).await?;
        self.notes.count(&self.notes.touched, touched);
        Ok(touched)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.notes.around(self.inner.delete(key)).await
    }

    async fn delete_expired(&self, limit: u64) -> Result<u64, StoreError> {
        self.inner.delete_expired(limit).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }

    fn for_worker(&self) -> Option<Arc<dyn SessionStore>> {
        let inner = self.inner.for_worker()?;
        Some(Arc::new(Self { inner, notes: Arc::clone(&self.notes) }))
    }

    fn name(&self) -> &'static str {
        self.inner.name()
    }
}
