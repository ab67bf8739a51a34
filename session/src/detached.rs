//! A joint future that goes on by itself when the one who waits for it is gone.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use crate::joint::Joint;

/// An interest in a future: when it ends before the future does, that is spawned on the runtime.
pub(crate) struct Detached<T: Clone + Send + Sync + 'static> {
    future: Joint<T>,
    done: bool,
}

impl<T: Clone + Send + Sync + 'static> Detached<T> {
    pub(crate) fn new(future: Joint<T>) -> Self {
        Self { future, done: false }
    }

    /// The future itself.
    pub(crate) fn future(&self) -> &Joint<T> {
        &self.future
    }
}

impl<T: Clone + Send + Sync + 'static> Future for Detached<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if self.done {
            return Poll::Pending;
        }
        let output = std::task::ready!(Pin::new(&mut self.future).poll(cx));
        self.done = true;
        Poll::Ready(output)
    }
}

impl<T: Clone + Send + Sync + 'static> Drop for Detached<T> {
    fn drop(&mut self) {
        // without a runtime, the program is at its end
        if let (false, Ok(runtime)) = (self.done, tokio::runtime::Handle::try_current()) {
            runtime.spawn(self.future.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_future_that_is_dropped_half_way_goes_on() {
        let (open, gate) = oneshot::channel::<()>();
        let (done, finished) = oneshot::channel();
        let future = async move {
            let _ = gate.await;
            let _ = done.send("finished");
        };
        let detached = Detached::new(Joint::new(future.boxed()));
        assert!(detached.now_or_never().is_none());
        let _ = open.send(());
        assert_eq!(finished.await, Ok("finished"));
    }
}
