//! `SqlStore` and `OrmStore` against real databases: what is particular to SQL. The rules of every store are in
//! `stores.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test panics")]

use std::{future::Future, process::ExitCode, time::Duration};

use actix_typed_session::store::{Record, SessionStore, Updated};
use libtest_mimic::{Arguments, Trial};

use self::database::{Database, Kind};

/// One file a subject, and the databases.
mod sql {
    pub(crate) mod app;
    pub(crate) mod connecting;
    pub(crate) mod database;
    pub(crate) mod failing;
    pub(crate) mod orm;
    pub(crate) mod records;
    pub(crate) mod tables;
}
use self::sql::{app, connecting, database, failing, orm, records, tables};

fn main() -> ExitCode {
    let mut trials = Vec::new();
    app::trials(&mut trials);
    connecting::trials(&mut trials);
    failing::trials(&mut trials);
    orm::trials(&mut trials);
    records::trials(&mut trials);
    tables::trials(&mut trials);
    let code = libtest_mimic::run(&Arguments::from_args(), trials).exit_code();
    database::stop_shared();
    code
}

/// Adds tests, each a function that runs on a runtime of its own like that of a worker, once for each database named.
macro_rules! trials {
    ($($name:ident: $($kind:ident)+),* $(,)?) => {
        pub(crate) fn trials(trials: &mut Vec<libtest_mimic::Trial>) {
            $($(trials.push($crate::trial(
                stringify!($name),
                $crate::database::Kind::$kind,
                |kind| Box::pin(async move { $name($crate::database::shared(kind)).await }),
            ));)+)*
        }
    };
}
use trials;

/// A test that needs a database: ignored where there is none, unless `SESSION_TEST_REQUIRE` asks for it.
fn trial(name: &str, kind: Kind, test: fn(Kind) -> std::pin::Pin<Box<dyn Future<Output = ()>>>) -> Trial {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // what hangs ends; to build the examples first may take minutes
        let limit = Duration::from_secs(600);
        let ended = runtime.block_on(async { tokio::time::timeout(limit, test(kind)).await });
        assert!(ended.is_ok(), "not done after {limit:?}");
    };
    let store = kind.name();
    Trial::ignorable_test(format!("{store}::{name}"), move || {
        actix_typed_session_tests::support::trial::conclude(store, kind.missing(), run)
    })
}

const MINUTE: Duration = Duration::from_secs(60);

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

/// A database of this kind with a table that nobody else uses, made.
async fn fresh(kind: &Database) -> (actix_typed_session::store::SqlStore, String) {
    let table = kind.table();
    let store = kind.store().table(&table).unwrap();
    store.migrate().await.unwrap();
    (store, table)
}
