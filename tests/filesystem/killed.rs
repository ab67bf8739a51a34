//! Processes that are killed in the middle of a save: what was acknowledged is there, and nothing is in the way.

use std::{
    path::Path,
    sync::Arc,
    thread::{self, sleep},
    time::{Duration, Instant},
};

use actix_typed_session::store::{Created, FilesystemStore, Record, SessionStore, Updated, Version};
use actix_typed_session_tests::support::browser::Browser;
use tempfile::TempDir;

use crate::{
    HOUR, block_on,
    child::{Child, Line},
    rounds,
    script::{Possible, check_usable, files, heard, root, sweep},
    site::{COOKIE, Site, page, with_token},
    tests,
    traced::{self, CALLS, at_each_call, fast},
};

tests![
    a_process_killed_at_any_system_call_of_a_save_loses_nothing_that_was_acknowledged if traced::need,
    processes_killed_under_load_lose_nothing_that_was_acknowledged,
    requests_that_were_answered_outlive_a_kill_of_the_server,
    a_login_and_a_logout_that_were_answered_outlive_a_kill_of_the_server,
];

fn a_process_killed_at_any_system_call_of_a_save_loses_nothing_that_was_acknowledged() {
    let kills = at_each_call(&CALLS, "signal=KILL", |directory, said, inject| {
        let (opened, outcomes) = heard(said);
        assert_ne!(opened, Some(false), "{inject}");
        let root = root(directory);
        if opened.is_some() {
            block_on(async {
                let store = FilesystemStore::new(&root).unwrap();
                Possible::after(&outcomes).check(&store).await;
            });
        }
        // two records, and what was being written
        check_usable(&root, 1);
    });
    assert!(kills > 100, "{kills} kills are too few for every call");
}

const KEYS: u8 = 6;
const CYCLE: u32 = 6;

/// What a child says when it is asked how far it is.
const HERE: [u8; 5] = [u8::MAX; 5];

fn processes_killed_under_load_lose_nothing_that_was_acknowledged() {
    let directory = TempDir::new_in(fast()).unwrap();
    let store = FilesystemStore::new(directory.path()).unwrap();
    let temporary = || files(directory.path()).iter().filter(|path| path.ends_with(".tmp")).count();
    let rounds = rounds(12);
    let mut survivor = Load::start(directory.path(), "survivor");
    for round in 0..rounds {
        let name = format!("round{round}");
        let mut load = Load::start(directory.path(), &name);
        load.wait_for(u32::from(KEYS));
        sleep(Duration::from_micros(rand() % 20_000));
        let done = load.kill();
        block_on(check_load(&store, &name, &done));
        // it waits for nobody who is dead
        survivor.catch_up();
        survivor.wait_for(survivor.total() + 2 * u32::from(KEYS));
        // what was left behind goes, and not what the survivor is writing now
        assert!(temporary() <= 2 * usize::from(KEYS));
        block_on(sweep(directory.path()));
        assert!(temporary() <= usize::from(KEYS));
        block_on(check_load(&store, &name, &done));
        for key in 0..KEYS {
            block_on(store.delete(&format!("{name}:{key}"))).unwrap();
        }
    }
    let done = survivor.kill();
    block_on(check_load(&store, "survivor", &done));
    block_on(sweep(directory.path()));
    block_on(check_load(&store, "survivor", &done));
    assert_eq!(temporary(), 0);
    for round in 0..rounds {
        block_on(check_load(&store, &format!("round{round}"), &[0; KEYS as usize]));
    }
}

fn requests_that_were_answered_outlive_a_kill_of_the_server() {
    let directory = TempDir::new_in(fast()).unwrap();
    let (mut least, mut most) = (1, 1);
    let site = Site::start(directory.path());
    let browser = Browser::new(site.address);
    assert_eq!(block_on(page(&browser, "/count")), "1");
    site.kill();
    for _ in 0..rounds(5) {
        let mut site = Some(Site::start(directory.path()));
        let browser = browser.at(site.as_ref().unwrap().address);
        block_on(async {
            let found: u64 = page(&browser, "/look").await.parse().unwrap();
            assert!((least..=most).contains(&found), "{found}, and {least} were answered of {most}");
            (least, most) = (found, found);
            for wave in 0..3 {
                let mut sent = Vec::new();
                for _ in 0..8 {
                    sent.push(browser.begin("GET", "/count", &[], "").await);
                }
                most += 8;
                if wave == 2 {
                    sleep(Duration::from_micros(rand() % 15_000));
                    site.take().unwrap().kill();
                }
                for pending in sent {
                    match pending.finish().await {
                        Ok(answer) => least += u64::from(answer.status == 200),
                        Err(error) => assert_eq!(wave, 2, "{error}"),
                    }
                }
            }
        });
    }
    let site = Site::start(directory.path());
    let found: u64 = block_on(page(&browser.at(site.address), "/look")).parse().unwrap();
    assert!((least..=most).contains(&found), "{found}, and {least} were answered of {most}");
}

