//! What follows from the state, after it was read: work and load of agents, counts of queues and
//! sites, classes and lines, timers, hashes.
//!
//! Everything here must come out as the commands that led to the state left it. None of it may
//! be decided anew: a fresh look at a waiting contact could reach a step, or give up an agent, at
//! a log position where no other replica does. So who waits for one agent only is read off the
//! contact: a queued contact that has a preferred agent is in that agent's line
//! ([`Centre::wait`] puts it there or takes the preference away).

use alloc::vec::Vec;

use super::bad;
use crate::centre::Centre;
use crate::contact::{Contact, Engagement, Stage};
use crate::ids::OfferToken;
use crate::matching::{View, view};
use crate::rejection::Rejection;
use crate::table::Slot;

impl Centre {
    /// Makes a centre whose tables have been read ready to go on.
    pub(super) fn rebuild(&mut self) -> Result<(), Rejection> {
        self.count()?;
        // Before any contact: nobody's line is looked at.
        let agents: Vec<_> = self.agents.slots().collect();
        for agent in agents {
            self.refresh(agent, true);
        }
        let contacts: Vec<_> = self.contacts.slots().collect();
        for contact in contacts {
            if self.contacts.get(contact).stage == Stage::Queued {
                self.take_place(contact)?;
            }
        }
        // Everything is new, so this is all timers and all hashes.
        self.schedule_changed();
        self.hash_changed();
        Ok(())
    }

    /// What agents have, how many wait in queues, what goes on at sites.
    fn count(&mut self) -> Result<(), Rejection> {
        let mut engaged: Vec<(OfferToken, Slot<Contact>, Engagement)> = Vec::new();
        let contacts: Vec<_> = self.contacts.slots().collect();
        for slot in contacts {
            let Contact { queue, stage, .. } = self.contacts.get(slot);
            let (queue, stage) = (*queue, *stage);
            let queue = self.queues.get_mut(queue);
            queue.contacts += 1;
            queue.length += u32::from(stage.is_in_line());
            engaged.extend(stage.engagement().map(|with| (with.token, slot, with)));
        }
        // Tokens are drawn one after the other: the order in which the offers came.
        engaged.sort_unstable_by_key(|(token, slot, _)| (*token, *slot));
        for (_, slot, with) in engaged {
            let medium = self.contacts.get(slot).channel.medium();
            let agent = self.agents.get_mut(with.agent);
            agent.work.push(slot);
            let load = &mut agent.load[medium.index()];
            *load = load.checked_add(1).ok_or_else(|| bad("an agent with 256 contacts"))?;
            self.sites.get_mut(with.site).engaged += 1;
        }
        Ok(())
    }

    /// Puts a contact that waits into its class, or into the line of its agent.
    fn take_place(&mut self, slot: Slot<Contact>) -> Result<(), Rejection> {
        let contact = self.contacts.get(slot);
        let place = contact.place();
        match &contact.preferred {
            Some(preferred) => {
                let agent = self.agents.find(preferred.agent.as_str());
                let agent = agent.ok_or_else(|| bad("a contact waits for an unknown agent"))?;
                self.matcher.enter_for(slot, place, agent);
            }
            None => {
                let key = self.demand_key(contact);
                let requirements = self.matcher.enter(slot, place, key, view!(self));
                self.contacts.get_mut(slot).requirements = requirements;
            }
        }
        Ok(())
    }
}
