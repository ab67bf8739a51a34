//! A record as an item: what each attribute means, and how large one can be.
//!
//! | attribute | type | meaning |
//! |---|---|---|
//! | `id` | S | the key, as it is; the table's partition key |
//! | `version` | B | which write it is: 16 bytes |
//! | `expires` | N | Unix milliseconds: the item is a record as long as this is ahead of the app's clock |
//! | `expiration` | N | the same in seconds, rounded up: what the table's TTL goes by |
//! | `data` | B | the contents |

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use bytes::Bytes;

use crate::{
    clock::millis,
    store::{Record, StoreError, StoreErrorKind, Version},
};

pub(super) const ID: &str = "id";
pub(super) const VERSION: &str = "version";
pub(super) const EXPIRES: &str = "expires";
pub(super) const TTL: &str = "expiration";
pub(super) const DATA: &str = "data";

/// A key that no record has: all others begin with a prefix or an id, and this is neither.
pub(super) const NOBODY: &str = "?";

/// How many bytes the contents may have: of the 400 KiB of an item, all but [`KEY_MAX`] and a KiB for what is beside.
pub(super) const DATA_MAX: usize = 398 * 1024;
const KEY_MAX: usize = 1024;

/// The longest lifetime, in milliseconds: about 30,000 years.
const LONGEST: u64 = 1_000_000_000_000_000;

/// A key as the table takes it: as it is.
pub(super) fn key(key: &str) -> Result<&str, StoreError> {
    if key.is_empty() || key.len() > KEY_MAX {
        return Err(StoreError::new(
            StoreErrorKind::Unsupported,
            format!("a key has {} bytes, and in DynamoDB it can have 1 to {KEY_MAX}", key.len()),
        ));
    }
    Ok(key)
}

/// An error if DynamoDB would not take the record.
pub(super) fn check_size(record: &Record) -> Result<(), StoreError> {
    if record.bytes.len() > DATA_MAX {
        return Err(StoreError::new(
            StoreErrorKind::TooLarge,
            format!("a record in DynamoDB can't be larger than {DATA_MAX} bytes"),
        ));
    }
    Ok(())
}

/// When a record expires that is to live so long from now on.
pub(super) fn expiry(expires_in: Duration, now: u64) -> u64 {
    now.saturating_add(millis(expires_in).min(LONGEST))
}

pub(super) fn moment(millis: u64) -> AttributeValue {
    AttributeValue::N(millis.to_string())
}

/// A moment as the table's TTL takes it.
pub(super) fn seconds(millis: u64) -> AttributeValue {
    AttributeValue::N(millis.div_ceil(1000).to_string())
}

pub(super) fn version(version: &Version) -> AttributeValue {
    AttributeValue::B(Blob::new(*version.as_bytes()))
}

pub(super) fn item(id: &str, record: &Record, now: u64) -> HashMap<String, AttributeValue> {
    let expires = expiry(record.expires_in, now);
    HashMap::from([
        (ID.to_owned(), AttributeValue::S(id.to_owned())),
        (VERSION.to_owned(), version(&record.version)),
        (EXPIRES.to_owned(), moment(expires)),
        (TTL.to_owned(), seconds(expires)),
        (DATA.to_owned(), AttributeValue::B(Blob::new(record.bytes.to_vec()))),
    ])
}

/// What an item is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Live(Record),
    /// A record whose time is over.
    Expired,
    /// No record.
    Foreign,
}

pub(super) fn read(item: HashMap<String, AttributeValue>, now: u64) -> Found {
    record(item, now).unwrap_or(Found::Foreign)
}

fn record(mut item: HashMap<String, AttributeValue>, now: u64) -> Option<Found> {
    let mut bytes = |name| match item.remove(name) {
        Some(AttributeValue::B(bytes)) => Some(bytes.into_inner()),
        _ => None,
    };
    let (version, data) = (bytes(VERSION)?, bytes(DATA)?);
    let version = Version::from_bytes(version.try_into().ok()?);
    let expires: u64 = item.get(EXPIRES)?.as_n().ok()?.parse().ok()?;
    Some(match expires.checked_sub(now) {
        None | Some(0) => Found::Expired,
        Some(left) => {
            Found::Live(Record { version, bytes: Bytes::from(data), expires_in: Duration::from_millis(left) })
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    const NOW: u64 = 1_800_000_000_001;

    #[test]
    fn a_record_comes_back_from_its_item_until_it_expires() {
        for bytes in [Vec::new(), vec![0], vec![0xff; 1000]] {
            let record = Record::new(bytes, Duration::from_millis(1500));
            let read = |now| read(item("k", &record, NOW), now);
            assert_eq!(read(NOW), Found::Live(record.clone()));
            let Found::Live(later) = read(NOW + 1499) else { panic!("it has a millisecond left") };
            assert_eq!(later.expires_in, Duration::from_millis(1));
            assert_eq!(read(NOW + 1500), Found::Expired);
            assert_eq!(read(u64::MAX), Found::Expired);
        }
    }

    #[test]
    fn the_table_s_ttl_is_never_before_the_expiry() {
        let item = item("k", &Record::new("", Duration::from_millis(300)), NOW);
        assert_eq!(item[EXPIRES], AttributeValue::N("1800000000301".to_owned()));
        assert_eq!(item[TTL], AttributeValue::N("1800000001".to_owned()));
        assert_eq!(seconds(1_800_000_000_000), AttributeValue::N("1800000000".to_owned()));
    }

    #[test]
    fn an_item_that_lacks_something_or_has_it_otherwise_is_no_record() {
        let whole = || item("k", &Record::new("contents", Duration::from_secs(1)), NOW);
        for name in [VERSION, EXPIRES, DATA] {
            let mut without = whole();
            without.remove(name);
            assert_eq!(read(without, NOW), Found::Foreign, "without {name}");
            let mut other = whole();
            other.insert(name.to_owned(), AttributeValue::S("text".to_owned()));
            assert_eq!(read(other, NOW), Found::Foreign, "with another {name}");
        }
        for (name, value) in [
            (VERSION, AttributeValue::B(Blob::new([1; 15]))),
            (EXPIRES, AttributeValue::N("-1".to_owned())),
            (EXPIRES, AttributeValue::N("1.5".to_owned())),
        ] {
            let mut other = whole();
            other.insert(name.to_owned(), value);
            assert_eq!(read(other, NOW), Found::Foreign);
        }
    }

    #[test]
    fn an_endless_lifetime_overflows_nothing() {
        assert_eq!(expiry(Duration::MAX, NOW), NOW + LONGEST);
        assert_eq!(expiry(Duration::MAX, u64::MAX), u64::MAX);
    }

    #[test]
    fn a_key_that_does_not_fit_is_an_error() {
        assert_eq!(key("session:é").unwrap(), "session:é");
        assert_eq!(key(&"k".repeat(1025)).unwrap_err().kind(), StoreErrorKind::Unsupported);
        assert_eq!(key("").unwrap_err().kind(), StoreErrorKind::Unsupported);
    }

    #[test]
    fn the_largest_record_under_the_longest_key_fits_into_an_item() {
        let longest = "k".repeat(KEY_MAX);
        let item = item(&longest, &Record::new(vec![1; DATA_MAX], Duration::MAX), NOW);
        let size = |value: &AttributeValue| match value {
            AttributeValue::S(text) => text.len(),
            AttributeValue::B(bytes) => bytes.as_ref().len(),
            // what the documentation allows it at most
            _ => 21,
        };
        assert!(item.iter().map(|(name, value)| name.len() + size(value)).sum::<usize>() <= 400 * 1024);
    }
}
