//! What moves and how, what it costs, and what happens when one of the two stores fails.

use std::time::Duration;

use super::world::{HOUR, KEY};
use crate::{
    Clock,
    store::{Created, MigratingStore, Record, SessionStore, StoreErrorKind, Updated},
    testing::{Fault, FaultStore, Operation, ReferenceStore, SpyStore},
};

/// The two stores, with what they were asked and what fails, and both as one.
struct Pair {
    new: ReferenceStore,
    old: ReferenceStore,
    new_spy: SpyStore,
    old_spy: SpyStore,
    new_faults: FaultStore,
    old_faults: FaultStore,
    store: MigratingStore,
    standby: MigratingStore,
    clock: Clock,
}

impl Pair {
    fn new() -> Self {
        Self::with_limit(usize::MAX)
    }

    /// With a new store that takes records of so many bytes.
    fn with_limit(max_bytes: usize) -> Self {
        let clock = Clock::manual();
        let new = ReferenceStore::new(clock.clone()).max_bytes(max_bytes);
        let old = ReferenceStore::new(clock.clone());
        let (new_faults, old_faults) = (FaultStore::new(new.clone()), FaultStore::new(old.clone()));
        let (new_spy, old_spy) = (SpyStore::new(new_faults.clone()), SpyStore::new(old_faults.clone()));
        let store = MigratingStore::new(new_spy.clone(), old_spy.clone());
        let standby = store.clone().standby();
        Self { new, old, new_spy, old_spy, new_faults, old_faults, store, standby, clock }
    }

    /// The same with a record in the old store.
    async fn with_record() -> (Self, Record) {
        let (pair, record) = (Self::new(), Record::new("bytes", HOUR));
        assert_eq!(pair.old.create(KEY, &record).await.unwrap(), Created::Created);
        (pair, record)
    }

    /// What the new store was asked since the last time, and what the old one.
    fn asked(&self) -> [Vec<&'static str>; 2] {
        [self.new_spy.take(), self.old_spy.take()]
    }
}

#[tokio::test]
async fn a_record_moves_as_it_is_with_what_remains_of_its_life() {
    let (pair, record) = Pair::with_record().await;
    pair.clock.advance(HOUR / 2);
    let loaded = pair.store.load(KEY).await.unwrap().unwrap();
    let moved = pair.new.load(KEY).await.unwrap().unwrap();
    for found in [loaded, moved] {
        assert_eq!((found.bytes, found.version), (record.bytes.clone(), record.version));
        assert!(found.expires_in <= HOUR / 2 && found.expires_in > HOUR / 2 - Duration::from_secs(60));
    }
    pair.clock.advance(HOUR / 2);
    assert_eq!(pair.store.load(KEY).await.unwrap(), None);
}

#[tokio::test]
async fn a_record_costs_four_writes_to_move_and_one_call_from_then_on() {
    let (pair, record) = Pair::with_record().await;
    pair.store.load(KEY).await.unwrap();
    assert_eq!(pair.asked(), [vec!["load", "create", "update"], vec!["load", "update"]]);
    pair.store.load(KEY).await.unwrap();
    assert_eq!(pair.asked(), [vec!["load"], vec![]]);
    assert_eq!(pair.store.update(KEY, &Record::new("next", HOUR), &record.version).await.unwrap(), Updated::Done);
    assert_eq!(pair.asked(), [vec!["update"], vec![]]);
    assert!(pair.store.touch(KEY, 2 * HOUR).await.unwrap());
    assert_eq!(pair.asked(), [vec!["load", "touch"], vec![]]);
    pair.store.delete(KEY).await.unwrap();
    assert_eq!(pair.asked(), [vec!["load", "update"], vec![]]);
}

#[tokio::test]
async fn what_is_in_neither_store_costs_a_call_of_each() {
    let pair = Pair::new();
    let record = Record::new("bytes", HOUR);
    assert_eq!(pair.store.load(KEY).await.unwrap(), None);
    assert_eq!(pair.asked(), [vec!["load"], vec!["load"]]);
    assert_eq!(pair.store.update(KEY, &record, &record.version).await.unwrap(), Updated::Gone);
    assert_eq!(pair.asked(), [vec!["update"], vec!["load"]]);
    assert!(!pair.store.touch(KEY, HOUR).await.unwrap());
    assert_eq!(pair.asked(), [vec!["load"], vec!["load"]]);
    pair.store.delete(KEY).await.unwrap();
    assert_eq!(pair.asked(), [vec!["load"], vec!["load"]]);
    assert_eq!(pair.store.create(KEY, &record).await.unwrap(), Created::Created);
    assert_eq!(pair.asked(), [vec!["create"], vec!["load"]]);
}

