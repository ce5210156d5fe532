//! Agents and what they do.

use alloc::vec::Vec;

use super::Board;
use crate::agent::{Agent, Presence};
use crate::ids::{ContactId, QueueId};
use crate::metrics::{AgentCounters, Block};

/// Agents by what they do, each counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentTally {
    /// Ready, with nothing to do.
    pub free: u32,
    /// Logged in, with at least one contact or offer.
    pub busy: u32,
    /// Logged in, not ready and without contacts.
    pub not_ready: u32,
    /// Session lost, whatever they have.
    pub unreachable: u32,
    /// Not logged in.
    pub offline: u32,
}

impl AgentTally {
    pub(crate) fn add(&mut self, agent: &Agent) {
        let count = match (&agent.presence, agent.is_busy()) {
            (Presence::Offline, _) => &mut self.offline,
            (Presence::Unreachable { .. }, _) => &mut self.unreachable,
            (_, true) => &mut self.busy,
            (Presence::Ready, false) => &mut self.free,
            (Presence::NotReady(_), false) => &mut self.not_ready,
        };
        *count += 1;
    }
}

/// An offer or a contact of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work<'a> {
    /// The contact.
    pub contact: &'a ContactId,
    /// The word for its stage.
    pub stage: &'static str,
    /// Its queue.
    pub queue: &'a QueueId,
}

/// An agent.
#[derive(Clone, Debug)]
pub struct AgentRow<'a> {
    /// The agent.
    pub agent: &'a Agent,
    /// Offers and contacts, in the order in which they came.
    pub work: Vec<Work<'a>>,
    /// Counters, as of now.
    pub metrics: Block<AgentCounters>,
}

impl Board {
    /// The row of an agent of this board.
    pub fn agent_row<'a>(&'a self, agent: &'a Agent) -> AgentRow<'a> {
        let work = agent.work.iter().map(|slot| {
            let contact = self.contact(*slot);
            let queue = self.queue(contact.queue).id();
            Work { contact: &contact.id, stage: contact.stage.word(), queue }
        });
        AgentRow {
            agent,
            work: work.collect(),
            metrics: agent.metrics.at(self.now, &self.settings),
        }
    }
}
