//! Expiry: S1, S9, S13.

use std::time::{Duration, Instant};

use super::subject::{HOUR, LATENESS, Subject, sleep};
use crate::store::{Record, Updated};

/// S1: `load` never returns an expired record, however late the backend sweeps; nor is one recalled.
pub async fn s01_load_never_returns_an_expired_record(subject: &Subject) {
    let (created, updated, touched, kept) =
        (subject.key("created"), subject.key("updated"), subject.key("touched"), subject.key("kept"));
    subject.new_record(&kept, "kept", 3 * HOUR).await;
    let first = subject.new_record(&updated, "first", 3 * HOUR).await;
    let shorter = Record::new("second", subject.short());
    assert_eq!(subject.update(&updated, &shorter, &first.version).await, Updated::Done, "S1: update to a shorter life");
    subject.new_record(&created, "bytes", subject.short()).await;
    subject.new_record(&touched, "bytes", subject.short()).await;
    // on a slow machine it is gone by now, which is as good
    subject.touch(&touched, subject.short()).await;

    let ended = [created, updated, touched];
    for key in &ended {
        // so that a store that keeps what it reads has something to recall
        subject.load(key).await;
    }
    subject.expire("S1", &ended).await;
    for _ in 0..3 {
        for key in &ended {
            assert_eq!(subject.load(key).await, None, "S1: an expired record came back");
        }
    }
    assert_eq!(subject.live("S1", &kept).await.bytes, "kept", "S1: a live record beside expired ones");
    subject.delete_expired(100).await;
    for key in &ended {
        assert_eq!(subject.load(key).await, None, "S1: an expired record came back with a sweep");
    }
}

/// S9: an expiry is never earlier than asked, never "never", and at most 2 s late where the backend counts seconds,
/// over 300 ms, 31 days and 10 years alike, for `create`, `update` and `touch`.
pub async fn s09_an_expiry_is_neither_early_nor_late(subject: &Subject) {
    for writer in [Writer::Create, Writer::Update, Writer::Touch] {
        let asked = Duration::from_millis(300);
        let before = Instant::now();
        let key = writer.write(subject, asked).await;
        let after = Instant::now();
        end_of_short_life(subject, &key, asked, before, after).await;

        for asked in [Duration::from_millis(86_400_500), 31 * DAY, 3650 * DAY] {
            let before = Instant::now();
            let key = writer.write(subject, asked).await;
            let left = subject.live("S9", &key).await.expires_in;
            let least = asked.saturating_sub(before.elapsed() + ROUNDING);
            assert!(left >= least, "S9: {writer:?} for {asked:?}, and only {left:?} are left: too early");
            assert!(left <= asked + LATENESS, "S9: {writer:?} for {asked:?}, and {left:?} are left: too late");
            end_of_long_life(subject, &key, asked).await;
        }
    }
}

