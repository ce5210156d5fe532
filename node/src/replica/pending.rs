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
    pub(super) fn note(&mut self, index: u64, stamp: LogTime, events: &[Event]) {
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

    /// Has a segment written. Whether it was, is said to the next who waits.
    pub(super) fn write(&self, batch: Batch) {
        // The task ends with this sender, or with the runtime.
        let _ = self.jobs.send(Job { batch, written: None });
    }

    /// Writes a segment, and returns when it and all before it are durable.
    pub(crate) async fn write_and_wait(&self, batch: Batch) -> Result<(), StorageError> {
        let (written, outcome) = oneshot::channel();
        let _ = self.jobs.send(Job { batch, written: Some(written) });
        outcome.await.unwrap_or_else(|_| Err(StorageError::io("write", "records")(stopped())))
    }
}

fn stopped() -> std::io::Error {
    std::io::Error::other("the task that writes records has ended")
}

async fn work<RT: AsyncRuntime>(store: Arc<RecordStore>, mut jobs: mpsc::UnboundedReceiver<Job>) {
    let mut waiting: VecDeque<Job> = VecDeque::new();
    let mut failed: Option<StorageError> = None;
    while let Some(job) = jobs.recv().await {
        waiting.push_back(job);
        // What fills a hole comes from a peer, behind what waits for it.
        while let Some(at) = waiting.iter().position(|job| follows(&store, job.batch.from)) {
            let Some(Job { batch, written }) = waiting.remove(at) else { break };
            // What failed is missing in all that follows: none of it may pass for whole.
            if failed.is_none() {
                let store = store.clone();
                let outcome = RT::spawn_blocking(move || write(&store, batch)).await;
                failed = match outcome {
                    Ok(outcome) => outcome.err(),
                    Err(error) => Some(StorageError::io("write", "records")(error)),
                };
            }
            if let Some(written) = written {
                // Whoever waited is gone with its snapshot.
                let _ = written.send(match &failed {
                    None => Ok(()),
                    Some(error) => {
                        let words = std::io::Error::other(error.to_string());
                        Err(StorageError::io("write", "records")(words))
                    }
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
