//! H1 and H5: which `Set-Cookie` there is, and when.

use std::time::{Duration, SystemTime};

use actix_typed_session::{SameSite, SessionConfig, SessionMiddleware, testing::ReferenceStore};
use cookie::Cookie;

use crate::site::{DAY, NAME, Site, line, split};

/// A begun session's `Set-Cookie` without its value, and the one of its removal.
async fn lines(config: SessionConfig) -> [String; 2] {
    let site = Site::with(config).await;
    let begun = site.get_with("/push/1", &[]).await;
    let (name, value, attributes) = split(line(&begun));
    let removed = site.get_with("/destroy", &[&format!("{name}={value}")]).await;
    [format!("{name}{attributes}"), line(&removed).to_owned()]
}

/// `Max-Age` of a line, of which `Expires` says the same.
fn max_age(line: &str, site: &Site) -> Duration {
    let cookie = Cookie::parse(line.to_owned()).unwrap();
    let max_age: Duration = cookie.max_age().unwrap().try_into().unwrap();
    let expires = SystemTime::from(cookie.expires_datetime().unwrap());
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(site.clock.now());
    let told = expires.duration_since(now).unwrap();
    assert!(told <= max_age && max_age - told < Duration::from_secs(60), "{line}");
    max_age
}

/// H1: by default.
#[tokio::test]
async fn a_cookie_is_host_bound_secure_http_only_and_lax() {
    let [set, removed] = lines(SessionConfig::new()).await;
    let attributes = "; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=";
    let rest = set.strip_prefix(&format!("{NAME} Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=7776000; Expires="));
    assert!(rest.is_some_and(|rest| rest.ends_with(" GMT") && !rest.contains(';')), "{set}");
    assert_eq!(removed, format!("{NAME}={attributes}0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"));
}

/// H1: each attribute, the prefix that follows from them, and that the removal repeats them.
#[tokio::test]
async fn a_cookie_has_the_attributes_that_are_set_and_its_removal_repeats_them() {
    let new = SessionConfig::new;
    let cases = [
        (new().cookie_name("sid"), "__Host-sid", "Path=/; HttpOnly; Secure; SameSite=Lax"),
        (new().cookie_name("__Host-sid"), "__Host-sid", "Path=/; HttpOnly; Secure; SameSite=Lax"),
        (new().cookie_name("__Secure-sid"), "__Secure-sid", "Path=/; HttpOnly; Secure; SameSite=Lax"),
        (new().cookie_http_only(false), NAME, "Path=/; Secure; SameSite=Lax"),
        (new().cookie_secure(false), "session", "Path=/; HttpOnly; SameSite=Lax"),
        (new().cookie_path("/push"), "__Secure-session", "Path=/push; HttpOnly; Secure; SameSite=Lax"),
        (
            new().cookie_domain(".Example.com"),
            "__Secure-session",
            "Path=/; Domain=example.com; HttpOnly; Secure; SameSite=Lax",
        ),
        (new().cookie_same_site(SameSite::Strict), NAME, "Path=/; HttpOnly; Secure; SameSite=Strict"),
        (new().cookie_same_site(SameSite::None), NAME, "Path=/; HttpOnly; Secure; SameSite=None"),
        (new().cookie_partitioned(true), NAME, "Path=/; HttpOnly; Secure; SameSite=Lax; Partitioned"),
    ];
    for (config, name, attributes) in cases {
        let [set, removed] = lines(config).await;
        let end = "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
        assert!(set.starts_with(&format!("{name} {attributes}; Max-Age=7776000; Expires=")), "{set}");
        assert_eq!(removed, format!("{name}=; {attributes}; {end}"));
    }
}

/// H1: a cookie without `SESSION_PERMANENT` names no time, also when it is sent by a rotation.
#[tokio::test]
async fn a_cookie_that_is_not_permanent_ends_with_the_browser() {
    let site = Site::with(SessionConfig::new().permanent(false)).await;
    for path in ["/push/1", "/rotate"] {
        let response = site.get(path).await;
        assert_eq!(split(line(&response)).2, " Path=/; HttpOnly; Secure; SameSite=Lax", "{path}");
    }
    assert!(line(&site.get("/destroy").await).contains("; Max-Age=0; "));
}

/// H1: the longest that browsers keep a cookie.
#[tokio::test]
async fn a_cookie_lives_400_days_at_most() {
    for lifetime in [None, Some(500 * DAY)] {
        let site = Site::with(SessionConfig::new().absolute_lifetime(lifetime)).await;
        assert_eq!(max_age(line(&site.get("/push/1").await), &site), 400 * DAY);
    }
}

