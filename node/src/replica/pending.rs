//! Records of what is over, from the entry that made them until they are in a segment on disk.
//!
//! Until then the log has them: after a crash the entries since the last snapshot are applied again
//! and give the same records. A segment is written when there are many records, and with each
//! snapshot; one task writes them, in order.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;

use acd::event::{ContactEvent, Event};
use acd::record::Record;
use acd::time::LogTime;
use openraft_rt::AsyncRuntime;
use tokio::sync::{mpsc, oneshot};

use crate::storage::StorageError;
use crate::storage::records::{LoggedRecord, RecordStore};

/// Records after which a segment is written. Some 5 MB.
pub(crate) const RECORDS_PER_SEGMENT: usize = 10_000;

/// Segments that may wait for a peer to fill a hole before them: some 320 MB. Beyond it the node
/// stops at its next snapshot; without them it could not purge its log either.
const WAITING_MAX: usize = 64;

/// Records of entries after the last segment that is written or on its way.
#[derive(Debug, Default)]
pub(super) struct PendingRecords {
    /// The first entry whose records are here.
    from: u64,
    records: Vec<LoggedRecord>,
}

impl PendingRecords {
    /// After a state that has everything up to this index.
    pub(super) fn after(index: Option<u64>) -> Self {
        Self { from: index.map_or(0, |index| index + 1), records: Vec::new() }
    }

    /// Keeps what the events of an entry are to be remembered by.
    /// Returns the new ones.
    pub(super) fn note(&mut self, index: u64, stamp: LogTime, events: &[Event]) -> &[LoggedRecord] {
        let before = self.records.len();
        let mut ordinal = 0;
        for event in events {
            let record = match event {
                Event::Contact { what: ContactEvent::Closed(record), .. } => {
                    Record::Contact(record.clone())
                }
                Event::Audit(record) => Record::Audit(record.clone()),
                _ => continue,
            };
            self.records.push(LoggedRecord { index, ordinal, stamp, record });
            ordinal += 1;
        }
        &self.records[before..]
    }

    /// Whether a segment is due.
    pub(super) fn are_many(&self) -> bool {
        self.records.len() >= RECORDS_PER_SEGMENT
    }

    /// Takes everything, for a segment up to the entry that was applied last.
    pub(super) fn take(&mut self, to: u64) -> Batch {
        let from = std::mem::replace(&mut self.from, to + 1);
        Batch { from, to, records: std::mem::take(&mut self.records) }
    }
}

/// All records of a range of the log.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) records: Vec<LoggedRecord>,
}

/// Writes segments, one after the other. Clones share the task.
#[derive(Clone)]
pub struct SegmentWriter {
    jobs: mpsc::UnboundedSender<Job>,
}

struct Job {
    batch: Batch,
    written: Option<oneshot::Sender<Result<(), StorageError>>>,
}

impl SegmentWriter {
    /// Starts the task; it ends with the last clone.
    pub fn start<RT: AsyncRuntime>(store: Arc<RecordStore>) -> Self {
        let (jobs, waiting) = mpsc::unbounded_channel();
        drop(RT::spawn(work::<RT>(store, waiting)));
        Self { jobs }
    }

    /// Has a segment written. If it was not, whoever waits next is told, and Raft stops by that.
    pub(super) fn write(&self, batch: Batch) {
        // The task ends with this sender, or with the runtime.
        let _ = self.jobs.send(Job { batch, written: None });
    }

    /// Writes a segment, and returns when it and all before it are durable.
    pub(crate) async fn write_and_wait(&self, batch: Batch) -> Result<(), StorageError> {
        let (written, outcome) = oneshot::channel();
        let _ = self.jobs.send(Job { batch, written: Some(written) });
        outcome.await.unwrap_or_else(|_| Err(failure(stopped())))
    }
}

fn failure(error: std::io::Error) -> StorageError {
    StorageError::io("write", "records")(error)
}

fn stopped() -> std::io::Error {
    std::io::Error::other("the task that writes records has ended")
}

