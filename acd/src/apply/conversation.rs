//! What agents and front ends do with a contact that is before an agent: accept, bridge, hold,
//! end, pass on, ask a colleague.

use super::{Outcome, unknown};
use crate::centre::Centre;
use crate::command::{TransferTarget, WorkCommand};
use crate::config::Requirements;
use crate::contact::{Contact, Engagement, Stage};
use crate::event::{ContactEvent, OfferEnd};
use crate::ids::{ContactId, OfferToken, PrincipalId, SessionEpoch};
use crate::limits;
use crate::record::Outcome as Ending;
use crate::rejection::{ContactNow, Rejection};
use crate::reply::Reply;
use crate::table::Slot;
use crate::text::{Attributes, Label};
use crate::time::Millis;

impl Centre {
    pub(crate) fn work_command(
        &mut self,
        principal: &PrincipalId,
        session: Option<SessionEpoch>,
        command: WorkCommand,
    ) -> Outcome {
        let (contact, token) = command.subject();
        let Some(slot) = self.find_contact(contact) else {
            return self.repeat_after_close(principal, &command);
        };
        let found = self.contacts.get(slot);
        let fits = |with: &Engagement| with.token == token || mutated!(self, FenceNotChecked);
        let Some(with) = found.stage.engagement().filter(fits) else {
            return self.repeat_after_offer(principal, slot, &command);
        };
        let agent = self.agents.get(with.agent).id().clone();
        self.check_owner(principal, agent.as_str())?;
        let present = self.agents.get(with.agent).session.map(|s| s.epoch);
        if session.is_some() && session != present && !mutated!(self, FenceNotChecked) {
            return Err(Rejection::StaleSession { agent: agent.as_str().into() });
        }
        match command {
            WorkCommand::Accept { .. } => self.accept(slot, with),
            WorkCommand::Decline { .. } => self.decline(slot, with),
            WorkCommand::Hold { .. } => self.hold(slot),
            WorkCommand::Retrieve { .. } => self.retrieve(slot),
            WorkCommand::End { .. } => self.end_conversation(slot),
            WorkCommand::Complete { disposition, resolved, .. } => {
                self.complete(slot, disposition, resolved)
            }
            WorkCommand::SetDisposition { disposition, resolved, .. } => {
                self.require_live(slot)?;
                self.set_disposition(slot, disposition, resolved);
                Ok(Reply::Done)
            }
            WorkCommand::Transfer { to, .. } => self.transfer(slot, with, to),
            WorkCommand::Consult { consult, to, .. } => self.consult(slot, with, consult, to),
        }
    }

    /// The contact is closed. Whoever repeats what closed it, or led there, gets the same answer.
    ///
    /// Offers that came to nothing are not remembered: a repeated `Decline` (and `BridgeFailed`,
    /// see [`Self::closed_or_unknown`]) is refused as `stale-token` with "closed", which tells the
    /// sender all that is left to know.
    fn repeat_after_close(&self, principal: &PrincipalId, command: &WorkCommand) -> Outcome {
        let (contact, token) = command.subject();
        let Some(closed) = self.closed.find(contact) else {
            return Err(unknown("contact", contact.as_str()));
        };
        let stale = Rejection::StaleToken { contact: contact.clone(), now: ContactNow::Closed };
        let Some(agent) = closed.agent.as_ref().filter(|_| closed.token == Some(token)) else {
            return Err(stale);
        };
        self.check_owner(principal, agent.as_str())?;
        match command {
            WorkCommand::Accept { .. } => {
                Ok(Reply::Accepted { bridging: closed.channel.needs_bridging() })
            }
            WorkCommand::End { .. } | WorkCommand::Complete { .. } => Ok(Reply::Done),
            WorkCommand::Consult { consult, to, .. } => {
                let asked = super::enqueue::consult_fingerprint(contact, to);
                self.repeated_enqueue(consult, asked)?.ok_or(stale)
            }
            _ => Err(stale),
        }
    }

    /// The token is not that of the present offer. Whoever repeats what ended it gets the same
    /// answer; anybody else is told what is true now.
    fn repeat_after_offer(
        &self,
        principal: &PrincipalId,
        slot: Slot<Contact>,
        command: &WorkCommand,
    ) -> Outcome {
        let contact = self.contacts.get(slot);
        let (_, token) = command.subject();
        if let Some(past) = contact.past_offers.iter().find(|past| past.token == token) {
            self.check_owner(principal, past.agent.as_str())?;
            match (command, past.end) {
                (WorkCommand::Decline { .. }, OfferEnd::Declined)
                | (WorkCommand::Transfer { .. }, OfferEnd::Transferred) => return Ok(Reply::Done),
                (WorkCommand::Consult { consult, to, .. }, _) => {
                    let asked = super::enqueue::consult_fingerprint(&contact.id, to);
                    if let Some(repeat) = self.repeated_enqueue(consult, asked)? {
                        return Ok(repeat);
                    }
                }
                _ => {}
            }
        }
        Err(self.stale(slot))
    }

