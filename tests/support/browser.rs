//! [`Browser`]: an HTTP client with a cookie jar that reads `Set-Cookie` as a browser does.

use std::{
    fmt::Write as _,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::jar::{Jar, StoredCookie};

/// Talks plain HTTP/1.1 to one address, a connection a request. Its clones share the jar: tabs of one browser.
#[derive(Clone, Debug)]
pub struct Browser {
    address: SocketAddr,
    jar: Arc<Mutex<Jar>>,
}

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status, such as 200.
    pub status: u16,
    /// The header lines in their order, the names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

/// A request that was sent and whose answer was not read yet. Dropping it hangs up.
#[derive(Debug)]
pub struct Pending {
    browser: Browser,
    stream: TcpStream,
    path: String,
    has_body: bool,
}

impl Browser {
    /// A browser with an empty jar.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, jar: Arc::default() }
    }

    /// Another visitor of the same server.
    #[must_use]
    pub fn other(&self) -> Self {
        Self::new(self.address)
    }

    /// The same visitor at another port, which for cookies is the same site.
    #[must_use]
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { address, jar: self.jar.clone() }
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Response {
        self.send("GET", path, &[], "").await
    }

    /// `POST` without a body.
    pub async fn post(&self, path: &str) -> Response {
        self.send("POST", path, &[], "").await
    }

    /// `POST` with the fields of a form.
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        self.send("POST", path, &[("content-type", "application/x-www-form-urlencoded")], &fields.join("&")).await
    }

    /// `POST` with a JSON text.
    pub async fn post_json(&self, path: &str, json: &str) -> Response {
        self.send("POST", path, &[("content-type", "application/json")], json).await
    }

    /// Any request, with more headers; panics where no whole response comes.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        self.begin(method, path, headers, body).await.finish().await.expect("a whole response")
    }

    /// Sends a request and does not wait for the answer.
    pub async fn begin(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Pending {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        if let Some(cookies) = self.jar().header(path) {
            let _ = write!(request, "cookie: {cookies}\r\n");
        }
        for (name, value) in headers {
            let _ = write!(request, "{name}: {value}\r\n");
        }
        if !body.is_empty() || method == "POST" {
            let _ = write!(request, "content-length: {}\r\n", body.len());
        }
        let request = format!("{request}\r\n{body}");
        let mut stream = TcpStream::connect(self.address).await.expect("a server that listens");
        stream.write_all(request.as_bytes()).await.expect("a server that reads");
        Pending { browser: self.clone(), stream, path: path.to_owned(), has_body: method != "HEAD" }
    }

    /// The value of the cookie of this name that `/` is sent.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar().sent_to("/").find(|cookie| cookie.name == name).map(|cookie| cookie.value.clone())
    }

    /// All that is in the jar.
    #[must_use]
    pub fn cookies(&self) -> Vec<StoredCookie> {
        self.jar().cookies().to_vec()
    }

    /// Takes a `Set-Cookie` line as if a response to `path` had brought it: also to plant a cookie.
    pub fn set_cookie(&self, path: &str, line: &str) {
        self.jar().receive(path, line);
    }

    /// Empties the jar.
    pub fn forget_cookies(&self) {
        *self.jar() = Jar::default();
    }

    fn jar(&self) -> MutexGuard<'_, Jar> {
        self.jar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    /// Reads the answer to its end and takes its cookies; an error where the server hangs up before.
    pub async fn finish(mut self) -> io::Result<Response> {
        let mut bytes = Vec::new();
        timeout(Duration::from_secs(60), self.stream.read_to_end(&mut bytes)).await??;
        let response = parse(&bytes, self.has_body).ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut jar = self.browser.jar();
        for line in response.all("set-cookie") {
            jar.receive(&self.path, line);
        }
        drop(jar);
        Ok(response)
    }
}

impl Response {
    /// The first header line of this name, given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All header lines of this name, given in lower case.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The `Set-Cookie` lines.
    #[must_use]
    pub fn set_cookies(&self) -> Vec<&str> {
        self.all("set-cookie").collect()
    }
}

fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => encoded.push(char::from(byte)),
            b' ' => encoded.push('+'),
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
        encoded
    })
}

/// The response, if it is whole; interim ones (1xx) are passed over.
fn parse(bytes: &[u8], has_body: bool) -> Option<Response> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, rest) = (std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 4..]);
    let mut lines = head.split("\r\n");
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    if (100..200).contains(&status) {
        return parse(rest, has_body);
    }
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
    let mut response = Response { status, headers, body: String::new() };
    if has_body && status != 204 && status != 304 {
        let body = if response.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
            dechunk(rest)?
        } else if let Some(length) = response.header("content-length") {
            rest.get(..length.parse().ok()?)?.to_vec()
        } else {
            rest.to_vec()
        };
        response.body = String::from_utf8_lossy(&body).into_owned();
    }
    Some(response)
}

fn dechunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = std::str::from_utf8(&rest[..end]).ok()?.split(';').next()?.trim();
        let length = usize::from_str_radix(length, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(end + 2..end + 2 + length)?);
        rest = rest.get(end + 4 + length..)?;
    }
}
