//! `orm_postgres`, `orm_mariadb`, `orm_sqlite`: `OrmStore` over a connection of SeaORM's, a table or a file a subject.

use std::{any::Any, sync::Arc, time::Duration};

use actix_typed_session::{
    Clock,
    store::{OrmStore, SessionStore},
    testing::conformance::Subject,
};
use actix_typed_session_tests::support::{mariadb::MariaDbServer, postgres::PostgresServer};
use async_trait::async_trait;
use sea_orm::{ConnectOptions, Database};

use super::{backend::Backend, bad_server, mariadb, postgres};

pub(crate) enum Orm {
    Postgres(postgres::Server),
    MariaDb(mariadb::Server),
    Sqlite,
}

impl Orm {
    /// Where the database is, and what is kept meanwhile.
    fn place(&self) -> (String, Arc<dyn Any + Send + Sync>) {
        match self {
            Self::Postgres(server) => (postgres::started(server).url(), postgres::started(server)),
            Self::MariaDb(server) => (mariadb::started(server).url(), mariadb::started(server)),
            Self::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                (format!("sqlite://{}?mode=rwc", folder.path().join("app.db").display()), Arc::new(folder))
            }
        }
    }

    /// The same, reached through another port.
    fn url_at(&self, port: u16) -> String {
        match self {
            Self::Postgres(server) => postgres::started(server).url_at(port),
            Self::MariaDb(server) => mariadb::started(server).url_at(port),
            Self::Sqlite => panic!("a file has no port"),
        }
    }

    fn table(&self) -> String {
        match self {
            Self::Postgres(server) => postgres::started(server).table(),
            Self::MariaDb(server) => mariadb::started(server).table(),
            Self::Sqlite => "sessions".to_owned(),
        }
    }

    fn port(&self) -> Option<u16> {
        match self {
            Self::Postgres(server) => Some(postgres::started(server).port()),
            Self::MariaDb(server) => Some(mariadb::started(server).port()),
            Self::Sqlite => None,
        }
    }
}

async fn open(url: &str, table: &str, clock: &Clock) -> OrmStore {
    let mut options = ConnectOptions::new(url);
    // a pool that outlives runtimes, as those of the races are, has to ask whether a connection does, too
    options.max_connections(4).min_connections(0).test_before_acquire(true).connect_lazy(true).sqlx_logging(false);
    if url.starts_with("sqlite") {
        options.map_sqlx_sqlite_opts(|options| options.journal_mode(sqlx::sqlite::SqliteJournalMode::Wal));
    }
    let connection = Database::connect(options).await.unwrap();
    OrmStore::new(connection).unwrap().table(table).unwrap().clock(clock.clone())
}

#[async_trait]
impl Backend for Orm {
    fn name(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "orm_postgres",
            Self::MariaDb(_) => "orm_mariadb",
            Self::Sqlite => "orm_sqlite",
        }
    }

    fn missing(&self) -> Option<String> {
        match self {
            Self::Postgres(_) => PostgresServer::missing().map(str::to_owned),
            Self::MariaDb(_) => MariaDbServer::missing().map(str::to_owned),
            Self::Sqlite => None,
        }
    }

    fn without(&self) -> &'static [&'static str] {
        if let Self::Sqlite = self { &["s16"] } else { &[] }
    }

    fn race_rounds(&self) -> usize {
        8
    }

    async fn subject(&self) -> Subject {
        let (clock, table, within) = (Clock::manual(), self.table(), Duration::from_millis(400));
        let (url, guard) = self.place();
        let patience = Duration::from_secs(10);
        let store = open(&url, &table, &clock).await.timeout(patience);
        store.migrate().await.unwrap();
        let mut subject = Subject::new(store)
            .beside(open(&url, &table, &clock).await.timeout(patience))
            .clock(clock.clone())
            .failing("there is no table", open(&url, "nowhere", &clock).await.timeout(within), within);
        if let Some(port) = self.port() {
            let at = |port| self.url_at(port);
            let mute = at(bad_server::mute_port(port, &["insert into", "update "]));
            let (closed, silent, ends) =
                (at(bad_server::closed()), at(bad_server::silent()), at(bad_server::says(b"")));
            subject = subject
                .failing("nothing listens", open(&closed, &table, &clock).await.timeout(within), within)
                .failing("nothing is answered", open(&silent, &table, &clock).await.timeout(within), within)
                .failing("the connection ends", open(&ends, &table, &clock).await.timeout(within), within)
                .unanswered(
                    "the server takes a write and its answer is lost",
                    open(&mute, &table, &clock).await.timeout(within),
                    within,
                );
        }
        if let Self::MariaDb(_) = self {
            subject = subject.max_bytes(mariadb::MAX_BYTES);
        }
        subject.keeping(guard)
    }
}
