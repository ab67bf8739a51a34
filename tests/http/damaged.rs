//! What becomes of records that are damaged, foreign or sealed by a key that is not known.

use actix_typed_session::{
    SessionConfig,
    store::{Record, SessionStore, Updated},
};

use crate::site::{DAY, Site, key};

const KEY: [u8; 32] = [7; 32];

/// Puts other bytes under a session's key.
async fn overwrite(site: &Site, change: impl FnOnce(&mut Vec<u8>)) {
    let stored = site.record(&site.token()).await.unwrap();
    let mut bytes = stored.bytes.to_vec();
    change(&mut bytes);
    let record = Record::new(bytes, DAY);
    assert_eq!(site.store.update(&key(&site.token()), &record, &stored.version).await.unwrap(), Updated::Done);
}

/// The visitor is anonymous with one warning, and the next change begins another session.
async fn is_absent(site: &Site) {
    let before = site.token();
    let response = site.get("/read").await;
    assert_eq!((response.status, response.body.as_str(), response.header("set-cookie")), (200, "[]", None));
    let warned = site.named("session.damaged");
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert_eq!(site.get("/push/5").await.status, 200);
    assert_ne!(site.token(), before);
    assert_eq!(site.get("/read").await.body, "[5]");
}

#[tokio::test]
async fn a_record_of_other_bytes_counts_as_absent() {
    let damages: [fn(&mut Vec<u8>); 5] = [
        |bytes| bytes.truncate(bytes.len() - 1),
        |bytes| bytes.clear(),
        |bytes| *bytes.last_mut().unwrap() ^= 1,
        |bytes| bytes[40] ^= 0x80,
        |bytes| *bytes = b"{\"_permanent\":true}".to_vec(),
    ];
    for damage in damages {
        let site = Site::begun().await;
        overwrite(&site, damage).await;
        is_absent(&site).await;
    }
}

#[tokio::test]
async fn with_keys_a_record_that_is_not_sealed_or_by_another_key_counts_as_absent() {
    for keys in [vec![], vec![[8; 32]]] {
        let other = Site::begun_with(SessionConfig::new().encryption_keys(keys)).await;
        let config = SessionConfig::new().encryption_keys([KEY]);
        let site = Site::over(other.store.clone(), other.clock.clone(), config).await;
        site.browser.set_cookie("/", &format!("__Host-session={}; Path=/; Secure", other.token()));
        is_absent(&site).await;
    }
}

#[tokio::test]
async fn a_sealed_session_works_like_any_and_shows_nothing_in_the_store() {
    let site = Site::begun_with(SessionConfig::new().encryption_keys([KEY])).await;
    assert_eq!(site.get("/push/2").await.status, 200);
    assert_eq!(site.get("/read").await.body, "[1, 2]");
    let stored = site.record(&site.token()).await.unwrap();
    assert!(!stored.bytes.windows(5).any(|window| window == b"items"));
}

#[tokio::test]
async fn a_record_that_is_damaged_while_a_request_writes_is_an_end_of_the_session() {
    let site = Site::begun().await;
    let gate = site.faults.hold(actix_typed_session::testing::Operation::Update);
    let slow = tokio::spawn({
        let browser = site.browser.clone();
        async move { browser.get("/push/2").await }
    });
    gate.arrived(1).await;
    overwrite(&site, |bytes| bytes.truncate(9)).await;
    gate.open();
    let response = slow.await.unwrap();
    assert_eq!((response.status, response.header("set-cookie")), (200, None));
    assert_eq!(site.get("/read").await.body, "[]");
}
