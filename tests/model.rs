//! Random requests of a few visitors and calls of an administrator, interleaved at every store call, against what must
//! hold whatever happens: nothing acknowledged is lost, nothing is done twice, what ended stays ended, and nobody sees
//! what is another's.
//!
//! `SESSION_MODEL_HISTORIES` says how many histories, `SESSION_MODEL_SEED` where they begin. A history that fails is
//! made smaller and printed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unreachable,
    reason = "a test tells what it did not expect by a panic"
)]

mod model {
    pub(crate) mod check;
    pub(crate) mod history;
    pub(crate) mod play;
    pub(crate) mod site;
    pub(crate) mod slow;
    pub(crate) mod told;
}

use std::{
    any::Any,
    env,
    panic::{self, AssertUnwindSafe},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use futures_util::FutureExt;

use self::model::{
    history::{History, Move},
    play::play,
    told,
};

#[test]
fn whatever_visitors_and_administrators_do_nothing_is_lost_done_twice_or_revived() {
    let number = |name: &str| env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let first = number("SESSION_MODEL_SEED").unwrap_or(0);
    let last = first + number("SESSION_MODEL_HISTORIES").unwrap_or(2000);
    let hook = panic::take_hook();
    // a history that fails is told of below
    panic::set_hook(Box::new(|_| {}));
    let failed = first_failure(first, last);
    let told = failed.map(|seed| {
        let mut history = History::of(seed);
        let mut made = Vec::new();
        if played(&history, &mut made).is_some() {
            history.moves = made;
        }
        let history = history.shrunk(|history| failure(history).is_some());
        // a random wait may hide it
        let failure = (0..20).find_map(|_| failure(&history)).unwrap_or_default();
        format!("SESSION_MODEL_SEED={seed}, made smaller, with {:?}:\n{}\n{failure}", history.setup, told::story())
    });
    panic::set_hook(hook);
    if let Some(told) = told {
        panic!("{told}");
    }
}

/// The first seed found whose history fails, by a thread for each core.
fn first_failure(first: u64, last: u64) -> Option<u64> {
    let (next, failed) = (AtomicU64::new(first), AtomicU64::new(u64::MAX));
    let search = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= last || failed.load(Ordering::Relaxed) != u64::MAX {
                return;
            }
            if failure(&History::of(seed)).is_some() {
                failed.fetch_min(seed, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        (0..cores).for_each(|_| drop(scope.spawn(search)));
    });
    Some(failed.into_inner()).filter(|seed| *seed != u64::MAX)
}

/// Why a history fails, if it does.
fn failure(history: &History) -> Option<String> {
    played(history, &mut Vec::new())
}

fn played(history: &History, made: &mut Vec<Move>) -> Option<String> {
    actix_web::rt::System::new().block_on(async {
        tokio::time::pause();
        let played = AssertUnwindSafe(play(history, made)).catch_unwind().await;
        played.err().map(message)
    })
}

fn message(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}
