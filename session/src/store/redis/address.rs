//! What a URL says about where Redis is.

use std::fmt;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

use crate::error::ConfigError;

const KEY: &str = "SESSION_REDIS";

/// A server, and how to sign in there.
pub(super) struct Address {
    pub(super) place: ConnectionAddr,
    pub(super) login: RedisConnectionInfo,
    #[cfg(feature = "redis-tls")]
    pub(super) tls: Option<tokio_rustls::TlsConnector>,
}

impl Address {
    /// Reads a URL. No message holds any part of it: where it is misspelt, any part may be of the password.
    pub(super) fn parse(url: &str) -> Result<Self, ConfigError> {
        let (tls, url) = match url.trim() {
            url if url.starts_with("rediss:") => (true, url.replacen("rediss:", "redis:", 1)),
            url if url.starts_with("valkeys:") => (true, url.replacen("valkeys:", "redis:", 1)),
            url => (false, url.to_owned()),
        };
        let Some(url) = redis::parse_redis_url(&url) else { return Err(refused("is not a Redis URL")) };

        let socket = url.scheme().ends_with("unix");
        if url.fragment().is_some() {
            return Err(refused("has a `#`, which means nothing in it"));
        }
        let known: &[&str] = if socket { &["db", "user", "pass", "protocol"] } else { &["protocol"] };
        if url.query_pairs().any(|(name, _)| !known.contains(&&*name)) {
            return Err(refused(format_args!("has a parameter other than {}", Names(known))));
        }
        let Ok(info) = url.into_connection_info() else {
            return Err(refused("lacks the host or the path, or has a database or protocol that is no number"));
        };
        if info.redis_settings().db() < 0 {
            return Err(refused("has a negative database number"));
        }
        Self::new(&info, tls)
    }

    fn new(info: &ConnectionInfo, tls: bool) -> Result<Self, ConfigError> {
        #[cfg(not(feature = "redis-tls"))]
        if tls {
            return Err(ConfigError::new(
                KEY,
                "is `rediss://`, which this program is built without: add feature `redis-tls` of `actix-typed-session`",
            ));
        }
        Ok(Self {
            place: info.addr().clone(),
            login: info.redis_settings().clone(),
            #[cfg(feature = "redis-tls")]
            tls: tls.then(super::tls::connector).transpose().map_err(|reason| ConfigError::new(KEY, reason))?,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

struct Names<'a>(&'a [&'a str]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            write!(f, "{}`{name}`", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

fn refused(what: impl fmt::Display) -> ConfigError {
    ConfigError::new(
        KEY,
        format_args!(
            "{what}: accepted are `redis://[user:password@]host[:port][/db]`, the same with `rediss://`, and \
             `unix:///path[?db=…]`, with user and password percent-encoded"
        ),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use std::path::Path;

    use super::*;

    fn parse(url: &str) -> Address {
        Address::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn a_url_says_host_port_database_user_and_password() {
        let address = parse("redis://ann:hunter%402@cache.internal:6380/3");
        assert_eq!(address.to_string(), "cache.internal:6380");
        assert_eq!(address.login.db(), 3);
        assert_eq!(address.login.username(), Some("ann"));
        assert_eq!(address.login.password(), Some("hunter@2"));
    }

    #[test]
    fn a_url_may_say_no_more_than_the_host() {
        let address = parse(" redis://cache.internal ");
        assert_eq!(address.to_string(), "cache.internal:6379");
        assert_eq!((address.login.db(), address.login.username(), address.login.password()), (0, None, None));
        assert_eq!(parse("redis://:hunter2@[::1]").to_string(), "::1:6379");
    }

    #[test]
    fn a_url_may_name_a_socket() {
        for scheme in ["unix", "redis+unix"] {
            let address = parse(&format!("{scheme}:///run/redis.sock?db=2&user=ann&pass=hunter2"));
            assert_eq!(address.place, ConnectionAddr::Unix(Path::new("/run/redis.sock").to_owned()));
            assert_eq!((address.login.db(), address.login.password()), (2, Some("hunter2")));
        }
    }

    #[test]
    fn what_is_no_redis_url_is_an_error_that_names_the_setting_and_what_is_accepted() {
        let bad = [
            "",
            "cache.internal:6379",
            "http://cache.internal",
            "redis://",
            "redis://host:port",
            "redis://host/one",
            "redis://host/-1",
            "redis://host/0/1",
            "redis://host?db=1",
            "redis://host#1",
            "redis://0.0.0.0",
            "redis://host?protocol=9",
            "unix://",
            "unix:///run/redis.sock?db=one",
            "unix:///run/redis.sock?database=1",
        ];
        for url in bad {
            let Err(error) = Address::parse(url) else { panic!("{url} was taken") };
            assert_eq!(error.key(), "SESSION_REDIS");
            assert!(error.to_string().starts_with("`SESSION_REDIS` "), "{error}");
            assert!(error.to_string().contains("redis://[user:password@]host[:port][/db]"), "{error}");
        }
    }

    #[test]
    fn no_error_shows_a_password() {
        let bad = [
            "hunter2",
            "redis:hunter2@host",
            "redis://ann:hunter2@",
            "redis://ann:hunter2@host/one",
            "redis://ann:hun/hunter2@host",
            "redis://ann:1?hunter2@host",
            "redis://ann:1#hunter2@host",
            "redis://ann:1?protocol=hunter2@host",
            "unix:///redis.sock?password=hunter2",
            "unix:///redis.sock?db=x&pass=hunter2",
        ];
        for url in bad {
            let Err(error) = Address::parse(url) else { panic!("{url} was taken") };
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}: {error}");
        }
    }

    #[cfg(feature = "redis-tls")]
    #[test]
    fn tls_is_asked_for_by_the_scheme() {
        // a machine without certificates refuses, and says what to do
        match Address::parse("rediss://cache.internal") {
            Ok(address) => assert!(address.tls.is_some()),
            Err(error) => assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}"),
        }
        assert!(parse("redis://cache.internal").tls.is_none());
        assert!(Address::parse("rediss://cache.internal/#insecure").is_err());
    }

    #[cfg(not(feature = "redis-tls"))]
    #[test]
    fn tls_without_its_feature_is_an_error_that_names_it() {
        let Err(error) = Address::parse("rediss://ann:hunter2@cache.internal") else { panic!("it was taken") };
        assert!(error.to_string().contains("`redis-tls`"), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
