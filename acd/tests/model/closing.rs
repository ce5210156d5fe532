//! The end of a contact.

use acd::event::{ContactEvent, OfferEnd};
use acd::ids::{ContactId, PrincipalId};
use acd::metrics::QueueCounters;
use acd::record::{ContactRecord, Outcome as Ending};
use acd::rejection::{ContactNow, Rejection};
use acd::time::Millis;

use super::metrics::{Unserved, abandoned, unserved};
use super::things::{Closed, Stage};
use super::{Model, unknown};

impl Model {
    pub fn close(&mut self, id: &ContactId, outcome: Ending) {
        let now = self.now;
        let wrap_up = match self.c(id).stage {
            Stage::WrapUp { since } => now.since(since),
            _ => Millis::ZERO,
        };
        let with = self.c(id).with.clone();
        if with.is_some() {
            self.count_handled(id, wrap_up);
            self.leave_desk(id);
        }
        // Consultations end with it, unless a colleague is talking.
        for consult in self.c(id).consults.clone() {
            if self.contacts.get(&consult).is_some_and(|c| !c.is_live()) {
                self.close_before_answer(&consult, Ending::ConsultOver, OfferEnd::Withdrawn);
            }
        }
        let contact = self.contacts.remove(id).expect("a live contact");
        if let Some(parent) = contact.consult_of.as_ref().and_then(|p| self.contacts.get_mut(p)) {
            parent.consults.retain(|consult| consult != id);
        }
        let agent = with.as_ref().map(|w| w.agent.clone());
        let token = with.as_ref().map(|w| w.token);
        self.closed.push(Closed {
            id: id.clone(),
            seq: contact.seq,
            ingress: contact.ingress.clone(),
            arrived: contact.arrived,
            closed: now,
            asked: contact.asked,
            channel: contact.channel,
            outcome,
            token,
            agent: agent.clone(),
        });
        let record = ContactRecord {
            contact: id.clone(),
            seq: acd::ids::Seq(contact.seq),
            channel: contact.channel,
            priority: contact.priority,
            ingress: contact.ingress,
            site: contact.site,
            queue: contact.queue,
            agent,
            agent_site: with.map(|w| w.site),
            token,
            outcome,
            arrived: contact.arrived,
            entered_queue: contact.entered_queue,
            answered: contact.answered,
            closed: now,
            talk: Millis(contact.talk + contact.talk_here),
            hold: Millis(contact.hold + contact.hold_here),
            wrap_up,
            transfers: contact.transfers,
            failed_offers: contact.failed_offers,
            disposition: contact.disposition,
            resolved: contact.resolved,
            recording: contact.recording,
            consult_of: contact.consult_of,
            attributes: contact.attributes,
        };
        self.tell(id, ContactEvent::Closed(Box::new(record)));
    }

    pub fn close_unanswered(&mut self, id: &ContactId, outcome: Ending) {
        let contact = self.c(id);
        let (queue, site) = (contact.queue.clone(), contact.site.clone());
        let target = self.queues[&queue].config.target;
        let waited = self.now.since(contact.entered_queue);
        let add = |c: &mut QueueCounters| match outcome {
            Ending::Abandoned => abandoned(c, waited, target.within, target.short_abandon),
            Ending::WaitedTooLong
            | Ending::TurnedAwayClosed
            | Ending::TurnedAwayFull
            | Ending::Flushed => unserved(c, waited, Unserved::Rejected),
            _ => unserved(c, waited, Unserved::Lost),
        };
        self.count_queue(&queue, add);
        self.count_site(&site, add);
        self.close(id, outcome);
    }

    /// From wherever it waits, or is before an agent.
    pub fn close_before_answer(&mut self, id: &ContactId, outcome: Ending, end: OfferEnd) {
        if self.c(id).is_before_answer() {
            self.end_offer(id, end);
        }
        self.close_unanswered(id, outcome);
    }

    /// What the agent did with it.
    pub fn count_handled(&mut self, id: &ContactId, wrap_up: Millis) {
        let contact = self.c(id);
        let (talk, hold) = (contact.talk_here, contact.hold_here);
        let (queue, with) = (contact.queue.clone(), contact.with.clone().expect("an agent"));
        let add = |c: &mut QueueCounters| {
            c.handled += 1;
            c.talk_ms += talk;
            c.hold_ms += hold;
            c.wrap_up_ms += wrap_up.0;
        };
        self.count_queue(&queue, add);
        self.count_site(&with.site, add);
        self.count_agent(&with.agent, |c| {
            c.handled += 1;
            c.talk_ms += talk;
            c.hold_ms += hold;
            c.wrap_up_ms += wrap_up.0;
        });
    }

    /// Whether the contact is live, after checking whose it is or was.
    pub fn own_contact(&mut self, who: &PrincipalId, id: &ContactId) -> Result<bool, Rejection> {
        self.fire_left_over_of_contact(id);
        if let Some(contact) = self.contacts.get(id) {
            self.check_owner(who, contact.ingress.as_str())?;
            return Ok(true);
        }
        if let Some(closed) = self.find_closed(id) {
            self.check_owner(who, closed.ingress.as_str())?;
        }
        Ok(false)
    }

    pub fn closed_or_unknown(&self, id: &ContactId) -> Rejection {
        match self.find_closed(id) {
            Some(_) => Rejection::StaleToken { contact: id.clone(), now: ContactNow::Closed },
            None => unknown("contact", id.as_str()),
        }
    }
}
