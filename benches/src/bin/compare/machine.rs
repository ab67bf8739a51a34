//! When and on what it was measured.

use std::{env, fs, process::Command, thread};

use crate::Outcome;

/// The date and the machine's shape, in a line.
pub(crate) fn shape() -> Outcome<String> {
    let cores = thread::available_parallelism()?;
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches([' ', '\t', ':']);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let redis = said("redis-server", &["--version"]);
    let redis = redis.split_whitespace().find_map(|word| word.strip_prefix("v=")).unwrap_or("none");
    let rustc = said(&env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned()), &["--version"]);
    let rustc = rustc.split_whitespace().nth(1).unwrap_or("unknown");
    let date = said("date", &["+%Y-%m-%d"]);
    Ok(format!(
        "Measured on {} with {cores} cores of {model}, Linux {}, Redis {redis}, rustc {rustc}.",
        date.trim(),
        kernel.trim()
    ))
}

/// What a command says; nothing if it does not run.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}
