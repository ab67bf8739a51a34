//! [`FilesystemStore`]: one file a session, shared by the processes of one machine.

use std::{
    fmt,
    path::Path,
    sync::{Arc, PoisonError},
    time::Duration,
};

use self::{disk::Disk, name::Name, work::Shared};
use crate::{
    Clock, ConfigError,
    clock::millis,
    error::Chain,
    store::{Created, Record, SessionStore, StoreError, StoreErrorKind, Swept, Updated, Version, async_trait},
};

mod disk;
mod format;
mod name;
mod sweep;
mod work;

/// Keeps each session in a file of its own, shared by all processes of one machine that are given the directory.
///
/// A write goes to a new file that takes the old one's place, both brought to the disk, so that a crash at any point
/// leaves the old record or the new one. Writes of one session exclude each other by file locks, between threads and
/// between processes; reads wait for nothing. A file that is torn, changed or another's counts as absent, with a
/// warning, and is never taken for a session; what can't be read, or is no regular file, is an error. Two prefixes may share a directory; for a network file system, it must
/// support `flock`.
///
/// A write costs two flushes of the disk: for a busy site, use a server such as Redis. Expired records stay on the
/// disk until [`delete_expired`](SessionStore::delete_expired) is called, which also removes what crashes left behind.
/// A record may have up to 64 MiB. Needs a tokio runtime with its timer on, such as actix-web's.
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("sessions");
/// use actix_typed_session::store::{Created, FilesystemStore, Record, SessionStore};
/// use std::time::Duration;
///
/// let store = FilesystemStore::new(&path)?;
/// let record = Record::new("bytes", Duration::from_secs(60));
/// assert_eq!(store.create("session:1", &record).await?, Created::Created);
///
/// let another = FilesystemStore::new(&path)?;
/// assert_eq!(another.load("session:1").await?.unwrap().version, record.version);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct FilesystemStore {
    disk: Arc<Disk>,
    made_root: bool,
    timeout: Duration,
    threshold: u64,
    shared: Arc<Shared>,
}

impl FilesystemStore {
    /// A store in this directory, which is made if it is not there, for this user alone.
    ///
    /// # Errors
    ///
    /// It can't be made, or no file can be made in it. The error names `SESSION_FILE_DIR` and the directory.
    ///
    /// ```
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let file = directory.path().join("file");
    /// # std::fs::write(&file, "").unwrap();
    /// use actix_typed_session::store::FilesystemStore;
    ///
    /// let error = FilesystemStore::new(file.join("sessions")).unwrap_err();
    /// assert_eq!(error.key(), "SESSION_FILE_DIR");
    /// ```
    pub fn new(directory: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let directory = directory.as_ref();
        let bad_value = |error: &(dyn std::error::Error + 'static)| {
            let accepted = format!("accepted is a directory that can be made and written ({})", Chain(error));
            ConfigError::bad_value("SESSION_FILE_DIR", directory.display(), accepted)
        };
        // the process may change its working directory later
        let root = std::path::absolute(directory).map_err(|error| bad_value(&error))?;
        let disk = Disk { root, mode: 0o600, clock: Clock::default() };
        let made_root = disk
            .make_root()
            .and_then(|made| disk.check_writable().map(|()| made))
            .map_err(|error| bad_value(&error))?;
        Ok(Self {
            disk: Arc::new(disk),
            made_root,
            timeout: Duration::from_secs(2),
            threshold: 0,
            shared: Arc::new(Shared::new()),
        })
    }

    /// The mode of the files, set whatever the umask: `0o660` shares them with a group, say.
    ///
    /// Directories that the store makes get the same, and may be entered by whoever may read. Default: `0o600`. Without
    /// effect where there are no Unix modes.
    ///
    /// # Errors
    ///
    /// The owner could not read or write, or there is more than reading and writing: the error names
    /// `SESSION_FILE_MODE`.
    ///
    /// ```
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let store = actix_typed_session::store::FilesystemStore::new(directory.path()).unwrap();
    /// let error = store.clone().mode(0o777).unwrap_err();
    /// assert_eq!(error.key(), "SESSION_FILE_MODE");
    /// let store = store.mode(0o660).unwrap();
    /// ```
    pub fn mode(mut self, mode: u32) -> Result<Self, ConfigError> {
        if mode & 0o600 != 0o600 || mode & !0o666 != 0 {
            let accepted = "accepted are `0600` with any of `0066`: the owner reads and writes, and nobody executes";
            return Err(ConfigError::bad_value("SESSION_FILE_MODE", format_args!("{mode:04o}"), accepted));
        }
        let disk = Arc::make_mut(&mut self.disk);
        disk.mode = mode;
        if self.made_root {
            disk.set_directory_mode(&disk.root).map_err(|error| {
                ConfigError::new(
                    "SESSION_FILE_MODE",
                    format_args!("can't be set on `{}`: {error}", disk.root.display()),
                )
            })?;
        }
        Ok(self)
    }

    /// The most records to keep: a new one that is over it removes those that expire soonest, the expired ones first.
    ///
    /// Default: 0, which is no limit: it ends live sessions, and a warning says so once a minute. A count reads the
    /// start of each file, so it is made at the first new record and then after each sixteenth of the threshold: so
    /// much may the records be over it, for each process. Up to a threshold of 15 it is exact, but for records that are
    /// made at the same moment.
    ///
    /// ```
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let store = actix_typed_session::store::FilesystemStore::new(directory.path()).unwrap();
    /// let store = store.threshold(100_000);
    /// ```
    #[must_use]
    pub fn threshold(mut self, records: u64) -> Self {
        self.threshold = records;
        self
    }

