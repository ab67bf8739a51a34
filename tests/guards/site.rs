//! [`Site`]: a server whose routes use the guards.

use std::time::{Duration, UNIX_EPOCH};

use actix_typed_session::{
    Clock, Fresh, Session, SessionConfig, SessionError, SessionHandle, SessionMiddleware,
    store::MemoryStore,
    testing::{FaultStore, Operation, SpyStore},
};
use actix_typed_session_tests::support::{
    browser::{Browser, Response},
    server::Server,
};
use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    web::{Bytes, Path, ServiceConfig, get, post},
};
use futures_util::stream;

#[derive(Session)]
struct User {
    #[session(owner)]
    name: String,
    #[session(default)]
    email: String,
}

#[derive(Default, Session)]
#[session(default)]
struct Cart {
    items: Vec<u32>,
}

#[derive(Default, Session)]
#[session(default)]
struct Role {
    #[session(rotate)]
    admin: bool,
}

type Answer = Result<String, SessionError>;

fn user(name: &str) -> User {
    User { name: name.to_owned(), email: String::new() }
}

async fn at(session: &SessionHandle) -> Answer {
    let at = session.authenticated_at().await?.map(|at| at.duration_since(UNIX_EPOCH).unwrap().as_millis());
    Ok(at.map_or("none".to_owned(), |at| at.to_string()))
}

fn routes(app: &mut ServiceConfig) {
    signing(app);
    freshness(app);
    csrf(app);
}

