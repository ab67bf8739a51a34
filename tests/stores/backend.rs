//! [`Backend`]: what a store's file says, and the trials that are made of it.

use std::{sync::Arc, time::Duration};

use actix_typed_session::testing::{
    self,
    conformance::{self, Subject},
};
use actix_typed_session_tests::support::trial::conclude;
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use libtest_mimic::Trial;

use super::races::{self, Race};

/// A trial that only one store has: its name, and what it does with the subject.
pub(crate) type Own = (&'static str, for<'a> fn(&'a Subject) -> BoxFuture<'a, ()>);

/// A store under test.
#[async_trait]
pub(crate) trait Backend: Send + Sync + 'static {
    /// The first part of its trials' names.
    fn name(&self) -> &'static str;

    /// What it needs and does not find on this machine.
    fn missing(&self) -> Option<String> {
        None
    }

    /// What the names of rules and other trials begin with that mean nothing for it: `["s11", "race"]`.
    fn without(&self) -> &'static [&'static str] {
        &[]
    }

    /// How often a race is run; fewer times where a write is slow, so that all races are over in some ten seconds.
    fn race_rounds(&self) -> usize {
        40
    }

    /// Trials beside the rules.
    fn own(&self) -> Vec<Own> {
        Vec::new()
    }

    /// The store, empty, with all that the rules ask for.
    async fn subject(&self) -> Subject;
}

/// All trials of a store.
pub(crate) fn trials(backend: &Arc<dyn Backend>) -> Vec<Trial> {
    let trial = |name: &str, run: Box<dyn FnOnce() + Send>| {
        let backend = Arc::clone(backend);
        let name = format!("{}::{name}", backend.name());
        Trial::ignorable_test(name, move || conclude(backend.name(), backend.missing(), run))
    };
    let applies = |name: &str| !backend.without().iter().any(|number| name.starts_with(number));
    let rules = conformance::all().into_iter().filter(|rule| applies(rule.name)).map(|rule| {
        let backend = Arc::clone(backend);
        let run = async move || {
            let subject = backend.subject().await;
            assert_eq!(rule.lacks(&subject), None, "the subject does not give what the rule needs");
            rule.run(&subject).await;
        };
        trial(rule.name, Box::new(move || in_time(run())))
    });
    let model = Some("model").filter(|name| applies(name)).map(|_| {
        let backend = Arc::clone(backend);
        // fewer where a write is slow
        let histories = (2 + backend.race_rounds() as u64).min(8);
        let run = async move || {
            let subject = backend.subject().await;
            for seed in 0..histories {
                testing::model(&subject, seed, 250).await;
            }
        };
        trial("model_and_store_agree_on_generated_histories", Box::new(move || in_time(run())))
    });
    let races = races::all().into_iter().filter(|(name, _)| applies(name)).map(|(name, run)| {
        let backend = Arc::clone(backend);
        let run = async move || run(&Race::new(backend.subject().await, backend.race_rounds())).await;
        trial(name, Box::new(move || in_time_of(races::factor(), run())))
    });
    let own = backend.own().into_iter().map(|(name, run)| {
        let backend = Arc::clone(backend);
        let run = async move || run(&backend.subject().await).await;
        trial(name, Box::new(move || in_time(run())))
    });
    rules.chain(model).chain(races).chain(own).collect()
}

/// Runs a trial on a runtime of its own with two threads; one that takes minutes hangs.
fn in_time(work: impl Future<Output = ()>) {
    in_time_of(1, work);
}

/// The same for work that takes so many times as long.
fn in_time_of(factor: usize, work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let limit = Duration::from_secs(180).saturating_mul(u32::try_from(factor).unwrap_or(u32::MAX));
    let ended = runtime.block_on(async { tokio::time::timeout(limit, work).await });
    runtime.shutdown_background();
    assert!(ended.is_ok(), "not done after {limit:?}");
}
