//! `redis`: a server of its own, servers that fail, and one that does not answer writes.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix_typed_session::{store::RedisStore, testing::conformance::Subject};
use actix_typed_session_tests::support::redis::RedisServer;
use async_trait::async_trait;

use super::{backend::Backend, bad_server};

#[derive(Default)]
pub(crate) struct Redis {
    server: OnceLock<Arc<RedisServer>>,
    /// How many bytes are kept of what is read.
    client_cache: usize,
}

impl Redis {
    /// The same, keeping what it reads.
    pub(crate) fn cached() -> Self {
        Self { client_cache: 1 << 20, ..Self::default() }
    }
}

#[async_trait]
impl Backend for Redis {
    fn name(&self) -> &'static str {
        if self.client_cache > 0 { "redis_cached" } else { "redis" }
    }

    fn missing(&self) -> Option<String> {
        RedisServer::missing().map(str::to_owned)
    }

    async fn subject(&self) -> Subject {
        let server = self.server.get_or_init(|| Arc::new(RedisServer::start()));
        let within = Duration::from_millis(400);
        let store = |url: &str| RedisStore::new(url).unwrap().client_cache(self.client_cache).unwrap();
        let failing = |port: u16| store(&format!("redis://127.0.0.1:{port}")).timeout(within);
        Subject::new(store(&server.url()))
            .beside(store(&server.url()))
            .expires_by_itself()
            .failing("nothing listens", failing(bad_server::closed()), within)
            .failing("nothing is answered", failing(bad_server::silent()), within)
            .failing("the answer is HTTP", failing(bad_server::says(b"HTTP/1.1 400 Bad Request\r\n\r\n")), within)
            .failing("the answer is an error", failing(bad_server::says(b"-LOADING not yet\r\n")), within)
            .failing("the connection ends", failing(bad_server::says(b"")), within)
            .unanswered(
                "the server takes a write and its answer is lost",
                failing(bad_server::mute(&server.url(), &["eval", "set\r\n"])),
                within,
            )
            .keeping(Arc::clone(server))
    }
}
