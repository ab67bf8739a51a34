//! Server-side sessions for actix-web, typed by a derive.
//!
//! The visitor's browser holds one unguessable token, and everything else is in a store. A handler names a plain struct
//! in its arguments and gets it: loaded, and saved before the response leaves if it changed. A request that names no
//! session makes no call to the store. Two requests on one session don't overwrite each other: their changes are
//! merged, field by field. A session that was ended does not come back.
//!
//! ```no_run
//! use actix_typed_session::{Session, SessionMiddleware, store::MemoryStore};
//! use actix_web::{App, HttpServer, Responder, web};
//!
//! /// The struct is the schema: `visits.count` is the one field that is stored.
//! #[derive(Default, Session)]
//! #[session(default)]
//! struct Visits {
//!     #[session(merge = "add")]
//!     count: u64,
//! }
//!
//! async fn count(mut visits: Session<Visits>) -> impl Responder {
//!     visits.count += 1; // exact, also when many requests arrive at once
//!     visits.count.to_string()
//! }
//!
//! #[actix_web::main]
//! async fn main() -> std::io::Result<()> {
//!     let sessions = SessionMiddleware::new(MemoryStore::default()); // once, outside the factory
//!     HttpServer::new(move || App::new().wrap(sessions.clone()).route("/", web::get().to(count)))
//!         .bind(("127.0.0.1", 8080))?
//!         .run()
//!         .await
//! }
//! ```
//!
#![doc = include_str!("docs/sessions.md")]
#![doc = include_str!("docs/users.md")]
#![doc = include_str!("docs/guards.md")]
#![doc = include_str!("docs/setup.md")]
#![doc = include_str!("docs/requests.md")]
#![doc = include_str!("docs/guides.md")]
//!
// where an item may be behind a feature that is off, its name leads to the table of features
#![cfg_attr(all(feature = "cache", feature = "datastore", feature = "dynamodb", feature = "elasticsearch", feature = "filesystem", feature = "firestore", feature = "memcached", feature = "memory", feature = "mongodb", feature = "orm", feature = "redis", feature = "sql", feature = "testing"), doc = include_str!("docs/links.md"))]
#![cfg_attr(not(all(feature = "cache", feature = "datastore", feature = "dynamodb", feature = "elasticsearch", feature = "filesystem", feature = "firestore", feature = "memcached", feature = "memory", feature = "mongodb", feature = "orm", feature = "redis", feature = "sql", feature = "testing")), doc = include_str!("docs/links_to_features.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod changes;
#[cfg(feature = "cli")]
mod cli;
mod clock;
mod codec;
mod commit;
mod config;
mod cookie;
mod csrf;
mod data;
mod detached;
mod end;
mod error;
mod events;
mod extract;
mod fields;
mod fresh;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod guide;
mod handle;
mod id;
mod joint;
mod json;
mod live;
mod merge;
mod middleware;
mod owner;
mod queue;
mod record;
mod registry;
mod seal;
mod sessions;
mod sign_in;
mod state;
pub mod store;
mod sweep;
#[cfg(feature = "testing")]
pub mod testing;
mod texts;
mod token;
mod worker;
mod write;

pub use actix_typed_session_derive::Session;

pub use self::{
    clock::Clock,
    config::{SameSite, SessionConfig},
    data::SessionData,
    error::{ConfigError, SessionError},
    extract::{Extract, Session},
    fresh::{ExtractFresh, Fresh},
    handle::SessionHandle,
    id::{ParseIdError, SessionId},
    middleware::{SessionMiddleware, SessionResponse, SessionService},
    sessions::{SessionInfo, Sessions},
    sweep::Sweeper,
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

    /// The command line, for the program `typed-session`.
    #[cfg(feature = "cli")]
    pub fn run_cli() -> std::process::ExitCode {
        crate::cli::run()
    }

    /// The bytes of a record with these fields, for the counts of `benches`.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn encode_record(fields: &[(&str, &str)]) -> Option<Vec<u8>> {
        let edits = fields.iter().map(|(name, text)| (*name, Some(*text))).collect();
        let fields = crate::fields::Fields::default().edited(&edits);
        let deadline = crate::record::NEVER;
        crate::record::encode(&crate::record::Contents { secret_hash: [7; 32], created: 1, deadline, fields })
    }

    /// What is in the bytes of a record, for the counts of `benches`.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn decode_record(record: bytes::Bytes) -> Option<impl Sized> {
        crate::record::decode(record)
    }
}

/// The program of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
