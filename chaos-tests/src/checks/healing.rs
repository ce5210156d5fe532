//! I10: after healing there is one leader, fresh writes are carried out, everybody is served and
//! all nodes are at one index, within a bound. Slow disks need no healing: as long as nothing but
//! all disks is slow, writes are carried out.

use super::{Bounds, Findings, Verdict};
use crate::history::{History, Log, Outcome};

/// I10.
pub(super) fn recovers(history: &History, log: &Log, bounds: Bounds) -> Verdict {
    let Some(ending) = &history.ending else {
        return Verdict::Unknown { why: "nobody looked in the end".into() };
    };
    let Some(first) = ending.nodes.first() else {
        return Verdict::Unknown { why: "no node was there in the end".into() };
    };
    let mut findings = Findings::default();
    let at_end = || format!("{} ms after healing", ending.noted - ending.healed);
    for node in &ending.nodes {
        let number = node.node;
        match node.leader {
            None => findings.at(|| format!("node {number} knows no leader"), at_end),
            Some(leader) if Some(leader) != first.leader => {
                findings.at(|| format!("node {number} follows {leader}, others do not"), at_end);
            }
            Some(_) => {}
        }
        if node.applied < log.last() {
            let (applied, last) = (node.applied, log.last());
            findings.at(|| format!("node {number} is at {applied} of {last}"), at_end);
        }
        if !node.contacts.is_empty() {
            let left = node.contacts.len();
            let (contact, place) = node.contacts.first_key_value().expect("it is not empty");
            let why = || format!("{left} contacts are left, {contact} is {place:?}");
            findings.at(why, at_end);
        }
    }
    if ending.noted.saturating_sub(ending.healed) > bounds.drained {
        findings.at(|| "it took longer than it may".into(), at_end);
    }
    if !some_write(history, ending.healed, ending.healed + bounds.fresh_write) {
        findings.at(|| "no fresh write was carried out in time".into(), at_end);
    }
    for (from, to) in &history.slow_disks {
        if !some_write(history, *from, *to) {
            findings.at(
                || "all disks were slow, and no write was carried out".into(),
                || format!("{from} to {to} ms"),
            );
        }
    }
    findings.verdict()
}

/// Whether a write was asked for and carried out between two times.
fn some_write(history: &History, from: u64, to: u64) -> bool {
    history.operations.iter().any(|operation| {
        operation.called >= from
            && operation.returned.is_some_and(|returned| returned <= to)
            && matches!(operation.outcome, Outcome::Committed { .. })
    })
}
