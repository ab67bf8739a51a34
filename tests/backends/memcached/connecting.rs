//! How a store comes to its connections, and what the setting says.

use std::{sync::Arc, time::Duration};

use actix_typed_session::{
    SessionConfig, SessionMiddleware,
    store::{MemcachedStore, SessionStore, StoreErrorKind},
};
use futures_util::future::join_all;

use super::{MemcachedServer, assert_works, idle, record, store};

trials![
    nothing_is_opened_before_the_first_use,
    many_calls_share_one_connection,
    each_worker_has_a_connection_of_its_own,
    a_store_outlives_the_runtime_that_opened_its_connection,
    user_and_password_sign_in,
    a_wrong_or_missing_password_is_unavailable_and_never_shown,
    a_password_is_not_sent_to_a_server_that_asks_for_none,
    a_unix_socket_is_used,
    an_ipv6_address_is_used,
    a_name_is_looked_up,
    the_environment_names_the_servers,
    what_needs_to_know_all_sessions_of_a_user_is_an_error_at_the_start,
    debug_shows_the_addresses_without_a_password,
];

async fn nothing_is_opened_before_the_first_use() {
    let server = MemcachedServer::start();
    let before = server.stat("total_connections");
    let store = store(server.address());
    let worker = store.for_worker().unwrap();
    assert_eq!(server.stat("total_connections"), before + 1, "the one that asks");
    worker.ping().await.unwrap();
    assert_eq!(server.stat("total_connections"), before + 3);
}

async fn many_calls_share_one_connection() {
    let server = MemcachedServer::start();
    let store = store(server.address());
    let before = server.stat("total_connections");
    let loads = join_all((0..5000).map(|_| store.load("k"))).await;
    assert!(loads.into_iter().all(|loaded| loaded.unwrap().is_none()));
    assert_eq!(server.stat("total_connections") - before, 2, "one of the store, one that asks");
}

async fn each_worker_has_a_connection_of_its_own() {
    let server = MemcachedServer::start();
    let store = store(server.address()).timeout(Duration::from_secs(5));
    let (one, two) = (store.for_worker().unwrap(), store.for_worker().unwrap());
    let before = server.stat("total_connections");
    let _ = one.create("k", &record("first")).await.unwrap();
    assert_eq!(two.load("k").await.unwrap().unwrap().bytes, "first");
    assert_eq!(server.stat("total_connections") - before, 3);
    assert!(two.for_worker().is_some());
    assert_eq!((one.name(), one.is_local(), one.timeout()), ("memcached", false, Some(Duration::from_secs(5))));
}

async fn a_store_outlives_the_runtime_that_opened_its_connection() {
    let server = MemcachedServer::start();
    let store = Arc::new(store(server.address()));
    for _ in 0..3 {
        let store = Arc::clone(&store);
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(assert_works(&*store));
        };
        tokio::task::spawn_blocking(run).await.unwrap();
    }
}

async fn user_and_password_sign_in() {
    let server = MemcachedServer::start_with_password(&[]);
    for address in
        [format!("memcached://ann:hunter2@{}", server.address()), format!("ann:hunter%32@{}", server.address())]
    {
        assert_works(&store(address)).await;
    }
}

async fn a_wrong_or_missing_password_is_unavailable_and_never_shown() {
    let server = MemcachedServer::start_with_password(&[]);
    for (login, why) in [
        ("", "it wants a user and a password"),
        ("ann:hunter3@", "it does not know the user or the password"),
        ("bob:hunter3@", "it does not know the user or the password"),
    ] {
        let store = store(format!("memcached://{login}{}", server.address()));
        for error in [store.load("k").await.unwrap_err(), store.create("k", &record("")).await.unwrap_err()] {
            assert_eq!(error.kind(), StoreErrorKind::Unavailable);
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert_eq!(source, why);
            assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
        }
    }
}

async fn a_password_is_not_sent_to_a_server_that_asks_for_none() {
    let server = MemcachedServer::start();
    let store = store(format!("ann:hunter2@{}", server.address()));
    assert_eq!(store.ping().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_eq!((server.stat("cmd_set"), server.stat("curr_items")), (0, 0));
}

async fn a_unix_socket_is_used() {
    let server = MemcachedServer::start_with(&["-s", "{folder}/socket"]);
    let path = server.socket();
    assert_works(&store(format!("unix://{}", path.display()))).await;

    let server = MemcachedServer::start_with_password(&["-s", "{folder}/socket"]);
    let path = server.socket();
    assert_works(&store(format!("unix://{}?user=ann&pass=hunter2", path.display()))).await;
    let error = store(format!("unix://{}", path.display())).load("k").await.unwrap_err();
    assert_eq!(error.to_string(), format!("can't connect to memcached at {}", path.display()));
}

async fn an_ipv6_address_is_used() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let server = MemcachedServer::start_with(&["-l", "127.0.0.1,[::1]"]);
    assert_works(&store(format!("[::1]:{}", server.port()))).await;
}

async fn a_name_is_looked_up() {
    let server = MemcachedServer::start();
    // which may be an address of IPv6 first, where nothing listens
    assert_works(&store(format!("localhost:{}", server.port()))).await;
    let error = store("no.such.host.invalid").load("k").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
}

async fn the_environment_names_the_servers() {
    let server = MemcachedServer::start();
    let set =
        [("SESSION_TYPE", "memcached"), ("SESSION_MEMCACHED", &server.address()), ("SESSION_STORE_TIMEOUT", "7s")];
    let store = SessionConfig::from_vars(set).unwrap().store().unwrap();
    assert_eq!(store.timeout(), Some(Duration::from_secs(7)));
    assert_works(&*store).await;

    let set = [("SESSION_TYPE", "memcached"), ("SESSION_MEMCACHED", "ann:hunter2@cache,")];
    let config = SessionConfig::from_vars(set).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    let error = config.store().map(drop).unwrap_err();
    assert_eq!(error.key(), "SESSION_MEMCACHED");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

async fn what_needs_to_know_all_sessions_of_a_user_is_an_error_at_the_start() {
    let limited = SessionConfig::new().limit_per_owner(5);
    let error = SessionMiddleware::with_config(store("127.0.0.1:1"), limited).map(drop).unwrap_err();
    assert_eq!(error.key(), "SESSION_LIMIT_PER_OWNER");
    let error = SessionMiddleware::new(store("127.0.0.1:1")).sessions().map(drop).unwrap_err();
    assert!(error.to_string().contains("`memcached`"), "{error}");
}

async fn debug_shows_the_addresses_without_a_password() {
    let store = MemcachedStore::new("ann:hunter2@cache-1,[::1]:2,unix:///run/m.sock?user=ann&pass=hunter2").unwrap();
    let shown = format!("{store:?}");
    assert!(shown.contains("cache-1:11211") && shown.contains("[::1]:2") && shown.contains("/run/m.sock"), "{shown}");
    assert!(!shown.contains("hunter2") && !shown.contains("ann"), "{shown}");
    idle().await;
}
