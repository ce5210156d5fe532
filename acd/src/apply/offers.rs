//! Offers: one contact before one agent, fenced by a token.

use crate::agent::Agent;
use crate::centre::Centre;
use crate::channel::Medium;
use crate::contact::{Contact, Engagement, PastOffer, Stage};
use crate::event::{AgentEvent, ContactEvent, NotReadyReason, OfferEnd};
use crate::ids::OfferToken;
use crate::limits;
use crate::matching::{Choice, SiteMemory};
use crate::table::Slot;
use crate::time::Millis;

impl Centre {
    /// Puts a waiting contact before an agent.
    pub(crate) fn offer(&mut self, slot: Slot<Contact>, choice: Choice) {
        let Choice { agent, reason, site_memory } = choice;
        self.stop_waiting(slot);
        let contact = self.contacts.get(slot);
        let (queue_slot, medium) = (contact.queue, contact.channel.medium());
        debug_assert!(
            self.agents.get(agent).config.capacity.allows(medium, &self.agents.get(agent).load),
            "nothing is offered above capacity"
        );
        match site_memory {
            None => {}
            Some(SiteMemory::Credits(credits)) => self.queues.get_mut(queue_slot).credits = credits,
            Some(SiteMemory::Current(site)) => {
                self.queues.get_mut(queue_slot).current_site = Some(site);
            }
        }
        let seq = self.next_seq();
        let token = OfferToken(seq.0);
        self.account(agent);
        let session = self.agents.get(agent).session;
        let Some(site) = session.map(|s| s.site) else {
            unreachable!("only agents with a session are matched");
        };
        let with_agent = self.agents.get_mut(agent);
        with_agent.work.push(slot);
        with_agent.load[medium.index()] += 1;
        with_agent.last_offer = seq;
        self.sites.get_mut(site).engaged += 1;

        let config = self.queues.get(queue_slot).config.clone();
        let deadline = self.attended_in(config.offer_timeout);
        let with = Engagement { token, agent, site, offered: self.clocks.now, reason };
        self.contacts.get_mut(slot).stage = Stage::Offered { with, deadline };
        let event = ContactEvent::Offered {
            token,
            agent: self.agents.get(agent).id().clone(),
            site: self.sites.get(site).id().clone(),
            queue: config.id.clone(),
            deadline,
            auto_answer: config.auto_answer,
            reason,
        };
        self.tell_contact(slot, event);
    }

    /// Ends an agent's part in a contact that goes on; the caller says how it goes on.
    pub(crate) fn end_offer(&mut self, slot: Slot<Contact>, with: Engagement, end: OfferEnd) {
        let contact = self.contacts.get(slot);
        let agent_id = self.agents.get(with.agent).id().clone();
        let queue = contact.queue;
        // Whoever passed it on does not get it straight back.
        let excludes = matches!(
            end,
            OfferEnd::Declined
                | OfferEnd::Rona
                | OfferEnd::BridgeFailed
                | OfferEnd::BridgeTimeout
                | OfferEnd::Transferred
        );
        let now = self.clocks.now;
        let cool_down = self.queues.get(queue).config.cool_down;
        let excluded_until = (excludes && cool_down.0 > 0).then(|| now.plus(cool_down));
        let Engagement { token, offered, reason, agent, site } = with;
        let past = PastOffer {
            token,
            agent: agent_id.clone(),
            offered,
            ended: now,
            end,
            reason,
            excluded_until,
        };
        let contact = self.contacts.get_mut(slot);
        if contact.past_offers.len() == limits::PAST_OFFERS_MAX {
            contact.past_offers.remove(0);
        }
        contact.past_offers.push(past);
        if end != OfferEnd::Transferred {
            contact.failed_offers = contact.failed_offers.saturating_add(1);
        }
        contact.stage = Stage::Queued;
        self.tell_contact(slot, ContactEvent::OfferEnded { token, agent: agent_id, end });
        let settings = &self.settings;
        match end {
            OfferEnd::Declined => {
                self.queues.get_mut(queue).metrics.count(now, settings, |c| c.decline());
                self.sites.get_mut(site).metrics.count(now, settings, |c| c.decline());
                self.agents.get_mut(agent).metrics.count(now, settings, |c| c.decline());
            }
            OfferEnd::Rona => {
                self.queues.get_mut(queue).metrics.count(now, settings, |c| c.ring_in_vain());
                self.sites.get_mut(site).metrics.count(now, settings, |c| c.ring_in_vain());
                self.agents.get_mut(agent).metrics.count(now, settings, |c| c.ring_in_vain());
            }
            _ => {}
        }
        self.release(slot, with);
    }

    /// Takes a contact off an agent's desk.
    pub(crate) fn release(&mut self, slot: Slot<Contact>, with: Engagement) {
        // The medium it occupied is that of its channel now: a contact changes its channel only
        // while it is on nobody's desk.
        let medium = self.contacts.get(slot).channel.medium();
        self.account(with.agent);
        let agent = self.agents.get_mut(with.agent);
        agent.work.retain(|work| *work != slot);
        agent.load[medium.index()] -= 1;
        let free = agent.work.is_empty();
        self.sites.get_mut(with.site).engaged -= 1;
        self.to_finish.push(with.site);
        self.become_idle(with.agent);
        if free && let Some(reason) = self.agents.get_mut(with.agent).pending.take() {
            self.set_not_ready(with.agent, reason);
        }
        self.touch(with.agent);
    }

    /// The agent let it ring: no more calls until the agent says so; of other media none of that
    /// medium.
    pub(crate) fn punish_ringing(&mut self, slot: Slot<Agent>, medium: Medium) {
        if medium != Medium::Voice {
            let closed = self.agents.get(slot).closed_media;
            if closed.contains(medium) {
                return; // By the one before.
            }
            self.agents.get_mut(slot).closed_media = closed.with(medium);
            self.tell_agent(slot, AgentEvent::MediumClosed { medium });
            self.touch(slot);
            return;
        }
        self.ask_not_ready(slot, NotReadyReason::Rona);
    }

    /// Draws the number that orders idle agents.
    pub(crate) fn become_idle(&mut self, slot: Slot<Agent>) {
        let idle = self.next_seq();
        let now = self.clocks.now;
        let agent = self.agents.get_mut(slot);
        agent.idle = idle;
        agent.idle_since = now;
        let today = agent.metrics.at(now, &self.settings).today;
        agent.occupancy_ppm = today.occupancy().scaled(1_000_000).unwrap_or(0) as u32;
    }

    /// Counts the time since the agent's activity changed last, before it changes again.
    pub(crate) fn account(&mut self, slot: Slot<Agent>) {
        let now = self.clocks.now;
        let agent = self.agents.get_mut(slot);
        let (handling, available) = agent.spent(now);
        agent.activity_since = now;
        if (handling, available) == (Millis::ZERO, Millis::ZERO) {
            return;
        }
        agent.metrics.count(now, &self.settings, |c| c.spend(handling, available));
    }
}
