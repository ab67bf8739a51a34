//! What a session is worth that the store recalls and may have changed since: it is good to be read, and for nothing else.

#![allow(clippy::unwrap_used, reason = "a test tells what it did not expect by a panic")]

use std::time::Duration;

use actix_typed_session::{
    Clock, Fresh, Session, SessionConfig, SessionError, SessionHandle, SessionMiddleware,
    testing::{Fault, FaultStore, Operation, ReferenceStore, SpyStore},
};
use actix_typed_session_tests::support::{browser::Browser, remembering::Remembering, server::Server};
use actix_web::web::{Path, ServiceConfig, get};

#[derive(Default, Session)]
#[session(default)]
struct Cart {
    items: Vec<u32>,
    #[session(merge = "add")]
    total: i64,
}

#[derive(Session)]
struct User {
    #[session(owner)]
    name: String,
}

#[derive(Default, Session)]
#[session(default)]
struct Role {
    #[session(rotate)]
    admin: bool,
}

/// Guards by a field that must be there, and is not marked.
#[derive(Session)]
struct Ticket {
    number: u32,
}

fn routes(app: &mut ServiceConfig) {
    app.route("/cart", get().to(async |cart: Session<Cart>| format!("{:?} {}", cart.items, cart.total)))
        .route(
            "/item/{n}",
            get().to(async |mut cart: Session<Cart>, n: Path<u32>| {
                cart.items.push(*n);
                cart.total += 1;
                "added"
            }),
        )
        .route(
            "/login",
            get().to(async |session: SessionHandle| {
                session.insert(Ticket { number: 7 })?;
                session.insert(User { name: "ada".into() }).map(|()| "in")
            }),
        )
        .route("/me", get().to(async |user: Session<User>| user.name.clone()))
        .route("/role", get().to(async |role: Session<Role>| role.admin.to_string()))
        .route("/ticket", get().to(async |ticket: Session<Ticket>| ticket.number.to_string()))
        .route("/fresh", get().to(async |_: Fresh<Cart, 1000>| "fresh"))
        .route(
            "/raise",
            get().to(async |session: SessionHandle| {
                session.rotate();
                "raised"
            }),
        )
        .route(
            "/end",
            get().to(async |session: SessionHandle| {
                session.destroy();
                "ended"
            }),
        )
        // the cart is recalled, and nothing is looked up before the end
        .route(
            "/end-with-cart",
            get().to(async |cart: Session<Cart>, session: SessionHandle| {
                session.destroy();
                cart.total.to_string()
            }),
        )
        // the same, after a save that is refused if the token is dead
        .route(
            "/save-and-end",
            get().to(async |mut cart: Session<Cart>, session: SessionHandle| {
                cart.items.push(2);
                let _ = cart.save().await;
                session.destroy();
                "ended"
            }),
        )
        .route(
            "/end-as-user",
            get().to(async |_: Session<Cart>, _: Session<User>, session: SessionHandle| {
                session.destroy();
                "ended"
            }),
        )
        .route(
            "/name",
            get().to(async |session: SessionHandle| {
                let name: Option<String> = session.get("user.name").await?;
                Ok::<_, SessionError>(name.unwrap_or_default())
            }),
        )
        .route("/csrf", get().to(async |session: SessionHandle| session.csrf_token().await.map(|_| "token")))
        // the cart is recalled, and then the session is looked up
        .route(
            "/item-of-mine/{n}",
            get().to(async |mut cart: Session<Cart>, user: Option<Session<User>>, n: Path<u32>| {
                cart.items.push(*n);
                cart.total += 1;
                user.map_or("nobody".to_owned(), |user| user.name.clone())
            }),
        )
        .route(
            "/item-and-look/{n}",
            get().to(async |mut cart: Session<Cart>, session: SessionHandle, n: Path<u32>| {
                cart.items.push(*n);
                cart.total += 1;
                drop(cart);
                let name: Option<String> = session.get("user.name").await?;
                Ok::<_, SessionError>(name.unwrap_or_default())
            }),
        );
}

/// Two servers over the same records. The first one recalls what it read, as if nobody ever told it of a change.
struct Site {
    /// A visitor of the server that recalls.
    here: Browser,
    /// The same visitor at the other server.
    there: Browser,
    spy: SpyStore,
    remembering: Remembering,
    fault: FaultStore,
    clock: Clock,
    _servers: [Server; 2],
}

