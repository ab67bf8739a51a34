//! [`Jar`]: which cookies a browser keeps and sends, by RFC 6265bis.

use std::{
    fmt,
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The cookies of a browser. Every host counts as a secure one, as `localhost` does for browsers.
#[derive(Clone, Debug, Default)]
pub(super) struct Jar {
    cookies: Vec<StoredCookie>,
}

/// A cookie that a [`Browser`](super::Browser) keeps.
///
/// ```
/// # use actix_typed_session::testing::Browser;
/// async fn it_ends_with_the_browser(browser: &Browser) {
///     let [cookie] = &browser.cookies()[..] else { panic!("one cookie") };
///     assert!(cookie.http_only && cookie.secure && cookie.expires.is_none());
///     assert_eq!(cookie.same_site.as_deref(), Some("lax"));
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredCookie {
    /// Its name with its prefix.
    pub name: String,
    /// Its value as it came.
    pub value: String,
    /// The host that it is sent to.
    pub host: String,
    /// Whether it is sent to the hosts below that, too: it came with `Domain`.
    pub subdomains: bool,
    /// The path under which it is sent.
    pub path: String,
    /// When it ends; `None`: with the browser.
    pub expires: Option<SystemTime>,
    /// Whether scripts don't see it.
    pub http_only: bool,
    /// Whether it is sent over HTTPS alone.
    pub secure: bool,
    /// `strict`, `lax` or `none`, if it was given.
    pub same_site: Option<String>,
}

/// What browsers cut every lifetime to.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 60 * 60);

impl Jar {
    /// All that is kept, the oldest first.
    pub(super) fn cookies(&self) -> &[StoredCookie] {
        &self.cookies
    }

    /// The cookies that a request sends, the longest paths first.
    pub(super) fn sent_to(&self, host: &str, path: &str) -> impl Iterator<Item = &StoredCookie> {
        let path = path.split('?').next().unwrap_or_default();
        let live = |cookie: &&StoredCookie| cookie.expires.is_none_or(|end| end > SystemTime::now());
        let is_meant = |cookie: &&StoredCookie| cookie.is_for(host) && reaches(&cookie.path, path);
        let mut sent: Vec<_> = self.cookies.iter().filter(live).filter(is_meant).collect();
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        sent.into_iter()
    }

    /// The value of the `Cookie` header, if there is something to send.
    pub(super) fn header(&self, host: &str, path: &str) -> Option<String> {
        let pairs: Vec<_> =
            self.sent_to(host, path).map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Takes the `Set-Cookie` line of a response: keeps the cookie, replaces or deletes one, or says why browsers refuse it.
    pub(super) fn receive(&mut self, host: &str, path: &str, line: &str) -> Result<(), &'static str> {
        let cookie = read(host, path.split('?').next().unwrap_or_default(), line)?;
        let same =
            |other: &StoredCookie| other.name == cookie.name && other.path == cookie.path && other.host == cookie.host;
        let ended = cookie.expires.is_some_and(|end| end <= SystemTime::now());
        match self.cookies.iter_mut().find(|other| same(other)) {
            Some(_) if ended => self.cookies.retain(|other| !same(other)),
            Some(other) => *other = cookie,
            None if ended => {}
            None => self.cookies.push(cookie),
        }
        Ok(())
    }
}

impl StoredCookie {
    fn is_for(&self, host: &str) -> bool {
        if self.subdomains { is_below(host, &self.host) } else { self.host == host }
    }
}

/// Shows all but the value.
impl fmt::Debug for StoredCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, host, subdomains, path, expires, http_only, secure, same_site, .. } = self;
        f.debug_struct("StoredCookie")
            .field("name", name)
            .field("host", host)
            .field("subdomains", subdomains)
            .field("path", path)
            .field("expires", expires)
            .field("http_only", http_only)
            .field("secure", secure)
            .field("same_site", same_site)
            .finish_non_exhaustive()
    }
}

