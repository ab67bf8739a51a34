//! [`Cache`]: what a cache has to be able to do, and [`CacheStore`], which makes a store of it.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    clock::Clock,
    store::{Created, Record, SessionStore, StoreError, StoreErrorKind, Swept, Updated, Version, async_trait},
};

mod build;
mod layout;
#[cfg(feature = "cache-moka")]
mod moka;
#[cfg(feature = "cache-opendal")]
mod opendal;

pub(crate) use self::build::store;
#[cfg(feature = "cache-moka")]
pub use self::moka::MokaCache;
#[cfg(feature = "cache-opendal")]
pub use self::opendal::OpendalCache;

/// A cache that can compare and swap, which is all that [`CacheStore`] needs to keep sessions in it.
///
/// Merging, expiry and versions of records are the store's business, so that this is less than a [`SessionStore`]. These
/// rules must hold; with feature `testing`, `testing::conformance` checks them through the store:
///
/// 1. A [`Tag`] stands for one write of one value. The cache makes it: an ETag, a CAS number, a counter, a hash of the
///    value. (The store never writes a value twice, so that a hash is as good as a number.)
/// 2. A conditional `put` or `remove` compares and writes in one step, whoever else writes at the same time, and
///    changes nothing where it says `false`.
/// 3. `get` sees what was acknowledged.
/// 4. A value lives no shorter than its lifetime (unless [`may_evict`](Self::may_evict) says so). It may live longer: the
///    store knows when it ends.
/// 5. No write is sent twice inside. What was sent and not answered is
///    [`OutcomeUnknown`](StoreErrorKind::OutcomeUnknown), what can't have been sent is
///    [`Unavailable`](StoreErrorKind::Unavailable), and a cache that fails never says that there is nothing.
/// 6. Every call ends in its time, and may be dropped at any point.
///
/// The whole of one:
///
/// ```
#[doc = include_str!("cache/example.rs")]
///
/// # #[actix_web::main] async fn main() -> Result<(), StoreError> {
/// use actix_typed_session::store::{CacheStore, Created, Record, SessionStore};
///
/// let store = CacheStore::new(MapCache::default());
/// let record = Record::new("bytes", Duration::from_secs(60));
/// assert_eq!(store.create("session:1", &record).await?, Created::Created);
/// assert_eq!(store.load("session:1").await?.unwrap().version, record.version);
/// # Ok(()) }
/// ```
#[async_trait]
pub trait Cache: Send + Sync + 'static {
    /// The value under `key`, with the tag of the write that it is of.
    ///
    /// # Errors
    ///
    /// The cache can't be asked or does not answer in time.
    async fn get(&self, key: &str) -> Result<Option<Cached>, StoreError>;

    /// Stores a value under `key` for at least `lifetime`, if the condition holds; whether it did.
    ///
    /// # Errors
    ///
    /// By rule 5, and [`TooLarge`](StoreErrorKind::TooLarge) over the cache's limit, with nothing written.
    async fn put(
        &self,
        key: &str,
        value: Bytes,
        lifetime: Duration,
        condition: Condition<'_>,
    ) -> Result<bool, StoreError>;

    /// Removes the value under `key`: whatever it is, or only the one with this tag. Whether it may have removed one: only
    /// where there is a tag to compare, `false` has to be right.
    ///
    /// # Errors
    ///
    /// By rule 5.
    async fn remove(&self, key: &str, tag: Option<&Tag>) -> Result<bool, StoreError>;

    /// Removes at most `limit` of the values that have ended, each by its tag, as [`SessionStore::delete_expired`] has it.
    /// By default nothing, for a cache that ends them by itself.
    ///
    /// `has_ended` tells it of a value; its first [`CacheStore::HEAD`] bytes are enough.
    ///
    /// # Errors
    ///
    /// The cache can't be asked or does not answer in time; some values may be removed then.
    async fn sweep(&self, limit: u64, has_ended: &HasEnded<'_>) -> Result<Swept, StoreError> {
        let _ = (limit, has_ended);
        Ok(Swept::default())
    }

    /// Asks the cache for an answer, any answer.
    ///
    /// # Errors
    ///
    /// The cache does not answer in time, or the answer makes no sense.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Makes what the cache needs, and finds out whether it keeps the rules. Nothing, by default.
    ///
    /// # Errors
    ///
    /// The cache can't be asked, or can't do what it has to; the message says what that is.
    async fn migrate(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// The cache for the runtime that calls, with a connection of its own. `None`, the default: this one may be shared by all.
    fn for_worker(&self) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    /// The time within which each call returns, as [`SessionStore::timeout`] has it. `None` by default.
    fn timeout(&self) -> Option<Duration> {
        None
    }

    /// The cache's name in events.
    fn name(&self) -> &'static str;

    /// Whether the values live in this process alone. Default: no.
    fn is_local(&self) -> bool {
        false
    }

    /// Whether the cache may throw out values before their time, as [`SessionStore::may_evict`] has it. Default: yes,
    /// for that is what caches do.
    fn may_evict(&self) -> bool {
        true
    }
}

