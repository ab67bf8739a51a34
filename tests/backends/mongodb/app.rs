//! Whole programs over MongoDB.

use actix_typed_session::{SessionMiddleware, store::SessionStore};
use actix_typed_session_tests::support::{browser::Browser, server::Server};

use super::{fresh, puppet::Relay, record, shared, store};
use crate::visits::routes;

trials![
    many_requests_at_once_on_several_workers_are_counted_exactly,
    a_request_asks_the_server_as_often_as_it_has_to,
    a_create_over_a_record_whose_time_is_over_is_one_command,
];

async fn many_requests_at_once_on_several_workers_are_counted_exactly() {
    let server = shared();
    let (store, _) = fresh(&server).await;
    let site = Server::start(SessionMiddleware::new(store), 2, routes);
    let browser = Browser::new(site.address);
    browser.get("/count").await;
    let answers = futures_util::future::join_all((0..32).map(|_| browser.get("/count"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(browser.get("/read").await.body, "33");
}

async fn a_request_asks_the_server_as_often_as_it_has_to() {
    let server = shared();
    let (_, collection) = fresh(&server).await;
    let relay = Relay::start(server.port());
    let store = store(server.url_at(relay.port())).collection(&collection).unwrap();
    let site = Server::start(SessionMiddleware::new(store), 1, routes);
    let browser = Browser::new(site.address);
    browser.get("/count").await;
    // the first command of all looks at the collection
    assert_eq!(relay.asked(), ["listIndexes", "update"]);
    for (path, commands) in [
        ("/none", &[][..]),
        ("/read", &["find"]),
        ("/count", &["find", "update"]),
        ("/count", &["find", "update"]),
        ("/rotate", &["find", "update"]),
        ("/end", &["find", "delete"]),
        ("/read", &[]),
        ("/count", &["update"]),
    ] {
        assert_eq!(browser.get(path).await.status, 200, "{path}");
        assert_eq!(relay.asked(), commands, "{path}");
    }
}

async fn a_create_over_a_record_whose_time_is_over_is_one_command() {
    let server = shared();
    let (_, collection) = fresh(&server).await;
    let relay = Relay::start(server.port());
    let clock = actix_typed_session::Clock::manual();
    let store = store(server.url_at(relay.port())).collection(&collection).unwrap().clock(clock.clone());
    let _ = store.create("k", &record("first")).await.unwrap();
    let _ = store.create("k", &record("taken")).await.unwrap();
    clock.advance(2 * super::MINUTE);
    let _ = store.create("k", &record("second")).await.unwrap();
    assert_eq!(store.load("k").await.unwrap().unwrap().bytes, "second");
    assert!(store.touch("k", super::MINUTE).await.unwrap());
    let conflict = store.update("k", &record("third"), &record("").version).await.unwrap();
    assert!(matches!(conflict, actix_typed_session::store::Updated::Conflict(_)));
    assert_eq!(relay.asked(), ["listIndexes", "update", "update", "update", "find", "update", "update", "find"]);
}
