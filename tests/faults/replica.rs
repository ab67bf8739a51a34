//! The store's server is a replica, from which one can read and to which one can't write.

use std::time::Instant;

use actix_typed_session_tests::support::{
    proxy::Proxy,
    redis::{RedisServer, raw},
};

use super::{
    backend::Backend,
    load::{Load, under_load},
};

/// The store is pointed at a replica, and back at the primary.
pub(crate) async fn replica(primary: RedisServer) {
    let replica = replica_of(&primary).await;
    let proxy = Proxy::start(primary.port()).await;
    under_load("pointed at a replica", primary.store(proxy.port()), async |load, _| {
        // nothing goes to the primary any more, and what it was sent has arrived
        proxy.point_at(closed());
        let unreachable = Instant::now();
        load.all_answered(unreachable).await;
        until_equal(&primary, &replica).await;
        proxy.point_at(replica.port());
        only_reads(load, Instant::now()).await;
        proxy.point_at(primary.port());
    })
    .await;
}

/// The primary hands over to its replica and goes on as a replica of that, and becomes the primary again.
pub(crate) async fn failover(primary: RedisServer) {
    let other = replica_of(&primary).await;
    under_load("failed over", Backend::store(&primary, primary.port()), async |load, _| {
        hand_over(&primary, &other).await;
        only_reads(load, Instant::now()).await;
        hand_over(&other, &primary).await;
    })
    .await;
}

async fn only_reads(load: &Load, since: Instant) {
    load.all_answered(since).await;
    load.answers(100).await;
    let answers = load.since(since);
    assert!(answers.iter().all(|answered| !answered.is_change || answered.status != 200), "written to a replica");
    assert!(answers.iter().any(|answered| answered.status == 200), "nothing was read");
}

async fn replica_of(primary: &RedisServer) -> RedisServer {
    let replica = RedisServer::start_durable();
    let () = raw(&replica, &format!("REPLICAOF 127.0.0.1 {}", primary.port())).await;
    until(&replica, |info| info.contains("master_link_status:up")).await;
    until(primary, |info| info.contains("state=online")).await;
    replica
}

/// Makes the replica the primary, once it has all that was written.
async fn hand_over(from: &RedisServer, to: &RedisServer) {
    until(from, |info| info.contains("state=online")).await;
    let () = raw(from, "FAILOVER").await;
    until(from, |info| info.contains("role:slave") && info.contains("master_link_status:up")).await;
    until(to, |info| info.contains("role:master")).await;
}

/// Waits until the replica has all that its primary has.
async fn until_equal(primary: &RedisServer, replica: &RedisServer) {
    let offset = |info: &str| info.lines().find_map(|line| line.strip_prefix("master_repl_offset:").map(str::to_owned));
    let wanted = offset(&raw::<String>(primary, "INFO replication").await);
    until(replica, |info| offset(info) >= wanted).await;
}

async fn until(server: &RedisServer, is_so: impl Fn(&str) -> bool) {
    let began = Instant::now();
    loop {
        let info: String = raw(server, "INFO replication").await;
        if is_so(&info) {
            return;
        }
        assert!(began.elapsed().as_secs() < 20, "the servers do not agree: {info}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// A port where nothing listens.
fn closed() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
