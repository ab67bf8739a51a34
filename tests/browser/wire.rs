//! HTTP as a server sends it.

use std::net::SocketAddr;

use actix_typed_session::testing::Browser;
use actix_web::test::TestRequest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

#[tokio::test]
async fn a_response_sets_what_the_next_request_sends() {
    let (address, server) = serve(&[
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Path=/\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 303 See Other\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
    ])
    .await;
    let browser = Browser::at(address);
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
    let pending = Browser::at(address).begin(TestRequest::get()).await;
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
