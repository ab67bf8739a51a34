//! A node of a cluster of search servers is killed, or hangs, and another one has what it had.

use std::time::Instant;

use actix_typed_session_tests::support::redis_cluster::until;

use super::{
    load::{Findings, measured},
    shared::ElasticsearchCluster,
};

/// The one with the primary copy is killed, or the master, and comes back. What was acknowledged is there.
pub(crate) async fn killed(mut cluster: ElasticsearchCluster) {
    let store = cluster.store();
    let mut without = Vec::new();
    let measured = measured("a node of three killed", store, 1, async |load, round| {
        let at = if round.is_multiple_of(2) { cluster.primary(None) } else { cluster.nodes().master() };
        let at = at.expect("a node that can be killed");
        let killed = Instant::now();
        cluster.nodes_mut().nodes[at].stop();
        taken_over(&cluster, at);
        without.push(killed.elapsed().as_millis());
        load.all_served(Instant::now()).await;
        cluster.nodes_mut().nodes[at].restart();
        cluster.nodes_mut().until_whole();
    })
    .await;
    println!("milliseconds until another took over: {without:?}");
    measured.assert_nothing_wrong();
}

/// The one with the primary copy hangs, and goes on when it has it no more. Until it notices, it may answer with what was
/// before, as its makers say: how often is told.
pub(crate) async fn paused(mut cluster: ElasticsearchCluster) {
    let store = cluster.store();
    let mut without = Vec::new();
    let measured = measured("a node of three paused", store, 1, async |load, _| {
        let at = cluster.primary(None).expect("a primary copy");
        let paused = Instant::now();
        cluster.nodes().nodes[at].pause();
        taken_over(&cluster, at);
        without.push(paused.elapsed().as_millis());
        load.all_served(Instant::now()).await;
        cluster.nodes().nodes[at].resume();
        load.all_served(Instant::now()).await;
        cluster.nodes_mut().until_whole();
    })
    .await;
    println!("milliseconds until another took over: {without:?}");
    measured.assert_kept();
    println!("before it noticed: {:?}", measured.during);
    assert_eq!(measured.after, Findings::default());
}

/// Waits until another node has the primary copy, by the word of one that is well.
fn taken_over(cluster: &ElasticsearchCluster, at: usize) {
    until("another has the primary copy", || cluster.primary(Some(at)).is_some_and(|primary| primary != at));
}
