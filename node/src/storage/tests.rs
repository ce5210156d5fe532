//! Every file gets its name when it is durable, whoever writes it.

use std::io;
use std::sync::{Arc, Mutex};

use super::*;
use crate::raft::SnapshotMeta;
use crate::seams::{Disk, DiskFile, RealDisk};

/// A disk that notes what it is asked.
#[derive(Clone)]
struct Watched {
    disk: RealDisk,
    calls: Arc<Mutex<Vec<Call>>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Call {
    Write(String),
    Sync(String),
    Rename(String, String),
    SyncFolder(String),
}

struct WatchedFile {
    file: Box<dyn DiskFile>,
    path: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Watched {
    fn new() -> (tempfile::TempDir, Self) {
        let folder = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(folder.path());
        (folder, Self { disk, calls: Arc::default() })
    }

    fn note(&self, call: Call) {
        self.calls.lock().unwrap().push(call);
    }

    fn watch(&self, file: Box<dyn DiskFile>, path: &str) -> Box<dyn DiskFile> {
        Box::new(WatchedFile { file, path: path.into(), calls: self.calls.clone() })
    }

    /// Writes, then one sync, then the name, then the folders, and nothing else.
    fn must_have_published(&self, folder: &str, name: &str) {
        let calls = std::mem::take(&mut *self.calls.lock().unwrap());
        let wrote = calls.iter().take_while(|call| matches!(call, Call::Write(_))).count();
        assert!(wrote > 0, "{calls:?}");
        let [Call::Sync(synced), Call::Rename(from, to), folders @ ..] = &calls[wrote..] else {
            panic!("{calls:?}");
        };
        assert!(calls[..wrote].iter().all(|call| *call == Call::Write(synced.clone())));
        assert_eq!((from, to.as_str()), (synced, framed::path(folder, name).as_str()));
        let own = Call::SyncFolder(folder.into());
        let above = Call::SyncFolder(String::new());
        let expected = if folder.is_empty() { vec![own] } else { vec![own, above] };
        assert_eq!(folders, expected);
    }
}

impl Disk for Watched {
    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.disk.list(folder)
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.watch(self.disk.create(path)?, path))
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.watch(self.disk.open(path)?, path))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.note(Call::Rename(from.into(), to.into()));
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.note(Call::SyncFolder(folder.into()));
        self.disk.sync_folder(folder)
    }
}

impl DiskFile for WatchedFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.calls.lock().unwrap().push(Call::Write(self.path.clone()));
        self.file.write_at(offset, bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, buffer)
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn sync(&mut self) -> io::Result<()> {
        self.calls.lock().unwrap().push(Call::Sync(self.path.clone()));
        self.file.sync()
    }
}

#[test]
fn a_marker_is_durable_before_it_has_its_name() {
    let (_folder, disk) = Watched::new();
    let marker = Marker { cluster: 1, node: 2, incarnation: 3, site: "kyiv".into() };
    marker.create(&disk).unwrap();
    disk.must_have_published("", marker::MARKER);
}

#[test]
fn a_snapshot_is_durable_before_it_has_its_name() {
    let (_folder, disk) = Watched::new();
    let store = SnapshotStore::open(Arc::new(disk.clone())).unwrap();
    let meta = SnapshotMeta { last_log_id: None, last_membership: Default::default() };
    let mut writer = store.writer(&meta).unwrap();
    writer.write(b"one").unwrap();
    writer.write(b"two").unwrap();
    let snapshot = writer.finish().unwrap();
    let name = "00000000000000000000-00000000000000000000-00000000000000000000.snap";
    disk.must_have_published(snapshots::SNAPSHOT_FOLDER, name);

    let mut receiver = store.receiver().unwrap();
    let mut bytes = vec![0; snapshot.length() as usize];
    snapshot.read_raw(0, &mut bytes).unwrap();
    receiver.write(&bytes).unwrap();
    receiver.finish().unwrap().keep().unwrap();
    disk.must_have_published(snapshots::SNAPSHOT_FOLDER, name);
}

#[test]
fn a_segment_of_records_is_durable_before_it_has_its_name() {
    let (_folder, disk) = Watched::new();
    let index = Box::new(records::MemoryIndex::default());
    let store = RecordStore::open(Arc::new(disk.clone()), index).unwrap();
    store.write_segment(3..=7, vec![]).unwrap();
    let name = "00000000000000000003-00000000000000000007.seg";
    disk.must_have_published(records::RECORD_FOLDER, name);
}
