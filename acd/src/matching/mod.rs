//! Matching: which contact goes to which agent.
//!
//! Agents of identical eligibility form a supply class, contacts of identical demand a demand
//! class. Which classes fit, and how well, is worked out when a class first appears
//! ([`fit`]); a decision then looks at the heads of classes, never at all agents or contacts.
//!
//! ```text
//! contact arrives:  its demand class → tiers (step, grade, site, skills) of supply classes
//!                   → first tier with a free head → least key among the heads
//! agent gets free:  its supply class → grades of demand classes → least place among the heads
//! ```
//!
//! Everything here follows from contacts, agents and configuration; it is rebuilt after a
//! restore, and class numbers never leave this module.
//!
//! Cost of a decision: one AND per 64 classes that fit, one comparison per class with a head.
//! 500 classes: 8 words, at most 500 comparisons of 16 bytes that lie side by side.

mod bits;
mod demand;
pub(crate) mod fit;
mod numbered;
mod select;
mod supply;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::agent::Agent;
use crate::catalogue::Skill;
use crate::config::Requirements;
use crate::contact::{Contact, Place};
use crate::limits;
use crate::queue::Queue;
use crate::site::Site;
use crate::table::{Slot, Table};
use crate::time::LogTime;
use demand::Demands;
use fit::{Demand, DemandKey, Fit, SupplyKey};
pub(crate) use select::{Choice, SiteMemory};
pub(crate) use supply::Standing;
use supply::Supply;

/// What decisions read besides the classes.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) contacts: &'a Table<Contact>,
    pub(crate) agents: &'a Table<Agent>,
    pub(crate) queues: &'a Table<Queue>,
    pub(crate) sites: &'a Table<Site>,
    pub(crate) skills: &'a Table<Skill>,
    pub(crate) now: LogTime,
}

/// The view of a centre, borrowing only the tables, so that the matcher and the rest may change
/// meanwhile.
macro_rules! view {
    ($centre:ident) => {
        View {
            contacts: &$centre.contacts,
            agents: &$centre.agents,
            queues: &$centre.queues,
            sites: &$centre.sites,
            skills: &$centre.skills,
            now: $centre.clocks.now,
        }
    };
}
pub(crate) use view;

/// Classes that became empty, oldest first, each once.
#[derive(Default)]
struct Empties {
    queue: VecDeque<u32>,
    listed: Vec<bool>,
}

impl Empties {
    /// Notes an empty class; returns the one to look at for retirement, if there are many.
    fn note(&mut self, number: u32) -> Option<u32> {
        let index = number as usize;
        if self.listed.len() <= index {
            self.listed.resize(index + 1, false);
        }
        if !self.listed[index] {
            self.listed[index] = true;
            self.queue.push_back(number);
        }
        if self.queue.len() <= limits::EMPTY_CLASSES_KEPT {
            return None;
        }
        self.pop()
    }

    fn pop(&mut self) -> Option<u32> {
        let number = self.queue.pop_front()?;
        self.listed[number as usize] = false;
        Some(number)
    }
}

/// Classes of free agents and waiting contacts.
#[derive(Default)]
pub(crate) struct Matcher {
    supply: Supply,
    supply_numbers: BTreeMap<SupplyKey, u32>,
    empty_supply: Empties,
    demands: Demands,
    demand_numbers: BTreeMap<DemandKey, u32>,
    empty_demands: Empties,
    /// Contacts that wait for one busy agent, instead of in a class.
    for_agent: BTreeMap<Slot<Agent>, BTreeMap<Place, Slot<Contact>>>,
    waits_for: BTreeMap<Slot<Contact>, Slot<Agent>>,
}

impl Matcher {
    // -- Agents ---------------------------------------------------------------------------------

    /// Puts an agent into the class of this key, not free for anything yet.
    pub(crate) fn classify(&mut self, agent: Slot<Agent>, key: SupplyKey) {
        if let Some(class) = self.supply.class_of(agent) {
            if self.supply.class(class).key == key {
                return;
            }
            self.declassify(agent);
        }
        let number = match self.supply_numbers.get(&key) {
            Some(number) => *number,
            None => self.add_supply(key),
        };
        self.supply.join(agent, number);
    }

    /// Takes an agent out of its class.
    pub(crate) fn declassify(&mut self, agent: Slot<Agent>) {
        if let Some(left) = self.supply.leave(agent)
            && self.supply.class(left).members.is_empty()
            && let Some(candidate) = self.empty_supply.note(left)
        {
            self.retire_supply(candidate);
        }
    }

    /// Tells an agent's standing; the media that are free now and were not before.
    pub(crate) fn stand(&mut self, agent: Slot<Agent>, standing: Standing) -> bool {
        let before = self.supply.standing(agent).media;
        self.supply.stand(agent, standing);
        standing.media.0 & !before.0 != 0
    }

    fn add_supply(&mut self, key: SupplyKey) -> u32 {
        let number = self.supply.add(key.clone());
        for demand in self.demands.numbers() {
            if let Some(fit) = self.demands.class(demand).demand.fit(&key) {
                self.link(demand, number, fit);
            }
        }
        self.supply_numbers.insert(key, number);
        number
    }

    fn retire_supply(&mut self, number: u32) {
        if !self.supply.class(number).members.is_empty() {
            return;
        }
        for demand in self.demands.numbers() {
            self.demands.class_mut(demand).unlink(number);
        }
        let key = self.supply.remove(number);
        self.supply_numbers.remove(&key);
    }

