//! `SqlStore` and `OrmStore` against real databases: what is particular to SQL. The rules of every store are in
//! `stores.rs`.

use std::pin::Pin;

use actix_typed_session::store::{SessionStore, SqlStore};
use actix_typed_session_tests::support::trial::on_worker;
use libtest_mimic::Trial;

pub(crate) use self::database::stop_shared;
use self::database::{Database, Kind};
use super::{MINUTE, assert_works, record};

/// Adds tests, each a function that runs on a runtime of its own like that of a worker, once for each database named.
macro_rules! trials {
    ($($name:ident: $($kind:ident)+),* $(,)?) => {
        pub(crate) fn trials(trials: &mut Vec<libtest_mimic::Trial>) {
            $($(trials.push(super::trial(
                stringify!($name),
                super::database::Kind::$kind,
                |kind| Box::pin(async move { $name(super::database::shared(kind)).await }),
            ));)+)*
        }
    };
}

mod app;
mod connecting;
mod database;
mod failing;
mod orm;
mod records;
mod tables;

pub(crate) fn trials(trials: &mut Vec<Trial>) {
    app::trials(trials);
    connecting::trials(trials);
    failing::trials(trials);
    orm::trials(trials);
    records::trials(trials);
    tables::trials(trials);
}

/// A test that needs a database: ignored where there is none, unless `SESSION_TEST_REQUIRE` asks for it.
fn trial(name: &str, kind: Kind, test: fn(Kind) -> Pin<Box<dyn Future<Output = ()>>>) -> Trial {
    on_worker(kind.name(), name, move || kind.missing(), move || test(kind))
}

/// A database of this kind with a table that nobody else uses, made.
async fn fresh(kind: &Database) -> (SqlStore, String) {
    let table = kind.table();
    let store = kind.store().table(&table).unwrap();
    store.migrate().await.unwrap();
    (store, table)
}
