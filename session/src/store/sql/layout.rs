//! A record as a row: the same table for every database, for `sql` and for `orm`.
//!
//! | column | meaning | PostgreSQL | MySQL, MariaDB | SQLite |
//! |---|---|---|---|---|
//! | `id` | the key, see [`Key`]; the primary key | `VARCHAR(512) COLLATE "C"` | `VARCHAR(512)`, `ascii_bin` | `TEXT` |
//! | `version` | which write it is: 16 bytes | `BYTEA` | `BINARY(16)` | `BLOB` |
//! | `expires` | Unix milliseconds, indexed: the row is a record as long as this is ahead of the app's clock | `BIGINT` | `BIGINT` | `INTEGER` |
//! | `data` | the contents | `BYTEA` | `LONGBLOB` | `BLOB` |

use std::time::Duration;

use bytes::Bytes;

use super::dialect::SqlDatabase;
use crate::{
    clock::millis,
    store::{Record, StoreError, StoreErrorKind, Version},
};

/// How many bytes the column of keys takes: twice what the longest prefix and the name of an owner's record need.
pub(super) const KEY_LEN: usize = 512;

/// The longest lifetime, in milliseconds: about 30,000 years, which a signed column can hold on top of today.
const LONGEST: u64 = 1_000_000_000_000_000;

/// A key as its column holds it: printable ASCII as it is, and `%` and every other byte as `%` and two upper-case hex
/// digits.
///
/// So that two keys are equal where their bytes are, whatever the database's encoding, collation and padding; and a
/// database whose text can't hold every character can hold every key.
pub(super) fn key(key: &str) -> Result<String, StoreError> {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'!'..=b'~' if byte != b'%' => text.push(char::from(byte)),
            _ => text.extend(['%', hex(byte >> 4), hex(byte & 15)]),
        }
    }
    if text.len() > KEY_LEN {
        return Err(StoreError::new(
            StoreErrorKind::Unsupported,
            format!("a key takes {} bytes in the table, and its column has {KEY_LEN}", text.len()),
        ));
    }
    Ok(text)
}

/// When a record expires that is to live so long from now on.
pub(super) fn expiry(expires_in: Duration, now: u64) -> i64 {
    moment(now.saturating_add(millis(expires_in).min(LONGEST)))
}

/// A moment as the column holds it.
pub(super) fn moment(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// The columns `version`, `expires` and `data` of a row.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) version: Option<Vec<u8>>,
    pub(super) expires: Option<i64>,
    pub(super) data: Option<Vec<u8>>,
}

impl Row {
    /// The record that the row holds; none if it is none.
    pub(super) fn into_record(self, now: u64) -> Option<Record> {
        let version = Version::from_bytes(self.version?.try_into().ok()?);
        let expires = u64::try_from(self.expires?).ok()?;
        let expires_in = Duration::from_millis(expires.saturating_sub(now).max(1));
        Some(Record { version, bytes: Bytes::from(self.data?), expires_in })
    }
}

/// An error if a record is larger than any server of the kind takes.
pub(super) fn check_size(record: &Record, database: SqlDatabase) -> Result<(), StoreError> {
    let limit = max_bytes(database);
    if record.bytes.len() > limit {
        return Err(StoreError::new(
            StoreErrorKind::TooLarge,
            format!("a record in {} can't be larger than {limit} bytes", database.name()),
        ));
    }
    Ok(())
}

/// What a value can have with all that goes around it in a message; a server may be set to take less.
fn max_bytes(database: SqlDatabase) -> usize {
    const MESSAGE: usize = 64 * 1024;
    match database {
        SqlDatabase::Postgres | SqlDatabase::MySql => (1 << 30) - MESSAGE,
        SqlDatabase::Sqlite => 1_000_000_000 - MESSAGE,
    }
}

fn hex(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or_default().to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn row(record: &Record) -> Row {
        Row {
            version: Some(record.version.as_bytes().to_vec()),
            expires: Some(expiry(record.expires_in, NOW)),
            data: Some(record.bytes.to_vec()),
        }
    }

    #[test]
    fn the_usual_key_stays_as_it_is() {
        assert_eq!(key("session:owner:0123456789abcdef_-").unwrap(), "session:owner:0123456789abcdef_-");
    }

    #[test]
    fn what_a_text_column_may_not_keep_apart_is_escaped() {
        assert_eq!(key("a b%é\0").unwrap(), "a%20b%25%C3%A9%00");
        assert_ne!(key("a ").unwrap(), key("a").unwrap());
        assert_ne!(key("%20").unwrap(), key(" ").unwrap());
    }

    #[test]
    fn the_longest_prefix_fits_whatever_it_is_made_of() {
        let longest = format!("{}owner:{}", "é".repeat(64), "0".repeat(64));
        assert!(key(&longest).unwrap().len() <= KEY_LEN);
    }

    #[test]
    fn a_key_that_does_not_fit_is_an_error() {
        assert!(key(&"k".repeat(KEY_LEN)).is_ok());
        assert_eq!(key(&"k".repeat(KEY_LEN + 1)).unwrap_err().kind(), StoreErrorKind::Unsupported);
        assert_eq!(key(&" ".repeat(KEY_LEN / 2)).unwrap_err().kind(), StoreErrorKind::Unsupported);
    }

    #[test]
    fn a_record_comes_back_from_its_row() {
        let record = Record::new("contents", Duration::from_millis(1500));
        assert_eq!(row(&record).into_record(NOW), Some(record.clone()));
        assert_eq!(row(&record).into_record(NOW + 500).unwrap().expires_in, Duration::from_secs(1));
    }

    #[test]
    fn a_row_that_lacks_something_is_no_record() {
        let record = Record::new("contents", Duration::from_secs(1));
        assert_eq!(Row { version: None, ..row(&record) }.into_record(NOW), None);
        assert_eq!(Row { version: Some(vec![1; 15]), ..row(&record) }.into_record(NOW), None);
        assert_eq!(Row { expires: Some(-1), ..row(&record) }.into_record(NOW), None);
        assert_eq!(Row { data: None, ..row(&record) }.into_record(NOW), None);
    }

    #[test]
    fn an_endless_lifetime_overflows_nothing() {
        assert_eq!(expiry(Duration::MAX, NOW), moment(NOW + LONGEST));
        assert_eq!(moment(u64::MAX), i64::MAX);
    }
}
