//! H6 and H9: what is saved, by the response; and what an app without the middleware is told.

use actix_typed_session::SessionConfig;
use actix_web::web::ServiceConfig;

use crate::{
    routes::routes,
    site::{Bare, NAME, Site, line, split},
};

/// H6: by the handler's response.
#[tokio::test]
async fn a_response_below_500_saves() {
    for status in [200, 201, 204, 302, 304, 400, 401, 403, 404, 409, 422, 451, 499] {
        let site = Site::begun().await;
        assert_eq!(site.get(&format!("/status/{status}")).await.status, status);
        assert_eq!(site.get("/read").await.body, "[1, 2]", "{status}");
    }
}

/// H6: a handler's `Err` is a response as any other.
#[tokio::test]
async fn a_handler_s_error_below_500_saves() {
    for status in [400, 404, 422] {
        let site = Site::begun().await;
        assert_eq!(site.get(&format!("/err/{status}")).await.status, status);
        assert_eq!(site.get("/read").await.body, "[1, 2]", "{status}");
        let site = Site::new().await;
        assert_eq!(site.get(&format!("/err/{status}")).await.set_cookies().len(), 1);
        assert_eq!(site.get("/read").await.body, "[2]", "{status}");
    }
}

/// H6: a failure drops the changes, and says so.
#[tokio::test]
async fn a_response_from_500_on_drops_the_changes_with_an_event() {
    for path in ["/status/500", "/status/503", "/status/599", "/err/500", "/err/502", "/rotate/500"] {
        let site = Site::begun().await;
        let token = site.token();
        let response = site.get(path).await;
        assert!(response.status >= 500 && response.set_cookies().is_empty(), "{path}: {response:?}");
        assert_eq!(site.spy.take().iter().filter(|asked| **asked != "load").count(), 0, "{path}");
        assert_eq!(site.named("session.dropped").len(), 1, "{path}");
        assert_eq!((site.get("/read").await.body.as_str(), site.token()), ("[1]", token), "{path}");
    }
}

/// H6: nothing dropped, nothing told.
#[tokio::test]
async fn a_failure_without_a_change_is_no_event() {
    let site = Site::begun().await;
    assert_eq!(site.get("/swallow/500").await.status, 500);
    assert!(site.named("session.dropped").is_empty());
}

/// H6: a failure begins no session.
#[tokio::test]
async fn a_failure_begins_no_session() {
    let site = Site::new().await;
    for path in ["/status/500", "/err/500"] {
        let response = site.get(path).await;
        assert_eq!((response.status, response.set_cookies().len()), (500, 0), "{path}");
    }
    assert_eq!(site.spy.take(), [""; 0]);
}

/// H6: a `destroy` happens on a failure too, without what was changed beside it, and the cookie is removed.
#[tokio::test]
async fn a_destroy_happens_whatever_the_response() {
    for status in [404, 500, 503] {
        let site = Site::begun().await;
        let token = site.token();
        let response = site.get(&format!("/destroy/{status}")).await;
        assert_eq!(response.status, status);
        assert_eq!(site.record(&token).await, None, "{status}");
        if status >= 500 {
            assert!(line(&response).starts_with(&format!("{NAME}=; ")) && line(&response).contains("Max-Age=0"));
            assert!(site.browser.cookies().is_empty());
        } else {
            // there the change after the `destroy` begins another session
            assert_eq!(site.get("/get/note").await.body, "void");
        }
        assert_eq!(response.header("vary"), Some("Cookie"));
    }
}

/// H6: an inner middleware's `Err` drops the changes, whatever its status.
#[tokio::test]
async fn an_inner_middleware_s_error_drops_the_changes_with_an_event() {
    for code in ["401", "418", "500"] {
        let site = Site::begun().await;
        let token = site.token();
        let response = site.browser.send("GET", "/inner/push/2", &[("x-code", code)], "").await;
        assert_eq!((response.status.to_string().as_str(), response.body.as_str()), (code, "refused"));
        assert_eq!((response.header("vary"), response.set_cookies().len()), (Some("Cookie"), 0));
        assert_eq!(site.named("session.dropped").len(), 1);
        assert_eq!((site.get("/read").await.body.as_str(), site.token()), ("[1]", token));
    }
}

