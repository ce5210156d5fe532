//! The main tables: entities in numbered slots, found by id through a hash index.
//!
//! - Slots are an optimisation of this replica. They differ between replicas after a restore, so
//!   a slot never reaches a hash, an event or an order.
//! - Slots live in pages behind `Arc`. `fork` copies the page pointers, less than a tenth
//!   of a millisecond for 100,000 entities; a page that changes while a fork lives is copied first.
//!   That is how a snapshot is written beside a running state machine.
//! - Every write goes through `get_mut`, which notes the slot. After a command the timers
//!   of the noted slots are brought in line; after an entry they are hashed anew, once each,
//!   whatever the commands did to them.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;
use core::marker::PhantomData;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use crate::digest::Digest;

/// Entities per page. A page of contacts is about 16 KiB: copying one takes a microsecond or
/// two, and 100,000 contacts are 3,125 pointers to fork.
const PAGE: usize = 32;

/// The number of an entity's place in its table.
pub struct Slot<T> {
    number: u32,
    of: PhantomData<fn() -> T>,
}

impl<T> Slot<T> {
    pub(crate) fn new(number: u32) -> Self {
        Self { number, of: PhantomData }
    }

    /// For arrays that run beside a table.
    pub(crate) fn index(self) -> usize {
        self.number as usize
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Slot<T> {}
impl<T> PartialEq for Slot<T> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl<T> Eq for Slot<T> {}
impl<T> PartialOrd for Slot<T> {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Slot<T> {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.number.cmp(&other.number)
    }
}
impl<T> core::hash::Hash for Slot<T> {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}
impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.number)
    }
}

/// Something that lives in a [`Table`].
pub trait Entity: Clone {
    /// What is needed to turn slots of other tables into ids for the hash.
    type Names<'a>: Copy;
    /// Tells the kinds apart in the state hash.
    const KIND: u8;

    /// The id.
    fn key(&self) -> &str;

    /// Writes everything that two replicas must agree on, slots resolved.
    fn digest(&self, names: Self::Names<'_>, out: &mut Digest);
}

#[derive(Clone)]
struct Cell<T> {
    value: Option<T>,
    /// Hash of the id: what other entities put into their hash instead of the slot.
    key_hash: u64,
    /// Hash of the entity as counted in the sum.
    hash: u128,
}

/// Index entry: the hash is kept so that growing the index touches no entity.
struct IndexEntry {
    hash: u64,
    slot: u32,
}

/// In which lists a slot is.
#[derive(Clone, Copy, Default)]
struct Notes {
    unhashed: bool,
    unscheduled: bool,
}

/// A table of entities.
pub struct Table<T: Entity> {
    pages: Vec<Arc<Vec<Cell<T>>>>,
    free: Vec<u32>,
    index: HashTable<IndexEntry>,
    /// Slots to hash anew.
    unhashed: Vec<u32>,
    /// Slots whose timers are to be brought in line.
    unscheduled: Vec<u32>,
    /// In which of the two lists a slot is.
    notes: Vec<Notes>,
    len: usize,
    /// Wrapping sum of the hashes of all entities.
    sum: u128,
}

impl<T: Entity> Default for Table<T> {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            unhashed: Vec::new(),
            unscheduled: Vec::new(),
            notes: Vec::new(),
            len: 0,
            sum: 0,
        }
    }
}

