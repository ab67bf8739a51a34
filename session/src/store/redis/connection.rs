//! The store's own connection: opened at first use, and anew once it is lost or silent.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use redis::{Cmd, ConnectionAddr, RedisConnectionInfo, RedisError, Value};
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime::{self, Handle},
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::{
    address::{Address, Place, Tls},
    cache::{Asked, Cache, Caches, Writing},
    failure::Failure,
    pipe::{Answer, Pipe},
    sentinel,
    sign_in::sign_in,
};
use crate::store::{Record, tcp};

/// At most one connection at a time that all calls share, each sending its command behind those of the others.
///
/// The client's own `ConnectionManager` is not used, for three reasons: it fails the first call after each loss, it keeps
/// a connection that no longer answers, and it does not tell a command that may have been sent from one that was not.
/// Nor is its `MultiplexedConnection`: [`Pipe`] says why.
pub(super) struct Connection {
    address: Arc<Address>,
    live: Mutex<Option<Arc<Live>>>,
    /// Held while connecting, so that many calls don't open many connections.
    opening: tokio::sync::Mutex<()>,
    caches: Option<Arc<Caches>>,
}

/// A connection and the task that drives it, which ends with the connection, and at the latest with this.
pub(super) struct Live {
    pub(super) pipe: Arc<Pipe>,
    driver: JoinHandle<()>,
    /// Which runtime has the driver.
    runtime: runtime::Id,
    /// What was read by this connection, where that is kept.
    cache: Option<Arc<Cache>>,
}

impl Connection {
    pub(super) fn new(address: Arc<Address>) -> Self {
        Self { address, live: Mutex::default(), opening: tokio::sync::Mutex::default(), caches: None }
    }

    /// The same, keeping so many bytes of what it reads; none for nothing.
    pub(super) fn caching(self, max_bytes: usize) -> Self {
        let caches = (max_bytes > 0).then(|| Arc::new(Caches::new(max_bytes)));
        Self { caches, ..Self::new(self.address) }
    }

    /// The same for another runtime.
    pub(super) fn another(&self) -> Self {
        Self { caches: self.caches.clone(), ..Self::new(Arc::clone(&self.address)) }
    }

    /// Whether anything is kept of what is read.
    pub(super) fn is_caching(&self) -> bool {
        self.caches.is_some()
    }

    /// What this connection read under a key, and has not changed since as far as is known.
    pub(super) fn recall(&self, key: &str) -> Option<Record> {
        self.cache()?.recall(key)
    }

    /// Notes that a key is about to be read, if what is read is kept.
    pub(super) fn asking(&self, key: &str) -> Option<Asked> {
        Some(self.cache()?.asking(key))
    }

    /// Notes that a record is being changed, until what comes back is dropped.
    pub(super) fn writing<'a>(&'a self, key: &'a str) -> Option<Writing<'a>> {
        Some(self.caches.as_ref()?.writing(key))
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a command once, connecting first if need be, and sets `sent` when the server may have it.
    ///
    /// When it is dropped or times out at a time when less than half of `patience` is left until the deadline, the
    /// connection counts as silent: the next call opens another. Not so where the time went into opening it.
    pub(super) async fn send(
        &self,
        command: &Cmd,
        deadline: Instant,
        patience: Duration,
        sent: &mut bool,
    ) -> Result<Value, Failure> {
        self.send_after(None, command, deadline, patience, sent).await
    }

    /// The same, with a command right before it whose answer nobody needs.
    pub(super) async fn send_after(
        &self,
        first: Option<&Cmd>,
        command: &Cmd,
        deadline: Instant,
        patience: Duration,
        sent: &mut bool,
    ) -> Result<Value, Failure> {
        let mut silent_from = deadline - patience / 2;
        let live = match self.live() {
            Some(live) => live,
            None => {
                // seldom, so that it takes no room in the others' futures
                let opening = Box::pin(timeout_at(deadline, self.open(deadline)));
                let live = opening.await.unwrap_or(Err(Failure::TimedOut))?;
                silent_from = Instant::now() + patience / 2;
                live
            }
        };
        let proof = live.cache.as_ref().map(|_| Instant::now());
        if let Some(first) = first {
            live.pipe.send(first, deadline)?;
        }
        let answer = live.pipe.send(command, deadline)?;
        *sent = true;
        let mut call = Call { connection: self, live: &live, silent_from, answered: false };
        let answer = match Handle::try_current() {
            Ok(here) if here.id() == live.runtime => answered(answer).await,
            // of another runtime nobody knows whether it runs at all, and with it the timer of all calls
            _ => Box::pin(timeout_at(deadline, answered(answer))).await.unwrap_or(Err(Failure::TimedOut)),
        };
        call.answered = !matches!(answer, Err(Failure::TimedOut));
        if let (Some(cache), Some(sent), Ok(_)) = (&live.cache, proof, &answer) {
            cache.answered(sent);
        }
        if call.answered && is_lost(&answer) {
            self.forget(&live);
        }
        answer
    }

    fn live(&self) -> Option<Arc<Live>> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        // the driver ends when the server closes the connection, so that no command is sent to find that out
        live.as_ref().filter(|live| !live.driver.is_finished() && !live.pipe.is_silent()).cloned()
    }

