//! `ElasticsearchStore` against an Elasticsearch and an OpenSearch, and against a server that says what a test wants. The
//! rules of every store are in `stores.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test panics")]

use std::{future::Future, sync::Arc, time::Duration};

use actix_typed_session::store::{ElasticsearchStore, Record, SessionStore, Updated};
use actix_typed_session_tests::support::{
    search::{self, Search, SearchServer},
    trial::conclude,
};
use libtest_mimic::{Arguments, Trial};

#[path = "elasticsearch/app.rs"]
mod app;
#[path = "elasticsearch/connecting.rs"]
mod connecting;
#[path = "elasticsearch/failing.rs"]
mod failing;
#[path = "elasticsearch/indexes.rs"]
mod indexes;
#[path = "elasticsearch/puppet.rs"]
mod puppet;

fn main() {
    let mut trials = Vec::new();
    app::trials(&mut trials);
    connecting::trials(&mut trials);
    failing::trials(&mut trials);
    indexes::trials(&mut trials);
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    search::end();
    conclusion.exit();
}

/// Adds tests of what the two servers may do in two ways, each for both of them.
macro_rules! on_both {
    ($trials:ident: $($name:ident),* $(,)?) => {
        $(for search in [Search::Elasticsearch, Search::OpenSearch] {
            $trials.push($crate::trial(search, stringify!($name), move || $name(search.shared())));
        })*
    };
}
use on_both;

/// Adds tests that need a server, whichever: the one that starts sooner.
macro_rules! on_one {
    ($trials:ident: $($name:ident),* $(,)?) => {
        $($trials.push($crate::trial(Search::Elasticsearch, stringify!($name), || {
            $name(Search::Elasticsearch.shared())
        }));)*
    };
}
use on_one;

/// Adds tests that need none.
macro_rules! alone {
    ($trials:ident: $($name:ident),* $(,)?) => {
        $($trials.push($crate::trial(Search::Elasticsearch, stringify!($name), $name));)*
    };
}
use alone;

/// A test on a runtime of its own like that of a worker.
fn trial<F: Future<Output = ()> + 'static>(
    search: Search,
    name: &str,
    test: impl FnOnce() -> F + Send + 'static,
) -> Trial {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let test = test();
        let limit = Duration::from_secs(90);
        let ended = runtime.block_on(async { tokio::time::timeout(limit, test).await });
        assert!(ended.is_ok(), "not done after {limit:?}");
    };
    Trial::ignorable_test(format!("{}::{name}", search.name()), move || {
        conclude(search.name(), search.missing().map(str::to_owned), run)
    })
}

const MINUTE: Duration = Duration::from_secs(60);

fn store(nodes: impl AsRef<str>) -> ElasticsearchStore {
    ElasticsearchStore::new(nodes.as_ref()).unwrap()
}

/// A store over an index of its own.
async fn fresh(server: &SearchServer) -> (ElasticsearchStore, String) {
    let index = server.index();
    let store = store(server.url()).index(&index).unwrap().timeout(Duration::from_secs(20));
    store.migrate().await.unwrap();
    (store, index)
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

type Server = Arc<SearchServer>;
