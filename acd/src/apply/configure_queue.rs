//! Queues: create, change, delete, close, reopen. Contacts that wait are moved to the demand
//! they have under the new configuration.

use alloc::vec::Vec;

use super::configure::{check_revision, check_room, check_unused};
use super::{Outcome, unknown};
use crate::centre::Centre;
use crate::config::{Assignment, Overflow, QueueConfig, SitePolicy};
use crate::contact::{Contact, Stage};
use crate::event::{Event, ObjectKind, OverflowCause};
use crate::ids::{QueueId, Revision};
use crate::limits;
use crate::queue::{Closure, Queue};
use crate::record::Outcome as Ending;
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::table::Slot;
use crate::time::LogTime;

impl Centre {
    pub(crate) fn put_queue(&mut self, config: QueueConfig, expected: Option<Revision>) -> Outcome {
        let config = config.normalise()?;
        self.check_queue_references(&config)?;
        let id = config.id.clone();
        let revision = match self.queues.find(id.as_str()) {
            Some(slot) => {
                check_revision(id.as_str(), expected, Some(self.queues.get(slot).revision))?;
                self.replace_queue_config(slot, config);
                self.queues.get(slot).revision
            }
            None => {
                check_revision(id.as_str(), expected, None)?;
                check_room(&self.queues, "queues", limits::QUEUES_MAX)?;
                let seq = self.next_seq();
                self.queues.insert(Queue::new(config, seq));
                Revision(1)
            }
        };
        self.revised(ObjectKind::Queue, id.as_str(), revision)
    }

    fn check_queue_references(&self, config: &QueueConfig) -> Result<(), Rejection> {
        for step in &config.steps {
            for requirement in step.skills.iter() {
                if self.skills.find(requirement.skill.as_str()).is_none() {
                    return Err(unknown("skill", requirement.skill.as_str()));
                }
            }
            for site in &step.sites {
                self.find_site(site)?;
            }
            for queue in step.extra_queues.iter().filter(|queue| **queue != config.id) {
                self.find_queue(queue)?;
            }
        }
        for overflow in [&config.overflow, &config.closed] {
            if let Overflow::Queue(queue) = overflow {
                self.find_queue(queue)?;
            }
        }
        if self.overflows_in_a_circle(config) {
            return Err(Rejection::InvalidConfig { what: "queues overflow in a circle" });
        }
        if let SitePolicy::Shares(shares) = &config.site_policy {
            for (site, _) in shares {
                self.find_site(site)?;
            }
        }
        match &config.calendar {
            Some(id) if self.calendars.find(id.as_str()).is_none() => {
                Err(unknown("calendar", id.as_str()))
            }
            _ => Ok(()),
        }
    }

    /// Whether a contact that waits too long in queue after queue would come back to this one.
    fn overflows_in_a_circle(&self, config: &QueueConfig) -> bool {
        let mut next = &config.overflow;
        // Circles elsewhere were refused, so this ends.
        while let Overflow::Queue(queue) = next {
            if *queue == config.id {
                return true;
            }
            let Some(other) = self.queues.by_key(queue.as_str()) else {
                return false;
            };
            next = &other.config.overflow;
        }
        false
    }

    /// All contacts that refer to a queue, by place.
    fn contacts_of(&self, queue: Slot<Queue>) -> Vec<Slot<Contact>> {
        if self.queues.get(queue).contacts == 0 {
            return Vec::new();
        }
        let mut contacts: Vec<Slot<Contact>> =
            self.contacts.slots().filter(|c| self.contacts.get(*c).queue == queue).collect();
        contacts.sort_unstable_by_key(|c| self.contacts.get(*c).place());
        contacts
    }

