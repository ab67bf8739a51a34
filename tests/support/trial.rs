//! Trials of a store that may need what this machine lacks.

#![allow(clippy::missing_errors_doc, reason = "it is a test's end")]

use std::{
    any::Any,
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use libtest_mimic::{Completion, Failed, Trial};

use super::table::{self, Outcome};

/// A trial on a runtime of its own like that of a worker; of a store, ignored if something is `missing`.
pub fn on_worker<F: Future<Output = ()>>(
    store: &'static str,
    name: &str,
    missing: impl FnOnce() -> Option<String> + Send + 'static,
    test: impl FnOnce() -> F + Send + 'static,
) -> Trial {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        // what hangs ends; to build the examples first may take minutes
        let limit = Duration::from_secs(600);
        let ended = runtime.block_on(async { tokio::time::timeout(limit, test()).await });
        assert!(ended.is_ok(), "not done after {limit:?}");
    };
    Trial::ignorable_test(format!("{store}::{name}"), move || conclude(store, missing(), run))
}

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
