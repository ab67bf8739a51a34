//! DynamoDB Local and moto of a test's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::{
    fs::File,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tempfile::TempDir;

use super::{
    installed::installed,
    process::{free_port, hold, release, wait_until_up},
};

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Amazon's own for tests.
    Local,
    /// The other one, in Python.
    Moto,
}

/// A server on a free port with a folder of its own, killed when dropped.
pub struct DynamodbServer {
    kind: Kind,
    /// Whether its tables are on the disk.
    is_durable: bool,
    folder: TempDir,
    port: u16,
    tables: AtomicUsize,
    process: Option<Child>,
}

impl DynamodbServer {
    /// Why no server can be started here, if so.
    pub fn missing(kind: Kind) -> Option<&'static str> {
        match kind {
            Kind::Local if installed("DynamoDBLocal").is_none() => Some("DynamoDB Local is not installed"),
            Kind::Local if !has_java() => Some("java is not installed"),
            Kind::Moto if installed("moto").is_none() => Some("moto is not installed"),
            _ => None,
        }
    }

    /// A server that forgets all when it ends.
    pub fn start(kind: Kind) -> Self {
        Self::start_with(kind, false)
    }

    /// A DynamoDB Local with its tables on the disk.
    pub fn start_durable() -> Self {
        Self::start_with(Kind::Local, true)
    }

    fn start_with(kind: Kind, is_durable: bool) -> Self {
        let folder = TempDir::new().unwrap();
        let mut server = Self { kind, is_durable, folder, port: 0, tables: AtomicUsize::new(0), process: None };
        let started = (0..100).any(|_| {
            server.port = free_port();
            server.try_start()
        });
        assert!(started, "{kind:?} does not start: {}", server.log());
        server
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its URL for a table of a name that no other has.
    pub fn table(&self) -> String {
        format!("table_{}", self.tables.fetch_add(1, Ordering::Relaxed))
    }

    /// Where such a table is, at this server or at what listens at another port.
    pub fn url(table: &str, port: u16) -> String {
        format!("dynamodb://testkey:testsecret@eu-central-1/{table}?endpoint=http%3A%2F%2F127.0.0.1%3A{port}")
    }

    /// A client of the SDK, as an app has one.
    pub fn client(&self) -> aws_sdk_dynamodb::Client {
        use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};
        let config = Builder::new()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("testkey", "testsecret", None, None, "tests"))
            .endpoint_url(format!("http://127.0.0.1:{}", self.port));
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    /// Kills it, as a crash would.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Kills it if it runs, and starts it on the same port over the same files.
    pub fn restart(&mut self) {
        self.stop();
        assert!(self.try_start(), "port {} was taken meanwhile: {}", self.port, self.log());
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
        let port = self.port.to_string();
        let mut command = match self.kind {
            Kind::Local => {
                let lib = installed("DynamoDBLocal").unwrap();
                let mut command = Command::new("java");
                command
                    .args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
                    .arg(format!("-Djava.library.path={}", lib.display()))
                    .args(["-cp", &format!("{}/*", lib.display())])
                    .args(["com.amazonaws.services.dynamodbv2.local.main.ServerRunner"])
                    .args(["-disableTelemetry", "-port", &port]);
                if self.is_durable {
                    command.arg("-dbPath").arg(self.folder.path());
                } else {
                    command.arg("-inMemory");
                }
                command
            }
            Kind::Moto => {
                let mut command = Command::new(installed("moto").unwrap().join("bin/python"));
                command.args(["-c", MOTO, &port]);
                command
            }
        };
        let log = File::create(self.log_path()).unwrap();
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

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl Drop for DynamodbServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// moto checks a condition and writes in two steps: so one request at a time.
const MOTO: &str = r"
import sys, threading
from werkzeug.serving import run_simple
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
moto, lock = DomainDispatcherApplication(create_backend_app), threading.Lock()
def one_at_a_time(environ, start_response):
    environ['wsgi.input'] = __import__('io').BytesIO(environ['wsgi.input'].read(int(environ.get('CONTENT_LENGTH') or 0)))
    with lock:
        return list(moto(environ, start_response))
run_simple('127.0.0.1', int(sys.argv[1]), one_at_a_time, threaded=True, request_handler=MotoRequestHandler)
";

/// Whether something answers HTTP there.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let mut answer = [0; 5];
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer == *b"HTTP/"
}

fn has_java() -> bool {
    let found = Command::new("java").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}
