//! The invariants, judged over a recorded history from outside the state machine.
//!
//! Each check reads commands, answers and events; none asks the state machine what is right.
//! What is not shown to hold does not hold: an invariant that cannot be judged is *unknown*, and
//! unknown fails.
//!
//! What each kind of bug leaves in a history, and who finds it there:
//!
//! | bug | what it leaves | found by |
//! |---|---|---|
//! | answers before the entry is safe | an acknowledged index that others went past, filled with something else, or never reached again | I5 (I1 if it was an arrival) |
//! | a vote that is not persisted | two entries at one index | I5 |
//! | a fence that is not checked | a command carried out under an old token; a deed that nobody with the present one asked for | I8 (I6) |
//! | effective arrival reset on requeue | an offer out of order; a step that moves a contact from where it was not | I4 |
//! | remembered ids left out of the snapshot | a restored state with another hash; a repeat with another answer; a contact that comes in again | I9, I6, I1 |
//! | a deadline that fires in a leaderless gap | an offer that ended before its time, or a silence that no gap takes off | I11 |
//! | one replica iterates in another order | other events or another hash at one index | I9 |
//! | records that are not written before the log is purged | a log that begins after the last segment, or a hole between segments | I5 |
//! | records that are lost, repeated or changed | other records than the events of the log make | I1 |
//! | a watch that is forgotten | an open watch that is behind in the end | I7 |
//! | a leader that writes nothing but its own entries while disks are slow | no write in that time | I10 |
//!
//! Offers and their ends are judged on a second account of everybody (`ledger`), kept from events
//! alone. Time is the stamps of entries; attended time is that less the gaps that were announced.

mod answers;
mod configured;
mod contacts;
mod durable;
mod entities;
mod fences;
mod healing;
mod ledger;
mod offers;
mod order;
mod records;
mod watches;

use std::collections::BTreeMap;
use std::fmt;

use crate::history::{History, Log};

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// Every acknowledged contact is in exactly one place; none lost, none invented.
    I1,
    /// At most one live offer or connection per contact at any log index.
    I2,
    /// Nothing is offered above capacity.
    I3,
    /// Order within a demand class, by effective arrival, which only a step changes.
    I4,
    /// What was acknowledged survives.
    I5,
    /// The same contact id, token or request id gets the same answer.
    I6,
    /// Watches: ordered, unique, atomic per entry, gap-free or explicitly compacted.
    I7,
    /// Stale tokens and epochs change nothing.
    I8,
    /// Equal applied index, equal hash.
    I9,
    /// After healing: one leader, the queue drained, fresh writes, within a bound.
    I10,
    /// No offer, and no end of one, where the rules forbid it.
    I11,
}

impl Invariant {
    /// All of them, in order.
    pub const ALL: [Self; 11] = [
        Self::I1,
        Self::I2,
        Self::I3,
        Self::I4,
        Self::I5,
        Self::I6,
        Self::I7,
        Self::I8,
        Self::I9,
        Self::I10,
        Self::I11,
    ];
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Whether an invariant held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did.
    True,
    /// It did not.
    False {
        /// What happened.
        why: String,
        /// Log index, operation or watch.
        at: String,
    },
    /// It cannot be said.
    Unknown {
        /// What is missing.
        why: String,
    },
}

impl Verdict {
    /// Whether it held.
    pub fn holds(&self) -> bool {
        *self == Self::True
    }

    /// "true", "false" or "unknown".
    pub fn word(&self) -> &'static str {
        match self {
            Self::True => "true",
            Self::False { .. } => "false",
            Self::Unknown { .. } => "unknown",
        }
    }
}

/// The first thing found against an invariant. Checks go on, but one reason is enough.
#[derive(Default)]
struct Findings(Option<(String, String)>);

impl Findings {
    /// Notes something found at a log index.
    fn at_index(&mut self, index: u64, why: impl FnOnce() -> String) {
        self.at(why, || format!("index {index}"));
    }

    fn at(&mut self, why: impl FnOnce() -> String, place: impl FnOnce() -> String) {
        if self.0.is_none() {
            self.0 = Some((why(), place()));
        }
    }

    fn verdict(self) -> Verdict {
        self.0.map_or(Verdict::True, |(why, at)| Verdict::False { why, at })
    }
}

/// From healing to the end, usually. Whoever runs a cluster must look for longer, or nobody would see
/// that it takes too long.
pub const DRAINED_MS_MAX: u64 = 45_000;

/// How long recovery may take, in ms.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// From healing to a fresh write that is acknowledged.
    pub fresh_write: u64,
    /// From healing to the end: everybody served, all nodes at one index.
    pub drained: u64,
    /// How long nobody may lead without a word of it in the log.
    pub silence: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { fresh_write: 10_000, drained: DRAINED_MS_MAX, silence: 1_000 }
    }
}

/// Judges every invariant.
pub fn judge(history: &History, bounds: Bounds) -> BTreeMap<Invariant, Verdict> {
    let log = Log::of(history);
    let nothing = history.acknowledged() == 0 || log.entries.is_empty();
    let verdict = |invariant: Invariant| {
        if nothing {
            return Verdict::Unknown { why: "nothing was acknowledged and applied".into() };
        }
        match invariant {
            Invariant::I1 => contacts::each_in_one_place(history, &log),
            Invariant::I2 => contacts::one_engagement(&log),
            Invariant::I3 => offers::within_capacity(&log),
            Invariant::I4 => order::in_order(&log),
            Invariant::I5 => durable::survives(history, &log),
            Invariant::I6 => answers::same_answer(&log),
            Invariant::I7 => watches::complete(history, &log),
            Invariant::I8 => fences::stale_changes_nothing(&log),
            Invariant::I9 => durable::replicas_agree(history, &log),
            Invariant::I10 => healing::recovers(history, &log, bounds),
            Invariant::I11 => offers::allowed(history, &log, bounds),
        }
    };
    Invariant::ALL.into_iter().map(|invariant| (invariant, verdict(invariant))).collect()
}
