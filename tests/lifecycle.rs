//! What becomes of a session that several requests use: rules L1 to L9 of ARCHITECTURE.md.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test tells what it did not expect by a panic")]

use std::{collections::HashMap, time::Duration};

use actix_typed_session::{
    Clock, Session, SessionConfig, SessionError, SessionHandle, SessionMiddleware,
    store::MemoryStore,
    testing::{Fault, FaultStore, Operation, SpyStore},
};
use actix_typed_session_tests::support::{
    browser::{Browser, Response},
    server::Server,
};
use actix_web::{
    HttpResponse,
    web::{Path, ServiceConfig, get},
};

#[derive(Default, Session)]
#[session(default)]
struct Cart {
    items: Vec<u32>,
    coupon: Option<String>,
    #[session(merge = "add")]
    total: i64,
    by_name: HashMap<String, u32>,
}

#[derive(Session)]
struct User {
    #[session(owner)]
    name: String,
    #[session(default)]
    visits: u32,
}

#[derive(Default, Session)]
#[session(default)]
struct Role {
    #[session(rotate)]
    admin: bool,
}

#[derive(Default, Session)]
#[session(default)]
struct Strict {
    #[session(merge = "reject")]
    value: u32,
}

type Answer = Result<String, SessionError>;

fn routes(app: &mut ServiceConfig) {
    app.route(
        "/cart",
        get().to(async |cart: Session<Cart>| format!("{:?} {:?} {}", cart.items, cart.coupon, cart.total)),
    )
    .route(
        "/item/{n}",
        get().to(async |mut cart: Session<Cart>, n: Path<u32>| {
            cart.items.push(*n);
            ""
        }),
    )
    .route(
        "/coupon/{code}",
        get().to(async |mut cart: Session<Cart>, code: Path<String>| {
            cart.coupon = Some(code.clone());
            ""
        }),
    )
    .route(
        "/add/{n}",
        get().to(async |mut cart: Session<Cart>, n: Path<i64>| {
            cart.total += *n;
            ""
        }),
    )
    .route(
        "/strict/{n}",
        get().to(async |mut strict: Session<Strict>, n: Path<u32>| {
            strict.value = *n;
            ""
        }),
    )
    .route("/me", get().to(async |user: Session<User>| format!("{} {}", user.name, user.visits)))
    .route(
        "/maybe",
        get().to(async |user: Option<Session<User>>| user.map_or("nobody".to_owned(), |user| user.name.clone())),
    )
    .route(
        "/visit",
        get().to(async |mut user: Session<User>| {
            user.visits += 1;
            ""
        }),
    )
    .route(
        "/rename/{name}",
        get().to(async |mut user: Session<User>, name: Path<String>| {
            user.name = name.clone();
            ""
        }),
    )
    .route(
        "/login/{name}",
        get().to(async |session: SessionHandle, name: Path<String>| {
            session.insert(User { name: name.clone(), visits: 0 }).map(|()| "")
        }),
    )
    .route("/logout", get().to(async |session: SessionHandle| session.remove::<User>().map(|()| "")))
    .route(
        "/destroy",
        get().to(async |session: SessionHandle| {
            session.destroy();
            ""
        }),
    )
    .route(
        "/admin",
        get().to(async |mut role: Session<Role>| {
            role.admin = true;
            ""
        }),
    )
    .route(
        "/rotate",
        get().to(async |session: SessionHandle| {
            session.rotate();
            ""
        }),
    )
    .route(
        "/clear",
        get().to(async |session: SessionHandle| {
            session.clear();
            ""
        }),
    )
    .route("/new", get().to(async |session: SessionHandle| session.is_new().await.map(|new| new.to_string())))
    .route(
        "/set/{name}/{value}",
        get().to(async |session: SessionHandle, path: Path<(String, String)>| {
            session.set(&path.0, &path.1).map(|()| "")
        }),
    )
    .route(
        "/set-total/{n}",
        get().to(async |session: SessionHandle, n: Path<i64>| session.set("cart.total", &*n).map(|()| "")),
    )
    .route(
        "/get/{name}",
        get().to(async |session: SessionHandle, name: Path<String>| {
            session.get::<serde_json::Value>(&name).await.map(|value| value.unwrap_or_default().to_string())
        }),
    )
    .route(
        "/two-extractors",
        get().to(async |mut one: Session<Cart>, mut two: Session<Cart>| {
            one.items.push(1);
            one.total += 1;
            two.items.push(2);
            two.total += 10;
            ""
        }),
    )
    .route(
        "/seen-later",
        get().to(async |session: SessionHandle, request: actix_web::HttpRequest| -> Answer {
            session.insert(User { name: "eve".into(), visits: 7 })?;
            let user: Session<User> = request.extract_one().await?;
            Ok(format!("{} {}", user.name, user.visits))
        }),
    )
    .route(
        "/save-twice",
        get().to(async |mut cart: Session<Cart>| -> Answer {
            cart.total += 1;
            cart.save().await?;
            cart.total += 1;
            cart.save().await?;
            cart.total += 1;
            Ok(String::new())
        }),
    )
    .route(
        "/discard",
        get().to(async |mut cart: Session<Cart>, mut other: Session<Cart>| {
            cart.items.push(5);
            cart.discard();
            other.total += 5;
            ""
        }),
    )
    .route(
        "/map",
        get().to(async |mut cart: Session<Cart>| {
            let _ = &mut *cart; // borrowed as mutable, and nothing done
            cart.by_name.insert("a".into(), 1);
            cart.by_name.extend((0..50).map(|n| (n.to_string(), n)));
            ""
        }),
    )
    .route(
        "/touch-map",
        get().to(async |mut cart: Session<Cart>| {
            let _ = &mut *cart;
            ""
        }),
    )
    .route(
        "/void",
        get().to(async |mut cart: Session<Cart>, session: SessionHandle| {
            cart.items.push(9);
            session.destroy();
            session.insert(User { name: "new".into(), visits: 0 }).map(|()| "")
        }),
    )
    .route(
        "/panic",
        get().to(async |mut cart: Session<Cart>| -> String {
            cart.items.push(9);
            panic!("as the test wants it")
        }),
    )
    .route(
        "/fail",
        get().to(async |mut cart: Session<Cart>| {
            cart.items.push(9);
            HttpResponse::InternalServerError().finish()
        }),
    )
    .route("/ok", get().to(async || "ok"));
}

