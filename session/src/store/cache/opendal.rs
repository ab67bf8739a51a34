//! [`OpendalCache`].

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, future::join_all};
use opendal::{Capability, ErrorKind, Operator, options};
use tokio::{
    sync::OnceCell,
    time::{Instant, timeout},
};

use self::failure::{Effect, is_lost_race, of};
use super::{Cache, Cached, Condition, HasEnded, Tag};
use crate::{
    clock::Clock,
    error::ConfigError,
    store::{StoreError, StoreErrorKind, Swept, async_trait},
};

mod failure;
mod path;
mod probe;
#[cfg(feature = "cache-s3")]
mod s3;

/// Object storage by [OpenDAL](https://docs.rs/opendal): one object a record, where the service writes on a condition.
///
/// Accepted is a service that compares an object's ETag when it writes (`If-Match`) and can refuse to write over one
/// (`If-None-Match: *`), as S3 and its like do. OpenDAL says of a service what it can do, and [`new`](Self::new) asks; a
/// server that takes the conditions and does not look at them is found out before the first write, or by
/// [`migrate`](Cache::migrate), in nine requests at most. Local files, Redis and the like have stores of their own.
///
/// The rights that it takes: to read, write and delete objects, and to list the bucket, without which S3 says of an object
/// that is not there that access is denied.
///
/// Each call is one request (`remove` at a tag is two, where the service deletes without a condition). The server's
/// latency is the session's: tens of milliseconds for S3, and a write costs what a `PUT` costs. No request is sent twice;
/// give it an operator without a retry layer.
///
/// Nothing expires by itself there: [`SessionStore::delete_expired`](crate::store::SessionStore::delete_expired) looks at
/// 256 objects a call, one after the other from call to call to the end, and a lifecycle rule of the bucket, for objects older than
/// the absolute lifetime, does as well. A bucket, or a folder in it, should be of sessions alone, and keep no versions.
///
/// What an acknowledged write is worth is the server's promise: S3 keeps it on several disks in several places before it
/// answers, and holds a deletion and a conditional write of one object against each other. A server that does not, as
/// versitygw 1.8 in one of some hundred such races, may bring back a session that is ended while it is changed.
///
/// Tested against versitygw. Not tested: S3 itself, whose latency, throttling (`SlowDown`) and `409
/// ConditionalRequestConflict` the test server lacks.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use actix_typed_session::store::{CacheStore, OpendalCache};
///
/// let memory = opendal::Operator::new(opendal::services::Memory::default())?;
/// let error = OpendalCache::new(memory).unwrap_err();
/// assert!(error.to_string().contains("write_with_if_match"));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct OpendalCache {
    operator: Operator,
    timeout: Duration,
    shared: Arc<Shared>,
    /// Whether the connections are this cache's own, so that each worker may have some.
    #[cfg(feature = "cache-s3")]
    is_own: bool,
}

/// What all workers know.
#[derive(Default)]
struct Shared {
    abilities: OnceCell<Abilities>,
    walk: Mutex<Walk>,
}

/// Where sweeps are in their walk.
#[derive(Default)]
struct Walk {
    /// The path that the last one came to.
    after: Option<String>,
    /// The first object that could not be read or removed.
    trouble: Option<StoreError>,
}

/// What a server turned out to be able to do.
#[derive(Clone, Copy, Debug)]
struct Abilities {
    /// Deletes at an ETag.
    delete_at: bool,
}

/// How many objects a sweep looks at.
const LOOKED_AT: usize = 256;

/// How many of them at once.
const AT_ONCE: usize = 16;

impl OpendalCache {
    /// Keeps values where this operator says, each as an object under its root.
    ///
    /// # Errors
    ///
    /// If the service can't read, write on a condition or delete: the message names the capability that is missing.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use actix_typed_session::store::{CacheStore, OpendalCache};
    /// use opendal::{Operator, services::S3};
    ///
    /// let bucket = Operator::new(S3::default().bucket("sessions").region("eu-central-1"))?;
    /// let store = CacheStore::new(OpendalCache::new(bucket)?);
    /// # let _ = store;
    /// # Ok(()) }
    /// ```
    pub fn new(operator: Operator) -> Result<Self, ConfigError> {
        let service = operator.info();
        if let Some(missing) = missing(&service.capability()) {
            return Err(ConfigError::new(
                "SESSION_CACHE",
                format_args!(
                    "can't be `{}`: OpenDAL says that it lacks `{missing}`, without which changes would be lost",
                    service.scheme()
                ),
            ));
        }
        Ok(Self {
            operator,
            timeout: Duration::from_secs(2),
            shared: Arc::default(),
            #[cfg(feature = "cache-s3")]
            is_own: false,
        })
    }

    /// How long one call may take. 2 s by default, a day at most.
    ///
    /// ```no_run
    /// # fn open(operator: opendal::Operator) -> Result<(), actix_typed_session::ConfigError> {
    /// use actix_typed_session::store::OpendalCache;
    /// use std::time::Duration;
    ///
    /// let cache = OpendalCache::new(operator)?.timeout(Duration::from_secs(5));
    /// # let _ = cache;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(Duration::from_secs(24 * 60 * 60));
        self
    }
}

