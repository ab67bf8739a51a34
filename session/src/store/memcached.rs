//! [`MemcachedStore`].

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use tokio::time::Instant;

use self::{
    connection::{Connection, Live, Patience},
    failure::Effect,
    layout::Item,
    protocol::{Command, Reply},
};
use crate::{
    clock::Clock,
    error::ConfigError,
    store::{Created, Record, SessionStore, StoreError, Swept, Updated, Version, async_trait},
};

mod address;
mod connection;
mod driver;
mod failure;
mod layout;
mod protocol;

/// Sessions in Memcached 1.6.18 or later: one item a record, by the meta commands, expired by the server.
///
/// `load`, `create` and `delete` are one command. `update` is one where this worker read or wrote the record over the same
/// connection before, as a request does that changes what it read, and else two; `touch` is two. Each goes by the item's
/// compare-and-swap number. A time to live is in whole seconds, up to two more than asked; what lies after January 2038
/// ends there, as the server can't count further. One of over 30 days is sent as a time of day, so that the server's clock
/// and the app's should agree.
///
/// **What users lose.** The server throws out what it has no room for, restarts empty, and `flush_all` empties it: each
/// is an ended session, and no error. Watch `evictions` in its `stats`, and give it room. As nothing then says for sure
/// which sessions a user has, [`limit_per_owner`](crate::SessionConfig::limit_per_owner) and
/// [`Sessions`](crate::Sessions) are errors at the start ([`may_evict`](SessionStore::may_evict)). A server that is told
/// not to evict (`-M`) and is out of memory refuses to write, and forgets the record that it was to replace.
///
/// A record can't be larger than the server's `item_size_max` (`-I`, 1 MiB unless it is set), less 512 bytes. This is
/// checked before anything is sent, as the server would forget the old record.
///
/// **Several servers** share the keys by rendezvous hashing of the names that they have in the setting: use the same names
/// on all machines, in any order. A server that is down is an error for its keys: no other takes over, for what is
/// written there would be lost when it is back. One that is added or taken away ends the sessions whose keys move; empty all
/// servers then (`flush_all`), for what stays behind of such a session would live again if its key came back.
///
/// Neither TLS nor SASL is spoken: keep the servers in a network of their own, or behind a Unix socket. A proxy before them
/// has to send all commands for a key to one server: where it has copies, or lets another take over, updates are lost. A
/// server that gives no compare-and-swap numbers (`-C`) is refused.
///
/// ```
/// # fn main() -> Result<(), actix_typed_session::ConfigError> {
/// use actix_typed_session::store::MemcachedStore;
/// use std::time::Duration;
///
/// // opens nothing yet: the app starts while a server is down
/// let store = MemcachedStore::new("cache-1:11211, cache-2:11211")?.timeout(Duration::from_secs(1));
/// # let _ = store;
/// # Ok(()) }
/// ```
pub struct MemcachedStore {
    servers: Vec<Connection>,
    timeout: Duration,
}

impl MemcachedStore {
    /// A store over one or several servers with commas between, to which it connects when it is first used, on the tokio
    /// runtime that uses it.
    ///
    /// Accepted are `host[:port]`, `memcached://[user:password@]host[:port]`, and `unix:///path[?user=…&pass=…]`. The port
    /// is 11211 by default; an IPv6 address is in brackets. User and password, percent-encoded, are those of the server's
    /// file of users (`-Y`).
    ///
    /// All calls to a server share one connection, and each worker has its own. One that was lost is opened again by the
    /// next call, at once; while the server is down, each call fails as soon as that shows, and always within the
    /// [`timeout`](Self::timeout).
    ///
    /// # Errors
    ///
    /// If the text names no servers. The message never holds any part of it, as that may be of a password.
    ///
    /// ```
    /// use actix_typed_session::store::MemcachedStore;
    ///
    /// assert!(MemcachedStore::new("memcached://app:hunter2@cache.internal").is_ok());
    /// let error = MemcachedStore::new("redis://app:hunter2@cache.internal").unwrap_err();
    /// assert_eq!(error.key(), "SESSION_MEMCACHED");
    /// assert!(!error.to_string().contains("hunter2"));
    /// ```
    pub fn new(servers: &str) -> Result<Self, ConfigError> {
        let servers = address::parse(servers)?.into_iter().map(|server| Connection::new(Arc::new(server)));
        Ok(Self { servers: servers.collect(), timeout: Duration::from_secs(2) })
    }

    /// How long a call may take, from connecting to the answer. 2 s by default, a day at most.
    ///
    /// ```
    /// # use actix_typed_session::store::MemcachedStore;
    /// # use std::time::Duration;
    /// let store = MemcachedStore::new("cache.internal").unwrap().timeout(Duration::from_millis(500));
    /// # let _ = store;
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(Duration::from_secs(24 * 60 * 60));
        self
    }
}

impl fmt::Debug for MemcachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<String> = self.servers.iter().map(|server| server.server().place.to_string()).collect();
        f.debug_struct("MemcachedStore").field("servers", &servers).field("timeout", &self.timeout).finish()
    }
}