impl<T: Entity> Table<T> {
    /// Makes room for `count` entities, so that the index does not grow (and pause) under load.
    pub(crate) fn reserve(&mut self, count: usize) {
        self.index.reserve(count, |entry| entry.hash);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Finds by id.
    pub fn find(&self, key: &str) -> Option<Slot<T>> {
        let hash = xxh3_64(key.as_bytes());
        let same = |entry: &IndexEntry| {
            entry.hash == hash
                && self.cell(entry.slot).value.as_ref().is_some_and(|v| v.key() == key)
        };
        self.index.find(hash, same).map(|entry| Slot::new(entry.slot))
    }

    /// Finds by id and reads.
    pub fn by_key(&self, key: &str) -> Option<&T> {
        self.find(key).map(|slot| self.get(slot))
    }

    fn cell(&self, number: u32) -> &Cell<T> {
        let number = number as usize;
        &self.pages[number / PAGE][number % PAGE]
    }

    fn cell_mut(&mut self, number: u32) -> &mut Cell<T> {
        let number = number as usize;
        &mut Arc::make_mut(&mut self.pages[number / PAGE])[number % PAGE]
    }

    /// Reads.
    ///
    /// # Panics
    /// If the slot is empty: slots are only held by entities that are removed together with
    /// what holds them.
    pub fn get(&self, slot: Slot<T>) -> &T {
        match &self.cell(slot.number).value {
            Some(value) => value,
            None => unreachable!("an empty slot is referred to"),
        }
    }

    /// Reads, if the slot is still (or again) in use.
    pub(crate) fn try_get(&self, slot: Slot<T>) -> Option<&T> {
        let page = self.pages.get(slot.index() / PAGE)?;
        page.get(slot.index() % PAGE)?.value.as_ref()
    }

    /// Writes; the entity's hash is made anew at the end of the entry.
    ///
    /// # Panics
    /// As [`Table::get`].
    pub(crate) fn get_mut(&mut self, slot: Slot<T>) -> &mut T {
        self.note(slot.number);
        match &mut self.cell_mut(slot.number).value {
            Some(value) => value,
            None => unreachable!("an empty slot is referred to"),
        }
    }

    fn note(&mut self, number: u32) {
        let notes = &mut self.notes[number as usize];
        if !notes.unhashed {
            notes.unhashed = true;
            self.unhashed.push(number);
        }
        if !notes.unscheduled {
            notes.unscheduled = true;
            self.unscheduled.push(number);
        }
    }

    /// Adds an entity whose id is not in the table yet.
    pub(crate) fn insert(&mut self, value: T) -> Slot<T> {
        let key_hash = xxh3_64(value.key().as_bytes());
        debug_assert!(self.find(value.key()).is_none(), "the id is new");
        let cell = Cell { value: Some(value), key_hash, hash: 0 };
        let number = match self.free.pop() {
            Some(number) => {
                *self.cell_mut(number) = cell;
                number
            }
            None => {
                let number = self.notes.len();
                if number.is_multiple_of(PAGE) {
                    self.pages.push(Arc::new(Vec::with_capacity(PAGE)));
                }
                Arc::make_mut(&mut self.pages[number / PAGE]).push(cell);
                self.notes.push(Notes::default());
                number as u32
            }
        };
        let entry = IndexEntry { hash: key_hash, slot: number };
        self.index.insert_unique(key_hash, entry, |entry| entry.hash);
        self.len += 1;
        self.note(number);
        Slot::new(number)
    }

    /// Removes an entity.
    pub(crate) fn remove(&mut self, slot: Slot<T>) -> T {
        let number = slot.number;
        let cell = self.cell_mut(number);
        let (hash, key_hash) = (cell.hash, cell.key_hash);
        cell.hash = 0;
        let Some(value) = cell.value.take() else {
            unreachable!("an empty slot is referred to");
        };
        self.sum = self.sum.wrapping_sub(hash);
        if let Ok(entry) = self.index.find_entry(key_hash, |entry| entry.slot == number) {
            entry.remove();
        }
        self.free.push(number);
        self.len -= 1;
        self.note(number);
        value
    }

    /// The hash of an entity's id: the same on every replica.
    pub(crate) fn key_hash(&self, slot: Slot<T>) -> u64 {
        self.cell(slot.number).key_hash
    }

    /// The next slot whose timers are to be brought in line, in no particular order.
    pub(crate) fn next_unscheduled(&mut self) -> Option<Slot<T>> {
        let number = self.unscheduled.pop()?;
        self.notes[number as usize].unscheduled = false;
        Some(Slot::new(number))
    }

    /// Hashes what was written since the last flush.
    pub(crate) fn flush(&mut self, names: T::Names<'_>, digest: &mut Digest) {
        while let Some(number) = self.unhashed.pop() {
            self.notes[number as usize].unhashed = false;
            let cell = self.cell_mut(number);
            let Some(value) = &cell.value else {
                continue; // Removed after it was written; its hash left the sum then.
            };
            let before = cell.hash;
            let after = entity_hash(value, names, digest);
            cell.hash = after;
            self.sum = self.sum.wrapping_sub(before).wrapping_add(after);
        }
    }

    /// Wrapping sum of all entities' hashes.
    pub(crate) fn sum(&self) -> u128 {
        self.sum
    }

    /// The same, computed from nothing: finds corruption in entities that nobody touches.
    pub(crate) fn recompute_sum(&self, names: T::Names<'_>, digest: &mut Digest) -> u128 {
        self.slots()
            .fold(0, |sum: u128, slot| sum.wrapping_add(entity_hash(self.get(slot), names, digest)))
    }

    /// All slots in use, in no order that may matter to anybody.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot<T>> {
        let numbered = self.pages.iter().flat_map(|page| page.iter()).enumerate();
        numbered.filter(|(_, cell)| cell.value.is_some()).map(|(n, _)| Slot::new(n as u32))
    }

    /// All entities, in no order that may matter to anybody.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flat_map(|page| page.iter()).filter_map(|cell| cell.value.as_ref())
    }

    /// The table as it is now, unchanged by what happens to it later.
    pub(crate) fn fork(&self) -> Fork<T> {
        Fork { pages: self.pages.clone() }
    }
}

fn entity_hash<T: Entity>(value: &T, names: T::Names<'_>, digest: &mut Digest) -> u128 {
    digest.start(T::KIND);
    value.digest(names, digest);
    digest.finish()
}

/// A table as it was at one moment.
pub(crate) struct Fork<T: Entity> {
    pages: Vec<Arc<Vec<Cell<T>>>>,
}

impl<T: Entity> Fork<T> {
    /// All entities, in no order that may matter to anybody.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flat_map(|page| page.iter()).filter_map(|cell| cell.value.as_ref())
    }

    /// All entities with the numbers of their slots, which rise.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (usize, &T)> {
        let cells = self.pages.iter().flat_map(|page| page.iter()).enumerate();
        cells.filter_map(|(number, cell)| Some((number, cell.value.as_ref()?)))
    }

    /// All slots in use, in no order that may matter to anybody.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot<T>> {
        let numbered = self.pages.iter().flat_map(|page| page.iter()).enumerate();
        numbered.filter(|(_, cell)| cell.value.is_some()).map(|(n, _)| Slot::new(n as u32))
    }

    /// One more than the largest slot, for arrays that run beside the table.
    pub(crate) fn slots_max(&self) -> usize {
        self.pages.len() * PAGE
    }

    /// Reads.
    pub(crate) fn get(&self, slot: Slot<T>) -> &T {
        match &self.pages[slot.index() / PAGE][slot.index() % PAGE].value {
            Some(value) => value,
            None => unreachable!("an empty slot is referred to"),
        }
    }
}
