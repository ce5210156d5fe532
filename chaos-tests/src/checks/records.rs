//! Records of closed contacts and of administration, as they are on each node's disk in the end.
//!
//! I1 asks for what is in them: the place of a contact that is closed is its record. I5 asks that
//! none can be missing: they are there for all that the log has no more.

use std::collections::BTreeMap;

use acd::codec::encode_record;
use acd::event::{ContactEvent, Event};
use acd::record::Record;
use acd::time::LogTime;
use node::storage::records::LoggedRecord;

use super::{Findings, Verdict, ledger};
use crate::history::{FinalNode, FinalRecords, History, Log};

/// Records, as they are written, by the entry that made them and their order in it. What a refusal
/// was made of is not written, only its code and its words.
type Records = BTreeMap<(u64, u32), (LogTime, Vec<u8>)>;

/// I1: each contact that was closed and each act of administration, up to where a node's segments
/// go, is there exactly once, and nothing else.
pub(super) fn each_once(history: &History, log: &Log, findings: &mut Findings) {
    let made = made(log);
    for (node, kept) in kept(history) {
        let covered_to = kept.covered_to.unwrap_or(0);
        let place = || format!("the records of node {} in the end", node.node);
        let mut seen = BTreeMap::new();
        for LoggedRecord { index, ordinal, stamp, record } in &kept.records {
            let key = (*index, *ordinal);
            if seen.insert(key, ()).is_some() {
                findings.at(|| format!("record {ordinal} of entry {index} is there twice"), place);
            }
            match made.get(&key) {
                None => {
                    findings.at(|| format!("entry {index} never made record {ordinal}"), place);
                }
                Some((made_at, made)) if made_at != stamp || made != &encode_record(record) => {
                    let why =
                        || format!("record {ordinal} of entry {index} is another: {record:?}");
                    findings.at(why, place);
                }
                Some(_) => {}
            }
        }
        // What has no segment, or a damaged one, is for I5 to say.
        let is_readable = |index: u64| {
            kept.damaged.is_none() && !kept.missing.iter().any(|range| range.contains(&index))
        };
        let expected = made.range(..=(covered_to, u32::MAX)).map(|(key, _)| *key);
        let lost = expected.into_iter().find(|key| is_readable(key.0) && !seen.contains_key(key));
        if let Some((index, ordinal)) = lost {
            findings.at(|| format!("record {ordinal} of entry {index} is not there"), place);
        }
    }
}

/// I5: a node's segments leave nothing out, go at least as far as its log is purged, and can be
/// read.
pub(super) fn cover_what_is_purged(history: &History, findings: &mut Findings) {
    for (node, kept) in kept(history) {
        let place = || format!("the records of node {} in the end", node.node);
        if let Some(why) = &kept.damaged {
            findings.at(|| why.clone(), place);
        }
        if let Some(missing) = kept.missing.first() {
            findings.at(|| format!("those of entries {missing:?} are missing"), place);
        }
        if node.purged > kept.covered_to {
            let (purged, to) = (node.purged, kept.covered_to);
            findings.at(|| format!("the log is purged up to {purged:?}, they go to {to:?}"), place);
        }
    }
}

/// Whether records were to be judged, and none were written.
pub(super) fn are_unknown(history: &History) -> Option<Verdict> {
    let mut all = kept(history).map(|(_, kept)| kept).peekable();
    let some = all.peek().is_some();
    let none_written = all.all(|kept| kept.covered_to.is_none());
    (some && none_written).then(|| Verdict::Unknown { why: "no node wrote any records".into() })
}

fn kept(history: &History) -> impl Iterator<Item = (&FinalNode, &FinalRecords)> {
    let nodes = history.ending.iter().flat_map(|ending| &ending.nodes);
    nodes.filter_map(|node| Some((node, node.records.as_ref()?)))
}

/// What the events of the log are to be remembered by.
fn made(log: &Log) -> Records {
    let mut made = Records::new();
    let mut ordinal = 0;
    ledger::walk(log, |ledger, entry, event| {
        let record = match event {
            None => {
                ordinal = 0;
                return;
            }
            Some(Event::Contact { what: ContactEvent::Closed(record), .. }) => {
                Record::Contact(record.clone())
            }
            Some(Event::Audit(record)) => Record::Audit(record.clone()),
            Some(_) => return,
        };
        made.insert((entry.index, ordinal), (ledger.clocks.now, encode_record(&record)));
        ordinal += 1;
    });
    made
}
