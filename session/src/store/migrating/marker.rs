//! What a migration leaves under a key, beside the records themselves.
//!
//! A marker is a record of its store whose bytes begin with [`MAGIC`] and a letter. In the new store: `A` a record that
//! arrives, with its version (16 bytes) and its bytes; `V` and `C` nothing, but they hold the place. In the old
//! one: `M` what was there has moved, with the version (16 bytes) of the `A` that it moved into.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use crate::store::{Record, Version};

/// No record of this crate begins so: not a sealed one either, but by a chance that is none.
const MAGIC: [u8; 16] = *b"\0\xf5session moved\xf5";

/// How long a claim holds at least: no call of a process that was stopped in it is gone on with after that.
const LONGEST_CALL: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a marker outlives what it is about: longer than any call lasts.
const MARGIN: Duration = Duration::from_secs(10 * 60);

/// What the new store has under a key.
#[derive(Debug)]
pub(super) enum InNew {
    Nothing,
    Record(Record),
    /// A record on its way, at this version; it counts once the old store says that it moved into this.
    Arriving {
        at: Version,
        record: Record,
    },
    /// Nothing, at this version.
    Vacant {
        at: Version,
    },
    /// Nothing, at this version; the old store has the record, or somebody is about to create it there.
    Claimed {
        at: Version,
    },
}

/// What the old store has under a key.
#[derive(Debug)]
pub(super) enum InOld {
    Nothing,
    Record(Record),
    /// It is over with the key here: what was there moved into what arrives in the new store at this version.
    Moved {
        into: Version,
    },
}

pub(super) fn in_new(found: Option<Record>) -> InNew {
    let Some(found) = found else { return InNew::Nothing };
    let at = found.version;
    match letter(&found) {
        Some((b'V', _)) => InNew::Vacant { at },
        Some((b'C', _)) => InNew::Claimed { at },
        Some((b'A', rest)) => match version(&rest) {
            Some((version, bytes)) => InNew::Arriving { at, record: Record { version, bytes, ..found } },
            None => InNew::Record(found),
        },
        _ => InNew::Record(found),
    }
}

pub(super) fn in_old(found: Option<Record>) -> InOld {
    let Some(found) = found else { return InOld::Nothing };
    match letter(&found) {
        Some((b'M', rest)) => match version(&rest) {
            Some((into, _)) => InOld::Moved { into },
            None => InOld::Record(found),
        },
        _ => InOld::Record(found),
    }
}

/// The marker of a record on its way, which lives as long as the record.
pub(super) fn arriving(record: &Record) -> Record {
    marker(b'A', &[record.version.as_bytes(), &record.bytes], record.expires_in)
}

/// The marker of a place without a record, for as long as somebody may act on what he read there.
pub(super) fn vacant() -> Record {
    marker(b'V', &[], MARGIN)
}

/// The marker of a place whose record is about to be created in the old store, for as long as that may live.
pub(super) fn claimed(record: &Record) -> Record {
    marker(b'C', &[], record.expires_in.saturating_add(LONGEST_CALL))
}

/// The marker that takes a record's place in the old store.
pub(super) fn moved(into: Version, record: &Record) -> Record {
    marker(b'M', &[into.as_bytes()], record.expires_in.saturating_add(MARGIN))
}

/// The marker that takes the place of a record in the old store that was ended there.
pub(super) fn ended() -> Record {
    marker(b'M', &[Version::random().as_bytes()], MARGIN)
}

fn marker(letter: u8, parts: &[&[u8]], expires_in: Duration) -> Record {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = BytesMut::with_capacity(MAGIC.len() + 1 + length);
    bytes.put_slice(&MAGIC);
    bytes.put_u8(letter);
    parts.iter().for_each(|part| bytes.put_slice(part));
    Record::new(bytes, expires_in)
}

fn letter(record: &Record) -> Option<(u8, Bytes)> {
    let (letter, rest) = record.bytes.strip_prefix(&MAGIC)?.split_first()?;
    Some((*letter, record.bytes.slice_ref(rest)))
}

fn version(bytes: &Bytes) -> Option<(Version, Bytes)> {
    let (version, rest) = bytes.split_first_chunk()?;
    Some((Version::from_bytes(*version), bytes.slice_ref(rest)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "a test fails by panicking")]

    use super::*;

    fn record(bytes: &'static [u8]) -> Record {
        Record::new(bytes, Duration::from_secs(60))
    }

    #[test]
    fn a_record_on_its_way_comes_back_with_its_version_and_bytes() {
        for bytes in [&b""[..], b"\0", b"bytes", &MAGIC] {
            let record = record(bytes);
            let marker = arriving(&record);
            let InNew::Arriving { at, record: read } = in_new(Some(marker.clone())) else { panic!("it is no arrival") };
            assert_eq!((at, read), (marker.version, record));
        }
    }

    #[test]
    fn a_marker_says_where_a_record_moved() {
        let into = Version::random();
        let InOld::Moved { into: read } = in_old(Some(moved(into, &record(b"bytes")))) else { panic!("it is no move") };
        assert_eq!(read, into);
    }

    #[test]
    fn what_is_no_marker_of_its_place_is_a_record() {
        let moved = moved(Version::random(), &record(b"bytes"));
        let cut = Record { bytes: moved.bytes.slice(..20), ..moved.clone() };
        for record in [record(b""), record(&MAGIC[..15]), record(&MAGIC), cut, moved] {
            assert!(matches!(in_new(Some(record.clone())), InNew::Record(read) if read == record));
        }
        let arriving = arriving(&record(b"bytes"));
        assert!(matches!(in_old(Some(arriving.clone())), InOld::Record(read) if read == arriving));
    }
}
