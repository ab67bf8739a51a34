//! H10: what is changed when the response has begun.

use crate::site::{NAME, Site, line};

/// H10: a change in a stream or a task, by an extractor or the handle, is reported and not saved.
#[tokio::test]
async fn a_change_after_the_response_began_is_reported_with_an_event() {
    for path in ["/stream", "/stream-set", "/stream-destroy", "/stream-rotate", "/task"] {
        let site = Site::begun().await;
        let token = site.token();
        let before = site.record(&token).await.unwrap();
        let response = site.get(path).await;
        assert!(response.status == 200 && response.body.starts_with("begun, "), "{path}: {response:?}");
        let told = site.logs("session.late_change").await;
        assert!(told.level == tracing::Level::ERROR && told.text.contains("save().await"), "{path}: {told:?}");
        assert_eq!(site.record(&token).await.unwrap().version, before.version, "{path}");
    }
}

/// H10: for an anonymous visitor too.
#[tokio::test]
async fn a_late_change_of_an_anonymous_visitor_is_reported() {
    for path in ["/stream", "/stream-set"] {
        let site = Site::new().await;
        site.get(path).await;
        site.logs("session.late_change").await;
        assert_eq!(site.spy.take(), [""; 0], "{path}");
    }
}

/// H10: reading is no change, and neither is what was saved.
#[tokio::test]
async fn a_stream_that_lost_nothing_reports_nothing() {
    let site = Site::begun().await;
    for path in ["/stream-read", "/stream-save", "/stream-set-save", "/stream-destroy-save", "/read", "/status/500"] {
        site.get(path).await;
    }
    let anonymous = Site::new().await;
    for path in ["/stream-read", "/stream-rotate", "/stream-destroy"] {
        anonymous.get(path).await;
    }
    // the server drops what those requests held before it answers a later one
    for site in [site, anonymous] {
        site.get("/none").await;
        assert!(site.named("session.late_change").is_empty());
    }
}

/// H10: `save().await` after the response began updates the record that exists.
#[tokio::test]
async fn a_save_after_the_response_began_updates_the_record() {
    let site = Site::begun().await;
    assert_eq!(site.get("/stream-save").await.body, "begun, saved");
    assert_eq!(site.get("/read").await.body, "[1, 5]");
    assert_eq!(site.get("/stream-set-save").await.body, "begun, saved");
    assert_eq!(site.get("/get/note").await.body, "late");
    assert_eq!(site.get("/task-save").await.body, "begun, saved");
    assert_eq!(site.get("/read").await.body, "[1, 5, 6]");
    assert_eq!(site.named("session.late_change").len(), 0);
}

/// H10: also a record that this very request began.
#[tokio::test]
async fn a_late_save_updates_the_record_that_the_response_began() {
    let site = Site::new().await;
    let response = site.get("/stream-begun-save").await;
    assert_eq!(response.body, "begun, saved");
    assert!(line(&response).starts_with(NAME));
    assert_eq!(site.spy.take(), ["create", "update"]);
    assert_eq!(site.get("/get/note").await.body, "begun");
    assert_eq!(site.get("/read").await.body, "[5]");
}

/// H10: what would need a cookie is refused, for none can be sent any more.
#[tokio::test]
async fn a_late_save_that_needs_a_cookie_is_refused() {
    let site = Site::new().await;
    assert_eq!(site.get("/stream-save").await.body, "begun, refused");
    assert_eq!(site.get("/stream-set-save").await.body, "begun, refused");
    assert_eq!(site.spy.take(), [""; 0]);
    let site = Site::begun().await;
    assert_eq!(site.get("/stream-rotate-save").await.body, "begun, refused");
    assert_eq!(site.get("/read").await.body, "[1]");
}

/// H10, H11: a late `destroy` that is saved ends the record; the cookie is then a dead one.
#[tokio::test]
async fn a_late_destroy_that_is_saved_ends_the_record() {
    let site = Site::begun().await;
    let token = site.token();
    assert_eq!(site.get("/stream-destroy-save").await.body, "begun, saved");
    assert_eq!(site.record(&token).await, None);
    assert_eq!(site.get("/read").await.body, "[]");
}
