//! [`Site`]: where the requests of a browser go.

use std::{future::Future, net::SocketAddr};

use actix_web::{
    http::{
        Method,
        header::{self, HeaderMap, HeaderValue},
    },
    test::TestRequest,
    web::Bytes,
};
use futures_util::{FutureExt as _, StreamExt as _};

use super::response::Response;

/// Where the requests of a [`Browser`](super::Browser) go: [`InProcess`](super::InProcess) or [`Remote`](super::Remote).
///
/// The bound for functions that work with either. No other type can be one.
///
/// ```
/// use actix_typed_session::testing::{Browser, Site};
///
/// async fn sign_in(browser: &Browser<impl Site>, name: &str) {
///     assert_eq!(browser.post_form("/login", &[("name", name)]).await.status, 303);
/// }
/// ```
pub trait Site: Clone + Sealed {
    /// What the `Host` header says.
    #[doc(hidden)]
    fn authority(&self) -> String;

    /// The answer to a request.
    #[doc(hidden)]
    fn answer(&self, request: Outgoing) -> impl Future<Output = Response>;
}

pub trait Sealed {}

/// A request on its way.
#[derive(Debug)]
pub struct Outgoing {
    pub(super) method: Method,
    /// With the query.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) peer: Option<SocketAddr>,
}

impl Outgoing {
    pub(super) fn new(request: TestRequest, authority: &str) -> Self {
        let mut request = request.to_request();
        // it was there from the beginning
        let body = request.take_payload().collect::<Vec<_>>().now_or_never().unwrap_or_default();
        let body: Vec<_> = body.into_iter().flatten().flatten().collect();
        let head = request.head();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let mut headers = head.headers.clone();
        if !headers.contains_key(header::HOST) {
            let host = HeaderValue::try_from(authority).expect("a host's name has letters, digits, dots and hyphens");
            headers.insert(header::HOST, host);
        }
        Self { method: head.method.clone(), path, headers, body: body.into(), peer: head.peer_addr }
    }

    /// Puts a `Cookie` line before those that are there.
    pub(super) fn add_cookies(&mut self, cookies: Option<String>) {
        let Some(cookies) = cookies else { return };
        let own: Vec<_> = self.headers.remove(header::COOKIE).collect();
        let cookies = HeaderValue::from_maybe_shared(Bytes::from(cookies)).expect("a jar keeps no control characters");
        for line in [cookies].into_iter().chain(own) {
            self.headers.append(header::COOKIE, line);
        }
    }
}
