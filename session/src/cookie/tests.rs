//! What the cookie says, and which tokens are read.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use proptest::prelude::*;

use crate::{
    clock::Clock,
    config::{SameSite, SessionConfig},
    cookie::{CookieRules, Presented},
    token::Token,
};

const NEW: [u8; 32] = [1; 32];
const OLD: [u8; 32] = [2; 32];

fn rules(config: &SessionConfig) -> CookieRules {
    CookieRules::new(config).unwrap()
}

/// Rules by which more than one cookie of the name is looked at: sent as `__Secure-session`.
fn many() -> CookieRules {
    rules(&SessionConfig::new().cookie_path("/app"))
}

fn signed(keys: &[[u8; 32]]) -> CookieRules {
    rules(&SessionConfig::new().signing_keys(keys.iter().copied()))
}

fn read(rules: &CookieRules, lines: &[&str]) -> Vec<Token> {
    presented(rules, lines).into_iter().map(|presented| presented.token).collect()
}

fn presented(rules: &CookieRules, lines: &[&str]) -> Vec<Presented> {
    rules.read(lines.iter().map(|line| line.as_bytes()))
}

fn set(rules: &CookieRules, token: &Token, max_age: Option<Duration>) -> String {
    rules.set(token, max_age).unwrap().to_str().unwrap().to_owned()
}

/// The `name=value` that a browser sends back.
fn pair(rules: &CookieRules, token: &Token) -> String {
    set(rules, token, None).split_once(';').unwrap().0.to_owned()
}

fn refusal(config: &SessionConfig) -> String {
    CookieRules::new(config).unwrap_err().to_string()
}

/// H1
#[test]
fn the_default_cookie_is_bound_to_the_host_hidden_from_scripts_and_lax() {
    let (rules, token) = (rules(&SessionConfig::new()), Token::new(32));
    assert_eq!(
        set(&rules, &token, None),
        format!("__Host-session={}; Path=/; HttpOnly; Secure; SameSite=Lax", token.encode())
    );
}

/// H1
#[test]
fn every_attribute_that_is_set_is_sent() {
    let config = SessionConfig::new()
        .cookie_name("sid")
        .cookie_domain(".Example.com")
        .cookie_path("/app")
        .cookie_same_site(SameSite::None)
        .cookie_partitioned(true);
    let (rules, token) = (rules(&config), Token::new(32));
    assert_eq!(
        set(&rules, &token, None),
        format!(
            "__Secure-sid={}; Path=/app; Domain=example.com; HttpOnly; Secure; SameSite=None; Partitioned",
            token.encode()
        )
    );
}

/// H1
#[test]
fn without_secure_and_http_only_neither_is_sent() {
    let config = SessionConfig::new().cookie_secure(false).cookie_http_only(false).cookie_same_site(SameSite::Strict);
    let (rules, token) = (rules(&config), Token::new(32));
    assert_eq!(set(&rules, &token, None), format!("session={}; Path=/; SameSite=Strict", token.encode()));
}

/// H1
#[test]
fn max_age_and_expires_are_the_lifetime_in_whole_seconds_rounded_up() {
    let clock = Clock::manual();
    let (rules, token) = (rules(&SessionConfig::new().clock(clock.clone())), Token::new(32));
    let header = set(&rules, &token, Some(Duration::from_millis(59_001)));
    let cookie = cookie::Cookie::parse(header).unwrap();
    assert_eq!(cookie.max_age().unwrap().whole_seconds(), 60);
    let expires = cookie.expires_datetime().unwrap().unix_timestamp();
    let now = i64::try_from(clock.now() / 1000).unwrap();
    assert!((now + 59..=now + 61).contains(&expires), "{expires} is about {now} + 60");
}

/// H1
#[test]
fn a_lifetime_is_cut_at_400_days() {
    let (rules, token) = (rules(&SessionConfig::new()), Token::new(32));
    for days in [400, 401, 36_500] {
        let header = set(&rules, &token, Some(Duration::from_secs(days * 86_400)));
        assert!(header.contains("; Max-Age=34560000; Expires="), "{header}");
    }
    assert!(set(&rules, &token, Some(Duration::MAX)).contains("; Max-Age=34560000; "));
}

/// H1
#[test]
fn a_clock_beyond_the_last_date_still_makes_a_cookie() {
    let clock = Clock::manual();
    clock.advance(Duration::from_secs(9000 * 366 * 86_400));
    let rules = rules(&SessionConfig::new().clock(clock));
    let header = set(&rules, &Token::new(32), Some(Duration::from_secs(60)));
    assert!(header.ends_with("; Max-Age=60; Expires=Fri, 31 Dec 9999 23:59:59 GMT"), "{header}");
}

