//! Two stores as one: what moves, what it costs, and every order in which several nodes can go about it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod each_order;
mod moving;
mod world;
