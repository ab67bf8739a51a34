//! A server whose users sign in, and what a test may do to it.

use std::time::Duration;

use actix_typed_session::{
    Clock, Fresh, Session, SessionConfig, SessionError, SessionHandle, SessionInfo, SessionMiddleware, Sessions,
    store::MemoryStore,
    testing::{FaultStore, SpyStore},
};
use actix_typed_session_tests::support::{
    browser::{Browser, Response},
    server::Server,
};
use actix_web::web::{Data, Path, ServiceConfig, get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

#[derive(Session)]
struct User {
    #[session(owner)]
    name: String,
}

#[derive(Default, Session)]
#[session(default)]
struct Cart {
    items: Vec<u32>,
}

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.route(
        "/login/{name}",
        get().to(async |session: SessionHandle, name: Path<String>| {
            session.insert(User { name: name.clone() })?;
            session.label(&format!("{name}'s"));
            Ok::<_, SessionError>("in")
        }),
    )
    .route(
        "/login-unlabelled/{name}",
        get().to(async |session: SessionHandle, name: Path<String>| {
            session.insert(User { name: name.clone() }).map(|()| "in")
        }),
    )
    .route(
        "/rename/{name}",
        get().to(async |mut user: Session<User>, name: Path<String>| {
            user.name = name.clone();
            "renamed"
        }),
    )
    .route("/fresh", get().to(async |user: Fresh<User, 300>| user.name.clone()))
    .route(
        "/confirm",
        get().to(async |_: Session<User>, session: SessionHandle| {
            session.mark_authenticated();
            "confirmed"
        }),
    )
    .route("/me", get().to(async |user: Session<User>| user.name.clone()))
    .route(
        "/item/{n}",
        get().to(async |mut cart: Session<Cart>, n: Path<u32>| {
            cart.items.push(*n);
            "added"
        }),
    )
    .route("/items", get().to(async |cart: Session<Cart>| format!("{:?}", cart.items)))
    .route(
        "/rotate",
        get().to(async |session: SessionHandle| {
            session.rotate();
            "rotated"
        }),
    )
    .route("/out", get().to(async |session: SessionHandle| session.remove::<User>().map(|()| "out")))
    .route(
        "/clear",
        get().to(async |session: SessionHandle| {
            session.clear();
            "cleared"
        }),
    )
    .route(
        "/login-too-large/{name}",
        get().to(async |session: SessionHandle, name: Path<String>| {
            session.insert(User { name: name.clone() })?;
            session.set("large", &"x".repeat(300 << 10)).map(|()| "in")
        }),
    )
    .route(
        "/login-and-others/{name}",
        get().to(async |session: SessionHandle, name: Path<String>, sessions: Data<Sessions>| {
            session.insert(User { name: name.clone() })?;
            sessions.revoke_others(&session).await.map(|count| count.to_string())
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
        "/current",
        get().to(async |user: Session<User>, session: SessionHandle, sessions: Data<Sessions>| {
            let all = sessions.of(&user.name).await?;
            let current: Vec<_> = all.iter().map(|one| one.is_current(&session)).collect();
            let id = session.id().await?;
            assert_eq!(all.iter().find(|one| one.is_current(&session)).map(|one| one.id), id);
            Ok::<_, SessionError>(format!("{current:?}"))
        }),
    )
    .route(
        "/others",
        get().to(async |session: SessionHandle, sessions: Data<Sessions>| {
            sessions.revoke_others(&session).await.map(|count| count.to_string())
        }),
    );
}

/// A server over a memory store, and all that it is made of.
pub(crate) struct Site {
    pub(crate) clock: Clock,
    pub(crate) spy: SpyStore,
    pub(crate) faults: FaultStore,
    pub(crate) store: MemoryStore,
    pub(crate) sessions: Sessions,
    server: Server,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(SessionConfig::new())
    }

    pub(crate) fn with(config: SessionConfig) -> Self {
        let clock = Clock::manual();
        Self::over(MemoryStore::default().clock(clock.clone()), &clock, config)
    }

    /// Another server on the same store, with other settings.
    pub(crate) fn beside(&self, config: SessionConfig) -> Self {
        Self::over(self.store.clone(), &self.clock, config)
    }

    /// Another server on the same store, whose clock is ahead.
    pub(crate) fn ahead(&self, by: Duration, config: SessionConfig) -> Self {
        let clock = Clock::manual();
        clock.advance(by);
        Self::over(self.store.clone(), &clock, config)
    }

    fn over(store: MemoryStore, clock: &Clock, config: SessionConfig) -> Self {
        let faults = FaultStore::new(store.clone());
        let spy = SpyStore::new(faults.clone());
        let sessions = SessionMiddleware::with_config(spy.clone(), config.clock(clock.clone())).unwrap();
        let of_users = sessions.sessions().unwrap();
        let server = Server::start(sessions, 1, routes);
        Self { clock: clock.clone(), spy, faults, store, sessions: of_users, server }
    }

    /// A browser that was never here.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.server.address)
    }

    /// The same browser at this server.
    pub(crate) fn moved(&self, browser: &Browser) -> Browser {
        browser.at(self.server.address)
    }

    /// A browser that is signed in.
    pub(crate) async fn signed_in(&self, name: &str) -> Browser {
        let browser = self.browser();
        ok(&browser.get(&format!("/login/{name}")).await);
        browser
    }

    /// The ids of a user's sessions.
    pub(crate) async fn ids(&self, owner: &str) -> Vec<String> {
        self.of(owner).await.iter().map(|one| one.id.to_string()).collect()
    }

    pub(crate) async fn of(&self, owner: &str) -> Vec<SessionInfo> {
        self.sessions.of(owner).await.unwrap()
    }
}

pub(crate) fn ok(response: &Response) {
    assert_eq!(response.status, 200, "{response:?}");
}

/// Whom the server takes a browser for.
pub(crate) async fn who(browser: &Browser) -> Option<String> {
    let response = browser.get("/me").await;
    match response.status {
        200 => Some(response.body),
        401 => None,
        status => panic!("{status}"),
    }
}

/// The id that a browser's token begins with.
pub(crate) fn id(browser: &Browser) -> String {
    let token = URL_SAFE_NO_PAD.decode(browser.cookie("__Host-session").unwrap()).unwrap();
    token.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
