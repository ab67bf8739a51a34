//! A `memcached` of a test's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::{
    fs::{self, Permissions},
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::process::{free_port, hold, release};

/// A server on a free port with its socket in a folder of its own; killed when dropped. It keeps nothing on the disk.
pub struct MemcachedServer {
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl MemcachedServer {
    /// Why no server can be started here, if so.
    pub fn missing() -> Option<&'static str> {
        let found = Command::new("memcached").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
        (!found.is_ok_and(|status| status.success())).then_some("memcached is not installed")
    }

    /// A server on a free port of 127.0.0.1.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more arguments, in which `{folder}` stands for a folder of its own.
    pub fn start_with(arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let folder = TempDir::new().unwrap();
        // as root it has to become somebody else
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        let mut server = Self { folder, port: 0, arguments, process: None };
        let started = (0..100).any(|_| {
            server.port = free_port();
            server.try_start()
        });
        assert!(started, "memcached does not start with {:?}", server.arguments);
        server
    }

    /// A server that knows the user `ann` by the password `hunter2`.
    pub fn start_with_password(arguments: &[&str]) -> Self {
        let users = tempfile::NamedTempFile::new().unwrap();
        fs::write(users.path(), "ann:hunter2\n").unwrap();
        fs::set_permissions(users.path(), Permissions::from_mode(0o644)).unwrap();
        // it is read when the server starts
        let users = users.path().to_str().unwrap();
        Self::start_with(&[&["-Y", users], arguments].concat())
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port alone.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The Unix socket of a server that was started with `-s {folder}/socket`.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// What it answers, without the end of the line.
    pub fn ask(&self, command: &str) -> String {
        try_ask(self.address(), command).unwrap()
    }

    /// A number of its statistics.
    pub fn stat(&self, name: &str) -> u64 {
        let stats = self.ask("stats");
        let found = stats.lines().find_map(|line| line.strip_prefix("STAT ")?.strip_prefix(name)?.strip_prefix(' '));
        found.expect("a statistic of the server").parse().unwrap()
    }

    /// How many commands that get, set or delete came so far.
    pub fn commands(&self) -> u64 {
        ["cmd_get", "cmd_set", "delete_hits", "delete_misses"].map(|name| self.stat(name)).iter().sum()
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
        let folder = self.folder.path().to_str().unwrap();
        let arguments: Vec<_> = self.arguments.iter().map(|argument| argument.replace("{folder}", folder)).collect();
        let is_socket = arguments.iter().any(|argument| argument == "-s");
        let listen: &[&str] = match () {
            () if is_socket => &["-a", "777"],
            () if arguments.iter().any(|argument| argument == "-l") => &[],
            () => &["-l", "127.0.0.1"],
        };
        let mut process = Command::new("memcached")
            .args(["-u", "nobody", "-U", "0", "-p", &self.port.to_string()])
            .args(listen)
            .args(&arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            if process.try_wait().unwrap().is_some() {
                return false;
            }
            let is_up = if is_socket {
                UnixStream::connect(self.socket()).is_ok()
            } else {
                try_ask(self.address(), "version").is_ok()
            };
            if is_up {
                self.process = Some(process);
                return true;
            }
            assert!(Instant::now() < patience, "memcached does not start");
            sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for MemcachedServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a server answers to one command, without the end of the line.
fn try_ask(address: impl ToSocketAddrs, command: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            length => answer.extend_from_slice(&piece[..length]),
        }
        let is_whole = answer.ends_with(b"\r\n") && (!command.starts_with("stats") || answer.ends_with(b"END\r\n"));
        if is_whole {
            return Ok(String::from_utf8_lossy(&answer).trim_end().to_owned());
        }
    }
}