    /// Changes a queue's configuration under the contacts that wait in it. Steps they have
    /// reached are kept, as far as there are as many; waits that are limited stay as they were
    /// on entry.
    fn replace_queue_config(&mut self, slot: Slot<Queue>, config: QueueConfig) {
        let last_step = config.steps.len() as u8 - 1;
        let contacts = self.contacts_of(slot);
        let mut waiting = Vec::new();
        for contact in contacts {
            if self.contacts.get(contact).stage == Stage::Queued {
                self.stop_waiting(contact);
                waiting.push(contact);
            }
            if self.contacts.get(contact).step > last_step {
                self.contacts.get_mut(contact).step = last_step;
            }
        }
        self.queues.get_mut(slot).set_config(config);
        self.matcher.forget_empty();
        for contact in waiting {
            self.wait(contact);
        }
    }

    pub(crate) fn delete_queue(
        &mut self,
        id: &QueueId,
        successor: Option<&QueueId>,
        expected: Option<Revision>,
    ) -> Outcome {
        let slot = self.find_queue(id)?;
        check_revision(id.as_str(), expected, Some(self.queues.get(slot).revision))?;
        match successor {
            None => self.check_queue_unused(slot, id)?,
            Some(successor) => self.hand_over(slot, id, successor)?,
        }
        self.queues.remove(slot);
        self.deleted(ObjectKind::Queue, id.as_str())
    }

    fn check_queue_unused(&self, slot: Slot<Queue>, id: &QueueId) -> Result<(), Rejection> {
        let serves = |list: &[Assignment]| list.iter().any(|a| a.queue == *id);
        let agents = self.agents.iter().filter(|a| serves(a.queues()) || serves(&a.config.queues));
        let agents = agents.map(|a| alloc::format!("agent {}", a.id()));
        let queues = self.queues.iter().filter(|q| q.id() != id && refers_to(&q.config, id));
        let queues = queues.map(|q| alloc::format!("queue {}", q.id()));
        let contacts = self.queues.get(slot).contacts;
        let contacts = (contacts > 0).then(|| alloc::format!("{contacts} contacts"));
        check_unused(id.as_str(), agents.chain(queues).chain(contacts))
    }

    /// Everything that refers to a queue refers to its successor: contacts, agents, queues.
    fn hand_over(
        &mut self,
        slot: Slot<Queue>,
        id: &QueueId,
        successor: &QueueId,
    ) -> Result<(), Rejection> {
        let to = self.find_queue(successor)?;
        if to == slot {
            return Err(Rejection::InvalidConfig { what: "a queue cannot succeed itself" });
        }
        let contacts = self.contacts_of(slot);
        let taken = self.queues.get(to).config.channels;
        if contacts.iter().any(|c| !taken.contains(self.contacts.get(*c).channel)) {
            return Err(Rejection::ChannelNotTaken { queue: successor.as_str().into() });
        }
        for contact in contacts {
            match self.contacts.get(contact).stage {
                Stage::Queued => {
                    self.stop_waiting(contact);
                    self.enter_queue(contact, to, OverflowCause::Deleted);
                    self.return_to_queue(contact);
                }
                stage if stage.is_live() => {
                    self.queues.get_mut(slot).contacts -= 1;
                    self.queues.get_mut(to).contacts += 1;
                    let contact = self.contacts.get_mut(contact);
                    contact.queue = to;
                    contact.step = 0;
                }
                _ => self.enter_queue(contact, to, OverflowCause::Deleted),
            }
        }
        let mut agents: Vec<_> = self.agents.slots().collect();
        agents.sort_unstable_by_key(|a| self.agents.get(*a).seq);
        for agent in agents {
            self.replace_assignment(agent, id, successor);
        }
        let mut queues: Vec<_> = self.queues.slots().filter(|q| *q != slot).collect();
        queues.retain(|q| refers_to(&self.queues.get(*q).config, id));
        queues.sort_unstable_by_key(|q| self.queues.get(*q).seq);
        for queue in queues {
            let mut config = redirect((*self.queues.get(queue).config).clone(), id, successor);
            if self.overflows_in_a_circle(&config) {
                config.overflow = Overflow::Reject;
            }
            self.replace_queue_config(queue, config);
            let (id, revision) =
                (self.queues.get(queue).id().clone(), self.queues.get(queue).revision);
            self.revised(ObjectKind::Queue, id.as_str(), revision)?;
        }
        Ok(())
    }

