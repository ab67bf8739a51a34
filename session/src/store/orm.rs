//! [`OrmStore`], and the entity of its table.

use std::{fmt, sync::Arc, time::Duration};

use sea_orm::DatabaseConnection;

pub use self::entity::{ActiveModel, Column, Entity, Model, PrimaryKey, Relation};
use super::sql::{SqlPool, SqlStore};
use crate::{
    clock::Clock,
    error::ConfigError,
    store::{Created, Record, SessionStore, StoreError, Swept, Updated, Version, async_trait},
};

mod entity;

/// Sessions in a table of the database that the app uses through SeaORM.
///
/// It is the table of `SqlStore`, written by the same statements, over the pool of the app's [`DatabaseConnection`]: what
/// one writes the other reads, so that an app can move from one to the other. A schema that the connection was given
/// (`set_schema_search_path`) is where the table is looked for, unless [`schema`](Self::schema) says another; what the app
/// has SeaORM count or log of statements does not see those of sessions.
///
/// [`Entity`] is public, so that an app can look at the sessions, or relate them to tables of its own. The columns mean
/// what `store/sql/layout.rs` says; a row whose `expires` is behind is no session any more. To write rows past the store
/// is to lose what the store promises.
///
/// The table is made by `migrate`, or in a migration of the app's by the text of `SqlStore::ddl`, which SeaORM runs by
/// `execute_unprepared`; one that SeaORM derives from the entity lacks the types that MySQL needs, and is refused there.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use actix_typed_session::{SessionMiddleware, store::{OrmStore, SessionStore, orm}};
/// use sea_orm::{Database, EntityTrait, PaginatorTrait};
///
/// # let folder = tempfile::tempdir()?;
/// # let url = format!("sqlite://{}?mode=rwc", folder.path().join("app.db").display());
/// let database = Database::connect(url).await?;
/// let store = OrmStore::new(database.clone())?;
/// store.migrate().await?;
/// let sessions = SessionMiddleware::new(store);
///
/// assert_eq!(orm::Entity::find().count(&database).await?, 0);
/// # let _ = sessions;
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[derive(Clone)]
pub struct OrmStore(SqlStore);

impl OrmStore {
    /// A store over the connection that the app has, which all workers share as it is.
    ///
    /// What [`SqlStore::from_pool`](super::SqlStore::from_pool) says of a pool holds for it: SeaORM's `ConnectOptions` has
    /// `test_before_acquire`, which is best off.
    ///
    /// # Errors
    ///
    /// If it is no connection to PostgreSQL, MySQL or SQLite by sqlx, or to one whose feature is off here.
    ///
    /// ```
    /// use actix_typed_session::store::OrmStore;
    /// use sea_orm::DatabaseConnection;
    ///
    /// let error = OrmStore::new(DatabaseConnection::default()).unwrap_err();
    /// assert_eq!(error.key(), "SESSION_TYPE");
    /// ```
    pub fn new(connection: DatabaseConnection) -> Result<Self, ConfigError> {
        Ok(Self(SqlStore::from_pool(pool(&connection)?).called("orm")))
    }

    /// A store at a URL that the setting `key` holds, over connections of its own.
    pub(crate) fn at(url: &str, key: &'static str) -> Result<Self, ConfigError> {
        Ok(Self(SqlStore::at(url, key)?.called("orm")))
    }

    /// The table's name. `sessions` by default, which is the one that [`Entity`] names.
    ///
    /// # Errors
    ///
    /// If it is not made of 1 to 48 ASCII letters, digits and underscores, or begins with a digit.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use actix_typed_session::store::OrmStore;
    /// # let database = sea_orm::SqlxSqliteConnector::from_sqlx_sqlite_pool(sqlx::SqlitePool::connect_lazy("sqlite://a.db")?);
    /// let store = OrmStore::new(database)?.table("web_sessions")?;
    /// # let _ = store;
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    pub fn table(self, name: &str) -> Result<Self, ConfigError> {
        Ok(Self(self.0.table(name)?))
    }

