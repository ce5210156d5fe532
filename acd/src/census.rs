//! How many of what there are: contacts by stage, queues, sites and their agents, for monitoring.
//!
//! Counting looks at every contact and every agent once, which takes longer than entries may wait.
//! So it is done on a copy of the tables' page pointers ([`Centre::roll`]), which takes some tens of
//! microseconds, beside the centre that goes on.
//!
//! Cost of the count: one look at each contact, and one look-up by id for each queue of each agent.
//! 100,000 contacts and 10,000 agents of five queues: some 10 ms. While the roll lives, each page that
//! a command changes is copied once, as with a snapshot.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::agent::{Agent, Presence};
use crate::centre::Centre;
use crate::config::Settings;
use crate::contact::{Contact, Stage};
use crate::event::SiteState;
use crate::ids::{QueueId, SiteId};
use crate::metrics::QueueCounters;
use crate::queue::Queue;
use crate::site::Site;
use crate::table::Fork;
use crate::time::LogTime;

/// What a census is taken from: the tables as they were at one moment. It can be sent to another
/// thread and counted there.
pub struct Roll {
    now: LogTime,
    settings: Settings,
    contacts: Fork<Contact>,
    agents: Fork<Agent>,
    queues: Fork<Queue>,
    sites: Fork<Site>,
}

/// How many of what there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// Live contacts.
    pub contacts: StageCounts,
    /// Queues, by id.
    pub queues: Vec<QueueCensus>,
    /// Sites, by id.
    pub sites: Vec<SiteCensus>,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueCensus {
    /// The queue.
    pub id: QueueId,
    /// Contacts that are in it, or were answered from it.
    pub contacts: StageCounts,
    /// When the one of those that are queued that has waited for longest entered it; none: nobody
    /// waits.
    pub waiting_since: Option<LogTime>,
    /// Agents who serve it now.
    pub agents: AgentCounts,
    /// Counters of the day.
    pub today: QueueCounters,
}

/// A site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteCensus {
    /// The site.
    pub id: SiteId,
    /// Its state.
    pub state: SiteState,
    /// Contacts that are queued with their media there.
    pub waiting: u32,
    /// Contacts and offers that agents working there have.
    pub engaged: u32,
    /// Agents with sessions there and, of those who are offline, the ones at home there.
    pub agents: AgentCounts,
}

/// Contacts by stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageCounts {
    /// Callbacks whose time has not come.
    pub scheduled: u32,
    /// Waiting.
    pub queued: u32,
    /// Waiting, with an ingress that is gone.
    pub stranded: u32,
    /// Before an agent.
    pub offered: u32,
    /// Taken by an agent and not connected yet.
    pub accepted: u32,
    /// In conversation.
    pub connected: u32,
    /// On hold.
    pub held: u32,
    /// In wrap-up.
    pub wrap_up: u32,
}

impl StageCounts {
    fn count(&mut self, stage: &Stage) {
        let counter = match stage {
            Stage::Scheduled { .. } => &mut self.scheduled,
            Stage::Queued => &mut self.queued,
            Stage::Stranded { .. } => &mut self.stranded,
            Stage::Offered { .. } => &mut self.offered,
            Stage::Accepted { .. } => &mut self.accepted,
            Stage::Connected { .. } => &mut self.connected,
            Stage::Held { .. } => &mut self.held,
            Stage::WrapUp { .. } => &mut self.wrap_up,
        };
        *counter += 1;
    }

    /// Each with its word.
    pub fn by_word(&self) -> [(&'static str, u32); 8] {
        // No `..`: a new stage must be told.
        let Self { scheduled, queued, stranded, offered, accepted, connected, held, wrap_up } =
            *self;
        [
            ("scheduled", scheduled),
            ("queued", queued),
            ("stranded", stranded),
            ("offered", offered),
            ("accepted", accepted),
            ("connected", connected),
            ("held", held),
            ("wrap-up", wrap_up),
        ]
    }

    /// Before an agent, or being connected.
    pub fn before_agents(&self) -> u32 {
        self.offered + self.accepted
    }

    /// Answered and not closed: in conversation, on hold, in wrap-up.
    pub fn with_agents(&self) -> u32 {
        self.connected + self.held + self.wrap_up
    }
}

/// Agents by what they do. Each is counted once, under the first that is true of: unreachable,
/// offline, busy, then by presence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentCounts {
    /// Ready, without a contact.
    pub ready: u32,
    /// Logged in, with at least one contact or offer.
    pub busy: u32,
    /// Logged in, not ready, without a contact.
    pub not_ready: u32,
    /// Session lost.
    pub unreachable: u32,
    /// Not logged in.
    pub offline: u32,
}

