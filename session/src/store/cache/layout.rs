//! A record as the value of a cache: 16 bytes version, 8 bytes big-endian expiry in Unix milliseconds, the contents.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::{
    clock::millis,
    store::{Record, Version},
};

pub(super) const HEAD: usize = Version::LEN + size_of::<u64>();

pub(super) fn write(record: &Record, now: u64) -> Bytes {
    let mut value = BytesMut::with_capacity(HEAD + record.bytes.len());
    value.put_slice(record.version.as_bytes());
    value.put_u64(now.saturating_add(millis(record.expires_in)));
    value.put_slice(&record.bytes);
    value.freeze()
}

/// The record that a value holds, with nothing left of its life if that has ended; none if the value is too short for one.
pub(super) fn read(mut value: Bytes, now: u64) -> Option<Record> {
    let (version, rest) = value.split_first_chunk()?;
    let expiry = u64::from_be_bytes(*rest.first_chunk()?);
    let version = Version::from_bytes(*version);
    value.advance(HEAD);
    Some(Record { version, bytes: value, expires_in: Duration::from_millis(expiry.saturating_sub(now)) })
}

/// Whether a value, or its first [`HEAD`] bytes, is of a record that has ended.
pub(super) fn has_ended(value: &[u8], now: u64) -> bool {
    let expiry = value.get(Version::LEN..HEAD).and_then(|expiry| <[u8; 8]>::try_from(expiry).ok());
    expiry.is_some_and(|expiry| u64::from_be_bytes(expiry) <= now)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    #[test]
    fn a_value_begins_with_version_and_expiry() {
        let record = Record::new("contents", Duration::from_secs(60));
        let value = write(&record, NOW);
        assert_eq!(value[..16], record.version.as_bytes()[..]);
        assert_eq!(value[16..24], (NOW + 60_000).to_be_bytes());
        assert_eq!(value[24..], *b"contents");
        assert_eq!(read(value, NOW), Some(record));
    }

    #[test]
    fn a_record_ends_when_its_time_is_over() {
        let value = write(&Record::new("", Duration::from_secs(60)), NOW);
        assert_eq!(read(value.clone(), NOW + 59_999).unwrap().expires_in, Duration::from_millis(1));
        assert!(!has_ended(&value, NOW + 59_999));
        assert_eq!(read(value.clone(), NOW + 60_001).unwrap().expires_in, Duration::ZERO);
        assert!(has_ended(&value[..HEAD], NOW + 60_000));
    }

    #[test]
    fn a_value_too_short_for_a_record_is_none_and_never_swept() {
        for length in [0, 1, HEAD - 1] {
            assert_eq!(read(vec![0; length].into(), NOW), None);
            assert!(!has_ended(&vec![0; length], NOW));
        }
    }

    #[test]
    fn an_endless_lifetime_overflows_nothing() {
        let value = write(&Record::new("", Duration::MAX), NOW);
        assert!(read(value, NOW).unwrap().expires_in > Duration::from_secs(1 << 40));
    }
}
