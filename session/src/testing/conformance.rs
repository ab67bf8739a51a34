//! Rules S1–S16 of [`SessionStore`](crate::store::SessionStore), one function a rule, for every store there is.
//!
//! Each function takes a [`Subject`] – the store and what the suite has to know about it – and panics, with the
//! rule's number and what was seen, when the rule does not hold. It is plain async code: any test harness and any
//! runtime will do. On tokio with several threads the concurrent rules use all of them.
//!
//! ```
//! use actix_typed_session::{Clock, testing::{ReferenceStore, conformance::{self, Subject}}};
//!
//! #[actix_web::main]
//! async fn main() {
//!     let clock = Clock::manual();
//!     let store = ReferenceStore::new(clock.clone()).max_bytes(100_000);
//!     conformance::run_all(&Subject::new(store).clock(clock).max_bytes(100_000)).await;
//! }
//! ```
//!
//! A rule by itself, while you work on it:
//!
//! ```
//! use actix_typed_session::testing::{ReferenceStore, conformance::{self, Subject}};
//!
//! # #[actix_web::main] async fn main() {
//! conformance::s02_create_never_overwrites(&Subject::new(ReferenceStore::default())).await;
//! # }
//! ```
//!
//! One trial a rule, for a runner such as `libtest-mimic`, is made from [`all`]. Time never decides a race here:
//! real time is only waited for where a record has to expire and the store has no clock that a test can move.

mod bytes;
mod cancel;
mod failures;
mod races;
mod records;
mod subject;
mod time;

use std::fmt;

use futures_util::future::BoxFuture;

pub use self::{
    bytes::{s08_bytes_come_back_exactly, s10_keys_never_see_each_other},
    cancel::s12_a_dropped_future_harms_no_later_call,
    failures::{s11_a_failing_backend_is_an_error_in_time, s16_an_unknown_outcome_says_so},
    races::{
        s05_of_concurrent_updates_exactly_one_is_done, s14_reads_see_acknowledged_writes,
        s15_migrating_again_does_no_harm,
    },
    records::{
        s02_create_never_overwrites, s03_update_replaces_only_at_the_expected_version,
        s04_nothing_but_create_makes_a_record, s06_touch_moves_only_the_expiry_and_never_backwards,
        s07_delete_is_idempotent,
    },
    subject::Subject,
    time::{
        s01_load_never_returns_an_expired_record, s09_an_expiry_is_neither_early_nor_late,
        s13_a_sweep_deletes_only_expired_records,
    },
};

/// A rule of the suite, ready to run. [`all`] gives them.
///
/// ```
/// use actix_typed_session::{Clock, testing::{ReferenceStore, conformance::{self, Subject}}};
///
/// # #[actix_web::main] async fn main() {
/// let clock = Clock::manual();
/// let subject = Subject::new(ReferenceStore::new(clock.clone())).clock(clock);
/// for rule in conformance::all() {
///     match rule.lacks(&subject) {
///         Some(reason) => println!("{} … ignored, {reason}", rule.name),
///         None => rule.run(&subject).await,
///     }
/// }
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct Rule {
    /// The function's name, such as `s02_create_never_overwrites`.
    pub name: &'static str,
    run: for<'a> fn(&'a Subject) -> BoxFuture<'a, ()>,
}

impl Rule {
    /// Checks the subject against this rule, and panics where it breaks it.
    pub async fn run(&self, subject: &Subject) {
        (self.run)(subject).await;
    }

    /// Why the rule can't be checked with what the subject gives, if it can't.
    #[must_use]
    pub fn lacks(&self, subject: &Subject) -> Option<&'static str> {
        if self.name.starts_with("s11") && subject.failing.is_empty() {
            return Some("the subject names no store over a failing backend");
        }
        if self.name.starts_with("s16") && subject.unanswered.is_empty() {
            return Some("the subject names no store whose writes are not answered");
        }
        None
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rule").field(&self.name).finish()
    }
}

/// All the rules, by number.
///
/// ```
/// use actix_typed_session::testing::conformance;
///
/// assert_eq!(conformance::all().len(), 16);
/// assert_eq!(conformance::all()[1].name, "s02_create_never_overwrites");
/// ```
#[must_use]
pub fn all() -> Vec<Rule> {
    macro_rules! rules {
        ($($name:ident,)*) => { vec![$(Rule { name: stringify!($name), run: |subject| Box::pin($name(subject)) }),*] };
    }
    rules![
        s01_load_never_returns_an_expired_record,
        s02_create_never_overwrites,
        s03_update_replaces_only_at_the_expected_version,
        s04_nothing_but_create_makes_a_record,
        s05_of_concurrent_updates_exactly_one_is_done,
        s06_touch_moves_only_the_expiry_and_never_backwards,
        s07_delete_is_idempotent,
        s08_bytes_come_back_exactly,
        s09_an_expiry_is_neither_early_nor_late,
        s10_keys_never_see_each_other,
        s11_a_failing_backend_is_an_error_in_time,
        s12_a_dropped_future_harms_no_later_call,
        s13_a_sweep_deletes_only_expired_records,
        s14_reads_see_acknowledged_writes,
        s15_migrating_again_does_no_harm,
        s16_an_unknown_outcome_says_so,
    ]
}

/// Checks all rules that the subject gives enough for, one after the other, and some generated histories.
///
/// S11 and S16 need stores over backends that fail: [`Subject::failing`] and [`Subject::unanswered`]. The
/// [module](self) begins with an example.
pub async fn run_all(subject: &Subject) {
    for rule in all().into_iter().filter(|rule| rule.lacks(subject).is_none()) {
        rule.run(subject).await;
    }
    for seed in 0..3 {
        super::model(subject, seed, 200).await;
    }
}
