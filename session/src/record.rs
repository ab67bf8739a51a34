//! A session as the bytes of a record.
//!
//! ```text
//! format 1 · SHA-256 of the secret 32 · created 8 · deadline 8 · number of fields 4
//! of each field: length of the name 2 · length of the value 4
//! of each field: name · value
//! CRC-32 4
//! ```
//!
//! Numbers are big-endian, times are in milliseconds since the Unix epoch, and the checksum is of all before it.

use bytes::{Buf, Bytes};
use bytestring::ByteString;

use crate::fields::Fields;

/// What is in a record: whose token opens it, how long it may live at most, and the fields.
#[derive(Clone)]
pub(crate) struct Contents {
    /// SHA-256 of the secret.
    pub(crate) secret_hash: [u8; 32],
    /// When the session began, in milliseconds since the epoch.
    pub(crate) created: u64,
    /// When it ends, whatever the use, in milliseconds since the epoch; [`NEVER`] for no such time.
    pub(crate) deadline: u64,
    /// What it holds.
    pub(crate) fields: Fields,
}

/// The deadline of a session without an absolute lifetime.
pub(crate) const NEVER: u64 = u64::MAX;

const FORMAT: u8 = 1;
const HEAD: usize = 1 + 32 + 8 + 8 + 4;
const ENTRY: usize = 2 + 4;
const CHECKSUM: usize = 4;

/// The bytes of a session; none if a length has no room.
pub(crate) fn encode(contents: &Contents) -> Option<Vec<u8>> {
    let Contents { secret_hash, created, deadline, fields } = contents;
    let lengths = fields.lengths();
    let mut out = Vec::with_capacity(HEAD + lengths.len() * ENTRY + fields.len() + CHECKSUM);
    out.push(FORMAT);
    out.extend_from_slice(secret_hash);
    out.extend_from_slice(&created.to_be_bytes());
    out.extend_from_slice(&deadline.to_be_bytes());
    out.extend_from_slice(&u32::try_from(lengths.len()).ok()?.to_be_bytes());
    for (name, value) in lengths {
        out.extend_from_slice(&u16::try_from(name).ok()?.to_be_bytes());
        out.extend_from_slice(&u32::try_from(value).ok()?.to_be_bytes());
    }
    out.extend_from_slice(fields.text().as_bytes());
    let checksum = crc32fast::hash(&out);
    out.extend_from_slice(&checksum.to_be_bytes());
    Some(out)
}

/// The session in these bytes; none if they are not exactly what [`encode`] made.
pub(crate) fn decode(bytes: Bytes) -> Option<Contents> {
    let (mut rest, checksum) = bytes.split_last_chunk()?;
    if crc32fast::hash(rest) != u32::from_be_bytes(*checksum) || rest.try_get_u8().ok()? != FORMAT {
        return None;
    }
    let mut secret_hash = [0; 32];
    rest.try_copy_to_slice(&mut secret_hash).ok()?;
    let created = rest.try_get_u64().ok()?;
    let deadline = rest.try_get_u64().ok()?;
    let count = usize::try_from(rest.try_get_u32().ok()?).ok()?;
    let (table, text) = rest.split_at_checked(count.checked_mul(ENTRY)?)?;
    let lengths = table.chunks_exact(ENTRY).map(|mut entry| (entry.get_u16().into(), entry.get_u32() as usize));
    let fields = Fields::new(ByteString::try_from(bytes.slice_ref(text)).ok()?, lengths)?;
    Some(Contents { secret_hash, created, deadline, fields })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contents(deadline: u64, fields: &[(&str, &str)]) -> Contents {
        let edits = fields.iter().map(|(name, text)| (*name, Some(*text))).collect();
        Contents { secret_hash: [7; 32], created: 1, deadline, fields: Fields::default().edited(&edits) }
    }

    fn sample() -> Vec<u8> {
        encode(&contents(NEVER, &[("cart.items", "[1,2]"), ("user.name", "\"Zoë\"")])).unwrap_or_default()
    }

    #[test]
    fn what_was_written_is_read() {
        let contents = decode(sample().into()).map(|contents| {
            let fields: Vec<_> =
                contents.fields.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
            (contents.secret_hash, contents.created, contents.deadline, fields)
        });
        let fields = [("cart.items", "[1,2]"), ("user.name", "\"Zoë\"")].map(|(name, text)| (name.into(), text.into()));
        assert_eq!(contents, Some(([7; 32], 1, NEVER, fields.to_vec())));
    }

    #[test]
    fn a_flipped_bit_or_a_lost_byte_anywhere_makes_it_no_record() {
        let whole = sample();
        for at in 0..whole.len() {
            assert!(decode(Bytes::copy_from_slice(whole.get(..at).unwrap_or_default())).is_none(), "cut at {at}");
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << bit);
                assert!(decode(flipped.into()).is_none(), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn what_ends_too_early_is_no_record_though_the_checksum_fits() {
        let whole = sample();
        for len in 0..whole.len() - CHECKSUM {
            let mut cut = whole.get(..len).unwrap_or_default().to_vec();
            cut.extend(crc32fast::hash(&cut).to_be_bytes());
            assert!(decode(cut.into()).is_none(), "cut at {len}");
        }
    }

    #[test]
    fn a_session_without_fields_is_a_record() {
        let contents = encode(&contents(2, &[])).and_then(|bytes| decode(bytes.into()));
        assert!(contents.is_some_and(|contents| contents.fields.iter().next().is_none()));
    }

    proptest! {
        #[test]
        fn any_bytes_at_all_are_read_without_a_panic(bytes: Vec<u8>, checksum: bool) {
            let mut bytes = bytes;
            if checksum {
                let sum = crc32fast::hash(&bytes);
                bytes.extend_from_slice(&sum.to_be_bytes());
            }
            let _ = decode(bytes.into());
        }

        #[test]
        fn any_fields_come_back(fields: std::collections::BTreeMap<String, String>) {
            let list: Vec<_> = fields.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
            let bytes = encode(&contents(6, &list)).unwrap_or_default();
            let Some(contents) = decode(bytes.into()) else { panic!("no record") };
            prop_assert_eq!(contents.fields.iter().collect::<Vec<_>>(), list);
        }
    }
}
