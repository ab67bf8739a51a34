//! `redis_cluster`: three primaries of its own, servers that fail, and one that does not answer writes.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix_typed_session::{
    SessionConfig,
    store::{Record, RedisStore, SessionStore, StoreErrorKind, Updated},
    testing::conformance::Subject,
};
use actix_typed_session_tests::support::{
    proxy::{Mode, Proxy},
    redis::RedisServer,
    redis_cluster::RedisCluster,
};
use async_trait::async_trait;
use futures_util::FutureExt;

use super::{
    backend::{Backend, Own},
    bad_server,
};

#[derive(Default)]
pub(crate) struct Cluster {
    servers: OnceLock<Arc<(RedisCluster, RedisCluster)>>,
}

const MINUTE: Duration = Duration::from_secs(60);

#[async_trait]
impl Backend for Cluster {
    fn name(&self) -> &'static str {
        "redis_cluster"
    }

    fn missing(&self) -> Option<String> {
        RedisServer::missing().map(str::to_owned)
    }

    fn race_rounds(&self) -> usize {
        20
    }

    fn own(&self) -> Vec<Own> {
        vec![
            ("a_key_is_found_while_its_slot_moves_and_afterwards", |_| moving().boxed()),
            ("a_write_whose_connection_is_lost_is_of_unknown_outcome_and_sent_once", |_| sent_once().boxed()),
            ("the_servers_are_asked_as_often_as_one_would_be", |_| trips().boxed()),
            ("a_sign_of_life_is_of_every_primary", |_| dead().boxed()),
            ("the_setting_names_a_cluster_and_a_client_cache_is_refused", |_| settings().boxed()),
        ]
    }

    async fn subject(&self) -> Subject {
        let start = || Arc::new((RedisCluster::start(3, 0, &[]), RedisCluster::start(1, 0, &[])));
        let servers = self.servers.get_or_init(start);
        let within = Duration::from_millis(400);
        let store = |url: &str| RedisStore::new(url).unwrap();
        let failing = |port: u16| store(&format!("redis-cluster://127.0.0.1:{port}")).timeout(within);
        Subject::new(store(&servers.0.url()))
            .beside(store(&servers.0.url()))
            .expires_by_itself()
            .failing("nothing listens", failing(bad_server::closed()), within)
            .failing("nothing is answered", failing(bad_server::silent()), within)
            .failing("the answer is HTTP", failing(bad_server::says(b"HTTP/1.1 400 Bad Request\r\n\r\n")), within)
            .failing("the answer is an error", failing(bad_server::says(b"-CLUSTERDOWN not yet\r\n")), within)
            .failing("the answer is another server's", failing(bad_server::says(b"*0\r\n")), within)
            .failing("the connection ends", failing(bad_server::says(b"")), within)
            .unanswered("the server takes a write and its answer is lost", failing(muted(&servers.1)), within)
            .keeping(Arc::clone(servers))
    }
}

/// A cluster of one that is only seen through what swallows the answers to writes.
fn muted(cluster: &RedisCluster) -> u16 {
    let port = bad_server::mute_port(cluster.servers[0].port(), &["eval", "set\r\n"]);
    cluster.servers[0].cli(&["config", "set", "cluster-announce-port", &port.to_string()]);
    port
}

fn record(bytes: &'static str) -> Record {
    Record::new(bytes, MINUTE)
}

async fn moving() {
    let cluster = RedisCluster::start(3, 0, &[]);
    let store = RedisStore::new(&cluster.url()).unwrap();
    // one slot, by the braces
    let key = |index: usize| format!("{{slot}}{index}");
    let slot = cluster.servers[0].cli(&["cluster", "keyslot", "slot"]).trim().to_owned();
    let nodes = cluster.servers[0].cli(&["cluster", "slots"]);
    let (first, moved) = (record("first"), record("moved"));
    for index in 0..3 {
        let _ = store.create(&key(index), &first).await.unwrap();
    }
    let has = |at: &usize| cluster.servers[*at].cli(&["cluster", "countkeysinslot", &slot]).trim() == "3";
    let from = (0..3).find(has).unwrap_or_else(|| panic!("{nodes}"));
    let to = (from + 1) % 3;
    let id = |at: usize| cluster.servers[at].cli(&["cluster", "myid"]).trim().to_owned();
    assert_eq!(cluster.servers[to].cli(&["cluster", "setslot", &slot, "importing", &id(from)]).trim(), "OK");
    assert_eq!(cluster.servers[from].cli(&["cluster", "setslot", &slot, "migrating", &id(to)]).trim(), "OK");
    let port = cluster.servers[to].port().to_string();
    assert_eq!(cluster.servers[from].cli(&["migrate", "127.0.0.1", &port, &key(1), "0", "5000"]).trim(), "OK");

    // one has moved, one has not, and one is new: as if nothing were
    for index in 0..3 {
        assert_eq!(store.load(&key(index)).await.unwrap().unwrap().version, first.version);
    }
    assert_eq!(store.update(&key(1), &moved, &first.version).await.unwrap(), Updated::Done);
    assert_eq!(store.update(&key(0), &moved, &first.version).await.unwrap(), Updated::Done);
    assert!(store.touch(&key(1), 2 * MINUTE).await.unwrap());
    store.delete(&key(2)).await.unwrap();
    assert_eq!(store.load(&key(2)).await.unwrap(), None);
    let _ = store.create(&key(3), &first).await.unwrap();

    assert_eq!(cluster.servers[from].cli(&["migrate", "127.0.0.1", &port, &key(0), "0", "5000"]).trim(), "OK");
    for at in [to, from] {
        assert_eq!(cluster.servers[at].cli(&["cluster", "setslot", &slot, "node", &id(to)]).trim(), "OK");
    }
    for (index, version) in [(0, moved.version), (1, moved.version), (3, first.version)] {
        assert_eq!(store.load(&key(index)).await.unwrap().unwrap().version, version);
    }
    assert_eq!(store.update(&key(3), &moved, &first.version).await.unwrap(), Updated::Done);
    // another worker learns it when it is first used
    let worker = store.for_worker().unwrap();
    assert_eq!(worker.load(&key(3)).await.unwrap().unwrap().version, moved.version);
}

