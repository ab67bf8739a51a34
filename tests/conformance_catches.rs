//! The conformance suite catches what it is there for: stores that are broken on purpose, one fault each.

// A test tells what it did not expect by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_typed_session::{
    Clock,
    store::{Created, Record, SessionStore, StoreError, StoreErrorKind, Swept, Updated, Version, async_trait},
    testing::{
        self,
        conformance::{self, Subject},
    },
};
use bytes::Bytes;
use futures_util::FutureExt;
use tokio::task::yield_now;

const LIMIT: usize = 70_000;

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    CreateOverwrites,
    CreateRaces,
    UpdateIgnoresVersion,
    UpdateIgnoresExpiry,
    UpdateKeepsExpiry,
    UpdateKeepsVersion,
    UpdateRaces,
    UpdateInserts,
    ConflictShowsMine,
    TouchRevives,
    TouchGoesBack,
    TouchIsForgotten,
    TouchRaces,
    LoadReturnsExpired,
    DeleteOfNothingFails,
    SweepDeletesLive,
    SweepIgnoresLimit,
    SweepIsForgotten,
    SweepEndsEarly,
    SweepNeverEnds,
    BytesAreText,
    BytesAreTrimmed,
    LimitIsSilent,
    ExpiryRoundsDown,
    ExpiryIsCapped,
    ExpiryIsLate,
    KeysAreLowerCase,
    KeysArePatterns,
    KeysAreTrimmed,
    AnswersAreMispaired,
    ReplicaIsRead,
    RecallsExpired,
    RecallsReplaced,
    MigrateWipes,
    FailureIsNone,
    FailureHangs,
    LossIsUnavailable,
}

