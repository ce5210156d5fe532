//! Sets of class numbers as words that are not zero.

use alloc::vec::Vec;

/// A set of small numbers: (word, bits) pairs in order of words, none of them empty. A tier
/// holds few of many classes, so what is absent costs nothing.
#[derive(Clone, Default)]
pub(super) struct SparseBits {
    words: Vec<(u32, u64)>,
}

impl SparseBits {
    pub(super) fn insert(&mut self, number: u32) {
        let (word, bit) = (number / 64, 1 << (number % 64));
        match self.words.binary_search_by_key(&word, |(w, _)| *w) {
            Ok(at) => self.words[at].1 |= bit,
            Err(at) => self.words.insert(at, (word, bit)),
        }
    }

    pub(super) fn remove(&mut self, number: u32) {
        let (word, bit) = (number / 64, 1u64 << (number % 64));
        if let Ok(at) = self.words.binary_search_by_key(&word, |(w, _)| *w) {
            self.words[at].1 &= !bit;
            if self.words[at].1 == 0 {
                self.words.remove(at);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Members that are also in `other`, in order.
    pub(super) fn and<'a>(&'a self, other: &'a DenseBits) -> impl Iterator<Item = u32> + 'a {
        self.words
            .iter()
            .flat_map(move |(word, bits)| Ones { word: *word, bits: bits & other.word(*word) })
    }
}

/// A set of small numbers: one bit each.
#[derive(Clone, Default)]
pub(super) struct DenseBits {
    words: Vec<u64>,
}

impl DenseBits {
    pub(super) fn set(&mut self, number: u32, on: bool) {
        let word = (number / 64) as usize;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        if on {
            self.words[word] |= 1 << (number % 64);
        } else {
            self.words[word] &= !(1 << (number % 64));
        }
    }

    fn word(&self, word: u32) -> u64 {
        self.words.get(word as usize).copied().unwrap_or(0)
    }
}

/// The ones of a word.
struct Ones {
    word: u32,
    bits: u64,
}

impl Iterator for Ones {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.bits == 0 {
            return None;
        }
        let bit = self.bits.trailing_zeros();
        self.bits &= self.bits - 1;
        Some(self.word * 64 + bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn members_come_in_order_and_leave_without_a_trace() {
        let mut sparse = SparseBits::default();
        let mut dense = DenseBits::default();
        for number in [700, 3, 64, 63, 128] {
            sparse.insert(number);
            dense.set(number, number != 64);
        }
        assert_eq!(sparse.and(&dense).collect::<Vec<_>>(), vec![3, 63, 128, 700]);
        for number in [700, 3, 64, 63, 128] {
            sparse.remove(number);
        }
        assert!(sparse.is_empty());
    }
}
