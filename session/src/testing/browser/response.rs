//! [`Response`]: what an app answered.

use std::fmt;

use actix_web::{http::Method, web::Bytes};
use serde::de::DeserializeOwned;

use crate::json;

/// What an app answered to a request of a [`Browser`](super::Browser).
///
/// ```
/// # use actix_typed_session::testing::Browser;
/// async fn the_page_is_for_this_visitor_alone(browser: &Browser) {
///     let page = browser.get("/").await;
///     assert_eq!(page.status, 200);
///     assert_eq!(page.header("cache-control"), Some("no-store"));
///     assert!(page.body.contains("Hello, ada"), "{page:?}");
/// }
/// ```
#[derive(Clone)]
pub struct Response {
    /// The status, such as 200.
    pub status: u16,
    /// The header lines in their order, the names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as text. What is no UTF-8 in it is replaced, by U+FFFD: [`bytes`](Self::bytes) has it as it came.
    pub body: String,
    bytes: Bytes,
    method: Method,
    path: String,
}

impl Response {
    pub(super) fn new<'a>(
        method: &Method,
        path: &str,
        status: u16,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), text(value.trim_ascii()))).collect();
        let (body, bytes) = (String::new(), Bytes::new());
        Self { status, headers, body, bytes, method: method.clone(), path: path.to_owned() }
    }

    pub(super) fn with_body(self, bytes: Bytes) -> Self {
        Self { body: String::from_utf8_lossy(&bytes).into_owned(), bytes, ..self }
    }

    /// The first header line of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All header lines of this name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let name = name.to_ascii_lowercase();
        self.headers.iter().filter(move |(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    /// The `Set-Cookie` lines. What browsers make of them is in [`Browser::cookies`](super::Browser::cookies).
    #[must_use]
    pub fn set_cookies(&self) -> Vec<&str> {
        self.all("set-cookie").collect()
    }

    /// The body as it came.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The value that the body is the JSON of.
    ///
    /// # Panics
    ///
    /// If it is not the JSON of such a value; the message has the request and the status.
    ///
    /// ```
    /// # use actix_typed_session::testing::Browser;
    /// #[derive(serde::Deserialize)]
    /// struct Cart { items: Vec<String> }
    ///
    /// async fn the_cart_is_empty(browser: &Browser) {
    ///     assert!(browser.get("/cart").await.json::<Cart>().items.is_empty());
    /// }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| {
            let (wanted, reason) = (std::any::type_name::<T>(), json::reason(&error));
            panic!(
                "{} is not a `{wanted}`: {reason}, at column {} of line {}",
                self.request(),
                error.column(),
                error.line()
            )
        })
    }

    /// The request and the status, for messages.
    pub(super) fn request(&self) -> String {
        format!("the answer {} to {} {}", self.status, self.method, self.path)
    }

    /// The path that was asked for, with its query.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn is_redirect(&self) -> bool {
        matches!(self.status, 301 | 302 | 303 | 307 | 308)
    }

    /// The path where a redirect leads.
    pub(super) fn leads_to(&self, host: &str) -> String {
        let what = self.request();
        assert!(self.is_redirect(), "{what} is no redirect");
        let is_same = matches!(self.status, 307 | 308) && !matches!(self.method, Method::GET | Method::HEAD);
        assert!(!is_same, "{what} wants the same request at another place: send it there");
        let Some(location) = self.header("location") else { panic!("{what} has no `Location`") };
        let location = location.split('#').next().unwrap_or_default();
        let elsewhere = || panic!("{what} leads to another site, `{location}`");
        if let Some(rest) = location.strip_prefix("//").or_else(|| location.split_once("://").map(|(_, rest)| rest)) {
            let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
            let name = authority.rsplit_once(':').map_or(authority, |(name, _)| name);
            return if name == host || authority == host { path.to_owned() } else { elsewhere() };
        }
        let path = self.path.split('?').next().unwrap_or_default();
        match location.chars().next() {
            None => self.path.clone(),
            Some('/') => location.to_owned(),
            Some('?') => format!("{path}{location}"),
            Some(_) => format!("{}/{location}", path.rsplit_once('/').map_or("", |(folder, _)| folder)),
        }
    }
}

/// Shows all but the values of cookies.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.headers.iter().map(|(name, value)| match name.as_str() {
            "set-cookie" => {
                let attributes = value.find(';').map_or("", |at| value.split_at(at).1);
                format!("{name}: {}=…{attributes}", super::name_of(value))
            }
            _ => format!("{name}: {value}"),
        });
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &shown.collect::<Vec<_>>())
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}
