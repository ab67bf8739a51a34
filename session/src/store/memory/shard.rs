//! One of the parts that [`MemoryStore`](super::MemoryStore) is divided into.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hashbrown::HashTable;

use super::deadlines::{Deadlines, NEVER};
use crate::store::{Record, Version};

/// What a record takes beside its key and bytes: its place in the shard at the usual fill, and the allocator's own.
/// Measured over a million records, and rounded up.
pub(super) const OVERHEAD: usize = 160;

/// A table of records, and beside it their deadlines in a row, where each has a position.
#[derive(Default)]
pub(super) struct Shard {
    records: HashTable<Stored>,
    /// The hashes of the records' keys, by their positions.
    hashes: Vec<u64>,
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
    version: Version,
    contents: Contents,
    position: u32,
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
        let stored = self.records.find(key.hash, |stored| stored.is(key))?;
        let deadline = self.deadlines.get(stored.position as usize);
        (now <= deadline).then(|| (stored.clone(), deadline))
    }

    /// Stores the record, unless there is a live one; whether it was.
    pub(super) fn create(&mut self, key: Key<'_>, record: Stored, deadline: u64, now: u64) -> bool {
        if let Some(stored) = self.records.find_mut(key.hash, |stored| stored.is(key)) {
            if now <= self.deadlines.get(stored.position as usize) {
                return false;
            }
            self.bytes = self.bytes - stored.size() + record.size();
            self.deadlines.set(stored.position as usize, deadline);
            stored.replace(record);
            return true;
        }
        self.shrink();
        self.bytes += record.size();
        // there is no memory for so many that this would not be exact
        let position = self.hashes.len() as u32;
        let hashes = &self.hashes;
        self.records.insert_unique(key.hash, Stored { position, ..record }, |stored| hash(hashes, stored.position));
        self.hashes.push(key.hash);
        self.deadlines.push(deadline);
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
        let stored = self.records.find_mut(key.hash, |stored| stored.is(key)).ok_or(None)?;
        let old = self.deadlines.get(stored.position as usize);
        if now > old {
            return Err(None);
        }
        if stored.version != *expected {
            return Err(Some((stored.clone(), old)));
        }
        self.bytes = self.bytes - stored.size() + record.size();
        self.deadlines.set(stored.position as usize, deadline);
        stored.replace(record);
        Ok(())
    }

    /// Moves the deadline of a live record, if that makes it later; whether there is one.
    pub(super) fn touch(&mut self, key: Key<'_>, deadline: u64, now: u64) -> bool {
        let Some(position) = self.position(key) else { return false };
        let old = self.deadlines.get(position);
        if now <= old && deadline > old {
            self.deadlines.set(position, deadline);
        }
        now <= old
    }

    pub(super) fn remove(&mut self, key: Key<'_>) {
        self.remove_if(key.hash, |stored| stored.is(key));
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

    fn position(&self, key: Key<'_>) -> Option<usize> {
        self.records.find(key.hash, |stored| stored.is(key)).map(|stored| stored.position as usize)
    }

    fn remove_first(&mut self) -> bool {
        let Some(first) = self.deadlines.position_of_first() else { return false };
        self.remove_if(hash(&self.hashes, first as u32), |stored| stored.position == first as u32)
    }

    /// Removes the record with this hash that is meant; the last one takes its position.
    fn remove_if(&mut self, key: u64, is: impl FnMut(&Stored) -> bool) -> bool {
        let Ok(entry) = self.records.find_entry(key, is) else { return false };
        let (removed, _) = entry.remove();
        self.bytes -= removed.size();
        self.hashes.swap_remove(removed.position as usize);
        self.deadlines.swap_remove(removed.position as usize);
        let last = self.hashes.len() as u32;
        let moved = hash(&self.hashes, removed.position);
        if let Some(moved) = self.records.find_mut(moved, |stored| stored.position == last) {
            moved.position = removed.position;
        }
        if self.records.is_empty() {
            self.shrink();
        }
        true
    }

    /// Gives back what a crowd needed. Not while a sweep removes it: an allocator may do then at once what it put off.
    fn shrink(&mut self) {
        let (crowd, capacity) = (self.records.capacity(), self.records.len() * 2);
        if crowd > 64 && crowd > capacity * 4 {
            let hashes = &self.hashes;
            self.records.shrink_to(capacity, |stored| hash(hashes, stored.position));
            self.hashes.shrink_to(capacity);
            self.deadlines.shrink_to(capacity);
        }
    }

    /// Works as if there were no record under a key.
    fn leaving_out<T>(&mut self, key: Option<Key<'_>>, work: impl FnOnce(&mut Self) -> T) -> T {
        let place = key.and_then(|key| Some((key, self.position(key)?)));
        let Some((key, position)) = place else { return work(self) };
        let deadline = self.deadlines.set(position, NEVER);
        let outcome = work(self);
        // it may have taken the place of one that was removed
        if let Some(position) = self.position(key) {
            self.deadlines.set(position, deadline);
        }
        outcome
    }
}

fn hash(hashes: &[u64], position: u32) -> u64 {
    hashes.get(position as usize).copied().unwrap_or(0)
}

impl Stored {
    /// A copy of what is to be written.
    pub(super) fn new(key: Key<'_>, record: &Record) -> Self {
        let both = Arc::from([key.text.as_bytes(), &record.bytes].concat());
        Self { version: record.version, contents: Contents { both, key: key.text.len() }, position: 0 }
    }

    /// The record for who asked, with its life from now on.
    pub(super) fn record(self, deadline: u64, now: u64) -> Record {
        let left = Duration::from_millis(deadline.saturating_sub(now).max(1));
        Record { version: self.version, bytes: Bytes::from_owner(self.contents), expires_in: left }
    }

    fn is(&self, key: Key<'_>) -> bool {
        self.contents.key() == key.text.as_bytes()
    }

    fn replace(&mut self, by: Self) {
        *self = Self { position: self.position, ..by };
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
