//! `ElasticsearchStore` against an Elasticsearch and an OpenSearch, and against a server that says what a test wants. The
//! rules of every store are in `stores.rs`.

use std::{sync::Arc, time::Duration};

use actix_typed_session::store::{ElasticsearchStore, SessionStore};
use actix_typed_session_tests::support::{
    search::{Search, SearchServer},
    trial::on_worker,
};
use libtest_mimic::Trial;

/// Adds tests of what the two servers may do in two ways, each for both of them.
macro_rules! on_both {
    ($trials:ident: $($name:ident),* $(,)?) => {
        $(for search in [Search::Elasticsearch, Search::OpenSearch] {
            $trials.push(super::trial(search, stringify!($name), move || $name(search.shared())));
        })*
    };
}

/// Adds tests that need a server, whichever: the one that starts sooner.
macro_rules! on_one {
    ($trials:ident: $($name:ident),* $(,)?) => {
        $($trials.push(super::trial(Search::Elasticsearch, stringify!($name), || {
            $name(Search::Elasticsearch.shared())
        }));)*
    };
}

/// Adds tests that need none.
macro_rules! alone {
    ($trials:ident: $($name:ident),* $(,)?) => {
        $($trials.push(super::trial(Search::Elasticsearch, stringify!($name), $name));)*
    };
}

mod app;
mod connecting;
mod failing;
mod indexes;
mod puppet;
mod resent;

use super::{MINUTE, assert_works, record};
pub(crate) use actix_typed_session_tests::support::search::end as stop_shared;

pub(crate) fn trials(trials: &mut Vec<Trial>) {
    app::trials(trials);
    connecting::trials(trials);
    failing::trials(trials);
    indexes::trials(trials);
    resent::trials(trials);
}

/// A test on a runtime of its own like that of a worker.
fn trial<F: Future<Output = ()> + 'static>(
    search: Search,
    name: &str,
    test: impl FnOnce() -> F + Send + 'static,
) -> Trial {
    on_worker(search.name(), name, move || search.missing().map(str::to_owned), test)
}

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

type Server = Arc<SearchServer>;
