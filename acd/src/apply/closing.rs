//! The end of a contact: its record, its counts, and what is remembered of it.

use alloc::boxed::Box;

use super::unknown;
use crate::centre::Centre;
use crate::contact::{Contact, Details, Engagement, Stage};
use crate::event::{ContactEvent, OfferEnd};
use crate::ids::{ContactId, PrincipalId};
use crate::memory::ClosedContact;
use crate::metrics::WaitEnd;
use crate::queue::Queue;
use crate::record::{ContactRecord, Outcome};
use crate::rejection::{ContactNow, Rejection};
use crate::table::Slot;
use crate::time::Millis;

impl Centre {
    /// Closes a contact that is not in its place in a queue. If it is with an agent, the agent's
    /// part has been handled (or is given up as an orphan).
    pub(crate) fn close(&mut self, slot: Slot<Contact>, outcome: Outcome) {
        let stage = self.contacts.get(slot).stage;
        let now = self.clocks.now;
        let wrap_up = match stage {
            Stage::WrapUp { since, .. } => now.since(since),
            _ => Millis::ZERO,
        };
        if let Some(with) = stage.engagement() {
            self.count_handled(slot, with, wrap_up);
            self.release(slot, with);
        }
        self.end_consultations(slot);
        let contact = self.contacts.remove(slot);
        let queue = self.queues.get_mut(contact.queue);
        queue.contacts -= 1;
        if stage.is_in_line() {
            queue.length -= 1;
        }
        let (agent, agent_site, token) = match stage.engagement() {
            Some(with) => (
                Some(self.agents.get(with.agent).id().clone()),
                Some(self.sites.get(with.site).id().clone()),
                Some(with.token),
            ),
            None => (None, None, None),
        };
        let remembered = ClosedContact {
            id: contact.id.clone(),
            seq: contact.seq,
            ingress: contact.ingress.clone(),
            arrived: contact.arrived,
            closed: now,
            fingerprint: contact.fingerprint,
            channel: contact.channel,
            outcome,
            token,
            agent: agent.clone(),
        };
        self.closed.remember(remembered, &mut self.digest);
        let Details { disposition, resolved, recording, consult_of, consults: _ } =
            contact.details.map(|details| *details).unwrap_or_default();
        let record = ContactRecord {
            contact: contact.id.clone(),
            seq: contact.seq,
            channel: contact.channel,
            priority: contact.priority,
            ingress: contact.ingress,
            site: self.sites.get(contact.site).id().clone(),
            queue: self.queues.get(contact.queue).id().clone(),
            agent,
            agent_site,
            token,
            outcome,
            arrived: contact.arrived,
            entered_queue: contact.entered_queue,
            answered: contact.answered,
            closed: now,
            talk: Millis(contact.talk.0.saturating_add(contact.talk_here.0)),
            hold: Millis(contact.hold.0.saturating_add(contact.hold_here.0)),
            wrap_up,
            transfers: contact.transfers,
            failed_offers: contact.failed_offers,
            disposition,
            resolved,
            recording,
            consult_of,
            attributes: contact.attributes,
        };
        let what = ContactEvent::Closed(Box::new(record));
        self.events.push(crate::event::Event::Contact { contact: contact.id, what });
    }

    /// Closes a contact that nobody answered and that is not with an agent; counts how its
    /// waiting ended.
    pub(crate) fn close_unanswered(&mut self, slot: Slot<Contact>, outcome: Outcome) {
        let contact = self.contacts.get(slot);
        let (queue, site) = (contact.queue, contact.site);
        let target = self.queues.get(queue).config.target;
        let waited = self.clocks.now.since(contact.entered_queue);
        let (now, settings) = (self.clocks.now, &self.settings);
        let count = |c: &mut crate::metrics::QueueCounters| match outcome {
            Outcome::Abandoned => c.abandon(waited, target.within, target.short_abandon),
            Outcome::WaitedTooLong
            | Outcome::TurnedAwayClosed
            | Outcome::TurnedAwayFull
            | Outcome::Flushed => c.end_otherwise(waited, WaitEnd::Rejected),
            _ => c.end_otherwise(waited, WaitEnd::Lost),
        };
        self.queues.get_mut(queue).metrics.count(now, settings, count);
        self.sites.get_mut(site).metrics.count(now, settings, count);
        self.close(slot, outcome);
    }

