//! Times, as people and programs read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A time as in RFC 3339, in whole seconds of UTC.
pub(super) fn at(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// The same of milliseconds since the epoch.
pub(super) fn at_millis(millis: u64) -> String {
    at(UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH))
}

/// A duration in its two largest units: `3d 4h`, `59s`.
pub(super) fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A duration in milliseconds with a tenth, or microseconds where that is little.
pub(super) fn trip(duration: Duration) -> String {
    if duration < Duration::from_millis(10) {
        return format!("{} µs", duration.as_micros());
    }
    format!("{} ms", duration.as_millis())
}

/// Year, month and day of so many days after 1970-01-01, counted in years that begin in March.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_in_rfc_3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(at_millis(seconds * 1000 + 999), text);
        }
    }

    #[test]
    fn a_length_is_its_two_largest_units() {
        let of = |seconds| length(Duration::from_secs(seconds));
        assert_eq!([of(0), of(59), of(61), of(3660), of(100_000)], ["0s", "59s", "1m 1s", "1h 1m", "1d 3h"]);
    }
}
