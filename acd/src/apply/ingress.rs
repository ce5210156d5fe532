//! What front ends report: customers come, leave, want to be called back; streams open and
//! break; live contacts are claimed again.

use alloc::vec::Vec;

use super::{Outcome, unknown};
use crate::centre::Centre;
use crate::channel::Channel;
use crate::command::{ContactCommand, HeldContact};
use crate::contact::{Contact, Stage};
use crate::event::{ContactEvent, Event, OfferEnd, OverflowCause};
use crate::ids::{ContactId, NodeId, PrincipalId, QueueId};
use crate::limits;
use crate::record::Outcome as Ending;
use crate::rejection::Rejection;
use crate::reply::{Reply, Verdict};
use crate::roles::{Role, Roles};
use crate::table::Slot;
use crate::text::Label;
use crate::time::LogTime;

use super::waiting::can_become_callback;

impl Centre {
    pub(crate) fn contact_command(
        &mut self,
        principal: &PrincipalId,
        command: ContactCommand,
    ) -> Outcome {
        match command {
            ContactCommand::Enqueue(enqueue) => self.enqueue(principal, enqueue),
            ContactCommand::HangUp { contact } => self.hang_up(principal, &contact),
            ContactCommand::Bridged { contact, token } => self.bridged(principal, &contact, token),
            ContactCommand::BridgeFailed { contact, token } => {
                self.bridge_failed(principal, &contact, token)
            }
            ContactCommand::RequestCallback { contact, not_before } => {
                self.request_callback(principal, &contact, not_before)
            }
            ContactCommand::SetRecording { contact, reference } => {
                self.set_recording(principal, &contact, reference)
            }
            ContactCommand::RecordCsat { contact, score } => {
                self.record_csat(principal, contact, score)
            }
            ContactCommand::Attach { ingress, node } => self.attach(principal, ingress, node),
            ContactCommand::Detach { ingress, node } => self.detach(principal, ingress, node),
            ContactCommand::Reattach { contacts } => self.reattach(principal, &contacts),
            ContactCommand::Move { contact, to } => self.move_contact(&contact, &to),
            ContactCommand::Remove { contact } => self.remove_contact(&contact),
        }
    }

    // -- Customers ----------------------------------------------------------------------------------

    fn hang_up(&mut self, principal: &PrincipalId, id: &ContactId) -> Outcome {
        let Some(slot) = self.find_own_contact(principal, id)? else {
            let closed = self.closed.find(id).is_some();
            return if closed { Ok(Reply::Done) } else { Err(unknown("contact", id.as_str())) };
        };
        if self.contacts.get(slot).stage.is_live() {
            return self.end_conversation(slot);
        }
        self.close_before_answer(slot, Ending::Abandoned, OfferEnd::Abandoned);
        Ok(Reply::Done)
    }

    fn request_callback(
        &mut self,
        principal: &PrincipalId,
        id: &ContactId,
        not_before: Option<LogTime>,
    ) -> Outcome {
        let Some(slot) = self.find_own_contact(principal, id)? else {
            return Err(self.closed_or_unknown(id));
        };
        let contact = self.contacts.get(slot);
        if contact.channel == Channel::Callback {
            return Ok(Reply::Done); // A repeat.
        }
        let config = &self.queues.get(contact.queue).config;
        if !can_become_callback(config, contact.channel) {
            return Err(Rejection::ChannelNotTaken { queue: config.id.as_str().into() });
        }
        if contact.stage.is_live() {
            let state = contact.stage.word();
            return Err(Rejection::WrongState { contact: id.clone(), state });
        }
        let later = self.time_of_callback(not_before)?;
        let was_stranded = matches!(contact.stage, Stage::Stranded { .. });
        self.make_callback(slot, None);
        match later {
            Some(until) => self.schedule(slot, until),
            None if was_stranded => self.strand(slot),
            None => self.return_to_queue(slot),
        }
        Ok(Reply::Done)
    }

    /// Takes a contact from wherever it is before it was answered and makes it a callback; the
    /// caller says how it goes on.
    pub(crate) fn make_callback(&mut self, slot: Slot<Contact>, cause: Option<OverflowCause>) {
        match self.contacts.get(slot).stage {
            Stage::Queued => self.stop_waiting(slot),
            Stage::Offered { with, .. } | Stage::Accepted { with, .. } => {
                self.end_offer(slot, with, OfferEnd::Withdrawn);
            }
            _ => {}
        }
        self.become_callback(slot, cause);
    }

    fn set_recording(
        &mut self,
        principal: &PrincipalId,
        id: &ContactId,
        reference: Label,
    ) -> Outcome {
        let Some(slot) = self.find_own_contact(principal, id)? else {
            return Err(self.closed_or_unknown(id));
        };
        self.contacts.get_mut(slot).details_mut().recording = Some(reference.clone());
        self.tell_contact(slot, ContactEvent::RecordingSet { reference });
        Ok(Reply::Done)
    }

