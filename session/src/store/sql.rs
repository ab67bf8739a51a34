//! [`SqlStore`].

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

pub use self::{dialect::SqlDatabase, open::SqlPool};
use self::{
    dialect::Table,
    failure::{Failure, Refusal},
    layout::Row,
    server::{Answer, Call, Server, nonsense},
    statements::{BATCH, Effect, Statement, Statements, Value},
};
use crate::{
    clock::Clock,
    error::ConfigError,
    store::{Created, Record, SessionStore, StoreError, Swept, Updated, Version, async_trait},
};

mod address;
mod check;
mod dialect;
mod failure;
mod layout;
#[cfg(feature = "mysql")]
mod mysql;
mod open;
mod pool;
#[cfg(feature = "postgres")]
mod postgres;
mod server;
#[cfg(feature = "sqlite")]
mod sqlite;
mod statements;

/// Sessions in a table of PostgreSQL, MySQL, MariaDB or SQLite, or of what speaks like them.
///
#[doc = include_str!("sql/sql.md")]
#[derive(Clone)]
pub struct SqlStore {
    server: Arc<dyn Server>,
    statements: Arc<Statements>,
    /// Whether the table was seen to be as it has to be.
    checked: Arc<AtomicBool>,
    connections: usize,
    timeout: Duration,
    clock: Clock,
    name: &'static str,
}

