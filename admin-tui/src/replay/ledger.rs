//! An account of every contact, kept from what was acknowledged and what happened, without a look
//! into the state: whom the contact centre lost, and who was offered to two agents.

use std::collections::HashMap;

use acd::event::{ContactEvent, Event};
use acd::ids::{AgentId, ContactId};
use acd::record::Outcome as Ending;
use acd::time::Millis;

use super::outcome::{Outcome, Tally};

/// Where a contact is, as far as was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    /// Its arrival was acknowledged.
    acknowledged: bool,
    /// Its last known place is a queue.
    waits: bool,
    /// Before or with this agent.
    with: Option<AgentId>,
    /// Its end was said.
    closed: bool,
}

/// The account.
#[derive(Default)]
pub struct Ledger {
    contacts: HashMap<ContactId, Entry>,
    /// How many calls each agent has.
    busy: HashMap<AgentId, u32>,
    tally: Tally,
    double_offered: u64,
    closed_twice: u64,
    /// The longest waits that ended with an answer, longest first.
    longest: Vec<(Millis, ContactId)>,
}

/// Waits kept by name.
const LONGEST_KEPT: usize = 5;

impl Ledger {
    /// The contact centre said that this contact is in.
    pub fn acknowledge(&mut self, contact: &ContactId) {
        self.contacts.entry(contact.clone()).or_default().acknowledged = true;
    }

    /// Something happened.
    pub fn enter(&mut self, event: &Event) {
        let Event::Contact { contact, what } = event else {
            return;
        };
        let entry = self.contacts.entry(contact.clone()).or_default();
        match what {
            ContactEvent::Enqueued { .. } => {
                entry.waits = true;
                self.tally.offer();
            }
            ContactEvent::Queued { .. } => entry.waits = true,
            ContactEvent::Offered { agent, .. } => {
                // One caller before two agents, or two callers before one.
                let calls = self.busy.entry(agent.clone()).or_default();
                *calls += 1;
                if entry.with.is_some() || *calls > 1 || entry.closed {
                    self.double_offered += 1;
                }
                entry.with = Some(agent.clone());
                entry.waits = false;
            }
            ContactEvent::OfferEnded { .. } => release(&mut self.busy, entry),
            ContactEvent::Connected { waited, .. } => {
                self.tally.answer(*waited);
                let at = self.longest.partition_point(|(longer, _)| longer >= waited);
                if at < LONGEST_KEPT {
                    self.longest.insert(at, (*waited, contact.clone()));
                    self.longest.truncate(LONGEST_KEPT);
                }
            }
            ContactEvent::Closed(record) => {
                release(&mut self.busy, entry);
                self.closed_twice += u64::from(entry.closed);
                (entry.closed, entry.waits) = (true, false);
                if record.outcome == Ending::Abandoned {
                    self.tally.abandon(record.closed.since(record.arrived));
                }
            }
            _ => {}
        }
    }

    /// How the contact centre did.
    pub fn outcome(&self) -> Outcome {
        self.tally.outcome()
    }

    /// The answered contacts that waited longest, longest first.
    pub fn longest_waits(&self) -> &[(Millis, ContactId)] {
        &self.longest
    }

    /// How often a contact was offered while it was before another agent, or an agent was offered
    /// a second call.
    pub fn double_offered(&self) -> u64 {
        self.double_offered
    }

    /// Contacts whose last known place is a queue.
    pub fn waiting(&self) -> u64 {
        self.contacts.values().filter(|entry| entry.waits).count() as u64
    }

    /// To be asked when everybody has gone home: contacts that were acknowledged and neither
    /// ended nor wait anywhere; and those whose end was said twice.
    pub fn lost(&self) -> u64 {
        let nowhere = |entry: &&Entry| entry.acknowledged && !entry.closed && !entry.waits;
        self.contacts.values().filter(nowhere).count() as u64 + self.closed_twice
    }
}

fn release(busy: &mut HashMap<AgentId, u32>, entry: &mut Entry) {
    if let Some(agent) = entry.with.take()
        && let Some(calls) = busy.get_mut(&agent)
    {
        *calls -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use acd::config::{Grade, Strategy};
    use acd::event::{OfferEnd, OfferReason, SiteChoice};
    use acd::ids::{OfferToken, QueueId, SiteId};
    use acd::time::AttendedTime;

    fn id(name: &str) -> ContactId {
        ContactId::new(name).expect("an id")
    }

    fn agent(name: &str) -> AgentId {
        AgentId::new(name).expect("a slug")
    }

    fn happened(contact: &str, what: ContactEvent) -> Event {
        Event::Contact { contact: id(contact), what }
    }

    fn offered(contact: &str, to: &str) -> Event {
        let reason = OfferReason {
            preferred: false,
            step: 0,
            grade: Grade::new(1).expect("a grade"),
            site: SiteChoice::Any,
            strategy: Strategy::LongestIdle,
            key: 0,
        };
        let what = ContactEvent::Offered {
            token: OfferToken(1),
            agent: agent(to),
            site: SiteId::new("kyiv").expect("a slug"),
            queue: QueueId::new("ps").expect("a slug"),
            deadline: AttendedTime(1),
            auto_answer: false,
            reason,
        };
        happened(contact, what)
    }

    fn ended(contact: &str, of: &str) -> Event {
        let what = ContactEvent::OfferEnded {
            token: OfferToken(1),
            agent: agent(of),
            end: OfferEnd::Declined,
        };
        happened(contact, what)
    }

    #[test]
    fn a_second_offer_counts_unless_the_first_has_ended() {
        let mut ledger = Ledger::default();
        ledger.enter(&offered("a", "anna"));
        ledger.enter(&ended("a", "anna"));
        ledger.enter(&offered("a", "boris"));
        assert_eq!(ledger.double_offered(), 0);
        ledger.enter(&offered("a", "anna"));
        assert_eq!(ledger.double_offered(), 1, "one caller before two agents");
        ledger.enter(&offered("b", "boris"));
        assert_eq!(ledger.double_offered(), 2, "two callers before one agent");
    }

    #[test]
    fn what_was_acknowledged_and_is_nowhere_is_lost() {
        let mut ledger = Ledger::default();
        for contact in ["nowhere", "waits", "with-an-agent"] {
            ledger.acknowledge(&id(contact));
        }
        let queue = QueueId::new("ps").expect("a slug");
        ledger.enter(&happened("waits", ContactEvent::Queued { queue }));
        ledger.enter(&offered("with-an-agent", "anna"));
        assert_eq!((ledger.waiting(), ledger.lost()), (1, 2), "nobody is at a desk any more");
    }
}
