//! A script of store calls, and what may be in the store after a part of it: the oracle of kills and errors.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use actix_typed_session::{
    Clock,
    store::{Created, FilesystemStore, Record, SessionStore, StoreErrorKind, Updated, Version},
};

use crate::{HOUR, block_on, child::Line};

/// One call. The version that a step writes is its number's; an update expects that of a step before.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Create(&'static str),
    Update(&'static str, u8),
    Touch(&'static str),
    Delete(&'static str),
    /// The step before once more, with the same version: what is done when nobody could say what became of it.
    Again,
}

/// What the child does, after it has opened the store.
pub(crate) const SCRIPT: [Step; 10] = [
    Step::Create("a"),
    Step::Again,
    Step::Update("a", 0),
    Step::Again,
    Step::Touch("a"),
    Step::Create("b"),
    Step::Delete("a"),
    Step::Delete("a"),
    Step::Update("b", 5),
    Step::Create("a"),
];

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// It was done.
    Done,
    /// It was refused, by what there is: the key is taken, or gone, or at another version.
    Refused,
    /// It failed, and nothing was done.
    Failed,
    /// It failed, or the process ended meanwhile: it was done, or nothing was.
    Unknown,
}

/// A record: the step that wrote it, and how long it lives.
type Contents = BTreeMap<&'static str, (u8, Duration)>;

/// Everything that the store may hold.
#[derive(Clone, Debug)]
pub(crate) struct Possible(Vec<Contents>);

impl Possible {
    /// Of an empty directory, after these outcomes and then the end of the process.
    pub(crate) fn after(outcomes: &[Came]) -> Self {
        let mut possible = Self(vec![Contents::new()]);
        for (number, step) in SCRIPT.iter().enumerate().take(outcomes.len() + 1) {
            let came = outcomes.get(number).copied().unwrap_or(Came::Unknown);
            possible.0 = possible.0.iter().flat_map(|contents| next(contents, *step, number, came)).collect();
            assert!(!possible.0.is_empty(), "{step:?} can't be {came:?} after {outcomes:?}");
        }
        possible
    }

    /// Asserts that the store holds one of them.
    pub(crate) async fn check(&self, store: &FilesystemStore) {
        let mut found = Contents::new();
        for key in ["a", "b"] {
            let Some(record) = store.load(key).await.unwrap() else { continue };
            let number = record.version.as_bytes()[0];
            assert_eq!(record, Record { expires_in: record.expires_in, ..written(number, HOUR) }, "half a record");
            let hours = record.expires_in.as_secs().div_ceil(3600);
            found.insert(key, (number, HOUR * u32::try_from(hours).unwrap()));
        }
        assert!(self.0.contains(&found), "found {found:?}, and there may be {:?}", self.0);
    }
}

fn next(contents: &Contents, step: Step, number: usize, came: Came) -> Vec<Contents> {
    let (step, number) = meant(step, u8::try_from(number).unwrap());
    let mut done = contents.clone();
    let is_done = match step {
        Step::Create(key) => done.insert(key, (number, HOUR)).is_none(),
        Step::Update(key, expected) => match done.get_mut(key) {
            Some(record) if record.0 == expected => {
                *record = (number, HOUR);
                true
            }
            _ => false,
        },
        Step::Touch(key) => done.get_mut(key).map(|record| record.1 = 3 * HOUR).is_some(),
        Step::Delete(key) => {
            done.remove(key);
            true
        }
        Step::Again => unreachable!("it is another"),
    };
    let (same, done) = (contents.clone(), is_done.then_some(done));
    match came {
        Came::Done => done.into_iter().collect(),
        Came::Refused => (done.is_none()).then_some(same).into_iter().collect(),
        Came::Failed => vec![same],
        Came::Unknown => done.into_iter().chain([same]).collect(),
    }
}

/// The record that a step writes: more than one page of it.
fn written(number: u8, expires_in: Duration) -> Record {
    Record { version: Version::from_bytes([number; 16]), bytes: vec![number; 9000].into(), expires_in }
}

/// The process that does the script, and says what each step came to.
pub(crate) fn child(directory: &Path, line: &Line) {
    // one thread does all work of the store, so that the n-th call of a kind is one and the same in each run
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
    line.ready();
    let opened = FilesystemStore::new(root(directory));
    line.say(if opened.is_ok() { b"+" } else { b"-" });
    let Ok(store) = opened else { return };
    for (number, step) in SCRIPT.iter().enumerate() {
        let outcome = runtime.block_on(perform(&store, *step, u8::try_from(number).unwrap()));
        line.say(match outcome {
            Came::Done => b"d",
            Came::Refused => b"r",
            Came::Failed => b"f",
            Came::Unknown => b"u",
        });
    }
}

/// What the child said: whether it opened the store, and what the steps came to.
pub(crate) fn heard(said: &[u8]) -> (Option<bool>, Vec<Came>) {
    let outcomes = said.iter().skip(1).map(|byte| match byte {
        b'd' => Came::Done,
        b'r' => Came::Refused,
        b'f' => Came::Failed,
        _ => Came::Unknown,
    });
    (said.first().map(|byte| *byte == b'+'), outcomes.collect())
}

/// Where the child keeps its records: not there before, nor is the folder above it.
pub(crate) fn root(directory: &Path) -> std::path::PathBuf {
    directory.join("deep/sessions")
}

/// The step itself: the one before it, if it is that once more.
fn meant(step: Step, number: u8) -> (Step, u8) {
    match step {
        Step::Again => (SCRIPT[usize::from(number) - 1], number - 1),
        _ => (step, number),
    }
}

async fn perform(store: &FilesystemStore, step: Step, number: u8) -> Came {
    let (step, number) = meant(step, number);
    let done = match step {
        Step::Create(key) => store.create(key, &written(number, HOUR)).await.map(|created| created == Created::Created),
        Step::Update(key, expected) => {
            let expected = Version::from_bytes([expected; 16]);
            store.update(key, &written(number, HOUR), &expected).await.map(|updated| updated == Updated::Done)
        }
        Step::Touch(key) => store.touch(key, 3 * HOUR).await,
        Step::Delete(key) => store.delete(key).await.map(|()| true),
        Step::Again => unreachable!("it is another"),
    };
    match done {
        Ok(true) => Came::Done,
        Ok(false) => Came::Refused,
        Err(error) => match error.kind() {
            StoreErrorKind::Unavailable => Came::Failed,
            StoreErrorKind::OutcomeUnknown => Came::Unknown,
            kind => panic!("{kind:?}: {error}"),
        },
    }
}

/// Asserts that new writers can work at once, and that a sweep removes what was left behind, of which there was at most
/// this much.
pub(crate) fn check_usable(root: &Path, left_behind: usize) {
    block_on(async {
        let store = FilesystemStore::new(root).unwrap().timeout(Duration::from_millis(500));
        for key in ["a", "b", "c"] {
            store.delete(key).await.unwrap();
            assert_eq!(store.create(key, &written(200, HOUR)).await.unwrap(), Created::Created);
            let expected = Version::from_bytes([200; 16]);
            assert_eq!(store.update(key, &written(201, HOUR), &expected).await.unwrap(), Updated::Done);
            store.delete(key).await.unwrap();
        }
        assert!(files(root).len() <= left_behind, "{:?}", files(root));
        sweep(root).await;
        assert_eq!(files(root), [""; 0], "it was not swept");
    });
}

/// A sweep of everything, as if hours had passed.
pub(crate) async fn sweep(root: &Path) {
    let clock = Clock::manual();
    clock.advance(HOUR * 2);
    let store = FilesystemStore::new(root).unwrap().clock(clock);
    while store.delete_expired(10_000).await.unwrap().more {}
}

/// All files of a store but its locks.
pub(crate) fn files(directory: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let Ok(entries) = fs::read_dir(directory) else { return all };
    for path in entries.map(|entry| entry.unwrap().path()).filter(|path| !path.ends_with("locks")) {
        match path.is_dir() {
            true => all.extend(files(&path)),
            false => all.push(path.display().to_string()),
        }
    }
    all
}