trait ExtractOne {
    async fn extract_one<T: actix_web::FromRequest>(&self) -> Result<T, T::Error>;
}

impl ExtractOne for actix_web::HttpRequest {
    async fn extract_one<T: actix_web::FromRequest>(&self) -> Result<T, T::Error> {
        T::extract(self).await
    }
}

struct App {
    browser: Browser,
    clock: Clock,
    fault: FaultStore,
    spy: SpyStore,
    _server: Server,
}

impl App {
    fn new() -> Self {
        Self::with(|config| config)
    }

    fn with(configure: fn(SessionConfig) -> SessionConfig) -> Self {
        let clock = Clock::manual();
        let spy = SpyStore::new(MemoryStore::default().clock(clock.clone()));
        let fault = FaultStore::new(spy.clone());
        let config = configure(SessionConfig::new().clock(clock.clone()));
        let server = Server::start(SessionMiddleware::with_config(fault.clone(), config).unwrap(), 1, routes);
        Self { browser: Browser::new(server.address), clock, fault, spy, _server: server }
    }

    async fn get(&self, path: &str) -> Response {
        self.browser.get(path).await
    }

    async fn ok(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert!(response.status < 300, "{path}: {}", response.status);
        response.body
    }

    /// Sends `slow`, which stops before its update (or whatever it holds), then `fast`, then lets `slow` go on.
    async fn meanwhile(&self, slow: &str, held: Operation, fast: &[&str]) -> Response {
        let gate = self.fault.hold(held);
        let browser = self.browser.clone();
        let path = slow.to_owned();
        let mut slow = tokio::spawn(async move { browser.get(&path).await });
        tokio::select! {
            () = gate.arrived(1) => {}
            response = &mut slow => panic!("it ended before: {response:?}"),
        }
        for path in fast {
            self.ok(path).await;
        }
        gate.open();
        slow.await.unwrap()
    }

