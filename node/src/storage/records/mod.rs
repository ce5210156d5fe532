//! Records of closed contacts and of administration: what outlives the state.
//!
//! ```text
//! apply → records of a range of the log → a segment, synced → only then may the log be purged
//!                                            │
//!                                            └→ index: by time, contact, queue, agent, principal
//! ```
//!
//! Segments are the truth, the index follows from them. Every replica writes the same records, in
//! segments of its own ranges; a node that joins by a snapshot fetches the ranges before it from
//! its peers, newest or oldest first, and records are deleted by whole segments.
//!
//! All calls block: they belong on a thread for such work.

mod index;
mod segments;
mod sled_index;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::sync::Arc;

use acd::ids::ContactId;
use acd::time::LogTime;

pub use self::index::{By, MemoryIndex, Pair, Place, RecordIndex};
use self::index::{PLACE_IN_LOG_BYTES, first_at, pairs, place_in_log};
pub use self::segments::{LoggedRecord, RECORD_FOLDER, SegmentInfo};
use self::segments::{Placed, Segments};
pub use self::sled_index::{INDEX_FOLDER, SledIndex};
use super::StorageError;
use crate::seams::Disk;

/// Records in one page.
pub const PAGE_MAX: usize = 1_000;

/// Which records are wanted. They come in the order of time.
#[derive(Clone, Debug)]
pub struct Query {
    /// By what.
    pub by: By,
    /// Not older than this.
    pub from: LogTime,
    /// Older than this.
    pub to: LogTime,
    /// At most so many; and at most [`PAGE_MAX`].
    pub limit: usize,
    /// Where the page before ended: its [`Page::next`].
    pub after: Option<String>,
}

/// Some of the records that were asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The records, by time and place in the log.
    pub records: Vec<LoggedRecord>,
    /// For [`Query::after`] of the next page; none if there is nothing more.
    pub next: Option<String>,
}

/// The records of a node.
pub struct RecordStore {
    segments: Segments,
    index: Box<dyn RecordIndex>,
}

impl RecordStore {
    /// Opens the records of a data folder, removes what a crash left half written, and indexes
    /// what is not indexed. A damaged segment does not keep the node from starting: it is logged,
    /// shown by [`segments`](Self::segments), and refused when it is read.
    ///
    /// # Errors
    ///
    /// [`StorageError::SegmentDamaged`] if two segments cover the same; [`StorageError::Index`];
    /// [`StorageError::Io`].
    pub fn open(disk: Arc<dyn Disk>, index: Box<dyn RecordIndex>) -> Result<Self, StorageError> {
        let store = Self { segments: Segments::open(disk)?, index };
        store.index_what_is_not()?;
        Ok(store)
    }

    /// Lets segments pass for written that are not: a bug on purpose.
    #[cfg(feature = "mutations")]
    pub fn write_nothing(&mut self) {
        self.segments.write_nothing();
    }

    /// Writes the records that a range of the log made, durably: then the log may be purged up to
    /// the end of the range. There may be none. Ranges follow each other, or fill a gap, or lie
    /// before the first, as what is fetched from peers does. All of it is held in memory: some
    /// 10,000 records are a good size.
    ///
    /// # Errors
    ///
    /// [`StorageError::SegmentOutOfOrder`] for a range that overlaps another one or leaves a gap,
    /// and for records that are not of the range or not in the order of the log;
    /// [`StorageError::Index`]: the records are durable then, and are indexed by the next
    /// [`open`](Self::open); [`StorageError::Io`].
    pub fn write_segment(
        &self,
        range: RangeInclusive<u64>,
        records: Vec<LoggedRecord>,
    ) -> Result<(), StorageError> {
        let segment = *range.start();
        let offsets = self.segments.append(range, &records)?;
        let placed = records.into_iter().zip(offsets);
        let placed: Vec<_> = placed.map(|(record, offset)| Placed { offset, record }).collect();
        self.with_index(|index| index.add(segment, &all_pairs(segment, &placed)))
    }

    /// Up to which log index records are durable; none if there are none yet.
    pub fn covered_to(&self) -> Option<u64> {
        self.segments.covered_to()
    }

