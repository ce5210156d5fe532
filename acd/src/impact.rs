//! What would become of the work if a site were drained or lost.
//!
//! ```text
//! contacts ─┬─ with agents there: offers go back, conversations finish (drained) or are orphans (lost)
//!           ├─ media there: wait on, unless their front end has streams to that site only
//!           └─ by queue ─▶ load = what waits and is handled ÷ what the agents elsewhere can handle
//! agents ────── with sessions there: no new work (drained), unreachable (lost)
//! ```
//!
//! Load is by medium, for an agent who may have three chats at once may not have three calls: of each
//! medium what waits and is handled is divided by how many of it the agents can have at once, and the
//! parts are added up, as most media keep others out. 1,000 ‰ are all hands full. An agent who serves
//! several queues counts fully in each of them, and once in the load of the whole centre; agents of
//! extra queues, who may help in later steps, do not count.
//!
//! Cost: one look at every agent and contact, like the rows of a board.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

use crate::agent::{Agent, Presence};
use crate::board::{AgentTally, Board};
use crate::centre::Centre;
use crate::channel::Medium;
use crate::contact::Stage;
use crate::ids::{NodeId, PrincipalId, SiteId};
use crate::metrics::Ratio;
use crate::queue::Queue;
use crate::site::Site;

/// What would become of the work if a site were drained or lost.
#[derive(Clone, Debug)]
pub struct SiteImpact<'a> {
    /// The site.
    pub site: &'a Site,
    /// Its nodes, by number.
    pub nodes: Vec<NodeId>,
    /// Agents with sessions there: they would get no new work, or be unreachable.
    pub agents: AgentTally,
    /// Contacts before agents there or being connected to them: they would go back to their places.
    pub offered: u32,
    /// Conversations of agents there, on hold included.
    pub talking: u32,
    /// Contacts that agents there wrap up.
    pub wrapping_up: u32,
    /// Contacts that wait, or are stranded, with their media there.
    pub waiting: u32,
    /// Contacts whose front end has streams to nodes of this site only: without these they would be
    /// stranded or, in conversation, orphans.
    pub cut_off: u32,
    /// Load of the whole centre now.
    pub load_now: Load,
    /// Load of the whole centre without the agents there.
    pub load_then: Load,
    /// Queues that would notice, by id: agents there serve them, or have contacts of theirs.
    pub queues: Vec<QueueImpact<'a>>,
}

/// What would become of a queue.
#[derive(Clone, Debug)]
pub struct QueueImpact<'a> {
    /// The queue.
    pub queue: &'a Queue,
    /// Contacts that wait.
    pub waiting: u32,
    /// Contacts with agents anywhere, offers and wrap-up included.
    pub handled: u32,
    /// Those of them that are with agents there.
    pub handled_there: u32,
    /// Agents with sessions there who serve it.
    pub agents_there: AgentTally,
    /// Agents who would be left: those with sessions at other sites in service.
    pub agents_elsewhere: AgentTally,
    /// Load now.
    pub load_now: Load,
    /// Load without the agents there.
    pub load_then: Load,
}

/// What waits and is handled ÷ what agents who are ready can handle at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// In thousandths, rounded half up.
    PerMille(u64),
    /// There is work of a kind that nobody could take.
    Nobody,
}

/// Contacts, or room for them, by medium.
type ByMedium = [u64; Medium::COUNT];

fn load(work: &ByMedium, room: &ByMedium) -> Load {
    let mut sum = 0;
    for (work, room) in work.iter().zip(room).filter(|(work, _)| **work > 0) {
        match Ratio::new(*work, *room).per_mille() {
            Some(part) => sum += part,
            None => return Load::Nobody,
        }
    }
    Load::PerMille(sum)
}

/// What is counted of a queue, or of all, on the way.
#[derive(Clone, Copy, Default)]
struct Count {
    waiting: u32,
    handled: u32,
    handled_there: u32,
    there: AgentTally,
    elsewhere: AgentTally,
    /// What waits and is handled.
    work: ByMedium,
    /// What agents can handle at once, there and elsewhere.
    room_there: ByMedium,
    room_elsewhere: ByMedium,
}

impl Count {
    /// Counts an agent with a session, there or at another site in service.
    fn add(&mut self, agent: &Agent, is_there: bool, takes_offers: bool) {
        let (tally, room) = match is_there {
            true => (&mut self.there, &mut self.room_there),
            false => (&mut self.elsewhere, &mut self.room_elsewhere),
        };
        tally.add(agent);
        // Whoever will not be ready once free takes nothing more.
        if takes_offers && agent.presence == Presence::Ready && agent.pending.is_none() {
            for (room, max) in room.iter_mut().zip(agent.config.capacity.max) {
                *room += u64::from(max);
            }
        }
    }

