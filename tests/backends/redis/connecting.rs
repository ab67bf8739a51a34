//! How a store comes to its connection, and what the URL says.

use std::time::Duration;

use actix_typed_session::store::{RedisStore, SessionStore, StoreErrorKind};
use futures_util::future::join_all;

use super::{RedisServer, assert_works, idle, raw, record, store};

trials![
    nothing_is_opened_before_the_first_use,
    many_calls_share_one_connection,
    each_worker_has_a_connection_of_its_own,
    a_store_outlives_the_runtime_that_opened_its_connection,
    a_connection_whose_runtime_rests_keeps_nobody_waiting,
    user_and_password_sign_in,
    a_wrong_password_is_unavailable_and_never_shown,
    a_missing_password_is_unavailable,
    a_user_needs_the_documented_commands_only,
    the_database_number_is_used,
    a_database_that_does_not_exist_is_unavailable,
    a_unix_socket_is_used,
    resp3_is_used_if_asked_for,
    a_connection_of_the_app_is_used_as_it_is,
    a_pool_of_the_app_is_used_as_it_is,
    debug_shows_the_address_without_the_password,
];

async fn connections(server: &RedisServer) -> usize {
    let list: String = raw(server, "CLIENT LIST").await;
    list.lines().filter(|line| !line.contains("cmd=client|list")).count()
}

/// Waits until the server has seen the end of all connections.
async fn all_closed(server: &RedisServer) {
    while connections(server).await > 0 {
        idle().await;
    }
}

async fn nothing_is_opened_before_the_first_use() {
    let server = RedisServer::start();
    let store = store(server.url());
    let worker = store.for_worker().unwrap();
    assert_eq!(connections(&server).await, 0);
    worker.ping().await.unwrap();
    assert_eq!(connections(&server).await, 1);
}

async fn many_calls_share_one_connection() {
    let server = RedisServer::start();
    let store = store(server.url());
    let before = ever_connected(&server).await;
    let loads = join_all((0..200).map(|_| store.load("k"))).await;
    assert!(loads.into_iter().all(|loaded| loaded.unwrap().is_none()));
    assert_eq!(ever_connected(&server).await - before, 2, "one of the store, one that asks");
}

async fn ever_connected(server: &RedisServer) -> u64 {
    let info: String = raw(server, "INFO stats").await;
    let count = info.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    count.unwrap().parse().unwrap()
}

async fn each_worker_has_a_connection_of_its_own() {
    let server = RedisServer::start_with(&["--requirepass", "hunter2"]);
    let url = format!("redis://:hunter2@127.0.0.1:{}/2", server.port());
    let store = store(url).timeout(Duration::from_secs(5));
    let (one, two) = (store.for_worker().unwrap(), store.for_worker().unwrap());
    let _ = one.create("k", &record("first")).await.unwrap();
    assert_eq!(two.load("k").await.unwrap().unwrap().bytes, "first");
    assert!(two.for_worker().is_some());
    assert_eq!(one.name(), "redis");
    assert!(!one.is_local());
}

async fn a_store_outlives_the_runtime_that_opened_its_connection() {
    let server = RedisServer::start();
    let store = std::sync::Arc::new(store(server.url()));
    for _ in 0..3 {
        let store = std::sync::Arc::clone(&store);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(assert_works(&*store));
        });
        thread.join().unwrap();
    }
}

async fn a_connection_whose_runtime_rests_keeps_nobody_waiting() {
    let server = RedisServer::start();
    let store = std::sync::Arc::new(store(server.url()).timeout(Duration::from_millis(500)));
    let opened = std::sync::Arc::clone(&store);
    let (rests, resting) = tokio::sync::oneshot::channel();
    let (over, is_over) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(assert_works(&*opened));
        // the runtime is there, and nothing drives it
        let _ = rests.send(());
        let _ = is_over.recv();
    });
    resting.await.unwrap();
    assert_eq!(store.ping().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_works(&*store).await;
    drop(over);
    thread.join().unwrap();
}

