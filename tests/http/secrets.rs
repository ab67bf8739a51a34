//! [`Secrets`]: what nobody may be shown, in all its spellings.

use std::collections::HashMap;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// Spellings of secrets by their first bytes, and what each is a spelling of.
#[derive(Clone, Default)]
pub(crate) struct Secrets(HashMap<[u8; START], Vec<(String, String)>>);

/// No spelling is shorter than this.
const START: usize = 8;

impl Secrets {
    /// Adds bytes that are found wherever they are shown, so at least 8 of them.
    pub(crate) fn add(&mut self, what: &str, bytes: &[u8]) {
        assert!(bytes.len() >= START, "{what} may be somewhere by chance");
        for spelling in spellings(bytes) {
            let start = spelling.as_bytes()[..START].try_into().unwrap();
            self.0.entry(start).or_default().push((spelling, what.to_owned()));
        }
    }

    /// Adds secret and signature of a cookie; its id may be shown.
    pub(crate) fn add_cookie(&mut self, cookie: &str) {
        let (token, signature) = cookie.split_once('.').unwrap_or((cookie, ""));
        self.add("the secret of a token", &URL_SAFE_NO_PAD.decode(token).unwrap()[16..]);
        if !signature.is_empty() {
            self.add("the signature of a token", &URL_SAFE_NO_PAD.decode(signature).unwrap());
        }
    }

    /// What is shown in a text, if anything is.
    pub(crate) fn shown_in(&self, text: &str) -> Option<&str> {
        let text = text.as_bytes();
        let at = |(place, start): (usize, &[u8])| {
            let spelled = |(spelling, _): &&(String, String)| text[place..].starts_with(spelling.as_bytes());
            self.0.get(start)?.iter().find(spelled).map(|(_, what)| what.as_str())
        };
        text.windows(START).enumerate().find_map(at)
    }

    #[track_caller]
    pub(crate) fn assert_hidden(&self, text: &str) {
        if let Some(what) = self.shown_in(text) {
            panic!("{what} is in `{text}`");
        }
    }
}

fn spellings(bytes: &[u8]) -> Vec<String> {
    let list = |byte: fn(&u8) -> String, between: &str| bytes.iter().map(byte).collect::<Vec<_>>().join(between);
    let mut spellings = vec![
        list(|byte| byte.to_string(), ", "),
        list(|byte| byte.to_string(), ","),
        list(|byte| format!("{byte:02x}"), ""),
        list(|byte| format!("{byte:02X}"), ""),
        list(|byte| format!("%{byte:02x}"), ""),
        list(|byte| format!("%{byte:02X}"), ""),
        bytes.escape_ascii().to_string(),
    ];
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    spellings.push(bytes.iter().fold(String::new(), |text, byte| match is_plain(byte) {
        true => text + &char::from(*byte).to_string(),
        false => text + &format!("%{byte:02X}"),
    }));
    if let Ok(text) = std::str::from_utf8(bytes) {
        spellings.extend([text.to_owned(), text.escape_debug().to_string(), serde_json::to_string(text).unwrap()]);
    }
    // in base64 of a longer text, it looks otherwise at each of three places
    for before in 0..3 {
        let padded = [&vec![0; before], bytes].concat();
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let text = engine.encode(&padded);
            spellings.push(text[(before * 8).div_ceil(6)..padded.len() * 8 / 6].to_owned());
        }
    }
    spellings
}

#[test]
fn a_secret_is_found_however_it_is_spelled() {
    let mut secrets = Secrets::default();
    let secret = "ses=ame/\"31415\"";
    secrets.add("it", secret.as_bytes());
    let mut hidden = vec![
        format!("a{secret}b"),
        format!("{secret:?}"),
        format!("{:?}", [b"x", secret.as_bytes()].concat()),
        serde_json::to_string(&[secret]).unwrap(),
        "v=ses%3Dame%2F%2231415%22".to_owned(),
    ];
    hidden
        .extend((0..7).map(|more| URL_SAFE_NO_PAD.encode(format!("{}{secret}{}", "a".repeat(more), "b".repeat(more)))));
    hidden.push(format!("{:02x?}", secret.as_bytes()).replace(", ", ""));
    for text in hidden {
        assert_eq!(secrets.shown_in(&text), Some("it"), "{text}");
    }
    assert_eq!(secrets.shown_in("ses=ame 31415"), None);
}
