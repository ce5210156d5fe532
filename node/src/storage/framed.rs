//! What the files of the storage have in common: they begin with a frame that says what they are,
//! in which version, and whether they still are what was written.
//!
//! ```text
//! magic 8 | version 4 | length 4 | checksum 16 | message
//! ```
//!
//! Numbers are big-endian; the checksum is the XXH3-128 of the other fields and the message. The
//! frame is the same in every version, so that a changed byte is told apart from a newer format.
//!
//! **Versions.** A [`Format`] lists the readers it has, the version that is written last. It has
//! the current version and the one before; there is none before version 1. A new version adds a
//! reader and drops the one that is two versions old.
//!
//! Files get their name when they are whole and durable: temporary name, sync, rename, sync of the
//! folder. A crash leaves the old file, the new one, or a temporary one that nobody reads.

use xxhash_rust::xxh3::Xxh3;

use super::StorageError;
use crate::seams::{Disk, DiskFile};

/// Bytes before the message.
pub(crate) const FRAME_BYTES: usize = 32;
/// Bytes of a message. The longest is the head of a snapshot: 256 members of some 400 bytes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// What temporary files end in.
pub(crate) const TEMPORARY: &str = ".tmp";

/// Makes a value of a message of one version, or says what is wrong with it.
pub(crate) type Reader<T> = fn(&[u8]) -> Result<T, String>;

/// A kind of file.
pub(crate) struct Format<T: 'static> {
    /// What files of this kind begin with.
    pub magic: [u8; 8],
    /// Each version that can be read with its reader, oldest first, without gaps. The last is the
    /// version that is written.
    pub readers: &'static [(u32, Reader<T>)],
    /// The error for a file of this kind (its name, what is wrong).
    pub damaged: fn(String, String) -> StorageError,
}

impl<T> Format<T> {
    /// The version that is written.
    pub fn version(&self) -> u32 {
        self.readers.last().map_or(0, |(version, _)| *version)
    }

    /// A message in its frame.
    pub fn frame(&self, message: &[u8]) -> Vec<u8> {
        frame(self.magic, self.version(), message)
    }

    /// Reads the frame that a file begins with; also says where it ends.
    pub fn read(&self, file: &dyn DiskFile, name: &str) -> Result<(T, u64), StorageError> {
        let damaged = |what: &str| (self.damaged)(name.into(), what.into());
        let mut head = [0; FRAME_BYTES];
        let read = file.read_at(0, &mut head).map_err(StorageError::io("read", name))?;
        if read < FRAME_BYTES {
            return Err(damaged("it is cut short"));
        }
        let (magic, rest) = split::<8>(&head);
        let (version, rest) = split::<4>(rest);
        let (length, rest) = split::<4>(rest);
        let (checksum, _) = split::<16>(rest);
        if magic != self.magic {
            return Err(damaged("it does not begin as such a file does"));
        }
        // A changed length is bounded before memory is taken for it; the checksum covers it.
        let length = u32::from_be_bytes(length) as usize;
        if length > MESSAGE_BYTES_MAX {
            return Err(damaged("its length is impossible"));
        }
        let mut message = vec![0; length];
        let at = FRAME_BYTES as u64;
        let read = file.read_at(at, &mut message).map_err(StorageError::io("read", name))?;
        if read < length {
            return Err(damaged("it is cut short"));
        }
        let version = u32::from_be_bytes(version);
        if frame_checksum(magic, version, &message).to_be_bytes() != checksum {
            return Err(damaged("its checksum does not match"));
        }
        let reader = self.reader(version, name)?;
        let value = reader(&message).map_err(|what| (self.damaged)(name.into(), what))?;
        Ok((value, at + length as u64))
    }

    fn reader(&self, version: u32, name: &str) -> Result<Reader<T>, StorageError> {
        if let Some((_, reader)) = self.readers.iter().find(|(known, _)| *known == version) {
            return Ok(*reader);
        }
        let file = name.to_string();
        let known = known_versions(self.readers.iter().map(|(version, _)| *version));
        if version > self.version() {
            Err(StorageError::NewerVersion { file, version, known })
        } else {
            Err(StorageError::OlderVersion { file, version, known })
        }
    }
}

/// `version 1`, `versions 1 to 2`.
pub(crate) fn known_versions(versions: impl Iterator<Item = u32> + Clone) -> String {
    match (versions.clone().min(), versions.max()) {
        (Some(first), Some(last)) if first < last => format!("versions {first} to {last}"),
        (Some(only), _) => format!("version {only}"),
        (None, _) => "no version".into(),
    }
}

fn frame(magic: [u8; 8], version: u32, message: &[u8]) -> Vec<u8> {
    assert!(message.len() <= MESSAGE_BYTES_MAX, "a head of {} bytes", message.len());
    let mut bytes = Vec::with_capacity(FRAME_BYTES + message.len());
    bytes.extend_from_slice(&magic);
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.extend_from_slice(&(message.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&frame_checksum(magic, version, message).to_be_bytes());
    bytes.extend_from_slice(message);
    bytes
}

fn frame_checksum(magic: [u8; 8], version: u32, message: &[u8]) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(&magic);
    hash.update(&version.to_be_bytes());
    hash.update(&(message.len() as u32).to_be_bytes());
    hash.update(message);
    hash.digest128()
}

