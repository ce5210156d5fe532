//! Files that remember what was synced.
//!
//! After a power cut a file has its synced bytes and a prefix of the writes since, the last of them
//! perhaps in part; a folder has its synced names and a prefix of the creations, renames and
//! removals since. Which prefix, the seed says. Creating a file over another empties that other
//! one, and the emptying may last where what was written after it does not. A killed process loses
//! nothing: the machine goes on to have what was written.
//!
//! Unlike some file systems, syncing a file does not make its name durable, and folders themselves
//! are never lost.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use node::seams::{Disk, DiskFile};
use rand::RngExt;
use rand::rngs::SmallRng;

use super::{Crash, Host, Life, World, lock};

/// What an fsync takes, unless set otherwise.
pub const FSYNC: Range<Duration> = Duration::from_micros(150)..Duration::from_micros(600);

/// A host's data folder. A cheap handle; it outlives the host's crashes.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    world: World,
    host: Host,
}

type Inode = u64;

struct State {
    rng: SmallRng,
    next_inode: Inode,
    files: BTreeMap<Inode, File>,
    names: BTreeMap<String, Inode>,
    durable_names: BTreeMap<String, Inode>,
    /// What happened to names since their folder was synced, in order.
    name_changes: Vec<NameChange>,
    fsync: Range<Duration>,
    capacity: u64,
    write_error: Option<io::ErrorKind>,
    /// How many changes there have been: writes, syncs, creations, renames and removals.
    changes: u64,
    crash_at_change: Option<u64>,
}

#[derive(Default)]
struct File {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// What happened to the bytes since the last sync, in order.
    changes: Vec<Change>,
}

enum Change {
    Emptied,
    Written { offset: usize, bytes: Vec<u8> },
}

enum NameChange {
    Created { path: String, inode: Inode },
    Renamed { from: String, to: String },
    Removed { path: String },
}

impl NameChange {
    fn folder(&self) -> &str {
        let (Self::Created { path, .. } | Self::Renamed { to: path, .. } | Self::Removed { path }) =
            self;
        folder_of(path)
    }

