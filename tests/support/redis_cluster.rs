//! A Redis Cluster of a test's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::{
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use super::{process::free_port, redis::RedisServer};

/// Servers that share all slots; killed when dropped.
pub struct RedisCluster {
    /// All, primaries or not.
    pub servers: Vec<RedisServer>,
}

impl RedisCluster {
    /// So many primaries, and as many replicas of each, with more arguments for each server.
    pub fn start(primaries: usize, replicas: usize, arguments: &[&str]) -> Self {
        let servers: Vec<_> = (0..primaries * (1 + replicas)).map(|_| server(arguments)).collect();
        let cluster = Self { servers };
        if primaries == 1 {
            cluster.servers[0].cli(&["cluster", "addslotsrange", "0", "16383"]);
        } else {
            let mut create: Vec<_> = ["--cluster", "create"].map(str::to_owned).into();
            create.extend(cluster.addresses());
            create.extend(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"].map(str::to_owned));
            run(&create);
        }
        cluster.until_agreed(replicas);
        cluster
    }

    /// `127.0.0.1:port` of each.
    pub fn addresses(&self) -> Vec<String> {
        self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port())).collect()
    }

    /// `redis-cluster://…` with all of them.
    pub fn url(&self) -> String {
        format!("redis-cluster://{}", self.addresses().join(","))
    }

    /// The servers that have slots, by their place.
    pub fn primaries(&self) -> Vec<usize> {
        let is_primary = |server: &RedisServer| server.cli(&["role"]).starts_with("master");
        let has_slots = |server: &RedisServer| {
            let nodes = server.cli(&["cluster", "nodes"]);
            nodes.lines().any(|line| line.contains("myself") && line.split(' ').count() > 8)
        };
        (0..self.servers.len()).filter(|at| is_primary(&self.servers[*at]) && has_slots(&self.servers[*at])).collect()
    }

    /// Moves slots from one primary to another while they are used.
    pub fn reshard(&self, from: usize, to: usize, slots: usize) {
        let id = |at: usize| self.servers[at].cli(&["cluster", "myid"]).trim().to_owned();
        let address = self.addresses().swap_remove(from);
        let (from, to, slots) = (id(from), id(to), slots.to_string());
        run(&[
            "--cluster",
            "reshard",
            &address,
            "--cluster-from",
            &from,
            "--cluster-to",
            &to,
            "--cluster-slots",
            &slots,
            "--cluster-yes",
        ]);
    }

    /// Waits until all servers say that all is well and each primary has its replicas.
    pub fn until_agreed(&self, replicas: usize) {
        until("the servers agree", || {
            self.servers.iter().all(|server| {
                server.cli(&["cluster", "info"]).contains("cluster_state:ok")
                    && server.cli(&["cluster", "nodes"]).lines().filter(|line| !line.contains("fail")).count()
                        == self.servers.len()
            }) && self
                .primaries()
                .into_iter()
                .all(|at| self.servers[at].cli(&["info", "replication"]).matches("state=online").count() >= replicas)
        });
    }
}

fn server(arguments: &[&str]) -> RedisServer {
    let bus = free_port().to_string();
    let own = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1500", "--cluster-port", &bus];
    RedisServer::start_with(&[&own[..], &["--repl-diskless-sync-delay", "0"], arguments].concat())
}

/// Waits for a condition; how long it takes decides nothing, unless it is for ever.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < patience, "{what}: not within a minute");
        sleep(Duration::from_millis(20));
    }
}

fn run(arguments: &[impl AsRef<std::ffi::OsStr>]) {
    // right after a change some servers may not have heard of it yet
    until("redis-cli is done", || {
        let output = Command::new("redis-cli").args(arguments).stdin(Stdio::null()).output().unwrap();
        output.status.success()
    });
}
