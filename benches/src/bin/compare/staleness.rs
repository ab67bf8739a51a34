//! How far a session that is read from the client cache may be behind.

use std::{env, process::Command};

use crate::{Outcome, machine, redis::Redis, table::table};

pub(crate) fn run() -> Outcome<String> {
    let folder = tempfile::tempdir()?;
    let redis = Redis::start(folder.path())?;
    let program = env::current_exe()?.with_file_name("staleness");
    let output = Command::new(program).arg(redis.url(0)).output()?;
    if !output.status.success() {
        return Err(format!("staleness: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let lines = String::from_utf8(output.stdout)?;
    let rows: Vec<Vec<String>> = lines.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect();
    Ok(format!("{}\n\n{}", machine::shape()?, table(2, &rows)))
}
