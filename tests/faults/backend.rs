//! [`Backend`]: a store's server that can be broken, and the faults that any server can have.

use std::thread;

use actix_typed_session::store::{
    CacheStore, DynamodbStore, MemcachedStore, MongodbStore, OpendalCache, RedisStore, SessionStore, SqlStore,
};
use actix_typed_session_tests::support::{
    dynamodb::DynamodbServer, ferretdb::FerretDb, mariadb::MariaDbServer, memcached::MemcachedServer,
    postgres::PostgresServer, redis::RedisServer, s3::S3Server,
};

use super::load::TIMEOUT;

/// A server, with what is kept in it on the disk once it is acknowledged.
pub(crate) trait Backend {
    type Store: SessionStore;

    /// Where it listens.
    fn port(&self) -> u16;

    /// The store over what listens at this port: the server, or a proxy before it.
    fn store(&self, port: u16) -> Self::Store;

    /// Kills it, as `kill -9` does.
    fn stop(&mut self);

    /// Starts it on the same port with the same files, and waits until it answers.
    fn restart(&mut self);

    /// Holds it still: `SIGSTOP`.
    fn pause(&self);

    /// Lets it go on: `SIGCONT`.
    fn resume(&self);
}

impl Backend for RedisServer {
    type Store = RedisStore;

    fn port(&self) -> u16 {
        self.port()
    }

    fn store(&self, port: u16) -> RedisStore {
        RedisStore::new(&format!("redis://127.0.0.1:{port}")).unwrap().timeout(TIMEOUT)
    }

    fn stop(&mut self) {
        self.stop();
    }

    fn restart(&mut self) {
        self.restart();
    }

    fn pause(&self) {
        self.pause();
    }

    fn resume(&self) {
        self.resume();
    }
}

impl Backend for DynamodbServer {
    type Store = DynamodbStore;

    fn port(&self) -> u16 {
        self.port()
    }

    fn store(&self, port: u16) -> DynamodbStore {
        DynamodbStore::new(&Self::url("sessions", port)).unwrap().timeout(TIMEOUT)
    }

    fn stop(&mut self) {
        self.stop();
    }

    fn restart(&mut self) {
        self.restart();
    }

    fn pause(&self) {
        self.pause();
    }

    fn resume(&self) {
        self.resume();
    }
}

/// A server with the table made.
pub(crate) fn dynamodb() -> DynamodbServer {
    let server = DynamodbServer::start_durable();
    make(Backend::store(&server, server.port()).timeout(std::time::Duration::from_secs(20)));
    server
}

/// It keeps nothing on the disk: it is not for the trial that kills it.
impl Backend for MemcachedServer {
    type Store = MemcachedStore;

    fn port(&self) -> u16 {
        self.port()
    }

    fn store(&self, port: u16) -> MemcachedStore {
        MemcachedStore::new(&format!("127.0.0.1:{port}")).unwrap().timeout(TIMEOUT)
    }

    fn stop(&mut self) {
        self.stop();
    }

    fn restart(&mut self) {
        self.restart();
    }

    fn pause(&self) {
        self.pause();
    }

    fn resume(&self) {
        self.resume();
    }
}

/// What it acknowledged is in its files, and survives that it is killed.
impl Backend for S3Server {
    type Store = CacheStore<OpendalCache>;

    fn port(&self) -> u16 {
        self.port()
    }

    fn store(&self, port: u16) -> CacheStore<OpendalCache> {
        CacheStore::new(OpendalCache::from_url(&Self::url("faults", port)).unwrap().timeout(TIMEOUT / 2))
    }

    fn stop(&mut self) {
        self.stop();
    }

    fn restart(&mut self) {
        self.restart();
    }

    fn pause(&self) {
        self.pause();
    }

    fn resume(&self) {
        self.resume();
    }
}

/// A Redis whose store keeps what it reads.
pub(crate) struct Cached(pub(crate) RedisServer);

impl Backend for Cached {
    type Store = RedisStore;

    fn port(&self) -> u16 {
        self.0.port()
    }

    fn store(&self, port: u16) -> RedisStore {
        self.0.store(port).client_cache(1 << 20).unwrap()
    }

    fn stop(&mut self) {
        self.0.stop();
    }

    fn restart(&mut self) {
        self.0.restart();
    }

    fn pause(&self) {
        self.0.pause();
    }

    fn resume(&self) {
        self.0.resume();
    }
}

/// A server with the table, or what there is of the kind, made.
pub(crate) struct Migrated<S>(pub(crate) S);

/// The same, from a moment when nothing can be awaited.
pub(crate) fn migrated<S>(server: S) -> Migrated<S>
where
    Migrated<S>: Backend<Store: Patient>,
{
    let server = Migrated(server);
    make(server.store(server.port()).patient());
    server
}

/// Has a store make what it needs.
pub(crate) fn make(store: impl SessionStore) {
    let made = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(store.migrate()).unwrap();
    });
    made.join().unwrap();
}

/// A store that waits for longer than under load.
pub(crate) trait Patient: SessionStore {
    fn patient(self) -> Self;
}

macro_rules! migrated {
    ($server:ty, $store:ty, $timeout:expr) => {
        impl Backend for Migrated<$server> {
            type Store = $store;

            fn port(&self) -> u16 {
                self.0.port()
            }

            fn store(&self, port: u16) -> $store {
                <$store>::new(&self.0.url_at(port)).unwrap().timeout($timeout)
            }

            fn stop(&mut self) {
                self.0.stop();
            }

            fn restart(&mut self) {
                self.0.restart();
            }

            fn pause(&self) {
                self.0.pause();
            }

            fn resume(&self) {
                self.0.resume();
            }
        }
    };
}
migrated!(PostgresServer, SqlStore, TIMEOUT);
migrated!(MariaDbServer, SqlStore, TIMEOUT);
// the writes of all visitors go to it one at a time, each of a tenth of a second where the machine is busy
migrated!(FerretDb, MongodbStore, std::time::Duration::from_secs(2));

impl Patient for SqlStore {
    fn patient(self) -> Self {
        self.timeout(std::time::Duration::from_secs(20))
    }
}

impl Patient for MongodbStore {
    fn patient(self) -> Self {
        self.timeout(std::time::Duration::from_secs(20))
    }
}
