//! Things with small numbers that are used again: classes.

use alloc::vec::Vec;

/// A list in which places that become vacant are filled first. The number of a place is known to
/// this replica only.
pub(super) struct Numbered<T> {
    places: Vec<Option<T>>,
    vacant: Vec<u32>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { places: Vec::new(), vacant: Vec::new() }
    }
}

impl<T> Numbered<T> {
    /// Reads.
    ///
    /// # Panics
    /// If nothing has this number: numbers are only held by what is removed together with it.
    pub(super) fn get(&self, number: u32) -> &T {
        match &self.places[number as usize] {
            Some(item) => item,
            None => unreachable!("a class that is gone is referred to"),
        }
    }

    /// Writes.
    ///
    /// # Panics
    /// As [`Numbered::get`].
    pub(super) fn get_mut(&mut self, number: u32) -> &mut T {
        match &mut self.places[number as usize] {
            Some(item) => item,
            None => unreachable!("a class that is gone is referred to"),
        }
    }

    /// Adds; the number, and whether no other ever had it.
    pub(super) fn add(&mut self, item: T) -> (u32, bool) {
        if let Some(number) = self.vacant.pop() {
            self.places[number as usize] = Some(item);
            return (number, false);
        }
        self.places.push(Some(item));
        (self.places.len() as u32 - 1, true)
    }

    /// Removes.
    ///
    /// # Panics
    /// As [`Numbered::get`].
    pub(super) fn remove(&mut self, number: u32) -> T {
        let Some(item) = self.places[number as usize].take() else {
            unreachable!("a class that is gone is referred to");
        };
        self.vacant.push(number);
        item
    }

    /// The numbers in use, as they are now.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> + use<T> {
        let used = (0u32..).zip(&self.places).filter(|(_, item)| item.is_some());
        used.map(|(number, _)| number).collect::<Vec<_>>().into_iter()
    }
}
