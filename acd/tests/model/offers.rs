//! Offers begin and end; agents get idle; their time is accounted.

use acd::channel::Medium;
use acd::contact::PastOffer;
use acd::event::{AgentEvent, ContactEvent, NotReadyReason, OfferEnd, OfferReason};
use acd::ids::{AgentId, ContactId, OfferToken};
use acd::limits;

use super::Model;
use super::things::{Presence, Stage, With};

impl Model {
    pub fn offer(&mut self, id: &ContactId, agent: &AgentId, reason: OfferReason) {
        let token = OfferToken(self.next_seq());
        self.account(agent);
        self.am(agent).last_offer = token.0;
        let site = self.agents[agent].works_at().expect("only who is there gets offers").clone();
        let config = self.queues[&self.c(id).queue].config.clone();
        let deadline = self.attended_in(config.offer_timeout);
        let offered = self.now;
        let contact = self.cm(id);
        contact.stage = Stage::Offered;
        contact.deadline = Some(deadline);
        contact.review = None;
        let with = With { token, agent: agent.clone(), site: site.clone(), offered, reason };
        contact.with = Some(with);
        let (queue, auto_answer) = (config.id, config.auto_answer);
        let agent = agent.clone();
        let event =
            ContactEvent::Offered { token, agent, site, queue, deadline, auto_answer, reason };
        self.tell(id, event);
    }

    /// An agent's part in a contact that goes on is over. It is with nobody now.
    pub fn end_offer(&mut self, id: &ContactId, end: OfferEnd) {
        let now = self.now;
        let with = self.c(id).with.clone().expect("a contact that is with an agent");
        let queue = self.c(id).queue.clone();
        let cool_down = self.queues[&queue].config.cool_down;
        let personal = matches!(
            end,
            OfferEnd::Declined
                | OfferEnd::Rona
                | OfferEnd::BridgeFailed
                | OfferEnd::BridgeTimeout
                | OfferEnd::Transferred
        );
        let excluded_until = (personal && cool_down.0 > 0).then(|| now.plus(cool_down));
        let With { token, agent, site, offered, reason } = with;
        let past = PastOffer {
            token,
            agent: agent.clone(),
            offered,
            ended: now,
            end,
            reason,
            excluded_until,
        };
        let contact = self.cm(id);
        contact.past_offers.push(past);
        if contact.past_offers.len() > limits::PAST_OFFERS_MAX {
            contact.past_offers.remove(0);
        }
        if end != OfferEnd::Transferred {
            contact.failed_offers += 1;
        }
        self.tell(id, ContactEvent::OfferEnded { token, agent: agent.clone(), end });
        if end == OfferEnd::Declined {
            self.count_queue(&queue, |c| c.declined += 1);
            self.count_site(&site, |c| c.declined += 1);
            self.count_agent(&agent, |c| c.declined += 1);
        }
        if end == OfferEnd::Rona {
            self.count_queue(&queue, |c| c.rona += 1);
            self.count_site(&site, |c| c.rona += 1);
            self.count_agent(&agent, |c| c.rona += 1);
        }
        self.leave_desk(id);
    }

    /// A contact is off its agent's desk.
    pub fn leave_desk(&mut self, id: &ContactId) {
        let agent = self.c(id).with.clone().expect("a contact that is with an agent").agent;
        self.account(&agent);
        let contact = self.cm(id);
        contact.with = None;
        contact.stage = Stage::Queued;
        contact.deadline = None;
        self.become_idle(&agent);
        if !self.is_busy(&agent)
            && let Some(reason) = self.am(&agent).pending.take()
        {
            self.set_not_ready(&agent, reason);
        }
    }

    /// A call that rings in vain: not ready. Of other media: no more of that medium.
    pub fn let_it_ring(&mut self, agent: &AgentId, medium: Medium) {
        if medium == Medium::Voice {
            return self.ask_not_ready(agent, NotReadyReason::Rona);
        }
        let closed = self.agents[agent].closed_media;
        if closed.contains(medium) {
            return;
        }
        self.am(agent).closed_media = closed.with(medium);
        self.tell_agent(agent, AgentEvent::MediumClosed { medium });
    }

    pub fn become_idle(&mut self, agent: &AgentId) {
        let (idle, now) = (self.next_seq(), self.now);
        let occupancy = self.occupancy_ppm(agent);
        let agent = self.am(agent);
        (agent.idle, agent.idle_since, agent.occupancy_ppm) = (idle, now, occupancy);
    }

    /// What the agent did since the last time this was asked.
    pub fn account(&mut self, agent: &AgentId) {
        let now = self.now;
        let busy = self.is_busy(agent);
        let ready = self.agents[agent].presence == Presence::Ready;
        let spent = now.since(self.agents[agent].activity_since).0;
        self.am(agent).activity_since = now;
        if spent == 0 {
            return;
        }
        if busy {
            self.count_agent(agent, |c| c.handling_ms += spent);
        } else if ready {
            self.count_agent(agent, |c| c.available_ms += spent);
        }
    }
}
