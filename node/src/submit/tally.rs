//! What became of commands, counted.

use super::answer::Answer;
use crate::tally::{Counter, Histogram};

/// Commands in an entry: powers of two up to what an entry has by default, and more.
const BATCH_SIZES: [u64; 12] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096];

/// Where a command came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From a client of this node, or from its own API.
    Client,
    /// Passed on by another node, which counts it as its client's.
    Peer,
    /// Written by this node on its own account, as the leader.
    Node,
}

impl Origin {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Client, Self::Peer, Self::Node];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Peer => "peer",
            Self::Node => "node",
        }
    }
}

/// Words for answers, in the order of the counters.
pub const OUTCOMES: [&str; 4] = ["committed", "refused", "unavailable", "unknown"];

fn outcome(answer: &Answer) -> usize {
    match answer {
        Answer::Committed { .. } => 0,
        Answer::Refused { .. } => 1,
        Answer::Unavailable { .. } => 2,
        Answer::Unknown { .. } => 3,
    }
}

/// What became of the commands of a node since it started.
#[derive(Debug)]
pub struct SubmitTally {
    answers: [[Counter; OUTCOMES.len()]; Origin::ALL.len()],
    /// Commands in each entry that this node proposed.
    pub batches: Histogram<{ BATCH_SIZES.len() }>,
}

impl Default for SubmitTally {
    fn default() -> Self {
        Self { answers: Default::default(), batches: Histogram::new(BATCH_SIZES) }
    }
}

impl SubmitTally {
    /// A command of this origin was answered.
    pub fn answered(&self, origin: Origin, answer: &Answer) {
        self.answers[origin as usize][outcome(answer)].count();
    }

    /// How often each of [`OUTCOMES`] was the answer to commands of this origin.
    pub fn answers(&self, origin: Origin) -> [(&'static str, u64); OUTCOMES.len()] {
        let counters = &self.answers[origin as usize];
        std::array::from_fn(|outcome| (OUTCOMES[outcome], counters[outcome].get()))
    }
}
