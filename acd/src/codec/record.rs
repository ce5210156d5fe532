//! Records, as they are kept when the state has forgotten what they tell of.

use alloc::string::ToString;
use alloc::vec::Vec;

use bytes::Bytes;
use prost::Message;
use proto::stored::v1;

use super::FORMAT_VERSION;
use super::stored::{Stored, malformed, missing, no_choice, stored_messages};
use super::version::Readers;
use crate::command::Command;
use crate::record::{AuditRecord, ContactRecord, Record};
use crate::rejection::Rejection;
use crate::time::{LogTime, Millis};

/// How records of each version that can be read are read.
pub(super) const RECORD_READERS: Readers<Record> =
    Readers { what: "record", readers: &[(1, decode_record_1)] };

/// Encodes a record. Of a refusal only its code and its words are kept.
pub fn encode_record(record: &Record) -> Vec<u8> {
    use v1::record as wire;
    let record = match record {
        Record::Contact(contact) => wire::Record::Contact(contact.to_stored()),
        Record::Audit(audit) => wire::Record::Audit(audit.to_stored()),
    };
    v1::Record { format_version: FORMAT_VERSION, record: Some(record) }.encode_to_vec()
}

/// Decodes and checks a record. A refusal comes back as [`Rejection::FirstAnswer`], with the code
/// and the words it had.
///
/// # Errors
///
/// [`Rejection::Malformed`] if the bytes are not a record of a version that this program reads, or
/// lack a part; what the constructors of ids, texts and numbers say of theirs.
pub fn decode_record(bytes: Bytes) -> Result<Record, Rejection> {
    let version = v1::RecordVersion::decode(&*bytes).map_err(|_| not_a_record())?.format_version;
    RECORD_READERS.read(version, bytes)
}

fn not_a_record() -> Rejection {
    malformed("not a Record message".into())
}

fn decode_record_1(bytes: Bytes) -> Result<Record, Rejection> {
    use v1::record as wire;
    let stored = v1::Record::decode(bytes).map_err(|_| not_a_record())?;
    Ok(match stored.record.ok_or_else(|| no_choice("Record.record"))? {
        wire::Record::Contact(contact) => {
            Record::Contact(Stored::from_stored(contact, "Record.contact")?)
        }
        wire::Record::Audit(audit) => Record::Audit(Stored::from_stored(audit, "Record.audit")?),
    })
}

stored_messages! {
    ContactRecord {
        contact, seq, channel, priority, ingress, site, queue, agent, agent_site, token, outcome,
        transfers, failed_offers, disposition, resolved, recording, consult_of, attributes;
        arrived as arrived_ms => any_time,
        entered_queue as entered_queue_ms => any_time,
        answered as answered_ms => any_time_or_none,
        closed as closed_ms => any_time,
        talk as talk_ms => any_duration,
        hold as hold_ms => any_duration,
        wrap_up as wrap_up_ms => any_duration,
    }
    AuditRecord { principal, request, reason, command, refused, inverse; at as at_ms => any_time }
}

// What the state machine worked out has no bounds of its own.

pub(super) fn any_time(ms: u64) -> Result<LogTime, Rejection> {
    Ok(LogTime(ms))
}

pub(super) fn any_time_or_none(ms: Option<u64>) -> Result<Option<LogTime>, Rejection> {
    Ok(ms.map(LogTime))
}

pub(super) fn any_duration(ms: u64) -> Result<Millis, Rejection> {
    Ok(Millis(ms))
}

impl Stored<v1::AnyCommand> for Command {
    fn to_stored(&self) -> v1::AnyCommand {
        v1::AnyCommand { command: self.to_stored() }
    }

    fn from_stored(stored: v1::AnyCommand, _: &'static str) -> Result<Self, Rejection> {
        Self::from_stored(stored.command, "AnyCommand.command")
    }
}

impl Stored<Option<v1::AnyCommand>> for Command {
    fn to_stored(&self) -> Option<v1::AnyCommand> {
        Some(self.to_stored())
    }

    fn from_stored(stored: Option<v1::AnyCommand>, at: &'static str) -> Result<Self, Rejection> {
        Self::from_stored(stored.ok_or_else(|| missing(at))?, at)
    }
}

impl Stored<v1::Refusal> for Rejection {
    fn to_stored(&self) -> v1::Refusal {
        v1::Refusal { code: self.code().into(), message: self.to_string() }
    }

    fn from_stored(stored: v1::Refusal, _: &'static str) -> Result<Self, Rejection> {
        let v1::Refusal { code, message } = stored;
        Ok(Self::FirstAnswer { code: code.into(), message: message.into() })
    }
}