    fn loads(&self) -> (Load, Load) {
        let mut all = self.room_elsewhere;
        for (all, there) in all.iter_mut().zip(self.room_there) {
            *all += there;
        }
        (load(&self.work, &all), load(&self.work, &self.room_elsewhere))
    }
}

impl Centre {
    /// Front ends whose streams all lead to nodes of this site, and that have some.
    pub fn attached_only_at(&self, site: &SiteId) -> BTreeSet<PrincipalId> {
        let Some(slot) = self.sites.find(site.as_str()) else {
            return BTreeSet::new();
        };
        let is_there = |node: &NodeId| self.nodes.get(node).is_some_and(|n| n.site == slot);
        let only = self
            .ingresses
            .iter()
            .filter(|(_, nodes)| !nodes.is_empty() && nodes.iter().all(is_there));
        only.map(|(ingress, _)| ingress.clone()).collect()
    }
}

impl Board {
    /// What would become of the work if a site were drained or lost; none: there is no such site.
    /// `cut_off`: [`Centre::attached_only_at`] of when the board was taken.
    pub fn site_impact(
        &self,
        id: &SiteId,
        cut_off: &BTreeSet<PrincipalId>,
    ) -> Option<SiteImpact<'_>> {
        let there = self.sites.slots().find(|slot| self.site(*slot).id() == id)?;
        let mut counts = vec![Count::default(); self.queues.slots_max()];
        let mut whole = Count::default();
        let (mut offered, mut talking, mut wrapping_up) = (0, 0, 0);
        let (mut waiting, mut cut) = (0, 0);
        for contact in self.contacts() {
            let count = &mut counts[contact.queue.index()];
            let with = contact.stage.engagement();
            let is_there = u32::from(with.is_some_and(|with| with.site == there));
            match contact.stage {
                Stage::Scheduled { .. } => {}
                Stage::Stranded { .. } => waiting += u32::from(contact.site == there),
                Stage::Queued => {
                    count.waiting += 1;
                    waiting += u32::from(contact.site == there);
                }
                Stage::Offered { .. } | Stage::Accepted { .. } => offered += is_there,
                Stage::Connected { .. } | Stage::Held { .. } => talking += is_there,
                Stage::WrapUp { .. } => wrapping_up += is_there,
            }
            if with.is_some() {
                count.handled += 1;
                count.handled_there += is_there;
            }
            // The others nobody could take now, whatever becomes of the site.
            if with.is_some() || contact.stage == Stage::Queued {
                let medium = contact.channel.medium().index();
                count.work[medium] += 1;
                whole.work[medium] += 1;
                // As when its front end has lost its last stream.
                let is_over = matches!(contact.stage, Stage::WrapUp { .. });
                let needs_it = contact.channel.needs_ingress() && !is_over;
                cut += u32::from(needs_it && cut_off.contains(&contact.ingress));
            }
        }
        let by_id: BTreeMap<_, _> =
            self.queues.slots().map(|slot| (self.queue(slot).id(), slot)).collect();
        let mut agents = AgentTally::default();
        for agent in self.agents() {
            let Some(session) = agent.session.filter(|_| agent.presence != Presence::Offline)
            else {
                continue;
            };
            let is_there = session.site == there;
            if is_there {
                agents.add(agent);
            }
            let takes_offers = self.site(session.site).state.takes_offers();
            if !is_there && !takes_offers {
                continue;
            }
            let mut serves = false;
            for slot in agent.queues().iter().filter_map(|a| by_id.get(&a.queue)) {
                counts[slot.index()].add(agent, is_there, takes_offers);
                serves = true;
            }
            if serves {
                whole.add(agent, is_there, takes_offers);
            }
        }
        let notices =
            |count: &Count| count.there != AgentTally::default() || count.handled_there > 0;
        let queues = by_id.into_values().filter_map(|slot| {
            let count = counts[slot.index()];
            let (load_now, load_then) = count.loads();
            notices(&count).then(|| QueueImpact {
                queue: self.queue(slot),
                waiting: count.waiting,
                handled: count.handled,
                handled_there: count.handled_there,
                agents_there: count.there,
                agents_elsewhere: count.elsewhere,
                load_now,
                load_then,
            })
        });
        let (load_now, load_then) = whole.loads();
        Some(SiteImpact {
            site: self.site(there),
            nodes: self.nodes_of(there),
            agents,
            offered,
            talking,
            wrapping_up,
            waiting,
            cut_off: cut,
            load_now,
            load_then,
            queues: queues.collect(),
        })
    }
}
