//! Where settings come from: the environment, pairs, serde.

use std::{borrow::Cow, collections::HashMap, env, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::{
    config::{
        SessionConfig,
        keys::SETTINGS,
        parse::{Raw, Value},
    },
    error::ConfigError,
};

/// A variable of X sessions, set on most Linux desktops.
const FOREIGN: &str = "SESSION_MANAGER";

impl SessionConfig {
    /// The settings that the environment of the process makes.
    ///
    /// Names are in upper case. A `SESSION_…` variable that is no setting is reported by a warning in the log, for it
    /// may be another program's. An empty value is an error, but for `SESSION_KEY_PREFIX`: leave the variable out to
    /// keep the default.
    ///
    /// # Errors
    ///
    /// A variable whose value is not accepted; of several, the first.
    ///
    /// ```no_run
    /// use actix_typed_session::SessionConfig;
    ///
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// let config = SessionConfig::from_env()?;
    /// # let _ = config; Ok(()) }
    /// ```
    pub fn from_env() -> Result<Self, ConfigError> {
        let mut vars = Vec::new();
        for (name, value) in env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match (value.into_string(), known(&name)) {
                (Ok(value), _) => vars.push((name, value)),
                (Err(_), Some(key)) => return Err(ConfigError::new(key, "holds bytes that are not UTF-8")),
                (Err(_), None) => {}
            }
        }
        Self::from_vars(vars)
    }

    /// The settings that these pairs make, by the rules of [`from_env`](Self::from_env). Of two with one name the last
    /// counts.
    ///
    /// # Errors
    ///
    /// As for [`from_env`](Self::from_env).
    ///
    /// ```
    /// use actix_typed_session::SessionConfig;
    ///
    /// let error = SessionConfig::from_vars([("SESSION_ID_LENGTH", "8")]).unwrap_err();
    /// assert_eq!(error.to_string(), "`SESSION_ID_LENGTH` is `8`: accepted are whole numbers from 16 to 64");
    /// ```
    pub fn from_vars<K: AsRef<str>, V: Into<String>>(
        vars: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        let mut found = HashMap::new();
        for (name, value) in vars {
            match known(name.as_ref()) {
                Some(key) => _ = found.insert(key, Raw::Text(value.into())),
                None => {
                    if let Some(advice) = stray(name.as_ref()) {
                        crate::events::config_unknown(name.as_ref(), &advice);
                    }
                }
            }
        }
        apply(&found)
    }
}

impl<'de> Deserialize<'de> for SessionConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Settings)
    }
}

/// Applies what was found, by the name that counts of each setting.
fn apply(found: &HashMap<&'static str, Raw>) -> Result<SessionConfig, ConfigError> {
    let mut config = SessionConfig::default();
    for setting in SETTINGS {
        if let Some((key, raw)) = setting.names().find_map(|name| found.get_key_value(name)) {
            (setting.apply)(&mut config, &Value { key, raw })?;
        }
    }
    config.validate_each()?;
    Ok(config)
}

/// The name in the table, if it is one.
pub(super) fn known(name: &str) -> Option<&'static str> {
    names().find(|known| *known == name)
}

/// What to say about a variable that looks like ours and is not.
pub(super) fn stray(name: &str) -> Option<String> {
    if !name.starts_with("SESSION_") || name == FOREIGN {
        return None;
    }
    let advice = "this environment variable is no setting of the session middleware";
    Some(nearest(name).map_or_else(|| advice.to_owned(), |near| format!("{advice}: did you mean `{near}`?")))
}

fn unknown(name: &str) -> ConfigError {
    let advice = match nearest(name) {
        Some(near) => format!("is no setting: did you mean `{near}`?"),
        None => {
            let all: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
            format!("is no setting: accepted are {}", all.join(", "))
        }
    };
    ConfigError::new(Cow::Owned(name.to_owned()), advice)
}

fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().flat_map(|setting| setting.names())
}

/// The name that this one may be meant to be: at most three letters away.
fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_uppercase();
    let (distance, nearest) = names().map(|known| (distance(&name, known), known)).min()?;
    (distance <= 3).then_some(nearest)
}

/// How many letters have to be put in, taken out or changed to make one of the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (b, above) in to.bytes().zip(row.windows(2)) {
            if let [diagonal, above] = above {
                left = (diagonal + usize::from(a != b)).min(above + 1).min(left + 1);
                next.push(left);
            }
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

struct Settings;

impl<'de> Visitor<'de> for Settings {
    type Value = SessionConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of session settings, such as `SESSION_COOKIE_NAME`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = HashMap::new();
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            let key = known(&name)
                .or_else(|| known(&name.to_ascii_uppercase()).filter(|key| key.to_ascii_lowercase() == *name));
            let key = key.ok_or_else(|| A::Error::custom(unknown(&name)))?;
            if let Unset(Some(raw)) = map.next_value()?
                && found.insert(key, raw).is_some()
            {
                return Err(A::Error::custom(ConfigError::new(key, "is set twice, in upper and in lower case")));
            }
        }
        apply(&found).map_err(A::Error::custom)
    }
}

/// A value of a serde source; null is not set.
struct Unset(Option<Raw>);

impl<'de> Deserialize<'de> for Unset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Unset;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number, a boolean or a list of strings")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Unset, E> {
        text(value.to_string())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Unset, E> {
        Ok(Unset(Some(Raw::Integer(value.into()))))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Unset, E> {
        Ok(Unset(Some(Raw::Integer(value.into()))))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Unset, E> {
        text(value.to_string())
    }

    fn visit_str<E>(self, value: &str) -> Result<Unset, E> {
        text(value)
    }

    fn visit_none<E>(self) -> Result<Unset, E> {
        Ok(Unset(None))
    }

    fn visit_unit<E>(self) -> Result<Unset, E> {
        Ok(Unset(None))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Unset, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Unset, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Unset, A::Error> {
        let mut list = Vec::new();
        let mut only_texts = true;
        while let Some(Unset(item)) = seq.next_element()? {
            match item {
                Some(Raw::Text(item)) => list.push(item),
                _ => only_texts = false,
            }
        }
        Ok(Unset(Some(if only_texts { Raw::List(list) } else { Raw::Other("a list that holds more than strings") })))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unset, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Unset(Some(Raw::Other("a table"))))
    }
}

fn text<E>(value: impl Into<String>) -> Result<Unset, E> {
    Ok(Unset(Some(Raw::Text(value.into()))))
}
