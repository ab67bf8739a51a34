//! Expired records are deleted from time to time, and the task that does it starts and stops cleanly.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use actix_typed_session::{
    Clock, Session, SessionConfig, SessionMiddleware,
    store::{MemoryStore, Record, SessionStore},
    testing::{Fault, FaultStore, Operation, SpyStore},
};
use actix_typed_session_tests::support::{browser::Browser, server::Server};
use actix_web::web;

const MINUTE: Duration = Duration::from_secs(60);
const PERIOD: Duration = Duration::from_secs(5 * 60);

#[derive(Session, Debug, Default)]
struct Visits {
    count: u32,
}

struct Site {
    sessions: SessionMiddleware,
    store: SpyStore,
    faults: FaultStore,
    clock: Clock,
}

fn site() -> Site {
    let clock = Clock::manual();
    let faults = FaultStore::new(MemoryStore::default().clock(clock.clone()));
    let store = SpyStore::new(faults.clone());
    let config = SessionConfig::new().clock(clock.clone());
    Site { sessions: SessionMiddleware::with_config(store.clone(), config).unwrap(), store, faults, clock }
}

impl Site {
    async fn fill(&self, count: usize) {
        for number in 0..count {
            let record = Record::new("bytes", MINUTE);
            let _ = self.store.create(&format!("session:{number}"), &record).await.unwrap();
        }
        self.clock.advance(2 * MINUTE);
        let _ = self.store.take();
    }

    fn sweeps(&self) -> usize {
        self.store.log().iter().filter(|operation| **operation == "delete_expired").count()
    }
}

#[tokio::test(start_paused = true)]
async fn it_begins_within_the_period_and_goes_on_until_nothing_is_left() {
    let site = site();
    site.fill(2500).await;
    let sweeper = site.sessions.sweep_every(PERIOD);
    tokio::time::sleep(PERIOD).await;
    assert_eq!(site.sweeps(), 3);
    assert_eq!(site.store.delete_expired(10_000).await.unwrap().deleted, 0);
    tokio::time::sleep(PERIOD).await;
    assert_eq!(site.sweeps(), 3 + 1 + 1);
    sweeper.stop().await;
}

#[tokio::test(start_paused = true)]
async fn once_stopped_or_dropped_it_asks_the_store_no_more() {
    for stops in [true, false] {
        let site = site();
        let sweeper = site.sessions.sweep_every(PERIOD);
        tokio::time::sleep(PERIOD).await;
        assert_eq!(site.sweeps(), 1);
        if stops {
            sweeper.stop().await;
        } else {
            drop(sweeper);
        }
        tokio::time::sleep(10 * PERIOD).await;
        assert_eq!(site.sweeps(), 1, "stopped: {stops}");
    }
}

#[tokio::test(start_paused = true)]
async fn to_stop_it_waits_for_the_call_that_is_under_way_and_for_no_other() {
    let site = site();
    site.fill(2500).await;
    let held = site.faults.hold(Operation::DeleteExpired);
    let sweeper = site.sessions.sweep_every(PERIOD);
    held.arrived(1).await;
    let stopping = tokio::spawn(sweeper.stop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!stopping.is_finished());
    held.open();
    stopping.await.unwrap();
    assert_eq!(site.sweeps(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_it_tries_again_the_next_time() {
    let site = site();
    site.fill(10).await;
    site.faults.next(Operation::DeleteExpired, 1, Fault::Unavailable);
    let sweeper = site.sessions.sweep_every(PERIOD);
    tokio::time::sleep(PERIOD).await;
    assert_eq!(site.sweeps(), 1);
    tokio::time::sleep(PERIOD).await;
    assert_eq!(site.sweeps(), 1 + 1);
    sweeper.stop().await;
}

#[tokio::test]
async fn a_sweep_by_traffic_waits_for_the_one_before() {
    let faults = FaultStore::new(MemoryStore::default());
    let store = SpyStore::new(faults.clone());
    let config = SessionConfig::new().cleanup_every_n_requests(1);
    let sessions = SessionMiddleware::with_config(store.clone(), config).unwrap();
    let server = Server::start(sessions, 1, |app| {
        app.route("/", web::get().to(async |visits: Option<Session<Visits>>| format!("{visits:?}")));
    });
    let browser = Browser::new(server.address);
    let held = faults.hold(Operation::DeleteExpired);
    for _ in 0..10 {
        browser.get("/").await;
    }
    held.arrived(1).await;
    assert_eq!(store.log(), ["delete_expired"]);
    held.open();
    while store.log().len() < 2 {
        browser.get("/").await;
    }
}
