//! The connection to one server: opened at first use, and anew once it is lost or silent.

use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::BytesMut;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::{
    address::{Place, Server},
    driver::{self, Lost, Request},
    failure::{self, Effect},
    protocol::{Command, Reply},
};
use crate::store::{StoreError, Version, tcp};

/// At most one connection at a time to a server, that all calls share, each sending its command behind those of the others.
pub(super) struct Connection {
    server: Arc<Server>,
    live: Mutex<Option<Arc<Live>>>,
    /// Held while connecting, so that many calls don't open many connections.
    opening: tokio::sync::Mutex<()>,
}

/// A connection and the task that drives it, which ends with the connection, and at the latest with this.
pub(super) struct Live {
    requests: mpsc::Sender<Request>,
    driver: JoinHandle<()>,
    item_size_max: usize,
    seen: Mutex<Box<[Seen]>>,
}

/// A version, and its compare-and-swap number.
type Seen = Option<(Version, u64)>;

/// The time that a call has.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) deadline: Instant,
    pub(super) timeout: Duration,
}

const UNAUTHENTICATED: &str = "CLIENT_ERROR unauthenticated";
/// How many compare-and-swap numbers are kept: 32 bytes each.
const SLOTS: usize = 512;
/// What a server takes as long as it does not say otherwise, as one behind a proxy may not.
const ITEM_SIZE_MAX: usize = 1 << 20;

impl Connection {
    pub(super) fn new(server: Arc<Server>) -> Self {
        Self { server, live: Mutex::default(), opening: tokio::sync::Mutex::default() }
    }

    /// The same for another runtime.
    pub(super) fn another(&self) -> Self {
        Self::new(Arc::clone(&self.server))
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// The connection, opened if need be. All steps of one operation go over the one that they got here.
    pub(super) async fn live(&self, patience: Patience) -> Result<Arc<Live>, StoreError> {
        match self.current() {
            Some(live) => Ok(live),
            // seldom, so that it takes no room in the others' futures
            None => match timeout_at(patience.deadline, Box::pin(self.open())).await {
                Ok(opened) => opened.map_err(|error| failure::unreached(self, error)),
                Err(_) => Err(failure::unreached(self, format!("it took longer than {:?}", patience.timeout))),
            },
        }
    }

    /// Sends a command once.
    ///
    /// When no answer came in half of the time that a call may take, the connection counts as silent: the next call opens
    /// another.
    pub(super) async fn ask(
        &self,
        live: &Arc<Live>,
        command: Command,
        effect: Effect,
        patience: Patience,
    ) -> Result<Reply, StoreError> {
        let silent_from = Instant::now() + patience.timeout / 2;
        let mut call = Call { connection: self, live, silent_from, answered: false };
        let mut sent = false;
        let outcome = timeout_at(patience.deadline, live.send(command, &mut sent)).await;
        call.answered = outcome.is_ok();
        match outcome {
            Ok(Ok(Reply::Refused(text))) => Err(failure::refused(&text, effect)),
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(lost)) => Err(failure::lost(self, &lost, effect)),
            Err(_) => Err(failure::timed_out(self, patience.timeout, if sent { effect } else { Effect::Read })),
        }
    }

    fn current(&self) -> Option<Arc<Live>> {
        // the driver ends when the server closes the connection, so that no command is sent to find that out
        lock(&self.live).as_ref().filter(|live| !live.driver.is_finished()).cloned()
    }

    async fn open(&self) -> io::Result<Arc<Live>> {
        let _opening = self.opening.lock().await;
        if let Some(live) = self.current() {
            return Ok(live);
        }
        let live = Arc::new(connect(&self.server).await?);
        *lock(&self.live) = Some(Arc::clone(&live));
        Ok(live)
    }

    fn forget(&self, lost: &Arc<Live>) {
        let mut live = lock(&self.live);
        if live.as_ref().is_some_and(|live| Arc::ptr_eq(live, lost)) {
            *live = None;
        }
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "memcached at {}", self.server.place)
    }
}

impl Live {
    /// The largest item that the server takes, as it said when the connection was opened.
    pub(super) fn item_size_max(&self) -> usize {
        self.item_size_max
    }

