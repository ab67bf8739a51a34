//! `cache`: the cache of the documentation, moka, and S3 by OpenDAL at a server of its own.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix_typed_session::{
    Clock,
    store::{Cache, CacheStore, MokaCache, OpendalCache, Record, SessionStore, StoreErrorKind},
    testing::conformance::Subject,
};
use actix_typed_session_tests::support::s3::S3Server;
use async_trait::async_trait;
use futures_util::FutureExt;

use self::example::MapCache;
use super::{
    backend::{Backend, Own},
    bad_server,
};

/// The example of the trait's documentation.
#[allow(dead_code, unreachable_pub, missing_docs, reason = "it is of the documentation")]
#[path = "../../session/src/store/cache/example.rs"]
mod example;

pub(crate) struct Map;

#[async_trait]
impl Backend for Map {
    fn name(&self) -> &'static str {
        "cache_map"
    }

    fn without(&self) -> &'static [&'static str] {
        &["s11", "s16"]
    }

    async fn subject(&self) -> Subject {
        let clock = Clock::manual();
        Subject::new(CacheStore::new(MapCache::default()).clock(clock.clone())).clock(clock)
    }
}

pub(crate) struct Moka;

#[async_trait]
impl Backend for Moka {
    fn name(&self) -> &'static str {
        "cache_moka"
    }

    /// It may evict, so that nothing can be said of a user's sessions.
    fn without(&self) -> &'static [&'static str] {
        &["s11", "s16", "race_user"]
    }

    async fn subject(&self) -> Subject {
        let (clock, cache) = (Clock::manual(), MokaCache::new(64 << 20));
        let store = CacheStore::new(cache).clock(clock.clone());
        Subject::new(store.clone()).beside(store).clock(clock).expires_by_itself()
    }
}

#[derive(Default)]
pub(crate) struct S3 {
    server: OnceLock<Arc<S3Server>>,
}

impl S3 {
    fn server(&self) -> Arc<S3Server> {
        Arc::clone(self.server.get_or_init(|| Arc::new(S3Server::start())))
    }
}

#[async_trait]
impl Backend for S3 {
    fn name(&self) -> &'static str {
        "cache_s3"
    }

    fn missing(&self) -> Option<String> {
        S3Server::missing().map(str::to_owned)
    }

    /// An update reads before it writes, so that S16's, which finds nothing, is not a write: its own trial sees to that.
    /// What races over the store races as over the map, and over a server that writes to a disk it would take minutes.
    fn without(&self) -> &'static [&'static str] {
        &["s16", "race_a", "race_e", "race_n", "race_o", "race_s", "race_u", "race_w"]
    }

    fn race_rounds(&self) -> usize {
        1
    }

    fn own(&self) -> Vec<Own> {
        vec![("a_write_that_is_not_answered_is_of_unknown_outcome", |_| unanswered().boxed())]
    }

    async fn subject(&self) -> Subject {
        let (clock, server) = (Clock::manual(), self.server());
        let folder = format!("{:032x}", rand());
        let open = |port| OpendalCache::from_url(&S3Server::url(&folder, port)).unwrap();
        let store = || CacheStore::new(open(server.port()).timeout(Duration::from_secs(20))).clock(clock.clone());
        let within = Duration::from_millis(400);
        let failing = |port| CacheStore::new(open(port).timeout(within));
        Subject::new(store())
            .beside(store())
            .clock(clock.clone())
            .failing("nothing listens", failing(bad_server::closed()), 2 * within)
            .failing("nothing is answered", failing(bad_server::silent()), 2 * within)
            .failing("the answer is Redis's", failing(bad_server::says(b"-ERR unknown command\r\n")), 2 * within)
            .failing("the answer is an error", failing(bad_server::says(ERROR)), 2 * within)
            .failing("the connection ends", failing(bad_server::says(b"")), 2 * within)
            .keeping(server)
    }
}

const ERROR: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";

async fn unanswered() {
    let server = S3Server::start();
    let url = format!("127.0.0.1:{}", server.port());
    // of the objects of sessions: the server is tried out before
    let mute = bad_server::mute(&url, &["put /sessions/mute/session"]);
    let open = |port| OpendalCache::from_url(&S3Server::url("mute", port)).unwrap().timeout(Duration::from_secs(20));
    let (store, muted) = (CacheStore::new(open(server.port())), open(mute));
    muted.migrate().await.unwrap();
    let muted = CacheStore::new(muted.timeout(Duration::from_millis(400)));

    let (first, next) = (Record::new("first", Duration::from_secs(60)), Record::new("next", Duration::from_secs(60)));
    let error = muted.create("session:1", &first).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown);
    assert_eq!(store.load("session:1").await.unwrap().unwrap().version, first.version);
    let error = muted.update("session:1", &next, &first.version).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown);
    assert_eq!(store.load("session:1").await.unwrap().unwrap().version, next.version);
}

fn rand() -> u128 {
    u128::from_be_bytes(*actix_typed_session::store::Version::random().as_bytes())
}
