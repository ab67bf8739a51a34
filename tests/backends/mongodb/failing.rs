//! Servers that are down, hang, talk nonsense, and come back.

use std::{net::TcpListener, time::Duration};

use actix_typed_session::store::{MongodbStore, SessionStore, StoreErrorKind, Updated};
use actix_typed_session_tests::support::{
    ferretdb::FerretDb,
    proxy::{Mode, Proxy},
};
use mongodb::bson::doc;

use super::{
    MINUTE, assert_works, fresh,
    puppet::{Kind, Puppet, cursor},
    record, shared, store,
};
use crate::calls::{Call, UNAVAILABLE, assert_left_calls_harm_no_other, errors};

trials![
    a_server_that_was_down_at_the_start_is_used_once_it_is_up,
    a_server_that_was_restarted_is_read_by_the_very_next_call,
    while_the_server_is_down_every_call_is_unavailable_within_the_time_out,
    a_server_that_accepts_and_never_answers_is_unavailable_within_the_time_out,
    a_server_that_stops_answering_leaves_the_outcome_of_writes_unknown,
    over_the_apps_client_a_write_in_the_time_out_is_of_unknown_outcome,
    a_write_whose_answer_is_lost_is_of_unknown_outcome_and_is_not_repeated,
    an_answer_that_makes_no_sense_is_an_error,
    a_dropped_call_never_makes_a_later_one_wrong,
    calls_that_gave_up_waiting_for_a_connection_are_in_nobodys_way,
];

const SHORT: Duration = Duration::from_millis(700);

async fn a_server_that_was_down_at_the_start_is_used_once_it_is_up() {
    let mut server = FerretDb::start();
    let (ready, _) = fresh(&server).await;
    server.stop();
    // one that never was there, and one that was
    let store = ready.clone().timeout(Duration::from_millis(200));
    for _ in 0..3 {
        assert_eq!(store.load("k").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    }
    server.restart();
    assert_works(&ready).await;
    assert_works(&store.timeout(Duration::from_secs(20))).await;
}

async fn a_server_that_was_restarted_is_read_by_the_very_next_call() {
    let mut server = FerretDb::start();
    let (store, _) = fresh(&server).await;
    for _ in 0..2 {
        let first = record("first");
        let _ = store.create("k", &first).await.unwrap();
        // several connections, all of which end
        futures_util::future::join_all((0..8).map(|_| store.load("k"))).await;
        server.restart();
        assert_eq!(store.load("k").await.unwrap().unwrap().bytes, "first");
        assert_eq!(store.update("k", &record("second"), &first.version).await.unwrap(), Updated::Done);
        store.delete("k").await.unwrap();
    }
}

async fn while_the_server_is_down_every_call_is_unavailable_within_the_time_out() {
    let mut server = FerretDb::start();
    let (store, _) = fresh(&server).await;
    let store = store.timeout(Duration::from_millis(200));
    server.stop();
    assert_eq!(errors(&store).await, UNAVAILABLE);
    let error = store.load("k").await.unwrap_err();
    assert_eq!(error.to_string(), format!("can't reach mongodb at 127.0.0.1:{}", server.port()));
}

async fn a_server_that_accepts_and_never_answers_is_unavailable_within_the_time_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let store = store(format!("mongodb://{}", listener.local_addr().unwrap())).timeout(Duration::from_millis(200));
    assert_eq!(errors(&store).await, UNAVAILABLE);
}

