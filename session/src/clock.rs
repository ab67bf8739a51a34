//! The time that sessions go by.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The time that lifetimes are counted by: the system's, or one that a test moves.
///
/// Give the same clock to the middleware ([`SessionConfig::clock`](crate::SessionConfig::clock)) and to a store that
/// counts time by itself, and a test skips a month at no cost.
///
/// ```
/// # use std::time::Duration;
/// use actix_typed_session::Clock;
///
/// let clock = Clock::default();
/// let before = clock.now();
/// let tests = Clock::manual();
/// tests.advance(Duration::from_secs(31 * 24 * 60 * 60));
/// assert!(tests.now() >= before + 31 * 24 * 60 * 60 * 1000);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ahead: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// A clock that is the system's plus what [`advance`](Self::advance) added. Its clones move with it.
    ///
    /// ```
    /// use actix_typed_session::{Clock, SessionMiddleware, SessionConfig, store::MemoryStore};
    ///
    /// let clock = Clock::manual();
    /// let store = MemoryStore::default().clock(clock.clone());
    /// let sessions = SessionMiddleware::with_config(store, SessionConfig::new().clock(clock.clone()))?;
    /// # Ok::<(), actix_typed_session::ConfigError>(())
    /// ```
    #[must_use]
    pub fn manual() -> Self {
        Self { ahead: Some(Arc::default()) }
    }

    /// Moves a [`manual`](Self::manual) clock, and all its clones, ahead. The system's clock stays as it is.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use actix_typed_session::Clock;
    /// let clock = Clock::manual();
    /// let before = clock.elapsed();
    /// clock.clone().advance(Duration::from_secs(60));
    /// assert!(clock.elapsed() >= before + 60_000);
    /// ```
    pub fn advance(&self, by: Duration) {
        if let Some(ahead) = &self.ahead {
            ahead.fetch_add(millis(by), Ordering::SeqCst);
        }
    }

    /// Milliseconds since the Unix epoch, as other processes and machines count them too.
    ///
    /// A system clock that was never set, before 1970, counts as 0.
    ///
    /// ```
    /// # use actix_typed_session::Clock;
    /// let year_2020 = 1_577_836_800_000;
    /// assert!(Clock::default().now() > year_2020);
    /// ```
    #[must_use]
    pub fn now(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        millis(now).saturating_add(self.ahead())
    }

    /// Milliseconds since some moment in this process, never set back or forward by the system.
    ///
    /// For a store whose records end with the process. What other processes read needs [`now`](Self::now).
    ///
    /// ```
    /// # use actix_typed_session::Clock;
    /// let clock = Clock::default();
    /// let begin = clock.elapsed();
    /// assert!(clock.elapsed() >= begin);
    /// ```
    #[must_use]
    pub fn elapsed(&self) -> u64 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        millis(START.elapsed()).saturating_add(self.ahead())
    }

    fn ahead(&self) -> u64 {
        self.ahead.as_ref().map_or(0, |ahead| ahead.load(Ordering::SeqCst))
    }
}

/// How far the clocks of two machines may differ, in milliseconds.
pub(crate) const SKEW: u64 = 60_000;

/// A duration in whole milliseconds, rounded up, so that an expiry is never earlier than asked.
pub(crate) fn millis(duration: Duration) -> u64 {
    let begun = u64::from(duration.subsec_nanos().div_ceil(1_000_000));
    duration.as_secs().saturating_mul(1000).saturating_add(begun)
}