/// H1
#[test]
fn the_removal_repeats_name_path_domain_and_attributes() {
    let removal = |config: &SessionConfig| rules(config).remove().to_str().unwrap().to_owned();
    let past = "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
    assert_eq!(
        removal(&SessionConfig::new()),
        format!("__Host-session=; Path=/; HttpOnly; Secure; SameSite=Lax; {past}")
    );
    assert_eq!(
        removal(&SessionConfig::new().cookie_domain("example.com").cookie_path("/a").cookie_partitioned(true)),
        format!("__Secure-session=; Path=/a; Domain=example.com; HttpOnly; Secure; SameSite=Lax; Partitioned; {past}")
    );
}

/// H1
#[test]
fn another_parser_reads_the_cookie_as_it_was_meant() {
    let config = SessionConfig::new().cookie_domain("example.com").cookie_path("/app").cookie_partitioned(true);
    let token = Token::new(32);
    let header = set(&rules(&config.signing_keys([NEW])), &token, Some(Duration::from_secs(60)));
    let cookie = cookie::Cookie::parse(header).unwrap();
    assert_eq!(cookie.name(), "__Secure-session");
    assert_eq!(cookie.value().split_once('.').unwrap().0, token.encode());
    assert_eq!((cookie.domain(), cookie.path()), (Some("example.com"), Some("/app")));
    assert_eq!((cookie.secure(), cookie.http_only(), cookie.partitioned()), (Some(true), Some(true), Some(true)));
    assert_eq!(cookie.same_site(), Some(cookie::SameSite::Lax));
}

/// H1
#[test]
fn the_prefix_follows_from_the_attributes() {
    let name = |config: SessionConfig| rules(&config).name().to_owned();
    let config = SessionConfig::new;
    assert_eq!(name(config()), "__Host-session");
    assert_eq!(name(config().cookie_path("/app")), "__Secure-session");
    assert_eq!(name(config().cookie_domain("example.com")), "__Secure-session");
    assert_eq!(name(config().cookie_secure(false)), "session");
    assert_eq!(name(config().cookie_name("__Host-sid")), "__Host-sid");
    assert_eq!(name(config().cookie_name("__Secure-sid")), "__Secure-sid");
}

/// H1
#[test]
fn a_name_whose_prefix_contradicts_the_attributes_is_refused() {
    let (host, secure) = (SessionConfig::new().cookie_name("__Host-s"), SessionConfig::new().cookie_name("__Secure-s"));
    let needs = "`SESSION_COOKIE_NAME` is `__Host-s`: the prefix `__Host-` goes with `SESSION_COOKIE_SECURE` true, \
                 `SESSION_COOKIE_PATH` `/` and no `SESSION_COOKIE_DOMAIN`";
    assert_eq!(refusal(&host.clone().cookie_secure(false)), needs);
    assert_eq!(refusal(&host.clone().cookie_path("/app")), needs);
    assert_eq!(refusal(&host.cookie_domain("example.com")), needs);
    assert_eq!(
        refusal(&secure.cookie_secure(false)),
        "`SESSION_COOKIE_NAME` is `__Secure-s`: the prefix `__Secure-` goes with `SESSION_COOKIE_SECURE` true"
    );
    assert_eq!(
        refusal(&SessionConfig::new().cookie_name("__host-s")),
        "`SESSION_COOKIE_NAME` is `__host-s`: the prefix is spelled `__Host-`"
    );
    assert_eq!(
        refusal(&SessionConfig::new().cookie_name("__Host-")),
        "`SESSION_COOKIE_NAME` is `__Host-`: a prefix alone is no name"
    );
}

/// H1
#[test]
fn what_browsers_want_secure_for_is_refused_without() {
    let config = SessionConfig::new().cookie_secure(false);
    let needs = "needs `SESSION_COOKIE_SECURE` to be true: browsers refuse such a cookie otherwise";
    assert_eq!(
        refusal(&config.clone().cookie_same_site(SameSite::None)),
        format!("`SESSION_COOKIE_SAMESITE` is `None`: {needs}")
    );
    assert_eq!(refusal(&config.cookie_partitioned(true)), format!("`SESSION_COOKIE_PARTITIONED` is `true`: {needs}"));
}

