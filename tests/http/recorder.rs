//! What this process counts and measures through `metrics`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, Once, PoisonError},
};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

/// A metric with its labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
}

/// How often each was counted or measured, by all tests.
static SERIES: Mutex<BTreeMap<Series, u64>> = Mutex::new(BTreeMap::new());
static DESCRIBED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Begins to record, once a process.
pub(crate) fn record() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| metrics::set_global_recorder(Own).expect("no other recorder"));
}

/// All that was recorded so far.
pub(crate) fn all() -> BTreeMap<Series, u64> {
    lock(&SERIES).clone()
}

/// The metrics that were described so far, with their descriptions.
pub(crate) fn described() -> BTreeSet<String> {
    lock(&DESCRIBED).clone()
}

fn lock<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Own;

struct Recorded(Series);

impl Recorded {
    fn of(key: &Key) -> Arc<Self> {
        let labels = key.labels().map(|label| (label.key().to_owned(), label.value().to_owned()));
        Arc::new(Self(Series { name: key.name().to_owned(), labels: labels.collect() }))
    }

    fn add(&self, more: u64) {
        *lock(&SERIES).entry(self.0.clone()).or_default() += more;
    }
}

impl CounterFn for Recorded {
    fn increment(&self, value: u64) {
        self.add(value);
    }

    fn absolute(&self, _: u64) {
        panic!("nothing is counted elsewhere");
    }
}

impl HistogramFn for Recorded {
    fn record(&self, value: f64) {
        assert!((0.0..60.0).contains(&value), "{:?} took {value} seconds", self.0);
        self.add(1);
    }
}

impl Recorder for Own {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, description: SharedString) {
        lock(&DESCRIBED).insert(format!("{}: {description}", name.as_str()));
    }

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        panic!("there is no gauge");
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, description: SharedString) {
        lock(&DESCRIBED).insert(format!("{}: {description}", name.as_str()));
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Recorded::of(key))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        panic!("there is no gauge");
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Recorded::of(key))
    }
}
