//! How stores grow: what calls cost with ten times, a hundred times and a thousand times as many sessions. `benches/run
//! scale` runs it; with names of stores after it, those alone, and with `--most 100000` up to so many sessions.
//!
//! Prints lines of fields with tabs between: store, what was measured, and a figure for each number of sessions. Each
//! session is a record of 650 bytes; sixteen calls are under way at a time, on one thread, each for a session taken at
//! random.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure ends it"
)]

use std::{
    env, fs,
    time::{Duration, Instant},
};

use actix_typed_session::{
    Clock, Session, SessionConfig, SessionHandle, SessionMiddleware,
    store::{Created, Record, SessionStore, Updated, Version},
};
use actix_typed_session_tests::support::{
    postgres::{self, PostgresServer, unlogged},
    redis::{RedisServer, raw},
};
use actix_web::{App, HttpResponse, test, web};
use futures_util::{StreamExt, stream};

/// How many calls are under way at a time.
const AT_ONCE: usize = 16;
/// Of how many calls a figure is made.
const CALLS: usize = 10_000;
const BYTES: usize = 650;
const HOUR: Duration = Duration::from_secs(60 * 60);
const MONTH: Duration = Duration::from_secs(31 * 24 * 60 * 60);
/// How many sessions the user has whose list is asked for.
const DEVICES: usize = 5;

fn main() {
    let mut arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let most = arguments.iter().position(|argument| argument == "--most").map_or(1_000_000, |at| {
        let number = arguments[at + 1].parse().expect("`--most` takes a number");
        arguments.drain(at..=at + 1);
        number
    });
    let sizes: Vec<usize> = [1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|size| *size <= most).collect();
    println!("store\tof sessions\t{}", sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("\t"));
    let is_wanted = |store: &str| arguments.is_empty() || arguments.iter().any(|one| one == store);
    actix_web::rt::System::new().block_on(async {
        if is_wanted("redis") {
            let server = RedisServer::start();
            measure("redis", &[("SESSION_TYPE", "redis"), ("SESSION_REDIS", &server.url())], &server, &sizes).await;
        }
        if is_wanted("postgres") {
            let server = PostgresServer::start();
            unlogged(&server).await;
            measure("postgres", &[("SESSION_TYPE", "sql"), ("SESSION_SQL", &server.url())], &server, &sizes).await;
        }
        if is_wanted("sqlite") {
            let folder = tempfile::tempdir().unwrap();
            let url = format!("sqlite:///{}", folder.path().join("sessions.db").display());
            measure("sqlite", &[("SESSION_TYPE", "sql"), ("SESSION_SQL", &url)], &folder, &sizes).await;
        }
    });
}

/// What is asked of a server beside its store.
trait Kept {
    /// The bytes that all sessions take.
    async fn bytes(&self) -> u64;

    /// Lets these end now, where the server removes them by itself; how many a second it does at first.
    async fn expire(&self, keys: &[String]) -> Option<f64>;
}

impl Kept for RedisServer {
    async fn bytes(&self) -> u64 {
        let memory: String = raw(self, "INFO memory").await;
        let used = memory.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
        used.trim().parse().unwrap()
    }

    async fn expire(&self, keys: &[String]) -> Option<f64> {
        let before: usize = raw(self, "DBSIZE").await;
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let began = Instant::now();
        for some in keys.chunks(10_000) {
            let mut all = redis::pipe();
            some.iter().for_each(|key| _ = all.cmd("PEXPIRE").arg(key).arg(1).ignore());
            all.exec_async(&mut connection).await.unwrap();
        }
        // all of a million would take it an hour
        let mut left = before;
        while left > before - keys.len() && began.elapsed() < Duration::from_secs(10) {
            actix_web::rt::time::sleep(Duration::from_millis(10)).await;
            left = raw(self, "DBSIZE").await;
        }
        Some((before - left) as f64 / began.elapsed().as_secs_f64())
    }
}

impl Kept for PostgresServer {
    async fn bytes(&self) -> u64 {
        u64::try_from(postgres::value::<i64>(self, "SELECT pg_total_relation_size('sessions')").await).unwrap()
    }

    async fn expire(&self, _: &[String]) -> Option<f64> {
        None
    }
}

impl Kept for tempfile::TempDir {
    async fn bytes(&self) -> u64 {
        fs::read_dir(self.path()).unwrap().flatten().map(|file| file.metadata().unwrap().len()).sum()
    }

    async fn expire(&self, _: &[String]) -> Option<f64> {
        None
    }
}

#[derive(Session)]
struct User {
    #[session(owner)]
    name: String,
}

/// Signs Ada in on all her devices.
async fn sign_in(sessions: &SessionMiddleware) {
    let route = web::get().to(async |session: SessionHandle| {
        session.insert(User { name: "ada".to_owned() }).unwrap();
        HttpResponse::NoContent().finish()
    });
    let app = test::init_service(App::new().wrap(sessions.clone()).route("/", route)).await;
    for _ in 0..DEVICES {
        assert!(test::call_service(&app, test::TestRequest::get().to_request()).await.status().is_success());
    }
}

