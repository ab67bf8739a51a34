//! What two sessions promise: neither knows of the other.

#![allow(clippy::unwrap_used, reason = "a test panics")]

use actix_typed_session::{
    SessionConfig, SessionMiddleware,
    store::MemoryStore,
    testing::{Browser, FaultStore},
};
use actix_web::{App, test::init_service};
use start::csrf;

use crate::{for_customers, for_staff, routes};

/// Both over one store, as over one Redis.
async fn visitor() -> Browser {
    let store = FaultStore::new(MemoryStore::default());
    let customers = SessionMiddleware::with_config(store.clone(), for_customers(SessionConfig::new())).unwrap();
    let staff = SessionMiddleware::with_config(store, for_staff(SessionConfig::new())).unwrap();
    Browser::of(init_service(App::new().configure(routes(customers, staff))).await)
}

/// Sends the form of a page, which has one.
async fn send(browser: &Browser, page: &str, path: &str, name: &str) -> String {
    let page = browser.get(page).await.body;
    let token = csrf::token_in(&page).unwrap();
    let response = browser.post_form(path, &[("name", name), ("csrf_token", token)]).await;
    browser.follow(response).await.body
}

fn value(browser: &Browser, name: &str) -> String {
    browser.cookies().into_iter().find(|cookie| cookie.name == name).unwrap().value
}

#[actix_web::test]
async fn the_end_of_one_leaves_the_other() {
    let browser = visitor().await;
    assert!(send(&browser, "/", "/sign-in", "<carl>").await.contains("&lt;carl&gt;</strong>"));
    assert!(send(&browser, "/staff", "/staff/sign-in", "susan").await.contains("susan</strong>"));
    assert!(!browser.get("/staff").await.body.contains("carl"));
    assert!(send(&browser, "/staff", "/staff/sign-out", "").await.contains("Nobody is signed in here."));
    assert!(browser.get("/").await.body.contains("carl"));
    send(&browser, "/staff", "/staff/sign-in", "susan").await;
    assert!(send(&browser, "/", "/sign-out", "").await.contains("Nobody is signed in here."));
    assert!(browser.get("/staff").await.body.contains("susan"));
}

#[actix_web::test]
async fn each_cookie_is_sent_where_it_belongs() {
    let browser = visitor().await;
    send(&browser, "/", "/sign-in", "carl").await;
    send(&browser, "/staff", "/staff/sign-in", "susan").await;
    assert!(browser.cookie("__Host-customer").is_some());
    assert!(browser.cookie("__Secure-staff").is_none(), "not to `/`");
    let staff = browser.cookies().into_iter().find(|cookie| cookie.name == "__Secure-staff").unwrap();
    assert_eq!(staff.path, "/staff");
}

#[actix_web::test]
async fn a_token_of_one_is_none_of_the_other_also_in_one_store() {
    let browser = visitor().await;
    send(&browser, "/", "/sign-in", "carl").await;
    let thief = browser.other();
    thief.set_cookie(&format!("__Secure-staff={}; Path=/staff; Secure", value(&browser, "__Host-customer")));
    let before = value(&thief, "__Secure-staff");
    assert!(thief.get("/staff").await.body.contains("Nobody is signed in here."));
    assert_ne!(value(&thief, "__Secure-staff"), before, "it began another session");
}

#[actix_web::test]
async fn a_form_of_one_is_no_form_of_the_other() {
    let browser = visitor().await;
    send(&browser, "/staff", "/staff/sign-in", "susan").await;
    let page = browser.get("/").await.body;
    let token = csrf::token_in(&page).unwrap();
    assert_eq!(browser.post_form("/staff/sign-out", &[("csrf_token", token)]).await.status, 403);
    assert!(browser.get("/staff").await.body.contains("susan"));
}
