//! A primary that sentinels watch over is killed, or hangs, and its replica is chosen.

use std::time::Instant;

use actix_typed_session::store::RedisStore;
use actix_typed_session_tests::support::{redis_cluster::until, redis_sentinels::RedisSentinels};

use super::load::{TIMEOUT, measured};

/// It is killed, and comes back as the other's replica.
///
/// Redis acknowledges before a replica has it: how much is lost by that is told. What is not lost is right.
pub(crate) async fn killed(arguments: &[&str]) {
    failed_over("the primary killed", arguments, Fault::Kill).await;
}

/// It hangs, and goes on when it is none any more.
pub(crate) async fn paused() {
    failed_over("the primary paused", &[], Fault::Pause).await;
}

#[derive(PartialEq)]
enum Fault {
    Kill,
    Pause,
}

async fn failed_over(fault: &str, arguments: &[&str], how: Fault) {
    let mut servers = RedisSentinels::start(arguments);
    servers.until_agreed();
    let store = RedisStore::new(&servers.url()).unwrap().timeout(TIMEOUT);
    let fault = format!("{fault} {}", arguments.join(" "));
    let mut without = Vec::new();
    let measured = measured(&fault, store, 1, async |load, _| {
        let at = servers.primary();
        let began = Instant::now();
        match how {
            Fault::Kill => servers.servers[at].stop(),
            Fault::Pause => servers.servers[at].pause(),
        }
        until("the other takes over", || servers.servers[1 - at].cli(&["role"]).starts_with("master"));
        without.push(began.elapsed().as_millis());
        load.all_answered(began).await;
        if arguments.is_empty() {
            // it serves all by itself
            load.all_served(Instant::now()).await;
        }
        match how {
            Fault::Kill => {
                // not before: without its data it would be believed to have lost them all
                servers.until_named(1 - at);
                servers.servers[at].restart();
                let other = servers.servers[1 - at].port().to_string();
                servers.servers[at].cli(&["replicaof", "127.0.0.1", &other]);
            }
            Fault::Pause => servers.servers[at].resume(),
        }
        until("it is a replica", || servers.servers[at].cli(&["role"]).starts_with("slave"));
        servers.until_agreed();
    })
    .await;
    println!("{fault}: milliseconds until the other took over: {without:?}");
    measured.assert_kept();
}
