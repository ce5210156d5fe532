//! Raft's log and votes in files: [`raft_log`] behind openraft's storage traits.
//!
//! One writer, guarded by a lock; syncs happen on a thread of `raft-log`, which gathers what
//! arrives while a sync runs and for 10 µs more, and reports to [`openraft::storage::IOFlushed`] after the sync that
//! covers it.
//!
//! Cost of an append: one encoding into a buffer, one hand-over to that thread; one write and one
//! `fdatasync` for all appends that are waiting. Readers share the lock. What is in memory is
//! read at once; what is not (a peer that is far behind) is read on a thread for such work.
//!
//! Memory: the entries of the chunk that is being written, and older ones up to
//! [`LogSettings::cache_bytes`]; so at most the larger of the two and one chunk more while syncs
//! lag behind. Writers wait when 64 MiB are on their way to the disk.
//!
//! A write or sync that failed is final: whatever is asked of the log afterwards fails, reads too,
//! for what the disk holds is unknown and what is in memory is ahead of it.

pub mod check;
mod codec;
#[cfg(test)]
mod damage_tests;
mod flushed;
mod mark;
mod store;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use chunked_wal::ChunkedWal;
use openraft_rt::AsyncRuntime;
use raft_log::api::raft_log_writer::RaftLogWriter;
use raft_log::{RaftLog, RaftWalTypes};

pub use self::flushed::FlushTimes;
use self::flushed::{Broken, flush_times};
use super::StorageError;
use crate::raft::Types;
use crate::seams::RealDisk;

/// The folder of the log, in the data folder.
pub const LOG_FOLDER: &str = "log";

/// How long a sync waits for company. Longer adds to every sync; 0 turns group commit off.
const FLUSH_BATCH_WAIT: Duration = Duration::from_micros(10);
/// Entries in memory, however small they are. Far more than fit in the cache.
const CACHE_ITEMS_MAX: usize = 4 << 20;
/// After so many appended entries it is worked out anew which of them are in memory.
const CACHE_LOOK_EVERY: u64 = 256;

/// Sizes of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Bytes of a chunk file, after which a new one is begun. The log is purged by whole chunks.
    pub chunk_bytes: usize,
    /// Bytes of entries that are kept in memory.
    pub cache_bytes: usize,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { chunk_bytes: 64 << 20, cache_bytes: 64 << 20 }
    }
}

/// Raft's log and votes in files. Clones are the same log.
pub struct FileLog<RT: AsyncRuntime> {
    shared: Arc<Shared<RT>>,
}

struct Shared<RT: AsyncRuntime> {
    log: RwLock<RaftLog<Types<RT>>>,
    folder: PathBuf,
    /// Beside the log.
    disk: RealDisk,
    /// Entries from this index on are in memory, if they are there at all. It may lag.
    cached_from: AtomicU64,
    broken: Broken,
    flush_times: Arc<FlushTimes>,
}

impl<RT: AsyncRuntime> Clone for FileLog<RT> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<RT: AsyncRuntime> FileLog<RT> {
    /// Opens the log of a data folder that belongs to a node. What a crash left behind is cleared
    /// away; see [`check`]. Blocks: it reads the whole log, twice.
    ///
    /// # Errors
    ///
    /// [`StorageError::LogDamaged`] and [`StorageError::StrangeFile`]: see [`check`]; the former
    /// also if there is no log; [`StorageError::LogInUse`]; [`StorageError::NewerVersion`];
    /// [`StorageError::OlderVersion`]; [`StorageError::Io`].
    pub fn open(data: &RealDisk, settings: LogSettings) -> Result<Self, StorageError> {
        if mark::read(data)?.is_none() {
            let file = check::name(&data.root().join(LOG_FOLDER));
            let what = "the mark beside the log is gone, and with it perhaps the log".into();
            return Err(StorageError::LogDamaged { file, at: 0, what });
        }
        Self::open_or_create(data, settings)
    }

    /// Opens a log, or makes one if there never was one: for a data folder that is being made and
    /// has no [`Marker`](crate::storage::Marker) yet. The marker comes last, so that a folder with
    /// a marker has a log, and a node that lost its log does not vote a second time.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), but for a log that is not there.
    pub fn open_or_create(data: &RealDisk, settings: LogSettings) -> Result<Self, StorageError> {
        let folder = data.root().join(LOG_FOLDER);
        let name = check::name(&folder);
        if folder.to_str().is_none() {
            // `raft-log` takes text for a path.
            let error = io::Error::new(io::ErrorKind::InvalidInput, "its path is not UTF-8");
            return Err(StorageError::io("use", &name)(error));
        }
        std::fs::create_dir_all(&folder).map_err(StorageError::io("create", &name))?;
        let config = config(&folder, settings);
        {
            let _lock = lock::<RT>(&config.wal, &name)?;
            let found = Self::look(data, &folder)?;
            for torn in &found.torn {
                tracing::warn!(?torn, "clearing away a log record that was never complete");
            }
            check::clear(&folder, &found.torn)?;
        }
        let log = RaftLog::open(Arc::new(config)).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => StorageError::LogInUse { file: name.clone() },
            _ => refused(&name, "open", error),
        })?;
        let cached_from = AtomicU64::new(cached_from(&log));
        let (log, disk) = (RwLock::new(log), data.clone());
        let broken = Broken::default();
        let flush_times = Arc::new(flush_times());
        let shared = Shared { log, folder, disk, cached_from, broken, flush_times };
        let log = Self { shared: Arc::new(shared) };
        log.mark()?;
        Ok(log)
    }

    /// Reads a log that nobody has open, says what it holds and what a crash left behind, and
    /// changes nothing. Blocks.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn verify(data: &RealDisk) -> Result<check::Found, StorageError> {
        let folder = data.root().join(LOG_FOLDER);
        let config = config(&folder, LogSettings::default());
        let _lock = lock::<RT>(&config.wal, &check::name(&folder))?;
        Self::look(data, &folder)
    }

    fn look(data: &RealDisk, folder: &Path) -> Result<check::Found, StorageError> {
        let marked = mark::read(data)?;
        let found = check::check::<RT>(folder)?;
        must_reach(marked, &found, &check::name(folder))?;
        Ok(found)
    }

    /// Bytes of the chunk files, written or about to be.
    pub fn on_disk_size(&self) -> u64 {
        match self.shared.log.read() {
            Ok(log) => log.on_disk_size(),
            Err(poisoned) => poisoned.into_inner().on_disk_size(),
        }
    }

    /// How long writes took since the log was opened, from the hand-over to the disk until they were
    /// durable, in µs: appends, votes, truncations and purges.
    pub fn flush_times(&self) -> &FlushTimes {
        &self.shared.flush_times
    }

    /// Makes everything durable and notes how far that is, so that the loss of any of it is
    /// noticed when the log is opened. Done when the log is opened and when its last clone is
    /// dropped; worth doing now and then, such as after each snapshot. Blocks for some syncs.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`].
    pub fn mark(&self) -> Result<(), StorageError> {
        self.shared.mark()
    }
}

