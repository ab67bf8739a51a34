//! Ending sessions from outside.

use std::time::Duration;

use actix_typed_session::{
    SessionConfig, SessionId, SessionMiddleware,
    store::{Created, MemoryStore, SessionStore},
    testing::{Fault, FaultStore, Gate, Operation},
};
use actix_typed_session_tests::support::{browser::Browser, server::Server};

use super::{
    odd::Odd,
    site::{DAY, Site, id, ok, routes, who},
};

#[tokio::test]
async fn a_user_can_end_one_of_the_own_sessions_and_none_of_anothers() {
    let site = Site::new();
    let (one, two, eve) = (site.signed_in("ada").await, site.signed_in("ada").await, site.signed_in("eve").await);
    let session = |browser| id(browser).parse::<SessionId>().unwrap();
    assert!(!site.sessions.revoke("ada", session(&eve)).await.unwrap());
    assert!(!site.sessions.revoke("ada", "00".repeat(16).parse().unwrap()).await.unwrap());
    assert!(site.sessions.revoke("ada", session(&one)).await.unwrap());
    assert!(!site.sessions.revoke("ada", session(&one)).await.unwrap());
    assert_eq!((who(&one).await, who(&two).await, who(&eve).await), (None, Some("ada".into()), Some("eve".into())));
    assert_eq!(site.ids("ada").await, [id(&two)]);
}

#[tokio::test]
async fn an_anonymous_session_can_not_be_revoked() {
    let site = Site::new();
    let browser = site.browser();
    ok(&browser.get("/item/1").await);
    for owner in ["", "ada", "null"] {
        assert!(!site.sessions.revoke(owner, id(&browser).parse().unwrap()).await.unwrap(), "{owner}");
    }
    assert_eq!(browser.get("/items").await.body, "[1]");
}

#[tokio::test]
async fn all_others_end_and_the_own_session_stays() {
    let site = Site::new();
    let [one, two, three] = [site.signed_in("ada").await, site.signed_in("ada").await, site.signed_in("ada").await];
    let eve = site.signed_in("eve").await;
    assert_eq!(two.get("/others").await.body, "2");
    assert_eq!((who(&one).await, who(&two).await, who(&three).await), (None, Some("ada".into()), None));
    assert_eq!((who(&eve).await, site.ids("ada").await), (Some("eve".into()), vec![id(&two)]));
    assert_eq!(two.get("/others").await.body, "0");
    assert_eq!(site.browser().get("/others").await.body, "0");
}

#[tokio::test]
async fn all_others_end_with_the_sign_in_that_asks_for_it() {
    let site = Site::new();
    let (one, two) = (site.signed_in("ada").await, site.signed_in("ada").await);
    let (fresh, anonymous) = (site.browser(), site.browser());
    ok(&anonymous.get("/item/1").await);
    // a password was reset, say: whoever was in by the old one is out
    assert_eq!(fresh.get("/login-and-others/ada").await.body, "2");
    assert_eq!((who(&one).await, who(&two).await, who(&fresh).await), (None, None, Some("ada".into())));
    assert_eq!(anonymous.get("/login-and-others/ada").await.body, "1");
    assert_eq!((who(&fresh).await, who(&anonymous).await), (None, Some("ada".into())));
    // whose they are is what this request says
    let eve = site.signed_in("eve").await;
    assert_eq!(anonymous.get("/login-and-others/eve").await.body, "1");
    assert_eq!((who(&eve).await, who(&anonymous).await), (None, Some("eve".into())));
}

#[tokio::test]
async fn a_session_that_was_cleared_is_nobodys_at_once() {
    let site = Site::new();
    let browser = site.signed_in("ada").await;
    ok(&browser.get("/clear").await);
    ok(&browser.get("/item/1").await);
    assert_eq!(site.sessions.revoke_owner("ada").await.unwrap(), 0);
    assert_eq!(browser.get("/items").await.body, "[1]");
}

#[tokio::test]
async fn all_sessions_of_a_user_end_and_the_next_sign_in_works() {
    let site = Site::new();
    let (one, two, eve) = (site.signed_in("ada").await, site.signed_in("ada").await, site.signed_in("eve").await);
    site.clock.advance(DAY);
    let three = site.signed_in("ada").await;
    assert_eq!(site.sessions.revoke_owner("ada").await.unwrap(), 3);
    for browser in [&one, &two, &three] {
        assert_eq!(who(browser).await, None);
    }
    assert_eq!(who(&eve).await.as_deref(), Some("eve"));
    assert_eq!(site.sessions.revoke_owner("ada").await.unwrap(), 0);
    ok(&one.get("/login/ada").await);
    assert_eq!(site.ids("ada").await, [id(&one)]);
}

