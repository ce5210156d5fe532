//! Waiting: a contact in its place in a queue, its steps, its site, the agent it waits for.

use alloc::boxed::Box;

use crate::agent::Presence;
use crate::centre::Centre;
use crate::channel::{Channel, Media, Medium};
use crate::config::{Overflow, Requirements, SitePolicy};
use crate::contact::{Contact, Preferred, Stage};
use crate::event::{ContactEvent, OverflowCause};
use crate::ids::{AgentId, PrincipalId};
use crate::limits;
use crate::matching::fit::{DemandKey, Scope};
use crate::matching::{View, view};
use crate::queue::Queue;
use crate::record::Outcome;
use crate::table::Slot;
use crate::time::{AttendedTime, LogTime, Millis};

impl Centre {
    /// Puts a contact into its place, under the demand it has now, to be matched at the end of
    /// the command.
    pub(crate) fn wait(&mut self, slot: Slot<Contact>) {
        self.contacts.get_mut(slot).stage = Stage::Queued;
        self.reach_step(slot);
        self.reach_spill(slot);
        match self.agent_to_wait_for(slot) {
            Some(agent) => {
                self.matcher.enter_for(slot, self.contacts.get(slot).place(), agent);
            }
            None => {
                let key = self.demand_key(self.contacts.get(slot));
                let place = self.contacts.get(slot).place();
                let requirements = self.matcher.enter(slot, place, key, view!(self));
                self.contacts.get_mut(slot).requirements = requirements;
            }
        }
        let review = self.next_review(self.contacts.get(slot));
        self.contacts.get_mut(slot).review = review;
        self.to_match.push(slot);
    }

    /// Takes a contact out of its place.
    pub(crate) fn stop_waiting(&mut self, slot: Slot<Contact>) {
        self.matcher.leave(slot, self.contacts.get(slot).place());
        self.contacts.get_mut(slot).review = None;
    }

    /// Looks again at what a waiting contact demands.
    pub(crate) fn wait_anew(&mut self, slot: Slot<Contact>) {
        self.stop_waiting(slot);
        self.wait(slot);
    }

    /// An offer is over, or a scheduled or stranded contact is due: back to its place, unless it
    /// has waited too long meanwhile.
    pub(crate) fn return_to_queue(&mut self, slot: Slot<Contact>) {
        let contact = self.contacts.get_mut(slot);
        contact.stage = Stage::Queued;
        if mutated!(self, ArrivalResetOnRequeue) {
            contact.effective = self.clocks.now.0 as i64;
        }
        if self.clocks.attended() >= contact.wait_deadline {
            return self.give_up_waiting(slot, false);
        }
        if self.lacks_ingress(slot) {
            return self.strand(slot);
        }
        let queue = self.queues.get(self.contacts.get(slot).queue).id().clone();
        self.tell_contact(slot, ContactEvent::Queued { queue });
        self.wait(slot);
    }

    /// Where a contact begins that did not come from its ingress just now.
    pub(crate) fn wait_or_strand(&mut self, slot: Slot<Contact>) {
        if self.lacks_ingress(slot) { self.strand(slot) } else { self.wait(slot) }
    }

    /// Whether nobody could connect the contact to anybody now.
    pub(crate) fn lacks_ingress(&self, slot: Slot<Contact>) -> bool {
        let contact = self.contacts.get(slot);
        contact.channel.needs_ingress() && self.is_gone(&contact.ingress)
    }

    /// The demand of a contact as it stands.
    pub(crate) fn demand_key(&self, contact: &Contact) -> DemandKey {
        let Contact { queue, channel, step, site, spilled, .. } = *contact;
        let scope = Scope { own: site, spilled };
        self.demand_in(queue, channel, step, contact.requirements.clone(), scope)
    }

    /// A demand in a queue; only local-first queues care where the contact is.
    pub(crate) fn demand_in(
        &self,
        queue: Slot<Queue>,
        channel: Channel,
        step: u8,
        requirements: Requirements,
        scope: Scope,
    ) -> DemandKey {
        let policy = &self.queues.get(queue).config.site_policy;
        let local = matches!(policy, SitePolicy::LocalFirst { .. });
        DemandKey { queue, channel, step, requirements, scope: local.then_some(scope) }
    }