    /// Opinions come when they come, also long after the contact is forgotten here: the event
    /// goes to the records.
    fn record_csat(&mut self, principal: &PrincipalId, contact: ContactId, score: u8) -> Outcome {
        if score > 100 {
            let value = u64::from(score);
            return Err(Rejection::OutOfRange { what: "CSAT score", value, min: 0, max: 100 });
        }
        self.find_own_contact(principal, &contact)?;
        let what = ContactEvent::CsatReceived { score };
        self.events.push(Event::Contact { contact, what });
        Ok(Reply::Done)
    }

    // -- Streams ------------------------------------------------------------------------------------

    /// An ingress speaks for itself, its node and a gateway for others.
    fn check_stream(
        &self,
        principal: &PrincipalId,
        ingress: &PrincipalId,
    ) -> Result<(), Rejection> {
        if self.holds_any(principal, Roles::of(&[Role::Node])) {
            return Ok(());
        }
        self.check_owner(principal, ingress.as_str())
    }

    fn attach(&mut self, principal: &PrincipalId, ingress: PrincipalId, node: NodeId) -> Outcome {
        self.check_stream(principal, &ingress)?;
        self.find_host(node)?;
        if !self.holds_any(&ingress, Roles::of(&[Role::Ingress, Role::Gateway])) {
            return Err(unknown("ingress", ingress.as_str()));
        }
        let nodes = self.ingresses.entry(ingress.clone()).or_default();
        if let Err(at) = nodes.binary_search(&node) {
            nodes.insert(at, node);
            let nodes = nodes.len() as u32;
            self.events.push(Event::IngressStreams { ingress, nodes });
        }
        Ok(Reply::Done)
    }

    fn detach(&mut self, principal: &PrincipalId, ingress: PrincipalId, node: NodeId) -> Outcome {
        self.check_stream(principal, &ingress)?;
        self.lose_stream(&ingress, node);
        Ok(Reply::Done)
    }

    /// A stream is gone. With the last one the ingress's live contacts lose their media.
    pub(crate) fn lose_stream(&mut self, ingress: &PrincipalId, node: NodeId) {
        let Some(nodes) = self.ingresses.get_mut(ingress) else {
            return;
        };
        let Ok(at) = nodes.binary_search(&node) else {
            return;
        };
        nodes.remove(at);
        let left = nodes.len() as u32;
        self.events.push(Event::IngressStreams { ingress: ingress.clone(), nodes: left });
        if left > 0 {
            return;
        }
        if self.principals.find(ingress.as_str()).is_none() {
            self.ingresses.remove(ingress); // Nobody will come back under this name.
        }
        let mut contacts: Vec<Slot<Contact>> = self.contacts.slots().collect();
        contacts.retain(|slot| {
            let contact = self.contacts.get(*slot);
            contact.ingress == *ingress && contact.channel.needs_ingress()
        });
        contacts.sort_unstable_by_key(|slot| self.contacts.get(*slot).seq);
        for slot in contacts {
            match self.contacts.get(slot).stage {
                Stage::Queued => {
                    self.stop_waiting(slot);
                    self.strand(slot);
                }
                Stage::Offered { with, .. } | Stage::Accepted { with, .. } => {
                    self.end_offer(slot, with, OfferEnd::IngressLost);
                    self.strand(slot);
                }
                Stage::Connected { .. } | Stage::Held { .. } => self.orphan(slot),
                Stage::Scheduled { .. } | Stage::Stranded { .. } | Stage::WrapUp { .. } => {}
            }
        }
    }

    /// A contact that is not in its place keeps it, but cannot be offered.
    pub(crate) fn strand(&mut self, slot: Slot<Contact>) {
        let patience = match self.contacts.get(slot).channel {
            Channel::Callback => self.settings.stranded_callback_for,
            _ => self.settings.stranded_for,
        };
        let deadline = self.attended_in(patience);
        self.contacts.get_mut(slot).stage = Stage::Stranded { deadline };
        self.tell_contact(slot, ContactEvent::Stranded { deadline });
    }

    /// A conversation whose agent or ingress is gone goes on for a while.
    pub(crate) fn orphan(&mut self, slot: Slot<Contact>) {
        let sooner = self.attended_in(self.settings.orphan_after);
        let contact = self.contacts.get_mut(slot);
        let (Stage::Connected { deadline, .. } | Stage::Held { deadline, .. }) = &mut contact.stage
        else {
            return;
        };
        if contact.orphaned {
            return;
        }
        contact.orphaned = true;
        *deadline = sooner.min(*deadline);
        let deadline = *deadline;
        self.tell_contact(slot, ContactEvent::Orphaned { deadline });
    }

