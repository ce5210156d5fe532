//! What became of commands, counted.

use std::fmt;
use std::time::Duration;

use super::answer::Answer;
use super::inbox::Stopwatch;
use crate::tally::{Counter, Histogram};

/// Commands in an entry: powers of two up to what an entry has by default, and more.
const BATCH_SIZES: [u64; 12] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096];

/// How long a command took, in µs: from a loopback's half a millisecond to what is waited for.
const LATENCIES_US: [u64; 14] = [
    500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000,
    2_000_000, 5_000_000, 10_000_000,
];

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
pub struct SubmitTally {
    now: Stopwatch,
    answers: [[Counter; OUTCOMES.len()]; Origin::ALL.len()],
    /// Commands in each entry that this node proposed.
    pub batches: Histogram<{ BATCH_SIZES.len() }>,
    /// Of clients' commands that were carried out: µs from when they came in to their answers.
    pub latencies_us: Histogram<{ LATENCIES_US.len() }>,
}

impl fmt::Debug for SubmitTally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitTally").field("answers", &self.answers).finish_non_exhaustive()
    }
}

impl SubmitTally {
    /// Nothing counted yet; `now` tells how long commands take.
    pub fn new(now: Stopwatch) -> Self {
        Self {
            now,
            answers: Default::default(),
            batches: Histogram::new(BATCH_SIZES),
            latencies_us: Histogram::new(LATENCIES_US),
        }
    }

    /// When a command comes in.
    pub(super) fn now(&self) -> Duration {
        (self.now)()
    }

    /// A command of this origin, which came in then, was answered.
    pub(super) fn answered(&self, origin: Origin, since: Duration, answer: &Answer) {
        self.answers[origin as usize][outcome(answer)].count();
        if origin == Origin::Client && matches!(answer, Answer::Committed { .. }) {
            let took = self.now().saturating_sub(since).as_micros();
            self.latencies_us.count(u64::try_from(took).unwrap_or(u64::MAX));
        }
    }

    /// How often each of [`OUTCOMES`] was the answer to commands of this origin.
    pub fn answers(&self, origin: Origin) -> [(&'static str, u64); OUTCOMES.len()] {
        let counters = &self.answers[origin as usize];
        std::array::from_fn(|outcome| (OUTCOMES[outcome], counters[outcome].get()))
    }
}
