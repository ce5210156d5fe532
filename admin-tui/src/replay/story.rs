//! One contact's story: everything that happened to it, and, whenever it began to wait, why it
//! waited.

use std::collections::BTreeMap;
use std::fmt::Write;

use acd::Centre;
use acd::event::{ContactEvent, Event, OfferReason};
use acd::explain::Explanation;
use acd::ids::ContactId;
use acd::time::LogTime;
use serde::Serialize;

use super::calls::clock_time;

/// A story.
#[derive(Clone, Debug, Serialize)]
pub struct Story {
    /// The contact.
    contact: String,
    /// What happened, in order.
    chapters: Vec<Chapter>,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
struct Chapter {
    /// When, as the log writes time.
    at: String,
    /// What.
    what: String,
    /// Why an agent was chosen: the keys that won.
    #[serde(skip_serializing_if = "Option::is_none")]
    why_this_agent: Option<String>,
    /// Why nobody was: agents by the first rule that excludes them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    why_it_waits: BTreeMap<String, u32>,
}

impl Story {
    /// A story without chapters.
    pub fn new(contact: ContactId) -> Self {
        Self { contact: contact.as_str().into(), chapters: Vec::new() }
    }

    /// Whether nothing is known of the contact.
    pub fn is_empty(&self) -> bool {
        self.chapters.is_empty()
    }

    /// Something happened in the centre.
    pub fn hear(&mut self, now: LogTime, centre: &Centre, event: &Event) {
        let Event::Contact { contact, what } = event else {
            return;
        };
        if contact.as_str() != self.contact {
            return;
        }
        let begins_to_wait =
            matches!(what, ContactEvent::Enqueued { .. } | ContactEvent::Queued { .. });
        let explanation = if begins_to_wait { centre.explain(contact) } else { None };
        self.chapters.push(Chapter {
            at: clock_time(now),
            what: describe(what),
            why_this_agent: match what {
                ContactEvent::Offered { reason, .. } => Some(describe_reason(reason)),
                _ => None,
            },
            why_it_waits: explanation.map(|e| by_rule(&e)).unwrap_or_default(),
        });
    }

    /// For people.
    pub fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "contact {}", self.contact)?;
        for Chapter { at, what, why_this_agent, why_it_waits } in &self.chapters {
            writeln!(text, "  {at}  {what}")?;
            if let Some(why) = why_this_agent {
                writeln!(text, "            this agent because: {why}")?;
            }
            if !why_it_waits.is_empty() {
                let rules: Vec<_> =
                    why_it_waits.iter().map(|(rule, n)| format!("{n} {rule}")).collect();
                writeln!(text, "            waits because of all agents: {}", rules.join(", "))?;
            }
        }
        Ok(())
    }
}

fn by_rule(explanation: &Explanation) -> BTreeMap<String, u32> {
    let mut rules = BTreeMap::new();
    for (rule, count) in &explanation.excluded {
        *rules.entry(rule.code().to_owned()).or_default() += count;
    }
    rules
}

fn describe(what: &ContactEvent) -> String {
    match what {
        ContactEvent::Enqueued { queue, priority, site, .. } => {
            format!("arrived in {queue} by {site}, priority {}", priority.get())
        }
        ContactEvent::Queued { queue } => format!("waits in {queue}"),
        ContactEvent::Offered { agent, site, token, .. } => {
            format!("offered to {agent} in {site} (token {})", token.0)
        }
        ContactEvent::OfferEnded { agent, end, .. } => format!("no longer with {agent}: {end:?}"),
        ContactEvent::Accepted { agent, .. } => format!("accepted by {agent}"),
        ContactEvent::Connected { agent, waited, .. } => {
            format!("answered by {agent} after {} s", waited.0 as f64 / 1_000.0)
        }
        ContactEvent::Closed(record) => format!("closed: {:?}", record.outcome),
        other => format!("{other:?}"),
    }
}

fn describe_reason(reason: &OfferReason) -> String {
    let OfferReason { preferred, step, grade, site, strategy, key } = reason;
    let preferred = if *preferred { "preferred, " } else { "" };
    format!(
        "{preferred}step {}, grade {}, site {site:?}, {strategy:?} {key}",
        u32::from(*step) + 1,
        grade.get()
    )
}
