//! Where a record is, and its way from the old store into the new one.
//!
//! What counts is what the new store has. Where that is no record, what counts is what the old one has. The record moves
//! in four writes, each a compare-and-swap on what was read, so that any node can go on where another one stopped:
//!
//! 1. the new store gets the record as one that *arrives*: it does not count yet
//! 2. the old store gets the marker that it *moved* into just this arrival, at the version that was copied
//! 3. the new store gets the record itself, in the place of just this arrival
//!
//! Step 2 decides. Who deletes removes the key from the old store first: then step 2 finds nothing, and the arrival never
//! counts. An arrival that can't count any more is made *vacant* before anybody is told that there is nothing.

use std::time::{Duration, Instant};

use super::{
    MigratingStore,
    marker::{self, InNew, InOld, in_new, in_old},
};
use crate::store::{Created, Record, StoreError, StoreErrorKind, Updated, Version};

/// How often others may come in between before a call gives up.
pub(super) const ROUNDS: usize = 64;

/// Where a record is.
#[derive(Debug)]
pub(super) enum Found {
    /// In the new store.
    New(Record),
    /// In the old store, and it stays there: on standby, or because the new one does not take it.
    Old(Record),
    Nowhere(Vacancy),
}

/// A key without a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vacancy {
    /// The marker in the new store that holds the place, if there is one.
    pub(super) at: Option<Version>,
    /// Whether the old store has a marker too, so that nothing is created there any more.
    pub(super) is_moved: bool,
    /// Whether a standby has claimed the place, to create the record in the old store.
    is_claimed: bool,
}

impl Vacancy {
    /// Whether a record may be put here into the new store, and none comes into the old one.
    pub(super) fn is_fenced(self) -> bool {
        self.is_moved || !self.is_claimed
    }
}

impl MigratingStore {
    /// Finds the record under `key`, and sees to it that it is in the new store, unless this is a standby.
    ///
    /// `new` is what the new store is known to have, if its answer is at hand.
    pub(super) async fn find(&self, key: &str, mut new: Option<InNew>) -> Result<Found, StoreError> {
        let mut is_moved = false;
        for _ in 0..ROUNDS {
            let found = match new.take() {
                Some(found) => found,
                None => in_new(self.new.load(key).await?),
            };
            let (at, arriving, is_claimed) = match found {
                InNew::Record(record) => return Ok(Found::New(record)),
                InNew::Nothing => (None, None, false),
                InNew::Vacant { at } => (Some(at), None, false),
                InNew::Claimed { at } => (Some(at), None, true),
                InNew::Arriving { at, record } => (Some(at), Some((at, Seen::now(record))), false),
            };
            // what moved is not in the new store: it has ended since
            if is_moved && arriving.is_none() {
                return Ok(Found::Nowhere(Vacancy { at, is_moved, is_claimed }));
            }
            let outcome = match (in_old(self.old.load(key).await?), arriving) {
                (InOld::Nothing, None) => return Ok(Found::Nowhere(Vacancy { at, is_moved, is_claimed })),
                // just now, or long ago: another look at the new store tells
                (InOld::Moved { .. }, None) => {
                    is_moved = true;
                    None
                }
                (InOld::Moved { into }, Some((at, record))) if into == at => self.land(key, &record, at).await?,
                (InOld::Nothing, Some((at, _))) => self.vacate(key, at, false).await?,
                (InOld::Moved { .. }, Some((at, _))) => self.vacate(key, at, true).await?,
                (InOld::Record(record), _) if self.is_standby => Some(Found::Old(record)),
                (InOld::Record(record), Some((at, arriving))) if arriving.is(&record) => {
                    self.leave(key, &Seen::now(record), at).await?
                }
                (InOld::Record(record), _) => self.take(key, Seen::now(record), at).await?,
            };
            if let Some(found) = outcome {
                return Ok(found);
            }
        }
        Err(busy())
    }

    /// Puts a record where there is none: in the place of the marker, if one holds it.
    pub(super) async fn put(&self, key: &str, record: &Record, at: Option<Version>) -> Result<bool, StoreError> {
        Ok(match at {
            None => self.new.create(key, record).await? == Created::Created,
            Some(at) => self.new.update(key, record, &at).await? == Updated::Done,
        })
    }

    /// Takes a record over. `None`, here and below: others came in between, and it is to be looked for again.
    async fn take(&self, key: &str, record: Seen, at: Option<Version>) -> Result<Option<Found>, StoreError> {
        let arriving = marker::arriving(&record.now_left());
        match self.put(key, &arriving, at).await {
            Ok(true) => self.leave(key, &record, arriving.version).await,
            Ok(false) => Ok(None),
            Err(error) if error.kind() == StoreErrorKind::TooLarge => Ok(Some(Found::Old(record.now_left()))),
            Err(error) => Err(error),
        }
    }

    /// Ends the record in the old store, so that its arrival counts.
    async fn leave(&self, key: &str, record: &Seen, at: Version) -> Result<Option<Found>, StoreError> {
        let moved = marker::moved(at, &record.record);
        match self.old.update(key, &moved, &record.record.version).await? {
            Updated::Done => self.land(key, record, at).await,
            Updated::Conflict(found) => match in_old(Some(found)) {
                InOld::Moved { into } if into == at => self.land(key, record, at).await,
                _ => Ok(None),
            },
            Updated::Gone => Ok(None),
        }
    }

    /// Puts the record in the place of its arrival.
    async fn land(&self, key: &str, record: &Seen, at: Version) -> Result<Option<Found>, StoreError> {
        let record = record.now_left();
        Ok(match self.new.update(key, &record, &at).await? {
            Updated::Done => Some(Found::New(record)),
            Updated::Conflict(found) => match in_new(Some(found)) {
                InNew::Record(record) => Some(Found::New(record)),
                _ => None,
            },
            Updated::Gone => None,
        })
    }

    /// Makes sure that an arrival never counts.
    async fn vacate(&self, key: &str, at: Version, is_moved: bool) -> Result<Option<Found>, StoreError> {
        let vacant = marker::vacant();
        let at = match self.new.update(key, &vacant, &at).await? {
            Updated::Done => Some(vacant.version),
            Updated::Gone => None,
            Updated::Conflict(_) => return Ok(None),
        };
        Ok(Some(Found::Nowhere(Vacancy { at, is_moved, is_claimed: false })))
    }
}

/// A record as it was when it was loaded.
struct Seen {
    record: Record,
    when: Instant,
}

impl Seen {
    fn now(record: Record) -> Self {
        Self { record, when: Instant::now() }
    }

    /// The record with what remains of its life.
    fn now_left(&self) -> Record {
        Record { expires_in: self.record.expires_in.saturating_sub(self.when.elapsed()), ..self.record.clone() }
    }

    /// Whether this arrival is of that record, and lives as long.
    fn is(&self, record: &Record) -> bool {
        self.record.version == record.version && self.record.expires_in + GRAIN >= record.expires_in
    }
}

/// How much later than asked a store may let a record end.
const GRAIN: Duration = Duration::from_secs(2);

pub(super) fn busy() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "others moved the record all the time from one store to the other")
}
