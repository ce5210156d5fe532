//! Looks at the files of a log before anything is done with them, and tells what a crash may
//! leave behind from damage.
//!
//! # What `raft-log` would do by itself
//!
//! On open it reads the chunk files (`r-….wal`) record by record. If the last record of the last
//! chunk ends too early, or there are only zeros from its first byte on, it cuts the file there;
//! everything else is an error. A trailing chunk whose first record is not complete is *removed*,
//! whatever follows that record. With values whose length is not checked by itself, one flipped
//! byte in a length makes any record of the last chunk "end too early", and everything from there
//! on, acknowledged or not, is gone without a word. It also opens a log of which the newest chunk
//! is missing, ignores chunks under wrong names, and makes a new log where there is none.
//!
//! So the files are read here first, and `raft-log` is told not to cut anything.
//!
//! # What is what
//!
//! | found | verdict |
//! |---|---|
//! | the file ends inside the last record, and all heads of its values check out as far as they are there | torn: cut off |
//! | zeros from the first byte of a record to the end of the last chunk | torn: cut off |
//! | trailing chunks that are empty or zeros | torn: removed |
//! | a last chunk that ends inside its first record, behind a chunk that is whole | torn: removed |
//! | anything else that is no sequence of valid records: a checksum or head that does not match, an unknown type, any of the above in a chunk that is not the last, a gap between chunks, entries missing between the purged ones and the last | damaged |
//! | a log that is shorter than it was known to be (see [`super::FileLog::mark`]) | damaged |
//!
//! "Torn" is safe because nothing in it was acknowledged: records are acknowledged after a sync
//! that covers them, a sync makes all bytes before it durable, and a record that is durable is
//! neither short nor zeros. The first record of a chunk is written after the sync of the chunk
//! before, so a torn chunk has no successor with anything in it.
//!
//! # What remains
//!
//! - A file that lost its end, or whose end became zeros, *after* it was synced looks like a torn
//!   write, as far as it is longer than the mark says. The mark is written when a log is opened
//!   and closed and when somebody asks for it; what was synced since is not covered.
//! - A head that was changed and still checks out: one in 2³² changes at random.
//! - Blocks of one unsynced write may reach the disk in any order. If a later one did and an
//!   earlier one did not, there are zeros with something behind them. That is called damage,
//!   though nothing acknowledged is lost: it cannot be told apart from a block that was wiped.
//! - Purged chunks are removed oldest first, in one sync of the folder. A file system that loses
//!   the first removal and keeps the second (none that journals does) leaves a gap, which is
//!   called damage as well.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use codeq::Decode;
use openraft_rt::AsyncRuntime;
use raft_log::{RaftLogAction, WALRecord};

use super::codec::{BadValue, Record, StoredLogId};
use crate::storage::StorageError;

/// The lock file of a log.
const LOCK: &str = "LOCK";
/// Types of records, as numbers: 0 to 5.
const RECORD_TYPE_MAX: u8 = 5;

/// What the files of a log hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What a crash left behind, to be cleared away before the log is used.
    pub torn: Vec<Torn>,
    /// Where the log ends without that: bytes since the log began.
    pub end: u64,
    /// How many records there are.
    pub records: u64,
}

/// Something a crash left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Torn {
    /// The last record is not complete.
    Record {
        /// The file.
        file: PathBuf,
        /// Where the record begins: what the file is to be cut to.
        keep: u64,
    },
    /// A file with no complete record.
    Chunk {
        /// The file.
        file: PathBuf,
    },
}

/// Reads a log, changes nothing. The caller holds the lock of the log.
///
/// # Errors
///
/// [`StorageError::LogDamaged`], [`StorageError::StrangeFile`], [`StorageError::NewerVersion`],
/// [`StorageError::OlderVersion`], [`StorageError::Io`].
pub(super) fn check<RT: AsyncRuntime>(folder: &Path) -> Result<Found, StorageError> {
    let mut chunks = chunks(folder)?;
    let mut found = Found::default();
    while let Some(chunk) = chunks.last()
        && chunk.is_unwritten()?
    {
        found.torn.push(Torn::Chunk { file: chunk.path.clone() });
        chunks.pop();
    }

    let mut state = State::default();
    let mut end = None;
    let count = chunks.len();
    for (at, chunk) in chunks.into_iter().enumerate() {
        let follows = end.is_none_or(|end| end == chunk.start);
        if !follows {
            return Err(chunk.damaged(0, "it does not begin where the file before it ends"));
        }
        let walked = chunk.walk::<RT>(&mut state)?;
        if walked.torn {
            if at + 1 < count {
                return Err(chunk.damaged(walked.end, "a record is cut short in the middle"));
            }
            // A chunk behind this one, unwritten as it is, was made after the records in this one
            // that are whole; those that are not were never synced.
            found.torn.push(if walked.records == 0 {
                Torn::Chunk { file: chunk.path.clone() }
            } else {
                Torn::Record { file: chunk.path.clone(), keep: walked.end }
            });
        }
        found.records += walked.records;
        found.end = chunk.start + walked.end;
        end = Some(found.end);
        if at + 1 == count {
            state.verify(&chunk)?;
        }
    }
    Ok(found)
}

