//! The name of a key's object.

use std::fmt::Write;

/// Letters, digits, `-` and `_` as they are, and all other bytes as a dot and two hex digits.
pub(super) fn of(key: &str) -> String {
    let mut path = String::with_capacity(key.len() + 16);
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => path.push(char::from(byte)),
            // a text takes everything
            _ => _ = write!(path, ".{byte:02x}"),
        }
    }
    if path.is_empty() {
        path.push('.');
    }
    path
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_name_is_plain_and_no_two_keys_share_one() {
        for (key, path) in [
            ("session:aZ-_09", "session.3aaZ-_09"),
            ("../a", ".2e.2e.2fa"),
            (".2e", ".2e2e"),
            ("é", ".c3.a9"),
            ("", "."),
        ] {
            assert_eq!(of(key), path);
        }
    }
}
