//! Backends that fail: S11, S16.

use std::time::{Duration, Instant};

use futures_util::{FutureExt, future::join_all};

use super::subject::{Failing, HOUR, Subject, within};
use crate::store::{Record, SessionStore, StoreError, StoreErrorKind, Version};

/// S11: a backend that is down, hangs or answers nonsense is an `Err` within the timeout, never `None`: for every
/// operation, again and again, and for many at once.
///
/// It runs over the stores that [`Subject::failing`] was given, and `delete_expired` may answer 0 without having asked.
pub async fn s11_a_failing_backend_is_an_error_in_time(subject: &Subject) {
    for Failing { how, store, within: time } in &subject.failing {
        for _ in 0..2 {
            for operation in OPERATIONS {
                assert_fails(operation, &**store, how, *time).await;
            }
        }
        let calls = (0..8).flat_map(|_| OPERATIONS);
        join_all(calls.map(|operation| assert_fails(operation, &**store, how, *time))).await;
    }
}

/// S16: conditional writes are never retried inside: a write whose outcome is unknown is `OutcomeUnknown`, in time.
///
/// It runs over the stores that [`Subject::unanswered`] was given. That the write was sent once is for the backend's
/// own test to see.
pub async fn s16_an_unknown_outcome_says_so(subject: &Subject) {
    for Failing { how, store, within: time } in &subject.unanswered {
        for operation in ["create", "update"] {
            let error = assert_fails(operation, &**store, how, *time).await.expect("S16: a write succeeded");
            assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown, "S16: `{operation}` where {how} says `{error}`");
        }
    }
}

const OPERATIONS: [&str; 7] = ["load", "create", "update", "touch", "delete", "delete_expired", "ping"];
/// How much later than its timeout a call may end on a busy machine.
const SLACK: Duration = Duration::from_millis(1500);

/// That the operation fails in time, and as what; `None` only for a sweep that did not ask.
async fn assert_fails(operation: &str, store: &dyn SessionStore, how: &str, time: Duration) -> Option<StoreError> {
    let started = Instant::now();
    let answer = within(time + SLACK, call(operation, store).boxed()).await;
    let Some(answer) = answer else { panic!("S11: where {how}, `{operation}` took over {:?}", started.elapsed()) };
    match answer {
        Err(error) => {
            let refused = matches!(error.kind(), StoreErrorKind::TooLarge | StoreErrorKind::Unsupported);
            assert!(!refused, "S11: where {how}, `{operation}` is {:?}, which blames the call", error.kind());
            Some(error)
        }
        Ok(said) if operation == "delete_expired" && said == "0" => None,
        Ok(said) => panic!("S11: where {how}, `{operation}` said {said}"),
    }
}

/// The operation's answer as text: what it is matters only in a message.
async fn call(operation: &str, store: &dyn SessionStore) -> Result<String, StoreError> {
    let (key, record) = ("conformance:failing", Record::new("bytes", HOUR));
    Ok(match operation {
        "load" => format!("{:?}", store.load(key).await?),
        "create" => format!("{:?}", store.create(key, &record).await?),
        "update" => format!("{:?}", store.update(key, &record, &Version::random()).await?),
        "touch" => store.touch(key, HOUR).await?.to_string(),
        "delete" => format!("{:?}", store.delete(key).await?),
        "delete_expired" => store.delete_expired(10).await?.to_string(),
        _ => format!("{:?}", store.ping().await?),
    })
}
