//! Snapshots in files.
//!
//! ```text
//! frame: magic, version, length, checksum | head: log id, membership, payload length and checksum
//! payload
//! ```
//!
//! A snapshot gets its name when it is whole and durable; until then it is a temporary file that
//! the next start removes. One from a peer is the peer's file, byte for byte, and gets its name
//! after every byte of it was checked. Only after [`SnapshotWriter::finish`] or
//! [`SnapshotReceiver::finish`] may the log be purged up to it.
//!
//! Everything here blocks: callers have a thread for it. Cost: one pass over the bytes to write or
//! read, one sync of a file and two of folders.

#[cfg(test)]
mod tests;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use prost::Message;
use proto::stored::v1;
use xxhash_rust::xxh3::Xxh3;

use super::StorageError;
use super::framed::{self, Format, TEMPORARY, path};
use crate::raft::SnapshotMeta;
use crate::raft::stored::{
    log_id_from_stored, log_id_to_stored, stored_membership_from_stored,
    stored_membership_to_stored,
};
use crate::seams::{Disk, DiskFile};

/// The folder, in the data folder.
pub const SNAPSHOT_FOLDER: &str = "snapshots";
const SUFFIX: &str = ".snap";
/// Bytes that are read at once.
const READ_BYTES: usize = 256 << 10;

const FORMAT: Format<Head> = Format {
    magic: *b"QC-SNAP\n",
    readers: &[(1, Head::read_1)],
    damaged: |file, what| StorageError::SnapshotDamaged { file, what },
};

struct Head {
    meta: SnapshotMeta,
    payload_length: u64,
    payload_checksum: u128,
}

impl Head {
    fn read_1(message: &[u8]) -> Result<Self, String> {
        let stored = v1::SnapshotFileHead::decode(message).map_err(|_| "it has no proper head")?;
        let membership = stored.membership.ok_or("its head has no membership")?;
        let last_membership =
            stored_membership_from_stored(membership).map_err(|error| error.to_string())?;
        Ok(Self {
            meta: SnapshotMeta {
                last_log_id: stored.log_id.map(log_id_from_stored),
                last_membership,
            },
            payload_length: stored.payload_length.ok_or("its head has no length")?,
            payload_checksum: framed::number(&stored.payload_checksum, "checksum")?,
        })
    }

    fn frame(meta: &SnapshotMeta, payload_length: u64, payload_checksum: u128) -> Vec<u8> {
        let head = v1::SnapshotFileHead {
            log_id: meta.last_log_id.as_ref().map(log_id_to_stored),
            membership: Some(stored_membership_to_stored(&meta.last_membership)),
            payload_length: Some(payload_length),
            payload_checksum: Bytes::copy_from_slice(&payload_checksum.to_be_bytes()),
        };
        FORMAT.frame(&head.encode_to_vec())
    }
}

/// The name of a snapshot. Names are in the order of what the snapshots cover.
fn name(meta: &SnapshotMeta) -> String {
    let (next, term, node) = meta.last_log_id.as_ref().map_or((0, 0, 0), |id| {
        let leader = id.committed_leader_id();
        (id.index.saturating_add(1), leader.term, leader.node_id)
    });
    format!("{next:020}-{term:020}-{node:020}{SUFFIX}")
}

/// The snapshots of a node.
pub struct SnapshotStore {
    disk: Arc<dyn Disk>,
    temporaries: AtomicU64,
}

impl SnapshotStore {
    /// Opens the snapshots of a data folder and removes what a crash left half written.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`].
    pub fn open(disk: Arc<dyn Disk>) -> Result<Self, StorageError> {
        framed::remove_temporary(&*disk, SNAPSHOT_FOLDER)?;
        Ok(Self { disk, temporaries: AtomicU64::new(0) })
    }

    /// The one that covers most of the log, if there is any. Its head is checked here, its
    /// payload by [`Snapshot::read_payload`].
    ///
    /// # Errors
    ///
    /// [`StorageError::SnapshotDamaged`], [`StorageError::NewerVersion`],
    /// [`StorageError::OlderVersion`], [`StorageError::Io`].
    pub fn latest(&self) -> Result<Option<Snapshot>, StorageError> {
        let names = self.names()?;
        names.last().map(|name| Snapshot::open(&*self.disk, name)).transpose()
    }

