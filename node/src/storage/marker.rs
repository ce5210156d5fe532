//! Whose disk this is. The marker is checked when the node starts and in every call between
//! peers, so that a wiped, swapped or cloned disk is noticed before it votes.

use bytes::Bytes;
use prost::Message;
use proto::stored::v1;

use super::StorageError;
use super::framed::{self, Format};
use crate::raft::NodeId;
use crate::seams::Disk;

/// The file, in the data folder.
pub const MARKER: &str = "marker";
const MARKER_TEMPORARY: &str = "marker.tmp";

const FORMAT: Format<Marker> = Format {
    magic: *b"QC-MARK\n",
    readers: &[(1, Marker::read_1)],
    damaged: |file, what| StorageError::MarkerDamaged { file, what },
};

/// Which node of which cluster a data folder belongs to, in which life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The cluster: made at random when it was initialised.
    pub cluster: u128,
    /// The node.
    pub node: NodeId,
    /// Which life of the disk: made at random when the folder was made. A node that lost its disk
    /// comes back as another incarnation, and does not pass for one that remembers its votes.
    pub incarnation: u128,
    /// The site the node joined at.
    pub site: String,
}

impl Marker {
    /// Marks a data folder, durably.
    ///
    /// # Errors
    ///
    /// [`StorageError::MarkerExists`] if it is marked already, even if by a damaged marker;
    /// [`StorageError::Io`].
    pub fn create(&self, disk: &dyn Disk) -> Result<(), StorageError> {
        let names = disk.list("").map_err(StorageError::io("list", "the data folder"))?;
        if names.iter().any(|name| name == MARKER) {
            return Err(StorageError::MarkerExists { file: MARKER.into() });
        }
        let Self { cluster, node, incarnation, site } = self;
        let message = v1::StorageMarker {
            cluster: Bytes::copy_from_slice(&cluster.to_be_bytes()),
            node: *node,
            incarnation: Bytes::copy_from_slice(&incarnation.to_be_bytes()),
            site: site.clone(),
        };
        let bytes = FORMAT.frame(&message.encode_to_vec());
        let mut file =
            disk.create(MARKER_TEMPORARY).map_err(StorageError::io("create", MARKER_TEMPORARY))?;
        file.write_at(0, &bytes).map_err(StorageError::io("write", MARKER_TEMPORARY))?;
        file.sync().map_err(StorageError::io("sync", MARKER_TEMPORARY))?;
        framed::publish(disk, "", MARKER_TEMPORARY, MARKER)
    }

    /// Reads the marker of a data folder.
    ///
    /// # Errors
    ///
    /// [`StorageError::NoMarker`], [`StorageError::MarkerDamaged`],
    /// [`StorageError::NewerVersion`], [`StorageError::OlderVersion`], [`StorageError::Io`].
    pub fn open(disk: &dyn Disk) -> Result<Self, StorageError> {
        let file = match disk.open(MARKER) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StorageError::NoMarker { file: MARKER.into() });
            }
            Err(error) => return Err(StorageError::io("open", MARKER)(error)),
        };
        let (marker, end) = FORMAT.read(&*file, MARKER)?;
        let length = file.length().map_err(StorageError::io("read", MARKER))?;
        if length != end {
            let what = "there is something behind it".into();
            return Err(StorageError::MarkerDamaged { file: MARKER.into(), what });
        }
        Ok(marker)
    }

    fn read_1(message: &[u8]) -> Result<Self, String> {
        let stored = v1::StorageMarker::decode(message).map_err(|_| "it is no marker")?;
        Ok(Self {
            cluster: framed::number(&stored.cluster, "cluster")?,
            node: stored.node,
            incarnation: framed::number(&stored.incarnation, "incarnation")?,
            site: stored.site,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::seams::RealDisk;

    fn marker() -> Marker {
        Marker { cluster: 1 << 127, node: 3, incarnation: 0xfeed, site: "kyiv".into() }
    }

    fn marked() -> (tempfile::TempDir, RealDisk) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let disk = RealDisk::new(folder.path());
        marker().create(&disk).expect("an empty folder can be marked");
        (folder, disk)
    }

    #[test]
    fn a_marked_folder_says_whose_it_is() {
        let (_folder, disk) = marked();
        assert_eq!(Marker::open(&disk).unwrap(), marker());
        assert_eq!(disk.list("").unwrap(), [MARKER]);
    }

    #[test]
    fn a_folder_is_marked_once() {
        let (folder, disk) = marked();
        assert_eq!(marker().create(&disk).unwrap_err().code(), "E-MARKER-EXISTS");
        fs::write(folder.path().join(MARKER), b"").unwrap();
        assert_eq!(marker().create(&disk).unwrap_err().code(), "E-MARKER-EXISTS");
    }

    #[test]
    fn a_crash_before_the_name_leaves_an_unmarked_folder() {
        let (folder, disk) = marked();
        fs::rename(folder.path().join(MARKER), folder.path().join(MARKER_TEMPORARY)).unwrap();
        assert_eq!(Marker::open(&disk).unwrap_err().code(), "E-NO-MARKER");
        marker().create(&disk).unwrap();
        assert_eq!(Marker::open(&disk).unwrap(), marker());
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let (folder, disk) = marked();
        let path = folder.path().join(MARKER);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 0x10;
            fs::write(&path, &bytes).unwrap();
            assert_eq!(Marker::open(&disk).unwrap_err().code(), "E-MARKER-DAMAGED", "byte {at}");
            fs::write(&path, &good[..at]).unwrap();
            assert_eq!(Marker::open(&disk).unwrap_err().code(), "E-MARKER-DAMAGED", "{at} bytes");
        }
        let mut longer = good;
        longer.push(0);
        fs::write(&path, &longer).unwrap();
        assert_eq!(Marker::open(&disk).unwrap_err().code(), "E-MARKER-DAMAGED");
    }

    /// Such bytes are on people's disks.
    #[test]
    fn the_bytes_of_a_marker_do_not_change() {
        let (folder, _disk) = marked();
        let bytes = fs::read(folder.path().join(MARKER)).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            concat!(
                "51432d4d41524b0a",
                "00000001",
                "0000002c",                         // magic, version, length
                "f94637f273dfed9d059a0e4740730c72", // checksum
                "0a10",
                "80000000000000000000000000000000", // cluster
                "1003",                             // node
                "1a10",
                "0000000000000000000000000000feed", // incarnation
                "2204",
                "6b796976", // site
            )
        );
    }
}
