//! One of the parts that [`MemoryStore`](super::MemoryStore) is divided into.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hashbrown::HashTable;

use super::deadlines::{Deadlines, NEVER};
use crate::store::{Record, Version};

/// What a record takes beside its key and bytes: its place in the shard at the usual fill, and the allocator's own.
/// Measured over a million records, and rounded up.
pub(super) const OVERHEAD: usize = 128;

/// Records side by side, a table that finds them by their keys, and their deadlines.
#[derive(Default)]
pub(super) struct Shard {
    /// The positions of the records, by the hashes of their keys.
    positions: HashTable<u32>,
    records: Vec<Stored>,
    deadlines: Deadlines,
    bytes: usize,
}

/// A key and its hash, made once for all look-ups.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) text: &'a str,
    pub(super) hash: u64,
}

/// A record in the store: one piece of memory of its own, so that it keeps no larger buffer alive.
#[derive(Clone)]
pub(super) struct Stored {
    hash: u64,
    version: Version,
    contents: Contents,
}

/// The key, and then the bytes.
#[derive(Clone)]
struct Contents {
    both: Arc<[u8]>,
    key: usize,
}

/// What a record takes, by this store's account.
pub(super) fn size(key: &str, bytes: &[u8]) -> usize {
    key.len().saturating_add(bytes.len()).saturating_add(OVERHEAD)
}

impl Shard {
    /// The live record, and its deadline.
    pub(super) fn load(&self, key: Key<'_>, now: u64) -> Option<(Stored, u64)> {
        let position = self.live(key, now)?;
        Some((self.records.get(position)?.clone(), self.deadlines.get(position)))
    }

    /// Stores the record, unless there is a live one; whether it was.
    pub(super) fn create(&mut self, key: Key<'_>, record: Stored, deadline: u64, now: u64) -> bool {
        if let Some(position) = self.find(key) {
            if now <= self.deadlines.get(position) {
                return false;
            }
            self.replace(position, record, deadline);
            return true;
        }
        self.bytes += record.size();
        let Self { positions, records, deadlines, .. } = self;
        // there is no memory for so many that this would not be exact
        positions.insert_unique(key.hash, records.len() as u32, |position| hash(records, *position));
        records.push(record);
        deadlines.push(deadline);
        true
    }

    /// Replaces the live record that is at `expected`; otherwise says what is there.
    pub(super) fn update(
        &mut self,
        key: Key<'_>,
        record: Stored,
        deadline: u64,
        expected: &Version,
        now: u64,
    ) -> Result<(), Option<(Stored, u64)>> {
        let position = self.live(key, now).ok_or(None)?;
        match self.records.get(position) {
            Some(stored) if stored.version == *expected => {
                self.replace(position, record, deadline);
                Ok(())
            }
            other => Err(other.map(|stored| (stored.clone(), self.deadlines.get(position)))),
        }
    }

    /// Moves the deadline of a live record, if that makes it later; whether there is one.
    pub(super) fn touch(&mut self, key: Key<'_>, deadline: u64, now: u64) -> bool {
        let Some(position) = self.live(key, now) else { return false };
        if deadline > self.deadlines.get(position) {
            self.deadlines.set(position, deadline);
        }
        true
    }

    pub(super) fn remove(&mut self, key: Key<'_>) {
        if let Some(position) = self.find(key) {
            self.remove_at(position);
        }
    }

    /// Removes at most `limit` expired records; how many.
    pub(super) fn remove_expired(&mut self, limit: u64, now: u64) -> u64 {
        (0..limit).take_while(|_| self.soonest() < now && self.remove_first()).count() as u64
    }

    /// Removes the record that expires first, leaving out that under `except`, if it is by `deadline`; its deadline.
    pub(super) fn remove_soonest(&mut self, deadline: u64, except: Option<Key<'_>>) -> Option<u64> {
        self.leaving_out(except, |shard| {
            let first = shard.soonest();
            (first <= deadline && first < NEVER && shard.remove_first()).then_some(first)
        })
    }

