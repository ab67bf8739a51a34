//! Servers that are down, hang, talk nonsense, and come back.

use std::{io::Write, net::TcpListener, time::Duration};

use actix_typed_session::store::{RedisStore, SessionStore, StoreErrorKind, Updated, Version};
use actix_typed_session_tests::support::proxy::{Mode, Proxy};
use futures_util::{FutureExt, future::Either};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{RedisServer, assert_works, calls, idle, pass, raw, record, reset_calls, store};
use crate::calls::{Call, UNAVAILABLE, assert_left_calls_harm_no_other, errors};

trials![
    a_server_that_was_down_at_the_start_is_used_once_it_is_up,
    a_server_that_was_restarted_is_used_by_the_very_next_call,
    while_the_server_is_down_every_call_is_unavailable,
    a_server_that_accepts_and_never_answers_is_unavailable_within_the_time_out,
    a_server_that_is_no_redis_is_an_error,
    a_server_that_stops_answering_leaves_the_outcome_of_writes_unknown,
    a_silent_connection_is_replaced,
    a_connection_found_silent_by_a_callers_own_time_out_is_replaced,
    a_connection_that_took_long_to_open_is_not_taken_for_a_silent_one,
    a_write_whose_answer_is_lost_is_of_unknown_outcome_and_is_not_repeated,
    an_answer_that_makes_no_sense_is_an_error,
    a_server_that_became_a_replica_is_unavailable_and_connected_to_anew,
    a_server_without_memory_is_unavailable,
    a_dropped_call_never_makes_a_later_one_wrong,
    a_call_dropped_while_it_connects_holds_up_no_other,
    a_hanging_server_under_the_apps_connection_or_pool_is_an_error_within_the_time_out,
];

const SHORT: Duration = Duration::from_secs(1);

async fn a_server_that_was_down_at_the_start_is_used_once_it_is_up() {
    let mut server = RedisServer::start();
    server.stop();
    let store = store(server.url());
    for _ in 0..20 {
        assert_eq!(store.load("k").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    }
    server.restart();
    assert_works(&store).await;
}

async fn a_server_that_was_restarted_is_used_by_the_very_next_call() {
    let mut server = RedisServer::start();
    let store = store(server.url());
    for _ in 0..3 {
        let _ = store.create("k", &record("")).await.unwrap();
        server.restart();
        idle().await;
    }
    assert_works(&store).await;
}

async fn while_the_server_is_down_every_call_is_unavailable() {
    let mut server = RedisServer::start();
    let store = store(server.url());
    store.ping().await.unwrap();
    server.stop();
    idle().await;
    assert_eq!(errors(&store).await, UNAVAILABLE);
    let error = store.load("k").await.unwrap_err();
    assert_eq!(error.to_string(), format!("can't connect to redis at 127.0.0.1:{}", server.port()));
}

async fn a_server_that_accepts_and_never_answers_is_unavailable_within_the_time_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let store = store(format!("redis://{}", listener.local_addr().unwrap())).timeout(SHORT);
    // no command was sent: it does not even say that it is there
    assert_eq!(errors(&store).await, UNAVAILABLE);
}

async fn a_server_that_is_no_redis_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let store = store(format!("redis://{}", listener.local_addr().unwrap()));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    assert_eq!(errors(&store).await, UNAVAILABLE);
}

async fn a_server_that_stops_answering_leaves_the_outcome_of_writes_unknown() {
    let server = RedisServer::start();
    for call in Call::ALL {
        let store = store(server.url()).timeout(SHORT);
        let first = record("first");
        store.delete("k").await.unwrap();
        let _ = store.create("k", &first).await.unwrap();
        server.pause();
        let error = call.error(&store, &first).await;
        let expected = if call.is_read() { StoreErrorKind::Unavailable } else { StoreErrorKind::OutcomeUnknown };
        assert_eq!(error.kind(), expected, "{error}");
        server.resume();
        assert_works(&store).await;
    }
}

async fn a_silent_connection_is_replaced() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port()).await;
    let store = store(proxy.url()).timeout(SHORT);
    store.ping().await.unwrap();
    proxy.set(Mode::Swallow);
    assert_eq!(store.load("k").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    proxy.set(Mode::Forward);
    assert_works(&store).await;
}

async fn a_connection_found_silent_by_a_callers_own_time_out_is_replaced() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port()).await;
    let store = store(proxy.url()).timeout(Duration::from_secs(2));
    store.ping().await.unwrap();
    proxy.set(Mode::Swallow);
    // such as a middleware's that is as long as the store's, and began before it
    tokio::time::timeout(Duration::from_millis(1800), store.load("k")).await.unwrap_err();
    proxy.set(Mode::Forward);
    assert_works(&store).await;
}

async fn a_connection_that_took_long_to_open_is_not_taken_for_a_silent_one() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store = store(format!("redis://{}", listener.local_addr().unwrap())).timeout(Duration::from_secs(10));
    let mut ping = store.ping();
    // a server that takes nearly all of the time to open the connection
    let (mut server, _) = select(&mut ping, Box::pin(listener.accept())).await.unwrap();
    let mut greeting = [0; 1 << 10];
    let len = select(&mut ping, Box::pin(server.read(&mut greeting))).await.unwrap();
    let commands = String::from_utf8_lossy(&greeting[..len]).matches("SETINFO").count();
    pass(Duration::from_secs(9)).await;
    server.write_all("+OK\r\n".repeat(commands).as_bytes()).await.unwrap();
    let mut asked = [0; 14];
    select(&mut ping, Box::pin(server.read_exact(&mut asked))).await.unwrap();
    assert_eq!(asked, *b"*1\r\n$4\r\nPING\r\n");
    pass(Duration::from_millis(1001)).await;
    assert_eq!(ping.await.unwrap_err().kind(), StoreErrorKind::Unavailable);

    // the late answer, and that to the next call
    server.write_all(b"+PONG\r\n+PONG\r\n").await.unwrap();
    store.ping().await.unwrap();
    assert!(listener.accept().now_or_never().is_none(), "it would take as long to open another");
}

