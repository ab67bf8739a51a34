//! Every store against every rule of the contract: one trial a rule and store, named `redis::s05_…`.
//!
//! Where a server is missing, its trials are ignored with the reason; `SESSION_TEST_REQUIRE=all`, or a list such as
//! `redis,filesystem`, makes that a failure. `SESSION_TEST_TABLE=<file>` has a table written there, a line a store.

// A test tells what it did not expect by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

/// One short file a store, and what runs them.
mod stores {
    pub(crate) mod backend;
    pub(crate) mod bad_server;
    pub(crate) mod table;

    pub(crate) mod filesystem;
    pub(crate) mod memory;
    pub(crate) mod null;
    pub(crate) mod redis;
}

use std::{process::ExitCode, sync::Arc};

use libtest_mimic::Arguments;

use self::stores::{
    backend::{Backend, trials},
    filesystem::Filesystem,
    memory::Memory,
    null::Null,
    redis::Redis,
    table::Table,
};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let table = Arc::new(Table::default());
    let backends: Vec<Arc<dyn Backend>> =
        vec![Arc::new(Null), Arc::new(Memory), Arc::new(Filesystem), Arc::new(Redis::default())];
    let trials = backends.iter().flat_map(|backend| trials(backend, &table)).collect();
    // the trials' own hold on the backends ends with them, and the servers end with the last hold
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(backends);
    if let Some(path) = std::env::var_os("SESSION_TEST_TABLE") {
        std::fs::write(&path, table.to_string()).expect("`SESSION_TEST_TABLE` names a file that can be written");
    }
    conclusion.exit_code()
}