    /// The deadline of the record that expires first; [`NEVER`] if there is none.
    pub(super) fn soonest(&self) -> u64 {
        self.deadlines.first()
    }

    /// The same, leaving out the record under `except`.
    pub(super) fn soonest_but(&mut self, except: Key<'_>) -> u64 {
        self.leaving_out(Some(except), |shard| shard.soonest())
    }

    /// What all records take together.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn find(&self, key: Key<'_>) -> Option<usize> {
        let is = |position: &u32| self.records.get(*position as usize).is_some_and(|record| record.is(key));
        self.positions.find(key.hash, is).map(|position| *position as usize)
    }

    fn live(&self, key: Key<'_>, now: u64) -> Option<usize> {
        self.find(key).filter(|position| now <= self.deadlines.get(*position))
    }

    fn replace(&mut self, position: usize, record: Stored, deadline: u64) {
        let Some(stored) = self.records.get_mut(position) else { return };
        self.bytes = self.bytes - stored.size() + record.size();
        *stored = record;
        self.deadlines.set(position, deadline);
    }

    fn remove_first(&mut self) -> bool {
        self.deadlines.position_of_first().inspect(|position| self.remove_at(*position)).is_some()
    }

    /// Removes the record at a position, which the last one takes.
    fn remove_at(&mut self, position: usize) {
        if position >= self.records.len() {
            return;
        }
        let removed = self.records.swap_remove(position);
        self.deadlines.swap_remove(position);
        self.bytes -= removed.size();
        let (gone, moved) = (position as u32, self.records.len() as u32);
        if let Ok(entry) = self.positions.find_entry(removed.hash, |at| *at == gone) {
            entry.remove();
        }
        if let Some(at) = self.positions.find_mut(hash(&self.records, gone), |at| *at == moved) {
            *at = gone;
        }
        self.shrink();
    }

    /// Gives back what a crowd needed: at once, but for the table, a few bytes a record, which would have to be made anew.
    fn shrink(&mut self) {
        let capacity = self.records.len() * 2;
        if self.records.capacity() > 64 && self.records.capacity() > capacity * 4 {
            self.records.shrink_to(capacity);
            self.deadlines.shrink_to(capacity);
        }
        if self.records.is_empty() && self.positions.capacity() > 64 {
            self.positions = HashTable::new();
        }
    }

    /// Works as if there were no record under a key.
    fn leaving_out<T>(&mut self, key: Option<Key<'_>>, work: impl FnOnce(&mut Self) -> T) -> T {
        let place = key.and_then(|key| Some((key, self.find(key)?)));
        let Some((key, position)) = place else { return work(self) };
        let deadline = self.deadlines.set(position, NEVER);
        let outcome = work(self);
        // it may have taken the place of one that was removed
        if let Some(position) = self.find(key) {
            self.deadlines.set(position, deadline);
        }
        outcome
    }
}

/// The hash of the record at a position, known without a look at its key.
fn hash(records: &[Stored], position: u32) -> u64 {
    records.get(position as usize).map_or(0, |record| record.hash)
}

impl Stored {
    /// A copy of what is to be written.
    pub(super) fn new(key: Key<'_>, record: &Record) -> Self {
        let both = Arc::from([key.text.as_bytes(), &record.bytes].concat());
        Self { hash: key.hash, version: record.version, contents: Contents { both, key: key.text.len() } }
    }

    /// The record for who asked, with its life from now on.
    pub(super) fn record(self, deadline: u64, now: u64) -> Record {
        let left = Duration::from_millis(deadline.saturating_sub(now).max(1));
        Record { version: self.version, bytes: Bytes::from_owner(self.contents), expires_in: left }
    }

    fn is(&self, key: Key<'_>) -> bool {
        self.hash == key.hash && self.contents.key() == key.text.as_bytes()
    }

    fn size(&self) -> usize {
        self.contents.both.len() + OVERHEAD
    }
}

impl Contents {
    fn key(&self) -> &[u8] {
        self.both.get(..self.key).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Contents {
    fn as_ref(&self) -> &[u8] {
        self.both.get(self.key..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
