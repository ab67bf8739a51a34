//! Every store against every rule of the contract: one trial a rule and store, named `redis::s05_…`; and requests that
//! race over it, named `redis::race_…`.
//!
//! Where a server is missing, its trials are ignored with the reason; `SESSION_TEST_REQUIRE=all`, or a list such as
//! `redis,filesystem`, makes that a failure.

// A test tells what it did not expect by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

/// One short file a store, and what runs them.
mod stores {
    pub(crate) mod backend;
    pub(crate) mod bad_server;
    pub(crate) mod races;

    pub(crate) mod cache;
    pub(crate) mod custom;
    pub(crate) mod dynamodb;
    pub(crate) mod elasticsearch;
    pub(crate) mod filesystem;
    pub(crate) mod gcloud;
    pub(crate) mod mariadb;
    pub(crate) mod memcached;
    pub(crate) mod memory;
    pub(crate) mod migrating;
    pub(crate) mod mongodb;
    pub(crate) mod null;
    pub(crate) mod orm;
    pub(crate) mod postgres;
    pub(crate) mod redis;
    pub(crate) mod redis_cluster;
    pub(crate) mod redis_sentinel;
    pub(crate) mod sqlite;
}

use std::{process::ExitCode, sync::Arc};

use actix_typed_session_tests::support::search::Search;
use actix_typed_session_tests::support::{dynamodb::Kind, gcloud::Mode};
use libtest_mimic::Arguments;

use self::stores::{
    backend::{Backend, trials},
    cache::{Map, Moka, S3},
    custom::Custom,
    dynamodb::Dynamodb,
    elasticsearch::Searching,
    filesystem::Filesystem,
    gcloud::Gcloud,
    mariadb::MariaDb,
    memcached::Memcached,
    memory::Memory,
    migrating::{FilesToRedis, InMemory},
    mongodb::Mongodb,
    null::Null,
    orm::Orm,
    postgres::Postgres,
    redis::Redis,
    redis_cluster::Cluster,
    redis_sentinel::Sentinel,
    sqlite::Sqlite,
};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let (postgres, mariadb) = (Arc::default(), Arc::default());
    let backends: Vec<Arc<dyn Backend>> = vec![
        Arc::new(Null),
        Arc::new(Memory),
        Arc::new(Filesystem),
        Arc::new(Redis::default()),
        Arc::new(Redis::cached()),
        Arc::new(Cluster::default()),
        Arc::new(Sentinel::default()),
        Arc::new(Memcached::default()),
        Arc::new(Mongodb::default()),
        Arc::new(Searching::new(Search::Elasticsearch)),
        Arc::new(Searching::new(Search::OpenSearch)),
        Arc::new(Postgres(Arc::clone(&postgres))),
        Arc::new(MariaDb(Arc::clone(&mariadb))),
        Arc::new(Sqlite),
        Arc::new(Orm::Postgres(postgres)),
        Arc::new(Orm::MariaDb(mariadb)),
        Arc::new(Orm::Sqlite),
        Arc::new(Map),
        Arc::new(Moka),
        Arc::new(S3::default()),
        Arc::new(Dynamodb::new(Kind::Local)),
        Arc::new(Dynamodb::new(Kind::Moto)),
        Arc::new(Gcloud::new(Mode::Native)),
        Arc::new(Gcloud::new(Mode::Datastore)),
        Arc::new(InMemory),
        Arc::new(FilesToRedis::default()),
        Arc::new(Custom),
    ];
    let trials = backends.iter().flat_map(trials).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // servers end with the last hold on them
    drop(backends);
    conclusion.exit_code()
}
