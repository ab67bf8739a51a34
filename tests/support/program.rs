//! [`program`]: the command line `typed-session`, built once.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
    sync::LazyLock,
};

/// The command line, to be run with an empty environment.
///
/// # Panics
///
/// If it can't be built.
#[must_use]
pub fn program() -> Command {
    let mut command = Command::new(&*BUILT);
    command.env_clear().stdin(Stdio::null());
    command
}

/// Where it is: built with the features of the whole workspace and its tests, so that after those there is little to do.
static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = ["build", "--quiet", "--workspace", "--all-features", "--bin", "typed-session", "--test", "cli"];
    let built = Command::new(cargo).args(build).stdin(Stdio::null()).status().expect("cargo runs");
    assert!(built.success(), "the command line does not build");
    let this = env::current_exe().expect("a test has a path");
    let profile = this.parent().and_then(|deps| deps.parent()).expect("target/debug/deps");
    profile.join("typed-session")
});
