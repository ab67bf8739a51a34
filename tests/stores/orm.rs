//! `orm_postgres`, `orm_mariadb`, `orm_sqlite`: `OrmStore` over a connection of SeaORM's, a table or a file a subject.

use std::{sync::Arc, time::Duration};

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
    /// Where the database is, what is kept meanwhile, and how the same is reached at another port.
    fn place(&self) -> (String, Arc<dyn std::any::Any + Send + Sync>, Option<Box<dyn Fn(u16) -> String + Send>>) {
        match self {
            Self::Postgres(server) => {
                let server = postgres::started(server);
                let url = server.url();
                let at = Arc::clone(&server);
                (url, server, Some(Box::new(move |port| at.url_at(port))))
            }
            Self::MariaDb(server) => {
                let server = mariadb::started(server);
                let url = server.url();
                let at = Arc::clone(&server);
                (url, server, Some(Box::new(move |port| at.url_at(port))))
            }
            Self::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite://{}?mode=rwc", folder.path().join("app.db").display());
                (url, Arc::new(folder), None)
            }
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
    options.max_connections(4).min_connections(0).test_before_acquire(false).connect_lazy(true).sqlx_logging(false);
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
        let (url, guard, at) = self.place();
        let patience = Duration::from_secs(10);
        let store = open(&url, &table, &clock).await.timeout(patience);
        store.migrate().await.unwrap();
        let mut subject = Subject::new(store)
            .beside(open(&url, &table, &clock).await.timeout(patience))
            .clock(clock.clone())
            .failing("there is no table", open(&url, "nowhere", &clock).await.timeout(within), within);
        if let (Some(port), Some(at)) = (self.port(), at) {
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
        subject.keeping(guard)
    }
}