impl fmt::Debug for OpendalCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = self.operator.info();
        f.debug_struct("OpendalCache")
            .field("service", &service.scheme())
            .field("name", &service.name())
            .field("timeout", &self.timeout)
            .finish()
    }
}

#[async_trait]
impl Cache for OpendalCache {
    async fn get(&self, key: &str) -> Result<Option<Cached>, StoreError> {
        let found = self.in_time(Effect::Read, self.read(&path::of(key))).await?;
        Ok(found.filter(|found| !is_grave(&found.value)))
    }

    async fn put(&self, key: &str, value: Bytes, _: Duration, condition: Condition<'_>) -> Result<bool, StoreError> {
        self.abilities().await?;
        self.in_time(Effect::Write, self.write(&path::of(key), value, condition)).await
    }

    async fn remove(&self, key: &str, tag: Option<&Tag>) -> Result<bool, StoreError> {
        let path = path::of(key);
        // what is no object storage may say of anything that it is not there, which would pass for deleted
        let abilities = self.abilities().await?;
        let Some(tag) = tag else {
            return self.in_time(Effect::Write, self.delete(&path, None)).await;
        };
        self.in_time(Effect::Write, self.remove_at(&path, tag, abilities)).await
    }

    async fn sweep(&self, limit: u64, has_ended: &HasEnded<'_>) -> Result<Swept, StoreError> {
        if !self.operator.info().capability().list_with_start_after {
            return Ok(Swept::default());
        }
        let abilities = self.abilities().await?;
        self.in_time(Effect::Read, self.sweep_some(limit, has_ended, abilities)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.in_time(Effect::Read, self.read(&path::of("ping"))).await.map(drop)
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        self.abilities().await.map(drop)
    }

    #[cfg(feature = "cache-s3")]
    fn for_worker(&self) -> Option<Self> {
        let operator = self.is_own.then(|| s3::with_own_connections(self.operator.clone()))?.ok()?;
        Some(Self { operator, ..self.clone() })
    }

    fn timeout(&self) -> Option<Duration> {
        Some(self.timeout)
    }

    fn name(&self) -> &'static str {
        "opendal"
    }

    fn may_evict(&self) -> bool {
        false
    }
}

impl OpendalCache {
    async fn read(&self, path: &str) -> Result<Option<Cached>, StoreError> {
        let read = async {
            let reader = self.operator.reader(path).await?;
            let value = reader.read(..).await?;
            let tag = reader.metadata().and_then(|metadata| metadata.etag()).map(|etag| Tag::new(etag.to_owned()));
            Ok::<_, opendal::Error>((value.to_bytes(), tag))
        };
        match read.await {
            Ok((value, Some(tag))) => Ok(Some(Cached { value, tag })),
            Ok((_, None)) => Err(StoreError::new(StoreErrorKind::Protocol, "the object came without an ETag")),
            Err(error) if self.is_absence(&error) => Ok(None),
            Err(error) => Err(of(&error, Effect::Read)),
        }
    }

    async fn write(&self, path: &str, value: Bytes, condition: Condition<'_>) -> Result<bool, StoreError> {
        let options = match condition {
            Condition::Absent => options::WriteOptions { if_not_exists: true, ..Default::default() },
            Condition::At(tag) => options::WriteOptions { if_match: Some(etag(tag)), ..Default::default() },
        };
        match self.operator.write_options(path, value, options).await {
            Ok(_) => Ok(true),
            Err(error) if is_lost_race(&error) => Ok(false),
            // S3 has no condition to hold against what is not there
            Err(error) if self.is_absence(&error) => Ok(false),
            Err(error) => Err(of(&error, Effect::Write)),
        }
    }

    /// Whether this says that there is no such object. S3 also says 404 of a bucket or a user that it does not know, and
    /// whatever else listens there says it of everything.
    fn is_absence(&self, error: &opendal::Error) -> bool {
        let is_s3 = self.operator.info().scheme() == "s3";
        error.kind() == ErrorKind::NotFound && (!is_s3 || error.message().contains("NoSuchKey"))
    }

    async fn delete(&self, path: &str, tag: Option<&Tag>) -> Result<bool, StoreError> {
        let options = options::DeleteOptions { if_match: tag.map(etag), ..Default::default() };
        match self.operator.delete_options(path, options).await {
            Ok(()) => Ok(true),
            Err(error) if is_lost_race(&error) => Ok(false),
            Err(error) => Err(of(&error, Effect::Write)),
        }
    }

    /// Removes an object at its tag; where the server can't, by a swap with a grave, over which nobody writes.
    async fn remove_at(&self, path: &str, tag: &Tag, abilities: Abilities) -> Result<bool, StoreError> {
        if abilities.delete_at {
            return self.delete(path, Some(tag)).await;
        }
        let grave = grave(Clock::default().now());
        Ok(self.write(path, grave, Condition::At(tag)).await? && self.delete(path, None).await?)
    }

