//! A record as a document: `{ _id: key, v: version, e: expiry, d: contents }`.
//!
//! `_id` is the key as a string, `v` and `d` are binary of the general kind, and `e` is a date, so that the server's own
//! expiry by a TTL index goes by it.

use std::time::Duration;

use ::mongodb::bson::{Binary, Bson, DateTime, Document, doc, spec::BinarySubtype};
use bytes::Bytes;

use crate::{
    clock::millis,
    store::{Record, StoreError, StoreErrorKind, Version},
};

/// The largest document of any server.
const DOCUMENT_MAX: usize = 16 * 1024 * 1024;

/// What a document has beside the key and the contents, with room to spare.
const OVERHEAD: usize = 256;

/// The longest key: below what a server before MongoDB 4.2 can index.
const KEY_MAX: usize = 900;

/// An error if the document of a record would be larger than a server takes.
pub(super) fn check_size(key: &str, record: &Record) -> Result<(), StoreError> {
    if key.len() > KEY_MAX || key.len() + record.bytes.len() > DOCUMENT_MAX - OVERHEAD {
        return Err(StoreError::new(
            StoreErrorKind::TooLarge,
            format!("the record is larger than a document may be ({DOCUMENT_MAX} bytes, and {KEY_MAX} of the key)"),
        ));
    }
    Ok(())
}

/// What a write sets.
pub(super) fn fields(record: &Record, now: u64) -> Document {
    doc! { "v": binary(record.version.as_bytes()), "e": expiry(record.expires_in, now), "d": binary(&record.bytes) }
}

/// A version as the document has it.
pub(super) fn version(version: &Version) -> Bson {
    binary(version.as_bytes())
}

/// The end of a life that begins now.
pub(super) fn expiry(expires_in: Duration, now: u64) -> Bson {
    // one millisecond more: `now` was rounded down
    moment(now.saturating_add(millis(expires_in)).saturating_add(1))
}

/// A time since 1970 in milliseconds; what lies further ahead than a date can is the last one that all servers print.
pub(super) fn moment(millis: u64) -> Bson {
    const LAST: i64 = 253_402_300_799_999;
    Bson::DateTime(DateTime::from_millis(i64::try_from(millis).unwrap_or(LAST).min(LAST)))
}

/// What a document holds: a record, one whose time is over, or something else.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    Live(Record),
    Expired,
    Foreign,
}

/// Reads a document.
pub(super) fn read(mut document: Document, now: u64) -> Found {
    let (Some(Bson::DateTime(expiry)), Some(version), Some(bytes)) =
        (document.remove("e"), bytes(document.remove("v")), bytes(document.remove("d")))
    else {
        return Found::Foreign;
    };
    let Ok(version) = version.try_into() else { return Found::Foreign };
    let left = u64::try_from(expiry.timestamp_millis()).unwrap_or(0).saturating_sub(now);
    if left == 0 {
        return Found::Expired;
    }
    Found::Live(Record {
        version: Version::from_bytes(version),
        bytes: Bytes::from(bytes),
        expires_in: Duration::from_millis(left),
    })
}

fn binary(bytes: &[u8]) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() })
}

fn bytes(value: Option<Bson>) -> Option<Vec<u8>> {
    match value {
        Some(Bson::Binary(binary)) if binary.subtype == BinarySubtype::Generic => Some(binary.bytes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn stored(record: &Record) -> Document {
        fields(record, NOW)
    }

    #[test]
    fn a_record_comes_back_from_its_document() {
        for bytes in [Vec::new(), vec![0], vec![7; 100_000]] {
            let record = Record::new(bytes, Duration::from_secs(60));
            let Found::Live(found) = read(stored(&record), NOW + 1) else { panic!("it is a record") };
            assert_eq!(found, record);
        }
    }

    /// What is written today has to be read by every later version.
    #[test]
    fn a_document_is_version_date_and_contents() {
        let record = Record::new("contents", Duration::from_secs(60));
        let version = Binary { subtype: BinarySubtype::Generic, bytes: record.version.as_bytes().to_vec() };
        let contents = Binary { subtype: BinarySubtype::Generic, bytes: b"contents".to_vec() };
        let date = DateTime::from_millis(1_800_000_060_001);
        assert_eq!(stored(&record), doc! { "v": version, "e": date, "d": contents });
    }

    #[test]
    fn a_record_ends_when_its_time_is_over() {
        let document = stored(&Record::new("", Duration::from_millis(300)));
        assert!(matches!(read(document.clone(), NOW + 300), Found::Live(_)));
        assert_eq!(read(document, NOW + 301), Found::Expired);
    }

    #[test]
    fn what_is_no_record_is_foreign() {
        let whole = stored(&Record::new("", Duration::from_secs(60)));
        for (name, value) in
            [("v", Bson::Null), ("v", binary(&[1; 15])), ("e", Bson::Int64(5)), ("d", Bson::String(String::new()))]
        {
            let mut other = whole.clone();
            other.insert(name, value);
            assert_eq!(read(other, NOW), Found::Foreign, "{name}");
        }
        // one of Flask-Session
        assert_eq!(
            read(doc! { "id": "session:1", "val": binary(b""), "expiration": moment(NOW) }, NOW),
            Found::Foreign
        );
    }

    #[test]
    fn an_endless_life_ends_in_the_year_9999() {
        assert_eq!(expiry(Duration::MAX, NOW), Bson::DateTime(DateTime::from_millis(253_402_300_799_999)));
    }

    #[test]
    fn what_is_larger_than_a_document_is_too_large() {
        let of = |length| Record::new(vec![0; length], Duration::from_secs(60));
        assert!(check_size("k", &of(16 * 1024 * 1024 - 257)).is_ok());
        assert_eq!(check_size("k", &of(16 * 1024 * 1024 - 256)).unwrap_err().kind(), StoreErrorKind::TooLarge);
        assert!(check_size(&"k".repeat(901), &of(0)).is_err());
    }
}
