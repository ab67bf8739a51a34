//! The user's record: where it is, when it is written, how long it lives.

use std::time::Duration;

use actix_typed_session::{
    SessionConfig, SessionMiddleware,
    store::{MemoryStore, NullStore, Record, SessionStore},
    testing::{Fault, FaultStore, Operation},
};

use actix_typed_session_tests::support::{browser::Browser, server::Server};

use super::{
    odd::Odd,
    site::{DAY, Site, id, ok, routes, who},
};

/// `printf '"ada"' | sha256sum`
const ADA: &str = "session:owner:982c2f9e71df354525a6c3c60fe5f63cbf624b59fb9539e267f5ad935c619613";

async fn record(site: &Site, key: &str) -> Option<Record> {
    site.store.load(key).await.unwrap()
}

#[tokio::test]
async fn it_is_under_the_hash_of_the_owner() {
    let site = Site::new();
    assert_eq!(record(&site, ADA).await, None);
    site.signed_in("ada").await;
    assert!(record(&site, ADA).await.is_some());
}

#[tokio::test]
async fn with_encryption_it_is_under_a_keyed_hash_and_every_key_of_the_ring_finds_it() {
    let site = Site::with(SessionConfig::new().encryption_keys([[7; 32]]));
    let browser = site.signed_in("ada").await;
    assert_eq!(record(&site, ADA).await, None);
    assert_eq!(site.ids("ada").await, [id(&browser)]);
    let rotated = site.beside(SessionConfig::new().encryption_keys([[8; 32], [7; 32]]));
    let second = rotated.signed_in("ada").await;
    assert_eq!(rotated.ids("ada").await, [id(&browser), id(&second)]);
    assert_eq!(rotated.sessions.revoke_owner("ada").await.unwrap(), 2);
    assert_eq!((who(&rotated.moved(&browser)).await, who(&second).await), (None, None));
}

#[tokio::test]
async fn what_is_written_under_a_new_key_lives_as_long_as_under_the_old_one() {
    let site = Site::with(SessionConfig::new().encryption_keys([[7; 32]]));
    let (one, two) = (site.signed_in("ada").await, site.signed_in("ada").await);
    let both = site.beside(SessionConfig::new().encryption_keys([[8; 32], [7; 32]]));
    let two = both.moved(&two);
    assert_eq!(two.get("/others").await.body, "1");
    // which also seals the session by the new key
    ok(&two.get("/item/1").await);
    let new = site.beside(SessionConfig::new().encryption_keys([[8; 32]]));
    assert_eq!((who(&new.moved(&one)).await, new.ids("ada").await), (None, vec![id(&two)]));
}

#[tokio::test]
async fn while_servers_write_with_different_keys_a_session_is_named_by_its_last_sign_in() {
    let site = Site::with(SessionConfig::new().encryption_keys([[7; 32], [8; 32]]));
    let rotated = site.beside(SessionConfig::new().encryption_keys([[8; 32], [7; 32]]));
    let one = rotated.signed_in("ada").await;
    site.clock.advance(Duration::from_secs(1));
    let two = rotated.signed_in("ada").await;
    site.clock.advance(Duration::from_secs(1));
    let one = site.moved(&one);
    ok(&one.get("/out").await);
    ok(&one.get("/login/ada").await);
    let in_order = [id(&two), id(&one)];
    assert_eq!((site.ids("ada").await, rotated.ids("ada").await), (in_order.to_vec(), in_order.to_vec()));
}

#[tokio::test]
async fn it_is_written_before_the_session() {
    let site = Site::new();
    site.faults.always(Operation::Create, Fault::Unavailable);
    assert_eq!(site.browser().get("/login/ada").await.status, 503);
    // the user's record failed, so that the session was not even tried
    assert_eq!(site.spy.take(), ["load", "create"]);
    site.faults.clear();
    let browser = site.browser();
    ok(&browser.get("/item/1").await);
    site.faults.always(Operation::Update, Fault::Unavailable);
    assert_eq!(browser.get("/login/ada").await.status, 503);
    assert!(record(&site, ADA).await.is_some());
    site.faults.clear();
    assert_eq!((who(&browser).await, site.ids("ada").await.len()), (None, 0));
}

#[tokio::test]
async fn a_lost_answer_does_no_harm() {
    let site = Site::new();
    site.faults.next(Operation::Create, 1, Fault::LostAnswer);
    let one = site.signed_in("ada").await;
    // the second create finds the first, which is known by its version
    assert_eq!(site.spy.take(), ["load", "create", "create", "load", "create"]);
    site.faults.next(Operation::Update, 1, Fault::LostAnswer);
    let two = site.signed_in("ada").await;
    assert_eq!(site.ids("ada").await, [id(&one), id(&two)]);
}

