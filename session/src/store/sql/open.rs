//! Where a store's connections come from: a URL, or the app's pool.

use std::{fmt, sync::Arc};

use super::{
    address::Address,
    dialect::SqlDatabase,
    pool::Own,
    server::{Pool, Server},
};
use crate::error::ConfigError;

/// How many connections a worker opens before a store says otherwise.
const CONNECTIONS: usize = 4;

/// A pool that the app has, for [`SqlStore::from_pool`](super::SqlStore::from_pool), which takes what this is made of.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[actix_web::main] async fn main() -> Result<(), sqlx::Error> {
/// use actix_typed_session::store::{SqlPool, SqlStore};
///
/// let pool = SqlPool::from(sqlx::SqlitePool::connect_lazy("sqlite://app.db")?);
/// let store = SqlStore::from_pool(pool);
/// # let _ = store;
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum SqlPool {
    /// A `PgPool`.
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
    /// A `MySqlPool`.
    #[cfg(feature = "mysql")]
    MySql(sqlx::MySqlPool),
    /// A `SqlitePool`.
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::SqlitePool),
}

impl fmt::Debug for SqlPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // what the driver would show holds the user's name
        f.write_str(match *self {
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "Postgres(..)",
            #[cfg(feature = "mysql")]
            Self::MySql(_) => "MySql(..)",
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => "Sqlite(..)",
        })
    }
}

#[cfg(feature = "postgres")]
impl From<sqlx::PgPool> for SqlPool {
    fn from(pool: sqlx::PgPool) -> Self {
        Self::Postgres(pool)
    }
}

#[cfg(feature = "mysql")]
impl From<sqlx::MySqlPool> for SqlPool {
    fn from(pool: sqlx::MySqlPool) -> Self {
        Self::MySql(pool)
    }
}

#[cfg(feature = "sqlite")]
impl From<sqlx::SqlitePool> for SqlPool {
    fn from(pool: sqlx::SqlitePool) -> Self {
        Self::Sqlite(pool)
    }
}

type Opened = (Arc<dyn Server>, SqlDatabase);

/// Connections of the store's own, none of which is open yet.
pub(super) fn at(url: &str, key: &'static str) -> Result<Opened, ConfigError> {
    let address = Address::parse(url, key)?;
    let server: Arc<dyn Server> = match address.database {
        #[cfg(feature = "postgres")]
        SqlDatabase::Postgres => {
            let connect = super::postgres::Connect::parse(&address)?;
            Arc::new(Pool::<sqlx::Postgres>::Own(Own::new(Arc::new(connect), CONNECTIONS)))
        }
        #[cfg(feature = "mysql")]
        SqlDatabase::MySql => {
            let connect = super::mysql::Connect::parse(&address)?;
            Arc::new(Pool::<sqlx::MySql>::Own(Own::new(Arc::new(connect), CONNECTIONS)))
        }
        #[cfg(feature = "sqlite")]
        SqlDatabase::Sqlite => {
            let connect = super::sqlite::Connect::parse(&address)?;
            Arc::new(Pool::<sqlx::Sqlite>::Own(Own::new(Arc::new(connect), CONNECTIONS)))
        }
        #[allow(unreachable_patterns, reason = "with all features on, every database has its arm")]
        database => return Err(address.missing(database.name())),
    };
    Ok((server, address.database))
}

/// The app's pool.
pub(super) fn over(pool: SqlPool) -> Opened {
    match pool {
        #[cfg(feature = "postgres")]
        SqlPool::Postgres(pool) => (Arc::new(Pool::App { pool, name: "postgres" }), SqlDatabase::Postgres),
        #[cfg(feature = "mysql")]
        SqlPool::MySql(pool) => (Arc::new(Pool::App { pool, name: "mysql" }), SqlDatabase::MySql),
        #[cfg(feature = "sqlite")]
        SqlPool::Sqlite(pool) => (Arc::new(Pool::App { pool, name: "sqlite" }), SqlDatabase::Sqlite),
    }
}