    fn apply(&self, names: &mut BTreeMap<String, Inode>) {
        match self {
            Self::Created { path, inode } => {
                names.insert(path.clone(), *inode);
            }
            Self::Renamed { from, to } => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            Self::Removed { path } => {
                names.remove(path);
            }
        }
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn write(into: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if into.len() < end {
        into.resize(end, 0);
    }
    into[offset..end].copy_from_slice(bytes);
}

impl SimDisk {
    /// An empty disk of a host.
    pub fn new(world: &World, host: Host) -> Self {
        let state = Arc::new(Mutex::new(State {
            rng: world.rng(),
            next_inode: 0,
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            fsync: FSYNC,
            capacity: u64::MAX,
            write_error: None,
            changes: 0,
            crash_at_change: None,
        }));
        let weak = Arc::downgrade(&state);
        world.on_crash(move |crashed, how| {
            if crashed == host
                && let Some(state) = weak.upgrade()
            {
                let mut state = lock(&state);
                state.crash_at_change = None;
                if how == Crash::Power {
                    state.lose_power();
                }
            }
        });
        Self { state, world: world.clone(), host }
    }

    /// Sets how long an fsync takes, as seen by blocking work
    /// ([`spawn_blocking`](openraft_rt::AsyncRuntime::spawn_blocking)).
    pub fn set_fsync(&self, takes: Range<Duration>) {
        self.state().fsync = takes;
    }

    /// Makes every write, sync, creation, rename and removal fail, or no longer.
    pub fn fail_writes(&self, with: Option<io::ErrorKind>) {
        self.state().write_error = with;
    }

    /// Sets how many bytes all files together may have.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// Cuts the host's power right after so many more changes, `1` being the next: writes, syncs,
    /// creations, renames and removals. The host's crash at any earlier time takes it back.
    pub fn crash_at_change(&self, nth: u64) {
        let mut state = self.state();
        state.crash_at_change = Some(state.changes + nth);
    }

    /// Replaces the disk by an empty one. Its host should have crashed.
    pub fn wipe(&self) {
        let mut state = self.state();
        state.files.clear();
        state.names.clear();
        state.durable_names.clear();
        state.name_changes.clear();
    }

    /// Changes one byte of a file, written and synced alike, as a failing disk does.
    pub fn corrupt(&self, path: &str, offset: u64) -> io::Result<()> {
        let mut state = self.state();
        let inode = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        let file = state.file(inode)?;
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        for bytes in [&mut file.bytes, &mut file.durable] {
            if let Some(byte) = bytes.get_mut(offset) {
                *byte ^= 0x40;
            }
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The state, for code that changes it and has not lost its life meanwhile.
    fn writable(&self, life: Life) -> io::Result<MutexGuard<'_, State>> {
        self.check_alive(life)?;
        let state = self.state();
        match state.write_error {
            Some(kind) => Err(kind.into()),
            None => Ok(state),
        }
    }

    fn check_alive(&self, life: Life) -> io::Result<()> {
        if self.world.is_alive(life) {
            Ok(())
        } else {
            Err(io::Error::other("the host has crashed"))
        }
    }

    /// Counts a change that was made, and crashes the host if it was to.
    fn changed(&self) -> io::Result<()> {
        let crashes = {
            let mut state = self.state();
            state.changes += 1;
            state.crash_at_change == Some(state.changes)
        };
        if crashes {
            self.world.crash(self.host);
            return Err(io::Error::other("the host has crashed"));
        }
        Ok(())
    }

    fn life(&self) -> Life {
        self.world.life_acting_for(self.host)
    }

    fn handle(&self, inode: Inode, writable: bool) -> Box<dyn DiskFile> {
        let life = self.life();
        Box::new(SimFile { disk: self.clone(), inode, life, writable })
    }

    fn charge_fsync(&self) {
        let cost = {
            let mut state = self.state();
            let takes = state.fsync.clone();
            if takes.is_empty() { takes.start } else { state.rng.random_range(takes) }
        };
        self.world.charge_blocking(cost);
    }
}

impl State {
    fn file(&mut self, inode: Inode) -> io::Result<&mut File> {
        // Lost with the power, if it is not there: its name was not durable.
        self.files.get_mut(&inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn used(&self) -> u64 {
        self.files.values().map(|f| f.bytes.len() as u64).sum()
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }

    fn lose_power(&mut self) {
        let changes = std::mem::take(&mut self.name_changes);
        // Folders are written back independently of each other.
        let mut kept: BTreeMap<String, usize> = BTreeMap::new();
        for change in &changes {
            *kept.entry(change.folder().to_owned()).or_default() += 1;
        }
        for count in kept.values_mut() {
            *count = self.rng.random_range(0..=*count);
        }
        for change in changes {
            if let Some(left) = kept.get_mut(change.folder())
                && *left > 0
            {
                *left -= 1;
                change.apply(&mut self.durable_names);
            }
        }
        self.names.clone_from(&self.durable_names);
        let names = &self.names;
        self.files.retain(|inode, _| names.values().any(|named| named == inode));
        for file in self.files.values_mut() {
            file.lose_power(&mut self.rng);
        }
    }
}

impl File {
    fn lose_power(&mut self, rng: &mut SmallRng) {
        let mut left = rng.random_range(0..=self.changes.len());
        let torn = rng.random_bool(0.5);
        for change in self.changes.drain(..) {
            match change {
                Change::Emptied if left > 0 => self.durable.clear(),
                Change::Written { offset, bytes } if left > 0 => {
                    write(&mut self.durable, offset, &bytes);
                }
                Change::Written { offset, bytes } if torn && !bytes.is_empty() => {
                    let part = rng.random_range(0..bytes.len());
                    write(&mut self.durable, offset, &bytes[..part]);
                    break;
                }
                _ => break,
            }
            left -= 1;
        }
        self.changes.clear();
        self.bytes.clone_from(&self.durable);
    }
}

impl Disk for SimDisk {
    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let state = self.state();
        let inside = state.names.keys().filter(|path| folder_of(path) == folder);
        let name = |path: &String| path.rsplit('/').next().unwrap_or(path).to_owned();
        Ok(inside.map(name).collect())
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.writable(self.life())?;
        let inode = match state.names.get(path).copied() {
            Some(inode) => {
                let file = state.file(inode)?;
                file.bytes.clear();
                file.changes.push(Change::Emptied);
                inode
            }
            None => {
                state.next_inode += 1;
                let inode = state.next_inode;
                state.files.insert(inode, File::default());
                state.change_name(NameChange::Created { path: path.to_owned(), inode });
                inode
            }
        };
        drop(state);
        self.changed()?;
        Ok(self.handle(inode, true))
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let inode = *self.state().names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(inode, false))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.writable(self.life())?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        assert_eq!(folder_of(from), folder_of(to), "a rename stays in its folder");
        state.change_name(NameChange::Renamed { from: from.to_owned(), to: to.to_owned() });
        drop(state);
        self.changed()
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.writable(self.life())?;
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_name(NameChange::Removed { path: path.to_owned() });
        drop(state);
        self.changed()
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.charge_fsync();
        let mut state = self.writable(self.life())?;
        let changes = std::mem::take(&mut state.name_changes);
        let (synced, others) =
            changes.into_iter().partition::<Vec<_>, _>(|change| change.folder() == folder);
        state.name_changes = others;
        for change in synced {
            change.apply(&mut state.durable_names);
        }
        drop(state);
        self.changed()
    }
}

struct SimFile {
    disk: SimDisk,
    inode: Inode,
    /// Files opened before a crash are of no use after it.
    life: Life,
    writable: bool,
}

impl DiskFile for SimFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut state = self.disk.writable(self.life)?;
        let end = offset.saturating_add(bytes.len() as u64);
        let room = state.capacity.saturating_sub(state.used());
        let file = state.file(self.inode)?;
        if end.saturating_sub(file.bytes.len() as u64) > room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        write(&mut file.bytes, offset, bytes);
        file.changes.push(Change::Written { offset, bytes: bytes.to_vec() });
        drop(state);
        self.disk.changed()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.disk.check_alive(self.life)?;
        let mut state = self.disk.state();
        let bytes = &state.file(self.inode)?.bytes;
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let there = bytes.get(offset..).unwrap_or_default();
        let read = there.len().min(buffer.len());
        buffer[..read].copy_from_slice(&there[..read]);
        Ok(read)
    }

    fn length(&self) -> io::Result<u64> {
        self.disk.check_alive(self.life)?;
        Ok(self.disk.state().file(self.inode)?.bytes.len() as u64)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.charge_fsync();
        let mut state = self.disk.writable(self.life)?;
        let file = state.file(self.inode)?;
        file.durable.clone_from(&file.bytes);
        file.changes.clear();
        drop(state);
        self.disk.changed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::run;

    const NODE: Host = Host::Node(1);

    fn write_all(disk: &SimDisk, path: &str, bytes: &[u8], sync: bool) {
        let mut file = disk.create(path).expect("a file");
        file.write_at(0, bytes).expect("written");
        if sync {
            file.sync().expect("synced");
        }
    }

    fn read_all(disk: &SimDisk, path: &str) -> Option<Vec<u8>> {
        let file = disk.open(path).ok()?;
        let mut bytes = vec![0; usize::try_from(file.length().ok()?).ok()?];
        file.read_at(0, &mut bytes).ok()?;
        Some(bytes)
    }

    /// What is left of a file after a power cut, over many seeds.
    fn outcomes(write: fn(&SimDisk)) -> Vec<Option<Vec<u8>>> {
        let mut seen = Vec::new();
        for seed in 0..64 {
            let left = run(seed, move |world| async move {
                let disk = SimDisk::new(&world, NODE);
                write(&disk);
                world.crash(NODE);
                read_all(&disk, "folder/file")
            });
            if !seen.contains(&left) {
                seen.push(left);
            }
        }
        seen.sort();
        seen
    }

    #[test]
    fn synced_bytes_and_names_outlive_a_power_cut() {
        let left = outcomes(|disk| {
            write_all(disk, "folder/file", b"ab", true);
            disk.sync_folder("folder").expect("synced");
        });
        assert_eq!(left, [Some(b"ab".to_vec())]);
    }

    #[test]
    fn a_file_whose_name_was_not_synced_may_be_gone() {
        let left = outcomes(|disk| write_all(disk, "folder/file", b"ab", true));
        assert_eq!(left, [None, Some(b"ab".to_vec())]);
    }

    #[test]
    fn unsynced_bytes_may_be_lost_or_torn() {
        let left = outcomes(|disk| {
            write_all(disk, "folder/file", b"ab", false);
            disk.sync_folder("folder").expect("synced");
        });
        assert_eq!(left, [Some(b"".to_vec()), Some(b"a".to_vec()), Some(b"ab".to_vec())]);
    }

    #[test]
    fn a_file_written_over_may_be_neither_old_nor_new() {
        let left = outcomes(|disk| {
            write_all(disk, "folder/file", b"old", true);
            disk.sync_folder("folder").expect("synced");
            write_all(disk, "folder/file", b"n", false);
        });
        assert_eq!(left, [Some(b"".to_vec()), Some(b"n".to_vec()), Some(b"old".to_vec())]);
    }

    #[test]
    fn a_synced_file_renamed_over_another_is_old_or_new() {
        let left = outcomes(|disk| {
            write_all(disk, "folder/file", b"old", true);
            disk.sync_folder("folder").expect("synced");
            write_all(disk, "folder/temporary", b"new", true);
            disk.rename("folder/temporary", "folder/file").expect("renamed");
        });
        assert_eq!(left, [Some(b"new".to_vec()), Some(b"old".to_vec())]);
    }

    #[test]
    fn a_killed_process_loses_no_bytes() {
        run(1, |world| async move {
            let disk = SimDisk::new(&world, NODE);
            write_all(&disk, "file", b"ab", false);
            world.kill(NODE);
            assert_eq!(read_all(&disk, "file"), Some(b"ab".to_vec()));
        });
    }

    #[test]
    fn a_crash_at_a_change_leaves_the_rest_undone() {
        run(1, |world| async move {
            let disk = SimDisk::new(&world, NODE);
            let inner = disk.clone();
            // Create, write, sync, and the fourth: the sync of the folder.
            disk.crash_at_change(4);
            let life = world.life(NODE);
            let work = world.spawn_on(NODE, async move {
                write_all(&inner, "file", b"ab", true);
                assert!(inner.sync_folder("").is_err());
                assert!(inner.create("other").is_err());
            });
            world.ended(life).await;
            assert!(work.await.is_err());
            assert_eq!(disk.list("").expect("a list"), ["file"]);
            assert_eq!(read_all(&disk, "file"), Some(b"ab".to_vec()));
        });
    }

    #[test]
    fn a_full_disk_and_a_failing_one_say_so() {
        run(1, |world| async move {
            let disk = SimDisk::new(&world, NODE);
            disk.set_capacity(3);
            let mut file = disk.create("file").expect("a file");
            file.write_at(0, b"abc").expect("fits");
            let full = file.write_at(3, b"d").expect_err("does not fit");
            assert_eq!(full.kind(), io::ErrorKind::StorageFull);
            disk.fail_writes(Some(io::ErrorKind::ReadOnlyFilesystem));
            assert!(file.sync().is_err());
            assert!(disk.create("other").is_err());
            disk.wipe();
            assert_eq!(disk.list("").expect("a list"), Vec::<String>::new());
        });
    }
}
