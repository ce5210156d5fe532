//! What agents do with contacts.

use acd::command::{TransferTarget, WorkCommand};
use acd::event::{ContactEvent, OfferEnd};
use acd::ids::{AgentId, ContactId, OfferToken, PrincipalId, QueueId, SessionEpoch};
use acd::limits;
use acd::metrics::QueueCounters;
use acd::record::Outcome as Ending;
use acd::rejection::{ContactNow, Rejection};
use acd::reply::Reply;
use acd::time::Millis;

use super::metrics::answered;
use super::things::{Asked, Contact, Stage};
use super::{Model, Outcome, unknown};

impl Model {
    pub fn work_command(
        &mut self,
        who: &PrincipalId,
        session: Option<SessionEpoch>,
        command: WorkCommand,
    ) -> Outcome {
        let (id, token) = command.subject();
        let id = &id.clone();
        self.fire_left_over_of_contact(id);
        let Some(contact) = self.contacts.get(id) else {
            return self.repeat_of_closed(who, id, token, &command);
        };
        let Some(with) = contact.with.clone().filter(|with| with.token == token) else {
            return self.repeat_of_past(who, id, token, &command);
        };
        self.check_owner(who, with.agent.as_str())?;
        if let Some(epoch) = session {
            let present = self.agents[&with.agent].session.as_ref();
            if present.is_none_or(|s| s.epoch != epoch.0) {
                return Err(Rejection::StaleSession { agent: with.agent.as_str().into() });
            }
        }
        match command {
            WorkCommand::Accept { .. } => {
                let bridging = contact.channel.needs_bridging();
                if contact.stage == Stage::Offered && bridging {
                    let timeout = self.queues[&contact.queue].config.connect_timeout;
                    let deadline = Some(self.attended_in(timeout));
                    let contact = self.cm(id);
                    (contact.stage, contact.deadline) = (Stage::Accepted, deadline);
                    self.tell(id, ContactEvent::Accepted { token, agent: with.agent });
                } else if contact.stage == Stage::Offered {
                    self.connect(id);
                }
                Ok(Reply::Accepted { bridging })
            }
            WorkCommand::Decline { .. } if contact.stage == Stage::Offered => {
                self.end_offer(id, OfferEnd::Declined);
                self.return_to_queue(id);
                Ok(Reply::Done)
            }
            WorkCommand::Decline { .. } => Err(self.wrong_state(id)),
            WorkCommand::Hold { .. } => {
                match contact.stage {
                    Stage::Held { .. } => {}
                    Stage::Connected => {
                        self.cm(id).stage = Stage::Held { since: self.now };
                        self.tell(id, ContactEvent::Held);
                    }
                    _ => return Err(self.wrong_state(id)),
                }
                Ok(Reply::Done)
            }
            WorkCommand::Retrieve { .. } => {
                match contact.stage {
                    Stage::Connected => {}
                    Stage::Held { since } => {
                        let held = self.now.since(since).0;
                        self.cm(id).hold_here += held;
                        self.cm(id).stage = Stage::Connected;
                        self.tell(id, ContactEvent::Retrieved);
                    }
                    _ => return Err(self.wrong_state(id)),
                }
                Ok(Reply::Done)
            }
            WorkCommand::End { .. } => self.end_conversation(id),
            _ if matches!(command, WorkCommand::Transfer { .. } | WorkCommand::Consult { .. }) => {
                if let WorkCommand::Consult { consult, to, .. } = &command
                    && let Some(repeat) =
                        self.repeated(consult, &Asked::Consult(id.clone(), to.clone()))?
                {
                    return Ok(repeat);
                }
                if !contact.is_talking() {
                    return Err(self.wrong_state(id));
                }
                match command {
                    WorkCommand::Transfer { to, .. } => self.transfer(id, &with.agent, to),
                    WorkCommand::Consult { consult, to, .. } => self.consult(id, consult, to),
                    _ => unreachable!("one of the two"),
                }
            }
            _ if !contact.is_live() => Err(self.wrong_state(id)),
            WorkCommand::Complete { disposition, resolved, .. } => {
                let contact = self.cm(id);
                contact.disposition = disposition.or(contact.disposition.take());
                contact.resolved = resolved.or(contact.resolved);
                if contact.is_talking() {
                    self.finish_talk(id);
                }
                self.close(id, Ending::Handled);
                Ok(Reply::Done)
            }
            WorkCommand::SetDisposition { disposition, resolved, .. } => {
                let contact = self.cm(id);
                contact.disposition = Some(disposition.clone());
                contact.resolved = Some(resolved);
                self.tell(id, ContactEvent::DispositionSet { disposition, resolved });
                Ok(Reply::Done)
            }
            other => panic!("{other:?} is not answered"),
        }
    }

