//! The index in files, by `sled`.
//!
//! `sled` holds nothing that is not in the segments, so it is thrown away rather than mended. It
//! does not tell every kind of damage, and may panic over some; so each time it is opened,
//! everything in it is read and compared with what was noted of each segment: how many pairs, and
//! the sum of their hashes. Reading takes about a second per million pairs, five pairs a record.
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

use super::index::{Pair, Place, RecordIndex};
use crate::panics::contain;
use crate::storage::StorageError;

/// The folder, in the data folder.
pub const INDEX_FOLDER: &str = "record-index";

/// Bytes `sled` keeps in memory.
const CACHE_BYTES: u64 = 32 << 20;
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

/// What is noted of a segment: how many pairs it has, and the sum of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Note {
    pairs: u64,
    sum: u64,
}

impl Note {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.pairs += 1;
        self.sum = self.sum.wrapping_add(xxh3_64(&[key, value].concat()));
    }

    fn to_bytes(self) -> [u8; 16] {
        join(self.pairs, self.sum)
    }
}

fn verify(db: &sled::Db) -> Result<(), String> {
    let mut noted = BTreeMap::new();
    let mut there: BTreeMap<u64, Note> = BTreeMap::new();
    for pair in db.iter() {
        let (key, value) = pair.map_err(|error| error.to_string())?;
        let (first, second) = halves(&value).ok_or("a value is no place")?;
        if key.first() == Some(&NOTE) {
            let segment = key.get(1..).and_then(|key| key.try_into().ok()).ok_or("a bad note")?;
            let note = Note { pairs: first, sum: second };
            noted.insert(u64::from_be_bytes(segment), note);
        } else {
            there.entry(first).or_default().add(&key, &value);
        }
    }
    // A segment without any records has a note and no pairs.
    for (segment, note) in &noted {
        if there.remove(segment).unwrap_or_default() != *note {
            return Err(format!("the pairs of segment {segment} are not what was noted"));
        }
    }
    if there.is_empty() { Ok(()) } else { Err("there are pairs of unknown segments".into()) }
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

fn value(place: Place) -> [u8; 16] {
    join(place.segment, place.offset)
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
        for (key, place) in pairs {
            let value = value(*place);
            note.add(key, &value);
            batch.insert(&key[..], &value[..]);
        }
        batch.insert(note_key(segment), &note.to_bytes()[..]);
        self.with(|db| db.apply_batch(batch).map_err(|error| error.to_string()))
    }

    fn remove(&self, segment: u64, pairs: &[Pair]) -> Result<(), StorageError> {
        let mut batch = sled::Batch::default();
        for (key, _) in pairs {
            batch.remove(&key[..]);
        }
        batch.remove(note_key(segment));
        self.with(|db| db.apply_batch(batch).map_err(|error| error.to_string()))
    }

    fn scan(&self, after: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, StorageError> {
        if after >= to {
            return Ok(Vec::new());
        }
        self.with(|db| {
            let range = (Bound::Excluded(after), Bound::Included(to));
            let pair = |pair: sled::Result<(sled::IVec, sled::IVec)>| {
                let (key, value) = pair.map_err(|error| error.to_string())?;
                let (segment, offset) = halves(&value).ok_or("a value is no place")?;
                Ok((key.to_vec(), Place { segment, offset }))
            };
            db.range::<&[u8], _>(range).take(limit).map(pair).collect()
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
