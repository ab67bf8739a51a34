//! Servers that are down, hang, talk nonsense, answer late, and come back.

use std::{io::Write, net::TcpListener, time::Duration};

use actix_typed_session::store::{SessionStore, StoreErrorKind, Updated};
use actix_typed_session_tests::support::proxy::{Mode, Proxy};
use futures_util::{FutureExt, future::Either};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpStream, tcp::OwnedWriteHalf},
};

use super::{MemcachedServer, assert_works, idle, record, store};
use crate::calls::{Call, UNAVAILABLE, assert_left_calls_harm_no_other, errors};

trials![
    a_server_that_was_down_at_the_start_is_used_once_it_is_up,
    a_server_that_was_restarted_is_used_by_the_very_next_call,
    while_the_server_is_down_every_call_is_unavailable,
    a_server_that_accepts_and_never_answers_is_unavailable_within_the_time_out,
    a_server_that_is_no_memcached_is_an_error_that_says_so,
    a_server_without_compare_and_swap_is_unavailable,
    a_server_that_stops_answering_leaves_the_outcome_of_writes_unknown,
    a_silent_connection_is_replaced,
    a_connection_found_silent_by_a_callers_own_time_out_is_replaced,
    a_write_whose_answer_is_lost_is_of_unknown_outcome_and_is_not_repeated,
    an_answer_that_makes_no_sense_is_an_error,
    an_answer_that_comes_late_is_nobody_elses,
    an_answer_to_another_command_is_never_taken,
    an_error_of_a_proxy_leaves_the_outcome_of_a_write_unknown,
    a_dropped_call_never_makes_a_later_one_wrong,
    a_call_dropped_while_it_connects_holds_up_no_other,
];

const SHORT: Duration = Duration::from_secs(1);

async fn a_server_that_was_down_at_the_start_is_used_once_it_is_up() {
    let mut server = MemcachedServer::start();
    server.stop();
    let store = store(server.address());
    for _ in 0..20 {
        assert_eq!(store.load("k").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    }
    server.restart();
    assert_works(&store).await;
}

async fn a_server_that_was_restarted_is_used_by_the_very_next_call() {
    let mut server = MemcachedServer::start();
    let store = store(server.address());
    for _ in 0..3 {
        let first = record("first");
        let _ = store.create("k", &first).await.unwrap();
        server.restart();
        idle().await;
        // its sessions have ended, and that is no error
        assert_eq!(store.load("k").await.unwrap(), None);
        assert_eq!(store.update("k", &record("second"), &first.version).await.unwrap(), Updated::Gone);
    }
    assert_works(&store).await;
}

async fn while_the_server_is_down_every_call_is_unavailable() {
    let mut server = MemcachedServer::start();
    let store = store(server.address());
    store.ping().await.unwrap();
    server.stop();
    idle().await;
    assert_eq!(errors(&store).await, UNAVAILABLE);
    let error = store.load("k").await.unwrap_err();
    assert_eq!(error.to_string(), format!("can't connect to memcached at {}", server.address()));
}

async fn a_server_that_accepts_and_never_answers_is_unavailable_within_the_time_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let store = store(listener.local_addr().unwrap().to_string()).timeout(SHORT);
    // no command was sent: it does not even say that it is there
    assert_eq!(errors(&store).await, UNAVAILABLE);
}

async fn a_server_that_is_no_memcached_is_an_error_that_says_so() {
    for (said, why) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "it does not speak memcached's protocol"),
        (b"-ERR unknown command\r\n", "it does not speak memcached's protocol"),
        // one from before the meta commands
        (b"END\r\nERROR\r\n", "it does not know memcached's meta commands"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let store = store(listener.local_addr().unwrap().to_string());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = stream.unwrap().write_all(said);
            }
        });
        assert_eq!(errors(&store).await, UNAVAILABLE);
        let error = store.load("k").await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source == why || source.contains("reset"), "{source}");
    }
}

