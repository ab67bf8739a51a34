//! The command line, as an operator runs it: the program itself, over files and over a Redis.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test panics")]

use std::time::Duration;

use actix_typed_session_tests::support::trial::conclude;
use libtest_mimic::{Arguments, Trial};

use self::cli::{
    checking, cleaning, ending, inspecting, listing,
    place::{Kind, Place},
    telling,
};

/// A file a command or two.
mod cli {
    pub(crate) mod place;

    pub(crate) mod checking;
    pub(crate) mod cleaning;
    pub(crate) mod ending;
    pub(crate) mod inspecting;
    pub(crate) mod listing;
    pub(crate) mod telling;
}

/// Adds tests, each a function that gets a place of its own, once for each kind of store.
macro_rules! trials {
    ($trials:ident, $($kind:expr),* => $($file:ident::$name:ident,)*) => {
        for kind in [$($kind),*] {
            $($trials.push(trial(kind, stringify!($name), |place| Box::pin($file::$name(place))));)*
        }
    };
}

fn main() {
    let mut trials = Vec::new();
    trials![trials, Kind::Filesystem, Kind::Redis =>
        checking::check_says_what_is_set_and_that_the_store_answers,
        checking::check_shows_no_secret,
        checking::check_of_a_store_that_is_down_is_1_and_says_why,
        checking::migrate_may_run_twice,
        checking::print_does_nothing,
        listing::list_shows_the_sessions_of_a_user_and_of_nobody_else,
        listing::an_owner_is_json_or_else_a_text,
        listing::an_owner_who_is_nobody_is_2,
        listing::a_label_commands_no_terminal,
        listing::another_prefix_has_other_sessions,
        listing::sealed_sessions_are_listed_by_who_has_the_key,
        ending::revoke_of_a_user_ends_all_sessions_of_that_user,
        ending::revoke_of_an_id_ends_one_session,
        ending::revoke_of_an_id_ends_an_anonymous_session_too,
        ending::revoke_of_an_id_and_a_user_ends_no_session_of_another,
        ending::what_has_ended_already_is_not_counted_and_no_error,
        ending::an_unreadable_session_ends_by_its_id,
        inspecting::inspect_shows_names_and_no_values,
        inspecting::a_value_is_shown_as_it_was_written,
        inspecting::inspect_shows_values_if_asked_to,
        inspecting::a_session_that_is_not_there_is_1,
        inspecting::a_sealed_session_is_1_without_its_key,
        inspecting::what_is_no_id_is_2_and_not_repeated,
        cleaning::cleanup_leaves_what_lives,
        cleaning::cleanup_again_finds_nothing,
    ];
    trials![trials, Kind::Filesystem =>
        checking::a_wrong_setting_is_2_and_named,
        checking::a_variable_that_is_no_setting_is_told,
        checking::sessions_that_live_in_another_process_are_2,
        checking::a_store_that_may_throw_out_has_no_lists,
        cleaning::a_dry_run_counts_and_deletes_nothing,
        cleaning::cleanup_deletes_what_has_expired,
        cleaning::two_cleanups_at_once_share_the_work,
        cleaning::a_cleanup_that_was_killed_is_finished_by_the_next,
        cleaning::what_can_not_be_read_is_1_and_keeps_nothing_else_from_being_deleted,
        cleaning::a_walk_goes_on_where_many_sessions_live,
        cleaning::on_a_terminal_a_bar_shows_how_far_it_is,
        telling::wrong_arguments_are_2,
        telling::help_and_version_are_0,
        telling::the_manual_page_and_completions_know_every_command,
        telling::nobody_reading_is_no_failure,
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

type Test = for<'a> fn(&'a Place) -> std::pin::Pin<Box<dyn Future<Output = ()> + 'a>>;

fn trial(kind: Kind, name: &str, test: Test) -> Trial {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        // to build the program first may take minutes
        let limit = Duration::from_secs(600);
        let ended = runtime.block_on(async { tokio::time::timeout(limit, test(&Place::new(kind))).await });
        assert!(ended.is_ok(), "not done after {limit:?}");
    };
    Trial::ignorable_test(format!("{kind}::{name}"), move || conclude("cli", kind.missing(), run))
}
