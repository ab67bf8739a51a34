//! What is the memory store's own: its bound, and that threads don't disturb each other. The rest is the contract's.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Barrier, thread, time::Duration};

use super::{MemoryStore, SHARDS, shard};
use crate::{
    Clock,
    store::{Created, Record, SessionStore, StoreErrorKind, Updated, Version},
};

const HOUR: Duration = Duration::from_secs(3600);

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A store with room for so many records of one byte under keys of two.
fn room_for(records: usize, clock: &Clock) -> MemoryStore {
    MemoryStore::default().max_bytes(records * shard::size("k1", b"x")).clock(clock.clone())
}

async fn put(store: &MemoryStore, key: &str, expires_in: Duration) {
    assert_eq!(store.create(key, &Record::new("x", expires_in)).await.unwrap(), Created::Created);
}

async fn holds(store: &MemoryStore, key: &str) -> bool {
    store.load(key).await.unwrap().is_some()
}

/// The account of bytes, counted anew.
fn bytes(store: &MemoryStore) -> usize {
    (0..SHARDS).map(|index| store.inner.shard(index, |shard| shard.bytes())).sum()
}

#[tokio::test]
async fn at_the_bound_the_record_that_expires_soonest_goes() {
    let store = room_for(3, &Clock::manual());
    put(&store, "k1", HOUR * 2).await;
    put(&store, "k2", HOUR).await;
    put(&store, "k3", HOUR * 3).await;
    put(&store, "k4", HOUR * 4).await;
    assert!(!holds(&store, "k2").await);
    put(&store, "k5", HOUR * 5).await;
    assert!(!holds(&store, "k1").await);
    assert!(holds(&store, "k3").await && holds(&store, "k4").await && holds(&store, "k5").await);
}

#[tokio::test]
async fn at_the_bound_an_expired_record_goes_before_a_live_one() {
    let clock = Clock::manual();
    let store = room_for(2, &clock);
    put(&store, "k1", HOUR).await;
    clock.advance(HOUR * 2);
    put(&store, "k2", Duration::from_secs(1)).await;
    put(&store, "k3", HOUR).await;
    assert!(holds(&store, "k2").await && holds(&store, "k3").await);
}

#[tokio::test]
async fn the_record_just_written_stays_though_it_expires_first() {
    let store = room_for(2, &Clock::manual());
    put(&store, "k1", HOUR * 2).await;
    put(&store, "k2", HOUR).await;
    put(&store, "k3", Duration::from_secs(1)).await;
    assert!(holds(&store, "k3").await);
    // growing by an update makes room in the same way
    let old = store.load("k3").await.unwrap().unwrap().version;
    let larger = Record::new(vec![b'x'; shard::size("k3", b"")], Duration::from_secs(1));
    assert_eq!(store.update("k3", &larger, &old).await.unwrap(), Updated::Done);
    assert!(holds(&store, "k3").await && !holds(&store, "k1").await);
}

#[tokio::test]
async fn the_record_just_written_stays_though_it_is_the_first_of_its_shard() {
    let store = MemoryStore::default().max_bytes(shard::size("0000", b"x"));
    let mut keys = (0..9999).map(|number| format!("{number:04}"));
    let first = keys.next().unwrap();
    let second = keys.find(|key| store.inner.index(key) == store.inner.index(&first)).unwrap();
    put(&store, &first, HOUR * 2).await;
    put(&store, &second, HOUR).await;
    assert!(holds(&store, &second).await && !holds(&store, &first).await);
}

#[tokio::test]
async fn a_record_larger_than_the_bound_is_too_large_and_ends_no_other() {
    let store = room_for(2, &Clock::manual());
    put(&store, "k1", HOUR).await;
    let large = Record::new(vec![0; 1000], HOUR);
    assert_eq!(store.create("k2", &large).await.unwrap_err().kind(), StoreErrorKind::TooLarge);
    let old = store.load("k1").await.unwrap().unwrap().version;
    assert_eq!(store.update("k1", &large, &old).await.unwrap_err().kind(), StoreErrorKind::TooLarge);
    assert!(holds(&store, "k1").await && !holds(&store, "k2").await);
}

