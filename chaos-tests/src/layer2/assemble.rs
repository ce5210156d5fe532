//! A history that the checks can judge, from what was recorded outside and what is on disk.

use std::collections::{BTreeMap, BTreeSet};

use acd::event::Event;
use acd::time::LogTime;

use super::cluster::Cluster;
use super::disk::{Known, LogFile, records};
use super::inject::Silence;
use super::net::nodes;
use super::{Trouble, silence_margin};
use crate::history::{History, Log, ReplicaAct, Told};

/// Entries to either side by which it is judged when one was written: some seconds, in which stamps are
/// off by some hundredths at most.
const NEAR: usize = 64;

/// Adds what the logs and records of the stopped nodes say to a history, as it was when the nodes were
/// looked at last, and what follows from it: when entries were written, and when nobody led.
pub(super) async fn complete(
    history: &mut History,
    cluster: &Cluster,
    silences: &[Silence],
    rtt_ms: u64,
) -> Result<(), Trouble> {
    let Some(ending) = &mut history.ending else {
        return Err(Trouble("nobody looked in the end".into()));
    };
    let upto = ending.nodes.iter().map(|node| node.applied).max().unwrap_or(0);
    let mut known = Known::new();
    let mut runs = Vec::new();
    for node in nodes() {
        let mut log = LogFile::open(&cluster.data(node)).await?;
        if let Some(looked) = ending.nodes.iter_mut().find(|looked| looked.node == node) {
            looked.purged = log.purged;
            looked.records = Some(records(&cluster.data(node), upto));
            // What it had not applied may not have been committed.
            runs.push(log.replay(node, looked.applied, &mut known).await?);
        }
    }
    history.runs.extend(runs);
    leave_out_what_came_later(history, upto);
    date_entries(history);
    history.leaderless = leaderless(history, silences, rtt_ms);
    Ok(())
}

/// Watches go on while the nodes are looked at for the last time and stopped.
fn leave_out_what_came_later(history: &mut History, upto: u64) {
    for told in history.watches.values_mut() {
        let is_later = |(_, told): &(u64, Told)| match told {
            Told::Entry { token, .. } | Told::Listed { token, .. } => token.index > upto,
            _ => false,
        };
        if let Some(at) = told.iter().position(is_later) {
            told.truncate(at);
        }
    }
    for run in &mut history.runs {
        run.acts.retain(|act| match act {
            ReplicaAct::Restored { index, .. } => *index <= upto,
            ReplicaAct::Applied(entry) => entry.index <= upto,
        });
    }
}

/// When entries were first in anybody's log. Nobody outside sees that; what is seen is when somebody was
/// first told of them, which is later: by a commit as a rule, and by an election if their leader was lost
/// meanwhile. But between two entries of one leader as much time passed as between their stamps, but for
/// 1 %. So an entry was written as long after its stamp as the one near it that was told of soonest.
///
/// Log time alone would not do: it stands still while no majority is there to know what time it is.
fn date_entries(history: &mut History) {
    let log = Log::of(history);
    let told = |index: &u64, stamp: LogTime| {
        let at = i64::try_from(*history.written_at.get(index)?).ok()?;
        at.checked_sub_unsigned(stamp.0)
    };
    // Where time goes on evenly: between the beginnings of terms, and between leaps.
    let mut stretches: Vec<Vec<(u64, LogTime, Option<i64>)>> = Vec::new();
    for (index, entry) in &log.entries {
        let is_new = entry
            .events
            .iter()
            .any(|event| matches!(event, Event::TermStarted { .. } | Event::TimeSet { .. }));
        if is_new || stretches.is_empty() {
            stretches.push(Vec::new());
        }
        if let Some(stretch) = stretches.last_mut() {
            stretch.push((*index, entry.stamp, told(index, entry.stamp)));
        }
    }
    let mut written_at = BTreeMap::new();
    for stretch in &stretches {
        for (at, (index, stamp, _)) in stretch.iter().enumerate() {
            let near = &stretch[at.saturating_sub(NEAR)..stretch.len().min(at + NEAR)];
            let late = near.iter().filter_map(|(_, _, late)| *late).min();
            let written = late.and_then(|late| stamp.0.checked_add_signed(late));
            written_at.extend(written.map(|written| (*index, written)));
        }
    }
    history.written_at = written_at;
}

