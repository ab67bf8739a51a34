//! Whole programs over Elasticsearch and OpenSearch.

use std::time::Duration;

use actix_typed_session::{SessionConfig, SessionMiddleware, store::SessionStore};
use actix_typed_session_tests::support::{browser::Browser, search::Search, server::Server as Site};
use libtest_mimic::Trial;

use super::{MINUTE, Server, fresh, puppet::relay, record, store};
use crate::visits::routes;

pub(crate) fn trials(trials: &mut Vec<Trial>) {
    on_one!(trials: many_requests_at_once_on_several_workers_are_counted_exactly,
        a_request_asks_the_server_as_often_as_it_has_to, a_refresh_is_one_request);
}

async fn many_requests_at_once_on_several_workers_are_counted_exactly(server: Server) {
    let (store, _) = fresh(&server).await;
    let config = SessionConfig::new().store_timeout(Duration::from_secs(20));
    let site = Site::start(SessionMiddleware::with_config(store, config).unwrap(), 2, routes);
    let browser = Browser::new(site.address);
    browser.get("/count").await;
    let answers = futures_util::future::join_all((0..16).map(|_| browser.get("/count"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(browser.get("/read").await.body, "17");
}

async fn a_request_asks_the_server_as_often_as_it_has_to(server: Server) {
    let (_, index) = fresh(&server).await;
    let relay = relay(server.port());
    let store = store(relay.url()).index(&index).unwrap().timeout(Duration::from_secs(20));
    let config = SessionConfig::new().store_timeout(Duration::from_secs(20));
    let site = Site::start(SessionMiddleware::with_config(store, config).unwrap(), 1, routes);
    let browser = Browser::new(site.address);
    let asked =
        || relay.asked().iter().map(|asked| asked.what.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>();
    browser.get("/count").await;
    // the first request of all looks at the index
    assert_eq!(asked(), ["GET", "PUT"]);
    for (path, requests) in [
        ("/none", &[][..]),
        ("/read", &["GET"]),
        ("/count", &["GET", "PUT"]),
        ("/count", &["GET", "PUT"]),
        ("/rotate", &["GET", "PUT"]),
        ("/end", &["GET", "DELETE"]),
        ("/read", &[]),
        ("/count", &["PUT"]),
    ] {
        assert_eq!(browser.get(path).await.status, 200, "{path}");
        assert_eq!(asked(), requests, "{path}");
    }
}

async fn a_refresh_is_one_request(server: Server) {
    let (_, index) = fresh(&server).await;
    let relay = relay(server.port());
    let store = store(relay.url()).index(&index).unwrap().timeout(Duration::from_secs(20));
    let _ = store.create("k", &record("")).await.unwrap();
    store.load("k").await.unwrap();
    relay.asked();
    assert!(store.touch("k", 2 * MINUTE).await.unwrap());
    assert!(store.touch("k", 3 * MINUTE).await.unwrap());
    // it knows that it may be there no more, and asks
    assert!(store.touch("k", MINUTE).await.unwrap());
    let lines: Vec<_> =
        relay.asked().into_iter().map(|asked| asked.line.split('?').next().unwrap().to_owned()).collect();
    let update = format!("POST /{index}/_update/k");
    assert_eq!(lines, [update.clone(), update, format!("GET /{index}/_doc/k HTTP/1.1")]);
}
