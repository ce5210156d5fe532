//! Durations, times and shares, as people read them.

use acd::metrics::Ratio;
use jiff::Timestamp;

/// A duration, in its two largest units: `350ms`, `7.5s`, `1m 23s`, `2h 05m`, `3d 4h`.
pub(crate) fn duration(ms: u64) -> String {
    let (s, m, h, d) = (ms / 1_000, ms / 60_000, ms / 3_600_000, ms / 86_400_000);
    match ms {
        0 => "0s".into(),
        1..=999 => format!("{ms}ms"),
        1_000..=9_999 if !ms.is_multiple_of(1_000) => format!("{s}.{}s", ms % 1_000 / 100),
        1_000..=59_999 => format!("{s}s"),
        60_000..=3_599_999 if s % 60 == 0 => format!("{m}m"),
        60_000..=3_599_999 => format!("{m}m {:02}s", s % 60),
        3_600_000..=86_399_999 if m % 60 == 0 => format!("{h}h"),
        3_600_000..=86_399_999 => format!("{h}h {:02}m", m % 60),
        _ if h % 24 == 0 => format!("{d}d"),
        _ => format!("{d}d {}h", h % 24),
    }
}

/// An instant of log time in UTC: `2027-02-01 10:00:00Z`.
pub(crate) fn time(ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.map_or_else(
        // Beyond the year 9999 no node has a time; the number is all there is to say.
        || format!("{ms} ms"),
        |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
    )
}

/// An instant before now: `2027-02-01 10:00:00Z, 1m 23s ago`.
pub(crate) fn ago(ms: u64, now_ms: u64) -> String {
    format!("{}, {} ago", time(ms), duration(now_ms.saturating_sub(ms)))
}

/// An instant after now: `2027-02-01 10:00:00Z, in 1m 23s`; one that has passed is due.
pub(crate) fn ahead(ms: u64, now_ms: u64) -> String {
    match ms.checked_sub(now_ms) {
        Some(left) if left > 0 => format!("{}, in {}", time(ms), duration(left)),
        _ => format!("{}, due now", time(ms)),
    }
}

/// A share: `87.5 %`, or `no data`.
pub(crate) fn percent(ratio: Ratio) -> String {
    ratio
        .per_mille()
        .map_or_else(|| "no data".into(), |tenths| format!("{}.{} %", tenths / 10, tenths % 10))
}

/// `1 agent`, `2 agents`.
pub(crate) fn one_of(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_its_two_largest_units() {
        for (ms, text) in [
            (0, "0s"),
            (350, "350ms"),
            (1_000, "1s"),
            (7_549, "7.5s"),
            (23_900, "23s"),
            (60_000, "1m"),
            (83_000, "1m 23s"),
            (3_600_000, "1h"),
            (7_500_000, "2h 05m"),
            (86_400_000, "1d"),
            (273_600_000, "3d 4h"),
        ] {
            assert_eq!(duration(ms), text);
        }
        assert_eq!(duration(u64::MAX), "213503982334d 14h");
    }

    #[test]
    fn an_instant_is_in_utc() {
        assert_eq!(time(1_801_476_000_000), "2027-02-01 10:00:00Z");
        assert_eq!(time(u64::MAX), "18446744073709551615 ms");
        assert_eq!(ago(1_801_476_000_000, 1_801_476_083_000), "2027-02-01 10:00:00Z, 1m 23s ago");
        assert_eq!(ahead(1_801_476_007_000, 1_801_476_000_000), "2027-02-01 10:00:07Z, in 7s");
        assert_eq!(ahead(5, 7), "1970-01-01 00:00:00Z, due now");
    }

    #[test]
    fn a_share_of_nothing_is_no_data() {
        assert_eq!(percent(Ratio::new(7, 8)), "87.5 %");
        assert_eq!(percent(Ratio::new(0, 0)), "no data");
    }
}
