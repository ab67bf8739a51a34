//! `firestore` and `datastore`: a collection, or a kind, a subject, in Google's emulator in either mode.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix_typed_session::{
    Clock,
    store::{DatastoreStore, FirestoreStore},
    testing::conformance::Subject,
};
use actix_typed_session_tests::support::gcloud::{GcloudServer, Mode};
use async_trait::async_trait;

use super::{backend::Backend, bad_server};

pub(crate) struct Gcloud {
    mode: Mode,
    server: OnceLock<Arc<GcloudServer>>,
}

impl Gcloud {
    pub(crate) fn new(mode: Mode) -> Self {
        Self { mode, server: OnceLock::new() }
    }
}

/// What fits into a document of 1 MiB.
const MAX_BYTES: usize = (1 << 20) - 4096;

#[async_trait]
impl Backend for Gcloud {
    fn name(&self) -> &'static str {
        match self.mode {
            Mode::Native => "firestore",
            Mode::Datastore => "datastore",
        }
    }

    fn missing(&self) -> Option<String> {
        GcloudServer::missing().map(str::to_owned)
    }

    fn race_rounds(&self) -> usize {
        1
    }

    async fn subject(&self) -> Subject {
        let server = self.server.get_or_init(|| Arc::new(GcloudServer::start(self.mode)));
        let url = |collection: &str, port| GcloudServer::url(self.mode, collection, port);
        // the stores differ in type, and in nothing that is said here
        macro_rules! subject {
            ($store:ident, $other:ident) => {{
                let (clock, collection, within) = (Clock::manual(), server.collection(), Duration::from_millis(400));
                let at = |port| $store::new(&url(&collection, port)).unwrap().clock(clock.clone());
                let store = || at(server.port()).timeout(Duration::from_secs(10));
                let failing = |port: u16| at(port).timeout(within);
                let other = url("other", server.port());
                let other = other.replace("firestore://", "x://").replace("datastore://", "firestore://");
                let other =
                    $other::new(&other.replace("x://", "datastore://")).unwrap().timeout(Duration::from_secs(5));
                Subject::new(store())
                    .beside(store())
                    .clock(clock.clone())
                    .failing("nothing listens", failing(bad_server::closed()), within)
                    .failing("nothing is answered", failing(bad_server::silent()), within)
                    .failing("the answer is Redis's", failing(bad_server::says(b"-ERR unknown command\r\n")), within)
                    .failing(
                        "the answer is HTTP",
                        failing(bad_server::says(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
                        within,
                    )
                    .failing("the connection ends", failing(bad_server::says(b"")), within)
                    .failing("the database is of the other mode", other, Duration::from_secs(5))
                    .unanswered(
                        "the server takes a write and its answer is lost",
                        // what only a write has in it: the others name no field
                        failing(bad_server::mute_port(server.port(), &["expiration"])).timeout(Duration::from_secs(2)),
                        Duration::from_secs(2),
                    )
                    .max_bytes(MAX_BYTES)
                    .keeping(Arc::clone(server))
            }};
        }
        match self.mode {
            Mode::Native => subject!(FirestoreStore, DatastoreStore),
            Mode::Datastore => subject!(DatastoreStore, FirestoreStore),
        }
    }
}
