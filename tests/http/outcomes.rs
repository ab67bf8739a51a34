//! H7: what becomes of a request when the store fails, or the change can't be saved.

use std::time::Duration;

use actix_typed_session::{
    SessionConfig, SessionMiddleware,
    store::{Created, Record, SessionStore, StoreError, Swept, Updated, Version, async_trait},
    testing::{Fault, Operation, ReferenceStore},
};
use actix_typed_session_tests::support::{
    browser::{Browser, Response},
    server::Server,
};

use crate::site::{DAY, NAME, Site, line};

/// So short that a store that hangs holds nobody up; the others answer at once and never meet it.
const TIMEOUT: Duration = Duration::from_millis(60);

fn hasty() -> SessionConfig {
    SessionConfig::new().store_timeout(TIMEOUT)
}

fn faults() -> [Fault; 4] {
    [Fault::Unavailable, Fault::LostAnswer, Fault::Garbage, Fault::Hang]
}

fn is_unavailable(response: &Response, what: &str) {
    assert_eq!((response.status, response.body.as_str()), (503, ""), "{what}: {response:?}");
    assert!(response.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok()), "{what}: {response:?}");
    assert!(response.set_cookies().is_empty(), "{what}: {response:?}");
    assert_eq!(response.header("vary"), Some("Cookie"), "{what}");
}

fn is_refused(response: &Response, status: u16) {
    assert_eq!((response.status, response.body.as_str()), (status, ""), "{response:?}");
    assert!(response.set_cookies().is_empty() && response.header("retry-after").is_none(), "{response:?}");
    assert_eq!(response.header("vary"), Some("Cookie"));
}

/// H7: a load, by extractors that hand the error on, that swallow it, and by the handle, which loads late.
#[tokio::test]
async fn a_load_that_fails_is_503_whoever_asked_and_whoever_swallowed_it() {
    let extracted = ["/read", "/user", "/push/2", "/headers"];
    let swallowed = ["/option", "/option-user", "/option-push", "/result", "/result-user", "/result-push"];
    let by_handle = ["/get/note", "/is-new", "/is-new-swallowed", "/set/a/b", "/rotate", "/login/ada", "/destroy"];
    let answered = ["/swallow/200", "/swallow/404", "/swallow/500", "/err/404", "/begin-again", "/logout"];
    let site = Site::begun_with(hasty()).await;
    for fault in faults() {
        for path in extracted.into_iter().chain(swallowed).chain(by_handle).chain(answered) {
            site.faults.next(Operation::Load, 1, fault.clone());
            let response = site.get(path).await;
            is_unavailable(&response, &format!("{fault:?} {path}"));
            assert_eq!(response.header("x-app"), None);
            assert_eq!(site.spy.take(), ["load"], "{fault:?} {path}");
        }
    }
    assert_eq!(site.get("/read").await.body, "[1]");
    assert_eq!(site.get("/get/a").await.body, "absent");
}

/// H7: what no response can tell is in the log, with its cause.
#[tokio::test]
async fn a_failure_is_told_to_the_log() {
    let site = Site::begun().await;
    for (operation, path) in [(Operation::Load, "/read"), (Operation::Load, "/option"), (Operation::Update, "/push/2")]
    {
        let before = site.events().len();
        site.faults.next(operation, 1, Fault::Garbage);
        site.get(path).await;
        let told = |line: &crate::events::Line| {
            line.level == tracing::Level::ERROR && line.text.contains("the test garbled the answer")
        };
        assert!(site.events()[before..].iter().any(told), "{path}");
    }
}

/// H7: a write that fails, by each way to want it.
#[tokio::test]
async fn a_write_that_fails_is_503_and_leaves_the_record_and_the_cookie() {
    let site = Site::begun_with(hasty()).await;
    site.get("/login/ada").await;
    let token = site.token();
    let before = site.record(&token).await.unwrap();
    let paths = [
        (Operation::Update, "/push/2"),
        (Operation::Update, "/option-push"),
        (Operation::Update, "/result-push"),
        (Operation::Update, "/set/a/b"),
        (Operation::Update, "/rotate"),
        (Operation::Update, "/login/eve"),
        (Operation::Update, "/logout"),
        (Operation::Update, "/save"),
        (Operation::Update, "/err/404"),
        (Operation::Delete, "/destroy"),
        (Operation::Delete, "/destroy/500"),
        (Operation::Delete, "/begin-again"),
        (Operation::Delete, "/inner/destroy"),
    ];
    for (operation, path) in paths {
        for fault in [Fault::Unavailable, Fault::Garbage, Fault::Hang] {
            site.faults.always(operation, fault.clone());
            is_unavailable(&site.get(path).await, &format!("{fault:?} {path}"));
            site.faults.clear();
        }
    }
    let after = site.record(&token).await.unwrap();
    assert_eq!((after.bytes, after.version, site.token()), (before.bytes, before.version, token));
}

