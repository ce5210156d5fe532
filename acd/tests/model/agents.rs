//! Sessions and presence.

use acd::channel::Media;
use acd::command::AgentCommand;
use acd::event::{AgentEvent, NotReadyReason, OfferEnd};
use acd::ids::{AgentId, NodeId, PrincipalId, SessionEpoch};
use acd::rejection::Rejection;
use acd::reply::{Reply, WorkItem, WorkState};

use super::things::{Presence, Session, Stage};
use super::{Model, Outcome};

impl Model {
    pub fn agent_command(&mut self, who: &PrincipalId, command: AgentCommand) -> Outcome {
        match command {
            AgentCommand::LogIn { agent, node } => return self.log_in(who, &agent, node),
            AgentCommand::LogOut { agent, epoch } => {
                self.own_session(who, &agent, epoch)?;
                if self.work_of(&agent).iter().any(|c| self.c(c).is_live()) {
                    return Err(Rejection::AgentBusy { agent: agent.as_str().into() });
                }
                self.lose_work(&agent);
                self.go_offline(&agent, AgentEvent::LoggedOut);
            }
            AgentCommand::Ready { agent, epoch } => {
                self.own_session(who, &agent, epoch)?;
                self.set_ready(&agent);
            }
            AgentCommand::NotReady { agent, epoch, reason } => {
                self.own_session(who, &agent, epoch)?;
                self.ask_not_ready(&agent, NotReadyReason::Said(reason));
            }
            AgentCommand::OpenMedium { agent, epoch, medium } => {
                self.own_session(who, &agent, epoch)?;
                if self.agents[&agent].closed_media.contains(medium) {
                    let left = self.agents[&agent].closed_media.without(medium);
                    self.am(&agent).closed_media = left;
                    self.tell_agent(&agent, AgentEvent::MediumOpened { medium });
                }
            }
            AgentCommand::SessionLost { agent, epoch } => {
                self.session(&agent, Some(epoch))?;
                self.lose_session(&agent);
            }
            AgentCommand::SetReady { agent } => {
                self.session(&agent, None)?;
                self.set_ready(&agent);
            }
            AgentCommand::SetNotReady { agent, reason } => {
                self.session(&agent, None)?;
                self.ask_not_ready(&agent, NotReadyReason::Supervisor(reason));
            }
            AgentCommand::ForceLogOut { agent } => {
                if self.find_agent(&agent)?.session.is_none() {
                    return Err(Rejection::StaleSession { agent: agent.as_str().into() });
                }
                self.lose_work(&agent);
                self.go_offline(&agent, AgentEvent::LoggedOut);
            }
        }
        Ok(Reply::Done)
    }

    /// Refuses unless the agent has a connected session, and this one if it matters.
    fn session(&self, agent: &AgentId, epoch: Option<SessionEpoch>) -> Result<(), Rejection> {
        let found = self.find_agent(agent)?;
        let session = found.session.as_ref().filter(|_| found.works_at().is_some());
        if session.is_some_and(|s| epoch.is_none_or(|e| e.0 == s.epoch)) {
            return Ok(());
        }
        Err(Rejection::StaleSession { agent: agent.as_str().into() })
    }

    fn own_session(
        &self,
        who: &PrincipalId,
        agent: &AgentId,
        epoch: SessionEpoch,
    ) -> Result<(), Rejection> {
        self.check_owner(who, agent.as_str())?;
        self.session(agent, Some(epoch))
    }

