//! A record as a document: what each field means, its id, and how large it can be.
//!
//! | field | type | meaning |
//! |---|---|---|
//! | `version` | bytes | which write it is: 16 bytes |
//! | `expires` | integer | Unix milliseconds: the document is a record as long as this is ahead of the app's clock |
//! | `expiration` | timestamp | the same, which a TTL policy goes by |
//! | `data` | bytes | the contents |

use std::time::Duration;

use bytes::Bytes;
use gcloud_sdk::prost_types::Timestamp;

use crate::{
    clock::millis,
    store::{Record, StoreError, StoreErrorKind, Version},
};

pub(in crate::store) const VERSION: &str = "version";
pub(in crate::store) const EXPIRES: &str = "expires";
pub(in crate::store) const TTL: &str = "expiration";
pub(in crate::store) const DATA: &str = "data";

/// An id that no record has: what is not a letter, a digit, `-`, `_` or `:` is escaped in those.
pub(super) const NOBODY: &str = "~";

/// How many bytes the contents may have: of the 1 MiB of a document, all but 4 KiB for its name and what is beside.
pub(super) const DATA_MAX: usize = (1 << 20) - 4096;

/// How many bytes an id can have.
const ID_MAX: usize = 1500;

/// The longest lifetime, in milliseconds: about 3,000 years, so that its end has a year of four digits.
const LONGEST: u64 = 100_000_000_000_000;

/// A key as an id: ASCII letters, digits, `-`, `:` and `_` as they are, and every other byte, and a `_` at the beginning,
/// as `%` and two hex digits.
pub(super) fn id(key: &str) -> Result<String, StoreError> {
    let mut id = String::with_capacity(key.len());
    for (at, byte) in key.bytes().enumerate() {
        match byte {
            b'-' | b':' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => id.push(char::from(byte)),
            b'_' if at > 0 => id.push('_'),
            _ => id.extend(['%', hex(byte >> 4), hex(byte & 15)]),
        }
    }
    if id.is_empty() || id.len() > ID_MAX {
        return Err(StoreError::new(
            StoreErrorKind::Unsupported,
            format!("a key takes {} bytes as the id of a document, which can have 1 to {ID_MAX}", id.len()),
        ));
    }
    Ok(id)
}

/// When a record expires that is to live so long from now on.
pub(super) fn expiry(expires_in: Duration, now: u64) -> i64 {
    moment(now.saturating_add(millis(expires_in).min(LONGEST)))
}

pub(super) fn moment(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// A moment as a TTL policy takes it.
pub(in crate::store) fn timestamp(millis: i64) -> Timestamp {
    // the part of a second is less than one
    let nanos = i32::try_from(millis.rem_euclid(1000) * 1_000_000).unwrap_or_default();
    Timestamp { seconds: millis.div_euclid(1000), nanos }
}

/// What a document has, or is to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Item {
    pub(in crate::store) version: Option<Vec<u8>>,
    pub(in crate::store) expires: Option<i64>,
    pub(in crate::store) data: Option<Vec<u8>>,
}

impl Item {
    pub(super) fn of(record: &Record, now: u64) -> Self {
        Self {
            version: Some(record.version.as_bytes().to_vec()),
            expires: Some(expiry(record.expires_in, now)),
            data: Some(record.bytes.to_vec()),
        }
    }
}

/// What a document is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A record, and when it expires.
    Live(Record, i64),
    /// A record whose time is over.
    Expired,
    /// No record.
    Foreign,
}

pub(super) fn read(item: Item, now: u64) -> Found {
    let whole = || Some((Version::from_bytes(item.version?.try_into().ok()?), item.expires?, item.data?));
    let Some((version, expires, data)) = whole() else { return Found::Foreign };
    match u64::try_from(expires).unwrap_or(0).checked_sub(now) {
        None | Some(0) => Found::Expired,
        Some(left) => {
            let expires_in = Duration::from_millis(left);
            Found::Live(Record { version, bytes: Bytes::from(data), expires_in }, expires)
        }
    }
}

fn hex(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const NOW: u64 = 1_800_000_000_001;

    #[test]
    fn a_record_comes_back_from_its_document_until_it_expires() {
        let record = Record::new(vec![0, 255], Duration::from_millis(1500));
        let at = |now| read(Item::of(&record, NOW), now);
        assert_eq!(at(NOW), Found::Live(record.clone(), 1_800_000_001_501));
        let Found::Live(later, _) = at(NOW + 1499) else { panic!("it has a millisecond left") };
        assert_eq!(later.expires_in, Duration::from_millis(1));
        assert_eq!((at(NOW + 1500), at(u64::MAX)), (Found::Expired, Found::Expired));
    }

    #[test]
    fn a_document_that_lacks_something_is_no_record() {
        let whole = || Item::of(&Record::new("contents", Duration::from_secs(1)), NOW);
        for other in [
            Item { version: None, ..whole() },
            Item { version: Some(vec![1; 15]), ..whole() },
            Item { expires: None, ..whole() },
            Item { data: None, ..whole() },
        ] {
            assert_eq!(read(other, NOW), Found::Foreign);
        }
        assert_eq!(read(Item { expires: Some(-1), ..whole() }, NOW), Found::Expired);
    }

    #[test]
    fn an_id_is_plain_whatever_the_key_is() {
        assert_eq!(id("session:owner:Zm9v-_").unwrap(), "session:owner:Zm9v-_");
        let keys = ["/", ".", "..", "__x__", "%2f", "%", "a/b", "a b", "é", "_", "~", "\u{0}"];
        let mut ids: Vec<_> = keys.iter().map(|key| id(key).unwrap()).collect();
        for id in &ids {
            assert!(!id.starts_with('_') && !id.contains(['/', '.', ' ', '~']) && id.is_ascii(), "{id}");
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), keys.len());
        assert_eq!(id("").unwrap_err().kind(), StoreErrorKind::Unsupported);
        assert_eq!(id(&" ".repeat(501)).unwrap_err().kind(), StoreErrorKind::Unsupported);
    }

    #[test]
    fn a_policy_s_time_is_the_expiry_to_the_millisecond() {
        assert_eq!(timestamp(1_500_250), Timestamp { seconds: 1500, nanos: 250_000_000 });
        // of the longest lifetime the year is still one that a timestamp can have
        assert!(timestamp(expiry(Duration::MAX, NOW)).seconds < 253_402_300_799);
    }
}
