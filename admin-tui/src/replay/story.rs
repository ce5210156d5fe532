//! One contact's story: everything that happened to it, and, whenever it began to wait, why it
//! waited.

use std::collections::BTreeMap;
use std::fmt::Write;

use acd::config::Strategy;
use acd::event::{ContactEvent, Event, OfferEnd, OfferReason, OverflowCause, SiteChoice};
use acd::explain::Explanation;
use acd::ids::ContactId;
use acd::record::Outcome;
use acd::time::{LogTime, Millis};
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

    /// The contact, if it is the one of the story and begins to wait: then the story wants to know
    /// why.
    pub fn asks_why<'a>(&self, event: &'a Event) -> Option<&'a ContactId> {
        match event {
            Event::Contact {
                contact,
                what: ContactEvent::Enqueued { .. } | ContactEvent::Queued { .. },
            } if contact.as_str() == self.contact => Some(contact),
            _ => None,
        }
    }

    /// Something happened in the centre; `why_it_waits` counts agents by the first rule that
    /// excludes them.
    pub fn hear(&mut self, now: LogTime, event: &Event, why_it_waits: BTreeMap<String, u32>) {
        let Event::Contact { contact, what } = event else {
            return;
        };
        if contact.as_str() != self.contact {
            return;
        }
        self.chapters.push(Chapter {
            at: clock_time(now),
            what: describe(what),
            why_this_agent: match what {
                ContactEvent::Offered { reason, .. } => Some(describe_reason(reason)),
                _ => None,
            },
            why_it_waits,
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

/// Agents by the first rule that excludes them.
pub(super) fn by_rule(explanation: &Explanation) -> BTreeMap<String, u32> {
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
        ContactEvent::Scheduled { until } => format!("will wait from {}", clock_time(*until)),
        ContactEvent::StepReached { step } => format!("reached step {}", number_of(*step)),
        ContactEvent::PlaceChanged { from, to, step } => {
            let gained = seconds(Millis(from.saturating_sub(*to).unsigned_abs()));
            format!("moved up by {gained} on reaching step {}", number_of(*step))
        }
        ContactEvent::Spilled => "need not stay at its own site any longer".into(),
        ContactEvent::PreferredGivenUp { agent } => format!("waits no longer for {agent} alone"),
        ContactEvent::Offered { agent, site, token, .. } => {
            format!("offered to {agent} in {site} (token {})", token.0)
        }
        ContactEvent::OfferEnded { agent, end, .. } => {
            format!("no longer with {agent}: {}", describe_end(*end))
        }
        ContactEvent::Accepted { agent, .. } => format!("accepted by {agent}"),
        ContactEvent::Connected { agent, waited, .. } => {
            format!("answered by {agent} after {}", seconds(*waited))
        }
        ContactEvent::Held => "on hold".into(),
        ContactEvent::Retrieved => "off hold".into(),
        ContactEvent::WrapUpStarted { agent } => format!("{agent} wraps up"),
        ContactEvent::Transferred { agent, from, to } => {
            format!("passed on by {agent} from {from} to {to}")
        }
        ContactEvent::Overflowed { from, to, cause } => {
            format!("moved from {from} to {to}: {}", describe_cause(*cause))
        }
        ContactEvent::BecameCallback { cause: None } => {
            "will be called back, as the customer asked".into()
        }
        ContactEvent::BecameCallback { cause: Some(cause) } => {
            format!("will be called back: {}", describe_cause(*cause))
        }
        ContactEvent::Stranded { .. } => "its ingress is gone; it keeps its place".into(),
        ContactEvent::Resumed => "its ingress is back".into(),
        ContactEvent::Orphaned { .. } => "its agent or ingress is gone while they talk".into(),
        ContactEvent::Adopted => "its agent or ingress is back".into(),
        ContactEvent::ConsultStarted { consult } => {
            format!("a colleague is asked (contact {consult})")
        }
        ContactEvent::DispositionSet { disposition, resolved } => {
            let resolved = if *resolved { "resolved" } else { "not resolved" };
            format!("noted: {disposition}, {resolved}")
        }
        ContactEvent::RecordingSet { reference } => format!("recorded: {reference}"),
        ContactEvent::CsatReceived { score } => format!("the customer gave {score} of 100"),
        ContactEvent::Closed(record) => format!("closed: {}", describe_outcome(record.outcome)),
    }
}

/// The state machine counts steps from 0, people from 1.
fn number_of(step: u8) -> u32 {
    u32::from(step) + 1
}

fn seconds(duration: Millis) -> String {
    format!("{} s", duration.0 as f64 / 1_000.0)
}

fn describe_reason(reason: &OfferReason) -> String {
    let OfferReason { preferred, step, grade, site, strategy, key } = reason;
    let preferred = if *preferred { "preferred, " } else { "" };
    let site = match site {
        SiteChoice::Any => "any site",
        SiteChoice::Local => "own site",
        SiteChoice::Spilled => "another site after waiting for its own",
        SiteChoice::Share => "site furthest behind its share",
        SiteChoice::FreeCapacity => "site with the most free agents",
    };
    let strategy = match strategy {
        Strategy::LongestIdle => format!("longest idle, since {key}"),
        Strategy::LeastOccupied => format!("least occupied, {} %", *key as f64 / 10_000.0),
        Strategy::MostSkilled => format!("most skilled, levels sum to {key}"),
        Strategy::RoundRobin => format!("round robin, last offer {key}"),
    };
    format!("{preferred}step {}, grade {}, {site}, {strategy}", number_of(*step), grade.get())
}

fn describe_end(end: OfferEnd) -> &'static str {
    match end {
        OfferEnd::Declined => "declined",
        OfferEnd::Rona => "rang in vain",
        OfferEnd::AgentLost => "the agent is gone",
        OfferEnd::BridgeFailed => "the two could not be connected",
        OfferEnd::BridgeTimeout => "the two were not connected in time",
        OfferEnd::Abandoned => "the customer left",
        OfferEnd::IngressLost => "its ingress is gone",
        OfferEnd::Withdrawn => "taken back",
        OfferEnd::Transferred => "passed on",
    }
}

fn describe_cause(cause: OverflowCause) -> &'static str {
    match cause {
        OverflowCause::Closed => "the queue is closed",
        OverflowCause::Full => "the queue is full",
        OverflowCause::WaitedTooLong => "it waited too long",
        OverflowCause::Moved => "a supervisor moved it",
        OverflowCause::Deleted => "the queue was deleted",
        OverflowCause::Drained => "its site is being drained",
    }
}