impl Site {
    fn new(configure: impl Fn(SessionConfig) -> SessionConfig) -> Self {
        let clock = Clock::manual();
        let records = ReferenceStore::new(clock.clone());
        let fault = FaultStore::new(records.clone());
        let remembering = Remembering::new(fault.clone());
        let spy = SpyStore::new(remembering.clone());
        let config = || configure(SessionConfig::new().clock(clock.clone()));
        let recalling = SessionMiddleware::with_config(spy.clone(), config()).unwrap();
        let other = SessionMiddleware::with_config(records, config()).unwrap();
        let servers = [recalling, other].map(|sessions| Server::start(sessions, 1, routes));
        let here = Browser::new(servers[0].address);
        let there = here.at(servers[1].address);
        Self { here, there, spy, remembering, fault, clock, _servers: servers }
    }

    /// Somebody signed in with an item in the cart, whose session the first server recalls.
    async fn recalled() -> Self {
        Self::recalled_with(|config| config).await
    }

    async fn recalled_with(configure: impl Fn(SessionConfig) -> SessionConfig) -> Self {
        let site = Self::new(configure);
        site.there.get("/login").await;
        site.there.get("/item/1").await;
        assert_eq!(site.text("/cart").await, "[1] 1");
        assert_eq!(site.spy.take(), ["load"]);
        site
    }

    async fn text(&self, path: &str) -> String {
        let response = self.here.get(path).await;
        assert_eq!(response.status, 200, "{path}");
        response.body
    }

    /// Another browser at the first server, with the cookies of now.
    fn thief(&self) -> Browser {
        let thief = self.here.other();
        for cookie in self.here.cookies() {
            thief.set_cookie("/", &format!("{}={}; Path=/; Secure", cookie.name, cookie.value));
        }
        thief
    }
}

#[actix_web::test]
async fn what_is_recalled_is_read_without_asking_the_store() {
    let site = Site::recalled().await;
    for _ in 0..3 {
        assert_eq!(site.text("/cart").await, "[1] 1");
    }
    assert!(site.spy.take().is_empty());
}

#[actix_web::test]
async fn what_is_recalled_may_be_behind_and_catches_up_once_the_store_is_asked() {
    let site = Site::recalled().await;
    site.there.get("/item/2").await;
    assert_eq!(site.text("/cart").await, "[1] 1");
    assert_eq!(site.text("/me").await, "ada");
    assert_eq!(site.text("/cart").await, "[1, 2] 2");
}

#[actix_web::test]
async fn a_type_that_guards_asks_the_store_each_time() {
    let site = Site::recalled().await;
    for path in ["/me", "/role", "/ticket", "/fresh", "/name", "/csrf", "/item-of-mine/5"] {
        let response = site.here.get(path).await;
        // nobody re-authenticated the cart
        assert!(matches!(response.status, 200 | 403 | 401), "{path} {}", response.status);
        assert_eq!(site.spy.take().first(), Some(&"load"), "{path}");
        site.text("/cart").await;
        let _ = site.spy.take();
    }
}

#[actix_web::test]
async fn a_type_that_guards_may_be_recalled_if_that_is_asked_for() {
    let site = Site::recalled_with(|config| config.cache_guarded(true)).await;
    for path in ["/me", "/role", "/ticket"] {
        site.text(path).await;
    }
    assert!(site.spy.take().is_empty());
    for path in ["/name", "/csrf", "/fresh"] {
        site.here.get(path).await;
        assert_eq!(site.spy.take(), ["load"], "{path}");
    }
}

#[actix_web::test]
async fn a_session_that_ended_elsewhere_opens_nothing_that_guards() {
    let site = Site::recalled().await;
    let thief = site.thief();
    site.there.get("/end").await;
    assert_eq!(thief.get("/cart").await.body, "[1] 1", "it was never told");
    for path in ["/me", "/ticket"] {
        assert_eq!(thief.get(path).await.status, 401, "{path}");
    }
    assert_eq!(thief.get("/cart").await.body, "[] 0", "it was told");
}

#[actix_web::test]
async fn a_token_that_was_rotated_away_elsewhere_opens_nothing_that_guards_and_writes_nothing() {
    let site = Site::recalled().await;
    let thief = site.thief();
    site.there.get("/raise").await;
    assert_eq!(thief.get("/cart").await.body, "[1] 1");
    assert_eq!(thief.get("/item/9").await.status, 409);
    assert_eq!(thief.get("/me").await.status, 401);
    assert_eq!(site.text("/cart").await, "[1] 1");
}

