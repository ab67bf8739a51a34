//! Writes whose answer was lost, and what is known of their outcome: they carry their own id.

use crate::{
    end,
    error::{SessionError, StoreError, StoreErrorKind},
    store::{Created, Record, Updated, Version},
    worker::{Budget, Worker},
};

/// What the first write of a session came to.
pub(crate) enum Begun {
    Done,
    Taken,
    /// It did not happen in its time, and will not happen later.
    Never(StoreError),
}

/// What a compare-and-swap came to.
pub(crate) enum Swapped {
    Done,
    Gone,
    Conflict(Record),
    /// Others wrote meanwhile, and nobody knows whether they wrote over this.
    InDoubt(Record, StoreError),
}

/// Creates a session's record. Where its answer was lost it is not sent again: it might arrive a second time, when the
/// session has ended. A tombstone under its id finds out whether it happened, and keeps it out if it did not.
pub(crate) async fn begin(worker: &Worker, key: &str, record: &Record, budget: Budget) -> Result<Begun, SessionError> {
    match worker.create(key, record, budget).await {
        Ok(Created::Created) => Ok(Begun::Done),
        // seldom, so that it takes no room in the commit's future
        Ok(Created::Taken) => Box::pin(taken(worker, key, record, None, budget)).await,
        Err(error) if error.kind() == StoreErrorKind::OutcomeUnknown => {
            Box::pin(find_out(worker, key, record, error, budget)).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn find_out(
    worker: &Worker,
    key: &str,
    record: &Record,
    lost: StoreError,
    budget: Budget,
) -> Result<Begun, SessionError> {
    let tombstone = end::tombstone(worker);
    match still_in_doubt(worker.create(key, &tombstone, budget).await, Some(&lost))? {
        Created::Created => Ok(Begun::Never(lost)),
        Created::Taken => taken(worker, key, record, Some(&lost), budget).await,
    }
}

/// What it means that there is a record: it may be this one, for a store that is a cluster may send a write twice.
async fn taken(
    worker: &Worker,
    key: &str,
    record: &Record,
    first: Option<&StoreError>,
    budget: Budget,
) -> Result<Begun, SessionError> {
    let stored = still_in_doubt(worker.load(key, budget).await, first)?;
    let is_this = stored.is_some_and(|stored| stored.version == record.version);
    Ok(if is_this { Begun::Done } else { Begun::Taken })
}

/// Creates a record, which is sent once more where its answer was lost; false if there is another.
pub(crate) async fn create(worker: &Worker, key: &str, record: &Record, budget: Budget) -> Result<bool, SessionError> {
    let (answer, in_doubt) = match worker.create(key, record, budget).await {
        Err(error) if error.kind() == StoreErrorKind::OutcomeUnknown => {
            (worker.create(key, record, budget).await, Some(error))
        }
        answer => (answer, None),
    };
    match still_in_doubt(answer, in_doubt.as_ref())? {
        Created::Created => Ok(true),
        Created::Taken => {
            let begun = taken(worker, key, record, in_doubt.as_ref(), budget).await?;
            Ok(matches!(begun, Begun::Done))
        }
    }
}

/// Replaces a record that is at `expected`.
pub(crate) async fn swap(
    worker: &Worker,
    key: &str,
    record: &Record,
    expected: &Version,
    budget: Budget,
) -> Result<Swapped, SessionError> {
    let (answer, in_doubt) = match worker.update(key, record, expected, budget).await {
        Err(error) if error.kind() == StoreErrorKind::OutcomeUnknown => {
            (Box::pin(worker.update(key, record, expected, budget)).await, Some(error))
        }
        answer => (answer, None),
    };
    Ok(match (still_in_doubt(answer, in_doubt.as_ref())?, in_doubt) {
        (Updated::Done, _) => Swapped::Done,
        (Updated::Gone, _) => Swapped::Gone,
        (Updated::Conflict(now), _) if now.version == record.version => Swapped::Done,
        (Updated::Conflict(now), None) => Swapped::Conflict(now),
        (Updated::Conflict(now), Some(error)) => Swapped::InDoubt(now, error),
    })
}

/// The answer to a second try, which where it fails settles nothing of the first.
fn still_in_doubt<T>(answer: Result<T, StoreError>, first: Option<&StoreError>) -> Result<T, SessionError> {
    answer.map_err(|error| first.cloned().map_or_else(|| error.into(), SessionError::OutcomeUnknown))
}
