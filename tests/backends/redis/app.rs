//! Whole programs over Redis.

use actix_typed_session::{SessionMiddleware, store::RedisStore};
use actix_typed_session_tests::support::{browser::Browser, example::Example, redis::RedisServer, server::Server};

use crate::visits::routes;

trials![
    an_app_starts_while_redis_is_down_and_recovers_by_itself,
    many_requests_at_once_on_several_workers_are_counted_exactly,
    the_counter_goes_on_after_a_restart,
    the_login_goes_on_after_a_restart,
];

async fn an_app_starts_while_redis_is_down_and_recovers_by_itself() {
    let mut redis = RedisServer::start();
    let url = redis.url();
    redis.stop();
    let server = Server::start(SessionMiddleware::new(RedisStore::new(&url).unwrap()), 1, routes);
    let browser = Browser::new(server.address);
    assert_eq!(browser.get("/none").await.status, 200);
    let down = browser.get("/count").await;
    assert_eq!((down.status, down.body.as_str()), (503, ""));
    redis.restart();
    assert_eq!(browser.get("/count").await.body, "1");
    redis.stop();
    assert_eq!(browser.get("/count").await.status, 503);
    assert_eq!(browser.get("/none").await.status, 200);
    redis.restart();
    // it kept nothing, so the visitor is new
    assert_eq!(browser.get("/count").await.body, "1");
}

async fn many_requests_at_once_on_several_workers_are_counted_exactly() {
    let redis = RedisServer::start();
    let server = Server::start(SessionMiddleware::new(RedisStore::new(&redis.url()).unwrap()), 2, routes);
    let browser = Browser::new(server.address);
    browser.get("/count").await;
    for round in 1..=5 {
        let answers = futures_util::future::join_all((0..64).map(|_| browser.get("/count"))).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "round {round}");
    }
    assert_eq!(browser.get("/count").await.body, "322");
}

async fn the_counter_goes_on_after_a_restart() {
    let redis = RedisServer::start();
    let url = redis.url();
    let settings = [("SESSION_TYPE", "redis"), ("SESSION_REDIS", url.as_str())];
    let counter = Example::start("counter", &settings);
    let browser = Browser::new(counter.address);
    assert_eq!(browser.get("/count").await.body, "1");
    drop(counter);
    let counter = Example::start("counter", &settings);
    assert_eq!(browser.at(counter.address).get("/count").await.body, "2");
}

async fn the_login_goes_on_after_a_restart() {
    let redis = RedisServer::start();
    let url = redis.url();
    let settings = [("SESSION_TYPE", "redis"), ("SESSION_REDIS", url.as_str())];
    let login = Example::start("login", &settings);
    let browser = Browser::new(login.address);
    browser.post_form("/login", &[("name", "ada")]).await;
    drop(login);
    let login = Example::start("login", &settings);
    let browser = browser.at(login.address);
    assert_eq!(browser.get("/me").await.body, "ada");
    browser.post("/logout").await;
    assert_eq!(browser.get("/me").await.status, 401);
}
