//! A history that the checks can judge, from what was recorded outside and what is on disk.

use std::collections::BTreeSet;

use acd::event::Event;

use super::cluster::Cluster;
use super::disk::{Known, LogFile, records};
use super::inject::Silence;
use super::net::nodes;
use super::{Trouble, silence_margin};
use crate::history::{History, Log, ReplicaAct, Told};

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

/// When entries were first in anybody's log: nobody outside sees it. It was not after somebody was told
/// of them, and, as all clocks here are one but for those that are set wrong, whose nodes do not lead
/// for long, about when they are stamped.
fn date_entries(history: &mut History) {
    for (index, entry) in Log::of(history).entries {
        let stamped = entry.stamp.0.saturating_sub(history.began.0);
        let at = history.written_at.entry(index).or_insert(stamped);
        *at = (*at).min(stamped);
    }
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
