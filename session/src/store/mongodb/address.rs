//! What the settings say: the URL, the names of the database and the collection, and which reads suffice.

use std::fmt;

use ::mongodb::options::{ClientOptions, ConnectionString, HostInfo};
use futures_util::FutureExt;

use crate::error::ConfigError;

pub(super) const KEY: &str = "SESSION_MONGODB";

/// A URL that the driver takes, and what of it may be shown.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) url: String,
    hosts: String,
}

impl Address {
    /// No message holds any part of the URL, as that may be of a password.
    pub(super) fn parse(url: &str) -> Result<Self, ConfigError> {
        let parsed = ConnectionString::parse(url).map_err(|_| refused())?;
        let hosts = match &parsed.host_info {
            HostInfo::DnsRecord(name) => name.clone(),
            HostInfo::HostIdentifiers(hosts) => {
                let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
                // what is not looked up first is all there, and the driver says at once what it makes of it
                if !matches!(ClientOptions::parse(url).into_future().now_or_never(), Some(Ok(_))) {
                    return Err(refused());
                }
                hosts.join(",")
            }
            _ => return Err(refused()),
        };
        Ok(Self { url: url.to_owned(), hosts })
    }
}

/// `mongodb at host:port`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mongodb at {}", self.hosts)
    }
}

/// The database and the collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) database: String,
    pub(super) collection: String,
}

impl Default for Names {
    fn default() -> Self {
        Self { database: "flask_session".to_owned(), collection: "sessions".to_owned() }
    }
}

/// A database's name that any server takes.
pub(super) fn database(name: &str) -> Result<String, ConfigError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 63 || !name.chars().all(is_plain) {
        return Err(ConfigError::bad_value(
            "SESSION_MONGODB_DB",
            name,
            "accepted are 1 to 63 ASCII letters, digits, `_` and `-`",
        ));
    }
    Ok(name.to_owned())
}

/// A collection's name that any server takes.
pub(super) fn collection(name: &str) -> Result<String, ConfigError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let is_named = !name.is_empty() && name.len() <= 120 && name.chars().all(is_plain);
    if !is_named || name.starts_with("system.") || name.starts_with('.') || name.ends_with('.') {
        return Err(ConfigError::bad_value(
            "SESSION_MONGODB_COLLECT",
            name,
            "accepted are 1 to 120 ASCII letters, digits, `_`, `-` and, inside, `.`, without `system.` in front",
        ));
    }
    Ok(name.to_owned())
}

fn refused() -> ConfigError {
    ConfigError::new(
        KEY,
        "is no URL of MongoDB: accepted are `mongodb://[user:password@]host[:port][,host…][/database][?options]` and \
         `mongodb+srv://[user:password@]host[/database][?options]`, with user and password percent-encoded and options \
         that the driver knows",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_url_of_one_or_several_servers_is_taken_and_shown_without_its_password() {
        for (url, shown) in [
            ("mongodb://127.0.0.1", "mongodb at 127.0.0.1:27017"),
            ("mongodb://ann:hunter%402@a:1,b:2/admin?replicaSet=rs0&tls=true", "mongodb at a:1,b:2"),
            ("mongodb+srv://ann:hunter2@cluster.example.net/?w=1", "mongodb at cluster.example.net"),
        ] {
            let address = Address::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(address.to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_url_is_an_error_that_shows_no_part_of_it() {
        for url in [
            "",
            "hunter2",
            "redis://ann:hunter2@cache",
            "mongodb://",
            "mongodb://ann:hunter2@",
            "mongodb://ann:hunter2@a:port",
            "mongodb://a/?hunter2",
            "mongodb://a/?socketTimeoutMS=5&x=hunter2",
            "mongodb://a/?socketTimeoutMS=5",
            "mongodb+srv://ann:hunter2@a,b",
            "mongodb+srv://a:1",
        ] {
            let Err(error) = Address::parse(url) else { panic!("{url} was taken") };
            assert_eq!(error.key(), "SESSION_MONGODB");
            let text = format!("{error} {error:?}");
            assert!(text.contains("mongodb+srv://") && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn names_are_plain() {
        assert_eq!(database("flask_session").unwrap(), "flask_session");
        assert_eq!(collection("app.sessions-2").unwrap(), "app.sessions-2");
        for name in ["", "a b", "a$b", "a/b", "a.b", "\0", &"x".repeat(64)] {
            assert_eq!(database(name).unwrap_err().key(), "SESSION_MONGODB_DB");
        }
        for name in ["", "a b", "a$b", "system.users", ".a", "a.", "ä", &"x".repeat(121)] {
            assert_eq!(collection(name).unwrap_err().key(), "SESSION_MONGODB_COLLECT");
        }
    }
}
