//! [`SessionStore`]: what a backend promises, and the stores that come with the crate.
//!
//! An app names one when it builds the middleware, or leaves that to `SESSION_TYPE` in the environment
//! ([`SessionConfig::store`](crate::SessionConfig::store)).
//!
//! ```
//! use actix_typed_session::{SessionMiddleware, store::MemoryStore};
//!
//! let sessions = SessionMiddleware::new(MemoryStore::default().max_bytes(64 * 1024 * 1024));
//! ```

use std::{fmt, sync::Arc, time::Duration};

pub use async_trait::async_trait;
use bytes::Bytes;

pub use crate::error::{StoreError, StoreErrorKind};

mod build;
#[cfg(feature = "cache")]
mod cache;
#[cfg(feature = "datastore")]
mod datastore;
#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(feature = "elasticsearch")]
mod elasticsearch;
#[cfg(feature = "filesystem")]
mod filesystem;
#[cfg(feature = "firestore")]
mod firestore;
#[cfg(any(feature = "firestore", feature = "datastore"))]
mod google;
#[cfg(feature = "memcached")]
mod memcached;
#[cfg(feature = "memory")]
mod memory;
mod migrating;
#[cfg(feature = "mongodb")]
mod mongodb;
mod null;
#[cfg(feature = "orm")]
pub mod orm;
#[cfg(any(
    feature = "dynamodb",
    feature = "elasticsearch",
    feature = "firestore",
    feature = "datastore",
    feature = "memcached"
))]
#[cfg_attr(
    not(all(feature = "dynamodb", feature = "elasticsearch")),
    allow(dead_code, reason = "a store needs bytes or a text")
)]
mod percent;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "memory", feature = "filesystem"))]
mod seldom;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite", feature = "orm"))]
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql", feature = "sqlite")),
    allow(unreachable_code, unused, reason = "without a database there is nothing to do")
)]
#[cfg_attr(
    not(all(feature = "postgres", feature = "mysql", feature = "sqlite", feature = "orm")),
    allow(dead_code, reason = "each database and each store uses a part of it")
)]
mod sql;
#[cfg(any(feature = "redis", feature = "memcached"))]
mod tcp;

pub(crate) use self::build::{CacheSetting, Servers, StoreKind, StoreSettings, Url};
#[cfg(feature = "cache-moka")]
pub use self::cache::MokaCache;
#[cfg(feature = "cache-opendal")]
pub use self::cache::OpendalCache;
#[cfg(feature = "cache")]
pub use self::cache::{Cache, CacheStore, Cached, Condition, HasEnded, Tag};
#[cfg(feature = "datastore")]
pub use self::datastore::DatastoreStore;
#[cfg(feature = "dynamodb")]
pub use self::dynamodb::DynamodbStore;
#[cfg(feature = "elasticsearch")]
pub use self::elasticsearch::ElasticsearchStore;
#[cfg(feature = "filesystem")]
pub use self::filesystem::FilesystemStore;
#[cfg(feature = "firestore")]
pub use self::firestore::FirestoreStore;
#[cfg(feature = "memcached")]
pub use self::memcached::MemcachedStore;
#[cfg(feature = "memory")]
pub use self::memory::MemoryStore;
pub use self::migrating::MigratingStore;
pub(crate) use self::migrating::{Direction, Migration, Other};
#[cfg(feature = "mongodb")]
pub use self::mongodb::MongodbStore;
pub use self::null::NullStore;
#[cfg(feature = "orm")]
pub use self::orm::OrmStore;
#[cfg(feature = "redis")]
pub use self::redis::RedisStore;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite", feature = "orm"))]
pub use self::sql::{SqlDatabase, SqlPool, SqlStore};

