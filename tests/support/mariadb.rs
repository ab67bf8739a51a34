//! A MariaDB server of a test's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, missing_debug_implementations, reason = "each test file uses a part of it")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use sqlx::{Connection, MySqlConnection};
use tempfile::TempDir;

use super::process::{command_as, free_port, hold, release, wait_until_up};

/// The user that a server runs as where the test is root's.
const USER: &str = "mysql";

/// The system has requests of its own kind for so many servers, and no more.
const NO_AIO: &str = "--innodb-use-native-aio=0";

/// Once a primary is told to wait for its standby, it waits for as long as it takes, before anybody sees the write.
const REPLICATED: &[&str] = &[
    "--log-bin=binlog",
    "--log-slave-updates=ON",
    "--rpl-semi-sync-slave-enabled=ON",
    "--rpl-semi-sync-master-wait-point=AFTER_SYNC",
    "--rpl-semi-sync-master-timeout=3600000",
];

/// A server on a free port with its files in a folder of its own; killed when dropped. Its user is `app`, who needs no
/// password, and the database is called `app`, too.
pub struct MariaDbServer {
    folder: TempDir,
    port: u16,
    durable: bool,
    settings: Vec<String>,
    process: Option<Child>,
}

impl MariaDbServer {
    /// Why no server can be started here, if so.
    pub fn missing() -> Option<&'static str> {
        let found = |program: &str| {
            let found = Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
            found.is_ok()
        };
        (!found("mariadbd") || !found("mariadb-install-db")).then_some("mariadb-server is not installed")
    }

    /// A server that does not wait for its disk: what it acknowledged survives its end, not the machine's.
    pub fn start() -> Self {
        Self::start_with(&[], false)
    }

    /// The same with more settings, such as `--max-allowed-packet=1M`.
    pub fn start_set(settings: &[&str]) -> Self {
        Self::start_with(settings, false)
    }

    /// A server whose every acknowledged write is on the disk.
    pub fn start_durable() -> Self {
        Self::start_with(&[], true)
    }

    /// A primary, or what becomes a standby: a server that does not wait for its disk, either.
    pub fn start_replicated() -> Self {
        Self::start_with(REPLICATED, false)
    }

    /// A standby with all that this server, which is replicated, has, and which follows it.
    pub async fn standby(&self) -> Self {
        let standby = Self::start_replicated();
        let from = format!("MASTER_HOST = '127.0.0.1', MASTER_PORT = {}, MASTER_USER = 'app'", self.port);
        execute(&standby, &format!("CHANGE MASTER TO {from}, MASTER_USE_GTID = slave_pos; START SLAVE")).await;
        standby
    }

    fn start_with(settings: &[&str], durable: bool) -> Self {
        let settings = settings.iter().map(ToString::to_string).collect();
        let mut server = Self { folder: TempDir::new().unwrap(), port: free_port(), durable, settings, process: None };
        let folder = server.folder.path();
        // on a machine with no time for it, its own server may give up
        assert!((0..3).any(|_| install(folder)), "mariadb-install-db fails: {}", said(folder));
        // each server does this for itself, and a standby does not do it again
        let first = "SET sql_log_bin = OFF;\nCREATE DATABASE IF NOT EXISTS app;\n\
                     CREATE USER IF NOT EXISTS app@'127.0.0.1';\nGRANT ALL ON *.* TO app@'127.0.0.1' WITH GRANT OPTION;\n";
        fs::write(folder.join("first.sql"), first).unwrap();
        while !server.try_start() {
            server.port = free_port();
        }
        server
    }

    /// `mysql://app@127.0.0.1:port/app`.
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The same for what listens at another port, and passes on what comes.
    pub fn url_at(&self, port: u16) -> String {
        format!("mysql://app@127.0.0.1:{port}/app")
    }

    /// The port alone.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The Unix socket that it listens on too.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("sock")
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
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Kills it if it runs, and starts it on the same port, with what was on its disk.
    pub fn restart(&mut self) {
        self.stop();
        assert!(self.try_start(), "it does not start again at port {}", self.port);
    }

    /// Holds it still: connections are accepted by the system, and nothing is answered.
    pub fn pause(&self) {
        hold(self.process.as_ref().expect("a server that runs").id());
    }

    /// Lets it go on after [`pause`](Self::pause).
    pub fn resume(&self) {
        release(self.process.as_ref().expect("a server that runs").id());
    }

    fn try_start(&mut self) -> bool {
        let folder = self.folder.path();
        let mut command = command_as(USER, "mariadbd", folder);
        command.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--max-connections=400"]);
        command.args([
            "--innodb-buffer-pool-size=32M",
            "--innodb-log-file-size=16M",
            "--performance-schema=OFF",
            NO_AIO,
        ]);
        command
            .args([format!("--port={}", self.port), format!("--server-id={}", self.port)])
            .args(["--pid-file=pid", "--init-file"]);
        command.arg(folder.join("first.sql")).arg(format!("--datadir={}", folder.join("data").display()));
        command.arg(format!("--socket={}", folder.join("sock").display()));
        // one that starts deletes what others have where they would share it
        command.arg(format!("--tmpdir={}", folder.display()));
        let flush = if self.durable { 1 } else { 2 };
        command.arg(format!("--innodb-flush-log-at-trx-commit={flush}")).args(&self.settings);
        let log = self.log();
        let mut process = command.stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
        let is_up = || fs::read_to_string(&log).is_ok_and(|log| log.contains("ready for connections"));
        let started = wait_until_up(&mut process, is_up);
        self.process = started.then_some(process);
        started
    }

    /// What it says of itself.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

/// Makes an empty database, and says whether that was done.
fn install(folder: &Path) -> bool {
    let data = folder.join("data");
    let _ = fs::remove_dir_all(&data);
    let mut install = command_as(USER, "mariadb-install-db", folder);
    install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", NO_AIO]);
    install.arg(format!("--datadir={}", data.display())).arg("--innodb-flush-log-at-trx-commit=0");
    install.stderr(fs::File::create(folder.join("install")).unwrap());
    install.arg("--innodb-log-file-size=16M").status().unwrap().success()
}

/// What the installation said.
fn said(folder: &Path) -> String {
    fs::read_to_string(folder.join("install")).unwrap_or_default()
}

impl Drop for MariaDbServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs a statement behind the store's back.
pub async fn execute(server: &MariaDbServer, sql: &str) {
    let mut connection = MySqlConnection::connect(&server.url()).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
}

/// The one value that a query gives.
pub async fn value<T>(server: &MariaDbServer, sql: &str) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::MySql> + sqlx::Type<sqlx::MySql> + Send + Unpin,
{
    let mut connection = MySqlConnection::connect(&server.url()).await.unwrap();
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap()
}
