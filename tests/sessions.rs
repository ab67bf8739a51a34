//! The sessions of a user, rules O1 to O5 of ARCHITECTURE.md, over the memory store.

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
