//! What the API promises: it answers its own page, and nobody else's.

#![allow(clippy::unwrap_used, reason = "a test panics")]

use actix_typed_session::{
    SessionMiddleware,
    store::MemoryStore,
    testing::{Browser, Response},
};
use actix_web::{
    App,
    http::Method,
    test::{TestRequest, init_service},
};
use serde_json::{Value, json};

use crate::{
    api::{List, User},
    routes,
};

async fn visitor(sessions: &SessionMiddleware) -> Browser {
    Browser::of(init_service(App::new().wrap(sessions.clone()).configure(routes)).await)
}

fn ada() -> User {
    User { name: "ada".to_owned() }
}

async fn call(browser: &Browser, method: Method, path: &str, token: &str, body: Value) -> Response {
    let request = TestRequest::with_uri(path).method(method).insert_header(("X-CSRF-Token", token));
    browser.send(request.set_json(body)).await
}

async fn token(browser: &Browser) -> String {
    browser.get("/api/session").await.json::<Value>()["csrf"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn a_sign_in_brings_the_token_for_what_follows() {
    let sessions = SessionMiddleware::new(MemoryStore::default());
    let browser = visitor(&sessions).await;
    let before = token(&browser).await;
    let state: Value = call(&browser, Method::POST, "/api/sign-in", &before, json!({ "name": "ada" })).await.json();
    assert_eq!(state["name"], "ada");
    let after = state["csrf"].as_str().unwrap();
    assert_eq!(call(&browser, Method::POST, "/api/things", &before, json!({ "thing": "tea" })).await.status, 403);
    let state: Value = call(&browser, Method::POST, "/api/things", after, json!({ "thing": "tea" })).await.json();
    assert_eq!(state["things"], json!(["tea"]));
    assert_eq!(browser.expect_stored::<List>(&sessions).await.things.len(), 1);
    let state: Value = call(&browser, Method::DELETE, "/api/things", after, json!({ "thing": "tea" })).await.json();
    assert_eq!(state["things"], json!([]));
}

#[actix_web::test]
async fn a_request_without_the_token_is_refused() {
    let sessions = SessionMiddleware::new(MemoryStore::default());
    let browser = visitor(&sessions).await.with_session(&sessions, &ada()).await;
    assert_eq!(browser.post_json("/api/things", &json!({ "thing": "tea" })).await.status, 403);
    assert_eq!(call(&browser, Method::POST, "/api/sign-out", "guessed", json!({})).await.status, 403);
    assert!(browser.stored::<List>(&sessions).await.is_none());
    assert!(browser.stored::<User>(&sessions).await.is_some());
}

#[actix_web::test]
async fn who_is_not_signed_in_has_no_list() {
    let browser = visitor(&SessionMiddleware::new(MemoryStore::default())).await;
    let token = token(&browser).await;
    assert_eq!(call(&browser, Method::POST, "/api/things", &token, json!({ "thing": "tea" })).await.status, 401);
}

#[actix_web::test]
async fn the_list_has_an_end() {
    let sessions = SessionMiddleware::new(MemoryStore::default());
    let list = List { things: (0..50).map(|number| number.to_string()).collect() };
    let browser = visitor(&sessions).await.with_session(&sessions, &ada()).await.with_session(&sessions, &list).await;
    let token = token(&browser).await;
    for thing in ["one more", &"long".repeat(11)] {
        assert_eq!(call(&browser, Method::POST, "/api/things", &token, json!({ "thing": thing })).await.status, 422);
    }
}

#[actix_web::test]
async fn a_sign_out_ends_the_session() {
    let sessions = SessionMiddleware::new(MemoryStore::default());
    let browser = visitor(&sessions).await.with_session(&sessions, &ada()).await;
    let token = token(&browser).await;
    let state: Value = call(&browser, Method::POST, "/api/sign-out", &token, json!({})).await.json();
    assert_eq!(state["name"], Value::Null);
    assert!(browser.stored::<User>(&sessions).await.is_none());
}
