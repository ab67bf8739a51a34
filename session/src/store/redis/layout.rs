//! A record as the value of a string: 16 bytes version, 8 bytes big-endian expiry in Unix milliseconds, the contents.
//!
//! The server's own time to live is what ends a record. The expiry in the value only spares a load the second command
//! that would ask for it.

use std::{io::Write, time::Duration};

use bytes::{Buf, Bytes};
use redis::{Cmd, RedisWrite};

use crate::{
    clock::millis,
    store::{Record, StoreError, StoreErrorKind, Version},
};

/// The longest time to live, in milliseconds: about 30,000 years, which the server's sums and Lua's numbers can hold.
pub(super) const LONGEST: u64 = 1_000_000_000_000_000;

const HEAD: usize = Version::LEN + size_of::<u64>();

/// What a Redis string can hold, unless the server was told another `proto-max-bulk-len`.
const MAX_VALUE: usize = 512 * 1024 * 1024;

/// The length of a record's value.
pub(super) fn len(record: &Record) -> usize {
    HEAD + record.bytes.len()
}

/// An error if a record is larger than any server takes.
pub(super) fn check_size(record: &Record) -> Result<(), StoreError> {
    if record.bytes.len() > MAX_VALUE - HEAD {
        return Err(StoreError::new(StoreErrorKind::TooLarge, "a record in redis can't be larger than 512 MiB"));
    }
    Ok(())
}

/// Adds a record's value to a command, as its next argument.
pub(super) fn write(record: &Record, now: u64, command: &mut Cmd) {
    let mut value = command.writer_for_next_arg();
    // the writer is the command's own buffer, which takes everything
    let _ = value.write_all(record.version.as_bytes());
    let _ = value.write_all(&expiry(record.expires_in, now));
    let _ = value.write_all(&record.bytes);
}

/// The record that a value holds; none if it is too short for one.
pub(super) fn read(value: Vec<u8>, now: u64) -> Option<Record> {
    let (version, rest) = value.split_first_chunk()?;
    let expiry = u64::from_be_bytes(*rest.first_chunk()?);
    let version = Version::from_bytes(*version);
    // the clocks of two machines differ: what the server still has is alive
    let expires_in = Duration::from_millis(expiry.saturating_sub(now).clamp(1, LONGEST));
    let mut bytes = Bytes::from(value);
    bytes.advance(HEAD);
    Some(Record { version, bytes, expires_in })
}

/// The expiry as a value holds it.
pub(super) fn expiry(expires_in: Duration, now: u64) -> [u8; 8] {
    now.saturating_add(millis(expires_in).min(LONGEST)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use redis::Arg;

    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn value(record: &Record) -> Vec<u8> {
        let mut command = redis::cmd("SET");
        write(record, NOW, &mut command);
        match command.args_iter().last().unwrap() {
            Arg::Simple(value) => value.to_vec(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn a_record_comes_back_from_its_value() {
        for bytes in [Vec::new(), vec![0], b"\r\n$-1\r\n\xff".to_vec(), vec![7; 100_000]] {
            let record = Record::new(bytes, Duration::from_millis(1500));
            let value = value(&record);
            assert_eq!(value.len(), len(&record));
            assert_eq!(read(value, NOW), Some(record));
        }
    }

    #[test]
    fn a_value_begins_with_version_and_expiry() {
        let record = Record::new("contents", Duration::from_secs(60));
        let value = value(&record);
        assert_eq!(value[..16], record.version.as_bytes()[..]);
        assert_eq!(value[16..24], (NOW + 60_000).to_be_bytes());
        assert_eq!(value[24..], *b"contents");
    }

    #[test]
    fn time_passes_between_write_and_load() {
        let record = Record::new("", Duration::from_secs(60));
        assert_eq!(read(value(&record), NOW + 59_000).unwrap().expires_in, Duration::from_secs(1));
    }

    #[test]
    fn a_record_that_the_server_still_has_is_alive_by_any_clock() {
        let record = Record::new("", Duration::from_secs(60));
        assert_eq!(read(value(&record), NOW + 61_000).unwrap().expires_in, Duration::from_millis(1));
    }

    #[test]
    fn a_value_too_short_for_a_record_is_none() {
        assert_eq!(read(Vec::new(), NOW), None);
        assert_eq!(read(vec![1; HEAD - 1], NOW), None);
        assert!(read(vec![1; HEAD], NOW).is_some());
    }

    #[test]
    fn an_endless_lifetime_overflows_nothing() {
        let record = Record::new("", Duration::MAX);
        assert_eq!(read(value(&record), NOW).unwrap().expires_in, Duration::from_millis(LONGEST));
    }

    #[test]
    fn a_record_over_512_mib_is_too_large() {
        let record = |size| Record::new(vec![0; size], Duration::from_secs(1));
        assert!(check_size(&record(MAX_VALUE - HEAD)).is_ok());
        let error = check_size(&record(MAX_VALUE - HEAD + 1)).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::TooLarge);
    }
}