async fn sent_once() {
    let cluster = RedisCluster::start(1, 0, &[]);
    let server = &cluster.servers[0];
    let proxy = Proxy::start(server.port()).await;
    server.cli(&["config", "set", "cluster-announce-port", &proxy.port().to_string()]);
    let store = RedisStore::new(&format!("redis-cluster://127.0.0.1:{}", proxy.port())).unwrap();
    let (first, second) = (record("first"), record("second"));
    let _ = store.create("k", &first).await.unwrap();
    assert_eq!(store.update("k", &first, &first.version).await.unwrap(), Updated::Done);
    for (call, command) in [(0, "set"), (1, "evalsha"), (2, "evalsha"), (3, "del")] {
        proxy.set(Mode::Forward);
        store.ping().await.unwrap();
        server.cli(&["config", "resetstat"]);
        let before = proxy.hits();
        proxy.set(Mode::Cut);
        let ask = async {
            match call {
                0 => store.create("other", &first).await.map(drop),
                1 => store.update("k", &second, &first.version).await.map(drop),
                2 => store.touch("k", 9 * MINUTE).await.map(drop),
                _ => store.delete("k").await,
            }
        };
        // the one answer alone: whatever is sent again is answered
        let mend = async {
            while proxy.hits() == before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            proxy.set(Mode::Forward);
        };
        let (error, ()) = tokio::join!(ask, mend);
        assert_eq!(error.unwrap_err().kind(), StoreErrorKind::OutcomeUnknown, "{command}");
        proxy.set(Mode::Forward);
        store.ping().await.unwrap();
        let stats = server.cli(&["info", "commandstats"]);
        assert!(stats.contains(&format!("cmdstat_{command}:calls=1,")), "{stats}");
    }
}

async fn trips() {
    let cluster = RedisCluster::start(3, 0, &[]);
    let store = RedisStore::new(&cluster.url()).unwrap();
    let (first, second) = (record("first"), record("second"));
    let commands = || {
        let of = |server: &RedisServer| {
            let stats = server.cli(&["info", "commandstats"]);
            let count = |line: &str| {
                let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
                let is_own =
                    ["get", "set", "del", "evalsha", "eval", "cluster|slots", "asking", "ping"].contains(&name);
                is_own.then(|| rest.split(',').next().unwrap().parse::<u64>().unwrap())
            };
            stats.lines().filter_map(count).sum::<u64>()
        };
        // an evaluated script counts its own commands too, which are counted out below
        cluster.servers.iter().map(of).sum::<u64>()
    };
    for round in 0..2 {
        let mut before = commands();
        let mut took = |what: &str, expected: u64| {
            let now = commands();
            assert!(round == 0 || now - before == expected, "{what}: {}", now - before);
            before = now;
        };
        let _ = store.create("k", &first).await.unwrap();
        took("create", 1);
        store.load("k").await.unwrap();
        took("load", 1);
        let _ = store.update("k", &second, &first.version).await.unwrap();
        took("update, with the `SET` inside", 2);
        assert!(store.touch("k", MINUTE).await.unwrap());
        took("touch", 1);
        store.delete("k").await.unwrap();
        took("delete", 1);
    }
}

async fn dead() {
    let mut cluster = RedisCluster::start(3, 0, &[]);
    let store = RedisStore::new(&cluster.url()).unwrap();
    store.ping().await.unwrap();
    cluster.servers[2].stop();
    assert_eq!(store.ping().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    cluster.servers[2].restart();
    cluster.until_agreed(0);
    store.ping().await.unwrap();
}

async fn settings() {
    let of = |url: &str, cache: &str| {
        let vars = [("SESSION_TYPE", "redis"), ("SESSION_REDIS", url), ("SESSION_REDIS_CLIENT_CACHE", cache)];
        SessionConfig::from_vars(vars).unwrap().store()
    };
    let url = "redis-cluster://ann:hunter2@a:1,b:2";
    assert_eq!(of(url, "none").unwrap().name(), "redis");
    let error = of(url, "1MiB").map(drop).unwrap_err();
    assert_eq!(error.key(), "SESSION_REDIS_CLIENT_CACHE");
    let shown = format!("{error} {:?}", RedisStore::new(url).unwrap());
    assert!(shown.contains("the cluster of a:1, b:2") && !shown.contains("hunter2"), "{shown}");
    // a server that is of no cluster says so
    let server = RedisServer::start();
    let store = RedisStore::new(&format!("redis-cluster://127.0.0.1:{}", server.port())).unwrap();
    let error = store.ping().await.unwrap_err();
    assert!(error.to_string().contains("cluster support disabled"), "{error}");
}
