//! The end of every command: matching, then the timers of what changed; and of every entry: the
//! hashes.

use alloc::vec::Vec;

use crate::agent::Agent;
use crate::centre::Centre;
use crate::channel::Media;
use crate::contact::{Contact, ContactNames};
use crate::event::{Event, SiteState};
use crate::matching::fit::SupplyKey;
use crate::matching::{Standing, View, view};
use crate::table::Slot;
use crate::timers::Owner;

impl Centre {
    /// Matches everything that became matchable. First the agents who became free for something,
    /// longest idle first: for as long as there is a contact for such an agent, the best of them
    /// goes to the agent who is best for it, who may be another of those that are free. Then the
    /// contacts that began to wait or whose demand changed, in the order of their places, each to
    /// its best agent.
    ///
    /// Before a command no waiting contact and free agent fit each other; afterwards none do
    /// again. So only what changed needs to be looked at.
    pub(crate) fn settle(&mut self) {
        let mut gained = self.refresh_touched();
        while !gained.is_empty() || !self.to_match.is_empty() {
            gained.sort_unstable_by_key(|agent| self.agents.get(*agent).idle);
            gained.dedup();
            if mutated!(self, OtherOrder) {
                gained.reverse();
            }
            for agent in gained {
                while let Some(contact) = self.matcher.best_contact(agent, view!(self)) {
                    self.offer_to_best(contact);
                }
            }
            let mut contacts = core::mem::take(&mut self.to_match);
            // Some may have been closed, or offered to an agent, since they were noted.
            contacts.retain(|c| self.contacts.try_get(*c).is_some());
            contacts.sort_unstable_by_key(|c| self.contacts.get(*c).place());
            contacts.dedup();
            if mutated!(self, OtherOrder) {
                contacts.reverse();
            }
            for contact in &contacts {
                self.offer_to_best(*contact);
            }
            contacts.clear();
            if self.to_match.is_empty() {
                self.to_match = contacts; // Keeps its memory.
            }
            gained = self.refresh_touched();
        }
        self.finish_drains();
        if core::mem::take(&mut self.forget_classes) {
            self.matcher.forget_empty();
        }
    }

    /// Offers a waiting contact to the best agent who is free for it, if there is one.
    fn offer_to_best(&mut self, contact: Slot<Contact>) {
        if let Some(choice) = self.matcher.best_agent(contact, view!(self)) {
            let agent = choice.agent;
            self.offer(contact, choice);
            self.refresh(agent, false);
        }
    }

    /// Brings the matcher up to date with the agents that changed, in the order of their
    /// numbers; those who became free for something.
    fn refresh_touched(&mut self) -> Vec<Slot<Agent>> {
        let mut gained = Vec::new();
        while !self.touched.is_empty() {
            let mut touched = core::mem::take(&mut self.touched);
            touched.sort_unstable_by_key(|(agent, reclassify)| {
                (self.agents.try_get(*agent).map(|a| a.seq), *agent, !reclassify)
            });
            touched.dedup_by_key(|(agent, _)| *agent);
            for (agent, reclassify) in touched.drain(..) {
                if self.agents.try_get(agent).is_none() {
                    self.matcher.declassify(agent);
                } else if self.refresh(agent, reclassify) {
                    gained.push(agent);
                }
            }
            if self.touched.is_empty() {
                self.touched = touched; // Keeps its memory.
                break;
            }
        }
        gained
    }

    /// Brings the matcher up to date with one agent; whether the agent became free for something.
    pub(crate) fn refresh(&mut self, slot: Slot<Agent>, reclassify: bool) -> bool {
        let agent = self.agents.get(slot);
        let Some(session) = agent.live_session() else {
            self.matcher.declassify(slot);
            self.release_waiting_for(slot, Media::NONE);
            return false;
        };
        let takes_offers = self.sites.get(session.site).state.takes_offers();
        let standing = standing(agent, takes_offers);
        let waited_for = self.media_waited_for(slot);
        if reclassify {
            let key = self.supply_key(slot);
            self.matcher.classify(slot, key);
        }
        let gained = self.matcher.stand(slot, standing);
        self.release_waiting_for(slot, waited_for);
        gained
    }

    /// What an agent who has a session is eligible for.
    pub(crate) fn supply_key(&self, slot: Slot<Agent>) -> SupplyKey {
        let agent = self.agents.get(slot);
        let site = match agent.session {
            Some(session) => session.site,
            None => unreachable!("only agents with a session have a class"),
        };
        let mut queues: Vec<_> = agent
            .queues()
            .iter()
            .filter_map(|a| Some((self.queues.find(a.queue.as_str())?, a.grade)))
            .collect();
        let mut skills: Vec<_> = agent
            .config
            .skills
            .iter()
            .filter_map(|(id, level)| Some((self.skills.find(id.as_str())?, *level)))
            .collect();
        queues.sort_unstable();
        skills.sort_unstable();
        SupplyKey { site, queues, skills, capacity: agent.config.capacity }
    }