    /// A repeat of what ended the contact, or led there, gets the answer it got.
    fn repeat_of_closed(
        &self,
        who: &PrincipalId,
        id: &ContactId,
        token: OfferToken,
        command: &WorkCommand,
    ) -> Outcome {
        let closed = self.find_closed(id).ok_or_else(|| unknown("contact", id.as_str()))?;
        let stale = Rejection::StaleToken { contact: id.clone(), now: ContactNow::Closed };
        if closed.token != Some(token) {
            return Err(stale);
        }
        self.check_owner(who, closed.agent.as_ref().expect("a token has an agent").as_str())?;
        match command {
            WorkCommand::Accept { .. } => {
                Ok(Reply::Accepted { bridging: closed.channel.needs_bridging() })
            }
            WorkCommand::End { .. } | WorkCommand::Complete { .. } => Ok(Reply::Done),
            // The second contact may still be there, and tells its own repeats.
            WorkCommand::Consult { consult, to, .. } => {
                let asked = Asked::Consult(id.clone(), to.clone());
                self.repeated(consult, &asked)?.ok_or(stale)
            }
            _ => Err(stale),
        }
    }

    /// A repeat of what ended that offer gets the answer it got.
    fn repeat_of_past(
        &self,
        who: &PrincipalId,
        id: &ContactId,
        token: OfferToken,
        command: &WorkCommand,
    ) -> Outcome {
        if let Some(past) = self.c(id).past_offers.iter().find(|o| o.token == token) {
            self.check_owner(who, past.agent.as_str())?;
            if let WorkCommand::Consult { consult, to, .. } = command
                && let Some(repeat) =
                    self.repeated(consult, &Asked::Consult(id.clone(), to.clone()))?
            {
                return Ok(repeat);
            }
            let repeats = match command {
                WorkCommand::Decline { .. } => past.end == OfferEnd::Declined,
                WorkCommand::Transfer { .. } => past.end == OfferEnd::Transferred,
                _ => false,
            };
            if repeats {
                return Ok(Reply::Done);
            }
        }
        Err(self.stale(id))
    }

    pub fn stale(&self, id: &ContactId) -> Rejection {
        let with_agent = self.c(id).with.is_some();
        let now = if with_agent { ContactNow::WithAgent } else { ContactNow::Waiting };
        Rejection::StaleToken { contact: id.clone(), now }
    }

    pub fn wrong_state(&self, id: &ContactId) -> Rejection {
        Rejection::WrongState { contact: id.clone(), state: self.c(id).word() }
    }

    /// Customer and agent talk.
    fn connect(&mut self, id: &ContactId) {
        let now = self.now;
        let contact = self.c(id).clone();
        let with = contact.with.expect("an accepted offer");
        let config = self.queues[&contact.queue].config.clone();
        let waited = now.since(contact.entered_queue);
        let deadline = Some(self.attended_in(config.handle_max));
        let add = |c: &mut QueueCounters| answered(c, waited, config.target.within);
        self.count_queue(&contact.queue, add);
        self.count_site(&with.site, add);
        self.count_agent(&with.agent, |c| c.answered += 1);
        let contact = self.cm(id);
        (contact.stage, contact.deadline) = (Stage::Connected, deadline);
        contact.answered = Some(now);
        (contact.talk_here, contact.hold_here) = (0, 0);
        contact.preferred = None;
        self.tell(id, ContactEvent::Connected { token: with.token, agent: with.agent, waited });
    }

    pub fn bridged(&mut self, who: &PrincipalId, id: &ContactId, token: OfferToken) -> Outcome {
        if !self.own_contact(who, id)? {
            let same = self.find_closed(id).is_some_and(|c| c.token == Some(token));
            return if same { Ok(Reply::Done) } else { Err(self.closed_or_unknown(id)) };
        }
        if self.c(id).with.as_ref().is_none_or(|with| with.token != token) {
            return Err(self.stale(id));
        }
        match self.c(id).stage {
            Stage::Accepted => self.connect(id),
            Stage::Offered => return Err(self.wrong_state(id)),
            _ => {}
        }
        Ok(Reply::Done)
    }

    pub fn bridge_failed(
        &mut self,
        who: &PrincipalId,
        id: &ContactId,
        token: OfferToken,
    ) -> Outcome {
        if !self.own_contact(who, id)? {
            return Err(self.closed_or_unknown(id));
        }
        let contact = self.c(id);
        let present = contact.with.as_ref().is_some_and(|with| with.token == token);
        if present && contact.stage == Stage::Accepted {
            self.end_offer(id, OfferEnd::BridgeFailed);
            self.return_to_queue(id);
            return Ok(Reply::Done);
        }
        let mut past = contact.past_offers.iter();
        if past.any(|o| o.token == token && o.end == OfferEnd::BridgeFailed) {
            return Ok(Reply::Done);
        }
        Err(self.stale(id))
    }

