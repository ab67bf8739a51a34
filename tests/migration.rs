//! Sites that change their store under load, node after node, with nobody logged out: from files to PostgreSQL, to Redis,
//! and to another Redis.
//!
//! Visitors keep counting, signing out and coming back while the two nodes of the site are replaced one after the other:
//! by standbys, by nodes that migrate, and by nodes that know the new store alone. Each cookie is then held against what
//! its visitor was told. `SESSION_MIGRATION_SESSIONS` says how many sessions there are.

// A test tells what it did not expect by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actix_typed_session::{Session, SessionConfig, SessionError, SessionHandle, SessionMiddleware};
use actix_typed_session_tests::support::{
    browser::Browser, postgres::PostgresServer, redis::RedisServer, server::Server, trial::conclude,
};
use actix_web::web::{Path, ServiceConfig, get};
use futures_util::{StreamExt, stream};
use libtest_mimic::{Arguments, Trial};
use tempfile::TempDir;
use tokio::sync::{Mutex, RwLock};

/// A store as the environment names it: by its settings, and as the other store of two by a URL.
#[derive(Clone)]
struct Place {
    settings: Vec<(&'static str, String)>,
    url: String,
}

impl Place {
    fn files(folder: &TempDir) -> Self {
        let path = folder.path().to_str().unwrap().to_owned();
        let url = format!("file://{path}");
        Self { settings: vec![("SESSION_TYPE", "filesystem".to_owned()), ("SESSION_FILE_DIR", path)], url }
    }

    fn postgres(server: &PostgresServer) -> Self {
        let url = server.url();
        Self { settings: vec![("SESSION_TYPE", "sql".to_owned()), ("SESSION_SQL", url.clone())], url }
    }

    fn redis(server: &RedisServer) -> Self {
        let url = server.url();
        Self { settings: vec![("SESSION_TYPE", "redis".to_owned()), ("SESSION_REDIS", url.clone())], url }
    }

    fn config(&self) -> SessionConfig {
        let settings = self.settings.iter().map(|(key, value)| (*key, value.as_str()));
        // a machine under load is no reason to fail, and none to end another session of a user's
        let more = [("SESSION_STORE_TIMEOUT", "10s"), ("SESSION_LIMIT_PER_OWNER", "100")];
        SessionConfig::from_vars(settings.chain(more)).unwrap()
    }