fn describe_outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Handled => "handled",
        Outcome::Abandoned => "the customer left before an answer",
        Outcome::WaitedTooLong => "turned away after waiting too long",
        Outcome::TurnedAwayClosed => "turned away, the queue was closed",
        Outcome::TurnedAwayFull => "turned away, the queue was full",
        Outcome::Flushed => "turned away when the queue closed",
        Outcome::LostIngress => "its ingress did not come back in time",
        Outcome::Orphaned => "its agent or ingress was gone for too long",
        Outcome::Removed => "a supervisor removed it",
        Outcome::ConsultOver => "the contact it was a consultation for ended first",
        Outcome::Cut => "a drain cut it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use acd::config::Grade;
    use acd::ids::{AgentId, OfferToken};

    #[test]
    fn the_keys_that_won_are_told_in_words() {
        let grade = Grade::new(2).expect("in range");
        let reason = |preferred, site, strategy, key| {
            describe_reason(&OfferReason { preferred, step: 0, grade, site, strategy, key })
        };
        assert_eq!(
            reason(false, SiteChoice::Any, Strategy::LongestIdle, 36_834),
            "step 1, grade 2, any site, longest idle, since 36834"
        );
        assert_eq!(
            reason(true, SiteChoice::Local, Strategy::LeastOccupied, 412_500),
            "preferred, step 1, grade 2, own site, least occupied, 41.25 %"
        );
    }

    #[test]
    fn what_happened_is_told_in_words() {
        let agent = AgentId::new("anna").expect("a slug");
        let ended = ContactEvent::OfferEnded { token: OfferToken(7), agent, end: OfferEnd::Rona };
        assert_eq!(describe(&ended), "no longer with anna: rang in vain");
        let moved = ContactEvent::PlaceChanged { from: 90_000, to: 60_000, step: 1 };
        assert_eq!(describe(&moved), "moved up by 30 s on reaching step 2");
        let cause = Some(OverflowCause::WaitedTooLong);
        let callback = ContactEvent::BecameCallback { cause };
        assert_eq!(describe(&callback), "will be called back: it waited too long");
    }
}
