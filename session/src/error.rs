//! What can go wrong, and how it is told.

use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};

type Source = Arc<dyn Error + Send + Sync>;

/// Why a handler has no session, or why its changes were not saved.
///
/// As a response it is its status and an empty body, with `Retry-After: 1` where the status is 503: the detail is for
/// the log. It never holds a token or a stored value.
///
/// ```
/// use actix_typed_session::{Session, SessionError};
/// use actix_web::{HttpResponse, http::header::LOCATION};
///
/// #[derive(Session)]
/// struct User { #[session(owner)] name: String }
///
/// /// Visitors who are not signed in are sent to the form instead of a bare 401.
/// async fn home(user: Result<Session<User>, SessionError>) -> Result<HttpResponse, SessionError> {
///     match user {
///         Ok(user) => Ok(HttpResponse::Ok().body(user.name.clone())),
///         Err(SessionError::Absent { .. }) => {
///             Ok(HttpResponse::SeeOther().insert_header((LOCATION, "/login")).finish())
///         }
///         Err(error) => Err(error),
///     }
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// The session lacks a field that the struct requires: the visitor is not signed in, say. 401.
    Absent {
        /// The type that was asked for.
        type_name: &'static str,
        /// The field that the session lacks.
        field: &'static str,
    },
    /// The visitor was authenticated too long ago for what was asked: [`Fresh`](crate::Fresh) wants a newer proof. 403.
    NotFresh {
        /// How long ago it may be.
        limit: Duration,
        /// How long ago it was; none where that is not known.
        age: Option<Duration>,
    },
    /// The CSRF token that came with the request is not the session's, or there is no session. 403.
    Csrf,
    /// The store failed, or did not answer in time. 503, but 500 where the record is larger than the store takes.
    Store(StoreError),
    /// A write may or may not have happened, and nothing shows which. 503.
    OutcomeUnknown(StoreError),
    /// Too many other requests changed the session meanwhile: the commit's time budget is spent. 503.
    BudgetSpent,
    /// Another request gave the session a new token meanwhile; this one came with the old one, and wrote nothing. 409.
    RotatedAway,
    /// The session ended before this request could sign in on it; nothing was written. 409.
    Ended,
    /// The user has as many sessions as `SESSION_LIMIT_PER_OWNER` allows, and it says `refuse`: nothing was saved. 409.
    LimitReached {
        /// How many those are.
        limit: usize,
    },
    /// Another request changed this field meanwhile, and its merge rule is `reject`. 409.
    Rejected {
        /// The field.
        field: String,
    },
    /// The record would be larger than `SESSION_MAX_BYTES`; the old one stays. 500.
    TooLarge {
        /// The size that the record would have had, in bytes.
        size: usize,
        /// The size that is allowed, in bytes.
        limit: usize,
    },
    /// A field can't be written as JSON. 500.
    Encode {
        /// The field.
        field: String,
        /// What is wrong, without the value.
        reason: &'static str,
    },
    /// A field that is stored does not decode as the type that was asked for. 500.
    Decode {
        /// The field.
        field: String,
        /// What is wrong, without the value.
        reason: &'static str,
    },
    /// A field's merge rule can't be applied: `add` over its type's range, for one. 500.
    Merge {
        /// The field.
        field: String,
        /// What is wrong with it.
        reason: Cow<'static, str>,
    },
    /// The session is used in a way that can't be right, which the message explains. 500.
    Usage(Cow<'static, str>),
    /// No `SessionMiddleware` is wrapped around the handler. 500.
    NoMiddleware,
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent { type_name, field } => {
                write!(f, "no `{type_name}` in the session: field `{field}` is absent")
            }
            Self::NotFresh { limit, age: Some(age) } => {
                write!(f, "the visitor was authenticated {age:?} ago, and {limit:?} are allowed")
            }
            Self::NotFresh { limit, age: None } => {
                write!(f, "nothing tells that the visitor was authenticated in the last {limit:?}")
            }
            Self::Csrf => f.write_str("the CSRF token is not the session's"),
            Self::Store(_) => f.write_str("the session store failed"),
            Self::OutcomeUnknown(_) => f.write_str("the session store did not say whether a write happened"),
            Self::BudgetSpent => f.write_str("the session changed too often meanwhile to be saved in time"),
            Self::RotatedAway => f.write_str("another request gave the session a new token meanwhile"),
            Self::Ended => f.write_str("the session ended before this request could sign in on it"),
            Self::LimitReached { limit } => {
                write!(f, "the user has {limit} sessions already, and `SESSION_LIMIT_PER_OWNER` refuses one more")
            }
            Self::Rejected { field } => {
                write!(f, "field `{field}` was changed by another request meanwhile, and its merge rule is `reject`")
            }
            Self::TooLarge { size, limit } => {
                write!(f, "the session would have {size} bytes, and `SESSION_MAX_BYTES` allows {limit}")
            }
            Self::Encode { field, reason } => write!(f, "field `{field}` can't be written as JSON: {reason}"),
            Self::Decode { field, reason } => {
                write!(f, "field `{field}` is not of the type that was asked for: {reason}")
            }
            Self::Merge { field, reason } => write!(f, "field `{field}` can't be merged: {reason}"),
            Self::Usage(message) => f.write_str(message),
            Self::NoMiddleware => f.write_str(
                "no `SessionMiddleware` around this handler: build one outside the app factory and add \
                 `.wrap(sessions.clone())` to the `App` or to a scope of it",
            ),
        }
    }
}

