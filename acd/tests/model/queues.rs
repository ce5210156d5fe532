//! Queues: created, changed, handed over, closed.

use acd::channel::Channel;
use acd::config::{Overflow, QueueConfig, SitePolicy};
use acd::event::{Event, ObjectKind, OverflowCause};
use acd::ids::{QueueId, Revision};
use acd::limits;
use acd::metrics::Block;
use acd::record::Outcome as Ending;
use acd::rejection::Rejection;
use acd::time::LogTime;

use super::config::{in_use, merged, revision_is};
use super::things::{Contact, Queue, Stage};
use super::{Model, Outcome, unknown};

impl Model {
    pub fn put_queue(&mut self, config: QueueConfig, expected: Option<Revision>) -> Outcome {
        let config = config.normalise()?;
        self.check_references(&config)?;
        let id = config.id.clone();
        let old = self.queues.get(&id).map(|q| q.revision);
        revision_is(id.as_str(), expected, old)?;
        if old.is_some() {
            self.change_queue(config);
        } else {
            let (seq, metrics) = (self.next_seq(), Block::default());
            let (closed_until, credits, current_site) = (None, Vec::new(), None);
            let revision = 1;
            let queue =
                Queue { config, seq, revision, closed_until, credits, current_site, metrics };
            self.queues.insert(id.clone(), queue);
        }
        self.revised(ObjectKind::Queue, id.as_str(), old.unwrap_or(0) + 1)
    }

    fn check_references(&self, config: &QueueConfig) -> Result<(), Rejection> {
        for step in &config.steps {
            for need in step.skills.iter() {
                if !self.skills.contains_key(&need.skill) {
                    return Err(unknown("skill", need.skill.as_str()));
                }
            }
            for site in &step.sites {
                self.find_site(site)?;
            }
            for queue in &step.extra_queues {
                if *queue != config.id {
                    self.find_queue(queue)?;
                }
            }
        }
        for overflow in [&config.overflow, &config.closed] {
            if let Overflow::Queue(queue) = overflow {
                self.find_queue(queue)?;
            }
        }
        if self.comes_back(config) {
            return Err(Rejection::InvalidConfig { what: "queues overflow in a circle" });
        }
        if let SitePolicy::Shares(shares) = &config.site_policy {
            for (site, _) in shares {
                self.find_site(site)?;
            }
        }
        match &config.calendar {
            Some(id) if !self.calendars.contains_key(id) => Err(unknown("calendar", id.as_str())),
            _ => Ok(()),
        }
    }

    /// Whether who waits too long here, and then there, and so on, ends up here.
    fn comes_back(&self, config: &QueueConfig) -> bool {
        let mut seen = vec![config.id.clone()];
        let mut at = config.clone();
        while let Overflow::Queue(next) = at.overflow.clone() {
            if seen.contains(&next) {
                return true;
            }
            let Some(queue) = self.queues.get(&next) else { return false };
            seen.push(next);
            at = queue.config.clone();
        }
        false
    }

    /// Those who wait demand what the new configuration says; steps they reached they keep, as
    /// far as there are as many.
    fn change_queue(&mut self, config: QueueConfig) {
        let id = config.id.clone();
        let last_step = config.steps.len() - 1;
        let queue = self.qm(&id);
        if queue.config.site_policy != config.site_policy {
            queue.credits.clear();
            queue.current_site = None;
        }
        queue.config = config;
        queue.revision += 1;
        for contact in self.pick(|c| c.queue == id, Contact::place) {
            let step = self.c(&contact).step.min(last_step);
            self.cm(&contact).step = step;
            if self.c(&contact).stage == Stage::Queued {
                self.wait(&contact);
            }
        }
    }

    pub fn delete_queue(
        &mut self,
        id: &QueueId,
        successor: Option<&QueueId>,
        expected: Option<Revision>,
    ) -> Outcome {
        revision_is(id.as_str(), expected, Some(self.find_queue(id)?.revision))?;
        match successor {
            Some(successor) => self.hand_over(id, successor)?,
            None => {
                let used = self.agents.values().any(|a| {
                    let usual = a.config.queues.iter();
                    usual.chain(a.queues()).any(|assignment| assignment.queue == *id)
                }) || self
                    .queues
                    .values()
                    .any(|q| q.config.id != *id && refers_to(&q.config, id))
                    || self.contacts.values().any(|c| c.queue == *id);
                in_use(id.as_str(), used)?;
            }
        }
        self.queues.remove(id);
        self.deleted(ObjectKind::Queue, id.as_str())
    }

