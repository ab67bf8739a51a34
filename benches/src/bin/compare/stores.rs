//! Each store beside the same calls of its client by hand.

use std::process::{Command, Stdio};

use crate::{Outcome, machine, table::table};

pub(crate) fn run() -> Outcome<String> {
    // the servers are those of the tests, and so is the program that starts them
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let arguments =
        ["bench", "--quiet", "--package", "actix-typed-session-tests", "--all-features", "--bench", "ratios"];
    let output =
        Command::new("cargo").args(arguments).args(["--manifest-path", manifest]).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("the stores could not be measured".into());
    }
    let lines = String::from_utf8(output.stdout)?;
    let rows: Vec<Vec<String>> = lines.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect();
    Ok(format!("{}\n\n{}", machine::shape()?, table(2, &rows)))
}
