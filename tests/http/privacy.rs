//! H8: no token, secret, key or field value is ever shown.

use std::time::Duration;

use actix_typed_session::{
    SessionConfig, SessionError, SessionMiddleware,
    store::{MemoryStore, Record, SessionStore, StoreError, StoreErrorKind, Updated},
    testing::{Fault, FaultStore, Operation, ReferenceStore, SpyStore},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    events,
    site::{NAME, Site, line, other_secret, split},
};

/// A value that is found wherever it is shown.
const VALUE: &str = "sesame-31415";
const SIGNING: &str = "signing-key-0123456789-0123456789-abcdef";
const SEALING: [u8; 32] = *b"sealing-key-0123456789-012345678";

/// What must not be in a text: the value, the keys, and the secrets of these tokens, however they are spelled.
fn secrets(tokens: &[String]) -> Vec<String> {
    let mut secrets = vec![VALUE.to_owned(), SIGNING.to_owned(), String::from_utf8(SEALING.to_vec()).unwrap()];
    secrets.push(format!("{:?}", SIGNING.as_bytes()));
    secrets.push(format!("{SEALING:?}"));
    secrets.push(format!("{:?}", VALUE.as_bytes()));
    for cookie in tokens {
        let token = cookie.split('.').next().unwrap();
        let secret = &URL_SAFE_NO_PAD.decode(token).unwrap()[16..];
        // the id is 16 bytes, so that 20 characters and more are of the secret
        secrets.extend([token[24..].to_owned(), format!("{secret:?}")]);
        secrets.push(secret.iter().map(|byte| format!("{byte:02x}")).collect());
        secrets.extend(cookie.split('.').nth(1).map(str::to_owned));
    }
    secrets
}

#[track_caller]
fn shows_none(text: &str, secrets: &[String]) {
    for secret in secrets {
        assert!(!text.contains(secret.as_str()), "`{secret}` is in `{text}`");
    }
}

/// H8: all that the process logs, at TRACE, of flows of all kinds.
#[tokio::test]
async fn the_log_shows_no_token_secret_key_or_value() {
    let config = SessionConfig::new().signing_keys([SIGNING]).encryption_keys([SEALING]);
    let config = config.store_timeout(Duration::from_millis(60)).max_bytes(4096);
    let site = Site::with(config.clone()).await;
    let mut tokens = Vec::new();
    let (set, login) = (format!("/set/note/{VALUE}"), format!("/login/{VALUE}"));
    let flows = [
        &set,
        &login,
        "/rotate",
        "/read",
        "/user",
        "/get/note",
        "/nan",
        "/insert-nan",
        "/status/500",
        "/err/404",
        "/save",
        "/inner/push/2",
        "/stream",
        "/stream-set",
        "/stream-save",
        "/too-large-then-set",
        "/option-user",
        "/logout",
        &login,
    ];
    for path in flows {
        site.get(path).await;
        tokens.extend(site.browser.cookie(NAME));
    }
    for operation in [Operation::Load, Operation::Update] {
        for fault in [Fault::Unavailable, Fault::LostAnswer, Fault::Garbage, Fault::Hang] {
            site.faults.always(operation, fault);
            site.get(&set).await;
            site.browser.send("POST", "/text", &[], VALUE).await;
            site.faults.clear();
        }
    }
    site.browser.send("POST", "/text", &[], &VALUE.repeat(500)).await;
    site.browser.send("POST", "/text", &[], VALUE).await;
    // a field of another type, a conflict, a record that no key opens, forged and doubled cookies
    site.get(&format!("/set/cart.items/{VALUE}")).await;
    site.get("/read").await;
    let gate = site.faults.hold(Operation::Update);
    let (browser, path) = (site.browser.clone(), format!("/set/note/{VALUE}-2"));
    let slow = tokio::spawn(async move { browser.get(&path).await.status });
    gate.arrived(1).await;
    site.browser.send("POST", "/text", &[], &format!("{VALUE} again")).await;
    site.get(&format!("/set/note/{VALUE}-3")).await;
    gate.open();
    assert_eq!(slow.await.unwrap(), 200);
    let cookie = site.token();
    let (token, signature) = cookie.split_once('.').unwrap();
    for value in
        [token.to_owned(), format!("{}.{signature}", other_secret(token)), format!("\"{cookie}\""), VALUE.into()]
    {
        site.get_with("/read", &[&format!("{NAME}={value}")]).await;
    }
    let foreign = Site::over(site.store.clone(), site.clock.clone(), config.encryption_keys([[1; 32]])).await;
    foreign.get_with("/read", &[&format!("{NAME}={cookie}")]).await;
    assert_eq!(foreign.named("session.damaged").len(), 1);
    let plain = Site::with(SessionConfig::new().cookie_secure(false)).await;
    let mut both = Vec::new();
    for _ in 0..2 {
        let response = plain.get_with(&set, &[]).await;
        let (name, value, _) = split(line(&response));
        both.push(format!("{name}={value}"));
        tokens.push(value.to_owned());
    }
    plain.get_with("/read", &[&both.join("; ")]).await;
    plain.get_with("/read", &[&format!("session={}", other_secret(&tokens[tokens.len() - 1]))]).await;
    site.get("/destroy").await;

    let lines = events::all();
    for name in [
        "session.created",
        "session.rotated",
        "session.merged",
        "session.rejected",
        "session.tossed",
        "session.field.undecodable",
        "session.destroyed",
    ] {
        assert!(lines.iter().any(|line| line.name == name), "no flow came to `{name}`");
    }
    let secrets = secrets(&tokens);
    for line in &lines {
        shows_none(&line.text, &secrets);
    }
}

