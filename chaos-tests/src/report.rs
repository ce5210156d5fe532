//! What a run of the fault tests says of itself, for people and for the gate that reads it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::checks::{Invariant, Verdict};
use crate::history::History;

/// The report of one seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Which layer of the fault tests: 1 is the simulation of nodes, 2 real
    /// processes, 0 the state machine alone.
    pub layer: u8,
    /// Operations that were carried out and said so.
    pub operations_acknowledged: usize,
    /// How often each fault was injected.
    pub faults: BTreeMap<String, u64>,
    /// Why the run ended before its time, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// "true", "false" or "unknown", by invariant.
    pub invariants: BTreeMap<String, &'static str>,
    /// The canonical hash of the history, in hexadecimal.
    pub history_hash: String,
    /// Where the history is kept, if it is.
    pub history: Option<PathBuf>,
}

impl Report {
    /// The report of a history and its verdicts.
    pub fn new(
        seed: u64,
        layer: u8,
        faults: BTreeMap<String, u64>,
        history: &History,
        verdicts: &BTreeMap<Invariant, Verdict>,
    ) -> Self {
        let words = verdicts.iter().map(|(which, verdict)| (which.to_string(), verdict.word()));
        Self {
            seed,
            layer,
            operations_acknowledged: history.acknowledged(),
            faults,
            stopped: None,
            invariants: words.collect(),
            history_hash: format!("{:032x}", history.hash()),
            history: None,
        }
    }

    /// Whether the run came to its end and every invariant was shown to hold. Unknown fails.
    pub fn passes(&self) -> bool {
        let holds = |which: &Invariant| self.invariants.get(&which.to_string()) == Some(&"true");
        self.stopped.is_none() && Invariant::ALL.iter().all(holds)
    }
}
