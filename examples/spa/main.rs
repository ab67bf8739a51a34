//! A page that is a program: a JSON API behind a session, CSRF tokens in a header, a little plain JavaScript.
//!
//!     cargo run --example spa
//!
//! then open http://127.0.0.1:8080/, sign in with any name, and make a shopping list. Or with curl:
//!
//!     curl -c jar -b jar http://127.0.0.1:8080/api/session                      # a token for what follows
//!     curl -c jar -b jar http://127.0.0.1:8080/api/sign-in -H 'X-CSRF-Token: …' --json '{"name": "ada"}'
//!     curl -c jar -b jar http://127.0.0.1:8080/api/sign-out -X POST             # 403: no token
//!
//! The store and every setting come from the environment when `SESSION_TYPE` is set.

use std::error::Error;

use actix_web::{
    App, HttpResponse, HttpServer, Responder, get,
    http::header,
    middleware::from_fn,
    web::{ServiceConfig, scope},
};
use start::{Page, csrf};

mod api;
#[cfg(test)]
mod tests;

/// All routes; the app wraps its sessions around them. The page itself has no session: its script asks for it.
fn routes(app: &mut ServiceConfig) {
    let api = scope("/api").wrap(from_fn(csrf::check)).service((
        api::show,
        api::sign_in,
        api::sign_out,
        api::add,
        api::remove,
    ));
    app.service((start::style(), page, script)).service(api);
}

#[get("/")]
async fn page() -> HttpResponse {
    Page::new("Spa", "Shopping list")
        .script(r#"<script type="module" src="/app.js"></script>"#)
        .show(include_str!("page.html"))
}

#[get("/app.js")]
async fn script() -> impl Responder {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/javascript; charset=utf-8"))
        .body(include_str!("app.js"))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sessions = start::sessions()?;
    HttpServer::new(move || App::new().wrap(sessions.clone()).configure(routes)).bind(start::address()?)?.run().await?;
    Ok(())
}