    fn token(&self) -> String {
        self.browser.cookie("__Host-session").unwrap()
    }

    /// Another browser with this token.
    fn with_token(&self, token: &str) -> Browser {
        let browser = self.browser.other();
        browser.set_cookie("/", &format!("__Host-session={token}; Path=/; Secure"));
        browser
    }
}

/// L1
#[tokio::test]
async fn two_requests_that_change_different_fields_both_survive() {
    let app = App::new();
    app.ok("/item/1").await;
    assert_eq!(app.meanwhile("/item/2", Operation::Update, &["/coupon/half"]).await.status, 200);
    assert_eq!(app.ok("/cart").await, r#"[1, 2] Some("half") 0"#);
}

/// L2
#[tokio::test]
async fn the_same_field_follows_its_merge_rule() {
    let app = App::new();
    app.ok("/item/1").await;
    app.meanwhile("/item/2", Operation::Update, &["/item/3"]).await;
    app.meanwhile("/add/5", Operation::Update, &["/add/7"]).await;
    assert_eq!(app.ok("/cart").await, "[1, 3, 2] None 12");
    assert_eq!(app.meanwhile("/strict/1", Operation::Update, &["/strict/2"]).await.status, 409);
}

/// L2, L9
#[tokio::test]
async fn add_is_exact_when_answers_are_lost() {
    let app = App::new();
    app.ok("/add/1").await;
    app.fault.next(Operation::Update, 1, Fault::LostAnswer);
    app.ok("/add/1").await;
    assert_eq!(app.ok("/cart").await, "[] None 2");
}

/// L9
#[tokio::test]
async fn a_write_of_unknown_outcome_that_others_wrote_over_is_told_and_not_made_again() {
    let app = App::new();
    app.ok("/add/1").await;
    // the first try's answer is lost, and before the second another request writes
    let gate = actix_typed_session::testing::Gate::new();
    app.fault.next(Operation::Update, 1, Fault::LostAnswer);
    app.fault.next(Operation::Update, 1, Fault::Held(gate.clone()));
    let browser = app.browser.clone();
    let slow = tokio::spawn(async move { browser.get("/add/10").await.status });
    gate.arrived(1).await;
    app.ok("/add/100").await;
    gate.open();
    assert_eq!(slow.await.unwrap(), 503);
    assert_eq!(app.ok("/cart").await, "[] None 111");
}

/// L9
#[tokio::test]
async fn a_rotation_whose_answer_is_lost_still_gives_its_token() {
    let app = App::new();
    app.ok("/login/ada").await;
    let old = app.token();
    app.fault.next(Operation::Update, 1, Fault::LostAnswer);
    app.ok("/rotate").await;
    assert_ne!(app.token(), old);
    assert_eq!(app.ok("/me").await, "ada 0");
}

/// L9
#[tokio::test]
async fn a_new_session_whose_answer_is_lost_is_made_once() {
    let app = App::new();
    app.fault.next(Operation::Create, 1, Fault::LostAnswer);
    app.ok("/item/1").await;
    assert_eq!(app.spy.log(), ["create", "create", "load"]);
    assert_eq!(app.ok("/cart").await, "[1] None 0");
}

/// L3
#[tokio::test]
async fn a_request_that_only_read_never_writes_the_record() {
    let app = App::new();
    app.ok("/map").await;
    let _ = app.spy.take();
    for path in ["/cart", "/touch-map", "/maybe", "/get/cart.items"] {
        app.ok(path).await;
    }
    assert_eq!(app.spy.log(), ["load"; 4]);
    app.clock.advance(Duration::from_secs(4 * 24 * 60 * 60));
    app.ok("/cart").await;
    assert_eq!(app.spy.log()[4..], ["load", "touch"]);
}

/// L4
#[tokio::test]
async fn a_plain_change_after_the_end_is_dropped_and_revives_nothing() {
    let app = App::new();
    app.ok("/item/1").await;
    let token = app.token();
    let late = app.meanwhile("/item/2", Operation::Update, &["/destroy"]).await;
    assert_eq!((late.status, late.header("set-cookie")), (200, None));
    assert_eq!(app.with_token(&token).get("/cart").await.body, "[] None 0");
}

/// L4
#[tokio::test]
async fn a_sign_in_after_the_end_is_a_conflict() {
    let app = App::new();
    app.ok("/item/1").await;
    let late = app.meanwhile("/login/ada", Operation::Update, &["/destroy"]).await;
    assert_eq!((late.status, late.header("set-cookie")), (409, None));
}

/// L4
#[tokio::test]
async fn what_came_with_a_dead_token_writes_nothing_into_what_it_became() {
    let app = App::new();
    app.ok("/item/1").await;
    let late = app.meanwhile("/item/2", Operation::Update, &["/login/ada"]).await;
    assert_eq!((late.status, late.header("set-cookie")), (409, None));
    assert_eq!(app.ok("/cart").await, "[1] None 0");
}

/// L4, L5
#[tokio::test]
async fn of_parallel_rotations_one_wins_and_the_others_want_nothing_more() {
    let app = App::new();
    app.ok("/item/1").await;
    let old = app.token();
    let late = app.meanwhile("/rotate", Operation::Update, &["/rotate"]).await;
    assert_eq!((late.status, late.header("set-cookie")), (200, None));
    assert_eq!(app.ok("/cart").await, "[1] None 0");
    assert_eq!(app.with_token(&old).get("/cart").await.body, "[] None 0");
}

/// L6
#[tokio::test]
async fn another_owner_finds_nothing_of_the_former_one() {
    let app = App::new();
    app.ok("/item/1").await;
    app.ok("/login/ada").await;
    assert_eq!(app.ok("/cart").await, "[1] None 0", "a sign-in keeps the visitor's cart");
    app.ok("/visit").await;
    app.ok("/login/ada").await;
    assert_eq!(app.ok("/cart").await, "[1] None 0", "the same owner again keeps it too");
    app.ok("/login/grace").await;
    assert_eq!(app.ok("/cart").await, "[] None 0");
    assert_eq!(app.ok("/me").await, "grace 0");
}

/// L6
#[tokio::test]
async fn an_owner_changed_in_place_is_another_owner_too() {
    let app = App::new();
    app.ok("/login/ada").await;
    app.ok("/item/1").await;
    let old = app.token();
    app.ok("/rename/grace").await;
    assert_ne!(app.token(), old);
    assert_eq!(app.ok("/cart").await, "[] None 0");
    assert_eq!(app.with_token(&old).get("/maybe").await.body, "nobody");
}

/// L6
#[tokio::test]
async fn another_owner_starts_the_absolute_lifetime_anew() {
    let app =
        App::with(|config| config.absolute_lifetime(Duration::from_secs(1000)).idle_timeout(Duration::from_secs(1000)));
    app.ok("/login/ada").await;
    app.clock.advance(Duration::from_secs(900));
    app.ok("/login/grace").await;
    app.clock.advance(Duration::from_secs(900));
    assert_eq!(app.ok("/me").await, "grace 0");
}

/// L7
#[tokio::test]
async fn a_commit_without_end_is_given_up_in_its_time() {
    let app = App::with(|config| config.store_timeout(Duration::from_millis(50)));
    app.ok("/item/1").await;
    app.fault.always(Operation::Update, Fault::Hang);
    let response = app.get("/item/2").await;
    assert_eq!((response.status, response.header("retry-after").is_some()), (503, true));
}

/// L8
#[tokio::test]
async fn a_handler_that_panics_or_fails_leaves_the_record_as_it_was() {
    let app = App::new();
    app.ok("/item/1").await;
    let pending = app.browser.begin("GET", "/panic", &[], "").await;
    assert!(pending.finish().await.is_err());
    assert_eq!(app.get("/fail").await.status, 500);
    assert_eq!(app.ok("/cart").await, "[1] None 0");
}

/// L8
#[tokio::test]
async fn a_commit_that_began_goes_on_when_the_client_is_gone() {
    let app = App::new();
    app.ok("/item/1").await;
    let gate = app.fault.hold(Operation::Update);
    let pending = app.browser.begin("GET", "/item/2", &[], "").await;
    gate.arrived(1).await;
    drop(pending);
    // the server notices that the client is gone only while it serves others
    for _ in 0..3 {
        app.ok("/ok").await;
    }
    gate.open();
    while app.ok("/cart").await != "[1, 2] None 0" {}
}

#[tokio::test]
async fn both_clocks_end_a_session() {
    let app =
        App::with(|config| config.absolute_lifetime(Duration::from_secs(100)).idle_timeout(Duration::from_secs(30)));
    app.ok("/item/1").await;
    for _ in 0..4 {
        app.clock.advance(Duration::from_secs(24));
        assert_eq!(app.ok("/cart").await, "[1] None 0", "use keeps it alive");
    }
    app.clock.advance(Duration::from_secs(5));
    assert_eq!(app.ok("/cart").await, "[] None 0", "but not over the absolute lifetime");
    app.ok("/item/1").await;
    app.clock.advance(Duration::from_secs(31));
    assert_eq!(app.ok("/cart").await, "[] None 0", "and not without use");
}

#[tokio::test]
async fn whoever_met_a_conflict_waits_for_the_turn_of_another_who_did_before() {
    let app = App::new();
    app.ok("/add/1000").await;
    let (one, two) = (app.fault.hold(Operation::Update), app.fault.hold(Operation::Update));
    let send = |path: &'static str| {
        let browser = app.browser.clone();
        tokio::spawn(async move { browser.get(path).await.status })
    };
    let first = send("/add/1");
    one.arrived(1).await;
    let second = send("/add/10");
    two.arrived(1).await;
    app.ok("/add/100").await;
    let again = app.fault.hold(Operation::Update);
    one.open();
    again.arrived(1).await;
    let _ = app.spy.take();
    two.open();
    let mut updates = 0;
    while updates == 0 {
        app.ok("/ok").await;
        updates += app.spy.take().iter().filter(|operation| **operation == "update").count();
    }
    assert_eq!(updates, 1, "it met a conflict, and waits");
    again.open();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (200, 200));
    assert_eq!(app.ok("/cart").await, "[] None 1111");
}