impl<RT: AsyncRuntime> Shared<RT> {
    fn read(&self) -> io::Result<RwLockReadGuard<'_, RaftLog<Types<RT>>>> {
        self.broken.check()?;
        self.log.read().map_err(|_| half_done())
    }

    fn write(&self) -> io::Result<RwLockWriteGuard<'_, RaftLog<Types<RT>>>> {
        self.broken.check()?;
        self.log.write().map_err(|_| half_done())
    }

    fn mark(&self) -> Result<(), StorageError> {
        let name = check::name(&self.folder);
        let sync = || {
            let mut log = self.write()?;
            log.flush(true, None)?;
            let end = log.stat().open_chunk.global_end;
            drop(log);
            self.read()?.wait_worker_idle()?;
            Ok(end)
        };
        let durable_to = sync().map_err(StorageError::io("sync", &name))?;
        mark::write(&self.disk, durable_to)
    }

    fn look_at_cache(&self, log: &RaftLog<Types<RT>>) {
        self.cached_from.store(cached_from(log), Ordering::Relaxed);
    }
}

impl<RT: AsyncRuntime> Drop for Shared<RT> {
    fn drop(&mut self) {
        // Nobody is left to tell. What was acknowledged is durable without it.
        if let Err(error) = self.mark() {
            tracing::warn!(%error, "the log is closed without a mark");
        }
    }
}

/// A thread died while it held the lock.
fn half_done() -> io::Error {
    io::Error::other("a change of the log was left half done by a fault of the program")
}

fn config(folder: &Path, settings: LogSettings) -> raft_log::Config {
    raft_log::Config {
        wal: chunked_wal::Config {
            dir: check::name(folder),
            read_buffer_size: Some(1 << 20),
            // A record is no shorter than 13 bytes: the size decides.
            chunk_max_records: Some(8 << 20),
            chunk_max_size: Some(settings.chunk_bytes),
            // `check` has cut off what may be cut off.
            truncate_incomplete_record: Some(false),
            flush_batch_wait: Some(FLUSH_BATCH_WAIT),
            flush_batch_max_items: None,
            flush_queue_max_bytes: None,
        },
        log_cache_max_items: Some(CACHE_ITEMS_MAX),
        log_cache_capacity: Some(settings.cache_bytes),
    }
}

fn lock<RT: AsyncRuntime>(
    config: &chunked_wal::Config,
    folder: &str,
) -> Result<chunked_wal::WalLock, StorageError> {
    let lock = ChunkedWal::<RaftWalTypes<Types<RT>>>::acquire_lock(config);
    lock.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => StorageError::LogInUse { file: folder.into() },
        _ => StorageError::io("lock", folder)(error),
    })
}

/// Compares what is there with what is known to have been there.
fn must_reach(marked: Option<u64>, found: &check::Found, folder: &str) -> Result<(), StorageError> {
    let Some(marked) = marked else {
        // A crash while the first one was opened: it has its first record and no mark.
        if found.records <= 1 {
            return Ok(());
        }
        let what = "there is a log, and the mark beside it is gone".into();
        return Err(StorageError::LogDamaged { file: folder.into(), at: found.end, what });
    };
    if found.end < marked {
        let what = format!("it was durable up to byte {marked}; what came after is gone");
        return Err(StorageError::LogDamaged { file: folder.into(), at: found.end, what });
    }
    Ok(())
}

/// An error of `raft-log`, which refuses by [`io::ErrorKind::InvalidInput`].
fn refused(folder: &str, action: &'static str, error: io::Error) -> StorageError {
    if error.kind() == io::ErrorKind::InvalidInput {
        StorageError::LogRefused { file: folder.into(), action, what: error.to_string() }
    } else {
        StorageError::io(action, folder)(error)
    }
}

/// The cache holds the end of the log, however long, without gaps.
fn cached_from<RT: AsyncRuntime>(log: &RaftLog<Types<RT>>) -> u64 {
    let end = log.log_state().last().map_or(0, |last| last.0.index + 1);
    end.saturating_sub(log.stat().payload_cache_item_count)
}