    /// What the segments cover, oldest first.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.segments.list()
    }

    /// Ranges between the oldest and the newest segment that none covers: to be fetched from
    /// peers.
    pub fn missing(&self) -> Vec<RangeInclusive<u64>> {
        self.segments.missing()
    }

    /// The records of a range of the log, in its order, for a peer. Every byte that is read is
    /// checked.
    ///
    /// # Errors
    ///
    /// [`StorageError::SegmentMissing`] if the range is not covered;
    /// [`StorageError::SegmentDamaged`]; [`StorageError::Io`].
    pub fn records(&self, range: RangeInclusive<u64>) -> Result<Vec<LoggedRecord>, StorageError> {
        let mut records = Vec::new();
        for segment in self.segments.covering(&range)? {
            let placed = self.segments.all(segment)?.into_iter();
            let placed = placed.map(|placed| placed.record);
            records.extend(placed.filter(|record| range.contains(&record.index)));
        }
        Ok(records)
    }

    /// The records of a contact: one, unless its id was used again after it was forgotten. At most
    /// [`PAGE_MAX`], oldest first.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    pub fn contact(&self, id: &ContactId) -> Result<Vec<LoggedRecord>, StorageError> {
        let page = self.find(&Query {
            by: By::Contact(id.clone()),
            from: LogTime(0),
            to: LogTime(u64::MAX),
            limit: PAGE_MAX,
            after: None,
        })?;
        Ok(page.records)
    }

    /// A page of the records that are asked for.
    ///
    /// # Errors
    ///
    /// [`StorageError::BadCursor`], [`StorageError::SegmentDamaged`], [`StorageError::Index`],
    /// [`StorageError::Io`].
    pub fn find(&self, query: &Query) -> Result<Page, StorageError> {
        let prefix = query.by.prefix();
        let key = |at: &[u8]| [&prefix[..], at].concat();
        // Shorter than a key with that place, and so just before it.
        let mut after = key(&first_at(query.from)[..8]);
        if let Some(cursor) = &query.after {
            after = after.max(key(&parse_cursor(cursor)?));
        }
        let to = key(&first_at(query.to)[..8]);
        let limit = query.limit.clamp(1, PAGE_MAX);

        let mut records = Vec::new();
        let mut next = None;
        // One more than fits says whether there is more.
        while records.len() < limit {
            let wanted = limit - records.len() + 1;
            let found = self.with_index(|index| index.scan(&after, &to, wanted))?;
            let more = found.len() == wanted;
            for (key, place) in found.into_iter().take(wanted - 1) {
                // Retention may have been faster than the index.
                records.extend(self.segments.one(place.segment, place.offset)?);
                after = key;
            }
            next = more.then(|| cursor(&after[prefix.len()..]));
            if !more {
                break;
            }
        }
        Ok(Page { records, next })
    }

    /// Deletes the segments whose records are all older than a time, and says how many those
    /// were. The newest segment stays in any case, and so do newer ones than a damaged one.
    ///
    /// # Errors
    ///
    /// [`StorageError::Index`], [`StorageError::Io`].
    pub fn delete_before(&self, time: LogTime) -> Result<usize, StorageError> {
        let old = self.segments.older_than(time);
        for segment in &old {
            match self.segments.all(*segment) {
                Ok(placed) => {
                    self.with_index(|index| index.remove(*segment, &all_pairs(*segment, &placed)))?
                }
                // Its keys are unknown; they lead nowhere, and go when the index is made anew.
                Err(StorageError::SegmentDamaged { .. }) => {}
                Err(error) => return Err(error),
            }
            self.segments.remove(*segment)?;
        }
        Ok(old.len())
    }

    /// Uses the index; if that fails, makes it anew and tries once more.
    fn with_index<T>(
        &self,
        mut work: impl FnMut(&dyn RecordIndex) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        match work(&*self.index) {
            Err(error @ StorageError::Index { .. }) => {
                tracing::warn!(%error, "the record index is made anew");
                self.index.clear()?;
                self.index_what_is_not()?;
                work(&*self.index)
            }
            other => other,
        }
    }

    fn index_what_is_not(&self) -> Result<(), StorageError> {
        let there: BTreeSet<u64> =
            self.segments.list().iter().map(|segment| segment.from).collect();
        let indexed = match self.index.segments() {
            Ok(indexed) if indexed.iter().all(|segment| there.contains(segment)) => indexed,
            // It knows segments that are not there, or cannot say what it knows.
            _ => {
                self.index.clear()?;
                Vec::new()
            }
        };
        let indexed = BTreeSet::from_iter(indexed);
        for segment in there.difference(&indexed) {
            match self.segments.all(*segment) {
                Ok(placed) => self.index.add(*segment, &all_pairs(*segment, &placed))?,
                Err(error @ StorageError::Io { .. }) => return Err(error),
                Err(error) => tracing::error!(%error, "a segment of records is not indexed"),
            }
        }
        Ok(())
    }
}

fn all_pairs(segment: u64, placed: &[Placed]) -> Vec<Pair> {
    let of = |placed: &Placed| pairs(&placed.record, Place { segment, offset: placed.offset });
    placed.iter().flat_map(of).collect()
}

/// Where a page that ended with this record ended.
pub(crate) fn cursor_of(record: &LoggedRecord) -> String {
    cursor(&place_in_log(record))
}

fn cursor(place: &[u8]) -> String {
    let mut text = String::new();
    for byte in place {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn parse_cursor(text: &str) -> Result<[u8; PLACE_IN_LOG_BYTES], StorageError> {
    let bad = || StorageError::BadCursor { what: text.escape_debug().take(64).collect() };
    let mut place = [0; PLACE_IN_LOG_BYTES];
    if text.len() != 2 * PLACE_IN_LOG_BYTES || !text.is_ascii() {
        return Err(bad());
    }
    for (at, byte) in place.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| bad())?;
    }
    Ok(place)
}
