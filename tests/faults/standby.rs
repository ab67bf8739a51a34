//! The store's server is lost for good, and its standby takes over, as a manager such as Patroni or MaxScale has it.

use std::time::{Duration, Instant};

use actix_typed_session_tests::support::{
    mariadb::{self, MariaDbServer},
    postgres::{self, PostgresServer},
    proxy::Proxy,
};

use super::{
    backend::{Backend, Migrated},
    load::{Load, measured, under_load},
};

/// A server that can have a standby.
pub(crate) trait Replicated: Backend + Sized {
    /// A server with all that this one has, which follows it.
    async fn standby(&self) -> Self;

    /// From now on nothing is acknowledged that the standby does not have.
    async fn wait_for(&self, standby: &Self);

    /// Makes a standby the primary.
    async fn promote(&self);
}

/// What was acknowledged is there, since the standby had it before.
pub(crate) async fn synchronous(primary: impl Replicated) {
    let proxy = Proxy::start(primary.port()).await;
    let store = primary.store(proxy.port());
    let mut primary = primary;
    under_load("its synchronous standby took over", store, async |load, _| {
        let standby = primary.standby().await;
        primary.wait_for(&standby).await;
        hand_over(load, &mut primary, standby, &proxy).await;
    })
    .await;
}

/// What the standby did not have yet is lost, and nothing else goes wrong.
pub(crate) async fn asynchronous(primary: impl Replicated) {
    let proxy = Proxy::start(primary.port()).await;
    let store = primary.store(proxy.port());
    let mut primary = primary;
    let measured = measured("its asynchronous standby took over", store, 1, async |load, _| {
        let standby = primary.standby().await;
        hand_over(load, &mut primary, standby, &proxy).await;
    })
    .await;
    measured.assert_kept();
}

/// The primary is killed, its standby promoted, and the address that the app knows moved to it.
async fn hand_over<S: Replicated>(load: &Load, primary: &mut S, standby: S, proxy: &Proxy) {
    load.all_served(Instant::now()).await;
    primary.stop();
    load.all_refused(Instant::now()).await;
    standby.promote().await;
    proxy.point_at(standby.port());
    *primary = standby;
}

impl Replicated for Migrated<PostgresServer> {
    async fn standby(&self) -> Self {
        Self(self.0.standby())
    }

    async fn wait_for(&self, _: &Self) {
        // after the copy, so that the standby waits for nobody when it is the primary
        postgres::execute(&self.0, "ALTER SYSTEM SET synchronous_standby_names = '*'").await;
        postgres::execute(&self.0, "SELECT pg_reload_conf()").await;
        let synchronous = "SELECT COUNT(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        until_one(async || postgres::value(&self.0, synchronous).await).await;
    }

    async fn promote(&self) {
        postgres::execute(&self.0, "SELECT pg_promote()").await;
        until_one(async || postgres::value(&self.0, "SELECT (NOT pg_is_in_recovery())::int::bigint").await).await;
    }
}

impl Replicated for Migrated<MariaDbServer> {
    async fn standby(&self) -> Self {
        let standby = self.0.standby().await;
        // it may begin from far behind
        until_one(async || mariadb::value(&standby, HAS_READ_ALL).await).await;
        Self(standby)
    }

    async fn wait_for(&self, standby: &Self) {
        // it says that it will tell what it has when it connects, to a primary that wants to know
        mariadb::execute(&standby.0, "STOP SLAVE IO_THREAD").await;
        mariadb::execute(&self.0, "SET GLOBAL rpl_semi_sync_master_enabled = ON").await;
        mariadb::execute(&standby.0, "START SLAVE IO_THREAD").await;
        let told = "SELECT CAST(VARIABLE_VALUE AS SIGNED) FROM information_schema.GLOBAL_STATUS \
                    WHERE VARIABLE_NAME = 'RPL_SEMI_SYNC_MASTER_CLIENTS'";
        until_one(async || mariadb::value(&self.0, told).await).await;
    }

    async fn promote(&self) {
        mariadb::execute(&self.0, "STOP SLAVE IO_THREAD").await;
        until_one(async || mariadb::value(&self.0, HAS_READ_ALL).await).await;
        mariadb::execute(&self.0, "STOP SLAVE; RESET SLAVE ALL").await;
    }
}

/// Whether a standby has done all that it was sent.
const HAS_READ_ALL: &str =
    "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Slave has read all relay log%'";

/// Waits until a query gives 1.
async fn until_one(query: impl AsyncFn() -> i64) {
    let began = Instant::now();
    while query().await != 1 {
        assert!(began.elapsed().as_secs() < 20, "the servers do not agree");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
