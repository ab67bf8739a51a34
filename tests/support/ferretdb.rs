//! A FerretDB of a test's own, which speaks MongoDB's protocol.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, missing_debug_implementations, reason = "each test file uses a part of it")]

use std::{
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use tempfile::TempDir;

use super::{
    installed::installed,
    process::{free_port, hold, release, wait_until_up},
};

/// A server on a free port with its files in a folder of its own; killed when dropped. It asks for no password.
pub struct FerretDb {
    folder: TempDir,
    port: u16,
    process: Option<Child>,
}

impl FerretDb {
    /// Why no server can be started here, if so.
    pub fn missing() -> Option<&'static str> {
        program().is_none().then_some("ferretdb is not installed")
    }

    /// A server on a free port of 127.0.0.1.
    pub fn start() -> Self {
        let mut server = Self { folder: TempDir::new().unwrap(), port: free_port(), process: None };
        while !server.try_start() {
            server.port = free_port();
        }
        server
    }

    /// `mongodb://127.0.0.1:port`.
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The same for what listens at another port, and passes on what comes.
    pub fn url_at(&self, port: u16) -> String {
        format!("mongodb://127.0.0.1:{port}")
    }

    /// The port alone.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A name for a collection that no other has.
    pub fn collection(&self) -> String {
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
        assert!(self.try_start(), "port {} was taken meanwhile", self.port);
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
        let mut process = Command::new(program().unwrap())
            .arg(format!("127.0.0.1:{}", self.port))
            .arg(self.folder.path())
            // it writes a file with its own identity
            .current_dir(self.folder.path())
            .env("DO_NOT_TRACK", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = wait_until_up(&mut process, || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
        self.process = started.then_some(process);
        started
    }
}

impl Drop for FerretDb {
    fn drop(&mut self) {
        self.stop();
    }
}

fn program() -> Option<PathBuf> {
    installed("ferretdb").map(|folder| folder.join("ferretdb")).filter(|program| program.exists())
}
