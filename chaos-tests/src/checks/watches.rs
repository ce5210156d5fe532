//! I7: what a watch is told is in the order of the log, each entry once and whole, without gaps
//! but those that it is told of; and it is told, for as long as it wants to be.

use std::collections::BTreeMap;

use super::ledger::{self, Ledger};
use super::{Findings, Verdict, contacts};
use crate::history::{Contacts, History, Log, ResumeToken, Told, Watched};

/// How long a healthy cluster may take to commit an entry and to tell everybody of it, in ms.
const TELLING_MS_MAX: u64 = 1_000;

/// I7.
pub(super) fn complete(history: &History, log: &Log) -> Verdict {
    let mut findings = Findings::default();
    let mut told_anything = false;
    let due = due_in_the_end(history, log);
    for (name, watched) in &history.watches {
        let followed = follow(name, watched, log, &mut findings);
        told_anything |= followed.told_anything;
        if let (Some(due), false) = (due, followed.is_closed)
            && !matches!(followed.cursor, Cursor::At(at) if at.index >= due)
        {
            let why = || format!("it was never told of {due}, nor that it is over");
            findings.at(why, || format!("watch {name} in the end"));
        }
    }
    lists(history, log, &mut findings);
    let verdict = findings.verdict();
    if verdict.holds() && !told_anything {
        return Verdict::Unknown { why: "no watch was told of any entry".into() };
    }
    verdict
}

/// Where a watch is.
enum Cursor {
    /// It must be told everything first.
    Nowhere,
    /// It was told everything up to here.
    At(ResumeToken),
}

/// How a watch ended.
struct Followed {
    cursor: Cursor,
    told_anything: bool,
    /// Nobody wanted to see more.
    is_closed: bool,
}

/// The last entry with events that everybody has had time to be told of.
fn due_in_the_end(history: &History, log: &Log) -> Option<u64> {
    let noted = history.ending.as_ref()?.noted;
    let in_time = |index: &u64| {
        history.written_at.get(index).is_some_and(|written| written + TELLING_MS_MAX <= noted)
    };
    let mut with_events = log.entries.iter().rev().filter(|(_, entry)| !entry.events.is_empty());
    with_events.find(|(index, _)| in_time(index)).map(|(index, _)| *index)
}

/// Follows one watch.
fn follow(name: &str, watched: &Watched, log: &Log, findings: &mut Findings) -> Followed {
    let mut cursor = Cursor::Nowhere;
    let mut told_anything = false;
    let mut is_closed = false;
    for (time, told) in watched {
        let place = || format!("watch {name} at {time} ms");
        is_closed = matches!(told, Told::Closed);
        match told {
            Told::Asked { from, .. } => {
                cursor = from.map_or(Cursor::Nowhere, Cursor::At);
            }
            Told::Listed { token, .. } => {
                if let Cursor::At(at) = cursor {
                    let why = || format!("listed anew from {at:?} without a word");
                    findings.at(why, place);
                }
                cursor = Cursor::At(*token);
            }
            Told::Entry { token, events } => {
                told_anything = true;
                let Cursor::At(at) = cursor else {
                    findings.at(|| "told of an entry before the list".into(), place);
                    continue;
                };
                cursor = Cursor::At(*token);
                if token.epoch != at.epoch {
                    findings.at(|| format!("from {at:?} to {token:?} without a word"), place);
                    continue;
                }
                if token.index <= at.index {
                    let why = || format!("told of {} after {}", token.index, at.index);
                    findings.at(why, place);
                    continue;
                }
                let between = log.entries.range(at.index + 1..token.index);
                for (index, entry) in between {
                    if !entry.events.is_empty() {
                        findings.at(|| format!("not told of {index}"), place);
                    }
                }
                let whole = log.entries.get(&token.index).map(|entry| &entry.events);
                if whole != Some(&**events) {
                    findings.at(|| format!("told something else of {}", token.index), place);
                }
            }
            Told::Compacted => cursor = Cursor::Nowhere,
            Told::Ended | Told::Closed => {}
        }
    }
    Followed { cursor, told_anything, is_closed }
}

/// Lists are of the state at their index.
fn lists(history: &History, log: &Log, findings: &mut Findings) {
    let mut lists: BTreeMap<u64, Vec<(&str, &Contacts)>> = BTreeMap::new();
    for (name, watched) in &history.watches {
        for (_, told) in watched {
            if let Told::Listed { token, contacts } = told {
                lists.entry(token.index).or_default().push((name, contacts));
            }
        }
    }
    let mut compare = |ledger: &Ledger, before: u64, lists: &mut BTreeMap<u64, _>| {
        while let Some(first) = lists.first_entry().filter(|first| *first.key() < before) {
            let (index, at): (u64, Vec<(&str, &Contacts)>) = first.remove_entry();
            for (name, listed) in at {
                if let Err(why) = contacts::same_contacts(ledger, listed) {
                    findings.at(|| why, || format!("the list of watch {name} at index {index}"));
                }
            }
        }
    };
    let ledger = ledger::walk(log, |ledger, entry, event| {
        if event.is_none() {
            compare(ledger, entry.index, &mut lists);
        }
    });
    compare(&ledger, u64::MAX, &mut lists);
}
