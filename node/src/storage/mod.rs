//! What a node keeps on disk.

mod error;
mod framed;
pub mod log;
pub mod marker;
pub mod records;
pub mod snapshots;

pub use error::StorageError;
pub use log::{FileLog, LogSettings};
pub use marker::Marker;
pub use records::{RecordStore, SledIndex};
pub use snapshots::{Snapshot, SnapshotReceiver, SnapshotStore, SnapshotWriter};
