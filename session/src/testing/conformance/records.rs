//! One record through its life: S2, S3, S4, S6, S7.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;

use super::subject::{HOUR, Subject, at_once, must};
use crate::store::{Created, Record, SessionStore, Updated, Version};

/// S2: `create` never overwrites. Over a live key it is `Taken` and changes nothing; over an expired one it may be
/// either, and says which. Of several at once, one is `Created`.
pub async fn s02_create_never_overwrites(subject: &Subject) {
    let key = subject.key("taken");
    let first = subject.new_record(&key, "first", HOUR).await;
    let second = Record::new("second", 2 * HOUR);
    assert_eq!(subject.create(&key, &second).await, Created::Taken, "S2: create over a live record");
    // the same record again is no exception: a write that was not acknowledged is not repeated blindly
    assert_eq!(subject.create(&key, &first).await, Created::Taken, "S2: create of the same record again");
    let found = subject.live("S2", &key).await;
    assert_eq!(found.bytes, first.bytes, "S2: a create that was `Taken` changed the bytes");
    assert_eq!(found.version, first.version, "S2: a create that was `Taken` changed the version");
    assert!(found.expires_in <= HOUR, "S2: a create that was `Taken` changed the expiry to {:?}", found.expires_in);

    let key = subject.key("expired");
    subject.new_record(&key, "first", subject.short()).await;
    subject.expire("S2", std::slice::from_ref(&key)).await;
    let created = subject.create(&key, &second).await;
    let found = subject.load(&key).await.map(|found| (found.bytes, found.version));
    let expected = (created == Created::Created).then(|| (second.bytes.clone(), second.version));
    assert_eq!(found, expected, "S2: create over an expired record said {created:?}");

    for _ in 0..ROUNDS {
        let key = subject.key("race");
        let work = subject.stores(8).into_iter().map(|store| {
            let (key, record) = (key.clone(), Record::new("race", HOUR));
            async move { (must("create", store.create(&key, &record).await), record.version) }.boxed()
        });
        let answers = at_once(work.collect()).await;
        let winners: Vec<_> = answers.iter().filter(|(created, _)| *created == Created::Created).collect();
        assert_eq!(winners.len(), 1, "S2: of 8 concurrent creates of one key, {} were `Created`", winners.len());
        let found = subject.live("S2", &key).await.version;
        assert!(winners.iter().all(|(_, version)| *version == found), "S2: the winner's record is not what is stored");
    }
}

/// S3: `update` replaces bytes, version and expiry of a live record at `expected`. Otherwise it changes nothing and
/// says `Conflict` with the current record, or `Gone`.
pub async fn s03_update_replaces_only_at_the_expected_version(subject: &Subject) {
    let key = subject.key("update");
    let first = subject.new_record(&key, "first", HOUR).await;

    let second = Record::new("second, and longer", 3 * HOUR);
    assert_eq!(subject.update(&key, &second, &first.version).await, Updated::Done, "S3: at the version that is stored");
    let found = subject.live("S3", &key).await;
    assert_eq!(found.bytes, second.bytes, "S3: an update that was `Done` left other bytes");
    assert_eq!(found.version, second.version, "S3: an update that was `Done` left another version");
    assert_remains("S3", &found, second.expires_in);

    let third = Record::new("third", 5 * HOUR);
    for stale in [first.version, third.version, Version::from_bytes([0; 16]), Version::from_bytes([255; 16])] {
        let Updated::Conflict(current) = subject.update(&key, &third, &stale).await else {
            panic!("S3: an update at a version that is not the record's was no `Conflict`")
        };
        assert_eq!(current.bytes, second.bytes, "S3: the record in `Conflict` is not the current one");
        assert_eq!(current.version, second.version, "S3: the version in `Conflict` is not the current one");
        assert_remains("S3", &current, second.expires_in);
        let found = subject.live("S3", &key).await;
        assert_eq!(found.bytes, second.bytes, "S3: an update that was a `Conflict` changed the bytes");
        assert_eq!(found.version, second.version, "S3: an update that was a `Conflict` changed the version");
        assert_remains("S3", &found, second.expires_in);
    }

    // an update may also shorten a life: the deadline is a part of what is replaced
    let shorter = Record::new("shorter", HOUR);
    assert_eq!(subject.update(&key, &shorter, &second.version).await, Updated::Done, "S3: an update to a shorter life");
    assert_remains("S3", &subject.live("S3", &key).await, HOUR);

    let never = subject.update(&subject.key("never"), &third, &first.version).await;
    assert_eq!(never, Updated::Gone, "S3: an update of a key that has no record");

    let key = subject.key("expired");
    let expired = subject.new_record(&key, "expired", subject.short()).await;
    subject.expire("S3", std::slice::from_ref(&key)).await;
    let answer = subject.update(&key, &third, &expired.version).await;
    assert_eq!(answer, Updated::Gone, "S3: an update of an expired record at its version");
    let answer = subject.update(&key, &third, &first.version).await;
    assert_eq!(answer, Updated::Gone, "S3: an update of an expired record at another version");
}

