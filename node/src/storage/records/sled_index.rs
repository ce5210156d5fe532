//! The index in files, by `sled`.
//!
//! `sled` holds nothing that is not in the segments, so it is thrown away rather than mended. It
//! does not tell every kind of damage, and may panic over some; so each time it is opened,
//! everything in it is read and compared with what was noted of each segment: how many lists, and
//! the sum of their hashes.
//!
//! What a segment has of one name is stored together, in lists of at most [`LIST_MAX`] places under
//! the key of their first: of 10,000 records of 20 queues some 160 lists instead of 10,000 pairs.
//! Keys are what `sled` costs. Lists of a name do not overlap, for segments do not.
//!
//! ```text
//! key of the first pair   →   segment 8 | (place in the log 20 | offset 8) …
//! ```
//!
//! Order of attempts: open; without `snap.*.generating` files, which a crash may leave behind and
//! which keep `sled` from starting; without anything. Panics are caught where panics unwind.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use xxhash_rust::xxh3::xxh3_64;

use super::index::{PLACE_IN_LOG_BYTES, Pair, Place, RecordIndex};
use crate::panics::contain;
use crate::storage::StorageError;

/// The folder, in the data folder.
pub const INDEX_FOLDER: &str = "record-index";

/// Bytes `sled` keeps in memory.
const CACHE_BYTES: u64 = 32 << 20;
/// Places in one list: below 2 KiB, so that `sled` keeps it beside its key.
const LIST_MAX: usize = 64;
/// Bytes of a place in a list, and of the segment before all of them.
const ITEM_BYTES: usize = PLACE_IN_LOG_BYTES + 8;
const SEGMENT_BYTES: usize = 8;
/// What the notes of segments begin with. Keys of records begin with greater bytes.
const NOTE: u8 = 0;

/// The index in files.
pub struct SledIndex {
    folder: PathBuf,
    /// None only if it could not be opened again after it was cleared.
    db: RwLock<Option<sled::Db>>,
}

impl SledIndex {
    /// Opens the index in a folder, or begins an empty one if there is none or if what is there
    /// cannot be trusted. Reads all of it.
    ///
    /// # Errors
    ///
    /// [`StorageError::Index`] if not even an empty one can be begun.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, StorageError> {
        let folder = folder.into();
        let mut db = open_and_verify(&folder);
        if let Err(what) = &db
            && remove_half_made(&folder)
        {
            tracing::warn!(what, "opening the record index without half-made snapshots");
            db = open_and_verify(&folder);
        }
        let db = db.or_else(|what| {
            tracing::warn!(what, "the record index is made anew");
            begin_anew(&folder)
        });
        let db = db.map_err(|what| failed(&folder, what))?;
        Ok(Self { folder, db: RwLock::new(Some(db)) })
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&sled::Db) -> Result<T, String>,
    ) -> Result<T, StorageError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let result = match &*db {
            Some(db) => guarded(|| work(db)),
            None => Err("it is closed".into()),
        };
        result.map_err(|what| failed(&self.folder, what))
    }
}

fn failed(folder: &Path, what: String) -> StorageError {
    StorageError::Index { file: folder.display().to_string(), what }
}

/// Turns a panic of `sled` into an error.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    // What a panic may leave half done is dropped, or thrown away with the folder.
    contain(work).unwrap_or_else(|_| Err("it panicked".into()))
}

fn open_and_verify(folder: &Path) -> Result<sled::Db, String> {
    guarded(|| {
        let config = sled::Config::new().path(folder).cache_capacity(CACHE_BYTES);
        let db = config.open().map_err(|error| error.to_string())?;
        verify(&db)?;
        Ok(db)
    })
}

/// What is noted of a segment: how many lists it has, and the sum of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Note {
    lists: u64,
    sum: u64,
}

impl Note {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.lists += 1;
        self.sum = self.sum.wrapping_add(xxh3_64(&[key, value].concat()));
    }

    fn to_bytes(self) -> [u8; 16] {
        join(self.lists, self.sum)
    }
}

fn verify(db: &sled::Db) -> Result<(), String> {
    let mut noted = BTreeMap::new();
    let mut there: BTreeMap<u64, Note> = BTreeMap::new();
    for pair in db.iter() {
        let (key, value) = pair.map_err(|error| error.to_string())?;
        if key.first() == Some(&NOTE) {
            let segment = key.get(1..).and_then(|key| key.try_into().ok()).ok_or("a bad note")?;
            let (lists, sum) = halves(&value).ok_or("a bad note")?;
            noted.insert(u64::from_be_bytes(segment), Note { lists, sum });
        } else {
            let (segment, _) = value.split_first_chunk().ok_or("a value is no list")?;
            let segment = u64::from_be_bytes(*segment);
            there.entry(segment).or_default().add(&key, &value);
        }
    }
    // A segment without any records has a note and no pairs.
    for (segment, note) in &noted {
        if there.remove(segment).unwrap_or_default() != *note {
            return Err(format!("the lists of segment {segment} are not what was noted"));
        }
    }
    if there.is_empty() { Ok(()) } else { Err("there are lists of unknown segments".into()) }
}

/// Removes `snap.*.generating`; says whether there was any.
fn remove_half_made(folder: &Path) -> bool {
    let Ok(files) = fs::read_dir(folder) else { return false };
    let half_made = files.flatten().map(|file| file.path()).filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("snap.") && name.ends_with(".generating")
    });
    half_made.map(|path| fs::remove_file(path).is_ok()).fold(false, |any, removed| any | removed)
}

