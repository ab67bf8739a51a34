//! Counts a visitor's requests, exactly, also when many arrive at once.
//!
//!     cargo run --example counter
//!
//! then, in another terminal, with a cookie jar:
//!
//!     curl -c jar -b jar http://127.0.0.1:8080/count      # 1, then 2, then 3 …
//!     curl -c jar -b jar http://127.0.0.1:8080/           # the page
//!
//! The sessions are in memory. To keep them over a restart, choose another store and any setting in the environment:
//!
//!     SESSION_TYPE=filesystem SESSION_FILE_DIR=/tmp/sessions cargo run --example counter
//!     SESSION_TYPE=redis SESSION_REDIS=redis://127.0.0.1:6379 cargo run --example counter --features redis

use std::error::Error;

use actix_typed_session::Session;
use actix_web::{
    App, HttpServer, Responder, get,
    web::{Html, ServiceConfig},
};

#[derive(Default, Session)]
#[session(default)]
struct Visits {
    #[session(merge = "add")]
    count: u64,
}

#[get("/count")]
async fn count(mut visits: Session<Visits>) -> impl Responder {
    visits.count += 1; // saved before the response leaves
    visits.count.to_string()
}

#[get("/")]
async fn page(mut visits: Session<Visits>) -> impl Responder {
    visits.count += 1;
    Html::new(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>counter</title>\
         <p>Requests of yours so far: <strong>{}</strong>.</p>",
        visits.count
    ))
}

/// For `main` and for the tests.
fn routes(app: &mut ServiceConfig) {
    app.service(page).service(count);
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sessions = start::sessions()?;
    HttpServer::new(move || App::new().wrap(sessions.clone()).configure(routes)).bind(start::address()?)?.run().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use actix_typed_session::{
        SessionMiddleware,
        store::MemoryStore,
        testing::{Browser, SpyStore},
    };
    use actix_web::test;

    use super::*;

    async fn open(sessions: &SessionMiddleware) -> Browser {
        Browser::of(test::init_service(App::new().wrap(sessions.clone()).configure(routes)).await)
    }

    #[actix_web::test]
    async fn each_request_counts_and_each_visitor_has_an_own_count() {
        let browser = open(&SessionMiddleware::new(MemoryStore::default())).await;
        assert_eq!(browser.get("/count").await.body, "1");
        assert!(browser.get("/").await.body.contains("<strong>2</strong>"));
        assert_eq!(browser.other().get("/count").await.body, "1");
    }

    #[actix_web::test]
    async fn what_is_stored_is_counted_on() {
        let sessions = SessionMiddleware::new(MemoryStore::default());
        let browser = open(&sessions).await.with_session(&sessions, &Visits { count: 41 }).await;
        assert_eq!(browser.get("/count").await.body, "42");
        assert_eq!(browser.expect_stored::<Visits>(&sessions).await.count, 42);
    }

    #[actix_web::test]
    async fn a_request_is_one_look_and_one_write() {
        let spy = SpyStore::new(MemoryStore::default());
        let browser = open(&SessionMiddleware::new(spy.clone())).await;
        browser.get("/count").await;
        assert_eq!(spy.take(), ["create"]);
        browser.get("/count").await;
        assert_eq!(spy.take(), ["load", "update"]);
    }
}
