//! What the settings say about where the table is, and who asks.

use crate::{
    config::Secret,
    error::ConfigError,
    store::{StoreSettings, Url, percent},
};

pub(super) const TABLE: &str = "Sessions";

const KEY: &str = "SESSION_DYNAMODB";

/// Where a table is, and who asks. What is not said is looked for where the AWS tools look.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) key: Option<AccessKey>,
    pub(super) table: String,
}

/// An access key.
#[derive(Clone, Debug)]
pub(super) struct AccessKey {
    pub(super) id: String,
    pub(super) secret: Secret<String>,
}

impl Address {
    /// Reads a URL. No message holds any part of it, as any may be of a secret.
    pub(crate) fn parse(url: &str) -> Result<Self, ConfigError> {
        Ok(Parts::read(url)?.address())
    }

    /// What the URL of the settings says, and where that says nothing, the settings one by one.
    pub(crate) fn of(settings: &StoreSettings) -> Result<Self, ConfigError> {
        let mut parts = match &settings.dynamodb {
            Some(Url(url)) => Parts::read(url)?,
            None => Parts::default(),
        };
        if parts.region.is_none()
            && let Some(region) = &settings.dynamodb_region
        {
            parts.region = Some(check_region(region, "SESSION_DYNAMODB_REGION")?);
        }
        if parts.endpoint.is_none()
            && let Some(Url(endpoint)) = &settings.dynamodb_endpoint
        {
            parts.endpoint = Some(check_endpoint(endpoint, "SESSION_DYNAMODB_ENDPOINT")?);
        }
        if parts.key.is_none() {
            parts.key = match (&settings.dynamodb_key_id, &settings.dynamodb_secret) {
                (None, None) => None,
                (Some(id), Some(secret)) => Some(AccessKey { id: id.0.clone(), secret: secret.clone() }),
                (Some(_), None) => return Err(alone("SESSION_DYNAMODB_SECRET", "SESSION_DYNAMODB_KEY_ID")),
                (None, Some(_)) => return Err(alone("SESSION_DYNAMODB_KEY_ID", "SESSION_DYNAMODB_SECRET")),
            };
        }
        if parts.table.is_none()
            && let Some(table) = &settings.dynamodb_table
        {
            check_table(table, "SESSION_DYNAMODB_TABLE")?;
            parts.table = Some(table.clone());
        }
        Ok(parts.address())
    }
}

/// An error if a table can't be called so.
pub(super) fn check_table(name: &str, key: &'static str) -> Result<(), ConfigError> {
    if is_table(name) {
        return Ok(());
    }
    Err(ConfigError::bad_value(
        key,
        name.escape_debug(),
        "accepted are names of 3 to 255 ASCII letters, digits, `_`, `-` and `.`",
    ))
}

#[derive(Default)]
struct Parts {
    region: Option<String>,
    endpoint: Option<String>,
    key: Option<AccessKey>,
    table: Option<String>,
}

impl Parts {
    fn read(url: &str) -> Result<Self, ConfigError> {
        let rest = url.strip_prefix("dynamodb://").ok_or_else(|| refused("does not begin with `dynamodb://`"))?;
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (key, place) = rest.rsplit_once('@').map_or((None, rest), |(key, place)| (Some(key), place));
        let (region, table) = place.split_once('/').unwrap_or((place, ""));
        let mut parts = Self::default();
        if let Some(key) = key {
            let (id, secret) = key.split_once(':').ok_or_else(|| refused("has a key without a secret"))?;
            let (id, secret) = (decoded(id)?, Secret(decoded(secret)?));
            if id.is_empty() || secret.0.is_empty() {
                return Err(refused("has a key without a secret"));
            }
            parts.key = Some(AccessKey { id, secret });
        }
        if !region.is_empty() {
            let region = decoded(region)?;
            parts.region = Some(check_region(&region, KEY).map_err(|_| refused("has a region that is none"))?);
        }
        if !table.is_empty() {
            let table = decoded(table)?;
            if !is_table(&table) {
                return Err(refused("has a table that can't be called so"));
            }
            parts.table = Some(table);
        }
        for pair in query.into_iter().flat_map(|query| query.split('&')) {
            let Some(("endpoint", value)) = pair.split_once('=') else {
                return Err(refused("has a parameter other than `endpoint`"));
            };
            let endpoint = decoded(value)?;
            let checked = check_endpoint(&endpoint, KEY).map_err(|_| refused("has an endpoint that is no URL"))?;
            parts.endpoint = Some(checked);
        }
        Ok(parts)
    }

    fn address(self) -> Address {
        let Self { region, endpoint, key, table } = self;
        Address { region, endpoint, key, table: table.unwrap_or_else(|| TABLE.to_owned()) }
    }
}

