//! Queues and who waits in them.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use super::{AgentTally, Board};
use crate::agent::{Agent, Presence};
use crate::contact::{Contact, Place, Stage};
use crate::estimate::{ExpectedWait, by_queue_length};
use crate::ids::QueueId;
use crate::metrics::{Block, QueueCounters};
use crate::queue::Queue;
use crate::time::Millis;

/// A queue.
#[derive(Clone, Debug)]
pub struct QueueRow<'a> {
    /// The queue.
    pub queue: &'a Queue,
    /// Whether it takes contacts now: its calendar is open, and it is not closed at once.
    pub is_open: bool,
    /// Contacts that wait.
    pub waiting: u32,
    /// Contacts before an agent or being connected.
    pub offered: u32,
    /// Contacts with an agent, wrap-up included.
    pub connected: u32,
    /// Contacts whose ingress is gone.
    pub stranded: u32,
    /// How long the longest has been waiting in it.
    pub oldest_wait: Option<Millis>,
    /// Agents who serve it.
    pub agents: AgentTally,
    /// Counters, as of now.
    pub metrics: Block<QueueCounters>,
    /// What a contact that arrives now should expect.
    pub expected: ExpectedWait,
}

/// What is counted of a queue on the way.
#[derive(Clone, Copy, Default)]
struct Count {
    waiting: u32,
    offered: u32,
    connected: u32,
    stranded: u32,
    oldest_wait: Option<Millis>,
    /// Its first in line, and how long that one has been waiting.
    first: Option<(Place, Millis)>,
    agents: AgentTally,
    /// Agents who could be offered contacts.
    ready: u64,
}

impl Count {
    fn add(&mut self, contact: &Contact, waited: Millis) {
        match contact.stage {
            Stage::Scheduled { .. } => {}
            Stage::Queued => {
                self.waiting += 1;
                self.oldest_wait = self.oldest_wait.max(Some(waited));
                if self.first.is_none_or(|(earliest, _)| contact.place() < earliest) {
                    self.first = Some((contact.place(), waited));
                }
            }
            Stage::Stranded { .. } => self.stranded += 1,
            Stage::Offered { .. } | Stage::Accepted { .. } => self.offered += 1,
            Stage::Connected { .. } | Stage::Held { .. } | Stage::WrapUp { .. } => {
                self.connected += 1;
            }
        }
    }
}

impl Board {
    /// The rows of all queues, or of one, by id. Costs one look at every agent and contact.
    pub fn queue_rows(&self, only: Option<&QueueId>) -> Vec<QueueRow<'_>> {
        let wanted = |queue: &Queue| only.is_none_or(|id| queue.id() == id);
        let mut counts = vec![Count::default(); self.queues.slots_max()];
        let by_id: BTreeMap<_, _> =
            self.queues.slots().map(|slot| (self.queue(slot).id(), slot)).collect();
        for contact in self.contacts() {
            counts[contact.queue.index()].add(contact, self.now.since(contact.entered_queue));
        }
        for agent in self.agents() {
            let is_ready = self.can_be_offered(agent);
            for assignment in agent.queues() {
                if let Some(slot) = by_id.get(&assignment.queue) {
                    let count = &mut counts[slot.index()];
                    count.agents.add(agent);
                    count.ready += u64::from(is_ready);
                }
            }
        }
        let rows = by_id.into_values().filter(|slot| wanted(self.queue(*slot)));
        rows.map(|slot| self.queue_row(self.queue(slot), counts[slot.index()])).collect()
    }

    /// Whether an agent is ready at a site in service.
    fn can_be_offered(&self, agent: &Agent) -> bool {
        let in_service = |at| self.site(at).state.takes_offers();
        agent.presence == Presence::Ready
            && agent.pending.is_none()
            && agent.session.is_some_and(|session| in_service(session.site))
    }

    fn queue_row<'a>(&'a self, queue: &'a Queue, count: Count) -> QueueRow<'a> {
        let Count { waiting, offered, connected, stranded, oldest_wait, first, agents, ready } =
            count;
        let metrics = queue.metrics.at(self.now, &self.settings);
        let calendar = queue.config.calendar.as_ref();
        let calendar = calendar.and_then(|id| self.calendars.iter().find(|c| c.config.id == *id));
        let is_open = calendar.is_none_or(|calendar| calendar.config.is_open(self.now));
        QueueRow {
            queue,
            is_open: is_open && queue.closure.is_none(),
            waiting,
            offered,
            connected,
            stranded,
            oldest_wait,
            agents,
            metrics,
            expected: ExpectedWait {
                head_of_line: first.map(|(_, waited)| waited),
                queue_length: by_queue_length(&metrics.today, u64::from(waiting), ready),
            },
        }
    }
}