async fn a_server_that_stops_answering_leaves_the_outcome_of_writes_unknown() {
    let server = FerretDb::start();
    let (store, _) = fresh(&server).await;
    for call in Call::ALL {
        let first = record("first");
        store.delete("k").await.unwrap();
        let _ = store.create("k", &first).await.unwrap();
        let store = store.clone().timeout(SHORT);
        store.ping().await.unwrap();
        server.pause();
        let error = call.error(&store, &first).await;
        let expected = if call.is_read() { StoreErrorKind::Unavailable } else { StoreErrorKind::OutcomeUnknown };
        assert_eq!(error.kind(), expected, "{call:?}: {error}");
        // nothing was sent on a connection that could not be opened
        assert_eq!(store.create("other", &first).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
        server.resume();
        assert_works(&store.timeout(Duration::from_secs(20))).await;
    }
}

async fn over_the_apps_client_a_write_in_the_time_out_is_of_unknown_outcome() {
    let silent = Puppet::start(Kind::Single, |command| command.contains_key("find").then(|| cursor(&[])));
    let client = mongodb::Client::with_uri_str(silent.url()).await.unwrap();
    let store = MongodbStore::from_client(client).timeout(Duration::from_millis(200));
    assert_eq!(store.create("k", &record("")).await.unwrap_err().kind(), StoreErrorKind::OutcomeUnknown);
    assert_eq!(silent.asked("update").len(), 1);
    // a server that could not be selected got nothing
    let url = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100";
    let store = MongodbStore::from_client(mongodb::Client::with_uri_str(url).await.unwrap());
    assert_eq!(errors(&store).await, UNAVAILABLE);
}

async fn a_write_whose_answer_is_lost_is_of_unknown_outcome_and_is_not_repeated() {
    let server = shared();
    let (direct, collection) = fresh(&server).await;
    let proxy = Proxy::start(server.port()).await;
    let url = server.url_at(proxy.port());
    let app = mongodb::Client::with_uri_str(format!("{url}/?retryWrites=true")).await.unwrap();
    for store in [store(&url), MongodbStore::from_client(app)] {
        let store = store.collection(&collection).unwrap().timeout(Duration::from_secs(10));
        let (first, second) = (record("first"), record("second"));
        direct.delete("k").await.unwrap();
        let _ = store.create("k", &first).await.unwrap();
        proxy.set(Mode::Cut);
        let error = store.update("k", &second, &first.version).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown, "{error}");
        assert_eq!(direct.load("k").await.unwrap().unwrap().version, second.version, "it did happen");
        proxy.set(Mode::Forward);
        assert_eq!(store.load("k").await.unwrap().unwrap().version, second.version);
    }
    // once, as the server sees it; and a read is asked for again
    for close in [false, true] {
        let server = Puppet::start(Kind::ReplicaSet, move |_| close.then(|| doc! { "close": true }));
        let app = mongodb::Client::with_uri_str(format!("{}/?retryWrites=true", server.url())).await.unwrap();
        for (count, store) in [store(server.url()), MongodbStore::from_client(app)].into_iter().enumerate() {
            let store = store.timeout(Duration::from_secs(2));
            let look = store.ping().await;
            assert_eq!(look.is_ok(), !close);
            let (looked, error) =
                (server.asked("listIndexes").len(), store.create("k", &record("")).await.unwrap_err());
            if close {
                assert_eq!((error.kind(), server.asked("update").len()), (StoreErrorKind::Unavailable, 0), "{error}");
                assert_eq!(server.asked("listIndexes").len(), looked + 2);
            } else {
                assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown, "{error}");
                assert_eq!(server.asked("update").len(), count + 1);
            }
        }
    }
    let server =
        Puppet::start(Kind::ReplicaSet, |command| command.contains_key("update").then(|| doc! { "close": true }));
    let app = mongodb::Client::with_uri_str(format!("{}/?retryWrites=true", server.url())).await.unwrap();
    for (count, store) in [store(server.url()), MongodbStore::from_client(app)].into_iter().enumerate() {
        assert_eq!(store.create("k", &record("")).await.unwrap_err().kind(), StoreErrorKind::OutcomeUnknown);
        assert_eq!(server.asked("update").len(), count + 1);
    }
}

async fn an_answer_that_makes_no_sense_is_an_error() {
    for answer in [doc! {}, doc! { "ok": 1 }, doc! { "ok": "yes", "n": 1 }, doc! { "ok": 1, "n": "1", "cursor": 5 }] {
        let server =
            Puppet::start(Kind::Single, move |command| (!command.contains_key("listIndexes")).then(|| answer.clone()));
        let store = store(server.url()).timeout(SHORT);
        assert_eq!(store.load("k").await.unwrap_err().kind(), StoreErrorKind::Protocol);
        let (first, unknown) = (record(""), StoreErrorKind::OutcomeUnknown);
        assert_eq!(store.create("k", &first).await.unwrap_err().kind(), unknown);
        assert_eq!(store.update("k", &first, &first.version).await.unwrap_err().kind(), unknown);
        assert_eq!(store.touch("k", MINUTE).await.unwrap_err().kind(), unknown);
        assert_eq!(store.delete("k").await.unwrap_err().kind(), unknown);
    }
}

async fn a_dropped_call_never_makes_a_later_one_wrong() {
    let server = shared();
    let (store, _) = fresh(&server).await;
    assert_left_calls_harm_no_other(&store, 10, 100).await;
}

async fn calls_that_gave_up_waiting_for_a_connection_are_in_nobodys_way() {
    let server = shared();
    let (_, collection) = fresh(&server).await;
    let proxy = Proxy::start(server.port()).await;
    let url = format!("{}/?maxPoolSize=1", server.url_at(proxy.port()));
    let app = mongodb::Client::with_uri_str(&url).await.unwrap();
    for store in [store(&url), MongodbStore::from_client(app)] {
        let store = store.collection(&collection).unwrap().timeout(Duration::from_secs(20));
        assert_works(&store).await;
        let keys: Vec<_> = (0..50).map(|index| format!("given up {index}")).collect();
        let first = record("");
        proxy.set(Mode::Delay);
        let given_up = keys.iter().map(|key| tokio::time::timeout(SHORT, store.create(key, &first)));
        assert!(futures_util::future::join_all(given_up).await.iter().all(Result::is_err));
        proxy.set(Mode::Forward);
        // alone, so that nothing else happens that would move the queue on
        assert_works(&store).await;
        // and whoever had to wait has sent nothing when the turn came
        let mut late = 0;
        for key in &keys {
            late += usize::from(store.load(key).await.unwrap().is_some());
            store.delete(key).await.unwrap();
        }
        assert!(late <= 1, "{late}");
    }
}