/// L9
#[tokio::test]
async fn what_a_store_does_twice_is_done_once() {
    let odd = Odd { twice: true, ..Odd::new(FaultStore::new(MemoryStore::default())) };
    let middleware = SessionMiddleware::new(odd);
    let sessions = middleware.sessions().unwrap();
    let server = Server::start(middleware, 1, routes);
    let (one, two, visitor) =
        (Browser::new(server.address), Browser::new(server.address), Browser::new(server.address));
    for path in ["/item/1", "/item/2", "/login/ada", "/item/3", "/rotate", "/item/4"] {
        ok(&one.get(path).await);
    }
    ok(&two.get("/login/ada").await);
    ok(&visitor.get("/item/5").await);
    assert_eq!((one.get("/items").await.body, visitor.get("/items").await.body), ("[1, 2, 3, 4]".into(), "[5]".into()));
    assert_eq!(sessions.of("ada").await.unwrap().len(), 2);
    assert_eq!(two.get("/others").await.body, "1");
    assert_eq!((who(&one).await, who(&two).await), (None, Some("ada".to_owned())));
    ok(&one.get("/login/ada").await);
    ok(&two.get("/destroy").await);
    assert_eq!(sessions.revoke_owner("ada").await.unwrap(), 1);
}

#[tokio::test]
async fn it_outlives_the_sessions_that_it_names() {
    for absolute in [Some(40 * DAY), None] {
        let site = Site::with(SessionConfig::new().idle_timeout(10 * DAY).absolute_lifetime(absolute));
        let browser = site.signed_in("ada").await;
        for _ in 0..19 {
            site.clock.advance(2 * DAY);
            ok(&browser.get("/items").await);
        }
        assert_eq!(site.ids("ada").await, [id(&browser)], "{absolute:?}");
        // a later sign-in of shorter life does not shorten it
        let short = site.beside(SessionConfig::new().absolute_lifetime(Duration::from_secs(60)));
        short.signed_in("ada").await;
        site.clock.advance(DAY);
        assert_eq!(site.ids("ada").await, [id(&browser)], "{absolute:?}");
        assert_eq!(site.sessions.revoke_owner("ada").await.unwrap(), 1);
    }
}

#[tokio::test]
async fn it_outlives_them_by_the_clock_of_another_server_too() {
    let config = || SessionConfig::new().idle_timeout(10 * DAY).absolute_lifetime(40 * DAY);
    let site = Site::with(config());
    let ahead = site.ahead(Duration::from_secs(50), config());
    let browser = site.moved(&ahead.signed_in("ada").await);
    for _ in 0..39 {
        site.clock.advance(DAY);
        ok(&browser.get("/items").await);
    }
    ok(&browser.get("/item/1").await);
    site.clock.advance(DAY + Duration::from_secs(20));
    assert_eq!((who(&browser).await, site.ids("ada").await), (Some("ada".into()), vec![id(&browser)]));
}

#[tokio::test]
async fn it_lives_for_ten_years_where_sessions_have_no_absolute_lifetime() {
    let site = Site::with(SessionConfig::new().absolute_lifetime(None));
    site.signed_in("ada").await;
    assert_eq!(record(&site, ADA).await.unwrap().expires_in.as_secs().div_ceil(DAY.as_secs()), 3650);
}

#[tokio::test]
async fn a_damaged_one_is_written_anew() {
    let site = Site::new();
    let damaged = Record::new("no record", DAY);
    assert_eq!(site.store.create(ADA, &damaged).await.unwrap(), actix_typed_session::store::Created::Created);
    let browser = site.signed_in("ada").await;
    assert_eq!(site.ids("ada").await, [id(&browser)]);
}

#[tokio::test]
async fn it_is_nobodys_session() {
    let site = Site::new();
    site.signed_in("ada").await;
    let owners = record(&site, ADA).await.unwrap();
    let victim = site.browser();
    ok(&victim.get("/item/1").await);
    let key = format!("session:{}", id(&victim));
    site.store.delete(&key).await.unwrap();
    let _ = site.store.create(&key, &owners).await.unwrap();
    assert_eq!(victim.get("/items").await.body, "[]");
}

#[test]
fn a_store_that_evicts_has_none_and_says_so_at_the_start() {
    let store = || Odd { may_evict: true, ..Odd::new(FaultStore::new(MemoryStore::default())) };
    let sessions = SessionMiddleware::with_config(store(), SessionConfig::new()).unwrap();
    assert_eq!(sessions.sessions().unwrap_err().key(), "SESSION_TYPE");
    for config in [SessionConfig::new().limit_per_owner(5), SessionConfig::new().refuse_over_limit(true)] {
        let error = SessionMiddleware::with_config(store(), config).unwrap_err();
        assert!(error.to_string().contains("`odd`"), "{error}");
        assert_eq!(error.key(), "SESSION_LIMIT_PER_OWNER");
    }
    assert!(SessionMiddleware::new(NullStore).sessions().is_ok());
}