async fn a_server_without_compare_and_swap_is_unavailable() {
    let server = MemcachedServer::start_with(&["-C"]);
    let store = store(server.address());
    assert_eq!(errors(&store).await, UNAVAILABLE);
    let source = store.ping().await.unwrap_err();
    let source = std::error::Error::source(&source).unwrap().to_string();
    assert!(source.contains("`-C`"), "{source}");
}

async fn a_server_that_stops_answering_leaves_the_outcome_of_writes_unknown() {
    let server = MemcachedServer::start();
    for call in Call::ALL {
        let store = store(server.address()).timeout(SHORT);
        let first = record("first");
        store.delete("k").await.unwrap();
        let _ = store.create("k", &first).await.unwrap();
        server.pause();
        let error = call.error(&store, &first).await;
        // a touch reads first, and nothing was written
        let is_read = call.is_read() || call == Call::Touch;
        let expected = if is_read { StoreErrorKind::Unavailable } else { StoreErrorKind::OutcomeUnknown };
        assert_eq!(error.kind(), expected, "{error}");
        server.resume();
        assert_works(&store).await;
    }
}

async fn a_silent_connection_is_replaced() {
    let server = MemcachedServer::start();
    let proxy = Proxy::start(server.port()).await;
    let store = store(format!("127.0.0.1:{}", proxy.port())).timeout(SHORT);
    store.ping().await.unwrap();
    proxy.set(Mode::Swallow);
    assert_eq!(store.load("k").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    proxy.set(Mode::Forward);
    assert_works(&store).await;
}

async fn a_connection_found_silent_by_a_callers_own_time_out_is_replaced() {
    let server = MemcachedServer::start();
    let proxy = Proxy::start(server.port()).await;
    let store = store(format!("127.0.0.1:{}", proxy.port()));
    store.ping().await.unwrap();
    proxy.set(Mode::Swallow);
    tokio::time::timeout(Duration::from_millis(1800), store.load("k")).await.unwrap_err();
    proxy.set(Mode::Forward);
    assert_works(&store).await;
}

async fn a_write_whose_answer_is_lost_is_of_unknown_outcome_and_is_not_repeated() {
    let server = MemcachedServer::start();
    let proxy = Proxy::start(server.port()).await;
    let store = store(format!("127.0.0.1:{}", proxy.port()));
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();

    let before = server.commands();
    proxy.set(Mode::Cut);
    let second = record("second");
    let error = store.update("k", &second, &first.version).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown, "{error}");
    proxy.set(Mode::Forward);
    assert_eq!(server.commands() - before, 1);
    assert_eq!(store.load("k").await.unwrap().unwrap().version, second.version, "it did happen");

    proxy.set(Mode::Cut);
    assert_eq!(store.create("other", &first).await.unwrap_err().kind(), StoreErrorKind::OutcomeUnknown);
    proxy.set(Mode::Forward);
    store.ping().await.unwrap();
    proxy.set(Mode::Cut);
    assert_eq!(store.load("k").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

async fn an_answer_that_makes_no_sense_is_an_error() {
    let server = MemcachedServer::start();
    let proxy = Proxy::start(server.port()).await;
    let store = store(format!("127.0.0.1:{}", proxy.port()));
    for call in Call::ALL.into_iter().filter(|call| *call != Call::Update) {
        proxy.set(Mode::Forward);
        store.ping().await.unwrap();
        proxy.set(Mode::Garble);
        let error = call.error(&store, &record("")).await;
        let is_read = call.is_read() || call == Call::Touch;
        let expected = if is_read { StoreErrorKind::Protocol } else { StoreErrorKind::OutcomeUnknown };
        assert_eq!(error.kind(), expected, "{error}");
    }
}

/// A server that is written by hand, and says what a test wants it to.
struct Puppet {
    listener: tokio::net::TcpListener,
}

impl Puppet {
    async fn start() -> Self {
        Self { listener: tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    fn address(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    /// The next connection, set up.
    async fn accept(&self) -> (BufReader<tokio::net::tcp::OwnedReadHalf>, OwnedWriteHalf) {
        let (stream, _): (TcpStream, _) = self.listener.accept().await.unwrap();
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read);
        assert_eq!(line(&mut read).await, "stats settings");
        assert_eq!(line(&mut read).await, "mn");
        write.write_all(b"STAT item_size_max 1048576\r\nEND\r\nMN\r\n").await.unwrap();
        (read, write)
    }
}

async fn line(from: &mut BufReader<tokio::net::tcp::OwnedReadHalf>) -> String {
    let mut line = String::new();
    from.read_line(&mut line).await.unwrap();
    line.trim_end().to_owned()
}

/// What comes of `other` while a call goes on that is not answered meanwhile.
async fn select<T>(call: impl Future + Unpin, other: impl Future<Output = T> + Unpin) -> T {
    match futures_util::future::select(call, other).await {
        Either::Left(_) => panic!("the call was answered"),
        Either::Right((output, _)) => output,
    }
}

/// An item whose contents are one word.
fn item(word: &str, opaque: u64) -> String {
    format!("VA {} c1 t60 O{opaque}\r\n{}{word}\r\n", 24 + word.len(), "0".repeat(24))
}

async fn an_answer_that_comes_late_is_nobody_elses() {
    let puppet = Puppet::start().await;
    let store = store(puppet.address());
    let mut late = store.load("one");
    let (mut read, mut write) = select(&mut late, Box::pin(puppet.accept())).await;
    assert_eq!(select(&mut late, Box::pin(line(&mut read))).await, "mg one v c t O1");
    drop(late);

    let mut next = store.load("two");
    assert_eq!(select(&mut next, Box::pin(line(&mut read))).await, "mg two v c t O2");
    write.write_all(item("one", 1).as_bytes()).await.unwrap();
    select(&mut next, Box::pin(idle())).await;
    write.write_all(item("two", 2).as_bytes()).await.unwrap();
    assert_eq!(next.await.unwrap().unwrap().bytes, "two");
}

async fn an_answer_to_another_command_is_never_taken() {
    for said in [item("another's", 7), format!("VA 24 c1 t60\r\n{}\r\n", "0".repeat(24)), "MN\r\n".to_owned()] {
        let puppet = Puppet::start().await;
        let store = store(puppet.address());
        let answer = async {
            let (mut read, mut write) = puppet.accept().await;
            assert_eq!(line(&mut read).await, "mg k v c t O1");
            write.write_all(said.as_bytes()).await.unwrap();
            assert_eq!(line(&mut read).await, "", "the connection has ended");
        };
        let (loaded, ()) = tokio::join!(store.load("k"), answer);
        assert_eq!(loaded.unwrap_err().kind(), StoreErrorKind::Protocol);
    }
}

async fn an_error_of_a_proxy_leaves_the_outcome_of_a_write_unknown() {
    let puppet = Puppet::start().await;
    let store = store(puppet.address());
    let answer = async {
        let (mut read, mut write) = puppet.accept().await;
        assert!(line(&mut read).await.starts_with("ms k "));
        write.write_all(b"SERVER_ERROR backend timeout\r\n").await.unwrap();
        (read, write)
    };
    let first = record("first");
    let (created, _connection) = tokio::join!(store.create("k", &first), answer);
    let error = created.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown, "{error}");
}

async fn a_dropped_call_never_makes_a_later_one_wrong() {
    let server = MemcachedServer::start();
    let store = store(server.address());
    assert_left_calls_harm_no_other(&store, 50, 400).await;
}

async fn a_call_dropped_while_it_connects_holds_up_no_other() {
    let server = MemcachedServer::start();
    let _ = store(server.address()).create("k", &record("first")).await.unwrap();
    for polls in 0..12 {
        let store = store(server.address());
        let mut calls: Vec<_> = (0..3).map(|_| Box::pin(store.load("other"))).collect();
        for _ in 0..polls {
            calls.retain_mut(|call| call.now_or_never().is_none());
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        drop(calls);
        assert_eq!(store.load("k").await.unwrap().unwrap().bytes, "first");
    }
}