#[tokio::test]
async fn without_refresh_only_a_write_keeps_a_session_alive() {
    let app = App::with(|config| config.idle_timeout(Duration::from_secs(30)).refresh_each_request(false));
    app.ok("/item/1").await;
    app.clock.advance(Duration::from_secs(20));
    app.ok("/cart").await;
    app.clock.advance(Duration::from_secs(20));
    assert_eq!(app.ok("/cart").await, "[] None 0");
}

#[tokio::test]
async fn a_struct_with_a_required_field_is_a_guard() {
    let app = App::new();
    assert_eq!(app.get("/me").await.status, 401);
    assert_eq!(app.ok("/maybe").await, "nobody");
    app.ok("/login/ada").await;
    assert_eq!(app.ok("/me").await, "ada 0");
    app.ok("/logout").await;
    assert_eq!(app.get("/me").await.status, 401);
}

#[tokio::test]
async fn what_is_marked_rotate_or_owner_and_what_is_inserted_or_removed_rotates() {
    let app = App::new();
    app.ok("/item/1").await;
    for path in ["/login/ada", "/admin", "/logout", "/rotate", "/login/ada", "/clear"] {
        let before = app.token();
        app.ok(path).await;
        assert_ne!(app.token(), before, "{path}");
        let old = app.with_token(&before);
        assert_eq!(old.get("/cart").await.body, "[] None 0", "the old token is dead after {path}");
    }
}

