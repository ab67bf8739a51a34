//! [`Call`]: a request under way, in its time, and whether it was sent.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    config::{
        ConfigBag, Intercept, RuntimeComponents, http::HttpResponse, interceptors::BeforeTransmitInterceptorContextRef,
    },
    error::{BoxError, ProvideErrorMetadata, SdkError},
    operation::{
        RequestId, delete_item::DeleteItemError, get_item::GetItemError, put_item::PutItemError, scan::ScanError,
        update_item::UpdateItemError,
    },
    types::{AttributeValue, error::ConditionalCheckFailedException},
};
use tokio::time::{Instant, timeout_at};

use super::{client::Handle, failure::Place};
use crate::store::StoreError;

/// What a request would have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    Read,
    /// Something, so that it matters whether it was sent.
    Write,
}

type Item = HashMap<String, AttributeValue>;

/// A request under way.
pub(super) struct Call<'a> {
    pub(super) client: &'a Client,
    place: Place<'a>,
    sent: Arc<AtomicBool>,
    deadline: Instant,
    timeout: Duration,
}

impl<'a> Call<'a> {
    pub(super) async fn begin(
        handle: &'a Handle,
        table: &'a str,
        effect: Effect,
        deadline: Instant,
        timeout: Duration,
    ) -> Result<Self, StoreError> {
        let place = Place { server: handle, table, effect };
        let client = timeout_at(deadline, handle.client()).await.map_err(|_| place.timed_out(false, timeout))??;
        Ok(Self { client, place, sent: Arc::default(), deadline, timeout })
    }

    /// What notes that the request begins to be sent: credentials are found and it is signed before.
    pub(super) fn sent(&self) -> Sent {
        Sent(Arc::clone(&self.sent))
    }

    /// The answer, which comes from a DynamoDB.
    pub(super) async fn answer<O: RequestId, E>(
        &self,
        answer: impl Future<Output = Result<O, SdkError<E, HttpResponse>>>,
    ) -> Result<O, Refused>
    where
        E: ProvideErrorMetadata + Condition,
    {
        let sent = || self.sent.load(Ordering::Relaxed);
        match timeout_at(self.deadline, answer).await {
            Err(_) => Err(Refused::Failed(self.place.timed_out(sent(), self.timeout))),
            // what else answers JSON would be taken for an empty answer
            Ok(Ok(output)) if output.request_id().is_none() => Err(Refused::Failed(self.nonsense())),
            Ok(Ok(output)) => Ok(output),
            Ok(Err(SdkError::ServiceError(error))) if error.err().condition().is_some() => {
                let item = error.into_err().into_condition().and_then(|failed| failed.item);
                Err(Refused::Condition(item, self.place.refused("ConditionalCheckFailedException")))
            }
            Ok(Err(error)) => {
                let failed = self.place.failed(&error, sent());
                Err(match error.code() {
                    Some("ResourceNotFoundException") => Refused::Missing(failed),
                    Some("ResourceInUseException") => Refused::Busy(failed),
                    _ => Refused::Failed(failed),
                })
            }
        }
    }

    pub(super) fn nonsense(&self) -> StoreError {
        self.place.nonsense()
    }
}

/// Why a request did not do what it was sent for.
pub(super) enum Refused {
    /// Its condition does not hold: for this item, if the server tells.
    Condition(Option<Item>, StoreError),
    /// There is no table.
    Missing(StoreError),
    /// The table is being made or changed.
    Busy(StoreError),
    Failed(StoreError),
}

impl Refused {
    pub(super) fn is_condition(&self) -> bool {
        matches!(self, Self::Condition(..))
    }

    /// The item for which the condition did not hold.
    pub(super) fn into_condition(self) -> Result<Option<Item>, StoreError> {
        match self {
            Self::Condition(item, _) => Ok(item),
            Self::Missing(error) | Self::Busy(error) | Self::Failed(error) => Err(error),
        }
    }
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Condition(_, error) | Refused::Missing(error) | Refused::Busy(error) | Refused::Failed(error) => {
                error
            }
        }
    }
}

/// An error of an operation that may have had a condition.
pub(super) trait Condition: Sized {
    fn condition(&self) -> Option<&ConditionalCheckFailedException> {
        None
    }

    fn into_condition(self) -> Option<ConditionalCheckFailedException> {
        None
    }
}

macro_rules! conditional {
    ($($error:ident),*) => {$(
        impl Condition for $error {
            fn condition(&self) -> Option<&ConditionalCheckFailedException> {
                match self {
                    Self::ConditionalCheckFailedException(failed) => Some(failed),
                    _ => None,
                }
            }

            fn into_condition(self) -> Option<ConditionalCheckFailedException> {
                match self {
                    Self::ConditionalCheckFailedException(failed) => Some(failed),
                    _ => None,
                }
            }
        }
    )*};
}

conditional!(PutItemError, UpdateItemError, DeleteItemError);

impl Condition for GetItemError {}
impl Condition for ScanError {}
impl Condition for aws_sdk_dynamodb::operation::create_table::CreateTableError {}
impl Condition for aws_sdk_dynamodb::operation::describe_table::DescribeTableError {}
impl Condition for aws_sdk_dynamodb::operation::describe_time_to_live::DescribeTimeToLiveError {}
impl Condition for aws_sdk_dynamodb::operation::update_time_to_live::UpdateTimeToLiveError {}

/// See [`Call::sent`].
#[derive(Debug)]
pub(super) struct Sent(Arc<AtomicBool>);

impl Intercept for Sent {
    fn name(&self) -> &'static str {
        "Sent"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.store(true, Ordering::Relaxed);
        Ok(())
    }
}
