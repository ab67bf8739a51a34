//! How often a request asks the store, in every case.

#![allow(clippy::unwrap_used, reason = "a test tells what it did not expect by a panic")]

use std::{sync::LazyLock, time::Duration};

use actix_typed_session::{
    Clock, Session, SessionConfig, SessionError, SessionHandle, SessionMiddleware,
    store::MemoryStore,
    testing::{Operation, SpyStore},
};
use actix_typed_session_tests::support::{browser::Browser, server::Server};
use actix_web::web::{ServiceConfig, get};

#[derive(Default, Session)]
#[session(default)]
struct Cart {
    items: Vec<u32>,
}

#[derive(Session)]
struct User {
    #[session(owner)]
    name: String,
}

fn routes(app: &mut ServiceConfig) {
    app.route("/none", get().to(|| async { "none" }))
        .route("/read", get().to(async |cart: Session<Cart>| cart.items.len().to_string()))
        .route(
            "/twice",
            get()
                .to(async |one: Session<Cart>, _: Option<Session<User>>, _: Session<Cart>| one.items.len().to_string()),
        )
        .route("/handle", get().to(async |_: SessionHandle| "untouched"))
        .route(
            "/get",
            get().to(async |session: SessionHandle| {
                let theme: Option<String> = session.get("theme").await?;
                Ok::<_, SessionError>(theme.unwrap_or_default())
            }),
        )
        .route(
            "/change",
            get().to(async |mut cart: Session<Cart>| {
                cart.items.push(1);
                "changed"
            }),
        )
        .route(
            "/same",
            get().to(async |mut cart: Session<Cart>| {
                let items = cart.items.clone();
                cart.items = items;
                "equal"
            }),
        )
        .route("/set", get().to(async |session: SessionHandle| session.set("theme", "dark").map(|()| "set")))
        .route(
            "/login",
            get().to(async |session: SessionHandle| session.insert(User { name: "ada".into() }).map(|()| "in")),
        )
        .route(
            "/rotate",
            get().to(async |session: SessionHandle| {
                session.rotate();
                "rotated"
            }),
        )
        .route(
            "/destroy",
            get().to(async |session: SessionHandle| {
                session.destroy();
                "destroyed"
            }),
        )
        .route(
            "/read-and-destroy",
            get().to(async |_: Session<Cart>, session: SessionHandle| {
                session.destroy();
                "destroyed"
            }),
        )
        .route(
            "/save",
            get().to(async |mut cart: Session<Cart>| {
                cart.items.push(2);
                cart.save().await.map(|()| "saved")
            }),
        )
        .route(
            "/begin-again",
            get().to(async |session: SessionHandle| {
                session.destroy();
                session.insert(User { name: "grace".into() }).map(|()| "in")
            }),
        );
}

struct Case {
    spy: SpyStore,
    clock: Clock,
    browser: Browser,
    _server: Server,
}

impl Case {
    fn new() -> Self {
        let clock = Clock::manual();
        let spy = SpyStore::new(MemoryStore::default().clock(clock.clone()));
        let config = SessionConfig::new().clock(clock.clone()).idle_timeout(Duration::from_secs(1000));
        let sessions = SessionMiddleware::with_config(spy.clone(), config).unwrap();
        let server = Server::start(sessions, 1, routes);
        Self { spy, clock, browser: Browser::new(server.address), _server: server }
    }

    /// With a session that has begun.
    async fn begun() -> Self {
        let case = Self::new();
        case.trips("/change").await;
        case
    }

    /// What a request asks the store for.
    async fn trips(&self, path: &str) -> Vec<&'static str> {
        let _ = self.spy.take();
        let response = self.browser.get(path).await;
        assert_eq!(response.status, 200, "{path}");
        self.spy.take()
    }
}

static NONE: LazyLock<Vec<&str>> = LazyLock::new(Vec::new);

#[tokio::test]
async fn an_untouched_request_asks_nothing() {
    assert_eq!(Case::new().trips("/none").await, *NONE);
    assert_eq!(Case::begun().await.trips("/none").await, *NONE);
}

#[tokio::test]
async fn a_handle_that_is_not_used_asks_nothing() {
    assert_eq!(Case::begun().await.trips("/handle").await, *NONE);
}

#[tokio::test]
async fn an_anonymous_read_asks_nothing() {
    for path in ["/read", "/twice", "/get", "/same", "/rotate", "/destroy", "/read-and-destroy"] {
        assert_eq!(Case::new().trips(path).await, *NONE, "{path}");
    }
}

