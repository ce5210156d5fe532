//! Settings of the whole centre.

use alloc::vec::Vec;

use super::agent::limit;
use super::queue::check_deadline;
use crate::limits;
use crate::rejection::Rejection;
use crate::time::{LogTime, Millis};

/// Settings of the whole centre.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long an agent whose session is lost stays `Unreachable` before going `Offline`.
    pub unreachable_for: Millis,
    /// How long a conversation goes on without its agent or ingress before it is closed.
    pub orphan_after: Millis,
    /// How long a stranded call or chat keeps its place.
    pub stranded_for: Millis,
    /// How long a stranded callback keeps its place.
    pub stranded_callback_for: Millis,
    /// How long before a calendar runs out the alarm is raised.
    pub calendar_alarm_before: Millis,
    /// When reporting days start, in order, compiled from the centre's time zone by the proposer.
    /// Before the first one and beyond the last one, days are 24 hours.
    pub day_starts: Vec<LogTime>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            unreachable_for: Millis::minutes(2),
            orphan_after: Millis::minutes(10),
            stranded_for: Millis::minutes(5),
            stranded_callback_for: Millis::days(1),
            calendar_alarm_before: Millis::days(30),
            day_starts: Vec::new(),
        }
    }
}

impl Settings {
    /// Checks order and limits.
    pub fn normalise(self) -> Result<Self, Rejection> {
        for duration in [
            self.unreachable_for,
            self.orphan_after,
            self.stranded_for,
            self.stranded_callback_for,
            self.calendar_alarm_before,
        ] {
            check_deadline(duration)?;
        }
        limit("reporting days", self.day_starts.len(), limits::REPORTING_DAYS_MAX)?;
        let rising = self.day_starts.windows(2).all(|w| w[0] < w[1]);
        if !rising || self.day_starts.last().is_some_and(|d| d.0 > limits::STAMP_MAX) {
            return Err(Rejection::InvalidConfig { what: "reporting days follow each other" });
        }
        Ok(self)
    }

    /// The start of the reporting day that `now` is in.
    pub fn day_start(&self, now: LogTime) -> LogTime {
        let day = Millis::days(1).0;
        let after = self.day_starts.partition_point(|start| *start <= now);
        let base = if after == 0 { 0 } else { self.day_starts[after - 1].0 };
        let is_between = after > 0 && after < self.day_starts.len();
        // A listed day that has a successor may be 23 or 25 hours long.
        LogTime(if is_between { base } else { base + (now.0 - base) / day * day })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn days_have_24_hours_where_nobody_said_otherwise() {
        let hour = 3_600_000;
        let (first, second) = (LogTime(100 * hour), LogTime(123 * hour));
        let settings = Settings { day_starts: vec![first, second], ..Settings::default() };
        assert_eq!(settings.day_start(LogTime(99 * hour)), LogTime(96 * hour));
        assert_eq!(settings.day_start(LogTime(122 * hour)), first);
        assert_eq!(settings.day_start(LogTime(146 * hour)), second);
        assert_eq!(settings.day_start(LogTime(147 * hour)), LogTime(147 * hour));
        assert_eq!(Settings::default().day_start(LogTime(25 * hour)), LogTime(24 * hour));
    }
}
