//! `mongodb`: a FerretDB of its own, a collection a subject.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix_typed_session::{
    Clock,
    store::{MongodbStore, SessionStore},
    testing::conformance::Subject,
};
use actix_typed_session_tests::support::ferretdb::FerretDb;
use async_trait::async_trait;

use super::{backend::Backend, bad_server};

#[derive(Default)]
pub(crate) struct Mongodb {
    server: OnceLock<Arc<FerretDb>>,
}

#[async_trait]
impl Backend for Mongodb {
    fn name(&self) -> &'static str {
        "mongodb"
    }

    fn missing(&self) -> Option<String> {
        FerretDb::missing().map(str::to_owned)
    }

    fn race_rounds(&self) -> usize {
        2
    }

    async fn subject(&self) -> Subject {
        let server = self.server.get_or_init(|| Arc::new(FerretDb::start()));
        let (clock, collection, within) = (Clock::manual(), server.collection(), Duration::from_millis(400));
        let at = |port: u16| {
            let store = MongodbStore::new(&server.url_at(port)).unwrap();
            store.collection(&collection).unwrap().clock(clock.clone())
        };
        // the driver waits for a server that fails for as long as it may
        let soon = Duration::from_millis(120);
        let failing = |port: u16| at(port).timeout(soon);
        let store = at(server.port()).timeout(Duration::from_secs(20));
        store.migrate().await.unwrap();
        Subject::new(store)
            .beside(at(server.port()).timeout(Duration::from_secs(20)))
            .clock(clock.clone())
            .failing("nothing listens", failing(bad_server::closed()), soon)
            .failing("nothing is answered", failing(bad_server::silent()), soon)
            .failing("the answer is HTTP", failing(bad_server::says(b"HTTP/1.1 400 Bad Request\r\n\r\n")), soon)
            .failing("the answer is Redis's", failing(bad_server::says(b"-ERR unknown command\r\n")), soon)
            .failing("the connection ends", failing(bad_server::says(b"")), soon)
            .failing("there is no collection", failing(server.port()).collection("nowhere").unwrap(), soon)
            .unanswered(
                "the server takes a write and its answer is lost",
                at(bad_server::mute_port(server.port(), &["update\0"])).timeout(within),
                within,
            )
            .keeping(Arc::clone(server))
    }
}
