//! A read and a write by each store, beside the same call of its client by hand. `benches/run stores` runs it.
//!
//! Prints lines of fields with tabs between: store, call, how fast the store is beside the hand and how little of the
//! processor it takes (the median of the rounds, the least and the most; over 1 is better), and the store's own figures.
//! Sixteen sessions are read or written at a time, on one thread.

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

use actix_typed_session::store::{
    CacheStore, Created, FilesystemStore, MemcachedStore, MokaCache, OpendalCache, OrmStore, Record, RedisStore,
    SessionStore, SqlDatabase, SqlStore, Updated, Version,
};
use actix_typed_session_tests::support::{
    mariadb::MariaDbServer,
    memcached::MemcachedServer,
    postgres::{PostgresServer, unlogged},
    redis::RedisServer,
    s3::S3Server,
};
use futures_util::future::join_all;

use self::hands::{ByFile, ByMemcached, ByMoka, ByOpendal, ByOrm, ByRedis, BySql, Hand, pool_options};

/// The same calls by hand.
#[path = "ratios/hands.rs"]
mod hands;

const ROUNDS: usize = 9;
/// How many sessions are in use at a time.
const AT_ONCE: usize = 16;
const BYTES: usize = 650;
const HOUR: Duration = Duration::from_secs(60 * 60);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let wanted: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |store: &str| wanted.is_empty() || wanted.iter().any(|one| one == store);
    println!("store\tcall\trate of the hand\tprocessor of the hand\tµs a call\tprocessor µs a call");
    if is_wanted("redis") {
        let server = RedisServer::start();
        let ours = RedisStore::new(&server.url()).unwrap();
        compare("redis", &ours, &ByRedis::open(&server.url()).await, 400).await;
    }
    if is_wanted("memcached") {
        let server = MemcachedServer::start();
        let ours = MemcachedStore::new(&server.address()).unwrap();
        compare("memcached", &ours, &ByMemcached::open(&server.address(), AT_ONCE).await, 400).await;
    }
    if is_wanted("postgres") || is_wanted("orm") {
        let server = PostgresServer::start();
        unlogged(&server).await;
        let pool = pool_options::<sqlx::Postgres>().connect(&server.url()).await.unwrap();
        let hand = BySql::over(pool.clone(), SqlDatabase::Postgres).await;
        if is_wanted("postgres") {
            let ours = migrated(SqlStore::new(&server.url()).unwrap().table("by_store").unwrap()).await;
            compare("postgres", &ours, &hand, 100).await;
        }
        if is_wanted("orm") {
            let connection = sea_orm::SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
            let ours = migrated(OrmStore::new(connection.clone()).unwrap()).await;
            compare("orm, over postgres", &ours, &ByOrm(connection), 100).await;
        }
    }
    if is_wanted("mariadb") {
        let server = MariaDbServer::start();
        let pool = pool_options::<sqlx::MySql>().connect(&server.url()).await.unwrap();
        let ours = migrated(SqlStore::new(&server.url()).unwrap()).await;
        compare("mariadb", &ours, &BySql::over(pool, SqlDatabase::MySql).await, 100).await;
    }
    let folder = tempfile::tempdir().unwrap();
    if is_wanted("sqlite") {
        let file = folder.path().join("sessions.db");
        let ours = migrated(SqlStore::new(&format!("sqlite:///{}", file.display())).unwrap()).await;
        let pool = pool_options::<sqlx::Sqlite>().connect(&format!("sqlite://{}", file.display())).await.unwrap();
        compare("sqlite", &ours, &BySql::over(pool, SqlDatabase::Sqlite).await, 50).await;
    }
    if is_wanted("s3") {
        let server = S3Server::start();
        let url = S3Server::url("sessions", server.port());
        let ours = migrated(CacheStore::new(OpendalCache::from_url(&url).unwrap())).await;
        compare("s3", &ours, &ByOpendal::open(&url), 10).await;
    }
    if is_wanted("filesystem") {
        let (ours, hand) = (folder.path().join("ours"), folder.path().join("hand"));
        fs::create_dir(&hand).unwrap();
        compare("filesystem", &FilesystemStore::new(ours).unwrap(), &ByFile(hand), 10).await;
    }
    if is_wanted("moka") {
        compare("moka", &CacheStore::new(MokaCache::new(64 << 20)), &ByMoka::default(), 2000).await;
    }
}

