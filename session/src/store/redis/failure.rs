//! What went wrong, as what it means for the one who asked.

use std::{error::Error, time::Duration};

use redis::{ErrorKind, RedisError, ServerError};

use super::client::Client;
use crate::store::{StoreError, StoreErrorKind};

/// What a command would have done.
#[derive(Clone, Copy)]
pub(super) enum Effect {
    /// Nothing.
    Read,
    /// Something, so that it matters whether it was sent.
    Write,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    Redis(RedisError),
    TimedOut,
    /// The app's pool has no connection to give.
    #[cfg_attr(not(feature = "redis-pool"), allow(dead_code, reason = "there is no pool"))]
    Pool(Box<dyn Error + Send + Sync>),
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

#[cfg(feature = "redis-pool")]
impl From<deadpool_redis::PoolError> for Failure {
    fn from(error: deadpool_redis::PoolError) -> Self {
        match error {
            deadpool_redis::PoolError::Backend(error) => Self::Redis(error),
            error => Self::Pool(Box::new(error)),
        }
    }
}

/// A server's answer that it did nothing.
pub(super) struct Refusal<'a> {
    code: &'a str,
    detail: &'a str,
}

impl<'a> From<&'a ServerError> for Refusal<'a> {
    fn from(error: &'a ServerError) -> Self {
        Self { code: error.code(), detail: error.details().unwrap_or_default() }
    }
}

impl<'a> Refusal<'a> {
    /// The refusal that a client hands out as an error of its own.
    pub(super) fn of(failure: &'a Failure) -> Option<Self> {
        let Failure::Redis(error) = failure else { return None };
        Some(Self { code: error.code()?, detail: error.detail().unwrap_or_default() })
    }

    pub(super) fn is(&self, code: &str) -> bool {
        self.code == code
    }

    /// Whether the key holds a list, a hash or the like. Before Redis 7 a script says so in the detail.
    pub(super) fn is_wrong_type(&self) -> bool {
        self.is("WRONGTYPE") || self.detail.contains(": WRONGTYPE ")
    }

    pub(super) fn into_error(self) -> StoreError {
        if self.detail.contains("invalid bulk length") {
            return StoreError::new(
                StoreErrorKind::TooLarge,
                "the record is larger than `proto-max-bulk-len` of the redis server",
            );
        }
        // what a server quotes of an unknown command's arguments may be of a record
        let detail = self.detail.split(", with args").next().unwrap_or_default();
        StoreError::new(
            StoreErrorKind::Unavailable,
            format!("redis refused the command: {} {detail}", self.code).trim_end().to_owned(),
        )
    }
}

/// Where a command stood when it failed.
pub(super) struct Place<'a> {
    pub(super) client: &'a Client,
    pub(super) sent: bool,
    pub(super) effect: Effect,
}

impl Place<'_> {
    pub(super) fn failed(&self, failure: Failure, timeout: Duration) -> StoreError {
        let error = match failure {
            Failure::Redis(error) => error,
            Failure::TimedOut => return self.timed_out(timeout),
            Failure::Pool(error) => return self.unreached().with_source(error),
        };
        let kind = error.kind();
        // its text may quote what it could not read
        if kind == ErrorKind::Parse {
            return if self.sent {
                nonsense(self.effect)
            } else {
                self.unreached().with_source("it does not speak RESP")
            };
        }
        let never_sent = error.is_connection_refusal()
            || matches!(
                kind,
                ErrorKind::AuthenticationFailed
                    | ErrorKind::InvalidClientConfig
                    | ErrorKind::Client
                    | ErrorKind::ClusterConnectionNotFound
                    | ErrorKind::RESP3NotSupported
            );
        if !self.sent || never_sent {
            return self.unreached().with_source(error);
        }
        StoreError::new(self.unanswered(), format!("the connection to {} was lost", self.client)).with_source(error)
    }

    fn timed_out(&self, timeout: Duration) -> StoreError {
        if self.sent {
            StoreError::new(self.unanswered(), format!("{} did not answer within {timeout:?}", self.client))
        } else {
            self.unreached().with_source(format!("it took longer than {timeout:?}"))
        }
    }

    fn unreached(&self) -> StoreError {
        StoreError::new(StoreErrorKind::Unavailable, format!("can't connect to {}", self.client))
    }

    fn unanswered(&self) -> StoreErrorKind {
        match self.effect {
            Effect::Read => StoreErrorKind::Unavailable,
            Effect::Write => StoreErrorKind::OutcomeUnknown,
        }
    }
}

/// The error of an answer that is none to the question.
pub(super) fn nonsense(effect: Effect) -> StoreError {
    let kind = match effect {
        Effect::Read => StoreErrorKind::Protocol,
        Effect::Write => StoreErrorKind::OutcomeUnknown,
    };
    StoreError::new(kind, "redis gave an answer that makes no sense")
}
