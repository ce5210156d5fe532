//! What stands in the records of the log: messages of `quorumcall.stored.v1`, each in a small
//! frame of its own.
//!
//! ```text
//! kind 1 | version 1 | length 4 | check 4 | message
//! ```
//!
//! `raft-log` puts values between the type of a record and its checksum (CRC-32), one behind the
//! other, without saying how long the record is. If the length of a value is damaged, the reader
//! runs into the end of the file and cannot tell this from a write that a crash cut short. So each
//! head here has a check of its own (half of the XXH3-64 of the other fields): behind a head that
//! checks out there are `length` bytes, or the file ends too early; a damaged head is an error at
//! once. `kind` comes first and is read first, so that a record whose *type* is damaged is noticed
//! before anything is read by the wrong plan. That kinds are neither 0 nor 1 keeps them apart from
//! the flags and version numbers that `raft-log` itself puts there. [`super::check`] builds on all
//! of this.

use std::io::{self, Read, Write};

use bytes::Bytes;
use codeq::{Decode, Encode};
use openraft_rt::AsyncRuntime;
use prost::Message;
use proto::stored::v1;
use raft_log::RaftLogRecord;

use super::flushed::Flushed;
use crate::raft::stored::{
    Malformed, log_id_from_stored, log_id_to_stored, payload_from_bytes, payload_to_bytes,
    vote_from_stored, vote_to_stored,
};
use crate::raft::{LogId, Payload, Types, Vote};
use crate::storage::framed::known_versions;

/// A record of the log.
pub(super) type Record<RT> = RaftLogRecord<Types<RT>>;

/// Bytes before the message.
const HEAD_BYTES: usize = 10;
/// Bytes of a message. An entry holds at most 10,000 commands; a batch that is sent is bounded to
/// far less.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A kind of value.
struct Values<T: 'static> {
    kind: u8,
    what: &'static str,
    /// Each version that can be read with its reader, oldest first. The last is written.
    readers: &'static [(u8, Reader<T>)],
}

type Reader<T> = fn(Bytes) -> Result<T, Malformed>;

const LOG_IDS: Values<LogId> =
    Values { kind: 0xa1, what: "log id", readers: &[(1, read_log_id_1)] };
const VOTES: Values<Vote> = Values { kind: 0xa2, what: "vote", readers: &[(1, read_vote_1)] };
const PAYLOADS: Values<Payload> =
    Values { kind: 0xa3, what: "log payload", readers: &[(1, payload_from_bytes)] };

fn read_log_id_1(message: Bytes) -> Result<LogId, Malformed> {
    let stored = v1::LogId::decode(message).map_err(|_| Malformed { what: LOG_IDS.what })?;
    Ok(log_id_from_stored(stored))
}

fn read_vote_1(message: Bytes) -> Result<Vote, Malformed> {
    let stored = v1::Vote::decode(message).map_err(|_| Malformed { what: VOTES.what })?;
    Ok(vote_from_stored(stored))
}

