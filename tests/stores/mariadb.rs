//! `mariadb`: `SqlStore` over a server of its own, a table a subject, and messages of 1 MiB at most.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix_typed_session::{
    Clock,
    store::{SessionStore, SqlStore},
    testing::conformance::Subject,
};
use actix_typed_session_tests::support::mariadb::MariaDbServer;
use async_trait::async_trait;

use super::{backend::Backend, bad_server};

/// What the server takes, less what the store keeps for all that goes around a record.
pub(crate) const MAX_BYTES: usize = (1 << 20) - 4096;

/// One server for all that test over it, started when it is needed.
pub(crate) type Server = Arc<OnceLock<Arc<MariaDbServer>>>;

pub(crate) struct MariaDb(pub(crate) Server);

/// The server, which runs.
pub(crate) fn started(server: &Server) -> Arc<MariaDbServer> {
    Arc::clone(server.get_or_init(|| Arc::new(MariaDbServer::start_set(&["--max-allowed-packet=1M"]))))
}

#[async_trait]
impl Backend for MariaDb {
    fn name(&self) -> &'static str {
        "mariadb"
    }

    fn missing(&self) -> Option<String> {
        MariaDbServer::missing().map(str::to_owned)
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
        Subject::new(store)
            .beside(at(server.port()).timeout(Duration::from_secs(10)))
            .clock(clock.clone())
            .max_bytes(MAX_BYTES)
            .failing("nothing listens", failing(bad_server::closed()), within)
            .failing("nothing is answered", failing(bad_server::silent()), within)
            .failing("the answer is HTTP", failing(bad_server::says(b"HTTP/1.1 400 Bad Request\r\n\r\n")), within)
            .failing("the connection ends", failing(bad_server::says(b"")), within)
            .failing("there is no table", failing(server.port()).table("nowhere").unwrap(), within)
            .unanswered(
                "the server takes a write and its answer is lost",
                failing(bad_server::mute_port(server.port(), &["insert into", "update `"])),
                within,
            )
            .keeping(server)
    }
}
