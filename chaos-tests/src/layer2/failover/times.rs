//! When offers were received, and what that says of each loss.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use acd::event::{ContactEvent, Event};
use acd::ids::{ContactId, OfferToken};
use serde::Serialize;
use tokio::time::Instant;

use crate::history::{History, Log};
use crate::layer2::net::city_of;

/// A city that was lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loss {
    /// When: the moment before.
    pub(super) at: Instant,
    /// The same in ms since the history began.
    pub(super) at_ms: u64,
    pub(super) city: usize,
}

/// An offer that a session received.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) at: Instant,
    /// The city of the session's node.
    pub(super) session: usize,
    /// The city where the contact came in.
    pub(super) anchor: usize,
    pub(super) contact: ContactId,
    pub(super) token: OfferToken,
}

impl Offer {
    /// Whether neither session nor contact is in the city.
    fn is_elsewhere(&self, city: usize) -> bool {
        self.session != city && self.anchor != city
    }
}

#[derive(Default)]
struct Inner {
    losses: Vec<Loss>,
    offers: Vec<Offer>,
}

/// What was lost, and who was offered what. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Notes(Arc<Mutex<Inner>>);

/// How long it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Times {
    /// The longest, in ms; none: there was no offer after a loss.
    pub worst_ms: Option<u64>,
    /// The one in the middle, in ms; of two the later one.
    pub median_ms: Option<u64>,
    /// Each, in the order of the losses, in ms. None: no offer was received.
    pub each_ms: Vec<Option<u64>>,
}

impl Notes {
    pub(super) fn new() -> Self {
        Self::default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // What is in it is whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lost(&self, loss: Loss) {
        self.inner().losses.push(loss);
    }

    pub(super) fn offered(&self, offer: Offer) {
        self.inner().offers.push(offer);
    }

    /// Whether a session elsewhere was offered a contact from elsewhere since then.
    pub(super) fn offered_elsewhere_since(&self, since: Instant, city: usize) -> bool {
        let inner = self.inner();
        let late = inner.offers.iter().rev().take_while(|offer| offer.at >= since);
        late.into_iter().any(|offer| offer.is_elsewhere(city))
    }

    /// Judged by the log: which offers were made in the term of the next leader.
    pub(super) fn times(&self, history: &History) -> Times {
        let inner = self.inner();
        let log = Log::of(history);
        let mut terms = Vec::new();
        let mut made = BTreeMap::new();
        for (index, entry) in &log.entries {
            let at_ms = history.written_at.get(index).copied().unwrap_or_default();
            for event in &entry.events {
                match event {
                    Event::TermStarted { leader, .. } => {
                        terms.push((*index, at_ms, city_of(leader.0)));
                    }
                    Event::Contact { contact, what: ContactEvent::Offered { token, .. } } => {
                        made.insert((contact.clone(), *token), *index);
                    }
                    _ => {}
                }
            }
        }
        let time = |loss: &Loss| {
            let next =
                |(_, at_ms, city): &&(u64, u64, usize)| *at_ms >= loss.at_ms && *city != loss.city;
            let (term, ..) = terms.iter().find(next)?;
            let counts = inner.offers.iter().filter(|offer| {
                let index = made.get(&(offer.contact.clone(), offer.token));
                offer.at >= loss.at
                    && offer.is_elsewhere(loss.city)
                    && index.is_some_and(|index| index > term)
            });
            let first = counts.map(|offer| offer.at).min()?;
            u64::try_from(first.duration_since(loss.at).as_millis()).ok()
        };
        let each_ms: Vec<_> = inner.losses.iter().map(time).collect();
        let mut known: Vec<_> = each_ms.iter().flatten().copied().collect();
        known.sort_unstable();
        let is_whole = known.len() == each_ms.len();
        let worst_ms = known.last().copied().filter(|_| is_whole);
        let median_ms = known.get(known.len() / 2).copied().filter(|_| is_whole);
        Times { worst_ms, median_ms, each_ms }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use acd::config::{Grade, Strategy};
    use acd::event::{OfferReason, SiteChoice};
    use acd::ids::{AgentId, NodeId, QueueId, SiteId};
    use acd::time::{AttendedTime, LogTime, Millis};

    use super::*;
    use crate::history::{AppliedEntry, ReplicaAct, Run};

    fn contact(name: &str) -> ContactId {
        ContactId::new(name).expect("a proper id")
    }

    fn offered(name: &str, token: u64) -> Event {
        let what = ContactEvent::Offered {
            token: OfferToken(token),
            agent: AgentId::new("anna").expect("a proper id"),
            site: SiteId::new("lviv").expect("a proper id"),
            queue: QueueId::new("service").expect("a proper id"),
            deadline: AttendedTime(0),
            auto_answer: false,
            reason: OfferReason {
                preferred: false,
                step: 0,
                grade: Grade::new(1).expect("a grade"),
                site: SiteChoice::Any,
                strategy: Strategy::LongestIdle,
                key: 0,
            },
        };
        Event::Contact { contact: contact(name), what }
    }

    fn entry(index: u64, events: Vec<Event>) -> ReplicaAct {
        ReplicaAct::Applied(Arc::new(AppliedEntry {
            index,
            stamp: LogTime(index),
            submissions: Vec::new(),
            answers: Vec::new(),
            events,
            hash: 0,
        }))
    }

    #[test]
    fn an_offer_of_the_lost_leader_that_comes_late_does_not_count() {
        let notes = Notes::new();
        let at = Instant::now();
        // Kyiv, with nodes 1 and 4; lviv has 2 and 5.
        notes.lost(Loss { at, at_ms: 100, city: 0 });
        let receive = |after, session, anchor, name, token| {
            notes.offered(Offer {
                at: at + Duration::from_millis(after),
                session,
                anchor,
                contact: contact(name),
                token: OfferToken(token),
            });
        };
        receive(5, 1, 1, "late", 1);
        receive(430, 0, 1, "there", 2);
        receive(440, 1, 0, "from-there", 3);
        receive(450, 1, 2, "elsewhere", 4);
        receive(460, 2, 2, "later", 5);
        let term = Event::TermStarted { leader: NodeId(2), gap: Millis(400) };
        let acts = vec![
            entry(7, vec![offered("late", 1)]),
            entry(8, vec![term]),
            entry(9, vec![offered("there", 2), offered("from-there", 3)]),
            entry(10, vec![offered("elsewhere", 4), offered("later", 5)]),
        ];
        let mut history = History {
            runs: vec![Run { node: 2, run: 0, started: 0, acts }],
            written_at: [(7, 90), (8, 500), (9, 510), (10, 510)].into(),
            ..History::default()
        };
        let times = notes.times(&history);
        let expected =
            Times { worst_ms: Some(450), median_ms: Some(450), each_ms: vec![Some(450)] };
        assert_eq!(times, expected);

        // Without a next leader there is no time, and no worst one.
        history.written_at.insert(8, 90);
        let times = notes.times(&history);
        assert_eq!(times, Times { worst_ms: None, median_ms: None, each_ms: vec![None] });
    }
}