    /// Keeps the compare-and-swap number under which a version was seen.
    ///
    /// A server never uses a number twice while it runs, and what runs is what this is connected to: a swap with that
    /// number replaces this version, or nothing.
    pub(super) fn keep(&self, version: Version, cas: Option<u64>) {
        if let (Some(slot), Some(cas)) = (lock(&self.seen).get_mut(slot(&version)), cas) {
            *slot = Some((version, cas));
        }
    }

    /// The compare-and-swap number under which a version was seen last, if that is not too long ago.
    pub(super) fn seen(&self, version: &Version) -> Option<u64> {
        let (seen, cas) = (*lock(&self.seen).get(slot(version))?)?;
        (seen == *version).then_some(cas)
    }

    async fn send(&self, command: Command, sent: &mut bool) -> Result<Reply, Lost> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request { command, reply }).await.map_err(|_| Lost::NotSent)?;
        *sent = true;
        answer.await.unwrap_or(Err(Lost::Sent))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A call under way, which may be dropped because no answer came.
struct Call<'a> {
    connection: &'a Connection,
    live: &'a Arc<Live>,
    silent_from: Instant,
    answered: bool,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.answered && Instant::now() > self.silent_from {
            self.connection.forget(self.live);
        }
    }
}

fn slot(version: &Version) -> usize {
    let [first, second, ..] = *version.as_bytes();
    usize::from(u16::from_be_bytes([first, second])) % SLOTS
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn connect(server: &Server) -> io::Result<Live> {
    match &server.place {
        Place::Tcp(host, port) => {
            let (read, write) = tcp::connect(host, *port).await?.into_split();
            start(server, read, write).await
        }
        #[cfg(unix)]
        Place::Unix(path) => {
            let (read, write) = UnixStream::connect(path).await?.into_split();
            start(server, read, write).await
        }
        #[cfg(not(unix))]
        Place::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Signs in, asks for what the server takes, and lets the runtime drive the connection from then on.
async fn start<R, W>(server: &Server, mut read: R, mut write: W) -> io::Result<Live>
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let mut buffer = BytesMut::new();
    if let Some(login) = &server.login {
        // a server that asks for none would store them, for everybody to read
        write.write_all(b"mn\r\n").await?;
        if driver::line(&mut read, &mut buffer).await? != UNAUTHENTICATED {
            return Err(denied("it asks for no user and no password, and `SESSION_MEMCACHED` has them"));
        }
        let command = format!("set login 0 0 {}\r\n{}\r\n", login.0.len(), login.0);
        write.write_all(command.as_bytes()).await?;
        match &*driver::line(&mut read, &mut buffer).await? {
            "STORED" => {}
            "CLIENT_ERROR authentication failure" => return Err(denied("it does not know the user or the password")),
            _ => return Err(denied("it refuses a user and a password")),
        }
    }
    write.write_all(b"stats settings\r\nmn\r\n").await?;
    let mut item_size_max = ITEM_SIZE_MAX;
    loop {
        let line = driver::line(&mut read, &mut buffer).await?;
        if line == UNAUTHENTICATED {
            return Err(denied("it wants a user and a password"));
        }
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("STAT", setting) => {
                if setting == "cas_enabled no" {
                    return Err(denied(
                        "it runs without compare-and-swap numbers (`-C`), which nothing here works without",
                    ));
                }
                if let Some(size) = setting.strip_prefix("item_size_max ") {
                    item_size_max = size.parse().unwrap_or(ITEM_SIZE_MAX);
                }
            }
            // of the settings; a proxy may not have them
            ("END" | "ERROR" | "CLIENT_ERROR" | "SERVER_ERROR", _) => break,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "it does not speak memcached's protocol")),
        }
    }
    if driver::line(&mut read, &mut buffer).await? != "MN" || !buffer.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it does not know memcached's meta commands"));
    }
    let (requests, receiver) = mpsc::channel(driver::QUEUE);
    let driver = tokio::spawn(driver::drive(read, write, receiver));
    Ok(Live { requests, driver, item_size_max, seen: Mutex::new(vec![None; SLOTS].into_boxed_slice()) })
}

fn denied(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}
