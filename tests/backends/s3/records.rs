//! What is stored, by which requests, and how it is swept.

use std::fs;

use actix_typed_session::{
    Clock, SessionMiddleware,
    store::{CacheStore, Created, OpendalCache, Record, SessionStore, StoreErrorKind, Swept, Updated, Version},
};
use futures_util::future::join_all;

use super::{MINUTE, PATIENT, S3Server, counter::Counter, record, store};

trials![
    an_object_is_version_expiry_and_contents,
    each_operation_is_as_many_requests_as_it_says,
    a_server_is_tried_out_once,
    an_object_that_is_gone_is_no_failure_of_an_update,
    a_sweep_goes_on_over_pages_without_an_expired_record,
    a_sweep_goes_on_behind_what_it_can_not_read_and_says_so_at_the_end,
];

async fn an_object_is_version_expiry_and_contents() {
    let server = S3Server::start();
    let store = store(server.port());
    let version = Version::from_bytes(*b"sixteen letters!");
    let contents = Record { version, bytes: "contents".into(), expires_in: MINUTE };
    let _ = store.create("session:1", &contents).await.unwrap();
    let object = fs::read(server.file("folder/session.3a1")).unwrap();
    assert_eq!((&object[..16], &object[24..]), (&b"sixteen letters!"[..], &b"contents"[..]));
}

async fn each_operation_is_as_many_requests_as_it_says() {
    let server = S3Server::start();
    let counter = Counter::before(server.port()).await;
    let store = store(counter.port());
    let (first, second) = (record("first"), record("second"));
    store.migrate().await.unwrap();
    counter.take();
    let took = |what: &str, expected: &[&str]| assert_eq!(counter.take(), expected, "{what}");

    let _ = store.create("k", &first).await.unwrap();
    took("create", &["PUT"]);
    assert_eq!(store.create("k", &first).await.unwrap(), Created::Taken);
    took("create over a record", &["PUT", "GET"]);
    assert_eq!(store.load("k").await.unwrap().unwrap().version, first.version);
    took("load", &["GET"]);
    assert_eq!(store.update("k", &second, &first.version).await.unwrap(), Updated::Done);
    took("update", &["GET", "PUT"]);
    assert!(matches!(store.update("k", &first, &first.version).await.unwrap(), Updated::Conflict(_)));
    took("update of what was replaced meanwhile", &["GET"]);
    assert!(store.touch("k", 2 * MINUTE).await.unwrap());
    took("touch", &["GET", "PUT"]);
    assert!(store.touch("k", MINUTE).await.unwrap());
    took("touch that is not ahead", &["GET"]);
    store.delete("k").await.unwrap();
    took("delete", &["DELETE"]);
    assert_eq!(store.update("k", &second, &first.version).await.unwrap(), Updated::Gone);
    took("update of what is gone", &["GET"]);
    assert_eq!(store.load("k").await.unwrap(), None);
    took("load of what is gone", &["GET"]);
    store.ping().await.unwrap();
    took("ping", &["GET"]);
    assert_eq!(store.delete_expired(10).await.unwrap(), Swept::default());
    took("sweep of nothing", &["GET"]);
}

async fn a_server_is_tried_out_once() {
    let server = S3Server::start();
    let counter = Counter::before(server.port()).await;
    let store = store(counter.port());
    store.migrate().await.unwrap();
    let asked = counter.take();
    assert_eq!(asked.len(), 9, "{asked:?}");
    store.migrate().await.unwrap();
    let worker = store.for_worker().unwrap();
    let _ = worker.create("k", &record("first")).await.unwrap();
    assert_eq!(counter.take(), ["PUT"]);
}

async fn an_object_that_is_gone_is_no_failure_of_an_update() {
    let server = S3Server::start();
    let store = store(server.port());
    let first = record("first");
    for _ in 0..20 {
        let _ = store.create("k", &first).await.unwrap();
        let (second, third) = (record("second"), record("third"));
        // each may find the object, and write when it is not there any more
        let updates = [store.update("k", &second, &first.version), store.update("k", &third, &first.version)];
        let (updated, deleted) = tokio::join!(join_all(updates), store.delete("k"));
        deleted.unwrap();
        assert!(updated.iter().all(Result::is_ok), "{updated:?}");
        store.delete("k").await.unwrap();
    }
}

/// Many that live, and a few among them that have expired.
async fn fill(port: u16, clock: &Clock) -> CacheStore<OpendalCache> {
    let cache = OpendalCache::from_url(&S3Server::url("folder", port)).unwrap().timeout(PATIENT);
    let store = CacheStore::new(cache).clock(clock.clone());
    for part in (0..300).collect::<Vec<_>>().chunks(50) {
        let create = part.iter().map(async |index| {
            let life = if index % 140 == 139 { MINUTE } else { 10 * MINUTE };
            store.create(&format!("session:{index:03}"), &Record::new("bytes", life)).await.unwrap()
        });
        assert!(join_all(create).await.iter().all(|created| *created == Created::Created));
    }
    clock.advance(2 * MINUTE);
    store
}

async fn a_sweep_goes_on_over_pages_without_an_expired_record() {
    let (server, clock) = (S3Server::start(), Clock::manual());
    let store = fill(server.port(), &clock).await;
    // of the two that have expired one is in the second page of 256
    for _ in 0..2 {
        let (mut deleted, mut calls) = (0, 0);
        loop {
            let swept = store.delete_expired(1000).await.unwrap();
            (deleted, calls) = (deleted + swept.deleted, calls + 1);
            if !swept.more {
                break;
            }
            assert!(calls < 100, "the walk does not end");
        }
        assert!(calls >= 2, "a call's work is bounded: {calls}");
        assert!([2, 298].contains(&deleted), "{deleted}");
        clock.advance(20 * MINUTE);
    }
    let sessions = SessionMiddleware::new(store).sessions().unwrap();
    assert_eq!(sessions.sweep().await.unwrap(), 0);
}

async fn a_sweep_goes_on_behind_what_it_can_not_read_and_says_so_at_the_end() {
    let (server, clock) = (S3Server::start(), Clock::manual());
    let counter = Counter::before(server.port()).await;
    let store = fill(counter.port(), &clock).await;
    clock.advance(20 * MINUTE);
    counter.break_object("session.3a100");
    let (mut deleted, mut told) = (0, None);
    while told.is_none() {
        match store.delete_expired(50).await {
            Ok(swept) => {
                assert!(swept.more, "nobody was told");
                deleted += swept.deleted;
            }
            Err(error) => told = Some(error),
        }
    }
    assert_eq!(told.unwrap().kind(), StoreErrorKind::Unavailable);
    assert!(deleted > 200, "{deleted}");
    assert_eq!(store.load("session:299").await.unwrap(), None);
}
