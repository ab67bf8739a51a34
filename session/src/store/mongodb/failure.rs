//! What went wrong, as what it means for the one who asked.

use std::{fmt, time::Duration};

use ::mongodb::{
    bson::Document,
    error::{Error, ErrorKind, SYSTEM_OVERLOADED_ERROR},
};

use super::address::Names;
use crate::store::{StoreError, StoreErrorKind};

/// What a command would have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// The codes that the store does something about.
pub(super) mod code {
    pub(in super::super) const UNAUTHORIZED: i32 = 13;
    pub(in super::super) const NO_NAMESPACE: i32 = 26;
    pub(in super::super) const INDEX_OPTIONS_CONFLICT: i32 = 85;
    pub(in super::super) const INDEX_KEY_CONFLICT: i32 = 86;
    pub(in super::super) const NOT_A_REPLICA_SET: i32 = 123;
    pub(in super::super) const VIEW: i32 = 166;
    pub(in super::super) const NOT_IMPLEMENTED: i32 = 238;
    pub(in super::super) const TOO_LARGE: i32 = 10334;
    pub(in super::super) const DUPLICATE: i32 = 11000;
}

/// The codes with which a server says that it did nothing of a write. Any other leaves that open: a server that steps down
/// or ends answers with codes of its own, and a router with those of the server that it lost.
const UNDONE: &[i32] = &[
    2,     // BadValue
    9,     // FailedToParse
    13,    // Unauthorized
    14,    // TypeMismatch
    18,    // AuthenticationFailed
    20,    // IllegalOperation
    26,    // NamespaceNotFound
    59,    // CommandNotFound
    72,    // InvalidOptions
    73,    // InvalidNamespace
    85,    // IndexOptionsConflict
    86,    // IndexKeySpecsConflict
    112,   // WriteConflict
    121,   // DocumentValidationFailure
    123,   // NotAReplicaSet
    166,   // CommandNotSupportedOnView
    238,   // NotImplemented
    8000,  // AtlasError
    10107, // NotWritablePrimary
    10334, // BSONObjectTooLarge
    11000, // DuplicateKey
    13435, // NotPrimaryNoSecondaryOk
];

/// Why a command has no answer, and the server's code if it said one.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: Option<i32>,
    pub(super) error: StoreError,
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// Where a command stood when it failed.
pub(super) struct Place<'a> {
    /// What is asked, as messages call it: `mongodb at localhost:27017`.
    pub(super) server: &'a dyn fmt::Display,
    pub(super) names: &'a Names,
    pub(super) effect: Effect,
    /// Whether the server may have it.
    pub(super) sent: bool,
}

impl Place<'_> {
    /// What an error of the driver's means.
    pub(super) fn failed(&self, error: &Error) -> Failure {
        if !self.sent || never_left(error) {
            return Failure { code: None, error: self.unreached().with_source(Text(words(error))) };
        }
        let error = match &*error.kind {
            ErrorKind::Command(command) => return self.refused(command.code, &command.code_name),
            ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } => {
                let text = format!("the connection to {} was lost", self.server);
                StoreError::new(self.effect.unanswered(), text).with_source(Text(words(error)))
            }
            // their texts may quote what they could not read
            _ => self.nonsense(),
        };
        Failure { code: None, error }
    }

    /// A command that the server refused. Its own words are not told: they may quote a value.
    pub(super) fn refused(&self, code: i32, name: &str) -> Failure {
        let Self { server, names: Names { database, collection }, .. } = self;
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).take(60).collect();
        let nothing_done = if UNDONE.contains(&code) { StoreErrorKind::Unavailable } else { self.effect.unanswered() };
        let (kind, text) = match code {
            code::UNAUTHORIZED => {
                (nothing_done, format!("{server} denies the user access to `{database}.{collection}` ({code} {name})"))
            }
            code::NO_NAMESPACE => (
                nothing_done,
                format!("{server} has no collection `{database}.{collection}`: `typed-session migrate` makes it"),
            ),
            code::VIEW => (nothing_done, format!("`{database}.{collection}` of {server} is no collection, but a view")),
            code::TOO_LARGE => {
                (StoreErrorKind::TooLarge, format!("the record is larger than a document of {server} may be"))
            }
            10107 | 13435 => (nothing_done, format!("{server} takes no writes ({code} {name})")),
            _ => (nothing_done, format!("{server} refused the command ({code} {name}); its log says why")),
        };
        Failure { code: Some(code), error: StoreError::new(kind, text) }
    }

    /// The answer, or what it says went wrong with the one write in it.
    pub(super) fn checked(&self, answer: Document) -> Result<Document, Failure> {
        if let Ok(errors) = answer.get_array("writeErrors")
            && let Some(error) = errors.first().and_then(|error| error.as_document())
        {
            return Err(self.refused(number(error, "code").unwrap_or(0), ""));
        }
        if answer.contains_key("writeConcernError") {
            // it was made on one server, which may have lost it by now
            let text = format!("{} could not have the write confirmed by a majority of its members", self.server);
            return Err(Failure { code: None, error: StoreError::new(self.effect.unanswered(), text) });
        }
        Ok(answer)
    }

    pub(super) fn timed_out(&self, timeout: Duration) -> Failure {
        let error = if self.sent {
            StoreError::new(self.effect.unanswered(), format!("{} did not answer within {timeout:?}", self.server))
        } else {
            self.unreached().with_source(Text(format!("it took longer than {timeout:?}")))
        };
        Failure { code: None, error }
    }

    /// The error of an answer that is none to the question.
    pub(super) fn nonsense(&self) -> StoreError {
        let kind = match self.effect {
            Effect::Read => StoreErrorKind::Protocol,
            Effect::Write => StoreErrorKind::OutcomeUnknown,
        };
        StoreError::new(kind, format!("{} gave an answer that makes no sense", self.server))
    }

    fn unreached(&self) -> StoreError {
        StoreError::new(StoreErrorKind::Unavailable, format!("can't reach {}", self.server))
    }
}

/// A number of a document, of whichever type.
pub(super) fn number<T: TryFrom<i64>>(document: &Document, name: &str) -> Option<T> {
    use ::mongodb::bson::Bson;

    let number = match document.get(name)? {
        Bson::Int32(number) => i64::from(*number),
        Bson::Int64(number) => *number,
        #[allow(clippy::cast_possible_truncation, reason = "it is a count")]
        Bson::Double(number) => *number as i64,
        _ => return None,
    };
    number.try_into().ok()
}

/// Whether nobody can have got the command, whatever is known otherwise.
fn never_left(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::ServerSelection { .. }
        | ErrorKind::DnsResolve { .. }
        | ErrorKind::InvalidTlsConfig { .. }
        | ErrorKind::Authentication { .. }
        | ErrorKind::SessionsNotSupported => true,
        // the driver says so of what goes wrong while it connects
        ErrorKind::Io(_) => error.contains_label(SYSTEM_OVERLOADED_ERROR),
        _ => false,
    }
}

/// Whether it was the connection that failed, so that another one may do.
pub(super) fn is_lost(error: &Error) -> bool {
    matches!(&*error.kind, ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. })
}

/// An error of the driver's in words, without what its `Debug` has of answers.
fn words(error: &Error) -> String {
    match &*error.kind {
        ErrorKind::Io(error) => error.to_string(),
        // it quotes the server, which may quote anything
        ErrorKind::Authentication { .. } => "it does not take the user or the password".to_owned(),
        kind => kind.to_string(),
    }
}

#[derive(Debug)]
struct Text(String);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Text {}