    fn cache(&self) -> Option<Arc<Cache>> {
        self.caches.as_ref()?;
        self.live()?.cache.clone()
    }

    async fn open(&self, deadline: Instant) -> Result<Arc<Live>, Failure> {
        let _opening = self.opening.lock().await;
        if let Some(live) = self.live() {
            return Ok(live);
        }
        let live = Arc::new(connect(&self.address, self.caches.as_deref(), deadline).await?);
        *self.live.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&live));
        Ok(live)
    }

    fn forget(&self, lost: &Arc<Live>) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.as_ref().is_some_and(|live| Arc::ptr_eq(live, lost)) {
            *live = None;
        }
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

/// Whether the connection is of no more use: broken, or about to be closed by the server, or to one that is a replica by
/// now or has forgotten the login.
fn is_lost(answer: &Result<Value, Failure>) -> bool {
    match answer {
        Ok(Value::ServerError(error)) => {
            matches!(error.code(), "READONLY" | "NOAUTH")
                || error.details().is_some_and(|detail| detail.starts_with("Protocol error"))
        }
        Ok(_) => false,
        Err(_) => true,
    }
}

/// Waits for the answer to a command.
pub(super) async fn answered(answer: Answer) -> Result<Value, Failure> {
    // who would answer tells all who wait before it goes, unless it panics
    answer.await.unwrap_or_else(|_| Err(RedisError::from(io::Error::from(io::ErrorKind::BrokenPipe)).into()))
}

async fn connect(address: &Address, caches: Option<&Caches>, deadline: Instant) -> Result<Live, Failure> {
    match &address.place {
        Place::At(server) => open(server, &address.login, &address.tls, caches, deadline).await,
        Place::Asked(sentinels) => sentinel::connect(sentinels, address, caches, deadline).await,
    }
}

/// Connects to a server and signs in.
#[cfg_attr(not(feature = "redis-tls"), allow(unused_variables, reason = "nothing is encrypted"))]
pub(super) async fn open(
    server: &ConnectionAddr,
    login: &RedisConnectionInfo,
    tls: &Tls,
    caches: Option<&Caches>,
    deadline: Instant,
) -> Result<Live, Failure> {
    match server {
        ConnectionAddr::Tcp(host, port) => {
            let stream = tcp::connect(host, *port).await.map_err(RedisError::from)?;
            #[cfg(feature = "redis-tls")]
            if let Some(tls) = tls {
                let stream = encrypt(tls, host, stream).await.map_err(RedisError::from)?;
                return start(login, stream, caches, deadline).await;
            }
            start(login, stream, caches, deadline).await
        }
        #[cfg(unix)]
        ConnectionAddr::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(RedisError::from)?;
            start(login, stream, caches, deadline).await
        }
        _ => Err(RedisError::from(io::Error::from(io::ErrorKind::Unsupported)).into()),
    }
}

#[cfg(feature = "redis-tls")]
async fn encrypt(
    tls: &tokio_rustls::TlsConnector,
    host: &str,
    stream: tokio::net::TcpStream,
) -> io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
    let name = rustls::pki_types::ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    tls.connect(name, stream).await
}

/// Lets the runtime drive the connection from now on, and signs in.
async fn start<S>(
    login: &RedisConnectionInfo,
    stream: S,
    caches: Option<&Caches>,
    deadline: Instant,
) -> Result<Live, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let cache = caches.map(Caches::open);
    let pushed = cache.clone();
    let (pipe, driver) = Pipe::over(stream, move |push| pushed.iter().for_each(|cache| cache.pushed(&push)));
    let driver = tokio::spawn(driver);
    let mut live = Live { pipe, driver, runtime: Handle::current().id(), cache: None };
    match sign_in(&live.pipe, login, caches.is_some(), deadline).await? {
        Ok(()) => live.cache = cache,
        Err(refusal) => caches.into_iter().for_each(|caches| caches.refused(&refusal)),
    }
    Ok(live)
}
