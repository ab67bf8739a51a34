//! H8: no token, secret, key or field value is ever shown.

use std::time::Duration;

use actix_typed_session::{
    SessionConfig, SessionError, SessionMiddleware,
    store::{FilesystemStore, MemoryStore, Record, RedisStore, SessionStore, StoreError, StoreErrorKind, Updated},
    testing::{FaultStore, ReferenceStore, SpyStore},
};

use crate::{
    flows::{SEALING, SIGNING, VALUE, known},
    secrets::Secrets,
    site::Site,
};

/// H8: `Debug` of what an app can hold and print.
#[tokio::test]
async fn debug_of_public_types_shows_no_key_and_no_stored_bytes() {
    let config = SessionConfig::new().signing_keys([SIGNING]).encryption_keys([SEALING]);
    let record = Record::new(VALUE, Duration::from_secs(60));
    let memory = MemoryStore::default();
    let reference = ReferenceStore::default();
    let directory = tempfile::tempdir().unwrap();
    let files = FilesystemStore::new(directory.path()).unwrap();
    for store in [&memory as &dyn SessionStore, &reference, &files] {
        let _ = store.create("session:1", &record).await.unwrap();
    }
    let redis = RedisStore::new(&format!("redis://ada:{VALUE}@localhost/0")).unwrap();
    let from_vars =
        SessionConfig::from_vars([("SECRET_KEY", SIGNING), ("SESSION_REDIS", "redis://:sesame-31415@localhost/0")]);
    let shown = [
        format!("{config:?} {config:#?}"),
        format!("{:#?}", SessionMiddleware::with_config(memory.clone(), config).unwrap()),
        format!("{:?}", from_vars.unwrap()),
        format!("{record:?} {record:#?} {:?}", Updated::Conflict(record.clone())),
        format!("{memory:?} {reference:?} {files:?} {redis:?} {redis:#?}"),
        format!("{:?}", SpyStore::new(reference.clone())),
        format!("{:?}", FaultStore::new(reference)),
    ];
    for text in shown {
        known().assert_hidden(&text);
    }
}

/// H8: `Debug` of an extractor, which may end in a handler's log.
#[tokio::test]
async fn debug_of_extractors_shows_no_token_and_no_value() {
    let site = Site::begun().await;
    site.browser.send("POST", "/text", &[], VALUE).await;
    let text = site.get("/debug").await.body;
    assert!(text.contains("Session") && text.contains("Cart"), "{text}");
    let mut secrets = known();
    secrets.add_cookie(&site.token());
    secrets.assert_hidden(&text);
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
        let mut secrets = Secrets::default();
        secrets.add("a secret", short.as_bytes());
        secrets.assert_hidden(&format!("{error} {error:?} {error:#?}"));
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
        let mut secrets = known();
        secrets.add_cookie(&site.token());
        secrets.assert_hidden(&text);
    }
}