#[tokio::test]
async fn an_update_at_the_old_stores_version_is_done_in_the_new_one() {
    let (pair, record) = Pair::with_record().await;
    let next = Record::new("next", HOUR);
    assert_eq!(pair.store.update(KEY, &next, &record.version).await.unwrap(), Updated::Done);
    assert_eq!(pair.new.load(KEY).await.unwrap().unwrap().version, next.version);
    let Updated::Conflict(shown) = pair.store.update(KEY, &next, &record.version).await.unwrap() else { panic!() };
    assert_eq!(shown.version, next.version);
}

#[tokio::test]
async fn a_standby_leaves_in_the_old_store_what_is_there_and_uses_what_has_moved() {
    let (pair, record) = Pair::with_record().await;
    let next = Record::new("next", HOUR);
    assert_eq!(pair.standby.update(KEY, &next, &record.version).await.unwrap(), Updated::Done);
    assert!(pair.standby.touch(KEY, 2 * HOUR).await.unwrap());
    let in_old = pair.old.load(KEY).await.unwrap().unwrap();
    assert_eq!(in_old.bytes, "next");
    assert!(in_old.expires_in > HOUR);

    let moved = pair.store.load(KEY).await.unwrap().unwrap();
    assert_eq!(pair.standby.load(KEY).await.unwrap().unwrap().bytes, "next");
    let last = Record::new("last", HOUR);
    assert_eq!(pair.standby.update(KEY, &last, &moved.version).await.unwrap(), Updated::Done);
    assert_eq!(pair.new.load(KEY).await.unwrap().unwrap().bytes, "last");
}

/// Two nodes that create one record at once: the standby in the old store, the other in the new one.
#[tokio::test]
async fn a_place_that_a_standby_holds_is_taken_for_who_looked_before() {
    let (pair, record) = (Pair::new(), Record::new("bytes", HOUR));
    let gate = pair.new_faults.hold(Operation::Create);
    let (store, late) = (pair.store.clone(), Record::new("late", HOUR));
    let late = tokio::spawn(async move { store.create(KEY, &late).await.unwrap() });
    gate.arrived(1).await;
    assert_eq!(pair.standby.create(KEY, &record).await.unwrap(), Created::Created);
    gate.open();
    assert_eq!(late.await.unwrap(), Created::Taken);
    assert_eq!(pair.store.load(KEY).await.unwrap().unwrap().bytes, "bytes");
}

#[tokio::test]
async fn a_copy_on_its_way_does_not_revive_what_was_deleted() {
    let (pair, _) = Pair::with_record().await;
    let gate = pair.new_faults.hold(Operation::Create);
    let store = pair.store.clone();
    let load = tokio::spawn(async move { store.load(KEY).await.unwrap() });
    gate.arrived(1).await;
    pair.store.delete(KEY).await.unwrap();
    gate.open();
    assert_eq!(load.await.unwrap(), None);
    assert_eq!(pair.standby.load(KEY).await.unwrap(), None);
    assert_eq!(pair.store.create(KEY, &Record::new("new", HOUR)).await.unwrap(), Created::Created);
}

/// As when it evicts, or loses in a crash what it has acknowledged.
#[tokio::test]
async fn what_was_told_to_be_gone_stays_gone_when_the_old_store_forgets_that_it_moved() {
    let (pair, _) = Pair::with_record().await;
    let gate = pair.new_faults.hold(Operation::Update);
    let store = pair.store.clone();
    let load = tokio::spawn(async move { store.load(KEY).await.unwrap() });
    gate.arrived(1).await;
    pair.old.delete(KEY).await.unwrap();
    assert_eq!(pair.standby.load(KEY).await.unwrap(), None);
    gate.open();
    assert_eq!(load.await.unwrap(), None);
    assert_eq!(pair.store.load(KEY).await.unwrap(), None);
}

