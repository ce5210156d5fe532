//! What log entries are on disk and between nodes: versioned messages of
//! `quorumcall.stored.v1`.
//!
//! An entry is a stamp and a list of submissions. Each submission is encoded by itself, once, by
//! the node that received it, and decoded once, by each replica that applies it; whoever batches,
//! sends or stores entries handles opaque bytes.
//!
//! Decoding builds every id, level and text by its constructor, so what comes out is as well
//! formed as anything made in this program. What the bytes do not yield is refused, with the name
//! of the field. A refusal reads the same on every replica: none of its words come from a library
//! whose next version may choose others.

mod command;
mod config;
mod event;
mod record;
mod reply;
mod shown;
pub(crate) mod stored;
mod version;

#[cfg(test)]
mod event_tests;
#[cfg(test)]
mod record_tests;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use bytes::Bytes;
use prost::Message;
use proto::stored::v1;

use self::stored::{Stored, malformed};
use crate::command::Submission;
use crate::config::limit;
use crate::limits;
use crate::rejection::Rejection;
use crate::time::LogTime;

pub use self::command::{command_from_stored, command_to_stored};
pub use self::event::{event_from_stored, event_to_stored};
pub use self::record::{decode_record, encode_record};
pub use self::reply::{reply_from_stored, reply_to_stored};
pub use self::shown::*;
use self::version::Readers;

/// The version of the format that this program writes.
///
/// It reads this one and the one before, through the tables of readers in this module. There is
/// no version before 1. Version 2 adds its reader to the tables and keeps that of version 1;
/// version 3 drops that of version 1.
pub const FORMAT_VERSION: u32 = 1;

/// How entries of each version that can be read are read.
const ENTRY_READERS: Readers<StoredEntry> =
    Readers { what: "entry", readers: &[(1, decode_entry_1)] };

/// A log entry whose submissions are still encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// Log time of the entry.
    pub stamp: LogTime,
    /// Its submissions, in the order in which they are applied; each for [`decode_submission`].
    /// They share the memory of the entry.
    pub submissions: Vec<Bytes>,
}

/// Encodes one submission.
pub fn encode_submission(submission: &Submission) -> Vec<u8> {
    v1::Submission::encode_to_vec(&submission.to_stored())
}

/// Decodes and checks one submission.
///
/// # Errors
///
/// [`Rejection::Malformed`] if the bytes are not a submission of this version or lack a part;
/// what the constructors of ids, texts and numbers say of theirs; [`Rejection::LimitReached`] for
/// lists that are too long. Configuration is parsed only, its `normalise` is the caller's.
pub fn decode_submission(bytes: &[u8]) -> Result<Submission, Rejection> {
    let stored =
        v1::Submission::decode(bytes).map_err(|_| malformed("not a Submission message".into()))?;
    submission_from_stored(stored)
}

/// Checks and takes over the stored form of a submission.
///
/// # Errors
///
/// As [`decode_submission`].
pub fn submission_from_stored(stored: v1::Submission) -> Result<Submission, Rejection> {
    Submission::from_stored(stored, "Submission")
}

/// Encodes an entry of submissions that are encoded already. At most
/// [`limits::COMMANDS_PER_ENTRY_MAX`], stamped at most [`limits::STAMP_MAX`]: more will not be
/// read back.
pub fn encode_entry(
    stamp: LogTime,
    submissions: impl IntoIterator<Item = impl Into<Bytes>>,
) -> Vec<u8> {
    let submissions: Vec<Bytes> = submissions.into_iter().map(Into::into).collect();
    debug_assert!(stamp.0 <= limits::STAMP_MAX);
    debug_assert!(submissions.len() <= limits::COMMANDS_PER_ENTRY_MAX);
    let entry = v1::Entry { format_version: FORMAT_VERSION, stamp_ms: stamp.0, submissions };
    entry.encode_to_vec()
}

/// Decodes an entry without copying or decoding its submissions.
///
/// # Errors
///
/// [`Rejection::Malformed`] if the bytes are not an entry, or one of another version;
/// [`Rejection::OutOfRange`] for its stamp; [`Rejection::LimitReached`] for the number of its
/// submissions.
pub fn decode_entry(bytes: Bytes) -> Result<StoredEntry, Rejection> {
    // First the version alone: the rest of another version's entry may read as nonsense.
    let version = v1::EntryVersion::decode(&*bytes).map_err(|_| not_an_entry())?.format_version;
    ENTRY_READERS.read(version, bytes)
}

fn not_an_entry() -> Rejection {
    malformed("not an Entry message".into())
}

fn decode_entry_1(bytes: Bytes) -> Result<StoredEntry, Rejection> {
    let entry = v1::Entry::decode(bytes).map_err(|_| not_an_entry())?;
    limit("commands in an entry", entry.submissions.len(), limits::COMMANDS_PER_ENTRY_MAX)?;
    let stamp = LogTime::from_stored(entry.stamp_ms, "Entry.stamp_ms")?;
    Ok(StoredEntry { stamp, submissions: entry.submissions })
}
