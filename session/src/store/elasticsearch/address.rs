//! What the settings say: the nodes, how to sign in there, and the name of the index.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Url, header::HeaderValue};

use crate::{error::ConfigError, store::percent};

pub(super) const KEY: &str = "SESSION_ELASTICSEARCH";
const NODES_MAX: usize = 64;

/// The nodes of a cluster, and the header that signs in there.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Each without user and password, and without a slash at the end.
    pub(super) nodes: Vec<String>,
    pub(super) login: Option<HeaderValue>,
}

impl Address {
    /// Reads one or several URLs with commas between. No message holds any part of them, as any may be of a password.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut address = Self { nodes: Vec::new(), login: None };
        for part in text.split(',') {
            let mut url = Url::parse(part.trim()).map_err(|_| refused("is no URL"))?;
            if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
                return Err(refused("is no URL of HTTP"));
            }
            if url.query().is_some() || url.fragment().is_some() {
                return Err(refused("has more than a path"));
            }
            if !url.username().is_empty() || url.password().is_some() {
                let login = basic(&url)?;
                if address.login.as_ref().is_some_and(|known| *known != login) {
                    return Err(refused("has two users, and a cluster knows one for all of its nodes"));
                }
                address.login = Some(login);
                let cleared = url.set_username("").and_then(|()| url.set_password(None));
                cleared.map_err(|()| refused("is no URL of HTTP"))?;
            }
            let node = url.as_str().trim_end_matches('/').to_owned();
            if address.nodes.contains(&node) {
                return Err(refused("names a node twice"));
            }
            address.nodes.push(node);
        }
        if address.nodes.len() > NODES_MAX {
            return Err(refused(format_args!("names more than {NODES_MAX} nodes")));
        }
        Ok(address)
    }

    /// The same with an API key, as the server gives it: in base64.
    pub(super) fn with_api_key(mut self, key: &str) -> Result<Self, ConfigError> {
        const NAME: &str = "SESSION_ELASTICSEARCH_API_KEY";
        if self.login.is_some() {
            return Err(ConfigError::new(NAME, "can't be set where the URL has a user"));
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte);
        if key.is_empty() || !key.bytes().all(is_plain) {
            return Err(ConfigError::new(NAME, "is no API key: accepted is its `encoded` form, in base64"));
        }
        self.login = Some(header(&format!("ApiKey {key}")).ok_or_else(|| ConfigError::new(NAME, "is no API key"))?);
        Ok(self)
    }
}

/// `elasticsearch at http://host:9200`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "elasticsearch at {}", self.nodes.join(","))
    }
}

/// A name that an alias may have.
pub(super) fn index(name: &str) -> Result<String, ConfigError> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !begins || name.len() > 100 || !name.bytes().all(is_plain) {
        return Err(ConfigError::bad_value(
            "SESSION_ELASTICSEARCH_INDEX",
            name,
            "accepted are 1 to 100 small ASCII letters, digits, `-`, `_` and `.`, with a letter or a digit in front",
        ));
    }
    Ok(name.to_owned())
}

fn basic(url: &Url) -> Result<HeaderValue, ConfigError> {
    let part = |text: &str| {
        percent::bytes(text).ok_or_else(|| refused("has a user or a password that is not percent-encoded"))
    };
    let (user, password) = (part(url.username())?, part(url.password().unwrap_or_default())?);
    if user.is_empty() || user.contains(&b':') {
        return Err(refused("has a password without a user, or a user with a colon"));
    }
    let login = STANDARD.encode([&user[..], b":", &password].concat());
    header(&format!("Basic {login}")).ok_or_else(|| refused("is no URL of HTTP"))
}

/// A header that nobody prints.
fn header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn refused(what: impl fmt::Display) -> ConfigError {
    ConfigError::new(
        KEY,
        format_args!(
            "{what}: accepted are one or several URLs with commas between, each \
             `http[s]://[user:password@]host[:port][/path]`, with user and password percent-encoded"
        ),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn one_or_several_nodes_are_named_and_shown_without_the_password() {
        for (text, shown) in [
            ("http://localhost:9200", "elasticsearch at http://localhost:9200"),
            ("https://ann:hunter%402@a/es/ , https://b:9201", "elasticsearch at https://a/es,https://b:9201"),
            ("http://[::1]:9200/", "elasticsearch at http://[::1]:9200"),
        ] {
            let address = Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(address.to_string(), shown);
        }
    }

    #[test]
    fn user_and_password_or_an_api_key_sign_in() {
        let login = |text: &str| Address::parse(text).unwrap().login;
        assert_eq!(login("http://a"), None);
        // `ann:hunter@2`
        let basic = login("http://ann:hunter%402@a,http://b,http://ann:hunter%402@c").unwrap();
        assert_eq!(basic.to_str().unwrap(), "Basic YW5uOmh1bnRlckAy");
        assert!(!format!("{basic:?}").contains("YW5u"));
        let key = Address::parse("http://a")
            .unwrap()
            .with_api_key("VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw==");
        assert_eq!(
            key.unwrap().login.unwrap().to_str().unwrap(),
            "ApiKey VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw=="
        );
    }

    #[test]
    fn what_names_no_node_is_an_error_that_shows_no_part_of_it() {
        for text in [
            "",
            "hunter2",
            "localhost:9200",
            "redis://ann:hunter2@a",
            "http://",
            "http://ann:hunter2@",
            "http://ann:hunter2@a:port",
            "http://a?hunter2",
            "http://a#hunter2",
            "http://a,",
            "http://a,http://A/",
            "http://:hunter2@a",
            "http://ann:hunter2@a,http://bob:hunter2@b",
        ] {
            let Err(error) = Address::parse(text) else { panic!("{text} was taken") };
            assert_eq!(error.key(), "SESSION_ELASTICSEARCH");
            let said = format!("{error} {error:?}");
            assert!(said.contains("accepted are") && !said.contains("hunter2"), "{said}");
        }
        for key in ["", "hunter 2", "hunter2\n"] {
            let error = Address::parse("http://a").unwrap().with_api_key(key).map(drop).unwrap_err();
            assert_eq!(error.key(), "SESSION_ELASTICSEARCH_API_KEY");
            assert!(!error.to_string().contains("hunter"), "{error}");
        }
        assert!(Address::parse("http://a:b@c").unwrap().with_api_key("abc").is_err());
    }

    #[test]
    fn an_index_is_plain() {
        assert_eq!(index("app.sessions-2").unwrap(), "app.sessions-2");
        for name in ["", "Sessions", "_all", "-x", ".x", "a*", "a,b", "a/b", "<a>", "ä", &"x".repeat(101)] {
            assert_eq!(index(name).unwrap_err().key(), "SESSION_ELASTICSEARCH_INDEX", "{name}");
        }
    }
}