fn a_login_and_a_logout_that_were_answered_outlive_a_kill_of_the_server() {
    let directory = TempDir::new_in(fast()).unwrap();
    let token = |browser: &Browser| browser.cookie(COOKIE).unwrap();
    let site = Site::start(directory.path());
    let browser = Browser::new(site.address);
    block_on(page(&browser, "/count"));
    let first = token(&browser);
    block_on(page(&browser, "/in"));
    site.kill();

    let site = Site::start(directory.path());
    let browser = browser.at(site.address);
    assert_eq!(block_on(with_token(&browser, &first).get("/who")).status, 401, "the token before the login is dead");
    assert_eq!(block_on(page(&browser, "/who")), "ada");
    let second = token(&browser);
    block_on(page(&browser, "/out"));
    site.kill();

    let site = Site::start(directory.path());
    for token in [first, second] {
        let browser = with_token(&browser.at(site.address), &token);
        assert_eq!(block_on(browser.get("/who")).status, 401);
        assert_eq!(block_on(page(&browser, "/look")), "0");
    }
}

/// The process that saves without an end, several keys at once, and says which steps were done.
pub(crate) fn child(directory: &Path, name: &str, line: &Line) {
    let store = Arc::new(FilesystemStore::new(directory).unwrap().timeout(HOUR));
    line.ready();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let answer = || {
        while line.wait() {
            line.say(&HERE);
        }
    };
    let work = async {
        let sweeper = Arc::clone(&store);
        tokio::spawn(async move {
            loop {
                sweeper.delete_expired(50).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let work = (0..KEYS).map(|key| {
            let store = Arc::clone(&store);
            async move {
                for number in 0.. {
                    step(&store, &format!("{name}:{key}"), number).await;
                    let [a, b, c, d] = number.to_be_bytes();
                    line.say(&[key, a, b, c, d]);
                }
            }
        });
        futures_util::future::join_all(work).await;
    };
    thread::scope(|scope| {
        scope.spawn(answer);
        runtime.block_on(work);
    });
}

/// The steps of a key: create, update, touch, update, touch, delete, and so on.
async fn step(store: &FilesystemStore, key: &str, number: u32) {
    let record = load_record(number);
    match number % CYCLE {
        0 => assert_eq!(store.create(key, &record).await.unwrap(), Created::Created),
        1 => assert_eq!(store.update(key, &record, &version(number - 1)).await.unwrap(), Updated::Done),
        3 => assert_eq!(store.update(key, &record, &version(number - 2)).await.unwrap(), Updated::Done),
        5 => store.delete(key).await.unwrap(),
        _ => assert!(store.touch(key, 9 * HOUR).await.unwrap()),
    }
}

/// What is there after this many steps: the step that wrote it, and for how many hours.
fn after(steps: u32) -> Option<(u32, u64)> {
    let last = steps.checked_sub(1)?;
    match last % CYCLE {
        0 | 1 | 3 => Some((last, 5)),
        2 | 4 => Some((last - 1, 9)),
        _ => None,
    }
}

fn version(number: u32) -> Version {
    let mut bytes = [7; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    Version::from_bytes(bytes)
}

fn load_record(number: u32) -> Record {
    // large, so that many kills meet a process that writes
    let bytes = number.to_be_bytes().repeat(10_000);
    Record { version: version(number), bytes: bytes.into(), expires_in: 5 * HOUR }
}

/// Asserts that each key is as the steps that were acknowledged left it, or one step further.
async fn check_load(store: &FilesystemStore, name: &str, done: &[u32; KEYS as usize]) {
    for (key, steps) in done.iter().enumerate() {
        let found = store.load(&format!("{name}:{key}")).await.unwrap();
        let found = found.map(|record| {
            let [a, b, c, d, ..] = *record.version.as_bytes();
            let number = u32::from_be_bytes([a, b, c, d]);
            assert_eq!(record, Record { expires_in: record.expires_in, ..load_record(number) }, "half a record");
            (number, record.expires_in.as_secs().div_ceil(3600))
        });
        let possible = [after(*steps), after(*steps + 1)];
        assert!(possible.contains(&found), "{name}:{key} after {steps} steps: {found:?} and not of {possible:?}");
    }
}

/// A child under load, and the steps that it said were done.
struct Load {
    child: Child,
    done: [u32; KEYS as usize],
}

impl Load {
    fn start(directory: &Path, name: &str) -> Self {
        let child = Child::start(&format!("load:{name}"), directory);
        child.line.go();
        Self { child, done: [0; KEYS as usize] }
    }

    fn total(&self) -> u32 {
        self.done.iter().sum()
    }

    /// Hears one message; none after the end.
    fn hear(&mut self) -> Option<[u8; 5]> {
        let message = self.child.line.take()?;
        if message != HERE {
            let [key, a, b, c, d] = message;
            let steps = u32::from_be_bytes([a, b, c, d]) + 1;
            assert_eq!(std::mem::replace(&mut self.done[usize::from(key)], steps) + 1, steps);
        }
        Some(message)
    }

    /// Hears all that it has done by now.
    fn catch_up(&mut self) {
        self.child.line.go();
        while self.hear().expect("it lives") != HERE {}
    }

    /// Waits until this many steps were done in all.
    fn wait_for(&mut self, steps: u32) {
        let patience = Instant::now() + Duration::from_secs(60);
        while self.total() < steps {
            assert!(self.hear().is_some() && Instant::now() < patience, "it goes on");
        }
    }

    fn kill(&mut self) -> [u32; KEYS as usize] {
        self.child.kill();
        while self.hear().is_some() {}
        self.done
    }
}

/// A number that differs from run to run.
fn rand() -> u64 {
    let [a, b, c, d, ..] = *Version::random().as_bytes();
    u64::from(u32::from_be_bytes([a, b, c, d]))
}