/// H7: a session that could not begin.
#[tokio::test]
async fn a_create_that_fails_is_503_without_a_cookie() {
    let site = Site::with(hasty()).await;
    for fault in faults() {
        for path in ["/push/1", "/option-push", "/result-push", "/set/a/b", "/login/ada", "/save", "/err/404"] {
            site.faults.always(Operation::Create, fault.clone());
            is_unavailable(&site.get(path).await, &format!("{fault:?} {path}"));
            site.faults.clear();
        }
    }
}

/// H7: nobody knows whether a write happened, however often it is asked for.
#[tokio::test]
async fn a_write_of_unknown_outcome_is_503() {
    for (operation, path) in
        [(Operation::Update, "/push/2"), (Operation::Update, "/rotate"), (Operation::Delete, "/destroy")]
    {
        let site = Site::begun().await;
        site.faults.always(operation, Fault::LostAnswer);
        is_unavailable(&site.get(path).await, path);
    }
}

/// H7: one lost answer is settled by asking again, and is no failure.
#[tokio::test]
async fn a_write_whose_answer_was_lost_once_is_settled() {
    for fault in [Fault::LostAnswer, Fault::Hang] {
        let site = Site::with(hasty()).await;
        site.faults.next(Operation::Create, 1, fault.clone());
        assert_eq!(site.get("/push/1").await.status, 200, "{fault:?}");
        for (operation, path) in [(Operation::Update, "/push/2"), (Operation::Update, "/rotate")] {
            site.faults.next(operation, 1, fault.clone());
            assert_eq!(site.get(path).await.status, 200, "{fault:?} {path}");
            assert_eq!(site.get("/read").await.body, "[1, 2]", "{fault:?} {path}");
        }
        site.faults.next(Operation::Delete, 1, fault.clone());
        assert_eq!(site.get("/destroy").await.status, 200, "{fault:?}");
        assert!(site.browser.cookies().is_empty());
    }
}

/// H7: the handler that took the error from `save()` answers for it.
#[tokio::test]
async fn a_handler_that_took_the_error_from_save_answers_itself() {
    let cases = [
        (Operation::Load, "/set-save-told"),
        (Operation::Load, "/swallow-save-told"),
        (Operation::Load, "/destroy-save-told"),
        (Operation::Update, "/save-told"),
        (Operation::Update, "/set-save-told"),
        (Operation::Delete, "/destroy-save-told"),
    ];
    for fault in faults() {
        for (operation, path) in cases {
            let site = Site::begun_with(hasty()).await;
            site.faults.always(operation, fault.clone());
            let response = site.get(path).await;
            assert_eq!((response.status, response.body.as_str()), (202, "told"), "{fault:?} {operation:?} {path}");
            assert!(response.set_cookies().is_empty(), "{fault:?} {operation:?} {path}");
        }
    }
}

/// H7: a failed refresh is only an event.
#[tokio::test]
async fn a_refresh_that_fails_is_only_an_event() {
    for fault in faults() {
        let site = Site::begun_with(hasty()).await;
        site.clock.advance(5 * DAY);
        site.faults.next(Operation::Touch, 1, fault.clone());
        let response = site.get("/read").await;
        assert_eq!((response.status, response.body.as_str()), (200, "[1]"), "{fault:?}");
        assert_eq!(site.spy.take(), ["load", "touch"], "{fault:?}");
        let told = site.named("session.store.failed");
        assert!(told.len() == 1 && told[0].text.contains("operation=touch"), "{fault:?}: {told:?}");
    }
}

/// H7: a session over its limit is 500, and the old record stays.
#[tokio::test]
async fn a_session_that_grew_too_large_is_500_and_the_old_record_stays() {
    let site = Site::begun_with(SessionConfig::new().max_bytes(1024)).await;
    let text = "x".repeat(2000);
    is_refused(&site.browser.send("POST", "/text", &[], &text).await, 500);
    assert_eq!(site.get("/text").await.body, "");
    assert_eq!(site.get("/read").await.body, "[1]");
    assert_eq!(site.get("/destroy").await.set_cookies().len(), 1);
    is_refused(&site.browser.send("POST", "/text", &[], &text).await, 500);
    assert!(site.browser.cookies().is_empty());
}

/// H7: what is exactly as large as the limit is within it.
#[tokio::test]
async fn a_session_may_be_as_large_as_the_limit_to_the_byte() {
    let site = Site::begun_with(SessionConfig::new().max_bytes(1024)).await;
    let text = |len: usize| "x".repeat(len);
    assert_eq!(site.browser.send("POST", "/text", &[], &text(500)).await.status, 200);
    let most = 500 + 1024 - site.record(&site.token()).await.unwrap().bytes.len();
    assert_eq!(site.browser.send("POST", "/text", &[], &text(most)).await.status, 200);
    assert_eq!(site.record(&site.token()).await.unwrap().bytes.len(), 1024);
    is_refused(&site.browser.send("POST", "/text", &[], &text(most + 1)).await, 500);
}

