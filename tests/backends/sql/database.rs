//! [`Database`]: one of three kinds, shared by the tests that leave it as it is.

use std::{
    fs,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use actix_typed_session::store::SqlStore;
use actix_typed_session_tests::support::{
    mariadb::{self, MariaDbServer},
    postgres::{self, PostgresServer},
    process::signal_pid,
};
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    MariaDb,
    Sqlite,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MariaDb => "mariadb",
            Self::Sqlite => "sqlite",
        }
    }

    pub(crate) fn missing(self) -> Option<String> {
        match self {
            Self::Postgres => PostgresServer::missing(),
            Self::MariaDb => MariaDbServer::missing(),
            Self::Sqlite => None,
        }
        .map(str::to_owned)
    }
}

pub(crate) enum Database {
    Postgres(PostgresServer),
    MariaDb(MariaDbServer),
    Sqlite(TempDir),
}

static SHARED: [OnceLock<Database>; 3] = [const { OnceLock::new() }; 3];

/// The database of this kind that all tests share.
pub(crate) fn shared(kind: Kind) -> &'static Database {
    SHARED[kind as usize].get_or_init(|| Database::start(kind))
}

/// Ends the servers that tests shared, and removes their files: what is static is never dropped.
pub(crate) fn stop_shared() {
    for database in SHARED.iter().filter_map(OnceLock::get) {
        if let Some(pid) = database.pid() {
            signal_pid(pid, "-QUIT");
        }
        let folder = match database {
            Database::Postgres(server) => server.socket().to_owned(),
            Database::MariaDb(server) => server.socket().parent().unwrap().to_owned(),
            Database::Sqlite(folder) => folder.path().to_owned(),
        };
        // a server that is about to end may still write
        for _ in 0..100 {
            if fs::remove_dir_all(&folder).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Database {
    /// One for a test alone, that breaks it.
    pub(crate) fn start(kind: Kind) -> Self {
        match kind {
            Kind::Postgres => Self::Postgres(PostgresServer::start()),
            Kind::MariaDb => Self::MariaDb(MariaDbServer::start_set(&["--max-allowed-packet=1M"])),
            Kind::Sqlite => Self::Sqlite(tempfile::tempdir().unwrap()),
        }
    }

    fn pid(&self) -> Option<u32> {
        match self {
            Self::Postgres(server) => server.pid(),
            Self::MariaDb(server) => server.pid(),
            Self::Sqlite(_) => None,
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Postgres(_) => Kind::Postgres,
            Self::MariaDb(_) => Kind::MariaDb,
            Self::Sqlite(_) => Kind::Sqlite,
        }
    }

    /// As the store takes it.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Postgres(server) => server.url(),
            Self::MariaDb(server) => server.url(),
            Self::Sqlite(folder) => format!("sqlite:///{}", folder.path().join("app.db").display()),
        }
    }

    /// As sqlx takes it.
    pub(crate) fn sqlx_url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite://{}?mode=rwc", folder.path().join("app.db").display()),
            _ => self.url(),
        }
    }

    pub(crate) fn url_at(&self, port: u16) -> String {
        match self {
            Self::Postgres(server) => server.url_at(port),
            Self::MariaDb(server) => server.url_at(port),
            Self::Sqlite(_) => panic!("a file has no port"),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Postgres(server) => server.port(),
            Self::MariaDb(server) => server.port(),
            Self::Sqlite(_) => panic!("a file has no port"),
        }
    }

    /// A name for a table that no other test has.
    pub(crate) fn table(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("own_{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn store(&self) -> SqlStore {
        SqlStore::new(&self.url()).unwrap().timeout(Duration::from_secs(20))
    }

    pub(crate) fn stop(&mut self) {
        match self {
            Self::Postgres(server) => server.stop(),
            Self::MariaDb(server) => server.stop(),
            Self::Sqlite(_) => {}
        }
    }

    pub(crate) fn restart(&mut self) {
        match self {
            Self::Postgres(server) => server.restart(),
            Self::MariaDb(server) => server.restart(),
            Self::Sqlite(_) => {}
        }
    }

    pub(crate) fn pause(&self) {
        match self {
            Self::Postgres(server) => server.pause(),
            Self::MariaDb(server) => server.pause(),
            Self::Sqlite(_) => {}
        }
    }

    pub(crate) fn resume(&self) {
        match self {
            Self::Postgres(server) => server.resume(),
            Self::MariaDb(server) => server.resume(),
            Self::Sqlite(_) => {}
        }
    }

    /// Runs statements behind the store's back.
    pub(crate) async fn execute(&self, sql: &str) {
        match self {
            Self::Postgres(server) => postgres::execute(server, sql).await,
            Self::MariaDb(server) => mariadb::execute(server, sql).await,
            Self::Sqlite(_) => {
                let mut connection = SqliteConnection::connect(&self.sqlx_url()).await.unwrap();
                sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            }
        }
    }

    /// The number that a query gives.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        match self {
            Self::Postgres(server) => postgres::value(server, sql).await,
            Self::MariaDb(server) => mariadb::value(server, sql).await,
            Self::Sqlite(_) => {
                let mut connection = SqliteConnection::connect(&self.sqlx_url()).await.unwrap();
                sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap()
            }
        }
    }

    /// Whether a condition holds of the one row of a table.
    pub(crate) async fn holds(&self, table: &str, condition: &str) -> bool {
        self.number(&format!("SELECT COUNT(*) FROM {table} WHERE {condition}")).await == 1
    }
}
