//! Segments: files of records by range of the log, never changed once they are written.
//!
//! ```text
//! frame: magic, version, length, checksum | head: range, times, number, length and checksum of:
//! records, each: length 4 | XXH3-64 of the message 8 | message
//! ```
//!
//! A file is named after the first and the last log index it covers, whether or not those made
//! records. Ranges do not overlap. Whoever reads a whole segment has it checked whole; whoever
//! follows the index to one record has that one checked. A segment that does not check out is
//! refused with words; the others are as good as before.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use acd::codec::{decode_record, encode_record};
use acd::record::Record;
use acd::time::LogTime;
use bytes::Bytes;
use prost::Message;
use proto::stored::v1;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::seams::Disk;
use crate::storage::StorageError;
use crate::storage::framed::{self, Format, TEMPORARY, path};

/// The folder, in the data folder.
pub const RECORD_FOLDER: &str = "records";
const SUFFIX: &str = ".seg";
/// Bytes before a record.
const RECORD_HEAD_BYTES: usize = 12;
/// Bytes of a record: an audited calendar of 3,200 intervals and its inverse are 100 KB.
const RECORD_BYTES_MAX: usize = 16 << 20;

const FORMAT: Format<Head> = Format {
    magic: *b"QC-RECS\n",
    readers: &[(1, Head::read_1)],
    damaged: |file, what| StorageError::SegmentDamaged { file, what },
};

/// A record with the place in the log that made it.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedRecord {
    /// The log entry.
    pub index: u64,
    /// Which of that entry's records, from 0.
    pub ordinal: u32,
    /// Log time of the entry.
    pub stamp: LogTime,
    /// The record.
    pub record: Record,
}

/// What a segment covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The first log index.
    pub from: u64,
    /// The last.
    pub to: u64,
    /// How many records it holds; none if its head is damaged.
    pub records: Option<u64>,
    /// Their bytes, without the head of the file; none if that is damaged.
    pub bytes: Option<u64>,
}

#[derive(Clone, Debug)]
pub(super) struct Head {
    newest: LogTime,
    records: u64,
    body_length: u64,
    body_checksum: u128,
    from: u64,
    to: u64,
}

impl Head {
    fn read_1(message: &[u8]) -> Result<Self, String> {
        let stored = v1::SegmentHead::decode(message).map_err(|_| "it has no proper head")?;
        Ok(Self {
            newest: LogTime(stored.newest_ms),
            records: stored.records,
            body_length: stored.body_length,
            body_checksum: framed::number(&stored.body_checksum, "checksum")?,
            from: stored.from,
            to: stored.to,
        })
    }
}

struct Segment {
    to: u64,
    /// None if it could not be read when the node started.
    head: Option<Head>,
}

/// All segments of a node.
pub(super) struct Segments {
    disk: Arc<dyn Disk>,
    /// By the first index.
    segments: RwLock<BTreeMap<u64, Segment>>,
    #[cfg(feature = "mutations")]
    writes_nothing: bool,
}

/// A record and where in its segment it begins.
pub(super) struct Placed {
    pub offset: u64,
    pub record: LoggedRecord,
}

fn name(from: u64, to: u64) -> String {
    format!("{from:020}-{to:020}{SUFFIX}")
}

fn parse(file: &str) -> Option<(u64, u64)> {
    let (from, to) = file.strip_suffix(SUFFIX)?.split_once('-')?;
    let (from, to) = (from.parse().ok()?, to.parse().ok()?);
    (from <= to && name(from, to) == file).then_some((from, to))
}

