//! [`Joint`]: a future that several wait for, at next to no cost where only one does.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use futures_util::future::BoxFuture;

/// A future whose output all its clones get. Whoever polls drives it, so that it goes on when the one who began it is
/// gone, and rests while nobody waits.
///
/// `futures_util::future::Shared` does the same, but it wakes its only waiter once more when it is done, and an
/// actix-web connection that is woken without need costs as much as a short handler.
pub(crate) struct Joint<T> {
    step: Arc<Mutex<Step<T>>>,
}

enum Step<T> {
    Running { future: BoxFuture<'static, T>, waiting: Waiting },
    Done(T),
}

/// Who is to be woken.
#[derive(Default)]
struct Waiting {
    each: Vec<Waker>,
    /// One for all of them, where they are more than one.
    all: Option<Waker>,
}

impl<T> Joint<T> {
    pub(crate) fn new(future: BoxFuture<'static, T>) -> Self {
        Self { step: Arc::new(Mutex::new(Step::Running { future, waiting: Waiting::default() })) }
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.step, &other.step)
    }

    fn step(&self) -> MutexGuard<'_, Step<T>> {
        // a future that panicked is polled again, and says so itself
        self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Joint<T> {
    /// The output, if somebody has waited for it already.
    pub(crate) fn peek(&self) -> Option<T> {
        match &*self.step() {
            Step::Running { .. } => None,
            Step::Done(output) => Some(output.clone()),
        }
    }
}

impl<T> Clone for Joint<T> {
    fn clone(&self) -> Self {
        Self { step: self.step.clone() }
    }
}

impl<T: Clone> Future for Joint<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut step = self.step();
        let (future, waiting) = match &mut *step {
            Step::Running { future, waiting } => (future, waiting),
            Step::Done(output) => return Poll::Ready(output.clone()),
        };
        let mine = cx.waker();
        waiting.add(mine);
        // the future knows the last waker only, and any of those who wait may be gone when it is woken
        let waker = waiting.all.as_ref().unwrap_or(mine);
        let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(waker)) else { return Poll::Pending };
        let mut others = std::mem::take(&mut waiting.each);
        let done = std::mem::replace(&mut *step, Step::Done(output.clone()));
        drop(step);
        drop(done);
        others.retain(|waker| !waker.will_wake(mine));
        others.into_iter().for_each(Waker::wake);
        Poll::Ready(output)
    }
}

impl Waiting {
    fn add(&mut self, mine: &Waker) {
        if !self.each.iter().any(|waker| waker.will_wake(mine)) {
            self.each.push(mine.clone());
            self.all = (self.each.len() > 1).then(|| Waker::from(Arc::new(All(self.each.clone()))));
        }
    }
}

/// Wakes all who wait.
struct All(Vec<Waker>);

impl Wake for All {
    fn wake(self: Arc<Self>) {
        self.0.iter().for_each(Waker::wake_by_ref);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        task::Poll::{Pending, Ready},
    };

    use futures_util::FutureExt;
    use tokio::sync::oneshot;

    use super::*;

    /// One who waits, and how often that one was woken.
    #[derive(Default)]
    struct Waiter(AtomicUsize);

    impl Wake for Waiter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Waiter {
        fn poll(self: &Arc<Self>, joint: &mut Joint<u8>) -> Poll<u8> {
            joint.poll_unpin(&mut Context::from_waker(&Waker::from(self.clone())))
        }

        fn woken(&self) -> usize {
            self.0.swap(0, Ordering::SeqCst)
        }
    }

    fn joint() -> (oneshot::Sender<u8>, Joint<u8>) {
        let (gate, opened) = oneshot::channel();
        (gate, Joint::new(opened.map(|opened| opened.unwrap_or(0)).boxed()))
    }

    #[test]
    fn who_waits_alone_is_woken_once() {
        let (gate, mut joint) = joint();
        let waiter = Arc::<Waiter>::default();
        assert_eq!(waiter.poll(&mut joint), Pending);
        assert_eq!(waiter.poll(&mut joint), Pending);
        let _ = gate.send(7);
        assert_eq!(waiter.woken(), 1);
        assert_eq!(waiter.poll(&mut joint), Ready(7));
        assert_eq!(waiter.woken(), 0);
    }

    #[test]
    fn all_who_wait_are_woken_and_get_the_output() {
        let (gate, first) = joint();
        let mut waiters: Vec<_> = (0..3).map(|_| (Arc::<Waiter>::default(), first.clone())).collect();
        for (waiter, joint) in &mut waiters {
            assert_eq!(waiter.poll(joint), Pending);
        }
        let _ = gate.send(7);
        for (waiter, joint) in &mut waiters {
            assert!(waiter.woken() > 0);
            assert_eq!(waiter.poll(joint), Ready(7));
        }
        assert_eq!(first.peek(), Some(7));
    }

    #[test]
    fn the_others_go_on_when_the_last_who_polled_is_gone_or_looks_away() {
        for gone in [true, false] {
            let (gate, mut first) = joint();
            let (stays, leaves) = (Arc::<Waiter>::default(), Arc::<Waiter>::default());
            assert_eq!(stays.poll(&mut first), Pending);
            let mut second = Some(first.clone());
            assert_eq!(leaves.poll(second.as_mut().unwrap()), Pending);
            if gone {
                second = None;
            }
            let _ = gate.send(7);
            assert!(stays.woken() > 0, "gone: {gone}");
            assert_eq!(stays.poll(&mut first), Ready(7));
            drop(second);
        }
    }

    #[test]
    fn who_looks_while_another_waits_is_told_when_that_one_is_done() {
        let (gate, mut first) = joint();
        let mut second = first.clone();
        let (one, other) = (Arc::<Waiter>::default(), Arc::<Waiter>::default());
        assert_eq!(one.poll(&mut first), Pending);
        assert_eq!(other.poll(&mut second), Pending);
        let _ = gate.send(7);
        let _ = (one.woken(), other.woken());
        assert_eq!(one.poll(&mut first), Ready(7));
        assert_eq!((one.woken(), other.woken()), (0, 1));
    }

    #[test]
    fn however_often_two_look_a_joint_within_knows_them_once() {
        let (_gate, inner) = joint();
        let mut first = Joint::new(inner.clone().boxed());
        let mut second = first.clone();
        let (one, other) = (Arc::<Waiter>::default(), Arc::<Waiter>::default());
        for _ in 0..100 {
            assert_eq!((one.poll(&mut first), other.poll(&mut second)), (Pending, Pending));
        }
        let Step::Running { waiting, .. } = &*inner.step() else { panic!("it is not done") };
        assert!(waiting.each.len() <= 2, "{}", waiting.each.len());
    }

    #[test]
    fn there_is_nothing_to_peek_at_before_it_is_done() {
        let (_gate, first) = joint();
        assert_eq!(first.peek(), None);
        assert!(first.is(&first.clone()) && !first.is(&joint().1));
    }
}
