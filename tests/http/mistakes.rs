//! What newcomers do, and what they are told: the log says what to do.

use std::net::SocketAddr;

use actix_typed_session::{
    Clock, Session, SessionConfig, SessionError, SessionHandle, SessionMiddleware, testing::ReferenceStore,
};
use actix_typed_session_tests::support::{browser::Browser, server::Server};
use actix_web::{
    HttpResponse,
    http::header::LOCATION,
    web::{ServiceConfig, get},
};

use crate::{
    events::{self, Line},
    flows::SEALING,
    site::{DAY, NAME, Site, line},
};

/// What a browser on another machine of the network sends with a form.
const LAN: [(&str, &str); 2] = [("x-forwarded-host", "192.168.0.17:8080"), ("origin", "http://192.168.0.17:8080")];

/// An app of its own routes over a store that others may have too.
struct App {
    address: SocketAddr,
    browser: Browser,
    thread: String,
    _server: Server,
}

impl App {
    async fn over(store: &ReferenceStore, config: SessionConfig, routes: fn(&mut ServiceConfig)) -> Self {
        events::listen();
        let server = Server::start(SessionMiddleware::with_config(store.clone(), config).unwrap(), 1, routes);
        let browser = Browser::new(server.address);
        let thread = browser.get("/thread").await.body;
        Self { address: server.address, browser, thread, _server: server }
    }

    fn told(&self, name: &str) -> Vec<Line> {
        events::of(&self.thread).into_iter().filter(|line| line.name == name).collect()
    }
}

#[tokio::test]
async fn a_browser_on_plain_http_that_can_not_keep_the_cookie_is_told_of_once() {
    let site = Site::new().await;
    for _ in 0..3 {
        let response = site.browser.other().send("GET", "/push/1", &LAN, "").await;
        assert!(line(&response).contains("; Secure"));
    }
    let [told] = &site.named("session.plain_http")[..] else { panic!("not once") };
    assert_eq!(told.level, tracing::Level::WARN);
    assert!(told.text.contains("SESSION_COOKIE_SECURE=false") && told.text.contains(NAME), "{told:?}");
}

#[tokio::test]
async fn a_browser_that_can_keep_the_cookie_is_nothing_to_tell_of() {
    let site = Site::new().await;
    for more in [("x-forwarded-proto", "https"), ("sec-fetch-site", "same-origin")] {
        site.browser.other().send("GET", "/push/1", &[LAN[0], LAN[1], more], "").await;
    }
    site.browser.other().send("GET", "/push/1", &[("origin", &format!("http://{}", site.address))], "").await;
    site.browser.other().get("/push/1").await;
    // no cookie is sent
    site.browser.other().send("GET", "/read", &LAN, "").await;
    assert!(site.named("session.plain_http").is_empty());

    let plain = Site::with(SessionConfig::new().cookie_secure(false)).await;
    plain.browser.send("GET", "/push/1", &LAN, "").await;
    assert!(plain.named("session.plain_http").is_empty());
}

#[derive(Default, Session)]
#[session(default)]
struct Notes {
    #[session(merge = "append")]
    notes: Vec<String>,
}

fn to_notes() -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, "/notes")).finish()
}

fn redirecting(app: &mut ServiceConfig) {
    app.route("/thread", get().to(crate::routes::thread))
        .route("/notes", get().to(async |notes: Session<Notes>| notes.notes.join(", ")))
        .route(
            "/held",
            get().to(async |mut notes: Session<Notes>| {
                let list = &mut notes.notes;
                list.push("held".to_owned());
                to_notes()
            }),
        )
        .route(
            "/void",
            get().to(async |mut notes: Session<Notes>, session: SessionHandle| {
                notes.notes.push("goodbye".to_owned());
                session.destroy();
                to_notes()
            }),
        )
        .route(
            "/anew",
            get().to(async |session: SessionHandle| {
                session.destroy();
                session.insert(Notes { notes: vec!["goodbye".to_owned()] })?;
                Ok::<_, SessionError>(to_notes())
            }),
        );
}