async fn work<RT: AsyncRuntime>(store: Arc<RecordStore>, mut jobs: mpsc::UnboundedReceiver<Job>) {
    let mut waiting: VecDeque<Job> = VecDeque::new();
    let mut failed: Option<StorageError> = None;
    while let Some(job) = jobs.recv().await {
        waiting.push_back(job);
        if failed.is_none() && waiting.len() > WAITING_MAX {
            let words = format!("no peer has the records from entry {} on", next(&store));
            failed = Some(failure(std::io::Error::other(words)));
        }
        // What fills a hole comes from a peer, behind what waits for it. What failed is missing in all
        // that follows: none of it may pass for whole, and nobody is to wait for it.
        let is_next =
            |job: &Job, failed: &Option<_>| failed.is_some() || follows(&store, job.batch.from);
        while let Some(at) = waiting.iter().position(|job| is_next(job, &failed)) {
            let Some(Job { batch, written }) = waiting.remove(at) else { break };
            if failed.is_none() {
                let store = store.clone();
                let outcome = RT::spawn_blocking(move || write(&store, batch)).await;
                failed = match outcome {
                    Ok(outcome) => outcome.err(),
                    Err(error) => Some(failure(error)),
                };
                if let Some(error) = &failed {
                    tracing::error!(
                        %error,
                        "records could not be written: this node stops at its next snapshot"
                    );
                }
            }
            if let Some(written) = written {
                // Whoever waited is gone with its snapshot.
                let _ = written.send(match &failed {
                    None => Ok(()),
                    Some(error) => Err(failure(std::io::Error::other(error.to_string()))),
                });
            }
        }
        if let Some(job) = waiting.front() {
            tracing::error!(
                from = next(&store),
                to = job.batch.from - 1,
                "records of these entries are missing here; nothing is purged until they have come \
                 from a peer"
            );
        }
    }
}

/// The first entry whose records are not in a segment.
fn next(store: &RecordStore) -> u64 {
    store.covered_to().map_or(0, |covered| covered + 1)
}

fn follows(store: &RecordStore, from: u64) -> bool {
    from <= next(store)
}

fn write(store: &RecordStore, batch: Batch) -> Result<(), StorageError> {
    let Batch { from, to, records } = batch;
    let fills = |hole: &RangeInclusive<u64>| hole.contains(&from) && hole.contains(&to);
    let from = if store.missing().iter().any(fills) { from } else { next(store) };
    if from > to {
        return Ok(());
    }
    // After a restart the log gives again what segments have.
    let fresh = records.into_iter().filter(|record| record.index >= from).collect();
    match store.write_segment(from..=to, fresh) {
        // The records are durable, and are indexed when the node starts again.
        Err(error @ StorageError::Index { .. }) => {
            tracing::error!(%error, "records are not indexed");
            Ok(())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use openraft_rt_tokio::TokioRuntime;

    use super::*;
    use crate::seams::RealDisk;
    use crate::storage::records::{MemoryIndex, RECORD_FOLDER};

    fn batch(from: u64, to: u64) -> Batch {
        Batch { from, to, records: Vec::new() }
    }

    #[tokio::test]
    async fn after_a_write_that_failed_nobody_waits_for_what_follows() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(RealDisk::new(folder.path()));
        let store = Arc::new(RecordStore::open(disk, Box::new(MemoryIndex::default())).unwrap());
        let writer = SegmentWriter::start::<TokioRuntime>(store.clone());
        writer.write_and_wait(batch(0, 9)).await.unwrap();
        // A disk on which nothing can be written any more.
        std::fs::remove_dir_all(folder.path().join(RECORD_FOLDER)).unwrap();
        std::fs::write(folder.path().join(RECORD_FOLDER), "in the way").unwrap();
        writer.write(batch(10, 19));
        assert!(writer.write_and_wait(batch(20, 29)).await.is_err());
        assert_eq!(store.covered_to(), Some(9), "nothing passes for whole");
    }

    #[tokio::test]
    async fn what_waits_behind_a_hole_that_nobody_fills_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(RealDisk::new(folder.path()));
        let store = Arc::new(RecordStore::open(disk, Box::new(MemoryIndex::default())).unwrap());
        let writer = SegmentWriter::start::<TokioRuntime>(store);
        for n in 1..=WAITING_MAX as u64 {
            writer.write(batch(10 * n, 10 * n + 9));
        }
        let last = 10 * (WAITING_MAX as u64 + 1);
        assert!(writer.write_and_wait(batch(last, last + 9)).await.is_err());
    }
}
