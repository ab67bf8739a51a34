//! The store's own connection: opened at first use, and anew once it is lost or silent.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::select_ok;
use redis::{
    AsyncConnectionConfig, Cmd, ConnectionAddr, RedisError, RedisResult, Value,
    aio::MultiplexedConnection,
    io::tcp::socket2::{SockRef, TcpKeepalive},
};
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    task::JoinHandle,
    time::Instant,
};

use super::address::Address;

/// At most one connection at a time that all calls share, each sending its command behind those of the others.
///
/// The client's own `ConnectionManager` is not used, for three reasons: it fails the first call after each loss, it keeps
/// a connection that no longer answers, and it does not tell a command that may have been sent from one that was not.
pub(super) struct Connection {
    address: Arc<Address>,
    live: Mutex<Option<Arc<Live>>>,
    /// Held while connecting, so that many calls don't open many connections.
    opening: tokio::sync::Mutex<()>,
}

/// A connection and the task that drives it, which ends with the connection, and at the latest with this.
struct Live {
    commands: MultiplexedConnection,
    driver: JoinHandle<()>,
}

impl Connection {
    pub(super) fn new(address: Arc<Address>) -> Self {
        Self { address, live: Mutex::default(), opening: tokio::sync::Mutex::default() }
    }

    /// The same for another runtime.
    pub(super) fn another(&self) -> Self {
        Self::new(Arc::clone(&self.address))
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a command once, connecting first if need be, and sets `sent` when the server may have it.
    ///
    /// It has no time-out of its own. When it is dropped without an answer at a time when less than half of `patience` is
    /// left until the deadline, the connection counts as silent: the next call opens another.
    pub(super) async fn send(
        &self,
        command: &Cmd,
        deadline: Instant,
        patience: Duration,
        sent: &mut bool,
    ) -> RedisResult<Value> {
        let live = match self.live() {
            Some(live) => live,
            // seldom, so that it takes no room in the others' futures
            None => Box::pin(self.open()).await?,
        };
        let mut commands = live.commands.clone();
        let silent_from = deadline - patience / 2;
        let mut call = Call { connection: self, live: &live, silent_from, answered: false };
        *sent = true;
        let answer = commands.send_packed_command(command).await;
        call.answered = true;
        if is_lost(&answer) {
            self.forget(&live);
        }
        answer
    }

    fn live(&self) -> Option<Arc<Live>> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        // the driver ends when the server closes the connection, so that no command is sent to find that out
        live.as_ref().filter(|live| !live.driver.is_finished()).cloned()
    }

    async fn open(&self) -> RedisResult<Arc<Live>> {
        let _opening = self.opening.lock().await;
        if let Some(live) = self.live() {
            return Ok(live);
        }
        let live = Arc::new(connect(&self.address).await?);
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
fn is_lost(answer: &RedisResult<Value>) -> bool {
    match answer {
        Ok(Value::ServerError(error)) => {
            matches!(error.code(), "READONLY" | "NOAUTH")
                || error.details().is_some_and(|detail| detail.starts_with("Protocol error"))
        }
        Ok(_) => false,
        Err(_) => true,
    }
}

async fn connect(address: &Address) -> RedisResult<Live> {
    match &address.place {
        ConnectionAddr::Tcp(host, port) => {
            let stream = connect_tcp(host, *port).await?;
            #[cfg(feature = "redis-tls")]
            if let Some(tls) = &address.tls {
                let name = rustls::pki_types::ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                return start(address, tls.connect(name, stream).await?).await;
            }
            start(address, stream).await
        }
        #[cfg(unix)]
        ConnectionAddr::Unix(path) => start(address, UnixStream::connect(path).await?).await,
        _ => Err(RedisError::from(io::Error::from(io::ErrorKind::Unsupported))),
    }
}

/// The first of a host's addresses that answers.
async fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let attempts: Vec<_> =
        lookup_host((host, port)).await?.map(|address| Box::pin(TcpStream::connect(address))).collect();
    if attempts.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
    }
    let (stream, _) = select_ok(attempts).await?;
    stream.set_nodelay(true)?;
    // so that a server that vanished, or a firewall that forgot the connection, shows before the next visitor comes
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(10));
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

/// Signs in, and lets the runtime drive the connection from then on.
async fn start<S>(address: &Address, stream: S) -> RedisResult<Live>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // each call has a time-out around all of it, so that the client need not set up a second one
    let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    let (commands, driver) = MultiplexedConnection::new_with_config(&address.login, stream, config).await?;
    Ok(Live { commands, driver: tokio::spawn(driver) })
}
