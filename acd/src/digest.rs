//! The canonical bytes of an entity, and their hash.
//!
//! The state hash is the wrapping sum of one XXH3-128 per entity. It finds faults (a replica that
//! applied something differently, a bit that flipped), not attackers. Sums do not depend on
//! order, so a change costs one entity's hash, whatever the size of the state.

use alloc::vec::Vec;

use xxhash_rust::xxh3::xxh3_128;

/// Collects the bytes of one entity. Fixed-width little-endian numbers, length-prefixed text: no
/// two different entities write the same bytes.
#[derive(Default)]
pub struct Digest {
    bytes: Vec<u8>,
}

impl Digest {
    /// Begins an entity of this kind.
    pub fn start(&mut self, kind: u8) {
        self.bytes.clear();
        self.bytes.push(kind);
    }

    /// The hash of what was written since the start.
    pub fn finish(&self) -> u128 {
        xxh3_128(&self.bytes)
    }

    /// A byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes.push(value);
        self
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Sixteen bytes.
    pub fn u128(&mut self, value: u128) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Eight bytes, signed.
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.u64(value as u64)
    }

    /// Text or bytes with their length.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.u32(value.len() as u32);
        self.bytes.extend_from_slice(value);
        self
    }

    /// Text with its length.
    pub fn str(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }

    /// Present or not, and what.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        match value {
            None => self.u8(0),
            Some(inner) => {
                self.u8(1);
                write(self, inner);
                self
            }
        }
    }

    /// How many, and each.
    pub fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.u32(items.len() as u32);
        for item in items {
            write(self, item);
        }
        self
    }
}
