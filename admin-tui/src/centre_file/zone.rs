//! Time zones, and which instant a time of the clock is.
//!
//! The clock is put forward and back. Where it is put forward, times are missing (a *gap*); where
//! it is put back, times come twice (a *fold*):
//!
//! | the time is | it opens at | it closes at |
//! |---|---|---|
//! | there once | that instant | that instant |
//! | missing | the first instant after the gap | the first instant after the gap |
//! | there twice | the first of the two | the second of the two |
//!
//! So in doubt it is open. What lies in a gap altogether is not open at all. Days follow each
//! other without holes: one ends, at 24:00, with the first instant of the next.

use std::fmt;
use std::str::FromStr;

use acd::time::LogTime;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

/// A time zone, written by its IANA name: `"Europe/Kyiv"`.
///
/// Its rules are those built into this program, not those of the machine.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// The text names no time zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no time zone: write an IANA name, such as \"Europe/Kyiv\"")]
pub struct InvalidZone {
    text: String,
}

impl FromStr for Zone {
    type Err = InvalidZone;

    fn from_str(text: &str) -> Result<Self, InvalidZone> {
        // "Etc/Unknown" is in no list of zones; the library has it to stand for a missing one.
        let found = TimeZoneDatabase::bundled().get(text).ok().filter(|zone| !zone.is_unknown());
        found.map(Self).ok_or_else(|| InvalidZone { text: text.chars().take(64).collect() })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every zone of the database has a name.
        f.write_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({self})")
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// An instant that log time cannot say, or a date no calendar has: neither happens between 1970
/// and the end of log time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutOfTime;

impl From<jiff::Error> for OutOfTime {
    fn from(_: jiff::Error) -> Self {
        Self
    }
}

impl Zone {
    /// The date at an instant.
    pub(super) fn date_at(&self, at: LogTime) -> Result<Date, OutOfTime> {
        let ms = i64::try_from(at.0).map_err(|_| OutOfTime)?;
        Ok(self.0.to_datetime(Timestamp::from_millisecond(ms)?).date())
    }

    /// The first instant of a day: midnight, or later where that is missing.
    pub(super) fn day_start(&self, date: Date) -> Result<LogTime, OutOfTime> {
        self.opening_at(date.at(0, 0, 0, 0))
    }

    /// When a time of the clock opens.
    pub(super) fn opening_at(&self, local: DateTime) -> Result<LogTime, OutOfTime> {
        self.instant(local, |first, _| first)
    }

    /// When a time of the clock closes.
    pub(super) fn closing_at(&self, local: DateTime) -> Result<LogTime, OutOfTime> {
        self.instant(local, |_, second| second)
    }

    /// The instant of a time of the clock; `choose` is asked where there are two.
    fn instant(
        &self,
        local: DateTime,
        choose: impl FnOnce(Timestamp, Timestamp) -> Timestamp,
    ) -> Result<LogTime, OutOfTime> {
        let at = match self.0.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local)?,
            AmbiguousOffset::Fold { before, after } => {
                choose(before.to_timestamp(local)?, after.to_timestamp(local)?)
            }
            AmbiguousOffset::Gap { after, .. } => {
                // Read with the new offset, a missing time is before the clock is put forward.
                let earlier = after.to_timestamp(local)?;
                let mut changes = self.0.following(earlier);
                let change = changes.find(|change| change.offset() == after);
                change.ok_or(OutOfTime)?.timestamp()
            }
        };
        // Log time begins with 1970, and so does what may be open.
        Ok(LogTime(u64::try_from(at.as_millisecond()).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn zone(name: &str) -> Zone {
        name.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    fn at(text: &str) -> LogTime {
        let at: Timestamp = text.parse().expect(text);
        LogTime(u64::try_from(at.as_millisecond()).expect("since 1970"))
    }

    #[test]
    fn a_zone_is_one_that_the_program_knows() {
        for name in ["Europe/Kyiv", "Africa/Cairo", "America/Asuncion", "UTC", "Europe/Kiev"] {
            assert_eq!(zone(name).to_string(), name);
        }
        let not_there =
            ["", "Kyiv", "Europe/Kiyv", "EET-2EEST", "+02:00", "Etc/Unknown", "../etc/localtime"];
        for bad in not_there {
            let error = bad.parse::<Zone>().expect_err(bad).to_string();
            assert!(error.contains("Europe/Kyiv"), "{error}");
        }
    }

    #[test]
    fn a_missing_time_is_the_first_instant_after_the_gap() {
        let kyiv = zone("Europe/Kyiv");
        // The clock goes from 03:00 to 04:00.
        let after = at("2026-03-29T01:00:00Z");
        for minute in [0, 30, 59] {
            let missing = date(2026, 3, 29).at(3, minute, 0, 0);
            assert_eq!(kyiv.opening_at(missing), Ok(after));
            assert_eq!(kyiv.closing_at(missing), Ok(after));
        }
        assert_eq!(kyiv.opening_at(date(2026, 3, 29).at(4, 0, 0, 0)), Ok(after));
        let before = at("2026-03-29T00:59:00Z");
        assert_eq!(kyiv.closing_at(date(2026, 3, 29).at(2, 59, 0, 0)), Ok(before));
    }

    #[test]
    fn a_time_that_comes_twice_opens_at_the_first_and_closes_at_the_second() {
        let kyiv = zone("Europe/Kyiv");
        // The clock goes from 04:00 back to 03:00.
        let twice = date(2026, 10, 25).at(3, 30, 0, 0);
        assert_eq!(kyiv.opening_at(twice), Ok(at("2026-10-25T00:30:00Z")));
        assert_eq!(kyiv.closing_at(twice), Ok(at("2026-10-25T01:30:00Z")));
    }

    #[test]
    fn a_day_without_midnight_starts_after_the_gap() {
        // In both the clock goes from 00:00 to 01:00.
        let cairo = zone("Africa/Cairo").day_start(date(2026, 4, 24));
        assert_eq!(cairo, Ok(at("2026-04-24T01:00:00+03:00")));
        let asuncion = zone("America/Asuncion").day_start(date(2023, 10, 1));
        assert_eq!(asuncion, Ok(at("2023-10-01T01:00:00-03:00")));
        // A day that was left out altogether starts when the next does.
        let apia = zone("Pacific/Apia");
        assert_eq!(apia.day_start(date(2011, 12, 30)), apia.day_start(date(2011, 12, 31)));
        // Where midnight comes twice, the day starts with the first.
        let havana = zone("America/Havana").day_start(date(2026, 11, 1));
        assert_eq!(havana, Ok(at("2026-11-01T00:00:00-04:00")));
    }

    #[test]
    fn nothing_is_before_1970() {
        assert_eq!(zone("UTC").day_start(date(1969, 12, 31)), Ok(LogTime(0)));
        assert_eq!(zone("UTC").date_at(LogTime(u64::MAX)), Err(OutOfTime));
    }
}
