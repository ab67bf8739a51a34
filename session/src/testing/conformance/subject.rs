//! [`Subject`]: a store, and what the suite has to know about it.

use std::{
    any::Any,
    fmt,
    panic::resume_unwind,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, Either, join_all, select};
use tokio::{runtime::Handle, sync::oneshot};

use crate::{
    Clock,
    error::Chain,
    store::{Created, Record, SessionStore, StoreError, Swept, Updated, Version},
};

/// An expiry that no test lives to see.
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
/// How late an expiry may be (S9).
pub(super) const LATENESS: Duration = Duration::from_secs(2);
/// How long a read may take on a busy machine without that counting against the store.
const SLACK: Duration = Duration::from_secs(2);

/// A store under test, and what the suite has to know about it.
///
/// The backend should be the suite's own while it runs: S13 counts what a sweep deletes. Keys are random, so that
/// rules do not meet each other.
///
/// ```
/// use actix_typed_session::{
///     Clock,
///     testing::{Fault, FaultStore, Operation, ReferenceStore, conformance::Subject},
/// };
/// use std::time::Duration;
///
/// let clock = Clock::manual();
/// let store = ReferenceStore::new(clock.clone()).max_bytes(100_000);
/// let silent = FaultStore::new(store.clone());
/// silent.always(Operation::Create, Fault::LostAnswer);
///
/// let subject = Subject::new(store.clone())
///     .clock(clock)
///     .max_bytes(100_000)
///     .beside(store)
///     .unanswered("loses the answer", silent, Duration::from_secs(1));
/// ```
pub struct Subject {
    stores: Vec<Arc<dyn SessionStore>>,
    clock: Option<Clock>,
    pub(super) max_bytes: Option<usize>,
    pub(super) expires_by_itself: bool,
    pub(super) failing: Vec<Failing>,
    pub(super) unanswered: Vec<Failing>,
    _kept: Vec<Box<dyn Any + Send + Sync>>,
}

/// A store that has to fail, what its backend does, and how long it has.
pub(super) struct Failing {
    pub(super) how: String,
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) within: Duration,
}

impl Subject {
    /// This store, by real time, without a limit on bytes, and with expired records to be swept.
    pub fn new(store: impl SessionStore) -> Self {
        Self::over(Arc::new(store))
    }

    /// The same for a store that is shared already.
    #[must_use]
    pub fn over(store: Arc<dyn SessionStore>) -> Self {
        Self {
            stores: vec![store],
            clock: None,
            max_bytes: None,
            expires_by_itself: false,
            failing: Vec::new(),
            unanswered: Vec::new(),
            _kept: Vec::new(),
        }
    }

    /// The store goes by this clock, made by [`Clock::manual`]: the suite moves it instead of waiting.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The greatest record that the store takes, in bytes; one byte more has to be
    /// [`TooLarge`](crate::store::StoreErrorKind::TooLarge). Without it, S8 goes up to 1 MiB.
    #[must_use]
    pub fn max_bytes(mut self, limit: usize) -> Self {
        self.max_bytes = Some(limit);
        self
    }

    /// The backend removes expired records without being asked, so that a sweep may find none.
    #[must_use]
    pub fn expires_by_itself(mut self) -> Self {
        self.expires_by_itself = true;
        self
    }

    /// Another store over the same records, as another process would open it: the concurrent rules use it too.
    #[must_use]
    pub fn beside(mut self, store: impl SessionStore) -> Self {
        self.stores.push(Arc::new(store));
        self
    }

    /// For S11: a store whose backend is down, hangs or answers nonsense (`how` says which, for the message); each
    /// of its operations has to fail `within` this time.
    #[must_use]
    pub fn failing(mut self, how: impl Into<String>, store: impl SessionStore, within: Duration) -> Self {
        self.failing.push(Failing { how: how.into(), store: Arc::new(store), within });
        self
    }

    /// For S16: a store whose backend takes writes and does not answer them.
    #[must_use]
    pub fn unanswered(mut self, how: impl Into<String>, store: impl SessionStore, within: Duration) -> Self {
        self.unanswered.push(Failing { how: how.into(), store: Arc::new(store), within });
        self
    }

    /// Keeps something as long as the subject lives: a temporary folder, a server.
    #[must_use]
    pub fn keeping(mut self, guard: impl Any + Send + Sync) -> Self {
        self._kept.push(Box::new(guard));
        self
    }

