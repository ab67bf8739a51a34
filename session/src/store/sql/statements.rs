//! What is sent to a database, by its dialect.

use std::sync::Arc;

use super::{
    dialect::{SqlDatabase, Table},
    layout::KEY_LEN,
};

/// How many rows a sweep deletes in one statement, so that nobody waits long for it.
pub(super) const BATCH: usize = 100;

/// What the columns say where a connection commits nothing by itself.
pub(super) const MANUAL: &str = "autocommit is off";

/// What a statement would have done, if it is not known to have been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    Read,
    /// Something, so that it matters whether it was sent.
    Write,
}

/// What a statement's rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Version, expiry and contents.
    Records,
    /// So many texts.
    Texts(usize),
}

/// A statement, its values written as `$1`, `$2` in the order in which they are given.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) sql: Arc<str>,
    pub(super) effect: Effect,
    pub(super) shape: Shape,
}

/// A value of a statement.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
    Number(i64),
}

/// All statements over one table.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) database: SqlDatabase,
    pub(super) table: Table,
    /// Key, now.
    pub(super) load: Statement,
    /// Key, version, expiry, contents; and now, where an expired row is replaced in the same statement.
    pub(super) create: Statement,
    /// Version, expiry, contents, key, now: over an expired row, where [`create`](Self::create) does not do that.
    pub(super) replace_expired: Statement,
    /// Version, expiry, contents, key, expected version, now.
    pub(super) update: Statement,
    /// Expiry, key, now.
    pub(super) touch: Statement,
    /// Key.
    pub(super) delete: Statement,
    /// Now, most: the keys of rows that a sweep may delete, where it does not do that in one statement.
    pub(super) expired: Statement,
    /// Now, most; or now and [`BATCH`] keys, after [`expired`](Self::expired).
    pub(super) sweep: Statement,
    /// Now: how many rows have expired.
    pub(super) count_expired: Statement,
    /// Name, type, collation and part of the primary key, of each column, and [`MANUAL`] where that is so.
    pub(super) columns: Statement,
    /// Whether there is an index that begins with the expiry.
    pub(super) indexed: Statement,
    /// The greatest message that a server takes.
    pub(super) largest_message: Statement,
}

impl Statements {
    pub(super) fn new(database: SqlDatabase, table: Table) -> Self {
        let t = table.quoted(database);
        let statement = |effect, shape, sql: String| Statement { sql: numbered(database, &sql).into(), effect, shape };
        let read = |sql: String| statement(Effect::Read, Shape::Records, sql);
        let write = |sql: String| statement(Effect::Write, Shape::Records, sql);
        let texts = |count, sql: String| statement(Effect::Read, Shape::Texts(count), sql);
        let insert = format!("INSERT INTO {t} (id, version, expires, data) VALUES ($1, $2, $3, $4)");
        let update = format!(
            "UPDATE {t} SET version = $1, expires = $2, data = $3 WHERE id = $4 AND version = $5 AND expires > $6"
        );
        let greatest = if database == SqlDatabase::Sqlite { "MAX" } else { "GREATEST" };
        Self {
            load: read(format!("SELECT version, expires, data FROM {t} WHERE id = $1 AND expires > $2")),
            create: write(match database {
                // an upsert tells a row that was replaced from one that was not by nothing that all clients agree on
                SqlDatabase::MySql => insert,
                _ => format!(
                    "{insert} ON CONFLICT (id) DO UPDATE SET version = excluded.version, expires = excluded.expires, \
                     data = excluded.data WHERE {t}.expires <= $5"
                ),
            }),
            replace_expired: write(format!(
                "UPDATE {t} SET version = $1, expires = $2, data = $3 WHERE id = $4 AND expires <= $5"
            )),
            update: write(match database {
                // one row of nothing if it was done, else the row that is there, else none
                SqlDatabase::Postgres => format!(
                    "WITH done AS ({update} RETURNING 1) \
                     SELECT NULL::bytea, NULL::bigint, NULL::bytea FROM done UNION ALL \
                     SELECT version, expires, data FROM {t} \
                     WHERE id = $4 AND expires > $6 AND NOT EXISTS (SELECT 1 FROM done)"
                ),
                _ => update,
            }),
            touch: write(format!("UPDATE {t} SET expires = {greatest}(expires, $1) WHERE id = $2 AND expires > $3")),
            delete: write(format!("DELETE FROM {t} WHERE id = $1")),
            expired: texts(1, format!("SELECT id FROM {t} WHERE expires <= $1 ORDER BY expires LIMIT $2")),
            sweep: write(sweep(database, &t)),
            count_expired: texts(
                1,
                match database {
                    SqlDatabase::MySql => format!("SELECT CAST(COUNT(*) AS CHAR) FROM {t} WHERE expires <= $1"),
                    _ => format!("SELECT CAST(COUNT(*) AS TEXT) FROM {t} WHERE expires <= $1"),
                },
            ),
            columns: texts(5, columns(database, &table)),
            indexed: texts(
                1,
                format!(
                    "SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND \
                     a.attnum = i.indkey[0] WHERE i.indrelid = to_regclass('{t}') AND a.attname = 'expires'"
                ),
            ),
            largest_message: texts(1, "SELECT CAST(@@max_allowed_packet AS CHAR)".to_owned()),
            database,
            table,
        }
    }
}