#[tokio::test]
async fn an_extraction_sees_what_was_inserted_before_it() {
    assert_eq!(App::new().ok("/seen-later").await, "eve 7");
}

#[tokio::test]
async fn two_extractors_of_one_field_follow_its_merge_rule() {
    let app = App::new();
    app.ok("/two-extractors").await;
    // arguments are dropped last to first
    assert_eq!(app.ok("/cart").await, "[2, 1] None 11");
}

#[tokio::test]
async fn what_is_changed_after_a_save_is_added_to_what_the_save_came_to() {
    let app = App::new();
    app.ok("/add/1").await;
    // the first of its saves meets another request, and the handler's own value knows nothing of that
    app.meanwhile("/save-twice", Operation::Update, &["/add/100"]).await;
    assert_eq!(app.ok("/cart").await, "[] None 104");
}

#[tokio::test]
async fn what_is_discarded_is_not_saved_and_the_rest_is() {
    let app = App::new();
    app.ok("/discard").await;
    assert_eq!(app.ok("/cart").await, "[] None 5");
}

#[tokio::test]
async fn after_a_destroy_older_extractors_are_void_and_an_insert_begins_another_session() {
    let app = App::new();
    app.ok("/item/1").await;
    let old = app.token();
    app.ok("/void").await;
    assert_ne!(app.token()[..21], old[..21], "another id");
    assert_eq!(app.ok("/cart").await, "[] None 0");
    assert_eq!(app.ok("/me").await, "new 0");
}

