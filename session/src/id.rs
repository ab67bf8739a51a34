//! [`SessionId`]: the name of a session, which is no secret.

use std::{error::Error, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub(crate) const ID_LEN: usize = 16;

/// The name of a session in the store and in lists of sessions: 16 random bytes, written as 32 lower-case hex digits.
///
/// It is not a secret: who knows it can't do anything with it, for a token has a secret beside it. It stays the same
/// when the session gets a new token. It may be taken from a path, a query or a form, and be put into JSON.
///
/// ```
/// use actix_typed_session::SessionId;
///
/// let id: SessionId = "00112233445566778899aabbccddeeff".parse()?;
/// assert_eq!(id.to_string(), "00112233445566778899aabbccddeeff");
/// assert!("no id".parse::<SessionId>().is_err());
/// # Ok::<(), actix_typed_session::ParseIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; ID_LEN]);

/// A text that is not 32 lower-case hex digits.
///
/// ```
/// use actix_typed_session::SessionId;
///
/// let error = "4F".parse::<SessionId>().unwrap_err();
/// assert_eq!(error.to_string(), "a session's id is 32 lower-case hex digits");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseIdError;

impl SessionId {
    /// An id that was never used before.
    pub(crate) fn random() -> Self {
        Self(rand::random())
    }

    pub(crate) const fn from_bytes(bytes: [u8; ID_LEN]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; ID_LEN] {
        &self.0
    }

    /// The key of its record in the store.
    pub(crate) fn key(&self, prefix: &str) -> String {
        let digit = |four: u8| if four < 10 { b'0' + four } else { b'a' + four - 10 };
        let mut digits = [0; 2 * ID_LEN];
        for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(self.0) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        [prefix, std::str::from_utf8(&digits).unwrap_or_default()].concat()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SessionId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let is_canonical =
            text.len() == 2 * ID_LEN && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = is_canonical.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(|number| Self(number.to_be_bytes())).ok_or(ParseIdError)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session's id is 32 lower-case hex digits")
    }
}

impl Error for ParseIdError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_back_from_its_text_and_from_json() {
        let id = SessionId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        let json = serde_json::to_string(&id).unwrap_or_default();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<SessionId>(&json).ok(), Some(id));
    }

    #[test]
    fn any_other_spelling_is_no_id() {
        let good = "0123456789abcdef0123456789abcdef";
        assert!(good.parse::<SessionId>().is_ok());
        for bad in ["", "0", &good[1..], &good.to_uppercase(), &format!("+{}", &good[1..]), &format!("{good}0")] {
            assert_eq!(bad.parse::<SessionId>(), Err(ParseIdError), "{bad}");
        }
    }
}
