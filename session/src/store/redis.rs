//! [`RedisStore`].

use std::{fmt, sync::Arc, time::Duration};

use redis::{Cmd, Value, aio::ConnectionLike};
use tokio::time::Instant;

use self::{
    address::Target,
    cache::Writing,
    client::Client,
    cluster::Cluster,
    connection::Connection,
    failure::{Effect, Failure, Place, Refusal},
    script::{Script, TOUCH, UPDATE},
};
use crate::{
    clock::{Clock, millis},
    error::ConfigError,
    store::{Created, Record, SessionStore, StoreError, Swept, Updated, Version, async_trait},
};

mod address;
mod cache;
mod client;
mod cluster;
mod connection;
mod failure;
mod layout;
mod pipe;
mod script;
mod sentinel;
mod sign_in;
#[cfg(feature = "redis-tls")]
mod tls;
mod wire;

/// Sessions in Redis 4 or later, Valkey, or what speaks like them: one string a record, expired by the server.
///
/// Each operation is one command: `load` a `GET`, `create` a `SET … NX PX`, `delete` a `DEL`, `update` and `touch` a
/// script of a few lines, which a server that does not know it yet is sent once more in full. A user of an access
/// control list needs these, `EVAL`, `EVALSHA`, `GETRANGE`, `SETRANGE`, `STRLEN`, `PTTL`, `PEXPIRE` and `PING`.
///
/// A record can't be larger than 512 MiB, or than `proto-max-bulk-len` of the server. What the server evicts
/// (`maxmemory-policy`) or loses in a crash (`appendonly`) is an ended session. Reads and writes go to one server, which
/// has to be the primary.
///
/// # Several servers
///
/// * A cluster: `redis-cluster://a,b,c` names some of its servers, which know the others. A record is one key, so that
///   nothing crosses slots; each operation is one command to the server that has the key, as with one server. Who has
///   what is asked at first use, and again when a server can't be reached or does not answer. Where a slot moves, the
///   command goes on to where the server says: that one has done nothing. A user needs `CLUSTER SLOTS`, too.
/// * Sentinels: `redis-sentinel://a,b,c/name`. For each connection all are asked at once, the latest choice among their
///   answers is taken, and the server has to say itself that it is the primary (`ROLE`). One that is lost, or that
///   refuses to be written to, is left, and they are asked again.
///
/// No command is sent twice because of either: a write whose connection is lost is
/// [`OutcomeUnknown`](crate::store::StoreErrorKind::OutcomeUnknown). While a primary is replaced, what needs it fails
/// within the time-out, and the app goes on by itself once there is another.
///
/// **Redis acknowledges a write before a replica has it.** A failover loses the last writes of the primary that failed, or,
/// in a partition, all that it took until it noticed: a change is undone, or a session that was ended lives on until it
/// expires. `min-replicas-to-write 1` with a small `min-replicas-max-lag` bounds that to so many seconds, and refuses
/// writes where no replica is there; it does not rule it out. A primary that restarts sooner than another is chosen, and
/// without its data, ends all sessions: use `appendonly`, or keep it from restarting by itself. Where an end must
/// survive a failover, use a database that replicates synchronously.
///
/// Tested against servers of one machine. Not tested: partitions of a network, names and ports that a cluster announces
/// behind NAT, and what providers make of either.
///
/// ```
/// # fn main() -> Result<(), actix_typed_session::ConfigError> {
/// use actix_typed_session::store::RedisStore;
/// use std::time::Duration;
///
/// // opens nothing yet: the app starts while Redis is down
/// let store = RedisStore::new("redis://127.0.0.1:6379/0")?.timeout(Duration::from_secs(1));
/// # let _ = store;
/// # Ok(()) }
/// ```
pub struct RedisStore {
    client: Client,
    timeout: Duration,
}