#[async_trait]
impl SessionStore for MemcachedStore {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        let call = self.call(key).await?;
        Ok(call.read().await?.map(|found| found.item.record))
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        let call = self.call(key).await?;
        call.check_size(record)?;
        let (ttl, expiry) = layout::lifetime(record.expires_in, now());
        match call.write(Command::add(&call.wire, ttl, data(record, expiry))).await? {
            Reply::Done { cas } => {
                call.live.keep(record.version, cas);
                Ok(Created::Created)
            }
            Reply::NotStored => Ok(Created::Taken),
            _ => Err(failure::nonsense(Effect::Write)),
        }
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        let call = self.call(key).await?;
        call.check_size(record)?;
        let mut seen = call.live.seen(expected);
        loop {
            let cas = match seen.take() {
                Some(cas) => cas,
                None => match call.read().await? {
                    Some(found) if found.item.record.version == *expected => found.cas,
                    Some(found) => return Ok(Updated::Conflict(found.item.record)),
                    None => return Ok(Updated::Gone),
                },
            };
            let (ttl, expiry) = layout::lifetime(record.expires_in, now());
            match call.write(Command::swap(&call.wire, cas, ttl, data(record, expiry))).await? {
                Reply::Done { cas } => {
                    call.live.keep(record.version, cas);
                    return Ok(Updated::Done);
                }
                Reply::Missing => return Ok(Updated::Gone),
                // somebody wrote meanwhile: an update, or a touch, which leaves the version as it is
                Reply::Exists => {}
                _ => return Err(failure::nonsense(Effect::Write)),
            }
        }
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        let call = self.call(key).await?;
        loop {
            let Some(Found { item: Item { record, expiry }, cas, left }) = call.read().await? else { return Ok(false) };
            let now = now();
            let (ttl, asked) = layout::lifetime(expires_in, now);
            // one that lives for ever was made so by hand, and is left as it is
            if left.is_none_or(|left| left >= layout::seconds(ttl, now)) {
                return Ok(true);
            }
            match call.write(Command::swap(&call.wire, cas, ttl, data(&record, expiry.max(asked)))).await? {
                Reply::Done { cas } => {
                    call.live.keep(record.version, cas);
                    return Ok(true);
                }
                Reply::Missing => return Ok(false),
                Reply::Exists => {}
                _ => return Err(failure::nonsense(Effect::Write)),
            }
        }
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let call = self.call(key).await?;
        match call.write(Command::delete(&call.wire)).await? {
            Reply::Done { .. } | Reply::Missing => Ok(()),
            _ => Err(failure::nonsense(Effect::Write)),
        }
    }

    async fn delete_expired(&self, _: u64) -> Result<Swept, StoreError> {
        Ok(Swept::default())
    }

    async fn count_expired(&self) -> Result<Option<u64>, StoreError> {
        Ok(Some(0))
    }

    /// Asks each of the servers.
    async fn ping(&self) -> Result<(), StoreError> {
        let patience = self.patience();
        let asked = self.servers.iter().map(async |server| {
            let live = server.live(patience).await?;
            match server.ask(&live, Command::noop(), Effect::Read, patience).await? {
                Reply::Noop => Ok(()),
                _ => Err(failure::nonsense(Effect::Read)),
            }
        });
        try_join_all(asked).await.map(drop)
    }

    fn for_worker(&self) -> Option<Arc<dyn SessionStore>> {
        let servers = self.servers.iter().map(Connection::another).collect();
        Some(Arc::new(Self { servers, timeout: self.timeout }))
    }

    fn timeout(&self) -> Option<Duration> {
        Some(self.timeout)
    }

    fn name(&self) -> &'static str {
        "memcached"
    }

    fn may_evict(&self) -> bool {
        true
    }
}

impl MemcachedStore {
    fn patience(&self) -> Patience {
        Patience { deadline: Instant::now() + self.timeout, timeout: self.timeout }
    }

    /// Begins an operation at the server that has the key.
    async fn call<'a>(&'a self, key: &'a str) -> Result<Call<'a>, StoreError> {
        let patience = self.patience();
        let index = match self.servers.len() {
            0 | 1 => 0,
            _ => address::owner(self.servers.iter().map(Connection::server), key),
        };
        // the settings name at least one
        let Some(server) = self.servers.get(index) else { return Err(failure::nonsense(Effect::Read)) };
        let live = server.live(patience).await?;
        Ok(Call { key, wire: layout::key(key), server, live, patience })
    }
}

/// An operation under way: all its steps go over one connection, whose numbers mean nothing on another.
struct Call<'a> {
    key: &'a str,
    /// The key as the server has it.
    wire: std::borrow::Cow<'a, str>,
    server: &'a Connection,
    live: Arc<Live>,
    patience: Patience,
}

/// An item that is a record.
struct Found {
    item: Item,
    cas: u64,
    /// The seconds that the server says are left; none for ever.
    left: Option<u64>,
}

impl Call<'_> {
    async fn read(&self) -> Result<Option<Found>, StoreError> {
        match self.server.ask(&self.live, Command::get(&self.wire), Effect::Read, self.patience).await? {
            Reply::Item { value, cas, left } => {
                let Some(item) = layout::read(value, left, now()) else {
                    crate::events::record_foreign("memcached", self.key);
                    return Ok(None);
                };
                self.live.keep(item.record.version, Some(cas));
                Ok(Some(Found { item, cas, left }))
            }
            Reply::Missing => Ok(None),
            _ => Err(failure::nonsense(Effect::Read)),
        }
    }

    async fn write(&self, command: Command) -> Result<Reply, StoreError> {
        self.server.ask(&self.live, command, Effect::Write, self.patience).await
    }

    /// An error if the server would not take a record: it would forget the old one, too.
    fn check_size(&self, record: &Record) -> Result<(), StoreError> {
        if record.bytes.len() > self.live.item_size_max().saturating_sub(layout::OVERHEAD) {
            Err(failure::too_large())
        } else {
            Ok(())
        }
    }
}

fn data(record: &Record, expiry: u64) -> Vec<u8> {
    let mut data = Vec::with_capacity(layout::HEAD + record.bytes.len());
    layout::write(&record.version, expiry, &record.bytes, &mut data);
    data
}

/// Wall-clock time, as other processes read what this one wrote.
fn now() -> u64 {
    Clock::default().now()
}
