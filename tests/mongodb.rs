//! `MongodbStore` against a FerretDB, and against a server that says what a test wants: what is particular to MongoDB. The
//! rules of every store are in `stores.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test panics")]

use std::{
    future::Future,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use actix_typed_session::store::{MongodbStore, Record, SessionStore, Updated};
use actix_typed_session_tests::support::{ferretdb::FerretDb, trial::conclude};
use libtest_mimic::{Arguments, Trial};

#[path = "mongodb/app.rs"]
mod app;
#[path = "mongodb/collections.rs"]
mod collections;
#[path = "mongodb/connecting.rs"]
mod connecting;
#[path = "mongodb/failing.rs"]
mod failing;
#[path = "mongodb/puppet.rs"]
mod puppet;
#[path = "mongodb/records.rs"]
mod records;
#[path = "mongodb/replicas.rs"]
mod replicas;

fn main() {
    let mut trials = Vec::new();
    app::trials(&mut trials);
    collections::trials(&mut trials);
    connecting::trials(&mut trials);
    failing::trials(&mut trials);
    records::trials(&mut trials);
    replicas::trials(&mut trials);
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
    Trial::ignorable_test(format!("mongodb::{name}"), move || {
        conclude("mongodb", FerretDb::missing().map(str::to_owned), run)
    })
}

const MINUTE: Duration = Duration::from_secs(60);

/// The server that all tests share which do not break it.
fn shared() -> Arc<FerretDb> {
    static SHARED: Mutex<Weak<FerretDb>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap();
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(FerretDb::start());
        *shared = Arc::downgrade(&server);
        server
    })
}

fn store(url: impl AsRef<str>) -> MongodbStore {
    MongodbStore::new(url.as_ref()).unwrap()
}

/// A store over a collection of its own.
async fn fresh(server: &FerretDb) -> (MongodbStore, String) {
    let collection = server.collection();
    let store = store(server.url()).collection(&collection).unwrap().timeout(Duration::from_secs(20));
    store.migrate().await.unwrap();
    (store, collection)
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