    /// What is true of a contact, for somebody with an old token.
    pub(crate) fn stale(&self, slot: Slot<Contact>) -> Rejection {
        let contact = self.contacts.get(slot);
        let now = match contact.stage.engagement() {
            None => ContactNow::Waiting,
            Some(_) => ContactNow::WithAgent,
        };
        Rejection::StaleToken { contact: contact.id.clone(), now }
    }

    fn wrong_state(&self, slot: Slot<Contact>) -> Rejection {
        let contact = self.contacts.get(slot);
        Rejection::WrongState { contact: contact.id.clone(), state: contact.stage.word() }
    }

    fn require_live(&self, slot: Slot<Contact>) -> Result<(), Rejection> {
        if self.contacts.get(slot).stage.is_live() { Ok(()) } else { Err(self.wrong_state(slot)) }
    }

    // -- Taking it --------------------------------------------------------------------------------

    fn accept(&mut self, slot: Slot<Contact>, with: Engagement) -> Outcome {
        let contact = self.contacts.get(slot);
        let bridging = contact.channel.needs_bridging();
        // In any later stage this is a repeat.
        if let Stage::Offered { .. } = contact.stage {
            if bridging {
                let timeout = self.queues.get(contact.queue).config.connect_timeout;
                let deadline = self.attended_in(timeout);
                self.contacts.get_mut(slot).stage = Stage::Accepted { with, deadline };
                let agent = self.agents.get(with.agent).id().clone();
                self.tell_contact(slot, ContactEvent::Accepted { token: with.token, agent });
            } else {
                self.connect(slot, with);
            }
        }
        Ok(Reply::Accepted { bridging })
    }

    fn decline(&mut self, slot: Slot<Contact>, with: Engagement) -> Outcome {
        if !matches!(self.contacts.get(slot).stage, Stage::Offered { .. }) {
            return Err(self.wrong_state(slot));
        }
        self.end_offer(slot, with, OfferEnd::Declined);
        self.return_to_queue(slot);
        Ok(Reply::Done)
    }

    /// Customer and agent are connected: the contact is answered.
    fn connect(&mut self, slot: Slot<Contact>, with: Engagement) {
        let contact = self.contacts.get(slot);
        let queue = contact.queue;
        let config = self.queues.get(queue).config.clone();
        let now = self.clocks.now;
        let waited = now.since(contact.entered_queue);
        let deadline = self.attended_in(config.handle_max);
        let contact = self.contacts.get_mut(slot);
        contact.stage = Stage::Connected { with, deadline };
        contact.answered = Some(now);
        contact.hold_here = Millis::ZERO;
        contact.talk_here = Millis::ZERO;
        contact.preferred = None;
        let (settings, target) = (&self.settings, config.target.within);
        let entered = self.queues.get_mut(queue);
        entered.length -= 1;
        entered.metrics.count(now, settings, |c| c.answer(waited, target));
        self.sites.get_mut(with.site).metrics.count(now, settings, |c| c.answer(waited, target));
        self.agents.get_mut(with.agent).metrics.count(now, settings, |c| c.answer());
        let agent = self.agents.get(with.agent).id().clone();
        self.tell_contact(slot, ContactEvent::Connected { token: with.token, agent, waited });
    }

    /// The front end has connected the two.
    pub(crate) fn bridged(
        &mut self,
        principal: &PrincipalId,
        contact: &ContactId,
        token: OfferToken,
    ) -> Outcome {
        let Some(slot) = self.find_own_contact(principal, contact)? else {
            let same = self.closed.find(contact).is_some_and(|c| c.token == Some(token));
            return if same { Ok(Reply::Done) } else { Err(self.closed_or_unknown(contact)) };
        };
        match self.contacts.get(slot).stage {
            Stage::Accepted { with, .. } if with.token == token => self.connect(slot, with),
            stage if stage.is_live() && stage.engagement().is_some_and(|w| w.token == token) => {}
            Stage::Offered { with, .. } if with.token == token => {
                return Err(self.wrong_state(slot));
            }
            _ => return Err(self.stale(slot)),
        }
        Ok(Reply::Done)
    }

    /// The front end could not connect the two.
    pub(crate) fn bridge_failed(
        &mut self,
        principal: &PrincipalId,
        contact: &ContactId,
        token: OfferToken,
    ) -> Outcome {
        let Some(slot) = self.find_own_contact(principal, contact)? else {
            return Err(self.closed_or_unknown(contact));
        };
        let found = self.contacts.get(slot);
        if let Stage::Accepted { with, .. } = found.stage
            && with.token == token
        {
            self.end_offer(slot, with, OfferEnd::BridgeFailed);
            self.return_to_queue(slot);
            return Ok(Reply::Done);
        }
        let repeat =
            |o: &crate::contact::PastOffer| o.token == token && o.end == OfferEnd::BridgeFailed;
        if found.past_offers.iter().any(repeat) { Ok(Reply::Done) } else { Err(self.stale(slot)) }
    }

