//! Where the work is done: on the runtime's blocking threads, one writer of a folder at a time.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Mutex as AsyncMutex, OwnedMutexGuard},
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    FilesystemStore,
    disk::{Disk, Lock},
    name::{FOLDERS, Name},
    sweep::Cursor,
};
use crate::{
    events,
    store::{StoreError, StoreErrorKind, seldom::Seldom},
};

/// What the clones of a store have in common.
pub(super) struct Shared {
    /// One writer of this process at a time asks for the lock of a folder; the others wait here, without polling.
    pub(super) queues: Box<[Arc<AsyncMutex<()>>]>,
    pub(super) cursor: Mutex<Cursor>,
    /// How many records may be made until they are counted.
    uncounted: AtomicU64,
    warning: Seldom,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            queues: (0..FOLDERS).map(|_| Arc::default()).collect(),
            cursor: Mutex::default(),
            uncounted: AtomicU64::new(0),
            warning: Seldom::default(),
        }
    }
}

impl FilesystemStore {
    /// Works under the lock of a key. It goes on to its end if the caller gives up, and others wait until then.
    pub(super) async fn locked<T, W>(
        &self,
        name: Name,
        prepare: fn(&Disk) -> Result<(), StoreError>,
        work: W,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Disk, &Name) -> Result<T, StoreError> + Send + 'static,
    {
        let until = Instant::now() + self.timeout;
        let queue = self.shared.queues.get(usize::from(name.folder)).cloned().unwrap_or_default();
        let mut turn = timeout_at(until, queue.lock_owned()).await.map_err(|_| self.busy())?;
        let mut work = work;
        let mut pause = Duration::from_millis(1);
        loop {
            let name = name.clone();
            let attempt = self.blocking(move |disk| {
                prepare(disk)?;
                let Some(lock) = disk.try_lock(name.folder)? else { return Ok(Attempt::Busy(turn, work)) };
                let outcome = work(disk, &name);
                drop::<Lock>(lock);
                drop(turn);
                outcome.map(Attempt::Done)
            });
            match attempt.await? {
                Attempt::Done(outcome) => return Ok(outcome),
                Attempt::Busy(..) if Instant::now() + pause > until => return Err(self.busy()),
                Attempt::Busy(same_turn, same_work) => (turn, work) = (same_turn, same_work),
            }
            // of two processes that wait, neither keeps step with the other
            sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
            pause = (pause * 2).min(Duration::from_millis(16));
        }
    }

    /// Works on a blocking thread, and to its end.
    pub(super) async fn blocking<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Disk) -> Result<T, StoreError> + Send + 'static,
    {
        let disk = Arc::clone(&self.disk);
        tokio::task::spawn_blocking(move || work(&disk)).await.unwrap_or_else(|error| {
            let kind = match error.is_cancelled() {
                true => StoreErrorKind::Unavailable,
                false => StoreErrorKind::OutcomeUnknown,
            };
            Err(StoreError::new(kind, "the work on a session's file was cut short").with_source(error))
        })
    }

    fn busy(&self) -> StoreError {
        StoreError::new(
            StoreErrorKind::Unavailable,
            format!("other writes held a lock in `{}` for longer than {:?}", self.disk.root.display(), self.timeout),
        )
    }

    /// Whether the new record is the one after which they are counted.
    pub(super) fn is_count_due(&self) -> bool {
        let every = self.threshold / 16 + 1;
        self.threshold > 0 && self.shared.uncounted.fetch_add(1, Ordering::Relaxed).is_multiple_of(every)
    }

    /// Keeps to the threshold. The new record stays whatever comes of it, and does not wait for it for long.
    pub(super) async fn prune(&self, except: String) {
        let (store, threshold) = (self.clone(), self.threshold);
        let pruning = self.blocking(move |disk| {
            let (live, trouble) = disk.prune(threshold, &except);
            if live > 0 && store.shared.warning.is_due(disk.clock.elapsed()) {
                events::store_full("filesystem", threshold, "`SESSION_FILE_THRESHOLD`");
            }
            if let Some(error) = trouble {
                events::prune_failed(&error);
            }
            Ok(())
        });
        let _ = timeout(self.timeout / 4, pruning).await;
    }
}

/// What came of an attempt at a lock.
enum Attempt<T, W> {
    Done(T),
    Busy(OwnedMutexGuard<()>, W),
}
