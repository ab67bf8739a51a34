//! The lines of a `Cookie` header.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::pick;
use crate::{config::SessionConfig, cookie::CookieRules, token::Token};

/// Exactly the tokens are found that a header holds, each spelled and signed as it should be.
///
/// The input is the lines of a header, in which the bytes 1 to 6 stand for what chance would not find, each by the rules
/// that are asked: the cookie's name, the value of a token and of another, the first token as the last key of the ring
/// signs it, as a foreign key does, and without a signature.
pub fn cookie(data: &[u8]) {
    for site in &*SITES {
        let header = site.expand(data);
        let lines: Vec<_> = header.split(|byte| *byte == b'\n').collect();
        site.check(&lines);
        // a proxy may have joined the lines, or taken them apart
        assert_eq!(site.read(&[&lines.join(&b"; "[..])]), site.read(&lines));
        for own in [b"\x01=\x02", b"\x01=\x03"].map(|own| site.expand(own)) {
            site.check(&[&[&own, &b";"[..], &header].concat()]);
            site.check(&[&with(&own, pick(data, own.len()), |byte| *data.last().unwrap_or(&byte))]);
            // other bits in the last digit, where there may be some that mean nothing
            site.check(&[&with(&own, own.len() - 1, |byte| byte + 1)]);
        }
    }
}

/// Rules, and what they should find.
struct Site {
    rules: CookieRules,
    keys: &'static [[u8; 32]],
    most: usize,
}

static SITES: LazyLock<Vec<Site>> = LazyLock::new(|| {
    let new = SessionConfig::new;
    let all: [(&'static [[u8; 32]], SessionConfig, usize); 5] = [
        (&[], new(), 1),
        (&[], new().cookie_path("/app"), 4),
        (&[], new().cookie_secure(false), 4),
        (&[NEW], new(), 1),
        (&[NEW, OLD], new().cookie_secure(false), 4),
    ];
    let mut sites = Vec::new();
    for (keys, config, most) in all {
        let config = if keys.is_empty() { config } else { config.signing_keys(keys.iter().copied()) };
        sites.extend(CookieRules::new(&config).ok().map(|rules| Site { rules, keys, most }));
    }
    assert_eq!(sites.len(), 5);
    sites
});

const NEW: [u8; 32] = [2; 32];
const OLD: [u8; 32] = [1; 32];
const FOREIGN: [u8; 32] = [3; 32];
const TOKEN: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v";
/// With the shortest secret.
const OTHER: &str = "__________________________7-_fz7-vn49_b19PM";

impl Site {
    fn expand(&self, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(data.len());
        for byte in data {
            match byte {
                1 => out.extend_from_slice(self.rules.name().as_bytes()),
                2 => out.extend_from_slice(self.value(TOKEN, self.keys.first()).as_bytes()),
                3 => out.extend_from_slice(self.value(OTHER, self.keys.first()).as_bytes()),
                4 => out.extend_from_slice(self.value(TOKEN, self.keys.last()).as_bytes()),
                5 => out.extend_from_slice(self.value(TOKEN, Some(&FOREIGN)).as_bytes()),
                6 => out.extend_from_slice(TOKEN.as_bytes()),
                other => out.push(*other),
            }
        }
        out
    }

    /// A cookie's value.
    fn value(&self, token: &str, key: Option<&[u8; 32]>) -> String {
        let signer = key.and_then(|key| Hmac::<Sha256>::new_from_slice(key).ok());
        let Some(signer) = signer else { return token.to_owned() };
        let signer = signer.chain_update(self.rules.name()).chain_update([0]).chain_update(token);
        format!("{token}.{}", URL_SAFE_NO_PAD.encode(signer.finalize().into_bytes()))
    }

    fn check(&self, lines: &[&[u8]]) {
        let found = self.read(lines);
        assert!(found.len() <= self.most, "{found:?}");
        assert_eq!(found, self.expected(lines), "{:?} {lines:?}", self.rules);
    }

    /// What is found: the tokens, and whether only an old key verified them.
    fn read(&self, lines: &[&[u8]]) -> Vec<(String, bool)> {
        let found = self.rules.read(lines.iter().copied());
        found.into_iter().map(|presented| (presented.token.encode(), presented.stale_key)).collect()
    }

    /// The same, by spelling what a value should be where [`CookieRules`] takes it apart.
    fn expected(&self, lines: &[&[u8]]) -> Vec<(String, bool)> {
        let header = lines.join(&b';');
        let named = header.split(|byte| *byte == b';').filter_map(|pair| {
            let pair: Vec<_> = pair.splitn(2, |byte| *byte == b'=').map(trim).collect();
            let [name, value] = pair.as_slice() else { return None };
            (*name == self.rules.name().as_bytes()).then_some(*value)
        });
        let mut found: Vec<(String, bool)> = Vec::new();
        for value in named.take(self.most).filter_map(|value| std::str::from_utf8(value).ok()) {
            let text = if self.keys.is_empty() { value } else { value.split('.').next().unwrap_or_default() };
            if Token::parse(text).is_none_or(|token| token.encode() != text) {
                continue;
            }
            let stale = match self.keys.iter().position(|key| value == self.value(text, Some(key))) {
                Some(key) => key > 0,
                None if self.keys.is_empty() => false,
                None => continue,
            };
            match found.iter_mut().find(|(other, _)| other == text) {
                Some((_, other)) => *other &= stale,
                None => found.push((text.to_owned(), stale)),
            }
        }
        found
    }
}

fn with(bytes: &[u8], at: usize, change: impl Fn(u8) -> u8) -> Vec<u8> {
    bytes.iter().enumerate().map(|(index, byte)| if index == at { change(*byte) } else { *byte }).collect()
}

fn trim(bytes: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes.iter().take_while(|byte| blank(byte)).count();
    let end = bytes.iter().rev().take_while(|byte| blank(byte)).count();
    bytes.get(start..bytes.len() - end).unwrap_or_default()
}
