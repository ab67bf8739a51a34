//! The examples, as a newcomer runs them. What their pages do is tested where they are.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test panics")]

use actix_typed_session::testing::{Browser, Remote};
use actix_typed_session_tests::support::example::{Example, complaint};

/// What `counter` answers to so many requests that are sent at once.
async fn at_once(browser: &Browser<Remote>, requests: usize) {
    let requests = (0..requests).map(|_| {
        let browser = browser.clone();
        tokio::spawn(async move { browser.get("/count").await.status })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.unwrap(), 200);
    }
}

#[tokio::test]
async fn the_counter_goes_up_by_one_a_request_exactly_also_at_once() {
    let counter = Example::start("counter", &[]);
    let browser = Browser::at(counter.address);
    assert_eq!(browser.get("/count").await.body, "1");
    at_once(&browser, 64).await;
    assert_eq!(browser.get("/count").await.body, "66");
}

#[tokio::test]
async fn the_counter_goes_on_after_a_restart_on_files() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("SESSION_TYPE", "filesystem"), ("SESSION_FILE_DIR", folder.path().to_str().unwrap())];
    let counter = Example::start("counter", &settings);
    let browser = Browser::at(counter.address);
    assert_eq!(browser.get("/count").await.body, "1");
    at_once(&browser, 64).await;
    drop(counter);
    let counter = Example::start("counter", &settings);
    let browser = Browser::at(counter.address).with_jar_of(&browser);
    assert_eq!(browser.get("/count").await.body, "66");
}

#[tokio::test]
async fn who_signed_in_stays_so_over_a_restart_on_files() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("SESSION_TYPE", "filesystem"), ("SESSION_FILE_DIR", folder.path().to_str().unwrap())];
    let login = Example::start("login", &settings);
    let before = Browser::at(login.address);
    assert_eq!(before.post_form("/login", &[("name", "<ada>")]).await.status, 303);
    drop(login);
    let login = Example::start("login", &settings);
    let browser = Browser::at(login.address).with_jar_of(&before);
    assert_eq!(browser.get("/me").await.body, "<ada>");
    assert!(browser.get("/").await.body.contains("Welcome, &lt;ada&gt;!"));
}

#[tokio::test]
async fn the_shop_counts_what_happens_to_its_sessions_for_prometheus() {
    let shop = Example::start("shop", &[]);
    let browser = Browser::at(shop.address);
    browser.get("/").await; // begins a session, for its forms
    let metrics = browser.get("/metrics").await.body;
    assert!(metrics.lines().any(|line| line == "session_events_total{event=\"created\"} 1"), "{metrics}");
    let calls = "session_store_call_duration_seconds_count{store=\"memory\",operation=\"create\",outcome=\"ok\"} 1";
    assert!(metrics.lines().any(|line| line == calls), "{metrics}");
}

#[tokio::test]
async fn the_other_examples_start_too() {
    for name in ["devices", "migrate", "multi", "spa", "step_up", "custom_store"] {
        let (path, begin) = if name == "custom_store" { ("/count", "1") } else { ("/", "<!doctype html>") };
        let example = Example::start(name, &[]);
        let browser = Browser::at(example.address);
        let mut response = browser.get(path).await;
        if response.status == 303 {
            response = browser.follow(response).await;
        }
        assert_eq!(response.status, 200, "{name}");
        assert!(response.body.starts_with(begin), "{name}: {response:?}");
    }
}

#[test]
fn a_setting_that_can_not_be_honoured_ends_an_example_at_start() {
    let said = complaint("counter", &[("SESSION_TYPE", "memory"), ("SESSION_COOKIE_SAMESITE", "sometimes")]);
    assert_eq!(said, "Error: `SESSION_COOKIE_SAMESITE` is `sometimes`: accepted are `Strict`, `Lax` and `None`");
    let said = complaint("login", &[("SESSION_TYPE", "postgres")]);
    assert!(said.contains("`SESSION_TYPE` is `postgres`"), "{said}");
}
