//! `migrating`: records that begin in the old store and move to the new one at the first call that follows; in memory, and
//! from files to Redis, at two nodes and a standby.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix_typed_session::{
    Clock,
    store::{
        Created, FilesystemStore, MemoryStore, MigratingStore, Record, RedisStore, SessionStore, StoreError, Swept,
        Updated, Version,
    },
    testing::conformance::Subject,
};
use actix_typed_session_tests::support::redis::RedisServer;
use async_trait::async_trait;

use super::{backend::Backend, bad_server};

pub(crate) struct InMemory;

#[async_trait]
impl Backend for InMemory {
    fn name(&self) -> &'static str {
        "migrating"
    }

    fn without(&self) -> &'static [&'static str] {
        &["s11", "s16"]
    }

    async fn subject(&self) -> Subject {
        let clock = Clock::manual();
        let store = || MemoryStore::default().clock(clock.clone());
        let node = MigratingStore::new(store(), store());
        Subject::new(BeginsInOld::new(&node))
            .beside(node.clone())
            .beside(node.clone().standby())
            .beside(BeginsInOld::new(&node))
            .clock(clock.clone())
    }
}

#[derive(Default)]
pub(crate) struct FilesToRedis {
    server: OnceLock<Arc<RedisServer>>,
}

#[async_trait]
impl Backend for FilesToRedis {
    fn name(&self) -> &'static str {
        "migrating_files_to_redis"
    }

    fn missing(&self) -> Option<String> {
        RedisServer::missing().map(str::to_owned)
    }

    fn race_rounds(&self) -> usize {
        6
    }

    async fn subject(&self) -> Subject {
        let server = self.server.get_or_init(|| Arc::new(RedisServer::start()));
        let folder = tempfile::tempdir().unwrap();
        let within = Duration::from_millis(400);
        let redis = |port: u16| RedisStore::new(&format!("redis://127.0.0.1:{port}")).unwrap().timeout(within);
        let files = || FilesystemStore::new(folder.path()).unwrap();
        let node = || MigratingStore::new(RedisStore::new(&server.url()).unwrap(), files());
        // longer than a call to Redis may take: a call asks more than one store
        let slow = 4 * within;
        Subject::new(BeginsInOld::new(&node()))
            .beside(node())
            .beside(node().standby())
            .expires_by_itself()
            .failing(
                "nothing listens for the new store",
                MigratingStore::new(redis(bad_server::closed()), files()),
                slow,
            )
            .failing(
                "nothing listens for the old store",
                MigratingStore::new(MemoryStore::default(), redis(bad_server::closed())),
                slow,
            )
            .failing("the new store says nothing", MigratingStore::new(redis(bad_server::silent()), files()), slow)
            .failing(
                "the old store says nothing",
                MigratingStore::new(MemoryStore::default(), redis(bad_server::silent())),
                slow,
            )
            .failing(
                "the old store says nothing to a standby",
                MigratingStore::new(MemoryStore::default(), redis(bad_server::silent())).standby(),
                slow,
            )
            .unanswered(
                "the new store takes a write and its answer is lost",
                MigratingStore::new(redis(bad_server::mute(&server.url(), &["eval", "set\r\n"])), files()),
                slow,
            )
            .keeping(Arc::clone(server))
            .keeping(folder)
    }
}

/// Creates as a standby does, so that what other calls find is in the old store; for the rest a node that migrates.
struct BeginsInOld {
    node: MigratingStore,
    standby: MigratingStore,
}

impl BeginsInOld {
    fn new(node: &MigratingStore) -> Self {
        Self { node: node.clone(), standby: node.clone().standby() }
    }
}

#[async_trait]
impl SessionStore for BeginsInOld {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        self.node.load(key).await
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        self.standby.create(key, record).await
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        self.node.update(key, record, expected).await
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        self.node.touch(key, expires_in).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.node.delete(key).await
    }

    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        self.node.delete_expired(limit).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.node.ping().await
    }

    fn name(&self) -> &'static str {
        "begins_in_old"
    }
}
