//! A site over a directory: as a server in this process, or as a child that can be killed.

use std::{net::SocketAddr, path::Path};

use actix_typed_session::{
    Clock, Session, SessionConfig, SessionError, SessionHandle, SessionMiddleware, store::FilesystemStore,
};
use actix_typed_session_tests::support::{browser::Browser, server::Server};
use actix_web::web::{ServiceConfig, get};

use crate::{
    HOUR,
    child::{Child, Line},
};

/// Counts a visitor's requests.
#[derive(Default, Session)]
#[session(default)]
struct Visits {
    #[session(merge = "add")]
    count: u64,
}

/// Who is signed in.
#[derive(Session)]
struct User {
    #[session(owner)]
    name: String,
}

fn routes(app: &mut ServiceConfig) {
    app.route("/look", get().to(async |visits: Session<Visits>| visits.count.to_string()))
        .route("/who", get().to(async |user: Session<User>| user.name.clone()))
        .route(
            "/perhaps",
            get().to(async |user: Option<Session<User>>| user.map_or("nobody".into(), |u| u.name.clone())),
        )
        .route(
            "/count",
            get().to(async |mut visits: Session<Visits>| {
                visits.count += 1;
                visits.count.to_string()
            }),
        )
        .route(
            "/in",
            get().to(async |session: SessionHandle| {
                session.insert(User { name: "ada".to_owned() })?;
                Ok::<_, SessionError>("in")
            }),
        )
        .route(
            "/rotate",
            get().to(async |session: SessionHandle| {
                session.rotate();
                "rotated"
            }),
        )
        .route(
            "/out",
            get().to(async |session: SessionHandle| {
                session.destroy();
                "out"
            }),
        );
}

/// The cookie's name.
pub(crate) const COOKIE: &str = "__Host-session";

/// A server of this process.
pub(crate) fn server(directory: &str, clock: &Clock) -> Server {
    let store = FilesystemStore::new(directory).unwrap().clock(clock.clone());
    let config = SessionConfig::new().clock(clock.clone());
    Server::start(SessionMiddleware::with_config(store, config).unwrap(), 1, routes)
}

/// The process that serves until it is killed.
pub(crate) fn child(directory: &Path, line: &Line) {
    let server = Server::start(SessionMiddleware::new(FilesystemStore::new(directory).unwrap()), 2, routes);
    line.ready();
    line.say(&server.address.port().to_be_bytes());
    line.wait();
}

/// A server in a process of its own.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    process: Child,
}

impl Site {
    pub(crate) fn start(directory: &Path) -> Self {
        let mut process = Child::start("serve:", directory);
        process.line.go();
        let port = u16::from_be_bytes(process.line.take().unwrap());
        Self { address: ([127, 0, 0, 1], port).into(), process }
    }

    pub(crate) fn kill(mut self) {
        self.process.kill();
    }
}

/// The body of a page that has to be there.
pub(crate) async fn page(browser: &Browser, path: &str) -> String {
    let response = browser.get(path).await;
    assert_eq!(response.status, 200, "{path}: {}", response.body);
    response.body
}

/// Another browser with this token.
pub(crate) fn with_token(browser: &Browser, token: &str) -> Browser {
    let browser = browser.other();
    browser.set_cookie("/", &format!("{COOKIE}={token}; Secure; Path=/"));
    browser
}

/// Asserts that a visitor who has counted to 1 and is signed in stays so while nothing can be written.
pub(crate) async fn assert_reads_but_does_not_write(browser: &Browser, clock: &Clock) {
    // the refresh of the session is due, and fails
    clock.advance(HOUR * 24 * 5);
    assert_eq!(page(browser, "/look").await, "1");
    assert_eq!(page(browser, "/perhaps").await, "ada");
    for path in ["/count", "/rotate", "/in"] {
        let refused = browser.get(path).await;
        assert_eq!((refused.status, refused.body.as_str()), (503, ""), "{path}");
        assert_eq!((refused.header("retry-after"), refused.set_cookies().len()), (Some("1"), 0), "{path}");
    }
    let stranger = browser.other();
    let refused = stranger.get("/count").await;
    assert_eq!((refused.status, refused.set_cookies().len()), (503, 0));
    assert_eq!(page(&stranger, "/look").await, "0");
    assert_eq!(page(browser, "/look").await, "1");
    assert_eq!(page(browser, "/who").await, "ada");
}
