//! I5: what was acknowledged survives, and so do the records of what is over. I9: replicas that applied the same are the same.

use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, Verdict, records};
use crate::history::{Conflict, History, Log, Outcome};

/// I5.
pub(super) fn survives(history: &History, log: &Log) -> Verdict {
    let mut findings = Findings::default();
    conflicts(log, &mut findings, Conflict::is_of_log);
    let Some(ending) = &history.ending else {
        return match findings.verdict() {
            Verdict::True => Verdict::Unknown { why: "nobody looked in the end".into() },
            other => other,
        };
    };
    let reached = ending.nodes.iter().map(|node| node.applied).max().unwrap_or(0);
    for (number, operation) in history.operations.iter().enumerate() {
        let Some(index) = operation.outcome.index() else { continue };
        let place = || format!("operation {number} at index {index}");
        let command = &operation.submission.command;
        if index > reached {
            findings.at(|| format!("{command:?} was acknowledged and is gone"), place);
            continue;
        }
        let Some(entry) = log.entries.get(&index) else {
            findings.at(|| format!("{command:?} was acknowledged, and nobody applied it"), place);
            continue;
        };
        let answers = entry.submissions.iter().zip(&entry.answers);
        let mut same = answers.filter(|(submission, _)| **submission == operation.submission);
        if !same.any(|(_, answer)| Outcome::of(index, answer) == operation.outcome) {
            let told = &operation.outcome;
            findings.at(|| format!("{command:?} was answered {told:?}; the log says other"), place);
        }
    }
    records::cover_what_is_purged(history, &mut findings);
    match findings.verdict() {
        Verdict::True => records::are_unknown(history).unwrap_or(Verdict::True),
        other => other,
    }
}

/// I9.
pub(super) fn replicas_agree(history: &History, log: &Log) -> Verdict {
    let mut findings = Findings::default();
    conflicts(log, &mut findings, |conflict| !conflict.is_of_log());
    let mut hashes: BTreeMap<u64, u128> = BTreeMap::new();
    for node in history.ending.iter().flat_map(|ending| &ending.nodes) {
        let place = || format!("node {} at index {}", node.node, node.applied);
        if *hashes.entry(node.applied).or_insert(node.hash) != node.hash {
            findings.at(|| "two nodes have applied the same and differ".into(), place);
        }
        if log.hash_at(node.applied).is_some_and(|hash| hash != node.hash) {
            findings.at(|| "the node differs from the log".into(), place);
        }
    }
    let verdict = findings.verdict();
    let replicas: BTreeSet<u64> = history.runs.iter().map(|run| run.node).collect();
    if verdict.holds() && replicas.len() < 2 {
        return Verdict::Unknown { why: "there was only one replica".into() };
    }
    verdict
}

fn conflicts(log: &Log, findings: &mut Findings, which: impl Fn(&Conflict) -> bool) {
    for conflict in log.conflicts.iter().filter(|conflict| which(conflict)) {
        match conflict {
            Conflict::Content { index, node } => {
                findings.at_index(*index, || format!("node {node} applied another entry"));
            }
            Conflict::Skipped { index, node } => {
                findings.at_index(*index, || format!("node {node} went past an applied entry"));
            }
            Conflict::Disorder { index, node } => {
                findings.at_index(*index, || format!("node {node} applied it out of order"));
            }
            Conflict::Effect { index, node, what } => {
                findings.at_index(*index, || format!("node {node} came to another {what}"));
            }
            Conflict::Restore { index, node } => {
                findings.at_index(*index, || {
                    format!("node {node} restored a snapshot that is not of the state there")
                });
            }
        }
    }
}