#[tokio::test]
async fn what_was_ended_is_struck_off_the_users_record() {
    let site = Site::new();
    assert_eq!(site.sessions.revoke_owner("ada").await.unwrap(), 0);
    assert_eq!(site.spy.take(), ["load"]);
    site.signed_in("ada").await;
    assert_eq!(site.sessions.revoke_owner("ada").await.unwrap(), 1);
    let _ = site.spy.take();
    assert_eq!(site.ids("ada").await, [""; 0]);
    assert_eq!(site.spy.take(), ["load"]);
}

#[tokio::test]
async fn an_owner_is_known_by_its_json_whatever_its_type() {
    let site = Site::new();
    site.signed_in("ada").await;
    assert_eq!(site.sessions.of(&7_u64).await.unwrap().len(), 0);
    assert_eq!(site.sessions.revoke_owner(&Some(String::from("ada"))).await.unwrap(), 1);
}

#[tokio::test]
async fn a_session_that_is_another_users_by_now_is_not_ended_with_the_formers() {
    let site = Site::new();
    let browser = site.signed_in("ada").await;
    ok(&browser.get("/login/eve").await);
    assert_eq!(site.sessions.revoke_owner("ada").await.unwrap(), 0);
    assert_eq!(who(&browser).await.as_deref(), Some("eve"));
}

#[tokio::test]
async fn a_change_that_is_on_its_way_does_not_revive_what_was_revoked() {
    let site = Site::new();
    let browser = site.signed_in("ada").await;
    let gate = site.faults.hold(Operation::Update);
    let change = tokio::spawn({
        let browser = browser.clone();
        async move { browser.get("/item/1").await }
    });
    gate.arrived(1).await;
    assert_eq!(site.sessions.revoke_owner("ada").await.unwrap(), 1);
    gate.open();
    // the change, and then the end
    assert_eq!(change.await.unwrap().status, 200);
    assert_eq!(who(&browser).await, None);
    assert!(site.ids("ada").await.is_empty());
}

#[tokio::test]
async fn a_sign_in_whose_record_is_on_its_way_does_not_survive() {
    for has_session in [false, true] {
        let site = Site::new();
        // so that the user has a record, and the one create or the second update is the session's
        let first = site.signed_in("ada").await;
        let late = site.browser();
        let operation = if has_session { Operation::Update } else { Operation::Create };
        if has_session {
            ok(&late.get("/item/1").await);
            let passing = Gate::new();
            passing.open();
            site.faults.next(operation, 1, Fault::Held(passing));
        }
        let gate = site.faults.hold(operation);
        let sign_in = tokio::spawn({
            let late = late.clone();
            async move { late.get("/login/ada").await.status }
        });
        gate.arrived(1).await;
        assert_eq!(site.sessions.revoke_owner("ada").await.unwrap(), 1);
        gate.open();
        assert_eq!(sign_in.await.unwrap(), 409, "{has_session}");
        assert_eq!((who(&first).await, who(&late).await), (None, None), "{has_session}");
        // nor does it stand in the way of the next
        ok(&late.get("/login/ada").await);
        assert_eq!(site.ids("ada").await, [id(&late)], "{has_session}");
    }
}

#[tokio::test]
async fn a_sign_in_that_comes_too_late_does_not_hide_the_one_that_is_written() {
    let one = Site::new();
    let two = one.beside(SessionConfig::new());
    let browser = one.browser();
    ok(&browser.get("/item/1").await);
    let sign_in = |browser: &Browser| {
        let browser = browser.clone();
        tokio::spawn(async move { browser.get("/login/ada").await.status })
    };
    // the first has loaded the session, and is about to load the user's record
    let passing = Gate::new();
    passing.open();
    one.faults.next(Operation::Load, 1, Fault::Held(passing));
    let listing = one.faults.hold(Operation::Load);
    let late = sign_in(&browser);
    listing.arrived(1).await;
    // the second has noted itself over the new token, and is about to be written
    ok(&browser.get("/rotate").await);
    let writing = two.faults.hold(Operation::Update);
    let done = sign_in(&two.moved(&browser));
    writing.arrived(1).await;
    listing.open();
    assert_eq!(late.await.unwrap(), 409);
    assert_eq!(one.sessions.revoke_owner("ada").await.unwrap(), 0);
    writing.open();
    assert_eq!((done.await.unwrap(), who(&browser).await, one.ids("ada").await.len()), (409, None, 0));
}