    /// Agent and ingress are there again.
    pub(crate) fn adopt(&mut self, slot: Slot<Contact>) {
        let contact = self.contacts.get(slot);
        let Some(with) = contact.stage.engagement().filter(|_| contact.orphaned) else {
            return;
        };
        let agent_is_there = self.agents.get(with.agent).live_session().is_some();
        let media_is_there = !contact.channel.needs_ingress() || !self.is_gone(&contact.ingress);
        if !agent_is_there || !media_is_there {
            return;
        }
        let longest = self.queues.get(contact.queue).config.handle_max;
        let renewed = self.attended_in(longest);
        let contact = self.contacts.get_mut(slot);
        contact.orphaned = false;
        if let Stage::Connected { deadline, .. } | Stage::Held { deadline, .. } = &mut contact.stage
        {
            *deadline = renewed;
        }
        self.tell_contact(slot, ContactEvent::Adopted);
    }

    /// Each contact that the ingress still has gets a verdict; stranded ones wait again.
    fn reattach(&mut self, principal: &PrincipalId, held: &[HeldContact]) -> Outcome {
        if held.len() > limits::REATTACH_CONTACTS_MAX {
            let max = limits::REATTACH_CONTACTS_MAX as u64;
            return Err(Rejection::LimitReached { what: "contacts in a re-attachment", max });
        }
        let mut verdicts = Vec::with_capacity(held.len());
        for HeldContact { contact, token: _ } in held {
            verdicts.push(self.claim(principal, contact));
        }
        Ok(Reply::Verdicts(verdicts))
    }

    fn claim(&mut self, principal: &PrincipalId, id: &ContactId) -> Verdict {
        let slot = match self.find_own_contact(principal, id) {
            Err(_) => return Verdict::NotYours,
            Ok(None) if self.closed.find(id).is_some() => return Verdict::Closed,
            Ok(None) => return Verdict::Unknown,
            Ok(Some(slot)) => slot,
        };
        // Whoever claims it is there, whether a stream was reported or not.
        let ingress = self.contacts.get(slot).ingress.clone();
        if self.is_gone(&ingress) {
            self.ingresses.remove(&ingress);
        }
        match self.contacts.get(slot).stage {
            Stage::Stranded { .. } => {
                self.tell_contact(slot, ContactEvent::Resumed);
                self.return_to_queue(slot);
                // It may have waited for too long meanwhile.
                if self.contacts.find(id.as_str()).is_some() {
                    Verdict::Waiting
                } else {
                    Verdict::Closed
                }
            }
            Stage::Queued | Stage::Scheduled { .. } => Verdict::Waiting,
            stage => {
                self.adopt(slot);
                stage.engagement().map_or(Verdict::Waiting, |with| Verdict::WithAgent(with.token))
            }
        }
    }

    // -- Supervisors --------------------------------------------------------------------------------

    fn move_contact(&mut self, id: &ContactId, to: &QueueId) -> Outcome {
        let to = self.find_queue(to)?;
        let Some(slot) = self.find_contact(id) else {
            return Err(self.closed_or_unknown(id));
        };
        let contact = self.contacts.get(slot);
        let config = &self.queues.get(to).config;
        if !config.channels.contains(contact.channel) {
            return Err(Rejection::ChannelNotTaken { queue: config.id.as_str().into() });
        }
        if contact.stage.is_live() {
            let state = contact.stage.word();
            return Err(Rejection::WrongState { contact: id.clone(), state });
        }
        if contact.queue == to {
            return Ok(Reply::Done);
        }
        let stage = contact.stage;
        match stage {
            Stage::Queued => self.stop_waiting(slot),
            Stage::Offered { with, .. } | Stage::Accepted { with, .. } => {
                self.end_offer(slot, with, OfferEnd::Withdrawn);
            }
            _ => {}
        }
        self.enter_queue(slot, to, OverflowCause::Moved);
        if !matches!(stage, Stage::Scheduled { .. } | Stage::Stranded { .. }) {
            self.return_to_queue(slot);
        }
        Ok(Reply::Done)
    }

    fn remove_contact(&mut self, id: &ContactId) -> Outcome {
        let Some(slot) = self.find_contact(id) else {
            return Err(self.closed_or_unknown(id));
        };
        let stage = self.contacts.get(slot).stage;
        if stage.is_live() {
            let state = stage.word();
            return Err(Rejection::WrongState { contact: id.clone(), state });
        }
        self.close_before_answer(slot, Ending::Removed, OfferEnd::Withdrawn);
        Ok(Reply::Done)
    }
}
