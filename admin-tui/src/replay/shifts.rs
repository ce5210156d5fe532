//! Who is there when: the log does not say, so an agent is taken to be logged in from the first
//! to the last call of a working day.

use std::collections::BTreeMap;

use acd::ids::AgentId;
use acd::time::{LogTime, Millis};
use jiff::civil::Date;

use super::calls::{Call, Ending};

/// When a working day begins (UTC, as all times of the log). The bank's lines are open from 7:00
/// to midnight, and the last calls of an evening are answered after it; counted by date, one such
/// call would keep its agent logged in from midnight through the whole next day.
const DAY_BEGINS: Millis = Millis::hours(4);

/// An agent is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    /// Who.
    pub agent: AgentId,
    /// On which working day.
    pub date: Date,
    /// From when: the start of the first conversation, or the moment at which that caller was
    /// put through, whichever is earlier.
    pub from: LogTime,
    /// Up to when: the end of the last conversation. May be past midnight.
    pub to: LogTime,
}

/// The shifts of all agents, in order of their start.
pub fn shifts(calls: &[Call]) -> Vec<Shift> {
    let mut days: BTreeMap<(Date, &AgentId), (LogTime, LogTime)> = BTreeMap::new();
    for call in calls {
        let Ending::Answered { server: Some(agent), service } = &call.ending else { continue };
        let answered = call.wait_end();
        let from = service.map_or(answered, |span| span.start.min(answered));
        let to = service.map_or(answered, |span| span.end.max(answered));
        days.entry((working_day(answered), agent))
            .and_modify(|day| *day = (day.0.min(from), day.1.max(to)))
            .or_insert((from, to));
    }
    let mut shifts: Vec<_> = days
        .into_iter()
        .map(|((date, agent), (from, to))| Shift { agent: agent.clone(), date, from, to })
        .collect();
    shifts.sort_by(|a, b| (a.from, &a.agent).cmp(&(b.from, &b.agent)));
    shifts
}

/// The working day an instant belongs to.
fn working_day(at: LogTime) -> Date {
    let since_epoch = Millis(at.0.saturating_sub(DAY_BEGINS.0));
    let days = i32::try_from(since_epoch.0 / Millis::days(1).0).unwrap_or(i32::MAX);
    // A date of the log has a year of two digits, so the sum does not reach the end of dates.
    jiff::civil::date(1970, 1, 1).saturating_add(jiff::Span::new().days(days))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::calls::CallLog;
    use crate::replay::real_log;

    const HEADER: &str = "vru+line\tcall_id\tcustomer_id\tpriority\ttype\tdate\tvru_entry\t\
                          vru_exit\tq_start\tq_exit\tq_time\toutcome\tser_start\tser_exit\t\
                          ser_time\tserver";

    /// Answered at once, date and times given; served by one agent.
    fn calls(lines: &[(&str, &str, &str, &str, u32)]) -> Vec<Call> {
        let mut text = HEADER.to_owned();
        for (at, (date, asked, start, exit, seconds)) in lines.iter().enumerate() {
            text += &format!(
                "\nL\t{at}\t0\t0\tPS\t{date}\t{asked}\t{asked}\t0:00:00\t0:00:00\t0\tAGENT\t\
                 {start}\t{exit}\t{seconds}\tANAT"
            );
        }
        let log = CallLog::read(text.as_bytes()).expect("a call log");
        assert_eq!(log.calls.len(), lines.len());
        log.calls
    }

    #[test]
    fn a_shift_lasts_from_the_first_to_the_last_call_of_a_working_day() {
        let calls = calls(&[
            ("990201", "9:00:01", "9:00:00", "9:05:00", 300),
            ("990201", "16:00:00", "16:00:00", "16:10:00", 600),
            ("990202", "8:00:00", "0:00:00", "0:00:00", 0),
        ]);
        let shifts = shifts(&calls);
        let [first, second] = shifts.as_slice() else { panic!("{shifts:?}") };
        assert_eq!(first.to.since(first.from), Millis::minutes(7 * 60 + 10));
        assert_eq!(first.date, jiff::civil::date(1999, 2, 1));
        assert_eq!((second.from, second.to), (calls[2].vru_exit, calls[2].vru_exit));
    }

    #[test]
    fn a_call_after_midnight_belongs_to_the_evening_before() {
        let shifts = shifts(&calls(&[
            ("990201", "16:00:00", "16:00:00", "16:01:00", 60),
            ("990202", "0:01:00", "0:01:00", "0:03:00", 120),
            ("990202", "16:00:00", "16:00:00", "16:01:00", 60),
        ]));
        assert_eq!(shifts.len(), 2);
        assert_eq!(shifts[0].to.since(shifts[0].from), Millis::minutes(8 * 60 + 3));
    }

    #[test]
    fn nobody_at_the_bank_worked_around_the_clock() {
        let Some(log) = real_log() else { return };
        let shifts = shifts(&log.calls);
        assert_eq!(shifts.len(), 195);
        for shift in &shifts {
            assert!(shift.to.since(shift.from) < Millis::hours(10), "{shift:?}");
        }
    }
}
