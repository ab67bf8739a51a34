//! What went wrong, as what it means for the one who asked.

use std::{fmt, time::Duration};

use sqlx::error::DatabaseError;

use super::statements::Effect;
use crate::store::{StoreError, StoreErrorKind};

/// What a database's error says about the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is a row under the key.
    Duplicate,
    /// It was undone for the sake of another one: a deadlock, a failed serialization.
    RolledBack,
    /// The connection no longer knows the statement, or knows it of an older table; it did not run.
    Stale,
    /// The table, or its schema, is not there.
    NoTable,
    /// A column is not there or not of the type, or the table wants more than the store gives.
    OtherTable,
    /// The user may not do this.
    Denied,
    /// The database does not take a value of this size.
    TooLarge,
    /// The server takes no writes: a replica, say.
    ReadOnly,
    /// The connection ends, or the server can't tell what became of the statement.
    Lost,
    /// Made at the same moment by somebody else, or there already.
    Exists,
    /// It did nothing, for another reason.
    Other,
}

/// Why a statement has no answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) refusal: Option<Refusal>,
    pub(super) error: StoreError,
}

impl Failure {
    pub(super) fn is(&self, refusal: Refusal) -> bool {
        self.refusal == Some(refusal)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { refusal: None, error }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// Where a statement stood when it failed.
pub(super) struct Place<'a> {
    /// What is asked, as messages call it: `postgres at localhost:5432`.
    pub(super) server: &'a (dyn fmt::Display + Sync),
    pub(super) table: &'a (dyn fmt::Display + Sync),
    pub(super) effect: Effect,
    /// Whether the server may have it.
    pub(super) sent: bool,
}

impl Place<'_> {
    /// A statement that was not sent, or was sent and met no refusal.
    pub(super) fn failed(&self, error: &sqlx::Error) -> StoreError {
        if !self.sent {
            // no value was sent, so that none can be quoted
            return self.unreached().with_source(Text::of(error));
        }
        match error {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => {
                let text = format!("the connection to {} was lost", self.server);
                StoreError::new(self.unanswered(), text).with_source(Text::of(error))
            }
            // their texts may quote what they could not read
            _ => {
                let kind = match self.effect {
                    Effect::Read => StoreErrorKind::Protocol,
                    Effect::Write => StoreErrorKind::OutcomeUnknown,
                };
                StoreError::new(kind, format!("{} gave an answer that makes no sense", self.server))
            }
        }
    }

    /// A statement that the database refused. Its own words are not told: they may quote a value.
    pub(super) fn refused(&self, refusal: Refusal, code: &str) -> StoreError {
        let Self { server, table, .. } = self;
        let nothing_done = StoreErrorKind::Unavailable;
        match refusal {
            Refusal::NoTable => StoreError::new(
                nothing_done,
                format!("{server} has no table `{table}`: `migrate` makes it, or the statements of `SqlStore::ddl`"),
            ),
            Refusal::OtherTable => StoreError::new(
                nothing_done,
                format!(
                    "{server} has a table `{table}` with another schema ({code}): `SqlStore::ddl` says which it needs"
                ),
            ),
            Refusal::Denied => {
                StoreError::new(nothing_done, format!("{server} denies the user access to `{table}` ({code})"))
            }
            Refusal::TooLarge => {
                StoreError::new(StoreErrorKind::TooLarge, format!("the record is larger than {server} takes ({code})"))
            }
            Refusal::ReadOnly => StoreError::new(nothing_done, format!("{server} takes no writes ({code})")),
            Refusal::RolledBack => StoreError::new(
                nothing_done,
                format!("{server} undid the statement again and again, because of others that met it ({code})"),
            ),
            Refusal::Stale => StoreError::new(
                nothing_done,
                format!(
                    "{server} does not know a statement that it prepared ({code}): a proxy between must keep those"
                ),
            ),
            Refusal::Lost => StoreError::new(self.unanswered(), format!("{server} gave up the statement ({code})")),
            Refusal::Duplicate | Refusal::Exists | Refusal::Other => {
                StoreError::new(nothing_done, format!("{server} refused the statement ({code}); its log says why"))
            }
        }
    }

    pub(super) fn timed_out(&self, timeout: Duration) -> StoreError {
        if self.sent {
            StoreError::new(self.unanswered(), format!("{} did not answer within {timeout:?}", self.server))
        } else {
            self.unreached().with_source(format!("it took longer than {timeout:?}"))
        }
    }

