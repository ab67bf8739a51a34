//! Server-side sessions for actix-web, typed by a derive.

mod changes;
mod clock;
mod codec;
mod commit;
mod config;
mod cookie;
mod data;
mod detached;
mod error;
mod extract;
mod fields;
mod handle;
mod json;
mod merge;
mod middleware;
mod queue;
mod record;
mod registry;
mod seal;
mod state;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod token;
mod worker;

pub use actix_typed_session_derive::Session;

pub use self::{
    clock::Clock,
    config::{SameSite, SessionConfig},
    data::SessionData,
    error::{ConfigError, SessionError},
    extract::{Extract, Session},
    handle::SessionHandle,
    middleware::{SessionMiddleware, SessionResponse, SessionService},
};

/// What the derive's output names. Not part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use serde;

    pub use crate::{
        codec::{Codec, With, codec, codec_with},
        data::{
            Decoder, EncodeError, Field, Guard, Merge, Missing, Schema, SessionData, UnitEncoder, merge_unit,
            merge_with, unit_decodes,
        },
        registry::Registration,
    };
}

/// The program of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
