//! Cities and nodes.

use crate::config::SiteConfig;
use crate::ids::{NodeId, Revision, Seq, SiteId};
use crate::site::NodeRole;
use crate::text::Address;
use crate::time::Millis;

/// Cities and nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiteCommand {
    /// Creates or changes a site.
    Put {
        /// Its configuration.
        config: SiteConfig,
        /// Revision it replaces; 0: must not exist; none: whatever is there.
        expected: Option<Revision>,
    },
    /// Deletes a site that nothing uses.
    Delete {
        /// The site.
        site: SiteId,
        /// Its revision.
        expected: Option<Revision>,
    },
    /// Makes a node a member; its number is in the reply.
    AddNode {
        /// Its site.
        site: SiteId,
    },
    /// A token by which one node may join. Its number is in the reply.
    IssueToken {
        /// The first 16 bytes of the SHA-256 of its secret.
        hash: u128,
        /// The site of the node; made when it joins, if it is not there then.
        site: SiteId,
        /// What the node is meant to be.
        role: NodeRole,
        /// For how long it is good.
        ttl: Millis,
    },
    /// Ends a token; one that was used is refused.
    RevokeToken {
        /// Its number.
        token: Seq,
    },
    /// A node joins by a token. The same key and disk get the same number again.
    RedeemToken {
        /// The first 16 bytes of the SHA-256 of the secret.
        hash: u128,
        /// The first 16 bytes of the SHA-256 of the node's public key.
        key: u128,
        /// Which life of its disk is meant.
        incarnation: u128,
        /// Where others find it.
        address: Address,
    },
    /// What a node is meant to be from now on.
    SetNodeRole {
        /// The node.
        node: NodeId,
        /// What it is meant to be.
        role: NodeRole,
        /// Fewer voters than before will do.
        fewer: bool,
        /// Revision of the members.
        expected: Option<Revision>,
    },
    /// Retires a node: it takes nobody in from now on, and is removed when it does not vote any
    /// more.
    RetireNode {
        /// The node.
        node: NodeId,
        /// Fewer voters than before will do.
        fewer: bool,
        /// Revision of the members.
        expected: Option<Revision>,
    },
    /// The leader has retired a node to the end. Its number is never used again.
    RemoveNode {
        /// The node.
        node: NodeId,
    },
    /// The leader has not heard of one node of a living site: its sessions and streams are gone.
    NodeLost {
        /// The node.
        node: NodeId,
    },
    /// The leader has not heard of any node of the site for a moment: no new offers there.
    Suspect {
        /// The site.
        site: SiteId,
    },
    /// The leader has heard of it again before it was lost.
    Heard {
        /// The site.
        site: SiteId,
    },
    /// The leader has not heard of it for longer: its agents are unreachable.
    Lost {
        /// The site.
        site: SiteId,
    },
    /// A lost site is back and caught up.
    CaughtUp {
        /// The site.
        site: SiteId,
    },
    /// An operator declares a site lost.
    DeclareLost {
        /// The site.
        site: SiteId,
        /// Its revision.
        expected: Option<Revision>,
    },
    /// Gives a site no new work and lets it finish.
    Drain {
        /// The site.
        site: SiteId,
        /// When what is still being offered there goes back.
        deadline: Millis,
        /// When the cordon is lifted by itself, if the site is well.
        expiry: Millis,
        /// At the deadline: calls and chats that wait at this site are called back instead.
        callback: bool,
        /// At the deadline: conversations are cut.
        force: bool,
        /// Its revision.
        expected: Option<Revision>,
    },
    /// Ends a drain before its time.
    CancelDrain {
        /// The site.
        site: SiteId,
        /// Its revision.
        expected: Option<Revision>,
    },
    /// Puts a drained or returning site back into service.
    Return {
        /// The site.
        site: SiteId,
        /// Its revision.
        expected: Option<Revision>,
    },
}

impl SiteCommand {
    /// The site it is about, if it names one.
    pub fn subject(&self) -> Option<&SiteId> {
        match self {
            Self::Put { config, .. } => Some(&config.id),
            Self::Delete { site, .. }
            | Self::AddNode { site }
            | Self::IssueToken { site, .. }
            | Self::Suspect { site }
            | Self::Heard { site }
            | Self::Lost { site }
            | Self::CaughtUp { site }
            | Self::DeclareLost { site, .. }
            | Self::Drain { site, .. }
            | Self::CancelDrain { site, .. }
            | Self::Return { site, .. } => Some(site),
            Self::RevokeToken { .. }
            | Self::RedeemToken { .. }
            | Self::SetNodeRole { .. }
            | Self::RetireNode { .. }
            | Self::RemoveNode { .. }
            | Self::NodeLost { .. } => None,
        }
    }
}
