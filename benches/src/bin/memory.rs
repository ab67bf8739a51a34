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

/// How often each thing is measured: a time is the median, and a longest time the least, for what the machine does of
/// its own does not come back each time.
const TRIES: usize = 5;
/// How many calls are measured together at most.
const CALLS: usize = 20_000;
/// The bytes of a record: about those of the visitor whom the servers store.
const BYTES: usize = 650;
const HOUR: Duration = Duration::from_secs(60 * 60);

fn main() -> Outcome {
    let count: usize = env::args().nth(1).ok_or("expected a number of sessions")?.parse()?;
    let (mut fills, mut sweeps, mut steps, mut others) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for number in 0..TRIES {
        let mut sessions = Sessions::new(count);
        let before = resident()?;
        let mut visits = (0..count).map(|at| sessions.visit(at)).collect::<Vec<_>>();
        let own = resident()?.saturating_sub(before);
        fills.push(sessions.longest(Call::Create, &mut visits)?);
        let taken = resident()?.saturating_sub(before + own);
        drop(visits);
        if number == 0 {
            say("bytes a session", taken as f64 / count as f64);
            sessions.measure(count)?;
        }
        let (sweep, step) = sessions.sweep(count)?;
        sweeps.push(sweep);
        steps.push(step);
        others.push(longest_of_nothing(count));
    }
    say("longest create while filling, µs", micros(least(fills)));
    say("sweep of all, ms", median(sweeps).as_secs_f64() * 1e3);
    say("longest step of a sweep, µs", micros(least(steps)));
    say("longest of as many additions, µs", micros(least(others)));
    Ok(())
}

/// A store and what it takes to call it.
struct Sessions {
    store: MemoryStore,
    clock: Clock,
    /// That of each record.
    versions: Vec<Version>,
    bytes: Bytes,
}

/// A session that is called next, found ahead: a server has its key at hand too.
struct Visit {
    at: usize,
    key: String,
    version: Version,
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
    fn new(count: usize) -> Self {
        let clock = Clock::manual();
        Self {
            store: MemoryStore::default().max_bytes(usize::MAX / 2).clock(clock.clone()),
            clock,
            versions: vec![Version::random(); count + CALLS],
            bytes: vec![b'x'; BYTES].into(),
        }
    }

    /// All that is measured of a store with so many sessions.
    fn measure(&mut self, count: usize) -> Outcome {
        for (name, call) in [("load", Call::Load), ("touch", Call::Touch), ("update", Call::Update)] {
            let (mut means, mut longest) = (Vec::new(), Vec::new());
            for _ in 0..TRIES {
                means.push(self.mean(call, &mut self.some(count))?);
                longest.push(self.longest(call, &mut self.some(count))?);
            }
            tell(name, means, longest);
        }
        let mut made = [Vec::new(), Vec::new()];
        let mut ended = [Vec::new(), Vec::new()];
        for _ in 0..TRIES {
            let mut added = (count..count + CALLS).map(|at| self.visit(at)).collect::<Vec<_>>();
            made[0].push(self.mean(Call::Create, &mut added)?);
            ended[0].push(self.mean(Call::Delete, &mut added)?);
            made[1].push(self.longest(Call::Create, &mut added)?);
            ended[1].push(self.longest(Call::Delete, &mut added)?);
        }
        let ([made, longest_made], [ended, longest_ended]) = (made, ended);
        tell("create", made, longest_made);
        tell("delete", ended, longest_ended);

        let mut elsewhere = Self::new(1000);
        let mut visits = (0..1000).map(|at| elsewhere.visit(at)).collect::<Vec<_>>();
        elsewhere.mean(Call::Create, &mut visits)?;
        let (mut waits, mut anyway) = (Vec::new(), Vec::new());
        for _ in 0..TRIES {
            waits.push(longest_wait(&self.store.clone(), count, || self.mixed(count))?);
            anyway.push(longest_wait(&self.store.clone(), count, || elsewhere.mixed(1000))?);
        }
        say("longest wait of another thread, µs", micros(least(waits)));
        say("the same beside work on another store, µs", micros(least(anyway)));
        Ok(())
    }

    fn visit(&self, at: usize) -> Visit {
        Visit { at, key: key(at), version: self.versions[at] }
    }