    // -- In conversation --------------------------------------------------------------------------

    fn hold(&mut self, slot: Slot<Contact>) -> Outcome {
        match self.contacts.get(slot).stage {
            Stage::Connected { with, deadline } => {
                let since = self.clocks.now;
                self.contacts.get_mut(slot).stage = Stage::Held { with, since, deadline };
                self.tell_contact(slot, ContactEvent::Held);
                Ok(Reply::Done)
            }
            Stage::Held { .. } => Ok(Reply::Done),
            _ => Err(self.wrong_state(slot)),
        }
    }

    fn retrieve(&mut self, slot: Slot<Contact>) -> Outcome {
        match self.contacts.get(slot).stage {
            Stage::Held { with, since, deadline } => {
                let held = self.clocks.now.since(since);
                let contact = self.contacts.get_mut(slot);
                contact.hold_here.0 = contact.hold_here.0.saturating_add(held.0);
                contact.stage = Stage::Connected { with, deadline };
                self.tell_contact(slot, ContactEvent::Retrieved);
                Ok(Reply::Done)
            }
            Stage::Connected { .. } => Ok(Reply::Done),
            _ => Err(self.wrong_state(slot)),
        }
    }

    /// Ends the conversation, from either side: wrap-up, or closed if the queue has none or the
    /// agent is not there to do it.
    pub(crate) fn end_conversation(&mut self, slot: Slot<Contact>) -> Outcome {
        let contact = self.contacts.get(slot);
        let (Stage::Connected { with, .. } | Stage::Held { with, .. }) = contact.stage else {
            return match contact.stage {
                Stage::WrapUp { .. } => Ok(Reply::Done),
                _ => Err(self.wrong_state(slot)),
            };
        };
        let wrap_up = self.queues.get(contact.queue).config.wrap_up;
        let agent_is_there = self.agents.get(with.agent).live_session().is_some();
        self.finish_talk(slot);
        if wrap_up == Millis::ZERO || !agent_is_there {
            self.close(slot, Ending::Handled);
            return Ok(Reply::Done);
        }
        let (since, deadline) = (self.clocks.now, self.attended_in(wrap_up));
        let contact = self.contacts.get_mut(slot);
        contact.orphaned = false;
        contact.stage = Stage::WrapUp { with, since, deadline };
        let agent = self.agents.get(with.agent).id().clone();
        self.tell_contact(slot, ContactEvent::WrapUpStarted { agent });
        Ok(Reply::Done)
    }

    fn complete(
        &mut self,
        slot: Slot<Contact>,
        disposition: Option<Label>,
        resolved: Option<bool>,
    ) -> Outcome {
        self.require_live(slot)?;
        if disposition.is_some() || resolved.is_some() {
            let details = self.contacts.get_mut(slot).details_mut();
            details.disposition = disposition.or(details.disposition.take());
            details.resolved = resolved.or(details.resolved);
        }
        if !matches!(self.contacts.get(slot).stage, Stage::WrapUp { .. }) {
            self.finish_talk(slot);
        }
        self.close(slot, Ending::Handled);
        Ok(Reply::Done)
    }

    /// Adds up the conversation that ends now.
    pub(crate) fn finish_talk(&mut self, slot: Slot<Contact>) {
        let now = self.clocks.now;
        let contact = self.contacts.get_mut(slot);
        if let Stage::Held { since, .. } = contact.stage {
            contact.hold_here.0 = contact.hold_here.0.saturating_add(now.since(since).0);
        }
        let talked = contact.answered.map_or(Millis::ZERO, |answered| now.since(answered));
        contact.talk_here = Millis(talked.0.saturating_sub(contact.hold_here.0));
    }

    fn set_disposition(&mut self, slot: Slot<Contact>, disposition: Label, resolved: bool) {
        let details = self.contacts.get_mut(slot).details_mut();
        details.disposition = Some(disposition.clone());
        details.resolved = Some(resolved);
        self.tell_contact(slot, ContactEvent::DispositionSet { disposition, resolved });
    }

    // -- Passing it on, asking --------------------------------------------------------------------