    // -- Closures ---------------------------------------------------------------------------------

    pub(crate) fn close_queue(
        &mut self,
        id: &QueueId,
        until: LogTime,
        flush: bool,
        expected: Option<Revision>,
    ) -> Outcome {
        let slot = self.find_queue(id)?;
        check_revision(id.as_str(), expected, Some(self.queues.get(slot).revision))?;
        let now = self.clocks.now;
        if until <= now || until.since(now) > limits::DURATION_MAX {
            return Err(Rejection::OutOfRange {
                what: "end of a closure",
                value: until.0,
                min: now.0 + 1,
                max: now.plus(limits::DURATION_MAX).0,
            });
        }
        let queue = self.queues.get_mut(slot);
        queue.closure = Some(Closure { until });
        queue.revision.0 += 1;
        let revision = queue.revision;
        self.events.push(Event::QueueClosed { queue: id.clone(), until });
        self.tell_revision(ObjectKind::Queue, id.as_str(), revision);
        if flush {
            // Callbacks are not on the line; they are called when it opens again.
            for contact in self.contacts_of(slot) {
                // A contact that closes takes its consultations along.
                let Some(found) = self.contacts.try_get(contact) else { continue };
                let on_the_line = found.channel != crate::channel::Channel::Callback;
                match found.stage {
                    Stage::Queued if on_the_line => {
                        self.stop_waiting(contact);
                        self.close_unanswered(contact, Ending::Flushed);
                    }
                    Stage::Stranded { .. } if on_the_line => {
                        self.close_unanswered(contact, Ending::Flushed);
                    }
                    _ => {}
                }
            }
        }
        Ok(Reply::Revised { revision })
    }

    pub(crate) fn reopen_queue(&mut self, id: &QueueId, expected: Option<Revision>) -> Outcome {
        let slot = self.find_queue(id)?;
        check_revision(id.as_str(), expected, Some(self.queues.get(slot).revision))?;
        self.reopen(slot);
        Ok(Reply::Revised { revision: self.queues.get(slot).revision })
    }

    pub(crate) fn reopen(&mut self, slot: Slot<Queue>) {
        let queue = self.queues.get_mut(slot);
        if queue.closure.take().is_some() {
            queue.revision.0 += 1;
            let (id, revision) = (queue.id().clone(), queue.revision);
            self.events.push(Event::QueueReopened { queue: id.clone() });
            self.tell_revision(ObjectKind::Queue, id.as_str(), revision);
        }
    }
}

/// Whether a queue's configuration names another queue.
fn refers_to(config: &QueueConfig, id: &QueueId) -> bool {
    let overflows = [&config.overflow, &config.closed];
    config.steps.iter().any(|s| s.extra_queues.contains(id))
        || overflows.into_iter().any(|o| *o == Overflow::Queue(id.clone()))
}

/// The configuration with `from` replaced by `to`; a queue does not refer to itself.
fn redirect(mut config: QueueConfig, from: &QueueId, to: &QueueId) -> QueueConfig {
    let own = config.id.clone();
    for step in &mut config.steps {
        for extra in &mut step.extra_queues {
            if extra == from {
                *extra = to.clone();
            }
        }
        step.extra_queues.sort();
        step.extra_queues.dedup();
        step.extra_queues.retain(|extra| *extra != own);
    }
    for overflow in [&mut config.overflow, &mut config.closed] {
        if *overflow == Overflow::Queue(from.clone()) {
            *overflow = if *to == own { Overflow::Reject } else { Overflow::Queue(to.clone()) };
        }
    }
    config
}
