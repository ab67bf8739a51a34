//! `SESSION_ENCRYPTION_KEYS` and `SESSION_SECRET_KEYS`, when the store is in other hands and when keys come and go.

use actix_typed_session::{
    SessionConfig,
    store::{Created, Record, SessionStore, Updated},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::site::{DAY, NAME, Site, key, line, split};

const OLD: [u8; 32] = [7; 32];
const NEW: [u8; 32] = [8; 32];

fn sealed(keys: impl IntoIterator<Item = [u8; 32]>) -> SessionConfig {
    SessionConfig::new().encryption_keys(keys)
}

async fn over(site: &Site, config: SessionConfig) -> Site {
    Site::over(site.store.clone(), site.clock.clone(), config).await
}

async fn read(site: &Site, token: &str) -> String {
    site.get_with("/read", &[&format!("{NAME}={token}")]).await.body
}

/// Whose record is no session: anonymous, with an event, and the next sign-in begins anew.
async fn is_absent(site: &Site, token: &str, case: &str) {
    let cookie = format!("{NAME}={token}");
    let warned = site.named("session.damaged").len();
    let response = site.get_with("/read", &[&cookie]).await;
    assert_eq!((response.status, response.body.as_str(), response.set_cookies().len()), (200, "[]", 0), "{case}");
    assert_eq!(site.named("session.damaged").len(), warned + 1, "{case}");
    let response = site.get_with("/login/ada", &[&cookie]).await;
    let (_, new, _) = split(line(&response));
    assert_eq!(response.status, 200, "{case}");
    assert_ne!(key(new), key(token), "{case}");
    let user = site.get_with("/user", &[&format!("{NAME}={new}")]).await;
    assert_eq!(user.body, "ada", "{case}");
}

/// A token of another id with the same secret, for which a moved record would be the right one.
fn moved(token: &str) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    bytes[0] ^= 1;
    URL_SAFE_NO_PAD.encode(bytes)
}

async fn copy(site: &Site, from: &str, to: &str) {
    let record = site.store.load(from).await.unwrap().unwrap();
    let copy = Record::new(record.bytes, DAY);
    assert_eq!(site.store.create(to, &copy).await.unwrap(), Created::Created);
}

#[tokio::test]
async fn a_sealed_record_that_was_moved_to_another_id_counts_as_absent() {
    for keys in [vec![], vec![NEW]] {
        let site = Site::begun_with(sealed(keys.clone())).await;
        let (token, other) = (site.token(), moved(&site.token()));
        copy(&site, &key(&token), &key(&other)).await;
        if keys.is_empty() {
            assert_eq!(read(&site, &other).await, "[1]", "nothing but the seal tells");
        } else {
            is_absent(&site, &other, "moved").await;
            assert_eq!(read(&site, &token).await, "[1]");
        }
    }
}

#[tokio::test]
async fn a_sealed_record_that_was_copied_to_another_prefix_counts_as_absent() {
    for keys in [vec![], vec![NEW]] {
        let site = Site::begun_with(sealed(keys.clone())).await;
        let token = site.token();
        copy(&site, &key(&token), &key(&token).replace("session:", "shop:")).await;
        let shop = over(&site, sealed(keys.clone()).key_prefix("shop:")).await;
        if keys.is_empty() {
            assert_eq!(read(&shop, &token).await, "[1]", "nothing but the seal tells");
        } else {
            is_absent(&shop, &token, "copied").await;
        }
    }
}

#[tokio::test]
async fn a_record_sealed_by_a_foreign_key_or_by_one_that_was_dropped_counts_as_absent() {
    let begun = Site::begun_with(sealed([OLD])).await;
    for keys in [vec![NEW], vec![NEW, [9; 32]]] {
        is_absent(&over(&begun, sealed(keys)).await, &begun.token(), "foreign").await;
    }
}