/// H1
#[test]
fn names_paths_and_domains_that_break_the_header_are_refused() {
    for name in ["", "a b", "a;b", "a=b", "a,b", "sitzung\u{e4}", "a\r\nb", "(a)", &"a".repeat(129)] {
        assert!(refusal(&SessionConfig::new().cookie_name(name)).starts_with("`SESSION_COOKIE_NAME` is "), "{name}");
    }
    for path in ["", "app", "/a;b", "/a b", "/a\r\nb", "/\u{e4}", &format!("/{}", "a".repeat(1024))] {
        assert!(refusal(&SessionConfig::new().cookie_path(path)).starts_with("`SESSION_COOKIE_PATH` is "), "{path}");
    }
    for domain in
        ["", ".", "a..b", "-a.com", "a-.com", "a_b.com", "a;b", "a b", "\u{e4}.de", &"a".repeat(64), "http://a"]
    {
        let refusal = refusal(&SessionConfig::new().cookie_domain(domain));
        assert!(refusal.starts_with("`SESSION_COOKIE_DOMAIN` is "), "{domain}");
    }
}

/// H2
#[test]
fn the_token_is_found_among_other_cookies_and_in_any_line() {
    let (rules, token) = (rules(&SessionConfig::new()), Token::new(32));
    let ours = pair(&rules, &token);
    for lines in [
        vec![ours.as_str()],
        vec![&format!("theme=dark; {ours}; lang=de")],
        vec!["theme=dark", "lang=de; x", &ours],
        vec![&format!("theme=dark;{ours}")],
        vec![&format!("; ;=; \t{} \t;", ours.replacen('=', " = ", 1))],
    ] {
        assert_eq!(read(&rules, &lines), std::slice::from_ref(&token), "{lines:?}");
    }
}

/// H2
#[test]
fn another_name_is_not_ours() {
    let (rules, token) = (rules(&SessionConfig::new()), Token::new(32));
    for name in
        ["session", "__host-session", "__Secure-session", "__Host-session2", "x__Host-session", "", "__Host-sessio"]
    {
        assert!(read(&rules, &[&format!("{name}={}", token.encode())]).is_empty(), "{name}");
    }
}

/// H2
#[test]
fn a_value_that_is_no_token_is_dropped() {
    let (rules, token) = (many(), Token::new(32).encode());
    let long = "A".repeat(8 * 1024);
    for value in [
        "",
        "../../etc/passwd",
        "\0",
        "%41",
        &long,
        &format!("\"{token}\""),
        &format!("{token}="),
        &format!("{token}.x"),
    ] {
        assert!(read(&rules, &[&format!("__Secure-session={value}")]).is_empty(), "{value}");
    }
    assert!(rules.read([b"__Secure-session=\xff\xfe".as_slice()].into_iter()).is_empty());
}

/// H2
#[test]
fn with_a_host_prefix_only_the_first_cookie_of_the_name_counts() {
    let (rules, first, second) = (rules(&SessionConfig::new()), Token::new(32), Token::new(32));
    let (one, two) = (pair(&rules, &first), pair(&rules, &second));
    assert_eq!(read(&rules, &[&format!("{one}; {two}")]), std::slice::from_ref(&first));
    assert_eq!(read(&rules, &[&one, &two]), [first]);
    assert!(read(&rules, &[&format!("__Host-session=bad; {two}")]).is_empty());
}

/// H2
#[test]
fn otherwise_the_first_four_cookies_of_the_name_are_looked_at() {
    let (rules, tokens) = (many(), [(); 5].map(|()| Token::new(32)));
    let pairs = tokens.each_ref().map(|token| pair(&rules, token));
    assert_eq!(read(&rules, &[&pairs.join("; ")]), tokens.get(..4).unwrap());
    let after_bad_ones = format!("__Secure-session=bad; x=y; __Secure-session=; {}", pairs.join("; "));
    assert_eq!(read(&rules, &[&after_bad_ones]), tokens.get(..2).unwrap());
}

/// H2
#[test]
fn a_token_that_is_sent_twice_is_one() {
    let (rules, one, two) = (many(), Token::new(32), Token::new(32));
    let line = [&one, &two, &one].map(|token| pair(&rules, token)).join("; ");
    assert_eq!(read(&rules, &[&line]), [one, two]);
}

/// H3
#[test]
fn with_signing_on_only_a_signed_token_is_read() {
    let (rules, token) = (signed(&[NEW]), Token::new(32));
    let ours = pair(&rules, &token);
    assert_eq!(read(&rules, &[&ours]), std::slice::from_ref(&token));
    let text = token.encode();
    let foreign = pair(&rules, &Token::new(32));
    let (_, others_signature) = foreign.split_once('.').unwrap();
    for value in
        [text.clone(), format!("{text}."), format!("{text}.{others_signature}"), format!("{text}.{}", "A".repeat(9000))]
    {
        assert!(read(&rules, &[&format!("__Host-session={value}")]).is_empty(), "{value}");
    }
    for extra in ["=", "A", ".", ".A"] {
        assert!(read(&rules, &[&format!("{ours}{extra}")]).is_empty(), "{extra}");
    }
}

