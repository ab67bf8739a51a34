//! `MemcachedStore` against a real server: what is particular to memcached. The rules of every store are in `stores.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test panics")]

use std::{future::Future, time::Duration};

use actix_typed_session::store::{MemcachedStore, Record, SessionStore, Updated};
use actix_typed_session_tests::support::{memcached::MemcachedServer, trial::conclude};
use libtest_mimic::{Arguments, Trial};

#[path = "memcached/app.rs"]
mod app;
#[path = "memcached/connecting.rs"]
mod connecting;
#[path = "memcached/failing.rs"]
mod failing;
#[path = "memcached/records.rs"]
mod records;
#[path = "memcached/several.rs"]
mod several;

fn main() {
    let mut trials = Vec::new();
    app::trials(&mut trials);
    connecting::trials(&mut trials);
    failing::trials(&mut trials);
    records::trials(&mut trials);
    several::trials(&mut trials);
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// Adds tests, each a function that runs on a runtime of its own like that of a worker.
macro_rules! trials {
    ($($name:ident),* $(,)?) => {
        pub(crate) fn trials(trials: &mut Vec<libtest_mimic::Trial>) {
            $(trials.push($crate::trial(stringify!($name), $name));)*
        }
    };
}
use trials;

/// A test that needs a server: ignored where there is none, unless `SESSION_TEST_REQUIRE` asks for it.
fn trial<F: Future<Output = ()> + 'static>(name: &str, test: fn() -> F) -> Trial {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let limit = Duration::from_secs(60);
        let ended = runtime.block_on(async { tokio::time::timeout(limit, test()).await });
        assert!(ended.is_ok(), "not done after {limit:?}");
    };
    Trial::ignorable_test(format!("memcached::{name}"), move || {
        conclude("memcached", MemcachedServer::missing().map(str::to_owned), run)
    })
}

const MINUTE: Duration = Duration::from_secs(60);

fn store(servers: impl AsRef<str>) -> MemcachedStore {
    MemcachedStore::new(servers.as_ref()).unwrap()
}

fn record(text: &'static str) -> Record {
    Record::new(text, MINUTE)
}

/// Creates, loads, replaces and removes a record.
async fn assert_works(store: &dyn SessionStore) {
    let first = record("first");
    let key = format!("session:{:?}", first.version);
    let _ = store.create(&key, &first).await.unwrap();
    assert_eq!(store.load(&key).await.unwrap().unwrap().bytes, "first");
    assert_eq!(store.update(&key, &record("second"), &first.version).await.unwrap(), Updated::Done);
    assert!(store.touch(&key, 2 * MINUTE).await.unwrap());
    store.delete(&key).await.unwrap();
    assert_eq!(store.load(&key).await.unwrap(), None);
    store.ping().await.unwrap();
}

/// Lets the runtime wait, as between two visitors: it is told then which connections were closed.
async fn idle() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}