    fn log_in(&mut self, who: &PrincipalId, id: &AgentId, node: NodeId) -> Outcome {
        self.check_owner(who, id.as_str())?;
        self.find_agent(id)?;
        let site = self.find_host(node)?.site.clone();
        let epoch = self.next_seq();
        self.account(id);
        let before = self.agents[id].clone();
        let agent = self.am(id);
        agent.session = Some(Session { epoch, node, site: site.clone() });
        let instead_of = before.session.map(|s| SessionEpoch(s.epoch));
        let told = SessionEpoch(epoch);
        self.tell_agent(id, AgentEvent::LoggedIn { epoch: told, node, site, instead_of });
        match before.presence {
            Presence::Offline => {
                self.am(id).closed_media = Media::NONE;
                self.am(id).presence = Presence::NotReady(NotReadyReason::LoggedIn);
            }
            Presence::Unreachable { before: Some(reason), .. } => {
                self.am(id).presence = Presence::NotReady(reason.clone());
                self.tell_agent(id, AgentEvent::NotReady { reason });
            }
            Presence::Unreachable { before: None, .. } => {
                self.am(id).presence = Presence::Ready;
                self.tell_agent(id, AgentEvent::Ready);
                self.become_idle(id);
            }
            Presence::Ready | Presence::NotReady(_) => {}
        }
        for contact in self.work_of(id) {
            self.adopt(&contact);
        }
        let item = |contact: acd::ids::ContactId| {
            let contact = self.c(&contact);
            let state = match contact.stage {
                Stage::Offered => WorkState::Offered(contact.deadline.expect("a deadline")),
                Stage::Accepted => WorkState::Accepted,
                Stage::Connected => WorkState::Connected,
                Stage::Held { .. } => WorkState::Held,
                _ => WorkState::WrapUp,
            };
            let token = contact.with.as_ref().expect("an agent").token;
            WorkItem { contact: contact.id.clone(), token, state }
        };
        let work = self.work_of(id).into_iter().map(item).collect();
        Ok(Reply::LoggedIn { epoch: told, work })
    }

    pub fn go_offline(&mut self, id: &AgentId, event: AgentEvent) {
        self.account(id);
        let agent = self.am(id);
        agent.presence = Presence::Offline;
        agent.session = None;
        agent.pending = None;
        self.tell_agent(id, event);
    }

    fn set_ready(&mut self, id: &AgentId) {
        let agent = &self.agents[id];
        if agent.presence == Presence::Ready && agent.pending.is_none() {
            return;
        }
        self.account(id);
        self.am(id).pending = None;
        self.am(id).presence = Presence::Ready;
        self.become_idle(id);
        self.tell_agent(id, AgentEvent::Ready);
    }

    /// At once if the agent has nothing, otherwise when free.
    pub fn ask_not_ready(&mut self, id: &AgentId, reason: NotReadyReason) {
        if !self.is_busy(id) {
            return self.set_not_ready(id, reason);
        }
        self.am(id).pending = Some(reason.clone());
        self.tell_agent(id, AgentEvent::NotReadyWhenFree { reason });
    }

    pub fn set_not_ready(&mut self, id: &AgentId, reason: NotReadyReason) {
        self.account(id);
        let agent = self.am(id);
        agent.pending = None;
        match &mut agent.presence {
            Presence::Offline => {}
            Presence::Unreachable { before, .. } => *before = Some(reason),
            Presence::Ready | Presence::NotReady(_) => {
                agent.presence = Presence::NotReady(reason.clone());
                self.tell_agent(id, AgentEvent::NotReady { reason });
            }
        }
    }

    /// Offers go back at once; conversations go on.
    pub fn lose_session(&mut self, id: &AgentId) {
        self.account(id);
        let deadline = self.attended_in(self.settings.unreachable_for);
        let agent = self.am(id);
        let before = match (agent.presence.clone(), agent.pending.take()) {
            (_, Some(pending)) => Some(pending),
            (Presence::NotReady(reason), None) => Some(reason),
            (_, None) => None,
        };
        agent.presence = Presence::Unreachable { deadline, before };
        self.tell_agent(id, AgentEvent::Unreachable);
        self.lose_work(id);
    }

    fn lose_work(&mut self, id: &AgentId) {
        for contact in self.work_of(id) {
            // One that was given up may have taken another one with it.
            if self.contacts.get(&contact).is_none_or(|c| c.with.is_none()) {
                continue;
            }
            if self.c(&contact).is_before_answer() {
                self.end_offer(&contact, OfferEnd::AgentLost);
                self.return_to_queue(&contact);
            } else if self.c(&contact).is_talking() {
                self.orphan(&contact);
            }
        }
    }
}
