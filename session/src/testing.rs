//! Tools for tests, with feature `testing`: an app as its visitors meet it, and is a store right, what was it asked, and
//! what if it fails. The guide [Testing your app](crate::guide::testing_your_app) shows them at work.
//!
//! | | |
//! |---|---|
//! | [`Browser`] | a visitor of an app: over `actix_web::test`, and over a server that runs |
//! | [`Browser::with_session`] | a session that is there before the first request: a user who is signed in |
//! | [`Browser::stored`], [`StoredSession`] | what the store has of a visitor |
//! | [`conformance`] | rules S1–S16 of [`SessionStore`](crate::store::SessionStore), to run against a store of your own |
//! | [`model()`] | the same contract as generated histories, compared with a model |
//! | [`SpyStore`] | keeps a log of the operations that a store was asked for |
//! | [`FaultStore`] | delays, refuses, loses answers and hangs when a test says so |
//! | [`ReferenceStore`] | a store that is slow and plain enough to be seen to be right |
//! | [`Clock::manual`](crate::Clock::manual) | a clock that tests move |

// Whoever calls these is a test: a broken expectation is told by a panic.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod browser;
pub mod conformance;
mod fault;
mod model;
mod reference;
mod spy;

pub use self::{
    browser::{Browser, InProcess, Pending, Remote, Response, Site, StoredCookie, StoredSession},
    fault::{Fault, FaultStore, Gate},
    model::model,
    reference::ReferenceStore,
    spy::{Operation, SpyStore},
};
