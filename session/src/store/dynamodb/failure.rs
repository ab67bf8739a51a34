//! What went wrong, as what it means for the one who asked.

use std::{error::Error, fmt, io, time::Duration};

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};

use super::{call::Effect, client::Handle};
use crate::store::{StoreError, StoreErrorKind};

/// Where a request stood when it failed.
pub(super) struct Place<'a> {
    pub(super) server: &'a Handle,
    pub(super) table: &'a str,
    pub(super) effect: Effect,
}

impl Place<'_> {
    pub(super) fn timed_out(&self, sent: bool, timeout: Duration) -> StoreError {
        if sent {
            StoreError::new(self.unanswered(), format!("{} did not answer within {timeout:?}", self.server))
        } else {
            let why = format!("there were no credentials or no region within {timeout:?}");
            StoreError::new(StoreErrorKind::Unavailable, self.unasked()).with_source(why)
        }
    }

    /// The error of an answer that is none to the question.
    pub(super) fn nonsense(&self) -> StoreError {
        let kind = match self.effect {
            Effect::Read => StoreErrorKind::Protocol,
            Effect::Write => StoreErrorKind::OutcomeUnknown,
        };
        StoreError::new(kind, format!("{} gave an answer that makes no sense", self.server))
    }

    /// The error of a request without an answer, or with one that says no. The server's own words are not told: they may
    /// quote a value.
    pub(super) fn failed<E: ProvideErrorMetadata>(&self, error: &SdkError<E, HttpResponse>, sent: bool) -> StoreError {
        match error {
            SdkError::ServiceError(error) => match error.err().code() {
                Some(code) if is_word(code) => {
                    let status = error.raw().status().as_u16();
                    // a server that failed does not say what it did before
                    if status < 500 || is_throttling(code) {
                        self.refused_for(code, error.err().message())
                    } else {
                        self.gave_up(code)
                    }
                }
                _ => self.nonsense(),
            },
            SdkError::ResponseError(_) => self.nonsense(),
            SdkError::DispatchFailure(failure) => {
                let Some(why) = failure.as_connector_error() else { return self.lost() };
                if !sent {
                    return StoreError::new(StoreErrorKind::Unavailable, self.unasked()).with_source(Text::of(why));
                }
                match reach(why) {
                    Some(why) => {
                        StoreError::new(StoreErrorKind::Unavailable, format!("can't connect to {}", self.server))
                            .with_source(why)
                    }
                    None => self.lost(),
                }
            }
            SdkError::TimeoutError(_) => self.lost(),
            // what was to be sent could not be made
            _ if !sent => StoreError::new(StoreErrorKind::Unavailable, self.unasked()),
            _ => self.lost(),
        }
    }

    /// The error of a request to which the server says no.
    pub(super) fn refused(&self, code: &str) -> StoreError {
        self.refused_for(code, None)
    }

    fn refused_for(&self, code: &str, message: Option<&str>) -> StoreError {
        let Self { server, table, .. } = self;
        let refused = |text: String| StoreError::new(StoreErrorKind::Unavailable, text);
        match code {
            "ResourceNotFoundException" | "TableNotFoundException" => {
                refused(format!("{server} has no table `{table}` yet: `migrate` makes it"))
            }
            "ValidationException" if message.is_some_and(is_about_size) => {
                StoreError::new(StoreErrorKind::TooLarge, format!("the record is larger than {server} takes ({code})"))
            }
            "ValidationException" => refused(format!(
                "{server} has a table `{table}` of another shape ({code}): its partition key has to be `id`, a string, \
                 without a sort key"
            )),
            "AccessDeniedException"
            | "AccessDenied"
            | "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "IncompleteSignatureException"
            | "MissingAuthenticationTokenException"
            | "MissingAuthenticationToken"
            | "ExpiredTokenException"
            | "InvalidClientTokenId" => refused(format!("{server} denies access to `{table}` ({code})")),
            code if is_throttling(code) => refused(format!("{server} asks for fewer requests to `{table}` ({code})")),
            code => refused(format!("{server} refused the request ({code})")),
        }
    }

    fn gave_up(&self, code: &str) -> StoreError {
        StoreError::new(self.unanswered(), format!("{} failed ({code})", self.server))
    }

    fn lost(&self) -> StoreError {
        StoreError::new(self.unanswered(), format!("the connection to {} was lost", self.server))
    }

    fn unasked(&self) -> String {
        format!("can't ask {}", self.server)
    }

    fn unanswered(&self) -> StoreErrorKind {
        match self.effect {
            Effect::Read => StoreErrorKind::Unavailable,
            Effect::Write => StoreErrorKind::OutcomeUnknown,
        }
    }
}

fn is_throttling(code: &str) -> bool {
    ["ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException", "Throttling"]
        .contains(&code)
}

fn is_about_size(message: &str) -> bool {
    message.contains("size has exceeded") || message.contains("size to update has exceeded")
}

/// Whether a code is one, and not what another server may have in its place.
fn is_word(code: &str) -> bool {
    !code.is_empty() && code.len() <= 80 && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Why there is no connection, if that is what failed: then nothing was sent.
fn reach(error: &(dyn Error + 'static)) -> Option<Text> {
    let mut text = String::new();
    let mut is_connect = false;
    let mut next = Some(error);
    while let Some(error) = next {
        let shown = error.to_string();
        is_connect |= shown.contains("client error (Connect)") || shown.contains("failed to resolve");
        if let Some(error) = error.downcast_ref::<io::Error>() {
            is_connect |= matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable
            );
        }
        text = shown;
        next = error.source();
    }
    is_connect.then_some(Text(text))
}

/// An error's last cause in words: its `Debug` may show more than those.
#[derive(Debug)]
struct Text(String);

impl Text {
    fn of(error: &(dyn Error + 'static)) -> Self {
        let mut last = error;
        while let Some(source) = last.source() {
            last = source;
        }
        Self(last.to_string())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Text {}
