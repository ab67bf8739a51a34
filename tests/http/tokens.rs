//! H2, H3 and H11: what a cookie must be before it means anything.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use actix_typed_session::SessionConfig;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::site::{NAME, Site, line, other_secret, split};

const OLD: [u8; 32] = [7; 32];
const NEW: [u8; 32] = [8; 32];

/// A cookie's line of bytes that are no text, and the status and the body that come of it.
fn send(address: SocketAddr, name: &str, value: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("GET /read HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncookie: {name}=");
    stream.write_all(&[head.as_bytes(), value, b"\r\n\r\n"].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// H2: any bytes that a header can hold; the store is not asked, and nothing breaks.
#[test]
fn a_cookie_of_any_bytes_is_anonymous_and_the_store_is_not_asked() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let site = runtime.block_on(Site::new());
    let insecure = runtime.block_on(Site::with(SessionConfig::new().cookie_secure(false)));
    let signed = runtime.block_on(Site::with(SessionConfig::new().signing_keys([NEW])));
    let sites = [(&site, NAME), (&insecure, "session"), (&signed, NAME)];

    let byte = prop_oneof![Just(b'\t'), 0x20..=0x7e_u8, 0x80..=0xff_u8];
    let text = proptest::collection::vec(byte, 0..200);
    let token =
        "[A-Za-z0-9_-]{20,42}=?|[A-Za-z0-9_-]{64}[=\",.]{1,3}|[A-Za-z0-9_-]{108,300}".prop_map(String::into_bytes);
    let strategy = prop_oneof![text, token];
    let config = ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&strategy, |value| {
            for (site, name) in sites {
                let answer = send(site.address, name, &value);
                prop_assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n[]"), "{}", answer);
                prop_assert!(!answer.contains("set-cookie"));
                prop_assert_eq!(site.spy.take(), [""; 0]);
            }
            Ok(())
        })
        .unwrap();
}

/// H2: the spellings that attackers try.
#[tokio::test]
async fn a_cookie_that_is_no_token_is_dropped_before_the_store_is_asked() {
    let site = Site::begun().await;
    let token = site.token();
    let long = "A".repeat(8 << 10);
    let spellings = [
        String::new(),
        format!("\"{token}\""),
        format!("{token}="),
        format!("{token}=="),
        format!("{token}%3D"),
        token.replacen(&token[..1], "+", 1),
        token.replacen(&token[..1], "/", 1),
        token.replacen(&token[..1], "é", 1),
        token[..token.len() - 3].to_owned(),
        format!("{token}A"),
        format!("../{token}"),
        "../../../../etc/passwd".to_owned(),
        format!("session:{token}"),
        "*".repeat(64),
        format!("{token},{token}"),
        long,
    ];
    for value in spellings {
        let response = site.get_with("/read", &[&format!("{NAME}={value}")]).await;
        assert_eq!((response.status, response.body.as_str()), (200, "[]"), "{value}");
        assert!(response.set_cookies().is_empty(), "{value}");
    }
    assert_eq!(site.spy.take(), [""; 0]);
}

/// H2: where the last character has bits that mean nothing, only zeros are taken.
#[tokio::test]
async fn a_token_has_one_spelling() {
    let site = Site::begun_with(SessionConfig::new().id_length(33)).await;
    let token = site.token();
    assert_eq!(token.len(), 66);
    let (head, last) = token.split_at(65);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.find(last).unwrap();
    for other in &alphabet[at + 1..(at / 4 + 1) * 4].chars().collect::<Vec<_>>() {
        assert_eq!(site.get_with("/read", &[&format!("{NAME}={head}{other}")]).await.body, "[]");
    }
    assert_eq!(site.spy.take(), [""; 0]);
}

/// H2: a NUL never gets as far as the session.
#[tokio::test]
async fn a_nul_in_a_cookie_reaches_no_store() {
    let site = Site::begun().await;
    let token = site.token();
    let answer = send(site.address, NAME, format!("{token}\0").as_bytes());
    assert!(!answer.contains("[1]"), "{answer}");
    assert_eq!(site.spy.take(), [""; 0]);
}

/// H2: secrets of every length are read, whatever the length of new ones.
#[tokio::test]
async fn a_token_of_another_length_stays_valid() {
    for (bytes, len) in [(16, 43), (64, 107)] {
        let site = Site::begun_with(SessionConfig::new().id_length(bytes)).await;
        let token = site.token();
        assert_eq!(token.len(), len);
        let later = Site::over(site.store.clone(), site.clock.clone(), SessionConfig::new()).await;
        assert_eq!(later.get_with("/read", &[&format!("{NAME}={token}")]).await.body, "[1]");
    }
}

