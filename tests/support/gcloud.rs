//! Google's Firestore emulator of a test's own, in either mode.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::{
    env,
    fs::File,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tempfile::TempDir;

use super::process::{free_port, hold, release, wait_until_up};

/// Which mode the database is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Firestore's own.
    Native,
    /// That of Datastore.
    Datastore,
}

/// An emulator on a free port, which keeps nothing on the disk; killed when dropped.
pub struct GcloudServer {
    mode: Mode,
    folder: TempDir,
    port: u16,
    collections: AtomicUsize,
    process: Option<Child>,
}

impl GcloudServer {
    /// Why no emulator can be started here, if so.
    pub fn missing() -> Option<&'static str> {
        if program().is_none() {
            return Some("gcloud with the Firestore emulator is not installed");
        }
        let java = Command::new("java").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        (!java.is_ok_and(|status| status.success())).then_some("java is not installed")
    }

    /// An emulator with an empty database.
    pub fn start(mode: Mode) -> Self {
        let folder = TempDir::new().unwrap();
        let mut server = Self { mode, folder, port: 0, collections: AtomicUsize::new(0), process: None };
        let started = (0..100).any(|_| {
            server.port = free_port();
            server.try_start()
        });
        assert!(started, "the emulator does not start: {}", server.log());
        server
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The name of a collection that no other has.
    pub fn collection(&self) -> String {
        format!("sessions-{}", self.collections.fetch_add(1, Ordering::Relaxed))
    }

    /// Where such a collection is, at this emulator or at what listens at another port.
    pub fn url(mode: Mode, collection: &str, port: u16) -> String {
        let scheme = match mode {
            Mode::Native => "firestore",
            Mode::Datastore => "datastore",
        };
        format!("{scheme}://test-project/{collection}?emulator=127.0.0.1:{port}")
    }

    /// Kills it, as a crash would.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Kills it if it runs, and starts it on the same port, empty.
    pub fn restart(&mut self) {
        self.stop();
        assert!(self.try_start(), "port {} was taken meanwhile: {}", self.port, self.log());
    }

    /// Holds it still: connections are accepted by the system, and nothing is answered.
    pub fn pause(&self) {
        hold(self.process.as_ref().expect("an emulator that runs").id());
    }

    /// Lets it go on after [`pause`](Self::pause).
    pub fn resume(&self) {
        release(self.process.as_ref().expect("an emulator that runs").id());
    }

    fn try_start(&mut self) -> bool {
        let log = File::create(self.folder.path().join("log")).unwrap();
        let mut command = Command::new("java");
        command
            .args(["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.language=en", "-cp"])
            .arg(program().unwrap())
            .args(["com.google.cloud.datastore.emulator.firestore.CloudFirestore", "start", "--host=127.0.0.1"])
            .arg(format!("--port={}", self.port));
        if self.mode == Mode::Datastore {
            command.arg("--database-mode=datastore-mode");
        }
        let mut process = command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let is_up = wait_until_up(&mut process, || answers(self.port));
        if is_up {
            self.process = Some(process);
        }
        is_up
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for GcloudServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What `gcloud emulators firestore start` runs: by itself it is one process, which can be held still and killed.
fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let gcloud = env::split_paths(&path).map(|folder| folder.join("gcloud")).find(|gcloud| gcloud.is_file())?;
    let sdk = gcloud.canonicalize().ok()?.parent()?.parent()?.to_owned();
    let jar = sdk.join("platform/cloud-firestore-emulator/cloud-firestore-emulator.jar");
    jar.is_file().then_some(jar)
}

/// Whether something answers HTTP there.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let mut answer = [0; 12];
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer == *b"HTTP/1.1 200"
}