impl RedisStore {
    /// A store at a URL, which opens its connection when it is first used, on the tokio runtime that uses it.
    ///
    /// Accepted are `redis://[user:password@]host[:port][/db]`, the same with `rediss://` for TLS (feature `redis-tls`;
    /// the certificate is verified against those that the system trusts, or the file that `SSL_CERT_FILE` names), and
    /// `unix:///path[?db=…&user=…&pass=…]`. User and password are percent-encoded. Each adds `protocol=resp3` if asked to.
    ///
    /// For several servers, `redis-cluster://[user:password@]host[:port],…` and
    /// `redis-sentinel://[user:password@]host[:port],…/name[?db=…&sentinel_user=…&sentinel_pass=…]`, each with `rediss-` for
    /// TLS to all of them: their certificates have to name what the cluster or the sentinels call them, which may be
    /// addresses. User and password are those of the servers; the port of a sentinel is 26379 unless it is said.
    ///
    /// All calls share one connection, or one to each server of a cluster, and each worker has its own. One that was lost is opened again by the next call,
    /// at once; while the server is down, each call fails as soon as that shows, and always within the
    /// [`timeout`](Self::timeout).
    ///
    /// # Errors
    ///
    /// If the URL is none of these. The message never holds the URL, as that may hold a password.
    ///
    /// ```
    /// use actix_typed_session::store::RedisStore;
    ///
    /// let error = RedisStore::new("http://user:hunter2@cache.internal").unwrap_err();
    /// assert_eq!(error.key(), "SESSION_REDIS");
    /// assert!(!error.to_string().contains("hunter2"));
    /// ```
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        Ok(Self::with_client(match Target::parse(url)? {
            Target::One(address) => Client::Own(Connection::new(Arc::new(address))),
            Target::Cluster(seeds) => Client::Cluster(Cluster::new(seeds)),
        }))
    }

    /// A store over a connection that the app already has, which all workers share as it is.
    ///
    /// `ConnectionManager`, `MultiplexedConnection` and the asynchronous cluster connection of the `redis` crate are
    /// taken, as is whatever can be cloned and sends commands. Three things are the app's business then: that it is
    /// driven by a runtime that is never blocked; that its own time-out, 500 ms by default, is the one that is wanted; and
    /// that it repeats no command by itself, as a cluster connection does unless it is built with `retries(0)`.
    ///
    /// ```no_run
    /// # async fn open() -> Result<(), redis::RedisError> {
    /// use actix_typed_session::store::RedisStore;
    ///
    /// let client = redis::Client::open("redis://127.0.0.1")?;
    /// let store = RedisStore::from_connection(client.get_connection_manager().await?);
    /// # let _ = store;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn from_connection(connection: impl ConnectionLike + Clone + Send + Sync + 'static) -> Self {
        Self::with_client(Client::Lent(Box::new(connection)))
    }

    /// A store over a pool that the app already has, which all workers share as it is.
    ///
    /// A pool asks the server for a sign of life before it lends a connection: two round trips an operation instead of
    /// one. Its connections belong to the worker that opened them, so that a worker that is blocked holds up others.
    /// [`new`](Self::new) has neither cost.
    ///
    /// ```no_run
    /// # fn open() -> Result<(), Box<dyn std::error::Error>> {
    /// use actix_typed_session::store::RedisStore;
    ///
    /// let config = deadpool_redis::Config::from_url("redis://127.0.0.1");
    /// let pool = config.create_pool(Some(deadpool_redis::Runtime::Tokio1))?;
    /// let store = RedisStore::from_pool(pool);
    /// # let _ = store;
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "redis-pool")]
    #[must_use]
    pub fn from_pool(pool: deadpool_redis::Pool) -> Self {
        Self::with_client(Client::Lent(Box::new(client::Pooled(pool))))
    }

    /// How long a call may take, from connecting to the answer. 2 s by default, a day at most.
    ///
    /// ```
    /// # use actix_typed_session::store::RedisStore;
    /// # use std::time::Duration;
    /// let store = RedisStore::new("redis://cache.internal").unwrap().timeout(Duration::from_millis(500));
    /// # let _ = store;
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(Duration::from_secs(24 * 60 * 60));
        self
    }

    /// Keeps what was read, in so many bytes a worker, until the server says that it changed. 0, the default, for
    /// nothing.
    ///
    /// What guards nothing is then read without a round trip, as it was a fraction of a millisecond ago, and a second
    /// ago at worst: see [caching](crate::guide::caching). Writes are as ever. What was used longest ago goes when the bytes are
    /// spent, in which the bookkeeping is counted, 256 bytes a record.
    ///
    /// Needs Redis 6 or later, or what knows `CLIENT TRACKING` over RESP3, with nothing between that does not pass on
    /// what the server pushes; a user of an access control list needs `client|tracking`, too. A server that refuses is
    /// used without a cache, and `session.store.uncached` says so once.
    ///
    /// # Errors
    ///
    /// If the store is over a cluster, or over a connection or a pool of the app's, of which it does not know what the
    /// server pushes.
    ///
    /// ```
    /// use actix_typed_session::store::RedisStore;
    ///
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// let store = RedisStore::new("redis://127.0.0.1:6379")?.client_cache(16 * 1024 * 1024)?;
    /// # let _ = store;
    /// # Ok(()) }
    /// ```
    pub fn client_cache(mut self, max_bytes: usize) -> Result<Self, ConfigError> {
        let refused = |why| Err(ConfigError::new("SESSION_REDIS_CLIENT_CACHE", why));
        self.client = match self.client {
            Client::Own(connection) => Client::Own(connection.caching(max_bytes)),
            Client::Cluster(cluster) if max_bytes == 0 => Client::Cluster(cluster),
            Client::Cluster(_) => {
                return refused(
                    "has no meaning with a cluster, whose servers each would have to push what changes and whose keys \
                     move: accepted are one server and sentinels",
                );
            }
            Client::Lent(_) => {
                return refused(
                    "needs a connection of the store's own, by `RedisStore::new`: what a server pushes to the app's is \
                     not known here",
                );
            }
        };
        Ok(self)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("client", &self.client).field("timeout", &self.timeout).finish()
    }
}