/// H2: HTTP/2 and some proxies split the header into lines.
#[tokio::test]
async fn a_cookie_is_found_in_any_line_and_at_any_place() {
    let site = Site::begun().await;
    let own = format!("{NAME}={}", site.token());
    let padded = format!("a=b;{own} ;c=d");
    let bare = format!("a;; =; {own}");
    for lines in [vec!["a=b", &own], vec![&own, "a=b"], vec!["a=b; c=d", "", &padded], vec![&bare]] {
        assert_eq!(site.get_with("/read", &lines).await.body, "[1]", "{lines:?}");
    }
}

/// H2: with `__Host-` only the first cookie of the name counts, valid or not.
#[tokio::test]
async fn the_first_cookie_of_a_host_name_counts_alone() {
    let site = Site::begun().await;
    let own = format!("{NAME}={}", site.token());
    let garbage = format!("{NAME}=garbage");
    let both = format!("{garbage}; {own}");
    let _ = site.spy.take();
    assert_eq!(site.get_with("/read", &[&garbage, &own]).await.body, "[]");
    assert_eq!(site.get_with("/read", &[&both]).await.body, "[]");
    assert_eq!(site.spy.take(), [""; 0]);
    assert_eq!(site.get_with("/read", &[&own, &garbage]).await.body, "[1]");
    assert_eq!(site.spy.take(), ["load"]);
}

/// A site whose cookie has no prefix, and the `Cookie` pairs of so many sessions, each with its number as the item.
async fn tossed(count: usize) -> (Site, Vec<String>) {
    let site = Site::with(SessionConfig::new().cookie_secure(false)).await;
    let mut pairs = Vec::new();
    for item in 0..count {
        let response = site.get_with(&format!("/push/{item}"), &[]).await;
        let (name, value, _) = split(line(&response));
        pairs.push(format!("{name}={value}"));
    }
    let _ = site.spy.take();
    (site, pairs)
}

/// H2: without `__Host-` a dead one is passed over.
#[tokio::test]
async fn one_live_token_among_dead_ones_is_the_session() {
    let (site, pairs) = tossed(3).await;
    for dead in [&pairs[0], &pairs[2]] {
        site.get_with("/destroy", &[dead]).await;
    }
    let all = pairs.join("; ");
    assert_eq!(site.get_with("/read", &[&all]).await.body, "[1]");
    assert_eq!(site.get_with("/read", &["session=garbage", &all]).await.body, "[1]");
    assert!(site.named("session.tossed").is_empty());
}

/// H2: two live ones mean that a neighbour host tossed one in.
#[tokio::test]
async fn two_live_tokens_are_anonymous_with_an_event() {
    let (site, pairs) = tossed(2).await;
    let both = pairs.join("; ");
    for lines in [vec![both.as_str()], vec![&pairs[1], &pairs[0]]] {
        let response = site.get_with("/read", &lines).await;
        assert_eq!((response.body.as_str(), response.set_cookies().len()), ("[]", 0));
    }
    assert_eq!(site.named("session.tossed").len(), 2);
    assert_eq!(site.get_with("/destroy", &[&both]).await.set_cookies().len(), 0);
    for (item, pair) in pairs.iter().enumerate() {
        assert_eq!(site.get_with("/read", &[pair]).await.body, format!("[{item}]"));
    }
}

/// H2: the same token twice is one.
#[tokio::test]
async fn one_token_twice_is_no_tossing() {
    let (site, pairs) = tossed(1).await;
    assert_eq!(site.get_with("/read", &[&pairs[0], &pairs[0]]).await.body, "[0]");
    assert_eq!(site.spy.take(), ["load"]);
}

/// H2: at most four are loaded.
#[tokio::test]
async fn of_many_cookies_at_most_four_are_looked_up() {
    let (site, pairs) = tossed(6).await;
    for pair in &pairs {
        site.get_with("/destroy", &[pair]).await;
    }
    let _ = site.spy.take();
    assert_eq!(site.get_with("/read", &[&pairs.join("; ")]).await.body, "[]");
    assert_eq!(site.spy.take(), ["load"; 4]);
}

/// H3: a signature that is wrong, missing, of another key or another token, or spelled in another way.
#[tokio::test]
async fn a_cookie_that_is_not_signed_right_never_reaches_the_store() {
    let site = Site::begun_with(SessionConfig::new().signing_keys([NEW])).await;
    let value = site.token();
    let (token, signature) = value.split_once('.').unwrap();
    let foreign = Site::over(site.store.clone(), site.clock.clone(), SessionConfig::new().signing_keys([OLD])).await;
    let renamed = SessionConfig::new().signing_keys([NEW]).cookie_name("other");
    let renamed = Site::over(site.store.clone(), site.clock.clone(), renamed).await;
    let [by_other_key, of_other_name] =
        [foreign.get_with("/push/1", &[]).await, renamed.get_with("/push/1", &[]).await];
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bytes[0] ^= 1;
    let forged = [
        token.to_owned(),
        format!("{token}."),
        format!("{token}.{}", URL_SAFE_NO_PAD.encode(&bytes)),
        format!("{token}.{}", &signature[..22]),
        format!("{token}.{signature}="),
        format!("{token}.{signature}.{signature}"),
        format!("{}.{signature}", other_secret(token)),
        format!("{}.{}", "A".repeat(64), signature),
        split(line(&by_other_key)).1.to_owned(),
        split(line(&of_other_name)).1.to_owned(),
    ];
    for value in forged {
        let response = site.get_with("/read", &[&format!("{NAME}={value}")]).await;
        assert_eq!((response.body.as_str(), response.set_cookies().len()), ("[]", 0), "{value}");
    }
    assert_eq!(site.spy.take(), [""; 0]);
    assert_eq!(site.get("/read").await.body, "[1]");
}