impl SqlStore {
    /// A store at a URL, which opens its connections when they are needed, on the tokio runtime that needs them.
    ///
    /// Accepted are `postgresql://[user:password@]host[:port]/database`, `mysql://…` and `mariadb://…` with the same, and
    /// `sqlite:///relative/path` or `sqlite:////absolute/path`; `postgres://` is `postgresql://`, and a driver that Python
    /// needs to be told (`postgresql+psycopg2://`) is taken and means nothing. User and password are percent-encoded.
    /// PostgreSQL takes the parameters `sslmode`, `sslrootcert`, `sslcert`, `sslkey`, `host` (a socket's folder, too),
    /// `hostaddr`, `port`, `dbname`, `user`, `password`, `application_name` and `options`; MySQL `ssl-mode`, `ssl-ca`,
    /// `ssl-cert`, `ssl-key`, `socket` (or `unix_socket`) and `charset`, which means nothing. TLS needs the feature
    /// `sql-tls`, and so does a password of MySQL 8 (`caching_sha2_password`), unless it goes through a socket.
    ///
    /// # Errors
    ///
    /// If the URL is none of these, or of a database whose feature is off. The message never holds the URL, as that may
    /// hold a password.
    ///
    /// ```
    /// use actix_typed_session::store::SqlStore;
    ///
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// // opens nothing yet: the app starts while the database is down
    /// # #[cfg(feature = "postgres")]
    /// let store = SqlStore::new("postgresql://app:secret@db.internal/app")?;
    ///
    /// let error = SqlStore::new("postgres://app:hunter2@").unwrap_err();
    /// assert_eq!(error.key(), "SESSION_SQL");
    /// assert!(!error.to_string().contains("hunter2"));
    /// # Ok(()) }
    /// ```
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        Self::at(url, address::KEY)
    }

    /// A store over the pool that the app already has, `PgPool`, `MySqlPool` or `SqlitePool`, which all workers share as
    /// it is.
    ///
    /// A pool asks the server for a sign of life before it lends a connection, a second round trip an operation, unless it
    /// is made with `test_before_acquire(false)`: then each connection that a restart of the server closed costs a write
    /// that has to be settled. It tries to open a connection again and again while the server refuses, until the time is
    /// over. Its connections belong to the worker that opened them, so that a worker that is blocked holds up others.
    /// [`new`](Self::new) has none of these costs. What the app's connections are set to is the app's business, but that
    /// autocommit has to be on.
    ///
    /// ```
    /// # #[cfg(feature = "postgres")]
    /// # #[actix_web::main] async fn main() -> Result<(), sqlx::Error> {
    /// use actix_typed_session::store::SqlStore;
    /// use sqlx::postgres::PgPoolOptions;
    ///
    /// let pool = PgPoolOptions::new().test_before_acquire(false).connect_lazy("postgres://db.internal/app")?;
    /// let store = SqlStore::from_pool(pool);
    /// # let _ = store;
    /// # Ok(()) }
    /// # #[cfg(not(feature = "postgres"))] fn main() {}
    /// ```
    #[must_use]
    pub fn from_pool(pool: impl Into<SqlPool>) -> Self {
        let (server, database) = open::over(pool.into());
        Self::over(server, database)
    }

    /// The table's name. `sessions` by default.
    ///
    /// # Errors
    ///
    /// If it is not made of 1 to 48 ASCII letters, digits and underscores, or begins with a digit.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::SqlStore;
    /// let store = SqlStore::new("sqlite:///app.db")?.table("web_sessions")?;
    /// assert!(store.table("sessions; --").is_err());
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    pub fn table(self, name: &str) -> Result<Self, ConfigError> {
        self.table_of(name, "SESSION_SQL_TABLE")
    }

    /// The schema of the table: in MySQL another database of the server, in SQLite one that the app attached. By default
    /// the one that a connection finds by itself.
    ///
    /// # Errors
    ///
    /// As for [`table`](Self::table).
    ///
    /// ```
    /// # #[cfg(feature = "postgres")]
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::SqlStore;
    /// let store = SqlStore::new("postgres://db.internal/app")?.schema("web")?;
    /// # let _ = store;
    /// # Ok(()) }
    /// # #[cfg(not(feature = "postgres"))] fn main() {}
    /// ```
    pub fn schema(self, name: &str) -> Result<Self, ConfigError> {
        let table = self.statements.table.clone().within(name, "SESSION_SQL_SCHEMA")?;
        Ok(self.with_table(table))
    }

    /// How many connections each worker opens at most. 4 by default, at least 1; over an SQLite file, all workers together.
    ///
    /// A call that finds all of them in use waits for one, in its own time-out. A server has to allow as many as there are
    /// workers times this. Nothing changes for the app's own pool.
    ///
    /// ```
    /// # #[cfg(feature = "postgres")]
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::SqlStore;
    /// let store = SqlStore::new("postgres://db.internal/app")?.connections(2);
    /// # let _ = store;
    /// # Ok(()) }
    /// # #[cfg(not(feature = "postgres"))] fn main() {}
    /// ```
    #[must_use]
    pub fn connections(mut self, most: usize) -> Self {
        self.connections = most.clamp(1, 1000);
        self.retuned()
    }

    /// How long a call may take, from connecting to the answer. 2 s by default, an hour at most.
    ///
    /// The store's own connections tell the server to give up after this time, too.
    ///
    /// ```
    /// # #[cfg(feature = "postgres")]
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::SqlStore;
    /// # use std::time::Duration;
    /// let store = SqlStore::new("postgres://db.internal/app")?.timeout(Duration::from_millis(500));
    /// # let _ = store;
    /// # Ok(()) }
    /// # #[cfg(not(feature = "postgres"))] fn main() {}
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(Duration::from_secs(60 * 60));
        self.retuned()
    }

    /// The clock that expiry goes by. Default: the system's, which all machines of an app have to agree about.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::SqlStore;
    /// let store = SqlStore::new("sqlite:///app.db")?.clock(actix_typed_session::Clock::manual());
    /// # let _ = store;
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The statements that [`migrate`](SessionStore::migrate) runs, for people with their own migrations.
    ///
    /// Each makes what is not there yet. They are parted by a semicolon and a new line.
    ///
    /// # Errors
    ///
    /// If a name is not plain, as for [`table`](Self::table).
    ///
    /// ```
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// use actix_typed_session::store::{SqlDatabase, SqlStore};
    ///
    /// println!("{}", SqlStore::ddl(SqlDatabase::MySql, "sessions", None)?);
    /// # Ok(()) }
    /// ```
    pub fn ddl(database: SqlDatabase, table: &str, schema: Option<&str>) -> Result<String, ConfigError> {
        let mut table = Table::named(table, "SESSION_SQL_TABLE")?;
        if let Some(schema) = schema {
            table = table.within(schema, "SESSION_SQL_SCHEMA")?;
        }
        Ok(statements::text(database, &table))
    }

    /// Which database it is.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::{SqlDatabase, SqlStore};
    /// assert_eq!(SqlStore::new("sqlite:///app.db")?.database(), SqlDatabase::Sqlite);
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    #[must_use]
    pub fn database(&self) -> SqlDatabase {
        self.statements.database
    }
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore")
            .field("server", &format_args!("{}", self.server))
            .field("table", &format_args!("{}", self.statements.table))
            .field("connections", &self.connections)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl SessionStore for SqlStore {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        let id = layout::key(key)?;
        self.find(key, &id, self.deadline()).await
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        let (id, deadline) = (layout::key(key)?, self.deadline());
        self.check_size(record, deadline).await?;
        let now = self.clock.now();
        let (moment, expires) =
            (Value::Number(layout::moment(now)), Value::Number(layout::expiry(record.expires_in, now)));
        let (id, version, data) =
            (Value::Text(&id), Value::Bytes(record.version.as_bytes()), Value::Bytes(&record.bytes));
        let created = |answer: Answer| if answer.affected > 0 { Created::Created } else { Created::Taken };
        if self.database() != SqlDatabase::MySql {
            let values = [id, version, expires, data, moment];
            return Ok(created(self.ask(&self.statements.create, &values, deadline).await?));
        }
        match self.ask(&self.statements.create, &[id, version, expires, data], deadline).await {
            Ok(answer) => Ok(created(answer)),
            Err(failure) if failure.is(Refusal::Duplicate) => {
                let values = [version, expires, data, id, moment];
                Ok(created(self.ask(&self.statements.replace_expired, &values, deadline).await?))
            }
            Err(failure) => Err(failure.error),
        }
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        let (id, deadline) = (layout::key(key)?, self.deadline());
        self.check_size(record, deadline).await?;
        let now = self.clock.now();
        let values = [
            Value::Bytes(record.version.as_bytes()),
            Value::Number(layout::expiry(record.expires_in, now)),
            Value::Bytes(&record.bytes),
            Value::Text(&id),
            Value::Bytes(expected.as_bytes()),
            Value::Number(layout::moment(now)),
        ];
        let answer = self.ask(&self.statements.update, &values, deadline).await?;
        if self.database() == SqlDatabase::Postgres {
            match answer.rows.into_iter().next() {
                None => return Ok(Updated::Gone),
                Some(row) if row == Row::default() => return Ok(Updated::Done),
                Some(row) => match self.record(key, row) {
                    // read before the other one had changed it, for which the update waited in vain
                    Some(record) if record.version == *expected => {}
                    found => return Ok(found.map_or(Updated::Gone, Updated::Conflict)),
                },
            }
        } else if answer.affected > 0 {
            return Ok(Updated::Done);
        }
        let found = self.find(key, &id, deadline).await?;
        Ok(found.map_or(Updated::Gone, Updated::Conflict))
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        let (id, now) = (layout::key(key)?, self.clock.now());
        let values =
            [Value::Number(layout::expiry(expires_in, now)), Value::Text(&id), Value::Number(layout::moment(now))];
        let answer = self.ask(&self.statements.touch, &values, self.deadline()).await?;
        Ok(answer.affected > 0)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let id = layout::key(key)?;
        self.ask(&self.statements.delete, &[Value::Text(&id)], self.deadline()).await?;
        Ok(())
    }

    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        let deadline = self.deadline();
        let enough = Instant::now() + self.timeout / 2;
        let now = layout::moment(self.clock.now());
        let mut deleted = 0;
        while deleted < limit && (deleted == 0 || Instant::now() < enough) {
            let most = usize::try_from(limit - deleted).unwrap_or(BATCH).min(BATCH);
            match self.sweep(now, most, deadline).await {
                Ok((found, gone)) => {
                    deleted += gone;
                    // those that are left are locked: somebody writes or deletes them
                    if found < most || gone == 0 {
                        return Ok(Swept { deleted, more: false });
                    }
                }
                // what was deleted is deleted
                Err(_) if deleted > 0 => break,
                Err(failure) => return Err(failure.error),
            }
        }
        Ok(Swept { deleted, more: true })
    }

    async fn count_expired(&self) -> Result<Option<u64>, StoreError> {
        let now = [Value::Number(layout::moment(self.clock.now()))];
        let answer = self.ask(&self.statements.count_expired, &now, self.deadline()).await?;
        let count = answer.texts.first().and_then(|texts| texts.first()).and_then(|count| count.parse().ok());
        count.map(Some).ok_or_else(|| nonsense(&self.server, Effect::Read))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.check(self.deadline()).await?;
        Ok(())
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        self.make_table().await
    }

    fn migration(&self) -> Option<String> {
        Some(statements::text(self.statements.database, &self.statements.table))
    }

    fn for_worker(&self) -> Option<Arc<dyn SessionStore>> {
        let server = self.server.another()?;
        Some(Arc::new(Self { server, ..self.clone() }))
    }

    fn timeout(&self) -> Option<Duration> {
        Some(self.timeout)
    }

    fn name(&self) -> &'static str {
        self.name
    }
}