#[actix_web::test]
async fn a_token_that_was_rotated_away_elsewhere_ends_nothing() {
    for path in ["/end-with-cart", "/save-and-end"] {
        let site = Site::recalled().await;
        let thief = site.thief();
        site.there.get("/raise").await;
        let response = thief.get(path).await;
        assert_eq!(response.status, 200, "{path}");
        assert!(response.set_cookies().is_empty(), "{path}: a dead cookie is left alone");
        assert_eq!(site.there.get("/cart").await.body, "[1] 1", "{path}");
    }
}

#[actix_web::test]
async fn what_is_recalled_is_looked_up_once_before_it_is_ended() {
    for path in ["/end-with-cart", "/end-as-user"] {
        let site = Site::recalled().await;
        let thief = site.thief();
        assert_eq!(site.here.get(path).await.status, 200, "{path}");
        let operations = site.spy.take();
        assert_eq!(operations.iter().filter(|operation| **operation == "load").count(), 1, "{path} {operations:?}");
        assert_eq!(operations.first(), Some(&"load"), "{path}");
        assert_eq!(thief.get("/me").await.status, 401, "{path}");
    }
}

#[actix_web::test]
async fn what_cannot_be_looked_up_is_not_ended() {
    let site = Site::recalled().await;
    site.fault.always(Operation::Load, Fault::Unavailable);
    assert_eq!(site.here.get("/end-with-cart").await.status, 503);
    assert_eq!(site.spy.take(), ["load"]);
    assert_eq!(site.there.get("/me").await.body, "ada");
}

#[actix_web::test]
async fn the_new_token_is_never_refused_by_what_was_kept_of_the_old_one() {
    let site = Site::recalled().await;
    site.there.get("/raise").await;
    assert_eq!(site.text("/cart").await, "[1] 1");
    assert_eq!(site.spy.take(), ["load"]);
    assert_eq!(site.text("/me").await, "ada");
}

#[actix_web::test]
async fn a_change_of_what_was_recalled_overwrites_nothing() {
    let site = Site::recalled().await;
    site.there.get("/item/2").await;
    site.there.get("/item/3").await;
    assert_eq!(site.text("/item/4").await, "added");
    assert_eq!(site.spy.take(), ["update", "update"], "a conflict, and then the merge");
    assert_eq!(site.there.get("/cart").await.body, "[1, 2, 3, 4] 4");
    assert_eq!(site.text("/cart").await, "[1, 2, 3, 4] 4", "what this server wrote, it sees");
}

#[actix_web::test]
async fn a_change_of_what_was_recalled_revives_nothing() {
    let site = Site::recalled().await;
    let thief = site.thief();
    site.there.get("/end").await;
    assert_eq!(thief.get("/item/4").await.status, 200, "a change and then the end is a valid order");
    assert_eq!(site.spy.take(), ["update"]);
    assert_eq!(thief.get("/cart").await.body, "[] 0");
}

#[actix_web::test]
async fn what_a_request_recalled_first_is_merged_with_what_it_loads_later() {
    for path in ["/item-of-mine/4", "/item-and-look/4"] {
        let site = Site::recalled().await;
        site.there.get("/item/2").await;
        assert_eq!(site.text(path).await, "ada");
        assert_eq!(site.spy.take(), ["load", "update"], "{path}: by the version that was loaded");
        assert_eq!(site.text("/cart").await, "[1, 2, 4] 3", "{path}");
    }
}

#[actix_web::test]
async fn what_a_request_loads_later_and_finds_unchanged_is_what_it_recalled() {
    for path in ["/item-of-mine/4", "/item-and-look/4"] {
        let site = Site::recalled().await;
        assert_eq!(site.text(path).await, "ada");
        assert_eq!(site.spy.take(), ["load", "update"], "{path}");
        assert_eq!(site.text("/cart").await, "[1, 4] 2", "{path}");
    }
}

