//! [`MigratingStore`].

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

pub(crate) use self::settings::{Direction, Migration, Other};
use self::{
    find::{Found, ROUNDS, busy},
    marker::{InNew, InOld, in_new, in_old},
};
use crate::store::{Created, Record, SessionStore, StoreError, StoreErrorKind, Swept, Updated, Version, async_trait};

mod find;
mod marker;
mod settings;
#[cfg(all(test, feature = "testing"))]
mod tests;

/// Two stores as one, while sessions move from the old one to the new one and nobody is logged out.
///
/// What the new store lacks is taken over from the old one when it is first asked for: with its bytes and its version as
/// they are, sealed records too, and with what remains of its life. New sessions begin in the new store. An end is an
/// end in both. All rules of [`SessionStore`] hold, whatever number of nodes move the same session at once, and
/// wherever one of them is killed in the middle: a record is in one store or in the other, and a swap decides in which.
///
/// # How to change the store
///
/// 1. Where a deploy replaces one node after the other, replace all first by ones with both stores
///    [on standby](Self::standby): they use what has moved, and move nothing themselves, so that nodes which know the old
///    store alone see all there is. In the environment: `SESSION_TYPE` as it was, and `SESSION_MIGRATE_TO`. (Where all
///    nodes stop before any starts, leave this out.)
/// 2. When none is left that knows the old store alone, replace them by ones that migrate: `SESSION_TYPE` the new store,
///    and `SESSION_MIGRATE_FROM` the old one. Standbys may run beside them, and the way back is a standby, too.
/// 3. When the absolute lifetime is over, every session has moved or ended, and every list of a user's sessions. (Without
///    one, when the idle timeout is over, lists of users that were not used meanwhile are lost: they are only made anew
///    when the user signs in.) Leave the old store out.
///
/// A node that knows the old store alone must not run beside one that migrates: it takes what has moved for ended.
///
/// # Cost
///
/// In calls of either store: `load` and `update` of what has moved 1, of what is in neither 2, and `create`, `delete` and
/// `touch` 2. To move a session costs 4 more, once. The old store keeps a marker of 50 bytes for it as long as the session
/// would have lived, and sweeps it like any other record; a record needs 33 bytes of room in the new store, and otherwise
/// stays where it is.
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use actix_typed_session::store::{FilesystemStore, MemoryStore, MigratingStore, Record, SessionStore};
/// use std::time::Duration;
///
/// # let folder = tempfile::tempdir()?;
/// let old = FilesystemStore::new(folder.path())?;
/// let record = Record::new("bytes", Duration::from_secs(60));
/// let _ = old.create("session:1", &record).await?;
///
/// let new = MemoryStore::default();
/// let store = MigratingStore::new(new.clone(), old);
/// assert_eq!(store.load("session:1").await?.unwrap().bytes, "bytes");
/// assert_eq!(new.load("session:1").await?.unwrap().version, record.version);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct MigratingStore {
    new: Arc<dyn SessionStore>,
    old: Arc<dyn SessionStore>,
    is_standby: bool,
    /// Whether a sweep is through with the new store.
    is_new_swept: Arc<AtomicBool>,
}

impl MigratingStore {
    /// Moves sessions to the store `new` from the store `old`, which may be one that migrates itself.
    ///
    /// ```
    /// use actix_typed_session::store::{MemoryStore, MigratingStore};
    ///
    /// let (first, second, third) = (MemoryStore::default(), MemoryStore::default(), MemoryStore::default());
    /// let store = MigratingStore::new(third, MigratingStore::new(second, first));
    /// ```
    pub fn new(new: impl SessionStore, old: impl SessionStore) -> Self {
        Self::over(Arc::new(new), Arc::new(old))
    }

    /// The same over stores that are shared already.
    ///
    /// ```
    /// use actix_typed_session::{SessionConfig, store::MigratingStore};
    ///
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// let store = |kind| SessionConfig::from_vars([("SESSION_TYPE", kind)])?.store();
    /// let store = MigratingStore::over(store("memory")?, store("null")?);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn over(new: Arc<dyn SessionStore>, old: Arc<dyn SessionStore>) -> Self {
        Self { new, old, is_standby: false, is_new_swept: Arc::default() }
    }

    /// Leaves everything in the old store, and begins new sessions there, but uses what others have moved.
    ///
    /// For the step of a deploy in which nodes that know the old store alone are replaced, and for the way back. A
    /// `load` costs 2 calls then, `update` and `touch` 3, and `create` 4.
    ///
    /// ```
    /// # #[actix_web::main] async fn main() -> Result<(), actix_typed_session::store::StoreError> {
    /// use actix_typed_session::store::{MemoryStore, MigratingStore, Record, SessionStore};
    /// use std::time::Duration;
    ///
    /// let (old, new) = (MemoryStore::default(), MemoryStore::default());
    /// let store = MigratingStore::new(new, old.clone()).standby();
    /// let _ = store.create("session:1", &Record::new("bytes", Duration::from_secs(60))).await?;
    /// assert!(old.load("session:1").await?.is_some());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn standby(mut self) -> Self {
        self.is_standby = true;
        self
    }
}