    /// The latest step whose time has come. Steps are measured from entry into the queue, so time
    /// spent in offers counts.
    ///
    /// Only a step moves a contact ahead, by an event that says so, and nothing moves it back: in
    /// another queue steps start anew and effective arrival is kept. So the head starts of steps
    /// add up over the queues that a contact has waited in.
    fn reach_step(&mut self, slot: Slot<Contact>) {
        let contact = self.contacts.get(slot);
        let config = self.queues.get(contact.queue).config.clone();
        let waited = self.clocks.now.since(contact.entered_queue);
        let next = usize::from(contact.step) + 1;
        for (number, step) in config.steps.iter().enumerate().skip(next) {
            if waited < step.after {
                break;
            }
            let number = number as u8;
            let contact = self.contacts.get_mut(slot);
            contact.step = number;
            let from = contact.effective;
            let to = from.saturating_sub_unsigned(step.head_start.0);
            contact.effective = to;
            self.tell_contact(slot, ContactEvent::StepReached { step: number });
            if from != to {
                self.tell_contact(slot, ContactEvent::PlaceChanged { from, to, step: number });
            }
        }
    }

    /// In local-first queues: may it leave its own site? After its time, and at once when its
    /// own site is out.
    fn reach_spill(&mut self, slot: Slot<Contact>) {
        let contact = self.contacts.get(slot);
        let SitePolicy::LocalFirst { spill_after } =
            self.queues.get(contact.queue).config.site_policy
        else {
            return;
        };
        let waited = self.clocks.now.since(contact.entered_queue);
        let own_is_out = self.sites.get(contact.site).state.is_out();
        if !contact.spilled && (waited >= spill_after || own_is_out) {
            self.contacts.get_mut(slot).spilled = true;
            self.tell_contact(slot, ContactEvent::Spilled);
        }
    }

    /// The agent to wait for, if the contact wants one who is there: for a while if busy, however
    /// short it is willing to wait if free. Otherwise the wish is given up.
    fn agent_to_wait_for(&mut self, slot: Slot<Contact>) -> Option<Slot<crate::agent::Agent>> {
        let contact = self.contacts.get(slot);
        let Preferred { agent: id, until } = contact.preferred.as_deref()?.clone();
        let medium = contact.channel.medium();
        let in_time = self.clocks.now < until;
        let found = self.agents.find(id.as_str()).filter(|agent| {
            self.media_waited_for(*agent).contains(medium)
                && (in_time || self.is_free_for(*agent, medium))
                && !contact.excludes(&id, self.clocks.now)
        });
        if found.is_none() {
            self.contacts.get_mut(slot).preferred = None;
            self.tell_contact(slot, ContactEvent::PreferredGivenUp { agent: id });
        }
        found
    }

    /// Whether the agent could be offered one of this medium now.
    fn is_free_for(&self, agent: Slot<crate::agent::Agent>, medium: Medium) -> bool {
        let agent = self.agents.get(agent);
        let session = agent.live_session();
        session.is_some_and(|s| self.sites.get(s.site).state.takes_offers())
            && agent.open_media().contains(medium)
    }

    /// Media for which it makes sense to wait for this agent, free or busy: the agent is there
    /// and will take them again.
    pub(crate) fn media_waited_for(&self, agent: Slot<crate::agent::Agent>) -> Media {
        let agent = self.agents.get(agent);
        let there = agent.live_session().is_some_and(|s| !self.sites.get(s.site).state.is_out());
        if !there || agent.presence != Presence::Ready || agent.pending.is_some() {
            return Media::NONE;
        }
        let taken = |m: &Medium| {
            agent.config.capacity.max[m.index()] > 0 && !agent.closed_media.contains(*m)
        };
        Medium::ALL.into_iter().filter(taken).fold(Media::NONE, Media::with)
    }

    /// When a waiting contact should be looked at next: a step, the end of waiting for its own
    /// site or one agent, the end of a cool-down.
    fn next_review(&self, contact: &Contact) -> Option<LogTime> {
        let config = &self.queues.get(contact.queue).config;
        let step = config.steps.get(usize::from(contact.step) + 1);
        let step = step.map(|s| contact.entered_queue.plus(s.after));
        let spill = match config.site_policy {
            SitePolicy::LocalFirst { spill_after } if !contact.spilled => {
                Some(contact.entered_queue.plus(spill_after))
            }
            _ => None,
        };
        let now = self.clocks.now;
        // Nothing that is noted here is due in this entry.
        let soonest = now.plus(Millis(1));
        let preferred = contact.preferred.as_ref().map(|p| p.until.max(soonest));
        let cool_downs = contact.past_offers.iter().filter_map(|o| o.excluded_until);
        let cool_down = cool_downs.filter(|until| *until > now).min();
        [step, spill, preferred, cool_down].into_iter().flatten().min()
    }