    /// Contacts that waited for this agent only are reviewed, but for those of these media:
    /// nobody waits for somebody who is not there, or no longer takes the like.
    fn release_waiting_for(&mut self, agent: Slot<Agent>, but: Media) {
        for contact in self.matcher.waiting_for(agent) {
            if !but.contains(self.contacts.get(contact).channel.medium()) {
                self.wait_anew(contact);
            }
        }
    }

    /// Draining sites whose agents have nothing left are drained.
    fn finish_drains(&mut self) {
        if self.to_finish.is_empty() {
            return;
        }
        let mut sites = core::mem::take(&mut self.to_finish);
        sites.sort_unstable_by_key(|s| self.sites.try_get(*s).map(|site| site.seq));
        sites.dedup();
        for slot in sites {
            let Some(site) = self.sites.try_get(slot) else { continue };
            if site.state == SiteState::Draining && site.engaged == 0 {
                self.set_site_state(slot, SiteState::Drained);
            }
        }
    }

    /// Says and sets a site's state. What follows from it is the caller's business.
    pub(crate) fn set_site_state(&mut self, slot: Slot<crate::site::Site>, state: SiteState) {
        let site = self.sites.get_mut(slot);
        site.state = state;
        let site = site.id().clone();
        self.events.push(Event::Site { site, state });
    }

    /// Notes an agent whose standing may have changed.
    pub(crate) fn touch(&mut self, agent: Slot<Agent>) {
        self.touched.push((agent, false));
    }

    /// Notes an agent whose class may have changed too.
    pub(crate) fn reclassify(&mut self, agent: Slot<Agent>) {
        self.touched.push((agent, true));
    }

    /// Brings the timers in line with what changed.
    pub(crate) fn schedule_changed(&mut self) {
        while let Some(slot) = self.contacts.next_unscheduled() {
            let (seq, review, deadline) = match self.contacts.try_get(slot) {
                Some(c) => (c.seq, c.review, c.deadline()),
                None => Default::default(),
            };
            self.timers.set(Owner::Contact, slot.index() as u32, seq, review, deadline);
        }
        while let Some(slot) = self.agents.next_unscheduled() {
            let (seq, review, deadline) = match self.agents.try_get(slot) {
                Some(a) => (a.seq, a.review(), a.deadline()),
                None => Default::default(),
            };
            self.timers.set(Owner::Agent, slot.index() as u32, seq, review, deadline);
        }
        while let Some(slot) = self.queues.next_unscheduled() {
            let queue = self.queues.try_get(slot);
            let (seq, review) = queue.map_or_else(Default::default, |q| (q.seq, q.review()));
            self.timers.set(Owner::Queue, slot.index() as u32, seq, review, None);
        }
        while let Some(slot) = self.sites.next_unscheduled() {
            let site = self.sites.try_get(slot);
            let (seq, review) = site.map_or_else(Default::default, |s| (s.seq, s.review()));
            self.timers.set(Owner::Site, slot.index() as u32, seq, review, None);
        }
        while let Some(slot) = self.calendars.next_unscheduled() {
            let entry = self.calendars.try_get(slot);
            let (seq, review) = entry.map_or_else(Default::default, |c| (c.seq, c.alarm));
            self.timers.set(Owner::Calendar, slot.index() as u32, seq, review, None);
        }
    }

    /// Hashes what changed.
    pub(crate) fn hash_changed(&mut self) {
        let digest = &mut self.digest;
        let names = ContactNames { queues: &self.queues, agents: &self.agents, sites: &self.sites };
        self.contacts.flush(names, digest);
        self.agents.flush(&self.sites, digest);
        self.queues.flush((), digest);
        self.sites.flush((), digest);
        self.skills.flush((), digest);
        self.calendars.flush((), digest);
        self.principals.flush((), digest);
    }
}

/// The standing of an agent who is there, at a site that takes offers or does not.
pub(crate) fn standing(agent: &Agent, takes_offers: bool) -> Standing {
    Standing {
        media: if takes_offers { agent.open_media() } else { Media::NONE },
        idle: agent.idle.0,
        occupancy: u64::from(agent.occupancy_ppm),
        last_offer: agent.last_offer.0,
    }
}
