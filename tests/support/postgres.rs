//! A PostgreSQL server of a test's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, missing_debug_implementations, reason = "each test file uses a part of it")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Child,
    sync::atomic::{AtomicU32, Ordering},
    thread::sleep,
    time::Duration,
};

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use super::process::{children, command_as, free_port, hold, release, signal_pid, wait_until_up};

/// The user that a server runs as where the test is root's, which no server runs as.
const USER: &str = "postgres";

/// A server on a free port with its files in a folder of its own; killed when dropped. Its user and its database are
/// called `postgres`, and it asks for no password.
pub struct PostgresServer {
    folder: TempDir,
    port: u16,
    durable: bool,
    process: Option<Child>,
}

impl PostgresServer {
    /// Why no server can be started here, if so.
    pub fn missing() -> Option<&'static str> {
        binaries().is_none().then_some("postgresql is not installed")
    }

    /// A server that does not wait for its disk: what it acknowledged survives its end, not the machine's.
    pub fn start() -> Self {
        Self::start_as(false)
    }

    /// A server whose every acknowledged write is on the disk.
    pub fn start_durable() -> Self {
        Self::start_as(true)
    }

    fn start_as(durable: bool) -> Self {
        let mut server = Self { folder: TempDir::new().unwrap(), port: free_port(), durable, process: None };
        let mut initdb = command_as(USER, binaries().unwrap().join("initdb"), server.folder.path());
        initdb.args(["--pgdata=data", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]);
        assert!(initdb.args(["--no-sync", "--no-instructions"]).status().unwrap().success(), "initdb fails");
        server.start_anywhere();
        server
    }

    /// A standby with all that this server has, which follows it.
    pub fn standby(&self) -> Self {
        let mut standby =
            Self { folder: TempDir::new().unwrap(), port: free_port(), durable: self.durable, process: None };
        let mut copy = command_as(USER, binaries().unwrap().join("pg_basebackup"), standby.folder.path());
        copy.args(["--pgdata=data", "--username=postgres", "--host=127.0.0.1", "--port", &self.port.to_string()]);
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]);
        assert!(copy.status().unwrap().success(), "pg_basebackup fails");
        standby.start_anywhere();
        standby
    }

    fn start_anywhere(&mut self) {
        while !self.try_start() {
            self.port = free_port();
        }
    }

    /// `postgresql://postgres@127.0.0.1:port/postgres`.
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The same for what listens at another port, and passes on what comes.
    pub fn url_at(&self, port: u16) -> String {
        format!("postgresql://postgres@127.0.0.1:{port}/postgres")
    }

    /// The port alone.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the Unix socket that it listens on too.
    pub fn socket(&self) -> &Path {
        self.folder.path()
    }

    /// The number of the process, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// A name for a table that no other has.
    pub fn table(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("sessions_{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Kills it, as a crash would.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let backends = children(&process);
            process.kill().unwrap();
            process.wait().unwrap();
            backends.into_iter().for_each(|pid| signal_pid(pid, "-KILL"));
        }
    }

    /// Kills it if it runs, and starts it on the same port, with what was on its disk.
    pub fn restart(&mut self) {
        self.stop();
        // the processes of the old one have to be gone
        let started = (0..200).any(|_| {
            self.try_start() || {
                sleep(Duration::from_millis(50));
                false
            }
        });
        assert!(started, "it does not start again at port {}", self.port);
    }

    /// Holds it still: connections are accepted by the system, and nothing is answered.
    pub fn pause(&self) {
        let process = self.process.as_ref().expect("a server that runs");
        hold(process.id());
        children(process).into_iter().for_each(hold);
    }

    /// Lets it go on after [`pause`](Self::pause).
    pub fn resume(&self) {
        let process = self.process.as_ref().expect("a server that runs");
        children(process).into_iter().for_each(release);
        release(process.id());
    }

    fn try_start(&mut self) -> bool {
        let folder = self.folder.path();
        let mut command = command_as(USER, binaries().unwrap().join("postgres"), folder);
        command.args(["-D", "data", "-p", &self.port.to_string(), "-k"]).arg(folder);
        let mut settings = vec!["listen_addresses=127.0.0.1", "max_connections=400", "shared_buffers=32MB"];
        settings.extend(["log_statement=all", "log_destination=stderr", "max_wal_size=256MB"]);
        if !self.durable {
            settings.extend(["fsync=off", "full_page_writes=off"]);
        }
        for setting in settings {
            command.args(["-c", setting]);
        }
        let mut process = command.stderr(fs::File::create(self.log()).unwrap()).spawn().unwrap();
        let log = self.log();
        let is_up = || fs::read_to_string(&log).is_ok_and(|log| log.contains("database system is ready to accept"));
        let started = wait_until_up(&mut process, is_up);
        self.process = started.then_some(process);
        started
    }

    /// What it logs, statements included.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs a statement behind the store's back.
pub async fn execute(server: &PostgresServer, sql: &str) {
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
}

/// Lets it keep no log of the statements from the next connection on, which takes time.
pub async fn unlogged(server: &PostgresServer) {
    execute(server, "ALTER DATABASE postgres SET log_statement = none").await;
}

/// The one value that a query gives.
pub async fn value<T>(server: &PostgresServer, sql: &str) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap()
}

/// The folder of the newest server's programs, where Debian puts them beside the path.
fn binaries() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().collect();
    versions.sort_by_key(|entry| entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    let debian = versions.into_iter().rev().map(|entry| entry.path().join("bin"));
    debian.chain(std::env::split_paths(&path)).find(|folder| folder.join("initdb").exists())
}