/// H1: the cookie's time is the absolute lifetime, whatever the idle timeout.
#[tokio::test]
async fn the_idle_timeout_is_not_in_the_cookie() {
    let config = SessionConfig::new().idle_timeout(Duration::from_secs(60)).absolute_lifetime(Duration::from_secs(999));
    let site = Site::with(config).await;
    assert_eq!(max_age(line(&site.get("/push/1").await), &site), Duration::from_secs(999));
}

/// H1: after a rotation `Max-Age` is what remains of the absolute lifetime.
#[tokio::test]
async fn a_rotation_sends_what_remains_of_the_absolute_lifetime() {
    let site = Site::begun().await;
    site.clock.advance(10 * DAY);
    let left = max_age(line(&site.get("/rotate").await), &site);
    assert!(left <= 80 * DAY && left > 80 * DAY - Duration::from_secs(60), "{left:?}");
    site.clock.advance(20 * DAY);
    let left = max_age(line(&site.get("/login/ada").await), &site);
    assert!(left <= 60 * DAY && left > 60 * DAY - Duration::from_secs(60), "{left:?}");
}

/// H1: the record enforces the idle timeout, though the browser still sends the cookie.
#[tokio::test]
async fn a_session_that_was_idle_for_too_long_is_anonymous_though_the_cookie_is_there() {
    let site = Site::begun().await;
    site.clock.advance(32 * DAY);
    let response = site.get("/read").await;
    assert_eq!((response.body.as_str(), response.set_cookies().len()), ("[]", 0));
}

/// H1: use extends the idle timeout and not the absolute lifetime.
#[tokio::test]
async fn a_session_ends_at_its_absolute_lifetime_however_it_is_used() {
    let site = Site::begun().await;
    for _ in 0..4 {
        site.clock.advance(20 * DAY);
        assert_eq!(site.get("/read").await.body, "[1]");
    }
    site.clock.advance(11 * DAY);
    assert_eq!(site.get("/read").await.body, "[]");
}

/// H1: contradictions are found when the middleware is built.
#[test]
fn attributes_that_browsers_refuse_are_an_error_when_the_middleware_is_built() {
    let new = SessionConfig::new;
    let cases = [
        (new().cookie_same_site(SameSite::None).cookie_secure(false), "SESSION_COOKIE_SAMESITE"),
        (new().cookie_partitioned(true).cookie_secure(false), "SESSION_COOKIE_PARTITIONED"),
        (new().cookie_name("__Host-sid").cookie_path("/app"), "SESSION_COOKIE_NAME"),
        (new().cookie_name("__Host-sid").cookie_domain("example.com"), "SESSION_COOKIE_NAME"),
        (new().cookie_name("__Secure-sid").cookie_secure(false), "SESSION_COOKIE_NAME"),
        (new().cookie_name("__host-sid"), "SESSION_COOKIE_NAME"),
        (new().cookie_name("a b"), "SESSION_COOKIE_NAME"),
        (new().cookie_path("app"), "SESSION_COOKIE_PATH"),
        (new().cookie_path("/;Domain=x"), "SESSION_COOKIE_PATH"),
        (new().cookie_domain("a;b"), "SESSION_COOKIE_DOMAIN"),
    ];
    for (config, key) in cases {
        let error = SessionMiddleware::with_config(ReferenceStore::default(), config).unwrap_err();
        assert_eq!(error.key(), key, "{error}");
    }
}

/// H1: only the name with the prefix is read.
#[tokio::test]
async fn a_cookie_without_the_prefix_is_not_read() {
    let site = Site::begun().await;
    let token = site.token();
    for name in ["session", "__Secure-session", "__host-session", "__Host-Session", "__Host-session2"] {
        assert_eq!(site.get_with("/read", &[&format!("{name}={token}")]).await.body, "[]", "{name}");
    }
    assert_eq!(site.get_with("/read", &[&format!("{NAME}={token}")]).await.body, "[1]");
}

/// H1: a browser takes what is set, sends it, and forgets what is removed.
#[tokio::test]
async fn a_browser_keeps_sends_and_forgets_the_cookie() {
    let site = Site::begun().await;
    let kept = site.browser.cookies();
    assert_eq!(kept.len(), 1);
    assert!(kept[0].http_only && kept[0].secure && kept[0].path == "/");
    assert_eq!(site.get("/read").await.body, "[1]");
    site.get("/destroy").await;
    assert!(site.browser.cookies().is_empty());
}

