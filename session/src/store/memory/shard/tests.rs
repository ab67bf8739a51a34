//! That a shard is a map, whatever its keys and their hashes, and removes what expires first.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::HashMap, time::Duration};

use proptest::{collection::vec, prelude::*};

use super::{Key, Shard, Stored, size};
use crate::store::{Record, Version};

/// Many keys that share two hashes.
fn key(text: &str) -> Key<'_> {
    Key { text, hash: text.len() as u64 % 2 }
}

fn stored(key: Key<'_>, bytes: &str) -> Stored {
    Stored::new(key, &Record::new(bytes.to_owned(), Duration::ZERO))
}

/// What each key has: its bytes and its deadline.
fn contents(shard: &Shard, keys: &[String]) -> HashMap<String, (String, u64)> {
    let found = keys.iter().filter_map(|text| {
        let (stored, deadline) = shard.load(key(text), 0)?;
        let bytes = stored.record(deadline, 0).bytes;
        Some((text.clone(), (String::from_utf8(bytes.to_vec()).unwrap(), deadline)))
    });
    found.collect()
}

proptest! {
    #[test]
    fn a_shard_is_a_map_that_removes_what_expires_first(
        changes in vec((0..6_u8, 0..90_usize, 0..1000_u64), 0..500),
    ) {
        let keys: Vec<String> = (0..90).map(|number| "k".repeat(number / 30) + &number.to_string()).collect();
        let mut shard = Shard::default();
        let mut plain: HashMap<String, (String, u64)> = HashMap::new();
        for (change, number, deadline) in changes {
            let text = keys.get(number).unwrap();
            let bytes = "x".repeat(number + deadline as usize);
            match change {
                0 | 1 => {
                    let created = shard.create(key(text), stored(key(text), &bytes), deadline, 0);
                    prop_assert_eq!(created, !plain.contains_key(text));
                    plain.entry(text.clone()).or_insert((bytes, deadline));
                }
                2 => {
                    prop_assert_eq!(shard.touch(key(text), deadline, 0), plain.contains_key(text));
                    plain.entry(text.clone()).and_modify(|(_, old)| *old = deadline.max(*old));
                }
                3 => {
                    let old = shard.load(key(text), 0).map(|(stored, _)| stored.version);
                    let expected = old.unwrap_or_else(Version::random);
                    let updated = shard.update(key(text), stored(key(text), &bytes), deadline, &expected, 0);
                    prop_assert_eq!(updated.is_ok(), plain.contains_key(text));
                    plain.entry(text.clone()).and_modify(|now| *now = (bytes, deadline));
                }
                4 => {
                    shard.remove(key(text));
                    plain.remove(text);
                }
                _ => {
                    // all but the one under this key
                    let first = plain.iter().filter(|(other, _)| *other != text).map(|(_, (_, at))| *at).min();
                    let removed = shard.remove_soonest(deadline, Some(key(text)));
                    prop_assert_eq!(removed, first.filter(|first| *first <= deadline));
                    if removed.is_some() {
                        let left = contents(&shard, &keys);
                        let before = plain.len();
                        plain.retain(|other, (_, at)| left.contains_key(other) || other == text || Some(*at) != removed);
                        prop_assert_eq!(plain.len(), before - 1);
                    }
                }
            }
            prop_assert_eq!(shard.soonest(), plain.values().map(|(_, at)| *at).min().unwrap_or(u64::MAX));
            prop_assert_eq!(shard.bytes(), plain.iter().map(|(key, (bytes, _))| size(key, bytes.as_bytes())).sum::<usize>());
        }
        prop_assert_eq!(contents(&shard, &keys), plain);
    }
}

#[test]
fn keys_and_bytes_that_read_the_same_one_after_the_other_are_different_records() {
    let mut shard = Shard::default();
    let (one, other) = (Key { text: "ab", hash: 7 }, Key { text: "a", hash: 7 });
    assert!(shard.create(one, stored(one, "c"), 9, 0) && shard.create(other, stored(other, "bc"), 9, 0));
    assert_eq!(shard.load(one, 0).unwrap().0.record(9, 0).bytes, "c");
    assert_eq!(shard.load(other, 0).unwrap().0.record(9, 0).bytes, "bc");
}

#[test]
fn a_crowd_that_left_leaves_little_behind() {
    for left in [0, 1] {
        let keys: Vec<String> = (0..5000).map(|number| number.to_string()).collect();
        let keys: Vec<_> = (0..).zip(&keys).map(|(hash, text)| Key { text, hash }).collect();
        let mut shard = Shard::default();
        for key in &keys {
            assert!(shard.create(*key, stored(*key, "x"), 9, 0));
        }
        assert!(shard.records.capacity() >= 5000 && shard.hashes.capacity() >= 5000);
        for key in keys.iter().skip(left) {
            shard.remove(*key);
        }
        let new = Key { text: "new", hash: 5000 };
        assert!(left == 0 || shard.create(new, stored(new, "x"), 9, 0));
        assert!(shard.records.capacity() <= 64 && shard.hashes.capacity() <= 64);
    }
}