#[async_trait]
impl SessionStore for RedisStore {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        let mut command = Cmd::with_capacity(2, 3 + key.len());
        command.arg("GET").arg(key);
        let asked = self.client.own().and_then(|connection| connection.asking(key));
        match self.ask(&command, key, Effect::Read, self.deadline()).await? {
            Answer::Value(Value::BulkString(value)) => {
                let record = record(key, value);
                if let (Some(asked), Some(record)) = (asked, &record) {
                    asked.keep(key, record);
                }
                Ok(record)
            }
            Answer::Value(Value::Nil) => Ok(None),
            Answer::WrongType => {
                foreign(key);
                Ok(None)
            }
            _ => Err(failure::nonsense(Effect::Read)),
        }
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        layout::check_size(record)?;
        let mut command = Cmd::with_capacity(6, 32 + key.len() + layout::len(record));
        command.arg("SET").arg(key);
        layout::write(record, now(), &mut command);
        command.arg("NX").arg("PX").arg(ttl(record.expires_in));
        let _writing = self.writing(key);
        match self.ask(&command, key, Effect::Write, self.deadline()).await? {
            Answer::Value(Value::Okay) => Ok(Created::Created),
            Answer::Value(Value::Nil) => Ok(Created::Taken),
            _ => Err(failure::nonsense(Effect::Write)),
        }
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        layout::check_size(record)?;
        let _writing = self.writing(key);
        let now = now();
        let arguments = |command: &mut Cmd| {
            command.arg(expected.as_bytes().as_slice());
            layout::write(record, now, command);
            command.arg(ttl(record.expires_in));
        };
        match self.run(&UPDATE, key, layout::len(record), &arguments).await? {
            Answer::Value(Value::Okay) => Ok(Updated::Done),
            Answer::Value(Value::BulkString(value)) => {
                Ok(self::record(key, value).map_or(Updated::Gone, Updated::Conflict))
            }
            Answer::Value(Value::Nil) => Ok(Updated::Gone),
            Answer::WrongType => {
                foreign(key);
                Ok(Updated::Gone)
            }
            _ => Err(failure::nonsense(Effect::Write)),
        }
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        let _writing = self.writing(key);
        let now = now();
        let arguments = |command: &mut Cmd| {
            command.arg(ttl(expires_in)).arg(layout::expiry(expires_in, now).as_slice());
        };
        match self.run(&TOUCH, key, 0, &arguments).await? {
            Answer::Value(Value::Int(live)) => Ok(live == 1),
            Answer::WrongType => {
                foreign(key);
                Ok(false)
            }
            _ => Err(failure::nonsense(Effect::Write)),
        }
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let mut command = Cmd::with_capacity(2, 3 + key.len());
        command.arg("DEL").arg(key);
        let _writing = self.writing(key);
        match self.ask(&command, key, Effect::Write, self.deadline()).await? {
            Answer::Value(Value::Int(_)) => Ok(()),
            _ => Err(failure::nonsense(Effect::Write)),
        }
    }

    async fn delete_expired(&self, _: u64) -> Result<Swept, StoreError> {
        Ok(Swept::default())
    }

    async fn count_expired(&self) -> Result<Option<u64>, StoreError> {
        Ok(Some(0))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let mut sent = false;
        let answer = self.client.ping(self.deadline(), self.timeout, &mut sent).await;
        match self.understood(answer, sent, Effect::Read)? {
            Answer::Value(Value::SimpleString(_)) => Ok(()),
            _ => Err(failure::nonsense(Effect::Read)),
        }
    }

    fn for_worker(&self) -> Option<Arc<dyn SessionStore>> {
        Some(Arc::new(Self { client: self.client.another()?, timeout: self.timeout }))
    }

    fn recall(&self, key: &str) -> Option<Record> {
        self.client.own()?.recall(key)
    }

    fn recalls(&self) -> bool {
        self.client.own().is_some_and(Connection::is_caching)
    }

    fn timeout(&self) -> Option<Duration> {
        Some(self.timeout)
    }

    fn name(&self) -> &'static str {
        "redis"
    }
}