    /// Takes a contact out of wherever it is before it was answered, and closes it.
    pub(crate) fn close_before_answer(
        &mut self,
        slot: Slot<Contact>,
        outcome: Outcome,
        end: OfferEnd,
    ) {
        match self.contacts.get(slot).stage {
            Stage::Queued => self.stop_waiting(slot),
            Stage::Offered { with, .. } | Stage::Accepted { with, .. } => {
                self.end_offer(slot, with, end);
            }
            _ => {}
        }
        self.close_unanswered(slot, outcome);
    }

    /// Counts what an agent did with a contact.
    pub(crate) fn count_handled(&mut self, slot: Slot<Contact>, with: Engagement, wrap_up: Millis) {
        let contact = self.contacts.get(slot);
        let (talk, hold, queue) = (contact.talk_here, contact.hold_here, contact.queue);
        let (now, settings) = (self.clocks.now, &self.settings);
        self.queues.get_mut(queue).metrics.count(now, settings, |c| c.handle(talk, hold, wrap_up));
        self.sites
            .get_mut(with.site)
            .metrics
            .count(now, settings, |c| c.handle(talk, hold, wrap_up));
        self.agents
            .get_mut(with.agent)
            .metrics
            .count(now, settings, |c| c.handle(talk, hold, wrap_up));
    }

    /// Counts a contact that leaves a queue for another one.
    pub(crate) fn count_overflow(&mut self, queue: Slot<Queue>, waited: Millis) {
        let (now, settings) = (self.clocks.now, &self.settings);
        self.queues
            .get_mut(queue)
            .metrics
            .count(now, settings, |c| c.end_otherwise(waited, WaitEnd::Overflowed));
    }

    /// Consultations end with the contact they are for, unless a colleague is already talking.
    fn end_consultations(&mut self, slot: Slot<Contact>) {
        let contact = self.contacts.get(slot);
        let Some(details) = contact.details.as_deref() else {
            return;
        };
        let (parent, consults) = (details.consult_of.clone(), details.consults.clone());
        let id = contact.id.clone();
        for consult in consults {
            if let Some(second) = self.contacts.find(consult.as_str())
                && !self.contacts.get(second).stage.is_live()
            {
                self.close_before_answer(second, Outcome::ConsultOver, OfferEnd::Withdrawn);
            }
        }
        if let Some(parent) = parent.and_then(|p| self.contacts.find(p.as_str()))
            && let Some(details) = &mut self.contacts.get_mut(parent).details
        {
            details.consults.retain(|consult| *consult != id);
        }
    }

    /// A live contact of this ingress; none: it is not live.
    pub(crate) fn find_own_contact(
        &mut self,
        principal: &PrincipalId,
        id: &ContactId,
    ) -> Result<Option<Slot<Contact>>, Rejection> {
        let Some(slot) = self.find_contact(id) else {
            if let Some(closed) = self.closed.find(id) {
                self.check_owner(principal, closed.ingress.as_str())?;
            }
            return Ok(None);
        };
        let ingress = self.contacts.get(slot).ingress.clone();
        self.check_owner(principal, ingress.as_str())?;
        Ok(Some(slot))
    }

    /// Why a contact that is not live cannot be changed.
    pub(crate) fn closed_or_unknown(&self, id: &ContactId) -> Rejection {
        match self.closed.find(id) {
            Some(_) => Rejection::StaleToken { contact: id.clone(), now: ContactNow::Closed },
            None => unknown("contact", id.as_str()),
        }
    }
}
