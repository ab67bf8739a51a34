//! Many at once, and one after the other over several connections: S5, S14, S15.

use futures_util::FutureExt;

use super::subject::{HOUR, Subject, at_once, must};
use crate::store::{Record, Updated};

/// S5: of N concurrent updates at one version exactly one is `Done`, its record is what is stored, and it is what
/// the others are shown.
pub async fn s05_of_concurrent_updates_exactly_one_is_done(subject: &Subject) {
    const AT_ONCE: usize = 12;
    const ROUNDS: usize = 60;
    let key = subject.key("race");
    let mut version = subject.new_record(&key, "race", HOUR).await.version;
    for round in 0..ROUNDS {
        let work = subject.stores(AT_ONCE).into_iter().enumerate().map(|(index, store)| {
            let (key, record) = (key.clone(), Record::new(format!("{round}:{index}"), HOUR));
            async move { (must("update", store.update(&key, &record, &version).await), record) }.boxed()
        });
        let answers = at_once(work.collect()).await;
        let done: Vec<_> = answers.iter().filter(|(answer, _)| *answer == Updated::Done).collect();
        assert_eq!(done.len(), 1, "S5: of {AT_ONCE} concurrent updates at one version, {} were `Done`", done.len());
        let stored = subject.live("S5", &key).await;
        for (answer, record) in &answers {
            match answer {
                Updated::Done => {
                    assert_eq!(stored.version, record.version, "S5: what is stored is not what was `Done`");
                    assert_eq!(stored.bytes, record.bytes, "S5: what is stored is not what was `Done`");
                }
                Updated::Conflict(shown) => {
                    assert_eq!(shown.version, stored.version, "S5: a loser was not shown the winner's version");
                    assert_eq!(shown.bytes, stored.bytes, "S5: a loser was not shown the winner's record");
                }
                Updated::Gone => panic!("S5: the record was gone in the middle of an update"),
            }
        }
        version = stored.version;
    }
    count_together(subject).await;
}

/// S14: reads see acknowledged writes, on every connection: of this store, of its workers, of stores beside it. What a
/// store recalls is not behind its own writes.
pub async fn s14_reads_see_acknowledged_writes(subject: &Subject) {
    let stores = subject.stores(6);
    let mut readers = stores.iter().skip(1).cycle();
    let mut read = async |key: &str| {
        let reader = readers.next().expect("a cycle has no end");
        must("load", reader.load(key).await)
    };
    for round in 0..20 {
        for writer in &stores {
            let key = subject.key("seen");
            let first = Record::new(format!("first {round}"), HOUR);
            let _ = must("create", writer.create(&key, &first).await);
            let seen = read(&key).await.map(|seen| (seen.bytes, seen.version));
            assert_eq!(seen, Some((first.bytes, first.version)), "S14: a read after an acknowledged create");

            let second = Record::new(format!("second {round}"), HOUR);
            must("load", writer.load(&key).await);
            let _ = must("update", writer.update(&key, &second, &first.version).await);
            let seen = writer.recall(&key).map_or(second.version, |recalled| recalled.version);
            assert_eq!(seen, second.version, "S14: what is recalled after an acknowledged update of one's own");
            let seen = read(&key).await.map(|seen| (seen.bytes, seen.version));
            assert_eq!(seen, Some((second.bytes, second.version)), "S14: a read after an acknowledged update");

            must("load", writer.load(&key).await);
            must("touch", writer.touch(&key, 3 * HOUR).await);
            let left = writer.recall(&key).map_or(3 * HOUR, |recalled| recalled.expires_in);
            assert!(left > 2 * HOUR, "S14: what is recalled after a touch of one's own has {left:?} to live");
            let left = read(&key).await.map(|seen| seen.expires_in);
            assert!(left > Some(2 * HOUR), "S14: a read after an acknowledged touch still has {left:?} to live");

            must("load", writer.load(&key).await);
            must("delete", writer.delete(&key).await);
            assert_eq!(writer.recall(&key), None, "S14: what is recalled after an acknowledged delete of one's own");
            assert_eq!(read(&key).await, None, "S14: a read after an acknowledged delete");
        }
    }
}

/// S15: `migrate` may run twice and concurrently without harm: it succeeds, and the records stay.
pub async fn s15_migrating_again_does_no_harm(subject: &Subject) {
    must("migrate", subject.store().migrate().await);
    let key = subject.key("kept");
    let kept = subject.new_record(&key, "kept", HOUR).await;
    must("migrate", subject.store().migrate().await);
    for _ in 0..3 {
        let work = subject.stores(4).into_iter();
        let work = work.map(|store| async move { must("migrate", store.migrate().await) }.boxed());
        at_once(work.collect()).await;
    }
    let found = subject.live("S15", &key).await;
    assert_eq!((found.bytes, found.version), (kept.bytes, kept.version), "S15: `migrate` changed a record");
    let next = Record::new("next", HOUR);
    assert_eq!(subject.update(&key, &next, &kept.version).await, Updated::Done, "S15: update after `migrate`");
}

/// S5 as it is used: read, add one, swap, again on a conflict; no increment is lost.
async fn count_together(subject: &Subject) {
    const TASKS: usize = 6;
    const EACH: usize = 10;
    let key = subject.key("count");
    subject.new_record(&key, "0", HOUR).await;
    let work = subject.stores(TASKS).into_iter().map(|store| {
        let key = key.clone();
        async move {
            let mut current = must("load", store.load(&key).await).expect("S5: the counter is gone");
            let mut left = EACH;
            while left > 0 {
                let next = Record::new((count(&current) + 1).to_string(), HOUR);
                match must("update", store.update(&key, &next, &current.version).await) {
                    Updated::Done => (left, current) = (left - 1, next),
                    Updated::Conflict(theirs) => current = theirs,
                    Updated::Gone => panic!("S5: the counter is gone"),
                }
            }
        }
        .boxed()
    });
    at_once(work.collect()).await;
    let total = count(&subject.live("S5", &key).await);
    assert_eq!(total, TASKS * EACH, "S5: increments by compare-and-swap were lost or doubled");
}

fn count(record: &Record) -> usize {
    std::str::from_utf8(&record.bytes).ok().and_then(|text| text.parse().ok()).expect("S5: the counter is garbled")
}
