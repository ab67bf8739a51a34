//! What a store keeps of what it read, and when it stops to.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_typed_session::store::{Created, Record, RedisStore, SessionStore, Updated};
use actix_typed_session_tests::support::proxy::{Mode, Proxy};
use futures_util::{FutureExt, future::join};

use super::{MINUTE, RedisServer, assert_works, calls, idle, pass, raw, record, reset_calls, store};

trials![
    what_was_read_is_recalled_without_a_command,
    nothing_is_recalled_unless_asked_for,
    what_is_absent_is_asked_for_each_time,
    what_another_connection_changed_is_not_recalled,
    a_flush_forgets_all,
    what_a_worker_changed_no_other_worker_recalls,
    what_is_read_while_it_changes_is_never_kept,
    a_record_is_recalled_with_what_remains_of_its_life_and_not_after,
    a_lost_connection_forgets_all,
    a_frozen_server_is_believed_for_a_second,
    a_connection_without_a_word_is_believed_for_a_second,
    no_more_is_kept_than_fits,
    a_server_that_refuses_to_track_is_used_without_a_cache,
    a_server_without_resp3_is_used_without_a_cache,
    a_user_needs_one_more_command_to_be_told_of_changes,
    a_connection_or_a_pool_of_the_app_cannot_be_cached,
];

/// Longer than a connection is believed without an answer.
const UNPROVEN: Duration = Duration::from_millis(1001);

/// A store with 1 MiB of cache, connected.
async fn cached(url: &str) -> RedisStore {
    let store = store(url).client_cache(1 << 20).unwrap();
    store.ping().await.unwrap();
    store
}

/// Makes a record of it and reads that, so that it is kept.
async fn keep(store: &RedisStore, key: &str) -> Record {
    let record = record("kept");
    assert_eq!(store.create(key, &record).await.unwrap(), Created::Created);
    store.load(key).await.unwrap().unwrap();
    assert_eq!(recalled(store, key), Some(record.clone()));
    record
}

/// What is recalled, as it was stored.
fn recalled(store: &dyn SessionStore, key: &str) -> Option<Record> {
    let recalled = store.recall(key)?;
    assert!(recalled.expires_in <= MINUTE, "{recalled:?}");
    Some(Record { expires_in: MINUTE, ..recalled })
}

async fn what_was_read_is_recalled_without_a_command() {
    let server = RedisServer::start();
    let store = cached(&server.url()).await;
    let stored = keep(&store, "k").await;
    reset_calls(&server).await;
    for _ in 0..1000 {
        assert_eq!(recalled(&store, "k"), Some(stored.clone()));
    }
    assert_eq!(calls(&server).await, []);
    // a load asks all the same
    assert_eq!(store.load("k").await.unwrap().unwrap().version, stored.version);
    assert_eq!(calls(&server).await, [("get".to_owned(), 1)]);
}

async fn nothing_is_recalled_unless_asked_for() {
    let server = RedisServer::start();
    for store in [store(server.url()), cached(&server.url()).await.client_cache(0).unwrap()] {
        let _ = store.create("k", &record("")).await.unwrap();
        store.load("k").await.unwrap().unwrap();
        store.load("k").await.unwrap().unwrap();
        assert_eq!(store.recall("k"), None);
        assert_eq!(store.for_worker().unwrap().recall("k"), None);
    }
    assert!(!raw::<String>(&server, "CLIENT LIST").await.contains("resp=3"), "nothing else is set up");
}

async fn what_is_absent_is_asked_for_each_time() {
    let server = RedisServer::start();
    let store = cached(&server.url()).await;
    for _ in 0..2 {
        assert_eq!(store.load("k").await.unwrap(), None);
        assert_eq!(store.recall("k"), None);
    }
    let () = raw(&server, "SET k foreign").await;
    assert_eq!(store.load("k").await.unwrap(), None);
    assert_eq!(store.recall("k"), None);
}

async fn what_another_connection_changed_is_not_recalled() {
    let server = RedisServer::start();
    let (store, other) = (cached(&server.url()).await, store(server.url()));
    keep(&store, "unchanged").await;
    for change in ["update", "delete", "touch", "RENAME k was", "PEXPIRE k 0", "SETRANGE k 0 x", "evicted"] {
        let () = raw(&server, "DEL k").await;
        let stored = keep(&store, "k").await;
        match change {
            "update" => assert_eq!(other.update("k", &record("new"), &stored.version).await.unwrap(), Updated::Done),
            "delete" => other.delete("k").await.unwrap(),
            "touch" => assert!(other.touch("k", 2 * MINUTE).await.unwrap()),
            "evicted" => {
                let () = raw(&server, "CONFIG SET maxmemory-policy allkeys-lru").await;
                let () = raw(&server, "CONFIG SET maxmemory 1").await;
                // what makes the server look for room
                let _ = other.create("another", &record("")).await;
                let () = raw(&server, "CONFIG SET maxmemory 0").await;
                keep_again(&store, "unchanged").await;
            }
            command => _ = raw::<redis::Value>(&server, command).await,
        }
        // whatever was pushed comes before the answer
        store.ping().await.unwrap();
        assert_eq!(store.recall("k"), None, "{change}");
        assert!(store.recall("unchanged").is_some(), "{change}");
    }
}

