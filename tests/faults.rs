//! What goes wrong with a real server under load: nothing that was acknowledged is lost, nothing is done twice, nothing
//! that ended comes back, and whatever could not be done is a 503.
//!
//! Each fault prints what it came to in one line. `SESSION_FAULT_ROUNDS` says how often each happens.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test panics")]

use std::{collections::HashMap, process::ExitCode};

use actix_typed_session_tests::support::{
    dynamodb::{DynamodbServer, Kind},
    ferretdb::FerretDb,
    gcloud::GcloudServer,
    mariadb::MariaDbServer,
    memcached::MemcachedServer,
    postgres::PostgresServer,
    redis::RedisServer,
    s3::S3Server,
    search::Search,
    trial::conclude,
};
use libtest_mimic::{Arguments, Trial};

use self::faults::{
    backend::{Cached, dynamodb, migrated},
    cluster, cut, disconnected, full, killed, paused, replica, search_cluster, sentinel,
    shared::{self, Datastore, Elasticsearch, ElasticsearchCluster, Firestore},
    standby,
};

/// The load, and one file a fault.
mod faults {
    pub(crate) mod backend;
    pub(crate) mod load;
    pub(crate) mod shared;

    pub(crate) mod cluster;
    pub(crate) mod cut;
    pub(crate) mod disconnected;
    pub(crate) mod full;
    pub(crate) mod killed;
    pub(crate) mod paused;
    pub(crate) mod replica;
    pub(crate) mod search_cluster;
    pub(crate) mod sentinel;
    pub(crate) mod standby;
}

/// Adds the trials of a store: its name, what is missing for it, and how a server with an empty folder starts.
macro_rules! any_server {
    ($trials:ident, $store:expr, $missing:expr, $server:expr) => {
        $trials.push(trial($store, "its_server_is_killed", $missing, move || killed::killed($server)));
        lasting_server!($trials, $store, $missing, $server);
    };
}

/// The same but for a kill, which what is only in memory does not survive.
macro_rules! lasting_server {
    ($trials:ident, $store:expr, $missing:expr, $server:expr) => {
        $trials.extend([
            trial($store, "its_server_is_paused", $missing, move || paused::paused($server)),
            trial($store, "connections_are_reset_in_a_request", $missing, move || cut::in_a_request($server)),
            trial($store, "connections_are_reset_before_an_answer", $missing, move || cut::before_an_answer($server)),
            trial($store, "connections_are_reset_in_an_answer", $missing, move || cut::in_an_answer($server)),
            trial($store, "requests_are_delayed", $missing, move || cut::delayed($server)),
        ]);
    };
}