    /// Lets a contact wait for an agent, at most until then while the agent is busy.
    pub(crate) fn prefer(&mut self, slot: Slot<Contact>, agent: AgentId, until: LogTime) {
        self.contacts.get_mut(slot).preferred = Some(Box::new(Preferred { agent, until }));
    }

    /// When waiting in this queue ends at the latest, for a contact that enters it now.
    pub(crate) fn wait_deadline(&self, queue: Slot<Queue>, channel: Channel) -> AttendedTime {
        let longest = self.queues.get(queue).config.wait_max;
        let none = longest == Millis::ZERO || channel == Channel::Callback;
        self.attended_in(if none { limits::DURATION_MAX } else { longest })
    }

    /// A contact has waited for as long as its queue lets it.
    pub(crate) fn give_up_waiting(&mut self, slot: Slot<Contact>, in_place: bool) {
        if in_place {
            self.stop_waiting(slot);
        }
        let contact = self.contacts.get(slot);
        let config = self.queues.get(contact.queue).config.clone();
        let channel = contact.channel;
        match &config.overflow {
            Overflow::Queue(other) => {
                let takes = |q: &Slot<Queue>| self.queues.get(*q).config.channels.contains(channel);
                match self.queues.find(other.as_str()).filter(takes) {
                    Some(other) => {
                        self.enter_queue(slot, other, OverflowCause::WaitedTooLong);
                        self.return_to_queue(slot);
                    }
                    None => self.close_unanswered(slot, Outcome::WaitedTooLong),
                }
            }
            Overflow::Callback if can_become_callback(&config, channel) => {
                self.become_callback(slot, Some(OverflowCause::WaitedTooLong));
                self.return_to_queue(slot);
            }
            Overflow::Callback | Overflow::Reject => {
                self.close_unanswered(slot, Outcome::WaitedTooLong);
            }
        }
    }

    /// Moves a contact that is not in its place into another queue, where steps start anew. It
    /// keeps its effective arrival.
    pub(crate) fn enter_queue(
        &mut self,
        slot: Slot<Contact>,
        to: Slot<Queue>,
        cause: OverflowCause,
    ) {
        let from = self.contacts.get(slot).queue;
        let waited = self.clocks.now.since(self.contacts.get(slot).entered_queue);
        self.count_overflow(from, waited);
        self.change_queue(slot, to);
        let event = ContactEvent::Overflowed {
            from: self.queues.get(from).id().clone(),
            to: self.queues.get(to).id().clone(),
            cause,
        };
        self.tell_contact(slot, event);
    }

    /// The bookkeeping of a contact that enters another queue unanswered.
    pub(crate) fn change_queue(&mut self, slot: Slot<Contact>, to: Slot<Queue>) {
        let contact = self.contacts.get(slot);
        let (from, channel) = (contact.queue, contact.channel);
        let in_line = u32::from(contact.stage.is_in_line());
        let deadline = self.wait_deadline(to, channel);
        let left = self.queues.get_mut(from);
        left.length -= in_line;
        left.contacts -= 1;
        let entered = self.queues.get_mut(to);
        entered.length += in_line;
        entered.contacts += 1;
        let contact = self.contacts.get_mut(slot);
        contact.queue = to;
        contact.entered_queue = self.clocks.now;
        contact.step = 0;
        contact.spilled = false;
        contact.wait_deadline = deadline;
    }

    /// Makes a contact that is not in its place a callback in the same place.
    pub(crate) fn become_callback(&mut self, slot: Slot<Contact>, cause: Option<OverflowCause>) {
        let queue = self.contacts.get(slot).queue;
        let deadline = self.wait_deadline(queue, Channel::Callback);
        let contact = self.contacts.get_mut(slot);
        contact.channel = Channel::Callback;
        contact.wait_deadline = deadline;
        let site = contact.site;
        let (now, settings) = (self.clocks.now, &self.settings);
        let overflow = cause.is_some();
        self.queues.get_mut(queue).metrics.count(now, settings, |c| c.become_callback(overflow));
        self.sites.get_mut(site).metrics.count(now, settings, |c| c.become_callback(overflow));
        self.tell_contact(slot, ContactEvent::BecameCallback { cause });
    }

    /// Whether an ingress had streams and has none now.
    pub(crate) fn is_gone(&self, ingress: &PrincipalId) -> bool {
        self.ingresses.get(ingress).is_some_and(|nodes| nodes.is_empty())
    }
}

/// Whether contacts of this channel can be called back in this queue.
pub(crate) fn can_become_callback(config: &crate::config::QueueConfig, channel: Channel) -> bool {
    matches!(channel, Channel::Voice | Channel::Chat) && config.channels.contains(Channel::Callback)
}
