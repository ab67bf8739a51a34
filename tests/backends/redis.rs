//! `RedisStore` against a real server: what is particular to Redis. The rules of every store are in `stores.rs`.

use std::{future::Future, time::Duration};

use actix_typed_session::store::RedisStore;
use actix_typed_session_tests::support::{
    redis::{RedisServer, raw},
    trial::on_worker,
};
use libtest_mimic::Trial;

mod app;
mod caching;
mod connecting;
mod failing;
mod records;
mod tls;

pub(crate) use self::tls::child;
use super::{MINUTE, assert_works, idle, record};

pub(crate) fn trials(trials: &mut Vec<Trial>) {
    app::trials(trials);
    caching::trials(trials);
    connecting::trials(trials);
    failing::trials(trials);
    records::trials(trials);
    tls::trials(trials);
}

/// A test that needs a server: ignored where there is none, unless `SESSION_TEST_REQUIRE` asks for it.
fn trial<F: Future<Output = ()> + 'static>(name: &str, test: fn() -> F) -> Trial {
    on_worker("redis", name, || RedisServer::missing().map(str::to_owned), test)
}

fn store(url: impl AsRef<str>) -> RedisStore {
    RedisStore::new(url.as_ref()).unwrap()
}

/// Lets time pass for this thread alone.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// How often each command ran since `CONFIG RESETSTAT`, but for those that ask or set up a connection.
async fn calls(server: &RedisServer) -> Vec<(String, u64)> {
    let info: String = raw(server, "INFO commandstats").await;
    let mut calls: Vec<_> = info
        .lines()
        .filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="))
        .filter(|(name, _)| !["client", "config", "info"].iter().any(|setup| name.starts_with(setup)))
        .map(|(name, rest)| (name.to_owned(), rest.split(',').next().unwrap().parse().unwrap()))
        .collect();
    calls.sort();
    calls
}

async fn reset_calls(server: &RedisServer) {
    let () = raw(server, "CONFIG RESETSTAT").await;
}
