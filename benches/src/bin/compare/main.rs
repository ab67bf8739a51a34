//! Measures session servers side by side, how they grow, the memory store, the client cache, each store beside
//! its client, how stores grow, and instruction counts.
//!
//!     compare [peers | growth | memory | staleness | stores | scale | counts] [--OPTION VALUE …] [--write] [--update]
//!
//! `benches/run` builds what it needs and calls it; `benches/README.md` says what the figures are, and holds the tables
//! that `--write` puts there.

use std::{error::Error, process::ExitCode};

use self::options::{Mode, Options};

mod contestant;
mod counts;
mod growth;
mod http;
mod load;
mod machine;
mod memory;
mod options;
mod peers;
mod process;
mod readme;
mod redis;
mod rounds;
mod staleness;
mod stores;
mod table;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<ExitCode> {
    let options = Options::of_arguments(std::env::args().skip(1))?;
    let (text, is_worse) = match options.mode {
        Mode::Peers => (peers::run(&options)?, false),
        Mode::Growth => (growth::run(&options)?, false),
        Mode::Memory => (memory::run()?, false),
        Mode::Staleness => (staleness::run()?, false),
        Mode::Stores => (stores::run("ratios")?, false),
        Mode::Scale => (stores::run("scale")?, false),
        Mode::Counts => counts::run(&options)?,
    };
    println!("{text}");
    if options.write {
        readme::replace(options.mode.name(), &text)?;
    }
    Ok(if is_worse { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