impl Flaw {
    /// The flaws and the rule that has to catch each.
    const ALL: [(Flaw, &str); 37] = [
        (Flaw::LoadReturnsExpired, "s01"),
        (Flaw::CreateOverwrites, "s02"),
        (Flaw::CreateRaces, "s02"),
        (Flaw::UpdateIgnoresVersion, "s03"),
        (Flaw::UpdateIgnoresExpiry, "s03"),
        (Flaw::UpdateKeepsExpiry, "s03"),
        (Flaw::UpdateKeepsVersion, "s03"),
        (Flaw::ConflictShowsMine, "s03"),
        (Flaw::UpdateInserts, "s04"),
        (Flaw::TouchRevives, "s04"),
        (Flaw::UpdateRaces, "s05"),
        (Flaw::TouchGoesBack, "s06"),
        (Flaw::TouchIsForgotten, "s06"),
        (Flaw::TouchRaces, "s06"),
        (Flaw::DeleteOfNothingFails, "s07"),
        (Flaw::BytesAreText, "s08"),
        (Flaw::BytesAreTrimmed, "s08"),
        (Flaw::LimitIsSilent, "s08"),
        (Flaw::ExpiryRoundsDown, "s09"),
        (Flaw::ExpiryIsCapped, "s09"),
        (Flaw::ExpiryIsLate, "s09"),
        (Flaw::KeysAreLowerCase, "s10"),
        (Flaw::KeysArePatterns, "s10"),
        (Flaw::KeysAreTrimmed, "s10"),
        (Flaw::FailureIsNone, "s11"),
        (Flaw::FailureHangs, "s11"),
        (Flaw::AnswersAreMispaired, "s12"),
        (Flaw::SweepDeletesLive, "s13"),
        (Flaw::SweepIgnoresLimit, "s13"),
        (Flaw::SweepIsForgotten, "s13"),
        (Flaw::SweepEndsEarly, "s13"),
        (Flaw::SweepNeverEnds, "s13"),
        (Flaw::ReplicaIsRead, "s14"),
        (Flaw::RecallsExpired, "s01"),
        (Flaw::RecallsReplaced, "s14"),
        (Flaw::MigrateWipes, "s15"),
        (Flaw::LossIsUnavailable, "s16"),
    ];
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_without_a_flaw_passes_every_rule() {
    let subject = subject(Flaw::None);
    assert!(conformance::all().iter().all(|rule| rule.lacks(&subject).is_none()));
    conformance::run_all(&subject).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_flaw_is_caught_by_its_rule() {
    for (flaw, number) in Flaw::ALL {
        let rule = conformance::all().into_iter().find(|rule| rule.name.starts_with(number)).unwrap();
        let message = panic_of(rule.run(&subject(flaw))).await;
        let message = message.unwrap_or_else(|| panic!("{} did not catch {flaw:?}", rule.name));
        let digits = number.trim_start_matches(['s', '0']);
        // a store that fails where it should not is told by the operation, anything else by the rule
        let told = message.contains(&format!("S{digits}: ")) || message.starts_with('`');
        assert!(told, "{flaw:?} is told as: {message}");
    }
}

#[tokio::test]
async fn the_model_catches_what_a_history_shows() {
    for flaw in [
        Flaw::CreateOverwrites,
        Flaw::UpdateIgnoresVersion,
        Flaw::UpdateIgnoresExpiry,
        Flaw::UpdateInserts,
        Flaw::UpdateKeepsExpiry,
        Flaw::ConflictShowsMine,
        Flaw::TouchRevives,
        Flaw::TouchGoesBack,
        Flaw::LoadReturnsExpired,
        Flaw::SweepDeletesLive,
        Flaw::SweepIgnoresLimit,
    ] {
        let message = panic_of(testing::model(&subject(flaw), 7, 500)).await;
        let message = message.unwrap_or_else(|| panic!("the model did not catch {flaw:?}"));
        assert!(message.starts_with("seed 7: "), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_lacks_something_says_what() {
    let subject = Subject::new(Flawed::new(Flaw::None, Clock::manual()));
    let lacking = conformance::all().into_iter().filter(|rule| rule.lacks(&subject).is_some());
    let lacking: Vec<_> = lacking.map(|rule| rule.name).collect();
    assert_eq!(lacking, ["s11_a_failing_backend_is_an_error_in_time", "s16_an_unknown_outcome_says_so"]);
}

fn subject(flaw: Flaw) -> Subject {
    let clock = Clock::manual();
    let within = Duration::from_millis(50);
    Subject::new(Flawed::new(flaw, clock.clone()))
        .clock(clock)
        .max_bytes(LIMIT)
        .failing("nothing answers", Failing { flaw, kind: StoreErrorKind::Unavailable }, within)
        .unanswered("writes are not answered", Failing { flaw, kind: StoreErrorKind::OutcomeUnknown }, within)
}

async fn panic_of(work: impl Future<Output = ()>) -> Option<String> {
    let panic = AssertUnwindSafe(work).catch_unwind().await.err()?;
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).or(Some("a panic".to_owned()))
}

/// A store of one file's length with a switch for each flaw.
#[derive(Clone)]
struct Flawed {
    flaw: Flaw,
    clock: Clock,
    entries: Arc<Mutex<HashMap<String, Entry>>>,
    replica: Arc<Mutex<HashMap<String, Entry>>>,
    recalled: Arc<Mutex<HashMap<String, Record>>>,
    asked: Arc<Mutex<VecDeque<String>>>,
}

#[derive(Clone)]
struct Entry {
    record: Record,
    deadline: u64,
}

impl Flawed {
    fn new(flaw: Flaw, clock: Clock) -> Self {
        Self {
            flaw,
            clock,
            entries: Arc::default(),
            replica: Arc::default(),
            recalled: Arc::default(),
            asked: Arc::default(),
        }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn key(&self, key: &str) -> String {
        match self.flaw {
            Flaw::KeysAreLowerCase => key.to_lowercase(),
            Flaw::KeysArePatterns => key.replace('*', "s10:"),
            Flaw::KeysAreTrimmed => key.trim().to_owned(),
            _ => key.to_owned(),
        }
    }

    fn deadline(&self, expires_in: Duration) -> u64 {
        let millis = u64::try_from(expires_in.as_millis()).unwrap();
        match self.flaw {
            Flaw::ExpiryRoundsDown => (self.clock.now() + millis) / 1000 * 1000,
            Flaw::ExpiryIsCapped => self.clock.now() + millis.min(u64::from(u32::MAX)),
            Flaw::ExpiryIsLate => self.clock.now() + millis + 5000,
            _ => self.clock.now() + millis,
        }
    }

    fn entry(&self, record: &Record) -> Result<Entry, StoreError> {
        let mut record = record.clone();
        match self.flaw {
            Flaw::BytesAreText => record.bytes = String::from_utf8_lossy(&record.bytes).into_owned().into(),
            Flaw::BytesAreTrimmed => record.bytes = Bytes::copy_from_slice(record.bytes.trim_ascii_end()),
            Flaw::LimitIsSilent => record.bytes.truncate(LIMIT),
            _ => {}
        }
        if record.bytes.len() > LIMIT {
            return Err(StoreError::new(StoreErrorKind::TooLarge, "too large"));
        }
        Ok(Entry { deadline: self.deadline(record.expires_in), record })
    }

    fn find(&self, key: &str) -> Option<Record> {
        self.entries.lock().unwrap().get(key).and_then(|entry| self.live(entry))
    }

    fn live(&self, entry: &Entry) -> Option<Record> {
        let left = entry.deadline.saturating_sub(self.clock.now());
        let record = Record { expires_in: Duration::from_millis(left), ..entry.record.clone() };
        (left > 0).then_some(record)
    }

    fn put(&self, key: String, entry: Entry) {
        self.entries.lock().unwrap().insert(key, entry);
    }

    fn follow(&self) {
        if self.is(Flaw::ReplicaIsRead) {
            let entries = self.entries.lock().unwrap().clone();
            *self.replica.lock().unwrap() = entries;
        }
    }
}

#[async_trait]
impl SessionStore for Flawed {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        let key = self.key(key);
        match self.flaw {
            Flaw::LoadReturnsExpired => {
                let entries = self.entries.lock().unwrap();
                return Ok(entries
                    .get(&key)
                    .map(|entry| Record { expires_in: Duration::ZERO, ..entry.record.clone() }));
            }
            Flaw::ReplicaIsRead => {
                let found = self.replica.lock().unwrap().get(&key).and_then(|entry| self.live(entry));
                self.follow();
                return Ok(found);
            }
            Flaw::AnswersAreMispaired => {
                self.asked.lock().unwrap().push_back(key);
                yield_now().await;
                let answered = self.asked.lock().unwrap().pop_front().unwrap();
                return Ok(self.find(&answered));
            }
            Flaw::RecallsExpired | Flaw::RecallsReplaced => {
                let found = self.find(&key);
                self.recalled.lock().unwrap().extend(found.clone().map(|record| (key, record)));
                Ok(found)
            }
            _ => Ok(self.find(&key)),
        }
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        let (key, entry) = (self.key(key), self.entry(record)?);
        if self.is(Flaw::CreateRaces) {
            let taken = self.find(&key).is_some();
            yield_now().await;
            if !taken {
                self.put(key, entry);
            }
            return Ok(if taken { Created::Taken } else { Created::Created });
        }
        let mut entries = self.entries.lock().unwrap();
        if entries.get(&key).is_some_and(|entry| self.live(entry).is_some()) {
            if self.is(Flaw::CreateOverwrites) {
                entries.insert(key, entry);
            }
            return Ok(Created::Taken);
        }
        entries.insert(key, entry);
        Ok(Created::Created)
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        let (key, mut entry) = (self.key(key), self.entry(record)?);
        if self.is(Flaw::UpdateRaces) {
            let Some(current) = self.find(&key) else { return Ok(Updated::Gone) };
            yield_now().await;
            if current.version != *expected {
                return Ok(Updated::Conflict(current));
            }
            self.put(key, entry);
            return Ok(Updated::Done);
        }
        let mut entries = self.entries.lock().unwrap();
        let current = entries.get(&key).cloned();
        let live = current.as_ref().and_then(|current| match self.flaw {
            Flaw::UpdateIgnoresExpiry => Some(current.record.clone()),
            _ => self.live(current),
        });
        match live {
            None if self.is(Flaw::UpdateInserts) => drop(entries.insert(key, entry)),
            None => return Ok(Updated::Gone),
            Some(_) if self.is(Flaw::UpdateIgnoresVersion) => drop(entries.insert(key, entry)),
            Some(live) if live.version != *expected => {
                let shown = if self.is(Flaw::ConflictShowsMine) { record.clone() } else { live };
                return Ok(Updated::Conflict(shown));
            }
            Some(_) => {
                let current = current.unwrap();
                match self.flaw {
                    Flaw::UpdateKeepsExpiry => entry.deadline = current.deadline,
                    Flaw::UpdateKeepsVersion => entry.record.version = current.record.version,
                    _ => {}
                }
                entries.insert(key, entry);
            }
        }
        Ok(Updated::Done)
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        let (key, deadline) = (self.key(key), self.deadline(expires_in));
        if self.is(Flaw::TouchRaces) {
            let Some(record) = self.find(&key) else { return Ok(false) };
            yield_now().await;
            self.put(key, Entry { record, deadline });
            return Ok(true);
        }
        let mut entries = self.entries.lock().unwrap();
        let Some(entry) = entries.get_mut(&key) else { return Ok(false) };
        if self.live(entry).is_none() && !self.is(Flaw::TouchRevives) {
            return Ok(false);
        }
        match self.flaw {
            Flaw::TouchIsForgotten => {}
            Flaw::TouchGoesBack => entry.deadline = deadline,
            _ => entry.deadline = entry.deadline.max(deadline),
        }
        Ok(true)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let found = self.entries.lock().unwrap().remove(&self.key(key));
        if found.is_none() && self.is(Flaw::DeleteOfNothingFails) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "nothing to delete"));
        }
        Ok(())
    }

    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        let mut entries = self.entries.lock().unwrap();
        if self.is(Flaw::SweepIsForgotten) {
            return Ok(Swept::default());
        }
        let all = self.is(Flaw::SweepDeletesLive);
        let ended = entries.iter().filter(|(_, entry)| all || self.live(entry).is_none()).map(|(key, _)| key.clone());
        let limit = if self.is(Flaw::SweepIgnoresLimit) { usize::MAX } else { usize::try_from(limit).unwrap() };
        let mut ended: Vec<_> = ended.collect();
        let more = ended.len() > limit && !self.is(Flaw::SweepEndsEarly) || self.is(Flaw::SweepNeverEnds);
        ended.truncate(limit);
        for key in &ended {
            entries.remove(key);
        }
        Ok(Swept { deleted: ended.len() as u64, more })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        if self.is(Flaw::MigrateWipes) {
            self.entries.lock().unwrap().clear();
        }
        Ok(())
    }

