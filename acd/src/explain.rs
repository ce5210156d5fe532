//! Why a contact waits, and why it went to whom it went: a read, worked out from the state when
//! somebody asks. Costs one look at every agent.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::agent::{Agent, Presence};
use crate::centre::Centre;
use crate::contact::{Contact, PastOffer, Place, Stage};
use crate::event::OfferReason;
use crate::ids::{AgentId, ContactId, OfferToken, QueueId, SiteId, SkillId};
use crate::matching::Matcher;
use crate::matching::fit::{Demand, Misfit};
use crate::table::Slot;
use crate::time::{LogTime, Millis};

/// The first rule that keeps an agent from being offered a contact. The order is that in which
/// the rules are checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Not logged in.
    Offline,
    /// The session is lost.
    Unreachable,
    /// Not ready, or not any longer once free.
    NotReady,
    /// The agent's site gets no offers now.
    SiteOutOfService,
    /// The contact waits for another agent for a while.
    WaitsForAnother(AgentId),
    /// The agent's site may not take it in this step, or not yet.
    SiteNotAllowed,
    /// The agent serves neither the queue nor one whose agents may help.
    QueueNotServed,
    /// The agent lacks this skill, or has too little of it.
    SkillMissing(SkillId),
    /// The agent takes none of this medium.
    MediumNotTaken,
    /// The medium is closed, because the agent let one ring.
    MediumClosed,
    /// The agent has as much as can be handled at once.
    Busy,
    /// The agent did not take this contact a short while ago.
    CoolingDown,
    /// Nothing: the offer is made at the end of the command.
    None,
}

impl Rule {
    /// A stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Unreachable => "unreachable",
            Self::NotReady => "not-ready",
            Self::SiteOutOfService => "site-out-of-service",
            Self::WaitsForAnother(_) => "waits-for-another",
            Self::SiteNotAllowed => "site-not-allowed",
            Self::QueueNotServed => "queue-not-served",
            Self::SkillMissing(_) => "skill-missing",
            Self::MediumNotTaken => "medium-not-taken",
            Self::MediumClosed => "medium-closed",
            Self::Busy => "busy",
            Self::CoolingDown => "cooling-down",
            Self::None => "none",
        }
    }
}

/// The agent a contact is with, and why that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct With {
    /// The agent.
    pub agent: AgentId,
    /// Where the agent works.
    pub site: SiteId,
    /// The offer.
    pub token: OfferToken,
    /// When it was made.
    pub offered: LogTime,
    /// The keys that won.
    pub reason: OfferReason,
}

/// Why a contact is where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The contact.
    pub contact: ContactId,
    /// Its queue.
    pub queue: QueueId,
    /// The word for its stage.
    pub stage: &'static str,
    /// How long since it entered the queue.
    pub waited: Millis,
    /// Its place.
    pub place: Place,
    /// The step it has reached.
    pub step: u8,
    /// When something changes for it by itself: a step, a cool-down, the end of a preference.
    pub next_review: Option<LogTime>,
    /// The agent it is with.
    pub with: Option<With>,
    /// Offers that came to nothing, with their reasons, the latest last.
    pub past_offers: Vec<PastOffer>,
    /// For a waiting contact: the first rule that excludes each agent, with how many.
    pub excluded: BTreeMap<Rule, u32>,
    /// The same by agent, the first ones by id, at most [`AGENTS_LISTED_MAX`].
    pub agents: Vec<(AgentId, Rule)>,
}

/// Agents that an explanation lists by name.
pub const AGENTS_LISTED_MAX: usize = 1_000;

impl Centre {
    /// Explains where a live contact is; none: it is not live.
    pub fn explain(&self, id: &ContactId) -> Option<Explanation> {
        let slot = self.contacts.find(id.as_str())?;
        let contact = self.contacts.get(slot);
        let with = contact.stage.engagement().map(|with| With {
            agent: self.agents.get(with.agent).id().clone(),
            site: self.sites.get(with.site).id().clone(),
            token: with.token,
            offered: with.offered,
            reason: with.reason,
        });
        let mut excluded = BTreeMap::new();
        let mut agents = Vec::new();
        if contact.stage == Stage::Queued {
            let demand = Matcher::demand_of(&self.demand_key(contact), self.view());
            let waits_for = self.matcher.waits_for(slot);
            for agent in self.agents.slots() {
                let rule = self.rule(contact, &demand, waits_for, agent);
                *excluded.entry(rule.clone()).or_insert(0) += 1;
                agents.push((self.agents.get(agent).id().clone(), rule));
            }
            if agents.len() > AGENTS_LISTED_MAX {
                // Whoever holds the state to ask holds up what is to be applied: do not sort all.
                agents.select_nth_unstable(AGENTS_LISTED_MAX);
                agents.truncate(AGENTS_LISTED_MAX);
            }
            agents.sort_unstable();
        }
        Some(Explanation {
            contact: contact.id.clone(),
            queue: self.queues.get(contact.queue).id().clone(),
            stage: contact.stage.word(),
            waited: self.clocks.now.since(contact.entered_queue),
            place: contact.place(),
            step: contact.step,
            next_review: contact.review,
            with,
            past_offers: contact.past_offers.clone(),
            excluded,
            agents,
        })
    }

    fn rule(
        &self,
        contact: &Contact,
        demand: &Demand,
        waits_for: Option<Slot<Agent>>,
        slot: Slot<Agent>,
    ) -> Rule {
        let agent = self.agents.get(slot);
        let session = match (&agent.presence, agent.session) {
            (Presence::Unreachable { .. }, _) => return Rule::Unreachable,
            (Presence::Offline, _) | (_, None) => return Rule::Offline,
            (Presence::NotReady(_), _) => return Rule::NotReady,
            (Presence::Ready, _) if agent.pending.is_some() => return Rule::NotReady,
            (Presence::Ready, Some(session)) => session,
        };
        if !self.sites.get(session.site).state.takes_offers() {
            return Rule::SiteOutOfService;
        }
        let medium = contact.channel.medium();
        match waits_for {
            Some(other) if other != slot => {
                return Rule::WaitsForAnother(self.agents.get(other).id().clone());
            }
            Some(_) => {}
            None => match demand.misfit(&self.supply_key(slot)) {
                Some(Misfit::Site) => return Rule::SiteNotAllowed,
                Some(Misfit::Queue) => return Rule::QueueNotServed,
                Some(Misfit::Skill(skill)) => {
                    return Rule::SkillMissing(self.skills.get(skill).id.clone());
                }
                None => {}
            },
        }
        let capacity = &agent.config.capacity;
        if capacity.max[medium.index()] == 0 {
            Rule::MediumNotTaken
        } else if agent.closed_media.contains(medium) {
            Rule::MediumClosed
        } else if !capacity.allows(medium, &agent.load) {
            Rule::Busy
        } else if contact.excludes(agent.id(), self.clocks.now) {
            Rule::CoolingDown
        } else {
            Rule::None
        }
    }
}