/// Why a value cannot be read, where the file does not merely end too early.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadValue {
    /// Something else, or nothing, is there.
    #[error("there is no {what} where one belongs")]
    Other { what: &'static str },
    /// The head was changed.
    #[error("the head of a {what} is damaged")]
    Head { what: &'static str },
    /// The format is another one.
    #[error("a {what} is of version {version}; this program knows {known}")]
    Version { what: &'static str, version: u8, newer: bool, known: String },
    /// The message was changed.
    #[error("a {0}")]
    Message(Malformed),
}

impl From<BadValue> for io::Error {
    fn from(bad: BadValue) -> Self {
        Self::new(io::ErrorKind::InvalidData, bad)
    }
}

impl<T> Values<T> {
    fn write(&self, message: &[u8], mut to: impl Write) -> io::Result<usize> {
        if message.len() > MESSAGE_BYTES_MAX {
            let what = format!("a {} of {} bytes is too long", self.what, message.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let version = self.readers.last().map_or(0, |(version, _)| *version);
        let mut head = [0; HEAD_BYTES];
        head[0] = self.kind;
        head[1] = version;
        head[2..6].copy_from_slice(&(message.len() as u32).to_be_bytes());
        let check = head_check(&head);
        head[6..].copy_from_slice(&check);
        to.write_all(&head)?;
        to.write_all(message)?;
        Ok(HEAD_BYTES + message.len())
    }

    /// [`io::ErrorKind::UnexpectedEof`] if and only if the bytes end before the value does.
    fn read(&self, mut from: impl Read) -> io::Result<T> {
        let what = self.what;
        let mut head = [0; HEAD_BYTES];
        // The kind alone, first: if this is no value of ours, there may be fewer bytes than a
        // head has, and that must not look like an end that came too early.
        from.read_exact(&mut head[..1])?;
        if head[0] != self.kind {
            return Err(BadValue::Other { what }.into());
        }
        from.read_exact(&mut head[1..])?;
        if head[6..] != head_check(&head) {
            return Err(BadValue::Head { what }.into());
        }
        let version = head[1];
        let length = u32::from_be_bytes([head[2], head[3], head[4], head[5]]) as usize;
        if length > MESSAGE_BYTES_MAX {
            return Err(BadValue::Head { what }.into());
        }
        let mut message = Vec::with_capacity(length);
        from.take(length as u64).read_to_end(&mut message)?;
        if message.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let reader = self.reader(version)?;
        reader(message.into()).map_err(|malformed| BadValue::Message(malformed).into())
    }

    fn reader(&self, version: u8) -> Result<Reader<T>, BadValue> {
        if let Some((_, reader)) = self.readers.iter().find(|(known, _)| *known == version) {
            return Ok(*reader);
        }
        Err(BadValue::Version {
            what: self.what,
            version,
            newer: self.readers.last().is_none_or(|(last, _)| version > *last),
            known: known_versions(self.readers.iter().map(|(version, _)| u32::from(*version))),
        })
    }
}

fn head_check(head: &[u8; HEAD_BYTES]) -> [u8; 4] {
    let hash = xxhash_rust::xxh3::xxh3_64(&head[..6]);
    (hash as u32).to_be_bytes()
}

// -- As raft-log wants it -----------------------------------------------------------------------

/// A place in the log, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredLogId(pub LogId);

impl Encode for StoredLogId {
    fn encode<W: Write>(&self, to: W) -> io::Result<usize> {
        LOG_IDS.write(&log_id_to_stored(&self.0).encode_to_vec(), to)
    }
}

impl Decode for StoredLogId {
    fn decode<R: Read>(from: R) -> io::Result<Self> {
        LOG_IDS.read(from).map(Self)
    }
}

/// A vote, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub struct StoredVote(pub Vote);

impl Encode for StoredVote {
    fn encode<W: Write>(&self, to: W) -> io::Result<usize> {
        VOTES.write(&vote_to_stored(&self.0).encode_to_vec(), to)
    }
}

impl Decode for StoredVote {
    fn decode<R: Read>(from: R) -> io::Result<Self> {
        VOTES.read(from).map(Self)
    }
}

/// What an entry carries, as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPayload(pub Payload);

impl Encode for StoredPayload {
    fn encode<W: Write>(&self, to: W) -> io::Result<usize> {
        PAYLOADS.write(&payload_to_bytes(&self.0), to)
    }
}

impl Decode for StoredPayload {
    fn decode<R: Read>(from: R) -> io::Result<Self> {
        PAYLOADS.read(from).map(Self)
    }
}

impl<RT: AsyncRuntime> raft_log::Types for Types<RT> {
    type LogId = StoredLogId;
    type LogPayload = StoredPayload;
    type Vote = StoredVote;
    type Callback = Flushed<RT>;
    type UserData = ();

    fn log_index(log_id: &StoredLogId) -> u64 {
        log_id.0.index
    }

    fn payload_size(payload: &StoredPayload) -> u64 {
        payload_bytes(&payload.0)
    }
}

/// About how much memory a payload takes.
pub(super) fn payload_bytes(payload: &Payload) -> u64 {
    /// The tree node and the places around the bytes.
    const OVERHEAD: u64 = 128;
    /// Address, site and incarnation of a member.
    const MEMBER: u64 = 128;
    OVERHEAD
        + match payload {
            Payload::Blank => 0,
            Payload::Normal(entry) => entry.0.len() as u64,
            Payload::Membership(membership) => membership.nodes().count() as u64 * MEMBER,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::{EntryBytes, LeaderId};

    fn written(payload: &'static [u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let payload = StoredPayload(Payload::Normal(EntryBytes(Bytes::from_static(payload))));
        payload.encode(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_behind_it() {
        let id = StoredLogId(LogId::new(LeaderId { term: 9, node_id: 3 }, 1 << 40));
        let vote =
            StoredVote(Vote { leader_id: LeaderId { term: 9, node_id: 3 }, committed: true });
        let mut bytes = Vec::new();
        let mut length = id.encode(&mut bytes).unwrap();
        length += vote.encode(&mut bytes).unwrap();
        assert_eq!(length, bytes.len());
        bytes.push(77);

        let mut rest = &bytes[..];
        assert_eq!(StoredLogId::decode(&mut rest).unwrap(), id);
        assert_eq!(StoredVote::decode(&mut rest).unwrap(), vote);
        assert_eq!(rest, [77]);
    }

    /// Such bytes are on people's disks.
    #[test]
    fn the_bytes_of_values_do_not_change() {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let mut id = Vec::new();
        StoredLogId(LogId::new(LeaderId { term: 2, node_id: 3 }, 4)).encode(&mut id).unwrap();
        assert_eq!(hex(&id), "a10100000006c70b27e9080210031804");
        assert_eq!(hex(&written(b"hi")), "a3010000000445a8a30212026869");
    }

    #[test]
    fn a_changed_head_never_looks_like_an_end_that_came_too_early() {
        let good = written(b"payload");
        for at in 0..HEAD_BYTES {
            for value in 0..=u8::MAX {
                let mut bytes = good.clone();
                if std::mem::replace(&mut bytes[at], value) == value {
                    continue;
                }
                let error = StoredPayload::decode(&bytes[..]).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidData, "byte {at} = {value}");
            }
        }
    }

    #[test]
    fn an_end_that_came_too_early_is_called_that() {
        let good = written(b"payload");
        for length in 0..good.len() {
            let error = StoredPayload::decode(&good[..length]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{length} bytes");
        }
    }

    // -- The version before -----------------------------------------------------------------------

    /// Payloads in a program one version on, which turns each entry around.
    const NEXT: Values<Payload> =
        Values { readers: &[(1, payload_from_bytes), (2, reversed)], ..PAYLOADS };

    fn reversed(message: Bytes) -> Result<Payload, Malformed> {
        let bytes: Vec<u8> = message.iter().rev().copied().collect();
        Ok(Payload::Normal(EntryBytes(bytes.into())))
    }

    #[test]
    fn a_value_of_the_version_before_is_still_read() {
        let hello = Payload::Normal(EntryBytes(Bytes::from_static(b"hello")));
        assert_eq!(NEXT.read(&written(b"hello")[..]).unwrap(), hello);

        let mut next = Vec::new();
        NEXT.write(b"olleh", &mut next).unwrap();
        assert_eq!(NEXT.read(&next[..]).unwrap(), hello);

        let error = PAYLOADS.read(&next[..]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a log payload is of version 2; this program knows version 1"
        );
    }
}
