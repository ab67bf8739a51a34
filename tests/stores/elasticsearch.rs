//! `elasticsearch` and `opensearch`: a node of each of its own, an index a subject.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix_typed_session::{
    Clock,
    store::{ElasticsearchStore, SessionStore},
    testing::conformance::Subject,
};
use actix_typed_session_tests::support::search::{Search, SearchServer};
use async_trait::async_trait;

use super::{backend::Backend, bad_server};

pub(crate) struct Searching {
    search: Search,
    server: OnceLock<Arc<SearchServer>>,
}

impl Searching {
    pub(crate) fn new(search: Search) -> Self {
        Self { search, server: OnceLock::new() }
    }
}

#[async_trait]
impl Backend for Searching {
    fn name(&self) -> &'static str {
        self.search.name()
    }

    fn missing(&self) -> Option<String> {
        self.search.missing().map(str::to_owned)
    }

    fn race_rounds(&self) -> usize {
        2
    }

    async fn subject(&self) -> Subject {
        let server = self.server.get_or_init(|| Arc::new(SearchServer::start(self.search)));
        let (clock, index, within) = (Clock::manual(), server.index(), Duration::from_millis(400));
        let at = |port: u16| {
            let store = ElasticsearchStore::new(&server.url_at(port)).unwrap();
            store.index(&index).unwrap().clock(clock.clone())
        };
        let failing = |port: u16| at(port).timeout(within);
        let store = at(server.port()).timeout(Duration::from_secs(20));
        store.migrate().await.unwrap();
        Subject::new(store)
            .beside(at(server.port()).timeout(Duration::from_secs(20)))
            .clock(clock.clone())
            .failing("nothing listens", failing(bad_server::closed()), within)
            .failing("nothing is answered", failing(bad_server::silent()), within)
            .failing("the answer is a page", failing(bad_server::says(PAGE)), within)
            .failing("the answer is Redis's", failing(bad_server::says(b"-ERR unknown command\r\n")), within)
            .failing("the connection ends", failing(bad_server::says(b"")), within)
            .failing("there is no index", failing(server.port()).index("nowhere").unwrap(), within)
            .unanswered(
                "the server takes a write and its answer is lost",
                at(bad_server::mute_port(server.port(), &["put /"])).timeout(Duration::from_millis(800)),
                Duration::from_millis(800),
            )
            .keeping(Arc::clone(server))
    }
}

const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n<html></html>";
