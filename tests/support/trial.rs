//! [`conclude`]: a trial of a store that may need what this machine lacks.

#![allow(clippy::missing_errors_doc, reason = "it is a test's end")]

use std::{
    any::Any,
    env,
    panic::{AssertUnwindSafe, catch_unwind},
};

use libtest_mimic::{Completion, Failed};

use super::table::{self, Outcome};

/// Runs a trial and notes how it ended; where something is `missing`, it is ignored for that reason, or failed, if
/// `SESSION_TEST_REQUIRE` names the store.
pub fn conclude(store: &str, missing: Option<String>, run: impl FnOnce()) -> Result<Completion, Failed> {
    let note = |outcome| table::note(store, &outcome);
    if let Some(missing) = missing {
        if is_required(store) {
            note(Outcome::Failed);
            return Err(format!("{missing}, and `SESSION_TEST_REQUIRE` asks for {store}").into());
        }
        note(Outcome::Ignored(missing.clone()));
        return Ok(Completion::ignored_with(missing));
    }
    let ended = catch_unwind(AssertUnwindSafe(run));
    note(if ended.is_ok() { Outcome::Passed } else { Outcome::Failed });
    ended.map(|()| Completion::Completed).map_err(|panic| message(&*panic).into())
}

/// Whether `SESSION_TEST_REQUIRE` names this store: by its name or as one of `all`, and not after a `-`.
pub fn is_required(store: &str) -> bool {
    let required = env::var("SESSION_TEST_REQUIRE").unwrap_or_default();
    let names: Vec<_> = required.split(',').map(str::trim).collect();
    let is_left_out = names.iter().any(|name| name.strip_prefix('-') == Some(store));
    !is_left_out && names.iter().any(|name| *name == "all" || *name == store)
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}
