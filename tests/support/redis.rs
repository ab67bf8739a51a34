//! A `redis-server` of a test's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::process::{free_port, hold, release};

/// A server on a free port with its files in a folder of its own; killed when dropped.
pub struct RedisServer {
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl RedisServer {
    /// Why no server can be started here, if so.
    pub fn missing() -> Option<&'static str> {
        let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        (!found.is_ok_and(|status| status.success())).then_some("redis-server is not installed")
    }

    /// A server that keeps its data in memory alone.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more arguments, such as `["--requirepass", "secret"]`, in which `{port}` stands for its port.
    pub fn start_with(arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let mut server = Self { folder: TempDir::new().unwrap(), port: free_port(), arguments, process: None };
        while !server.try_start() {
            server.port = free_port();
        }
        server
    }

    /// A server whose every acknowledged write is on the disk, so that it is there after [`restart`](Self::restart).
    pub fn start_durable() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0"])
    }

    /// `redis://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port alone.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The Unix socket that it listens on too.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// What it answers to these words, as `redis-cli` prints it; nothing where it does not.
    pub fn cli(&self, words: &[&str]) -> String {
        cli(self.port, words)
    }

    /// Kills it, as a crash would.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Kills it if it runs, and starts it on the same port: empty, unless it is a durable one.
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
        let mut process = Command::new("redis-server")
            .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--unixsocket", "redis.sock"])
            .args(["--port", &self.port.to_string()])
            .args(self.arguments.iter().map(|argument| argument.replace("{port}", &self.port.to_string())))
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            if process.try_wait().unwrap().is_some() {
                return false;
            }
            if self.answers() {
                self.process = Some(process);
                return true;
            }
            assert!(Instant::now() < patience, "redis-server does not start");
            sleep(Duration::from_millis(5));
        }
    }

    /// Whether it says anything; `NOAUTH` will do.
    fn answers(&self) -> bool {
        // with TLS on, the plain port is another one
        if self.arguments.iter().any(|argument| argument == "--tls-port") {
            return TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        }
        let ask = || {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(b"PING\r\n")?;
            let mut answer = [0; 5];
            stream.read_exact(&mut answer)?;
            Ok::<_, std::io::Error>(answer)
        };
        ask().is_ok_and(|answer| matches!(&answer, b"+PONG" | b"-NOAU"))
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a server at this port answers to these words, as `redis-cli` prints it; nothing where it does not.
pub fn cli(port: u16, words: &[&str]) -> String {
    let output = Command::new("redis-cli").args(["-p", &port.to_string()]).args(words).stdin(Stdio::null()).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

/// Sends a command, its words parted by a space, behind the store's back.
pub async fn raw<T: redis::FromRedisValue>(server: &RedisServer, command: &str) -> T {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut words = command.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    words.for_each(|word| {
        command.arg(word);
    });
    command.query_async(&mut connection).await.unwrap()
}