/// H8: `Debug` of what an app can hold and print.
#[tokio::test]
async fn debug_of_public_types_shows_no_key_and_no_stored_bytes() {
    let config = SessionConfig::new().signing_keys([SIGNING]).encryption_keys([SEALING]);
    let record = Record::new(VALUE, Duration::from_secs(60));
    let memory = MemoryStore::default();
    let reference = ReferenceStore::default();
    for store in [&memory as &dyn SessionStore, &reference] {
        let _ = store.create("session:1", &record).await.unwrap();
    }
    let from_vars =
        SessionConfig::from_vars([("SECRET_KEY", SIGNING), ("SESSION_REDIS", "redis://:sesame-31415@localhost/0")]);
    let shown = [
        format!("{config:?} {config:#?}"),
        format!("{:?}", SessionMiddleware::with_config(memory.clone(), config).unwrap()),
        format!("{:?}", from_vars.unwrap()),
        format!("{record:?} {:?}", Updated::Conflict(record.clone())),
        format!("{memory:?}"),
        format!("{reference:?}"),
        format!("{:?}", SpyStore::new(reference.clone())),
        format!("{:?}", FaultStore::new(reference)),
    ];
    for text in shown {
        shows_none(&text, &secrets(&[]));
    }
}

/// H8: `Debug` of an extractor, which may end in a handler's log.
#[tokio::test]
async fn debug_of_extractors_shows_no_token_and_no_value() {
    let site = Site::begun().await;
    site.browser.send("POST", "/text", &[], VALUE).await;
    let text = site.get("/debug").await.body;
    assert!(text.contains("Session") && text.contains("Cart"), "{text}");
    shows_none(&text, &secrets(&[site.token()]));
}

/// H8: errors, of settings and of sessions.
#[test]
fn errors_show_no_secret() {
    let short = &SIGNING[..20];
    let settings = [
        ("SESSION_SECRET_KEYS", short.to_owned()),
        ("SECRET_KEY", short.to_owned()),
        ("SESSION_ENCRYPTION_KEYS", short.to_owned()),
        ("SESSION_REDIS", format!("http://user:{short}@host")),
        ("SESSION_REDIS_HOST", format!("redis://:{short}@host")),
    ];
    for (key, value) in settings {
        let built = SessionConfig::from_vars([(key, value), ("SESSION_USE_SIGNER", "true".to_owned())])
            .and_then(|config| SessionMiddleware::with_config(ReferenceStore::default(), config));
        let error = built.unwrap_err();
        shows_none(&format!("{error} {error:?}"), &[short.to_owned()]);
    }
    let lost = StoreError::new(StoreErrorKind::OutcomeUnknown, "no answer");
    for error in [SessionError::Store(lost.clone()), SessionError::OutcomeUnknown(lost)] {
        assert!(!format!("{error} {error:?}").is_empty());
    }
}

/// H8: the errors that a handler gets when its session fails.
#[tokio::test]
async fn errors_of_a_session_show_no_value() {
    let site = Site::begun().await;
    site.browser.send("POST", "/text", &[], VALUE).await;
    site.get(&format!("/set/note/{VALUE}")).await;
    for path in ["/error/decode", "/error/too-large", "/error/guarded", "/error/name"] {
        let text = site.get(path).await.body;
        assert!(text.contains("SessionError: "), "{path}: {text}");
        shows_none(&text, &secrets(&[site.token()]));
    }
}
