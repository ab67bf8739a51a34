//! [`Seldom`]: an event that matters once, not a thousand times a second.

use std::sync::atomic::{AtomicU64, Ordering};

/// Lets an event through once a minute.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    /// When it may be told again.
    next: AtomicU64,
}

impl Seldom {
    const PAUSE: u64 = 60_000;

    /// Whether to tell it now; `elapsed` is [`Clock::elapsed`](crate::Clock::elapsed).
    pub(crate) fn is_due(&self, elapsed: u64) -> bool {
        let next = self.next.load(Ordering::Relaxed);
        elapsed >= next
            && self
                .next
                .compare_exchange(next, elapsed.saturating_add(Self::PAUSE), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Seldom;

    #[test]
    fn an_event_is_told_once_a_minute() {
        let seldom = Seldom::default();
        assert_eq!(
            [0, 1, 59_999, 60_000, 60_001, 200_000].map(|at| seldom.is_due(at)),
            [true, false, false, true, false, true]
        );
    }
}
