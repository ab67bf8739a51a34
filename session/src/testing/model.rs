//! Generated histories, compared with a model of the contract.

use std::{collections::HashMap, fmt, time::Duration};

use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::conformance::Subject;
use crate::store::{Created, Record, Updated, Version};

/// Runs a history of `steps` operations that `seed` stands for, and compares each answer with a model of S1–S10.
///
/// A few keys, all operations, right, stale and unknown versions; time passes in hours where the subject has a clock to
/// move, and not at all where it has none. Panics at the first difference with the seed and the history so far.
///
/// ```
/// use actix_typed_session::{Clock, testing::{self, ReferenceStore, conformance::Subject}};
///
/// # #[actix_web::main] async fn main() {
/// let clock = Clock::manual();
/// testing::model(&Subject::new(ReferenceStore::new(clock.clone())).clock(clock), 42, 200).await;
/// # }
/// ```
pub async fn model(subject: &Subject, seed: u64, steps: usize) {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut model = Model { hours: 0, entries: HashMap::new(), stale: vec![Version::random()] };
    let keys: Vec<String> = (0..KEYS).map(|index| subject.key(&format!("model {index}"))).collect();
    let mut history: Vec<String> = Vec::new();
    for _ in 0..steps {
        let index = random.random_range(0..KEYS);
        let key = keys.get(index).expect("the index is in range");
        let step = Step::random(&mut random, &model, index);
        history.push(format!("{index} {step:?}"));
        if let Err(difference) = model.take(subject, key, index, step).await {
            let history = history.join("\n  ");
            panic!("seed {seed}: {difference}\nhistory, each with its key's number:\n  {history}");
        }
    }
}

const KEYS: usize = 4;
const HOUR: Duration = Duration::from_secs(60 * 60);

/// What the contract says is stored. Time is counted in whole hours and lives end at half past, so that the time that
/// the test itself takes decides nothing.
struct Model {
    hours: u64,
    entries: HashMap<usize, Entry>,
    /// Versions that were current once.
    stale: Vec<Version>,
}

struct Entry {
    bytes: String,
    version: Version,
    /// The last full hour of its life.
    until: u64,
}

enum Step {
    Load,
    Create { bytes: String, hours: u64 },
    Update { bytes: String, hours: u64, expected: Version },
    Touch { hours: u64 },
    Delete,
    Sweep { limit: u64 },
    Wait { hours: u64 },
}

impl Step {
    fn random(random: &mut SmallRng, model: &Model, key: usize) -> Self {
        let hours = random.random_range(0..6);
        let bytes = format!("{:x}", random.random::<u32>());
        match random.random_range(0..20) {
            0..4 => Self::Load,
            4..7 => Self::Create { bytes, hours },
            7..14 => {
                let current = model.entries.get(&key).map(|entry| entry.version);
                let stale = model.stale.get(random.random_range(0..model.stale.len())).copied();
                let expected = if random.random_bool(0.7) { current.or(stale) } else { stale };
                Self::Update { bytes, hours, expected: expected.unwrap_or_else(Version::random) }
            }
            14..16 => Self::Touch { hours },
            16 => Self::Delete,
            17 => Self::Sweep { limit: random.random_range(0..4) },
            _ => Self::Wait { hours: random.random_range(1..3) },
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load => f.write_str("load"),
            Self::Create { bytes, hours } => write!(f, "create {bytes} for {hours}.5 h"),
            Self::Update { bytes, hours, expected } => write!(f, "update to {bytes} for {hours}.5 h at {expected:?}"),
            Self::Touch { hours } => write!(f, "touch for {hours}.5 h"),
            Self::Delete => f.write_str("delete"),
            Self::Sweep { limit } => write!(f, "delete_expired({limit})"),
            Self::Wait { hours } => write!(f, "{hours} h pass"),
        }
    }
}

