//! `FilesystemStore` under faults: processes that are killed, disks that fail, what others put into its directory.
//!
//! The test program starts itself for what needs a process of its own. Where a tool is missing or the system forbids
//! what a test does, the test is ignored with the reason.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test panics")]

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    process::ExitCode,
    time::Duration,
};

use actix_typed_session_tests::support::{
    table::{self, Outcome},
    trial::is_required,
};
use libtest_mimic::{Arguments, Trial};

#[path = "filesystem/child.rs"]
mod child;
#[path = "filesystem/failing.rs"]
mod failing;
#[path = "filesystem/foreign.rs"]
mod foreign;
#[path = "filesystem/full.rs"]
mod full;
#[path = "filesystem/killed.rs"]
mod killed;
#[path = "filesystem/order.rs"]
mod order;
#[path = "filesystem/place.rs"]
mod place;
#[path = "filesystem/processes.rs"]
mod processes;
#[path = "filesystem/read_only.rs"]
mod read_only;
#[path = "filesystem/script.rs"]
mod script;
#[path = "filesystem/site.rs"]
mod site;
#[path = "filesystem/traced.rs"]
mod traced;

/// What a test needs of the machine.
pub(crate) type Need = fn() -> Result<(), Missing>;

/// Why a test can't run here.
#[derive(Clone, Debug)]
pub(crate) enum Missing {
    /// A program that could be installed: `SESSION_TEST_REQUIRE` makes it a failure.
    Program(&'static str),
    /// The system does not allow it.
    Forbidden(&'static str),
}

/// A test: its name, what it needs, and what it does.
pub(crate) struct Test {
    pub(crate) name: &'static str,
    pub(crate) need: Need,
    pub(crate) run: fn(),
}

/// The tests of a file by their names, each with what it needs: `name if need`.
macro_rules! tests {
    ($($name:ident $(if $need:expr)?),* $(,)?) => {
        pub(crate) fn tests() -> Vec<$crate::Test> {
            vec![$($crate::Test { name: stringify!($name), need: $crate::need!($($need)?), run: $name }),*]
        }
    };
}
macro_rules! need {
    () => {
        || Ok(())
    };
    ($need:expr) => {
        $need
    };
}
pub(crate) use need;
pub(crate) use tests;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

fn main() -> ExitCode {
    let tests: Vec<Test> =
        [failing::tests(), foreign::tests(), full::tests(), killed::tests(), order::tests(), processes::tests()]
            .into_iter()
            .chain([read_only::tests()])
            .flatten()
            .collect();
    if child::is_one() {
        child::run(&tests);
        return ExitCode::SUCCESS;
    }
    let trials = tests.into_iter().map(trial).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(Test { name, need, run }: Test) -> Trial {
    let missing = need().err();
    let required = is_required("filesystem");
    let (reason, ignored) = match &missing {
        None => ("", false),
        Some(Missing::Program(reason)) => (*reason, !required),
        Some(Missing::Forbidden(reason)) => (*reason, true),
    };
    if ignored {
        table::note("filesystem", &Outcome::Ignored(reason.to_owned()));
    }
    let run = move || {
        if missing.is_some() {
            return Err(reason.into());
        }
        let ended = catch_unwind(AssertUnwindSafe(run));
        table::note("filesystem", &if ended.is_ok() { Outcome::Passed } else { Outcome::Failed });
        ended.unwrap_or_else(|panic| resume_unwind(panic));
        Ok(())
    };
    Trial::test(format!("filesystem::{name}"), run).with_kind(reason).with_ignored_flag(ignored)
}

/// Runs on a runtime of its own, such as a worker's.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), future).await }).expect("it ends")
}

/// How many rounds of kills: few, or `SESSION_KILL_ROUNDS`.
pub(crate) fn rounds(few: usize) -> usize {
    std::env::var("SESSION_KILL_ROUNDS")
        .map_or(few, |rounds| rounds.parse().expect("`SESSION_KILL_ROUNDS` is a number"))
}
