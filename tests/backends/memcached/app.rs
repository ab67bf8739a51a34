//! Whole programs over memcached.

use actix_typed_session::SessionMiddleware;
use actix_typed_session_tests::support::{browser::Browser, server::Server};

use super::{MemcachedServer, store};
use crate::visits::routes;

trials![
    an_app_starts_while_a_server_is_down_and_recovers_by_itself,
    many_requests_at_once_on_several_workers_and_servers_are_counted_exactly,
    a_request_asks_the_server_as_often_as_it_has_to,
];

async fn an_app_starts_while_a_server_is_down_and_recovers_by_itself() {
    let mut memcached = MemcachedServer::start();
    memcached.stop();
    let server = Server::start(SessionMiddleware::new(store(memcached.address())), 1, routes);
    let browser = Browser::new(server.address);
    assert_eq!(browser.get("/none").await.status, 200);
    let down = browser.get("/count").await;
    assert_eq!((down.status, down.body.as_str()), (503, ""));
    memcached.restart();
    assert_eq!(browser.get("/count").await.body, "1");
    memcached.stop();
    assert_eq!(browser.get("/count").await.status, 503);
    assert_eq!(browser.get("/none").await.status, 200);
    memcached.restart();
    // it kept nothing, so the visitor is new
    assert_eq!(browser.get("/count").await.body, "1");
}

async fn many_requests_at_once_on_several_workers_and_servers_are_counted_exactly() {
    let (one, two) = (MemcachedServer::start(), MemcachedServer::start());
    let names = format!("{},{}", one.address(), two.address());
    let server = Server::start(SessionMiddleware::new(store(names)), 2, routes);
    for _ in 0..4 {
        let browser = Browser::new(server.address);
        browser.get("/count").await;
        let answers = futures_util::future::join_all((0..64).map(|_| browser.get("/count"))).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
        assert_eq!(browser.get("/read").await.body, "65");
    }
}

async fn a_request_asks_the_server_as_often_as_it_has_to() {
    let memcached = MemcachedServer::start();
    let server = Server::start(SessionMiddleware::new(store(memcached.address())), 1, routes);
    let browser = Browser::new(server.address);
    for (path, commands) in [
        ("/none", 0),
        ("/read", 0),
        ("/count", 1),
        ("/none", 0),
        ("/read", 1),
        ("/count", 2),
        ("/count", 2),
        ("/rotate", 2),
        ("/end", 2),
        ("/read", 0),
    ] {
        let before = memcached.commands();
        assert_eq!(browser.get(path).await.status, 200, "{path}");
        assert_eq!(memcached.commands() - before, commands, "{path}");
    }
}
