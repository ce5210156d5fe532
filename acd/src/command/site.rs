//! Cities and nodes.

use crate::config::SiteConfig;
use crate::ids::{NodeId, Revision, SiteId};
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
    /// Removes a node. Its number is never used again.
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
            | Self::Suspect { site }
            | Self::Heard { site }
            | Self::Lost { site }
            | Self::CaughtUp { site }
            | Self::DeclareLost { site, .. }
            | Self::Drain { site, .. }
            | Self::CancelDrain { site, .. }
            | Self::Return { site, .. } => Some(site),
            Self::RemoveNode { .. } | Self::NodeLost { .. } => None,
        }
    }
}