/// A compare-and-swap map from short keys to bytes with an expiry: all that a backend has to be.
///
/// Merging, rotating, owners and expiry rules are written once, above this trait, so that a new backend is about a
/// hundred lines: `examples/custom_store.rs` is one. These rules must hold; each is a function in
/// `testing::conformance` (feature `testing`) whose name begins with the rule's, ready to run against your store.
///
/// | | rule |
/// |---|---|
/// | S1 | [`load`](Self::load) never returns an expired record, however late the backend sweeps |
/// | S2 | [`create`](Self::create) never overwrites: over a live key it is [`Taken`](Created::Taken) and changes nothing |
/// | S3 | [`update`](Self::update) replaces bytes, version and expiry only if the record is live and at `expected`; otherwise it changes nothing and says [`Conflict`](Updated::Conflict) with the current record, or [`Gone`](Updated::Gone) |
/// | S4 | nothing but `create` ever makes a record: what ended stays ended |
/// | S5 | of N concurrent updates at one version exactly one is [`Done`](Updated::Done) |
/// | S6 | [`touch`](Self::touch) moves only the expiry, of a live record only, and never backwards; it may change the version |
/// | S7 | [`delete`](Self::delete) is idempotent |
/// | S8 | bytes come back exactly, whatever they are, up to the store's stated limit; over it [`TooLarge`](StoreErrorKind::TooLarge), with nothing written |
/// | S9 | an expiry is never earlier than asked, never "never", at most 2 s late: 300 ms, 31 days, 10 years |
/// | S10 | two prefixes never see each other; a key may hold `*`, `%`, `{`, quotes, unicode |
/// | S11 | a backend that is down, hangs or answers nonsense is an `Err` within the timeout, never `None` |
/// | S12 | dropping any of its futures half-way never makes a later call wrong |
/// | S13 | [`delete_expired`](Self::delete_expired) deletes at most `limit` expired records, never a live one; a call's work is bounded, and a sweep of many ends and has deleted all |
/// | S14 | [`load`](Self::load) sees acknowledged writes |
/// | S15 | [`migrate`](Self::migrate) may run twice and concurrently without harm |
/// | S16 | conditional writes are never retried inside: a write whose outcome is unknown is [`OutcomeUnknown`](StoreErrorKind::OutcomeUnknown) |
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), actix_typed_session::store::StoreError> {
/// use actix_typed_session::store::{Created, MemoryStore, Record, SessionStore, Updated, Version};
/// use std::time::Duration;
///
/// let store = MemoryStore::default();
/// let first = Record::new("one", Duration::from_secs(60));
/// assert_eq!(store.create("session:1", &first).await?, Created::Created);
///
/// let second = Record::new("two", Duration::from_secs(60));
/// assert_eq!(store.update("session:1", &second, &first.version).await?, Updated::Done);
/// // the version has moved on, so the same expectation fails, and says what is there now
/// let Updated::Conflict(now) = store.update("session:1", &second, &first.version).await? else { panic!() };
/// assert_eq!(now.bytes, "two");
/// # Ok(()) }
/// ```
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// The live record under `key`; its `expires_in` is what remains.
    ///
    /// # Errors
    ///
    /// The backend can't be asked or does not answer in time. A record that can't be read is none, and not an error.
    ///
    /// ```
    /// # use actix_typed_session::store::{MemoryStore, Record, SessionStore, StoreError, Created, Updated, Version};
    /// # use std::time::Duration;
    /// # #[actix_web::main] async fn main() -> Result<(), StoreError> {
    /// # let store = MemoryStore::default();
    /// # let record = Record::new("bytes", Duration::from_secs(60));
    /// assert_eq!(store.load("session:1").await?, None);
    /// let _ = store.create("session:1", &record).await?;
    /// assert_eq!(store.load("session:1").await?.unwrap().bytes, "bytes");
    /// # Ok(()) }
    /// ```
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError>;

    /// Stores `record` under a key that has none.
    ///
    /// # Errors
    ///
    /// [`OutcomeUnknown`](StoreErrorKind::OutcomeUnknown) if it was sent and not answered,
    /// [`TooLarge`](StoreErrorKind::TooLarge) over the store's limit, and the others of [`StoreErrorKind`].
    ///
    /// ```
    /// # use actix_typed_session::store::{MemoryStore, Record, SessionStore, StoreError, Created, Updated, Version};
    /// # use std::time::Duration;
    /// # #[actix_web::main] async fn main() -> Result<(), StoreError> {
    /// # let store = MemoryStore::default();
    /// # let record = Record::new("bytes", Duration::from_secs(60));
    /// assert_eq!(store.create("session:1", &record).await?, Created::Created);
    /// assert_eq!(store.create("session:1", &record).await?, Created::Taken);
    /// # Ok(()) }
    /// ```
    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError>;

    /// Replaces the live record under `key` if its version is `expected`.
    ///
    /// # Errors
    ///
    /// As for [`create`](Self::create).
    ///
    /// ```
    /// # use actix_typed_session::store::{MemoryStore, Record, SessionStore, StoreError, Created, Updated, Version};
    /// # use std::time::Duration;
    /// # #[actix_web::main] async fn main() -> Result<(), StoreError> {
    /// # let store = MemoryStore::default();
    /// # let record = Record::new("bytes", Duration::from_secs(60));
    /// assert_eq!(store.update("session:1", &record, &Version::random()).await?, Updated::Gone);
    /// let _ = store.create("session:1", &record).await?;
    /// let next = Record::new("more bytes", Duration::from_secs(60));
    /// assert_eq!(store.update("session:1", &next, &record.version).await?, Updated::Done);
    /// # Ok(()) }
    /// ```
    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError>;

    /// Moves the expiry of a live record to `expires_in` from now, if that is later; `false` where there is none.
    ///
    /// # Errors
    ///
    /// The backend can't be asked or does not answer in time.
    ///
    /// ```
    /// # use actix_typed_session::store::{MemoryStore, Record, SessionStore, StoreError, Created, Updated, Version};
    /// # use std::time::Duration;
    /// # #[actix_web::main] async fn main() -> Result<(), StoreError> {
    /// # let store = MemoryStore::default();
    /// # let record = Record::new("bytes", Duration::from_secs(60));
    /// let an_hour = Duration::from_secs(60 * 60);
    /// assert!(!store.touch("session:1", an_hour).await?);
    /// let _ = store.create("session:1", &record).await?;
    /// assert!(store.touch("session:1", an_hour).await?);
    /// assert!(store.load("session:1").await?.unwrap().expires_in > Duration::from_secs(60));
    /// # Ok(()) }
    /// ```
    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError>;

    /// Removes the record under `key`, if there is one.
    ///
    /// # Errors
    ///
    /// As for [`create`](Self::create).
    ///
    /// ```
    /// # use actix_typed_session::store::{MemoryStore, Record, SessionStore, StoreError, Created, Updated, Version};
    /// # use std::time::Duration;
    /// # #[actix_web::main] async fn main() -> Result<(), StoreError> {
    /// # let store = MemoryStore::default();
    /// # let record = Record::new("bytes", Duration::from_secs(60));
    /// let _ = store.create("session:1", &record).await?;
    /// store.delete("session:1").await?;
    /// store.delete("session:1").await?; // there is nothing to remove, and that is no error
    /// assert_eq!(store.load("session:1").await?, None);
    /// # Ok(()) }
    /// ```
    async fn delete(&self, key: &str) -> Result<(), StoreError>;

    /// Deletes at most `limit` expired records; nothing where the backend expires them by itself.
    ///
    /// A call's work is bounded, so that it may delete less than `limit`, or nothing, while there is more. A sweep calls
    /// it again while [`Swept::more`] says so, which ends, and has deleted then all that had expired when it began.
    /// [`SessionMiddleware::sweep_every`](crate::SessionMiddleware::sweep_every) is a task that does.
    ///
    /// # Errors
    ///
    /// The backend can't be asked or does not answer in time; some records may be deleted then. A store that walks over
    /// its records goes on behind one that it can't read, and says so in the call that comes to the end.
    ///
    /// ```
    /// # use actix_typed_session::store::{MemoryStore, Record, SessionStore, StoreError, Created, Updated, Version};
    /// # #[actix_web::main] async fn main() -> Result<(), StoreError> {
    /// # let store = MemoryStore::default();
    /// while store.delete_expired(1000).await?.more {}
    /// # Ok(()) }
    /// ```
    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError>;

    /// Asks the backend for an answer, any answer: for a health check, or to fail at start.
    ///
    /// # Errors
    ///
    /// The backend does not answer in time, or the answer makes no sense.
    ///
    /// ```
    /// # use actix_typed_session::store::{MemoryStore, Record, SessionStore, StoreError, Created, Updated, Version};
    /// # use std::time::Duration;
    /// # #[actix_web::main] async fn main() -> Result<(), StoreError> {
    /// # let store = MemoryStore::default();
    /// # let record = Record::new("bytes", Duration::from_secs(60));
    /// store.ping().await?;
    /// # Ok(()) }
    /// ```
    async fn ping(&self) -> Result<(), StoreError>;

    /// Makes the tables, indexes or rules that the store needs. Nothing, by default.
    ///
    /// # Errors
    ///
    /// The backend can't be asked, does not answer in time, or refuses.
    ///
    /// ```
    /// # use actix_typed_session::store::{MemoryStore, Record, SessionStore, StoreError, Created, Updated, Version};
    /// # use std::time::Duration;
    /// # #[actix_web::main] async fn main() -> Result<(), StoreError> {
    /// # let store = MemoryStore::default();
    /// # let record = Record::new("bytes", Duration::from_secs(60));
    /// store.migrate().await?; // once, at start or when the app is installed
    /// # Ok(()) }
    /// ```
    async fn migrate(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// What [`migrate`](Self::migrate) does, as text for people with their own migrations. `None`, the default: nothing.
    ///
    /// ```
    /// # use actix_typed_session::store::{MemoryStore, SessionStore};
    /// assert_eq!(MemoryStore::default().migration(), None);
    /// ```
    fn migration(&self) -> Option<String> {
        None
    }

    /// How many records have expired and are still there, for who is to say before a sweep what it would do. `None`, the
    /// default, where the store can't count them.
    ///
    /// It may take as long as it takes: no request asks for it.
    ///
    /// # Errors
    ///
    /// The backend can't be asked or does not answer.
    ///
    /// ```
    /// # use actix_typed_session::store::{MemoryStore, SessionStore, StoreError};
    /// # #[actix_web::main] async fn main() -> Result<(), StoreError> {
    /// assert_eq!(MemoryStore::default().count_expired().await?, None);
    /// # Ok(()) }
    /// ```
    async fn count_expired(&self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }

    /// A store for the runtime that calls, with a connection of its own, so that no request waits for another thread.
    ///
    /// Called once a worker, on the worker's runtime. `None`, the default, means that this one may be shared by all.
    ///
    /// ```
    /// # use actix_typed_session::store::{MemoryStore, Record, SessionStore, StoreError, Created, Updated, Version};
    /// # use std::time::Duration;
    /// # #[actix_web::main] async fn main() -> Result<(), StoreError> {
    /// # let store = MemoryStore::default();
    /// # let record = Record::new("bytes", Duration::from_secs(60));
    /// assert!(store.for_worker().is_none()); // all workers share the one map
    /// # Ok(()) }
    /// ```
    fn for_worker(&self) -> Option<Arc<dyn SessionStore>> {
        None
    }

    /// A record that this store read before, and of which nothing has told that it changed since; at once, without
    /// asking the backend. `None`, the default, if there is none.
    ///
    /// The one exception to S14, for a store that is told of changes and was asked to keep what it reads: the record
    /// may be behind by what the store documents, whatever happens to its backend. It is not behind acknowledged writes
    /// of this store and of those that [`for_worker`](Self::for_worker) makes of it. It is never expired, and its
    /// `expires_in` is what remains.
    ///
    /// ```
    /// # use actix_typed_session::store::{MemoryStore, SessionStore};
    /// assert_eq!(MemoryStore::default().recall("session:1"), None); // `load` costs no more
    /// ```
    fn recall(&self, key: &str) -> Option<Record> {
        let _ = key;
        None
    }

    /// Whether [`recall`](Self::recall) may have anything to say. Asked once a worker; `false`, the default, spares each
    /// request the question.
    ///
    /// ```
    /// # use actix_typed_session::store::{MemoryStore, SessionStore};
    /// assert!(!MemoryStore::default().recalls());
    /// ```
    fn recalls(&self) -> bool {
        false
    }

    /// The time within which each call returns, whatever the backend does, where the store sees to that by itself.
    ///
    /// The middleware sets no timer of its own around such a call, but where its time would end sooner. `None`, the
    /// default, means that it always has to.
    ///
    /// ```
    /// # use actix_typed_session::store::{MemoryStore, SessionStore};
    /// assert_eq!(MemoryStore::default().timeout(), None);
    /// ```
    fn timeout(&self) -> Option<Duration> {
        None
    }

    /// The backend's name in events, such as `redis`.
    ///
    /// ```
    /// # use actix_typed_session::store::{MemoryStore, SessionStore};
    /// assert_eq!(MemoryStore::default().name(), "memory");
    /// ```
    fn name(&self) -> &'static str;

    /// Whether the records live in this process alone, so that a second store of the kind would not see them.
    ///
    /// Two such stores for one cookie name are most likely one mistake, and an error in the log says so.
    ///
    /// ```
    /// # use actix_typed_session::store::{MemoryStore, SessionStore};
    /// assert!(MemoryStore::default().is_local());
    /// ```
    fn is_local(&self) -> bool {
        false
    }

    /// Whether the backend may throw out records before they expire. Default: no.
    ///
    /// Then nothing can be promised about how many sessions a user has, so that
    /// [`SessionConfig::limit_per_owner`](crate::SessionConfig::limit_per_owner) and
    /// [`SessionMiddleware::sessions`](crate::SessionMiddleware::sessions) are errors. A store that throws out first what
    /// would expire first need not say so.
    ///
    /// ```
    /// use actix_typed_session::store::{NullStore, SessionStore};
    ///
    /// assert!(!NullStore.may_evict());
    /// ```
    fn may_evict(&self) -> bool {
        false
    }
}

/// What a store keeps for one key: opaque bytes, a version, an expiry.
///
/// `Debug` shows how many bytes there are, and not what they say.
///
/// ```
/// use actix_typed_session::store::Record;
/// use std::time::Duration;
///
/// let record = Record::new("bytes", Duration::from_secs(60));
/// assert_eq!((&record.bytes[..], record.expires_in.as_secs()), (&b"bytes"[..], 60));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Which write this is.
    pub version: Version,
    /// The contents, which mean nothing to a store.
    pub bytes: Bytes,
    /// How long the record lives: from the write on when it is written, from now on when it is loaded.
    pub expires_in: Duration,
}

