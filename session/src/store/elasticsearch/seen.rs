//! [`Seen`]: under which number of the index a record was seen last, so that a write after a read is one request.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::writes::Writes;

/// How many records are kept in mind.
const SLOTS: usize = 512;

/// The number of a change: the index counts changes, and the times that another copy became the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) sequence: u64,
    pub(super) term: u64,
}

/// What was seen of a record.
#[derive(Clone)]
pub(super) struct Sight {
    pub(super) at: At,
    pub(super) writes: Writes,
    pub(super) expires: u64,
}

/// What was seen last, in a fixed number of places.
pub(super) struct Seen {
    hasher: RandomState,
    slots: Mutex<Vec<Option<(String, Sight)>>>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { hasher: RandomState::new(), slots: Mutex::new(vec![None; SLOTS]) }
    }
}

impl Seen {
    /// Keeps in mind what is there under a key, or forgets it.
    pub(super) fn keep(&self, id: &str, sight: Option<Sight>) {
        if let Some(slot) = self.lock().get_mut(self.slot(id)) {
            *slot = sight.map(|sight| (id.to_owned(), sight));
        }
    }

    /// What was there, if that is not too long ago. The server compares: it may be wrong, and harms nothing.
    pub(super) fn recall(&self, id: &str) -> Option<Sight> {
        let slots = self.lock();
        let (known, sight) = slots.get(self.slot(id))?.as_ref()?;
        (known == id).then(|| sight.clone())
    }

    fn slot(&self, id: &str) -> usize {
        usize::try_from(self.hasher.hash_one(id) % SLOTS as u64).unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<(String, Sight)>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