impl SqlStore {
    /// A store at a URL that the setting `key` holds.
    pub(crate) fn at(url: &str, key: &'static str) -> Result<Self, ConfigError> {
        let (server, database) = open::at(url, key)?;
        Ok(Self::over(server, database).retuned())
    }

    /// The table's name, which the setting `key` holds.
    pub(crate) fn table_of(self, name: &str, key: &'static str) -> Result<Self, ConfigError> {
        let table = self.statements.table.clone().renamed(name, key)?;
        Ok(self.with_table(table))
    }

    /// The same under another name in events.
    pub(crate) fn called(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    fn over(server: Arc<dyn Server>, database: SqlDatabase) -> Self {
        Self {
            server,
            statements: Arc::new(Statements::new(database, Table::default())),
            checked: Arc::default(),
            connections: 4,
            timeout: Duration::from_secs(2),
            clock: Clock::default(),
            name: "sql",
        }
    }

    fn with_table(self, table: Table) -> Self {
        let statements = Arc::new(Statements::new(self.statements.database, table));
        Self { statements, checked: Arc::default(), ..self }
    }

    fn retuned(self) -> Self {
        match self.server.tuned(self.connections, self.timeout) {
            Some(server) => Self { server, ..self },
            None => self,
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    fn call(&self, deadline: Instant) -> Call<'_> {
        Call { deadline, timeout: self.timeout, table: &self.statements.table }
    }

    /// Runs a statement over the table, which is looked at before the first one.
    async fn ask(&self, statement: &Statement, values: &[Value<'_>], deadline: Instant) -> Result<Answer, Failure> {
        if !self.checked.load(Ordering::Relaxed) {
            self.check(deadline).await?;
            self.checked.store(true, Ordering::Relaxed);
        }
        self.server.run(statement, values, self.call(deadline)).await
    }

    async fn find(&self, key: &str, id: &str, deadline: Instant) -> Result<Option<Record>, StoreError> {
        let values = [Value::Text(id), Value::Number(layout::moment(self.clock.now()))];
        let answer = self.ask(&self.statements.load, &values, deadline).await?;
        Ok(answer.rows.into_iter().next().and_then(|row| self.record(key, row)))
    }

    fn record(&self, key: &str, row: Row) -> Option<Record> {
        let record = row.into_record(self.clock.now());
        if record.is_none() {
            crate::events::record_foreign(self.name, key);
        }
        record
    }

    /// Deletes some expired rows, and says how many it found and how many of them it deleted.
    async fn sweep(&self, now: i64, most: usize, deadline: Instant) -> Result<(usize, u64), Failure> {
        let limit = [Value::Number(now), Value::Number(i64::try_from(most).unwrap_or(i64::MAX))];
        if self.database() != SqlDatabase::MySql {
            let deleted = self.ask(&self.statements.sweep, &limit, deadline).await?.affected;
            return Ok((usize::try_from(deleted).unwrap_or(usize::MAX), deleted));
        }
        let found = self.ask(&self.statements.expired, &limit, deadline).await?.texts;
        let Some(last) = found.last() else { return Ok((0, 0)) };
        // the statement has room for a batch: what is left of it names one of them again
        let keys = found.iter().chain(std::iter::repeat(last)).take(BATCH).flatten();
        let values: Vec<_> = [Value::Number(now)].into_iter().chain(keys.map(|key| Value::Text(key))).collect();
        let deleted = self.ask(&self.statements.sweep, &values, deadline).await?.affected;
        Ok((found.len(), deleted))
    }

    /// An error if the record is larger than the database takes, or than this server does, which is asked where it may.
    async fn check_size(&self, record: &Record, deadline: Instant) -> Result<(), StoreError> {
        /// What any server takes that is of use for anything.
        const ALWAYS: usize = 512 * 1024;
        /// What goes around the contents in a message.
        const AROUND: u64 = 4 * 1024;
        layout::check_size(record, self.database())?;
        if self.database() != SqlDatabase::MySql || record.bytes.len() < ALWAYS {
            return Ok(());
        }
        // a server that is sent more closes the connection, and its reason may be lost with it
        let answer = self.ask(&self.statements.largest_message, &[], deadline).await?;
        let most = answer.texts.first().and_then(|texts| texts.first()).and_then(|text| text.parse::<u64>().ok());
        let Some(most) = most else { return Err(nonsense(&self.server, Effect::Read)) };
        if record.bytes.len() as u64 > most.saturating_sub(AROUND) {
            return Err(StoreError::new(
                crate::store::StoreErrorKind::TooLarge,
                format!("the record is larger than `max_allowed_packet` of {} ({most} bytes)", self.server),
            ));
        }
        Ok(())
    }
}