/// S13: `delete_expired(limit)` deletes at most `limit` expired records and says how many; never a live one, neither
/// by itself nor because a write came in between. A sweep of many calls ends, and has deleted all that had expired.
pub async fn s13_a_sweep_deletes_only_expired_records(subject: &Subject) {
    let (mut live, mut expired) = (Vec::new(), Vec::new());
    let started = Instant::now();
    for index in 0..7 {
        let key = subject.key(&format!("live {index}"));
        live.push((subject.new_record(&key, "live", 3 * HOUR).await.version, key));
        let key = subject.key(&format!("expired {index}"));
        subject.new_record(&key, "expired", subject.short()).await;
        expired.push(key);
    }
    // revived in time by a touch: an index of expiries has to follow
    let key = subject.key("touched");
    let version = subject.new_record(&key, "touched", HOUR).await.version;
    subject.touch(&key, 3 * HOUR).await;
    live.push((version, key));
    // only this one is looked at: a store may remove what it finds expired, and then a sweep does not
    let last = subject.key("last");
    subject.new_record(&last, "last", subject.short()).await;
    let in_time = subject.manual_clock().is_some() || started.elapsed() < subject.short();
    subject.expire("S13", &[last]).await;

    assert_eq!(subject.delete_expired(0).await.deleted, 0, "S13: a sweep of none");
    let (mut swept, mut calls, mut more) = (0, 0, true);
    while more {
        assert!(calls < 1000, "S13: a sweep of so few records does not end in {calls} calls");
        let call = subject.delete_expired(3).await;
        assert!(call.deleted <= 3, "S13: a sweep of at most 3 deleted {}", call.deleted);
        (swept, calls, more) = (swept + call.deleted, calls + 1, call.more);
    }
    assert!(
        subject.expires_by_itself || !in_time || swept >= expired.len() as u64,
        "S13: of {} expired records a sweep of {calls} calls deleted {swept}; does the backend expire them by itself \
         (`Subject::expires_by_itself`)?",
        expired.len()
    );
    for (version, key) in &live {
        let found = subject.live("S13", key).await;
        // a touch may change the version
        assert!(found.version == *version || found.bytes == "touched", "S13: a sweep changed the live record {key:?}");
    }
    if subject.expires_by_itself {
        // one that counts seconds may end what was written first after what was written last
        subject.expire("S13", &expired).await;
    }
    for key in &expired {
        assert_eq!(subject.load(key).await, None, "S13: a sweep revived a record");
        // what was swept is free again, and what is live under the key now is not the sweep's any more
        subject.new_record(key, "again", 3 * HOUR).await;
    }
    for _ in 0..10 {
        subject.delete_expired(1000).await;
    }
    for key in &expired {
        assert_eq!(subject.live("S13", key).await.bytes, "again", "S13: a record over a swept key");
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How coarse a remaining life may be told; whether a record ends too early is seen by waiting for it.
const ROUNDING: Duration = Duration::from_millis(100);

/// How far two clocks that count milliseconds may disagree about a moment.
const GRAIN: Duration = Duration::from_millis(2);

/// The ways to give a record an expiry.
#[derive(Clone, Copy, Debug)]
enum Writer {
    Create,
    Update,
    Touch,
}

impl Writer {
    /// Leaves a record that was asked to live this long, and says under which key.
    async fn write(self, subject: &Subject, asked: Duration) -> String {
        loop {
            let key = subject.key("expiry");
            match self {
                Self::Create => {
                    subject.new_record(&key, "bytes", asked).await;
                }
                Self::Update => {
                    let first = subject.new_record(&key, "bytes", HOUR).await;
                    let answer = subject.update(&key, &Record::new("bytes", asked), &first.version).await;
                    assert_eq!(answer, Updated::Done, "S9: update of a live record");
                }
                Self::Touch => {
                    // touch moves nothing backwards, so the first life has to be the shorter one
                    let first = asked.min(Duration::from_secs(60)).mul_f64(0.9);
                    let before = Instant::now();
                    subject.new_record(&key, "bytes", first).await;
                    let touched = subject.touch(&key, asked).await;
                    if !touched && before.elapsed() >= first {
                        continue; // this machine was too slow for the first life
                    }
                    assert!(touched, "S9: touch of a live record said that there is none");
                }
            }
            return key;
        }
    }
}

/// Watches a record until it ends. It was written between `before` and `after`.
async fn end_of_short_life(subject: &Subject, key: &str, asked: Duration, before: Instant, after: Instant) {
    loop {
        let asking = Instant::now();
        if subject.load(key).await.is_none() {
            let lived = before.elapsed();
            assert!(lived + GRAIN >= asked, "S9: a record for {asked:?} was gone after {lived:?}: too early");
            return;
        }
        let lived = asking - after;
        assert!(lived <= asked + LATENESS, "S9: a record for {asked:?} was there after {lived:?}: too late");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Moves the clock to either side of the record's end, where there is a clock to move.
async fn end_of_long_life(subject: &Subject, key: &str, asked: Duration) {
    let Some(clock) = subject.manual_clock() else { return };
    let margin = Duration::from_secs(5 * 60);
    clock.advance(asked - margin);
    subject.live("S9: too early", key).await;
    clock.advance(margin + LATENESS);
    assert_eq!(subject.load(key).await, None, "S9: a record for {asked:?} was there later than that");
}
