//! A record as a file holds it.
//!
//! ```text
//! magic 8 · format 1 · expiry 8 · version 16 · length of the key 4 · length of the bytes 8 · key · bytes · CRC-32 4
//! ```
//!
//! Numbers are big-endian, the expiry is in milliseconds since the Unix epoch, and the checksum is of all before it.

use bytes::Bytes;

use crate::store::Version;

/// How much of a file says what it is and when it expires.
pub(super) const START: usize = 17;

/// The largest bytes of a record.
pub(super) const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The longest key.
pub(super) const MAX_KEY: usize = 1024 * 1024;

/// The largest file that can be a record.
pub(super) const MAX_FILE: usize = HEAD + MAX_KEY + MAX_BYTES + 4;

const MAGIC: [u8; 8] = *b"session\xf6";
const FORMAT: u8 = 1;
const HEAD: usize = 45;

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) expiry: u64,
    pub(super) version: Version,
    pub(super) bytes: Bytes,
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// It is not of this format.
    Foreign,
    /// It is torn or changed.
    Corrupt,
    /// It is the record of another key.
    OtherKey,
}

impl Damage {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Foreign => "it is not of this store's format",
            Self::Corrupt => "its length or checksum is wrong",
            Self::OtherKey => "it is the record of another key",
        }
    }
}

/// The file of a record.
pub(super) fn encode(key: &str, expiry: u64, version: &Version, bytes: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(HEAD + key.len() + bytes.len() + 4);
    file.extend_from_slice(&MAGIC);
    file.push(FORMAT);
    file.extend_from_slice(&expiry.to_be_bytes());
    file.extend_from_slice(version.as_bytes());
    file.extend_from_slice(&u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes());
    file.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    file.extend_from_slice(key.as_bytes());
    file.extend_from_slice(bytes);
    file.extend_from_slice(&crc32fast::hash(&file).to_be_bytes());
    file
}

/// The record in a file; with `key`, of that key only.
pub(super) fn decode(file: Vec<u8>, key: Option<&str>) -> Result<Stored, Damage> {
    let expiry = expiry(&file).ok_or(Damage::Foreign)?;
    let (content, checksum) = file.split_last_chunk().ok_or(Damage::Corrupt)?;
    if crc32fast::hash(content) != u32::from_be_bytes(*checksum) {
        return Err(Damage::Corrupt);
    }
    let parts = || {
        let (version, rest) = content.get(START..)?.split_first_chunk()?;
        let (key_length, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (stored_key, bytes) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*key_length)).ok()?)?;
        (bytes.len() as u64 == u64::from_be_bytes(*length)).then_some((*version, stored_key, bytes.len()))
    };
    let (version, stored_key, length) = parts().ok_or(Damage::Corrupt)?;
    if key.is_some_and(|key| key.as_bytes() != stored_key) {
        return Err(Damage::OtherKey);
    }
    let end = content.len();
    let bytes = Bytes::from(file).slice(end - length..end);
    Ok(Stored { expiry, version: Version::from_bytes(version), bytes })
}

/// The expiry, by the first [`START`] bytes of a file alone; none if it is not of this format.
pub(super) fn expiry(start: &[u8]) -> Option<u64> {
    let rest = start.strip_prefix(&MAGIC)?.strip_prefix(&[FORMAT])?;
    rest.first_chunk().map(|expiry| u64::from_be_bytes(*expiry))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::{Damage, decode, encode};
    use crate::store::Version;

    #[test]
    fn what_is_written_is_read() {
        let version = Version::random();
        for (key, bytes) in [("", &b""[..]), ("k", b"\0\xff"), ("key/\0é", &[7; 5000])] {
            let stored = decode(encode(key, 42, &version, bytes), Some(key)).unwrap();
            assert_eq!((stored.expiry, stored.version, &stored.bytes[..]), (42, version, bytes));
        }
    }

    #[test]
    fn each_flipped_bit_and_each_cut_is_noticed() {
        let file = encode("key", 42, &Version::random(), b"bytes");
        for bit in 0..file.len() * 8 {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(flipped, Some("key")).is_err(), "bit {bit}");
        }
        for length in 0..file.len() {
            assert!(decode(file[..length].to_vec(), Some("key")).is_err(), "length {length}");
        }
    }

    #[test]
    fn the_record_of_another_key_is_not_taken() {
        let file = encode("one", 42, &Version::random(), b"bytes");
        assert_eq!(decode(file, Some("two")), Err(Damage::OtherKey));
    }
}
