//! A record as an item: 16 bytes version, 8 bytes big-endian expiry in Unix milliseconds, the contents; and its key.
//!
//! The server's own time to live is what ends a record, in whole seconds. The expiry in the item tells what is asked of
//! it, as far as the server's seconds bear that out.

use std::{borrow::Cow, fmt::Write as _, time::Duration};

use bytes::{Buf, BufMut, Bytes};
use sha2::{Digest, Sha256};

use crate::{
    clock::millis,
    store::{Record, Version},
};

pub(super) const HEAD: usize = Version::LEN + size_of::<u64>();

/// What an item may take beside its contents: the longest key, the head, and the server's bookkeeping, with room to spare.
pub(super) const OVERHEAD: usize = 512;

/// A time to live over this is a time since 1970 to the server.
const RELATIVE_MAX: u64 = 30 * 24 * 60 * 60;

/// The last second that the server can count to, in January 2038.
const LAST: u64 = i32::MAX as u64;

/// The longest key that is sent as it is.
const KEY_MAX: usize = 200;

/// A key as the server takes it: as it is if it is short and plain, else its hash, marked so that no plain one meets it.
pub(super) fn key(key: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_graphic();
    if !key.is_empty() && key.len() <= KEY_MAX && !key.starts_with('~') && key.bytes().all(is_plain) {
        return Cow::Borrowed(key);
    }
    let mut hashed = String::with_capacity(65);
    hashed.push('~');
    for byte in Sha256::digest(key.as_bytes()) {
        // to a `String` it can't fail
        let _ = write!(hashed, "{byte:02x}");
    }
    Cow::Owned(hashed)
}

/// The time to live that ends a record no earlier than asked, and the time of its end in milliseconds as it is stored.
///
/// The server counts seconds from a moment that it passed up to a second ago: so one more. What lies after the end of its
/// time ends there, or after 30 days, whichever is later.
pub(super) fn lifetime(expires_in: Duration, now: u64) -> (u64, u64) {
    let asked = millis(expires_in);
    let seconds = asked.div_ceil(1000).saturating_add(1);
    let expiry = now.saturating_add(asked);
    if seconds <= RELATIVE_MAX {
        return (seconds, expiry);
    }
    let at = expiry.div_ceil(1000).saturating_add(1);
    if at <= LAST {
        return (at, expiry);
    }
    let month = now.saturating_add(RELATIVE_MAX * 1000);
    if LAST * 1000 > month { (LAST, LAST * 1000) } else { (RELATIVE_MAX, month) }
}

/// How many seconds the server would have left for such a time to live, so that two can be compared.
pub(super) fn seconds(ttl: u64, now: u64) -> u64 {
    if ttl <= RELATIVE_MAX { ttl } else { ttl.saturating_sub(now / 1000) }
}

/// Adds a record's item to a command.
pub(super) fn write(version: &Version, expiry: u64, bytes: &[u8], command: &mut Vec<u8>) {
    command.extend_from_slice(version.as_bytes());
    command.put_u64(expiry);
    command.extend_from_slice(bytes);
}

/// A record, and the expiry as it is stored.
pub(super) struct Item {
    pub(super) record: Record,
    pub(super) expiry: u64,
}

