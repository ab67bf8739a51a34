//! An S3 server of a test's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::installed::installed;

/// `versitygw` over a folder, on a free port; killed when dropped.
pub struct S3Server {
    folder: TempDir,
    port: u16,
    process: Child,
}

/// The one who may do everything, and his word.
const ROOT: (&str, &str) = ("testtest", "testtest-secret");

impl S3Server {
    /// Why no server can be started here, if so.
    pub fn missing() -> Option<&'static str> {
        program().is_none().then_some("versitygw is not installed")
    }

    /// A server with a bucket `sessions`.
    pub fn start() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("sessions")).unwrap();
        loop {
            let port = free_port();
            let mut process = Command::new(program().unwrap())
                .env("ROOT_ACCESS_KEY", ROOT.0)
                .env("ROOT_SECRET_KEY", ROOT.1)
                .args(["--port", &format!("127.0.0.1:{port}"), "posix"])
                .arg(folder.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let patience = Instant::now() + Duration::from_secs(20);
            while process.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self { folder, port, process };
                }
                assert!(Instant::now() < patience, "versitygw does not start");
                sleep(Duration::from_millis(10));
            }
        }
    }

    /// The port alone.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where a folder of the bucket is, at this server or at what listens at another port.
    pub fn url(folder: &str, port: u16) -> String {
        let (user, secret) = ROOT;
        format!(
            "s3://sessions/{folder}?endpoint=http%3A%2F%2F127.0.0.1%3A{port}&region=us-east-1&disable_config_load=true\
             &access_key_id={user}&secret_access_key={secret}"
        )
    }
}

fn program() -> Option<PathBuf> {
    Some(installed("versitygw")?.join("versitygw"))
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that nobody listens on; where another one is faster, the server ends, and starts at the next.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
