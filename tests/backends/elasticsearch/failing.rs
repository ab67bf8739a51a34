//! Servers that are down, hang, talk nonsense, and come back.

use std::{net::TcpListener, time::Duration};

use actix_typed_session::store::{Record, SessionStore, StoreErrorKind, Version};
use actix_typed_session_tests::support::{
    proxy::{Mode, Proxy},
    search::Search,
};
use libtest_mimic::Trial;

use super::{
    MINUTE, Server, assert_works, fresh,
    puppet::{Puppet, error, index},
    record, store,
};
use crate::calls::{UNAVAILABLE, assert_left_calls_harm_no_other, errors};

pub(crate) fn trials(trials: &mut Vec<Trial>) {
    on_one!(trials: a_write_whose_answer_is_lost_is_of_unknown_outcome_and_is_not_repeated,
        a_connection_that_was_closed_while_idle_is_no_matter_to_a_read, a_dropped_call_never_makes_a_later_one_wrong);
    alone!(trials: while_no_node_can_be_reached_every_call_is_unavailable_at_once,
        a_server_that_never_answers_leaves_the_outcome_of_writes_unknown,
        what_a_server_says_it_did_not_do_is_unavailable_and_all_else_is_of_unknown_outcome,
        an_answer_that_makes_no_sense_is_an_error, a_record_that_a_server_finds_too_large_is_too_large);
}

async fn a_write_whose_answer_is_lost_is_of_unknown_outcome_and_is_not_repeated(server: Server) {
    let (direct, index) = fresh(&server).await;
    let proxy = Proxy::start(server.port()).await;
    let store = store(server.url_at(proxy.port())).index(&index).unwrap().timeout(Duration::from_secs(10));
    let (first, second) = (record("first"), record("second"));
    let _ = store.create("k", &first).await.unwrap();
    proxy.set(Mode::Cut);
    let hits = proxy.hits();
    let error = store.update("k", &second, &first.version).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown, "{error}");
    assert_eq!(proxy.hits() - hits, 1, "it was sent once");
    assert_eq!(direct.load("k").await.unwrap().unwrap().version, second.version, "it did happen");
    proxy.set(Mode::Forward);
    assert_eq!(store.load("k").await.unwrap().unwrap().version, second.version);
    assert_works(&store).await;
}

async fn a_connection_that_was_closed_while_idle_is_no_matter_to_a_read(server: Server) {
    let (_, index) = fresh(&server).await;
    let proxy = Proxy::start(server.port()).await;
    let store = store(server.url_at(proxy.port())).index(&index).unwrap().timeout(Duration::from_secs(10));
    let _ = store.create("k", &record("first")).await.unwrap();
    for _ in 0..3 {
        proxy.point_at(server.port());
        assert_eq!(store.load("k").await.unwrap().unwrap().bytes, "first");
    }
}

async fn a_dropped_call_never_makes_a_later_one_wrong(server: Server) {
    let (store, _) = fresh(&server).await;
    assert_left_calls_harm_no_other(&store, 10, 100).await;
}

async fn while_no_node_can_be_reached_every_call_is_unavailable_at_once() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // so that what takes all of its time would not end here
    let store = store(format!("http://{address}")).timeout(Duration::from_secs(3000));
    assert_eq!(errors(&store).await, UNAVAILABLE);
    let error = store.load("k").await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("can't reach elasticsearch at http://{address}")), "{error}");
}

async fn a_server_that_never_answers_leaves_the_outcome_of_writes_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    // the index can't be looked at, so that no write was sent
    assert_eq!(errors(&store(&silent).timeout(Duration::from_millis(200))).await, UNAVAILABLE);
    // and here it can
    let server = Puppet::start(|asked| {
        if asked.what != "GET /sessions" {
            std::thread::sleep(Duration::from_secs(1));
        }
        Some((200, index("sessions")))
    });
    let store = store(server.url()).timeout(Duration::from_secs(20));
    // so that no call below has to look at the index first
    assert_eq!(store.load("k").await.unwrap_err().kind(), StoreErrorKind::Protocol);
    let store = store.timeout(Duration::from_millis(300));
    for write in 0..3 {
        let error = match write {
            0 => store.create("k", &record("")).await.unwrap_err(),
            1 => store.delete("k").await.unwrap_err(),
            _ => store.delete_expired(5).await.map(drop).unwrap_err(),
        };
        // a sweep refreshes first
        let expected = if write < 2 { StoreErrorKind::OutcomeUnknown } else { StoreErrorKind::Unavailable };
        assert_eq!(error.kind(), expected, "{error}");
    }
    assert_eq!(store.load("k").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

async fn what_a_server_says_it_did_not_do_is_unavailable_and_all_else_is_of_unknown_outcome() {
    let (unavailable, unknown) = (StoreErrorKind::Unavailable, StoreErrorKind::OutcomeUnknown);
    for (status, kind, expected) in [
        (400, "mapper_parsing_exception", unavailable),
        (403, "security_exception", unavailable),
        (429, "cluster_block_exception", unavailable),
        (429, "es_rejected_execution_exception", unknown),
        (500, "illegal_state_exception", unknown),
        (502, "bad_gateway", unknown),
        (503, "unavailable_shards_exception", unknown),
        (504, "hunter two", unknown),
    ] {
        let server = Puppet::start(move |asked| {
            if asked.what == "GET /sessions" { Some((200, index("sessions"))) } else { error(status, kind) }
        });
        let store = store(server.url());
        for error in [store.create("k", &record("")).await.unwrap_err(), store.delete("k").await.unwrap_err()] {
            assert_eq!(error.kind(), expected, "{error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
        assert_eq!(store.load("k").await.unwrap_err().kind(), unavailable);
        let sent = server.asked().len();
        assert_eq!(sent, 4, "nothing was sent twice");
    }
}

async fn an_answer_that_makes_no_sense_is_an_error() {
    for answer in ["", "<html></html>", "[]", "{}", r#"{"found":true}"#, r#"{"found":"yes","result":5}"#] {
        let server = Puppet::start(move |asked| {
            Some((200, if asked.what == "GET /sessions" { index("sessions") } else { answer.to_owned() }))
        });
        let store = store(server.url());
        assert_eq!(store.load("k").await.unwrap_err().kind(), StoreErrorKind::Protocol, "{answer}");
        let first = record("");
        assert_eq!(store.create("k", &first).await.unwrap_err().kind(), StoreErrorKind::OutcomeUnknown, "{answer}");
        assert_eq!(store.delete("k").await.unwrap_err().kind(), StoreErrorKind::OutcomeUnknown, "{answer}");
        assert_eq!(store.update("k", &first, &Version::random()).await.unwrap_err().kind(), StoreErrorKind::Protocol);
    }
    // a page at the place of the index
    let server = Puppet::start(|_| Some((200, "<html></html>".to_owned())));
    assert_eq!(store(server.url()).ping().await.unwrap_err().kind(), StoreErrorKind::Protocol);
}

async fn a_record_that_a_server_finds_too_large_is_too_large() {
    let server = Puppet::start(|asked| {
        if asked.what == "GET /sessions" { Some((200, index("sessions"))) } else { Some((413, String::new())) }
    });
    let store = store(server.url());
    assert_eq!(store.create("k", &record("")).await.unwrap_err().kind(), StoreErrorKind::TooLarge);
    let large = Record::new(vec![0; 64 * 1024 * 1024 + 1], MINUTE);
    server.asked();
    assert_eq!(store.create("k", &large).await.unwrap_err().kind(), StoreErrorKind::TooLarge);
    assert!(server.asked().is_empty());
}
