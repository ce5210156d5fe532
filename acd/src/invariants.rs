//! What must hold after every command, checked by looking at everything. For tests: it costs as
//! much as the state is large.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::apply::settle::standing;
use crate::centre::Centre;
use crate::channel::Medium;
use crate::contact::Stage;
use crate::matching::Standing;

impl Centre {
    /// Checks every invariant; says which one does not hold and for whom.
    ///
    /// - The incremental state hash is that of the whole state.
    /// - An agent's work is exactly the contacts that are engaged with the agent, so a contact
    ///   has at most one live offer or connection.
    /// - A waiting contact is in exactly one place: a demand class, or an agent's line.
    /// - An agent whose site takes no offers, or who is not there, has no standing.
    /// - No waiting contact and free agent fit each other.
    /// - A contact that cannot be connected without its ingress is not in its place while that is
    ///   gone, and nobody waits for an agent who is not there for it.
    /// - Counts that follow from contacts agree with them.
    /// - Nothing non-terminal is without a deadline that ends it.
    /// - Classes, lines and standings follow from agents and contacts as they are, so that they
    ///   come out the same after a restore.
    pub fn check_invariants(&self) -> Result<(), String> {
        if self.state_hash() != self.recompute_state_hash() {
            return Err("the incremental hash differs from the hash of the whole state".into());
        }
        self.check_agents()?;
        self.check_contacts()?;
        self.check_counts()?;
        self.check_places()
    }

    fn check_agents(&self) -> Result<(), String> {
        for slot in self.agents.slots() {
            let agent = self.agents.get(slot);
            let mut load = [0u8; Medium::COUNT];
            let mut tokens = Vec::new();
            for contact in &agent.work {
                let contact = self.contacts.get(*contact);
                let Some(with) = contact.stage.engagement().filter(|w| w.agent == slot) else {
                    return Err(format!("{} has {} which is elsewhere", agent.id(), contact.id));
                };
                load[contact.channel.medium().index()] += 1;
                tokens.push(with.token);
                let before_answer =
                    matches!(contact.stage, Stage::Offered { .. } | Stage::Accepted { .. });
                if before_answer && agent.live_session().is_none() {
                    return Err(format!("{} is offered {} but is gone", agent.id(), contact.id));
                }
            }
            if load != agent.load {
                return Err(format!("{}: load is {:?}, not {load:?}", agent.id(), agent.load));
            }
            if !tokens.is_sorted() {
                return Err(format!("{}: work is not in the order it came", agent.id()));
            }
            let takes = agent
                .live_session()
                .is_some_and(|session| self.sites.get(session.site).state.takes_offers());
            let open = if takes { agent.open_media() } else { crate::channel::Media::NONE };
            if self.matcher.standing_of(slot).media != open {
                return Err(format!("{}: the matcher has another standing", agent.id()));
            }
            if let Some(contact) = self.matcher.best_contact(slot, self.view()) {
                let contact = &self.contacts.get(contact).id;
                return Err(format!("{contact} waits although {} is free", agent.id()));
            }
        }
        Ok(())
    }

    fn check_contacts(&self) -> Result<(), String> {
        for slot in self.contacts.slots() {
            let contact = self.contacts.get(slot);
            let places = self.matcher.places_of(slot, contact.place());
            let expected = usize::from(contact.stage == Stage::Queued);
            if places != expected {
                return Err(format!(
                    "{} is {} in {places} places",
                    contact.id,
                    contact.stage.word()
                ));
            }
            if let Some(with) = contact.stage.engagement() {
                let work = &self.agents.get(with.agent).work;
                if work.iter().filter(|c| **c == slot).count() != 1 {
                    return Err(format!("{} is not once with its agent", contact.id));
                }
            }
            let ends = contact.deadline().is_some()
                || matches!(contact.stage, Stage::Scheduled { .. }) && contact.review.is_some();
            if !ends {
                return Err(format!("{} is {} for ever", contact.id, contact.stage.word()));
            }
            if contact.stage == Stage::Queued {
                if let Some(choice) = self.matcher.best_agent(slot, self.view()) {
                    let agent = self.agents.get(choice.agent).id();
                    return Err(format!("{} waits although {agent} is free", contact.id));
                }
                if self.lacks_ingress(slot) {
                    return Err(format!("{} waits without its ingress", contact.id));
                }
                if let Some(agent) = self.matcher.waits_for(slot)
                    && !self.media_waited_for(agent).contains(contact.channel.medium())
                {
                    let agent = self.agents.get(agent).id();
                    return Err(format!("{} waits for {agent} in vain", contact.id));
                }
                if self.closed.find(&contact.id).is_some() {
                    return Err(format!("{} is live and closed", contact.id));
                }
            }
        }
        Ok(())
    }

    fn check_counts(&self) -> Result<(), String> {
        for slot in self.queues.slots() {
            let queue = self.queues.get(slot);
            let all: Vec<_> = self.contacts.iter().filter(|c| c.queue == slot).collect();
            let in_line = all.iter().filter(|c| c.stage.is_in_line()).count();
            if (queue.contacts as usize, queue.length as usize) != (all.len(), in_line) {
                return Err(format!("queue {}: counts are off", queue.id()));
            }
        }
        for slot in self.sites.slots() {
            let site = self.sites.get(slot);
            let engaged = self.contacts.iter().filter_map(|c| c.stage.engagement());
            if engaged.filter(|with| with.site == slot).count() != site.engaged as usize {
                return Err(format!("site {}: engaged is off", site.id()));
            }
        }
        let mut numbers = BTreeSet::new();
        if !self.contacts.iter().all(|c| numbers.insert(c.seq)) {
            return Err("two contacts have the same number".into());
        }
        Ok(())
    }

    fn check_places(&self) -> Result<(), String> {
        for slot in self.agents.slots() {
            let agent = self.agents.get(slot);
            let (class, stands) = match agent.live_session() {
                Some(session) => {
                    let takes_offers = self.sites.get(session.site).state.takes_offers();
                    (Some(self.supply_key(slot)), standing(agent, takes_offers))
                }
                None => (None, Standing::default()),
            };
            if self.matcher.supply_key_of(slot) != class.as_ref() {
                return Err(format!("{} is in another class", agent.id()));
            }
            if self.matcher.standing_of(slot) != stands {
                return Err(format!("{} stands elsewhere in the class", agent.id()));
            }
        }
        for slot in self.contacts.slots() {
            let contact = self.contacts.get(slot);
            if contact.stage != Stage::Queued {
                continue;
            }
            let preferred = contact.preferred.as_ref();
            let line = preferred.and_then(|p| self.agents.find(p.agent.as_str()));
            if self.matcher.waits_for(slot) != line {
                return Err(format!("{} is in another line", contact.id));
            }
            let class = preferred.is_none().then(|| self.demand_key(contact));
            if self.matcher.demand_key_of(slot) != class.as_ref() {
                return Err(format!("{} is in another class", contact.id));
            }
        }
        Ok(())
    }
}
