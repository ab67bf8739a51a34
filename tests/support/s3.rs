//! An S3 server of a test's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::{
    fs,
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::{
    installed::installed,
    process::{free_port, hold, release, wait_until_up},
};

/// `versitygw` over a folder, on a free port; killed when dropped.
pub struct S3Server {
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
    process: Option<Child>,
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
        Self::start_with(&[])
    }

    /// The same with more arguments.
    pub fn start_with(arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("sessions")).unwrap();
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let mut server = Self { folder, port: 0, arguments, process: None };
        let started = (0..100).any(|_| {
            server.port = free_port();
            server.try_start()
        });
        assert!(started, "versitygw does not start with {:?}", server.arguments);
        server
    }

    /// The port alone.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The file that holds an object of the bucket.
    pub fn file(&self, path: &str) -> PathBuf {
        self.folder.path().join("sessions").join(path)
    }

    /// Where a folder of the bucket is, at this server or at what listens at another port.
    pub fn url(folder: &str, port: u16) -> String {
        Self::url_of("sessions", folder, port, ROOT)
    }

    /// The same for any bucket and anybody.
    pub fn url_of(bucket: &str, folder: &str, port: u16, (user, secret): (&str, &str)) -> String {
        format!(
            "s3://{bucket}/{folder}?endpoint=http%3A%2F%2F127.0.0.1%3A{port}&region=us-east-1&disable_config_load=true\
             &access_key_id={user}&secret_access_key={secret}"
        )
    }

    /// Kills it, as a crash would.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Kills it if it runs, and starts it on the same port over the same folder.
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
            .env("ROOT_ACCESS_KEY", ROOT.0)
            .env("ROOT_SECRET_KEY", ROOT.1)
            .args(["--keep-alive", "--port", &format!("127.0.0.1:{}", self.port)])
            .args(&self.arguments)
            .arg("posix")
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let is_up = wait_until_up(&mut process, || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
        self.process = is_up.then_some(process);
        is_up
    }
}

fn program() -> Option<PathBuf> {
    Some(installed("versitygw")?.join("versitygw"))
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.stop();
    }
}
