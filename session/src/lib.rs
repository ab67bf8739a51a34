//! Server-side sessions for actix-web, typed by a derive.

mod clock;
mod config;
mod cookie;
mod data;
mod error;
mod json;
mod registry;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod token;

pub use self::{
    clock::Clock,
    config::{SameSite, SessionConfig},
    data::SessionData,
    error::{ConfigError, SessionError},
};

/// What the derive's output names. Not part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use serde;

    pub use crate::{
        data::{
            Decoder, EncodeError, Field, Guard, Merge, Missing, Schema, UnitEncoder, decodes, merge_unit, merge_with,
            unit_decodes,
        },
        json::encode,
        registry::Registration,
    };
}