#[tokio::test]
async fn a_sealed_record_that_is_cut_anywhere_counts_as_absent() {
    let site = Site::begun_with(sealed([NEW])).await;
    let token = site.token();
    let whole = site.record(&token).await.unwrap();
    let mut version = whole.version;
    for len in 0..whole.bytes.len() {
        let cut = Record::new(whole.bytes.slice(..len), DAY);
        assert_eq!(site.store.update(&key(&token), &cut, &version).await.unwrap(), Updated::Done);
        version = cut.version;
        let warned = site.named("session.damaged").len();
        assert_eq!(read(&site, &token).await, "[]", "cut at {len}");
        assert_eq!(site.named("session.damaged").len(), warned + 1, "cut at {len}");
    }
    is_absent(&site, &token, "cut").await;
    let again = Record::new(whole.bytes, DAY);
    assert_eq!(site.store.update(&key(&token), &again, &version).await.unwrap(), Updated::Done);
    assert_eq!(read(&site, &token).await, "[1]");
}

#[tokio::test]
async fn with_keys_a_record_is_never_read_as_plain_and_without_them_never_as_sealed() {
    let plain = Site::begun().await;
    is_absent(&over(&plain, sealed([NEW])).await, &plain.token(), "not sealed").await;
    assert_eq!(read(&plain, &plain.token()).await, "[1]");
    let closed = Site::begun_with(sealed([NEW])).await;
    is_absent(&over(&closed, SessionConfig::new()).await, &closed.token(), "sealed").await;
    assert_eq!(read(&closed, &closed.token()).await, "[1]");
}

#[tokio::test]
async fn the_first_encryption_key_seals_all_open_and_a_dropped_one_ends_what_only_it_opened() {
    let old = Site::begun_with(sealed([OLD])).await;
    let changed = old.token();
    let unchanged = split(line(&old.get_with("/push/5", &[]).await)).1.to_owned();
    let both = over(&old, sealed([NEW, OLD])).await;
    assert_eq!(read(&both, &changed).await, "[1]");
    assert_eq!(both.get_with("/push/2", &[&format!("{NAME}={changed}")]).await.status, 200);
    assert_eq!(read(&both, &unchanged).await, "[5]");
    assert!(both.named("session.damaged").is_empty());

    let new = over(&old, sealed([NEW])).await;
    assert_eq!(read(&new, &changed).await, "[1, 2]");
    is_absent(&new, &unchanged, "the old key's").await;
    is_absent(&old, &changed, "the new key's").await;
}

#[tokio::test]
async fn a_dropped_signing_key_ends_what_only_it_signed() {
    let signed = |keys: &[[u8; 32]]| SessionConfig::new().signing_keys(keys.iter().copied());
    let old = Site::begun_with(signed(&[OLD])).await;
    let returned = old.token();
    let away = split(line(&old.get_with("/push/5", &[]).await)).1.to_owned();
    let both = over(&old, signed(&[NEW, OLD])).await;
    let again = both.get_with("/read", &[&format!("{NAME}={returned}")]).await;
    let again = split(line(&again)).1.to_owned();
    let later = split(line(&both.get_with("/push/6", &[]).await)).1.to_owned();

    let new = over(&old, signed(&[NEW])).await;
    for (token, items) in [(&again, "[1]"), (&later, "[6]"), (&returned, "[]"), (&away, "[]")] {
        assert_eq!(read(&new, token).await, items);
    }
    assert_eq!(new.spy.take(), ["load"; 2]);
    // nothing of it is gone from the store: the key was all
    assert_eq!(read(&both, &away).await, "[5]");
}

/// What is written over a session by a request that is under way is bound to its place as well.
#[tokio::test]
async fn a_foreign_record_that_is_put_in_the_way_of_a_save_ends_the_session() {
    let site = Site::begun_with(sealed([NEW])).await;
    let other = split(line(&site.get_with("/push/5", &[]).await)).1.to_owned();
    let gate = site.faults.hold(actix_typed_session::testing::Operation::Update);
    let slow = tokio::spawn({
        let browser = site.browser.clone();
        async move { browser.get("/push/2").await }
    });
    gate.arrived(1).await;
    let mine = site.record(&site.token()).await.unwrap();
    let theirs = Record::new(site.record(&other).await.unwrap().bytes, DAY);
    assert_eq!(site.store.update(&key(&site.token()), &theirs, &mine.version).await.unwrap(), Updated::Done);
    gate.open();
    let response = slow.await.unwrap();
    assert_eq!((response.status, response.set_cookies().len()), (200, 0));
    assert_eq!(site.named("session.damaged").len(), 1);
    assert_eq!(site.record(&site.token()).await.unwrap().bytes, theirs.bytes);
    assert_eq!(read(&site, &other).await, "[5]");
}