async fn keep_again(store: &RedisStore, key: &str) {
    if store.load(key).await.unwrap().is_none() {
        keep(store, key).await;
    }
}

async fn a_flush_forgets_all() {
    let server = RedisServer::start();
    let store = cached(&server.url()).await;
    for command in ["FLUSHALL", "FLUSHDB"] {
        keep(&store, "one").await;
        keep(&store, "two").await;
        let () = raw(&server, command).await;
        store.ping().await.unwrap();
        assert_eq!([store.recall("one"), store.recall("two")], [None, None], "{command}");
    }
}

async fn what_a_worker_changed_no_other_worker_recalls() {
    let server = RedisServer::start();
    let store = store(server.url()).client_cache(1 << 20).unwrap();
    let (one, other) = (store.for_worker().unwrap(), store.for_worker().unwrap());
    for change in ["update", "touch", "delete"] {
        let stored = record("old");
        let _ = one.create("k", &stored).await.unwrap();
        let reader = Arc::clone(&other);
        // a worker that is busy from now on: it hears of no push
        let read = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                reader.ping().await.unwrap();
                reader.load("k").await.unwrap();
            });
            runtime
        };
        let busy = std::thread::spawn(read).join().unwrap();
        assert!(other.recall("k").is_some());
        match change {
            "update" => assert_eq!(one.update("k", &record("new"), &stored.version).await.unwrap(), Updated::Done),
            "touch" => assert!(one.touch("k", 2 * MINUTE).await.unwrap()),
            _ => one.delete("k").await.unwrap(),
        }
        assert_eq!((one.recall("k"), other.recall("k")), (None, None), "{change}");
        one.delete("k").await.unwrap();
        busy.shutdown_background();
    }
}

async fn what_is_read_while_it_changes_is_never_kept() {
    let server = RedisServer::start();
    let (store, other) = (cached(&server.url()).await, store(server.url()));
    let mut current = record("first");
    let _ = store.create("k", &current).await.unwrap();
    let mut kept = 0;
    for round in 0..3000 {
        let next = record("next");
        let load = async {
            // so that the read is now before the change, now after it, and now between it and the push
            for _ in 0..round % 7 {
                tokio::task::yield_now().await;
            }
            store.load("k").await.unwrap().unwrap()
        };
        let (_, updated) = join(load, other.update("k", &next, &current.version)).await;
        assert_eq!(updated.unwrap(), Updated::Done);
        current = next;
        store.ping().await.unwrap();
        if let Some(recalled) = store.recall("k") {
            assert_eq!(recalled.version, current.version, "round {round}");
            kept += 1;
        }
    }
    assert!(kept > 0, "no read came after the change");
}

async fn a_record_is_recalled_with_what_remains_of_its_life_and_not_after() {
    let server = RedisServer::start();
    let store = cached(&server.url()).await;
    keep(&store, "k").await;
    pass(Duration::from_secs(40)).await;
    store.ping().await.unwrap();
    let remaining = store.recall("k").unwrap().expires_in;
    assert!(remaining <= Duration::from_secs(20) && remaining > Duration::from_secs(10), "{remaining:?}");
    pass(Duration::from_secs(20)).await;
    store.ping().await.unwrap();
    assert_eq!(store.recall("k"), None);
}

async fn a_lost_connection_forgets_all() {
    let server = RedisServer::start();
    let store = cached(&server.url()).await;
    let stored = keep(&store, "k").await;
    let _: redis::Value = raw(&server, "CLIENT KILL TYPE normal SKIPME yes").await;
    // it may have changed now without a word
    idle().await;
    assert_eq!(store.recall("k"), None);
    store.ping().await.unwrap();
    assert_eq!(store.recall("k"), None);
    store.load("k").await.unwrap();
    assert_eq!(recalled(&store, "k"), Some(stored));
}

async fn a_frozen_server_is_believed_for_a_second() {
    let server = RedisServer::start();
    let store = cached(&server.url()).await.timeout(Duration::from_millis(200));
    store.ping().await.unwrap();
    keep(&store, "k").await;
    server.pause();
    assert!(store.recall("k").is_some());
    pass(UNPROVEN).await;
    assert_eq!(store.recall("k"), None);
    // a command that is not answered proves nothing
    assert!(store.load("k").await.is_err());
    assert_eq!(store.recall("k"), None);
    server.resume();
    store.load("k").await.unwrap();
    store.load("k").await.unwrap();
    assert!(store.recall("k").is_some());
}