fn signing(app: &mut ServiceConfig) {
    app.route(
        "/login/{name}",
        get().to(async |session: SessionHandle, name: Path<String>| session.insert(user(&name)).map(|()| "")),
    )
    .route(
        "/rename/{name}",
        get().to(async |mut user: Session<User>, name: Path<String>| {
            user.name = name.into_inner();
            ""
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
        "/rotate",
        get().to(async |session: SessionHandle| {
            session.rotate();
            ""
        }),
    )
    .route(
        "/item/{n}",
        get().to(async |mut cart: Session<Cart>, n: Path<u32>| {
            cart.items.push(*n);
            ""
        }),
    )
    .route("/become-admin", get().to(async |session: SessionHandle| session.insert(Role { admin: true }).map(|()| "")))
    .route("/cart", get().to(async |cart: Session<Cart>| format!("{:?}", cart.items)))
    .route("/me", get().to(async |user: Session<User>| format!("{} {}", user.name, user.email)));
}

fn freshness(app: &mut ServiceConfig) {
    app.route("/fresh", get().to(async |user: Fresh<User, 300>| user.name.clone()))
        .route(
            "/email/{email}",
            get().to(async |mut user: Fresh<User, 300>, email: Path<String>| {
                user.email = email.into_inner();
                ""
            }),
        )
        .route(
            "/email-saved/{email}",
            get().to(async |user: Fresh<User, 300>, email: Path<String>| {
                let mut user = user.into_inner();
                user.email = email.into_inner();
                user.save().await.map(|()| "")
            }),
        )
        .route("/fresh-cart", get().to(async |_: Fresh<Cart, 300>| ""))
        .route(
            "/why",
            get().to(async |user: Result<Fresh<User, 300>, SessionError>| match user {
                Ok(_) => "fresh".to_owned(),
                Err(SessionError::Absent { .. }) => "absent".to_owned(),
                Err(SessionError::NotFresh { limit, age }) => format!("{limit:?} {:?}", age.map(|age| age.as_secs())),
                Err(error) => error.to_string(),
            }),
        )
        .route("/maybe", get().to(async |user: Option<Fresh<User, 300>>| user.is_some().to_string()))
        .route("/at", get().to(async |session: SessionHandle| at(&session).await))
        .route(
            "/confirm",
            get().to(async |session: SessionHandle| {
                session.mark_authenticated();
                ""
            }),
        )
        .route(
            "/confirm-and-add",
            get().to(async |session: SessionHandle, mut cart: Session<Cart>| {
                session.mark_authenticated();
                cart.items.push(9);
                ""
            }),
        )
        .route(
            "/confirm-and-forget",
            get().to(async |session: SessionHandle| {
                session.mark_authenticated();
                session.discard();
                ""
            }),
        )
        .route(
            "/confirm-and-clear",
            get().to(async |session: SessionHandle| -> Answer {
                session.mark_authenticated();
                session.clear();
                at(&session).await
            }),
        )
        .route(
            "/confirm-and-log-out",
            get().to(async |session: SessionHandle| -> Answer {
                session.mark_authenticated();
                session.remove::<User>()?;
                at(&session).await
            }),
        )
        .route(
            "/confirm-and-see",
            get().to(async |session: SessionHandle, request: HttpRequest| -> Answer {
                session.mark_authenticated();
                let user = Fresh::<User, 300>::extract(&request).await?;
                Ok(format!("{} {}", user.name, at(&session).await?))
            }),
        )
        .route(
            "/login-and-see/{name}",
            get().to(async |session: SessionHandle, request: HttpRequest, name: Path<String>| -> Answer {
                session.insert(user(&name))?;
                let user = Fresh::<User, 300>::extract(&request).await?;
                Ok(format!("{} {}", user.name, at(&session).await?))
            }),
        )
        .route(
            "/confirm-while-saving",
            get().to(async |session: SessionHandle, mut cart: Session<Cart>| -> Answer {
                cart.items.push(1);
                drop(cart);
                let marked = async {
                    session.mark_authenticated();
                    let at = at(&session).await?;
                    session.save().await.map(|()| at)
                };
                let (saved, marked) = futures_util::future::join(session.save(), marked).await;
                saved.and(marked)
            }),
        );
}

fn csrf(app: &mut ServiceConfig) {
    app.route("/token", get().to(async |session: SessionHandle| session.csrf_token().await))
        .route(
            "/check",
            post().to(async |session: SessionHandle, token: String| session.verify_csrf(&token).await.map(|()| "")),
        )
        .route(
            "/tokens",
            get().to(async |session: SessionHandle| -> Answer {
                Ok(format!("{} {}", session.csrf_token().await?, session.csrf_token().await?))
            }),
        )
        .route(
            "/token-after/{change}",
            get().to(async |session: SessionHandle, mut role: Session<Role>, change: Path<String>| -> Answer {
                match change.as_str() {
                    "login" => session.insert(user("ada"))?,
                    "logout" => session.remove::<User>()?,
                    "rotate" => session.rotate(),
                    "confirm" => session.mark_authenticated(),
                    "clear" => session.clear(),
                    "destroy" => session.destroy(),
                    "set" => session.set("theme", "dark")?,
                    "admin" => role.admin = true,
                    _ => panic!("no such change"),
                }
                drop(role);
                session.csrf_token().await
            }),
        )
        .route(
            "/token-while-saving",
            get().to(async |session: SessionHandle| -> Answer {
                session.insert(user("ada"))?;
                let (saved, token) = futures_util::future::join(session.save(), session.csrf_token()).await;
                saved.and(token)
            }),
        )
        .route(
            "/token-late",
            get().to(async |session: SessionHandle| {
                HttpResponse::Ok().streaming(stream::once(async move {
                    let token = session.csrf_token().await;
                    Ok::<_, SessionError>(Bytes::from(token.unwrap_or_else(|error| error.to_string())))
                }))
            }),
        );
}

/// A browser before a server.
pub(crate) struct Site {
    pub(crate) browser: Browser,
    pub(crate) clock: Clock,
    pub(crate) fault: FaultStore,
    spy: SpyStore,
    _server: Server,
}

impl Site {
    pub(crate) fn new() -> Self {
        let clock = Clock::manual();
        let spy = SpyStore::new(MemoryStore::default().clock(clock.clone()));
        let fault = FaultStore::new(spy.clone());
        let sessions =
            SessionMiddleware::with_config(fault.clone(), SessionConfig::new().clock(clock.clone())).unwrap();
        let server = Server::start(sessions, 1, routes);
        Self { browser: Browser::new(server.address), clock, fault, spy, _server: server }
    }

    /// A site with a visitor who is signed in.
    pub(crate) async fn signed_in() -> Self {
        let site = Self::new();
        site.ok("/login/ada").await;
        site
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.browser.get(path).await
    }

    pub(crate) async fn ok(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status, 200, "{path}");
        response.body
    }

    /// What a good request asks the store for.
    pub(crate) async fn trips(&self, path: &str) -> Vec<&'static str> {
        let _ = self.spy.take();
        self.ok(path).await;
        self.spy.take()
    }

    /// What a token gets.
    pub(crate) async fn check(&self, token: &str) -> u16 {
        let response = self.browser.send("POST", "/check", &[], token).await;
        assert!(response.body.is_empty(), "the detail is for the log");
        response.status
    }

    /// What the last token is and what the store was asked for it.
    pub(crate) async fn check_trips(&self, token: &str) -> (u16, Vec<&'static str>) {
        let _ = self.spy.take();
        (self.check(token).await, self.spy.take())
    }

    pub(crate) fn cookie(&self) -> String {
        self.browser.cookie("__Host-session").unwrap()
    }

    /// What `/me` answers to somebody with this cookie.
    pub(crate) async fn me_with(&self, cookie: &str) -> u16 {
        let other = self.browser.other();
        other.set_cookie("/", &format!("__Host-session={cookie}; Path=/; Secure"));
        other.get("/me").await.status
    }

    /// When the visitor was authenticated, in milliseconds since the epoch.
    pub(crate) async fn at(&self) -> Option<u64> {
        self.ok("/at").await.parse().ok()
    }

    /// Sends `slow`, which stops before its update, then `fast`, then lets `slow` go on.
    pub(crate) async fn meanwhile(&self, slow: &str, fast: &str) -> Response {
        let gate = self.fault.hold(Operation::Update);
        let (browser, path) = (self.browser.clone(), slow.to_owned());
        let mut slow = tokio::spawn(async move { browser.get(&path).await });
        tokio::select! {
            () = gate.arrived(1) => {}
            response = &mut slow => panic!("it ended before: {response:?}"),
        }
        self.ok(fast).await;
        gate.open();
        slow.await.unwrap()
    }
}