/// What comes of `other` while a call goes on that is not answered meanwhile.
async fn select<T>(call: impl Future + Unpin, other: impl Future<Output = T> + Unpin) -> T {
    match futures_util::future::select(call, other).await {
        Either::Left(_) => panic!("the call was answered"),
        Either::Right((output, _)) => output,
    }
}

async fn a_write_whose_answer_is_lost_is_of_unknown_outcome_and_is_not_repeated() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port()).await;
    let store = store(proxy.url());
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    assert!(matches!(store.update("k", &first, &Version::random()).await.unwrap(), Updated::Conflict(_)));

    reset_calls(&server).await;
    proxy.set(Mode::Cut);
    let second = record("second");
    let error = store.update("k", &second, &first.version).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown, "{error}");
    proxy.set(Mode::Forward);
    let expected = [("evalsha", 1), ("getrange", 1), ("set", 1)].map(|(command, calls)| (command.to_owned(), calls));
    assert_eq!(calls(&server).await, expected);
    assert_eq!(store.load("k").await.unwrap().unwrap().version, second.version, "it did happen");

    proxy.set(Mode::Cut);
    assert_eq!(store.create("other", &first).await.unwrap_err().kind(), StoreErrorKind::OutcomeUnknown);
    proxy.set(Mode::Forward);
    store.ping().await.unwrap();
    proxy.set(Mode::Cut);
    assert_eq!(store.load("k").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

async fn an_answer_that_makes_no_sense_is_an_error() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port()).await;
    let store = store(proxy.url());
    for call in Call::ALL {
        proxy.set(Mode::Forward);
        store.ping().await.unwrap();
        proxy.set(Mode::Garble);
        let error = call.error(&store, &record("")).await;
        let expected = if call.is_read() { StoreErrorKind::Protocol } else { StoreErrorKind::OutcomeUnknown };
        assert_eq!(error.kind(), expected, "{error}");
    }
}

async fn a_server_that_became_a_replica_is_unavailable_and_connected_to_anew() {
    let server = RedisServer::start();
    let store = store(server.url());
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    assert_eq!(store.update("k", &first, &first.version).await.unwrap(), Updated::Done);
    let id = |list: String| {
        let line = list.lines().find(|line| line.contains("cmd=eval")).map(str::to_owned).unwrap();
        line.split(' ').next().unwrap().to_owned()
    };
    let before = id(raw(&server, "CLIENT LIST").await);
    let () = raw(&server, "REPLICAOF 127.0.0.1 1").await;
    let error = store.update("k", &first, &first.version).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("READONLY"), "{error}");
    let () = raw(&server, "REPLICAOF NO ONE").await;
    assert_eq!(store.update("k", &first, &first.version).await.unwrap(), Updated::Done);
    assert_ne!(id(raw(&server, "CLIENT LIST").await), before);
}

async fn a_server_without_memory_is_unavailable() {
    let server = RedisServer::start();
    let store = store(server.url());
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    let () = raw(&server, "CONFIG SET maxmemory 1").await;
    for error in [
        store.create("other", &record("hunter2")).await.unwrap_err(),
        store.update("k", &record("hunter2"), &first.version).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("OOM") && !error.to_string().contains("hunter2"), "{error}");
    }
    assert_eq!(store.load("k").await.unwrap().unwrap().bytes, "first");
}

async fn a_dropped_call_never_makes_a_later_one_wrong() {
    let server = RedisServer::start();
    let store = store(server.url());
    assert_left_calls_harm_no_other(&store, 50, 400).await;
}

async fn a_call_dropped_while_it_connects_holds_up_no_other() {
    let server = RedisServer::start();
    let _ = store(server.url()).create("k", &record("first")).await.unwrap();
    for polls in 0..12 {
        let store = store(server.url());
        let mut calls: Vec<_> = (0..3).map(|_| Box::pin(store.load("other"))).collect();
        for _ in 0..polls {
            calls.retain_mut(|call| call.now_or_never().is_none());
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        drop(calls);
        assert_eq!(store.load("k").await.unwrap().unwrap().bytes, "first");
    }
}

async fn a_hanging_server_under_the_apps_connection_or_pool_is_an_error_within_the_time_out() {
    let server = RedisServer::start();
    let client = redis::Client::open(server.url()).unwrap();
    let never = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let connection = client.get_multiplexed_async_connection_with_config(&never).await.unwrap();
    let config = deadpool_redis::Config::from_url(server.url());
    let pool = config.create_pool(Some(deadpool_redis::Runtime::Tokio1)).unwrap();
    let stores = [RedisStore::from_connection(connection), RedisStore::from_pool(pool)].map(|s| s.timeout(SHORT));
    for store in stores {
        store.ping().await.unwrap();
        server.pause();
        for (call, kind) in Call::ALL.into_iter().zip(errors(&store).await) {
            // a pool finds out before it sends anything
            let is_unknown_write = !call.is_read() && kind == StoreErrorKind::OutcomeUnknown;
            assert!(is_unknown_write || kind == StoreErrorKind::Unavailable, "{call:?}: {kind:?}");
        }
        server.resume();
        assert_works(&store).await;
    }
}
