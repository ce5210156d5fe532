//! What front ends report of customers.

use alloc::vec::Vec;

use crate::channel::Channel;
use crate::config::{Priority, Requirements};
use crate::ids::{AgentId, ContactId, NodeId, OfferToken, PrincipalId, QueueId, SiteId};
use crate::text::{Attributes, Label};
use crate::time::{LogTime, Millis};

/// Puts a contact in. Idempotent by contact id: a repeat gets the same answer, a different
/// contact under the same id is refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Enqueue {
    /// The id, which is the idempotency key.
    pub contact: ContactId,
    /// Where it should wait.
    pub queue: QueueId,
    /// Its kind.
    pub channel: Channel,
    /// Its priority.
    pub priority: Priority,
    /// Where its media is; none: the site of the ingress.
    pub site: Option<SiteId>,
    /// Skills it needs in every step.
    pub requirements: Requirements,
    /// The agent to wait for: the last one, the named one.
    pub preferred: Option<AgentId>,
    /// How long to wait for that agent while busy; none: the queue's `preferred_wait`.
    pub preferred_wait: Option<Millis>,
    /// A scheduled callback waits from then on; only for the channel callback.
    pub not_before: Option<LogTime>,
    /// Whatever the desktop should see.
    pub attributes: Attributes,
}

/// A contact that an ingress still has after it re-attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldContact {
    /// The contact.
    pub contact: ContactId,
    /// The offer by which it is connected, if the ingress thinks it is.
    pub token: Option<OfferToken>,
}

/// What front ends report of customers.
#[derive(Clone, Debug, PartialEq)]
pub enum ContactCommand {
    /// Puts a contact in.
    Enqueue(Enqueue),
    /// The customer is gone: before the conversation an abandon, in it its end.
    HangUp {
        /// The contact.
        contact: ContactId,
    },
    /// Customer and agent are connected.
    Bridged {
        /// The contact.
        contact: ContactId,
        /// The accepted offer.
        token: OfferToken,
    },
    /// They could not be connected: the contact goes back to its place.
    BridgeFailed {
        /// The contact.
        contact: ContactId,
        /// The accepted offer.
        token: OfferToken,
    },
    /// The customer wants to be called back instead of waiting; keeps the place.
    RequestCallback {
        /// The contact.
        contact: ContactId,
        /// Not before this time; none: when its turn comes.
        not_before: Option<LogTime>,
    },
    /// Where the recording is.
    SetRecording {
        /// The contact.
        contact: ContactId,
        /// The reference.
        reference: Label,
    },
    /// What the customer thought of it, 0–100. May come long after the contact is closed.
    RecordCsat {
        /// The contact.
        contact: ContactId,
        /// The score.
        score: u8,
    },
    /// A stream of this ingress to a node is open.
    Attach {
        /// The ingress.
        ingress: PrincipalId,
        /// The node.
        node: NodeId,
    },
    /// That stream is gone.
    Detach {
        /// The ingress.
        ingress: PrincipalId,
        /// The node.
        node: NodeId,
    },
    /// After re-attaching: what the ingress still has. Each gets a verdict.
    Reattach {
        /// At most [`crate::limits::REATTACH_CONTACTS_MAX`].
        contacts: Vec<HeldContact>,
    },
    /// A supervisor moves a waiting contact to another queue; keeps arrival.
    Move {
        /// The contact.
        contact: ContactId,
        /// The other queue.
        to: QueueId,
    },
    /// A supervisor removes a contact that nobody will take.
    Remove {
        /// The contact.
        contact: ContactId,
    },
}
