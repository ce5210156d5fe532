//! Arrival: a contact is put in, turned away, or sent elsewhere.

use crate::centre::Centre;
use crate::channel::Channel;
use crate::command::{Enqueue, TransferTarget};
use crate::config::queue::normalise_requirements;
use crate::config::{Overflow, Priority, Requirements};
use crate::contact::{Contact, Stage};
use crate::digest::Digest;
use crate::event::{ContactEvent, OverflowCause};
use crate::ids::{ContactId, PrincipalId};
use crate::limits;
use crate::matching::fit::Scope;
use crate::queue::Queue;
use crate::record::{Outcome as Ending, TurnedAway};
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::site::Site;
use crate::table::Slot;
use crate::text::Attributes;
use crate::time::{LogTime, Millis};

use super::waiting::can_become_callback;
use super::{Outcome, unknown};

/// A contact that is about to exist.
pub(crate) struct NewContact {
    pub(crate) id: ContactId,
    pub(crate) channel: Channel,
    pub(crate) priority: Priority,
    pub(crate) queue: Slot<Queue>,
    pub(crate) site: Slot<Site>,
    pub(crate) ingress: PrincipalId,
    pub(crate) requirements: Requirements,
    pub(crate) attributes: Attributes,
    pub(crate) fingerprint: u64,
    pub(crate) effective: i64,
    pub(crate) consult_of: Option<ContactId>,
}

/// Where an arrival ends up.
enum Admission {
    Here,
    Elsewhere(Slot<Queue>, OverflowCause),
    AsCallback(OverflowCause),
    Nowhere(TurnedAway),
}

impl Centre {
    pub(crate) fn enqueue(&mut self, principal: &PrincipalId, command: Enqueue) -> Outcome {
        let fingerprint = enqueue_fingerprint(principal, &command);
        if let Some(repeat) = self.repeated_enqueue(&command.contact, fingerprint)? {
            return Ok(repeat);
        }
        let Enqueue { contact, queue, channel, priority, site, requirements, .. } = command;
        let queue = self.find_queue(&queue)?;
        let config = self.queues.get(queue).config.clone();
        if !config.channels.contains(channel) {
            return Err(Rejection::ChannelNotTaken { queue: config.id.as_str().into() });
        }
        let own = self.principals.by_key(principal.as_str());
        let own_site = own.and_then(|p| p.site.as_ref());
        let site = self.find_site(site.as_ref().or(own_site).ok_or(Rejection::NoSite)?)?;
        let requirements = normalise_requirements(requirements)?;
        for requirement in requirements.iter() {
            if self.skills.find(requirement.skill.as_str()).is_none() {
                return Err(unknown("skill", requirement.skill.as_str()));
            }
        }
        if let Some(agent) = &command.preferred {
            self.find_agent(agent)?;
        }
        if let Some(wait) = command.preferred_wait {
            crate::config::queue::check_duration(wait)?;
        }
        let is_later = command.not_before.is_some_and(|at| at > self.clocks.now);
        if is_later && channel != Channel::Callback {
            let what = "only callbacks can be scheduled";
            return Err(Rejection::InvalidConfig { what });
        }
        let later = self.time_of_callback(command.not_before)?;
        self.check_room_for_contact()?;
        let head_start = config.head_start(priority);
        let new = NewContact {
            id: contact,
            channel,
            priority,
            queue,
            site,
            // The table's own id: a hundred thousand contacts share one text.
            ingress: own.map_or(principal, |p| &p.id).clone(),
            requirements,
            attributes: command.attributes,
            fingerprint,
            effective: self.arrival_now().saturating_sub_unsigned(head_start.0),
            consult_of: None,
        };
        let admission = if later.is_some() { Admission::Here } else { self.admit(queue, channel) };
        self.check_room_for_demand(&new)?;

        // From here on it is in. An ingress that talks is not gone, whatever its streams do.
        if self.is_gone(principal) {
            self.ingresses.remove(principal);
        }
        let (slot, reply) = self.create_contact(new);
        match admission {
            Admission::Here => {}
            Admission::Elsewhere(other, cause) => self.enter_queue(slot, other, cause),
            Admission::AsCallback(cause) => self.become_callback(slot, Some(cause)),
            Admission::Nowhere(why) => {
                let outcome = match why {
                    TurnedAway::Closed => Ending::TurnedAwayClosed,
                    TurnedAway::Full => Ending::TurnedAwayFull,
                };
                self.close_unanswered(slot, outcome);
                return Ok(Reply::TurnedAway { why });
            }
        }
        if let Some(agent) = command.preferred {
            let wait = command.preferred_wait.unwrap_or(config.preferred_wait);
            let from = later.unwrap_or(self.clocks.now);
            self.prefer(slot, agent, from.plus(wait));
        }
        match later {
            Some(until) => self.schedule(slot, until),
            None => self.wait(slot),
        }
        Ok(reply)
    }