impl Error for SessionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Store(source) | Self::OutcomeUnknown(source) => Some(source),
            _ => None,
        }
    }
}

impl From<StoreError> for SessionError {
    fn from(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::OutcomeUnknown => Self::OutcomeUnknown(error),
            _ => Self::Store(error),
        }
    }
}

impl ResponseError for SessionError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Absent { .. } => StatusCode::UNAUTHORIZED,
            // the visitor is known, and what is known is not enough
            Self::NotFresh { .. } | Self::Csrf => StatusCode::FORBIDDEN,
            // it would be too large the next time too
            Self::Store(error) if error.kind() == StoreErrorKind::TooLarge => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Store(_) | Self::OutcomeUnknown(_) | Self::BudgetSpent => StatusCode::SERVICE_UNAVAILABLE,
            Self::RotatedAway | Self::Ended | Self::LimitReached { .. } | Self::Rejected { .. } => StatusCode::CONFLICT,
            Self::TooLarge { .. }
            | Self::Encode { .. }
            | Self::Decode { .. }
            | Self::Merge { .. }
            | Self::Usage(_)
            | Self::NoMiddleware => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if self.status_code() == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((header::RETRY_AFTER, "1"));
        }
        response.finish()
    }
}

/// What a [`SessionStore`](crate::store::SessionStore) failed at.
///
/// ```
/// use actix_typed_session::store::{StoreError, StoreErrorKind};
///
/// let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
/// let error = StoreError::new(StoreErrorKind::Unavailable, "can't reach the server").with_source(refused);
/// assert_eq!(error.kind(), StoreErrorKind::Unavailable);
/// assert_eq!(error.to_string(), "can't reach the server");
/// ```
#[derive(Clone, Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    message: Cow<'static, str>,
    source: Option<Source>,
}

/// What sort of failure a [`StoreError`] is; what happens next goes by it.
///
/// A client gets 503 for each of them, but for a failed [`touch`](crate::store::SessionStore::touch), which is only
/// logged. After `OutcomeUnknown` an update is sent once more, with the same version, to see what became of it; a new
/// session begins under another key, unless it turns out to be there. After the others nothing is sent again.
///
/// ```
/// use actix_typed_session::store::{StoreError, StoreErrorKind};
///
/// fn of_io(sent: bool, error: std::io::Error) -> StoreError {
///     match sent {
///         true => StoreError::new(StoreErrorKind::OutcomeUnknown, "the connection was lost").with_source(error),
///         false => StoreError::new(StoreErrorKind::Unavailable, "can't reach the server").with_source(error),
///     }
/// }
/// # assert_eq!(of_io(true, std::io::ErrorKind::TimedOut.into()).kind(), StoreErrorKind::OutcomeUnknown);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The backend could not be asked, or said no: nothing was written.
    Unavailable,
    /// A write was sent, and no answer came: it may or may not have happened.
    OutcomeUnknown,
    /// The backend's answer makes no sense.
    Protocol,
    /// The record is larger than the backend takes: nothing was written.
    TooLarge,
    /// The store can't do this at all.
    Unsupported,
}

