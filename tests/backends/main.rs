//! What is particular to each store, on its real server and on servers that say what a test wants. The rules of every
//! store are in `stores.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test panics")]

use std::time::Duration;

use actix_typed_session::store::{Record, SessionStore, Updated};
use libtest_mimic::{Arguments, Trial};

/// Adds tests, each a function that runs on a runtime of its own like that of a worker.
macro_rules! trials {
    ($($name:ident),* $(,)?) => {
        pub(crate) fn trials(trials: &mut Vec<libtest_mimic::Trial>) {
            $(trials.push(super::trial(stringify!($name), $name));)*
        }
    };
}

mod calls;
mod dynamodb;
mod elasticsearch;
mod gcloud;
mod memcached;
mod mongodb;
mod redis;
mod s3;
mod sql;
mod visits;

fn main() {
    redis::child();
    let mut trials: Vec<Trial> = Vec::new();
    dynamodb::trials(&mut trials);
    elasticsearch::trials(&mut trials);
    gcloud::trials(&mut trials);
    memcached::trials(&mut trials);
    mongodb::trials(&mut trials);
    redis::trials(&mut trials);
    s3::trials(&mut trials);
    sql::trials(&mut trials);
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    // a static is never dropped, and servers end with the last hold on them
    dynamodb::stop_shared();
    elasticsearch::stop_shared();
    gcloud::stop_shared();
    sql::stop_shared();
    conclusion.exit();
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

/// Lets the runtime wait, as between two visitors: it is told then which connections were closed.
async fn idle() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}