/// H7: a number that is not finite has no JSON.
#[tokio::test]
async fn a_nan_is_500_and_nothing_of_the_request_is_saved() {
    let site = Site::begun().await;
    is_refused(&site.get("/nan").await, 500);
    assert_eq!(site.get("/read").await.body, "[1]");
    is_refused(&site.get("/insert-nan").await, 500);
    is_refused(&Site::new().await.get("/nan").await, 500);
}

/// The answer to `first`, whose update waits until `second` is done with 200.
async fn overtaken(site: &Site, first: &'static str, second: &str) -> Response {
    let gate = site.faults.hold(Operation::Update);
    let browser = site.browser.clone();
    let slow = tokio::spawn(async move { browser.get(first).await });
    gate.arrived(1).await;
    assert_eq!(site.get(second).await.status, 200, "{second}");
    gate.open();
    slow.await.unwrap()
}

/// H7: `reject` is 409.
#[tokio::test]
async fn a_field_that_rejects_is_409_for_the_one_who_comes_second() {
    let site = Site::begun().await;
    is_refused(&overtaken(&site, "/seat/1", "/seat/2").await, 409);
    assert_eq!(site.get("/get/cart.none").await.body, "absent");
    assert_eq!(overtaken(&site, "/seat/3", "/push/2").await.status, 200);
}

/// H7: an `add` that leaves its type's range is 500.
#[tokio::test]
async fn a_sum_out_of_range_is_500() {
    let site = Site::begun().await;
    is_refused(&overtaken(&site, "/points/200", "/points/100").await, 500);
    assert_eq!(overtaken(&site, "/points/100", "/points/50").await.status, 200);
}

/// H7: a token that was rotated away before the commit is 409, and the winner's cookie is not touched.
#[tokio::test]
async fn a_change_with_a_token_that_was_rotated_away_is_409() {
    let site = Site::begun().await;
    is_refused(&overtaken(&site, "/push/2", "/rotate").await, 409);
    assert_eq!(site.get("/read").await.body, "[1]");
}

/// H7: a sign-in on a session that ended meanwhile is 409; a plain change is dropped with an event.
#[tokio::test]
async fn a_sign_in_on_a_session_that_ended_is_409_and_a_change_is_dropped() {
    let site = Site::begun().await;
    is_refused(&overtaken(&site, "/login/ada", "/destroy").await, 409);
    let site = Site::begun().await;
    let response = overtaken(&site, "/push/2", "/destroy").await;
    assert_eq!((response.status, response.set_cookies().len()), (200, 0));
    assert_eq!(site.named("session.gone").len(), 1);
}

/// H7: a store that is back after a failure finds the visitor as before.
#[tokio::test]
async fn a_store_that_is_back_serves_the_same_visitor() {
    let site = Site::begun_with(hasty()).await;
    site.faults.always(Operation::Load, Fault::Unavailable);
    is_unavailable(&site.get("/read").await, "while it is down");
    site.faults.clear();
    assert_eq!(site.get("/read").await.body, "[1]");
    assert!(line(&site.get("/destroy").await).starts_with(NAME));
}

/// A store in which somebody else is always faster.
struct Contended(ReferenceStore);

#[async_trait]
impl SessionStore for Contended {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        self.0.load(key).await
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        self.0.create(key, record).await
    }

    async fn update(&self, key: &str, _: &Record, _: &Version) -> Result<Updated, StoreError> {
        let Some(now) = self.0.load(key).await? else { return Ok(Updated::Gone) };
        Ok(Updated::Conflict(Record::new(now.bytes, now.expires_in)))
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        self.0.touch(key, expires_in).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.0.delete(key).await
    }

    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        self.0.delete_expired(limit).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn name(&self) -> &'static str {
        "contended"
    }
}

/// H7: a commit that is overtaken until its budget is spent is 503.
#[tokio::test]
async fn a_commit_whose_budget_is_spent_is_503() {
    let sessions = SessionMiddleware::with_config(Contended(ReferenceStore::default()), hasty()).unwrap();
    let server = Server::start(sessions, 1, crate::routes::routes);
    let browser = Browser::new(server.address);
    assert_eq!(browser.get("/push/1").await.status, 200);
    is_unavailable(&browser.get("/push/2").await, "a change");
    is_unavailable(&browser.get("/rotate").await, "a rotation");
    assert_eq!(browser.get("/read").await.body, "[1]");
}