#[tokio::test]
async fn an_expiry_is_kept_to_the_millisecond_and_never_moves_backwards() {
    let clock = Clock::manual();
    let store = MemoryStore::default().clock(clock.clone());
    for lifetime in [Duration::from_millis(300), HOUR * 24 * 31, HOUR * 24 * 3650] {
        put(&store, "k1", lifetime).await;
        assert!(store.touch("k1", lifetime / 2).await.unwrap());
        let left = store.load("k1").await.unwrap().unwrap().expires_in;
        assert!(left <= lifetime + Duration::from_millis(1) && left > lifetime / 2);
        clock.advance(lifetime + Duration::from_millis(1));
        assert!(!holds(&store, "k1").await && !store.touch("k1", HOUR).await.unwrap());
    }
    put(&store, "k1", Duration::MAX).await;
    assert!(store.touch("k1", Duration::MAX).await.unwrap() && holds(&store, "k1").await);
}

#[tokio::test]
async fn a_sweep_deletes_what_is_expired_up_to_its_limit() {
    let clock = Clock::manual();
    let store = MemoryStore::default().clock(clock.clone());
    for number in 0..300 {
        put(&store, &format!("old{number}"), HOUR).await;
    }
    put(&store, "new", HOUR * 3).await;
    assert_eq!(store.delete_expired(1000).await.unwrap().deleted, 0);
    clock.advance(HOUR * 2);
    assert_eq!(store.delete_expired(100).await.unwrap().deleted, 100);
    assert_eq!(store.delete_expired(u64::MAX).await.unwrap().deleted, 200);
    assert!(holds(&store, "new").await);
    assert_eq!(bytes(&store), shard::size("new", b"x"));
}

#[tokio::test]
async fn new_records_clear_away_expired_ones_without_a_sweep() {
    let clock = Clock::manual();
    let store = MemoryStore::default().clock(clock.clone());
    for round in 0..20 {
        for number in 0..1000 {
            put(&store, &format!("{round}:{number}"), HOUR).await;
        }
        clock.advance(HOUR * 2);
    }
    assert!(bytes(&store) < 10 * 1000 * shard::size("19:999", b"x"), "{store:?}");
}

#[tokio::test]
async fn what_is_kept_is_a_copy_and_no_larger_buffer() {
    let store = MemoryStore::default();
    let buffer = bytes::Bytes::from(vec![b'x'; 4096]);
    let record = Record { version: Version::random(), bytes: buffer.slice(..1), expires_in: HOUR };
    assert_eq!(store.create("k1", &record).await.unwrap(), Created::Created);
    drop(record);
    assert!(buffer.is_unique());
}

#[test]
fn one_of_many_threads_wins_each_update_and_the_bound_and_the_account_hold() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 500;
    let clock = Clock::manual();
    let store = room_for(64, &clock);
    let first = Record::new("x", HOUR * 9);
    assert_eq!(block_on(store.create("k1", &first)).unwrap(), Created::Created);
    let versions: Vec<Version> = (0..=ROUNDS).map(|_| Version::random()).collect();
    let start = Record { version: *versions.first().unwrap(), ..first.clone() };
    assert_eq!(block_on(store.update("k1", &start, &first.version)).unwrap(), Updated::Done);
    let barrier = Barrier::new(THREADS);
    let done: usize = thread::scope(|scope| {
        let race = |thread: usize| {
            let mut done = 0;
            for (round, pair) in versions.windows(2).enumerate() {
                let &[old, new] = pair else { unreachable!("windows of two") };
                put_quietly(&store, &format!("{thread}:{round}"));
                barrier.wait();
                let record = Record { version: new, ..start.clone() };
                done += usize::from(block_on(store.update("k1", &record, &old)).unwrap() == Updated::Done);
                barrier.wait();
            }
            done
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || race(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(done, ROUNDS);
    assert_eq!(bytes(&store), store.inner.bytes.load(std::sync::atomic::Ordering::Relaxed));
    assert!(bytes(&store) <= store.inner.max_bytes);
}

fn put_quietly(store: &MemoryStore, key: &str) {
    assert_eq!(block_on(store.create(key, &Record::new("x", HOUR))).unwrap(), Created::Created);
}
