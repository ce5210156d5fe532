//! What the leader writes into the log on its own account.

use alloc::vec::Vec;
use core::fmt;

use crate::ids::{NodeId, PrincipalId, SiteId};
use crate::text::Label;
use crate::time::{LogTime, Millis};

/// The state hash a replica had at a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointVote {
    /// The replica.
    pub node: NodeId,
    /// Its hash.
    pub hash: u128,
}

/// Who should lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaderChoice {
    /// This node.
    Node(NodeId),
    /// A node of this site.
    Site(SiteId),
    /// Any node but this one.
    NotNode(NodeId),
    /// A node of any site but this one.
    NotSite(SiteId),
}

impl LeaderChoice {
    /// Whether a node at a site is such a one. `site`: none if the node has none.
    pub fn is(&self, node: NodeId, site: Option<&SiteId>) -> bool {
        match self {
            Self::Node(wanted) => *wanted == node,
            Self::Site(wanted) => site == Some(wanted),
            Self::NotNode(unwanted) => *unwanted != node,
            Self::NotSite(unwanted) => site != Some(unwanted),
        }
    }
}

impl fmt::Display for LeaderChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "node {}", node.0),
            Self::Site(site) => write!(f, "a node of {site}"),
            Self::NotNode(node) => write!(f, "another node than {}", node.0),
            Self::NotSite(site) => write!(f, "a node of another site than {site}"),
        }
    }
}

/// Time, gaps, checkpoints.
#[derive(Clone, Debug, PartialEq)]
pub enum ClusterCommand {
    /// The first command of a cluster: its name, its first site with node 1, and its first
    /// operator, who gets the roles admin, operator and supervisor. Accepted once.
    Init {
        /// The name people see.
        cluster: Label,
        /// The first site.
        site: SiteId,
        /// The first operator.
        admin: PrincipalId,
        /// Whether clients own log time ([`ClusterCommand::AdvanceTo`]), which begins in 1970:
        /// replays and tests.
        replay: bool,
    },
    /// Nothing but time: lets due deadlines fire when nothing else happens.
    Tick,
    /// The first command of a leader's term. Must lead its entry.
    TermStarted {
        /// The leader.
        leader: NodeId,
        /// How long nobody could be heard: from the last entry to this one, at most.
        gap: Millis,
    },
    /// Log time is wrong by more than slewing mends: jumps forward. The jump is a gap, nobody
    /// waited that long.
    SetTime {
        /// The right time.
        to: LogTime,
    },
    /// Moves log time in a cluster whose clients own it.
    AdvanceTo {
        /// The new time; not before the present one.
        to: LogTime,
    },
    /// Keep the state hash at this index; judge the hashes that replicas had at the last one.
    Checkpoint {
        /// Index of the checkpoint the votes are about; 0 with no votes.
        about: u64,
        /// What each replica reported.
        votes: Vec<CheckpointVote>,
    },
    /// Ends a rolling upgrade: every member runs a program that knows this version of the rules.
    /// What a version changes in `apply` or in the hash begins with the next command.
    RaiseVersion {
        /// The version after the present one.
        to: u32,
    },
    /// An operator wants another node to lead. The leader writes it before it hands over: who
    /// leads is Raft's matter, and this changes nothing but the audit trail.
    TransferLeader {
        /// Who should lead.
        to: LeaderChoice,
        /// Why the leader stays: the command is refused with these words. None: it hands over once
        /// this is committed, unless such a node leads already.
        stays: Option<Label>,
    },
}
