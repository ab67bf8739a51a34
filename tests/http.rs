//! The HTTP rules H1 to H11, and what a client that hangs up leaves behind (L8): real servers, over sockets.

// A test tells what it did not expect by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "http/caching.rs"]
mod caching;
#[path = "http/cancel.rs"]
mod cancel;
#[path = "http/cookie.rs"]
mod cookie;
#[path = "http/damaged.rs"]
mod damaged;
#[path = "http/events.rs"]
mod events;
#[path = "http/flows.rs"]
mod flows;
#[path = "http/late.rs"]
mod late;
#[path = "http/mistakes.rs"]
mod mistakes;
#[path = "http/outcomes.rs"]
mod outcomes;
#[path = "http/privacy.rs"]
mod privacy;
#[path = "http/recorder.rs"]
mod recorder;
#[path = "http/routes.rs"]
mod routes;
#[path = "http/saving.rs"]
mod saving;
#[path = "http/sealed.rs"]
mod sealed;
#[path = "http/secrets.rs"]
mod secrets;
#[path = "http/site.rs"]
mod site;
#[path = "http/straggler.rs"]
mod straggler;
#[path = "http/tokens.rs"]
mod tokens;
#[path = "http/told.rs"]
mod told;
#[path = "http/troubleshooting.rs"]
mod troubleshooting;
#[path = "http/two.rs"]
mod two;
