//! `MongodbStore` against a FerretDB, and against a server that says what a test wants: what is particular to MongoDB. The
//! rules of every store are in `stores.rs`.

use std::{
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use actix_typed_session::store::{MongodbStore, SessionStore};
use actix_typed_session_tests::support::{ferretdb::FerretDb, trial::on_worker};
use libtest_mimic::Trial;

use super::{MINUTE, assert_works, record};

mod app;
mod collections;
mod connecting;
mod failing;
mod puppet;
mod records;
mod replicas;

pub(crate) fn trials(trials: &mut Vec<Trial>) {
    app::trials(trials);
    collections::trials(trials);
    connecting::trials(trials);
    failing::trials(trials);
    records::trials(trials);
    replicas::trials(trials);
}

/// A test that needs a server: ignored where there is none, unless `SESSION_TEST_REQUIRE` asks for it.
fn trial<F: Future<Output = ()> + 'static>(name: &str, test: fn() -> F) -> Trial {
    on_worker("mongodb", name, || FerretDb::missing().map(str::to_owned), test)
}

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
