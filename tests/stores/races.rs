//! [`all`]: requests that race over one session, at two servers that have the store open, each with two workers.
//!
//! Each round begins a session of its own and lets the requests go by a barrier; what must hold is checked after the
//! last answer, past the servers too. `SESSION_RACE_ROUNDS=50` runs each race fifty times as long.

use std::env;

use actix_typed_session::testing::conformance::Subject;
use futures_util::{FutureExt, future::BoxFuture};

use self::servers::{When, Worker};

mod adding;
mod ending;
mod limiting;
mod merging;
mod overtaking;
mod owning;
mod revoking;
mod rotating;
mod servers;
mod users;
mod watched;

/// The store over which requests race, and how often they do.
pub(crate) struct Race {
    subject: Subject,
    workers: Vec<Worker>,
    rounds: usize,
}

/// The name of a race, and what it does.
pub(crate) type Named = (&'static str, for<'a> fn(&'a Race) -> BoxFuture<'a, ()>);

/// All races, each a function of its file.
pub(crate) fn all() -> Vec<Named> {
    macro_rules! races {
        ($($file:ident::$name:ident,)*) => { vec![$((stringify!($name), |race| $file::$name(race).boxed())),*] };
    }
    races![
        adding::race_sixty_four_writers_of_a_sum_are_all_counted,
        adding::race_writers_that_run_out_of_time_are_told,
        adding::race_writes_whose_answers_are_lost_are_done_once_or_told,
        merging::race_every_merge_rule_holds_at_two_servers,
        merging::race_of_changes_that_reject_each_other_one_is_done,
        merging::race_changes_of_different_fields_all_survive,
        rotating::race_of_fifty_rotations_one_token_lives,
        rotating::race_of_sign_ins_one_is_done,
        rotating::race_nothing_that_came_with_a_dead_token_is_saved,
        ending::race_what_was_logged_out_stays_out_whatever_is_saved,
        ending::race_a_sign_in_that_meets_the_end_is_told,
        ending::race_a_refresh_revives_nothing,
        owning::race_a_former_owners_save_is_never_the_new_owners,
        revoking::race_user_is_signed_out_everywhere_while_others_sign_in,
        revoking::race_user_is_signed_out_everywhere_before_a_sign_in_is_written,
        revoking::race_user_is_signed_out_everywhere_before_a_late_write_arrives,
        revoking::race_user_is_shown_what_lives_until_it_is_ended,
        revoking::race_user_ends_a_session_that_signs_in,
        revoking::race_user_ends_all_others_from_two_sessions,
        revoking::race_user_is_signed_out_everywhere_while_another_takes_the_session,
        overtaking::race_user_whose_sign_in_was_overtaken_ends_nothing_of_another,
        overtaking::race_user_whose_sign_in_met_the_end_may_sign_in_at_once,
        overtaking::race_user_takes_a_session_whose_time_is_over,
        overtaking::race_user_who_is_back_is_listed,
        limiting::race_user_has_as_many_sessions_as_are_allowed,
        limiting::race_user_is_refused_one_session_too_many,
        limiting::race_user_leaves_while_signing_in_elsewhere,
        limiting::race_user_is_listed_once_whatever_is_rotated,
    ]
}

/// How many times as long the races run as usual.
pub(crate) fn factor() -> usize {
    let rounds = env::var("SESSION_RACE_ROUNDS").ok();
    rounds.map_or(1, |rounds| rounds.parse().expect("`SESSION_RACE_ROUNDS` is a number"))
}

impl Race {
    pub(crate) fn new(subject: Subject, rounds: usize) -> Self {
        let workers = (0..4).map(|_| Worker::start()).collect();
        Self { subject, workers, rounds: rounds * factor() }
    }

    /// The rounds of a race whose rounds cost so many times as much as usual, each in one of these ways.
    fn rounds(&self, cost: usize, ways: &'static [When]) -> impl Iterator<Item = When> + Clone {
        ways.iter().copied().cycle().take((self.rounds / cost).max(ways.len()))
    }
}