    /// Begins to write one.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`].
    pub fn writer(&self, meta: &SnapshotMeta) -> Result<SnapshotWriter, StorageError> {
        let payload_at = Head::frame(meta, 0, 0).len() as u64;
        let file = self.temporary(name(meta))?;
        Ok(SnapshotWriter { file, meta: meta.clone(), payload_at, length: 0, hash: Xxh3::new() })
    }

    /// Begins to receive one from a peer.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`].
    pub fn receiver(&self) -> Result<SnapshotReceiver, StorageError> {
        Ok(SnapshotReceiver { file: self.temporary("received".into())?, length: 0 })
    }

    /// Removes those that cover less of the log than this one. Whoever has one of them open can
    /// go on reading it.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`].
    pub fn keep_only(&self, snapshot: &Snapshot) -> Result<(), StorageError> {
        let keep = name(&snapshot.meta);
        let older: Vec<_> = self.names()?.into_iter().filter(|name| *name < keep).collect();
        for name in &older {
            let file = path(SNAPSHOT_FOLDER, name);
            self.disk.remove(&file).map_err(StorageError::io("remove", &file))?;
        }
        if !older.is_empty() {
            let sync = self.disk.sync_folder(SNAPSHOT_FOLDER);
            sync.map_err(StorageError::io("sync", SNAPSHOT_FOLDER))?;
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>, StorageError> {
        let names = self.disk.list(SNAPSHOT_FOLDER);
        let mut names = names.map_err(StorageError::io("list", SNAPSHOT_FOLDER))?;
        names.retain(|name| name.ends_with(SUFFIX));
        Ok(names)
    }

    fn temporary(&self, name: String) -> Result<TemporaryFile, StorageError> {
        // Two may be on their way at once: one that is made and one that is received.
        let number = self.temporaries.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name}.{number}{TEMPORARY}");
        let full = path(SNAPSHOT_FOLDER, &name);
        let file = self.disk.create(&full).map_err(StorageError::io("create", &full))?;
        Ok(TemporaryFile { disk: self.disk.clone(), name, file: Some(file) })
    }
}

/// A file that is removed if it gets no name.
struct TemporaryFile {
    disk: Arc<dyn Disk>,
    name: String,
    file: Option<Box<dyn DiskFile>>,
}

impl TemporaryFile {
    fn path(&self) -> String {
        path(SNAPSHOT_FOLDER, &self.name)
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let path = self.path();
        let Some(file) = &mut self.file else { return Err(closed(&path)) };
        file.write_at(at, bytes).map_err(StorageError::io("write", &path))
    }

    /// Syncs it and gives it its name.
    fn publish(mut self, name: &str) -> Result<(), StorageError> {
        let path = self.path();
        let Some(mut file) = self.file.take() else { return Err(closed(&path)) };
        let synced = file.sync().map_err(StorageError::io("sync", &path));
        let published =
            synced.and_then(|()| framed::publish(&*self.disk, SNAPSHOT_FOLDER, &self.name, name));
        if published.is_err() {
            self.file = Some(file);
        }
        published
    }
}

fn closed(path: &str) -> StorageError {
    StorageError::io("write", path)(io::ErrorKind::NotConnected.into())
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // If this fails, the next start removes it.
            let _ = self.disk.remove(&self.path());
        }
    }
}

/// A snapshot that is being written. Dropped, it never was.
pub struct SnapshotWriter {
    file: TemporaryFile,
    meta: SnapshotMeta,
    payload_at: u64,
    length: u64,
    hash: Xxh3,
}

impl SnapshotWriter {
    /// Writes the next bytes of the payload. Each call is one write: some hundred KiB are best.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.file.write(self.payload_at + self.length, bytes)?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Makes it durable and gives it its name.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`].
    pub fn finish(mut self) -> Result<Snapshot, StorageError> {
        let head = Head::frame(&self.meta, self.length, self.hash.digest128());
        debug_assert_eq!(head.len() as u64, self.payload_at);
        self.file.write(0, &head)?;
        let name = name(&self.meta);
        let disk = self.file.disk.clone();
        self.file.publish(&name)?;
        Snapshot::open(&*disk, &name)
    }
}

/// A snapshot that comes from a peer. Dropped, it never came.
pub struct SnapshotReceiver {
    file: TemporaryFile,
    length: u64,
}

