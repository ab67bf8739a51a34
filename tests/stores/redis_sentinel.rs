//! `redis_sentinel`: a primary, a replica and three sentinels of its own, sentinels that fail, and a primary that does not
//! answer writes.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix_typed_session::{
    SessionConfig,
    store::{Record, RedisStore, SessionStore, StoreErrorKind},
    testing::conformance::Subject,
};
use actix_typed_session_tests::support::{
    proxy::{Mode, Proxy},
    redis::RedisServer,
    redis_sentinels::{RedisSentinels, Sentinels},
};
use async_trait::async_trait;
use futures_util::FutureExt;

use super::{
    backend::{Backend, Own},
    bad_server,
};

#[derive(Default)]
pub(crate) struct Sentinel {
    servers: OnceLock<Arc<RedisSentinels>>,
}

const MINUTE: Duration = Duration::from_secs(60);

#[async_trait]
impl Backend for Sentinel {
    fn name(&self) -> &'static str {
        "redis_sentinel"
    }

    fn missing(&self) -> Option<String> {
        RedisServer::missing().map(str::to_owned)
    }

    fn race_rounds(&self) -> usize {
        20
    }

    fn own(&self) -> Vec<Own> {
        vec![
            ("a_sentinel_that_hangs_or_is_gone_costs_nothing", |_| some_sentinels().boxed()),
            ("a_server_that_is_no_primary_is_not_used", |_| stale().boxed()),
            ("a_write_whose_connection_is_lost_is_of_unknown_outcome_and_sent_once", |_| sent_once().boxed()),
            ("who_signs_in_where_is_said_and_never_shown", |_| passwords().boxed()),
            ("the_setting_names_sentinels_and_a_client_cache_works", |_| settings().boxed()),
        ]
    }

    async fn subject(&self) -> Subject {
        let servers = self.servers.get_or_init(|| Arc::new(RedisSentinels::start(&[])));
        let within = Duration::from_millis(400);
        let store = |url: &str| RedisStore::new(url).unwrap();
        let failing = |port: u16| store(&format!("redis-sentinel://127.0.0.1:{port}/main")).timeout(within);
        let muted = Sentinels::of(bad_server::mute_port(servers.servers[0].port(), &["eval", "set\r\n"]), 1);
        let silent = Sentinels::of(bad_server::silent(), 1);
        Subject::new(store(&servers.url()))
            .beside(store(&servers.url()))
            .expires_by_itself()
            .failing("nothing listens", failing(bad_server::closed()), within)
            .failing("nothing is answered", failing(bad_server::silent()), within)
            .failing("the answer is HTTP", failing(bad_server::says(b"HTTP/1.1 400 Bad Request\r\n\r\n")), within)
            .failing(
                "the name is nobody's",
                failing(bad_server::says(b"-ERR No such master with that name\r\n")),
                within,
            )
            .failing("the connection ends", failing(bad_server::says(b"")), within)
            .failing("the primary does not answer", store(&silent.url()).timeout(within), within)
            .unanswered("the primary takes a write and its answer is lost", store(&muted.url()).timeout(within), within)
            .keeping((Arc::clone(servers), muted, silent))
    }
}

fn record(bytes: &'static str) -> Record {
    Record::new(bytes, MINUTE)
}

async fn some_sentinels() {
    let server = RedisServer::start();
    let sentinel = Sentinels::of(server.port(), 1);
    let url = sentinel.url();
    let only = url.trim_start_matches("redis-sentinel://");
    let others = format!("127.0.0.1:{},127.0.0.1:{}", bad_server::silent(), bad_server::closed());
    let store = RedisStore::new(&format!("redis-sentinel://{others},{only}")).unwrap();
    let _ = store.create("k", &record("first")).await.unwrap();
    assert_eq!(store.load("k").await.unwrap().unwrap().bytes, "first");
    // and a name that they don't know is told
    let store = RedisStore::new(&url.replace("/main", "/other")).unwrap();
    let error = store.load("k").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(format!("{error:?}").contains("No such master"), "{error:?}");
}

async fn stale() {
    let (primary, replica) = (RedisServer::start(), RedisServer::start());
    replica.cli(&["replicaof", "127.0.0.1", &primary.port().to_string()]);
    // it has not heard of the last failover
    let sentinel = Sentinels::of(replica.port(), 1);
    let store = RedisStore::new(&sentinel.url()).unwrap();
    let error = store.load("k").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(format!("{error:?}").contains("not the primary any more"), "{error:?}");
    replica.cli(&["replicaof", "no", "one"]);
    assert_eq!(store.load("k").await.unwrap(), None);
}

async fn sent_once() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port()).await;
    let sentinel = Sentinels::of(proxy.port(), 1);
    let store = RedisStore::new(&sentinel.url()).unwrap();
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    server.cli(&["config", "resetstat"]);
    proxy.set(Mode::Cut);
    let error = store.create("other", &first).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown, "{error:?}");
    proxy.set(Mode::Forward);
    let stats = server.cli(&["info", "commandstats"]);
    assert!(stats.contains("cmdstat_set:calls=1,"), "{stats}");
    assert_eq!(store.load("other").await.unwrap().unwrap().version, first.version, "it did happen");
}

async fn passwords() {
    let server = RedisServer::start_with(&["--requirepass", "hunter2"]);
    let sentinel = Sentinels::of(server.port(), 1);
    let url = |user: &str| sentinel.url().replace("//", &format!("//{user}"));
    let store = RedisStore::new(&url(":hunter2@")).unwrap();
    let _ = store.create("k", &record("first")).await.unwrap();
    for user in ["", ":hunter3@"] {
        let store = RedisStore::new(&url(user)).unwrap();
        let error = store.load("k").await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(!format!("{error:?} {store:?}").contains("hunter"), "{error:?}");
    }
    // this sentinel asks for none, and refuses one
    let store = RedisStore::new(&format!("{}?sentinel_pass=hunter4", url(":hunter2@"))).unwrap();
    let error = store.load("k").await.unwrap_err();
    assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
}

async fn settings() {
    let server = RedisServer::start();
    let sentinel = Sentinels::of(server.port(), 1);
    let url = format!("{}?db=3", sentinel.url());
    let vars = [("SESSION_TYPE", "redis"), ("SESSION_REDIS", &url), ("SESSION_REDIS_CLIENT_CACHE", "1MiB")];
    let store = SessionConfig::from_vars(vars).unwrap().store().unwrap();
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    store.load("k").await.unwrap();
    assert_eq!(store.recall("k").map(|recalled| recalled.version), Some(first.version));
    assert_eq!(server.cli(&["-n", "3", "exists", "k"]).trim(), "1");
}