#[tokio::test]
async fn a_session_that_is_held_while_the_handler_redirects_is_saved_before_the_next_page() {
    let app = App::over(&ReferenceStore::default(), SessionConfig::new(), redirecting).await;
    for expected in ["held", "held, held"] {
        let response = app.browser.get("/held").await;
        assert_eq!(app.browser.get(response.header("location").unwrap()).await.body, expected);
    }
    assert!(app.told("session.late_change").is_empty());
}

/// A change that is made before a `destroy` goes with what it was made of, and the log says how it is done.
#[tokio::test]
async fn a_message_for_after_the_end_is_inserted_after_it() {
    a_message_for_after_the_end().await;
}

pub(crate) async fn a_message_for_after_the_end() {
    let app = App::over(&ReferenceStore::default(), SessionConfig::new(), redirecting).await;
    app.browser.get("/held").await;
    assert_eq!(app.browser.get("/void").await.status, 303);
    assert_eq!(app.browser.get("/notes").await.body, "");
    let [told] = &app.told("session.field.dropped")[..] else { panic!("not told") };
    assert!(told.text.contains("reason=ended") && told.text.contains("is inserted after it"), "{told:?}");
    app.browser.get("/held").await;
    assert_eq!(app.browser.get("/anew").await.status, 303);
    assert_eq!(app.browser.get("/notes").await.body, "goodbye");
}

/// What one app has of a visitor.
#[derive(Default, Session)]
#[session(default, key = "of_two_apps")]
struct Shop {
    size: u32,
    #[session(default)]
    only_here: u32,
}

/// What another has.
#[derive(Default, Session)]
#[session(default, key = "of_two_apps")]
struct Help {
    size: String,
}

fn shop(app: &mut ServiceConfig) {
    app.route("/thread", get().to(crate::routes::thread)).route(
        "/size",
        get().to(async |mut shop: Session<Shop>| {
            (shop.size, shop.only_here) = (42, 1);
            "42"
        }),
    );
}

fn help(app: &mut ServiceConfig) {
    app.route("/thread", get().to(crate::routes::thread))
        .route("/size", get().to(async |help: Session<Help>| help.size.clone()));
}

/// Two apps of one host that share a store, a prefix and a cookie have each other's sessions: what does not fit is told.
#[tokio::test]
async fn two_apps_by_one_cookie_and_prefix_are_told_by_what_they_differ_in() {
    let store = ReferenceStore::default();
    let one = App::over(&store, SessionConfig::new(), shop).await;
    assert_eq!(one.browser.get("/size").await.body, "42");
    let other = App::over(&store, SessionConfig::new(), help).await;
    assert_eq!(one.browser.at(other.address).get("/size").await.body, "");
    let [told] = &other.told("session.field.undecodable")[..] else { panic!("not told") };
    let says = ["field=of_two_apps.size", "another app by the same cookie and `SESSION_KEY_PREFIX`"];
    assert!(says.iter().all(|text| told.text.contains(text)), "{told:?}");
}

#[tokio::test]
async fn two_apps_by_one_prefix_with_keys_of_their_own_are_told_of_records_that_none_of_them_opens() {
    let (store, clock) = (ReferenceStore::default(), Clock::default());
    let sealed = |key| SessionConfig::new().encryption_keys([key]).clock(clock.clone()).idle_timeout(DAY);
    let one = App::over(&store, sealed(SEALING), shop).await;
    one.browser.get("/size").await;
    let other = App::over(&store, sealed([1; 32]), help).await;
    assert_eq!(one.browser.at(other.address).get("/size").await.body, "");
    let [told] = &other.told("session.damaged")[..] else { panic!("not told") };
    assert!(told.text.contains("another app with the same `SESSION_KEY_PREFIX`"), "{told:?}");
}
