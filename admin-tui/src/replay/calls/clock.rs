//! Times of day become instants.
//!
//! The log gives the date on which a call began and, for everything after, times of day `h:mm:ss`
//! without a date and without a time zone. Both are settled here:
//!
//! - Times are taken as UTC. A replay needs durations and an order; shifting every call by the
//!   same offset changes neither, and the days of the log have no change of summer time.
//! - A time of day means the one nearest to the time before it in the same call: `0:00:26` after
//!   `23:59:29` is the next day, and `23:59:59` after `0:00:00` is the day before. Hours of 24 and
//!   more, which other exports of such logs use for the same, are understood as well.

use acd::time::LogTime;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::SkipReason;

const DAY_MS: u64 = 86_400_000;

/// A date written `yymmdd`; 69 to 99 are years of the 20th century.
pub(super) fn parse_date(text: &str) -> Result<Date, SkipReason> {
    if text.len() != 6 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SkipReason::BadDate);
    }
    Date::strptime("%y%m%d", text).map_err(|_| SkipReason::BadDate)
}

/// Midnight (UTC) at the beginning of `date`.
pub(super) fn midnight(date: Date) -> Result<LogTime, SkipReason> {
    let zoned = date.to_zoned(TimeZone::UTC).map_err(|_| SkipReason::BadDate)?;
    let ms = zoned.timestamp().as_millisecond();
    u64::try_from(ms).map(LogTime).map_err(|_| SkipReason::BadDate)
}

/// An instant as the log writes time: date and time of day.
pub fn clock_time(at: LogTime) -> String {
    let timestamp =
        i64::try_from(at.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    timestamp.map_or_else(
        || format!("{} ms", at.0),
        |t| t.to_zoned(TimeZone::UTC).strftime("%F %T").to_string(),
    )
}

/// Milliseconds since midnight of a time written `h:mm:ss`, up to two days.
pub(super) fn parse_time_of_day(text: &str) -> Result<u64, SkipReason> {
    let mut parts = text.split(':');
    let mut part = |digits: std::ops::RangeInclusive<usize>, below: u64| {
        let text = parts.next()?;
        let proper = digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u64>().ok().filter(|number| proper && *number < below)
    };
    let whole = (part(1..=2, 48), part(2..=2, 60), part(2..=2, 60));
    match (whole, parts.next()) {
        ((Some(h), Some(m), Some(s)), None) => Ok((h * 3_600 + m * 60 + s) * 1_000),
        _ => Err(SkipReason::BadTime),
    }
}

/// The instant with this time of day that is nearest to `before`.
pub(super) fn nearest(midnight: LogTime, time_of_day: u64, before: LogTime) -> LogTime {
    let half = DAY_MS / 2;
    let mut at = midnight.0 + time_of_day;
    while at + half < before.0 {
        at += DAY_MS;
    }
    while at > before.0 + half && at >= DAY_MS {
        at -= DAY_MS;
    }
    LogTime(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u64, time: &str) -> LogTime {
        LogTime(day * DAY_MS + parse_time_of_day(time).expect("a time"))
    }

    #[test]
    fn a_date_has_six_digits_and_exists() {
        assert_eq!(parse_date("990201"), Ok(jiff::civil::date(1999, 2, 1)));
        assert_eq!(parse_date("000229"), Ok(jiff::civil::date(2000, 2, 29)));
        for bad in ["990229", "991301", "99021", "9902011", "1999-02-01", "", "99020x", "+90201"] {
            assert_eq!(parse_date(bad), Err(SkipReason::BadDate), "{bad}");
        }
    }

    #[test]
    fn the_first_of_february_1999_is_this_many_ms_after_the_epoch() {
        let date = parse_date("990201").expect("a date");
        assert_eq!(midnight(date), Ok(LogTime(917_827_200_000)));
        assert_eq!(midnight(jiff::civil::date(1969, 12, 31)), Err(SkipReason::BadDate));
    }

    #[test]
    fn a_time_has_hours_minutes_and_seconds() {
        assert_eq!(parse_time_of_day("0:00:00"), Ok(0));
        assert_eq!(parse_time_of_day("7:02:47"), Ok(25_367_000));
        assert_eq!(parse_time_of_day("24:00:01"), Ok(DAY_MS + 1_000));
        for bad in [
            "",
            "7:02",
            "7:2:47",
            "7:02:60",
            "7:60:00",
            "48:00:00",
            "-1:00:00",
            "+7:02:47",
            "7:02:47:1",
            "007:02:47",
            "7:02:4x",
            "7.02.47",
            "::",
        ] {
            assert_eq!(parse_time_of_day(bad), Err(SkipReason::BadTime), "{bad}");
        }
    }

    #[test]
    fn a_time_is_the_nearest_to_the_one_before() {
        let midnight = LogTime(10 * DAY_MS);
        let time = |text| parse_time_of_day(text).expect("a time");
        let cases = [
            (at(10, "8:00:00"), "8:00:05", at(10, "8:00:05")),
            (at(10, "8:00:00"), "7:59:59", at(10, "7:59:59")),
            (at(10, "23:59:29"), "0:00:26", at(11, "0:00:26")),
            (at(11, "0:00:00"), "23:59:59", at(10, "23:59:59")),
            (at(10, "23:59:29"), "24:00:26", at(11, "0:00:26")),
            (at(11, "0:01:00"), "0:02:00", at(11, "0:02:00")),
        ];
        for (before, text, expected) in cases {
            assert_eq!(nearest(midnight, time(text), before), expected, "{text}");
        }
    }
}