    /// A key that nobody else uses.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("conformance:{:016x}:{name}", rand::random::<u64>())
    }

    pub(crate) fn manual_clock(&self) -> Option<&Clock> {
        self.clock.as_ref()
    }

    pub(crate) fn store(&self) -> Arc<dyn SessionStore> {
        self.stores.first().map(Arc::clone).expect("a subject has a store")
    }

    /// `count` stores for concurrent use: those that the subject has, and then what workers make of them, over and over.
    ///
    /// For tests of your own beside the rules.
    ///
    /// ```
    /// use actix_typed_session::testing::{ReferenceStore, conformance::Subject};
    ///
    /// let store = ReferenceStore::default();
    /// let subject = Subject::new(store.clone()).beside(store);
    /// let [one, other] = &subject.stores(2)[..] else { unreachable!() };
    /// # let _ = (one, other);
    /// ```
    #[must_use]
    pub fn stores(&self, count: usize) -> Vec<Arc<dyn SessionStore>> {
        let workers = self.stores.iter().filter_map(|store| store.for_worker());
        let all: Vec<_> = self.stores.iter().cloned().chain(workers).collect();
        all.iter().cycle().take(count).cloned().collect()
    }

    pub(crate) async fn load(&self, key: &str) -> Option<Record> {
        must("load", self.store().load(key).await)
    }

    pub(crate) async fn create(&self, key: &str, record: &Record) -> Created {
        must("create", self.store().create(key, record).await)
    }

    pub(crate) async fn update(&self, key: &str, record: &Record, expected: &Version) -> Updated {
        must("update", self.store().update(key, record, expected).await)
    }

    pub(crate) async fn touch(&self, key: &str, expires_in: Duration) -> bool {
        must("touch", self.store().touch(key, expires_in).await)
    }

    pub(crate) async fn delete(&self, key: &str) {
        must("delete", self.store().delete(key).await);
    }

    pub(crate) async fn delete_expired(&self, limit: u64) -> Swept {
        must("delete_expired", self.store().delete_expired(limit).await)
    }

    /// A record that was just created.
    pub(super) async fn new_record(&self, key: &str, bytes: impl Into<Bytes>, expires_in: Duration) -> Record {
        let record = Record::new(bytes, expires_in);
        let created = self.create(key, &record).await;
        assert_eq!(created, Created::Created, "create under a key that was never used");
        record
    }

    /// The live record under a key that must have one.
    pub(super) async fn live(&self, rule: &str, key: &str) -> Record {
        self.load(key).await.unwrap_or_else(|| panic!("{rule}: the live record under {key:?} is gone"))
    }

    /// A lifetime that [`expire`](Self::expire) can see the end of.
    pub(super) fn short(&self) -> Duration {
        if self.clock.is_some() { HOUR } else { Duration::from_millis(300) }
    }

    /// Lets records that were written with [`short`](Self::short) expire: moves the clock, or waits.
    pub(super) async fn expire(&self, rule: &str, keys: &[String]) {
        if let Some(clock) = &self.clock {
            clock.advance(self.short() + LATENESS);
        }
        let deadline = Instant::now() + self.short().min(Duration::from_secs(1)) + LATENESS + SLACK;
        for key in keys {
            while let Some(record) = self.load(key).await {
                assert!(
                    Instant::now() < deadline,
                    "{rule}: the record under {key:?} should have expired, and is loaded with {:?} to live",
                    record.expires_in
                );
                sleep(Duration::from_millis(20)).await;
            }
            assert_eq!(self.store().recall(key), None, "{rule}: the record under {key:?} has expired, and is recalled");
        }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stores: Vec<_> = self.stores.iter().map(|store| store.name()).collect();
        f.debug_struct("Subject").field("stores", &stores).field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// The answer of a backend that works.
pub(super) fn must<T>(operation: &str, answer: Result<T, StoreError>) -> T {
    answer.unwrap_or_else(|error| panic!("`{operation}` failed: {} ({:?})", Chain(&error), error.kind()))
}

/// Runs all of these at once: as tasks where there is a tokio runtime, interleaved in this one elsewhere.
pub(super) async fn at_once<T: Send + 'static>(work: Vec<BoxFuture<'static, T>>) -> Vec<T> {
    let Ok(runtime) = Handle::try_current() else { return join_all(work).await };
    let tasks: Vec<_> = work.into_iter().map(|work| runtime.spawn(work)).collect();
    let answers = join_all(tasks).await;
    answers.into_iter().map(|answer| answer.unwrap_or_else(|error| resume_unwind(error.into_panic()))).collect()
}

/// Real time, on any runtime and also where a runtime's own time stands still.
pub(super) async fn sleep(time: Duration) {
    let (done, slept) = oneshot::channel();
    thread::spawn(move || {
        thread::sleep(time);
        let _ = done.send(());
    });
    let _ = slept.await;
}

/// What `work` came to, if it did in time.
pub(super) async fn within<T>(time: Duration, work: BoxFuture<'_, T>) -> Option<T> {
    match select(work, Box::pin(sleep(time))).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(_) => None,
    }
}
