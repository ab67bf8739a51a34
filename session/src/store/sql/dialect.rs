//! [`SqlDatabase`]: which database it is, and how its SQL spells things.

use std::fmt;

use crate::error::ConfigError;

/// A kind of database that [`SqlStore`](super::SqlStore) speaks to, whether or not its feature is on.
///
/// ```
/// use actix_typed_session::store::{SqlDatabase, SqlStore};
///
/// # fn main() -> Result<(), actix_typed_session::ConfigError> {
/// let statements = SqlStore::ddl(SqlDatabase::Postgres, "sessions", None)?;
/// assert!(statements.starts_with("CREATE TABLE IF NOT EXISTS \"sessions\" ("));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SqlDatabase {
    /// PostgreSQL, and what speaks like it.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
}

impl SqlDatabase {
    /// As it is called in messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
            Self::Sqlite => "sqlite",
        }
    }

    fn quote(self) -> char {
        if self == Self::MySql { '`' } else { '"' }
    }
}

/// The name of the table, and of the schema where that is not the connection's own: checked, so that they can be a part
/// of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    name: String,
    schema: Option<String>,
}

/// What leaves room for the name of the index in the 63 bytes that PostgreSQL keeps of a name.
const NAME_LEN: usize = 48;

impl Table {
    /// A table of this name, which `key` was set to.
    pub(crate) fn named(name: &str, key: &'static str) -> Result<Self, ConfigError> {
        check(name, key)?;
        Ok(Self { name: name.to_owned(), schema: None })
    }

    /// The same in this schema, which `key` was set to.
    pub(crate) fn within(self, schema: &str, key: &'static str) -> Result<Self, ConfigError> {
        check(schema, key)?;
        Ok(Self { schema: Some(schema.to_owned()), ..self })
    }

    /// The same under another name.
    pub(super) fn renamed(self, name: &str, key: &'static str) -> Result<Self, ConfigError> {
        check(name, key)?;
        Ok(Self { name: name.to_owned(), ..self })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    pub(super) fn index(&self) -> String {
        format!("{}_expires", self.name)
    }

    /// Quoted, with the schema if there is one.
    pub(super) fn quoted(&self, database: SqlDatabase) -> String {
        self.qualified(&self.name, database)
    }

    /// Another name in the same schema.
    pub(super) fn qualified(&self, name: &str, database: SqlDatabase) -> String {
        let quote = database.quote();
        match &self.schema {
            Some(schema) => format!("{quote}{schema}{quote}.{quote}{name}{quote}"),
            None => format!("{quote}{name}{quote}"),
        }
    }
}

impl Default for Table {
    fn default() -> Self {
        Self { name: "sessions".to_owned(), schema: None }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A name that means the same to every database, quoted or not, but for what is a keyword or in upper case.
fn check(name: &str, key: &'static str) -> Result<(), ConfigError> {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if begins && is_plain && name.len() <= NAME_LEN {
        return Ok(());
    }
    Err(ConfigError::bad_value(
        key,
        name.escape_debug(),
        format_args!("accepted are 1 to {NAME_LEN} letters, digits and underscores that don't begin with a digit"),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_name_is_quoted_as_its_database_does() {
        let table = Table::default();
        assert_eq!(table.quoted(SqlDatabase::Postgres), "\"sessions\"");
        assert_eq!(table.quoted(SqlDatabase::MySql), "`sessions`");
        let table = Table::named("s2", "SESSION_SQL_TABLE").unwrap().within("web", "SESSION_SQL_SCHEMA").unwrap();
        assert_eq!(table.quoted(SqlDatabase::Sqlite), "\"web\".\"s2\"");
        assert_eq!(table.to_string(), "web.s2");
    }

    #[test]
    fn what_is_no_plain_name_is_an_error_that_names_the_setting() {
        let long = "t".repeat(NAME_LEN + 1);
        for bad in ["", "1t", "a b", "a-b", "a\"b", "a`b", "a.b", "t;--", "t\0", "tä", &long] {
            let error = Table::named(bad, "SESSION_SQL_TABLE").unwrap_err();
            assert_eq!(error.key(), "SESSION_SQL_TABLE");
            assert!(error.to_string().contains("letters, digits and underscores"), "{error}");
            assert!(Table::default().within(bad, "SESSION_SQL_SCHEMA").is_err(), "{bad}");
        }
        for good in ["t", "_t", "Sessions_2", "select", &"t".repeat(NAME_LEN)] {
            assert!(Table::named(good, "SESSION_SQL_TABLE").is_ok(), "{good}");
        }
    }
}