/// The cookie that a line sets, unless a browser would refuse it.
fn read(host: &str, request_path: &str, line: &str) -> Result<StoredCookie, &'static str> {
    let mut parts = line.split(';').map(str::trim);
    let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).ok_or("it has no `=`")?;
    let (name, value) = (name.trim(), value.trim());
    let mut cookie = StoredCookie {
        name: name.to_owned(),
        value: value.to_owned(),
        host: host.to_owned(),
        subdomains: false,
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
            "domain" => domain = Some(value.trim_start_matches('.').to_ascii_lowercase()),
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
    let refusals = [
        (name.len() + value.len() > 4096, "name and value are longer than 4096 bytes"),
        (
            line.contains(|character: char| character.is_ascii_control() && character != '\t'),
            "it has control characters",
        ),
        (name.is_empty() && value.is_empty(), "it is empty"),
        (
            domain.as_ref().is_some_and(|domain| domain != host && !(domain.contains('.') && is_below(host, domain))),
            "its `Domain` is not the host's: `Browser::host` says which host that is",
        ),
        (lower.starts_with("__secure-") && !cookie.secure, "`__Secure-` needs `Secure`"),
        (
            lower.starts_with("__host-") && !(cookie.secure && given_path == Some("/") && domain.is_none()),
            "`__Host-` needs `Secure` and `Path=/`, and no `Domain`",
        ),
        (cookie.same_site.as_deref() == Some("none") && !cookie.secure, "`SameSite=None` needs `Secure`"),
        (partitioned && !cookie.secure, "`Partitioned` needs `Secure`"),
    ];
    if let Some((_, reason)) = refusals.into_iter().find(|(is_refused, _)| *is_refused) {
        return Err(reason);
    }
    if let Some(domain) = domain {
        (cookie.host, cookie.subdomains) = (domain, true);
    }
    Ok(cookie)
}

