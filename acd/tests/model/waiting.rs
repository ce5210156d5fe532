//! Waiting in a place: steps, spilling, the agent who is waited for, giving up.

use acd::channel::Channel;
use acd::config::{Overflow, QueueConfig, SitePolicy};
use acd::event::{ContactEvent, OverflowCause};
use acd::ids::{AgentId, ContactId, PrincipalId, QueueId};
use acd::limits;
use acd::record::Outcome as Ending;
use acd::time::{AttendedTime, LogTime, Millis};

use super::Model;
use super::metrics::{Unserved, unserved};
use super::sites::is_out;
use super::things::Stage;

impl Model {
    /// A contact stands in its place, with what it demands now.
    pub fn wait(&mut self, id: &ContactId) {
        self.cm(id).stage = Stage::Queued;
        self.cm(id).deadline = None;
        let config = self.queues[&self.c(id).queue].config.clone();
        let waited = self.now.since(self.c(id).entered_queue);
        let now = self.now;

        // Steps whose time has come.
        while let Some(step) = config.steps.get(self.c(id).step + 1).filter(|s| waited >= s.after) {
            let contact = self.cm(id);
            contact.step += 1;
            let (number, from) = (contact.step as u8, contact.effective);
            contact.effective -= step.head_start.0 as i64;
            let to = contact.effective;
            self.tell(id, ContactEvent::StepReached { step: number });
            if to != from {
                self.tell(id, ContactEvent::PlaceChanged { from, to, step: number });
            }
        }
        // Local first: until its time has come, or its own site is out.
        let mut spill = None;
        if let SitePolicy::LocalFirst { spill_after } = config.site_policy
            && !self.c(id).spilled
        {
            let own_is_out = is_out(self.sites[&self.c(id).site].state);
            if waited >= spill_after || own_is_out {
                self.cm(id).spilled = true;
                self.tell(id, ContactEvent::Spilled);
            } else {
                spill = Some(self.c(id).entered_queue.plus(spill_after));
            }
        }
        // The agent it wants: waited for while there, not for ever; one who is free is not waited
        // for at all.
        if let Some((agent, until)) = self.c(id).preferred.clone() {
            let medium = self.c(id).channel.medium();
            let is_free = || self.free_media(&self.agents[&agent]).contains(medium);
            if !self.is_there_for(&agent, id) || (now >= until && !is_free()) {
                self.cm(id).preferred = None;
                self.tell(id, ContactEvent::PreferredGivenUp { agent });
            }
        }
        // When to look again.
        let contact = self.c(id);
        let step = config.steps.get(contact.step + 1);
        let step = step.map(|s| contact.entered_queue.plus(s.after));
        let preferred = contact.preferred.as_ref();
        let preferred = preferred.map(|(_, until)| (*until).max(now.plus(Millis(1))));
        let exclusions = contact.past_offers.iter().filter_map(|o| o.excluded_until);
        let cool_down = exclusions.filter(|until| *until > now).min();
        let review: Option<LogTime> =
            [step, spill, preferred, cool_down].into_iter().flatten().min();
        self.cm(id).review = review;
        self.to_match.push(id.clone());
    }

    /// Whether a contact may go on waiting for this agent, who may be busy.
    pub fn is_there_for(&self, agent: &AgentId, contact: &ContactId) -> bool {
        let contact = self.c(contact);
        self.agents.get(agent).is_some_and(|a| {
            a.works_at().is_some_and(|site| !is_out(self.sites[site].state))
                && a.can_be_waited_for(contact.channel.medium())
                && !contact.excludes(agent, self.now)
        })
    }

    /// A contact that is with nobody goes to its place, if it has one still.
    pub fn return_to_queue(&mut self, id: &ContactId) {
        if self.attended() >= self.c(id).wait_deadline {
            return self.give_up_waiting(id);
        }
        if self.c(id).channel.needs_ingress() && self.is_gone(&self.c(id).ingress) {
            return self.strand(id);
        }
        let queue = self.c(id).queue.clone();
        self.tell(id, ContactEvent::Queued { queue });
        self.wait(id);
    }

    pub fn give_up_waiting(&mut self, id: &ContactId) {
        self.cm(id).review = None;
        let contact = self.c(id);
        let channel = contact.channel;
        let config = self.queues[&contact.queue].config.clone();
        match config.overflow {
            Overflow::Queue(other)
                if self.queues.get(&other).is_some_and(|q| q.config.channels.contains(channel)) =>
            {
                self.overflow_to(id, &other, OverflowCause::WaitedTooLong);
                self.return_to_queue(id);
            }
            Overflow::Callback if self.may_become_callback(id) => {
                self.become_callback(id, Some(OverflowCause::WaitedTooLong));
                self.return_to_queue(id);
            }
            _ => self.close_unanswered(id, Ending::WaitedTooLong),
        }
    }

    pub fn longest_wait(&self, queue: &QueueId, channel: Channel) -> AttendedTime {
        let longest = self.queues[queue].config.wait_max;
        let unlimited = longest == Millis::ZERO || channel == Channel::Callback;
        self.attended_in(if unlimited { limits::DURATION_MAX } else { longest })
    }

    /// Into another queue without an agent.
    pub fn overflow_to(&mut self, id: &ContactId, to: &QueueId, cause: OverflowCause) {
        let from = self.c(id).queue.clone();
        let waited = self.now.since(self.c(id).entered_queue);
        self.count_queue(&from, |c| unserved(c, waited, Unserved::Overflowed));
        self.enter_queue(id, to);
        self.tell(id, ContactEvent::Overflowed { from, to: to.clone(), cause });
    }

    /// Steps and waiting start anew; the place among others is kept.
    pub fn enter_queue(&mut self, id: &ContactId, to: &QueueId) {
        let deadline = self.longest_wait(to, self.c(id).channel);
        let now = self.now;
        let contact = self.cm(id);
        contact.queue = to.clone();
        contact.entered_queue = now;
        contact.step = 0;
        contact.spilled = false;
        contact.wait_deadline = deadline;
    }

    pub fn may_become_callback(&self, id: &ContactId) -> bool {
        let contact = self.c(id);
        takes_callbacks(&self.queues[&contact.queue].config, contact.channel)
    }

    pub fn become_callback(&mut self, id: &ContactId, cause: Option<OverflowCause>) {
        let (queue, site) = (self.c(id).queue.clone(), self.c(id).site.clone());
        let deadline = self.longest_wait(&queue, Channel::Callback);
        let contact = self.cm(id);
        contact.channel = Channel::Callback;
        contact.wait_deadline = deadline;
        let overflowed = u32::from(cause.is_some());
        for count_site in [false, true] {
            let add = |c: &mut acd::metrics::QueueCounters| {
                c.callbacks += 1;
                c.overflowed += overflowed;
            };
            if count_site { self.count_site(&site, add) } else { self.count_queue(&queue, add) }
        }
        self.tell(id, ContactEvent::BecameCallback { cause });
    }

    /// Whether an ingress had streams and has none now.
    pub fn is_gone(&self, ingress: &PrincipalId) -> bool {
        self.ingresses.get(ingress).is_some_and(|nodes| nodes.is_empty())
    }
}

pub fn takes_callbacks(config: &QueueConfig, channel: Channel) -> bool {
    matches!(channel, Channel::Voice | Channel::Chat) && config.channels.contains(Channel::Callback)
}
