//! What occurred: commands, events, endings, refusals.

use std::collections::BTreeMap;
use std::fmt::Debug;

use acd::command::{Command, Submission};
use acd::event::{ContactEvent, Event};
use acd::reply::Reply;

use crate::model::Outcome;

/// How often what occurred, by kind and name.
#[derive(Clone, Default)]
pub struct Coverage {
    pub seen: BTreeMap<(&'static str, String), u64>,
}

/// The name of a variant.
fn name(of: &impl Debug) -> String {
    let text = format!("{of:?}");
    text.chars().take_while(|c| c.is_alphanumeric()).collect()
}

impl Coverage {
    fn see(&mut self, kind: &'static str, name: String) {
        *self.seen.entry((kind, name)).or_default() += 1;
    }

    pub fn add(&mut self, other: Self) {
        for (key, count) in other.seen {
            *self.seen.entry(key).or_default() += count;
        }
    }

    pub fn note(&mut self, submissions: &[Submission], outcomes: &[Outcome], events: &[Event]) {
        for (submission, outcome) in submissions.iter().zip(outcomes) {
            let command = match &submission.command {
                Command::Cluster(c) => name(c),
                Command::Contact(c) => name(c),
                Command::Work(c) => name(c),
                Command::Agent(c) => name(c),
                Command::Site(c) => name(c),
                Command::Config(c) => name(c),
            };
            match outcome {
                Ok(reply) => {
                    self.see("carried out", command);
                    self.see("reply", name(reply));
                    if let Reply::Verdicts(verdicts) = reply {
                        verdicts.iter().for_each(|v| self.see("verdict", name(v)));
                    }
                }
                Err(rejection) => {
                    self.see("refused", command);
                    self.see("rejection", rejection.code().to_owned());
                }
            }
        }
        for event in events {
            match event {
                Event::Contact { what, .. } => {
                    self.see("contact", name(what));
                    match what {
                        ContactEvent::OfferEnded { end, .. } => self.see("offer end", name(end)),
                        ContactEvent::Overflowed { cause, .. } => {
                            self.see("overflow", name(cause));
                        }
                        ContactEvent::BecameCallback { cause } => {
                            self.see("callback", cause.map_or("Asked".into(), |c| name(&c)));
                        }
                        ContactEvent::Closed(record) => self.see("ending", name(&record.outcome)),
                        ContactEvent::Offered { reason, .. } => {
                            self.see("strategy", name(&reason.strategy));
                            self.see("site choice", name(&reason.site));
                            self.see("step", reason.step.to_string());
                            self.see("preferred", reason.preferred.to_string());
                        }
                        _ => {}
                    }
                }
                Event::Agent { what, .. } => self.see("agent", name(what)),
                Event::Site { state, .. } => self.see("site", name(state)),
                Event::Alarm(alarm) => self.see("alarm", name(alarm)),
                other => self.see("event", name(other)),
            }
        }
    }

    /// What of this was never seen.
    pub fn missing(&self, expected: &[(&'static str, &str)]) -> Vec<String> {
        let mut missing = Vec::new();
        for (kind, names) in expected {
            for name in names.split_whitespace() {
                if !self.seen.contains_key(&(*kind, name.to_owned())) {
                    missing.push(format!("{kind}: {name}"));
                }
            }
        }
        missing
    }
}