/// Times in which nobody led: from when the leader could do nothing, and what it had sent before had
/// arrived, until the next one began its term. Who led is said by the log.
fn leaderless(history: &History, silences: &[Silence], rtt_ms: u64) -> Vec<(u64, u64)> {
    let terms: Vec<(u64, u64)> = Log::of(history)
        .entries
        .values()
        .flat_map(|entry| {
            let at = history.written_at.get(&entry.index).copied().unwrap_or_default();
            entry.events.iter().filter_map(move |event| match event {
                Event::TermStarted { leader, .. } => Some((at, leader.0)),
                _ => None,
            })
        })
        .collect();
    let mut all = Vec::new();
    for Silence { nodes, from, until } in silences {
        let nodes: BTreeSet<_> = nodes.iter().collect();
        let led = terms.iter().rfind(|(at, _)| at <= from).map(|(_, leader)| leader);
        let next = terms.iter().find(|(at, _)| at > from).map(|(at, _)| *at);
        let (Some(led), Some(ended)) = (led, next.into_iter().chain(*until).min()) else {
            continue;
        };
        let from = from + rtt_ms / 2 + silence_margin();
        if nodes.contains(led) && from < ended {
            all.push((from, ended));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use acd::ids::NodeId;
    use acd::time::Millis;

    use super::*;
    use crate::history::{AppliedEntry, Run};

    fn entry(index: u64, stamp: u64, leader: Option<u64>) -> ReplicaAct {
        let term = |leader| Event::TermStarted { leader: NodeId(leader), gap: Millis(0) };
        ReplicaAct::Applied(Arc::new(AppliedEntry {
            index,
            stamp: LogTime(stamp),
            submissions: Vec::new(),
            answers: Vec::new(),
            events: leader.map(term).into_iter().collect(),
            hash: 0,
        }))
    }

    /// Node 1 leads and is killed at 3,000; node 2 begins its term at 8,000, when log time has stood
    /// still. Entry 4 of node 1 is committed by node 2.
    fn history() -> History {
        let acts = vec![
            entry(1, 1_000, Some(1)),
            entry(2, 2_000, None),
            entry(3, 2_500, None),
            entry(4, 2_900, None),
            entry(5, 3_400, Some(2)),
            entry(6, 3_900, None),
        ];
        let mut history = History {
            runs: vec![Run { node: 3, run: 0, started: 0, acts }],
            written_at: [(1, 1_030), (2, 2_020), (3, 2_540), (4, 8_060), (5, 8_060), (6, 8_510)]
                .into(),
            ..History::default()
        };
        date_entries(&mut history);
        history
    }

    #[test]
    fn an_entry_was_written_as_long_after_its_stamp_as_its_neighbours() {
        let written: Vec<_> = history().written_at.into_iter().collect();
        let expected = [(1, 1_020), (2, 2_020), (3, 2_520), (4, 2_920), (5, 8_010), (6, 8_510)];
        assert_eq!(written, expected);
    }

    #[test]
    fn nobody_leads_from_the_end_of_a_leader_to_the_term_of_the_next() {
        let silence = |node, from, until| Silence { nodes: vec![node], from, until };
        let lead = |silence| leaderless(&history(), &[silence], 20);
        let from = 3_000 + 10 + silence_margin();
        assert_eq!(lead(silence(1, 3_000, None)), [(from, 8_010)]);
        assert_eq!(lead(silence(1, 3_000, Some(4_000))), [(from, 4_000)], "it goes on");
        assert_eq!(lead(silence(2, 3_000, None)), [], "it did not lead");
        assert_eq!(lead(silence(2, 8_100, None)), [], "nobody leads after it");
    }

    #[test]
    fn what_came_after_the_last_look_is_left_out() {
        let mut history = history();
        let token = |index| crate::history::ResumeToken { epoch: 1, index };
        let told = |index| Told::Entry { token: token(index), events: Arc::default() };
        let told = vec![(9, told(4)), (9, told(5)), (9, Told::Ended)];
        history.watches.insert("node-1".to_owned(), told);
        leave_out_what_came_later(&mut history, 4);
        assert_eq!(history.watches["node-1"].len(), 1);
        assert_eq!(history.runs[0].acts.len(), 4);
    }
}