/// H6: a `destroy` survives an inner middleware's `Err`, and its response carries the removal.
#[tokio::test]
async fn a_destroy_happens_when_an_inner_middleware_fails() {
    let site = Site::begun().await;
    let token = site.token();
    let response = site.get("/inner/destroy").await;
    assert_eq!((response.status, response.header("vary")), (418, Some("Cookie")));
    assert!(line(&response).starts_with(&format!("{NAME}=; ")));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(site.record(&token).await, None);
    assert!(site.browser.cookies().is_empty());
}

/// H6: what was saved before the failure stays, and so does the token that goes with it.
#[tokio::test]
async fn what_was_saved_early_stays_when_the_response_is_a_failure() {
    let site = Site::new().await;
    let response = site.get("/save-then/500").await;
    assert_eq!((response.status, response.set_cookies().len()), (500, 1));
    assert_eq!(site.get("/read").await.body, "[3]");
    assert_eq!(site.get("/save-then/404").await.status, 404);
    assert_eq!(site.get("/read").await.body, "[3, 3, 4]");
}

/// H6: two saves of one request are one session.
#[tokio::test]
async fn a_change_after_a_save_goes_to_the_session_that_it_began() {
    let site = Site::new().await;
    let response = site.get("/save-twice").await;
    assert_eq!(split(line(&response)).0, NAME);
    assert_eq!(site.get("/read").await.body, "[3, 4]");
    assert_eq!(site.spy.take(), ["create", "update", "load"]);
}

/// H7: a save that failed leaves the visitor the session, which a later change of the request still reaches.
#[tokio::test]
async fn a_change_after_a_save_that_failed_goes_to_the_session_of_the_cookie() {
    let site = Site::begun().await;
    let token = site.token();
    let response = site.get("/too-large-then-set").await;
    assert_eq!((response.status, response.set_cookies().len()), (200, 0));
    assert_eq!(site.token(), token);
    assert_eq!(site.get("/get/note").await.body, "small");
    assert_eq!(site.get("/read").await.body, "[1]");
}

/// H7: and reads see it too.
#[tokio::test]
async fn a_read_after_a_save_that_failed_sees_the_session_of_the_cookie() {
    let site = Site::begun().await;
    site.get("/set/note/kept").await;
    assert_eq!(site.get("/too-large-then-get").await.body, "kept");
}

/// H5, section 3: a save that only refreshed leaves the response nothing to do.
#[tokio::test]
async fn a_save_that_refreshed_is_not_followed_by_another_refresh() {
    let site = Site::begun_with(SessionConfig::new()).await;
    site.clock.advance(5 * crate::site::DAY);
    assert_eq!(site.get("/save-read").await.body, "saved");
    assert_eq!(site.spy.take(), ["load", "touch"]);
}

fn all(app: &mut ServiceConfig) {
    app.configure(|app: &mut ServiceConfig| routes(app));
}

/// H9: a 500 whose log line says what to add.
#[tokio::test]
async fn without_the_middleware_extraction_is_a_500_that_says_what_to_add() {
    let bare = Bare::start(all).await;
    for path in ["/read", "/user", "/handle", "/push/1"] {
        let response = bare.browser.get(path).await;
        assert_eq!((response.status, response.body.as_str()), (500, ""), "{path}");
        let route = if path == "/push/1" { "/push/{item}" } else { path };
        assert_eq!(told(&bare, route), 1, "{path}");
    }
}

/// H9: who swallows the error is told all the same.
#[tokio::test]
async fn without_the_middleware_option_and_result_log_what_to_add() {
    let bare = Bare::start(all).await;
    for path in ["/option", "/option-user", "/result", "/result-user", "/option-handle", "/option-push"] {
        assert_eq!(bare.browser.get(path).await.body, "false", "{path}");
        assert_eq!(told(&bare, path), 1, "{path}");
    }
}

/// How many errors name the route and say what to add.
fn told(bare: &Bare, route: &str) -> usize {
    let says = |text: &str| text.ends_with(&format!(" route={route}")) && text.contains(".wrap(sessions.clone())");
    let lines = crate::events::of(&bare.thread);
    lines.iter().filter(|line| line.level == tracing::Level::ERROR && says(&line.text)).count()
}