impl Model {
    /// Takes the step with the store and with the model; the error says how they differ.
    async fn take(&mut self, subject: &Subject, key: &str, index: usize, step: Step) -> Result<(), String> {
        match step {
            Step::Load => {}
            Step::Wait { hours } => {
                if let Some(clock) = subject.manual_clock() {
                    clock.advance(HOUR * u32::try_from(hours).unwrap_or(u32::MAX));
                    self.hours += hours;
                }
            }
            Step::Create { bytes, hours } => {
                let record = Record::new(bytes.clone(), life(hours));
                match (subject.create(key, &record).await, self.live(index).is_some()) {
                    (Created::Created, false) => self.put(index, bytes, record.version, hours),
                    (Created::Taken, true) => {}
                    // a store may keep the place of an expired record until it is swept
                    (Created::Taken, false) if self.entries.contains_key(&index) => {}
                    (answer, live) => {
                        return Err(format!("create said {answer:?}, and there is a live record: {live}"));
                    }
                }
            }
            Step::Update { bytes, hours, expected } => {
                let record = Record::new(bytes.clone(), life(hours));
                match (subject.update(key, &record, &expected).await, self.live(index)) {
                    (Updated::Gone, None) => {}
                    (Updated::Conflict(shown), Some(entry)) if entry.version != expected => {
                        compare("the record in `Conflict`", self.hours, Some(&shown), Some(entry))?;
                    }
                    (Updated::Done, Some(entry)) if entry.version == expected => {
                        self.put(index, bytes, record.version, hours);
                    }
                    (answer, entry) => {
                        let version = entry.map(|entry| entry.version);
                        return Err(format!("update said {answer:?}, and the live version is {version:?}"));
                    }
                }
            }
            Step::Touch { hours } => {
                let touched = subject.touch(key, life(hours)).await;
                if touched != self.live(index).is_some() {
                    return Err(format!("touch said {touched}"));
                }
                if touched && let Some(entry) = self.entries.get_mut(&index) {
                    entry.until = entry.until.max(self.hours + hours);
                    // a touch may change the version, and what it is now only the store knows
                    let found = subject.load(key).await.ok_or("the record is gone after a touch")?;
                    self.stale.push(entry.version);
                    entry.version = found.version;
                }
            }
            Step::Delete => {
                subject.delete(key).await;
                self.stale.extend(self.entries.remove(&index).map(|entry| entry.version));
            }
            Step::Sweep { limit } => {
                let deleted = subject.delete_expired(limit).await.deleted;
                if deleted > limit {
                    return Err(format!("delete_expired({limit}) said {deleted}"));
                }
            }
        }
        compare("the record", self.hours, subject.load(key).await.as_ref(), self.live(index))
    }

    fn live(&self, index: usize) -> Option<&Entry> {
        self.entries.get(&index).filter(|entry| entry.until >= self.hours)
    }

    fn put(&mut self, index: usize, bytes: String, version: Version, hours: u64) {
        let entry = Entry { bytes, version, until: self.hours + hours };
        self.stale.extend(self.entries.insert(index, entry).map(|entry| entry.version));
    }
}

/// So many hours and a half.
fn life(hours: u64) -> Duration {
    HOUR * u32::try_from(hours).unwrap_or(u32::MAX) + HOUR / 2
}

fn compare(what: &str, now: u64, found: Option<&Record>, expected: Option<&Entry>) -> Result<(), String> {
    let (found, expected) = match (found, expected) {
        (None, None) => return Ok(()),
        (Some(found), Some(expected)) => (found, expected),
        (found, expected) => {
            return Err(format!("{what} is there: {}, and should be: {}", found.is_some(), expected.is_some()));
        }
    };
    if found.bytes != expected.bytes {
        return Err(format!("{what} holds {:?}, and should hold {}", found.bytes, expected.bytes));
    }
    if found.version != expected.version {
        return Err(format!("{what} is at {:?}, and should be at {:?}", found.version, expected.version));
    }
    let left = life(expected.until - now);
    if found.expires_in > left + Duration::from_secs(2) || found.expires_in + HOUR / 4 < left {
        return Err(format!("{what} has {:?} to live, and should have {left:?}", found.expires_in));
    }
    Ok(())
}