    /// Sessions in random order, none of them twice.
    fn some(&self, count: usize) -> Vec<Visit> {
        let mut all: Vec<usize> = (0..count).collect();
        let taken = count.min(CALLS);
        for at in 0..taken {
            all.swap(at, at + random() % (count - at));
        }
        all[..taken].iter().map(|at| self.visit(*at)).collect()
    }

    /// Calls; what is not done is an error.
    fn call(&self, call: Call, visit: &mut Visit) -> Outcome {
        let record = || Record::new(self.bytes.clone(), HOUR);
        let is_done = match call {
            Call::Load => black_box(done(self.store.load(&visit.key))?).is_some(),
            Call::Touch => done(self.store.touch(&visit.key, HOUR * 2))?,
            Call::Update => {
                let record = record();
                let updated = done(self.store.update(&visit.key, &record, &visit.version))?;
                visit.version = record.version;
                updated == Updated::Done
            }
            Call::Create => {
                let record = record();
                visit.version = record.version;
                done(self.store.create(&visit.key, &record))? == Created::Created
            }
            Call::Delete => {
                done(self.store.delete(&visit.key))?;
                true
            }
        };
        if is_done { Ok(()) } else { Err(format!("{} is lost or taken", visit.key).into()) }
    }

    /// What a call takes in the mean.
    fn mean(&mut self, call: Call, visits: &mut [Visit]) -> Outcome<Duration> {
        let start = processor();
        for visit in &mut *visits {
            self.call(call, visit)?;
        }
        let took = processor() - start;
        self.note(visits);
        Ok(took / u32::try_from(visits.len())?)
    }

    /// What a call takes at most.
    fn longest(&mut self, call: Call, visits: &mut [Visit]) -> Outcome<Duration> {
        let mut longest = Duration::ZERO;
        for visit in &mut *visits {
            let start = processor();
            self.call(call, visit)?;
            longest = longest.max(processor() - start);
        }
        self.note(visits);
        Ok(longest)
    }

    fn note(&mut self, visits: &[Visit]) {
        for visit in visits {
            self.versions[visit.at] = visit.version;
        }
    }

    /// Calls of all kinds, on `count` sessions and on those that come on top.
    fn mixed(&mut self, count: usize) -> Outcome {
        let mut visits = self.some(count);
        let mut added = (count..count + visits.len()).map(|at| self.visit(at)).collect::<Vec<_>>();
        for call in [Call::Create, Call::Update, Call::Touch, Call::Delete] {
            self.mean(call, if matches!(call, Call::Create | Call::Delete) { &mut added } else { &mut visits })?;
        }
        Ok(())
    }

    /// What it takes to remove all, which are expired, and the longest that no request of the thread goes on meanwhile.
    fn sweep(&self, count: usize) -> Outcome<(Duration, Duration)> {
        self.clock.advance(HOUR * 24);
        let mut sweep = pin!(self.store.delete_expired(u64::MAX));
        let (mut all, mut longest) = (Duration::ZERO, Duration::ZERO);
        loop {
            let start = processor();
            let poll = sweep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let step = processor() - start;
            (all, longest) = (all + step, longest.max(step));
            if let Poll::Ready(swept) = poll {
                return if swept?.deleted == count as u64 {
                    Ok((all, longest))
                } else {
                    Err("not all were swept".into())
                };
            }
        }
    }
}

/// How long a thread that loads these sessions waits for one at most, while this thread works.
fn longest_wait(store: &MemoryStore, count: usize, work: impl FnOnce() -> Outcome) -> Outcome<Duration> {
    let keys: Vec<String> = (0..CALLS * 4).map(|_| key(random() % count)).collect();
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

/// What the machine makes of some hundred nanoseconds of work that waits for nothing, at most.
fn longest_of_nothing(count: usize) -> Duration {
    let mut longest = Duration::ZERO;
    for _ in 0..count {
        let start = processor();
        black_box((0..300_u64).fold(0, |sum, number| sum + black_box(number)));
        longest = longest.max(processor() - start);
    }
    longest
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

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn least(times: Vec<Duration>) -> Duration {
    times.into_iter().min().unwrap_or_default()
}

fn tell(name: &str, means: Vec<Duration>, longest: Vec<Duration>) {
    say(&format!("{name}, ns"), median(means).as_nanos() as f64);
    say(&format!("longest {name}, µs"), micros(least(longest)));
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn say(name: &str, figure: f64) {
    let decimals = if figure < 10.0 { 1 } else { 0 };
    println!("{name}\t{figure:.decimals$}");
}