    /// Where a transfer or consultation goes: a queue, and the agent to wait for.
    fn target(
        &self,
        contact: Slot<Contact>,
        to: TransferTarget,
    ) -> Result<(Slot<crate::queue::Queue>, Option<crate::ids::AgentId>), Rejection> {
        let contact = self.contacts.get(contact);
        let (queue, agent) = match to {
            TransferTarget::Queue(queue) => (self.find_queue(&queue)?, None),
            TransferTarget::Agent(agent) => {
                self.find_agent(&agent)?;
                (contact.queue, Some(agent))
            }
        };
        let config = &self.queues.get(queue).config;
        if !config.channels.contains(contact.channel) {
            return Err(Rejection::ChannelNotTaken { queue: config.id.as_str().into() });
        }
        Ok((queue, agent))
    }

    fn transfer(&mut self, slot: Slot<Contact>, with: Engagement, to: TransferTarget) -> Outcome {
        let contact = self.contacts.get(slot);
        if !matches!(contact.stage, Stage::Connected { .. } | Stage::Held { .. }) {
            return Err(self.wrong_state(slot));
        }
        if contact.transfers >= limits::TRANSFERS_PER_CONTACT_MAX {
            let max = u64::from(limits::TRANSFERS_PER_CONTACT_MAX);
            return Err(Rejection::LimitReached { what: "transfers of a contact", max });
        }
        let (to, agent) = self.target(slot, to)?;
        let from = contact.queue;
        self.finish_talk(slot);
        self.count_handled(slot, with, Millis::ZERO);
        let (now, settings) = (self.clocks.now, &self.settings);
        self.queues.get_mut(from).metrics.count(now, settings, |c| c.transfer());
        self.sites.get_mut(with.site).metrics.count(now, settings, |c| c.transfer());
        self.agents.get_mut(with.agent).metrics.count(now, settings, |c| c.transfer());
        let contact = self.contacts.get_mut(slot);
        contact.talk.0 = contact.talk.0.saturating_add(contact.talk_here.0);
        contact.hold.0 = contact.hold.0.saturating_add(contact.hold_here.0);
        (contact.talk_here, contact.hold_here) = (Millis::ZERO, Millis::ZERO);
        contact.transfers += 1;
        contact.orphaned = false;
        self.change_queue(slot, to);
        // It was answered from one queue and has not been from the next.
        self.queues.get_mut(to).length += 1;
        let event = ContactEvent::Transferred {
            agent: self.agents.get(with.agent).id().clone(),
            from: self.queues.get(from).id().clone(),
            to: self.queues.get(to).id().clone(),
        };
        self.tell_contact(slot, event);
        self.end_offer(slot, with, OfferEnd::Transferred);
        self.contacts.get_mut(slot).preferred = None;
        if let Some(agent) = agent {
            let wait = self.queues.get(to).config.preferred_wait;
            self.prefer(slot, agent, self.clocks.now.plus(wait));
        }
        self.return_to_queue(slot);
        Ok(Reply::Done)
    }

    fn consult(
        &mut self,
        slot: Slot<Contact>,
        with: Engagement,
        consult: ContactId,
        to: TransferTarget,
    ) -> Outcome {
        let asked = super::enqueue::consult_fingerprint(&self.contacts.get(slot).id, &to);
        if let Some(repeat) = self.repeated_enqueue(&consult, asked)? {
            return Ok(repeat);
        }
        let contact = self.contacts.get(slot);
        if !matches!(contact.stage, Stage::Connected { .. } | Stage::Held { .. }) {
            return Err(self.wrong_state(slot));
        }
        let open = contact.details.as_ref().map_or(0, |d| d.consults.len());
        if open >= limits::CONSULTS_PER_CONTACT_MAX {
            let max = limits::CONSULTS_PER_CONTACT_MAX as u64;
            return Err(Rejection::LimitReached { what: "consultations of a contact", max });
        }
        let (queue, agent) = self.target(slot, to)?;
        self.check_room_for_contact()?;
        if self.queues.get(queue).length >= limits::QUEUE_LENGTH_MAX {
            let max = u64::from(limits::QUEUE_LENGTH_MAX);
            return Err(Rejection::LimitReached { what: "contacts in a queue", max });
        }
        let parent = contact.id.clone();
        let new = super::enqueue::NewContact {
            id: consult.clone(),
            channel: contact.channel,
            priority: contact.priority,
            queue,
            site: contact.site,
            ingress: contact.ingress.clone(),
            requirements: Requirements::default(),
            attributes: Attributes::default(),
            fingerprint: asked,
            effective: contact.effective,
            consult_of: Some(parent),
        };
        debug_assert_eq!(Some(with), contact.stage.engagement());
        self.contacts.get_mut(slot).details_mut().consults.push(consult.clone());
        self.tell_contact(slot, ContactEvent::ConsultStarted { consult });
        let (second, reply) = self.create_contact(new);
        if let Some(agent) = agent {
            let wait = self.queues.get(queue).config.preferred_wait;
            self.prefer(second, agent, self.clocks.now.plus(wait));
        }
        self.wait_or_strand(second);
        Ok(reply)
    }
}