impl fmt::Debug for MigratingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MigratingStore")
            .field("new", &self.new.name())
            .field("old", &self.old.name())
            .field("standby", &self.is_standby)
            .finish()
    }
}

#[async_trait]
impl SessionStore for MigratingStore {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        self.in_time(StoreErrorKind::Unavailable, async {
            Ok(match self.seek(key, None).await? {
                Found::New(record) | Found::Old(record) => Some(record),
                Found::Nowhere(_) => None,
            })
        })
        .await
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        self.in_time(StoreErrorKind::OutcomeUnknown, async {
            if self.is_standby {
                return self.create_in_old(key, record).await;
            }
            let at_first = self.old.load(key).await.map_err(not_written)?;
            if let InOld::Record(_) = in_old(at_first) {
                return Ok(Created::Taken);
            }
            let mut at = None;
            for _ in 0..ROUNDS {
                if self.put(key, record, at).await? {
                    return Ok(Created::Created);
                }
                let Found::Nowhere(vacancy) = self.seek(key, None).await? else { return Ok(Created::Taken) };
                at = if vacancy.is_fenced() || self.fence(key, record).await? { vacancy.at } else { None };
            }
            Err(busy())
        })
        .await
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        self.in_time(StoreErrorKind::OutcomeUnknown, async {
            for _ in 0..ROUNDS {
                let new = if self.is_standby { None } else { Some(self.new.update(key, record, expected).await?) };
                let new = match new {
                    Some(Updated::Done) => return Ok(Updated::Done),
                    Some(Updated::Conflict(found)) => Some(in_new(Some(found))),
                    Some(Updated::Gone) => Some(InNew::Nothing),
                    None => None,
                };
                let found = match self.seek(key, new).await? {
                    Found::Nowhere(_) => return Ok(Updated::Gone),
                    Found::New(found) | Found::Old(found) if found.version != *expected => {
                        return Ok(Updated::Conflict(found));
                    }
                    Found::New(_) => self.new.update(key, record, expected).await?,
                    Found::Old(_) => self.old.update(key, record, expected).await?,
                };
                match found {
                    Updated::Done => return Ok(Updated::Done),
                    // others came in between: another look tells what they did
                    Updated::Conflict(_) | Updated::Gone => {}
                }
            }
            Err(busy())
        })
        .await
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        self.in_time(StoreErrorKind::OutcomeUnknown, async {
            for _ in 0..ROUNDS {
                let is_touched = match self.seek(key, None).await? {
                    Found::Nowhere(_) => return Ok(false),
                    Found::New(_) => self.new.touch(key, expires_in).await?,
                    Found::Old(record) if record.expires_in >= expires_in => true,
                    // a swap, and no touch, which would be lost on a record that moves meanwhile
                    Found::Old(record) => {
                        let touched = Record::new(record.bytes, expires_in);
                        self.old.update(key, &touched, &record.version).await? == Updated::Done
                    }
                };
                if is_touched {
                    return Ok(true);
                }
            }
            Err(busy())
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.in_time(StoreErrorKind::OutcomeUnknown, async {
            let mut is_moved = false;
            for _ in 0..ROUNDS {
                let is_deleted = self.delete_once(key, &mut is_moved).await?;
                if is_deleted {
                    return Ok(());
                }
            }
            Err(busy())
        })
        .await
    }

    /// The new store to its end, and then the old one.
    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        let mut deleted = 0;
        if !self.is_new_swept.load(Ordering::Relaxed) {
            let of_new = self.new.delete_expired(limit).await?;
            if of_new.more {
                return Ok(of_new);
            }
            self.is_new_swept.store(true, Ordering::Relaxed);
            deleted = of_new.deleted;
        }
        let of_old = self.old.delete_expired(limit.saturating_sub(deleted)).await?;
        self.is_new_swept.store(of_old.more, Ordering::Relaxed);
        Ok(Swept { deleted: deleted.saturating_add(of_old.deleted), more: of_old.more })
    }

    async fn count_expired(&self) -> Result<Option<u64>, StoreError> {
        let (of_new, of_old) = (self.new.count_expired().await?, self.old.count_expired().await?);
        Ok(of_new.zip(of_old).map(|(of_new, of_old)| of_new.saturating_add(of_old)))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.new.ping().await?;
        self.old.ping().await
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        self.new.migrate().await?;
        self.old.migrate().await
    }

