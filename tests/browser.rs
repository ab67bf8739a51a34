//! The tests' browser keeps and sends cookies as browsers do, and reads HTTP as it is sent.

// A test tells what it did not expect by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::SocketAddr;

use actix_typed_session_tests::support::{browser::Browser, jar::Jar};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

fn jar(lines: &[&str]) -> Jar {
    let mut jar = Jar::default();
    for line in lines {
        jar.receive("/shop/cart?item=1", line);
    }
    jar
}

#[test]
fn a_cookie_is_sent_under_its_path_alone() {
    let jar = jar(&["a=1; Path=/", "b=2; Path=/shop", "c=3", "d=4; Path=/other/", "e=5; Path=nonsense"]);
    assert_eq!(jar.header("/").unwrap(), "a=1");
    assert_eq!(jar.header("/shop?x=/other/").unwrap(), "b=2; c=3; e=5; a=1");
    assert_eq!(jar.header("/shopping").unwrap(), "a=1");
    assert_eq!(jar.header("/other/page").unwrap(), "d=4; a=1");
}

#[test]
fn a_name_and_path_is_kept_once() {
    let jar = jar(&["a=1; Path=/", "a=2; path=/", "a=3; Path=/shop"]);
    assert_eq!(jar.header("/shop").unwrap(), "a=3; a=2");
}

#[test]
fn a_cookie_ends_by_max_age_before_expires() {
    let past = "Expires=Thu, 01 Jan 1970 00:00:00 GMT";
    assert_eq!(jar(&["a=1; Path=/", "a=; Path=/; Max-Age=0"]).header("/"), None);
    assert_eq!(jar(&["a=1; Path=/", "a=; Path=/; Max-Age=-5"]).header("/"), None);
    assert_eq!(jar(&["a=1; Path=/", &format!("a=; Path=/; {past}")]).header("/"), None);
    assert_eq!(jar(&[&format!("a=1; Path=/; {past}; Max-Age=60")]).header("/").unwrap(), "a=1");
    assert_eq!(jar(&["a=1; Path=/; Max-Age=soon"]).cookies()[0].expires, None);
    // another path is another cookie
    assert_eq!(jar(&["a=1; Path=/", "a=; Path=/shop; Max-Age=0"]).header("/").unwrap(), "a=1");
}

#[test]
fn a_broken_prefix_is_refused() {
    for line in [
        "__Host-a=1; Path=/",
        "__Host-a=1; Secure",
        "__Host-a=1; Secure; Path=/shop",
        "__Host-a=1; Secure; Path=/; Domain=127.0.0.1",
        "__HOST-a=1; Path=/",
        "__Secure-a=1; Path=/",
        "a=1; Path=/; SameSite=None",
        "a=1; Path=/; Partitioned",
        "a=1; Path=/; Domain=example.org",
        "a=1\0; Path=/",
    ] {
        assert!(jar(&[line]).cookies().is_empty(), "{line:?} was kept");
    }
    assert_eq!(jar(&["__Host-a=1; secure; path=/; HttpOnly; SameSite=Lax"]).header("/").unwrap(), "__Host-a=1");
}

#[tokio::test]
async fn a_response_sets_what_the_next_request_sends() {
    let (address, server) = serve(&[
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Path=/\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 303 See Other\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
    ])
    .await;
    let browser = Browser::new(address);
    let first = browser.get("/").await;
    assert_eq!((first.status, first.body.as_str()), (200, "hello"));
    assert_eq!(first.set_cookies(), ["a=1; Path=/", "b=2; Path=/"]);
    assert_eq!(browser.cookie("a").as_deref(), Some("1"));

    let second = browser.clone().post_form("/login", &[("name", "Ada & Bob"), ("ö", "1")]).await;
    assert_eq!((second.status, second.body.as_str()), (303, "abcde"));
    let requests = server.await.unwrap();
    assert!(!requests[0].contains("cookie:"));
    assert!(requests[1].contains("\r\ncookie: a=1; b=2\r\n"));
    assert!(requests[1].ends_with("\r\n\r\nname=Ada+%26+Bob&%C3%B6=1"));
}

#[tokio::test]
async fn a_response_that_is_cut_short_is_an_error() {
    let (address, _server) = serve(&["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"]).await;
    let pending = Browser::new(address).begin("GET", "/", &[], "").await;
    assert!(pending.finish().await.is_err());
}

/// Answers so many requests with these texts, one a connection, and gives the requests.
async fn serve(answers: &'static [&'static str]) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 64 * 1024];
            let length = stream.read(&mut request).await.unwrap();
            requests.push(String::from_utf8_lossy(&request[..length]).into_owned());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        requests
    });
    (address, task)
}
