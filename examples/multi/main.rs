//! Two sessions, two cookies: customers on the whole site, and staff under `/staff`, each with settings of its own.
//!
//!     cargo run --example multi
//!
//! then open http://127.0.0.1:8080/, sign in as a customer, go on to the staff, sign in there too, and sign out of either:
//! the other stays. The browser's tools show `__Host-customer` and `__Secure-staff`, which no page but those of `/staff` is sent.
//!
//! The store and every other setting come from the environment when `SESSION_TYPE` is set.

use std::{error::Error, time::Duration};

use actix_typed_session::{SameSite, SessionConfig, SessionMiddleware};
use actix_web::{
    App, HttpServer,
    middleware::from_fn,
    web::{ServiceConfig, scope},
};
use start::csrf;

mod customer;
mod page;
mod staff;
#[cfg(test)]
mod tests;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// For a shopper who comes back after weeks.
fn for_customers(config: SessionConfig) -> SessionConfig {
    config
        .cookie_name("customer") // `__Host-customer`
        .key_prefix("customer:")
        .idle_timeout(30 * 24 * HOUR)
        .absolute_lifetime(90 * 24 * HOUR)
}

/// For those who may do more: shorter, stricter, and sent to their pages alone. A path of its own makes the prefix of the
/// name `__Secure-`. The prefix of the keys keeps the two apart in one store: a customer's token is no token here.
fn for_staff(config: SessionConfig) -> SessionConfig {
    config
        .cookie_name("staff") // `__Secure-staff`
        .cookie_path("/staff")
        .cookie_same_site(SameSite::Strict)
        .key_prefix("staff:")
        .idle_timeout(HOUR / 4)
        .absolute_lifetime(8 * HOUR)
}

/// Both parts, each with its own sessions around it.
fn routes(customers: SessionMiddleware, staff: SessionMiddleware) -> impl FnOnce(&mut ServiceConfig) + Clone {
    |app| {
        let staff = scope("/staff").wrap(from_fn(csrf::check)).wrap(staff); // the sessions are the outer one
        let customers = scope("").wrap(from_fn(csrf::check)).wrap(customers);
        app.service(start::style())
            .service(staff.service((staff::show, staff::sign_in, staff::sign_out)))
            .service(customers.service((customer::show, customer::sign_in, customer::sign_out)));
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let routes = routes(start::sessions_with(for_customers)?, start::sessions_with(for_staff)?);
    HttpServer::new(move || App::new().configure(routes.clone())).bind(start::address()?)?.run().await?;
    Ok(())
}