/// The statements that make the table, and do nothing where there is one.
pub(super) fn ddl(database: SqlDatabase, table: &Table) -> Vec<String> {
    let t = table.quoted(database);
    let index = table.index();
    match database {
        SqlDatabase::Postgres => vec![
            format!(
                "CREATE TABLE IF NOT EXISTS {t} (\n    id VARCHAR({KEY_LEN}) COLLATE \"C\" NOT NULL PRIMARY KEY,\n    \
                 version BYTEA NOT NULL,\n    expires BIGINT NOT NULL,\n    data BYTEA NOT NULL\n)"
            ),
            format!("CREATE INDEX IF NOT EXISTS \"{index}\" ON {t} (expires)"),
        ],
        SqlDatabase::MySql => vec![format!(
            "CREATE TABLE IF NOT EXISTS {t} (\n    id VARCHAR({KEY_LEN}) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n    \
             version BINARY(16) NOT NULL,\n    expires BIGINT NOT NULL,\n    data LONGBLOB NOT NULL,\n    \
             PRIMARY KEY (id),\n    INDEX `{index}` (expires)\n) ENGINE = InnoDB"
        )],
        SqlDatabase::Sqlite => vec![
            format!(
                "CREATE TABLE IF NOT EXISTS {t} (\n    id TEXT NOT NULL PRIMARY KEY,\n    version BLOB NOT NULL,\n    \
                 expires INTEGER NOT NULL,\n    data BLOB NOT NULL\n)"
            ),
            format!(
                "CREATE INDEX IF NOT EXISTS {} ON \"{}\" (expires)",
                table.qualified(&index, database),
                table.name()
            ),
        ],
    }
}

/// The same as one text.
pub(super) fn text(database: SqlDatabase, table: &Table) -> String {
    ddl(database, table).join(";\n") + ";\n"
}

/// Deletes what is expired, without waiting for rows that somebody else is at.
fn sweep(database: SqlDatabase, t: &str) -> String {
    match database {
        SqlDatabase::Postgres => format!(
            "WITH old AS (SELECT id FROM {t} WHERE expires <= $1 ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED) \
             DELETE FROM {t} USING old WHERE {t}.id = old.id AND {t}.expires <= $1"
        ),
        // by the primary key, in its order, as all other statements lock: a delete along the index of expiries would
        // lock what lies behind the last of them, too, and in the other order
        SqlDatabase::MySql => {
            let keys: Vec<_> = (0..BATCH).map(|index| format!("${}", index + 2)).collect();
            format!("DELETE {t} FROM {t} FORCE INDEX (PRIMARY) WHERE expires <= $1 AND id IN ({})", keys.join(", "))
        }
        SqlDatabase::Sqlite => {
            format!("DELETE FROM {t} WHERE id IN (SELECT id FROM {t} WHERE expires <= $1 ORDER BY expires LIMIT $2)")
        }
    }
}

fn columns(database: SqlDatabase, table: &Table) -> String {
    let name = table.name();
    match database {
        // found as the statements find it, by the search path where no schema is named
        SqlDatabase::Postgres => format!(
            "SELECT attname::text, format_type(atttypid, NULL)::text, ''::text, ''::text, ''::text FROM pg_attribute \
             WHERE attrelid = to_regclass('{}') AND attnum > 0 AND NOT attisdropped",
            table.quoted(database)
        ),
        SqlDatabase::MySql => format!(
            "SELECT column_name, column_type, COALESCE(collation_name, ''), column_key, IF(@@autocommit, '', '{MANUAL}') FROM information_schema.columns \
             WHERE table_name = '{name}' AND table_schema = {}",
            table.schema().map_or("DATABASE()".to_owned(), |schema| format!("'{schema}'"))
        ),
        SqlDatabase::Sqlite => format!(
            "SELECT name, lower(type), '', CASE pk WHEN 0 THEN '' ELSE 'PRI' END, '' FROM pragma_table_info('{name}', '{}')",
            table.schema().unwrap_or("main")
        ),
    }
}

/// The values as the database writes them; MySQL has them in order, each once.
fn numbered(database: SqlDatabase, sql: &str) -> String {
    match database {
        SqlDatabase::Postgres => sql.to_owned(),
        SqlDatabase::Sqlite => sql.replace('$', "?"),
        SqlDatabase::MySql => {
            let mut parts = sql.split('$');
            let first = parts.next().unwrap_or_default().to_owned();
            parts.fold(first, |text, part| text + "?" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_the_database_does() {
        let load = |database| Statements::new(database, Table::default()).load.sql;
        assert!(load(SqlDatabase::Postgres).ends_with("id = $1 AND expires > $2"));
        assert!(load(SqlDatabase::MySql).ends_with("id = ? AND expires > ?"));
        assert!(load(SqlDatabase::Sqlite).ends_with("id = ?1 AND expires > ?2"));
    }

    #[test]
    fn a_statement_for_mysql_names_each_value_once_and_in_order() {
        let statements = Statements::new(SqlDatabase::MySql, Table::default());
        let marks = |statement: &Statement| statement.sql.matches('?').count();
        assert_eq!(marks(&statements.create), 4);
        assert_eq!(marks(&statements.update), 6);
        assert_eq!(marks(&statements.sweep), 1 + BATCH);
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn sqlite_finds_every_row_by_an_index() {
        #![allow(clippy::unwrap_used, reason = "a test may panic")]
        use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

        let table = Table::default();
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(text(SqlDatabase::Sqlite, &table))).execute(&mut connection).await.unwrap();
        let s = Statements::new(SqlDatabase::Sqlite, table);
        for statement in [s.load, s.create, s.replace_expired, s.update, s.touch, s.delete, s.sweep, s.count_expired] {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", statement.sql));
            for step in sqlx::query(explain).fetch_all(&mut connection).await.unwrap() {
                let step: String = step.get("detail");
                assert!(!step.contains("SCAN"), "{}: {step}", statement.sql);
            }
        }
    }
}