impl Segments {
    pub fn open(disk: Arc<dyn Disk>) -> Result<Self, StorageError> {
        framed::remove_temporary(&*disk, RECORD_FOLDER)?;
        let names = disk.list(RECORD_FOLDER).map_err(StorageError::io("list", RECORD_FOLDER))?;
        let segments = Self {
            disk,
            segments: RwLock::default(),
            #[cfg(feature = "mutations")]
            writes_nothing: false,
        };
        let mut end = None;
        for file in &names {
            let full = || path(RECORD_FOLDER, file);
            let Some((from, to)) = parse(file) else {
                // A segment under another name is missing under its own; that is told there.
                tracing::warn!(file = full(), "not a segment of records");
                continue;
            };
            if end >= Some(from) {
                let what = "it covers what another one covers".into();
                return Err(StorageError::SegmentDamaged { file: full(), what });
            }
            end = Some(to);
            let head = match segments.head(from, to) {
                Ok((head, _)) => Some(head),
                Err(error @ StorageError::Io { .. }) => return Err(error),
                Err(error) => {
                    tracing::error!(%error, "a segment of records cannot be read");
                    None
                }
            };
            segments.write().insert(from, Segment { to, head });
        }
        Ok(segments)
    }

    /// Lets segments pass for written that are not: a bug on purpose.
    #[cfg(feature = "mutations")]
    pub fn write_nothing(&mut self) {
        self.writes_nothing = true;
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<u64, Segment>> {
        // Each change is one insertion or removal.
        self.segments.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<u64, Segment>> {
        self.segments.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn list(&self) -> Vec<SegmentInfo> {
        let info = |(from, segment): (&u64, &Segment)| SegmentInfo {
            from: *from,
            to: segment.to,
            records: segment.head.as_ref().map(|head| head.records),
            bytes: segment.head.as_ref().map(|head| head.body_length),
        };
        self.read().iter().map(info).collect()
    }

    pub fn covered_to(&self) -> Option<u64> {
        self.read().last_key_value().map(|(_, segment)| segment.to)
    }

    /// Ranges between segments that no segment covers.
    pub fn missing(&self) -> Vec<RangeInclusive<u64>> {
        let segments = self.list();
        let gap = |pair: &[SegmentInfo]| {
            (pair[0].to + 1 < pair[1].from).then(|| pair[0].to + 1..=pair[1].from - 1)
        };
        segments.windows(2).filter_map(gap).collect()
    }

    /// Writes a segment, durably, and says where its records are.
    pub fn append(
        &self,
        range: RangeInclusive<u64>,
        records: &[LoggedRecord],
    ) -> Result<Vec<u64>, StorageError> {
        let (from, to) = (*range.start(), *range.end());
        self.may_write(from, to)?;
        #[cfg(feature = "mutations")]
        if self.writes_nothing {
            self.write().insert(from, Segment { to, head: None });
            return Ok(Vec::new());
        }
        let places = records.iter().map(|record| (record.index, record.ordinal));
        if !places.clone().is_sorted_by(|a, b| a < b)
            || !places.clone().all(|(index, _)| range.contains(&index))
        {
            return Err(self.out_of_order(from, to));
        }
        let mut body = Vec::new();
        let mut offsets = Vec::with_capacity(records.len());
        for record in records {
            offsets.push(body.len() as u64);
            push_record(&mut body, record);
        }
        let stamps = records.iter().map(|record| record.stamp);
        let head = Head {
            newest: stamps.clone().max().unwrap_or_default(),
            records: records.len() as u64,
            body_length: body.len() as u64,
            body_checksum: xxh3_128(&body),
            from,
            to,
        };
        let message = v1::SegmentHead {
            from,
            to,
            oldest_ms: stamps.min().unwrap_or_default().0,
            newest_ms: head.newest.0,
            records: head.records,
            body_length: head.body_length,
            body_checksum: Bytes::copy_from_slice(&head.body_checksum.to_be_bytes()),
        };
        let mut bytes = FORMAT.frame(&message.encode_to_vec());
        let body_at = bytes.len() as u64;
        bytes.append(&mut body);

        let name = name(from, to);
        let temporary = format!("{name}{TEMPORARY}");
        let full = path(RECORD_FOLDER, &temporary);
        let mut file = self.disk.create(&full).map_err(StorageError::io("create", &full))?;
        file.write_at(0, &bytes).map_err(StorageError::io("write", &full))?;
        file.sync().map_err(StorageError::io("sync", &full))?;
        framed::publish(&*self.disk, RECORD_FOLDER, &temporary, &name)?;
        self.write().insert(from, Segment { to, head: Some(head) });
        Ok(offsets.into_iter().map(|offset| body_at + offset).collect())
    }

    /// A range follows the last one, or lies where there is none.
    fn may_write(&self, from: u64, to: u64) -> Result<(), StorageError> {
        let segments = self.read();
        let last = segments.last_key_value().map(|(_, segment)| segment.to);
        let before = segments.range(..=to).next_back();
        let overlaps = before.is_some_and(|(_, segment)| segment.to >= from);
        let leaves_gap = last.is_some_and(|last| from > last.saturating_add(1));
        drop(segments);
        if from > to || overlaps || leaves_gap {
            return Err(self.out_of_order(from, to));
        }
        Ok(())
    }

    fn out_of_order(&self, from: u64, to: u64) -> StorageError {
        let covered_to = self.covered_to().unwrap_or(0);
        StorageError::SegmentOutOfOrder { folder: RECORD_FOLDER.into(), from, to, covered_to }
    }

    /// The segments with anything in a range; they must cover it.
    pub fn covering(&self, range: &RangeInclusive<u64>) -> Result<Vec<u64>, StorageError> {
        let (from, to) = (*range.start(), *range.end());
        let segments = self.read();
        let mut next = from;
        let mut found = Vec::new();
        let first = segments.range(..=from).next_back().map_or(from, |(first, _)| *first);
        for (first, segment) in segments.range(first..=to) {
            if segment.to < from {
                continue;
            }
            if *first > next {
                break;
            }
            found.push(*first);
            next = segment.to.saturating_add(1);
        }
        if next <= to {
            let until = segments.range(next..=to).next().map_or(to, |(first, _)| first - 1);
            let folder = RECORD_FOLDER.into();
            return Err(StorageError::SegmentMissing { folder, from: next, to: until });
        }
        Ok(found)
    }

    /// All records of a segment, every byte of which is checked.
    pub fn all(&self, from: u64) -> Result<Vec<Placed>, StorageError> {
        let Some(to) = self.read().get(&from).map(|segment| segment.to) else {
            let folder = RECORD_FOLDER.into();
            return Err(StorageError::SegmentMissing { folder, from, to: from });
        };
        let full = path(RECORD_FOLDER, &name(from, to));
        let damaged =
            |what: &str| StorageError::SegmentDamaged { file: full.clone(), what: what.into() };
        let (head, body_at) = self.head(from, to)?;
        let file = self.disk.open(&full).map_err(StorageError::io("open", &full))?;
        // `head` has compared the length with that of the file.
        let mut body = vec![0; head.body_length as usize];
        let read = file.read_at(body_at, &mut body).map_err(StorageError::io("read", &full))?;
        if read < body.len() || xxh3_128(&body) != head.body_checksum {
            return Err(damaged("its records do not match their checksum"));
        }
        let mut placed = Vec::new();
        let mut at = 0;
        let body = Bytes::from(body);
        while at < body.len() {
            let (record, next) = record_at(&body, at).map_err(|what| damaged(&what))?;
            placed.push(Placed { offset: body_at + at as u64, record });
            at = next;
        }
        if placed.len() as u64 != head.records {
            return Err(damaged("it does not hold as many records as it says"));
        }
        Ok(placed)
    }

    /// One record, which is checked. None if the segment is not there any more.
    pub fn one(&self, from: u64, offset: u64) -> Result<Option<LoggedRecord>, StorageError> {
        let Some(to) = self.read().get(&from).map(|segment| segment.to) else {
            return Ok(None);
        };
        let full = path(RECORD_FOLDER, &name(from, to));
        let failed = || StorageError::io("read", &full);
        let damaged =
            |what: &str| StorageError::SegmentDamaged { file: full.clone(), what: what.into() };
        let file = match self.disk.open(&full) {
            Ok(file) => file,
            // Retention was faster.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StorageError::io("open", &full)(error)),
        };
        let mut head = [0; RECORD_HEAD_BYTES];
        file.read_at(offset, &mut head).map_err(failed())?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if length > RECORD_BYTES_MAX {
            return Err(damaged("a record does not match its checksum"));
        }
        let mut bytes = vec![0; RECORD_HEAD_BYTES + length];
        let read = file.read_at(offset, &mut bytes).map_err(failed())?;
        bytes.truncate(read);
        record_at(&bytes.into(), 0).map(|(record, _)| Some(record)).map_err(|what| damaged(&what))
    }

    /// Reads and compares the head of a segment; also says where its records begin.
    fn head(&self, from: u64, to: u64) -> Result<(Head, u64), StorageError> {
        let full = path(RECORD_FOLDER, &name(from, to));
        let file = self.disk.open(&full).map_err(StorageError::io("open", &full))?;
        let (head, body_at) = FORMAT.read(&*file, &full)?;
        let length = file.length().map_err(StorageError::io("read", &full))?;
        let damaged =
            |what: &str| StorageError::SegmentDamaged { file: full.clone(), what: what.into() };
        if (head.from, head.to) != (from, to) {
            return Err(damaged("it is another segment under this one's name"));
        }
        if body_at.checked_add(head.body_length) != Some(length) {
            return Err(damaged("it is not as long as it says"));
        }
        Ok((head, body_at))
    }

    /// Segments, oldest first, whose records are all older than a time. The last segment stays in
    /// any case: it says how far records go.
    pub fn older_than(&self, time: LogTime) -> Vec<u64> {
        let segments = self.read();
        let but_last = segments.len().saturating_sub(1);
        let old = |segment: &Segment| segment.head.as_ref().is_some_and(|head| head.newest < time);
        let old = segments.iter().take(but_last).take_while(|(_, segment)| old(segment));
        old.map(|(from, _)| *from).collect()
    }

    /// Removes a segment.
    pub fn remove(&self, from: u64) -> Result<(), StorageError> {
        let Some(segment) = self.write().remove(&from) else { return Ok(()) };
        let full = path(RECORD_FOLDER, &name(from, segment.to));
        self.disk.remove(&full).map_err(StorageError::io("remove", &full))?;
        let sync = self.disk.sync_folder(RECORD_FOLDER);
        sync.map_err(StorageError::io("sync", RECORD_FOLDER))
    }
}

fn push_record(body: &mut Vec<u8>, record: &LoggedRecord) {
    let message = v1::SegmentRecord {
        index: record.index,
        ordinal: record.ordinal,
        stamp_ms: record.stamp.0,
        record: encode_record(&record.record).into(),
    };
    let message = message.encode_to_vec();
    debug_assert!(message.len() <= RECORD_BYTES_MAX);
    body.extend_from_slice(&(message.len() as u32).to_be_bytes());
    body.extend_from_slice(&xxh3_64(&message).to_be_bytes());
    body.extend_from_slice(&message);
}

/// The record at a place, and where the next one begins.
fn record_at(body: &Bytes, at: usize) -> Result<(LoggedRecord, usize), String> {
    const CHANGED: &str = "a record does not match its checksum";
    let head = body.get(at..at + RECORD_HEAD_BYTES).ok_or(CHANGED)?;
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let from = at + RECORD_HEAD_BYTES;
    let end = from.saturating_add(length);
    let message = body.get(from..end).ok_or(CHANGED)?;
    if xxh3_64(message).to_be_bytes() != head[4..] {
        return Err(CHANGED.into());
    }
    let stored = v1::SegmentRecord::decode(body.slice(from..end)).map_err(|_| CHANGED)?;
    let record = decode_record(stored.record).map_err(|refused| refused.to_string())?;
    let v1::SegmentRecord { index, ordinal, stamp_ms, .. } = stored;
    Ok((LoggedRecord { index, ordinal, stamp: LogTime(stamp_ms), record }, end))
}