    /// What the server can do, found out once.
    async fn abilities(&self) -> Result<Abilities, StoreError> {
        self.in_time(Effect::Read, self.shared.abilities.get_or_try_init(|| probe::probe(self))).await.copied()
    }

    async fn sweep_some(
        &self,
        limit: u64,
        has_ended: &HasEnded<'_>,
        abilities: Abilities,
    ) -> Result<Swept, StoreError> {
        let mut after = self.walk().after.clone();
        let options = options::ListOptions { start_after: after.clone(), limit: Some(LOOKED_AT), ..Default::default() };
        let lister = self.operator.lister_options("", options).await.map_err(|error| of(&error, Effect::Read))?;
        let listed: Vec<_> = lister.take(LOOKED_AT).try_collect().await.map_err(|error| of(&error, Effect::Read))?;
        let is_last = listed.len() < LOOKED_AT;
        let (mut deleted, mut rest) = (0, listed.as_slice());
        // what was removed is to be counted: the rest has its turn in the next call
        let enough = Instant::now() + self.timeout / 2;
        while !rest.is_empty() && deleted < limit && (rest.len() == listed.len() || Instant::now() < enough) {
            // no more at once than may be removed
            let most = usize::try_from(limit - deleted).unwrap_or(usize::MAX).min(AT_ONCE).min(rest.len());
            let (some, others) = rest.split_at(most);
            let mut work = Vec::with_capacity(some.len());
            for entry in some {
                work.push(self.sweep_one(entry.path(), has_ended, abilities));
            }
            let swept = join_all(work).await;
            let mut walk = self.walk();
            // one that can't be read must not keep those behind it
            for swept in swept {
                match swept {
                    Ok(is_removed) => deleted += u64::from(is_removed),
                    Err(error) => _ = walk.trouble.get_or_insert(error),
                }
            }
            let last = some.last().map(|entry| entry.path().to_owned());
            // another sweep may have come further meanwhile, or to the end
            if walk.after == after {
                walk.after.clone_from(&last);
            }
            (after, rest) = (last, others);
        }
        let mut walk = self.walk();
        if !is_last || !rest.is_empty() || walk.after != after {
            return Ok(Swept { deleted, more: true });
        }
        std::mem::take(&mut *walk).trouble.map_or(Ok(Swept { deleted, more: false }), Err)
    }

    async fn sweep_one(&self, path: &str, has_ended: &HasEnded<'_>, abilities: Abilities) -> Result<bool, StoreError> {
        if path.ends_with('/') {
            return Ok(false);
        }
        let Some(Cached { value, tag }) = self.read(path).await? else { return Ok(false) };
        if is_grave(&value) {
            // of a sweep that was killed: nobody writes over it, so that it needs no condition
            let is_old = grave_age(&value, Clock::default().now()).is_some_and(|age| age >= PATIENCE);
            if is_old {
                self.delete(path, None).await?;
            }
            return Ok(false);
        }
        Ok(has_ended(&value) && self.remove_at(path, &tag, abilities).await?)
    }

    fn walk(&self) -> MutexGuard<'_, Walk> {
        self.shared.walk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn in_time<T>(
        &self,
        effect: Effect,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let silence = || {
            StoreError::new(effect.unanswered(), format!("the object storage did not answer within {:?}", self.timeout))
        };
        timeout(self.timeout, work).await.unwrap_or_else(|_| Err(silence()))
    }
}

/// What stands in an object's place before it is deleted: shorter than any value.
const GRAVE: &[u8] = b"\0removed";

/// How long a grave may wait for the sweep that dug it, in milliseconds.
const PATIENCE: u64 = 10 * 60 * 1000;

fn grave(now: u64) -> Bytes {
    [GRAVE, &now.to_be_bytes()].concat().into()
}

fn is_grave(value: &[u8]) -> bool {
    value.len() == GRAVE.len() + size_of::<u64>() && value.starts_with(GRAVE)
}

fn grave_age(value: &[u8], now: u64) -> Option<u64> {
    let at = value.get(GRAVE.len()..).and_then(|at| <[u8; 8]>::try_from(at).ok())?;
    Some(now.saturating_sub(u64::from_be_bytes(at)))
}

fn etag(tag: &Tag) -> String {
    String::from_utf8_lossy(tag.as_bytes()).into_owned()
}

/// The first capability that the service lacks, by OpenDAL's name for it.
fn missing(capability: &Capability) -> Option<&'static str> {
    [
        (capability.read, "read"),
        (capability.write, "write"),
        (capability.write_with_if_not_exists, "write_with_if_not_exists"),
        (capability.write_with_if_match, "write_with_if_match"),
        (capability.delete, "delete"),
    ]
    .into_iter()
    .find_map(|(has, name)| (!has).then_some(name))
}

#[cfg(test)]
mod tests;
