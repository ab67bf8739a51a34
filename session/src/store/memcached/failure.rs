//! What went wrong, as what it means for the one who asked.

use std::{error::Error, time::Duration};

use super::{connection::Connection, driver::Lost};
use crate::store::{StoreError, StoreErrorKind};

/// What a command would have done.
#[derive(Clone, Copy)]
pub(super) enum Effect {
    /// Nothing.
    Read,
    /// Something, so that it matters whether it was sent.
    Write,
}

impl Effect {
    fn unanswered(self) -> StoreErrorKind {
        match self {
            Self::Read => StoreErrorKind::Unavailable,
            Self::Write => StoreErrorKind::OutcomeUnknown,
        }
    }
}

pub(super) fn unreached(server: &Connection, why: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, format!("can't connect to {server}")).with_source(why)
}

pub(super) fn timed_out(server: &Connection, timeout: Duration, effect: Effect) -> StoreError {
    StoreError::new(effect.unanswered(), format!("{server} did not answer within {timeout:?}"))
}

pub(super) fn lost(server: &Connection, lost: &Lost, effect: Effect) -> StoreError {
    let kind = match lost {
        Lost::Nonsense => return nonsense(effect),
        Lost::NotSent => StoreErrorKind::Unavailable,
        Lost::Sent => effect.unanswered(),
    };
    StoreError::new(kind, format!("the connection to {server} was lost"))
}

/// The error of an error line.
pub(super) fn refused(text: &str, effect: Effect) -> StoreError {
    if text.starts_with("SERVER_ERROR object too large") {
        return too_large();
    }
    // a proxy says `SERVER_ERROR` too, when it does not know what became of a write
    let is_known = !text.starts_with("SERVER_ERROR") || text.starts_with("SERVER_ERROR out of memory");
    let kind = if is_known { StoreErrorKind::Unavailable } else { effect.unanswered() };
    let text: String = text.chars().filter(|c| !c.is_control()).take(100).collect();
    StoreError::new(kind, format!("memcached refused the command: {text}"))
}

pub(super) fn too_large() -> StoreError {
    StoreError::new(
        StoreErrorKind::TooLarge,
        "the record is larger than `item_size_max` (`-I`) of the memcached server",
    )
}

/// The error of an answer that is none to the question.
pub(super) fn nonsense(effect: Effect) -> StoreError {
    let kind = match effect {
        Effect::Read => StoreErrorKind::Protocol,
        Effect::Write => StoreErrorKind::OutcomeUnknown,
    };
    StoreError::new(kind, "memcached gave an answer that makes no sense")
}