impl Record {
    /// A record with a new random version.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use actix_typed_session::store::Record;
    /// let one = Record::new("same bytes", Duration::from_secs(60));
    /// let two = Record::new("same bytes", Duration::from_secs(60));
    /// assert_ne!(one.version, two.version);
    /// ```
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>, expires_in: Duration) -> Self {
        Self { version: Version::random(), bytes: bytes.into(), expires_in }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("version", &self.version)
            .field("bytes", &format_args!("{} bytes", self.bytes.len()))
            .field("expires_in", &self.expires_in)
            .finish()
    }
}

/// A random write id: made for each write, never used twice.
///
/// It tells whether a record is the one that was loaded, and what became of a write that was not answered.
///
/// ```
/// use actix_typed_session::store::{Record, Version};
/// use std::time::Duration;
///
/// let (version, bytes) = (Version::random(), "bytes".into());
/// let as_it_was_stored = Record { version, bytes, expires_in: Duration::from_secs(60) };
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version([u8; Version::LEN]);

impl Version {
    /// The length of a version in bytes.
    pub const LEN: usize = 16;

    /// A version that was never used before.
    ///
    /// ```
    /// # use actix_typed_session::store::Version;
    /// assert_ne!(Version::random(), Version::random());
    /// ```
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// The version that was stored as these bytes.
    ///
    /// ```
    /// # use actix_typed_session::store::Version;
    /// let version = Version::random();
    /// assert_eq!(Version::from_bytes(*version.as_bytes()), version);
    /// ```
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    ///
    /// ```
    /// # use actix_typed_session::store::Version;
    /// assert_eq!(Version::random().as_bytes().len(), Version::LEN);
    /// ```
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({:032x})", u128::from_be_bytes(self.0))
    }
}

/// What [`SessionStore::create`] did. See there for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Created {
    /// The record was stored.
    Created,
    /// There is a live record under this key, and it was left as it is.
    Taken,
}

/// What [`SessionStore::update`] did. See [`SessionStore`] for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Updated {
    /// The record was replaced.
    Done,
    /// The record is at another version, and was left as it is: this one.
    Conflict(Record),
    /// There is no live record under this key.
    Gone,
}

/// What a call of [`SessionStore::delete_expired`] did.
///
/// ```
/// use actix_typed_session::store::Swept;
///
/// // of a backend that expires its records by itself
/// assert_eq!(Swept::default(), Swept { deleted: 0, more: false });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many records were deleted.
    pub deleted: u64,
    /// Whether the sweep is to go on with another call: there may be more that had expired when it began.
    pub more: bool,
}
