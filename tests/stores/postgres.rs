//! `postgres`: `SqlStore` over a server of its own, a table a subject.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix_typed_session::{
    Clock,
    store::{SessionStore, SqlStore},
    testing::conformance::Subject,
};
use actix_typed_session_tests::support::postgres::PostgresServer;
use async_trait::async_trait;

use super::{backend::Backend, bad_server};

/// One server for all that test over it, started when it is needed.
pub(crate) type Server = Arc<OnceLock<Arc<PostgresServer>>>;

pub(crate) struct Postgres(pub(crate) Server);

/// The server, which runs.
pub(crate) fn started(server: &Server) -> Arc<PostgresServer> {
    Arc::clone(server.get_or_init(|| Arc::new(PostgresServer::start())))
}

#[async_trait]
impl Backend for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn missing(&self) -> Option<String> {
        PostgresServer::missing().map(str::to_owned)
    }

    fn race_rounds(&self) -> usize {
        16
    }

    async fn subject(&self) -> Subject {
        let server = started(&self.0);
        let (clock, table, within) = (Clock::manual(), server.table(), Duration::from_millis(400));
        let at = |port: u16| SqlStore::new(&server.url_at(port)).unwrap().table(&table).unwrap().clock(clock.clone());
        let failing = |port: u16| at(port).timeout(within);
        let store = at(server.port()).timeout(Duration::from_secs(10));
        store.migrate().await.unwrap();
        let denied = || failing(server.port()).table("nowhere").unwrap();
        Subject::new(store)
            .beside(at(server.port()).timeout(Duration::from_secs(10)))
            .clock(clock.clone())
            .failing("nothing listens", failing(bad_server::closed()), within)
            .failing("nothing is answered", failing(bad_server::silent()), within)
            .failing("the answer is HTTP", failing(bad_server::says(b"HTTP/1.1 400 Bad Request\r\n\r\n")), within)
            .failing("the answer is Redis's", failing(bad_server::says(b"-ERR unknown command\r\n")), within)
            .failing("the connection ends", failing(bad_server::says(b"")), within)
            .failing("there is no table", denied(), within)
            .unanswered(
                "the server takes a write and its answer is lost",
                failing(bad_server::mute_port(server.port(), &["insert into", "update "])),
                within,
            )
            .keeping(server)
    }
}
