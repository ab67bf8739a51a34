//! Emulators that are down, hang, are of the other mode, or keep an answer to themselves.

use std::{net::TcpListener, time::Duration};

use actix_typed_session::store::{Record, StoreErrorKind};
use actix_typed_session_tests::support::gcloud::{GcloudServer, Mode};

use super::{MINUTE, PATIENT, assert_works, at, counting::Counting, record, server, store};

trials![
    a_write_whose_answer_is_lost_is_of_unknown_outcome_and_sent_once,
    a_silent_connection_is_replaced,
    a_server_that_is_down_is_unavailable_and_nothing_was_sent,
    a_server_that_restarts_or_hangs_is_used_once_it_answers,
    a_database_of_the_other_mode_is_an_error_that_says_so,
];

async fn a_write_whose_answer_is_lost_is_of_unknown_outcome_and_sent_once(mode: Mode) {
    let (patient, collection) = store(mode);
    let proxy = Counting::before(server(mode).port());
    let store = at(mode, &collection, proxy.port, Duration::from_secs(3));
    store.ping().await.unwrap();
    proxy.requests();
    proxy.mute();
    let first = record("first");
    let error = store.create("k", &first).await.unwrap_err();
    assert_eq!((error.kind(), proxy.requests()), (StoreErrorKind::OutcomeUnknown, 1));
    assert_eq!(patient.load("k").await.unwrap().unwrap().version, first.version);
}

async fn a_silent_connection_is_replaced(mode: Mode) {
    let (_, collection) = store(mode);
    let proxy = Counting::before(server(mode).port());
    let store = at(mode, &collection, proxy.port, Duration::from_secs(1));
    store.ping().await.unwrap();
    proxy.mute();
    for connections in [1, 2] {
        assert_eq!(store.load("k").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
        assert_eq!(proxy.connections(), connections);
    }
}

async fn a_server_that_is_down_is_unavailable_and_nothing_was_sent(mode: Mode) {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let store = at(mode, "sessions", closed, Duration::from_secs(2));
    for error in [store.load("k").await.unwrap_err(), store.create("k", &record("")).await.unwrap_err()] {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
        assert!(error.to_string().starts_with("can't connect to"), "{error}");
    }
}

async fn a_server_that_restarts_or_hangs_is_used_once_it_answers(mode: Mode) {
    // one mode is as the other
    if mode == Mode::Datastore {
        return;
    }
    let mut server = GcloudServer::start(mode);
    let store = at(mode, "sessions", server.port(), PATIENT);
    assert_works(&*store).await;
    server.restart();
    // as between two visitors: the runtime is told then that the connection was closed
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_works(&*store).await;
    let first = record("first");
    let short = at(mode, "sessions", server.port(), Duration::from_secs(3));
    let _ = short.create("k", &first).await.unwrap();
    server.pause();
    let secret = Record::new("hunter2", MINUTE);
    let error = short.delete("k").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown, "{error}");
    let error = short.create("other", &secret).await.unwrap_err();
    assert_ne!(error.kind(), StoreErrorKind::Protocol, "{error}");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    server.resume();
    assert_works(&*store).await;
}

async fn a_database_of_the_other_mode_is_an_error_that_says_so(mode: Mode) {
    let other = if mode == Mode::Native { Mode::Datastore } else { Mode::Native };
    let store = at(mode, "sessions", server(other).port(), PATIENT);
    let found = [
        store.load("k").await.map(drop),
        store.create("k", &record("")).await.map(drop),
        store.delete("k").await,
        store.ping().await,
        store.migrate().await,
    ];
    for error in found.map(Result::unwrap_err) {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("the other mode"), "{error}");
    }
}
