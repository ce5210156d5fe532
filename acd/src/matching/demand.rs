//! Waiting contacts, by class.

use alloc::{collections::BTreeMap, vec::Vec};

use super::bits::{DenseBits, SparseBits};
use super::fit::{Demand, DemandKey, Fit};
use super::numbered::Numbered;
use super::supply::Lane;
use crate::channel::{Media, Medium};
use crate::contact::{Contact, Place};
use crate::ids::Seq;
use crate::table::Slot;

/// Contacts that are equal but for their place.
pub(super) struct DemandClass {
    pub(super) key: DemandKey,
    pub(super) demand: Demand,
    /// Where their agents stand.
    pub(super) lane: Lane,
    /// Who waits, first in line first.
    pub(super) waiting: BTreeMap<Place, Slot<Contact>>,
    /// Supply classes that may take them, best fit first.
    pub(super) tiers: Vec<(Fit, SparseBits)>,
}

impl DemandClass {
    pub(super) fn medium(&self) -> Medium {
        self.key.channel.medium()
    }

    pub(super) fn link(&mut self, fit: Fit, supply: u32) {
        match self.tiers.binary_search_by_key(&fit, |(f, _)| *f) {
            Ok(at) => self.tiers[at].1.insert(supply),
            Err(at) => {
                let mut bits = SparseBits::default();
                bits.insert(supply);
                self.tiers.insert(at, (fit, bits));
            }
        }
    }

    pub(super) fn unlink(&mut self, supply: u32) {
        for (_, bits) in &mut self.tiers {
            bits.remove(supply);
        }
        self.tiers.retain(|(_, bits)| !bits.is_empty());
    }
}

/// Not a place: later than all.
const NOBODY: Place = Place { effective: i64::MAX, seq: Seq(u64::MAX) };

/// All demand classes.
#[derive(Default)]
pub(super) struct Demands {
    classes: Numbered<DemandClass>,
    /// Contacts' classes, by slot.
    at: Vec<Option<u32>>,
    heads: Vec<Place>,
    filled: [DenseBits; Medium::COUNT],
    /// Classes in which somebody waits.
    pub(super) occupied: usize,
}

impl Demands {
    pub(super) fn class(&self, number: u32) -> &DemandClass {
        self.classes.get(number)
    }

    pub(super) fn class_mut(&mut self, number: u32) -> &mut DemandClass {
        self.classes.get_mut(number)
    }

    /// Adds a class; its links are the caller's business.
    pub(super) fn add(&mut self, key: DemandKey, demand: Demand) -> u32 {
        let lane = Lane::new(key.channel.medium(), demand.strategy);
        let class = DemandClass { key, demand, lane, waiting: BTreeMap::new(), tiers: Vec::new() };
        let (number, is_new) = self.classes.add(class);
        if is_new {
            self.heads.push(NOBODY);
        }
        number
    }

    /// Removes a class in which nobody waits.
    pub(super) fn remove(&mut self, number: u32) -> DemandKey {
        let class = self.classes.remove(number);
        debug_assert!(class.waiting.is_empty());
        class.key
    }

    /// Numbers of the classes there are.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> + use<> {
        self.classes.numbers()
    }

    /// The class a contact waits in.
    pub(super) fn class_of(&self, contact: Slot<Contact>) -> Option<u32> {
        *self.at.get(contact.index())?
    }

    pub(super) fn enter(&mut self, number: u32, contact: Slot<Contact>, place: Place) {
        if self.at.len() <= contact.index() {
            self.at.resize(contact.index() + 1, None);
        }
        debug_assert!(self.at[contact.index()].is_none());
        self.at[contact.index()] = Some(number);
        let class = self.class_mut(number);
        class.waiting.insert(place, contact);
        if class.waiting.len() == 1 {
            self.occupied += 1;
        }
        self.update_head(number);
    }

    /// Takes a contact out; the class it left.
    pub(super) fn leave(&mut self, contact: Slot<Contact>, place: Place) -> Option<u32> {
        let number = self.at.get_mut(contact.index())?.take()?;
        let class = self.class_mut(number);
        let gone = class.waiting.remove(&place);
        debug_assert_eq!(gone, Some(contact));
        if class.waiting.is_empty() {
            self.occupied -= 1;
        }
        self.update_head(number);
        Some(number)
    }

    fn update_head(&mut self, number: u32) {
        let class = self.class(number);
        let medium = class.medium();
        let head = class.waiting.first_key_value().map(|(place, _)| *place);
        self.heads[number as usize] = head.unwrap_or(NOBODY);
        self.filled[medium.index()].set(number, head.is_some());
    }

    /// The one of `classes` in which the first place for one of these media is.
    pub(super) fn first(&self, classes: &SparseBits, media: Media) -> Option<(u32, Place)> {
        let of_medium = |m: Medium| classes.least(&self.filled[m.index()], &self.heads);
        media.iter().filter_map(of_medium).min_by_key(|(_, place)| *place)
    }

    /// Those of `classes` in which somebody waits for one of these media, with the first place.
    pub(super) fn heads<'a>(
        &'a self,
        classes: &'a SparseBits,
        media: Media,
    ) -> impl Iterator<Item = (u32, Place)> + 'a {
        media.iter().flat_map(move |medium| {
            let filled = &self.filled[medium.index()];
            classes.and(filled).map(|number| (number, self.heads[number as usize]))
        })
    }
}