/// Whether a host is of a domain: itself, or a name below it.
fn is_below(host: &str, domain: &str) -> bool {
    let is_name = || host.parse::<IpAddr>().is_err();
    host == domain || is_name() && host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// The folder of the request's path, where the line names no path.
fn default_path(path: &str) -> String {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    if folder.is_empty() { "/" } else { folder }.to_owned()
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

/// An `Expires`, in any of the orders and with any of the separators that browsers take (RFC 6265bis, section 5.1.1).
fn date(value: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    let tokens = value.split(|character: char| !(character.is_ascii_alphanumeric() || character == ':'));
    for token in tokens.filter(|token| !token.is_empty()) {
        let number = || token.parse::<u32>().ok();
        let is_month = |name: &&&str| token.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(name));
        if time.is_none() && token.contains(':') {
            let parts: Vec<_> = token.split(':').map(|part| part.parse::<u32>().ok()).collect();
            let [Some(hour), Some(minute), Some(second)] = parts[..] else { return None };
            time = Some((hour, minute, second));
        } else if day.is_none() && token.len() <= 2 && number().is_some() {
            day = number();
        } else if month.is_none()
            && let Some(name) = MONTHS.iter().find(is_month)
        {
            month = Some(*name);
        } else if year.is_none() && matches!(token.len(), 2 | 4) && number().is_some() {
            year = number().map(|year| match year {
                70..=99 => year + 1900,
                0..=69 => year + 2000,
                year => year,
            });
        }
    }
    let ((hour, minute, second), day, month, year) = (time?, day?, month?, year?);
    if year < 1970 {
        return Some(UNIX_EPOCH);
    }
    let date = format!("{day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT");
    // browsers don't look at the weekday, and `httpdate` insists on the right one
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    days.iter().find_map(|weekday| httpdate::parse_http_date(&format!("{weekday}, {date}")).ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use super::*;

    fn jar(lines: &[&str]) -> Jar {
        let mut jar = Jar::default();
        for line in lines {
            let _ = jar.receive("127.0.0.1", "/shop/cart?item=1", line);
        }
        jar
    }

    fn header(jar: &Jar, path: &str) -> Option<String> {
        jar.header("127.0.0.1", path)
    }

    #[test]
    fn a_cookie_is_sent_under_its_path_alone() {
        let jar = jar(&["a=1; Path=/", "b=2; Path=/shop", "c=3", "d=4; Path=/other/", "e=5; Path=nonsense"]);
        assert_eq!(header(&jar, "/").unwrap(), "a=1");
        assert_eq!(header(&jar, "/shop?x=/other/").unwrap(), "b=2; c=3; e=5; a=1");
        assert_eq!(header(&jar, "/shopping").unwrap(), "a=1");
        assert_eq!(header(&jar, "/other/page").unwrap(), "d=4; a=1");
    }

    #[test]
    fn a_name_and_path_is_kept_once() {
        let jar = jar(&["a=1; Path=/", "a=2; path=/", "a=3; Path=/shop"]);
        assert_eq!(header(&jar, "/shop").unwrap(), "a=3; a=2");
    }

    #[test]
    fn a_cookie_ends_by_max_age_before_expires() {
        let past = "Expires=Thu, 01 Jan 1970 00:00:00 GMT";
        let sent = |lines: &[&str]| header(&jar(lines), "/");
        assert_eq!(sent(&["a=1; Path=/", "a=; Path=/; Max-Age=0"]), None);
        assert_eq!(sent(&["a=1; Path=/", "a=; Path=/; Max-Age=-5"]), None);
        assert_eq!(sent(&["a=1; Path=/", &format!("a=; Path=/; {past}")]), None);
        assert_eq!(sent(&[&format!("a=1; Path=/; {past}; Max-Age=60")]).unwrap(), "a=1");
        assert_eq!(jar(&["a=1; Path=/; Max-Age=soon"]).cookies()[0].expires, None);
        // another path is another cookie
        assert_eq!(sent(&["a=1; Path=/", "a=; Path=/shop; Max-Age=0"]).unwrap(), "a=1");
    }

    #[test]
    fn a_date_is_read_in_every_spelling_that_browsers_take() {
        let then = UNIX_EPOCH + Duration::from_secs(784_111_777);
        for spelled in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "6 november 1994 08:49:37",
        ] {
            assert_eq!(date(spelled), Some(then), "{spelled}");
        }
        assert_eq!(date("Mon, 01 Jan 1601 00:00:00 GMT"), Some(UNIX_EPOCH));
        for nonsense in ["", "soon", "06 Nov 1994", "32 Nov 1994 08:49:37", "06 Nov 1994 08:49", "06 Nov 1994 25:49:37"]
        {
            assert_eq!(date(nonsense), None, "{nonsense}");
        }
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
        let kept = jar(&["__Host-a=1; secure; path=/; HttpOnly; SameSite=Lax"]);
        assert_eq!(header(&kept, "/").unwrap(), "__Host-a=1");
    }

    #[test]
    fn a_cookie_goes_to_the_host_that_set_it_and_with_a_domain_to_those_below_that() {
        let mut jar = Jar::default();
        jar.receive("shop.example.org", "/", "own=1; Path=/").unwrap();
        jar.receive("shop.example.org", "/", "all=2; Path=/; Domain=.Example.org").unwrap();
        assert_eq!(jar.header("shop.example.org", "/").unwrap(), "own=1; all=2");
        assert_eq!(jar.header("blog.example.org", "/").unwrap(), "all=2");
        assert_eq!(jar.header("example.org", "/").unwrap(), "all=2");
        assert_eq!(jar.header("badexample.org", "/"), None);
        for domain in ["org", "other.org", "shop.example.org.", "a.shop.example.org"] {
            let line = format!("a=1; Domain={domain}");
            assert!(jar.receive("shop.example.org", "/", &line).is_err(), "{domain}");
        }
        assert!(Jar::default().receive("10.0.0.1", "/", "a=1; Domain=0.0.1").is_err());
    }

    #[test]
    fn debug_shows_no_value() {
        let shown = format!("{:?}", jar(&["a=value; Path=/"]));
        assert!(shown.contains("\"a\"") && !shown.contains("value"), "{shown}");
    }
}
