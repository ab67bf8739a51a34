//! A future that goes on by itself when the one who waits for it is gone.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{FutureExt, future::BoxFuture};

/// A future that is spawned on the runtime when it is dropped before its end.
pub(crate) struct Detached<T: Send + 'static>(Option<BoxFuture<'static, T>>);

impl<T: Send + 'static> Detached<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(future.boxed()))
    }
}

impl<T: Send + 'static> Future for Detached<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(future) = &mut self.0 else { return Poll::Pending };
        let output = std::task::ready!(future.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(output)
    }
}

impl<T: Send + 'static> Drop for Detached<T> {
    fn drop(&mut self) {
        // without a runtime, the program is at its end
        if let (Some(future), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(future);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_future_that_is_dropped_half_way_goes_on() {
        let (open, gate) = oneshot::channel::<()>();
        let (done, finished) = oneshot::channel();
        let detached = Detached::new(async move {
            let _ = gate.await;
            let _ = done.send("finished");
        });
        assert!(detached.now_or_never().is_none());
        let _ = open.send(());
        assert_eq!(finished.await, Ok("finished"));
    }
}
