//! By what records are found.
//!
//! An index maps keys to places in segments. It holds nothing that is not in the segments: of each
//! segment it notes that it is indexed, in the same step as the keys, and whatever lacks that note
//! is indexed again. Keys are made here, so that every index orders them alike:
//!
//! ```text
//! by 1 | name, 0 | stamp 8 | log index 8 | ordinal 4   →   segment 8 | offset 8
//! ```

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use acd::ids::{AgentId, ContactId, PrincipalId, QueueId};
use acd::record::Record;
use acd::time::LogTime;

use super::segments::LoggedRecord;
use crate::storage::StorageError;

/// By what records are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// All of them.
    Time,
    /// Those of a contact.
    Contact(ContactId),
    /// Contacts that ended in a queue.
    Queue(QueueId),
    /// Contacts that were with an agent last.
    Agent(AgentId),
    /// Contacts that an ingress put in, and what a principal administered.
    Principal(PrincipalId),
    /// Acts of administration.
    Audit,
}

/// A key and where it leads.
pub type Pair = (Vec<u8>, Place);

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The first log index of its segment.
    pub segment: u64,
    /// Bytes from the start of the file.
    pub offset: u64,
}

/// An index over the records: in memory, or in files.
///
/// Calls block.
pub trait RecordIndex: Send + Sync + 'static {
    /// The segments that are indexed, by their first log index.
    fn segments(&self) -> Result<Vec<u64>, StorageError>;

    /// Takes in a segment, wholly or not at all.
    fn add(&self, segment: u64, pairs: &[Pair]) -> Result<(), StorageError>;

    /// Forgets a segment, of which these are the pairs.
    fn remove(&self, segment: u64, pairs: &[Pair]) -> Result<(), StorageError>;

    /// Pairs behind `after` and up to `to`, by key, at most `limit`.
    fn scan(&self, after: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, StorageError>;

    /// Forgets everything, for good.
    fn clear(&self) -> Result<(), StorageError>;
}

/// Bytes of a key behind the name.
pub(super) const PLACE_IN_LOG_BYTES: usize = 20;

impl By {
    /// What the keys begin with.
    pub(super) fn prefix(&self) -> Vec<u8> {
        let (kind, name) = match self {
            Self::Time => (1, ""),
            Self::Contact(id) => (2, id.as_str()),
            Self::Queue(id) => (3, id.as_str()),
            Self::Agent(id) => (4, id.as_str()),
            Self::Principal(id) => (5, id.as_str()),
            Self::Audit => (6, ""),
        };
        // No id has a zero byte, so no key begins with the whole of another name.
        [&[kind], name.as_bytes(), &[0]].concat()
    }
}

/// Stamp, index and ordinal, in the order of time.
pub(super) fn place_in_log(record: &LoggedRecord) -> [u8; PLACE_IN_LOG_BYTES] {
    let mut bytes = [0; PLACE_IN_LOG_BYTES];
    bytes[..8].copy_from_slice(&record.stamp.0.to_be_bytes());
    bytes[8..16].copy_from_slice(&record.index.to_be_bytes());
    bytes[16..].copy_from_slice(&record.ordinal.to_be_bytes());
    bytes
}

/// The first place in the log at a time.
pub(super) fn first_at(time: LogTime) -> [u8; PLACE_IN_LOG_BYTES] {
    let mut bytes = [0; PLACE_IN_LOG_BYTES];
    bytes[..8].copy_from_slice(&time.0.to_be_bytes());
    bytes
}

/// The keys of a record.
pub(super) fn pairs(record: &LoggedRecord, place: Place) -> Vec<Pair> {
    let mut by = vec![By::Time];
    match &record.record {
        Record::Contact(contact) => {
            by.push(By::Contact(contact.contact.clone()));
            by.push(By::Queue(contact.queue.clone()));
            by.extend(contact.agent.clone().map(By::Agent));
            by.push(By::Principal(contact.ingress.clone()));
        }
        Record::Audit(audit) => {
            by.push(By::Principal(audit.principal.clone()));
            by.push(By::Audit);
        }
    }
    let at = place_in_log(record);
    by.into_iter().map(|by| ([&by.prefix()[..], &at].concat(), place)).collect()
}

/// An index in memory, made anew at each start: for simulations and tests.
#[derive(Default)]
pub struct MemoryIndex {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    segments: BTreeMap<u64, ()>,
    pairs: BTreeMap<Vec<u8>, Place>,
}

impl MemoryIndex {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here can fail halfway.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecordIndex for MemoryIndex {
    fn segments(&self) -> Result<Vec<u64>, StorageError> {
        Ok(self.lock().segments.keys().copied().collect())
    }

    fn add(&self, segment: u64, pairs: &[Pair]) -> Result<(), StorageError> {
        let mut inner = self.lock();
        inner.pairs.extend(pairs.iter().cloned());
        inner.segments.insert(segment, ());
        Ok(())
    }

    fn remove(&self, segment: u64, pairs: &[Pair]) -> Result<(), StorageError> {
        let mut inner = self.lock();
        for (key, _) in pairs {
            if let Entry::Occupied(entry) = inner.pairs.entry(key.clone())
                && entry.get().segment == segment
            {
                entry.remove();
            }
        }
        inner.segments.remove(&segment);
        Ok(())
    }

    fn scan(&self, after: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, StorageError> {
        if after >= to {
            return Ok(Vec::new());
        }
        let range = (Bound::Excluded(after.to_vec()), Bound::Included(to.to_vec()));
        let inner = self.lock();
        let pairs = inner.pairs.range(range).take(limit);
        Ok(pairs.map(|(key, place)| (key.clone(), *place)).collect())
    }

    fn clear(&self) -> Result<(), StorageError> {
        *self.lock() = Inner::default();
        Ok(())
    }
}
