//! How each store did: what `tests/run` makes its table of.

use std::{env, fs::OpenOptions, io::Write};

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Passed,
    /// Not as it should.
    Failed,
    /// Not at all, for this reason.
    Ignored(String),
}

/// Adds a line to the file that `SESSION_TEST_TABLE` names, if it names one: store, outcome, reason.
pub fn note(store: &str, outcome: &Outcome) {
    let Some(path) = env::var_os("SESSION_TEST_TABLE") else { return };
    let line = match outcome {
        Outcome::Passed => format!("{store}\tpassed\t\n"),
        Outcome::Failed => format!("{store}\tfailed\t\n"),
        Outcome::Ignored(reason) => format!("{store}\tignored\t{reason}\n"),
    };
    // one write in append mode: trials end at the same time, in several programs
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .expect("`SESSION_TEST_TABLE` names a file that can be written");
}
