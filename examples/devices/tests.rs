//! What the list promises: nothing that is signed in is missing, and what was signed out is.

#![allow(clippy::unwrap_used, reason = "a test panics")]

use std::time::Duration;

use actix_typed_session::{
    Clock, SessionConfig, SessionMiddleware,
    store::MemoryStore,
    testing::{Browser, Response},
};
use actix_web::{
    App,
    test::{TestRequest, init_service},
};
use start::csrf;

use crate::{ABSOLUTE, IDLE, account::User, routes, settings};

const MINUTE: Duration = Duration::from_secs(60);

/// The app by a clock that a test moves.
struct Site {
    sessions: SessionMiddleware,
    clock: Clock,
    visitor: Browser,
}

impl Site {
    async fn new() -> Self {
        let clock = Clock::manual();
        let store = MemoryStore::default().clock(clock.clone());
        let sessions =
            SessionMiddleware::with_config(store, settings(SessionConfig::new()).clock(clock.clone())).unwrap();
        let app = App::new().wrap(sessions.clone()).configure(routes(&sessions, clock.clone()).unwrap());
        Self { visitor: Browser::of(init_service(app).await), sessions, clock }
    }

    /// Signs in at another device.
    async fn sign_in(&self, name: &str, device: &str) -> Browser {
        let browser = self.visitor.other();
        send(&browser, "/sign-in", &[("name", name), ("device", device)]).await;
        assert_eq!(browser.expect_stored::<User>(&self.sessions).await.name, name);
        browser
    }

    async fn is_signed_in(&self, browser: &Browser) -> bool {
        browser.stored::<User>(&self.sessions).await.is_some()
    }
}

/// Sends a form as the page has it, and goes where it leads.
async fn send(browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Response {
    let page = browser.get("/").await.body;
    let token = csrf::token_in(&page).unwrap();
    let response = browser.post_form(path, &[fields, &[("csrf_token", token)]].concat()).await;
    browser.follow(response).await
}

/// Where the form of the device leads that a page has under this label.
fn sign_out_of(label: &str, page: &str) -> String {
    let card = page.split("<h2>").find(|card| card.starts_with(label)).unwrap();
    let path = card.split("action=\"").nth(1).and_then(|rest| rest.split('"').next());
    path.unwrap().to_owned()
}

#[actix_web::test]
async fn each_device_is_listed_to_its_user_alone() {
    let site = Site::new().await;
    let (phone, laptop) = (site.sign_in("ada", "Phone").await, site.sign_in("ada", "<Laptop>").await);
    let desk = site.sign_in("grace", "Desk").await;
    let page = laptop.get("/").await.body;
    assert!(page.contains("<h2>Phone</h2>"), "{page}");
    assert!(page.contains("<h2>&lt;Laptop&gt; <span class=\"badge\">this one</span></h2>"), "{page}");
    assert!(!page.contains("Desk"), "{page}");
    assert!(phone.get("/").await.body.contains("<h2>Phone <span"));
    assert!(!desk.get("/").await.body.contains("Phone"));
}

#[actix_web::test]
async fn one_device_is_signed_out_and_only_one_of_the_users_own() {
    let site = Site::new().await;
    let (phone, laptop) = (site.sign_in("ada", "Phone").await, site.sign_in("ada", "Laptop").await);
    let desk = site.sign_in("grace", "Desk").await;
    let path = sign_out_of("Phone", &laptop.get("/").await.body);
    assert!(send(&desk, &path, &[]).await.body.contains("That device was signed out already."));
    assert!(site.is_signed_in(&phone).await);
    assert!(send(&laptop, &path, &[]).await.body.contains("That device is signed out."));
    assert!(!site.is_signed_in(&phone).await);
    assert!(site.is_signed_in(&laptop).await);
}

#[actix_web::test]
async fn all_others_are_signed_out_and_then_all() {
    let site = Site::new().await;
    let (phone, laptop) = (site.sign_in("ada", "Phone").await, site.sign_in("ada", "Laptop").await);
    let desk = site.sign_in("grace", "Desk").await;
    assert!(send(&laptop, "/sign-out-others", &[]).await.body.contains("One other device is signed out."));
    assert!(!site.is_signed_in(&phone).await && site.is_signed_in(&laptop).await);
    let phone = site.sign_in("ada", "Phone").await;
    send(&laptop, "/sign-out-all", &[]).await;
    assert!(!site.is_signed_in(&phone).await && !site.is_signed_in(&laptop).await);
    assert!(site.is_signed_in(&desk).await);
}

#[actix_web::test]
async fn the_list_says_when_a_session_ends_and_then_it_does() {
    let site = Site::new().await;
    let (phone, laptop) = (site.sign_in("ada", "Phone").await, site.sign_in("ada", "Laptop").await);
    site.clock.advance(10 * MINUTE);
    let page = laptop.get("/").await.body;
    let card = page.split("<h2>").find(|card| card.starts_with("Phone")).unwrap();
    assert!(card.contains("<dd>10 minutes ago</dd>") && card.contains("<dd>in 20 minutes</dd>"), "{card}");
    assert!(card.contains("<dd>in 11 hours and 50 minutes</dd>"), "{card}");
    site.clock.advance(IDLE - 10 * MINUTE + Duration::from_secs(1));
    assert!(!site.is_signed_in(&phone).await, "it was not used for half an hour");
    assert!(!laptop.get("/").await.body.contains("Phone"));

    let mut used = IDLE;
    while used < ABSOLUTE {
        assert!(site.is_signed_in(&laptop).await, "it was used");
        laptop.get("/").await;
        site.clock.advance(IDLE / 2);
        used += IDLE / 2;
    }
    assert!(!site.is_signed_in(&laptop).await, "12 hours are over, whatever its use");
}

#[actix_web::test]
async fn a_device_without_a_label_is_called_as_its_browser_says() {
    let site = Site::new().await;
    let browser = site.visitor.other();
    let page = browser.get("/").await.body;
    let token = csrf::token_in(&page).unwrap();
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let form = [("name", "ada"), ("device", ""), ("csrf_token", token)];
    browser.send(TestRequest::post().uri("/sign-in").insert_header(("user-agent", agent)).set_form(form)).await;
    assert_eq!(browser.session(&site.sessions).await.unwrap().label.as_deref(), Some("Firefox on Linux"));
}

#[actix_web::test]
async fn a_form_without_the_token_ends_nothing() {
    let site = Site::new().await;
    let phone = site.sign_in("ada", "Phone").await;
    assert_eq!(phone.post("/sign-out-all").await.status, 403);
    assert!(site.is_signed_in(&phone).await);
    let nobody = site.visitor.other();
    let page = nobody.get("/").await.body;
    let token = csrf::token_in(&page).unwrap();
    assert_eq!(nobody.post_form("/sign-out-all", &[("csrf_token", token)]).await.status, 401);
}
