//! Bugs put into the program on purpose, to see that the checks find them.

use crate::sim::log::Mutations;

/// A bug that a run can have; none without the feature `mutations`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "mutations", derive(clap::ValueEnum))]
pub enum Mutation {
    /// A leader answers before its entries are durable.
    #[cfg(feature = "mutations")]
    ReplyBeforeFsync,
    /// A node that crashes forgets whom it voted for.
    #[cfg(feature = "mutations")]
    VoteNotPersisted,
    /// Commands are carried out whatever offer token or session epoch they carry.
    #[cfg(feature = "mutations")]
    FenceNotChecked,
    /// Whoever comes back to a queue begins at its end.
    #[cfg(feature = "mutations")]
    ArrivalResetOnRequeue,
    /// Closed contacts and first answers to requests are not in snapshots.
    #[cfg(feature = "mutations")]
    MemoryNotInSnapshot,
    /// A gap without a leader uses up people's time.
    #[cfg(feature = "mutations")]
    DeadlineInGap,
    /// A new leader says nothing of the time before it, which uses up people's time.
    #[cfg(feature = "mutations")]
    GapNotAnnounced,
    /// One replica matches in another order.
    #[cfg(feature = "mutations")]
    OtherOrder,
}

impl Mutation {
    /// What is wrong with the logs of all nodes.
    pub fn of_log(self) -> Mutations {
        match self {
            #[cfg(feature = "mutations")]
            Self::ReplyBeforeFsync => Mutations { reply_before_fsync: true, ..Default::default() },
            #[cfg(feature = "mutations")]
            Self::VoteNotPersisted => Mutations { vote_not_persisted: true, ..Default::default() },
            #[cfg(feature = "mutations")]
            _ => Mutations::default(),
        }
    }

    /// What is wrong with the state machine of a node.
    #[cfg(feature = "mutations")]
    pub fn of_centre(self, node: u64) -> Option<acd::Mutation> {
        /// The one that differs from the others.
        const ODD: u64 = 2;
        match self {
            Self::ReplyBeforeFsync | Self::VoteNotPersisted | Self::GapNotAnnounced => None,
            Self::FenceNotChecked => Some(acd::Mutation::FenceNotChecked),
            Self::ArrivalResetOnRequeue => Some(acd::Mutation::ArrivalResetOnRequeue),
            Self::MemoryNotInSnapshot => Some(acd::Mutation::MemoryNotInSnapshot),
            Self::DeadlineInGap => Some(acd::Mutation::DeadlineInGap),
            Self::OtherOrder => (node == ODD).then_some(acd::Mutation::OtherOrder),
        }
    }
}
