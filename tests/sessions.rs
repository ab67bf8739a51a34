//! The sessions of a user: DESIGN.md, section 9, over the memory store. What needs two servers is in `stores/races`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test tells what it did not expect by a panic"
)]

mod sessions {
    pub(crate) mod odd;
    pub(crate) mod site;

    mod clocks;
    mod limit;
    mod list;
    mod record;
    mod revoke;
}
