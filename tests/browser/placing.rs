//! Sessions that are put in place, and what is stored.

use std::time::Duration;

use actix_typed_session::{
    Clock, SameSite, Session, SessionConfig, SessionMiddleware,
    store::MemoryStore,
    testing::{Browser, Fault, FaultStore, Operation, SpyStore},
};
use actix_web::{App, test};

use crate::shop::{Cart, User, complaint, is, open, open_with, over, routes, sessions};

fn ada() -> User {
    User { name: "ada".to_owned() }
}

#[actix_web::test]
async fn a_session_that_is_put_in_place_is_what_a_sign_in_makes() {
    let (visitor, sessions) = open().await;
    let placed = visitor.other().with_session(&sessions, &ada()).await;
    let signed_in = visitor.other();
    signed_in.post_form("/login", &[("name", "ada")]).await;

    is(&placed.get("/me").await, 200, "ada");
    assert_eq!(visitor.get("/me").await.status, 401);
    let cookies = [&placed, &signed_in].map(|browser| {
        let mut cookie = browser.cookies().remove(0);
        (cookie.value, cookie.expires) = (String::new(), None);
        cookie
    });
    assert_eq!(cookies[0], cookies[1]);
    let stored = placed.session(&sessions).await.unwrap();
    let of_ada = sessions.sessions().unwrap().of("ada").await.unwrap();
    assert_eq!((of_ada.len(), of_ada[0].id), (2, stored.id));
    let info = (of_ada[0].created, Some(of_ada[0].authenticated), &of_ada[0].label);
    assert_eq!((stored.created, stored.authenticated, &stored.label), info);
    assert_eq!(signed_in.session(&sessions).await.unwrap().label.as_deref(), Some("phone"));
}

#[actix_web::test]
async fn it_goes_by_all_settings_of_the_cookie() {
    let config = SessionConfig::new().cookie_name("sid").cookie_path("/shop").cookie_domain("example.org");
    let config = config.cookie_same_site(SameSite::Strict).signing_keys(["0123456789abcdef0123456789abcdef"]);
    let (browser, sessions) = open_with(config.encryption_keys([[7; 32]])).await;
    let ada = browser.host("shop.example.org").with_session(&sessions, &ada()).await;
    let cookie = &ada.cookies()[0];
    assert_eq!((cookie.host.as_str(), cookie.path.as_str()), ("example.org", "/shop"));
    assert_eq!(ada.stored::<User>(&sessions).await.unwrap().name, "ada");
}

#[actix_web::test]
async fn a_second_value_goes_into_the_same_session() {
    let (browser, sessions) = open().await;
    let browser = browser.with_session(&sessions, &Cart { items: vec!["tea".to_owned()] }).await;
    let (first, token) = (browser.session(&sessions).await.unwrap(), browser.cookie("__Host-session"));
    let browser = browser.with_session(&sessions, &ada()).await;
    let second = browser.session(&sessions).await.unwrap();
    assert_eq!((first.id, second.fields()), (second.id, vec!["cart.items", "user.name"]));
    assert_ne!(browser.cookie("__Host-session"), token, "with a new token");
}

#[actix_web::test]
async fn a_cookie_that_browsers_refuse_is_told_with_the_reason() {
    let (browser, sessions) = open_with(SessionConfig::new().cookie_domain("example.org")).await;
    let said = complaint(browser.with_session(&sessions, &ada())).await;
    assert!(said.contains("`__Secure-session`: its `Domain` is not the host's"), "{said}");
}

#[actix_web::test]
async fn what_can_not_be_put_in_place_is_told() {
    let store = FaultStore::new(MemoryStore::default());
    let sessions = SessionMiddleware::new(store.clone());
    store.always(Operation::Create, Fault::Unavailable);
    let said = complaint(over(&sessions).await.with_session(&sessions, &ada())).await;
    assert!(said.contains("User` could be put into the session: "), "{said}");
}

#[actix_web::test]
async fn stored_is_what_is_in_the_store_of_this_type() {
    let (browser, sessions) = open().await;
    assert!(browser.stored::<Cart>(&sessions).await.is_none());
    browser.post_json("/cart", "tea").await;
    assert_eq!(browser.stored::<Cart>(&sessions).await.unwrap().items, ["tea"]);
    assert!(browser.stored::<User>(&sessions).await.is_none(), "a required field is absent");
    assert!(browser.other().stored::<Cart>(&sessions).await.is_none(), "it is another visitor's");
    let browser = browser.other().with_session(&sessions, &ada()).await;
    assert!(browser.stored::<Cart>(&sessions).await.is_none(), "no field of it is stored");
    let session = browser.session(&sessions).await.unwrap();
    assert_eq!((session.field::<String>("user.name").as_deref(), session.field::<u8>("none")), (Some("ada"), None));
    sessions.sessions().unwrap().revoke_owner("ada").await.unwrap();
    assert!(browser.session(&sessions).await.is_none());
}

