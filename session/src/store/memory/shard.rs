//! One of the parts that [`MemoryStore`](super::MemoryStore) is divided into: a map, and its order of expiry.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;

use crate::store::{Record, Updated, Version};

/// What a record takes beside its key and bytes: its places in the map and in the order at their usual fill, and the
/// allocator's own. Measured over a million records, and rounded up.
pub(super) const OVERHEAD: usize = 288;

/// The deadline of a shard without records. No record has it.
pub(super) const NEVER: u64 = u64::MAX;

/// Records under their keys, and in the order in which they expire.
pub(super) struct Shard {
    records: HashMap<Arc<str>, Entry>,
    order: BTreeMap<Place, Arc<str>>,
    /// The first deadline of the order, at hand without a look into it.
    soonest: u64,
    next: u64,
    bytes: usize,
}

/// A record's place in the order of expiry; no two records of a shard have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The last millisecond of the record's life.
    pub(super) deadline: u64,
    number: u64,
}

/// What is written: a copy of its own, so that it keeps no larger buffer alive.
pub(super) struct Write {
    pub(super) version: Version,
    pub(super) bytes: Bytes,
    pub(super) deadline: u64,
}

struct Entry {
    version: Version,
    bytes: Bytes,
    place: Place,
}

/// What a record takes, by this store's account.
pub(super) fn size(key: &str, bytes: &[u8]) -> usize {
    key.len().saturating_add(bytes.len()).saturating_add(OVERHEAD)
}

impl Default for Shard {
    fn default() -> Self {
        Self { records: HashMap::new(), order: BTreeMap::new(), soonest: NEVER, next: 0, bytes: 0 }
    }
}

impl Shard {
    pub(super) fn load(&self, key: &str, now: u64) -> Option<Record> {
        self.live(key, now).map(|entry| entry.record(now))
    }

    /// Stores the record, unless there is a live one; its place, if it was.
    pub(super) fn create(&mut self, key: Arc<str>, write: Write, now: u64) -> Option<Place> {
        if self.live(&key, now).is_some() {
            return None;
        }
        self.remove(&key);
        let place = self.place(write.deadline);
        self.bytes += size(&key, &write.bytes);
        self.order.insert(place, Arc::clone(&key));
        self.soonest = self.soonest.min(place.deadline);
        self.records.insert(key, Entry { version: write.version, bytes: write.bytes, place });
        Some(place)
    }

    /// Replaces the live record that is at `expected`; its place, if it was.
    pub(super) fn update(&mut self, key: &str, write: Write, expected: &Version, now: u64) -> Result<Place, Updated> {
        let place = self.place(write.deadline);
        let Some(entry) = self.records.get_mut(key).filter(|entry| now <= entry.place.deadline) else {
            return Err(Updated::Gone);
        };
        if entry.version != *expected {
            return Err(Updated::Conflict(entry.record(now)));
        }
        self.bytes = self.bytes - entry.bytes.len() + write.bytes.len();
        let old = std::mem::replace(entry, Entry { version: write.version, bytes: write.bytes, place }).place;
        self.move_in_order(old, place);
        Ok(place)
    }

    /// Moves the deadline of a live record, if that makes it later; whether there is one.
    pub(super) fn touch(&mut self, key: &str, deadline: u64, now: u64) -> bool {
        let Some(entry) = self.records.get_mut(key).filter(|entry| now <= entry.place.deadline) else { return false };
        let old = entry.place;
        if deadline > old.deadline {
            entry.place.deadline = deadline;
            self.move_in_order(old, Place { deadline, ..old });
        }
        true
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Some((key, entry)) = self.records.remove_entry(key) {
            self.order.remove(&entry.place);
            self.left_order(entry.place);
            self.bytes -= size(&key, &entry.bytes);
            // what a crowd needed is given back; a few thousand records at most are moved
            if self.records.len() * 8 < self.records.capacity() && self.records.capacity() > 64 {
                self.records.shrink_to(self.records.len() * 2);
            }
        }
    }

    /// Removes at most `limit` expired records; how many.
    pub(super) fn remove_expired(&mut self, limit: u64, now: u64) -> u64 {
        let mut removed = 0;
        while removed < limit && self.soonest() < now {
            self.remove_soonest(now, None);
            removed += 1;
        }
        removed
    }

    /// Removes the record that expires first, leaving out the one at `except`, if that is by `deadline`; its place.
    pub(super) fn remove_soonest(&mut self, deadline: u64, except: Option<Place>) -> Option<Place> {
        let (place, key) = self.order.iter().find(|(place, _)| Some(**place) != except)?;
        if place.deadline > deadline {
            return None;
        }
        let (place, key) = (*place, Arc::clone(key));
        self.remove(&key);
        Some(place)
    }

    /// The deadline of the record that expires first; [`NEVER`] if there is none.
    pub(super) fn soonest(&self) -> u64 {
        self.soonest
    }

    /// The same, leaving out the record at `except`.
    pub(super) fn soonest_but(&self, except: Place) -> u64 {
        self.order.keys().find(|place| **place != except).map_or(NEVER, |place| place.deadline)
    }

    /// What all records take together.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn live(&self, key: &str, now: u64) -> Option<&Entry> {
        self.records.get(key).filter(|entry| now <= entry.place.deadline)
    }

    fn move_in_order(&mut self, old: Place, new: Place) {
        if let Some(key) = self.order.remove(&old) {
            self.order.insert(new, key);
            self.soonest = self.soonest.min(new.deadline);
            self.left_order(old);
        }
    }

    fn left_order(&mut self, place: Place) {
        if place.deadline == self.soonest {
            self.soonest = self.order.first_key_value().map_or(NEVER, |(place, _)| place.deadline);
        }
    }

    fn place(&mut self, deadline: u64) -> Place {
        self.next += 1;
        Place { deadline, number: self.next }
    }
}

impl Entry {
    fn record(&self, now: u64) -> Record {
        let left = Duration::from_millis(self.place.deadline.saturating_sub(now).max(1));
        Record { version: self.version, bytes: self.bytes.clone(), expires_in: left }
    }
}
