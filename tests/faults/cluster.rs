//! A cluster whose slots move, and whose primaries are killed.

use std::time::Instant;

use actix_typed_session::store::RedisStore;
use actix_typed_session_tests::support::redis_cluster::{RedisCluster, until};

use super::load::{TIMEOUT, measured, under_load};

/// Slots go from one server to the next, all around.
pub(crate) async fn resharded() {
    let cluster = RedisCluster::start(3, 0, &[]);
    let store = RedisStore::new(&cluster.url()).unwrap().timeout(TIMEOUT);
    under_load("slots moved", store, async |load, _| {
        let began = Instant::now();
        for (from, to) in [(0, 1), (1, 2), (2, 0)] {
            cluster.reshard(from, to, 400);
        }
        load.all_answered(began).await;
    })
    .await;
    let errors: Vec<_> = cluster.servers.iter().map(|server| server.cli(&["info", "errorstats"])).collect();
    let count = |code: &str| -> u64 {
        let of = |line: &str| line.strip_prefix(&format!("errorstat_{code}:count="))?.trim().parse::<u64>().ok();
        errors.iter().flat_map(|errors| errors.lines()).filter_map(of).sum()
    };
    println!("redirected by the servers: MOVED {}, ASK {}", count("MOVED"), count("ASK"));
    assert!(count("MOVED") > 0, "nothing that was used has moved");
}

/// A primary is killed, its replica takes over, and it comes back as a replica of that.
///
/// Redis acknowledges before a replica has it: how much is lost by that is told. What is not lost is right.
pub(crate) async fn killed(arguments: &[&str]) {
    let mut cluster = RedisCluster::start(3, 1, arguments);
    let store = RedisStore::new(&cluster.url()).unwrap().timeout(TIMEOUT);
    let fault = format!("a primary killed {}", arguments.join(" "));
    let mut without = Vec::new();
    let measured = measured(&fault, store, 1, async |load, round| {
        let primaries = cluster.primaries();
        let at = primaries[usize::try_from(round).unwrap() % primaries.len()];
        let killed = Instant::now();
        cluster.servers[at].stop();
        until("another takes over", || cluster.primaries().len() == 3);
        without.push(killed.elapsed().as_millis());
        // others are served meanwhile
        load.all_answered(killed).await;
        cluster.servers[at].restart();
        cluster.until_agreed(1);
    })
    .await;
    println!("{fault}: milliseconds until another took over: {without:?}");
    measured.assert_kept();
}
