//! The table: whether it is there and is what the statements count on, and how it is made.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    SqlStore,
    dialect::SqlDatabase,
    failure::{Failure, Place, Refusal},
    statements::{Effect, MANUAL, Shape, Statement, ddl},
};
use crate::store::{StoreError, StoreErrorKind};

/// How long making the table may take: it waits for others who make it.
const PATIENCE: Duration = Duration::from_secs(30);

impl SqlStore {
    /// An error if the table is not there, or is another one.
    ///
    /// Not each statement would show that by itself: without a primary key on the right column a database takes a second
    /// record under one key, and a column that is too short may cut what it is given.
    pub(super) async fn check(&self, deadline: Instant) -> Result<(), Failure> {
        let statements = &self.statements;
        let columns = self.server.run(&statements.columns, &[], self.call(deadline)).await?.texts;
        if columns.is_empty() {
            let place = Place { server: &self.server, table: &statements.table, effect: Effect::Read, sent: true };
            return Err(Failure { refusal: Some(Refusal::NoTable), error: place.refused(Refusal::NoTable, "") });
        }
        if columns.iter().flatten().any(|text| text == MANUAL) {
            // what is written would be seen by the connection alone that wrote it
            let text = format!("{} is used with autocommit off, and nothing would commit what is written", self.server);
            return Err(StoreError::new(StoreErrorKind::Unavailable, text).into());
        }
        match unfit(statements.database, &columns) {
            None => Ok(()),
            Some(what) => Err(Failure {
                refusal: Some(Refusal::OtherTable),
                error: StoreError::new(
                    StoreErrorKind::Unavailable,
                    format!(
                        "{} has a table `{}` with another schema: {what}; `SqlStore::ddl` says what it needs",
                        self.server, statements.table
                    ),
                ),
            }),
        }
    }

    /// Makes the table and its index, where there are none.
    pub(super) async fn make_table(&self) -> Result<(), StoreError> {
        let patience = PATIENCE.max(self.timeout);
        let patient = match self.server.tuned(1, patience) {
            Some(server) => Self { server, ..self.clone() },
            None => self.clone(),
        };
        let deadline = Instant::now() + patience;
        match patient.check(deadline).await {
            Ok(()) if patient.is_indexed(deadline).await => return Ok(()),
            // the statements would do nothing to it, and seem to have done all
            Err(failure) if failure.is(Refusal::OtherTable) => return Err(failure.error),
            Err(failure) if !failure.is(Refusal::NoTable) => return Err(failure.error),
            _ => {}
        }
        for sql in ddl(self.database(), &self.statements.table) {
            let statement = Statement { sql: sql.into(), effect: Effect::Write, shape: Shape::Texts(0) };
            if let Err(failure) = patient.make(&statement, deadline).await {
                // whoever may not make a table may still use one that somebody else made
                let is_barred = failure.is(Refusal::Denied) || failure.is(Refusal::ReadOnly);
                return match patient.check(deadline).await {
                    Ok(()) if is_barred => Ok(()),
                    _ => Err(failure.error),
                };
            }
        }
        Ok(patient.check(deadline).await?)
    }