/// Whether a value has ended, or its first bytes are of one that has. [`Cache::sweep`] is given one.
pub type HasEnded<'a> = dyn Fn(&[u8]) -> bool + Send + Sync + 'a;

/// A value as [`Cache::get`] found it. See [`Cache`] for an example.
#[derive(Clone)]
pub struct Cached {
    /// The bytes that were put.
    pub value: Bytes,
    /// Which write they are of.
    pub tag: Tag,
}

impl fmt::Debug for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = format_args!("{} bytes", self.value.len());
        f.debug_struct("Cached").field("value", &value).field("tag", &self.tag).finish()
    }
}

/// Which write a value is of: what the cache calls it, of which nobody else makes sense.
///
/// ```
/// use actix_typed_session::store::Tag;
///
/// let (etag, number) = (Tag::new("\"5d41402abc4b2a76\""), Tag::new(42_u64.to_be_bytes().to_vec()));
/// assert_eq!(number.as_bytes(), 42_u64.to_be_bytes());
/// # let _ = etag;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(Bytes);

impl Tag {
    /// The tag that the cache gives as these bytes.
    #[must_use]
    pub fn new(tag: impl Into<Bytes>) -> Self {
        Self(tag.into())
    }

    /// These bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// When [`Cache::put`] stores a value. See [`Cache`] for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition<'a> {
    /// If there is none.
    Absent,
    /// If the value that is there has this tag.
    At(&'a Tag),
}

/// Sessions in any [`Cache`].
///
/// In calls of the cache: `load`, `create` and `delete` 1, `update` and `touch` 2, and 2 more for each other write that
/// comes in between. A value is the record's version (16 bytes), its expiry as 8 bytes big-endian in Unix milliseconds, and
/// its bytes.
///
/// ```
/// use actix_typed_session::{SessionMiddleware, store::{CacheStore, MokaCache}};
///
/// let sessions = SessionMiddleware::new(CacheStore::new(MokaCache::new(64 * 1024 * 1024)));
/// ```
#[derive(Clone)]
pub struct CacheStore<C> {
    cache: C,
    clock: Clock,
}

impl<C: Cache> CacheStore<C> {
    /// A store over this cache. Clones of the cache may be used for something else under other keys.
    pub fn new(cache: C) -> Self {
        Self { cache, clock: Clock::default() }
    }

    /// The same by another clock, which a test moves. Default: the system's, that other processes share.
    ///
    /// ```
    /// # #[actix_web::main] async fn main() -> Result<(), actix_typed_session::store::StoreError> {
    /// use actix_typed_session::{Clock, store::{CacheStore, MokaCache, Record, SessionStore}};
    /// use std::time::Duration;
    ///
    /// let clock = Clock::manual();
    /// let store = CacheStore::new(MokaCache::new(1024 * 1024)).clock(clock.clone());
    /// let _ = store.create("session:1", &Record::new("bytes", Duration::from_secs(60))).await?;
    /// clock.advance(Duration::from_secs(61));
    /// assert_eq!(store.load("session:1").await?, None);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// What is there under `key`, if it can be read; it may have ended.
    async fn find(&self, key: &str) -> Result<Option<(Record, Tag)>, StoreError> {
        let Some(Cached { value, tag }) = self.cache.get(key).await? else { return Ok(None) };
        let record = layout::read(value, self.clock.now());
        if record.is_none() {
            crate::events::record_foreign(self.cache.name(), key);
        }
        Ok(record.map(|record| (record, tag)))
    }