#[tokio::test]
async fn a_read_is_one_load_however_often_it_is_extracted() {
    for path in ["/read", "/twice", "/get"] {
        assert_eq!(Case::begun().await.trips(path).await, ["load"], "{path}");
    }
}

#[tokio::test]
async fn a_read_with_a_refresh_due_is_a_load_and_a_touch() {
    let case = Case::begun().await;
    case.clock.advance(Duration::from_secs(99));
    assert_eq!(case.trips("/read").await, ["load"]);
    case.clock.advance(Duration::from_secs(2));
    assert_eq!(case.trips("/read").await, ["load", "touch"]);
    assert_eq!(case.trips("/read").await, ["load"]);
}

#[tokio::test]
async fn a_change_is_a_load_and_an_update() {
    for path in ["/change", "/set"] {
        assert_eq!(Case::begun().await.trips(path).await, ["load", "update"], "{path}");
    }
}

#[tokio::test]
async fn a_sign_in_costs_two_more_for_the_users_record() {
    let case = Case::begun().await;
    assert_eq!(case.trips("/login").await, ["load", "load", "create", "update"]);
    assert_eq!(Case::new().trips("/login").await, ["load", "create", "create"]);
    // the same user again on the same session, whose record has the session already
    assert_eq!(case.trips("/login").await, ["load", "update"]);
}

#[tokio::test]
async fn an_equal_value_written_is_one_load() {
    assert_eq!(Case::begun().await.trips("/same").await, ["load"]);
    let case = Case::begun().await;
    case.trips("/set").await;
    assert_eq!(case.trips("/set").await, ["load"]);
}

#[tokio::test]
async fn a_new_session_is_one_create() {
    for path in ["/change", "/set", "/save"] {
        assert_eq!(Case::new().trips(path).await, ["create"], "{path}");
    }
}

#[tokio::test]
async fn a_rotation_is_a_load_and_an_update() {
    assert_eq!(Case::begun().await.trips("/rotate").await, ["load", "update"]);
}

#[tokio::test]
async fn a_destroy_is_a_load_and_a_delete() {
    for path in ["/destroy", "/read-and-destroy"] {
        assert_eq!(Case::begun().await.trips(path).await, ["load", "delete"], "{path}");
    }
    assert_eq!(Case::begun().await.trips("/begin-again").await, ["load", "delete", "load", "create", "create"]);
}

#[tokio::test]
async fn after_a_save_and_no_more_change_the_response_asks_nothing() {
    assert_eq!(Case::begun().await.trips("/save").await, ["load", "update"]);
}

#[tokio::test]
async fn a_token_that_can_not_be_one_asks_nothing() {
    let case = Case::new();
    case.browser.set_cookie("/", "__Host-session=../../etc/passwd; Path=/; Secure");
    assert_eq!(case.trips("/read").await, *NONE);
}

#[tokio::test]
async fn a_conflict_costs_at_most_two_more() {
    let case = Case::begun().await;
    // whoever is first to update waits until both have loaded
    let fault = actix_typed_session::testing::FaultStore::new(case.spy.clone());
    let gate = fault.hold(Operation::Update);
    let config = SessionConfig::new().clock(case.clock.clone()).idle_timeout(Duration::from_secs(1000));
    let server = Server::start(SessionMiddleware::with_config(fault, config).unwrap(), 1, routes);
    let browser = case.browser.at(server.address);
    let _ = case.spy.take();
    let slow = tokio::spawn({
        let browser = browser.clone();
        async move { browser.get("/change").await.status }
    });
    gate.arrived(1).await;
    assert_eq!(browser.get("/set").await.status, 200);
    gate.open();
    assert_eq!(slow.await.unwrap(), 200);
    assert_eq!(case.spy.take(), ["load", "load", "update", "update", "update"]);
}

#[tokio::test]
async fn a_sweep_by_traffic_follows_a_request_that_used_a_session() {
    let spy = SpyStore::new(MemoryStore::default());
    let config = SessionConfig::new().cleanup_every_n_requests(1);
    let server = Server::start(SessionMiddleware::with_config(spy.clone(), config).unwrap(), 1, routes);
    let browser = Browser::new(server.address);
    browser.get("/none").await;
    assert_eq!(spy.log(), *NONE);
    browser.get("/read").await;
    while spy.log().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(spy.log(), ["delete_expired"]);
}
