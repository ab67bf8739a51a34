//! Servers that take long to start, each of which the trials of a store share: [`Elasticsearch`],
//! [`ElasticsearchCluster`], [`Firestore`], [`Datastore`].

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use actix_typed_session::store::{DatastoreStore, ElasticsearchStore, FirestoreStore};
use actix_typed_session_tests::support::{
    gcloud::{GcloudServer, Mode},
    search::{Search, SearchServer},
    search_cluster::SearchCluster,
};

use super::backend::{Backend, make};

/// What a Java needs that has just begun, and does all of this for eight visitors.
const TIMEOUT: Duration = Duration::from_secs(1);

/// A server that may run.
type Place<S> = Mutex<Option<S>>;

static ELASTICSEARCH: Place<SearchServer> = Mutex::new(None);
static OPENSEARCH: Place<SearchServer> = Mutex::new(None);
static ELASTICSEARCH_CLUSTER: Place<SearchCluster> = Mutex::new(None);
static FIRESTORE: Place<GcloudServer> = Mutex::new(None);
static DATASTORE: Place<GcloudServer> = Mutex::new(None);

/// Ends all of them, which nothing else would.
pub(crate) fn end() {
    for place in [&ELASTICSEARCH, &OPENSEARCH] {
        drop(place.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
    drop(ELASTICSEARCH_CLUSTER.lock().unwrap_or_else(PoisonError::into_inner).take());
    for place in [&FIRESTORE, &DATASTORE] {
        drop(place.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// A server for as long as a trial lasts, for itself.
struct Lease<S: 'static>(MutexGuard<'static, Option<S>>);

impl<S> Lease<S> {
    fn of(place: &'static Place<S>, start: impl Fn() -> S) -> Self {
        let mut held = place.lock().unwrap_or_else(PoisonError::into_inner);
        held.get_or_insert_with(start);
        Self(held)
    }

    fn server(&self) -> &S {
        self.0.as_ref().expect("a server that runs")
    }

    fn server_mut(&mut self) -> &mut S {
        self.0.as_mut().expect("a server that runs")
    }
}

impl<S> Drop for Lease<S> {
    /// What a trial that failed has broken is not for the next one.
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.take();
        }
    }
}

/// An Elasticsearch or an OpenSearch, and an index in it.
pub(crate) struct Elasticsearch {
    lease: Lease<SearchServer>,
    index: String,
}

impl Elasticsearch {
    pub(crate) fn share(search: Search) -> Self {
        let place = match search {
            Search::Elasticsearch => &ELASTICSEARCH,
            Search::OpenSearch => &OPENSEARCH,
        };
        let lease = Lease::of(place, || SearchServer::start(search));
        let index = lease.server().index();
        let server = Self { lease, index };
        make(server.store(server.port()).timeout(Duration::from_secs(20)));
        server
    }
}

/// Three nodes of Elasticsearch, and an index in them with a copy on another node.
pub(crate) struct ElasticsearchCluster {
    lease: Lease<SearchCluster>,
    index: String,
}

impl ElasticsearchCluster {
    pub(crate) fn share() -> Self {
        let lease = Lease::of(&ELASTICSEARCH_CLUSTER, || SearchCluster::start(Search::Elasticsearch));
        let index = lease.server().nodes[0].index();
        let mut cluster = Self { lease, index };
        make(cluster.store().timeout(Duration::from_secs(20)));
        cluster.nodes_mut().until_whole();
        cluster
    }

    /// The store over all nodes.
    pub(crate) fn store(&self) -> ElasticsearchStore {
        ElasticsearchStore::new(&self.nodes().url()).unwrap().index(&self.index).unwrap().timeout(TIMEOUT)
    }

    /// The node with the primary copy, by the word of another than `but`.
    pub(crate) fn primary(&self, but: Option<usize>) -> Option<usize> {
        self.nodes().primary(&self.index, but)
    }

    pub(crate) fn nodes(&self) -> &SearchCluster {
        self.lease.server()
    }

    pub(crate) fn nodes_mut(&mut self) -> &mut SearchCluster {
        self.lease.server_mut()
    }
}

/// An emulator in Firestore's own mode, and a collection in it. It keeps nothing on the disk: it is not for the trial that
/// kills it.
pub(crate) struct Firestore {
    lease: Lease<GcloudServer>,
    collection: String,
}

impl Firestore {
    pub(crate) fn share() -> Self {
        let lease = Lease::of(&FIRESTORE, || GcloudServer::start(Mode::Native));
        let collection = lease.server().collection();
        Self { lease, collection }
    }
}

/// The same in the mode of Datastore.
pub(crate) struct Datastore {
    lease: Lease<GcloudServer>,
    collection: String,
}

impl Datastore {
    pub(crate) fn share() -> Self {
        let lease = Lease::of(&DATASTORE, || GcloudServer::start(Mode::Datastore));
        let collection = lease.server().collection();
        Self { lease, collection }
    }
}

macro_rules! backend {
    ($backend:ty, $store:ty, |$this:ident, $port:ident| $at:expr) => {
        impl Backend for $backend {
            type Store = $store;

            fn port(&self) -> u16 {
                self.lease.server().port()
            }

            fn store(&self, $port: u16) -> $store {
                let $this = self;
                $at.timeout(TIMEOUT)
            }

            fn stop(&mut self) {
                self.lease.server_mut().stop();
            }

            fn restart(&mut self) {
                self.lease.server_mut().restart();
            }

            fn pause(&self) {
                self.lease.server().pause();
            }

            fn resume(&self) {
                self.lease.server().resume();
            }
        }
    };
}
backend!(Elasticsearch, ElasticsearchStore, |this, port| {
    ElasticsearchStore::new(&this.lease.server().url_at(port)).unwrap().index(&this.index).unwrap()
});
backend!(Firestore, FirestoreStore, |this, port| {
    FirestoreStore::new(&GcloudServer::url(Mode::Native, &this.collection, port)).unwrap()
});
backend!(Datastore, DatastoreStore, |this, port| {
    DatastoreStore::new(&GcloudServer::url(Mode::Datastore, &this.collection, port)).unwrap()
});