/// H5: nothing, a read, an equal value, a change and a refresh leave the cookie as it is.
#[tokio::test]
async fn a_session_that_keeps_its_token_sends_no_cookie() {
    let site = Site::begun().await;
    for path in ["/none", "/handle", "/read", "/option-user", "/user", "/push/2", "/set/note/a", "/set/note/a", "/save"]
    {
        assert!(site.get(path).await.set_cookies().is_empty(), "{path}");
    }
    let _ = site.spy.take();
    site.clock.advance(5 * DAY);
    assert!(site.get("/read").await.set_cookies().is_empty());
    assert_eq!(site.spy.take(), ["load", "touch"]);
}

/// H5: a new token, each once.
#[tokio::test]
async fn a_new_token_is_sent_once() {
    let site = Site::new().await;
    for path in ["/push/1", "/login/ada", "/rotate", "/logout"] {
        let before = site.browser.cookie(NAME);
        let response = site.get(path).await;
        let (name, token, _) = split(line(&response));
        assert_eq!(name, NAME, "{path}");
        assert_ne!(Some(token), before.as_deref(), "{path}");
        assert!(site.get("/read").await.set_cookies().is_empty(), "{path}");
    }
}

/// H5: a cookie that names nothing stays where it is, whatever is asked of it but to begin a session.
#[tokio::test]
async fn a_dead_cookie_is_left_alone() {
    let site = Site::begun().await;
    let dead = format!("{NAME}={}", site.token());
    site.get("/destroy").await;
    for path in ["/read", "/rotate", "/destroy", "/logout", "/option-user", "/user", "/is-new"] {
        let response = site.get_with(path, &[&dead]).await;
        assert!(response.set_cookies().is_empty(), "{path}: {response:?}");
    }
    for garbage in ["", "x", "\"\"", "../../etc/passwd"] {
        let response = site.get_with("/destroy", &[&format!("{NAME}={garbage}")]).await;
        assert!(response.set_cookies().is_empty(), "{garbage}: {response:?}");
    }
}

/// H5: a dead token is never adopted: what begins has another id.
#[tokio::test]
async fn a_session_that_begins_with_a_dead_cookie_has_a_new_id() {
    let site = Site::begun().await;
    let dead = site.token();
    site.get("/destroy").await;
    let response = site.get_with("/push/1", &[&format!("{NAME}={dead}")]).await;
    let (_, token, _) = split(line(&response));
    assert_ne!(crate::site::key(token), crate::site::key(&dead));
    assert_eq!(site.record(&dead).await, None);
}

/// H5: a request that ends the session and begins another sends the new token alone.
#[tokio::test]
async fn a_session_that_begins_after_a_destroy_sends_its_own_cookie() {
    let site = Site::begun().await;
    let old = site.token();
    let response = site.get("/begin-again").await;
    let (_, token, _) = split(line(&response));
    assert_ne!(crate::site::key(token), crate::site::key(&old));
    assert_eq!(site.get("/user").await.body, "grace");
}

/// H5: bots, health checks and static files make no records and get no cookies.
#[tokio::test]
async fn a_visitor_who_changes_nothing_gets_no_record_and_no_cookie() {
    let site = Site::new().await;
    for path in ["/none", "/no-such-path", "/handle", "/read", "/option", "/user", "/get/note", "/is-new", "/rotate"] {
        let response = site.get(path).await;
        assert!(response.set_cookies().is_empty(), "{path}: {response:?}");
    }
    let head = site.browser.send("HEAD", "/none", &[], "").await;
    assert!(head.set_cookies().is_empty());
    assert_eq!(site.spy.take(), [""; 0]);
}

/// H5: without an absolute lifetime, the cookie is sent again once half of its 400 days are over, and not before.
#[tokio::test]
async fn a_cookie_without_an_absolute_lifetime_is_sent_again_when_half_of_it_is_over() {
    let config = SessionConfig::new().absolute_lifetime(None).idle_timeout(150 * DAY);
    let site = Site::begun_with(config).await;
    let token = site.token();
    for _ in 0..2 {
        site.clock.advance(99 * DAY);
        assert!(site.get("/read").await.set_cookies().is_empty());
    }
    site.clock.advance(20 * DAY);
    let response = site.get("/read").await;
    assert_eq!(split(line(&response)).1, token);
    assert_eq!(max_age(line(&response), &site), 400 * DAY);
    assert!(site.get("/read").await.set_cookies().is_empty());
}

/// H5: where there is an absolute lifetime, time alone sends no cookie again.
#[tokio::test]
async fn a_cookie_with_an_absolute_lifetime_is_never_sent_again() {
    let site = Site::begun_with(SessionConfig::new().absolute_lifetime(1000 * DAY).idle_timeout(300 * DAY)).await;
    for _ in 0..3 {
        site.clock.advance(150 * DAY);
        let response = site.get("/read").await;
        assert_eq!((response.body.as_str(), response.set_cookies().len()), ("[1]", 0));
    }
}
