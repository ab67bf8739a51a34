//! What a URL says about where the database is.

use std::fmt;

use super::dialect::SqlDatabase;
use crate::error::ConfigError;

pub(super) const KEY: &str = "SESSION_SQL";

/// A URL with its scheme understood, and checked for what would be misread, or told to somebody, further on.
pub(super) struct Address {
    /// The setting that it is of.
    key: &'static str,
    pub(super) database: SqlDatabase,
    /// All after the scheme and the colon.
    pub(super) rest: String,
}

impl Address {
    /// Reads a URL. No message holds any part of it: where it is misspelt, any part may be of the password.
    pub(super) fn parse(url: &str, key: &'static str) -> Result<Self, ConfigError> {
        let refused = |what: &str| refused(key, what);
        let Some((scheme, rest)) = url.trim().split_once(':') else { return Err(refused("is not a URL")) };
        // SQLAlchemy names the driver after a `+`
        let database = match scheme.split('+').next().unwrap_or_default() {
            "postgres" | "postgresql" => SqlDatabase::Postgres,
            "mysql" | "mariadb" => SqlDatabase::MySql,
            "sqlite" => SqlDatabase::Sqlite,
            _ => return Err(refused("is of a database that is not known")),
        };
        if rest.contains('#') {
            return Err(refused("has a `#`, which means nothing in it"));
        }
        let address = Self { key, database, rest: rest.to_owned() };
        if database != SqlDatabase::Sqlite {
            address.check()?;
        }
        Ok(address)
    }

    /// The URL as the driver takes it.
    pub(super) fn url(&self) -> String {
        let scheme = if self.database == SqlDatabase::MySql { "mysql" } else { "postgres" };
        // what Python's drivers call the socket
        let rest = self.rest.replace("?unix_socket=", "?socket=").replace("&unix_socket=", "&socket=");
        format!("{scheme}:{rest}")
    }

    /// The file of an SQLite database, by SQLAlchemy's count of slashes: three before a relative path, four before an
    /// absolute one.
    pub(super) fn file(&self) -> Result<String, ConfigError> {
        let path = match self.rest.strip_prefix("//") {
            Some(rest) => rest.strip_prefix('/').filter(|path| !path.is_empty()),
            None => Some(&*self.rest),
        };
        let Some(path) = path else {
            return Err(self.refused(
                "lacks the path of the file: three slashes come before a relative one, four before an \
                                absolute one; `SESSION_TYPE=memory` keeps sessions in memory",
            ));
        };
        if path.is_empty() || path.contains(":memory:") {
            return Err(self.refused("names a database in memory: that is `SESSION_TYPE=memory`, or `MemoryStore`"));
        }
        if path.contains(['?', '\0', '%']) {
            return Err(self.refused(
                "has a file name with a `?`, a `%` or a NUL, or parameters, which an SQLite file takes none of",
            ));
        }
        Ok(path.to_owned())
    }

    fn check(&self) -> Result<(), ConfigError> {
        let Some(rest) = self.rest.strip_prefix("//") else { return Err(self.refused("lacks the `//`")) };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (_, path) = place.split_once('/').unwrap_or((place, ""));
        if path.contains('@') || query.contains('@') || path.contains('/') {
            return Err(self.refused("has a `/` or an `@` where none can be"));
        }
        if self.database == SqlDatabase::MySql && path.is_empty() {
            return Err(self.refused("lacks the name of the database"));
        }
        let known: &[&str] = match self.database {
            SqlDatabase::Postgres => POSTGRES,
            _ => MYSQL,
        };
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if !known.contains(&name) {
                return Err(self.refused(format_args!("has a parameter other than {}", Names(known))));
            }
            let is_mode = matches!(name, "sslmode" | "ssl-mode");
            let wants_tls = matches!(
                &*value.to_lowercase().replace('_', "-"),
                "require" | "required" | "verify-ca" | "verify-full" | "verify-identity"
            );
            if is_mode && wants_tls && cfg!(not(feature = "sql-tls")) {
                return Err(ConfigError::new(
                    self.key,
                    "asks for TLS, which this program is built without: add feature `sql-tls` of `actix-typed-session`",
                ));
            }
        }
        Ok(())
    }

    pub(super) fn refused(&self, what: impl fmt::Display) -> ConfigError {
        refused(self.key, what)
    }

    /// The error of a database whose feature is off.
    #[allow(dead_code, reason = "with all features on, none is missing")]
    pub(super) fn missing(&self, feature: &'static str) -> ConfigError {
        ConfigError::new(
            self.key,
            format_args!(
                "is of a database that this program is built without: add feature `{feature}` of `actix-typed-session`"
            ),
        )
    }
}

