//! [`Site`]: a server of the tests' routes with its store, its clock and its log.

use std::{net::SocketAddr, thread::JoinHandle, time::Duration};

use actix_typed_session::{
    Clock, SessionConfig, SessionMiddleware,
    store::{Record, SessionStore as _},
    testing::{FaultStore, ReferenceStore, SpyStore},
};
use actix_typed_session_tests::support::{
    browser::{Browser, Response},
    server::Server,
};
use actix_web::{
    App, HttpServer,
    dev::ServerHandle,
    rt::System,
    web::{ServiceConfig, get},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    events::{self, Line},
    routes::routes,
};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The cookie's name where nothing is set.
pub(crate) const NAME: &str = "__Host-session";

pub(crate) struct Site {
    /// What is kept, for a look past the middleware.
    pub(crate) store: ReferenceStore,
    pub(crate) faults: FaultStore,
    /// What the middleware asked for, failed calls included.
    pub(crate) spy: SpyStore,
    pub(crate) clock: Clock,
    pub(crate) browser: Browser,
    pub(crate) address: SocketAddr,
    thread: String,
    _server: Server,
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::with(SessionConfig::new()).await
    }

    pub(crate) async fn with(config: SessionConfig) -> Self {
        let clock = Clock::manual();
        Self::over(ReferenceStore::new(clock.clone()), clock, config).await
    }

    /// A site over a store that is there already, such as another one's.
    pub(crate) async fn over(store: ReferenceStore, clock: Clock, config: SessionConfig) -> Self {
        events::listen();
        let faults = FaultStore::new(store.clone());
        let spy = SpyStore::new(faults.clone());
        let sessions = SessionMiddleware::with_config(spy.clone(), config.clock(clock.clone())).unwrap();
        let server = Server::start(sessions, 1, routes);
        let browser = Browser::new(server.address);
        let thread = browser.get("/thread").await.body;
        Self { store, faults, spy, clock, browser, address: server.address, thread, _server: server }
    }

    /// With a session that holds the item 1, and an empty log of operations.
    pub(crate) async fn begun() -> Self {
        Self::begun_with(SessionConfig::new()).await
    }

    pub(crate) async fn begun_with(config: SessionConfig) -> Self {
        let site = Self::with(config).await;
        assert_eq!(site.get("/push/1").await.status, 200);
        let _ = site.spy.take();
        site
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.browser.get(path).await
    }

    /// `GET` by a client that has no jar, with these `Cookie` lines.
    pub(crate) async fn get_with(&self, path: &str, cookies: &[&str]) -> Response {
        let headers: Vec<_> = cookies.iter().map(|line| ("cookie", *line)).collect();
        self.browser.other().send("GET", path, &headers, "").await
    }

    /// The token in the browser's jar.
    pub(crate) fn token(&self) -> String {
        self.browser.cookie(NAME).expect("a session cookie")
    }

    /// The record that a token names.
    pub(crate) async fn record(&self, token: &str) -> Option<Record> {
        self.store.load(&key(token)).await.unwrap()
    }

    /// What the worker has logged so far.
    pub(crate) fn events(&self) -> Vec<Line> {
        events::of(&self.thread)
    }

    /// The worker's events of this name.
    pub(crate) fn named(&self, name: &str) -> Vec<Line> {
        self.events().into_iter().filter(|line| line.name == name).collect()
    }

    /// Waits for an event that comes when the response is over already.
    pub(crate) async fn logs(&self, name: &str) -> Line {
        for _ in 0..2000 {
            if let Some(line) = self.named(name).pop() {
                return line;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("no event `{name}`");
    }
}

/// The key of the record that a token names.
pub(crate) fn key(token: &str) -> String {
    let bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    let hex: String = bytes[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("session:{hex}")
}

/// A token of the same id with another secret.
pub(crate) fn other_secret(token: &str) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    bytes[20] ^= 1;
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Name and value of a `Set-Cookie` line, and what follows.
pub(crate) fn split(line: &str) -> (&str, &str, &str) {
    let (pair, attributes) = line.split_once(';').unwrap();
    let (name, value) = pair.split_once('=').unwrap();
    (name, value, attributes)
}

/// The one `Set-Cookie` line of a response.
pub(crate) fn line(response: &Response) -> &str {
    let lines = response.set_cookies();
    assert_eq!(lines.len(), 1, "{response:?}");
    lines[0]
}

/// A server of routes that are a closure, without a middleware around them, which ends a request when its client hangs
/// up.
pub(crate) struct Bare {
    pub(crate) browser: Browser,
    pub(crate) thread: String,
    handle: ServerHandle,
    join: Option<JoinHandle<()>>,
}

impl Bare {
    pub(crate) async fn start(routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> Self {
        events::listen();
        let (started, start) = std::sync::mpsc::channel();
        let join = std::thread::spawn(move || {
            System::new().block_on(async move {
                let app =
                    move || App::new().route("/thread", get().to(crate::routes::thread)).configure(routes.clone());
                let server = HttpServer::new(app).workers(1).h1_allow_half_closed(false);
                let server = server.bind(("127.0.0.1", 0)).unwrap();
                let address: SocketAddr = server.addrs()[0];
                let server = server.shutdown_timeout(1).disable_signals().run();
                started.send((address, server.handle())).unwrap();
                server.await.unwrap();
            });
        });
        let (address, handle) = start.recv().unwrap();
        let browser = Browser::new(address);
        let thread = browser.get("/thread").await.body;
        Self { browser, thread, handle, join: Some(join) }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(join) = self.join.take() {
            let _ = join.join();
        }
    }
}
