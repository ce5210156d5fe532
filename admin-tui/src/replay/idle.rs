//! How much of the waiting was for people who were there: the share of all waiting time during
//! which, by the log itself, somebody who takes such calls was on shift and not talking.

use std::collections::{BTreeMap, BTreeSet};

use acd::ids::AgentId;
use acd::time::LogTime;

use super::calls::{Call, CallType, Ending};
use super::shifts::Shift;

/// From, up to.
type Interval = (LogTime, LogTime);

/// The share, 0 to 1; none: nobody waited.
pub fn idle_while_waiting(calls: &[Call], shifts: &[Shift]) -> Option<f64> {
    let mut talks: BTreeMap<&AgentId, Vec<Interval>> = BTreeMap::new();
    let mut takes: BTreeMap<&AgentId, BTreeSet<CallType>> = BTreeMap::new();
    for call in calls {
        if let Ending::Answered { server: Some(agent), service } = &call.ending {
            takes.entry(agent).or_default().insert(call.kind);
            talks.entry(agent).or_default().extend(service.map(|s| (s.start, s.end)));
        }
    }
    for talks in talks.values_mut() {
        talks.sort_unstable();
    }
    let idle: Vec<(&AgentId, Vec<Interval>)> = shifts
        .iter()
        .map(|shift| {
            let talks = talks.get(&shift.agent).map(Vec::as_slice).unwrap_or_default();
            (&shift.agent, gaps((shift.from, shift.to), talks))
        })
        .collect();
    let (mut waited, mut in_vain) = (0, 0);
    for call in calls {
        let Some(span) = call.queued else { continue };
        waited += span.length().0;
        let wait = (span.start, span.end);
        let here = idle
            .iter()
            .filter(|(agent, _)| takes.get(agent).is_some_and(|types| types.contains(&call.kind)));
        let idle = here.flat_map(|(_, gaps)| gaps.iter().filter_map(|gap| overlap(wait, *gap)));
        in_vain += union(idle.collect());
    }
    (waited > 0).then(|| in_vain as f64 / waited as f64)
}

fn overlap(a: Interval, b: Interval) -> Option<Interval> {
    let common = (a.0.max(b.0), a.1.min(b.1));
    (common.0 < common.1).then_some(common)
}

/// What is left of `whole` between sorted `talks`.
fn gaps(whole: Interval, talks: &[Interval]) -> Vec<Interval> {
    let mut gaps = Vec::new();
    let mut from = whole.0;
    for (start, end) in talks.iter().filter(|talk| overlap(whole, **talk).is_some()) {
        if *start > from {
            gaps.push((from, *start));
        }
        from = from.max(*end);
    }
    if from < whole.1 {
        gaps.push((from, whole.1));
    }
    gaps
}

/// Milliseconds that lie in at least one of the intervals.
fn union(mut intervals: Vec<Interval>) -> u64 {
    intervals.sort_unstable();
    let mut covered = 0;
    let mut up_to = LogTime(0);
    for (from, to) in intervals {
        covered += to.since(from.max(up_to)).0;
        up_to = up_to.max(to);
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pairs: &[(u64, u64)]) -> Vec<Interval> {
        pairs.iter().map(|(a, b)| (LogTime(*a), LogTime(*b))).collect()
    }

    #[test]
    fn a_shift_without_its_conversations_is_idle_time() {
        let shift = (LogTime(10), LogTime(100));
        assert_eq!(
            gaps(shift, &at(&[(0, 5), (10, 20), (30, 50), (40, 60)])),
            at(&[(20, 30), (60, 100)])
        );
        assert_eq!(gaps(shift, &[]), at(&[(10, 100)]));
    }

    #[test]
    fn time_that_several_are_idle_counts_once() {
        assert_eq!(union(at(&[(0, 10), (5, 15), (20, 30), (21, 22)])), 25);
    }
}
