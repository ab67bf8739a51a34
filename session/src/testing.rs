//! Tools for tests, with feature `testing`: is a store right, what was it asked, and what if it fails.
//!
//! | | |
//! |---|---|
//! | [`conformance`] | rules S1–S16 of [`SessionStore`](crate::store::SessionStore), to run against a store of your own |
//! | [`model()`] | the same contract as generated histories, compared with a model |
//! | [`SpyStore`] | keeps a log of the operations that a store was asked for |
//! | [`FaultStore`] | delays, refuses, loses answers and hangs when a test says so |
//! | [`ReferenceStore`] | a store that is slow and plain enough to be seen to be right |
//! | [`Clock::manual`](crate::Clock::manual) | a clock that tests move |

// Whoever calls these is a test: a broken expectation is told by a panic.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

pub mod conformance;
mod fault;
mod model;
mod reference;
mod spy;

pub use self::{
    fault::{Fault, FaultStore, Gate},
    model::model,
    reference::ReferenceStore,
    spy::{Operation, SpyStore},
};
