//! What the shop promises its visitors.

#![allow(clippy::unwrap_used, reason = "a test panics")]

use actix_typed_session::{
    SessionMiddleware,
    store::MemoryStore,
    testing::{Browser, Fault, FaultStore, Gate, Operation, Response},
};
use actix_web::{App, rt, test::init_service};
use start::csrf;

use crate::{account::User, cart::Cart, routes};

async fn visitor(sessions: &SessionMiddleware) -> Browser {
    Browser::of(init_service(App::new().wrap(sessions.clone()).configure(routes)).await)
}

fn ada() -> User {
    User { name: "ada".to_owned() }
}

/// Sends a form as a page of the shop has it, and goes where it leads.
async fn send(browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Response {
    let page = browser.get("/").await.body;
    let token = csrf::token_in(&page).unwrap();
    let response = browser.post_form(path, &[fields, &[("csrf_token", token)]].concat()).await;
    browser.follow(response).await
}

/// Sends two forms of two tabs: both have loaded the session before one of them saves it.
async fn send_at_once(browser: &Browser, store: &FaultStore, forms: [(&'static str, &'static str); 2]) -> [String; 2] {
    let page = browser.get("/").await.body;
    let token = csrf::token_in(&page).unwrap();
    let gate = Gate::new();
    store.next(Operation::Update, 2, Fault::Held(gate.clone()));
    let tabs = forms.map(|(path, pot)| {
        let (tab, token) = (browser.clone(), token.to_owned());
        rt::spawn(async move { tab.post_form(path, &[("pot", pot), ("csrf_token", &token)]).await })
    });
    gate.arrived(2).await;
    gate.open();
    let [first, second] = tabs;
    let answers = [first.await.unwrap(), second.await.unwrap()];
    answers.map(|answer| format!("{} {}", answer.status, answer.header("location").unwrap_or_default()))
}

#[actix_web::test]
async fn what_two_tabs_add_at_the_same_moment_is_all_in_the_cart() {
    let store = FaultStore::new(MemoryStore::default());
    let sessions = SessionMiddleware::new(store.clone());
    let browser = visitor(&sessions).await;
    send_at_once(&browser, &store, [("/add", "bowl"), ("/add", "vase")]).await;
    send_at_once(&browser, &store, [("/tea", ""), ("/tea", "")]).await;
    send_at_once(&browser, &store, [("/remove", "bowl"), ("/tea", "")]).await;
    let cart = browser.expect_stored::<Cart>(&sessions).await;
    assert_eq!(cart.pots.iter().collect::<Vec<_>>(), ["vase"]);
    assert_eq!(cart.tea, 3);
}

#[actix_web::test]
async fn bags_that_two_tabs_remove_are_gone_once() {
    let store = FaultStore::new(MemoryStore::default());
    let sessions = SessionMiddleware::new(store.clone());
    let browser = visitor(&sessions).await;
    send(&browser, "/tea", &[]).await;
    send_at_once(&browser, &store, [("/tea/remove", ""), ("/tea/remove", "")]).await;
    assert!(browser.get("/cart").await.body.contains("There is nothing in it yet."));
    send(&browser, "/tea", &[]).await;
    assert!(browser.get("/cart").await.body.contains("Bags: 1"));
}

#[actix_web::test]
async fn of_two_tabs_that_buy_at_the_same_moment_one_does() {
    let store = FaultStore::new(MemoryStore::default());
    let sessions = SessionMiddleware::new(store.clone());
    let browser = visitor(&sessions).await.with_session(&sessions, &ada()).await;
    send(&browser, "/add", &[("pot", "jar")]).await;
    send_at_once(&browser, &store, [("/buy", ""), ("/buy", "")]).await;
    let page = browser.get("/cart").await.body;
    assert_eq!(page.matches("Thank you, ada! You bought for € 52.00.").count(), 1, "{page}");
    assert_eq!(page.matches("This was bought in another tab").count(), 1, "{page}");
    assert_eq!(browser.expect_stored::<Cart>(&sessions).await.orders, 1);
}

#[actix_web::test]
async fn a_sign_in_keeps_the_cart_and_ends_the_token_of_before() {
    let sessions = SessionMiddleware::new(MemoryStore::default());
    let browser = visitor(&sessions).await;
    send(&browser, "/add", &[("pot", "jar")]).await;
    let thief = browser.other();
    thief.set_cookie(&format!("__Host-session={}; Path=/; Secure", browser.cookie("__Host-session").unwrap()));
    let page = send(&browser, "/sign-in", &[("name", " <ada> ")]).await.body;
    assert!(page.contains("Welcome, &lt;ada&gt;!") && page.contains("Moon jar"), "{page}");
    assert_eq!(browser.expect_stored::<User>(&sessions).await.name, "<ada>");
    assert!(!thief.get("/cart").await.body.contains("Moon jar"));
}

#[actix_web::test]
async fn who_buys_has_to_sign_in() {
    let sessions = SessionMiddleware::new(MemoryStore::default());
    let browser = visitor(&sessions).await;
    send(&browser, "/add", &[("pot", "cup")]).await;
    assert!(send(&browser, "/buy", &[]).await.body.contains("<h1>Sign in</h1>"));
    assert_eq!(browser.expect_stored::<Cart>(&sessions).await.orders, 0);
    assert!(send(&browser, "/sign-in", &[("name", "")]).await.body.contains("A name has 1 to 40 characters."));
}

#[actix_web::test]
async fn a_message_is_shown_once() {
    let browser = visitor(&SessionMiddleware::new(MemoryStore::default())).await;
    assert!(send(&browser, "/add", &[("pot", "cup")]).await.body.contains("Green cup is in the cart."));
    assert!(!browser.get("/").await.body.contains("Green cup is in the cart."));
}

#[actix_web::test]
async fn a_form_without_the_token_changes_nothing() {
    let sessions = SessionMiddleware::new(MemoryStore::default());
    let browser = visitor(&sessions).await.with_session(&sessions, &ada()).await;
    for (path, field) in [("/add", ("pot", "bowl")), ("/sign-out", ("csrf_token", "guessed"))] {
        let response = browser.post_form(path, &[field]).await;
        assert_eq!(response.status, 403);
        assert!(response.body.contains("This page is out of date"));
    }
    assert!(browser.stored::<Cart>(&sessions).await.is_none());
    assert!(browser.stored::<User>(&sessions).await.is_some());
}

#[actix_web::test]
async fn a_sign_out_ends_the_session_and_what_is_not_sold_is_not_stored() {
    let sessions = SessionMiddleware::new(MemoryStore::default());
    let browser = visitor(&sessions).await.with_session(&sessions, &ada()).await;
    send(&browser, "/add", &[("pot", "a thousand bytes that nobody asked for")]).await;
    assert!(browser.stored::<Cart>(&sessions).await.is_none());
    send(&browser, "/sign-out", &[]).await;
    assert!(browser.stored::<User>(&sessions).await.is_none());
}
