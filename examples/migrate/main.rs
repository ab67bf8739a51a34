//! A struct that changes while the app runs: an old and a new version side by side, over the same sessions.
//!
//!     cargo run --example migrate
//!
//! then open http://127.0.0.1:8080/, save a name in version 1, look at it in version 2, add a language there, and go back
//! to version 1 and change something: the language is still stored.
//!
//! A rolling deploy is like that: for a while, servers of both versions get the requests of one visitor. What makes it safe:
//!
//! * a new field has a default, so that version 2 reads what version 1 wrote
//! * a field that a version does not know is kept when that version saves
//! * a field that is renamed in the code keeps its name in the store, by `rename`
//! * a field whose type changes gets a new name, and the old one is read as long as there is a version 1
//!
//! An `alias` is for later: version 2 would write the new name and remove the old one, which version 1 still reads.
//! The store and every setting come from the environment when `SESSION_TYPE` is set.

use std::error::Error;

use actix_web::{
    App, HttpServer,
    middleware::from_fn,
    web::{ServiceConfig, scope},
};
use start::csrf;

mod page;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

/// Both versions, as if they were two programs behind one proxy; the app wraps its sessions around them.
fn routes(app: &mut ServiceConfig) {
    let versions =
        scope("").wrap(from_fn(csrf::check)).service(page::home).service((v1::show, v1::save, v2::show, v2::save));
    app.service(start::style()).service(versions);
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sessions = start::sessions()?;
    HttpServer::new(move || App::new().wrap(sessions.clone()).configure(routes)).bind(start::address()?)?.run().await?;
    Ok(())
}
