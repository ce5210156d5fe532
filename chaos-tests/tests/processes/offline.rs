//! What the files of a stopped node say, read without the node: the latest snapshot, the log after
//! it applied to a centre, and the records.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use acd::Centre;
use acd::codec::{decode_entry, decode_submission};
use acd::event::{ContactEvent, Event};
use acd::ids::ContactId;
use acd::record::{ContactRecord, Record};
use acd::snapshot::Restorer;
use node::raft::Payload;
use node::seams::RealDisk;
use node::storage::records::{MemoryIndex, RecordStore};
use node::storage::{FileLog, LogSettings, SnapshotStore, StorageError};
use openraft::storage::{RaftLogReader, RaftLogStorage};
use openraft_rt_tokio::TokioRuntime;

/// How far a node's files go.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// What the latest snapshot covers.
    pub snapshot: u64,
    /// The last entry of the log.
    pub last: u64,
}

/// A node's state at an index, and its records up to there.
pub struct Offline {
    pub centre: Centre,
    /// Records in segments, and those that the log makes again.
    pub records: BTreeMap<ContactId, Vec<ContactRecord>>,
    /// How many of them were in segments.
    pub in_segments: usize,
}

fn open(data: &Path) -> (RealDisk, FileLog<TokioRuntime>) {
    let disk = RealDisk::new(data);
    let log = FileLog::open(&disk, LogSettings::default());
    (disk, log.unwrap_or_else(|error| panic!("{}: {error}", data.display())))
}

/// Reads how far a node's files go.
pub async fn extent(data: &Path) -> Extent {
    let (disk, mut log) = open(data);
    let snapshots = SnapshotStore::open(Arc::new(disk)).expect("snapshots");
    let snapshot = snapshots.latest().expect("a good snapshot");
    let snapshot = snapshot.and_then(|snapshot| snapshot.meta.last_log_id);
    let last = log.get_log_state().await.expect("a log").last_log_id;
    Extent { snapshot: snapshot.map_or(0, |id| id.index), last: last.map_or(0, |id| id.index) }
}

/// Restores a node's state as it was when `upto` was applied.
pub async fn restore(data: &Path, upto: u64) -> Offline {
    let (disk, mut log) = open(data);
    let snapshots = SnapshotStore::open(Arc::new(disk.clone())).expect("snapshots");
    let (mut centre, covered) = match snapshots.latest().expect("a good snapshot") {
        None => (Centre::new(), 0),
        Some(snapshot) => {
            let mut restorer = Some(Restorer::new());
            let read = snapshot.read_payload::<StorageError>(|chunk| {
                let so_far = restorer.take().expect("it is put back");
                restorer = Some(so_far.push(chunk).expect("what a node wrote can be read"));
                Ok(())
            });
            read.expect("a good snapshot");
            let centre = restorer.expect("it is put back").finish().expect("a whole snapshot");
            (centre, snapshot.meta.last_log_id.map_or(0, |id| id.index))
        }
    };
    let store = RecordStore::open(Arc::new(disk), Box::new(MemoryIndex::default()));
    let store = store.expect("records");
    let mut records = BTreeMap::<ContactId, Vec<ContactRecord>>::new();
    let mut keep = |record: Record| {
        if let Record::Contact(record) = record {
            records.entry(record.contact.clone()).or_default().push(*record);
        }
    };
    assert_eq!(store.missing(), [], "{}", data.display());
    let mut in_segments = 0;
    for segment in store.segments() {
        for logged in store.records(segment.from..=segment.to).expect("a good segment") {
            in_segments += 1;
            keep(logged.record);
        }
    }
    if let (Some(first), Some(to)) = (store.segments().first(), store.covered_to()) {
        assert!(first.from <= 1, "{}: records from {}", data.display(), first.from);
        assert!(to >= covered, "{}: records up to {to} of {covered}", data.display());
    } else {
        assert_eq!(covered, 0, "{}: a snapshot without records", data.display());
    }
    let recorded = store.covered_to().unwrap_or(0);

    let range = covered + u64::from(covered > 0)..upto + 1;
    for entry in log.try_get_log_entries(range).await.expect("entries") {
        let Payload::Normal(bytes) = entry.payload else { continue };
        let index = entry.log_id.index;
        let entry = decode_entry(bytes.0).expect("what a node wrote can be read");
        let mut events = Vec::new();
        centre.begin(index, entry.stamp);
        for submission in &entry.submissions {
            // Answers went to whoever asked.
            let _ = decode_submission(submission)
                .and_then(|submission| centre.execute(submission, &mut events));
        }
        centre.end(&mut events);
        for event in events {
            if let Event::Contact { what: ContactEvent::Closed(record), .. } = event
                && index > recorded
            {
                keep(Record::Contact(record));
            }
        }
    }
    Offline { centre, records, in_segments }
}