    /// The same with another store beside it.
    fn with(&self, key: &'static str, other: &Self) -> Self {
        let mut both = self.clone();
        both.settings.push((key, other.url.clone()));
        both
    }
}

fn main() -> ExitCode {
    let missing = RedisServer::missing().or(PostgresServer::missing());
    let trials = vec![trial("migration", missing, || {
        let (folder, postgres) = (TempDir::new().unwrap(), PostgresServer::start());
        let (one, other) = (RedisServer::start(), RedisServer::start());
        // a store that the site moves on to is a line
        let places = vec![Place::files(&folder), Place::postgres(&postgres), Place::redis(&one), Place::redis(&other)];
        (places, (folder, postgres, one, other))
    })];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial<K>(
    name: &'static str,
    missing: Option<&'static str>,
    places: impl FnOnce() -> (Vec<Place>, K) + Send + 'static,
) -> Trial {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (places, _kept) = places();
        runtime.block_on(migrate(&places));
        runtime.shutdown_background();
    };
    Trial::ignorable_test([name, "nobody_is_logged_out"].join("::"), move || {
        conclude(name, missing.map(str::to_owned), run)
    })
}

/// How many sessions there are.
fn sessions() -> usize {
    let asked = std::env::var("SESSION_MIGRATION_SESSIONS").ok();
    asked.map_or(600, |sessions| sessions.parse().expect("`SESSION_MIGRATION_SESSIONS` is a number"))
}

/// How many visitors go about at once.
const AT_ONCE: usize = 6;

async fn migrate(stores: &[Place]) {
    for store in stores {
        store.config().store().unwrap().migrate().await.unwrap();
    }
    let began = Instant::now();
    let site = Arc::new(Site::new(&stores[0]));
    let arrivals = stream::iter(0..sessions()).map(|number| Visitor::arrive(Arc::clone(&site), number));
    let visitors: Vec<_> = arrivals.buffered(AT_ONCE).collect().await;
    let visitors: Arc<Vec<Mutex<Visitor>>> = Arc::new(visitors.into_iter().map(Mutex::new).collect());
    let load: Vec<_> = (0..AT_ONCE).map(|walk| tokio::spawn(go_about(site.clone(), visitors.clone(), walk))).collect();
    for hop in stores.windows(2) {
        let [old, new] = hop else { unreachable!("windows are of two") };
        site.replace_all(&old.with("SESSION_MIGRATE_TO", new)).await;
        site.replace_all(&new.with("SESSION_MIGRATE_FROM", old)).await;
        // as the lifetimes would see to in the course of time
        for visitor in visitors.iter() {
            visitor.lock().await.look(&site).await;
        }
        site.replace_all(new).await;
    }
    site.is_over.store(true, Ordering::SeqCst);
    for walk in load {
        walk.await.unwrap();
    }
    let (mut live, mut ended) = (0, 0);
    for visitor in visitors.iter() {
        let mut visitor = visitor.lock().await;
        visitor.look(&site).await;
        if visitor.is_in { live += 1 } else { ended += 1 }
    }
    let (requests, hops) = (site.requests.load(Ordering::SeqCst), stores.len() - 1);
    let took = began.elapsed().as_secs_f32();
    println!(
        "{hops} hops in {took:.1} s: {requests} requests, {live} sessions alive with all their changes, {ended} signed out and out"
    );
}

/// Visits by one visitor after the other, in an order of its own, until it is over.
async fn go_about(site: Arc<Site>, visitors: Arc<Vec<Mutex<Visitor>>>, walk: usize) {
    // steps that have no divisor in common with any number of visitors that is asked for
    let step = [1_000_003, 1_000_033, 1_000_037, 1_000_039, 1_000_081, 1_000_099][walk % 6];
    for visit in (walk..).step_by(step) {
        if site.is_over.load(Ordering::SeqCst) {
            return;
        }
        let mut visitor = visitors[visit % visitors.len()].lock().await;
        match visit / step % 10 {
            0..6 => visitor.count(&site).await,
            6..9 => visitor.look(&site).await,
            _ if visitor.number % 16 == 3 => visitor.leave(&site).await,
            _ => visitor.come_again(&site).await,
        }
    }
}

/// Two nodes, which are replaced while nobody is served by them.
struct Site {
    nodes: [RwLock<Server>; 2],
    turn: AtomicUsize,
    requests: AtomicUsize,
    is_over: AtomicBool,
}

impl Site {
    fn new(store: &Place) -> Self {
        Self {
            nodes: [serve(store), serve(store)].map(RwLock::new),
            turn: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    /// Replaces one node after the other, and lets both kinds run side by side for a while.
    async fn replace_all(&self, store: &Place) {
        for node in &self.nodes {
            let server = serve(store);
            *node.write().await = server;
            let until = self.requests.load(Ordering::SeqCst) + sessions() / 2;
            let patience = Instant::now() + Duration::from_secs(60);
            while self.requests.load(Ordering::SeqCst) < until && Instant::now() < patience {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    /// The answer of the node whose turn it is.
    async fn ask(&self, browser: &Browser, path: &str) -> (u16, String) {
        let node = self.nodes[self.turn.fetch_add(1, Ordering::SeqCst) % 2].read().await;
        let answer = browser.at(node.address).get(path).await;
        self.requests.fetch_add(1, Ordering::SeqCst);
        (answer.status, answer.body)
    }
}

fn serve(store: &Place) -> Server {
    Server::start(SessionMiddleware::from_config(store.config()).unwrap(), 1, routes)
}

/// A browser, and what it was told.
struct Visitor {
    number: usize,
    browser: Browser,
    count: u64,
    is_in: bool,
    /// A cookie that was signed out of.
    dead: Option<Browser>,
}

impl Visitor {
    /// Signs in; each third visitor is the same user as the one before.
    async fn arrive(site: Arc<Site>, number: usize) -> Self {
        let address = site.nodes[0].read().await.address;
        let mut visitor = Self { number, browser: Browser::new(address), count: 0, is_in: false, dead: None };
        visitor.come_again(&site).await;
        visitor
    }

    fn user(&self) -> usize {
        self.number / 3
    }

    async fn come_again(&mut self, site: &Site) {
        if !self.is_in {
            let answer = site.ask(&self.browser, &format!("/in/{}", self.user())).await;
            assert_eq!(answer, (200, "in".to_owned()), "visitor {} signs in", self.number);
            (self.is_in, self.count) = (true, 0);
        }
        self.look(site).await;
    }

    async fn count(&mut self, site: &Site) {
        if self.is_in {
            self.count += 1;
            let answer = site.ask(&self.browser, "/count").await;
            assert_eq!(answer, (200, self.count.to_string()), "visitor {} counts", self.number);
        }
    }

    async fn leave(&mut self, site: &Site) {
        if self.is_in {
            let tab = self.browser.other();
            let cookie = self.browser.cookie(COOKIE).expect("who is signed in has a cookie");
            tab.set_cookie("/", &format!("{COOKIE}={cookie}; Secure; Path=/"));
            assert_eq!(site.ask(&self.browser, "/out").await.0, 200, "visitor {} signs out", self.number);
            (self.is_in, self.dead) = (false, Some(tab));
        }
        self.look(site).await;
    }

    /// Who was signed in still is, with all that was counted; a cookie that was signed out of is nobody's.
    async fn look(&mut self, site: &Site) {
        let expected = match self.is_in {
            true => (200, format!("{} {}", self.user(), self.count)),
            false => (401, String::new()),
        };
        assert_eq!(site.ask(&self.browser, "/who").await, expected, "visitor {} looks", self.number);
        if let Some(dead) = &self.dead {
            assert_eq!(site.ask(dead, "/who").await.0, 401, "what visitor {} signed out of is back", self.number);
        }
    }
}

/// The cookie's name.
const COOKIE: &str = "__Host-session";

#[derive(Default, Session)]
#[session(default)]
struct Visits {
    #[session(merge = "add")]
    count: u64,
}

#[derive(Session)]
struct User {
    #[session(owner)]
    name: usize,
}

fn routes(app: &mut ServiceConfig) {
    app.route("/in/{name}", get().to(sign_in))
        .route("/out", get().to(sign_out))
        .route("/count", get().to(count))
        .route("/who", get().to(who));
}

async fn sign_in(session: SessionHandle, name: Path<usize>) -> Result<&'static str, SessionError> {
    session.insert(User { name: *name })?;
    Ok("in")
}

async fn sign_out(session: SessionHandle) -> &'static str {
    session.destroy();
    "out"
}

async fn count(_: Session<User>, mut visits: Session<Visits>) -> String {
    visits.count += 1;
    visits.count.to_string()
}

async fn who(user: Session<User>, visits: Session<Visits>) -> String {
    format!("{} {}", user.name, visits.count)
}
