//! What programs of the tests measure with the tests' servers: each store beside its client, and how stores grow.

use std::process::{Command, Stdio};

use crate::{Outcome, machine, table::table};

/// Runs `ratios` or `scale`.
pub(crate) fn run(program: &str) -> Outcome<String> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let arguments =
        ["bench", "--quiet", "--package", "actix-typed-session-tests", "--all-features", "--bench", program];
    let output =
        Command::new("cargo").args(arguments).args(["--manifest-path", manifest]).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("the stores could not be measured".into());
    }
    let lines = String::from_utf8(output.stdout)?;
    let rows: Vec<Vec<String>> = lines.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect();
    Ok(format!("{}\n\n{}", machine::shape()?, table(2, &rows)))
}