fn main() -> ExitCode {
    let mut trials = Vec::new();
    // the faults of any server: a line a store
    any_server!(trials, "redis", RedisServer::missing(), RedisServer::start_durable());
    any_server!(trials, "redis_cached", RedisServer::missing(), Cached(RedisServer::start_durable()));
    // but a server that is killed where it keeps nothing on the disk
    lasting_server!(trials, "memcached", MemcachedServer::missing(), MemcachedServer::start());
    any_server!(trials, "postgres", PostgresServer::missing(), migrated(PostgresServer::start_durable()));
    any_server!(trials, "mariadb", MariaDbServer::missing(), migrated(MariaDbServer::start_durable()));
    any_server!(trials, "dynamodb", DynamodbServer::missing(Kind::Local), dynamodb());
    any_server!(trials, "mongodb", FerretDb::missing(), migrated(FerretDb::start()));
    any_server!(trials, "cache_s3", S3Server::missing(), S3Server::start());
    // one server each for all of its trials, which wait for each other
    let (search, missing) = (Search::Elasticsearch, Search::Elasticsearch.missing());
    any_server!(trials, "elasticsearch", missing, Elasticsearch::share(search));
    // what is before the server is broken for the same store in the same way
    let (search, missing) = (Search::OpenSearch, Search::OpenSearch.missing());
    trials.extend([
        trial("opensearch", "its_server_is_killed", missing, move || killed::killed(Elasticsearch::share(search))),
        trial("opensearch", "its_server_is_paused", missing, move || paused::paused(Elasticsearch::share(search))),
    ]);
    lasting_server!(trials, "firestore", GcloudServer::missing(), Firestore::share());
    lasting_server!(trials, "datastore", GcloudServer::missing(), Datastore::share());
    // and those that only a Redis has
    trials.extend([
        trial("redis", "its_connections_are_killed", RedisServer::missing(), || disconnected::disconnected(durable())),
        trial("redis", "it_is_out_of_memory", RedisServer::missing(), || full::full(durable())),
        trial("redis", "it_is_a_replica", RedisServer::missing(), || replica::replica(durable())),
        trial("redis", "it_becomes_a_replica", RedisServer::missing(), || replica::failover(durable())),
    ]);
    // and those with a standby
    let (postgres, mariadb) = (PostgresServer::missing(), MariaDbServer::missing());
    trials.extend([
        trial("postgres", "its_primary_is_lost", postgres, || {
            standby::synchronous(migrated(PostgresServer::start_durable()))
        }),
        trial("postgres", "its_primary_is_lost_before_the_standby_has_all", postgres, || {
            standby::asynchronous(migrated(PostgresServer::start_durable()))
        }),
        trial("mariadb", "its_primary_is_lost", mariadb, || {
            standby::synchronous(migrated(MariaDbServer::start_replicated()))
        }),
        trial("mariadb", "its_primary_is_lost_before_the_standby_has_all", mariadb, || {
            standby::asynchronous(migrated(MariaDbServer::start_replicated()))
        }),
    ]);
    // and those of several that are one
    let (missing, search) = (RedisServer::missing(), Search::Elasticsearch.missing());
    trials.extend([
        trial("elasticsearch_cluster", "a_node_is_killed", search, || {
            search_cluster::killed(ElasticsearchCluster::share())
        }),
        trial("elasticsearch_cluster", "a_node_is_paused", search, || {
            search_cluster::paused(ElasticsearchCluster::share())
        }),
        trial("redis_cluster", "its_slots_are_moved", missing, cluster::resharded),
        trial("redis_cluster", "a_primary_is_killed", missing, || cluster::killed(&[])),
        trial("redis_cluster", "a_primary_is_killed_where_one_replica_has_to_be_there", missing, || {
            cluster::killed(&["--min-replicas-to-write", "1", "--min-replicas-max-lag", "1"])
        }),
        trial("redis_sentinel", "the_primary_is_killed", missing, || sentinel::killed(&[])),
        trial("redis_sentinel", "the_primary_is_killed_where_one_replica_has_to_be_there", missing, || {
            sentinel::killed(&["--min-replicas-to-write", "1", "--min-replicas-max-lag", "1"])
        }),
        trial("redis_sentinel", "the_primary_is_paused_until_another_is_chosen", missing, sentinel::paused),
    ]);
    let conclusion = libtest_mimic::run(&Arguments::from_args(), one_by_one(trials));
    shared::end();
    conclusion.exit_code()
}

/// The trials in another order: the first of each store, then the second of each, so that few wait for each other.
fn one_by_one(trials: Vec<Trial>) -> Vec<Trial> {
    let mut counts = HashMap::<String, usize>::new();
    let number = |trial: Trial| {
        let store = trial.name().split("::").next().unwrap_or_default().to_owned();
        let count = counts.entry(store).or_default();
        *count += 1;
        (*count, trial)
    };
    let mut trials: Vec<_> = trials.into_iter().map(number).collect();
    trials.sort_by_key(|(number, _)| *number);
    trials.into_iter().map(|(_, trial)| trial).collect()
}

fn durable() -> RedisServer {
    RedisServer::start_durable()
}

/// A trial on a runtime of its own, whose threads carry the visitors while the fault blocks the one that runs the trial.
fn trial<F: Future<Output = ()>>(
    store: &'static str,
    name: &str,
    missing: Option<&'static str>,
    fault: impl FnOnce() -> F + Send + 'static,
) -> Trial {
    let run = || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async { fault().await });
        runtime.shutdown_background();
    };
    Trial::ignorable_test(format!("{store}::{name}"), move || conclude(store, missing.map(str::to_owned), run))
}
