//! Opening hours, compiled to UTC before they come here: time zone data may differ between
//! nodes, a list of intervals cannot.

use alloc::vec::Vec;

use super::agent::limit;
use crate::ids::CalendarId;
use crate::limits;
use crate::rejection::Rejection;
use crate::text::Label;
use crate::time::LogTime;

/// From `start` up to, not including, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval {
    /// First instant.
    pub start: LogTime,
    /// First instant after.
    pub end: LogTime,
}

/// Opening hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// The id.
    pub id: CalendarId,
    /// The name people see.
    pub name: Label,
    /// When it is open, in order, without overlaps.
    pub open: Vec<Interval>,
    /// Up to when the list is complete (the proposer compiles 400 days ahead). After that the
    /// queue counts as open, and an alarm has been raised long before.
    pub covers_until: LogTime,
}

impl Calendar {
    /// Checks order and limits.
    pub fn normalise(self) -> Result<Self, Rejection> {
        limit("intervals of a calendar", self.open.len(), limits::CALENDAR_INTERVALS_MAX)?;
        let rising = self.open.windows(2).all(|w| w[0].end <= w[1].start);
        let proper = self.open.iter().all(|i| i.start < i.end && i.end.0 <= limits::STAMP_MAX);
        if !rising || !proper || self.covers_until.0 > limits::STAMP_MAX {
            return Err(Rejection::InvalidConfig {
                what: "intervals of a calendar follow each other without overlap",
            });
        }
        Ok(self)
    }

    /// Whether it is open at `now`.
    pub fn is_open(&self, now: LogTime) -> bool {
        if now >= self.covers_until {
            return true;
        }
        let after = self.open.partition_point(|i| i.start <= now);
        after > 0 && now < self.open[after - 1].end
    }
}