/// Clears away what a crash left behind, durably.
pub(super) fn clear(folder: &Path, torn: &[Torn]) -> Result<(), StorageError> {
    for torn in torn {
        match torn {
            Torn::Record { file, keep } => {
                let cut = || {
                    let file = OpenOptions::new().write(true).open(file)?;
                    file.set_len(*keep)?;
                    file.sync_all()
                };
                cut().map_err(StorageError::io("cut the last record off", &name(file)))?;
            }
            Torn::Chunk { file } => {
                fs::remove_file(file).map_err(StorageError::io("remove", &name(file)))?;
            }
        }
    }
    if !torn.is_empty() {
        let sync = || File::open(folder)?.sync_all();
        sync().map_err(StorageError::io("sync", &name(folder)))?;
    }
    Ok(())
}

pub(super) fn name(path: &Path) -> String {
    path.display().to_string()
}

struct Chunk {
    path: PathBuf,
    /// Bytes of the log before it.
    start: u64,
    length: u64,
}

/// The chunks of a log by their order.
fn chunks(folder: &Path) -> Result<Vec<Chunk>, StorageError> {
    let failed = |error| StorageError::io("list", &name(folder))(error);
    let mut chunks = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name() == LOCK {
            continue;
        }
        let path = entry.path();
        let start = entry.file_name().to_str().and_then(|name| {
            let start = chunked_wal::Config::parse_chunk_file_name(name).ok()?;
            let proper = chunked_wal::Config::chunk_file_name(start.into()) == name;
            proper.then_some(start)
        });
        let Some(start) = start else {
            return Err(StorageError::StrangeFile { file: name(&path) });
        };
        let length = entry.metadata().map_err(StorageError::io("read", &name(&path)))?.len();
        chunks.push(Chunk { path, start, length });
    }
    chunks.sort_by_key(|chunk| chunk.start);
    Ok(chunks)
}

struct Walked {
    records: u64,
    /// Where the valid records end: bytes from the start of the file.
    end: u64,
    torn: bool,
}

impl Chunk {
    fn damaged(&self, at: u64, what: &str) -> StorageError {
        StorageError::LogDamaged { file: name(&self.path), at, what: what.into() }
    }

