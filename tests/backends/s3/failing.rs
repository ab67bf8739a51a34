//! Servers that are down, hang, and lose answers.

use actix_typed_session::store::{SessionStore, StoreErrorKind};

use super::{MINUTE, S3Server, SHORT, assert_works, counter::Counter, open, record, store};

trials![
    while_the_server_is_down_every_call_is_unavailable_and_then_works_again,
    a_server_that_stops_answering_is_used_once_it_goes_on,
    a_write_that_is_not_answered_is_of_unknown_outcome_and_sent_once,
];

async fn while_the_server_is_down_every_call_is_unavailable_and_then_works_again() {
    let mut server = S3Server::start();
    let store = store(server.port());
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    server.stop();
    for error in [
        store.load("k").await.unwrap_err(),
        store.ping().await.unwrap_err(),
        store.create("k", &first).await.unwrap_err(),
        store.update("k", &first, &first.version).await.unwrap_err(),
        store.touch("k", 2 * MINUTE).await.unwrap_err(),
        store.delete("k").await.unwrap_err(),
        store.delete_expired(10).await.unwrap_err(),
    ] {
        // a connection that was open may be found closed only when something was sent
        assert!(matches!(error.kind(), StoreErrorKind::Unavailable | StoreErrorKind::OutcomeUnknown), "{error:?}");
    }
    let error = store.load("k").await.unwrap_err();
    assert_eq!(error.to_string(), "can't connect to the object storage");
    server.restart();
    assert_eq!(store.load("k").await.unwrap().unwrap().version, first.version);
    assert_works(&store).await;
}

async fn a_server_that_stops_answering_is_used_once_it_goes_on() {
    let server = S3Server::start();
    let patient = store(server.port());
    let hasty = open(&S3Server::url("folder", server.port()), SHORT);
    while hasty.migrate().await.is_err() {}
    let first = record("first");
    let _ = patient.create("k", &first).await.unwrap();
    server.pause();
    assert_eq!(hasty.load("k").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_eq!(hasty.ping().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    // it reads first, and nothing was written
    assert_eq!(hasty.touch("k", 2 * MINUTE).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_eq!(hasty.create("other", &first).await.unwrap_err().kind(), StoreErrorKind::OutcomeUnknown);
    assert_eq!(hasty.delete("k").await.unwrap_err().kind(), StoreErrorKind::OutcomeUnknown);
    server.resume();
    assert_works(&patient).await;
}

async fn a_write_that_is_not_answered_is_of_unknown_outcome_and_sent_once() {
    let server = S3Server::start();
    let behind = store(server.port());
    for call in 0..4 {
        let counter = Counter::before(server.port()).await;
        let store = open(&S3Server::url("folder", counter.port()), SHORT);
        while store.migrate().await.is_err() {}
        let (first, second) = (record("first"), record("second"));
        behind.delete("k").await.unwrap();
        if call > 0 {
            let _ = behind.create("k", &first).await.unwrap();
        }
        counter.mute(if call == 3 { "DELETE" } else { "PUT" });
        counter.take();
        let (error, sent): (_, &[&str]) = match call {
            0 => (store.create("k", &first).await.map(drop), &["PUT"]),
            1 => (store.update("k", &second, &first.version).await.map(drop), &["GET", "PUT"]),
            2 => (store.touch("k", 9 * MINUTE).await.map(drop), &["GET", "PUT"]),
            _ => (store.delete("k").await, &["DELETE"]),
        };
        let error = error.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown, "{error:?}");
        // whatever would be sent again had come by now
        tokio::time::sleep(2 * SHORT).await;
        assert_eq!(counter.take(), sent);
        let found = behind.load("k").await.unwrap();
        let version = found.as_ref().map(|found| found.version);
        assert_eq!(
            version,
            [Some(first.version), Some(second.version), Some(first.version), None][call],
            "it did happen"
        );
        assert!(call != 2 || found.unwrap().expires_in > 8 * MINUTE);
    }
}
