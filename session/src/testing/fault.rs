//! [`FaultStore`]: a store that fails when a test says so.

use std::{
    fmt, future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use super::Operation;
use crate::store::{Created, Record, SessionStore, StoreError, StoreErrorKind, Swept, Updated, Version, async_trait};

/// Passes every call to another store, unless a test put a fault in its way.
///
/// Faults of one operation are used up in the order in which they were put in. Clones, and what
/// [`for_worker`](SessionStore::for_worker) makes, share them.
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), actix_typed_session::store::StoreError> {
/// use actix_typed_session::{
///     store::{Record, SessionStore, StoreErrorKind},
///     testing::{Fault, FaultStore, Operation, ReferenceStore},
/// };
/// use std::time::Duration;
///
/// let store = FaultStore::new(ReferenceStore::default());
/// store.next(Operation::Create, 1, Fault::LostAnswer);
///
/// let record = Record::new("bytes", Duration::from_secs(60));
/// let error = store.create("session:1", &record).await.unwrap_err();
/// assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown);
/// // the write had happened, and the next call goes through
/// assert_eq!(store.load("session:1").await?.unwrap().bytes, "bytes");
///
/// store.always(Operation::Load, Fault::Unavailable);
/// assert!(store.load("session:1").await.is_err());
/// store.clear();
/// assert!(store.load("session:1").await.is_ok());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct FaultStore {
    inner: Arc<dyn SessionStore>,
    faults: Arc<Mutex<Vec<Entry>>>,
}

struct Entry {
    operation: Operation,
    fault: Fault,
    /// How many calls it is good for; `None`: until it is cleared.
    left: Option<usize>,
}

/// What goes wrong with a call. [`FaultStore`] begins with an example.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The call does not happen: [`StoreErrorKind::Unavailable`].
    Unavailable,
    /// The call happens, and its answer is lost: [`StoreErrorKind::OutcomeUnknown`].
    LostAnswer,
    /// The call does not happen, and the answer makes no sense: [`StoreErrorKind::Protocol`].
    Garbage,
    /// The call does not happen and never ends.
    Hang,
    /// The call happens once the gate is open.
    Held(Gate),
    /// The call happens at once, and its answer comes once the gate is open.
    AnswerHeld(Gate),
}

/// Holds calls back until a test opens it; its clones are one gate.
///
/// ```
/// # #[actix_web::main] async fn main() {
/// use actix_typed_session::{store::SessionStore, testing::{FaultStore, Operation, ReferenceStore}};
///
/// let store = FaultStore::new(ReferenceStore::default());
/// let gate = store.hold(Operation::Ping);
/// let ping = actix_web::rt::spawn({ let store = store.clone(); async move { store.ping().await } });
///
/// gate.arrived(1).await; // the call has begun and stands at the gate
/// assert!(!ping.is_finished());
/// gate.open();
/// assert!(ping.await.unwrap().is_ok());
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Gate {
    state: watch::Sender<GateState>,
}

#[derive(Debug, Default)]
struct GateState {
    open: bool,
    arrived: usize,
}

impl FaultStore {
    /// A store like `store`, without a fault so far.
    pub fn new(store: impl SessionStore) -> Self {
        Self::over(Arc::new(store))
    }

    /// The same over a store that is shared already.
    #[must_use]
    pub fn over(store: Arc<dyn SessionStore>) -> Self {
        Self { inner: store, faults: Arc::default() }
    }

    /// Makes the next `calls` of `operation` fail.
    pub fn next(&self, operation: Operation, calls: usize, fault: Fault) {
        self.entries().push(Entry { operation, fault, left: Some(calls) });
    }

    /// Makes all calls of `operation` fail, until [`clear`](Self::clear).
    pub fn always(&self, operation: Operation, fault: Fault) {
        self.entries().push(Entry { operation, fault, left: None });
    }

    /// Holds the next call of `operation` back, and that one alone, until the gate is opened. Several are held by
    /// [`next`](Self::next) with their number and [`Fault::Held`].
    #[must_use]
    pub fn hold(&self, operation: Operation) -> Gate {
        let gate = Gate::new();
        self.next(operation, 1, Fault::Held(gate.clone()));
        gate
    }

    /// Takes all faults away. Calls that hang go on hanging, and those at a gate stay there.
    pub fn clear(&self) {
        self.entries().clear();
    }