    fn open_at(&self, at: u64) -> Result<BufReader<File>, StorageError> {
        let open = || {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(at))?;
            Ok(BufReader::with_capacity(64 << 10, file))
        };
        open().map_err(StorageError::io("open", &name(&self.path)))
    }

    /// Whether there are only zeros, or nothing, from here on.
    fn is_zero_from(&self, at: u64) -> Result<bool, StorageError> {
        let failed = |error| StorageError::io("read", &name(&self.path))(error);
        let mut file = self.open_at(at)?;
        let mut buffer = vec![0; 64 << 10];
        loop {
            match file.read(&mut buffer).map_err(failed)? {
                0 => return Ok(true),
                n if buffer[..n].iter().all(|byte| *byte == 0) => {}
                _ => return Ok(false),
            }
        }
    }

    fn is_unwritten(&self) -> Result<bool, StorageError> {
        self.is_zero_from(0)
    }

    fn walk<RT: AsyncRuntime>(&self, state: &mut State) -> Result<Walked, StorageError> {
        let mut reader = Counted { inner: self.open_at(0)?, count: 0 };
        let (mut records, mut end) = (0, 0);
        while end < self.length {
            match Record::<RT>::decode(&mut reader) {
                Ok(record) => {
                    if (records == 0) != matches!(record, WALRecord::Checkpoint(_)) {
                        let what = "a file of the log begins with what belongs elsewhere";
                        return Err(self.damaged(end, what));
                    }
                    state.apply(&record).map_err(|what| self.damaged(end, what))?;
                    records += 1;
                    end = reader.count;
                }
                Err(error) => {
                    self.must_be_torn(end, error)?;
                    return Ok(Walked { records, end, torn: true });
                }
            }
        }
        Ok(Walked { records, end, torn: false })
    }

    /// Whether a record that cannot be read may be one whose write was cut short.
    fn must_be_torn(&self, at: u64, error: io::Error) -> Result<(), StorageError> {
        match error.kind() {
            ErrorKind::UnexpectedEof => self.must_begin_like_a_record(at),
            ErrorKind::InvalidData if self.is_zero_from(at)? => Ok(()),
            ErrorKind::InvalidData => Err(self.invalid(at, &error)),
            _ => Err(StorageError::io("read", &name(&self.path))(error)),
        }
    }

    /// The type of a record that was cut short inside its type: no value has checked it yet.
    fn must_begin_like_a_record(&self, at: u64) -> Result<(), StorageError> {
        let mut first = Vec::new();
        let read = self.open_at(at)?.take(4).read_to_end(&mut first);
        read.map_err(StorageError::io("read", &name(&self.path)))?;
        let proper = first.iter().zip([0, 0, 0, RECORD_TYPE_MAX]).all(|(byte, max)| *byte <= max);
        if proper { Ok(()) } else { Err(self.damaged(at, "what is there is no record")) }
    }

    fn invalid(&self, at: u64, error: &io::Error) -> StorageError {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<BadValue>());
        let Some(BadValue::Version { version, newer, known, .. }) = inner else {
            return self.damaged(at, &error.to_string());
        };
        let (file, version, known) = (name(&self.path), u32::from(*version), known.clone());
        if *newer {
            StorageError::NewerVersion { file, version, known }
        } else {
            StorageError::OlderVersion { file, version, known }
        }
    }
}

struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.count += n as u64;
        Ok(n)
    }
}

/// Which entries there are, as the records tell it.
#[derive(Default)]
struct State {
    last: Option<StoredLogId>,
    purged: Option<StoredLogId>,
    /// Indexes of the entries that were seen and not taken back: the first, and behind the last.
    seen: Option<(u64, u64)>,
}

fn next(id: Option<StoredLogId>) -> u64 {
    id.map_or(0, |id| id.0.index + 1)
}

impl State {
    fn apply<RT: AsyncRuntime>(&mut self, record: &Record<RT>) -> Result<(), &'static str> {
        match record {
            WALRecord::Checkpoint(state) => {
                self.last = state.last().copied();
                self.purged = state.purged().copied();
            }
            WALRecord::Action(RaftLogAction::Append(id, _)) => {
                let index = id.0.index;
                self.seen = match self.seen {
                    None => Some((index, index + 1)),
                    Some((first, end)) if end == index => Some((first, end + 1)),
                    Some(_) => return Err("an entry is missing before this one"),
                };
                self.last = Some(*id);
            }
            WALRecord::Action(RaftLogAction::TruncateAfter(keep)) => {
                let end = next(*keep);
                self.seen = self.seen.map(|(first, seen)| (first, seen.min(end)));
                self.seen = self.seen.filter(|(first, end)| first < end);
                if self.last > *keep {
                    self.last = *keep;
                }
            }
            WALRecord::Action(RaftLogAction::PurgeUpto(upto)) => {
                let first = next(Some(*upto));
                self.seen = self.seen.map(|(seen, end)| (seen.max(first), end));
                self.seen = self.seen.filter(|(first, end)| first < end);
                self.purged = self.purged.max(Some(*upto));
                self.last = self.last.max(self.purged);
            }
            WALRecord::Action(RaftLogAction::SaveVote(_) | RaftLogAction::Commit(_)) => {}
        }
        Ok(())
    }

    /// The entries between the purged ones and the last must be there. If a file is gone from the
    /// front of the log, the checkpoint behind it still counts what was in it.
    fn verify(&self, chunk: &Chunk) -> Result<(), StorageError> {
        let there = self.seen.unwrap_or((next(self.last), next(self.last)));
        let expected = (next(self.purged), next(self.last));
        // Entries that are purged may still be there, until their file is removed.
        if there.0 <= expected.0 && there.1 == expected.1 {
            return Ok(());
        }
        let what = format!(
            "there must be the entries {} to {}, there are {} to {}; a file of the log is missing",
            expected.0,
            expected.1.saturating_sub(1),
            there.0,
            there.1.saturating_sub(1)
        );
        Err(chunk.damaged(0, &what))
    }
}
