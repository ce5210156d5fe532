//! How often everything occurred: a test that never met something says nothing about it.

use std::collections::BTreeMap;
use std::fmt;

use acd::event::{ContactEvent, Event};

use crate::history::{Answer, Log};

/// How often each kind of command, refusal and event occurred.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// By the kind of command.
    pub commands: BTreeMap<String, u64>,
    /// By the code of the refusal.
    pub refusals: BTreeMap<String, u64>,
    /// By the kind of event.
    pub events: BTreeMap<String, u64>,
}

impl Coverage {
    /// Counts what is in a log.
    pub fn add(&mut self, log: &Log) {
        for entry in log.entries.values() {
            for submission in &entry.submissions {
                count(&mut self.commands, kind(&submission.command, 2));
            }
            for answer in &entry.answers {
                self.add_answer(answer);
            }
            for event in &entry.events {
                let name = match event {
                    Event::Contact { what: ContactEvent::OfferEnded { end, .. }, .. } => {
                        format!("OfferEnded({end:?})")
                    }
                    Event::Contact { what: ContactEvent::Closed(record), .. } => {
                        format!("Closed({:?})", record.outcome)
                    }
                    Event::Contact { what, .. } => kind(what, 1),
                    Event::Agent { what, .. } => format!("Agent{}", kind(what, 1)),
                    other => kind(other, 1),
                };
                count(&mut self.events, name);
            }
        }
    }

    fn add_answer(&mut self, answer: &Answer) {
        if let Err(rejection) = answer {
            count(&mut self.refusals, rejection.code().to_owned());
        }
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: String) {
    *counts.entry(name).or_default() += 1;
}

/// The first names of a value as it prints: of a command its group and its kind.
fn kind(value: &dyn fmt::Debug, names: usize) -> String {
    let text = format!("{value:?}");
    let words = text.split(['(', ' ', '{']).filter(|word| !word.is_empty());
    words.take(names).collect::<Vec<_>>().join("::").trim_end_matches(')').to_owned()
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups =
            [("commands", &self.commands), ("refusals", &self.refusals), ("events", &self.events)];
        for (name, counts) in groups {
            let all: Vec<String> = counts.iter().map(|(what, n)| format!("{what} {n}")).collect();
            writeln!(f, "{name}: {}", all.join(", "))?;
        }
        Ok(())
    }
}
