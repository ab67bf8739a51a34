//! [`Failure`]: why a command was not done, and the exit code of that.

use std::{borrow::Cow, fmt, io};

use crate::{
    error::{Chain, ConfigError, SessionError, StoreError},
    id::SessionId,
};

/// Why a command was not done. Its text shows no token, key, password or stored value.
pub(super) enum Failure {
    /// The arguments are wrong, or don't fit the settings.
    Usage(Cow<'static, str>),
    Settings(ConfigError),
    Store(StoreError),
    Session(SessionError),
    /// Something else than the store failed, or is not there.
    Failed(Cow<'static, str>),
    /// The output has said it already.
    Told,
    /// The output can't be written.
    Output(io::Error),
}

impl Failure {
    pub(super) fn usage(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Usage(text.into())
    }

    pub(super) fn failed(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Failed(text.into())
    }

    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Settings(_) => 2,
            Self::Store(_) | Self::Session(_) | Self::Failed(_) | Self::Told | Self::Output(_) => 1,
        }
    }

    /// Whether the output was to be read by somebody who has seen enough.
    pub(super) fn is_nobody_reading(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Failed(text) => f.write_str(text),
            Self::Settings(error) => error.fmt(f),
            Self::Told => Ok(()),
            Self::Store(error) => Chain(error).fmt(f),
            Self::Session(error) => Chain(error).fmt(f),
            Self::Output(error) => write!(f, "can't write: {error}"),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Settings(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// The id in an argument, which is not repeated, for it may be a token.
pub(super) fn id(text: &str) -> Result<SessionId, Failure> {
    text.parse().map_err(|_| {
        Failure::usage(
            "the id is none: accepted are 32 lower-case hex digits, as `list` shows them, and not the cookie",
        )
    })
}
