//! Sessions and presence of agents.

use alloc::vec::Vec;

use super::Outcome;
use crate::agent::{Agent, Presence, Session};
use crate::centre::Centre;
use crate::channel::{Media, Medium};
use crate::command::AgentCommand;
use crate::contact::Stage;
use crate::event::{AgentEvent, NotReadyReason, OfferEnd};
use crate::ids::{AgentId, NodeId, PrincipalId, SessionEpoch};
use crate::rejection::Rejection;
use crate::reply::{Reply, WorkItem, WorkState};
use crate::table::Slot;

impl Centre {
    pub(crate) fn agent_command(
        &mut self,
        principal: &PrincipalId,
        command: AgentCommand,
    ) -> Outcome {
        match command {
            AgentCommand::LogIn { agent, node } => self.log_in(principal, &agent, node),
            AgentCommand::LogOut { agent, epoch } => {
                let slot = self.own_session(principal, &agent, epoch)?;
                self.log_out(slot)
            }
            AgentCommand::Ready { agent, epoch } => {
                let slot = self.own_session(principal, &agent, epoch)?;
                self.set_ready(slot);
                Ok(Reply::Done)
            }
            AgentCommand::NotReady { agent, epoch, reason } => {
                let slot = self.own_session(principal, &agent, epoch)?;
                self.ask_not_ready(slot, NotReadyReason::Said(reason));
                Ok(Reply::Done)
            }
            AgentCommand::OpenMedium { agent, epoch, medium } => {
                let slot = self.own_session(principal, &agent, epoch)?;
                self.open_medium(slot, medium);
                Ok(Reply::Done)
            }
            AgentCommand::SessionLost { agent, epoch } => {
                let slot = self.live_session_of(&agent, epoch)?;
                self.lose_session(slot);
                Ok(Reply::Done)
            }
            AgentCommand::SetReady { agent } => {
                let slot = self.logged_in(&agent)?;
                self.set_ready(slot);
                Ok(Reply::Done)
            }
            AgentCommand::SetNotReady { agent, reason } => {
                let slot = self.logged_in(&agent)?;
                self.ask_not_ready(slot, NotReadyReason::Supervisor(reason));
                Ok(Reply::Done)
            }
            AgentCommand::ForceLogOut { agent } => {
                let slot = self.find_agent(&agent)?;
                if self.agents.get(slot).session.is_none() {
                    return Err(Rejection::StaleSession { agent: agent.as_str().into() });
                }
                self.lose_work(slot);
                self.go_offline(slot, AgentEvent::LoggedOut);
                Ok(Reply::Done)
            }
        }
    }

    /// The agent, if this session is the present one and connected.
    fn live_session_of(
        &self,
        agent: &AgentId,
        epoch: SessionEpoch,
    ) -> Result<Slot<Agent>, Rejection> {
        let slot = self.find_agent(agent)?;
        match self.agents.get(slot).live_session() {
            Some(session) if session.epoch == epoch || mutated!(self, FenceNotChecked) => Ok(slot),
            _ => Err(Rejection::StaleSession { agent: agent.as_str().into() }),
        }
    }

    fn own_session(
        &self,
        principal: &PrincipalId,
        agent: &AgentId,
        epoch: SessionEpoch,
    ) -> Result<Slot<Agent>, Rejection> {
        self.check_owner(principal, agent.as_str())?;
        self.live_session_of(agent, epoch)
    }

    fn logged_in(&self, agent: &AgentId) -> Result<Slot<Agent>, Rejection> {
        let slot = self.find_agent(agent)?;
        match self.agents.get(slot).live_session() {
            Some(_) => Ok(slot),
            None => Err(Rejection::StaleSession { agent: agent.as_str().into() }),
        }
    }

    fn log_in(&mut self, principal: &PrincipalId, id: &AgentId, node: NodeId) -> Outcome {
        self.check_owner(principal, id.as_str())?;
        let slot = self.find_agent(id)?;
        let site = self.find_host(node)?;
        let epoch = SessionEpoch(self.next_seq().0);
        self.account(slot);
        let site_id = self.sites.get(site).id().clone();
        let agent = self.agents.get_mut(slot);
        let instead_of = agent.session.map(|s| s.epoch);
        agent.session = Some(Session { epoch, node, site });
        let (was_out, becomes_ready) = match &agent.presence {
            Presence::Offline => {
                agent.closed_media = Media::NONE;
                agent.presence = Presence::NotReady(NotReadyReason::LoggedIn);
                (false, false)
            }
            Presence::Unreachable { before, .. } => {
                let ready = before.is_none();
                agent.presence = before.clone().map_or(Presence::Ready, Presence::NotReady);
                (true, ready)
            }
            Presence::Ready | Presence::NotReady(_) => (false, false),
        };
        let event = AgentEvent::LoggedIn { epoch, node, site: site_id, instead_of };
        self.tell_agent(slot, event);
        if was_out {
            let presence = match &self.agents.get(slot).presence {
                Presence::NotReady(reason) => AgentEvent::NotReady { reason: reason.clone() },
                _ => AgentEvent::Ready,
            };
            self.tell_agent(slot, presence);
        }
        if becomes_ready {
            self.become_idle(slot);
        }
        for contact in self.agents.get(slot).work.clone() {
            self.adopt(contact);
        }
        self.reclassify(slot);
        Ok(Reply::LoggedIn { epoch, work: self.work_of(slot) })
    }

