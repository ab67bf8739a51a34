//! `dynamodb` and `dynamodb_moto`: a table a subject, in Amazon's server for tests and in the other one.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix_typed_session::{
    Clock,
    store::{DynamodbStore, SessionStore},
    testing::conformance::Subject,
};
use actix_typed_session_tests::support::dynamodb::{DynamodbServer, Kind};
use async_trait::async_trait;

use super::{backend::Backend, bad_server};

pub(crate) struct Dynamodb {
    kind: Kind,
    server: OnceLock<Arc<DynamodbServer>>,
}

impl Dynamodb {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, server: OnceLock::new() }
    }
}

/// What fits into an item of 400 KiB.
const MAX_BYTES: usize = 398 * 1024;

#[async_trait]
impl Backend for Dynamodb {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Local => "dynamodb",
            Kind::Moto => "dynamodb_moto",
        }
    }

    fn missing(&self) -> Option<String> {
        DynamodbServer::missing(self.kind).map(str::to_owned)
    }

    fn race_rounds(&self) -> usize {
        2
    }

    /// moto counts bytes as their base64, so that less fits than it says; and what races or plays long over the store does
    /// so over the other one, which is faster.
    fn without(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Local => &[],
            Kind::Moto => &["s08", "race", "model"],
        }
    }

    async fn subject(&self) -> Subject {
        let server = self.server.get_or_init(|| Arc::new(DynamodbServer::start(self.kind)));
        let (clock, table, within) = (Clock::manual(), server.table(), Duration::from_millis(400));
        let at = |port| DynamodbStore::new(&DynamodbServer::url(&table, port)).unwrap().clock(clock.clone());
        let store = || at(server.port()).timeout(Duration::from_secs(10));
        let failing = |port: u16| at(port).timeout(within);
        store().migrate().await.unwrap();
        Subject::new(store())
            .beside(
                DynamodbStore::from_client(&server.client())
                    .table(&table)
                    .unwrap()
                    .clock(clock.clone())
                    .timeout(Duration::from_secs(10)),
            )
            .clock(clock.clone())
            // or so it would in the service: the TTL is on
            .expires_by_itself()
            .failing("nothing listens", failing(bad_server::closed()), within)
            .failing("nothing is answered", failing(bad_server::silent()), within)
            .failing("the answer is Redis's", failing(bad_server::says(b"-ERR unknown command\r\n")), within)
            .failing("the answer is another HTTP server's", failing(bad_server::says(OTHER)), within)
            .failing("the answer is another server's JSON", failing(bad_server::says(JSON)), within)
            .failing("the connection ends", failing(bad_server::says(b"")), within)
            .failing("there is no table", failing(server.port()).table("nowhere").unwrap(), within)
            .unanswered(
                "the server takes a write and its answer is lost",
                failing(bad_server::mute_port(server.port(), &["putitem", "updateitem"])),
                within,
            )
            .max_bytes(MAX_BYTES)
            .keeping(Arc::clone(server))
    }
}

const OTHER: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\nnot found";
const JSON: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
