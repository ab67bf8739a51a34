//! [`Call`]: how long a call to the store took, and what it came to.

use std::time::Instant;

use tracing::level_filters::LevelFilter;

use super::{STORE_FAILED, metrics};
use crate::error::{StoreError, StoreErrorKind};

/// A call to the store under way.
pub(crate) struct Call {
    operation: &'static str,
    /// When it began; none where nobody wants to know.
    since: Option<Instant>,
}

impl Call {
    pub(crate) fn begin(operation: &'static str) -> Self {
        let is_wanted = cfg!(feature = "metrics") || STORE_FAILED.level <= LevelFilter::current();
        Self { operation, since: is_wanted.then(Instant::now) }
    }

    /// Tells what it came to; `late` says that no answer came in time.
    pub(crate) fn end<T>(self, store: &'static str, answer: &Result<T, StoreError>, late: bool) {
        let Self { operation, since } = self;
        let Some(duration) = since.map(|since| since.elapsed()) else { return };
        let error = answer.as_ref().err();
        let outcome = if late { "timeout" } else { error.map_or("ok", |error| of(error.kind())) };
        metrics::store_call(store, operation, outcome, duration);
        let duration = duration.as_secs_f64() * 1000.0;
        super::store_called(store, operation, outcome, duration);
        if let Some(error) = error {
            super::store_failed(store, operation, error, duration);
        }
    }
}

fn of(kind: StoreErrorKind) -> &'static str {
    match kind {
        StoreErrorKind::Unavailable => "unavailable",
        StoreErrorKind::OutcomeUnknown => "outcome_unknown",
        StoreErrorKind::Protocol => "protocol",
        StoreErrorKind::TooLarge => "too_large",
        StoreErrorKind::Unsupported => "unsupported",
    }
}