#[tokio::test]
async fn a_move_that_fails_anywhere_is_an_error_and_is_gone_on_with() {
    for fault in [Fault::Unavailable, Fault::LostAnswer, Fault::Garbage] {
        for (is_new, operation) in [
            (true, Operation::Load),
            (true, Operation::Create),
            (true, Operation::Update),
            (false, Operation::Load),
            (false, Operation::Update),
        ] {
            let (pair, record) = Pair::with_record().await;
            let faults = if is_new { &pair.new_faults } else { &pair.old_faults };
            faults.next(operation, 1, fault.clone());
            let error = pair.store.load(KEY).await.unwrap_err();
            // nothing that the caller wrote is in doubt
            assert_ne!(error.kind(), StoreErrorKind::OutcomeUnknown, "{operation:?} {fault:?}");
            let found = pair.store.load(KEY).await.unwrap().unwrap();
            assert_eq!((found.bytes, found.version), (record.bytes, record.version), "{operation:?} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_store_that_fails_never_stands_for_one_without_the_record() {
    for is_new in [true, false] {
        let pair = Pair::new();
        let faults = if is_new { &pair.new_faults } else { &pair.old_faults };
        for operation in [Operation::Load, Operation::Create, Operation::Update, Operation::Delete, Operation::Ping] {
            faults.always(operation, Fault::Unavailable);
        }
        let record = Record::new("bytes", HOUR);
        for store in [&pair.store, &pair.standby] {
            assert!(store.load(KEY).await.is_err());
            assert!(store.create(KEY, &record).await.is_err());
            assert!(store.update(KEY, &record, &record.version).await.is_err());
            assert!(store.touch(KEY, HOUR).await.is_err());
            assert!(store.delete(KEY).await.is_err());
            assert!(store.ping().await.is_err());
        }
    }
}

#[tokio::test]
async fn a_write_of_unknown_outcome_says_so() {
    let (pair, record) = Pair::with_record().await;
    pair.store.load(KEY).await.unwrap();
    pair.new_faults.next(Operation::Update, 1, Fault::LostAnswer);
    let next = Record::new("next", HOUR);
    let error = pair.store.update(KEY, &next, &record.version).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown);
    // and asked once more, it says what has happened
    let Updated::Conflict(shown) = pair.store.update(KEY, &next, &record.version).await.unwrap() else { panic!() };
    assert_eq!(shown.version, next.version);
}

#[tokio::test]
async fn a_record_that_the_new_store_does_not_take_stays_and_is_used_where_it_is() {
    let pair = Pair::with_limit(100);
    let record = Record::new(vec![b'x'; 90], HOUR);
    assert_eq!(pair.old.create(KEY, &record).await.unwrap(), Created::Created);
    assert_eq!(pair.store.load(KEY).await.unwrap().unwrap().version, record.version);
    assert_eq!(pair.store.create(KEY, &record).await.unwrap(), Created::Taken);
    assert!(pair.store.touch(KEY, 2 * HOUR).await.unwrap());
    let touched = pair.store.load(KEY).await.unwrap().unwrap();
    assert!(touched.expires_in > HOUR);
    let small = Record::new("small", HOUR);
    assert_eq!(pair.store.update(KEY, &small, &touched.version).await.unwrap(), Updated::Done);
    assert_eq!(pair.new.load(KEY).await.unwrap(), None);
    // and it moves when it can
    assert_eq!(pair.store.load(KEY).await.unwrap().unwrap().bytes, "small");
    assert_eq!(pair.new.load(KEY).await.unwrap().unwrap().version, small.version);
}

#[tokio::test]
async fn a_sweep_is_of_both_stores_within_one_limit() {
    let pair = Pair::new();
    for (store, keys) in [(&pair.new, ["a", "b"]), (&pair.old, ["c", "d"])] {
        for key in keys {
            let _ = store.create(key, &Record::new("bytes", HOUR)).await.unwrap();
        }
    }
    pair.clock.advance(2 * HOUR);
    assert_eq!(pair.store.delete_expired(3).await.unwrap().deleted, 3);
    assert_eq!(pair.store.delete_expired(3).await.unwrap().deleted, 1);
}

#[tokio::test]
async fn a_record_moves_through_three_stores() {
    let (first, second, third) = (ReferenceStore::default(), ReferenceStore::default(), ReferenceStore::default());
    let record = Record::new("bytes", HOUR);
    let _ = first.create(KEY, &record).await.unwrap();
    let hop = MigratingStore::new(second.clone(), first.clone());
    let store = MigratingStore::new(third.clone(), hop.clone());
    assert_eq!(store.load(KEY).await.unwrap().unwrap().version, record.version);
    assert_eq!(third.load(KEY).await.unwrap().unwrap().bytes, "bytes");
    store.delete(KEY).await.unwrap();
    assert_eq!(store.load(KEY).await.unwrap(), None);
}