    async fn put(&self, key: &str, record: &Record, condition: Condition<'_>) -> Result<bool, StoreError> {
        self.cache.put(key, layout::write(record, self.clock.now()), record.expires_in, condition).await
    }

    /// The answer, within the time that this store says it needs.
    async fn in_time<T>(
        &self,
        late: StoreErrorKind,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let Some(time) = SessionStore::timeout(self) else { return work.await };
        let silence = || StoreError::new(late, format!("the cache did not answer within {time:?}"));
        tokio::time::timeout(time, work).await.unwrap_or_else(|_| Err(silence()))
    }
}

impl CacheStore<()> {
    /// How many bytes a value begins with that [`Cache::sweep`] has to know.
    pub const HEAD: usize = layout::HEAD;
}

impl<C: fmt::Debug> fmt::Debug for CacheStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheStore").field("cache", &self.cache).finish_non_exhaustive()
    }
}

#[async_trait]
impl<C: Cache> SessionStore for CacheStore<C> {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        let load = self.in_time(StoreErrorKind::Unavailable, self.find(key));
        Ok(load.await?.and_then(live).map(|(record, _)| record))
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        let create = async {
            for _ in 0..ROUNDS {
                if self.put(key, record, Condition::Absent).await? {
                    return Ok(Created::Created);
                }
                let Some(Cached { value, tag }) = self.cache.get(key).await.map_err(not_written)? else { continue };
                if !layout::has_ended(&value, self.clock.now()) {
                    return Ok(Created::Taken);
                }
                if self.put(key, record, Condition::At(&tag)).await? {
                    return Ok(Created::Created);
                }
            }
            Err(busy())
        };
        self.in_time(StoreErrorKind::OutcomeUnknown, create).await
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        let update = async {
            for _ in 0..ROUNDS {
                let Some((current, tag)) = self.find(key).await?.and_then(live) else { return Ok(Updated::Gone) };
                if current.version != *expected {
                    return Ok(Updated::Conflict(current));
                }
                if self.put(key, record, Condition::At(&tag)).await? {
                    return Ok(Updated::Done);
                }
            }
            Err(busy())
        };
        self.in_time(StoreErrorKind::OutcomeUnknown, update).await
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        let touch = async {
            for _ in 0..ROUNDS {
                let Some((current, tag)) = self.find(key).await?.and_then(live) else { return Ok(false) };
                let touched = Record { expires_in, ..current.clone() };
                if current.expires_in >= expires_in || self.put(key, &touched, Condition::At(&tag)).await? {
                    return Ok(true);
                }
            }
            Err(busy())
        };
        self.in_time(StoreErrorKind::OutcomeUnknown, touch).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.cache.remove(key, None).await.map(drop)
    }

    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        let clock = self.clock.clone();
        self.cache.sweep(limit, &move |value| layout::has_ended(value, clock.now())).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.cache.ping().await
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        self.cache.migrate().await
    }

    fn for_worker(&self) -> Option<Arc<dyn SessionStore>> {
        Some(Arc::new(Self { cache: self.cache.for_worker()?, clock: self.clock.clone() }))
    }

    fn timeout(&self) -> Option<Duration> {
        // of two calls, where an operation takes more than one
        self.cache.timeout()?.checked_mul(2)
    }

    fn name(&self) -> &'static str {
        self.cache.name()
    }

    fn is_local(&self) -> bool {
        self.cache.is_local()
    }

    fn may_evict(&self) -> bool {
        self.cache.may_evict()
    }
}

/// How often others may come in between before a call gives up.
const ROUNDS: usize = 64;

fn live(found: (Record, Tag)) -> Option<(Record, Tag)> {
    Some(found).filter(|(record, _)| !record.expires_in.is_zero())
}

/// The error of a read on the way to a write, which was not sent yet.
fn not_written(error: StoreError) -> StoreError {
    match error.kind() {
        StoreErrorKind::OutcomeUnknown => {
            StoreError::new(StoreErrorKind::Unavailable, "the cache did not answer").with_source(error)
        }
        _ => error,
    }
}

fn busy() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "others wrote the record all the time")
}