    /// Contacts, agents and queues refer to the successor from now on.
    fn hand_over(&mut self, id: &QueueId, to: &QueueId) -> Result<(), Rejection> {
        let taken = self.find_queue(to)?.config.channels;
        if id == to {
            return Err(Rejection::InvalidConfig { what: "a queue cannot succeed itself" });
        }
        let contacts = self.pick(|c| c.queue == *id, Contact::place);
        if contacts.iter().any(|c| !taken.contains(self.c(c).channel)) {
            return Err(Rejection::ChannelNotTaken { queue: to.as_str().into() });
        }
        for contact in contacts {
            if self.c(&contact).is_live() {
                self.cm(&contact).queue = to.clone();
                self.cm(&contact).step = 0;
                continue;
            }
            self.overflow_to(&contact, to, OverflowCause::Deleted);
            if self.c(&contact).stage == Stage::Queued {
                self.return_to_queue(&contact);
            }
        }
        for agent in self.agents_by_seq() {
            let found = self.am(&agent);
            let moved = found.moved.iter().flat_map(|m| &m.queues);
            if !found.config.queues.iter().chain(moved).any(|a| a.queue == *id) {
                continue;
            }
            found.config.queues = merged(&found.config.queues, id, to);
            if let Some(moved) = &mut found.moved {
                moved.queues = merged(&moved.queues, id, to);
            }
            found.revision += 1;
            let revision = found.revision;
            self.revised(ObjectKind::Agent, agent.as_str(), revision)?;
        }
        let mut queues: Vec<&Queue> = self
            .queues
            .values()
            .filter(|q| q.config.id != *id && refers_to(&q.config, id))
            .collect();
        queues.sort_by_key(|q| q.seq);
        let configs: Vec<_> = queues.into_iter().map(|q| redirected(&q.config, id, to)).collect();
        for mut config in configs {
            let queue = config.id.clone();
            if self.comes_back(&config) {
                config.overflow = Overflow::Reject;
            }
            self.change_queue(config);
            let revision = self.queues[&queue].revision;
            self.revised(ObjectKind::Queue, queue.as_str(), revision)?;
        }
        Ok(())
    }

    pub fn close_queue(
        &mut self,
        id: &QueueId,
        until: LogTime,
        flush: bool,
        expected: Option<Revision>,
    ) -> Outcome {
        revision_is(id.as_str(), expected, Some(self.find_queue(id)?.revision))?;
        if until <= self.now || until.since(self.now) > limits::DURATION_MAX {
            let (what, value) = ("end of a closure", until.0);
            return Err(Rejection::OutOfRange { what, value, min: 0, max: 0 });
        }
        let queue = self.qm(id);
        queue.closed_until = Some(until);
        queue.revision += 1;
        let revision = queue.revision;
        self.events.push(Event::QueueClosed { queue: id.clone(), until });
        let answer = self.revised(ObjectKind::Queue, id.as_str(), revision);
        if flush {
            let on_the_line = |c: &Contact| {
                let waits = matches!(c.stage, Stage::Queued | Stage::Stranded);
                c.queue == *id && waits && c.channel != Channel::Callback
            };
            for contact in self.pick(on_the_line, Contact::place) {
                // It may be a consultation that ended with its contact just now.
                if self.contacts.contains_key(&contact) {
                    self.close_unanswered(&contact, Ending::Flushed);
                }
            }
        }
        answer
    }

    pub fn reopen(&mut self, id: &QueueId) {
        let queue = self.qm(id);
        if queue.closed_until.take().is_some() {
            queue.revision += 1;
            let revision = Some(Revision(queue.revision));
            self.events.push(Event::QueueReopened { queue: id.clone() });
            let (kind, id) = (ObjectKind::Queue, id.as_str().into());
            self.events.push(Event::Config { kind, id, revision });
        }
    }
}

fn refers_to(config: &QueueConfig, id: &QueueId) -> bool {
    let to = Overflow::Queue(id.clone());
    config.overflow == to
        || config.closed == to
        || config.steps.iter().any(|s| s.extra_queues.contains(id))
}

/// The configuration with another queue in place of one; none in place of itself.
fn redirected(config: &QueueConfig, from: &QueueId, to: &QueueId) -> QueueConfig {
    let mut config = config.clone();
    for step in &mut config.steps {
        let extra = step.extra_queues.iter().map(|q| if q == from { to } else { q });
        let mut extra: Vec<QueueId> = extra.filter(|q| **q != config.id).cloned().collect();
        extra.sort();
        extra.dedup();
        step.extra_queues = extra;
    }
    for overflow in [&mut config.overflow, &mut config.closed] {
        if *overflow == Overflow::Queue(from.clone()) {
            let itself = *to == config.id;
            *overflow = if itself { Overflow::Reject } else { Overflow::Queue(to.clone()) };
        }
    }
    config
}
