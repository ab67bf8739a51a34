//! `MemcachedStore` against a real server: what is particular to memcached. The rules of every store are in `stores.rs`.

use actix_typed_session::store::MemcachedStore;
use actix_typed_session_tests::support::{memcached::MemcachedServer, trial::on_worker};
use libtest_mimic::Trial;

use super::{MINUTE, assert_works, idle, record};

mod app;
mod connecting;
mod failing;
mod records;
mod several;

pub(crate) fn trials(trials: &mut Vec<Trial>) {
    app::trials(trials);
    connecting::trials(trials);
    failing::trials(trials);
    records::trials(trials);
    several::trials(trials);
}

/// A test that needs a server: ignored where there is none, unless `SESSION_TEST_REQUIRE` asks for it.
fn trial<F: Future<Output = ()> + 'static>(name: &str, test: fn() -> F) -> Trial {
    on_worker("memcached", name, || MemcachedServer::missing().map(str::to_owned), test)
}

fn store(servers: impl AsRef<str>) -> MemcachedStore {
    MemcachedStore::new(servers.as_ref()).unwrap()
}