async fn a_connection_without_a_word_is_believed_for_a_second() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port()).await;
    let store = cached(&proxy.url()).await;
    keep(&store, "k").await;
    // an answer that comes long after its question is a proof of then
    pass(Duration::from_millis(900)).await;
    proxy.set(Mode::Delay);
    let mut ping = store.ping();
    assert!((&mut ping).now_or_never().is_none());
    pass(Duration::from_millis(900)).await;
    assert_eq!(store.recall("k"), None);
    proxy.set(Mode::Forward);
    ping.await.unwrap();
    assert!(store.recall("k").is_some());
    pass(Duration::from_millis(200)).await;
    assert_eq!(store.recall("k"), None);

    store.ping().await.unwrap();
    proxy.set(Mode::Swallow);
    let () = raw(&server, "DEL k").await;
    idle().await;
    assert!(store.recall("k").is_some(), "this much was to be expected");
    pass(UNPROVEN).await;
    assert_eq!(store.recall("k"), None);
}

async fn no_more_is_kept_than_fits() {
    let server = RedisServer::start();
    let store = store(server.url()).client_cache(10_000).unwrap();
    store.ping().await.unwrap();
    let large = Record::new(vec![7; 1000], MINUTE);
    let keys: Vec<_> = (0..40).map(|number| format!("session:{number}")).collect();
    for key in &keys {
        let _ = store.create(key, &large).await.unwrap();
        store.load(key).await.unwrap();
        assert!(store.recall("session:0").is_some(), "it is used all the time");
        assert!(store.recall(key).is_some());
    }
    let kept: Vec<_> = keys.iter().filter(|key| store.recall(key).is_some()).collect();
    assert_eq!(kept.len(), 7, "7 * (1000 + 256 + 10 or so) <= 10,000");
    assert_eq!(kept[1..], keys[34..].iter().collect::<Vec<_>>());

    let larger = Record::new(vec![7; 10_000], MINUTE);
    let _ = store.create("larger", &larger).await.unwrap();
    store.load("larger").await.unwrap();
    assert_eq!(store.recall("larger"), None);
    assert!(store.recall("session:0").is_some(), "nothing went for what does not fit");
}

async fn a_server_that_refuses_to_track_is_used_without_a_cache() {
    let log = Log::default();
    let _listening = log.listen();
    let server = RedisServer::start();
    let () = raw(&server, "ACL SETUSER ann on >hunter2 ~* +@all -client|tracking").await;
    let store = store(format!("redis://ann:hunter2@127.0.0.1:{}", server.port())).client_cache(1 << 20).unwrap();
    for worker in [store.for_worker().unwrap(), store.for_worker().unwrap()] {
        assert_works(&*worker).await;
        let _ = worker.create("k", &record("")).await.unwrap();
        worker.load("k").await.unwrap().unwrap();
        assert_eq!(worker.recall("k"), None);
    }
    let told = log.text();
    assert_eq!(told.matches("nothing is cached").count(), 1, "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

async fn a_server_without_resp3_is_used_without_a_cache() {
    let log = Log::default();
    let _listening = log.listen();
    let server = RedisServer::start_with(&["--rename-command", "HELLO", "", "--requirepass", "hunter2"]);
    let store = store(format!("redis://:hunter2@127.0.0.1:{}", server.port())).client_cache(1 << 20).unwrap();
    assert_works(&store).await;
    let _ = store.create("k", &record("")).await.unwrap();
    store.load("k").await.unwrap().unwrap();
    assert_eq!(store.recall("k"), None);
    let told = log.text();
    assert_eq!(told.matches("nothing is cached").count(), 1, "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

async fn a_user_needs_one_more_command_to_be_told_of_changes() {
    let server = RedisServer::start();
    let commands = "+get +set +del +evalsha +eval +getrange +setrange +strlen +pttl +pexpire +ping +client|tracking";
    let () = raw(&server, &format!("ACL SETUSER ann on >secret ~session:* {commands}")).await;
    let store = store(format!("redis://ann:secret@127.0.0.1:{}", server.port())).client_cache(1 << 20).unwrap();
    assert_works(&store).await;
    keep(&store, "session:k").await;
}

async fn a_connection_or_a_pool_of_the_app_cannot_be_cached() {
    let server = RedisServer::start();
    let client = redis::Client::open(server.url()).unwrap();
    let connection = client.get_connection_manager().await.unwrap();
    let pool = deadpool_redis::Config::from_url(server.url()).create_pool(Some(deadpool_redis::Runtime::Tokio1));
    for store in [RedisStore::from_connection(connection), RedisStore::from_pool(pool.unwrap())] {
        let error = store.client_cache(1 << 20).unwrap_err();
        assert_eq!(error.key(), "SESSION_REDIS_CLIENT_CACHE");
        assert!(error.to_string().contains("`RedisStore::new`"), "{error}");
    }
}

/// What this thread logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let format = tracing_subscriber::fmt::format().with_ansi(false);
        let subscriber = tracing_subscriber::fmt().event_format(format).with_writer(move || log.clone()).finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