    fn recall(&self, key: &str) -> Option<Record> {
        let key = self.key(key);
        let recalled = self.recalled.lock().unwrap().get(&key).cloned();
        let stored = self.entries.lock().unwrap().get(&key).map(|entry| entry.record.version);
        let is_current = recalled.as_ref().map(|recalled| recalled.version) == stored;
        recalled.filter(|_| self.is(Flaw::RecallsReplaced) || is_current)
    }

    fn name(&self) -> &'static str {
        "flawed"
    }
}

/// A store whose backend fails.
struct Failing {
    flaw: Flaw,
    kind: StoreErrorKind,
}

impl Failing {
    async fn fail<T>(&self) -> Result<T, StoreError> {
        if self.flaw == Flaw::FailureHangs {
            std::future::pending::<()>().await;
        }
        let kind = if self.flaw == Flaw::LossIsUnavailable { StoreErrorKind::Unavailable } else { self.kind };
        Err(StoreError::new(kind, "nothing answers"))
    }
}

#[async_trait]
impl SessionStore for Failing {
    async fn load(&self, _: &str) -> Result<Option<Record>, StoreError> {
        if self.flaw == Flaw::FailureIsNone { Ok(None) } else { self.fail().await }
    }

    async fn create(&self, _: &str, _: &Record) -> Result<Created, StoreError> {
        self.fail().await
    }

    async fn update(&self, _: &str, _: &Record, _: &Version) -> Result<Updated, StoreError> {
        self.fail().await
    }

    async fn touch(&self, _: &str, _: Duration) -> Result<bool, StoreError> {
        self.fail().await
    }

    async fn delete(&self, _: &str) -> Result<(), StoreError> {
        self.fail().await
    }

    async fn delete_expired(&self, _: u64) -> Result<Swept, StoreError> {
        Ok(Swept::default())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.fail().await
    }

    fn name(&self) -> &'static str {
        "failing"
    }
}
