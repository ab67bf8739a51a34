//! `DynamodbStore` against real servers and a pretended one: what is particular to DynamoDB. The rules of every store are in
//! `stores.rs`.

use std::{
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use actix_typed_session::store::{DynamodbStore, SessionStore};
use actix_typed_session_tests::support::{
    dynamodb::{DynamodbServer, Kind},
    trial::on_worker,
};
use libtest_mimic::Trial;

use super::{MINUTE, assert_works, record};

mod connecting;
mod failing;
mod pretended;
mod records;
mod tables;

pub(crate) fn trials(trials: &mut Vec<Trial>) {
    connecting::trials(trials);
    failing::trials(trials);
    records::trials(trials);
    tables::trials(trials);
}

/// A test that needs a server: ignored where there is none, unless `SESSION_TEST_REQUIRE` asks for it.
fn trial<F: Future<Output = ()> + 'static>(name: &str, test: fn() -> F) -> Trial {
    on_worker("dynamodb", name, || DynamodbServer::missing(Kind::Local).map(str::to_owned), test)
}

/// Longer than a busy machine makes a call take.
const PATIENT: Duration = Duration::from_secs(20);

static SHARED: LazyLock<Mutex<Option<Arc<DynamodbServer>>>> = LazyLock::new(Default::default);

/// One server for all tests that don't break it.
fn server() -> Arc<DynamodbServer> {
    Arc::clone(SHARED.lock().unwrap().get_or_insert_with(|| Arc::new(DynamodbServer::start(Kind::Local))))
}

pub(crate) fn stop_shared() {
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
