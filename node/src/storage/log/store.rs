//! The log as openraft uses it.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::atomic::Ordering;

use futures::{Stream, StreamExt, stream};
use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use openraft_rt::AsyncRuntime;
use raft_log::RaftLog;
use raft_log::api::raft_log_writer::RaftLogWriter;

use super::codec::{StoredLogId, StoredPayload, StoredVote, payload_bytes};
use super::flushed::Flushed;
use super::{CACHE_LOOK_EVERY, FileLog, Shared, check, refused};
use crate::raft::{Entry, LogId, Types, Vote};

/// Bytes of entries that are read for one message to a peer. The last one may exceed it.
const READ_BYTES_MAX: u64 = 1 << 20;

/// Reads entries until they are more than `bytes_max`.
fn read<RT: AsyncRuntime>(
    log: &RaftLog<Types<RT>>,
    from: u64,
    to: u64,
    bytes_max: u64,
) -> io::Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut bytes = 0;
    for item in log.read(from, to) {
        let (StoredLogId(log_id), StoredPayload(payload)) = item?;
        if let Some(before) = entries.last()
            && before.log_id.index + 1 != log_id.index
        {
            return Err(gap(before.log_id.index + 1, log_id));
        }
        bytes += payload_bytes(&payload);
        entries.push(Entry { log_id, payload });
        if bytes >= bytes_max {
            break;
        }
    }
    Ok(entries)
}

fn gap(expected: u64, found: LogId) -> io::Error {
    let what = format!("there is no entry {expected}; the next one is {found}");
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// From the first index up to behind the last.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(from) => *from,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(to) => *to,
        Bound::Unbounded => u64::MAX,
    };
    (from, to)
}

impl<RT: AsyncRuntime> FileLog<RT> {
    async fn entries(&self, from: u64, to: u64, bytes_max: u64) -> io::Result<Vec<Entry>> {
        if from >= to {
            return Ok(Vec::new());
        }
        let shared = self.shared.clone();
        let run = move |shared: &Shared<RT>| {
            let log = shared.read()?;
            read(&log, from, to, bytes_max).map_err(|error| shared.failed("read", error))
        };
        if from >= shared.cached_from.load(Ordering::Relaxed) {
            return run(&shared);
        }
        RT::spawn_blocking(move || run(&shared)).await?
    }
}

impl<RT: AsyncRuntime> Shared<RT> {
    fn failed(&self, action: &'static str, error: io::Error) -> io::Error {
        let error = refused(&check::name(&self.folder), action, error).into();
        self.broken.note(&error);
        error
    }

    fn flushed(&self, tell: IOFlushed<Types<RT>>) -> Flushed<RT> {
        Flushed::new(tell, self.broken.clone(), self.flush_times.clone())
    }

    /// Changes the log and waits until that is durable.
    async fn durably<F>(&self, action: &'static str, change: F) -> io::Result<()>
    where
        F: FnOnce(&mut RaftLog<Types<RT>>) -> io::Result<()>,
    {
        let (tell, told) = Types::<RT>::oneshot();
        {
            let mut log = self.write()?;
            change(&mut log).map_err(|error| self.failed(action, error))?;
            log.flush(true, Some(self.flushed(IOFlushed::signal(tell))))
                .map_err(|error| self.failed(action, error))?;
        }
        let flushed = told.await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe));
        flushed.and_then(|result| result).map_err(|error| self.failed(action, error))
    }
}

impl<RT: AsyncRuntime> RaftLogReader<Types<RT>> for FileLog<RT> {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<Entry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (from, to) = bounds(&range);
        self.entries(from, to, u64::MAX).await
    }

    /// In pieces, so that entries that are applied after a restart are never all in memory. They
    /// are committed, and so do not change between two pieces.
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = io::Result<Entry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (first, to) = bounds(&range);
        let log = self.clone();
        let pieces = stream::unfold(Some(first), move |from| {
            let log = log.clone();
            async move {
                let from = from?;
                match log.entries(from, to, READ_BYTES_MAX).await {
                    Ok(entries) => {
                        let (begin, last) = (entries.first()?.log_id, entries.last()?.log_id);
                        // Before the first there may be nothing left; later there is no excuse.
                        if from != first && begin.index != from {
                            return Some((vec![Err(gap(from, begin))], None));
                        }
                        Some((entries.into_iter().map(Ok).collect(), Some(last.index + 1)))
                    }
                    Err(error) => Some((vec![Err(error)], None)),
                }
            }
        });
        Box::pin(pieces.map(stream::iter).flatten())
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.entries(start, end, READ_BYTES_MAX).await
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.shared.read()?.log_state().vote().map(|vote| vote.0))
    }
}

impl<RT: AsyncRuntime> RaftLogStorage<Types<RT>> for FileLog<RT> {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types<RT>>> {
        let log = self.shared.read()?;
        let state = log.log_state();
        Ok(LogState {
            last_purged_log_id: state.purged().map(|id| id.0),
            last_log_id: state.last().map(|id| id.0),
        })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    /// Durable when it returns.
    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let vote = StoredVote(*vote);
        self.shared.durably("save a vote", |log| log.save_vote(vote).map(drop)).await
    }

    /// Goes to the disk with what is written next: after a crash it may be an older one, which
    /// Raft allows.
    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let Some(committed) = committed.map(StoredLogId) else { return Ok(()) };
        let mut log = self.shared.write()?;
        let state = log.log_state();
        // A snapshot may commit what the log does not have; the log then takes it with the purge
        // that follows.
        if Some(&committed) > state.committed() && Some(&committed) <= state.last() {
            log.commit(committed)
                .map_err(|error| self.shared.failed("note what is committed", error))?;
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.shared.read()?.log_state().committed().map(|id| id.0))
    }

    /// Readable when it returns; durable when `callback` is told. Blocks while 64 MiB are waiting
    /// for the disk.
    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types<RT>>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let failed = |error| self.shared.failed("append", error);
        let callback = self.shared.flushed(callback);
        let mut log = self.shared.write()?;
        let before = log.log_state().last().map_or(0, |last| last.0.index);
        let entries = entries
            .into_iter()
            .map(|entry| (StoredLogId(entry.log_id), StoredPayload(entry.payload)));
        RaftLogWriter::append(&mut *log, entries).map_err(failed)?;
        log.flush(true, Some(callback)).map_err(failed)?;
        let after = log.log_state().last().map_or(0, |last| last.0.index);
        if before / CACHE_LOOK_EVERY != after / CACHE_LOOK_EVERY {
            self.shared.look_at_cache(&log);
        }
        Ok(())
    }

    /// Durable when it returns.
    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        let keep = last_log_id.map_or(0, |id| id.index + 1);
        let shared = &self.shared;
        if shared.read()?.log_state().last().is_none_or(|last| last.0.index < keep) {
            return Ok(());
        }
        shared.durably("truncate", |log| log.truncate(keep).map(drop)).await
    }

    /// Durable when it returns. Files that hold nothing else are removed after that.
    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        let upto = StoredLogId(log_id);
        self.shared.durably("purge", |log| log.purge(upto).map(drop)).await
    }
}
