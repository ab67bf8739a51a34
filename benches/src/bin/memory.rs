//! The memory store with so many sessions: `memory COUNT` says what they take, a figure a line.
//!
//! Times are of this thread on the processor, for when the system sets it aside tells nothing of the store. How long
//! another thread waits meanwhile is measured by the clock on the wall, and so is what the machine does to it anyway.

use std::{
    env,
    error::Error,
    fs,
    future::Future,
    hash::{BuildHasher, RandomState},
    hint::black_box,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use actix_typed_session::{
    Clock,
    store::{Created, MemoryStore, Record, SessionStore, Updated, Version},
};
use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// How many calls a figure is of.
const CALLS: usize = 100_000;
/// The bytes of a record: about those of the visitor whom the servers store.
const BYTES: usize = 650;
/// How often a wait is looked for; what the machine does of its own does not come back each time.
const TRIES: usize = 5;
const HOUR: Duration = Duration::from_secs(60 * 60);

fn main() -> Outcome {
    let count: usize = env::args().nth(1).ok_or("expected a number of sessions")?.parse()?;
    let clock = Clock::manual();
    // what is created and deleted in between comes on top
    let mut sessions = Sessions::new(count + CALLS, &clock);

    let before = resident()?;
    let mut longest = Duration::ZERO;
    for at in 0..count {
        longest = longest.max(sessions.timed(Call::Create, at)?);
    }
    say("bytes a session", (resident()?.saturating_sub(before)) as f64 / count as f64);
    say("longest create while filling, µs", micros(longest));

    let order: Vec<usize> = (0..CALLS).map(|_| random() % count).collect();
    for (name, call) in [("load", Call::Load), ("touch", Call::Touch), ("update", Call::Update)] {
        sessions.time(name, call, &order, &order)?;
    }
    let added: Vec<usize> = (count..count + CALLS).collect();
    let (some, others) = added.split_at(CALLS / 2);
    sessions.time("create", Call::Create, some, others)?;
    sessions.time("delete", Call::Delete, some, others)?;

    let mut elsewhere = Sessions::new(1000 + CALLS, &clock);
    for at in 0..1000 {
        elsewhere.call(Call::Create, at)?;
    }
    let (mut waited, mut anyway) = (Vec::new(), Vec::new());
    for _ in 0..TRIES {
        waited.push(longest_wait(&sessions.store.clone(), count, || sessions.mixed(count))?);
        anyway.push(longest_wait(&sessions.store.clone(), count, || elsewhere.mixed(1000))?);
    }
    say("longest wait of another thread, µs", micros(waited.into_iter().min().unwrap_or_default()));
    say("the same of work on another store, µs", micros(anyway.into_iter().min().unwrap_or_default()));

    clock.advance(HOUR * 24);
    let mut sweep = pin!(sessions.store.delete_expired(u64::MAX));
    let (mut all, mut longest) = (Duration::ZERO, Duration::ZERO);
    let swept = loop {
        let start = processor();
        let poll = sweep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let step = processor() - start;
        (all, longest) = (all + step, longest.max(step));
        if let Poll::Ready(swept) = poll {
            break swept?;
        }
    };
    if swept != count as u64 {
        return Err("not all were swept".into());
    }
    say("sweep of all, ms", all.as_secs_f64() * 1e3);
    say("longest step of the sweep, µs", micros(longest));
    Ok(())
}

/// A store and what it takes to call it.
struct Sessions {
    store: MemoryStore,
    keys: Vec<String>,
    /// That of each key, if it has a record.
    versions: Vec<Version>,
    bytes: Bytes,
}

#[derive(Clone, Copy)]
enum Call {
    Load,
    Touch,
    Update,
    Create,
    Delete,
}

impl Sessions {
    fn new(keys: usize, clock: &Clock) -> Self {
        Self {
            store: MemoryStore::default().max_bytes(usize::MAX / 2).clock(clock.clone()),
            keys: (0..keys).map(key).collect(),
            versions: vec![Version::random(); keys],
            bytes: vec![b'x'; BYTES].into(),
        }
    }

    /// Calls; what is not done is an error.
    fn call(&mut self, call: Call, at: usize) -> Outcome {
        let (key, version) = (&self.keys[at], &mut self.versions[at]);
        let record = || Record::new(self.bytes.clone(), HOUR);
        let is_done = match call {
            Call::Load => black_box(done(self.store.load(key))?).is_some(),
            Call::Touch => done(self.store.touch(key, HOUR * 2))?,
            Call::Update => {
                let record = record();
                let updated = done(self.store.update(key, &record, version))?;
                *version = record.version;
                updated == Updated::Done
            }
            Call::Create => {
                let record = record();
                *version = record.version;
                done(self.store.create(key, &record))? == Created::Created
            }
            Call::Delete => {
                done(self.store.delete(key))?;
                true
            }
        };
        if is_done { Ok(()) } else { Err(format!("{key} is lost or taken").into()) }
    }

    /// What a call takes.
    fn timed(&mut self, call: Call, at: usize) -> Outcome<Duration> {
        let start = processor();
        self.call(call, at)?;
        Ok(processor() - start)
    }

    /// Says what calls take in the mean of some, and the longest of others.
    fn time(&mut self, name: &str, call: Call, some: &[usize], others: &[usize]) -> Outcome {
        let start = processor();
        for at in some {
            self.call(call, *at)?;
        }
        say(&format!("{name}, ns"), (processor() - start).as_nanos() as f64 / some.len() as f64);
        let mut longest = Duration::ZERO;
        for at in others {
            longest = longest.max(self.timed(call, *at)?);
        }
        say(&format!("longest {name}, µs"), micros(longest));
        Ok(())
    }

    /// Calls of all kinds, on `count` sessions and on those that come on top.
    fn mixed(&mut self, count: usize) -> Outcome {
        for number in 0..CALLS {
            let at = random() % count;
            self.call(Call::Create, count + number)?;
            self.call(Call::Update, at)?;
            self.call(Call::Touch, at)?;
            self.call(Call::Delete, count + number)?;
        }
        Ok(())
    }
}

/// How long a thread that loads these sessions waits for one at most, while this thread works.
fn longest_wait(store: &MemoryStore, count: usize, work: impl FnOnce() -> Outcome) -> Outcome<Duration> {
    let keys: Vec<String> = (0..CALLS).map(|_| key(random() % count)).collect();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            for key in keys.iter().cycle() {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let start = Instant::now();
                let _ = black_box(done(store.load(key)));
                longest = longest.max(start.elapsed());
            }
            longest
        });
        let outcome = work();
        is_over.store(true, Ordering::Relaxed);
        let longest = other.join().map_err(|_| "the other thread panicked")?;
        outcome.map(|()| longest)
    })
}

/// What comes of a future that has nothing to wait for.
fn done<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
    }
}

fn key(number: usize) -> String {
    format!("session:{number:032x}")
}

/// A number that nobody could foresee: each state has keys of its own.
fn random() -> usize {
    RandomState::new().hash_one(0) as usize
}

/// What this thread has had of the processor so far.
fn processor() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// The bytes of this process that are in memory.
fn resident() -> Outcome<u64> {
    let pages = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = pages.split(' ').nth(1).ok_or("`/proc/self/statm` ends early")?.parse()?;
    Ok(pages * rustix::param::page_size() as u64)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn say(name: &str, figure: f64) {
    let decimals = if figure < 10.0 { 1 } else { 0 };
    println!("{name}\t{figure:.decimals$}");
}
