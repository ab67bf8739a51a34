//! The store's own connections: opened when they are needed, and never used again after a call that did not end well.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Handle, Id},
    sync::{Semaphore, SemaphorePermit},
};

use super::{server::Db, statements::Effect};

/// After so long without use a connection is replaced: what lies between may have forgotten it.
const LONGEST_IDLE: Duration = Duration::from_secs(5 * 60);
/// After so long it is replaced anyway, so that a name that points elsewhere by now is looked up again.
const LONGEST_LIFE: Duration = Duration::from_secs(30 * 60);

/// Connections to one server, a few at most.
///
/// The driver's own pool is not used, for four reasons: it asks the server for a sign of life after each use; it waits out
/// all of its time where a server refuses connections; it hands out a connection whose last call was cut short; and it
/// does not tell a statement that may have been sent from one that was not.
pub(super) struct Own<D: Db> {
    connect: Arc<D::Connect>,
    most: usize,
    permits: Semaphore,
    /// For a database that has one writer at a time.
    writers: Option<Semaphore>,
    idle: Mutex<Vec<Idle<D>>>,
}

struct Idle<D: Db> {
    connection: D::Connection,
    opened: Instant,
    used: Instant,
    runtime: Option<Id>,
}

/// A connection, or the app's; closed when dropped, unless it is given back.
pub(super) struct Lease<'a, D: Db> {
    held: Option<Held<'a, D>>,
    /// Whether it was used before, and so may have been lost since.
    pub(super) reused: bool,
}

enum Held<'a, D: Db> {
    Own { pool: &'a Own<D>, idle: Idle<D>, _permit: SemaphorePermit<'a>, _writer: Option<SemaphorePermit<'a>> },
    App(sqlx::pool::PoolConnection<D>),
}

impl<D: Db> Own<D> {
    pub(super) fn new(connect: Arc<D::Connect>, most: usize) -> Self {
        Self {
            connect,
            most,
            permits: Semaphore::new(most),
            writers: D::ONE_WRITER.then(|| Semaphore::new(1)),
            idle: Mutex::default(),
        }
    }

    /// The same for another runtime.
    pub(super) fn another(&self) -> Self {
        Self::new(Arc::clone(&self.connect), self.most)
    }

    /// The same with at most so many connections, none of whose statements may last longer than this.
    pub(super) fn tuned(&self, most: usize, timeout: Duration) -> Self {
        Self::new(Arc::new(D::tuned(&self.connect, timeout)), most)
    }

    pub(super) fn connect(&self) -> &D::Connect {
        &self.connect
    }

    /// A connection that nobody else uses; a new one if it has to be, or `fresh` asks for it.
    pub(super) async fn lease(&self, effect: Effect, fresh: bool) -> Result<Lease<'_, D>, sqlx::Error> {
        let closed = |_| sqlx::Error::PoolClosed;
        let writer = match &self.writers {
            Some(writers) if effect == Effect::Write => Some(writers.acquire().await.map_err(closed)?),
            _ => None,
        };
        let permit = self.permits.acquire().await.map_err(closed)?;
        let runtime = Handle::try_current().ok().map(|runtime| runtime.id());
        let found = if fresh { None } else { self.pop(runtime) };
        let reused = found.is_some();
        let idle = match found {
            Some(idle) => idle,
            None => {
                let connection = D::connect(&self.connect).await?;
                let now = Instant::now();
                Idle { connection, opened: now, used: now, runtime }
            }
        };
        Ok(Lease { held: Some(Held::Own { pool: self, idle, _permit: permit, _writer: writer }), reused })
    }

    /// Closes what is not in use: it is no better than the connection that was just found lost.
    pub(super) fn forget(&self) {
        self.idle().clear();
    }

    fn pop(&self, runtime: Option<Id>) -> Option<Idle<D>> {
        let mut idle = self.idle();
        // a connection is driven by the runtime that opened it, and is of no use to another one
        let is_usable = |idle: &Idle<D>| D::ANY_RUNTIME || idle.runtime == runtime;
        idle.retain(|idle| idle.used.elapsed() < LONGEST_IDLE && idle.opened.elapsed() < LONGEST_LIFE);
        let found = idle.iter().rposition(is_usable)?;
        Some(idle.remove(found))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle<D>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: Db> fmt::Debug for Own<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Own").field("most", &self.most).finish_non_exhaustive()
    }
}

impl<'a, D: Db> Lease<'a, D> {
    /// A connection of the app's pool.
    pub(super) async fn of(pool: &sqlx::Pool<D>) -> Result<Self, sqlx::Error> {
        Ok(Self { held: Some(Held::App(pool.acquire().await?)), reused: true })
    }

    pub(super) fn connection(&mut self) -> Option<&mut D::Connection> {
        match self.held.as_mut()? {
            Held::Own { idle, .. } => Some(&mut idle.connection),
            Held::App(connection) => Some(connection),
        }
    }

    /// For the next one: the call has ended, and nothing of it is on its way.
    pub(super) fn give_back(mut self) {
        match self.held.take() {
            Some(Held::Own { pool, mut idle, .. }) => {
                idle.used = Instant::now();
                let mut all = pool.idle();
                if all.len() >= pool.most {
                    // the one that was used longest ago, perhaps by a runtime that is gone
                    all.remove(0);
                }
                all.push(idle);
            }
            Some(Held::App(connection)) => drop(connection),
            None => {}
        }
    }
}

impl<D: Db> Drop for Lease<'_, D> {
    fn drop(&mut self) {
        match self.held.take() {
            // the driver would ask a runtime that is not there to replace it
            Some(Held::App(connection)) if Handle::try_current().is_err() => std::mem::forget(connection),
            Some(Held::App(connection)) => drop(connection.detach()),
            // without a goodbye: somebody else's answer may be under way on it
            Some(Held::Own { .. }) | None => {}
        }
    }
}
