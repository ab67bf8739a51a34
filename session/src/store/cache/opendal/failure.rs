//! What went wrong, as what it means for the one who asked.

use std::{error::Error, io};

use opendal::ErrorKind;

use crate::store::{StoreError, StoreErrorKind};

/// What a request would have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    Read,
    /// Something, so that it matters whether it was sent.
    Write,
}

impl Effect {
    /// What it is called that no answer came.
    pub(super) fn unanswered(self) -> StoreErrorKind {
        match self {
            Self::Read => StoreErrorKind::Unavailable,
            Self::Write => StoreErrorKind::OutcomeUnknown,
        }
    }
}

/// Whether a write was refused because of what is there, or of one that is made at the same time.
pub(super) fn is_lost_race(error: &opendal::Error) -> bool {
    match error.kind() {
        ErrorKind::ConditionNotMatch | ErrorKind::Conflict | ErrorKind::AlreadyExists => true,
        // S3 says so of two writes at one time, of which neither saw the other's ETag
        _ => error.message().contains("ConditionalRequestConflict"),
    }
}

/// The error, without what OpenDAL adds to it: paths, headers and the server's own words, which may quote a key.
pub(super) fn of(error: &opendal::Error, effect: Effect) -> StoreError {
    let refused = |what: &'static str| StoreError::new(StoreErrorKind::Unavailable, what);
    match error.kind() {
        ErrorKind::PermissionDenied => refused("the object storage denies access"),
        ErrorKind::RateLimited => refused("the object storage asks for fewer requests"),
        ErrorKind::ConfigInvalid => refused("the object storage does not know the bucket, or its settings are wrong"),
        ErrorKind::Unsupported => refused("the object storage can't do this"),
        ErrorKind::NotFound => refused("the object storage does not know the place or the user, or is none"),
        _ => match system_error(error) {
            Some(kind) if was_not_sent(kind) => {
                refused("can't connect to the object storage").with_source(io::Error::from(kind))
            }
            Some(kind) => lost(effect).with_source(io::Error::from(kind)),
            None => lost(effect),
        },
    }
}

fn lost(effect: Effect) -> StoreError {
    StoreError::new(effect.unanswered(), "the object storage failed, or gave an answer that makes no sense")
}

/// What the system said, where it was the system.
fn system_error(error: &opendal::Error) -> Option<io::ErrorKind> {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        next = error.source();
    }
    None
}

fn was_not_sent(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable
    )
}
