//! What boards show: rows of queues, sites, agents and contacts.
//!
//! ```text
//! Centre::board → Board (forks; the centre goes on) → rows, sorted and counted at leisure
//! ```
//!
//! Rows need a look at every agent or contact: a few milliseconds for 100,000 contacts. The centre
//! is not held up for that long: a [`Board`] is a fork of its tables, which copies a pointer per 32
//! entities. While a board lives, each command copies the pages it changes, once; drop it when the
//! rows are told.

mod agents;
mod configuration;
mod queues;
mod sites;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::agent::Agent;
use crate::catalogue::CalendarEntry;
use crate::centre::Centre;
use crate::config::Settings;
use crate::contact::{Contact, Stage};
use crate::explain::With;
use crate::ids::{AgentId, ContactId, NodeId, SiteId};
use crate::queue::Queue;
use crate::site::{Node, Site};
use crate::table::{Fork, Slot};
use crate::time::LogTime;

pub use agents::{AgentRow, AgentTally, Work};
pub use configuration::{Configuration, Configured};
pub use queues::QueueRow;
pub use sites::SiteRow;

/// The contact centre as it was at one moment, whatever became of it since. It can be sent to
/// another thread and read there.
pub struct Board {
    now: LogTime,
    settings: Settings,
    contacts: Fork<Contact>,
    agents: Fork<Agent>,
    pub(crate) queues: Fork<Queue>,
    pub(crate) sites: Fork<Site>,
    calendars: Fork<CalendarEntry>,
    nodes: BTreeMap<NodeId, Node>,
}

impl Centre {
    /// What boards show of the state as it is now, between two entries.
    pub fn board(&self) -> Board {
        Board {
            now: self.clocks.now,
            settings: self.settings.clone(),
            contacts: self.contacts.fork(),
            agents: self.agents.fork(),
            queues: self.queues.fork(),
            sites: self.sites.fork(),
            calendars: self.calendars.fork(),
            nodes: self.nodes.clone(),
        }
    }

    /// Where a board that is taken now has an agent.
    pub fn agent_slot(&self, id: &AgentId) -> Option<Slot<Agent>> {
        self.agents.find(id.as_str())
    }

    /// Where a board that is taken now has a live contact.
    pub fn contact_slot(&self, id: &ContactId) -> Option<Slot<Contact>> {
        self.contacts.find(id.as_str())
    }
}

impl Board {
    /// Live contacts, in no order that means anything.
    pub fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.contacts.iter()
    }

    /// Agents, in no order that means anything.
    pub fn agents(&self) -> impl Iterator<Item = &Agent> {
        self.agents.iter()
    }

    /// A contact that is there.
    pub fn contact(&self, slot: Slot<Contact>) -> &Contact {
        self.contacts.get(slot)
    }

    /// An agent who is there.
    pub fn agent(&self, slot: Slot<Agent>) -> &Agent {
        self.agents.get(slot)
    }

    /// The queue a contact is in.
    pub fn queue(&self, slot: Slot<Queue>) -> &Queue {
        self.queues.get(slot)
    }

    /// A site that an entity refers to.
    pub fn site(&self, slot: Slot<Site>) -> &Site {
        self.sites.get(slot)
    }

    /// The nodes of a site, by number.
    pub(crate) fn nodes_of(&self, site: Slot<Site>) -> Vec<NodeId> {
        self.nodes.values().filter(|node| node.site == site).map(|node| node.id).collect()
    }

    /// Where an agent works; who has no session counts where they belong.
    pub fn works_at<'a>(&'a self, agent: &'a Agent) -> &'a SiteId {
        agent.session.map_or(agent.home_site(), |session| self.site(session.site).id())
    }

    /// The agent a contact is with.
    pub fn with(&self, contact: &Contact) -> Option<With> {
        let with = contact.stage.engagement()?;
        Some(With {
            agent: self.agent(with.agent).id().clone(),
            site: self.site(with.site).id().clone(),
            token: with.token,
            offered: with.offered,
            reason: with.reason,
        })
    }

    /// How many contacts of its queue wait in an earlier place; none: it does not wait. Costs one
    /// look at every contact.
    pub fn ahead(&self, contact: &Contact) -> Option<u32> {
        if contact.stage != Stage::Queued {
            return None;
        }
        let place = contact.place();
        let is_ahead = |other: &&Contact| {
            other.queue == contact.queue && other.stage == Stage::Queued && other.place() < place
        };
        Some(self.contacts().filter(is_ahead).count() as u32)
    }
}