#[tokio::test]
async fn a_sign_in_at_a_server_whose_clock_is_ahead_does_not_survive_either() {
    let site = Site::new();
    site.signed_in("ada").await;
    let ahead = site.ahead(Duration::from_secs(3600), SessionConfig::new());
    let gate = ahead.faults.hold(Operation::Create);
    let late = ahead.browser();
    let sign_in = tokio::spawn({
        let late = late.clone();
        async move { late.get("/login/ada").await.status }
    });
    gate.arrived(1).await;
    assert_eq!(site.sessions.revoke_owner("ada").await.unwrap(), 1);
    gate.open();
    assert_eq!((sign_in.await.unwrap(), who(&late).await), (409, None));
}

#[tokio::test]
async fn a_create_that_arrives_when_nobody_waits_any_more_finds_its_id_taken() {
    let odd = Odd::new(FaultStore::new(MemoryStore::default()));
    let config = SessionConfig::new().store_timeout(Duration::from_millis(40));
    let middleware = SessionMiddleware::with_config(odd.clone(), config).unwrap();
    let sessions = middleware.sessions().unwrap();
    let server = Server::start(middleware, 1, routes);
    ok(&Browser::new(server.address).get("/login/ada").await);
    let gate = Gate::new();
    odd.inner.next(Operation::Create, 2, Fault::Held(gate.clone()));
    assert_eq!(Browser::new(server.address).get("/login/ada").await.status, 503);
    gate.arrived(2).await;
    assert_eq!(sessions.revoke_owner("ada").await.unwrap(), 1);
    gate.open();
    let _all = odd.count.acquire_many(4).await.unwrap();
    // the first session, what the revoke left under the id of the late one, and that one twice
    assert_eq!(*odd.created.lock().unwrap(), [Created::Created, Created::Created, Created::Taken, Created::Taken]);
    assert!(sessions.of("ada").await.unwrap().is_empty());
}

#[tokio::test]
async fn all_of_them_end_though_nobody_waits_for_it_any_more() {
    let site = Site::new();
    let mut browsers = Vec::new();
    for _ in 0..20 {
        browsers.push(site.signed_in("ada").await);
    }
    let gate = Gate::new();
    site.faults.always(Operation::Update, Fault::Held(gate.clone()));
    let revoking = tokio::spawn({
        let sessions = site.sessions.clone();
        async move { sessions.revoke_owner("ada").await }
    });
    gate.arrived(1).await;
    revoking.abort();
    assert!(revoking.await.is_err());
    gate.open();
    for _ in 0..500 {
        if site.of("ada").await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for browser in &browsers {
        assert_eq!(who(browser).await, None);
    }
}

#[tokio::test]
async fn an_anonymous_session_whose_id_is_taken_gets_another_id_once() {
    for (taken, status) in [(1, 200), (2, 503)] {
        let odd = Odd::new(FaultStore::new(MemoryStore::default()));
        odd.taken.store(taken, std::sync::atomic::Ordering::SeqCst);
        let server = Server::start(SessionMiddleware::new(odd.clone()), 1, routes);
        let browser = Browser::new(server.address);
        assert_eq!(browser.get("/item/1").await.status, status, "{taken}");
        assert_eq!(odd.taken.load(std::sync::atomic::Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn what_could_not_be_ended_is_ended_by_the_next_call() {
    let site = Site::new();
    let (one, two) = (site.signed_in("ada").await, site.signed_in("ada").await);
    site.faults.always(Operation::Update, Fault::Unavailable);
    assert!(site.sessions.revoke_owner("ada").await.is_err());
    site.faults.clear();
    assert_eq!(site.sessions.revoke_owner("ada").await.unwrap(), 2);
    assert_eq!((who(&one).await, who(&two).await), (None, None));
}

#[tokio::test]
async fn a_revoke_whose_answer_is_lost_ends_what_it_says() {
    let site = Site::new();
    let browser = site.signed_in("ada").await;
    site.faults.next(Operation::Update, 1, Fault::LostAnswer);
    assert_eq!(site.sessions.revoke_owner("ada").await.unwrap(), 1);
    assert_eq!(who(&browser).await, None);
}

#[tokio::test]
async fn what_was_revoked_leaves_nothing_after_a_while() {
    let site = Site::new();
    let browser = site.signed_in("ada").await;
    assert!(site.sessions.revoke("ada", id(&browser).parse().unwrap()).await.unwrap());
    site.clock.advance(Duration::from_secs(120));
    assert_eq!(site.store.load(&format!("session:{}", id(&browser))).await.unwrap(), None);
    assert_eq!(site.sessions.sweep().await.unwrap(), 1);
    assert_eq!(site.sessions.sweep().await.unwrap(), 0);
}