fn is_table(name: &str) -> bool {
    (3..=255).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

fn check_region(region: &str, key: &'static str) -> Result<String, ConfigError> {
    let is_region =
        (1..=64).contains(&region.len()) && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_region {
        return Ok(region.to_owned());
    }
    Err(ConfigError::bad_value(key, region.escape_debug(), "accepted is the name of a region, such as `eu-central-1`"))
}

fn check_endpoint(endpoint: &str, key: &'static str) -> Result<String, ConfigError> {
    let is_endpoint = endpoint.parse::<actix_web::http::Uri>().is_ok_and(|uri| {
        let host = uri.authority().map(|authority| authority.as_str());
        matches!(uri.scheme_str(), Some("http" | "https"))
            && host.is_some_and(|host| !host.contains('@'))
            && uri.query().is_none()
    });
    if is_endpoint {
        return Ok(endpoint.to_owned());
    }
    Err(ConfigError::new(
        key,
        "has a value that is not shown: accepted is a URL such as `http://localhost:8000`, without user and query",
    ))
}

fn alone(lacks: &'static str, has: &str) -> ConfigError {
    ConfigError::new(lacks, format_args!("is not set, and `{has}` is: accepted are both or none"))
}

fn refused(why: &str) -> ConfigError {
    ConfigError::new(
        KEY,
        format_args!(
            "has a value that is not shown: it {why}; accepted is a URL such as `dynamodb://eu-central-1/Sessions`"
        ),
    )
}

fn decoded(text: &str) -> Result<String, ConfigError> {
    percent::decoded(text).ok_or_else(|| refused("is not percent-encoded right"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// Region, endpoint, key and table.
    type Said<'a> = (Option<&'a str>, Option<&'a str>, Option<(&'a str, &'a str)>, &'a str);

    fn said(address: &Address) -> Said<'_> {
        let key = address.key.as_ref().map(|key| (key.id.as_str(), key.secret.0.as_str()));
        (address.region.as_deref(), address.endpoint.as_deref(), key, &address.table)
    }

    #[test]
    fn a_url_says_where_the_table_is_and_who_asks() {
        for (url, expected) in [
            ("dynamodb://", (None, None, None, TABLE)),
            ("dynamodb://eu-central-1", (Some("eu-central-1"), None, None, TABLE)),
            ("dynamodb:///web_sessions", (None, None, None, "web_sessions")),
            (
                "dynamodb://AKIA:se%2Fcr%40et@eu-west-1/t-1.x?endpoint=http%3A%2F%2Flocalhost%3A8000",
                (Some("eu-west-1"), Some("http://localhost:8000"), Some(("AKIA", "se/cr@et")), "t-1.x"),
            ),
        ] {
            assert_eq!(said(&Address::parse(url).unwrap()), expected, "{url}");
        }
    }

    /// H8
    #[test]
    fn a_url_that_is_none_is_an_error_that_shows_nothing_of_it() {
        for url in [
            "",
            "redis://hunter2",
            "dynamodb://hunter2@eu-central-1",
            "dynamodb://hunter2:@eu-central-1",
            "dynamodb://:hunter2@eu-central-1",
            "dynamodb://hunter2.example/",
            "dynamodb://eu-central-1/hunter2!",
            "dynamodb://eu-central-1/hunter2/x",
            "dynamodb://eu-central-1/ab",
            "dynamodb://eu-central-1?hunter2=1",
            "dynamodb://eu-central-1?endpoint=hunter2",
            "dynamodb://eu-central-1?endpoint=http://a:hunter2@host",
            "dynamodb://a:hunter2%zz@eu-central-1",
        ] {
            let error = Address::parse(url).unwrap_err();
            assert_eq!(error.key(), KEY, "{url}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn settings_fill_what_the_url_leaves_out_and_a_half_key_is_an_error() {
        let secret = |text: &str| Some(Secret(text.to_owned()));
        let settings = StoreSettings {
            dynamodb: Some(Url("dynamodb://eu-west-1".to_owned())),
            dynamodb_region: Some("us-west-2".to_owned()),
            dynamodb_table: Some("web".to_owned()),
            dynamodb_key_id: secret("AKIA"),
            dynamodb_secret: secret("hunter2"),
            ..StoreSettings::default()
        };
        assert_eq!(said(&Address::of(&settings).unwrap()), (Some("eu-west-1"), None, Some(("AKIA", "hunter2")), "web"));
        let half = StoreSettings { dynamodb_secret: None, ..settings.clone() };
        assert_eq!(Address::of(&half).unwrap_err().key(), "SESSION_DYNAMODB_SECRET");
        let half = StoreSettings { dynamodb_key_id: None, ..settings };
        let error = Address::of(&half).unwrap_err();
        assert_eq!(error.key(), "SESSION_DYNAMODB_KEY_ID");
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn each_bad_setting_is_named() {
        let text = |text: &str| Some(text.to_owned());
        for (settings, key) in [
            (StoreSettings { dynamodb_region: text("eu central"), ..StoreSettings::default() }, "_REGION"),
            (StoreSettings { dynamodb_table: text("a b"), ..StoreSettings::default() }, "_TABLE"),
            (
                StoreSettings { dynamodb_endpoint: text("localhost:8000").map(Url), ..StoreSettings::default() },
                "_ENDPOINT",
            ),
        ] {
            assert_eq!(Address::of(&settings).unwrap_err().key(), format!("SESSION_DYNAMODB{key}"));
        }
    }
}
