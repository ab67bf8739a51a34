//! [`World`]: a few calls of a few nodes over one pair of stores, one store call at a time, in an order that a test gives.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::future::BoxFuture;

use crate::{
    store::{
        Created, MigratingStore, Record, SessionStore, StoreError, StoreErrorKind, Swept, Updated, Version, async_trait,
    },
    testing::ReferenceStore,
};

pub(super) const KEY: &str = "session:1";
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);

/// A call of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) is_standby: bool,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Load,
    Create,
    /// Of the record that was there at the beginning.
    Update,
    Delete,
}

/// What a call answered: the first letter of the record's contents stands for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Loaded(Option<u8>),
    Created(bool),
    Updated(Option<Option<u8>>),
    Deleted,
    Unknown,
}

/// What happened to one call: when it began, when it ended, and how; `None`: it was killed on its way.
#[derive(Clone, Copy)]
pub(super) struct Event {
    pub(super) call: Call,
    /// What the call writes.
    pub(super) letter: u8,
    pub(super) began: usize,
    pub(super) ended: Option<(usize, Answer)>,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Call { is_standby, what } = self.call;
        let (node, letter) = (if is_standby { "standby" } else { "migrating" }, char::from(self.letter));
        write!(f, "{node} {what:?} {letter} began at {} and ended {:?}", self.began, self.ended)
    }
}

/// The record that was there at the beginning.
pub(super) const FIRST: u8 = b'0';

/// Runs the calls; at each step `choose` says which of the calls that have not ended takes its next step, and `killed` which
/// of them is dropped after how many steps. Says what happened, with three loads after it all.
pub(super) fn run(
    calls: &[Call],
    begins_with_record: bool,
    killed: Option<(usize, usize)>,
    choose: &mut dyn FnMut(usize) -> usize,
) -> Vec<Event> {
    let (new, old) = (ReferenceStore::default(), ReferenceStore::default());
    let first = record(FIRST);
    if begins_with_record {
        assert_eq!(alone(old.create(KEY, &first)).unwrap(), Created::Created);
    }
    let node = |is_standby| {
        let store = MigratingStore::new(Stepwise(new.clone()), Stepwise(old.clone()));
        if is_standby { store.standby() } else { store }
    };
    let mut events = Vec::new();
    let mut tasks: Vec<Option<BoxFuture<'_, Answer>>> = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        let letter = b'a' + u8::try_from(index).unwrap();
        events.push(Event { call: *call, letter, began: usize::MAX, ended: None });
        tasks.push(Some(Box::pin(perform(node(call.is_standby), call.what, letter, first.version))));
    }
    let mut steps = vec![0; calls.len()];
    for now in 0.. {
        let open: Vec<usize> = (0..tasks.len()).filter(|index| tasks[*index].is_some()).collect();
        if open.is_empty() {
            break;
        }
        let index = open[choose(open.len())];
        events[index].began = events[index].began.min(now);
        if killed == Some((index, steps[index])) {
            tasks[index] = None;
            continue;
        }
        steps[index] += 1;
        if let Poll::Ready(answer) = poll(tasks[index].as_mut().unwrap().as_mut()) {
            events[index].ended = Some((now, answer));
            tasks[index] = None;
        }
    }
    for (now, is_standby) in [(1_000_000, true), (2_000_000, false), (3_000_000, true)] {
        let call = Call { is_standby, what: What::Load };
        let answer = alone(perform(node(is_standby), What::Load, b'-', first.version));
        events.push(Event { call, letter: b'-', began: now, ended: Some((now, answer)) });
    }
    afterlife(&node(false), &node(true));
    events
}

/// Whatever happened, a session can be changed, ended and begun again.
fn afterlife(store: &MigratingStore, standby: &MigratingStore) {
    if let Some(found) = alone(store.load(KEY)).unwrap() {
        assert_eq!(alone(standby.update(KEY, &record(b'x'), &found.version)).unwrap(), Updated::Done);
    }
    alone(store.delete(KEY)).unwrap();
    assert_eq!(alone(standby.load(KEY)).unwrap(), None);
    assert_eq!(alone(store.create(KEY, &record(b'y'))).unwrap(), Created::Created);
    assert_eq!(alone(standby.create(KEY, &record(b'z'))).unwrap(), Created::Taken);
    alone(standby.delete(KEY)).unwrap();
    assert_eq!(alone(store.load(KEY)).unwrap(), None);
    assert_eq!(alone(standby.create(KEY, &record(b'z'))).unwrap(), Created::Created);
    assert_eq!(alone(store.create(KEY, &record(b'y'))).unwrap(), Created::Taken);
    assert_eq!(alone(store.load(KEY)).unwrap().unwrap().bytes, "z");
}

async fn perform(store: MigratingStore, what: What, letter: u8, first: Version) -> Answer {
    let answer = match what {
        What::Load => store.load(KEY).await.map(|found| Answer::Loaded(found.map(|found| found.bytes[0]))),
        What::Create => {
            store.create(KEY, &record(letter)).await.map(|created| Answer::Created(created == Created::Created))
        }
        What::Update => store.update(KEY, &record(letter), &first).await.map(|updated| match updated {
            Updated::Done => Answer::Updated(None),
            Updated::Conflict(found) => Answer::Updated(Some(Some(found.bytes[0]))),
            Updated::Gone => Answer::Updated(Some(None)),
        }),
        What::Delete => store.delete(KEY).await.map(|()| Answer::Deleted),
    };
    answer.unwrap_or_else(|error| match error.kind() {
        StoreErrorKind::OutcomeUnknown => Answer::Unknown,
        kind => panic!("{what:?} failed as {kind:?}: {error}"),
    })
}

pub(super) fn record(letter: u8) -> Record {
    Record::new(vec![letter], HOUR)
}

/// The outcome of work that nothing comes in between.
pub(super) fn alone<T>(work: impl Future<Output = T>) -> T {
    let mut work = Box::pin(work);
    for _ in 0..10_000 {
        if let Poll::Ready(outcome) = poll(work.as_mut()) {
            return outcome;
        }
    }
    panic!("it has no end")
}

fn poll<T>(work: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Poll<T> {
    work.poll(&mut Context::from_waker(Waker::noop()))
}

/// Lets others run before each call.
#[derive(Clone)]
struct Stepwise(ReferenceStore);

impl Stepwise {
    async fn step(&self) {
        let has_waited = Arc::new(AtomicBool::new(false));
        std::future::poll_fn(|_| match has_waited.swap(true, Ordering::Relaxed) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}

#[async_trait]
impl SessionStore for Stepwise {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        self.step().await;
        self.0.load(key).await
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        self.step().await;
        self.0.create(key, record).await
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        self.step().await;
        self.0.update(key, record, expected).await
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        self.step().await;
        self.0.touch(key, expires_in).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.step().await;
        self.0.delete(key).await
    }

    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        self.0.delete_expired(limit).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.0.ping().await
    }

    fn name(&self) -> &'static str {
        "stepwise"
    }
}
