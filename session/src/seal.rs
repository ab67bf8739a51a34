//! Records sealed with XChaCha20-Poly1305, by a key that the store does not have and bound to where they are stored.

use bytes::Bytes;

/// The ring of keys: the first seals, all open. Without keys, bytes stay as they are.
#[derive(Default)]
pub(crate) struct Sealer {
    #[cfg(feature = "encryption")]
    ciphers: Vec<chacha20poly1305::XChaCha20Poly1305>,
}

#[cfg(not(feature = "encryption"))]
impl Sealer {
    pub(crate) fn new<'a>(_: impl Iterator<Item = &'a [u8; 32]>) -> Self {
        Self {}
    }

    pub(crate) fn seal(&self, _: &str, bytes: Bytes) -> Option<Bytes> {
        Some(bytes)
    }

    pub(crate) fn open(&self, _: &str, bytes: Bytes) -> Option<Bytes> {
        Some(bytes)
    }
}

#[cfg(feature = "encryption")]
impl Sealer {
    /// The first byte of a sealed record, which is no format of an unsealed one.
    const SEALED: u8 = 0xE1;
    const NONCE: usize = 24;

    pub(crate) fn new<'a>(keys: impl Iterator<Item = &'a [u8; 32]>) -> Self {
        use chacha20poly1305::KeyInit;
        Self { ciphers: keys.map(|key| KeyInit::new(key.into())).collect() }
    }

    /// The bytes to store under `key`.
    pub(crate) fn seal(&self, key: &str, bytes: Bytes) -> Option<Bytes> {
        use chacha20poly1305::aead::{Aead, Payload};
        let Some(cipher) = self.ciphers.first() else { return Some(bytes) };
        let nonce: [u8; Self::NONCE] = rand::random();
        let sealed = cipher.encrypt(&nonce.into(), Payload { msg: &bytes, aad: key.as_bytes() }).ok()?;
        Some([&[Self::SEALED], nonce.as_slice(), &sealed].concat().into())
    }

    /// What was sealed under `key`; none if no key of the ring sealed exactly this, or it is not sealed at all.
    pub(crate) fn open(&self, key: &str, bytes: Bytes) -> Option<Bytes> {
        use chacha20poly1305::aead::{Aead, Payload};
        if self.ciphers.is_empty() {
            return Some(bytes);
        }
        let (nonce, sealed) = bytes.strip_prefix(&[Self::SEALED])?.split_first_chunk::<{ Self::NONCE }>()?;
        let open = |cipher: &chacha20poly1305::XChaCha20Poly1305| {
            cipher.decrypt(&(*nonce).into(), Payload { msg: sealed, aad: key.as_bytes() }).ok()
        };
        self.ciphers.iter().find_map(open).map(Bytes::from)
    }
}

#[cfg(all(test, feature = "encryption"))]
mod tests {
    use super::*;

    const OLD: [u8; 32] = [1; 32];
    const NEW: [u8; 32] = [2; 32];

    fn ring(keys: &[[u8; 32]]) -> Sealer {
        Sealer::new(keys.iter())
    }

    fn seal(keys: &[[u8; 32]], key: &str) -> Bytes {
        ring(keys).seal(key, Bytes::from("contents")).unwrap_or_default()
    }

    #[test]
    fn the_first_key_seals_and_every_key_of_the_ring_opens() {
        let by_old = seal(&[OLD], "session:1");
        assert_eq!(ring(&[NEW, OLD]).open("session:1", by_old.clone()), Some(Bytes::from("contents")));
        assert_eq!(ring(&[OLD]).open("session:1", seal(&[NEW, OLD], "session:1")), None);
        assert_eq!(ring(&[NEW]).open("session:1", by_old), None);
    }

    #[test]
    fn a_record_moved_to_another_key_does_not_open() {
        assert_eq!(ring(&[NEW]).open("session:2", seal(&[NEW], "session:1")), None);
    }

    #[test]
    fn a_record_cut_or_never_sealed_does_not_open() {
        let sealed = seal(&[NEW], "session:1");
        for len in 0..sealed.len() {
            assert_eq!(ring(&[NEW]).open("session:1", sealed.slice(..len)), None, "{len}");
        }
        assert_eq!(ring(&[NEW]).open("session:1", Bytes::from("contents")), None);
    }

    #[test]
    fn nothing_of_the_contents_shows() {
        let sealed = seal(&[NEW], "session:1");
        assert!(!sealed.windows(4).any(|window| window == b"cont"));
    }
}