    /// An agent's offers and contacts, in the order they came.
    pub(crate) fn work_of(&self, slot: Slot<Agent>) -> Vec<WorkItem> {
        let work = self.agents.get(slot).work.iter().filter_map(|contact| {
            let contact = self.contacts.get(*contact);
            let state = match contact.stage {
                Stage::Offered { deadline, .. } => WorkState::Offered(deadline),
                Stage::Accepted { .. } => WorkState::Accepted,
                Stage::Connected { .. } => WorkState::Connected,
                Stage::Held { .. } => WorkState::Held,
                Stage::WrapUp { .. } => WorkState::WrapUp,
                _ => return None,
            };
            let token = contact.stage.engagement()?.token;
            Some(WorkItem { contact: contact.id.clone(), token, state })
        });
        work.collect()
    }

    fn log_out(&mut self, slot: Slot<Agent>) -> Outcome {
        let agent = self.agents.get(slot);
        if agent.work.iter().any(|c| self.contacts.get(*c).stage.is_live()) {
            return Err(Rejection::AgentBusy { agent: agent.id().as_str().into() });
        }
        self.lose_work(slot);
        self.go_offline(slot, AgentEvent::LoggedOut);
        Ok(Reply::Done)
    }

    /// Ends the session for good.
    pub(crate) fn go_offline(&mut self, slot: Slot<Agent>, event: AgentEvent) {
        self.account(slot);
        let agent = self.agents.get_mut(slot);
        agent.presence = Presence::Offline;
        agent.session = None;
        agent.pending = None;
        self.tell_agent(slot, event);
        self.touch(slot);
    }

    fn set_ready(&mut self, slot: Slot<Agent>) {
        let agent = self.agents.get(slot);
        let ready = agent.presence == Presence::Ready;
        if ready && agent.pending.is_none() {
            return;
        }
        self.account(slot);
        let agent = self.agents.get_mut(slot);
        agent.pending = None;
        agent.presence = Presence::Ready;
        self.become_idle(slot);
        self.tell_agent(slot, AgentEvent::Ready);
        self.touch(slot);
    }

    /// Not ready: at once if the agent has nothing, otherwise when free.
    pub(crate) fn ask_not_ready(&mut self, slot: Slot<Agent>, reason: NotReadyReason) {
        if self.agents.get(slot).work.is_empty() {
            self.set_not_ready(slot, reason);
            return;
        }
        self.agents.get_mut(slot).pending = Some(reason.clone());
        self.tell_agent(slot, AgentEvent::NotReadyWhenFree { reason });
        self.touch(slot);
    }

    pub(crate) fn set_not_ready(&mut self, slot: Slot<Agent>, reason: NotReadyReason) {
        self.account(slot);
        let agent = self.agents.get_mut(slot);
        agent.pending = None;
        match &mut agent.presence {
            // Whoever is gone is told when back.
            Presence::Offline => return,
            Presence::Unreachable { before, .. } => {
                *before = Some(reason);
                return;
            }
            presence => *presence = Presence::NotReady(reason.clone()),
        }
        self.tell_agent(slot, AgentEvent::NotReady { reason });
        self.touch(slot);
    }

    fn open_medium(&mut self, slot: Slot<Agent>, medium: Medium) {
        let agent = self.agents.get(slot);
        if !agent.closed_media.contains(medium) {
            return;
        }
        let open = agent.closed_media.without(medium);
        self.agents.get_mut(slot).closed_media = open;
        self.tell_agent(slot, AgentEvent::MediumOpened { medium });
        self.touch(slot);
    }

    /// The session's connection, node or site is lost. Offers go back at once; conversations go
    /// on, for the talk path may be up.
    pub(crate) fn lose_session(&mut self, slot: Slot<Agent>) {
        self.account(slot);
        let deadline = self.attended_in(self.settings.unreachable_for);
        let agent = self.agents.get_mut(slot);
        let before = match &agent.presence {
            Presence::Offline | Presence::Unreachable { .. } => return,
            Presence::Ready => agent.pending.take(),
            Presence::NotReady(reason) => Some(agent.pending.take().unwrap_or(reason.clone())),
        };
        agent.presence = Presence::Unreachable { deadline, before };
        self.tell_agent(slot, AgentEvent::Unreachable);
        self.touch(slot);
        self.lose_work(slot);
    }

    /// What an agent who is gone had: offers go back, conversations become orphans.
    fn lose_work(&mut self, slot: Slot<Agent>) {
        for contact in self.agents.get(slot).work.clone() {
            // A contact that closes takes its consultations along.
            let Some(found) = self.contacts.try_get(contact) else { continue };
            match found.stage {
                Stage::Offered { with, .. } | Stage::Accepted { with, .. } => {
                    self.end_offer(contact, with, OfferEnd::AgentLost);
                    self.return_to_queue(contact);
                }
                Stage::Connected { .. } | Stage::Held { .. } => self.orphan(contact),
                _ => {}
            }
        }
    }
}