#[actix_web::test]
async fn what_a_request_changed_of_a_session_that_turns_out_gone_is_not_saved() {
    for (end, path, status) in [
        ("/end", "/item-of-mine/4", 200),
        ("/end", "/item-and-look/4", 409),
        ("/raise", "/item-of-mine/4", 200),
        ("/raise", "/item-and-look/4", 409),
    ] {
        let site = Site::recalled().await;
        let thief = site.thief();
        site.there.get(end).await;
        let response = thief.get(path).await;
        assert_eq!(response.status, status, "{end} {path}");
        assert!(response.set_cookies().is_empty(), "{end} {path}");
        if status == 200 {
            assert_eq!(response.body, "nobody");
        }
        assert_eq!(site.spy.take(), ["load"], "{end} {path}");
        let left = if end == "/end" { "[] 0" } else { "[1] 1" };
        assert_eq!(site.there.get("/cart").await.body, left, "{end} {path}");
    }
}

#[actix_web::test]
async fn a_look_up_that_fails_is_503_for_what_guards_and_for_changes() {
    let site = Site::recalled().await;
    site.fault.always(Operation::Load, Fault::Unavailable);
    assert_eq!(site.here.get("/me").await.status, 503);
    assert_eq!(site.here.get("/item-of-mine/4").await.status, 503);
    assert_eq!(site.here.get("/item-and-look/4").await.status, 503);
    assert_eq!(site.text("/cart").await, "[1] 1");
    site.fault.clear();
    assert_eq!(site.there.get("/cart").await.body, "[1] 1");
}

#[actix_web::test]
async fn only_who_has_the_secret_is_recalled() {
    let site = Site::recalled().await;
    let thief = site.thief();
    let cookie = thief.cookies().pop().unwrap();
    // the last character of a secret may stand for bits that are not there
    let at = cookie.value.len() - 5;
    let other = if cookie.value.as_bytes().get(at) == Some(&b'A') { "B" } else { "A" };
    let mut forged = cookie.value.clone();
    forged.replace_range(at..=at, other);
    thief.set_cookie("/", &format!("{}={forged}; Path=/; Secure", cookie.name));
    assert_eq!(thief.get("/cart").await.body, "[] 0");
    assert_eq!(site.spy.take(), ["load"]);
}

#[actix_web::test]
async fn nothing_is_recalled_beyond_the_absolute_lifetime() {
    let site = Site::recalled_with(|config| config.absolute_lifetime(Some(Duration::from_secs(3600)))).await;
    site.clock.advance(Duration::from_secs(3600));
    assert_eq!(site.text("/cart").await, "[] 0");
    assert_eq!(site.spy.take(), ["load"]);
}

#[actix_web::test]
async fn a_session_that_is_only_recalled_is_kept_alive() {
    let site = Site::recalled().await;
    let day = Duration::from_secs(24 * 60 * 60);
    for _ in 0..12 {
        site.clock.advance(4 * day);
        // what is recalled says here how much was left when it was read
        site.text("/me").await;
        let _ = site.spy.take();
    }
    assert_eq!(site.text("/cart").await, "[1] 1");
}

#[actix_web::test]
async fn what_is_recalled_is_looked_up_before_it_is_kept_alive() {
    let site = Site::recalled().await;
    let thief = site.thief();
    site.remembering.age(Duration::from_secs(4 * 24 * 60 * 60));
    assert_eq!(site.text("/cart").await, "[1] 1");
    assert_eq!(site.spy.take(), ["load"], "another server has kept it alive");

    site.there.get("/raise").await;
    site.remembering.age(Duration::from_secs(4 * 24 * 60 * 60));
    assert_eq!(thief.get("/cart").await.body, "[] 0");
    assert_eq!(site.spy.take(), ["load"], "not by a token that was rotated away");
}

#[actix_web::test]
async fn two_tokens_are_for_the_store_to_judge() {
    // without `__Host-`, by which only the first one would count
    let site = Site::recalled_with(|config| config.cookie_secure(false)).await;
    let cookie = site.here.cookies().pop().unwrap();
    let header = format!("{0}={1}; {0}={1}x", cookie.name, cookie.value);
    let both = format!("{0}={1}; {0}={2}", cookie.name, cookie.value, site.another().await);
    let stranger = site.here.other();
    assert_eq!(stranger.send("GET", "/cart", &[("Cookie", &both)], "").await.body, "[] 0");
    assert_eq!(site.spy.take(), ["load", "load"]);
    // what is no token is none
    assert_eq!(stranger.send("GET", "/cart", &[("Cookie", &header)], "").await.body, "[1] 1");
    assert!(site.spy.take().is_empty());
}

impl Site {
    /// The token of another session.
    async fn another(&self) -> String {
        let other = self.there.other();
        other.get("/login").await;
        other.cookies().pop().unwrap().value
    }
}
