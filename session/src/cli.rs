//! The command line `typed-session`: looks after the sessions that the environment's settings name.

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    sync::Arc,
};

use clap::{CommandFactory as _, Parser as _};
use serde_json::json;

use self::{
    args::{Arguments, Command},
    failure::Failure,
    out::Out,
};
use crate::{
    SessionConfig, SessionMiddleware, Sessions,
    store::SessionStore,
    worker::{Core, Worker},
};

mod args;
mod check;
mod cleanup;
mod failure;
mod inspect;
mod list;
mod man;
mod migrate;
mod out;
mod revoke;
mod time;

/// Does what the arguments of the process ask for.
///
/// 0: it is done. 1: it failed, as the store is down or what was asked for is not there. 2: the arguments or the settings
/// are wrong.
pub(crate) fn run() -> ExitCode {
    let Arguments { json, command } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) => return tell(&told),
    };
    let mut out = Out::new(json);
    let done = dispatch(command, &mut out);
    let Err(failure) = out.flush().map_err(Failure::from).and(done) else { return ExitCode::SUCCESS };
    if failure.is_nobody_reading() {
        return ExitCode::SUCCESS;
    }
    if let Failure::Told = failure {
        return ExitCode::from(failure.code());
    }
    // where nothing can be written, the code tells
    let _ = if json {
        writeln!(io::stdout(), "{}", json!({ "error": failure.to_string() }))
    } else {
        writeln!(io::stderr(), "typed-session: {failure}")
    };
    ExitCode::from(failure.code())
}

/// Says what clap has to say instead of a command: the help, the version, or what is wrong with the arguments.
fn tell(told: &clap::Error) -> ExitCode {
    let is_json = told.use_stderr() && std::env::args_os().any(|argument| argument == "--json");
    // where nothing can be written, the code tells
    let _ = if is_json {
        let text = told.to_string();
        // a hint and the usage come after it
        let error = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
        let error = error.split_whitespace().collect::<Vec<_>>().join(" ");
        writeln!(io::stdout(), "{}", json!({ "error": error }))
    } else {
        told.print()
    };
    ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(2))
}

fn dispatch(command: Command, out: &mut Out) -> Result<(), Failure> {
    match command {
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "typed-session", &mut text);
            out.raw(&text)
        }
        Command::Man => out.raw(&man::page(Arguments::command())?),
        command => {
            let config = SessionConfig::from_env()?;
            // the runtime of the app's, on which every store is at home
            actix_web::rt::System::new().block_on(ask(command, config, out))
        }
    }
}

async fn ask(command: Command, config: SessionConfig, out: &mut Out) -> Result<(), Failure> {
    match command {
        Command::Check => check::check(config, out).await,
        Command::Migrate { print } => migrate::migrate(&config, print, out).await,
        Command::Cleanup { batch, dry_run } => {
            cleanup::cleanup(&*reachable(&config)?, batch, dry_run, io::stderr().is_terminal(), out).await
        }
        Command::List { owner } => list::list(&sessions(config)?, &owner, out).await,
        Command::Revoke { owner, id } => revoke::revoke(config, owner.as_deref(), id.as_deref(), out).await,
        Command::Inspect { id, values } => inspect::inspect(&worker(config)?, &id, values, out).await,
        // they ask no store
        Command::Completions { .. } | Command::Man => Ok(()),
    }
}

/// The store of the settings, if it is one that others than the app can look into.
fn reachable(config: &SessionConfig) -> Result<Arc<dyn SessionStore>, Failure> {
    let store = config.store()?;
    if store.name() == "null" {
        return Err(Failure::usage("`SESSION_TYPE` names no store, so that there are no sessions"));
    }
    if store.is_local() {
        return Err(Failure::usage(format!(
            "`SESSION_TYPE` is `{}`, whose sessions live in the process of the app, where nobody else finds them",
            store.name()
        )));
    }
    Ok(store)
}

/// The sessions of each user, by the settings of the app.
fn sessions(config: SessionConfig) -> Result<Sessions, Failure> {
    reachable(&config)?;
    Ok(SessionMiddleware::from_config(config)?.sessions()?)
}

/// What asks the store for a session's own record, by the settings of the app.
fn worker(config: SessionConfig) -> Result<Worker, Failure> {
    let store = reachable(&config)?;
    Ok(Worker::new(Arc::new(Core::new(config)?), store))
}
