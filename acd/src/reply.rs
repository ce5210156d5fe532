//! Answers to commands that were carried out.

use alloc::vec::Vec;

use crate::ids::{ContactId, NodeId, OfferToken, Revision, Seq, SessionEpoch};
use crate::record::TurnedAway;
use crate::time::{AttendedTime, LogTime};

/// Where a contact of an agent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkState {
    /// Before the agent, to be accepted by this time.
    Offered(AttendedTime),
    /// Being connected.
    Accepted,
    /// In conversation.
    Connected,
    /// On hold.
    Held,
    /// In wrap-up.
    WrapUp,
}

/// One of an agent's contacts, as a new session is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkItem {
    /// The contact.
    pub contact: ContactId,
    /// The offer it came by.
    pub token: OfferToken,
    /// Where it stands.
    pub state: WorkState,
}

/// What an ingress is told of a contact it still has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has its place; keep the customer waiting.
    Waiting,
    /// It is with an agent under this offer.
    WithAgent(OfferToken),
    /// It is closed; let the customer go.
    Closed,
    /// Nobody knows it (any more): put it in again, or let it go.
    Unknown,
    /// It belongs to another ingress.
    NotYours,
}

/// Answers to commands that were carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Done; there is nothing more to say.
    Done,
    /// The contact is in.
    Enqueued {
        /// Its number: places with equal effective arrival are in this order.
        seq: Seq,
        /// When it arrived.
        arrived: LogTime,
    },
    /// The contact could not wait; it is closed already.
    TurnedAway {
        /// Why.
        why: TurnedAway,
    },
    /// The offer is the agent's.
    Accepted {
        /// Whether the front end now connects the two, and will report it.
        bridging: bool,
    },
    /// The session is open; this is the agent's full state.
    LoggedIn {
        /// The fence of the session.
        epoch: SessionEpoch,
        /// Offers and contacts, in the order they came.
        work: Vec<WorkItem>,
    },
    /// The object's new revision.
    Revised {
        /// The revision.
        revision: Revision,
    },
    /// The new node's number.
    NodeAdded {
        /// The number.
        node: NodeId,
    },
    /// A token to join by.
    TokenIssued {
        /// Its number.
        token: Seq,
        /// From when on it is not good any more.
        expires: LogTime,
    },
    /// One verdict for each contact, in the order asked.
    Verdicts(Vec<Verdict>),
    /// Log time is now this.
    Time {
        /// Log time.
        now: LogTime,
        /// When something is due next.
        next_deadline: Option<LogTime>,
    },
    /// The state hash at this index.
    Checkpoint {
        /// The hash.
        hash: u128,
    },
}
