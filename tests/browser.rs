//! The published browser keeps and sends cookies as browsers do, over an app and over a server, and sees what is stored.

// A test tells what it did not expect by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "browser/placing.rs"]
mod placing;
#[path = "browser/sending.rs"]
mod sending;
#[path = "browser/shop.rs"]
mod shop;
#[path = "browser/wire.rs"]
mod wire;
