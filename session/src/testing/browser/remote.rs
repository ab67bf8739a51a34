//! [`Remote`]: the site of a browser that talks to a server.

use std::{io, net::SocketAddr, time::Duration};

use actix_web::{http::Method, web::Bytes};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{
    Browser,
    response::Response,
    site::{Outgoing, Sealed, Site},
};

/// A server at an address: what [`Browser::at`] is over.
#[derive(Clone, Copy, Debug)]
pub struct Remote {
    address: SocketAddr,
}

/// A request that was sent and whose answer was not read yet. Dropping it hangs up.
#[derive(Debug)]
#[must_use = "dropping it hangs up"]
pub struct Pending {
    browser: Browser<Remote>,
    sent: Sent,
}

/// A request that was sent.
#[derive(Debug)]
pub(super) struct Sent {
    stream: TcpStream,
    method: Method,
    path: String,
}

/// How long a response may take.
const PATIENCE: Duration = Duration::from_secs(60);

impl Remote {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    pub(super) async fn begin(&self, request: Outgoing) -> Sent {
        let Outgoing { method, path, headers, body, .. } = request;
        let mut bytes = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n").into_bytes();
        for (name, value) in &headers {
            bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        if !headers.contains_key("content-length") && !matches!(method, Method::GET | Method::HEAD) {
            bytes.extend(b"Content-Length: 0\r\n");
        }
        bytes.extend(b"\r\n");
        bytes.extend(body);
        let Ok(mut stream) = TcpStream::connect(self.address).await else {
            panic!("no server is at {}, which {method} {path} was to go to: start it before", self.address);
        };
        // a server may answer before it has read all, and then hang up: there is an answer or none
        let _ = stream.write_all(&bytes).await;
        Sent { stream, method, path }
    }
}

impl Sealed for Remote {}

impl Site for Remote {
    fn authority(&self) -> String {
        self.address.to_string()
    }

    async fn answer(&self, request: Outgoing) -> Response {
        let request = self.begin(request).await;
        let what = format!("{} {}", request.method, request.path);
        let answer = request.answer().await;
        answer.unwrap_or_else(|error| panic!("{} gave no whole response to {what}: {error}", self.address))
    }
}

impl Pending {
    pub(super) fn new(browser: Browser<Remote>, sent: Sent) -> Self {
        Self { browser, sent }
    }

    /// Reads the answer to its end, and takes its cookies.
    ///
    /// # Errors
    ///
    /// If the server hangs up before, or does not answer within a minute.
    ///
    /// ```
    /// use actix_typed_session::testing::{Browser, Remote};
    /// use actix_web::test::TestRequest;
    ///
    /// async fn two_at_once(browser: &Browser<Remote>) {
    ///     let first = browser.begin(TestRequest::post().uri("/cart/tea")).await;
    ///     let second = browser.begin(TestRequest::post().uri("/cart/milk")).await;
    ///     assert_eq!(second.finish().await.unwrap().status, 204);
    ///     assert_eq!(first.finish().await.unwrap().status, 204);
    /// }
    /// ```
    pub async fn finish(self) -> io::Result<Response> {
        let response = self.sent.answer().await?;
        self.browser.take_cookies(&response);
        Ok(response)
    }
}

impl Sent {
    async fn answer(mut self) -> io::Result<Response> {
        let mut bytes = Vec::new();
        timeout(PATIENCE, self.stream.read_to_end(&mut bytes)).await??;
        parse(&bytes, &self.method, &self.path).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// The response, if it is whole; interim ones (1xx) are passed over.
fn parse(bytes: &[u8], method: &Method, path: &str) -> Option<Response> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, rest) = (bytes.get(..end)?, bytes.get(end + 4..)?);
    let mut lines = head.split(|byte| *byte == b'\n');
    let status: u16 = str::from_utf8(lines.next()?).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()?;
    if (100..200).contains(&status) {
        return parse(rest, method, path);
    }
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':')?);
        Some((str::from_utf8(name).ok()?, value.get(1..)?))
    });
    let response = Response::new(method, path, status, headers);
    if method == Method::HEAD || status == 204 || status == 304 {
        return Some(response);
    }
    let body = if response.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        dechunk(rest)?
    } else if let Some(length) = response.header("content-length") {
        Bytes::copy_from_slice(rest.get(..length.parse().ok()?)?)
    } else {
        Bytes::copy_from_slice(rest)
    };
    Some(response.with_body(body))
}

fn dechunk(mut rest: &[u8]) -> Option<Bytes> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = str::from_utf8(rest.get(..end)?).ok()?.split(';').next()?.trim();
        let length = usize::from_str_radix(length, 16).ok()?;
        if length == 0 {
            return Some(body.into());
        }
        body.extend_from_slice(rest.get(end + 2..end + 2 + length)?);
        rest = rest.get(end + 4 + length..)?;
    }
}