async fn user_and_password_sign_in() {
    let server = RedisServer::start();
    let () = raw(&server, "ACL SETUSER ann on >p@ss/word ~* +@all").await;
    assert_works(&store(format!("redis://ann:p%40ss%2Fword@127.0.0.1:{}", server.port()))).await;
    // the store's connection ends with the store
    all_closed(&server).await;
}

async fn a_wrong_password_is_unavailable_and_never_shown() {
    let server = RedisServer::start_with(&["--requirepass", "hunter2"]);
    let store = store(format!("redis://:hunter3@127.0.0.1:{}", server.port()));
    for error in [
        store.load("k").await.unwrap_err(),
        store.create("k", &record("")).await.unwrap_err(),
        store.ping().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(!format!("{error} {error:?}").contains("hunter"), "{error:?}");
        assert!(format!("{error:?}").contains("authentication failed"), "{error:?}");
    }
}

async fn a_missing_password_is_unavailable() {
    let server = RedisServer::start_with(&["--requirepass", "hunter2"]);
    let store = store(server.url());
    assert_eq!(store.load("k").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    let error = store.create("k", &record("")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("NOAUTH"), "{error}");
}

async fn a_user_needs_the_documented_commands_only() {
    let server = RedisServer::start();
    let commands = "+get +set +del +evalsha +eval +getrange +setrange +strlen +pttl +pexpire +ping";
    let () = raw(&server, &format!("ACL SETUSER ann on >secret ~session:* {commands}")).await;
    let store = store(format!("redis://ann:secret@127.0.0.1:{}", server.port()));
    assert_works(&store).await;
    let error = store.create("other:1", &record("hunter2")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("NOPERM"), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

async fn the_database_number_is_used() {
    let server = RedisServer::start();
    let store = store(format!("{}/3", server.url()));
    let _ = store.create("k", &record("first")).await.unwrap();
    assert_eq!(raw::<String>(&server, "INFO keyspace").await.lines().nth(1).unwrap().split(':').next(), Some("db3"));
}

async fn a_database_that_does_not_exist_is_unavailable() {
    let server = RedisServer::start();
    let error = store(format!("{}/99", server.url())).create("k", &record("")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("out of range"), "{error}");
}

async fn a_unix_socket_is_used() {
    let mut server = RedisServer::start();
    let store = store(format!("unix://{}?db=1", server.socket().display()));
    assert_works(&store).await;
    server.stop();
    idle().await;
    assert_eq!(store.create("k", &record("")).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    server.restart();
    assert_works(&store).await;
}

async fn resp3_is_used_if_asked_for() {
    let server = RedisServer::start();
    let store = store(format!("{}?protocol=resp3", server.url()));
    assert_works(&store).await;
    assert!(raw::<String>(&server, "CLIENT LIST").await.contains("resp=3"));
}

async fn a_connection_of_the_app_is_used_as_it_is() {
    let server = RedisServer::start();
    let client = redis::Client::open(server.url()).unwrap();
    let manager = client.get_connection_manager().await.unwrap();
    let multiplexed = client.get_multiplexed_async_connection().await.unwrap();
    for store in [RedisStore::from_connection(manager), RedisStore::from_connection(multiplexed)] {
        assert!(store.for_worker().is_none());
        assert_works(&store).await;
    }
    // clones of the app's connections were used, and no others
    all_closed(&server).await;
}

async fn a_pool_of_the_app_is_used_as_it_is() {
    let server = RedisServer::start();
    let config = deadpool_redis::Config::from_url(server.url());
    let pool = config.create_pool(Some(deadpool_redis::Runtime::Tokio1)).unwrap();
    let store = RedisStore::from_pool(pool.clone());
    assert!(store.for_worker().is_none());
    assert_works(&store).await;
    assert_eq!(pool.status().size, 1);
    pool.close();
    assert_eq!(store.create("k", &record("")).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

async fn debug_shows_the_address_without_the_password() {
    let store = store("redis://ann:hunter2@cache.internal:6380/1");
    let debug = format!("{store:?} {store:#?}");
    assert!(debug.contains("cache.internal:6380"), "{debug}");
    assert!(!debug.contains("hunter2"), "{debug}");
}
