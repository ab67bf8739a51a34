//! `memcached`: two servers of its own that share the keys, servers that fail, and one that does not answer writes.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix_typed_session::{store::MemcachedStore, testing::conformance::Subject};
use actix_typed_session_tests::support::memcached::MemcachedServer;
use async_trait::async_trait;

use super::{backend::Backend, bad_server};

#[derive(Default)]
pub(crate) struct Memcached {
    servers: OnceLock<Arc<[MemcachedServer; 2]>>,
}

/// What fits into an item of 1 MiB.
const MAX_BYTES: usize = (1 << 20) - 512;

#[async_trait]
impl Backend for Memcached {
    fn name(&self) -> &'static str {
        "memcached"
    }

    fn missing(&self) -> Option<String> {
        MemcachedServer::missing().map(str::to_owned)
    }

    /// It may evict, so that nothing keeps count of a user's sessions.
    fn without(&self) -> &'static [&'static str] {
        &["race_user"]
    }

    async fn subject(&self) -> Subject {
        let start = || Arc::new([MemcachedServer::start(), MemcachedServer::start()]);
        let servers = self.servers.get_or_init(start);
        let [one, two] = servers.each_ref().map(MemcachedServer::address);
        let within = Duration::from_millis(400);
        let store = |servers: &str| MemcachedStore::new(servers).unwrap();
        let failing = |port: u16| store(&format!("127.0.0.1:{port}")).timeout(within);
        Subject::new(store(&format!("{one},{two}")))
            .beside(store(&format!("{two},{one}")))
            .expires_by_itself()
            .failing("nothing listens", failing(bad_server::closed()), within)
            .failing("nothing is answered", failing(bad_server::silent()), within)
            .failing("the answer is HTTP", failing(bad_server::says(b"HTTP/1.1 400 Bad Request\r\n\r\n")), within)
            .failing("the answer is an error", failing(bad_server::says(b"SERVER_ERROR out of memory\r\n")), within)
            .failing("the connection ends", failing(bad_server::says(b"")), within)
            .unanswered(
                "the server takes a write and its answer is lost",
                failing(bad_server::mute(&one, &["ms "])),
                within,
            )
            .max_bytes(MAX_BYTES)
            .keeping(Arc::clone(servers))
    }
}