/// What the server said, in so far as it can mean something.
enum Answer {
    Value(Value),
    WrongType,
    NoScript,
}

impl RedisStore {
    fn with_client(client: Client) -> Self {
        Self { client, timeout: Duration::from_secs(2) }
    }

    fn writing<'a>(&'a self, key: &'a str) -> Option<Writing<'a>> {
        self.client.own()?.writing(key)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Sends a command, once.
    async fn ask(&self, command: &Cmd, key: &str, effect: Effect, deadline: Instant) -> Result<Answer, StoreError> {
        let mut sent = false;
        let answer = self.client.send(command, key, deadline, self.timeout, &mut sent).await;
        self.understood(answer, sent, effect)
    }

    fn understood(&self, answer: Result<Value, Failure>, sent: bool, effect: Effect) -> Result<Answer, StoreError> {
        match answer {
            Ok(Value::ServerError(error)) => refused(Refusal::from(&error)),
            Ok(value) => Ok(Answer::Value(value)),
            Err(failure) => match Refusal::of(&failure) {
                Some(refusal) => refused(refusal),
                None => Err(Place { client: &self.client, sent, effect }.failed(failure, self.timeout)),
            },
        }
    }

    /// Runs a script by its hash, and where the server does not know that, which is before it ran anything, by its text.
    async fn run(
        &self,
        script: &Script,
        key: &str,
        size: usize,
        arguments: &(dyn Fn(&mut Cmd) + Sync),
    ) -> Result<Answer, StoreError> {
        let deadline = self.deadline();
        let command = |name: &str, script: &str| {
            let mut command = Cmd::with_capacity(7, 96 + script.len() + key.len() + size);
            command.arg(name).arg(script).arg(1).arg(key);
            arguments(&mut command);
            command
        };
        match self.ask(&command("EVALSHA", script.hash()), key, Effect::Write, deadline).await? {
            Answer::NoScript => self.ask(&command("EVAL", script.text()), key, Effect::Write, deadline).await,
            answer => Ok(answer),
        }
    }
}

fn refused(refusal: Refusal<'_>) -> Result<Answer, StoreError> {
    match refusal {
        refusal if refusal.is("NOSCRIPT") => Ok(Answer::NoScript),
        refusal if refusal.is_wrong_type() => Ok(Answer::WrongType),
        refusal => Err(refusal.into_error()),
    }
}

fn record(key: &str, value: Vec<u8>) -> Option<Record> {
    let record = layout::read(value, now());
    if record.is_none() {
        foreign(key);
    }
    record
}

fn foreign(key: &str) {
    crate::events::record_foreign("redis", key);
}

/// Wall-clock time, as other processes read what this one wrote.
fn now() -> u64 {
    Clock::default().now()
}

/// A time to live that Redis takes: at least 1 ms, and no more than 30,000 years, which its sums can hold.
fn ttl(expires_in: Duration) -> u64 {
    millis(expires_in).clamp(1, layout::LONGEST)
}