impl AgentCounts {
    fn count(&mut self, agent: &Agent) {
        let counter = match agent.presence {
            Presence::Unreachable { .. } => &mut self.unreachable,
            Presence::Offline => &mut self.offline,
            Presence::Ready | Presence::NotReady(_) if agent.is_busy() => &mut self.busy,
            Presence::Ready => &mut self.ready,
            Presence::NotReady(_) => &mut self.not_ready,
        };
        *counter += 1;
    }

    /// Each with its word.
    pub fn by_word(&self) -> [(&'static str, u32); 5] {
        let Self { ready, busy, not_ready, unreachable, offline } = *self;
        [
            ("ready", ready),
            ("busy", busy),
            ("not-ready", not_ready),
            ("unreachable", unreachable),
            ("offline", offline),
        ]
    }
}

impl Centre {
    /// What a census is taken from, as it is now. Copies one pointer per 32 entities.
    pub fn roll(&self) -> Roll {
        Roll {
            now: self.clocks.now,
            settings: self.settings.clone(),
            contacts: self.contacts.fork(),
            agents: self.agents.fork(),
            queues: self.queues.fork(),
            sites: self.sites.fork(),
        }
    }
}

impl Roll {
    /// Log time at that moment.
    pub fn now(&self) -> LogTime {
        self.now
    }

    /// Counts. `now`: log time as the reader knows it, for counters that begin anew with the day; the
    /// last entry may be older.
    pub fn count(&self, now: LogTime) -> Census {
        let now = now.max(self.now);
        let mut contacts = StageCounts::default();
        // By slot: contacts know their queue and site by slot, agents theirs by id.
        let mut queues = Vec::new();
        let mut queue_slots = BTreeMap::new();
        for (slot, queue) in self.queues.numbered() {
            queues.resize_with(slot, || None);
            queues.push(Some(QueueCensus {
                id: queue.id().clone(),
                contacts: StageCounts::default(),
                waiting_since: None,
                agents: AgentCounts::default(),
                today: queue.metrics.at(now, &self.settings).today,
            }));
            queue_slots.insert(queue.id(), slot);
        }
        let mut sites = Vec::new();
        let mut site_slots = BTreeMap::new();
        for (slot, site) in self.sites.numbered() {
            sites.resize_with(slot, || None);
            sites.push(Some(SiteCensus {
                id: site.id().clone(),
                state: site.state,
                waiting: 0,
                engaged: site.engaged(),
                agents: AgentCounts::default(),
            }));
            site_slots.insert(site.id(), slot);
        }

        for contact in self.contacts.iter() {
            contacts.count(&contact.stage);
            // Contacts refer to queues and sites that are there.
            if let Some(Some(queue)) = queues.get_mut(contact.queue.index()) {
                queue.contacts.count(&contact.stage);
                if contact.stage == Stage::Queued {
                    let since = contact.entered_queue;
                    queue.waiting_since =
                        Some(queue.waiting_since.map_or(since, |earlier| earlier.min(since)));
                }
            }
            if contact.stage == Stage::Queued
                && let Some(Some(site)) = sites.get_mut(contact.site.index())
            {
                site.waiting += 1;
            }
        }
        for agent in self.agents.iter() {
            for assignment in agent.queues() {
                let slot = queue_slots.get(&assignment.queue);
                if let Some(Some(queue)) = slot.and_then(|slot| queues.get_mut(*slot)) {
                    queue.agents.count(agent);
                }
            }
            // The session is kept while the agent is unreachable.
            let works_at = agent.session.filter(|_| agent.presence != Presence::Offline);
            let site = match works_at {
                Some(session) => Some(session.site.index()),
                None => site_slots.get(agent.home_site()).copied(),
            };
            if let Some(Some(site)) = site.and_then(|slot| sites.get_mut(slot)) {
                site.agents.count(agent);
            }
        }

        let mut queues: Vec<_> = queues.into_iter().flatten().collect();
        queues.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let mut sites: Vec<_> = sites.into_iter().flatten().collect();
        sites.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        Census { contacts, queues, sites }
    }
}
