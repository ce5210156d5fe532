//! What a log does when nothing is wrong but crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use bytes::Bytes;
use futures::StreamExt;
use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use openraft_rt_tokio::TokioRuntime;

use super::*;
use crate::raft::{Entry, EntryBytes, LeaderId, LogId, Member, Membership, Payload, Vote};

pub(super) type Log = FileLog<TokioRuntime>;

pub(super) fn id(term: u64, index: u64) -> LogId {
    LogId::new(LeaderId { term, node_id: 1 }, index)
}

pub(super) fn vote(term: u64) -> Vote {
    Vote { leader_id: LeaderId { term, node_id: 1 }, committed: false }
}

pub(super) fn entry(term: u64, index: u64, bytes: usize) -> Entry {
    let payload = Payload::Normal(EntryBytes(Bytes::from(vec![index as u8; bytes])));
    Entry { log_id: id(term, index), payload }
}

pub(super) fn membership(term: u64, index: u64) -> Entry {
    let member = Member { address: "10.0.0.1:7101".into(), site: "kyiv".into(), incarnation: 7 };
    let membership = Membership::new(vec![BTreeSet::from([1])], BTreeMap::from([(1, member)]));
    Entry { log_id: id(term, index), payload: Payload::Membership(membership.unwrap()) }
}

pub(super) async fn append(log: &mut Log, entries: impl IntoIterator<Item = Entry>) {
    let (tell, told) = Types::<TokioRuntime>::oneshot();
    let entries: Vec<_> = entries.into_iter().collect();
    log.append(entries, IOFlushed::signal(tell)).await.unwrap();
    told.await.unwrap().unwrap();
}

pub(super) async fn all(log: &mut Log) -> Vec<Entry> {
    log.try_get_log_entries(..).await.unwrap()
}

pub(super) fn settings(chunk_bytes: usize) -> LogSettings {
    LogSettings { chunk_bytes, ..Default::default() }
}

pub(super) fn open(disk: &RealDisk) -> Result<Log, StorageError> {
    Log::open(disk, LogSettings::default())
}

pub(super) fn create(disk: &RealDisk) -> Log {
    Log::open_or_create(disk, LogSettings::default()).unwrap()
}

pub(super) fn new_disk() -> (tempfile::TempDir, RealDisk) {
    let folder = tempfile::tempdir().unwrap();
    let disk = RealDisk::new(folder.path());
    (folder, disk)
}

/// What the disk holds at this moment, in another folder: what a crash leaves.
pub(super) fn crashed(disk: &RealDisk) -> (tempfile::TempDir, RealDisk) {
    let (folder, copy) = new_disk();
    fs::create_dir_all(folder.path().join(LOG_FOLDER)).unwrap();
    fs::copy(disk.root().join("log-mark"), folder.path().join("log-mark")).unwrap();
    for path in chunk_files(disk) {
        let name = path.file_name().unwrap();
        fs::copy(&path, folder.path().join(LOG_FOLDER).join(name)).unwrap();
    }
    (folder, copy)
}

pub(super) fn chunk_files(disk: &RealDisk) -> Vec<PathBuf> {
    let files = fs::read_dir(disk.root().join(LOG_FOLDER)).unwrap();
    let mut files: Vec<_> = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "wal"))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_crash() {
    let (_folder, disk) = new_disk();
    let mut log = create(&disk);
    log.save_vote(&vote(3)).await.unwrap();
    let entries = [membership(3, 0), entry(3, 1, 10), entry(3, 2, 0)];
    append(&mut log, entries.clone()).await;

    let (_copy, disk) = crashed(&disk);
    let mut log = open(&disk).unwrap();
    assert_eq!(log.read_vote().await.unwrap(), Some(vote(3)));
    assert_eq!(all(&mut log).await, entries);
    let state = log.get_log_state().await.unwrap();
    assert_eq!((state.last_purged_log_id, state.last_log_id), (None, Some(id(3, 2))));
}

#[tokio::test]
async fn a_new_log_is_empty() {
    let (_folder, disk) = new_disk();
    let mut log = create(&disk);
    assert_eq!(log.read_vote().await.unwrap(), None);
    assert_eq!(log.read_committed().await.unwrap(), None);
    assert_eq!(all(&mut log).await, []);
    drop(log);
    assert!(open(&disk).is_ok());
}

#[tokio::test]
async fn a_truncated_end_is_replaced_by_another_leaders() {
    let (_folder, disk) = new_disk();
    let mut log = create(&disk);
    append(&mut log, (0..5).map(|index| entry(1, index, 4))).await;
    log.truncate_after(Some(id(1, 2))).await.unwrap();
    // Nothing there: nothing to do.
    log.truncate_after(Some(id(1, 2))).await.unwrap();
    append(&mut log, [entry(2, 3, 4)]).await;

    let (_copy, disk) = crashed(&disk);
    let mut log = open(&disk).unwrap();
    let ids: Vec<_> = all(&mut log).await.iter().map(|entry| entry.log_id).collect();
    assert_eq!(ids, [id(1, 0), id(1, 1), id(1, 2), id(2, 3)]);
    log.truncate_after(None).await.unwrap();
    assert_eq!(all(&mut log).await, []);
}

