//! A primary, a replica and the sentinels that watch over them, of a test's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::{
    process::free_port,
    redis::{RedisServer, cli},
    redis_cluster::until,
};

/// What the sentinels call the primary.
pub const NAME: &str = "main";

/// Two servers, of which one is the replica of the other at first, and their sentinels; killed when dropped.
pub struct RedisSentinels {
    /// Both, of which either may be the primary.
    pub servers: [RedisServer; 2],
    sentinels: Sentinels,
}

impl RedisSentinels {
    /// Three sentinels, of which two decide; more arguments for both servers.
    pub fn start(arguments: &[&str]) -> Self {
        let servers =
            [(); 2].map(|()| RedisServer::start_with(&[&["--repl-diskless-sync-delay", "0"], arguments].concat()));
        servers[1].cli(&["replicaof", "127.0.0.1", &servers[0].port().to_string()]);
        let sentinels = Sentinels::of(servers[0].port(), 3);
        let this = Self { servers, sentinels };
        until("the replica follows", || this.servers[0].cli(&["info", "replication"]).contains("state=online"));
        this
    }

    /// Waits until the sentinels know the replica and each other, so that they can fail over.
    pub fn until_agreed(&self) {
        until("the primary has its replica", || {
            self.servers[self.primary()].cli(&["info", "replication"]).contains("state=online")
        });
        until("the sentinels agree", || {
            self.sentinels.ports().all(|port| {
                let said = cli(port, &["sentinel", "master", NAME]);
                let field = |name: &str| said.lines().skip_while(|line| *line != name).nth(1).map(str::to_owned);
                field("num-slaves").as_deref() == Some("1")
                    && field("num-other-sentinels").as_deref() == Some("2")
                    && field("flags").as_deref() == Some("master")
                    && field("port") == Some(self.servers[self.primary()].port().to_string())
            })
        });
    }

    /// Waits until all sentinels say that this server is the primary.
    pub fn until_named(&self, at: usize) {
        let port = self.servers[at].port().to_string();
        until("the sentinels name the other", || {
            let said = |sentinel| cli(sentinel, &["sentinel", "get-master-addr-by-name", NAME]);
            self.sentinels.ports().all(|sentinel| said(sentinel).lines().nth(1) == Some(&port))
        });
    }

    /// The place of the server that says it is the primary.
    pub fn primary(&self) -> usize {
        usize::from(!self.servers[0].cli(&["role"]).starts_with("master"))
    }

    /// `redis-sentinel://…` with all sentinels.
    pub fn url(&self) -> String {
        self.sentinels.url()
    }
}

/// Sentinels alone, which watch over what listens at a port.
pub struct Sentinels {
    _folder: TempDir,
    all: Vec<(u16, Child)>,
}

impl Sentinels {
    /// So many, on free ports of 127.0.0.1.
    pub fn of(primary: u16, count: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let quorum = count / 2 + 1;
        let all = (0..count).map(|_| {
            let port = free_port();
            let config = folder.path().join(port.to_string());
            let text = format!(
                "port {port}\nbind 127.0.0.1\nsentinel monitor {NAME} 127.0.0.1 {primary} {quorum}\n\
                 sentinel down-after-milliseconds {NAME} 700\nsentinel failover-timeout {NAME} 3000\n"
            );
            fs::write(&config, text).unwrap();
            let process = Command::new("redis-server")
                .arg(&config)
                .arg("--sentinel")
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            until("a sentinel starts", || cli(port, &["ping"]).contains("PONG"));
            (port, process)
        });
        let all = all.collect();
        Self { _folder: folder, all }
    }

    /// `redis-sentinel://…` with all of them.
    pub fn url(&self) -> String {
        let all: Vec<_> = self.ports().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis-sentinel://{}/{NAME}", all.join(","))
    }

    fn ports(&self) -> impl Iterator<Item = u16> {
        self.all.iter().map(|(port, _)| *port)
    }
}

impl Drop for Sentinels {
    fn drop(&mut self) {
        for (_, process) in &mut self.all {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
