//! Free agents, by class.
//!
//! A *lane* is one medium under one order. In each class the free agents stand in a tree per
//! lane that anybody needs; across classes each lane has a dense array of the heads, so that a
//! decision reads neighbouring words instead of chasing trees.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

use super::bits::{DenseBits, SparseBits};
use super::fit::SupplyKey;
use super::numbered::Numbered;
use crate::agent::Agent;
use crate::channel::{Media, Medium};
use crate::config::{Grade, Strategy};
use crate::table::Slot;

/// How free agents are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaneOrder {
    Idle = 0,
    Occupied = 1,
    RoundRobin = 2,
}

const ORDERS: usize = 3;
const LANES: usize = Medium::COUNT * ORDERS;

/// One medium under one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lane(u8);

impl Lane {
    pub(super) fn new(medium: Medium, strategy: Strategy) -> Self {
        let order = match strategy {
            // Among equally skilled agents the longest idle is next.
            Strategy::LongestIdle | Strategy::MostSkilled => LaneOrder::Idle,
            Strategy::LeastOccupied => LaneOrder::Occupied,
            Strategy::RoundRobin => LaneOrder::RoundRobin,
        };
        Self((medium.index() * ORDERS + order as usize) as u8)
    }

    fn index(self) -> usize {
        usize::from(self.0)
    }

    fn medium(self) -> Medium {
        Medium::ALL[self.index() / ORDERS]
    }
}

/// Sorts free agents: the strategy's value, then idle since. No two agents are idle since the
/// same number, so nothing more is needed.
pub(super) type LaneKey = (u64, u64);

/// The free agents of a class in one lane, best first.
type FreeAgents = BTreeMap<LaneKey, Slot<Agent>>;

/// Not a key: larger than all.
const NOBODY: LaneKey = (u64::MAX, u64::MAX);

/// What the matcher knows of an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Media of which the agent can take one more now.
    pub(crate) media: Media,
    /// Idle since this number.
    pub(crate) idle: u64,
    /// Occupancy in millionths, frozen.
    pub(crate) occupancy: u64,
    /// Number of the last offer.
    pub(crate) last_offer: u64,
}

impl Standing {
    fn key(&self, lane: Lane) -> LaneKey {
        match lane.index() % ORDERS {
            0 => (self.idle, 0),
            1 => (self.occupancy, self.idle),
            _ => (self.last_offer, self.idle),
        }
    }
}

/// Agents who are equal but for their standing.
pub(super) struct SupplyClass {
    pub(super) key: SupplyKey,
    /// All agents of the class, free or not, in no particular order.
    pub(super) members: Vec<Slot<Agent>>,
    /// Bit per lane that some demand needs.
    needed: u16,
    /// Free agents by lane.
    free: [Option<Box<FreeAgents>>; LANES],
    /// How many can take one more of each medium.
    pub(super) free_count: [u32; Medium::COUNT],
    /// Demands they may take, by the grade they have for them, best first.
    pub(super) demands: Vec<(Grade, SparseBits)>,
}

impl SupplyClass {
    fn new(key: SupplyKey) -> Self {
        Self {
            key,
            members: Vec::new(),
            needed: 0,
            free: [const { None }; LANES],
            free_count: [0; Medium::COUNT],
            demands: Vec::new(),
        }
    }

    /// Free agents of a lane, best first.
    pub(super) fn in_order(&self, lane: Lane) -> impl Iterator<Item = (LaneKey, Slot<Agent>)> {
        let tree = self.free[lane.index()].as_ref();
        tree.into_iter().flat_map(|t| t.iter()).map(|(key, agent)| (*key, *agent))
    }

    /// The best free agent of a lane.
    pub(super) fn first(&self, lane: Lane) -> Option<Slot<Agent>> {
        self.free[lane.index()].as_ref()?.first_key_value().map(|(_, agent)| *agent)
    }

    pub(super) fn link(&mut self, grade: Grade, demand: u32) {
        match self.demands.binary_search_by_key(&grade, |(g, _)| *g) {
            Ok(at) => self.demands[at].1.insert(demand),
            Err(at) => {
                let mut bits = SparseBits::default();
                bits.insert(demand);
                self.demands.insert(at, (grade, bits));
            }
        }
    }

    pub(super) fn unlink(&mut self, demand: u32) {
        for (_, bits) in &mut self.demands {
            bits.remove(demand);
        }
        self.demands.retain(|(_, bits)| !bits.is_empty());
    }
}

/// Where an agent is.
#[derive(Clone, Copy)]
struct Membership {
    class: u32,
    /// Position in the class's members.
    position: u32,
    standing: Standing,
}

/// The heads of one lane, by class.
#[derive(Default)]
struct Heads {
    keys: Vec<LaneKey>,
    filled: DenseBits,
}

/// All supply classes.
#[derive(Default)]
pub(super) struct Supply {
    classes: Numbered<SupplyClass>,
    /// Agents' places, by slot.
    at: Vec<Option<Membership>>,
    heads: [Heads; LANES],
}

impl Supply {
    pub(super) fn class(&self, number: u32) -> &SupplyClass {
        self.classes.get(number)
    }

    pub(super) fn class_mut(&mut self, number: u32) -> &mut SupplyClass {
        self.classes.get_mut(number)
    }