    /// Runs one of the statements that make something, again while others make the same: `IF NOT EXISTS` looks first and
    /// makes then, and two who look at once both find nothing.
    async fn make(&self, statement: &Statement, deadline: Instant) -> Result<(), Failure> {
        loop {
            match self.server.run(statement, &[], self.call(deadline)).await {
                Ok(_) => return Ok(()),
                Err(failure) if failure.is(Refusal::Exists) && Instant::now() < deadline => {
                    sleep(Duration::from_millis(rand::random_range(5..50))).await;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Whether there is nothing to make beside the table, as far as that can be known without making it.
    async fn is_indexed(&self, deadline: Instant) -> bool {
        match self.database() {
            SqlDatabase::Postgres => {
                let found = self.server.run(&self.statements.indexed, &[], self.call(deadline)).await;
                found.is_ok_and(|answer| !answer.texts.is_empty())
            }
            // it is a part of the table
            SqlDatabase::MySql => true,
            SqlDatabase::Sqlite => false,
        }
    }
}

/// What is wrong with a table of these columns: each its name, type, collation and part of the primary key.
fn unfit(database: SqlDatabase, columns: &[Vec<String>]) -> Option<String> {
    for (name, accepted) in
        [("id", Kind::Key), ("version", Kind::Version), ("expires", Kind::Number), ("data", Kind::Bytes)]
    {
        let column = columns.iter().find(|column| column.first().is_some_and(|found| found.eq_ignore_ascii_case(name)));
        let Some([_, kind, collation, key, ..]) = column.map(Vec::as_slice) else {
            return Some(format!("it lacks the column `{name}`"));
        };
        if !accepted.takes(database, &kind.to_lowercase(), collation) {
            return Some(format!(
                "the column `{name}` is `{kind}`{}{collation}",
                if collation.is_empty() { "" } else { " " }
            ));
        }
        // PostgreSQL itself refuses a table without one
        if database != SqlDatabase::Postgres && (key == "PRI") != (name == "id") {
            return Some("its primary key is not `id` alone".to_owned());
        }
    }
    None
}

/// What a column has to hold.
#[derive(Clone, Copy)]
enum Kind {
    Key,
    Version,
    Number,
    Bytes,
}

impl Kind {
    fn takes(self, database: SqlDatabase, kind: &str, collation: &str) -> bool {
        match (database, self) {
            (SqlDatabase::Postgres, Self::Key) => matches!(kind, "character varying" | "text"),
            (SqlDatabase::Postgres, Self::Version | Self::Bytes) => kind == "bytea",
            (SqlDatabase::Postgres | SqlDatabase::MySql, Self::Number) => {
                kind.starts_with("bigint") && !kind.contains("unsigned")
            }
            // else it would take keys for equal that are not
            (SqlDatabase::MySql, Self::Key) => {
                kind.starts_with("varchar(") && collation.ends_with("_bin") || kind.starts_with("varbinary(")
            }
            (SqlDatabase::MySql, Self::Version) => matches!(kind, "binary(16)" | "varbinary(16)"),
            (SqlDatabase::MySql, Self::Bytes) => kind == "longblob",
            // its columns hold what they are given, but for texts and numbers that a column turns into one another
            (SqlDatabase::Sqlite, Self::Key) => kind.contains("char") || kind.contains("text"),
            (SqlDatabase::Sqlite, Self::Number) => kind.contains("int"),
            (SqlDatabase::Sqlite, Self::Version | Self::Bytes) => kind.contains("blob") || kind.contains("binary"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(of: &[[&str; 4]]) -> Vec<Vec<String>> {
        of.iter().map(|column| column.iter().map(ToString::to_string).collect()).collect()
    }

    const ID: [&str; 4] = ["id", "varchar(512)", "ascii_bin", "PRI"];
    const VERSION: [&str; 4] = ["version", "binary(16)", "", ""];
    const EXPIRES: [&str; 4] = ["expires", "bigint(20)", "", "MUL"];
    const DATA: [&str; 4] = ["data", "longblob", "", ""];

    fn of_mysql(table: &[[&str; 4]]) -> Option<String> {
        unfit(SqlDatabase::MySql, &columns(table))
    }

    #[test]
    fn the_table_is_fit_whatever_it_has_besides() {
        assert_eq!(of_mysql(&[ID, VERSION, EXPIRES, DATA, ["note", "text", "", ""]]), None);
    }

    #[test]
    fn a_table_of_flask_session_is_told_by_what_it_lacks() {
        let flask = [["id", "int(11)", "", "PRI"], ["session_id", "varchar(255)", "", "UNI"], DATA];
        assert_eq!(of_mysql(&flask).as_deref(), Some("the column `id` is `int(11)`"));
        assert_eq!(of_mysql(&[ID, EXPIRES, DATA]).as_deref(), Some("it lacks the column `version`"));
    }

    #[test]
    fn a_column_that_would_cut_or_confuse_is_unfit() {
        let blob = ["data", "blob", "", ""];
        assert_eq!(of_mysql(&[ID, VERSION, EXPIRES, blob]).as_deref(), Some("the column `data` is `blob`"));
        let id = ["id", "varchar(512)", "utf8mb4_general_ci", "PRI"];
        assert!(of_mysql(&[id, VERSION, EXPIRES, DATA]).is_some_and(|what| what.contains("utf8mb4_general_ci")));
    }

    #[test]
    fn a_table_without_the_primary_key_is_unfit() {
        let id = ["id", "varchar(512)", "ascii_bin", ""];
        assert_eq!(of_mysql(&[id, VERSION, EXPIRES, DATA]).as_deref(), Some("its primary key is not `id` alone"));
        let version = ["version", "binary(16)", "", "PRI"];
        assert!(of_mysql(&[ID, version, EXPIRES, DATA]).is_some());
    }
}
