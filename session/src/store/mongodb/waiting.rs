//! [`Waiting`]: work of the driver that may be given up, though not in the driver's queue.
//!
//! For each thing that happens to its pool, the driver serves one of those who wait for a connection, and does not look for
//! another if that one has gone. Who leaves the queue thus takes the turn of somebody who is still in it: after a time in
//! which many give up, nobody is served any more, by a server that is well.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use tokio::{runtime::Handle, time::timeout};

/// The longest that somebody stays in the queue who no longer needs what he waits for: longer than the driver needs to see
/// that its server is gone, when it empties the queue.
const STAY: Duration = Duration::from_secs(30);

/// A future that, when it is dropped, stays where it is until what it waits for has come. It is not polled again, so that it
/// does nothing with that.
pub(super) struct Waiting<F: Future + Send + 'static> {
    work: Option<Pin<Box<F>>>,
    turn: Arc<Turn>,
    may_end: Arc<AtomicBool>,
}

/// Whether what the work waits for has come, and who is to know.
#[derive(Default)]
struct Turn {
    has_come: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_come.store(true, Ordering::SeqCst);
        self.task.wake();
    }
}

impl<F: Future + Send + 'static> Waiting<F> {
    /// Once `may_end` is true, it ends where it is dropped.
    pub(super) fn new(work: F, may_end: Arc<AtomicBool>) -> Self {
        Self { work: Some(Box::pin(work)), turn: Arc::default(), may_end }
    }
}

impl<F: Future + Send + 'static> Future for Waiting<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let turn = Arc::clone(&self.turn);
        turn.task.register(context.waker());
        turn.has_come.store(false, Ordering::SeqCst);
        let Some(work) = &mut self.work else { return Poll::Pending };
        let polled = work.as_mut().poll(&mut Context::from_waker(&Waker::from(turn)));
        if polled.is_ready() {
            self.work = None;
        }
        polled
    }
}

impl<F: Future + Send + 'static> Drop for Waiting<F> {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        if self.may_end.load(Ordering::SeqCst) || self.turn.has_come.load(Ordering::SeqCst) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let turn = Arc::clone(&self.turn);
        runtime.spawn(async move {
            let come = std::future::poll_fn(|context| {
                turn.task.register(context.waker());
                if turn.has_come.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
            });
            let _ = timeout(STAY, come).await;
            drop(work);
        });
    }
}