    /// Adds a class; its links are the caller's business.
    pub(super) fn add(&mut self, key: SupplyKey) -> u32 {
        let (number, is_new) = self.classes.add(SupplyClass::new(key));
        if is_new {
            for heads in &mut self.heads {
                heads.keys.push(NOBODY);
            }
        }
        number
    }

    /// Removes a class without members.
    pub(super) fn remove(&mut self, number: u32) -> SupplyKey {
        let class = self.classes.remove(number);
        debug_assert!(class.members.is_empty());
        class.key
    }

    /// Numbers of the classes there are.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> + use<> {
        self.classes.numbers()
    }

    /// The class an agent is in.
    pub(super) fn class_of(&self, agent: Slot<Agent>) -> Option<u32> {
        self.at.get(agent.index())?.map(|m| m.class)
    }

    /// The agent's standing as last told.
    pub(super) fn standing(&self, agent: Slot<Agent>) -> Standing {
        self.at.get(agent.index()).copied().flatten().map_or(Standing::default(), |m| m.standing)
    }

    /// Puts an agent who is in no class into this one, not free for anything yet.
    pub(super) fn join(&mut self, agent: Slot<Agent>, class: u32) {
        if self.at.len() <= agent.index() {
            self.at.resize(agent.index() + 1, None);
        }
        debug_assert!(self.at[agent.index()].is_none());
        let members = &mut self.class_mut(class).members;
        members.push(agent);
        let position = members.len() as u32 - 1;
        self.at[agent.index()] =
            Some(Membership { class, position, standing: Standing::default() });
    }

    /// Takes an agent out; the number of the class that was left.
    pub(super) fn leave(&mut self, agent: Slot<Agent>) -> Option<u32> {
        self.stand(agent, Standing::default());
        let membership = self.at.get_mut(agent.index())?.take()?;
        let members = &mut self.class_mut(membership.class).members;
        members.swap_remove(membership.position as usize);
        if let Some(moved) = members.get(membership.position as usize).copied()
            && let Some(other) = &mut self.at[moved.index()]
        {
            other.position = membership.position;
        }
        Some(membership.class)
    }

    /// Tells an agent's standing.
    pub(super) fn stand(&mut self, agent: Slot<Agent>, standing: Standing) {
        let Some(Some(membership)) = self.at.get_mut(agent.index()) else {
            return;
        };
        let before = membership.standing;
        if before == standing {
            return;
        }
        membership.standing = standing;
        let number = membership.class;
        let class = self.class_mut(number);
        for medium in before.media.iter() {
            class.free_count[medium.index()] -= 1;
        }
        for medium in standing.media.iter() {
            class.free_count[medium.index()] += 1;
        }
        let needed = class.needed;
        for lane in lanes(needed) {
            let medium = lane.medium();
            let was = before.media.contains(medium).then(|| before.key(lane));
            let is = standing.media.contains(medium).then(|| standing.key(lane));
            if was != is {
                self.shift(number, lane, agent, was, is);
            }
        }
    }

    /// Moves an agent within one lane of a class.
    fn shift(
        &mut self,
        number: u32,
        lane: Lane,
        agent: Slot<Agent>,
        was: Option<LaneKey>,
        is: Option<LaneKey>,
    ) {
        let tree = self.class_mut(number).free[lane.index()].get_or_insert_default();
        if let Some(key) = was {
            tree.remove(&key);
        }
        if let Some(key) = is {
            tree.insert(key, agent);
        }
        let head = tree.first_key_value().map(|(key, _)| *key);
        let heads = &mut self.heads[lane.index()];
        heads.keys[number as usize] = head.unwrap_or(NOBODY);
        heads.filled.set(number, head.is_some());
    }

    /// Makes sure that a class keeps this lane.
    pub(super) fn need(&mut self, number: u32, lane: Lane) {
        let class = self.class_mut(number);
        if class.needed & (1 << lane.0) != 0 {
            return;
        }
        class.needed |= 1 << lane.0;
        for agent in class.members.clone() {
            let standing = self.standing(agent);
            if standing.media.contains(lane.medium()) {
                self.shift(number, lane, agent, None, Some(standing.key(lane)));
            }
        }
    }

    /// The one of `classes` whose best free agent in this lane is best.
    pub(super) fn best(&self, classes: &SparseBits, lane: Lane) -> Option<(u32, LaneKey)> {
        let heads = &self.heads[lane.index()];
        classes.least(&heads.filled, &heads.keys)
    }

    /// Those of `classes` that have somebody free in this lane, with the key of the best.
    pub(super) fn heads<'a>(
        &'a self,
        classes: &'a SparseBits,
        lane: Lane,
    ) -> impl Iterator<Item = (u32, LaneKey)> + 'a {
        let heads = &self.heads[lane.index()];
        classes.and(&heads.filled).map(|number| (number, heads.keys[number as usize]))
    }
}

/// The lanes of a bit mask.
fn lanes(mut mask: u16) -> impl Iterator<Item = Lane> {
    core::iter::from_fn(move || {
        if mask == 0 {
            return None;
        }
        let lane = mask.trailing_zeros() as u8;
        mask &= mask - 1;
        Some(Lane(lane))
    })
}
