//! Servers that take long to start, each of which the trials of a store share: [`Elasticsearch`], [`Firestore`],
//! [`Datastore`].

use std::{
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    thread,
    time::Duration,
};

use actix_typed_session::store::{DatastoreStore, ElasticsearchStore, FirestoreStore};
use actix_typed_session_tests::support::{
    gcloud::{GcloudServer, Mode},
    search::{Search, SearchServer},
};

use super::{
    backend::{Backend, make},
    load::TIMEOUT,
};

/// How a trial shares it.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Share {
    /// With others, which break what is before it.
    Beside,
    /// With nobody, for it is to be broken.
    Alone,
}

/// A server that may run.
type Place<S> = RwLock<Option<S>>;

static ELASTICSEARCH: Place<SearchServer> = RwLock::new(None);
static OPENSEARCH: Place<SearchServer> = RwLock::new(None);
static FIRESTORE: Place<GcloudServer> = RwLock::new(None);
static DATASTORE: Place<GcloudServer> = RwLock::new(None);

/// Ends all of them, which nothing else would.
pub(crate) fn end() {
    for place in [&ELASTICSEARCH, &OPENSEARCH] {
        drop(place.write().unwrap_or_else(PoisonError::into_inner).take());
    }
    for place in [&FIRESTORE, &DATASTORE] {
        drop(place.write().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// A server for as long as a trial lasts.
enum Lease<S: 'static> {
    Beside(RwLockReadGuard<'static, Option<S>>),
    Alone(RwLockWriteGuard<'static, Option<S>>),
}

impl<S> Lease<S> {
    fn of(place: &'static Place<S>, share: Share, start: impl Fn() -> S) -> Self {
        loop {
            if share == Share::Beside {
                let held = place.read().unwrap_or_else(PoisonError::into_inner);
                if held.is_some() {
                    return Self::Beside(held);
                }
            }
            let mut held = place.write().unwrap_or_else(PoisonError::into_inner);
            held.get_or_insert_with(&start);
            if share == Share::Alone {
                return Self::Alone(held);
            }
        }
    }

    fn server(&self) -> &S {
        match self {
            Self::Beside(held) => held.as_ref(),
            Self::Alone(held) => held.as_ref(),
        }
        .expect("a server that runs")
    }

    fn server_mut(&mut self) -> &mut S {
        match self {
            Self::Beside(_) => panic!("others need it"),
            Self::Alone(held) => held.as_mut().expect("a server that runs"),
        }
    }
}

impl<S> Drop for Lease<S> {
    /// What a trial that failed has broken is not for the next one.
    fn drop(&mut self) {
        if let Self::Alone(held) = self
            && thread::panicking()
        {
            held.take();
        }
    }
}

/// An Elasticsearch or an OpenSearch, and an index in it.
pub(crate) struct Elasticsearch {
    lease: Lease<SearchServer>,
    index: String,
}

impl Elasticsearch {
    pub(crate) fn share(search: Search, share: Share) -> Self {
        let place = match search {
            Search::Elasticsearch => &ELASTICSEARCH,
            Search::OpenSearch => &OPENSEARCH,
        };
        let lease = Lease::of(place, share, || SearchServer::start(search));
        let index = lease.server().index();
        let server = Self { lease, index };
        make(server.store(server.port()).timeout(Duration::from_secs(20)));
        server
    }
}

/// An emulator in Firestore's own mode, and a collection in it. It keeps nothing on the disk: it is not for the trial that
/// kills it.
pub(crate) struct Firestore {
    lease: Lease<GcloudServer>,
    collection: String,
}

impl Firestore {
    pub(crate) fn share(share: Share) -> Self {
        let lease = Lease::of(&FIRESTORE, share, || GcloudServer::start(Mode::Native));
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
    pub(crate) fn share(share: Share) -> Self {
        let lease = Lease::of(&DATASTORE, share, || GcloudServer::start(Mode::Datastore));
        let collection = lease.server().collection();
        Self { lease, collection }
    }
}

macro_rules! backend {
    ($backend:ty, $store:ty, |$this:ident, $port:ident| $at:expr) => {
        impl Backend for $backend {
            type Store = $store;

            /// A start takes long.
            fn kills(&self) -> u64 {
                1
            }

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