    /// How long a write waits for other writes of its session, and those that share its lock. Default: 2 seconds; at
    /// most an hour.
    ///
    /// ```
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let store = actix_typed_session::store::FilesystemStore::new(directory.path()).unwrap();
    /// let store = store.timeout(std::time::Duration::from_millis(500));
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(Duration::from_secs(3600));
        self
    }

    /// The clock that expiry goes by. Default: the system's, which the processes of a machine share.
    ///
    /// ```
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let store = actix_typed_session::store::FilesystemStore::new(directory.path()).unwrap();
    /// let store = store.clock(actix_typed_session::Clock::manual());
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        Arc::make_mut(&mut self.disk).clock = clock;
        self
    }
}

impl fmt::Debug for FilesystemStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilesystemStore")
            .field("directory", &self.disk.root)
            .field("mode", &format_args!("{:04o}", self.disk.mode))
            .field("threshold", &self.threshold)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl SessionStore for FilesystemStore {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        let name = Name::of(key);
        self.blocking(move |disk| {
            let found = disk.load(&name)?;
            // a folder that was never made holds nothing; a directory that is gone says nothing
            if found.is_none() {
                disk.check_root()?;
            }
            Ok(found)
        })
        .await
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        let (name, write) = (Name::of(key), Write::new(key, record)?);
        // a directory that was removed begins anew with the next new session
        let prepare = |disk: &Disk| disk.make_root().map(drop);
        let created = self
            .locked(name.clone(), prepare, move |disk, name| match disk.load(name)? {
                Some(current) => disk.settle_own(name, &current, &write).map(|()| Created::Taken),
                None => disk.store(name, &write).map(|()| Created::Created),
            })
            .await?;
        if created == Created::Created && self.is_count_due() {
            self.prune(name.file).await;
        }
        Ok(created)
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        let (write, expected) = (Write::new(key, record)?, *expected);
        self.locked(Name::of(key), Disk::check_root, move |disk, name| match disk.load(name)? {
            None => Ok(Updated::Gone),
            Some(current) if current.version != expected => {
                disk.settle_own(name, &current, &write).map(|()| Updated::Conflict(current))
            }
            Some(_) => disk.store(name, &write).map(|()| Updated::Done),
        })
        .await
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        self.locked(Name::of(key), Disk::check_root, move |disk, name| {
            let Some(mut record) = disk.load(name)? else { return Ok(false) };
            if expires_in > record.expires_in {
                record.expires_in = expires_in;
                disk.store(name, &Write { record })?;
            }
            Ok(true)
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.locked(Name::of(key), Disk::check_root, |disk, name| disk.remove(name)).await
    }

    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        let shared = Arc::clone(&self.shared);
        self.blocking(move |disk| {
            // a second sweep meanwhile waits for its turn in the one walk
            let mut cursor = shared.cursor.lock().unwrap_or_else(PoisonError::into_inner);
            disk.sweep(&mut cursor, limit)
        })
        .await
    }

    async fn count_expired(&self) -> Result<Option<u64>, StoreError> {
        self.blocking(|disk| disk.count_expired().map(Some)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.blocking(Disk::check_root).await
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        self.blocking(|disk| disk.make_root().and_then(|_| disk.check_writable())).await
    }

    fn name(&self) -> &'static str {
        "filesystem"
    }
}

/// What is to be written, known to be small enough.
struct Write {
    record: Record,
}

impl Write {
    fn new(key: &str, record: &Record) -> Result<Self, StoreError> {
        let (size, limit) = match key.len() > format::MAX_KEY {
            true => (key.len(), format::MAX_KEY),
            false => (record.bytes.len(), format::MAX_BYTES),
        };
        if size > limit {
            return Err(StoreError::new(
                StoreErrorKind::TooLarge,
                format!("the record's key or contents have {size} bytes, and a file takes {limit}"),
            ));
        }
        Ok(Self { record: record.clone() })
    }
}

impl Disk {
    /// The live record of a key.
    fn load(&self, name: &Name) -> Result<Option<Record>, StoreError> {
        let now = self.clock.now();
        let stored = self.read(name)?.filter(|stored| now <= stored.expiry);
        Ok(stored.map(|stored| Record {
            version: stored.version,
            bytes: stored.bytes,
            expires_in: Duration::from_millis((stored.expiry - now).max(1)),
        }))
    }

    /// Brings to the disk what this very write did before, when nobody could say so: the caller will take it as done.
    fn settle_own(&self, name: &Name, current: &Record, Write { record }: &Write) -> Result<(), StoreError> {
        match current.version == record.version {
            true => self.settle(name),
            false => Ok(()),
        }
    }

    fn store(&self, name: &Name, Write { record }: &Write) -> Result<(), StoreError> {
        let expiry = self.clock.now().saturating_add(millis(record.expires_in));
        self.replace(name, &format::encode(&name.key, expiry, &record.version, &record.bytes))
    }
}

#[cfg(test)]
mod tests;