#[tokio::test]
async fn a_removal_of_a_whole_struct_beats_changes_to_its_fields() {
    // `remove` rotates, so a change that came with the old token is refused anyway; one within the request is dropped
    let app = App::new();
    app.ok("/login/ada").await;
    assert_eq!(app.meanwhile("/visit", Operation::Update, &["/logout"]).await.status, 409);
    assert_eq!(app.ok("/get/user.visits").await, "null");
}

#[tokio::test]
async fn untyped_access_reads_and_writes_by_full_names_but_not_what_rotates() {
    let app = App::new();
    app.ok("/login/ada").await;
    app.ok("/set/theme/dark").await;
    assert_eq!(app.ok("/get/theme").await, "\"dark\"");
    assert_eq!(app.ok("/get/user.name").await, "\"ada\"");
    for path in ["/set/user.name/eve", "/set/.owner/eve"] {
        assert_eq!(app.get(path).await.status, 500, "{path}");
    }
    assert_eq!(app.ok("/me").await, "ada 0");
}

#[tokio::test]
async fn a_value_set_by_name_follows_the_merge_rule_of_its_type() {
    let app = App::new();
    app.ok("/add/1").await;
    app.ok("/strict/1").await;
    app.meanwhile("/set-total/11", Operation::Update, &["/add/100"]).await;
    assert_eq!(app.ok("/cart").await, "[] None 111");
    assert_eq!(app.meanwhile("/set/strict.value/7", Operation::Update, &["/strict/2"]).await.status, 409);
}

#[tokio::test]
async fn a_field_that_no_longer_decodes_counts_as_absent_and_is_kept() {
    let app = App::new();
    app.ok("/set/cart.items/oops").await;
    assert_eq!(app.ok("/cart").await, "[] None 0");
    app.ok("/coupon/half").await;
    assert_eq!(app.ok("/get/cart.items").await, "\"oops\"");
    app.ok("/item/1").await;
    assert_eq!(app.ok("/cart").await, r#"[1] Some("half") 0"#);
}

#[tokio::test]
async fn a_cleared_session_is_there_and_empty() {
    let app = App::new();
    app.ok("/item/1").await;
    app.ok("/clear").await;
    assert_eq!(app.ok("/cart").await, "[] None 0");
    assert_eq!(app.ok("/new").await, "false");
    app.ok("/destroy").await;
    assert_eq!(app.ok("/new").await, "true");
}

#[tokio::test]
async fn sixty_four_requests_at_once_are_counted_exactly() {
    let app = App::new();
    app.ok("/add/1").await;
    let requests = (0..64).map(|_| {
        let browser = app.browser.clone();
        tokio::spawn(async move { browser.get("/add/1").await.status })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.unwrap(), 200);
    }
    assert_eq!(app.ok("/cart").await, "[] None 65");
}
