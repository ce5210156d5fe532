//! Bugs put into the program on purpose, to see that the checks find them.

use crate::checks::Invariant;
use crate::report::Report;
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
    /// The log is purged of what made records, and those were never written.
    #[cfg(feature = "mutations")]
    RecordsNotWritten,
}

/// What a bug must lead to. Anything else that goes wrong may have other causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Catch {
    /// The invariant does not hold.
    Fails(Invariant),
    /// A node refuses to go on, in these words.
    Stops(&'static str),
}

impl Catch {
    /// Whether a run came to it. An invariant that could not be judged catches nothing.
    pub fn is_in(self, report: &Report) -> bool {
        match self {
            Self::Fails(invariant) => {
                report.invariants.get(&invariant.to_string()) == Some(&"false")
            }
            Self::Stops(words) => report.stopped.as_ref().is_some_and(|why| why.contains(words)),
        }
    }
}

impl Mutation {
    /// What catches it; any of these.
    pub fn caught_by(self) -> &'static [Catch] {
        #[cfg(feature = "mutations")]
        use Invariant::{I4, I5, I6, I8, I9, I11};
        match self {
            #[cfg(feature = "mutations")]
            Self::ReplyBeforeFsync | Self::RecordsNotWritten => &[Catch::Fails(I5)],
            // A node that is started again has a vote that is older than its log, and Raft gives up
            // as soon as it is to lead, or to follow, by it. For two leaders of one term somebody
            // would have to start again between two candidates of that term, without any entry of
            // it: no run gets as far as that.
            #[cfg(feature = "mutations")]
            Self::VoteNotPersisted => &[
                // With debug assertions Raft says so; without them it stumbles over what follows.
                Catch::Stops("must GE last_leader_log_ids"),
                Catch::Stops("no data to send"),
                Catch::Stops("can not be owned by the installing leader"),
            ],
            #[cfg(feature = "mutations")]
            Self::FenceNotChecked => &[Catch::Fails(I8)],
            #[cfg(feature = "mutations")]
            Self::ArrivalResetOnRequeue => &[Catch::Fails(I4)],
            // A repeat gets another answer; or the state that was restored differs from the others.
            #[cfg(feature = "mutations")]
            Self::MemoryNotInSnapshot => &[Catch::Fails(I6), Catch::Fails(I9)],
            #[cfg(feature = "mutations")]
            Self::DeadlineInGap | Self::GapNotAnnounced => &[Catch::Fails(I11)],
            #[cfg(feature = "mutations")]
            Self::OtherOrder => &[Catch::Fails(I9)],
        }
    }

    /// Whether a run caught it.
    pub fn is_caught(self, report: &Report) -> bool {
        self.caught_by().iter().any(|catch| catch.is_in(report))
    }

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
            Self::ReplyBeforeFsync
            | Self::VoteNotPersisted
            | Self::GapNotAnnounced
            | Self::RecordsNotWritten => None,
            Self::FenceNotChecked => Some(acd::Mutation::FenceNotChecked),
            Self::ArrivalResetOnRequeue => Some(acd::Mutation::ArrivalResetOnRequeue),
            Self::MemoryNotInSnapshot => Some(acd::Mutation::MemoryNotInSnapshot),
            Self::DeadlineInGap => Some(acd::Mutation::DeadlineInGap),
            Self::OtherOrder => (node == ODD).then_some(acd::Mutation::OtherOrder),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::judge;
    use crate::history::History;

    fn report(stopped: Option<&str>, fails: Option<Invariant>) -> Report {
        let history = History::default();
        let verdicts = judge(&history, Default::default());
        let mut report = Report::new(7, 1, Default::default(), &history, &verdicts);
        report.stopped = stopped.map(str::to_owned);
        if let Some(invariant) = fails {
            report.invariants.insert(invariant.to_string(), "false");
        }
        report
    }

    #[test]
    fn only_what_a_bug_leads_to_is_a_catch() {
        let catch = Catch::Fails(Invariant::I5);
        assert!(catch.is_in(&report(None, Some(Invariant::I5))));
        assert!(catch.is_in(&report(Some("a panic"), Some(Invariant::I5))));
        assert!(!catch.is_in(&report(None, Some(Invariant::I1))), "another invariant");
        assert!(!catch.is_in(&report(Some("a panic"), None)), "a panic alone");
        assert!(!catch.is_in(&report(None, None)), "all are unknown");
    }

    #[test]
    fn a_node_that_stops_must_say_the_expected_words() {
        let catch = Catch::Stops("its vote is older");
        assert!(catch.is_in(&report(Some("node 1 stopped: its vote is older"), None)));
        assert!(!catch.is_in(&report(Some("index out of bounds"), Some(Invariant::I5))));
        assert!(!catch.is_in(&report(None, None)));
    }
}