/// The record that an item holds; none if it is too short for one.
///
/// `left` is what the server says that remains, in seconds; none for ever. The clocks of two machines differ: what the
/// server still has is alive, and lives for as long as it says, less the two seconds that it rounds by.
pub(super) fn read(mut value: Bytes, left: Option<u64>, now: u64) -> Option<Item> {
    let (version, rest) = value.split_first_chunk()?;
    let version = Version::from_bytes(*version);
    let expiry = u64::from_be_bytes(*rest.first_chunk()?);
    let mut expires_in = expiry.saturating_sub(now);
    if let Some(left) = left {
        expires_in = expires_in.clamp(left.saturating_sub(2).saturating_mul(1000), left.saturating_mul(1000));
    }
    value.advance(HEAD);
    Some(Item {
        record: Record { version, bytes: value, expires_in: Duration::from_millis(expires_in.max(1)) },
        expiry,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    const NOW: u64 = 1_800_000_000_000;
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn value(record: &Record) -> Bytes {
        let mut value = Vec::new();
        write(&record.version, lifetime(record.expires_in, NOW).1, &record.bytes, &mut value);
        value.into()
    }

    #[test]
    fn a_record_comes_back_from_its_item() {
        for bytes in [Vec::new(), vec![0], b"\r\nEND\r\n\xff".to_vec(), vec![7; 100_000]] {
            let record = Record::new(bytes, Duration::from_millis(1500));
            assert_eq!(read(value(&record), Some(3), NOW).unwrap().record, record);
        }
    }

    #[test]
    fn an_item_begins_with_version_and_expiry() {
        let record = Record::new("contents", Duration::from_secs(60));
        let value = value(&record);
        assert_eq!(value[..16], record.version.as_bytes()[..]);
        assert_eq!(value[16..24], (NOW + 60_000).to_be_bytes());
        assert_eq!(value[24..], *b"contents");
    }

    #[test]
    fn an_item_too_short_for_a_record_is_none() {
        assert!(read(Bytes::new(), None, NOW).is_none());
        assert!(read(vec![1; HEAD - 1].into(), None, NOW).is_none());
        assert!(read(vec![1; HEAD].into(), None, NOW).is_some());
    }

    #[test]
    fn what_remains_is_what_the_server_says_whatever_the_clock_shows() {
        let value = value(&Record::new("", Duration::from_secs(60)));
        let left = |left, now| read(value.clone(), left, now).unwrap().record.expires_in;
        assert_eq!(left(Some(61), NOW + 500), Duration::from_millis(59_500));
        assert_eq!(left(Some(61), NOW + 3_600_000), Duration::from_secs(59));
        assert_eq!(left(Some(61), NOW - 3_600_000), Duration::from_secs(61));
        assert_eq!(left(Some(0), NOW + 3_600_000), Duration::from_millis(1));
        assert_eq!(left(None, NOW), Duration::from_secs(60));
    }

    #[test]
    fn a_time_to_live_is_never_earlier_than_asked_and_never_none() {
        let of = |expires_in| lifetime(expires_in, NOW).0;
        assert_eq!(of(Duration::ZERO), 1);
        assert_eq!(of(Duration::from_millis(300)), 2);
        assert_eq!(of(Duration::from_secs(60)), 61);
        assert_eq!(of(30 * DAY - Duration::from_secs(1)), 30 * 86_400);
        // from here on it is a time of day
        assert_eq!(of(30 * DAY), NOW / 1000 + 30 * 86_400 + 1);
        assert_eq!(of(31 * DAY), NOW / 1000 + 31 * 86_400 + 1);
        assert_eq!(of(3650 * DAY), NOW / 1000 + 3650 * 86_400 + 1);
    }

    #[test]
    fn beyond_the_servers_time_a_record_lives_as_long_as_it_can() {
        for endless in [36_500 * DAY, Duration::MAX] {
            assert_eq!(lifetime(endless, NOW), (LAST, LAST * 1000));
        }
        // less than 30 days before the end of that time, and after it
        for now in [(LAST - 10) * 1000, (LAST + 10) * 1000] {
            assert_eq!(lifetime(3650 * DAY, now), (RELATIVE_MAX, now + RELATIVE_MAX * 1000));
            assert_eq!(lifetime(DAY, now).0, 86_401);
        }
    }

    #[test]
    fn times_to_live_are_compared_in_seconds() {
        assert_eq!(seconds(61, NOW), 61);
        assert_eq!(seconds(lifetime(31 * DAY, NOW).0, NOW), 31 * 86_400 + 1);
    }

    #[test]
    fn a_plain_key_is_sent_as_it_is_and_any_other_as_its_hash() {
        assert_eq!(key("session:Zm9v-_"), "session:Zm9v-_");
        let long = "x".repeat(201);
        let odd = ["", " ", "a b", "späß", "\u{1F980}", "a\r\nflush_all\r\n", "~x", "\x7f", &long];
        let mut sent: Vec<_> = odd.iter().map(|odd| key(odd).into_owned()).collect();
        for sent in &sent {
            assert!(
                sent.len() == 65 && sent.starts_with('~') && sent[1..].bytes().all(|byte| byte.is_ascii_hexdigit())
            );
            assert_ne!(key(sent), *sent, "a key that looks like a hash is hashed too");
        }
        sent.sort();
        sent.dedup();
        assert_eq!(sent.len(), odd.len());
    }
}