    /// When a callback is wanted, if that is later than now.
    pub(crate) fn time_of_callback(
        &self,
        not_before: Option<LogTime>,
    ) -> Result<Option<LogTime>, Rejection> {
        let Some(at) = not_before.filter(|at| *at > self.clocks.now) else {
            return Ok(None);
        };
        let value = at.since(self.clocks.now).0;
        let max = limits::DURATION_MAX.0;
        if value > max {
            let what = "time of a callback from now, ms";
            return Err(Rejection::OutOfRange { what, value, min: 0, max });
        }
        Ok(Some(at))
    }

    /// The answer a repeat gets; an error if the id belongs to something else.
    pub(crate) fn repeated_enqueue(
        &self,
        id: &ContactId,
        fingerprint: u64,
    ) -> Result<Option<Reply>, Rejection> {
        let (known, reply) = if let Some(live) = self.contacts.by_key(id.as_str()) {
            let reply = Reply::Enqueued { seq: live.seq, arrived: live.arrived };
            (live.fingerprint, reply)
        } else if let Some(closed) = self.closed.find(id) {
            (closed.fingerprint, closed.enqueue_reply())
        } else {
            return Ok(None);
        };
        if known == fingerprint {
            Ok(Some(reply))
        } else {
            Err(Rejection::ContactIdReused { contact: id.clone() })
        }
    }

    /// Refuses a new contact when the centre is full.
    pub(crate) fn check_room_for_contact(&self) -> Result<(), Rejection> {
        if self.contacts.len() >= limits::CONTACTS_MAX {
            let max = limits::CONTACTS_MAX as u64;
            return Err(Rejection::LimitReached { what: "contacts", max });
        }
        Ok(())
    }

    /// Refuses a demand of a new kind when there are too many kinds.
    fn check_room_for_demand(&self, new: &NewContact) -> Result<(), Rejection> {
        let scope = Scope { own: new.site, spilled: false };
        let requirements = new.requirements.clone();
        let key = self.demand_in(new.queue, new.channel, 0, requirements, scope);
        if self.matcher.is_full_for(&key) {
            let max = limits::DEMAND_CLASSES_MAX as u64;
            return Err(Rejection::LimitReached { what: "distinct demands that wait", max });
        }
        Ok(())
    }

    /// Whether a contact may wait in this queue, and if not, what becomes of it. One hop: a
    /// queue that would send it on again turns it away.
    fn admit(&self, queue: Slot<Queue>, channel: Channel) -> Admission {
        let Some(why) = self.obstacle(queue) else {
            return Admission::Here;
        };
        let config = &self.queues.get(queue).config;
        let (overflow, cause) = match why {
            TurnedAway::Closed => (&config.closed, OverflowCause::Closed),
            TurnedAway::Full => (&config.overflow, OverflowCause::Full),
        };
        match overflow {
            // A callback is what the others become.
            Overflow::Callback if self.is_at_ceiling(queue) => Admission::Nowhere(why),
            Overflow::Callback if channel == Channel::Callback => Admission::Here,
            Overflow::Callback if can_become_callback(config, channel) => {
                Admission::AsCallback(cause)
            }
            Overflow::Queue(other) => {
                let other = self.queues.find(other.as_str()).filter(|other| {
                    let takes = self.queues.get(*other).config.channels.contains(channel);
                    takes && self.obstacle(*other).is_none()
                });
                other.map_or(Admission::Nowhere(why), |o| Admission::Elsewhere(o, cause))
            }
            Overflow::Callback | Overflow::Reject => Admission::Nowhere(why),
        }
    }

    /// Whether a queue is as long as any may get, whatever its own maximum says.
    fn is_at_ceiling(&self, queue: Slot<Queue>) -> bool {
        self.queues.get(queue).length >= limits::QUEUE_LENGTH_MAX
    }