/// S4: nothing but `create` ever makes a record: what was deleted or has expired stays ended, also when the end and
/// a write happen at once.
pub async fn s04_nothing_but_create_makes_a_record(subject: &Subject) {
    let never = (subject.key("never"), Version::random());
    let deleted = subject.key("deleted");
    let deleted_at = subject.new_record(&deleted, "bytes", HOUR).await.version;
    subject.delete(&deleted).await;
    let expired = subject.key("expired");
    let expired_at = subject.new_record(&expired, "bytes", subject.short()).await.version;
    subject.expire("S4", std::slice::from_ref(&expired)).await;

    let ended = [never, (deleted, deleted_at), (expired, expired_at)];
    for (key, version) in &ended {
        let record = Record::new("revived", HOUR);
        assert_eq!(subject.update(key, &record, version).await, Updated::Gone, "S4: update of {key:?}");
        assert_eq!(subject.load(key).await, None, "S4: update revived {key:?}");
        assert!(!subject.touch(key, HOUR).await, "S4: touch of {key:?} said that there is a record");
        assert_eq!(subject.load(key).await, None, "S4: touch revived {key:?}");
    }
    for (key, _) in &ended {
        subject.delete(key).await;
        subject.delete_expired(10).await;
        assert_eq!(subject.load(key).await, None, "S4: a deletion revived {key:?}");
    }

    for _ in 0..ROUNDS {
        let key = subject.key("race");
        let version = subject.new_record(&key, "bytes", HOUR).await.version;
        let work = subject.stores(9).into_iter().enumerate().map(|(index, store)| {
            let key = key.clone();
            async move { end_or_write(&*store, &key, index, version).await }.boxed()
        });
        at_once(work.collect()).await;
        assert_eq!(subject.load(&key).await, None, "S4: a write that met a `delete` revived the record");
    }
}

/// S6: `touch` moves only the expiry, of a live record only, and never backwards. It may change the version.
pub async fn s06_touch_moves_only_the_expiry_and_never_backwards(subject: &Subject) {
    let key = subject.key("touch");
    let record = subject.new_record(&key, "bytes", HOUR).await;

    assert!(subject.touch(&key, 3 * HOUR).await, "S6: touch of a live record said that there is none");
    let found = subject.live("S6", &key).await;
    assert_eq!(found.bytes, record.bytes, "S6: touch changed the bytes");
    assert_remains("S6", &found, 3 * HOUR);

    assert!(subject.touch(&key, HOUR).await, "S6: touch to an earlier expiry said that there is no record");
    let found = subject.live("S6", &key).await;
    assert_eq!(found.bytes, record.bytes, "S6: touch changed the bytes");
    assert_remains("S6", &found, 3 * HOUR);

    // whatever touch did to the version, the one that is loaded is the one to update at
    let answer = subject.update(&key, &Record::new("next", HOUR), &found.version).await;
    assert_eq!(answer, Updated::Done, "S6: update at the version that was loaded after a touch");

    assert!(!subject.touch(&subject.key("never"), HOUR).await, "S6: touch of a key that has no record");
    let key = subject.key("expired");
    subject.new_record(&key, "bytes", subject.short()).await;
    subject.expire("S6", std::slice::from_ref(&key)).await;
    assert!(!subject.touch(&key, HOUR).await, "S6: touch of an expired record");
    assert_eq!(subject.load(&key).await, None, "S6: touch revived an expired record");

    for _ in 0..ROUNDS {
        touch_and_update(subject).await;
    }
}