impl StoreError {
    /// An error of this kind. The message is lower case, without a full stop, a secret or a value.
    ///
    /// ```
    /// # use actix_typed_session::store::{StoreError, StoreErrorKind};
    /// let error = StoreError::new(StoreErrorKind::Protocol, "the answer has no version");
    /// ```
    #[must_use]
    pub fn new(kind: StoreErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// The same with what caused it, which the message then does not repeat.
    ///
    /// ```
    /// # use actix_typed_session::store::{StoreError, StoreErrorKind};
    /// use std::error::Error;
    ///
    /// let cause = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
    /// let error = StoreError::new(StoreErrorKind::Unavailable, "can't reach the server").with_source(cause);
    /// assert_eq!(error.source().unwrap().to_string(), "broken pipe");
    /// ```
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// What sort of failure it is.
    ///
    /// ```
    /// # use actix_typed_session::store::{StoreError, StoreErrorKind};
    /// let error = StoreError::new(StoreErrorKind::TooLarge, "a row takes 1 MiB");
    /// assert_eq!(error.kind(), StoreErrorKind::TooLarge);
    /// ```
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as &(dyn Error + 'static))
    }
}

/// A setting that can't be honoured: found when the middleware is built, so that an app does not start with it.
///
/// ```
/// use actix_typed_session::SessionConfig;
///
/// let error = SessionConfig::from_vars([("SESSION_COOKIE_SAMESITE", "sometimes")]).unwrap_err();
/// assert_eq!(error.key(), "SESSION_COOKIE_SAMESITE");
/// assert_eq!(
///     error.to_string(),
///     "`SESSION_COOKIE_SAMESITE` is `sometimes`: accepted are `Strict`, `Lax` and `None`"
/// );
/// ```
#[derive(Clone)]
pub struct ConfigError {
    key: Cow<'static, str>,
    message: String,
}

impl ConfigError {
    /// Key `key` has the value `value`, where `accepted` would be.
    pub(crate) fn bad_value(
        key: impl Into<Cow<'static, str>>,
        value: impl fmt::Display,
        accepted: impl fmt::Display,
    ) -> Self {
        let key = key.into();
        Self { message: format!("`{key}` is `{value}`: {accepted}"), key }
    }

    /// Something is wrong with `key`, and its value is better not told, or there is none.
    pub(crate) fn new(key: impl Into<Cow<'static, str>>, message: impl fmt::Display) -> Self {
        let key = key.into();
        Self { message: format!("`{key}` {message}"), key }
    }

    /// The setting, such as `SESSION_COOKIE_NAME`.
    ///
    /// ```
    /// use actix_typed_session::SessionConfig;
    ///
    /// let error = SessionConfig::from_vars([("SESSION_MAX_BYTES", "a lot")]).unwrap_err();
    /// assert_eq!(error.key(), "SESSION_MAX_BYTES");
    /// ```
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The message too, for it is what a program prints whose `main` returns this.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ConfigError {}

/// An error with all its sources, on one line; but for one that the error before it has repeated, as some clients' do.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut next = self.0.source();
        while let Some(source) = next {
            let text = source.to_string();
            if !said.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            (said, next) = (text, source.source());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_was_said_already_is_not_said_again() {
        let refused = StoreError::new(StoreErrorKind::Unavailable, "connection refused");
        let client = StoreError::new(StoreErrorKind::Unavailable, "no answer: connection refused").with_source(refused);
        let error = StoreError::new(StoreErrorKind::Unavailable, "can't connect").with_source(client);
        assert_eq!(Chain(&error).to_string(), "can't connect: no answer: connection refused");
    }
}
