//! Deleting expired records: after a request, from time to time, or all at once.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::{Either, select};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval_at},
};

use crate::{error::StoreError, store::Swept, worker::Worker};

/// A task that deletes expired records from time to time, made by
/// [`SessionMiddleware::sweep_every`](crate::SessionMiddleware::sweep_every). It ends when this is dropped.
///
/// ```
/// use actix_typed_session::{SessionMiddleware, store::MemoryStore};
/// use std::time::Duration;
///
/// # #[actix_web::main] async fn main() {
/// let sessions = SessionMiddleware::new(MemoryStore::default());
/// let sweeper = sessions.sweep_every(Duration::from_secs(5 * 60));
/// // the server runs
/// sweeper.stop().await;
/// # }
/// ```
#[must_use = "the task ends when this is dropped"]
pub struct Sweeper {
    /// Is never used: that it is gone tells the task to stop.
    going: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Sweeper {
    /// Ends the task, and waits for the call to the store that is under way, so that nothing is cut off.
    ///
    /// ```
    /// # use actix_typed_session::Sweeper;
    /// async fn shut_down(sweeper: Sweeper) {
    ///     sweeper.stop().await;
    /// }
    /// ```
    pub async fn stop(self) {
        drop(self.going);
        // it fails if its runtime is gone, and then it has ended too
        let _ = self.task.await;
    }

    pub(crate) fn start(worker: Arc<Worker>, period: Duration) -> Self {
        let (going, gone) = watch::channel(());
        Self { going, task: tokio::spawn(run(worker, period, gone)) }
    }
}

impl fmt::Debug for Sweeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweeper").finish_non_exhaustive()
    }
}

/// Deletes all expired records, a batch at a time; says how many those were.
pub(crate) async fn all(worker: &Worker) -> Result<u64, StoreError> {
    batches(worker, || false).await
}

/// Deletes a batch after one of so many requests that used a session, where that is asked for. One at a time: where the
/// store is slow, requests don't pile up sweeps.
pub(crate) fn by_chance(worker: &Arc<Worker>) {
    let Some(requests) = worker.core.config.cleanup_n_requests else { return };
    if rand::random_range(0..requests.max(1)) > 0 || worker.is_sweeping.swap(true, Ordering::Relaxed) {
        return;
    }
    let sweeping = Sweeping(worker.clone());
    tokio::spawn(async move { sweeping.0.sweep().await.map(drop) });
}

/// A sweep under way.
struct Sweeping(Arc<Worker>);

impl Drop for Sweeping {
    fn drop(&mut self) {
        self.0.is_sweeping.store(false, Ordering::Relaxed);
    }
}

async fn run(worker: Arc<Worker>, period: Duration, mut gone: watch::Receiver<()>) {
    let period = period.max(Duration::from_secs(1));
    // servers that are started together take turns
    let first = Instant::now() + period.mul_f64(rand::random_range(0.0..1.0));
    let mut ticks = interval_at(first, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut due = async |gone: &mut watch::Receiver<()>| {
        matches!(select(pin!(ticks.tick()), pin!(gone.changed())).await, Either::Left(_))
    };
    while due(&mut gone).await {
        // the log has been told of a failure, and the next time may be better
        let _ = batches(&worker, || gone.has_changed().is_err()).await;
    }
}

/// So many calls walk over tens of millions of objects in object storage.
const CALLS_MAX: usize = 100_000;

async fn batches(worker: &Worker, mut is_over: impl FnMut() -> bool) -> Result<u64, StoreError> {
    let mut swept = 0;
    // others may write records that expire as fast as these are deleted
    for _ in 0..CALLS_MAX {
        let Swept { deleted, more } = worker.sweep().await?;
        swept += deleted;
        if !more || is_over() {
            break;
        }
    }
    Ok(swept)
}
