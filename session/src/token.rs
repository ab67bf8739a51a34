//! The token that the cookie carries: the session's id and its secret.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::Rng as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::id::{ID_LEN, SessionId};

pub(crate) const SECRET_MIN: usize = 16;
pub(crate) const SECRET_MAX: usize = 64;
const TEXT_MIN: usize = text_len(SECRET_MIN);
const TEXT_MAX: usize = text_len(SECRET_MAX);

/// What the cookie carries: an id and the secret that proves that its bearer owns it.
#[derive(Clone)]
pub(crate) struct Token {
    id: SessionId,
    /// The first `len` bytes are the secret, the others are zero.
    secret: [u8; SECRET_MAX],
    len: usize,
}

impl Token {
    /// A token of a new session. The secret has 16 to 64 bytes, whatever is asked.
    pub(crate) fn new(secret_len: usize) -> Self {
        Self::with_id(SessionId::random(), secret_len)
    }

    /// A token of the same session with a new secret.
    pub(crate) fn rotated(&self, secret_len: usize) -> Self {
        Self::with_id(self.id, secret_len)
    }

    /// Whose record it is.
    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    /// The token that is written as `text`: URL-safe base64 of id and secret without padding, in its one spelling.
    ///
    /// Its length says whether the secret has 16 to 64 bytes, before anything is decoded.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if !(TEXT_MIN..=TEXT_MAX).contains(&text.len()) {
            return None;
        }
        // room for what the decoder estimates, which is whole groups of three bytes
        let mut bytes = [0; (ID_LEN + SECRET_MAX).next_multiple_of(3)];
        let len = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let (id, given) = bytes.get(..len)?.split_first_chunk()?;
        let mut secret = [0; SECRET_MAX];
        secret.get_mut(..given.len())?.copy_from_slice(given);
        Some(Self { id: SessionId::from_bytes(*id), secret, len: given.len() })
    }

    /// Appends the text that [`parse`](Self::parse) reads.
    pub(crate) fn write(&self, out: &mut String) {
        let mut bytes = [0; ID_LEN + SECRET_MAX];
        let (id, secret) = bytes.split_at_mut(ID_LEN);
        id.copy_from_slice(self.id.as_bytes());
        secret.copy_from_slice(&self.secret);
        URL_SAFE_NO_PAD.encode_string(bytes.get(..ID_LEN + self.len).unwrap_or_default(), out);
    }

    /// What the record keeps of the secret: its SHA-256.
    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret()).into()
    }

    /// Whether the record keeps the hash of this secret, in constant time.
    pub(crate) fn verify(&self, hash: &[u8; 32]) -> bool {
        self.hash().ct_eq(hash).into()
    }

    /// What only the bearer's session can make of this data: HMAC-SHA256 under the secret, over label, id and data.
    ///
    /// It tells nothing of the secret, and the label keeps one use of it from another.
    pub(crate) fn mac(&self, label: &str, data: &[u8]) -> [u8; 32] {
        // a key shorter than the 64 bytes of a block is filled up with zeros, which the secret is already
        let mac = Hmac::<Sha256>::new(&self.secret.into());
        mac.chain_update(label)
            .chain_update([0])
            .chain_update(self.id.as_bytes())
            .chain_update(data)
            .finalize()
            .into_bytes()
            .into()
    }

    fn with_id(id: SessionId, secret_len: usize) -> Self {
        let len = secret_len.clamp(SECRET_MIN, SECRET_MAX);
        let mut secret = [0; SECRET_MAX];
        rand::rng().fill_bytes(secret.get_mut(..len).unwrap_or_default());
        Self { id, secret, len }
    }

    /// The text that [`parse`](Self::parse) reads.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn secret(&self) -> &[u8] {
        self.secret.get(..self.len).unwrap_or_default()
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        (self.id.as_bytes().ct_eq(other.id.as_bytes()) & self.secret.ct_eq(&other.secret) & self.len.ct_eq(&other.len))
            .into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("id", &self.id).finish_non_exhaustive()
    }
}

