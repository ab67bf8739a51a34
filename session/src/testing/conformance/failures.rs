//! Backends that fail: S11, S16.

use std::time::{Duration, Instant};

use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};

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
        // the update is at the version that was sent: a store may read that before it writes
        let (key, first, next) = (subject.key("unanswered"), Record::new("first", HOUR), Record::new("next", HOUR));
        let create = store.create(&key, &first).map(|answer| answer.map(|created| format!("{created:?}"))).boxed();
        assert_unknown("create", create, how, *time).await;
        let update = store
            .update(&key, &next, &first.version)
            .map(|answer| answer.map(|updated| format!("{updated:?}")))
            .boxed();
        assert_unknown("update", update, how, *time).await;
    }
}

const OPERATIONS: [&str; 7] = ["load", "create", "update", "touch", "delete", "delete_expired", "ping"];
/// How much later than its timeout a call may end on a busy machine.
const SLACK: Duration = Duration::from_millis(1500);

async fn assert_unknown(operation: &str, call: BoxFuture<'_, Result<String, StoreError>>, how: &str, time: Duration) {
    match within(time + SLACK, call).await {
        None => panic!("S16: where {how}, `{operation}` took over {:?}", time + SLACK),
        Some(Ok(said)) => panic!("S16: where {how}, `{operation}` said {said}"),
        Some(Err(error)) => {
            assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown, "S16: `{operation}` where {how} says `{error}`");
        }
    }
}

/// That the operation fails in time, or is a sweep that did not ask.
async fn assert_fails(operation: &str, store: &dyn SessionStore, how: &str, time: Duration) {
    let started = Instant::now();
    let answer = within(time + SLACK, call(operation, store).boxed()).await;
    let Some(answer) = answer else { panic!("S11: where {how}, `{operation}` took over {:?}", started.elapsed()) };
    match answer {
        Err(error) => {
            let refused = matches!(error.kind(), StoreErrorKind::TooLarge | StoreErrorKind::Unsupported);
            assert!(!refused, "S11: where {how}, `{operation}` is {:?}, which blames the call", error.kind());
        }
        Ok(said) if operation == "delete_expired" && said == "0" => {}
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
        "delete_expired" => store.delete_expired(10).await?.deleted.to_string(),
        _ => format!("{:?}", store.ping().await?),
    })
}