    /// What both do, the new store first.
    fn migration(&self) -> Option<String> {
        let all: Vec<_> = [self.new.migration(), self.old.migration()].into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.concat())
    }

    fn for_worker(&self) -> Option<Arc<dyn SessionStore>> {
        let (new, old) = (self.new.for_worker(), self.old.for_worker());
        if new.is_none() && old.is_none() {
            return None;
        }
        let (new, old) = (new.unwrap_or_else(|| self.new.clone()), old.unwrap_or_else(|| self.old.clone()));
        Some(Arc::new(Self { new, old, ..self.clone() }))
    }

    fn recall(&self, key: &str) -> Option<Record> {
        match in_new(self.new.recall(key)) {
            InNew::Record(record) => Some(record),
            _ => None,
        }
    }

    fn recalls(&self) -> bool {
        self.new.recalls()
    }

    /// The sum of both, which is what a call takes that asks each once and is not answered.
    fn timeout(&self) -> Option<Duration> {
        self.new.timeout()?.checked_add(self.old.timeout()?)
    }

    /// The new store's name.
    fn name(&self) -> &'static str {
        self.new.name()
    }

    fn is_local(&self) -> bool {
        self.new.is_local() || self.old.is_local()
    }

    fn may_evict(&self) -> bool {
        self.new.may_evict() || self.old.may_evict()
    }
}

impl MigratingStore {
    /// [`find`](Self::find), of whose writes none is the caller's.
    async fn seek(&self, key: &str, new: Option<InNew>) -> Result<Found, StoreError> {
        self.find(key, new).await.map_err(not_written)
    }

    /// Ends what counts, by one swap; `false`: others came in between, and it is to be looked for again.
    async fn delete_once(&self, key: &str, is_moved: &mut bool) -> Result<bool, StoreError> {
        let vacate = async |at| Ok(self.new.update(key, &marker::vacant(), &at).await? == Updated::Done);
        let arriving = match in_new(self.new.load(key).await.map_err(not_written)?) {
            InNew::Record(record) => return vacate(record.version).await,
            InNew::Arriving { at, .. } => Some(at),
            InNew::Nothing | InNew::Vacant { .. } | InNew::Claimed { .. } if *is_moved => return Ok(true),
            InNew::Nothing | InNew::Vacant { .. } | InNew::Claimed { .. } => None,
        };
        match (in_old(self.old.load(key).await.map_err(not_written)?), arriving) {
            // whoever takes it over right now finds that it is not there any more
            (InOld::Record(record), _) => {
                Ok(self.old.update(key, &marker::ended(), &record.version).await? == Updated::Done)
            }
            (_, Some(at)) => vacate(at).await,
            (InOld::Moved { .. }, None) => {
                *is_moved = true;
                Ok(false)
            }
            (InOld::Nothing, None) => Ok(true),
        }
    }

    /// Creates a record where nodes that know the old store alone see it. The claim in the new store keeps others from
    /// creating it there, unless they see to it first that it can't be created in the old one any more.
    async fn create_in_old(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        for _ in 0..ROUNDS {
            let Found::Nowhere(vacancy) = self.seek(key, None).await? else { return Ok(Created::Taken) };
            if vacancy.is_moved {
                if self.put(key, record, vacancy.at).await? {
                    return Ok(Created::Created);
                }
            } else if self.put(key, &marker::claimed(record), vacancy.at).await.map_err(not_written)?
                && self.old.create(key, record).await? == Created::Created
            {
                return Ok(Created::Created);
            }
        }
        Err(busy())
    }

    /// Sees to it that nothing is created in the old store any more; `false` if something was.
    async fn fence(&self, key: &str, record: &Record) -> Result<bool, StoreError> {
        let moved = marker::moved(Version::random(), record);
        Ok(self.old.create(key, &moved).await.map_err(not_written)? == Created::Created)
    }

    /// The answer, within the time that this store says it needs.
    async fn in_time<T>(
        &self,
        late: StoreErrorKind,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let Some(time) = self.timeout() else { return work.await };
        let silence = |_| StoreError::new(late, format!("the two stores did not answer within {time:?}"));
        tokio::time::timeout(time, work).await.unwrap_or_else(|elapsed| Err(silence(elapsed)))
    }
}

/// The error of a write that was none of the caller's: to him nothing has happened.
fn not_written(error: StoreError) -> StoreError {
    match error.kind() {
        StoreErrorKind::OutcomeUnknown => {
            StoreError::new(StoreErrorKind::Unavailable, "a store did not say whether a session was taken over")
                .with_source(error)
        }
        _ => error,
    }
}
