//! Local time becomes instants.
//!
//! Time zone data may differ between nodes and change under a running cluster, so the state
//! machine knows none. Whoever reads `centre.toml` compiles it, [`COMPILED_DAYS`] ahead; the
//! file is applied again before that runs out (an alarm says when).
//!
//! The outcome depends on the file and on the local date, not on the hour: what is applied twice
//! a day is the same twice.
//!
//! Cost: two time zone lookups an opening, 6,400 a calendar at the most, each well below a
//! microsecond; an interval is 16 bytes, so at most 50 KB a calendar in the log and the state.

use acd::config::{Calendar, Interval};
use acd::limits::STAMP_MAX;
use acd::rejection::Rejection;
use acd::time::{LogTime, Millis};
use jiff::ToSpan;
use jiff::civil::Date;

use super::calendar::{CalendarEntry, LocalHours, OpeningHours};
use super::hours::{DAY_MINUTES, Opening};
use super::zone::{OutOfTime, Zone};

/// How many local days are compiled, that of the compilation included.
pub const COMPILED_DAYS: u16 = 400;

/// Hours begin this long before the day of the compilation: the leader's clock, which decides
/// what is open, may be behind that of whoever compiles just after midnight.
const CLOCK_MARGIN: Millis = Millis::hours(1);

/// The calendar of an entry, compiled at `from`.
///
/// Local hours are complete up to the midnight that ends [`COMPILED_DAYS`] local days; that of
/// `from` is the first. Openings that touch or overlap, as over midnight, are one interval. Where
/// the clock is changed, missing times open and close after the gap, and times that come twice
/// open at the first and close at the second.
///
/// Refused are more intervals than a calendar holds, and years that log time does not reach.
pub fn compile(entry: &CalendarEntry, from: LogTime) -> Result<Calendar, Rejection> {
    entry.check()?;
    let hours = match &entry.hours {
        OpeningHours::Instants(hours) => return hours.to_config(entry),
        OpeningHours::Local(hours) => hours,
    };
    let Compiled { open, covers_until } = compile_hours(hours, from).map_err(rejection)?;
    Calendar { id: entry.id.0.clone(), name: entry.name.0.clone(), open, covers_until }.normalise()
}

struct Compiled {
    open: Vec<Interval>,
    covers_until: LogTime,
}

fn compile_hours(hours: &LocalHours, from: LogTime) -> Result<Compiled, OutOfTime> {
    let zone = &hours.time_zone;
    let today = date_of(zone, from)?;
    let begin = LogTime(zone.day_start(today)?.0.saturating_sub(CLOCK_MARGIN.0));
    let covers_until = zone.day_start(day_after(today, i32::from(COMPILED_DAYS))?)?;
    let mut open: Vec<Interval> = Vec::new();
    // What opened the day before yesterday may have gone on until late yesterday. Later openings
    // never start earlier, so each either extends the last interval or follows it.
    for day in -2..i32::from(COMPILED_DAYS) {
        let date = day_after(today, day)?;
        for opening in hours.of(date).openings() {
            let Interval { start, end } = interval(hours, date, *opening)?;
            let (start, end) = (start.max(begin), end.min(covers_until));
            if start >= end {
                continue;
            }
            match open.last_mut().filter(|last| start <= last.end) {
                Some(last) => last.end = last.end.max(end),
                None => open.push(Interval { start, end }),
            }
        }
    }
    Ok(Compiled { open, covers_until })
}

/// What an opening is on a date. In a gap it may be empty.
fn interval(hours: &LocalHours, date: Date, opening: Opening) -> Result<Interval, OutOfTime> {
    let zone = &hours.time_zone;
    let clock = |date: Date, minutes: u16| {
        date.to_datetime(jiff::civil::Time::midnight()).checked_add(i64::from(minutes).minutes())
    };
    let start = zone.opening_at(clock(date, opening.from())?)?;
    let tomorrow = day_after(date, 1)?;
    let end = match opening.until() {
        DAY_MINUTES => zone.day_start(tomorrow)?,
        until => zone.closing_at(clock(date, until)?)?,
    };
    let end = if hours.is_holiday(tomorrow) { end.min(zone.day_start(tomorrow)?) } else { end };
    Ok(Interval { start, end })
}

/// When reporting days start, compiled at `from`: yesterday (the leader's clock may be behind),
/// [`COMPILED_DAYS`] from today on, and the day that follows them.
pub fn day_starts(zone: &Zone, from: LogTime) -> Result<Vec<LogTime>, Rejection> {
    let start = |day| zone.day_start(day_after(date_of(zone, from)?, day)?);
    let days = -1..=i32::from(COMPILED_DAYS);
    let mut starts: Vec<_> = days.map(start).collect::<Result<_, _>>().map_err(rejection)?;
    // A day that a change of the clock leaves out starts when the next does.
    starts.dedup();
    Ok(starts)
}

fn rejection(OutOfTime: OutOfTime) -> Rejection {
    Rejection::InvalidConfig { what: "local hours are compiled between 1970 and 2999" }
}

fn date_of(zone: &Zone, at: LogTime) -> Result<Date, OutOfTime> {
    if at.0 > STAMP_MAX { Err(OutOfTime) } else { zone.date_at(at) }
}

fn day_after(date: Date, days: i32) -> Result<Date, OutOfTime> {
    Ok(date.checked_add(days.days())?)
}

#[cfg(test)]
mod tests;
