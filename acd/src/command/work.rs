//! What agents do with a contact. Each command carries the token of the offer it came by.

use crate::ids::{AgentId, ContactId, OfferToken, QueueId};
use crate::text::Label;

/// Where a contact goes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferTarget {
    /// To another queue.
    Queue(QueueId),
    /// To an agent, who is waited for as a preferred agent is; the contact waits in its queue.
    Agent(AgentId),
}

/// What agents do with a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkCommand {
    /// Takes the offer.
    Accept {
        /// The contact.
        contact: ContactId,
        /// The offer.
        token: OfferToken,
    },
    /// Does not take the offer.
    Decline {
        /// The contact.
        contact: ContactId,
        /// The offer.
        token: OfferToken,
    },
    /// Puts the customer on hold.
    Hold {
        /// The contact.
        contact: ContactId,
        /// The offer it came by.
        token: OfferToken,
    },
    /// Takes the customer off hold.
    Retrieve {
        /// The contact.
        contact: ContactId,
        /// The offer it came by.
        token: OfferToken,
    },
    /// Ends the conversation; wrap-up starts, if the queue has it.
    End {
        /// The contact.
        contact: ContactId,
        /// The offer it came by.
        token: OfferToken,
    },
    /// Ends conversation and wrap-up.
    Complete {
        /// The contact.
        contact: ContactId,
        /// The offer it came by.
        token: OfferToken,
        /// What it was about; none: what was set before.
        disposition: Option<Label>,
        /// Whether the customer was helped; none: what was set before.
        resolved: Option<bool>,
    },
    /// Notes what it was about, during the conversation or wrap-up.
    SetDisposition {
        /// The contact.
        contact: ContactId,
        /// The offer it came by.
        token: OfferToken,
        /// What it was about.
        disposition: Label,
        /// Whether the customer was helped.
        resolved: bool,
    },
    /// Passes the customer on; arrival is kept, steps start anew.
    Transfer {
        /// The contact.
        contact: ContactId,
        /// The offer it came by.
        token: OfferToken,
        /// Where to.
        to: TransferTarget,
    },
    /// Asks a colleague: a second contact, linked to this one.
    Consult {
        /// The contact.
        contact: ContactId,
        /// The offer it came by.
        token: OfferToken,
        /// The id of the second contact.
        consult: ContactId,
        /// Whom to ask.
        to: TransferTarget,
    },
}

impl WorkCommand {
    /// The contact and the offer it is about.
    pub fn subject(&self) -> (&ContactId, OfferToken) {
        match self {
            Self::Accept { contact, token }
            | Self::Decline { contact, token }
            | Self::Hold { contact, token }
            | Self::Retrieve { contact, token }
            | Self::End { contact, token }
            | Self::Complete { contact, token, .. }
            | Self::SetDisposition { contact, token, .. }
            | Self::Transfer { contact, token, .. }
            | Self::Consult { contact, token, .. } => (contact, *token),
        }
    }
}