#[actix_web::test]
async fn a_look_at_what_is_stored_is_one_load_and_keeps_nothing_alive() {
    let clock = Clock::manual();
    let spy = SpyStore::new(MemoryStore::default().clock(clock.clone()));
    let sessions = SessionMiddleware::with_config(spy.clone(), SessionConfig::new().clock(clock.clone())).unwrap();
    let browser = over(&sessions).await.with_session(&sessions, &ada()).await;
    let lives = browser.session(&sessions).await.unwrap().expires_in;
    let _ = spy.take();
    clock.advance(lives / 2);
    assert!(browser.stored::<User>(&sessions).await.is_some());
    assert_eq!(spy.take(), ["load"]);
    clock.advance(lives / 2 + Duration::from_secs(1));
    assert!(browser.session(&sessions).await.is_none());
}

#[actix_web::test]
async fn what_is_missing_is_told_as_what_it_is() {
    let (browser, sessions) = open().await;
    let said = complaint(browser.expect_stored::<Cart>(&sessions)).await;
    assert!(said.contains("Cart` is stored at ") && said.contains("placing.rs:"), "{said}");
    assert!(said.ends_with("the browser has no cookie `__Host-session`"), "{said}");
    let browser = browser.with_session(&sessions, &ada()).await;
    let said = complaint(browser.expect_stored::<Cart>(&sessions)).await;
    assert!(said.ends_with("the session has the fields [\"user.name\"]"), "{said}");
    sessions.sessions().unwrap().revoke_owner("ada").await.unwrap();
    let said = complaint(browser.expect_stored::<User>(&sessions)).await;
    assert!(said.ends_with("what the browser's cookie `__Host-session` names is no live session"), "{said}");
}

#[actix_web::test]
async fn a_store_that_fails_is_told() {
    let store = FaultStore::new(MemoryStore::default());
    let sessions = SessionMiddleware::new(store.clone());
    let browser = over(&sessions).await.with_session(&sessions, &ada()).await;
    store.always(Operation::Load, Fault::Unavailable);
    assert!(complaint(browser.session(&sessions)).await.starts_with("the session could not be loaded: "));
}

#[actix_web::test]
async fn two_types_of_one_key_are_told() {
    #[derive(Default, Session)]
    #[session(default, key = "cart")]
    struct Basket {
        things: Vec<String>,
    }
    let (browser, sessions) = open().await;
    let browser = browser.with_session(&sessions, &Cart { items: Vec::new() }).await;
    let said = complaint(browser.stored::<Basket>(&sessions)).await;
    assert!(said.contains("Cart` and ") && said.contains("have the same key `cart`"), "{said}");
    let _ = Basket::default().things;
}

#[actix_web::test]
async fn debug_shows_no_token_and_no_value() {
    let (browser, sessions) = open().await;
    let browser = browser.with_session(&sessions, &ada()).await;
    let token = browser.cookie("__Host-session").unwrap();
    let response = browser.post_form("/login", &[("name", "grace")]).await;
    let next = browser.cookie("__Host-session").unwrap();
    let shown = format!("{browser:?} {response:?} {:?}", browser.session(&sessions).await);
    assert!(shown.contains("__Host-session") && shown.contains("user.name") && shown.contains("HttpOnly"), "{shown}");
    for hidden in [token.as_str(), next.as_str(), "grace"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}

#[actix_web::test]
async fn it_works_the_same_at_a_server() {
    use actix_typed_session_tests::support::server::Server;
    let sessions = sessions(SessionConfig::new(), &Clock::manual());
    let server = Server::start(sessions.clone(), 2, routes);
    let ada = Browser::at(server.address).with_session(&sessions, &ada()).await;
    is(&ada.get("/me").await, 200, "ada");
    assert_eq!(ada.post_json("/cart", "tea").await.json::<Vec<String>>(), ["tea"]);
    assert_eq!(ada.stored::<Cart>(&sessions).await.unwrap().items, ["tea"]);
    let here = Browser::of(test::init_service(App::new().wrap(sessions.clone()).configure(routes)).await);
    is(&here.host("127.0.0.1").with_jar_of(&ada).get("/me").await, 200, "ada");
}
