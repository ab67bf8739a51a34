//! A shop: a cart that several tabs change at once, messages that are shown once, a sign-in that keeps the cart.
//!
//!     cargo run --example shop
//!
//! then open http://127.0.0.1:8080/ in a browser, and try this:
//!
//! * put things into the cart in two tabs at the same moment: nothing is lost
//! * sign in, with any name: the cart is still there, and the cookie `__Host-session` has another value
//! * buy in one tab, and in the other without loading it again: the things are bought once
//! * sign out in one tab: the other is signed out, too
//!
//! The store and every setting come from the environment when `SESSION_TYPE` is set. With `--features metrics`, there is a
//! page for Prometheus at `/metrics`.

use std::error::Error;

use actix_web::{
    App, HttpServer,
    middleware::from_fn,
    web::{ServiceConfig, scope},
};
use start::csrf;

mod account;
mod cart;
mod goods;
#[cfg(feature = "metrics")]
mod metrics;
mod page;
#[cfg(test)]
mod tests;

/// All routes; the app wraps its sessions around them.
fn routes(app: &mut ServiceConfig) {
    let pages = scope("")
        .wrap(from_fn(csrf::check))
        .service(goods::show)
        .service((cart::show, cart::add, cart::remove, cart::add_tea, cart::remove_tea, cart::buy))
        .service((account::form, account::sign_in, account::sign_out));
    app.service(start::style()).service(pages);
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    #[cfg(feature = "metrics")]
    let metrics = metrics::install()?; // before the middleware, which describes its counters to it
    let sessions = start::sessions()?;
    let app = move || {
        let app = App::new().wrap(sessions.clone());
        #[cfg(feature = "metrics")]
        let app = app.app_data(metrics.clone()).service(metrics::show);
        app.configure(routes)
    };
    HttpServer::new(app).bind(start::address()?)?.run().await?;
    Ok(())
}
