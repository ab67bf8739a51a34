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
use actix_web::{App, HttpServer, Responder, get, web::Html};

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

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sessions = start::sessions()?;
    HttpServer::new(move || App::new().wrap(sessions.clone()).service(page).service(count))
        .bind(start::address()?)?
        .run()
        .await?;
    Ok(())
}
