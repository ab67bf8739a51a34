//! [`Jar`]: which cookies a browser keeps and sends, by RFC 6265bis.

use std::time::{Duration, SystemTime};

use cookie::{Cookie, time::OffsetDateTime};

/// The cookies of one host, `127.0.0.1`, which counts as a secure one as it does for browsers.
#[derive(Clone, Debug, Default)]
pub struct Jar {
    cookies: Vec<StoredCookie>,
}

/// A cookie that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCookie {
    /// Its name with its prefix.
    pub name: String,
    /// Its value as it came.
    pub value: String,
    /// The path under which it is sent.
    pub path: String,
    /// When it ends; `None`: with the browser.
    pub expires: Option<SystemTime>,
    /// Whether scripts don't see it.
    pub http_only: bool,
    /// Whether it is sent to secure hosts alone.
    pub secure: bool,
    /// `strict`, `lax` or `none`, if it was given.
    pub same_site: Option<String>,
}

/// What browsers cut every lifetime to.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 60 * 60);
const HOST: &str = "127.0.0.1";

impl Jar {
    /// All that is kept, the oldest first.
    #[must_use]
    pub fn cookies(&self) -> &[StoredCookie] {
        &self.cookies
    }

    /// The cookies that a request for `path` sends, the longest paths first.
    pub fn sent_to(&self, path: &str) -> impl Iterator<Item = &StoredCookie> {
        let path = path.split('?').next().unwrap_or_default();
        let live = |cookie: &&StoredCookie| cookie.expires.is_none_or(|end| end > SystemTime::now());
        let mut sent: Vec<_> = self.cookies.iter().filter(live).filter(|cookie| reaches(&cookie.path, path)).collect();
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        sent.into_iter()
    }

    /// The value of the `Cookie` header, if there is something to send.
    #[must_use]
    pub fn header(&self, path: &str) -> Option<String> {
        let pairs: Vec<_> = self.sent_to(path).map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Takes the `Set-Cookie` line of a response to `path`: keeps the cookie, replaces or deletes one, or ignores the line.
    pub fn receive(&mut self, path: &str, line: &str) {
        let Some(cookie) = read(path.split('?').next().unwrap_or_default(), line) else { return };
        let same = |other: &StoredCookie| other.name == cookie.name && other.path == cookie.path;
        let ended = cookie.expires.is_some_and(|end| end <= SystemTime::now());
        match self.cookies.iter().position(same) {
            Some(place) if ended => drop(self.cookies.remove(place)),
            Some(place) => self.cookies[place] = cookie,
            None if ended => {}
            None => self.cookies.push(cookie),
        }
    }
}

/// The cookie that a line sets, unless a browser would refuse it.
fn read(request_path: &str, line: &str) -> Option<StoredCookie> {
    let mut parts = line.split(';').map(str::trim);
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let mut cookie = StoredCookie {
        name: name.to_owned(),
        value: value.to_owned(),
        path: default_path(request_path),
        expires: None,
        http_only: false,
        secure: false,
        same_site: None,
    };
    let (mut domain, mut given_path, mut max_age, mut partitioned) = (None, None, None, false);
    for part in parts {
        let (attribute, value) = part.split_once('=').map_or((part, ""), |(name, value)| (name.trim(), value.trim()));
        match attribute.to_ascii_lowercase().as_str() {
            "path" => given_path = Some(value).filter(|path| path.starts_with('/')),
            "domain" => domain = Some(value.to_ascii_lowercase()),
            "max-age" => max_age = seconds(value).or(max_age),
            "expires" => cookie.expires = date(value).or(cookie.expires),
            "httponly" => cookie.http_only = true,
            "secure" => cookie.secure = true,
            "samesite" => cookie.same_site = Some(value.to_ascii_lowercase()),
            "partitioned" => partitioned = true,
            _ => {}
        }
    }
    let now = SystemTime::now();
    if let Some(seconds) = max_age {
        cookie.expires = Some(now + seconds);
    }
    cookie.expires = cookie.expires.map(|end| end.min(now + LONGEST));
    cookie.path = given_path.map_or(cookie.path, str::to_owned);

    let lower = name.to_ascii_lowercase();
    let domain = domain.filter(|domain| !domain.is_empty());
    let is_refused = name.len() + value.len() > 4096
        || line.contains(|character: char| character.is_ascii_control() && character != '\t')
        || (name.is_empty() && value.is_empty())
        || domain.as_ref().is_some_and(|domain| domain != HOST)
        || lower.starts_with("__secure-") && !cookie.secure
        || lower.starts_with("__host-") && !(cookie.secure && given_path == Some("/") && domain.is_none())
        || cookie.same_site.as_deref() == Some("none") && !cookie.secure
        || partitioned && !cookie.secure;
    (!is_refused).then_some(cookie)
}

/// The folder of the request's path, where the line names no path.
fn default_path(path: &str) -> String {
    match path.rfind('/') {
        Some(end @ 1..) => path[..end].to_owned(),
        _ => "/".to_owned(),
    }
}

/// Whether a cookie for `path` is sent with a request for `request`.
fn reaches(path: &str, request: &str) -> bool {
    request.strip_prefix(path).is_some_and(|rest| rest.is_empty() || path.ends_with('/') || rest.starts_with('/'))
}

/// A `Max-Age`; below zero is as good as zero, and what is no number says nothing.
fn seconds(value: &str) -> Option<Duration> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if value.starts_with('-') {
        return Some(Duration::ZERO);
    }
    Some(digits.parse().map_or(LONGEST, |seconds| Duration::from_secs(seconds).min(LONGEST)))
}

fn date(value: &str) -> Option<SystemTime> {
    let end = Cookie::parse(format!("name=value; Expires={value}")).ok()?.expires_datetime()?;
    Some(end.max(OffsetDateTime::UNIX_EPOCH).into())
}
