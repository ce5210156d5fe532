//! What the files of stopped nodes say: the log, applied once more, and the records.
//!
//! A history from outside has no look into a running replica. But a log, its state machine and their
//! outcome are one: what a node must have answered, told and become at each index follows from its log,
//! and is compared with what clients were told, what watches showed and the hashes that the node named
//! while it ran.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use acd::Centre;
use acd::codec::{decode_entry, decode_submission, event_from_stored, event_to_stored};
use acd::event::Event;
use node::raft::Payload;
use node::seams::RealDisk;
use node::storage::records::{MemoryIndex, RecordStore};
use node::storage::{FileLog, LogSettings};
use openraft::storage::{RaftLogReader, RaftLogStorage};
use openraft_rt_tokio::TokioRuntime;

use super::Trouble;
use crate::history::{AppliedEntry, FinalRecords, ReplicaAct, Run};

/// Entries that are read at a time.
const READ_AT_ONCE: u64 = 1_024;

/// Entries that nodes applied, by index: those that agree share one copy.
pub(super) type Known = BTreeMap<u64, Arc<AppliedEntry>>;

/// The log of a node.
pub(super) struct LogFile {
    log: FileLog<TokioRuntime>,
    /// It begins after this entry.
    pub(super) purged: Option<u64>,
}

impl LogFile {
    /// Opens the log of a node that does not run.
    pub(super) async fn open(data: &Path) -> Result<Self, Trouble> {
        let trouble = |why: String| Trouble(format!("{}: {why}", data.display()));
        let log = FileLog::<TokioRuntime>::open(&RealDisk::new(data), LogSettings::default());
        let mut log = log.map_err(|error| trouble(error.to_string()))?;
        let state = log.get_log_state().await.map_err(|error| trouble(error.to_string()))?;
        Ok(Self { log, purged: state.last_purged_log_id.map(|id| id.index) })
    }

    /// What the node must have done with its log up to an entry.
    pub(super) async fn replay(
        &mut self,
        node: u64,
        upto: u64,
        known: &mut Known,
    ) -> Result<Run, Trouble> {
        let trouble = |why: String| Trouble(format!("the log of node {node}: {why}"));
        if let Some(purged) = self.purged {
            return Err(trouble(format!("it begins after {purged} and cannot be applied alone")));
        }
        let mut centre = Centre::new();
        let mut acts = Vec::new();
        let mut from = 0;
        while from <= upto {
            let to = upto.min(from + READ_AT_ONCE - 1);
            let read = self.log.try_get_log_entries(from..to + 1).await;
            for entry in read.map_err(|error| trouble(error.to_string()))? {
                let index = entry.log_id.index;
                let Payload::Normal(bytes) = entry.payload else { continue };
                let applied = apply(&mut centre, index, bytes.0)
                    .map_err(|error| trouble(format!("entry {index}: {error}")))?;
                let shared = known.entry(index).or_insert_with(|| Arc::new(applied.clone()));
                let applied = if **shared == applied { shared.clone() } else { Arc::new(applied) };
                acts.push(ReplicaAct::Applied(applied));
            }
            from = to + 1;
        }
        Ok(Run { node, run: 0, started: 0, acts })
    }
}

fn apply(
    centre: &mut Centre,
    index: u64,
    bytes: bytes::Bytes,
) -> Result<AppliedEntry, acd::rejection::Rejection> {
    let entry = decode_entry(bytes)?;
    let mut events = Vec::new();
    let (mut submissions, mut answers) = (Vec::new(), Vec::new());
    centre.begin(index, entry.stamp);
    for submission in &entry.submissions {
        let submission = decode_submission(submission)?;
        submissions.push(submission.clone());
        answers.push(centre.execute(submission, &mut events));
    }
    centre.end(&mut events);
    // As they are told: of a refusal there are the code and the words.
    let told = events.iter().map(|event| event_from_stored(event_to_stored(event)));
    let events = told.collect::<Result<Vec<Event>, _>>()?;
    let hash = centre.state_hash();
    Ok(AppliedEntry { index, stamp: entry.stamp, submissions, answers, events, hash })
}

/// The records on a node's disk that are of entries up to this one.
pub(super) fn records(data: &Path, upto: u64) -> FinalRecords {
    let disk = Arc::new(RealDisk::new(data));
    let store = match RecordStore::open(disk, Box::new(MemoryIndex::default())) {
        Ok(store) => store,
        Err(error) => {
            return FinalRecords { damaged: Some(error.to_string()), ..Default::default() };
        }
    };
    let covered_to = store.covered_to().map(|to| to.min(upto));
    let mut found = FinalRecords { covered_to, missing: store.missing(), ..Default::default() };
    let segments = store.segments();
    if let Some(first) = segments.first().map(|segment| segment.from).filter(|first| *first > 1) {
        found.missing.insert(0, 0..=first - 1);
    }
    for segment in segments {
        match store.records(segment.from..=segment.to) {
            Ok(records) => found.records.extend(records.into_iter().filter(|r| r.index <= upto)),
            Err(error) => found.damaged = Some(error.to_string()),
        }
    }
    found
}