fn begin_anew(folder: &Path) -> Result<sled::Db, String> {
    match fs::remove_dir_all(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.to_string()),
    }
    open_and_verify(folder)
}

fn join(first: u64, second: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&first.to_be_bytes());
    bytes[8..].copy_from_slice(&second.to_be_bytes());
    bytes
}

fn halves(bytes: &[u8]) -> Option<(u64, u64)> {
    let (first, second) = bytes.split_first_chunk::<8>()?;
    let second = second.try_into().ok()?;
    Some((u64::from_be_bytes(*first), u64::from_be_bytes(second)))
}

fn note_key(segment: u64) -> Vec<u8> {
    [&[NOTE], &segment.to_be_bytes()[..]].concat()
}

/// The lists of a segment's pairs, which are in the order of time.
fn lists(segment: u64, pairs: &[Pair]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut by_name: BTreeMap<&[u8], Vec<(&[u8], u64)>> = BTreeMap::new();
    for (key, place) in pairs {
        // Every key ends with a place in the log.
        let (name, at) = key.split_at(key.len().saturating_sub(PLACE_IN_LOG_BYTES));
        by_name.entry(name).or_default().push((at, place.offset));
    }
    let list = |name: &[u8], items: &[(&[u8], u64)]| {
        let mut value = Vec::with_capacity(SEGMENT_BYTES + items.len() * ITEM_BYTES);
        value.extend(segment.to_be_bytes());
        for (at, offset) in items {
            value.extend(*at);
            value.extend(offset.to_be_bytes());
        }
        let first = items.first().map_or(&[][..], |(at, _)| at);
        ([name, first].concat(), value)
    };
    by_name
        .iter()
        .flat_map(|(name, items)| items.chunks(LIST_MAX).map(|items| list(name, items)))
        .collect()
}

/// The pairs of a list.
fn pairs_of(key: &[u8], value: &[u8]) -> Result<Vec<Pair>, String> {
    let (segment, items) = value.split_first_chunk().ok_or("a value is no list")?;
    let segment = u64::from_be_bytes(*segment);
    let name = key.len().checked_sub(PLACE_IN_LOG_BYTES).and_then(|at| key.get(..at));
    let name = name.ok_or("a key is too short")?;
    let pair = |item: &[u8]| {
        let (at, offset) = item.split_first_chunk::<PLACE_IN_LOG_BYTES>()?;
        let offset = u64::from_be_bytes(offset.try_into().ok()?);
        Some(([name, at].concat(), Place { segment, offset }))
    };
    let pairs: Option<Vec<_>> = items.chunks(ITEM_BYTES).map(pair).collect();
    pairs.ok_or_else(|| "a list is cut short".to_owned())
}

impl RecordIndex for SledIndex {
    fn segments(&self) -> Result<Vec<u64>, StorageError> {
        self.with(|db| {
            let notes = db.scan_prefix([NOTE]).keys();
            let segment = |key: sled::Result<sled::IVec>| {
                let key = key.map_err(|error| error.to_string())?;
                let segment = key.get(1..).and_then(|key| key.try_into().ok());
                Ok(u64::from_be_bytes(segment.ok_or("a bad note")?))
            };
            notes.map(segment).collect()
        })
    }

    fn add(&self, segment: u64, pairs: &[Pair]) -> Result<(), StorageError> {
        let mut batch = sled::Batch::default();
        let mut note = Note::default();
        for (key, value) in lists(segment, pairs) {
            note.add(&key, &value);
            batch.insert(key, value);
        }
        batch.insert(note_key(segment), &note.to_bytes()[..]);
        self.with(|db| db.apply_batch(batch).map_err(|error| error.to_string()))
    }

    fn remove(&self, segment: u64, pairs: &[Pair]) -> Result<(), StorageError> {
        let mut batch = sled::Batch::default();
        for (key, _) in lists(segment, pairs) {
            batch.remove(key);
        }
        batch.remove(note_key(segment));
        self.with(|db| db.apply_batch(batch).map_err(|error| error.to_string()))
    }

    fn scan(&self, after: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, StorageError> {
        if after >= to {
            return Ok(Vec::new());
        }
        self.with(|db| {
            // What begins before may go on behind. Of another name it does not: its key is smaller.
            let before = db.range::<&[u8], _>(..=after).next_back();
            let behind = (Bound::Excluded(after), Bound::Included(to));
            let mut found = Vec::new();
            for list in before.into_iter().chain(db.range::<&[u8], _>(behind)) {
                let (key, value) = list.map_err(|error| error.to_string())?;
                if key.first() == Some(&NOTE) {
                    continue;
                }
                let pairs = pairs_of(&key, &value)?.into_iter();
                found.extend(pairs.filter(|(key, _)| after < &key[..] && &key[..] <= to));
                if found.len() >= limit {
                    found.truncate(limit);
                    break;
                }
            }
            Ok(found)
        })
    }

    fn clear(&self) -> Result<(), StorageError> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        // Closed before its files go.
        drop(db.take());
        *db = Some(begin_anew(&self.folder).map_err(|what| failed(&self.folder, what))?);
        Ok(())
    }
}
