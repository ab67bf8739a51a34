//! The store's server is lost, and its standby takes over, as a manager such as Patroni has it: what was acknowledged is
//! there, since a synchronous standby had it before.

use std::time::{Duration, Instant};

use actix_typed_session_tests::support::{
    postgres::{PostgresServer, execute, value},
    proxy::Proxy,
};

use super::{
    backend::{Backend, Migrated},
    load::under_load,
};

/// The primary is killed for good, its standby promoted, and the address that the app knows moved to it.
pub(crate) async fn promoted(primary: Migrated<PostgresServer>) {
    let proxy = Proxy::start(primary.port()).await;
    let store = primary.store(proxy.port());
    let mut primary = primary.0;
    under_load("its synchronous standby took over", store, async |load, _| {
        let standby = primary.standby();
        // after the copy, so that the standby waits for nobody when it is the primary
        execute(&primary, "ALTER SYSTEM SET synchronous_standby_names = '*'").await;
        execute(&primary, "SELECT pg_reload_conf()").await;
        until(&primary, "SELECT COUNT(*) FROM pg_stat_replication WHERE sync_state = 'sync'").await;
        load.all_served(Instant::now()).await;
        primary.stop();
        load.all_refused(Instant::now()).await;
        execute(&standby, "SELECT pg_promote()").await;
        until(&standby, "SELECT (NOT pg_is_in_recovery())::int::bigint").await;
        proxy.point_at(standby.port());
        primary = standby;
    })
    .await;
}

/// Waits until a query gives 1.
async fn until(server: &PostgresServer, query: &str) {
    let began = Instant::now();
    while value::<i64>(server, query).await != 1 {
        assert!(began.elapsed().as_secs() < 20, "the servers do not agree: {query}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
