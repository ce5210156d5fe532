//! What a node keeps on disk.
//!
//! ```text
//! data folder
//! ├ marker                whose disk this is                                   marker
//! ├ log/r-….wal           Raft's log and votes                                 log
//! ├ log-mark              how far the log was known to be durable              log::mark
//! ├ snapshots/….snap      the state at a place in the log                      snapshots
//! ├ records/….seg         closed contacts, administration, by range of the log records
//! └ record-index/         where to find those; made anew at will               records
//! ```
//!
//! **What is durable when.** A vote before it is given, an entry before it is acknowledged, a
//! record segment and a snapshot before the log that made them is purged. A file that is written
//! once has a temporary name until it is whole and synced.
//!
//! **What is checked.** Every byte has a checksum over it, and is compared when it is read. What a
//! crash can leave behind is cleared away; anything else is [refused](StorageError) with what to
//! do, and never guessed: a node that forgets what it has acknowledged can make the cluster lose it.
//!
//! **Formats** have versions. Each is read by the version that writes it and the one after.
//!
//! Everything here blocks, except [`FileLog`] as openraft uses it. Marker, snapshots and records
//! go through [`Disk`](crate::seams::Disk); the log and the index are files of this machine, and
//! simulations bring their own.

mod error;
mod framed;
pub mod log;
pub mod marker;
pub mod records;
pub mod snapshots;
#[cfg(test)]
mod tests;

pub use error::StorageError;
pub use log::{FileLog, LogSettings};
pub use marker::Marker;
pub use records::{RecordStore, SledIndex};
pub use snapshots::{Snapshot, SnapshotReceiver, SnapshotStore, SnapshotWriter};
