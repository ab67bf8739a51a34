//! What the environment sets, as it may be shown.

use crate::{
    config::{
        SessionConfig,
        keys::{SETTINGS, is_store},
        parse::{Raw, Value},
        sources::{known, stray},
    },
    store::{Servers, Url},
};

/// Settings whose value is nobody's secret, whatever it is. One that is not here is shown as a URL without user, password
/// and query, or not at all.
const PLAIN: &[&str] = &[
    "SESSION_TYPE",
    "PERMANENT_SESSION_LIFETIME",
    "SESSION_ABSOLUTE_LIFETIME",
    "SESSION_PERMANENT",
    "SESSION_REFRESH_EACH_REQUEST",
    "SESSION_CACHE_GUARDED",
    "SESSION_USE_SIGNER",
    "SESSION_KEY_PREFIX",
    "SESSION_ID_LENGTH",
    "SESSION_MAX_BYTES",
    "SESSION_STORE_TIMEOUT",
    "SESSION_LIMIT_PER_OWNER",
    "SESSION_AUTODELETE",
    "SESSION_SERIALIZATION_FORMAT",
    "SESSION_REDIS_HOST",
    "SESSION_REDIS_PORT",
    "SESSION_REDIS_CLIENT_CACHE",
    "SESSION_MONGODB_READ_CONCERN",
    "SESSION_SQL_CONNECTIONS",
    "GCLOUD_APP_PROJECT_ID",
    "FIRESTORE_EMULATOR_HOST",
    "DATASTORE_EMULATOR_HOST",
];
const PLAIN_STARTS: &[&str] = &["SESSION_COOKIE_", "SESSION_CLEANUP_", "SESSION_FILE_"];
const PLAIN_ENDS: &[&str] = &["_TABLE", "_SCHEMA", "_DB", "_COLLECT", "_INDEX", "_REGION"];

impl SessionConfig {
    /// The settings that these variables make other than they would be without, by name, what may be secret masked.
    pub(crate) fn shown(vars: &[(String, String)]) -> Vec<(&'static str, String)> {
        let default = format!("{:?}", Self::default());
        let is_other = |apply: super::keys::Apply, key, text: &str| {
            let mut config = Self::default();
            let raw = Raw::Text(text.to_owned());
            apply(&mut config, &Value { key, raw: &raw }).is_ok() && format!("{config:?}") != default
        };
        let found = SETTINGS.iter().filter_map(|setting| {
            let value = |name: &str| vars.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value);
            let (name, text) = setting.names().find_map(|name| Some((name, value(name)?)))?;
            is_other(setting.apply, name, text).then(|| (name, masked(name, text)))
        });
        found.collect()
    }

    /// What is to say about each of these variables that looks like a setting and is none.
    pub(crate) fn strays(vars: &[(String, String)]) -> Vec<String> {
        let told = |name: &String| stray(name).map(|advice| format!("`{}`: {advice}", name.escape_debug()));
        vars.iter().filter(|(name, _)| known(name).is_none()).filter_map(|(name, _)| told(name)).collect()
    }
}

fn masked(name: &str, text: &str) -> String {
    let is_plain = PLAIN.contains(&name)
        || PLAIN_STARTS.iter().any(|start| name.starts_with(start))
        || PLAIN_ENDS.iter().any(|end| name.ends_with(end));
    match name {
        _ if is_plain || is_store(text) => text.escape_debug().to_string(),
        "SESSION_MEMCACHED" => format!("{:?}", Servers(text.to_owned())).escape_debug().to_string(),
        _ => format!("{:?}", Url(text.to_owned())).escape_debug().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(vars: &[(&str, &str)]) -> Vec<(&'static str, String)> {
        let vars: Vec<_> = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        SessionConfig::shown(&vars)
    }

    #[test]
    fn what_differs_from_the_default_is_shown() {
        let vars =
            [("SESSION_COOKIE_NAME", "sid"), ("SESSION_PERMANENT", "yes"), ("SESSION_ID_LENGTH", "32"), ("HOME", "/")];
        assert_eq!(shown(&vars), [("SESSION_COOKIE_NAME", "sid".to_owned())]);
    }

    #[test]
    fn the_name_of_a_store_is_shown_wherever_it_stands() {
        assert_eq!(masked("SESSION_MIGRATE_FROM", "filesystem"), "filesystem");
        assert_eq!(masked("SESSION_MIGRATE_FROM", "redis://:hunter2@cache"), "redis://[redacted]@cache");
    }

    /// H8: whatever is set, and whatever it is set to.
    #[test]
    fn no_secret_is_shown() {
        let secrets = [
            "hunter2",
            "redis://:hunter2@cache",
            "redis://cache?pass=hunter2",
            "unix:///s?user=a&pass=hunter2",
            "a:hunter2@b",
        ];
        for setting in SETTINGS {
            for name in setting.names().filter(|name| masked(name, "x") != "x") {
                for secret in secrets {
                    let shown = masked(name, secret);
                    // that of a plain list of servers is no password, and is what is wanted
                    let is_server = name == "SESSION_MEMCACHED" && secret == "hunter2";
                    assert!(is_server || !shown.contains("hunter2"), "{name}: {shown}");
                }
            }
        }
        for name in ["SESSION_SECRET_KEYS", "SECRET_KEY", "SESSION_ENCRYPTION_KEYS", "SESSION_DYNAMODB_SECRET"] {
            assert_eq!(masked(name, "hunter2"), "[redacted]");
        }
    }
}
