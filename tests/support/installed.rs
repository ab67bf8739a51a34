//! [`installed`]: what `tests/run` put into the user's cache.

#![allow(unreachable_pub, reason = "each test file uses a part of it")]

use std::{env, fs, path::PathBuf};

/// The folder of a program there, of the version whose name comes last.
pub fn installed(name: &str) -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|cache| cache.is_absolute());
    let cache = cache.or_else(|| Some(env::home_dir()?.join(".cache")))?.join("actix-typed-session-tests");
    let is_of = |file: &str| file.strip_prefix(name).is_some_and(|version| version.starts_with('-'));
    let all = fs::read_dir(cache).ok()?.flatten();
    all.filter(|entry| entry.file_name().to_str().is_some_and(is_of)).map(|entry| entry.path()).max()
}
