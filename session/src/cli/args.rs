//! The arguments.

use clap::{ArgGroup, Parser, Subcommand};

/// Looks after the sessions of actix-typed-session.
///
/// The settings are those of the app, from the environment: SESSION_TYPE names the store, SESSION_REDIS and its like say
/// where that is, SESSION_KEY_PREFIX and SESSION_ENCRYPTION_KEYS have to be the app's too. Stores are there whose feature
/// was on when this was built. No token, key or password is ever shown.
#[derive(Parser)]
#[command(name = "typed-session", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(super) struct Arguments {
    /// Print one JSON object instead of text, of an error too
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 it is done, 1 it failed, 2 the arguments or the settings are wrong.";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Say what the environment's settings mean, and ask the store for an answer
    ///
    /// Each setting that is not at its default is shown, what may be secret masked. As at the start of the app, the
    /// `filesystem` store makes its directory.
    Check,
    /// Make the tables, indexes and rules that the store needs
    ///
    /// May be run twice, and by several at once.
    Migrate {
        /// Print what would be done, for people with their own migrations, and do nothing
        #[arg(long)]
        print: bool,
    },
    /// Delete expired sessions, where the store does not do so by itself
    ///
    /// May be interrupted at any time, and be run by several at once: each session is deleted by itself. Tells how far it
    /// is on the standard error: by a bar on a terminal, else by a line now and then; not at all with --json.
    Cleanup {
        /// How many to delete at once
        #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        batch: u64,
        /// Say how many would be deleted, and delete none
        #[arg(long)]
        dry_run: bool,
    },
    /// List the sessions of a user
    List {
        /// The user, as JSON, or as a text where it is none
        ///
        /// What the app's field marked `#[session(owner)]` holds: 42 is the number, ada the text, and the text "42" is
        /// '"42"', with its quotation marks.
        #[arg(long)]
        owner: String,
    },
    /// End sessions: all of a user, or one
    ///
    /// What has ended already is no error, and is not counted.
    #[command(group(ArgGroup::new("which").required(true).multiple(true).args(["owner", "id"])))]
    Revoke {
        /// The user, as JSON, or as a text where it is none, as for `list`; all of this user's sessions end
        #[arg(long)]
        owner: Option<String>,
        /// The id of the one session that ends; with --owner, only if it is this user's
        #[arg(long)]
        id: Option<String>,
    },
    /// Show a session: its times, its size and the names of its fields
    Inspect {
        /// Its id, 32 lower-case hex digits, as `list` shows it; not the cookie
        id: String,
        /// Show the values of the fields, too, which may be anybody's private data
        #[arg(long)]
        values: bool,
    },
    /// Print a script that completes these commands in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}