async fn migrated<S: SessionStore>(store: S) -> S {
    store.migrate().await.unwrap();
    store
}

/// A session that is written again and again.
struct Session {
    key: String,
    version: Version,
}

/// Measures both, with so many calls of each session a round.
async fn compare(name: &str, store: &dyn SessionStore, hand: &dyn Hand, calls: usize) {
    let mut ours: Vec<_> = (0..AT_ONCE).map(session).collect();
    let mut hands: Vec<_> = (0..AT_ONCE).map(session).collect();
    for session in &ours {
        let record = Record { version: session.version, ..record() };
        assert_eq!(store.create(&session.key, &record).await.unwrap(), Created::Created);
    }
    for session in &hands {
        hand.begin(&session.key, &[b'x'; BYTES], session.version).await;
    }
    let mut figures = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        let reads = [
            timed(ours.iter().map(|session| read(store, session, calls))).await,
            timed(hands.iter().map(|session| read_by_hand(hand, session, calls))).await,
        ];
        let writes = [
            timed(ours.iter_mut().map(|session| write(store, session, calls))).await,
            timed(hands.iter_mut().map(|session| write_by_hand(hand, session, calls))).await,
        ];
        // the first is to get warm
        if round > 0 {
            figures[0].push(reads);
            figures[1].push(writes);
        }
    }
    for (call, figures) in ["read", "write"].into_iter().zip(figures) {
        let ratio = |of: fn(&Time) -> f64| {
            let mut all: Vec<_> = figures.iter().map(|[ours, hand]| of(hand) / of(ours)).collect();
            all.sort_by(f64::total_cmp);
            format!("{:.2} ({:.2}–{:.2})", all[ROUNDS / 2], all[0], all[ROUNDS - 1])
        };
        let own = |of: fn(&Time) -> f64| {
            let mut all: Vec<_> = figures.iter().map(|[ours, _]| of(ours)).collect();
            all.sort_by(f64::total_cmp);
            format!("{:.1}", all[ROUNDS / 2] * 1e6 / (calls * AT_ONCE) as f64)
        };
        let (wall, cpu) = (|time: &Time| time.wall, |time: &Time| time.cpu);
        println!("{name}\t{call}\t{}\t{}\t{}\t{}", ratio(wall), ratio(cpu), own(wall), own(cpu));
    }
}

fn session(number: usize) -> Session {
    Session { key: format!("session:{number}"), version: Version::random() }
}

fn record() -> Record {
    Record::new(vec![b'x'; BYTES], HOUR)
}

async fn read(store: &dyn SessionStore, session: &Session, calls: usize) {
    for _ in 0..calls {
        assert_eq!(store.load(&session.key).await.unwrap().unwrap().bytes.len(), BYTES);
    }
}

async fn read_by_hand(hand: &dyn Hand, session: &Session, calls: usize) {
    for _ in 0..calls {
        assert_eq!(hand.read(&session.key).await.len(), BYTES);
    }
}

async fn write(store: &dyn SessionStore, session: &mut Session, calls: usize) {
    for _ in 0..calls {
        let record = record();
        let updated = store.update(&session.key, &record, &session.version).await.unwrap();
        assert_eq!(updated, Updated::Done);
        session.version = record.version;
    }
}

async fn write_by_hand(hand: &dyn Hand, session: &mut Session, calls: usize) {
    for _ in 0..calls {
        let record = record();
        assert!(hand.write(&session.key, &record.bytes, session.version, record.version).await);
        session.version = record.version;
    }
}

/// Seconds on the wall and on the processor.
struct Time {
    wall: f64,
    cpu: f64,
}

async fn timed(calls: impl Iterator<Item = impl Future<Output = ()>>) -> Time {
    let (began, before) = (Instant::now(), processor());
    join_all(calls).await;
    Time { wall: began.elapsed().as_secs_f64(), cpu: processor() - before }
}

/// The time on the processor of all threads of this process, in seconds.
fn processor() -> f64 {
    let stat = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let of_tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let nanos = |text: String| text.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or_default();
    let all: f64 =
        of_tasks.map(|task| nanos(fs::read_to_string(task.path().join("schedstat")).unwrap_or_default())).sum();
    all.max(nanos(stat)) / 1e9
}
