//! `FirestoreStore` and `DatastoreStore` against Google's emulator: what is particular to them. The rules of every store are
//! in `stores.rs`.

use std::{
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use actix_typed_session::store::{DatastoreStore, FirestoreStore, SessionStore};
use actix_typed_session_tests::support::{
    gcloud::{GcloudServer, Mode},
    trial::on_worker,
};
use libtest_mimic::Trial;

/// Adds tests, each a function that runs for both modes on a runtime of its own like that of a worker.
macro_rules! trials {
    ($($name:ident),* $(,)?) => {
        pub(crate) fn trials(trials: &mut Vec<libtest_mimic::Trial>) {
            $(for mode in [Mode::Native, Mode::Datastore] {
                trials.push(super::trial(stringify!($name), mode, $name));
            })*
        }
    };
}

use super::{MINUTE, assert_works, record};

mod connecting;
mod counting;
mod failing;
mod records;

pub(crate) fn trials(trials: &mut Vec<Trial>) {
    connecting::trials(trials);
    failing::trials(trials);
    records::trials(trials);
}

/// A test that needs an emulator: ignored where there is none, unless `SESSION_TEST_REQUIRE` asks for it.
fn trial<F: Future<Output = ()> + 'static>(name: &str, mode: Mode, test: fn(Mode) -> F) -> Trial {
    on_worker(store_name(mode), name, || GcloudServer::missing().map(str::to_owned), move || test(mode))
}

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

pub(crate) fn stop_shared() {
    SHARED.lock().unwrap().clear();
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
