//! `DynamodbStore` against real servers and a pretended one: what is particular to DynamoDB. The rules of every store are in
//! `stores.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test panics")]

use std::{
    future::Future,
    sync::{Arc, LazyLock},
    time::Duration,
};

use actix_typed_session::store::{DynamodbStore, Record, SessionStore, Updated};
use actix_typed_session_tests::support::{
    dynamodb::{DynamodbServer, Kind},
    trial::conclude,
};
use libtest_mimic::{Arguments, Trial};

#[path = "dynamodb/connecting.rs"]
mod connecting;
#[path = "dynamodb/failing.rs"]
mod failing;
#[path = "dynamodb/pretended.rs"]
mod pretended;
#[path = "dynamodb/records.rs"]
mod records;
#[path = "dynamodb/tables.rs"]
mod tables;

fn main() {
    let mut trials = Vec::new();
    connecting::trials(&mut trials);
    failing::trials(&mut trials);
    records::trials(&mut trials);
    tables::trials(&mut trials);
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    // the server ends with the last hold on it, and that of a static never ends
    stop_shared();
    conclusion.exit();
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
    Trial::ignorable_test(format!("dynamodb::{name}"), move || {
        conclude("dynamodb", DynamodbServer::missing(Kind::Local).map(str::to_owned), run)
    })
}

const MINUTE: Duration = Duration::from_secs(60);
/// Longer than a busy machine makes a call take.
const PATIENT: Duration = Duration::from_secs(20);

static SHARED: LazyLock<std::sync::Mutex<Option<Arc<DynamodbServer>>>> = LazyLock::new(Default::default);

/// One server for all tests that don't break it.
fn server() -> Arc<DynamodbServer> {
    Arc::clone(SHARED.lock().unwrap().get_or_insert_with(|| Arc::new(DynamodbServer::start(Kind::Local))))
}

fn stop_shared() {
    SHARED.lock().unwrap().take();
}

/// A store over a table at this port.
fn at(table: &str, port: u16) -> DynamodbStore {
    DynamodbStore::new(&DynamodbServer::url(table, port)).unwrap().timeout(PATIENT)
}

/// A store over a new table of the server.
async fn store(server: &DynamodbServer) -> (DynamodbStore, String) {
    let table = server.table();
    let store = at(&table, server.port());
    store.migrate().await.unwrap();
    (store, table)
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
