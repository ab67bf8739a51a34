//! [`Call`]: a request under way, in its time, and what its failure means.

use std::{error::Error, sync::Arc, time::Duration};

use gcloud_sdk::tonic::{
    Code, ConnectError, Request, Status,
    metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue},
    transport::Channel,
};
use google_cloud_auth::credentials::CacheableResource;
use tokio::time::{Instant, timeout_at};

use super::{
    Address,
    link::{Link, Open},
};
use crate::store::{StoreError, StoreErrorKind};

/// What a request would have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Effect {
    /// Nothing.
    Read,
    /// Something, so that it matters whether it was sent.
    Write,
}

/// A request under way.
pub(in crate::store) struct Call<'a> {
    pub(in crate::store) project: &'a str,
    link: &'a Link,
    open: Arc<Open>,
    metadata: MetadataMap,
    effect: Effect,
    deadline: Instant,
    timeout: Duration,
}

/// Why a request has no answer.
pub(in crate::store) struct Failure {
    /// What the service said, where it said something.
    pub(in crate::store) code: Option<Code>,
    error: StoreError,
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl<'a> Call<'a> {
    pub(super) async fn begin(
        link: &'a Link,
        effect: Effect,
        deadline: Instant,
        timeout: Duration,
    ) -> Result<Self, StoreError> {
        let ready = async {
            let project = link.project().await?;
            let open = link.open(timeout)?;
            let mut metadata = MetadataMap::new();
            if let Some(credentials) = &open.credentials {
                let found = credentials.headers(Default::default()).await.map_err(|error| {
                    StoreError::new(StoreErrorKind::Unavailable, format!("can't ask {}", link.address()))
                        .with_source(error.to_string())
                })?;
                if let CacheableResource::New { data, .. } = found {
                    metadata = MetadataMap::from_headers(data);
                }
            }
            Ok::<_, StoreError>((project, open, metadata))
        };
        let (project, open, metadata) = timeout_at(deadline, ready).await.map_err(|_| {
            StoreError::new(StoreErrorKind::Unavailable, format!("can't ask {}", link.address()))
                .with_source(format!("there were no credentials or no project within {timeout:?}"))
        })??;
        Ok(Self { project, link, open, metadata, effect, deadline, timeout })
    }

    pub(in crate::store) fn address(&self) -> &Address {
        self.link.address()
    }

    /// `projects/…/databases/…`
    #[cfg(feature = "firestore")]
    pub(in crate::store) fn database(&self) -> String {
        let database = &self.address().database;
        format!("projects/{}/databases/{}", self.project, if database.is_empty() { "(default)" } else { database })
    }

    pub(in crate::store) fn channel(&self) -> Channel {
        self.open.channel.clone()
    }

    /// The request with who asks, and with where it has to go.
    pub(in crate::store) fn request<T>(&self, message: T, header: &'static str, place: &str) -> Request<T> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.metadata.clone();
        if let Ok(place) = place.parse::<MetadataValue<Ascii>>() {
            request.metadata_mut().insert(MetadataKey::from_static(header), place);
        }
        // for the server to give up, too; later than this side does, which has to see by itself that nothing comes
        let left = self.deadline.saturating_duration_since(Instant::now());
        request.set_timeout(left.saturating_add(Duration::from_millis(500)));
        request
    }

    /// The answer, or what it means that there is none.
    pub(in crate::store) async fn answer<T>(
        &self,
        answer: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Failure> {
        let before = self.open.answers();
        match timeout_at(self.deadline, answer).await {
            Err(_) => {
                self.link.leave(&self.open, before);
                let text = format!("{} did not answer within {:?}", self.address(), self.timeout);
                Err(Failure { code: None, error: StoreError::new(self.unanswered(), text) })
            }
            Ok(Ok(answer)) => {
                self.open.answered();
                Ok(answer)
            }
            Ok(Err(status)) => Err(self.failed(&status)),
        }
    }

    /// The failure of an answer that is none to the question.
    pub(in crate::store) fn nonsense(&self) -> Failure {
        let kind = match self.effect {
            Effect::Read => StoreErrorKind::Protocol,
            Effect::Write => StoreErrorKind::OutcomeUnknown,
        };
        let text = format!("{} gave an answer that makes no sense", self.address());
        Failure { code: None, error: StoreError::new(kind, text) }
    }

    /// The service's own words are not told: they may quote a key or a value.
    fn failed(&self, status: &Status) -> Failure {
        let (address, code) = (self.address(), status.code());
        let refused = |text: String| StoreError::new(StoreErrorKind::Unavailable, text);
        let said = |error| Failure { code: Some(code), error };
        // of a connection there is a cause, of an answer there is none
        if let Some(cause) = status.source() {
            let error = match unreached(cause) {
                Some(why) => refused(format!("can't connect to {address}")).with_source(why),
                None => StoreError::new(self.unanswered(), format!("the connection to {address} was lost")),
            };
            return Failure { code: None, error };
        }
        self.open.answered();
        match code {
            Code::PermissionDenied | Code::Unauthenticated => {
                said(refused(format!("{address} denies access ({code:?})")))
            }
            Code::ResourceExhausted => said(refused(format!("{address} asks for fewer requests ({code:?})"))),
            Code::NotFound => {
                said(refused(format!("{address} has no such database ({code:?}); `migrate` says how to look")))
            }
            Code::InvalidArgument if status.message().contains("maximum") => said(StoreError::new(
                StoreErrorKind::TooLarge,
                format!("the record is larger than {address} takes ({code:?})"),
            )),
            Code::FailedPrecondition | Code::InvalidArgument => said(refused(format!(
                "{address} refused the request ({code:?}); a database of the other mode does, and one whose index is off"
            ))),
            Code::Unimplemented => said(StoreError::new(
                StoreErrorKind::Protocol,
                format!("what answers at {address} is another service ({code:?})"),
            )),
            Code::AlreadyExists | Code::Aborted | Code::OutOfRange => {
                said(refused(format!("{address} refused the request ({code:?})")))
            }
            _ => said(StoreError::new(self.unanswered(), format!("{address} failed ({code:?})"))),
        }
    }

    fn unanswered(&self) -> StoreErrorKind {
        match self.effect {
            Effect::Read => StoreErrorKind::Unavailable,
            Effect::Write => StoreErrorKind::OutcomeUnknown,
        }
    }
}

/// Why there is no connection, if that is what failed: then nothing was sent.
fn unreached(cause: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(cause);
    while let Some(error) = next {
        if let Some(ConnectError(why)) = error.downcast_ref::<ConnectError>() {
            return Some(why.to_string());
        }
        next = error.source();
    }
    None
}
