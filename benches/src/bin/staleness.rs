//! How far a cached read is behind: the time from the answer to a change at one server to its effect at another one.
//!
//! `staleness [REDIS_URL]`, over a Redis server of its own. Two stores stand for two servers, each on a thread of its own.
//! One keeps a record that the other one deletes or replaces, and a third thread looks every few microseconds whether it
//! is still recalled. The same while both have other work: `BESIDE` tasks on either side that write sessions without a
//! pause and keep those of the other side.

use std::{
    env,
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use actix_typed_session::store::{Record, RedisStore, SessionStore, StoreError, Updated};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{JoinHandle, LocalSet, spawn_local},
};

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Changes that a figure is of: a thousandth of them is ten.
const CHANGES: usize = 10_000;
/// Tasks on either side, under load.
const BESIDE: usize = 16;
const BYTES: usize = 650;
const HOUR: Duration = Duration::from_secs(60 * 60);
/// How often it is looked; the system adds some 50 µs.
const PAUSE: Duration = Duration::from_micros(5);

fn main() -> Outcome {
    let url = env::args().nth(1).unwrap_or_else(|| "redis://127.0.0.1:6379".to_owned());
    println!("\tchange\tp50\tp99\tp99.9\tlongest");
    for (name, beside) in [("idle", 0), ("under load", BESIDE)] {
        for (change, replaces) in [("a session is ended", false), ("a session is changed", true)] {
            let mut behind = measure(&url, beside, replaces)?;
            behind.sort_unstable();
            let at = |share: f64| {
                let index = (behind.len() as f64 * share) as usize;
                let time = behind.get(index.min(behind.len() - 1)).copied().unwrap_or_default();
                format!("{:.2} ms", time.as_secs_f64() * 1e3)
            };
            println!("{name}\t{change}\t{}\t{}\t{}\t{}", at(0.5), at(0.99), at(0.999), at(1.0));
        }
    }
    Ok(())
}

/// How long after the answer to each of so many changes it was seen; none where that was before.
fn measure(url: &str, beside: usize, replaces: bool) -> Outcome<Vec<Duration>> {
    let done = Arc::new(AtomicBool::new(false));
    let here = Arc::new(RedisStore::new(url)?.client_cache(64 * 1024 * 1024)?);
    let there = Arc::new(RedisStore::new(url)?);
    let (change, changes) = unbounded_channel();
    let (answer, mut answers) = unbounded_channel();
    let (ask, asked) = unbounded_channel();
    let (is_kept, mut kept) = unbounded_channel();

    let writer = {
        let done = done.clone();
        thread::spawn(move || {
            run(async move {
                let work = busy(&there, "there", "here", beside, &done);
                let changed = change_all(&there, replaces, changes, answer).await;
                stop(work, &done).await;
                changed
            })
        })
    };
    let reader = {
        let (here, done) = (here.clone(), done.clone());
        thread::spawn(move || {
            run(async move {
                let work = busy(&here, "here", "there", beside, &done);
                let read = keep_all(&here, asked, is_kept).await;
                stop(work, &done).await;
                read
            })
        })
    };

    let mut behind = Vec::with_capacity(CHANGES);
    for round in 0..CHANGES {
        let key = format!("staleness:{round}");
        ask.send(key.clone())?;
        kept.blocking_recv().ok_or("the reader failed")?;
        change.send(key.clone())?;
        while here.recall(&key).is_some() {
            thread::sleep(PAUSE);
        }
        let seen = Instant::now();
        let answered: Instant = answers.blocking_recv().ok_or("the writer failed")?;
        behind.push(seen.saturating_duration_since(answered));
    }
    drop((ask, change));
    writer.join().map_err(|_| "the writer panicked")??;
    reader.join().map_err(|_| "the reader panicked")??;
    Ok(behind)
}

/// Makes records and keeps them.
async fn keep_all(store: &RedisStore, mut asked: UnboundedReceiver<String>, is_kept: UnboundedSender<()>) -> Outcome {
    store.ping().await?;
    while let Some(key) = asked.recv().await {
        store.delete(&key).await?;
        let _ = store.create(&key, &Record::new(vec![b'x'; BYTES], HOUR)).await?;
        while store.recall(&key).is_none() {
            store.load(&key).await?;
        }
        is_kept.send(())?;
    }
    Ok(())
}

/// Changes records, and says when that was answered.
async fn change_all(
    store: &RedisStore,
    replaces: bool,
    mut changes: UnboundedReceiver<String>,
    answer: UnboundedSender<Instant>,
) -> Outcome {
    while let Some(key) = changes.recv().await {
        if replaces {
            let stored = store.load(&key).await?.ok_or("the record is gone")?;
            let next = Record::new(vec![b'y'; BYTES], HOUR);
            if store.update(&key, &next, &stored.version).await? != Updated::Done {
                return Err("the record was not replaced".into());
            }
        } else {
            store.delete(&key).await?;
        }
        answer.send(Instant::now())?;
    }
    Ok(())
}

/// So many tasks that write their own sessions and read those of the other side.
fn busy(
    store: &Arc<RedisStore>,
    mine: &'static str,
    theirs: &'static str,
    tasks: usize,
    done: &Arc<AtomicBool>,
) -> Vec<JoinHandle<Result<(), StoreError>>> {
    let task = |number: usize| {
        let (store, done) = (store.clone(), done.clone());
        spawn_local(async move {
            let (mine, theirs) = (format!("beside:{mine}:{number}"), format!("beside:{theirs}:{number}"));
            while !done.load(Ordering::Relaxed) {
                let next = Record::new(vec![b'z'; BYTES], HOUR);
                match store.load(&mine).await? {
                    Some(stored) => _ = store.update(&mine, &next, &stored.version).await?,
                    None => _ = store.create(&mine, &next).await?,
                }
                store.load(&theirs).await?;
            }
            Ok(())
        })
    };
    (0..tasks).map(task).collect()
}

async fn stop(work: Vec<JoinHandle<Result<(), StoreError>>>, done: &AtomicBool) {
    done.store(true, Ordering::Relaxed);
    for task in work {
        let _ = task.await;
    }
}

fn run(work: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, work)
}
