//! Server-side sessions for actix-web, typed by a derive.

mod clock;
mod codec;
mod data;
mod error;
mod json;
mod registry;
pub mod store;

pub use actix_typed_session_derive::Session;

pub use self::{
    clock::Clock,
    data::SessionData,
    error::{ConfigError, SessionError},
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
