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

    /// The member that is also in `other` and has the least key. The hot loop of every decision:
    /// one AND a word, one comparison a member, keys side by side.
    pub(super) fn least<K: Copy + Ord>(&self, other: &DenseBits, keys: &[K]) -> Option<(u32, K)> {
        let mut least: Option<(u32, K)> = None;
        for (word, bits) in &self.words {
            let mut both = bits & other.word(*word);
            while both != 0 {
                let number = word * 64 + both.trailing_zeros();
                both &= both - 1;
                let key = keys[number as usize];
                if least.is_none_or(|(_, best)| key < best) {
                    least = Some((number, key));
                }
            }
        }
        least
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