#[tokio::test]
async fn each_write_is_timed_until_it_is_durable() {
    let (_folder, disk) = new_disk();
    let mut log = create(&disk);
    let timed = |log: &Log| {
        let times = log.flush_times().read();
        times.buckets.iter().map(|(_, count)| count).sum::<u64>()
    };
    assert_eq!(timed(&log), 0);
    append(&mut log, [entry(1, 0, 4), entry(1, 1, 4)]).await;
    log.save_vote(&vote(2)).await.unwrap();
    assert_eq!(timed(&log), 2);
}

#[tokio::test]
async fn a_log_may_be_purged_past_its_end_by_a_snapshot() {
    let (_folder, disk) = new_disk();
    let mut log = create(&disk);
    append(&mut log, [entry(1, 0, 4)]).await;
    // The snapshot commits what the log does not have.
    log.save_committed(Some(id(4, 100))).await.unwrap();
    log.purge(id(4, 100)).await.unwrap();
    append(&mut log, [entry(4, 101, 4)]).await;

    let (_copy, disk) = crashed(&disk);
    let mut log = open(&disk).unwrap();
    assert_eq!(all(&mut log).await, [entry(4, 101, 4)]);
    let state = log.get_log_state().await.unwrap();
    assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(id(4, 100)), Some(id(4, 101))));
}

#[tokio::test]
async fn what_is_committed_is_remembered_over_an_orderly_stop() {
    let (_folder, disk) = new_disk();
    let mut log = create(&disk);
    append(&mut log, [entry(1, 0, 4), entry(1, 1, 4)]).await;
    log.save_committed(Some(id(1, 1))).await.unwrap();
    drop(log);
    let mut log = open(&disk).unwrap();
    assert_eq!(log.read_committed().await.unwrap(), Some(id(1, 1)));
}

#[tokio::test]
async fn purging_removes_whole_files_and_keeps_the_rest_readable() {
    let (_folder, disk) = new_disk();
    let mut log = Log::open_or_create(&disk, settings(1_000)).unwrap();
    append(&mut log, (0..100).map(|index| entry(1, index, 50))).await;
    let (size, files) = (log.on_disk_size(), chunk_files(&disk).len());
    assert!(files > 5, "{files} files");
    log.purge(id(1, 89)).await.unwrap();
    log.mark().unwrap();
    assert!(log.on_disk_size() < size / 3);
    assert!(chunk_files(&disk).len() < files / 3);

    let expected: Vec<_> = (90..100).map(|index| entry(1, index, 50)).collect();
    assert_eq!(all(&mut log).await, expected);
    let (_copy, disk) = crashed(&disk);
    assert_eq!(all(&mut open(&disk).unwrap()).await, expected);
}

#[tokio::test]
async fn entries_that_left_the_memory_are_read_from_the_files() {
    let (_folder, disk) = new_disk();
    let tiny = LogSettings { chunk_bytes: 2_000, cache_bytes: 1_000 };
    let mut log = Log::open_or_create(&disk, tiny).unwrap();
    let entries: Vec<_> = (0..1_000).map(|index| entry(1, index, 50)).collect();
    for batch in entries.chunks(10) {
        append(&mut log, batch.to_vec()).await;
    }
    let cached_from = log.shared.cached_from.load(Ordering::Relaxed);
    assert!(cached_from > 500, "from {cached_from} on in memory");
    assert_eq!(all(&mut log).await, entries);
    assert_eq!(log.try_get_log_entries(3..=4).await.unwrap(), entries[3..5]);
    assert_eq!(log.try_get_log_entries(998..).await.unwrap(), entries[998..]);
}

#[tokio::test]
async fn a_read_for_a_peer_is_bounded_by_bytes_and_never_empty() {
    let (_folder, disk) = new_disk();
    let mut log = create(&disk);
    append(&mut log, (0..10).map(|index| entry(1, index, 400 << 10))).await;
    append(&mut log, [entry(1, 10, 3 << 20)]).await;
    assert_eq!(log.limited_get_log_entries(0, 11).await.unwrap().len(), 3);
    assert_eq!(log.limited_get_log_entries(10, 11).await.unwrap().len(), 1);
    assert_eq!(log.limited_get_log_entries(2, 2).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_stream_reads_a_long_log_in_pieces() {
    let (_folder, disk) = new_disk();
    let mut log = create(&disk);
    append(&mut log, (0..10).map(|index| entry(1, index, 400 << 10))).await;
    log.purge(id(1, 1)).await.unwrap();
    let entries: Vec<_> = log.entries_stream(0..9).await.collect().await;
    let indexes: Vec<_> = entries.into_iter().map(|entry| entry.unwrap().log_id.index).collect();
    assert_eq!(indexes, [2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(log.entries_stream(3..3).await.count().await, 0);
    assert_eq!(log.entries_stream(20..30).await.count().await, 0);
}

#[tokio::test]
async fn one_process_has_the_log() {
    let (_folder, disk) = new_disk();
    let log = create(&disk);
    assert_eq!(open(&disk).err().map(|e| e.code()), Some("E-LOG-IN-USE"));
    drop(log);
    assert!(open(&disk).is_ok());
}

#[tokio::test]
async fn who_waits_for_a_sync_is_told_when_the_writer_is_gone() {
    let (tell, told) = Types::<TokioRuntime>::oneshot();
    let times = Arc::new(flush_times());
    drop(flushed::Flushed::<TokioRuntime>::new(IOFlushed::signal(tell), Default::default(), times));
    let told: io::Result<()> = told.await.unwrap();
    assert_eq!(told.unwrap_err().to_string(), "the writer of the log has stopped");
}
