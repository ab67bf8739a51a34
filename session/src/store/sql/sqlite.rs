//! SQLite, by its driver, which gives each connection a thread.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::future::BoxFuture;
use sqlx::{
    ConnectOptions as _, Sqlite,
    error::DatabaseError,
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode},
};

use super::{
    address::Address,
    failure::{self, Refusal},
    server::{Db, run},
};
use crate::error::ConfigError;

/// A file.
#[derive(Clone)]
pub(super) struct Connect {
    file: PathBuf,
    timeout: Duration,
}

impl Connect {
    pub(super) fn parse(address: &Address) -> Result<Self, ConfigError> {
        Ok(Self { file: address.file()?.into(), timeout: Duration::from_secs(2) })
    }
}

impl fmt::Display for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sqlite in {}", self.file.display())
    }
}

impl Db for Sqlite {
    type Connect = Connect;

    const ONE_WRITER: bool = true;
    const ANY_RUNTIME: bool = true;

    fn tuned(connect: &Connect, timeout: Duration) -> Connect {
        Connect { timeout, ..connect.clone() }
    }

    fn connect(to: &Connect) -> BoxFuture<'_, Result<Self::Connection, sqlx::Error>> {
        Box::pin(async move {
            let file = to.file.clone();
            let made = tokio::task::spawn_blocking(move || make(&file)).await;
            made.unwrap_or_else(|_| Err(io::Error::other("the thread that makes the file is gone")))?;
            let options = SqliteConnectOptions::new()
                .filename(&to.file)
                .busy_timeout(to.timeout)
                .journal_mode(SqliteJournalMode::Wal)
                .disable_statement_logging();
            loop {
                match options.connect().await {
                    // a file becomes one with a log that others can write beside once, and nobody waits for that moment
                    Err(sqlx::Error::Database(error)) if failure::of_sqlite(&*error).0 == Refusal::RolledBack => {
                        tokio::time::sleep(Duration::from_millis(rand::random_range(1..20))).await;
                    }
                    ended => return ended,
                }
            }
        })
    }

    run!(SqliteArguments);

    fn refusal(error: &dyn DatabaseError) -> (Refusal, String) {
        failure::of_sqlite(error)
    }
}

/// Makes the file, if there is none, for its owner alone: it holds what visitors told.
fn make(file: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(file) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