    fn unreached(&self) -> StoreError {
        StoreError::new(StoreErrorKind::Unavailable, format!("can't connect to {}", self.server))
    }

    fn unanswered(&self) -> StoreErrorKind {
        match self.effect {
            Effect::Read => StoreErrorKind::Unavailable,
            Effect::Write => StoreErrorKind::OutcomeUnknown,
        }
    }
}

/// What PostgreSQL means, by the SQLSTATE.
#[cfg(feature = "postgres")]
pub(super) fn of_postgres(error: &dyn DatabaseError) -> (Refusal, String) {
    let code = error.code().unwrap_or_default();
    let refusal = match &*code {
        "40001" | "40P01" => Refusal::RolledBack,
        "26000" | "0A000" => Refusal::Stale,
        "42P01" | "3F000" => Refusal::NoTable,
        "42703" | "42804" | "42883" | "42P10" | "23502" | "23514" | "22001" | "22003" | "42809" => Refusal::OtherTable,
        "42501" => Refusal::Denied,
        "54000" => Refusal::TooLarge,
        "25006" => Refusal::ReadOnly,
        "42P07" | "42710" | "23505" => Refusal::Exists,
        "57014" => Refusal::Other,
        // the connection, an operator who ends it, the system below, an error of the server's own: what became of the
        // statement is not said by these
        code if ["08", "57", "58", "XX"].iter().any(|class| code.starts_with(class)) || code == "40003" => {
            Refusal::Lost
        }
        _ => Refusal::Other,
    };
    (refusal, format!("SQLSTATE {code}"))
}

/// What MySQL or MariaDB means, by the error's number.
#[cfg(feature = "mysql")]
pub(super) fn of_mysql(error: &dyn DatabaseError) -> (Refusal, String) {
    let error = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>();
    let number = error.map_or(0, sqlx::mysql::MySqlDatabaseError::number);
    let refusal = match number {
        1062 => Refusal::Duplicate,
        // the last of them are of group replication and TiDB; a Galera cluster says 1213
        1213 | 1020 | 3101 | 8002 | 8022 | 9007 => Refusal::RolledBack,
        1243 | 1615 => Refusal::Stale,
        1146 | 1049 => Refusal::NoTable,
        1054 | 1364 | 1366 | 1264 | 1406 | 1265 | 1292 => Refusal::OtherTable,
        1044 | 1142 | 1143 | 1227 => Refusal::Denied,
        1153 | 1118 => Refusal::TooLarge,
        1290 | 1836 | 1792 => Refusal::ReadOnly,
        1050 | 1061 => Refusal::Exists,
        // the server ends, the statement or its connection was killed, the commit failed, or a proxy lost its server
        0 | 1053 | 1105 | 1180 | 1317 | 1927 | 2006 | 2013 | 4031 => Refusal::Lost,
        _ => Refusal::Other,
    };
    (refusal, format!("error {number}"))
}

/// What SQLite means, by the result code, and by its words where the code is the general one.
#[cfg(feature = "sqlite")]
pub(super) fn of_sqlite(error: &dyn DatabaseError) -> (Refusal, String) {
    let code: i32 = error.code().and_then(|code| code.parse().ok()).unwrap_or_default();
    let says = |words: &str| error.message().contains(words);
    let refusal = match code & 0xff {
        1 if says("no such table") || says("unknown database") => Refusal::NoTable,
        1 if says("column") || says("ON CONFLICT") => Refusal::OtherTable,
        1 if says("already exists") => Refusal::Exists,
        3 | 23 => Refusal::Denied,
        // locked by others for longer than was waited for
        5 | 6 => Refusal::RolledBack,
        8 => Refusal::ReadOnly,
        // the disk failed in the middle, or the file is damaged
        10 | 11 => Refusal::Lost,
        18 => Refusal::TooLarge,
        19 | 20 => Refusal::OtherTable,
        _ => Refusal::Other,
    };
    (refusal, format!("code {code}"))
}

/// An error of the driver's in words: its `Debug` may show more than those.
#[derive(Debug)]
struct Text(String);

impl Text {
    fn of(error: &sqlx::Error) -> Self {
        Self(match error {
            sqlx::Error::Database(error) => error.message().to_owned(),
            error => error.to_string(),
        })
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Text {}