    fn link(&mut self, demand: u32, supply: u32, fit: Fit) {
        let class = self.demands.class_mut(demand);
        class.link(fit, supply);
        let lane = class.lane;
        self.supply.need(supply, lane);
        self.supply.class_mut(supply).link(fit.grade, demand);
    }

    // -- Contacts -------------------------------------------------------------------------------

    /// Puts a waiting contact into the class of this key. The class's own list of requirements
    /// comes back, for the contact to share.
    pub(crate) fn enter(
        &mut self,
        contact: Slot<Contact>,
        place: Place,
        key: DemandKey,
        view: View<'_>,
    ) -> Requirements {
        let number = match self.demand_numbers.get(&key) {
            Some(number) => *number,
            None => self.add_demand(key, view),
        };
        self.demands.enter(number, contact, place);
        self.demands.class(number).key.requirements.clone()
    }

    /// Lets a waiting contact wait for one agent only.
    pub(crate) fn enter_for(&mut self, contact: Slot<Contact>, place: Place, agent: Slot<Agent>) {
        self.for_agent.entry(agent).or_default().insert(place, contact);
        self.waits_for.insert(contact, agent);
    }

    /// Takes a contact out of wherever it waits.
    pub(crate) fn leave(&mut self, contact: Slot<Contact>, place: Place) {
        if let Some(left) = self.demands.leave(contact, place) {
            if self.demands.class(left).waiting.is_empty()
                && let Some(candidate) = self.empty_demands.note(left)
            {
                self.retire_demand(candidate);
            }
        } else if let Some(agent) = self.waits_for.remove(&contact)
            && let Some(waiting) = self.for_agent.get_mut(&agent)
        {
            waiting.remove(&place);
            if waiting.is_empty() {
                self.for_agent.remove(&agent);
            }
        }
    }

    /// Contacts that wait for this agent, first in line first.
    pub(crate) fn waiting_for(&self, agent: Slot<Agent>) -> Vec<Slot<Contact>> {
        self.for_agent.get(&agent).map(|w| w.values().copied().collect()).unwrap_or_default()
    }

    /// The agent this contact waits for, if it waits for one only.
    pub(crate) fn waits_for(&self, contact: Slot<Contact>) -> Option<Slot<Agent>> {
        self.waits_for.get(&contact).copied()
    }

    /// Whether one more distinct demand would be too many.
    pub(crate) fn is_full_for(&self, key: &DemandKey) -> bool {
        let waits = |n: &u32| !self.demands.class(*n).waiting.is_empty();
        self.demands.occupied >= limits::DEMAND_CLASSES_MAX
            && !self.demand_numbers.get(key).is_some_and(waits)
    }

    fn add_demand(&mut self, key: DemandKey, view: View<'_>) -> u32 {
        let config = view.queues.get(key.queue).config.clone();
        let demand = Demand::compile(&key, &config, view.queues, view.sites, view.skills);
        let number = self.demands.add(key.clone(), demand);
        for supply in self.supply.numbers() {
            let fit = self.demands.class(number).demand.fit(&self.supply.class(supply).key);
            if let Some(fit) = fit {
                self.link(number, supply, fit);
            }
        }
        self.demand_numbers.insert(key, number);
        number
    }

    fn retire_demand(&mut self, number: u32) {
        if !self.demands.class(number).waiting.is_empty() {
            return;
        }
        for supply in self.supply.numbers() {
            self.supply.class_mut(supply).unlink(number);
        }
        let key = self.demands.remove(number);
        self.demand_numbers.remove(&key);
    }

    // -- Configuration --------------------------------------------------------------------------

    /// Forgets the classes in which nobody is: after a change of configuration they may be
    /// wrong, after a deletion their slots may mean something else.
    pub(crate) fn forget_empty(&mut self) {
        while let Some(number) = self.empty_demands.pop() {
            self.retire_demand(number);
        }
        while let Some(number) = self.empty_supply.pop() {
            self.retire_supply(number);
        }
    }

    // -- On request -----------------------------------------------------------------------------

    /// What a demand asks of agents, worked out anew.
    pub(crate) fn demand_of(key: &DemandKey, view: View<'_>) -> Demand {
        let config = &view.queues.get(key.queue).config;
        Demand::compile(key, config, view.queues, view.sites, view.skills)
    }

    // -- For checks -----------------------------------------------------------------------------

    /// An agent's standing as last told.
    pub(crate) fn standing_of(&self, agent: Slot<Agent>) -> Standing {
        self.supply.standing(agent)
    }

    /// What the agent's class is eligible for; none: in no class.
    pub(crate) fn supply_key_of(&self, agent: Slot<Agent>) -> Option<&SupplyKey> {
        Some(&self.supply.class(self.supply.class_of(agent)?).key)
    }

    /// What the contact's class demands; none: in no class.
    pub(crate) fn demand_key_of(&self, contact: Slot<Contact>) -> Option<&DemandKey> {
        Some(&self.demands.class(self.demands.class_of(contact)?).key)
    }

    /// In how many places a contact waits, where it stands under its own place.
    pub(crate) fn places_of(&self, contact: Slot<Contact>, place: Place) -> usize {
        let stands = |line: &BTreeMap<Place, Slot<Contact>>| line.get(&place) == Some(&contact);
        let class = self.demands.class_of(contact);
        let in_class = class.is_some_and(|n| stands(&self.demands.class(n).waiting));
        let line = self.waits_for(contact).and_then(|agent| self.for_agent.get(&agent));
        usize::from(in_class) + usize::from(line.is_some_and(stands))
    }
}