/// H3
#[test]
fn a_signature_has_one_spelling() {
    let (rules, token) = (signed(&[NEW]), Token::new(32));
    let ours = pair(&rules, &token);
    let (start, _) = ours.split_at(ours.len() - 1);
    let alphabet = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']);
    let accepted = alphabet.filter(|last| !read(&rules, &[&format!("{start}{last}")]).is_empty()).count();
    assert_eq!(accepted, 1);
}

/// H3
#[test]
fn a_signature_is_the_hmac_of_name_and_token() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use hmac::{Hmac, KeyInit as _, Mac as _};

    let token = Token::new(32);
    let mut hmac = Hmac::<sha2::Sha256>::new_from_slice(&NEW).unwrap();
    hmac.update(format!("__Host-session\0{}", token.encode()).as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac.finalize().into_bytes());
    assert_eq!(pair(&signed(&[NEW]), &token), format!("__Host-session={}.{signature}", token.encode()));

    let other_name = rules(&SessionConfig::new().cookie_name("other").signing_keys([NEW]));
    let renamed = pair(&other_name, &token).replace("other", "session");
    assert!(read(&signed(&[NEW]), &[&renamed]).is_empty());
}

/// H3
#[test]
fn the_first_key_signs_and_all_keys_verify() {
    let (old, both, token) = (signed(&[OLD]), signed(&[NEW, OLD]), Token::new(32));
    let stale = presented(&both, &[&pair(&old, &token)]);
    assert!(matches!(stale.as_slice(), [Presented { stale_key: true, token: read }] if *read == token));
    let fresh = presented(&both, &[&pair(&both, &token)]);
    assert!(matches!(fresh.as_slice(), [Presented { stale_key: false, .. }]));
    assert_eq!(pair(&both, &token), pair(&signed(&[NEW]), &token));
    assert!(read(&signed(&[NEW]), &[&pair(&old, &token)]).is_empty());
}

/// H3
#[test]
fn a_token_that_both_keys_signed_is_not_stale() {
    let sign = |keys: &[[u8; 32]]| rules(&SessionConfig::new().cookie_path("/app").signing_keys(keys.iter().copied()));
    let (old, both, token) = (sign(&[OLD]), sign(&[NEW, OLD]), Token::new(32));
    let line = format!("{}; {}", pair(&old, &token), pair(&both, &token));
    assert!(matches!(presented(&both, &[&line]).as_slice(), [Presented { stale_key: false, .. }]));
}

/// H3
#[test]
fn with_signing_off_a_signed_token_is_none() {
    let token = Token::new(32);
    assert!(read(&rules(&SessionConfig::new()), &[&pair(&signed(&[NEW]), &token)]).is_empty());
}

/// H3
#[test]
fn keys_alone_do_not_turn_signing_on() {
    let config = SessionConfig::from_vars([("SECRET_KEY", "a key of another purpose, long enough")]).unwrap();
    let (rules, token) = (rules(&config), Token::new(32));
    assert_eq!(pair(&rules, &token), format!("__Host-session={}", token.encode()));
}

/// H3
#[test]
fn signing_without_keys_is_refused() {
    assert_eq!(
        refusal(&SessionConfig::new().signing_keys(Vec::<Vec<u8>>::new())),
        "`SESSION_USE_SIGNER` is `true`: that needs keys in `SESSION_SECRET_KEYS`"
    );
}

/// H8
#[test]
fn debug_shows_no_key() {
    let shown = format!("{:?}", signed(&[[0x2a; 32]]));
    assert!(shown.starts_with("CookieRules { name: \"__Host-session\""), "{shown}");
    assert!(shown.contains("signed: true") && !shown.contains("42") && !shown.contains("2a"), "{shown}");
}

proptest! {
    /// H2
    #[test]
    fn any_bytes_are_read_without_a_panic_and_hold_no_token(bytes: Vec<u8>, value in "\\PC{0,120}") {
        for rules in [many(), signed(&[NEW])] {
            let named = format!("{}={value}", rules.name());
            let mut bytes = bytes.clone();
            prop_assert!(rules.read([bytes.as_slice(), named.as_bytes()].into_iter()).is_empty());
            bytes.extend_from_slice(named.as_bytes());
            prop_assert!(rules.read([bytes.as_slice()].into_iter()).is_empty());
        }
    }

    /// H2
    #[test]
    fn the_token_is_found_between_any_other_cookies(before in "[ -:<-~]{0,40}", after in "[ -:<-~]{0,40}") {
        let (rules, token) = (many(), Token::new(32));
        let line = format!("{before};{};{after}", pair(&rules, &token));
        prop_assert_eq!(read(&rules, &[&line]), [token]);
    }
}
