//! The bytes of a record, open and sealed.

use bytes::Bytes;

use crate::{
    fields::Fields,
    record::{Contents, decode, encode},
};

/// Bytes are a record only if they are what [`encode`] makes of it, and open only where they were sealed.
///
/// The input is asked as it is, and with the checksum that it should have.
pub fn record(data: &[u8]) {
    reads(data);
    reads(&[data, &crc32fast::hash(data).to_be_bytes()].concat());
    #[cfg(feature = "encryption")]
    sealed::opens(data);
}

/// Whether these bytes are a record.
fn reads(bytes: &[u8]) -> bool {
    let Some(contents) = decode(Bytes::copy_from_slice(bytes)) else { return false };
    for (name, text) in contents.fields.iter() {
        assert_eq!(contents.fields.get(name), Some(text));
    }
    assert_eq!(encode(&contents).as_deref(), Some(bytes));
    let edits = contents.fields.iter().map(|(name, text)| (name, Some(text))).collect();
    let again = Contents { fields: Fields::default().edited(&edits), ..contents.clone() };
    assert_eq!(encode(&again).as_deref(), Some(bytes));
    true
}

#[cfg(feature = "encryption")]
mod sealed {
    use std::sync::LazyLock;

    use bytes::Bytes;

    use super::{super::pick, reads};
    use crate::seal::Sealer;

    static RING: LazyLock<Sealer> = LazyLock::new(|| Sealer::new([[2; 32], [1; 32]].iter()));
    static OLD: LazyLock<Sealer> = LazyLock::new(|| Sealer::new([[1; 32]].iter()));
    static FOREIGN: LazyLock<Sealer> = LazyLock::new(|| Sealer::new([[3; 32]].iter()));
    const KEY: &str = "session:000102030405060708090a0b0c0d0e0f";
    /// Another id, another prefix, and a part of the key.
    const OTHERS: [&str; 4] =
        ["session:000102030405060708090a0b0c0d0e0e", "shop:000102030405060708090a0b0c0d0e0f", "session:", ""];

    pub(super) fn opens(data: &[u8]) {
        let plain = Bytes::copy_from_slice(data);
        if reads(data) {
            assert_eq!(RING.open(KEY, plain.clone()), None, "it is not sealed");
        }
        for sealer in [&RING, &OLD] {
            let sealed = sealer.seal(KEY, plain.clone()).unwrap_or_default();
            assert_eq!(RING.open(KEY, sealed.clone()), Some(plain.clone()));
            exactly(sealed, data);
        }
        if let Some(opened) = RING.open(KEY, plain.clone()) {
            reads(&opened);
            exactly(plain, data);
        }
    }

    /// What opens does so only whole, unchanged, at its place and with its key.
    fn exactly(sealed: Bytes, data: &[u8]) {
        assert_eq!(FOREIGN.open(KEY, sealed.clone()), None, "a foreign key");
        for other in OTHERS {
            assert_eq!(RING.open(other, sealed.clone()), None, "moved to {other}");
        }
        let at = pick(data, sealed.len());
        assert_eq!(RING.open(KEY, sealed.slice(..at)), None, "cut at {at}");
        let mut flipped = sealed.to_vec();
        flipped.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (data.len() % 8));
        assert_eq!(RING.open(KEY, flipped.into()), None, "flipped at {at}");
        assert!(!reads(&sealed), "taken for what is not sealed");
    }
}