const fn text_len(secret_len: usize) -> usize {
    ((ID_LEN + secret_len) * 4).div_ceil(3)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::collections::HashSet;

    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    use super::Token;
    use crate::id::SessionId;

    #[test]
    fn a_token_comes_back_from_its_text_for_every_length_of_secret() {
        for len in 16..=64 {
            let token = Token::new(len);
            let text = token.encode();
            let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
            assert_eq!(bytes.len(), 16 + len);
            assert_eq!(Token::parse(&text), Some(token.clone()));
            assert_eq!(token.hash().as_slice(), Sha256::digest(bytes.get(16..).unwrap()).as_slice());
        }
    }

    #[test]
    fn a_secret_of_another_length_is_brought_into_range() {
        for (asked, given) in [(0, 16), (15, 16), (65, 64), (usize::MAX, 64)] {
            assert_eq!(URL_SAFE_NO_PAD.decode(Token::new(asked).encode()).unwrap().len(), 16 + given);
        }
    }

    /// H2
    #[test]
    fn a_secret_that_is_too_short_or_too_long_is_refused() {
        for len in (0..32).chain(81..120) {
            assert_eq!(Token::parse(&URL_SAFE_NO_PAD.encode(vec![7; len])), None, "{len} bytes");
        }
        assert_eq!(Token::parse(&"A".repeat(8 * 1024)), None);
    }

    /// H2
    #[test]
    fn a_text_that_differs_in_one_character_is_another_token_or_none() {
        for len in 16..=18 {
            let token = Token::new(len);
            let text = token.encode();
            for at in 0..text.len() {
                for other in "A_-+/=.\"% \0é".chars().chain('a'..='z') {
                    let (before, rest) = text.split_at(at);
                    let changed: String = before.chars().chain([other]).chain(rest.chars().skip(1)).collect();
                    if changed != text {
                        assert_ne!(Token::parse(&changed), Some(token.clone()), "{changed} for {text}");
                    }
                }
            }
            for spelled in [format!("{text}="), format!("{text}=="), format!(" {text}"), format!("{text}\n")] {
                assert_eq!(Token::parse(&spelled), None, "{spelled:?}");
            }
        }
    }

    #[test]
    fn rotating_keeps_the_id_and_kills_the_secret() {
        let old = Token::new(32);
        let new = old.rotated(32);
        assert_eq!(old.id(), new.id());
        assert_ne!(old, new);
        assert!(new.verify(&new.hash()));
        assert!(!old.verify(&new.hash()));
    }

    #[test]
    fn a_mac_is_of_the_secret_the_id_the_label_and_the_data() {
        let (secret, other) = ([7; 64], [8; 64]);
        let token = Token { id: SessionId::from_bytes([1; 16]), secret, len: 64 };
        let mac = token.mac("label", b"data");
        assert_eq!(mac, token.clone().mac("label", b"data"));
        let others = [
            Token { id: SessionId::from_bytes([2; 16]), secret, len: 64 }.mac("label", b"data"),
            Token { id: SessionId::from_bytes([1; 16]), secret: other, len: 64 }.mac("label", b"data"),
            token.mac("other", b"data"),
            token.mac("label", b"date"),
            token.hash(),
        ];
        assert!(!others.contains(&mac));
    }

    /// The secret as the key, as any other program would compute it.
    #[test]
    fn a_mac_is_the_hmac_of_the_secret_whatever_its_length() {
        for len in [16, 32, 63, 64] {
            let token = Token::new(len);
            let id_and_secret = URL_SAFE_NO_PAD.decode(token.encode()).unwrap();
            let (id, secret) = id_and_secret.split_at(16);
            let message = [b"label\0".as_slice(), id, b"data"].concat();
            let expected =
                Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(message).finalize().into_bytes();
            assert_eq!(token.mac("label", b"data").as_slice(), expected.as_slice());
        }
    }

    #[test]
    fn no_two_tokens_are_alike() {
        let tokens: HashSet<_> = (0..1000).map(|_| Token::new(16)).map(|token| (token.id(), token.hash())).collect();
        assert_eq!(tokens.len(), 1000);
        assert_eq!(tokens.iter().map(|(id, _)| id).collect::<HashSet<_>>().len(), 1000);
        assert_eq!(tokens.iter().map(|(_, hash)| hash).collect::<HashSet<_>>().len(), 1000);
    }

    /// H8
    #[test]
    fn debug_shows_the_id_and_hides_the_secret() {
        let token = Token { id: SessionId::from_bytes([0x0a; 16]), secret: [0xbb; 64], len: 64 };
        assert_eq!(format!("{token:?}"), format!("Token {{ id: {}, .. }}", "0a".repeat(16)));
    }

    #[test]
    fn an_id_is_spelled_in_lower_case_hex() {
        let id = SessionId::from_bytes([0xa0; 16]);
        assert_eq!(id.to_string(), "a0".repeat(16));
        assert_eq!(id.key("session:"), format!("session:{id}"));
    }

    proptest! {
        /// H2
        #[test]
        fn a_text_is_a_token_only_if_the_token_is_written_so(text in "[A-Za-z0-9_-]{40,110}|\\PC{0,120}") {
            if let Some(token) = Token::parse(&text) {
                prop_assert_eq!(token.encode(), text);
            }
        }
    }
}
