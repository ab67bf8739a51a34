//! What is counted and measured, through the `metrics` facade, where the feature of that name is on.

use std::time::Duration;

/// How often what happened: one more for each event of the log.
#[cfg(feature = "metrics")]
pub(super) const EVENTS: &str = "session_events_total";
/// How long the calls to the store took, in seconds.
#[cfg(feature = "metrics")]
pub(super) const STORE_CALLS: &str = "session_store_call_duration_seconds";

/// Says what the metrics are, to a recorder that is there by now.
pub(crate) fn describe() {
    #[cfg(feature = "metrics")]
    {
        metrics::describe_counter!(EVENTS, metrics::Unit::Count, "events of the sessions, by name");
        metrics::describe_histogram!(STORE_CALLS, metrics::Unit::Seconds, "calls to the session store");
    }
}

/// One more of an event; labels are few and each has few values, for each pair of them is kept for good.
pub(super) fn count(event: &'static str, labels: &[(&'static str, &'static str)]) {
    #[cfg(feature = "metrics")]
    {
        let event = ("event", event.strip_prefix("session.").unwrap_or(event));
        let labels = std::iter::once(&event).chain(labels).map(metrics::Label::from);
        metrics::counter!(EVENTS, labels.collect::<Vec<_>>()).increment(1);
    }
    #[cfg(not(feature = "metrics"))]
    let _ = (event, labels);
}

/// A call to the store is over.
pub(super) fn store_call(store: &'static str, operation: &'static str, outcome: &'static str, duration: Duration) {
    #[cfg(feature = "metrics")]
    metrics::histogram!(STORE_CALLS, "store" => store, "operation" => operation, "outcome" => outcome).record(duration);
    #[cfg(not(feature = "metrics"))]
    let _ = (store, operation, outcome, duration);
}
