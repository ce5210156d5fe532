//! Raft as this program uses it: the types, their stored form.

pub mod stored;
mod types;

pub use types::{
    Answers, Entry, EntryBytes, LeaderId, LogId, Member, Membership, NodeId, Payload, Raft,
    SnapshotMeta, StoredMembership, Types, Vote,
};
