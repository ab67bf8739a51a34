//! What must hold of any bytes that a browser sends or a store holds: for the fuzz targets, and for a test over the
//! inputs that they found.

mod cookies;
mod merges;
mod records;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::token::{SECRET_MAX, SECRET_MIN, Token};

pub use self::{cookies::cookie, merges::merge, records::record};

/// A text is a token only in the one spelling that the token has.
pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let parsed = Token::parse(text);
    assert_eq!(parsed.is_some(), is_token(text), "{text:?}");
    if let Some(token) = parsed {
        assert_eq!(token.encode(), text);
        assert_eq!(URL_SAFE_NO_PAD.decode(text).ok().map(|bytes| bytes.len() - 16), Some(secret_len(text)));
        assert_eq!(token.id().to_string().len(), 32);
        assert!(token.verify(&token.hash()));
    }
}

/// Whether a text is a token, bit by bit.
fn is_token(text: &str) -> bool {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    };
    let Some(digits) = text.bytes().map(digit).collect::<Option<Vec<u8>>>() else { return false };
    let unused = digits.len() * 6 % 8;
    // less than a digit is left over, and that is zero
    unused < 6
        && digits.last().is_none_or(|last| u32::from(*last) & ((1 << unused) - 1) == 0)
        && (SECRET_MIN..=SECRET_MAX).contains(&secret_len(text))
}

fn secret_len(text: &str) -> usize {
    (text.len() * 6 / 8).saturating_sub(16)
}

/// A number below `end` that follows from the input.
fn pick(data: &[u8], end: usize) -> usize {
    crc32fast::hash(data) as usize % end.max(1)
}

/// The inputs that fuzzing has found, so that each of them is asked again by every run of the tests.
#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::{fs, path::Path};

    fn replay(target: &str, run: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
        let inputs: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
        assert!(inputs.len() > 5, "{} inputs", inputs.len());
        inputs.iter().for_each(|input| run(input));
    }

    #[test]
    fn every_kept_text_is_a_token_in_one_spelling_or_none() {
        replay("token", super::token);
    }

    #[test]
    fn in_every_kept_header_exactly_the_tokens_are_found_that_are_there() {
        replay("cookie", super::cookie);
    }

    #[test]
    fn all_kept_bytes_are_a_record_in_one_spelling_or_none() {
        replay("record", super::record);
    }

    #[test]
    fn all_kept_texts_merge_into_json() {
        replay("merge", super::merge);
    }
}
