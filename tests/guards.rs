//! What lets a visitor do more, or less: a fresh proof of who it is, and CSRF tokens.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test tells what it did not expect by a panic")]

#[path = "guards/csrf.rs"]
mod csrf;
#[path = "guards/fresh.rs"]
mod fresh;
#[path = "guards/site.rs"]
mod site;