    pub fn end_conversation(&mut self, id: &ContactId) -> Outcome {
        let contact = self.c(id);
        if let Stage::WrapUp { .. } = contact.stage {
            return Ok(Reply::Done);
        }
        if !contact.is_talking() {
            return Err(self.wrong_state(id));
        }
        let wrap_up = self.queues[&contact.queue].config.wrap_up;
        let agent = contact.with.clone().expect("an agent").agent;
        self.finish_talk(id);
        if wrap_up == Millis::ZERO || self.agents[&agent].works_at().is_none() {
            self.close(id, Ending::Handled);
            return Ok(Reply::Done);
        }
        let (since, deadline) = (self.now, Some(self.attended_in(wrap_up)));
        let contact = self.cm(id);
        (contact.stage, contact.deadline) = (Stage::WrapUp { since }, deadline);
        contact.orphaned = false;
        self.tell(id, ContactEvent::WrapUpStarted { agent });
        Ok(Reply::Done)
    }

    pub fn finish_talk(&mut self, id: &ContactId) {
        let now = self.now;
        let contact = self.cm(id);
        if let Stage::Held { since } = contact.stage {
            contact.hold_here += now.since(since).0;
        }
        let since_answer = contact.answered.map_or(0, |at| now.since(at).0);
        contact.talk_here = since_answer - contact.hold_here;
    }

    fn target(
        &self,
        id: &ContactId,
        to: &TransferTarget,
    ) -> Result<(QueueId, Option<AgentId>), Rejection> {
        let (queue, agent) = match to {
            TransferTarget::Queue(queue) => (queue.clone(), None),
            TransferTarget::Agent(agent) => (self.c(id).queue.clone(), Some(agent.clone())),
        };
        let config = &self.find_queue(&queue)?.config;
        if let Some(agent) = &agent {
            self.find_agent(agent)?;
        }
        if !config.channels.contains(self.c(id).channel) {
            return Err(Rejection::ChannelNotTaken { queue: queue.as_str().into() });
        }
        Ok((queue, agent))
    }

    fn transfer(&mut self, id: &ContactId, by: &AgentId, to: TransferTarget) -> Outcome {
        if self.c(id).transfers >= limits::TRANSFERS_PER_CONTACT_MAX {
            let max = u64::from(limits::TRANSFERS_PER_CONTACT_MAX);
            return Err(Rejection::LimitReached { what: "transfers of a contact", max });
        }
        let (to, agent) = self.target(id, &to)?;
        let from = self.c(id).queue.clone();
        let site = self.c(id).with.clone().expect("an agent").site;
        self.finish_talk(id);
        self.count_handled(id, Millis::ZERO);
        self.count_queue(&from, |c| c.transferred += 1);
        self.count_site(&site, |c| c.transferred += 1);
        self.count_agent(by, |c| c.transferred += 1);
        let contact = self.cm(id);
        contact.talk += std::mem::take(&mut contact.talk_here);
        contact.hold += std::mem::take(&mut contact.hold_here);
        contact.transfers += 1;
        contact.orphaned = false;
        self.enter_queue(id, &to);
        let event = ContactEvent::Transferred { agent: by.clone(), from, to: to.clone() };
        self.tell(id, event);
        self.end_offer(id, OfferEnd::Transferred);
        self.prefer(id, agent, &to);
        self.return_to_queue(id);
        Ok(Reply::Done)
    }

    fn prefer(&mut self, id: &ContactId, agent: Option<AgentId>, queue: &QueueId) {
        let until = self.now.plus(self.queues[queue].config.preferred_wait);
        self.cm(id).preferred = agent.map(|agent| (agent, until));
    }

    fn consult(&mut self, id: &ContactId, consult: ContactId, to: TransferTarget) -> Outcome {
        let asked = Asked::Consult(id.clone(), to.clone());
        if self.c(id).consults.len() >= limits::CONSULTS_PER_CONTACT_MAX {
            let max = limits::CONSULTS_PER_CONTACT_MAX as u64;
            return Err(Rejection::LimitReached { what: "consultations of a contact", max });
        }
        let (queue, agent) = self.target(id, &to)?;
        self.cm(id).consults.push(consult.clone());
        self.tell(id, ContactEvent::ConsultStarted { consult: consult.clone() });
        let parent = self.c(id).clone();
        let (site, ingress) = (parent.site, parent.ingress);
        let reply = self.create(Contact {
            priority: parent.priority,
            effective: parent.effective,
            consult_of: Some(parent.id),
            ..self.blank(consult.clone(), parent.channel, queue.clone(), site, ingress, asked)
        });
        self.prefer(&consult, agent, &queue);
        // The front end that is to connect the two may be gone.
        let contact = self.c(&consult);
        if contact.channel.needs_ingress() && self.is_gone(&contact.ingress) {
            self.strand(&consult);
        } else {
            self.wait(&consult);
        }
        Ok(reply)
    }
}
