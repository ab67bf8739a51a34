//! The sessions of a user: where one is signed in, how long each lasts, and how each ends.
//!
//!     cargo run --example devices
//!
//! then open http://127.0.0.1:8080/ in two browsers (a private window is another one), sign in with one name, and try this:
//!
//! * the list names both, when each was used, and when it ends by itself: after half an hour without use, or after 12 hours
//! * sign out the other one, all others, or all: a page that is loaded again there is signed out
//!
//! The store and every setting but those times come from the environment when `SESSION_TYPE` is set. A real application
//! asks for the password before it ends a session: that is in `step_up`.

use std::{error::Error, time::Duration};

use actix_typed_session::{Clock, SessionConfig, SessionMiddleware};
use actix_web::{
    App, HttpServer,
    middleware::from_fn,
    web::{Data, ServiceConfig, scope},
};
use start::csrf;

mod account;
mod agent;
mod list;
#[cfg(test)]
mod tests;

/// A session that is not used for so long ends.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// A session ends so long after it began, whatever its use.
const ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);

fn settings(config: SessionConfig) -> SessionConfig {
    config.idle_timeout(IDLE).absolute_lifetime(ABSOLUTE)
}

/// All routes, and the sessions of all users; the app wraps its sessions around them.
fn routes(
    sessions: &SessionMiddleware,
    clock: Clock,
) -> Result<impl FnOnce(&mut ServiceConfig) + Clone + use<>, Box<dyn Error>> {
    let (sessions, clock) = (Data::new(sessions.sessions()?), Data::new(clock));
    Ok(move |app: &mut ServiceConfig| {
        let pages = scope("").wrap(from_fn(csrf::check)).service(list::show).service((
            account::sign_in,
            account::sign_out,
            account::sign_out_others,
            account::sign_out_all,
        ));
        app.app_data(sessions).app_data(clock).service(start::style()).service(pages);
    })
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sessions = start::sessions_with(settings)?;
    let routes = routes(&sessions, Clock::default())?;
    HttpServer::new(move || App::new().wrap(sessions.clone()).configure(routes.clone()))
        .bind(start::address()?)?
        .run()
        .await?;
    Ok(())
}