/// H3, H5: the first key signs, all verify; what only an old one verified is signed again, once, with the same token.
#[tokio::test]
async fn a_cookie_signed_by_an_old_key_is_signed_again_once() {
    let old = Site::begun_with(SessionConfig::new().signing_keys([OLD])).await;
    let value = old.token();
    let ring = SessionConfig::new().signing_keys([NEW, OLD]);
    for path in ["/read", "/push/2", "/save", "/save-read"] {
        let site = Site::over(old.store.clone(), old.clock.clone(), ring.clone()).await;
        site.browser.set_cookie("/", &format!("{NAME}={value}; Path=/; Secure"));
        let response = site.get(path).await;
        let (name, again, attributes) = split(line(&response));
        assert_eq!(name, NAME);
        assert_ne!(again, value, "{path}");
        assert_eq!(again.split_once('.').unwrap().0, value.split_once('.').unwrap().0, "{path}");
        assert!(attributes.starts_with(" Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age="), "{attributes}");
        assert!(site.get(path).await.set_cookies().is_empty(), "{path}");
        // the new key alone verifies it
        let new = Site::over(old.store.clone(), old.clock.clone(), SessionConfig::new().signing_keys([NEW])).await;
        assert_ne!(new.get_with("/read", &[&format!("{NAME}={again}")]).await.body, "[]");
        assert_eq!(new.get_with("/read", &[&format!("{NAME}={value}")]).await.body, "[]");
    }
}

/// H5: what an old key verified and the store does not know is a dead cookie, left alone.
#[tokio::test]
async fn a_dead_cookie_of_an_old_key_is_not_signed_again() {
    let old = Site::begun_with(SessionConfig::new().signing_keys([OLD])).await;
    let value = old.token();
    old.get("/destroy").await;
    let site = Site::over(old.store.clone(), old.clock.clone(), SessionConfig::new().signing_keys([NEW, OLD])).await;
    for path in ["/read", "/destroy"] {
        assert!(site.get_with(path, &[&format!("{NAME}={value}")]).await.set_cookies().is_empty(), "{path}");
    }
}

/// H11: whoever knows an id and not the secret can't destroy, rotate, touch, read or change anything.
#[tokio::test]
async fn an_id_with_a_wrong_secret_does_nothing_to_the_record() {
    let site = Site::begun().await;
    let token = site.token();
    // so long that a refresh is due
    site.clock.advance(10 * crate::site::DAY);
    let forged = format!("{NAME}={}", other_secret(&token));
    let before = site.record(&token).await.unwrap();
    for path in ["/destroy", "/rotate", "/read", "/handle", "/logout", "/is-new", "/get/cart.items", "/destroy/500"] {
        let _ = site.spy.take();
        let response = site.get_with(path, &[&forged]).await;
        assert!(!response.body.contains('1') && response.set_cookies().is_empty(), "{path}: {response:?}");
        let asked = site.spy.take();
        assert!(asked.iter().all(|asked| *asked == "load"), "{path}: {asked:?}");
    }
    for path in ["/push/2", "/login/eve", "/set/note/x", "/save", "/begin-again", "/stream-save", "/stream-set-save"] {
        let _ = site.spy.take();
        let response = site.get_with(path, &[&forged]).await;
        assert!(response.set_cookies().iter().all(|line| crate::site::key(split(line).1) != crate::site::key(&token)));
        let asked = site.spy.take();
        assert!(asked.iter().all(|asked| ["load", "create"].contains(asked)), "{path}: {asked:?}");
    }
    let after = site.record(&token).await.unwrap();
    assert_eq!((&after.bytes, after.version), (&before.bytes, before.version));
    assert!(after.expires_in <= before.expires_in);
    assert_eq!(site.get("/read").await.body, "[1]");
}

/// H11: a token that was rotated away is no more than an id.
#[tokio::test]
async fn a_token_that_was_rotated_away_does_nothing() {
    let site = Site::begun().await;
    let old = format!("{NAME}={}", site.token());
    site.get("/rotate").await;
    let before = site.record(&site.token()).await.unwrap();
    for path in ["/destroy", "/rotate", "/read", "/logout"] {
        assert!(site.get_with(path, &[&old]).await.set_cookies().is_empty(), "{path}");
    }
    let after = site.record(&site.token()).await.unwrap();
    assert_eq!((after.bytes, after.version), (before.bytes, before.version));
}
