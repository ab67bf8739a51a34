//! Calls that are dropped half-way: S12.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{FutureExt, future::join_all};

use super::subject::{HOUR, Subject, must, sleep};
use crate::store::{Created, Record, SessionStore, StoreError, Updated, Version};

/// S12: dropping any of its futures half-way never makes a later call wrong: each call that follows answers what was
/// asked, of this key and of others, and the dropped one has happened or not, and nothing else.
pub async fn s12_a_dropped_future_harms_no_later_call(subject: &Subject) {
    let store = subject.store();
    let others = others(subject).await;
    for operation in [Dropped::Load, Dropped::Create, Dropped::Update, Dropped::Touch, Dropped::Delete] {
        for waits in [false, true] {
            for polls in 0..MOST_POLLS {
                let finished = drop_one(subject, operation, polls, waits).await;
                assert_own(&*store, &others, operation).await;
                if finished {
                    break;
                }
            }
        }
    }
    drop_some_of_many(&*store, &others).await;
}

/// More polls than any call takes; each drops the call at another of its steps.
const MOST_POLLS: usize = 12;

/// The operation that is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dropped {
    Load,
    Create,
    Update,
    Touch,
    Delete,
}

impl Dropped {
    async fn call(self, store: &dyn SessionStore, key: &str, next: &Record, at: &Version) -> Result<(), StoreError> {
        match self {
            Self::Load => store.load(key).await.map(drop),
            Self::Create => store.create(key, next).await.map(drop),
            Self::Update => store.update(key, next, at).await.map(drop),
            Self::Touch => store.touch(key, 3 * HOUR).await.map(drop),
            Self::Delete => store.delete(key).await,
        }
    }
}

/// Keys with a record each, whose bytes are the key.
async fn others(subject: &Subject) -> Vec<String> {
    let keys: Vec<String> = (0..16).map(|index| subject.key(&format!("other {index}"))).collect();
    for key in &keys {
        subject.new_record(key, key.clone(), HOUR).await;
    }
    keys
}

async fn assert_own(store: &dyn SessionStore, keys: &[String], operation: Dropped) {
    for key in keys.iter().take(3) {
        let found = must("load", store.load(key).await).map(|found| found.bytes);
        assert_eq!(found, Some(key.clone().into()), "S12: a load after a dropped {operation:?}");
    }
}

/// Drops one call after some polls and looks at its key; says whether the call had ended before.
async fn drop_one(subject: &Subject, operation: Dropped, polls: usize, waits: bool) -> bool {
    let store = subject.store();
    let key = subject.key("dropped");
    let (first, next) = (Record::new("first", HOUR), Record::new("next", HOUR));
    if operation != Dropped::Create {
        assert_eq!(subject.create(&key, &first).await, Created::Created, "S12: create before the drop");
    }
    let mut call = Box::pin(operation.call(&*store, &key, &next, &first.version));
    let finished = poll_some(call.as_mut(), polls).await.map(|answer| must("the call to drop", answer)).is_some();
    if waits {
        // the answer comes in, and nobody has read it when the call is dropped
        sleep(Duration::from_millis(2)).await;
    }
    drop(call);

    let possible: &[Option<&str>] = match operation {
        Dropped::Load | Dropped::Touch => &[Some("first")],
        Dropped::Create => &[None, Some("next")],
        Dropped::Update => &[Some("first"), Some("next")],
        Dropped::Delete => &[Some("first"), None],
    };
    let found = subject.load(&key).await;
    let bytes = found.as_ref().map(|found| found.bytes.as_ref());
    assert!(
        possible.iter().any(|possible| possible.map(str::as_bytes) == bytes),
        "S12: after a {operation:?} that was dropped at poll {polls} its key holds {bytes:?}"
    );
    if let Some(found) = found.filter(|_| operation != Dropped::Delete) {
        settle(subject, &key, found, &next).await;
    }
    finished
}

/// Updates the record; only the call that was dropped may come in between, once.
async fn settle(subject: &Subject, key: &str, found: Record, dropped: &Record) {
    let last = Record::new("last", HOUR);
    match subject.update(key, &last, &found.version).await {
        Updated::Done => {}
        Updated::Conflict(current) => {
            // a touch may change the version, not the bytes
            let known = current.version == dropped.version || current.bytes == found.bytes;
            assert!(known, "S12: an update after a dropped call met a record that nobody wrote");
            let answer = subject.update(key, &last, &current.version).await;
            assert_eq!(answer, Updated::Done, "S12: an update after the dropped call had come in");
        }
        Updated::Gone => panic!("S12: the record was gone after a dropped call that deletes nothing"),
    }
    let found = subject.live("S12", key).await;
    assert_eq!(
        (found.bytes, found.version),
        (last.bytes, last.version),
        "S12: the record after an acknowledged update"
    );
}

/// Many loads at once, of which every other one is dropped at another step: the rest get their own answers.
async fn drop_some_of_many(store: &dyn SessionStore, keys: &[String]) {
    for round in 0..40 {
        let calls = keys.iter().enumerate().map(|(index, key)| async move {
            let mut call = store.load(key);
            if index % 2 == 0 {
                return poll_some(call.as_mut(), 1 + (index + round) % 4).await.map(|answer| (key, answer));
            }
            Some((key, call.await))
        });
        for (key, answer) in join_all(calls).await.into_iter().flatten() {
            let found = must("load", answer).map(|found| found.bytes);
            assert_eq!(found, Some(key.clone().into()), "S12: a load while others were dropped");
        }
    }
}

/// Polls `call` at most this often, each time when it asks to be, and gives its answer if that was enough.
async fn poll_some<T>(mut call: Pin<&mut (impl Future<Output = T> + ?Sized)>, mut polls: usize) -> Option<T> {
    poll_fn(|context: &mut Context<'_>| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        match call.poll_unpin(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if polls == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
