//! [`Browser`]: the published one at a server, with requests in fewer words.

use std::{net::SocketAddr, ops::Deref};

use actix_typed_session::testing::{self, Pending, Remote};
pub use actix_typed_session::testing::{Response, StoredCookie};
use actix_web::{
    http::{
        Method,
        header::{HeaderName, HeaderValue},
    },
    test::TestRequest,
};

/// A visitor of a server. Its clones share the jar: tabs of one browser.
#[derive(Clone, Debug)]
pub struct Browser {
    browser: testing::Browser<Remote>,
}

impl Browser {
    /// A browser with an empty jar.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { browser: testing::Browser::at(address) }
    }

    /// Another visitor of the same server.
    #[must_use]
    pub fn other(&self) -> Self {
        Self { browser: self.browser.other() }
    }

    /// The same visitor at another port, which for cookies is the same site.
    #[must_use]
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { browser: testing::Browser::at(address).with_jar_of(&self.browser) }
    }

    /// Any request, with more headers; panics where no whole response comes.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        self.browser.send(request(method, path, headers, body)).await
    }

    /// Sends a request and does not wait for the answer.
    pub async fn begin(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Pending {
        self.browser.begin(request(method, path, headers, body)).await
    }

    /// Takes a `Set-Cookie` line as if a response to `/` had brought it.
    pub fn set_cookie(&self, _: &str, line: &str) {
        self.browser.set_cookie(line);
    }
}

impl Deref for Browser {
    type Target = testing::Browser<Remote>;

    fn deref(&self) -> &Self::Target {
        &self.browser
    }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> TestRequest {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let mut request = TestRequest::default().method(method).uri(path);
    if !body.is_empty() {
        request = request.set_payload(body.to_owned());
    }
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header without control characters");
        request = request.append_header((name, value));
    }
    request
}