const POSTGRES: &[&str] = &[
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

const MYSQL: &[&str] = &["ssl-mode", "ssl-ca", "ssl-cert", "ssl-key", "socket", "unix_socket", "charset"];

fn refused(key: &'static str, what: impl fmt::Display) -> ConfigError {
    ConfigError::new(
        key,
        format_args!(
            "{what}: accepted are `postgresql://[user:password@]host[:port]/database`, the same with `mysql://` or \
             `mariadb://`, and `sqlite:///file`, with user and password percent-encoded"
        ),
    )
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use super::*;

    fn parse(url: &str) -> Address {
        Address::parse(url, KEY).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn the_scheme_says_which_database_and_its_driver_is_no_matter() {
        for (url, database) in [
            ("postgres://db/app", SqlDatabase::Postgres),
            ("postgresql://ann:hunter%402@db:5433/app?sslmode=prefer", SqlDatabase::Postgres),
            ("postgresql+psycopg2://db/app", SqlDatabase::Postgres),
            ("postgresql+asyncpg:///app?host=/run/postgresql", SqlDatabase::Postgres),
            ("mysql://db/app", SqlDatabase::MySql),
            ("mysql+pymysql://ann@db/app?charset=utf8mb4", SqlDatabase::MySql),
            ("mariadb+mariadbconnector://db/app?unix_socket=/run/m.sock", SqlDatabase::MySql),
            (" sqlite:///app.db ", SqlDatabase::Sqlite),
        ] {
            assert_eq!(parse(url).database, database, "{url}");
        }
        assert_eq!(parse("postgresql+psycopg2://db/app").url(), "postgres://db/app");
        assert_eq!(parse("mariadb://db/app?unix_socket=/m.sock").url(), "mysql://db/app?socket=/m.sock");
    }

    #[test]
    fn the_slashes_of_a_file_are_counted_as_sqlalchemy_does() {
        for (url, file) in [
            ("sqlite:///app.db", "app.db"),
            ("sqlite:///data/app.db", "data/app.db"),
            ("sqlite:////var/app.db", "/var/app.db"),
            ("sqlite+pysqlite:////var/app.db", "/var/app.db"),
            ("sqlite:app.db", "app.db"),
        ] {
            assert_eq!(parse(url).file().unwrap(), file);
        }
        for url in ["sqlite://", "sqlite:///", "sqlite:", "sqlite://app.db", "sqlite:///:memory:", "sqlite::memory:"] {
            assert!(parse(url).file().is_err(), "{url}");
        }
    }

    const BAD: &[&str] = &[
        "",
        "hunter2",
        "db:5432",
        "oracle://ann:hunter2@db/app",
        "postgres:ann:hunter2@db/app",
        "postgres://ann:hunter2#@db/app",
        "postgres://ann:1/hunter2@db/app",
        "postgres://ann:1?hunter2@db/app",
        "postgres://db/app?passwd=hunter2",
        "postgres://db/app?sslmode",
        "postgres://db/app?ssl=hunter2",
        "mysql://ann:hunter2@db",
        "mysql://ann:hunter2@db/",
        "mysql://ann:hunter2@db/app?password=hunter2",
    ];

    #[test]
    fn what_is_no_url_of_a_database_is_an_error_that_says_what_is_accepted() {
        for url in BAD.iter().filter(|url| !url.ends_with("sslmode")) {
            let Err(error) = Address::parse(url, KEY) else { panic!("{url} was taken") };
            assert_eq!(error.key(), "SESSION_SQL");
            assert!(error.to_string().contains("postgresql://[user:password@]host[:port]/database"), "{error}");
        }
    }

    #[test]
    fn no_error_shows_a_password() {
        for url in BAD {
            if let Err(error) = Address::parse(url, KEY) {
                assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}: {error}");
            }
        }
    }

    #[cfg(not(feature = "sql-tls"))]
    #[test]
    fn tls_without_its_feature_is_an_error_that_names_it() {
        for url in ["postgres://db/app?sslmode=verify-full", "mysql://db/app?ssl-mode=VERIFY_IDENTITY"] {
            let Err(error) = Address::parse(url, KEY) else { panic!("{url} was taken") };
            assert!(error.to_string().contains("`sql-tls`"), "{error}");
        }
    }
}
