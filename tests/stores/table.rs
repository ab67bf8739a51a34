//! [`Table`]: how each store did, a line a store.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, PoisonError},
};

/// How a trial ended.
pub(crate) enum Outcome {
    Passed,
    Failed,
    Ignored(String),
}

/// The outcomes of all trials so far.
#[derive(Default)]
pub(crate) struct Table {
    rows: Mutex<BTreeMap<&'static str, Row>>,
}

#[derive(Default)]
struct Row {
    passed: usize,
    failed: usize,
    ignored: usize,
    reasons: BTreeSet<String>,
}

impl Table {
    /// Counts a trial of this store.
    pub(crate) fn note(&self, store: &'static str, outcome: Outcome) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let row = rows.entry(store).or_default();
        match outcome {
            Outcome::Passed => row.passed += 1,
            Outcome::Failed => row.failed += 1,
            Outcome::Ignored(reason) => {
                row.ignored += 1;
                row.reasons.insert(reason);
            }
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<14} {:>6} {:>6} {:>7}", "store", "passed", "failed", "ignored")?;
        for (store, row) in &*self.rows.lock().unwrap_or_else(PoisonError::into_inner) {
            let reasons: Vec<_> = row.reasons.iter().map(String::as_str).collect();
            let line = format!("{store:<14} {:>6} {:>6} {:>7}", row.passed, row.failed, row.ignored);
            writeln!(f, "{}", format!("{line}  {}", reasons.join(", ")).trim_end())?;
        }
        Ok(())
    }
}
