//! What two versions promise that run side by side: none of them loses what the other saved.

#![allow(clippy::unwrap_used, reason = "a test panics")]

use actix_typed_session::{SessionMiddleware, store::MemoryStore, testing::Browser};
use actix_web::{App, test::init_service};
use start::csrf;

use crate::routes;

async fn visitor(sessions: &SessionMiddleware) -> Browser {
    Browser::of(init_service(App::new().wrap(sessions.clone()).configure(routes)).await)
}

async fn save(browser: &Browser, path: &str, fields: &[(&str, &str)]) {
    let page = browser.get(path).await.body;
    let token = csrf::token_in(&page).unwrap();
    assert_eq!(browser.post_form(path, &[fields, &[("csrf_token", token)]].concat()).await.status, 303);
}

#[actix_web::test]
async fn version_2_reads_what_version_1_wrote() {
    let browser = visitor(&SessionMiddleware::new(MemoryStore::default())).await;
    save(&browser, "/v1", &[("name", "<ada>"), ("newsletter", "on")]).await;
    let page = browser.get("/v2").await.body;
    assert!(page.contains("name=\"display_name\" value=\"&lt;ada&gt;\""), "{page}");
    assert!(page.contains("<option value=\"weekly\" selected>"), "{page}");
    assert!(page.contains("<option value=\"english\" selected>"), "{page}");
}

#[actix_web::test]
async fn version_1_keeps_what_it_does_not_know() {
    let sessions = SessionMiddleware::new(MemoryStore::default());
    let browser = visitor(&sessions).await;
    let fields = [("display_name", "ada"), ("letters", "monthly"), ("language", "german")];
    save(&browser, "/v2", &fields).await;
    assert!(browser.get("/v1").await.body.contains("name=\"name\" value=\"ada\""));
    save(&browser, "/v1", &[("name", "grace"), ("newsletter", "on")]).await;
    let session = browser.session(&sessions).await.unwrap();
    assert_eq!(session.field::<String>("profile.name").unwrap(), "grace");
    assert_eq!(session.field::<String>("profile.language").unwrap(), "german");
    assert_eq!(session.field::<String>("profile.letters").unwrap(), "monthly");
    assert_eq!(session.field::<u32>("profile.saves"), Some(2));
}

#[actix_web::test]
async fn what_version_1_said_last_counts_in_version_2() {
    let browser = visitor(&SessionMiddleware::new(MemoryStore::default())).await;
    let fields = [("display_name", "ada"), ("letters", "monthly"), ("language", "english")];
    save(&browser, "/v2", &fields).await;
    save(&browser, "/v1", &[("name", "ada")]).await;
    assert!(browser.get("/v2").await.body.contains("<option value=\"never\" selected>"));
    save(&browser, "/v1", &[("name", "ada"), ("newsletter", "on")]).await;
    assert!(browser.get("/v2").await.body.contains("<option value=\"monthly\" selected>"));
}
