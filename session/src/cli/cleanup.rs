//! `cleanup`: expired sessions, a batch at a time.

use std::{
    io::{self, Write as _},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::{failure::Failure, out::Out};
use crate::{
    error::StoreError,
    store::{SessionStore, Swept},
};

/// So many calls that fail are a store that is down, or a record that can't be read, and fewer bad luck.
const FAILURES_MAX: u32 = 3;

pub(super) async fn cleanup(
    store: &dyn SessionStore,
    batch: u64,
    dry_run: bool,
    is_terminal: bool,
    out: &mut Out,
) -> Result<(), Failure> {
    let counted = match store.count_expired().await {
        Ok(counted) => counted,
        Err(error) if dry_run => return Err(error.into()),
        // a great many may take longer to count than the store has time, and are deleted in batches
        Err(_) => None,
    };
    if dry_run {
        let Some(expired) = counted else {
            return Err(Failure::usage(format!("the store `{}` can't count expired sessions", store.name())));
        };
        return out
            .say(&json!({ "expired": expired }), |to| writeln!(to, "{expired} expired sessions would be deleted"));
    }
    let began = Instant::now();
    let mut progress = Progress::new(counted, is_terminal, out.is_json());
    let swept = sweep(store, counted, batch, &mut progress).await;
    progress.end();
    let (deleted, took) = (progress.deleted, began.elapsed());
    if let Err(failure) = swept {
        // what a call deleted before it failed is not known
        let how_far = match store.count_expired().await {
            Ok(Some(left)) => format!("{left} expired sessions are left"),
            _ => format!("{deleted} expired sessions were deleted before"),
        };
        return Err(Failure::failed(format!("{failure}; {how_far}")));
    }
    out.say(&json!({ "deleted": deleted, "seconds": took.as_secs_f64() }), |to| {
        writeln!(to, "{deleted} expired sessions deleted in {:.1} s", took.as_secs_f64())
    })
}

/// Deletes what had expired at the beginning, but for what somebody else has deleted.
async fn sweep(
    store: &dyn SessionStore,
    counted: Option<u64>,
    batch: u64,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let (mut failures, mut left) = (0, counted);
    let mut failed: Option<StoreError> = None;
    while failures < FAILURES_MAX {
        match store.delete_expired(batch).await {
            Ok(Swept { deleted, more }) => {
                left = left.map(|left| left.saturating_sub(deleted));
                progress.add(deleted);
                if more {
                    continue;
                }
            }
            Err(error) => {
                failures += 1;
                failed.get_or_insert(error);
                continue;
            }
        }
        // two sweeps at once leave what either of them sees in use
        let now = if left == Some(0) { left } else { store.count_expired().await.unwrap_or_default() };
        if now.is_none_or(|now| now == 0 || left.is_some_and(|left| now >= left)) {
            break;
        }
        left = now;
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// Tells how far it is.
struct Progress {
    deleted: u64,
    told: Told,
}

enum Told {
    Bar(ProgressBar),
    /// When the last line was written, and when the first thing was done.
    Lines(Instant, Instant),
    Nothing,
}

/// How long there is silence between two lines.
const PAUSE: Duration = Duration::from_secs(2);

impl Progress {
    fn new(counted: Option<u64>, is_terminal: bool, is_json: bool) -> Self {
        let now = Instant::now();
        let told = match () {
            () if is_json => Told::Nothing,
            () if is_terminal => Told::Bar(bar(counted)),
            () => Told::Lines(now, now),
        };
        Self { deleted: 0, told }
    }

    fn add(&mut self, deleted: u64) {
        self.deleted += deleted;
        match &mut self.told {
            Told::Bar(bar) => bar.inc(deleted),
            Told::Lines(last, began) if last.elapsed() >= PAUSE => {
                *last = Instant::now();
                let seconds = began.elapsed().as_secs().max(1);
                // nobody may be reading, and the work goes on
                let _ = writeln!(io::stderr(), "{} deleted, {} a second", self.deleted, self.deleted / seconds);
            }
            Told::Lines(..) | Told::Nothing => {}
        }
    }

    fn end(&self) {
        if let Told::Bar(bar) = &self.told {
            bar.finish_and_clear();
        }
    }
}

fn bar(counted: Option<u64>) -> ProgressBar {
    let template = match counted {
        Some(_) => "{wide_bar} {human_pos} of {human_len} deleted, {per_sec}, {eta} left",
        None => "{spinner} {human_pos} deleted, {per_sec}, {elapsed}",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(counted, ProgressDrawTarget::stderr());
    bar.set_style(style);
    bar
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::Duration,
    };

    use super::*;
    use crate::store::{Created, Record, StoreErrorKind, Updated, Version, async_trait};

    /// A store of so many expired records, which counts no more than a thousand in its time.
    struct Large(AtomicU64);

    #[async_trait]
    impl SessionStore for Large {
        async fn load(&self, _: &str) -> Result<Option<Record>, StoreError> {
            Ok(None)
        }

        async fn create(&self, _: &str, _: &Record) -> Result<Created, StoreError> {
            Ok(Created::Created)
        }

        async fn update(&self, _: &str, _: &Record, _: &Version) -> Result<Updated, StoreError> {
            Ok(Updated::Gone)
        }

        async fn touch(&self, _: &str, _: Duration) -> Result<bool, StoreError> {
            Ok(false)
        }

        async fn delete(&self, _: &str) -> Result<(), StoreError> {
            Ok(())
        }

        async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
            let left = self.0.load(Ordering::Relaxed);
            self.0.store(left.saturating_sub(limit), Ordering::Relaxed);
            Ok(Swept { deleted: left.min(limit), more: left > limit })
        }

        async fn count_expired(&self) -> Result<Option<u64>, StoreError> {
            match self.0.load(Ordering::Relaxed) {
                left @ 0..=1000 => Ok(Some(left)),
                _ => Err(StoreError::new(StoreErrorKind::Unavailable, "it did not answer within 2s")),
            }
        }

        async fn ping(&self) -> Result<(), StoreError> {
            Ok(())
        }

        fn name(&self) -> &'static str {
            "large"
        }
    }

    #[tokio::test]
    async fn what_is_too_much_to_be_counted_in_time_is_deleted_all_the_same() {
        let store = Large(AtomicU64::new(5_000));
        let mut out = Out::new(true);
        assert!(cleanup(&store, 100, true, false, &mut out).await.is_err(), "a dry run has nothing to say");
        assert!(cleanup(&store, 100, false, false, &mut out).await.is_ok());
        assert_eq!(store.0.into_inner(), 0);
    }
}