    async fn call<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let refuse = |kind, message: &'static str| Err(StoreError::new(kind, message));
        match self.take(operation) {
            None => call.await,
            Some(Fault::Unavailable) => refuse(StoreErrorKind::Unavailable, "the test took the store away"),
            Some(Fault::Garbage) => refuse(StoreErrorKind::Protocol, "the test garbled the answer"),
            Some(Fault::Hang) => future::pending().await,
            Some(Fault::LostAnswer) => {
                call.await?;
                refuse(StoreErrorKind::OutcomeUnknown, "the test lost the answer")
            }
            Some(Fault::Held(gate)) => {
                gate.pass().await;
                call.await
            }
            Some(Fault::AnswerHeld(gate)) => {
                let answer = call.await;
                gate.pass().await;
                answer
            }
        }
    }

    fn take(&self, operation: Operation) -> Option<Fault> {
        let mut entries = self.entries();
        entries.retain(|entry| entry.left != Some(0));
        let entry = entries.iter_mut().find(|entry| entry.operation == operation)?;
        if let Some(left) = &mut entry.left {
            *left -= 1;
        }
        Some(entry.fault.clone())
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    /// A gate that is shut.
    #[must_use]
    pub fn new() -> Self {
        Self { state: watch::Sender::default() }
    }

    /// Lets through all that wait, and all that come later.
    pub fn open(&self) {
        self.state.send_modify(|state| state.open = true);
    }

    /// Waits until `calls` calls have come to the gate.
    pub async fn arrived(&self, calls: usize) {
        self.until(|state| state.arrived >= calls).await;
    }

    async fn pass(&self) {
        self.state.send_modify(|state| state.arrived += 1);
        self.until(|state| state.open).await;
    }

    async fn until(&self, reached: impl FnMut(&GateState) -> bool) {
        // it fails only when all senders are gone, and `self` is one
        let _ = self.state.subscribe().wait_for(reached).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultStore").field("store", &self.inner.name()).finish_non_exhaustive()
    }
}

#[async_trait]
impl SessionStore for FaultStore {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        self.call(Operation::Load, self.inner.load(key)).await
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        self.call(Operation::Create, self.inner.create(key, record)).await
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        self.call(Operation::Update, self.inner.update(key, record, expected)).await
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        self.call(Operation::Touch, self.inner.touch(key, expires_in)).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.call(Operation::Delete, self.inner.delete(key)).await
    }

    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        self.call(Operation::DeleteExpired, self.inner.delete_expired(limit)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.call(Operation::Ping, self.inner.ping()).await
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        self.call(Operation::Migrate, self.inner.migrate()).await
    }

    fn migration(&self) -> Option<String> {
        self.inner.migration()
    }

    async fn count_expired(&self) -> Result<Option<u64>, StoreError> {
        self.inner.count_expired().await
    }

    fn for_worker(&self) -> Option<Arc<dyn SessionStore>> {
        let inner = self.inner.for_worker()?;
        Some(Arc::new(Self { inner, faults: Arc::clone(&self.faults) }))
    }

    /// Not a call, so that no fault meets it.
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::testing::ReferenceStore;

    fn record() -> Record {
        Record::new("bytes", Duration::from_secs(60))
    }

    #[tokio::test]
    async fn faults_of_an_operation_are_used_up_in_order_and_leave_others_alone() {
        let store = FaultStore::new(ReferenceStore::default());
        store.next(Operation::Load, 2, Fault::Garbage);
        store.next(Operation::Load, 1, Fault::Unavailable);
        assert!(store.ping().await.is_ok());
        let mut kinds = Vec::new();
        for _ in 0..4 {
            kinds.push(store.clone().load("k").await.err().map(|error| error.kind()));
        }
        let expected = [StoreErrorKind::Protocol, StoreErrorKind::Protocol, StoreErrorKind::Unavailable].map(Some);
        assert_eq!(kinds, [&expected[..], &[None]].concat());
    }

    #[tokio::test]
    async fn a_held_call_happens_after_the_gate_opens_and_a_held_answer_before() {
        let store = FaultStore::new(ReferenceStore::default());
        let gate = store.hold(Operation::Create);
        let record = record();
        let mut call = store.create("k", &record).boxed();
        assert!((&mut call).now_or_never().is_none());
        assert_eq!(store.load("k").await.unwrap(), None);
        gate.open();
        assert_eq!(call.await.unwrap(), Created::Created);

        let gate = Gate::new();
        store.next(Operation::Delete, 1, Fault::AnswerHeld(gate.clone()));
        let mut call = store.delete("k").boxed();
        assert!((&mut call).now_or_never().is_none());
        assert_eq!(store.load("k").await.unwrap(), None);
        gate.open();
        call.await.unwrap();
    }

    #[tokio::test]
    async fn a_call_that_hangs_does_not_happen() {
        let store = FaultStore::new(ReferenceStore::default());
        store.always(Operation::Create, Fault::Hang);
        assert!(store.create("k", &record()).now_or_never().is_none());
        store.clear();
        assert_eq!(store.load("k").await.unwrap(), None);
    }
}