async fn measure(name: &str, settings: &[(&str, &str)], server: &impl Kept, sizes: &[usize]) {
    let clock = Clock::manual();
    let settings = settings.iter().copied().chain([("SESSION_STORE_TIMEOUT", "60s")]);
    let config = SessionConfig::from_vars(settings).unwrap().clock(clock.clone());
    let store = config.store().unwrap();
    let store = store.for_worker().unwrap_or(store);
    store.migrate().await.unwrap();
    let sessions = SessionMiddleware::from_config(config).unwrap();
    sign_in(&sessions).await;
    let (of_user, empty) = (sessions.sessions().unwrap(), server.bytes().await);

    let mut rows: Vec<(&str, Vec<String>)> = Vec::new();
    let (mut live, mut next) = (Vec::new(), 0);
    for size in sizes {
        let mut figure = {
            let mut row = 0;
            let rows = &mut rows;
            move |name, value: String| {
                if rows.len() == row {
                    rows.push((name, Vec::new()));
                }
                rows[row].1.push(value);
                row += 1;
            }
        };
        let missing = size - live.len();
        let soon = size / 10;
        let keys: Vec<String> = (0..missing).map(|number| format!("session:{}", next + number)).collect();
        next += missing;
        // those that end soon are spread over all
        let step = missing / soon;
        let all = keys.iter().enumerate().map(|(number, key)| {
            let ends_soon = number % step == 0 && number / step < soon;
            (key, if ends_soon { HOUR } else { MONTH })
        });
        let all: Vec<_> = all.collect();
        let created = calls(&all, async |(key, lifetime)| create(&*store, key, *lifetime).await).await;
        figure("create, µs", created.mean());
        figure("bytes a session", format!("{:.0}", (server.bytes().await - empty) as f64 / *size as f64));
        let (ending, staying): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, lifetime)| *lifetime == HOUR);
        live.extend(staying.into_iter().map(|(key, _)| key.clone()));

        let some: Vec<&String> = (0..CALLS).map(|_| &live[random(live.len())]).collect();
        let loaded = calls(&some, async |key| assert!(store.load(key).await.unwrap().is_some())).await;
        figure("load, µs", loaded.mean());
        figure("99.9 % of loads within, µs", loaded.most());
        let updated = calls(&some, async |key| update(&*store, key).await).await;
        figure("load and update, µs", updated.mean());
        figure("99.9 % of them within, µs", updated.most());
        let touched = calls(&some, async |key| assert!(store.touch(key, MONTH).await.unwrap())).await;
        figure("touch, µs", touched.mean());
        let listed =
            calls(&[(); CALLS / 20], async |()| assert_eq!(of_user.of("ada").await.unwrap().len(), DEVICES)).await;
        figure("list of a user with 5 sessions, µs", listed.mean());

        let ending: Vec<String> = ending.into_iter().map(|(key, _)| key.clone()).collect();
        if let Some(rate) = server.expire(&ending).await {
            figure("removed a second where a tenth has ended", format!("{rate:.0}"));
            continue;
        }
        clock.advance(HOUR);
        let (began, mut swept, mut longest) = (Instant::now(), 0, Duration::ZERO);
        while swept < ending.len() as u64 {
            let step = Instant::now();
            swept += store.delete_expired(1000).await.unwrap().deleted;
            longest = longest.max(step.elapsed());
        }
        figure("sweep of a tenth, ms", format!("{:.0}", began.elapsed().as_secs_f64() * 1e3));
        figure("longest step of a sweep, of 1000, ms", format!("{:.1}", longest.as_secs_f64() * 1e3));
    }
    for (row, figures) in rows {
        println!("{name}\t{row}\t{}", figures.join("\t"));
    }
}

async fn create(store: &dyn SessionStore, key: &str, lifetime: Duration) {
    let record = Record::new(vec![b'x'; BYTES], lifetime);
    assert_eq!(store.create(key, &record).await.unwrap(), Created::Created);
}

async fn update(store: &dyn SessionStore, key: &str) {
    let mut version = store.load(key).await.unwrap().unwrap().version;
    let record = Record::new(vec![b'y'; BYTES], MONTH);
    // another of the sixteen may be at the same session
    while let Updated::Conflict(found) = store.update(key, &record, &version).await.unwrap() {
        version = found.version;
    }
}

/// How long calls took, by the clock on the wall.
struct Took {
    all: Duration,
    each: Vec<Duration>,
}

impl Took {
    /// A call's share of all the time, in which others were under way.
    fn mean(&self) -> String {
        format!("{:.0}", self.all.as_secs_f64() * 1e6 / self.each.len() as f64)
    }

    fn most(&self) -> String {
        format!("{:.0}", self.each[self.each.len() * 999 / 1000].as_secs_f64() * 1e6)
    }
}

async fn calls<T>(of: &[T], call: impl AsyncFn(&T)) -> Took {
    let began = Instant::now();
    let one = async |of| {
        let began = Instant::now();
        call(of).await;
        began.elapsed()
    };
    let mut each: Vec<_> = stream::iter(of).map(one).buffer_unordered(AT_ONCE).collect().await;
    each.sort();
    Took { all: began.elapsed(), each }
}

fn random(below: usize) -> usize {
    let random = u64::from_be_bytes(Version::random().as_bytes()[..8].try_into().unwrap());
    usize::try_from(random).unwrap() % below
}
