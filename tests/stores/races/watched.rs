//! [`Watched`]: a store that notes what is created and how often writes meet, lets others run around each call, and
//! loses answers or holds writes back if asked to.

use std::{
    mem,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_typed_session::store::{Created, Record, SessionStore, StoreError, StoreErrorKind, Swept, Updated, Version};
use async_trait::async_trait;
use tokio::sync::{Semaphore, watch};

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
    held: Mutex<Option<(usize, Arc<Held>)>>,
}

/// Writes of sessions that stand before the store, and go on whether somebody still waits for them or not.
pub(crate) struct Held {
    /// Whether nobody does: they are given up as soon as they have come.
    are_given_up: bool,
    count: AtomicUsize,
    arrived: Semaphore,
    /// How many may go on, in the order in which they came.
    open: watch::Sender<usize>,
    done: Semaphore,
}

impl Held {
    /// Waits until so many more have come.
    pub(crate) async fn arrived(&self, writes: u32) {
        self.arrived.acquire_many(writes).await.unwrap().forget();
    }

    /// Lets so many go on, and waits until the store has answered them.
    pub(crate) async fn open(&self, writes: u32) {
        self.open.send_modify(|open| *open += writes as usize);
        self.done.acquire_many(writes).await.unwrap().forget();
    }

    /// Does a write when it may go on. Its place is that of this call.
    async fn take<T, W>(self: Arc<Self>, write: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let place = self.count.fetch_add(1, Ordering::SeqCst);
        let held = Arc::clone(&self);
        let late = tokio::spawn(async move {
            held.open.subscribe().wait_for(|open| *open > place).await.unwrap();
            let answer = write.await;
            held.done.add_permits(1);
            answer
        });
        self.arrived.add_permits(1);
        if self.are_given_up { Err(unknown()) } else { late.await.unwrap() }
    }
}

fn unknown() -> StoreError {
    StoreError::new(StoreErrorKind::OutcomeUnknown, "lost on its way")
}

/// Whether a session is stored there; what is kept for a user is under a key of another kind.
pub(crate) fn is_session(key: &str) -> bool {
    key.strip_prefix("session:").is_some_and(|id| id.len() == 32)
}

impl Notes {
    /// Holds the next so many writes of sessions back.
    pub(crate) fn hold(&self, writes: usize) -> Arc<Held> {
        self.hold_back(writes, false)
    }

    /// The same for those whose requests don't wait: they are told that the outcome is unknown, as where the time is over
    /// or the connection is lost.
    pub(crate) fn hold_given_up(&self, writes: usize) -> Arc<Held> {
        self.hold_back(writes, true)
    }

    fn hold_back(&self, writes: usize, are_given_up: bool) -> Arc<Held> {
        let none = || Semaphore::new(0);
        let (count, open) = (AtomicUsize::new(0), watch::Sender::default());
        let held = Arc::new(Held { are_given_up, count, arrived: none(), open, done: none() });
        *self.held.lock().unwrap() = Some((writes, Arc::clone(&held)));
        held
    }

    /// Where this write waits, if it is one of those.
    fn held(&self, key: &str) -> Option<Arc<Held>> {
        let mut held = self.held.lock().unwrap();
        let (left, held) = held.as_mut().filter(|(left, _)| *left > 0 && is_session(key))?;
        *left -= 1;
        Some(Arc::clone(held))
    }

    /// The keys under which records were created since the last time.
    pub(crate) fn take_created(&self) -> Vec<String> {
        mem::take(&mut self.created.lock().unwrap())
    }

    fn count(&self, counter: &AtomicU64, happened: bool) {
        counter.fetch_add(u64::from(happened), Ordering::Relaxed);
    }

    /// Lets other requests of the worker run, up to three times: a store in memory never waits, and would hide them. What
    /// is kept for a user waits now and then, so that those of other workers meet, too.
    async fn step_aside(&self, key: &str) {
        if !is_session(key) && self.below(4) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
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

    async fn around<T>(&self, key: &str, call: impl Future<Output = T>) -> T {
        self.step_aside(key).await;
        let answer = call.await;
        self.step_aside(key).await;
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
        self.notes.around(key, self.inner.load(key)).await
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        self.notes.created.lock().unwrap().push(key.to_owned());
        if let Some(held) = self.notes.held(key) {
            let (inner, key, record) = (Arc::clone(&self.inner), key.to_owned(), record.clone());
            return held.take(async move { inner.create(&key, &record).await }).await;
        }
        let created = self.notes.around(key, self.inner.create(key, record)).await?;
        self.notes.count(&self.notes.conflicts, created == Created::Taken);
        Ok(created)
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        if let Some(held) = self.notes.held(key) {
            let (inner, key, record, expected) = (Arc::clone(&self.inner), key.to_owned(), record.clone(), *expected);
            return held.take(async move { inner.update(&key, &record, &expected).await }).await;
        }
        let lost = self.notes.lost();
        if lost == Some(true) {
            return Err(unknown());
        }
        let updated = self.notes.around(key, self.inner.update(key, record, expected)).await?;
        if lost.is_some() {
            return Err(unknown());
        }
        self.notes.count(&self.notes.conflicts, matches!(updated, Updated::Conflict(_)));
        Ok(updated)
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        let touched = self.notes.around(key, self.inner.touch(key, expires_in)).await?;
        self.notes.count(&self.notes.touched, touched);
        Ok(touched)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.notes.around(key, self.inner.delete(key)).await
    }

    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        self.inner.delete_expired(limit).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }

    fn for_worker(&self) -> Option<Arc<dyn SessionStore>> {
        let inner = self.inner.for_worker()?;
        Some(Arc::new(Self { inner, notes: Arc::clone(&self.notes) }))
    }

    fn recall(&self, key: &str) -> Option<Record> {
        self.inner.recall(key)
    }

    fn recalls(&self) -> bool {
        self.inner.recalls()
    }

    fn name(&self) -> &'static str {
        self.inner.name()
    }
}