    fn obstacle(&self, queue: Slot<Queue>) -> Option<TurnedAway> {
        let queue = self.queues.get(queue);
        let calendar = queue.config.calendar.as_ref();
        let calendar = calendar.and_then(|id| self.calendars.by_key(id.as_str()));
        let closed = calendar.is_some_and(|c| !c.config.is_open(self.clocks.now));
        if closed || queue.closure.is_some() {
            Some(TurnedAway::Closed)
        } else if queue.length >= queue.config.length_max {
            Some(TurnedAway::Full)
        } else {
            None
        }
    }

    /// Now, as an arrival.
    fn arrival_now(&self) -> i64 {
        i64::try_from(self.clocks.now.0).unwrap_or(i64::MAX)
    }

    /// Brings a contact into being, counted in its queue but not yet waiting in it.
    pub(crate) fn create_contact(&mut self, new: NewContact) -> (Slot<Contact>, Reply) {
        let seq = self.next_seq();
        let now = self.clocks.now;
        let wait_deadline = self.wait_deadline(new.queue, new.channel);
        let NewContact { id, channel, priority, queue, site, ingress, requirements, .. } = new;
        let mut contact = Contact {
            id,
            seq,
            channel,
            priority,
            queue,
            site,
            ingress: ingress.clone(),
            requirements,
            attributes: new.attributes,
            fingerprint: new.fingerprint,
            arrived: now,
            effective: new.effective,
            entered_queue: now,
            step: 0,
            spilled: false,
            orphaned: false,
            preferred: None,
            wait_deadline,
            review: None,
            stage: Stage::Queued,
            past_offers: alloc::vec::Vec::new(),
            failed_offers: 0,
            answered: None,
            talk: Millis::ZERO,
            hold: Millis::ZERO,
            hold_here: Millis::ZERO,
            talk_here: Millis::ZERO,
            transfers: 0,
            details: None,
        };
        if new.consult_of.is_some() {
            contact.details_mut().consult_of = new.consult_of;
        }
        let slot = self.contacts.insert(contact);
        let entered = self.queues.get_mut(queue);
        entered.length += 1;
        entered.contacts += 1;
        let event = ContactEvent::Enqueued {
            queue: entered.id().clone(),
            channel,
            priority,
            effective: new.effective,
            site: self.sites.get(site).id().clone(),
            ingress,
        };
        self.tell_contact(slot, event);
        (slot, Reply::Enqueued { seq, arrived: now })
    }

    /// A callback whose time has not come.
    pub(crate) fn schedule(&mut self, slot: Slot<Contact>, until: LogTime) {
        let contact = self.contacts.get_mut(slot);
        contact.stage = Stage::Scheduled { until };
        contact.review = Some(until);
        let queue = contact.queue;
        self.queues.get_mut(queue).length -= 1;
        self.tell_contact(slot, ContactEvent::Scheduled { until });
    }
}

/// Tells a repeated enqueue from another contact with the same id.
fn enqueue_fingerprint(principal: &PrincipalId, command: &Enqueue) -> u64 {
    let Enqueue {
        contact: _,
        queue,
        channel,
        priority,
        site,
        requirements,
        preferred,
        preferred_wait,
        not_before,
        attributes,
    } = command;
    let mut out = Digest::default();
    out.str(principal.as_str()).str(queue.as_str()).u8(*channel as u8).u8(priority.get());
    out.option(site.as_ref(), |out, s| {
        out.str(s.as_str());
    });
    out.list(requirements.iter(), |out, r| {
        out.str(r.skill.as_str()).u8(r.level.get());
    });
    out.option(preferred.as_ref(), |out, a| {
        out.str(a.as_str());
    });
    out.option(*preferred_wait, |out, ms| {
        out.u64(ms.0);
    });
    out.option(*not_before, |out, at| {
        out.u64(at.0);
    });
    out.u64(attributes.hash());
    out.finish() as u64
}

/// The same for the second contact of a consultation.
pub(crate) fn consult_fingerprint(parent: &ContactId, to: &TransferTarget) -> u64 {
    let mut out = Digest::default();
    out.str("consult").str(parent.as_str());
    match to {
        TransferTarget::Queue(queue) => out.u8(0).str(queue.as_str()),
        TransferTarget::Agent(agent) => out.u8(1).str(agent.as_str()),
    };
    out.finish() as u64
}
