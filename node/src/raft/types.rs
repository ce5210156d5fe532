//! The types Raft is generic over.

use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;

use acd::rejection::Rejection;
use acd::reply::Reply;
use bytes::Bytes;
use openraft::RaftTypeConfig;
use openraft::impls::leader_id_adv;
use openraft_rt::AsyncRuntime;

/// The number of a node; see [`acd::ids::NodeId`].
pub type NodeId = u64;
/// Term and node of a leader. The greater one wins, so that two candidates of a term do not stop
/// each other.
pub type LeaderId = leader_id_adv::LeaderId<u64, NodeId>;
/// The place of an entry in the log.
pub type LogId = openraft::LogId<LeaderId>;
/// Whom a node voted for, or follows.
pub type Vote = openraft::impls::Vote<LeaderId>;
/// Who votes and who is told.
pub type Membership = openraft::Membership<NodeId, Member>;
/// A membership and the entry that brought it.
pub type StoredMembership = openraft::StoredMembership<LeaderId, NodeId, Member>;
/// What a log entry carries.
pub type Payload = openraft::EntryPayload<EntryBytes, NodeId, Member>;
/// A log entry.
pub type Entry = openraft::impls::Entry<LeaderId, Payload>;
/// Where a snapshot ends, and who was a member there.
pub type SnapshotMeta = openraft::storage::SnapshotMeta<LeaderId, NodeId, Member>;

/// A node as its peers find and recognise it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Where it listens: host:port.
    pub address: String,
    /// The site it is at.
    pub site: String,
    /// Which life of its disk is meant.
    pub incarnation: u128,
}

/// An encoded entry of the state machine ([`acd::codec::encode_entry`]): opaque to log, network
/// and disk, decoded once, in apply.
#[derive(Clone, PartialEq, Eq)]
pub struct EntryBytes(pub Bytes);

impl fmt::Debug for EntryBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Display for EntryBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What became of the commands of an entry, in their order. Empty for entries without commands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers(pub Vec<Result<Reply, Rejection>>);

/// Raft over a runtime: tokio's, or a simulated one.
pub struct Types<RT>(PhantomData<fn() -> RT>);

impl<RT: AsyncRuntime> RaftTypeConfig for Types<RT> {
    type D = EntryBytes;
    type R = Answers;
    type NodeId = NodeId;
    type Node = Member;
    type Term = u64;
    type LeaderId = LeaderId;
    type Vote = Vote;
    type Payload = Payload;
    type Entry = Entry;
    type AsyncRuntime = RT;
    type Responder<T>
        = openraft::impls::OneshotResponder<Self, T>
    where
        T: Send + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: Send + 'static;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}

// What the trait asks of a type that has no values. Derived, these would ask the same of `RT`.

impl<RT> fmt::Debug for Types<RT> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Types")
    }
}

impl<RT> Clone for Types<RT> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<RT> Copy for Types<RT> {}

impl<RT> Default for Types<RT> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<RT> PartialEq for Types<RT> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<RT> Eq for Types<RT> {}

impl<RT> PartialOrd for Types<RT> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<RT> Ord for Types<RT> {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}

/// Raft on this node.
pub type Raft<RT> = openraft::Raft<Types<RT>, crate::replica::Machine>;