/// The first `N` bytes and the rest. There are that many.
fn split<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    let (first, rest) = bytes.split_first_chunk().expect("the frame is longer than its fields");
    (*first, rest)
}

/// 16 bytes of a message as a number.
pub(crate) fn number(bytes: &[u8], what: &str) -> Result<u128, String> {
    let bytes = bytes.try_into().map_err(|_| format!("its {what} has not 16 bytes"))?;
    Ok(u128::from_be_bytes(bytes))
}

// -- Names --------------------------------------------------------------------------------------

/// `folder/name`; the root folder is empty.
pub(crate) fn path(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.into() } else { format!("{folder}/{name}") }
}

/// Gives a synced temporary file its name, durably.
pub(crate) fn publish(
    disk: &dyn Disk,
    folder: &str,
    temporary: &str,
    name: &str,
) -> Result<(), StorageError> {
    let to = path(folder, name);
    disk.rename(&path(folder, temporary), &to).map_err(StorageError::io("name", &to))?;
    disk.sync_folder(folder).map_err(StorageError::io("sync the folder of", &to))?;
    if !folder.is_empty() {
        // The first file in a folder may have made the folder.
        disk.sync_folder("").map_err(StorageError::io("sync the folder of", folder))?;
    }
    Ok(())
}

/// Removes what a crash left half written.
pub(crate) fn remove_temporary(disk: &dyn Disk, folder: &str) -> Result<(), StorageError> {
    for name in disk.list(folder).map_err(StorageError::io("list", folder))? {
        if name.ends_with(TEMPORARY) {
            let file = path(folder, &name);
            disk.remove(&file).map_err(StorageError::io("remove", &file))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::RealDisk;

    /// A format of which this program knows version 1, as all of them are now.
    const FIRST: Format<u64> = Format { magic: *b"QC-TEST\n", readers: &[(1, seconds)], damaged };
    /// The same format in a program one version on: it counts milliseconds.
    const SECOND: Format<u64> = Format { readers: &[(1, seconds), (2, milliseconds)], ..FIRST };
    /// And another version on.
    const THIRD: Format<u64> = Format { readers: &[(2, milliseconds), (3, milliseconds)], ..FIRST };

    fn seconds(message: &[u8]) -> Result<u64, String> {
        milliseconds(message).map(|seconds| seconds * 1_000)
    }

    fn milliseconds(message: &[u8]) -> Result<u64, String> {
        message.try_into().map(u64::from_be_bytes).map_err(|_| "not a number".into())
    }

    fn damaged(file: String, what: String) -> StorageError {
        StorageError::MarkerDamaged { file, what }
    }

    fn read(format: &Format<u64>, bytes: &[u8]) -> Result<(u64, u64), StorageError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let disk = RealDisk::new(folder.path());
        let mut file = disk.create("f").expect("a file");
        file.write_at(0, bytes).expect("a write");
        format.read(&*file, "f")
    }

    #[test]
    fn a_file_of_the_version_before_is_still_read() {
        let first = FIRST.frame(&7_u64.to_be_bytes());
        let second = SECOND.frame(&7_u64.to_be_bytes());
        assert_eq!(read(&SECOND, &first).unwrap(), (7_000, 40));
        assert_eq!(read(&SECOND, &second).unwrap(), (7, 40));
        assert_eq!(read(&THIRD, &second).unwrap(), (7, 40));
    }

    #[test]
    fn a_file_of_a_newer_version_is_refused_with_words() {
        let third = THIRD.frame(&7_u64.to_be_bytes());
        assert_eq!(
            read(&SECOND, &third).unwrap_err().to_string(),
            "f was written by a newer program, version 3; this one knows versions 1 to 2; start \
             the newer program again"
        );
        assert_eq!(
            read(&FIRST, &third).unwrap_err().to_string(),
            "f was written by a newer program, version 3; this one knows version 1; start the \
             newer program again"
        );
    }

    #[test]
    fn a_file_of_two_versions_ago_is_refused_with_words() {
        let first = FIRST.frame(&7_u64.to_be_bytes());
        assert_eq!(
            read(&THIRD, &first).unwrap_err().to_string(),
            "f was written by an older program, version 1; this one knows versions 2 to 3; \
             upgrade one release at a time"
        );
    }

    #[test]
    fn a_file_that_was_changed_or_cut_is_refused() {
        let good = FIRST.frame(&7_u64.to_be_bytes());
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                let error = read(&FIRST, &bytes).unwrap_err();
                assert_eq!(error.code(), "E-MARKER-DAMAGED", "byte {at}: {error}");
            }
            assert!(read(&FIRST, &good[..at]).is_err(), "{at} bytes");
        }
    }
}
