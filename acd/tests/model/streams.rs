//! Front ends: their streams, and what becomes of their contacts without them.

use acd::channel::Channel;
use acd::command::HeldContact;
use acd::event::{ContactEvent, Event, OfferEnd};
use acd::ids::{ContactId, NodeId, PrincipalId};
use acd::limits;
use acd::rejection::Rejection;
use acd::reply::{Reply, Verdict};
use acd::roles::Role;

use super::things::Stage;
use super::{Model, Outcome, unknown};

impl Model {
    pub fn may_speak_for(&self, who: &PrincipalId, ingress: &PrincipalId) -> Result<(), Rejection> {
        if self.roles_of(who).contains(Role::Node) {
            return Ok(());
        }
        self.check_owner(who, ingress.as_str())
    }

    pub fn attach(&mut self, who: &PrincipalId, ingress: PrincipalId, node: NodeId) -> Outcome {
        self.may_speak_for(who, &ingress)?;
        self.find_host(node)?;
        let held = self.roles_of(&ingress);
        if !held.contains(Role::Ingress) && !held.contains(Role::Gateway) {
            return Err(unknown("ingress", ingress.as_str()));
        }
        let nodes = self.ingresses.entry(ingress.clone()).or_default();
        if nodes.insert(node) {
            let nodes = nodes.len() as u32;
            self.events.push(Event::IngressStreams { ingress, nodes });
        }
        Ok(Reply::Done)
    }

    pub fn lose_stream(&mut self, ingress: &PrincipalId, node: NodeId) {
        let exists = self.principals.contains_key(ingress);
        let Some(nodes) = self.ingresses.get_mut(ingress) else { return };
        if !nodes.remove(&node) {
            return;
        }
        let left = nodes.len() as u32;
        self.events.push(Event::IngressStreams { ingress: ingress.clone(), nodes: left });
        if left > 0 {
            return;
        }
        if !exists {
            self.ingresses.remove(ingress);
        }
        for id in self.pick(|c| c.ingress == *ingress && c.channel.needs_ingress(), |c| c.seq) {
            match self.c(&id).stage {
                Stage::Queued => self.strand(&id),
                Stage::Offered | Stage::Accepted => {
                    self.end_offer(&id, OfferEnd::IngressLost);
                    self.strand(&id);
                }
                Stage::Connected | Stage::Held { .. } => self.orphan(&id),
                Stage::Scheduled { .. } | Stage::Stranded | Stage::WrapUp { .. } => {}
            }
        }
    }

    pub fn strand(&mut self, id: &ContactId) {
        let patience = match self.c(id).channel {
            Channel::Callback => self.settings.stranded_callback_for,
            _ => self.settings.stranded_for,
        };
        let deadline = self.attended_in(patience);
        let contact = self.cm(id);
        contact.stage = Stage::Stranded;
        contact.deadline = Some(deadline);
        contact.review = None;
        self.tell(id, ContactEvent::Stranded { deadline });
    }

    pub fn orphan(&mut self, id: &ContactId) {
        let sooner = self.attended_in(self.settings.orphan_after);
        let contact = self.cm(id);
        if contact.orphaned || !contact.is_talking() {
            return;
        }
        contact.orphaned = true;
        let deadline = contact.deadline.map_or(sooner, |d| d.min(sooner));
        contact.deadline = Some(deadline);
        self.tell(id, ContactEvent::Orphaned { deadline });
    }

    pub fn adopt(&mut self, id: &ContactId) {
        let contact = self.c(id);
        let Some(with) = contact.with.as_ref().filter(|_| contact.orphaned) else { return };
        let agent_is_there = self.agents[&with.agent].works_at().is_some();
        let media_is_there = !contact.channel.needs_ingress() || !self.is_gone(&contact.ingress);
        if !agent_is_there || !media_is_there {
            return;
        }
        let renewed = self.attended_in(self.queues[&contact.queue].config.handle_max);
        let contact = self.cm(id);
        contact.orphaned = false;
        if contact.is_talking() {
            contact.deadline = Some(renewed);
        }
        self.tell(id, ContactEvent::Adopted);
    }

    pub fn reattach(&mut self, who: &PrincipalId, held: &[HeldContact]) -> Outcome {
        if held.len() > limits::REATTACH_CONTACTS_MAX {
            let max = limits::REATTACH_CONTACTS_MAX as u64;
            return Err(Rejection::LimitReached { what: "contacts in a re-attachment", max });
        }
        Ok(Reply::Verdicts(held.iter().map(|h| self.claim(who, &h.contact)).collect()))
    }

    fn claim(&mut self, who: &PrincipalId, id: &ContactId) -> Verdict {
        match self.own_contact(who, id) {
            Err(_) => return Verdict::NotYours,
            Ok(false) if self.find_closed(id).is_some() => return Verdict::Closed,
            Ok(false) => return Verdict::Unknown,
            Ok(true) => {}
        }
        // Whoever claims a contact is there, whatever was reported of streams.
        let ingress = self.c(id).ingress.clone();
        if self.is_gone(&ingress) {
            self.ingresses.remove(&ingress);
        }
        if self.c(id).stage == Stage::Stranded {
            self.tell(id, ContactEvent::Resumed);
            self.return_to_queue(id);
        } else {
            self.adopt(id);
        }
        match self.contacts.get(id) {
            None => Verdict::Closed,
            Some(contact) => {
                let with = contact.with.as_ref();
                with.map_or(Verdict::Waiting, |with| Verdict::WithAgent(with.token))
            }
        }
    }
}
