//! `FirestoreStore` and `DatastoreStore` against Google's emulator: what is particular to them. The rules of every store are
//! in `stores.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test panics")]

use std::{
    future::Future,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use actix_typed_session::store::{DatastoreStore, FirestoreStore, Record, SessionStore, Updated};
use actix_typed_session_tests::support::{
    gcloud::{GcloudServer, Mode},
    trial::conclude,
};
use libtest_mimic::{Arguments, Trial};

#[path = "gcloud/connecting.rs"]
mod connecting;
#[path = "gcloud/counting.rs"]
mod counting;
#[path = "gcloud/failing.rs"]
mod failing;
#[path = "gcloud/records.rs"]
mod records;

fn main() {
    let mut trials = Vec::new();
    connecting::trials(&mut trials);
    failing::trials(&mut trials);
    records::trials(&mut trials);
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    // a static is never dropped, and servers end with the last hold on them
    SHARED.lock().unwrap().clear();
    conclusion.exit();
}

/// Adds tests, each a function that runs for both modes on a runtime of its own like that of a worker.
macro_rules! trials {
    ($($name:ident),* $(,)?) => {
        pub(crate) fn trials(trials: &mut Vec<libtest_mimic::Trial>) {
            $(for mode in [Mode::Native, Mode::Datastore] {
                trials.push($crate::trial(stringify!($name), mode, $name));
            })*
        }
    };
}
use trials;

/// A test that needs an emulator: ignored where there is none, unless `SESSION_TEST_REQUIRE` asks for it.
fn trial<F: Future<Output = ()> + 'static>(name: &str, mode: Mode, test: fn(Mode) -> F) -> Trial {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let limit = Duration::from_secs(60);
        let ended = runtime.block_on(async { tokio::time::timeout(limit, test(mode)).await });
        assert!(ended.is_ok(), "not done after {limit:?}");
    };
    let store = store_name(mode);
    Trial::ignorable_test(format!("{store}::{name}"), move || {
        conclude(store, GcloudServer::missing().map(str::to_owned), run)
    })
}

const MINUTE: Duration = Duration::from_secs(60);
/// Longer than a busy machine makes a call take.
const PATIENT: Duration = Duration::from_secs(20);

type Servers = Vec<(Mode, Arc<GcloudServer>)>;

static SHARED: LazyLock<Mutex<Servers>> = LazyLock::new(Mutex::default);

/// One emulator a mode for all tests that don't break it.
fn server(mode: Mode) -> Arc<GcloudServer> {
    let mut shared = SHARED.lock().unwrap();
    if let Some((_, server)) = shared.iter().find(|(of, _)| *of == mode) {
        return Arc::clone(server);
    }
    let server = Arc::new(GcloudServer::start(mode));
    shared.push((mode, Arc::clone(&server)));
    server
}

fn store_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Native => "firestore",
        Mode::Datastore => "datastore",
    }
}

/// A store over a collection at this port.
fn at(mode: Mode, collection: &str, port: u16, timeout: Duration) -> Arc<dyn SessionStore> {
    let url = GcloudServer::url(mode, collection, port);
    match mode {
        Mode::Native => Arc::new(FirestoreStore::new(&url).unwrap().timeout(timeout)),
        Mode::Datastore => Arc::new(DatastoreStore::new(&url).unwrap().timeout(timeout)),
    }
}

/// A store over a new collection.
fn store(mode: Mode) -> (Arc<dyn SessionStore>, String) {
    let server = server(mode);
    let collection = server.collection();
    (at(mode, &collection, server.port(), PATIENT), collection)
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