    /// The schema of the table. By default the one that a connection finds by itself.
    ///
    /// # Errors
    ///
    /// As for [`table`](Self::table).
    ///
    /// ```
    /// # #[cfg(feature = "postgres")]
    /// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use actix_typed_session::store::OrmStore;
    /// # let pool = sqlx::PgPool::connect_lazy("postgres://db.internal/app")?;
    /// # let database = sea_orm::SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    /// let store = OrmStore::new(database)?.schema("web")?;
    /// # let _ = store;
    /// # Ok(()) }
    /// # #[cfg(not(feature = "postgres"))] fn main() {}
    /// ```
    pub fn schema(self, name: &str) -> Result<Self, ConfigError> {
        Ok(Self(self.0.schema(name)?))
    }

    /// How long a call may take, from the wait for a connection to the answer. 2 s by default, an hour at most.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use actix_typed_session::store::OrmStore;
    /// # let database = sea_orm::SqlxSqliteConnector::from_sqlx_sqlite_pool(sqlx::SqlitePool::connect_lazy("sqlite://a.db")?);
    /// let store = OrmStore::new(database)?.timeout(std::time::Duration::from_millis(500));
    /// # let _ = store;
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self(self.0.timeout(timeout))
    }

    /// The clock that expiry goes by. Default: the system's, which all machines of an app have to agree about.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use actix_typed_session::store::OrmStore;
    /// # let database = sea_orm::SqlxSqliteConnector::from_sqlx_sqlite_pool(sqlx::SqlitePool::connect_lazy("sqlite://a.db")?);
    /// let store = OrmStore::new(database)?.clock(actix_typed_session::Clock::manual());
    /// # let _ = store;
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        Self(self.0.clock(clock))
    }

    /// The table's name, which the setting `key` holds.
    pub(crate) fn table_of(self, name: &str, key: &'static str) -> Result<Self, ConfigError> {
        Ok(Self(self.0.table_of(name, key)?))
    }

    /// How many connections each worker opens at most, where they are the store's own.
    pub(crate) fn connections(self, most: usize) -> Self {
        Self(self.0.connections(most))
    }
}

impl fmt::Debug for OrmStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OrmStore").field(&self.0).finish()
    }
}

#[async_trait]
impl SessionStore for OrmStore {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        self.0.load(key).await
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        self.0.create(key, record).await
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        self.0.update(key, record, expected).await
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        self.0.touch(key, expires_in).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.0.delete(key).await
    }

    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        self.0.delete_expired(limit).await
    }

    async fn count_expired(&self) -> Result<Option<u64>, StoreError> {
        self.0.count_expired().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.0.ping().await
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        self.0.migrate().await
    }

    fn migration(&self) -> Option<String> {
        self.0.migration()
    }

    fn for_worker(&self) -> Option<Arc<dyn SessionStore>> {
        self.0.for_worker()
    }

    fn timeout(&self) -> Option<Duration> {
        SessionStore::timeout(&self.0)
    }

    fn name(&self) -> &'static str {
        self.0.name()
    }
}

/// The pool under a connection.
fn pool(connection: &DatabaseConnection) -> Result<SqlPool, ConfigError> {
    match &connection.inner {
        #[cfg(feature = "postgres")]
        sea_orm::DatabaseConnectionType::SqlxPostgresPoolConnection(_) => {
            Ok(connection.get_postgres_connection_pool().clone().into())
        }
        #[cfg(feature = "mysql")]
        sea_orm::DatabaseConnectionType::SqlxMySqlPoolConnection(_) => {
            Ok(connection.get_mysql_connection_pool().clone().into())
        }
        #[cfg(feature = "sqlite")]
        sea_orm::DatabaseConnectionType::SqlxSqlitePoolConnection(_) => {
            Ok(connection.get_sqlite_connection_pool().clone().into())
        }
        _ => Err(ConfigError::new(
            "SESSION_TYPE",
            "is `orm`, and the connection is none by sqlx to a database whose feature is on here: `postgres`, `mysql` or \
             `sqlite` of `actix-typed-session`",
        )),
    }
}