impl SnapshotReceiver {
    /// Takes the next bytes of the peer's file.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.file.write(self.length, bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Bytes so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Checks every byte. It gets its name, and outlives a crash, by [`Snapshot::keep`].
    ///
    /// # Errors
    ///
    /// [`StorageError::SnapshotRefused`] if it is not what the peer wrote;
    /// [`StorageError::NewerVersion`], [`StorageError::OlderVersion`], [`StorageError::Io`].
    pub fn finish(self) -> Result<Snapshot, StorageError> {
        let disk = self.file.disk.clone();
        let received = Snapshot::open(&*disk, &self.file.name).and_then(|received| {
            received.read_payload(|_| Ok::<_, StorageError>(()))?;
            Ok(received)
        });
        let received = received.map_err(|error| match error {
            StorageError::SnapshotDamaged { file, what } => {
                StorageError::SnapshotRefused { file, what }
            }
            other => other,
        })?;
        Ok(Snapshot { unnamed: Some(Arc::new(Mutex::new(Some(self.file)))), ..received })
    }
}

/// A snapshot in a file, held open: it can be read even after it was removed.
#[derive(Clone)]
pub struct Snapshot {
    /// Where it ends, and who was a member there.
    pub meta: SnapshotMeta,
    path: String,
    file: Arc<Mutex<Box<dyn DiskFile>>>,
    length: u64,
    payload_at: u64,
    payload_checksum: u128,
    /// Of one that came from a peer: its file, until it is kept.
    unnamed: Option<Arc<Mutex<Option<TemporaryFile>>>>,
}

impl Snapshot {
    fn open(disk: &dyn Disk, name: &str) -> Result<Self, StorageError> {
        let path = path(SNAPSHOT_FOLDER, name);
        let file = disk.open(&path).map_err(StorageError::io("open", &path))?;
        let length = file.length().map_err(StorageError::io("read", &path))?;
        let (head, payload_at) = FORMAT.read(&*file, &path)?;
        if head.payload_length.checked_add(payload_at) != Some(length) {
            let what = format!(
                "it has {} bytes behind its head, must have {}",
                length - payload_at,
                head.payload_length
            );
            return Err(StorageError::SnapshotDamaged { file: path, what });
        }
        let Head { meta, payload_checksum, .. } = head;
        let file = Arc::new(Mutex::new(file));
        Ok(Self { meta, path, file, length, payload_at, payload_checksum, unnamed: None })
    }

    /// Makes one that came from a peer durable and gives it its name; any other has one. Done once
    /// Raft has taken it: a name for one that Raft then refuses would make a restart begin with
    /// it.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`].
    pub fn keep(&self) -> Result<(), StorageError> {
        let Some(unnamed) = &self.unnamed else { return Ok(()) };
        match unnamed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(file) => file.publish(&name(&self.meta)),
            None => Ok(()),
        }
    }

    /// Bytes of the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Hands the payload over in pieces. Nothing of it may be used before this returns `Ok`:
    /// whether it is what was written is known at the end.
    ///
    /// # Errors
    ///
    /// [`StorageError::SnapshotDamaged`], [`StorageError::Io`], and what `each` says.
    pub fn read_payload<E: From<StorageError>>(
        &self,
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut buffer = vec![0; READ_BYTES];
        let mut hash = Xxh3::new();
        let mut at = self.payload_at;
        while at < self.length {
            let read = self.read_raw(at, &mut buffer)?;
            if read == 0 {
                return Err(self.damaged("it was cut short").into());
            }
            hash.update(&buffer[..read]);
            each(&buffer[..read])?;
            at += read as u64;
        }
        if hash.digest128() != self.payload_checksum {
            return Err(self.damaged("its payload does not match its checksum").into());
        }
        Ok(())
    }

    /// Reads bytes of the file, head and all, as a peer receives them; fewer than fit only at the
    /// end. They are not checked: the receiver does that.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`].
    pub fn read_raw(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        self.file().read_at(offset, buffer).map_err(StorageError::io("read", &self.path))
    }

    fn file(&self) -> MutexGuard<'_, Box<dyn DiskFile>> {
        // Reading leaves nothing half done.
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to say of a payload that is as it was written, and cannot be used.
    pub fn damaged(&self, what: &str) -> StorageError {
        StorageError::SnapshotDamaged { file: self.path.clone(), what: what.into() }
    }
}
