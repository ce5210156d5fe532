use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::FileExt;

use super::*;
use crate::raft::{LeaderId, LogId, Member, Membership, StoredMembership};
use crate::seams::RealDisk;

fn meta(index: u64) -> SnapshotMeta {
    let id = LogId::new(LeaderId { term: 3, node_id: 2 }, index);
    let member = Member { address: "10.0.0.1:1".into(), site: "kyiv".into(), incarnation: 7 };
    let membership =
        Membership::new(vec![BTreeSet::from([1])], BTreeMap::from([(1, member)])).unwrap();
    let last_membership = StoredMembership::new(Some(id), membership);
    SnapshotMeta { last_log_id: Some(id), last_membership }
}

fn new_store() -> (tempfile::TempDir, SnapshotStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = SnapshotStore::open(Arc::new(RealDisk::new(folder.path()))).unwrap();
    (folder, store)
}

fn write(store: &SnapshotStore, index: u64, payload: &[u8]) -> Snapshot {
    let mut writer = store.writer(&meta(index)).unwrap();
    for piece in payload.chunks(100) {
        writer.write(piece).unwrap();
    }
    writer.finish().unwrap()
}

fn payload(snapshot: &Snapshot) -> Result<Vec<u8>, StorageError> {
    let mut bytes = Vec::new();
    snapshot.read_payload(|piece| {
        bytes.extend_from_slice(piece);
        Ok::<_, StorageError>(())
    })?;
    Ok(bytes)
}

fn raw(snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = vec![0; snapshot.length() as usize];
    assert_eq!(snapshot.read_raw(0, &mut bytes).unwrap(), bytes.len());
    bytes
}

fn files(folder: &tempfile::TempDir) -> Vec<String> {
    RealDisk::new(folder.path()).list(SNAPSHOT_FOLDER).unwrap()
}

#[test]
fn the_snapshot_that_covers_most_is_the_latest() {
    let (folder, store) = new_store();
    assert!(store.latest().unwrap().is_none());
    for index in [9, 100, 10] {
        write(&store, index, format!("state at {index}").as_bytes());
    }
    let latest = store.latest().unwrap().unwrap();
    assert_eq!(latest.meta, meta(100));
    assert_eq!(payload(&latest).unwrap(), b"state at 100");
    let reopened = SnapshotStore::open(Arc::new(RealDisk::new(folder.path()))).unwrap();
    assert_eq!(reopened.latest().unwrap().unwrap().meta, meta(100));
}

#[test]
fn an_empty_snapshot_of_nothing_can_be_kept() {
    let (_folder, store) = new_store();
    let nothing = SnapshotMeta { last_log_id: None, last_membership: Default::default() };
    store.writer(&nothing).unwrap().finish().unwrap();
    let latest = store.latest().unwrap().unwrap();
    assert_eq!((latest.meta.clone(), payload(&latest).unwrap()), (nothing, vec![]));
}

#[test]
fn older_ones_are_removed_and_can_still_be_read_by_who_has_them_open() {
    let (folder, store) = new_store();
    let old = write(&store, 1, b"old");
    let new = write(&store, 2, b"new");
    let newest = write(&store, 3, b"newest");
    store.keep_only(&new).unwrap();
    assert_eq!(files(&folder), [name(&new.meta), name(&newest.meta)]);
    assert_eq!(payload(&old).unwrap(), b"old");
}

#[test]
fn a_snapshot_that_was_not_finished_never_was() {
    let (folder, store) = new_store();
    let mut writer = store.writer(&meta(1)).unwrap();
    writer.write(b"half").unwrap();
    assert!(store.latest().unwrap().is_none());
    assert_eq!(files(&folder).len(), 1);
    drop(writer);
    assert_eq!(files(&folder).len(), 0);

    // As a crash leaves it.
    fs::write(folder.path().join(SNAPSHOT_FOLDER).join("1.snap.0.tmp"), b"half").unwrap();
    SnapshotStore::open(Arc::new(RealDisk::new(folder.path()))).unwrap();
    assert_eq!(files(&folder).len(), 0);
}

#[test]
fn a_peer_receives_the_same_file() {
    let (_folder, store) = new_store();
    let (folder, peer) = new_store();
    let sent = write(&store, 5, &[7; 1_000]);
    let mut receiver = peer.receiver().unwrap();
    for piece in raw(&sent).chunks(300) {
        receiver.write(piece).unwrap();
    }
    assert_eq!(receiver.length(), sent.length());
    let received = receiver.finish().unwrap();
    assert_eq!(received.meta, sent.meta);
    assert_eq!(raw(&received), raw(&sent));
    assert!(peer.latest().unwrap().is_none(), "not before Raft has taken it");
    received.keep().unwrap();
    assert_eq!(files(&folder), [name(&sent.meta)]);
    assert_eq!(raw(&received), raw(&sent));
}

#[test]
fn one_that_raft_does_not_take_leaves_no_trace() {
    let (_folder, store) = new_store();
    let (folder, peer) = new_store();
    let mut receiver = peer.receiver().unwrap();
    receiver.write(&raw(&write(&store, 5, &[7; 1_000]))).unwrap();
    drop(receiver.finish().unwrap());
    assert_eq!(files(&folder).len(), 0);
}

#[test]
fn a_changed_byte_is_noticed_wherever_it_is() {
    let (folder, store) = new_store();
    let snapshot = write(&store, 5, b"the state of the contact centre");
    let good = raw(&snapshot);
    let path = folder.path().join(SNAPSHOT_FOLDER).join(name(&snapshot.meta));
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    for at in 0..good.len() {
        file.write_all_at(&[good[at] ^ 0x20], at as u64).unwrap();
        let read = store.latest().and_then(|latest| payload(&latest.unwrap()));
        let error = read.unwrap_err();
        assert_eq!(error.code(), "E-SNAPSHOT-DAMAGED", "byte {at}");
        file.write_all_at(&good[at..=at], at as u64).unwrap();
    }
    for length in (0..good.len()).rev() {
        file.set_len(length as u64).unwrap();
        let read = store.latest().and_then(|latest| payload(&latest.unwrap()));
        assert_eq!(read.unwrap_err().code(), "E-SNAPSHOT-DAMAGED", "{length} bytes");
    }
}

#[test]
fn a_damaged_snapshot_from_a_peer_gets_no_name() {
    let (_folder, store) = new_store();
    let good = raw(&write(&store, 5, b"the state of the contact centre"));
    let (folder, peer) = new_store();
    let receive = |bytes: &[u8]| {
        let mut receiver = peer.receiver().unwrap();
        receiver.write(bytes).unwrap();
        receiver.finish().map(drop).unwrap_err()
    };
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x20;
        assert_eq!(receive(&bytes).code(), "E-SNAPSHOT-REFUSED", "byte {at}");
        assert_eq!(receive(&good[..at]).code(), "E-SNAPSHOT-REFUSED", "{at} bytes");
    }
    assert_eq!(files(&folder).len(), 0);
    assert!(peer.latest().unwrap().is_none());
}

/// Such bytes are on people's disks.
#[test]
fn the_bytes_of_a_snapshot_do_not_change() {
    let (_folder, store) = new_store();
    let bytes = raw(&write(&store, 5, b"hi"));
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "51432d534e41500a000000010000005ce678140f4d5423b9c6e7d67c12107b9b0a0608031002180512370a06080310021805122d0a030a010112260801120a31302e302e302e313a311a046b79697622100000000000000000000000000000000719020000000000000022107d596ce5fcabaf622a2300bbd7ea6e9a6869"
    );
}