/// S7: `delete` is idempotent: of a key that has no record, or no more, it succeeds and does nothing.
pub async fn s07_delete_is_idempotent(subject: &Subject) {
    let (key, other) = (subject.key("delete"), subject.key("other"));
    let kept = subject.new_record(&other, "other", HOUR).await;
    subject.delete(&key).await;
    for round in 0..3 {
        let record = subject.new_record(&key, format!("round {round}"), HOUR).await;
        assert_eq!(subject.live("S7", &key).await.version, record.version, "S7: the record made after a delete");
        subject.delete(&key).await;
        assert_eq!(subject.load(&key).await, None, "S7: the record after its delete");
        subject.delete(&key).await;
        assert_eq!(subject.load(&key).await, None, "S7: the record after its second delete");
    }
    assert_eq!(subject.live("S7", &other).await.version, kept.version, "S7: delete reached another key");

    let key = subject.key("race");
    subject.new_record(&key, "race", HOUR).await;
    let work = subject.stores(8).into_iter().map(|store| {
        let key = key.clone();
        async move { must("delete", store.delete(&key).await) }.boxed()
    });
    at_once(work.collect()).await;
    assert_eq!(subject.load(&key).await, None, "S7: the record after concurrent deletes");
}

const ROUNDS: usize = 25;

/// That a record's remaining life is `asked`, give or take what this test has lasted.
fn assert_remains(rule: &str, record: &Record, asked: Duration) {
    let (least, most) = (asked.saturating_sub(Duration::from_secs(5 * 60)), asked + Duration::from_secs(2));
    assert!(
        record.expires_in >= least && record.expires_in <= most,
        "{rule}: {asked:?} were asked for, and {:?} remain",
        record.expires_in
    );
}

/// One of the tasks that meet in S4: the end of the record, or a write to it.
async fn end_or_write(store: &dyn SessionStore, key: &str, index: usize, version: Version) {
    match index % 3 {
        0 if index == 0 => must("delete", store.delete(key).await),
        0 | 1 => drop(must("update", store.update(key, &Record::new("more", HOUR), &version).await)),
        _ => drop(must("touch", store.touch(key, 2 * HOUR).await)),
    }
}

/// A touch and an update at once: the update is whole or did not happen, and the record lives on.
async fn touch_and_update(subject: &Subject) {
    let key = subject.key("race");
    let first = subject.new_record(&key, "first", HOUR).await;
    let second = Record::new("second", HOUR);
    let [toucher, updater] =
        <[Arc<dyn SessionStore>; 2]>::try_from(subject.stores(2)).ok().expect("two were asked for");
    let touch = {
        let key = key.clone();
        async move {
            assert!(must("touch", toucher.touch(&key, 3 * HOUR).await), "S6: touch of a live record found none");
            false
        }
    };
    let update = {
        let (key, second) = (key.clone(), second.clone());
        async move {
            let answer = must("update", updater.update(&key, &second, &first.version).await);
            assert_ne!(answer, Updated::Gone, "S6: update of a live record while it was touched");
            answer == Updated::Done
        }
    };
    let done = at_once(vec![touch.boxed(), update.boxed()]).await.contains(&true);
    let found = subject.live("S6", &key).await.bytes;
    let expected = if done { second.bytes } else { first.bytes };
    assert_eq!(found, expected, "S6: a touch and an update at once, and the update was done: {done}");
}
