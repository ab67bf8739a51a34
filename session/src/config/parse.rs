//! The values that settings have in the environment and in serde sources: one grammar for both.

use std::{borrow::Cow, fmt, ops::RangeInclusive, time::Duration};

use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::{
    config::{LIMITS, Secret},
    error::ConfigError,
};

/// A value as a source spells it. Booleans and fractions are their text, for that is what they are in the environment.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Raw {
    Text(String),
    Integer(i128),
    List(Vec<String>),
    /// What it is instead.
    Other(&'static str),
}

/// The value of a setting, with the name that it was found under.
pub(super) struct Value<'a> {
    pub(super) key: &'static str,
    pub(super) raw: &'a Raw,
}

impl Value<'_> {
    /// The error that shows the value.
    pub(super) fn bad(&self, accepted: impl fmt::Display) -> ConfigError {
        match self.raw {
            Raw::Text(text) => ConfigError::bad_value(self.key, text.escape_debug(), accepted),
            Raw::Integer(number) => ConfigError::bad_value(self.key, number, accepted),
            Raw::List(_) => ConfigError::new(self.key, format_args!("is a list: {accepted}")),
            Raw::Other(kind) => ConfigError::new(self.key, format_args!("is {kind}: {accepted}")),
        }
    }

    /// The error of a value that may be secret.
    pub(super) fn bad_secret(&self, accepted: impl fmt::Display) -> ConfigError {
        ConfigError::new(self.key, format_args!("has a value that is not shown: {accepted}"))
    }

    /// A text as it is, which may be empty.
    pub(super) fn text(&self) -> Result<Cow<'_, str>, ConfigError> {
        self.scalar().ok_or_else(|| self.bad("accepted is a text"))
    }

    /// One of these words, in any case.
    pub(super) fn choice<T: Copy>(&self, words: &[(&str, T)], accepted: &str) -> Result<T, ConfigError> {
        let word = self.word();
        let found = words.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word));
        found.map(|(_, value)| *value).ok_or_else(|| self.bad(accepted))
    }

    pub(super) fn flag(&self) -> Result<bool, ConfigError> {
        let words = [("true", true), ("1", true), ("yes", true), ("on", true)];
        let opposites = [("false", false), ("0", false), ("no", false), ("off", false)];
        self.choice(&[words, opposites].concat(), "accepted are `true` and `false` (or `1 yes on` and `0 no off`)")
    }

    pub(super) fn integer<T: TryFrom<u64>>(&self, range: RangeInclusive<u64>, more: &str) -> Result<T, ConfigError> {
        let number = digits(&self.word()).filter(|number| range.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            let accepted = format!("accepted are whole numbers from {} to {}{more}", range.start(), range.end());
            self.bad(accepted)
        })
    }

    pub(super) fn duration(&self, more: &str) -> Result<Duration, ConfigError> {
        let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("", 1000)];
        self.with_unit(&units).map(Duration::from_millis).ok_or_else(|| {
            self.bad(format!("accepted are seconds such as `1800`, or `500ms`, `90s`, `30m`, `12h`, `31d`{more}"))
        })
    }

    pub(super) fn bytes(&self) -> Result<usize, ConfigError> {
        let bytes = self.with_unit(&[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)]);
        bytes
            .and_then(|bytes| usize::try_from(bytes).ok())
            .ok_or_else(|| self.bad("accepted are bytes such as `262144`, or `256KiB`, `1MiB`"))
    }

    /// The permissions of a file: octal as a text, the number itself where the source has numbers.
    pub(super) fn mode(&self) -> Result<u32, ConfigError> {
        let mode = match self.raw {
            Raw::Integer(number) => u32::try_from(*number).ok(),
            Raw::Text(text) => {
                let text = text.trim();
                let octal = text.strip_prefix("0o").unwrap_or(text);
                let digits = octal.bytes().all(|byte| byte.is_ascii_digit());
                digits.then(|| u32::from_str_radix(octal, 8).ok()).flatten()
            }
            _ => None,
        };
        let owner_reads_and_writes = |mode: &u32| mode & 0o600 == 0o600 && mode & !0o666 == 0;
        mode.filter(owner_reads_and_writes).ok_or_else(|| {
            self.bad("accepted are permissions as an octal text such as `0600` or `0o640`, by which the owner reads and writes and nobody executes")
        })
    }

    /// How many sessions, if that is said, and whether one more is refused: `5`, `refuse`, `5 refuse`.
    pub(super) fn limit(&self) -> Result<(Option<usize>, bool), ConfigError> {
        let word = self.word();
        let mut words = word.split_ascii_whitespace().peekable();
        let most = words.next_if(|word| digits(word).is_some()).and_then(|word| word.parse().ok());
        let refuse = words.next_if(|word| word.eq_ignore_ascii_case("refuse")).is_some();
        let is_valid =
            words.next().is_none() && (refuse || most.is_some()) && most.is_none_or(|most| LIMITS.contains(&most));
        is_valid.then_some((most, refuse)).ok_or_else(|| {
            self.bad(
                "accepted are 1 to 1000 sessions, over which the oldest is ended, and `refuse`, or both: `5 refuse`",
            )
        })
    }

    /// `None` where the value says none.
    pub(super) fn none_or<T>(
        &self,
        read: impl FnOnce(&Self) -> Result<T, ConfigError>,
    ) -> Result<Option<T>, ConfigError> {
        if self.word().eq_ignore_ascii_case("none") { Ok(None) } else { read(self).map(Some) }
    }

    /// Keys, newest first: a list, or one text with commas.
    pub(super) fn ring(&self) -> Result<Vec<Secret<String>>, ConfigError> {
        let secrets = |keys: &mut dyn Iterator<Item = &str>| keys.map(|key| Secret(key.to_owned())).collect();
        match (self.raw, self.scalar()) {
            (Raw::List(keys), _) => Ok(secrets(&mut keys.iter().map(String::as_str))),
            (_, Some(text)) => Ok(secrets(&mut text.split(',').map(str::trim))),
            _ => Err(self.bad_secret("accepted are texts, newest first, in a list or with commas between them")),
        }
    }

    /// Keys of 32 bytes, newest first.
    pub(super) fn ring_of_32_bytes(&self) -> Result<Vec<Secret<[u8; 32]>>, ConfigError> {
        let accepted = "accepted are keys of 32 bytes, newest first, each as 64 hex digits or in base64, such as `openssl rand -base64 32` makes";
        let key = |key: Secret<String>| hex(&key.0).or_else(|| base64(&key.0)).map(Secret);
        self.ring()?.into_iter().map(|text| key(text).ok_or_else(|| self.bad_secret(accepted))).collect()
    }

    fn scalar(&self) -> Option<Cow<'_, str>> {
        match self.raw {
            Raw::Text(text) => Some(Cow::Borrowed(text)),
            Raw::Integer(number) => Some(Cow::Owned(number.to_string())),
            Raw::List(_) | Raw::Other(_) => None,
        }
    }

    /// A scalar without blanks around; empty for what is none, and nothing accepts that.
    fn word(&self) -> Cow<'_, str> {
        match self.scalar() {
            Some(Cow::Borrowed(text)) => Cow::Borrowed(text.trim()),
            other => other.unwrap_or_default(),
        }
    }

    fn with_unit(&self, units: &[(&str, u64)]) -> Option<u64> {
        let word = self.word();
        let end = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
        let (number, unit) = word.split_at(end);
        let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))?;
        digits(number)?.checked_mul(*factor)
    }
}

/// A number in plain digits: no sign, no blanks.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let (high, low) = text.split_at_checked(32)?;
    let half = |text| u128::from_str_radix(text, 16).map(u128::to_be_bytes).ok();
    [half(high)?, half(low)?].concat().try_into().ok()
}

/// Either alphabet, padded or not: `openssl rand -base64 32` and Python's `token_urlsafe(32)` both fit.
fn base64(text: &str) -> Option<[u8; 32]> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    GeneralPurpose::new(alphabet, config).decode(text).ok()?.try_into().ok()
}
