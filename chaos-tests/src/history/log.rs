//! The log that replicas agree on: the union, by index, of what they applied.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{AppliedEntry, History, ReplicaAct};

/// Two replicas, or two runs of one, that do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// They applied different entries at one index.
    Content {
        /// The index.
        index: u64,
        /// Who differs from whom was first.
        node: u64,
    },
    /// One went past an entry that another applied.
    Skipped {
        /// The index.
        index: u64,
        /// Who.
        node: u64,
    },
    /// They applied the same entry and said or became something else.
    Effect {
        /// The index.
        index: u64,
        /// Who differs from whom was first.
        node: u64,
        /// In what: answers, events, or state hash.
        what: &'static str,
    },
    /// A snapshot is not of the state that others had at its index.
    Restore {
        /// The index.
        index: u64,
        /// Who restored it.
        node: u64,
    },
    /// A replica did not apply in order.
    Disorder {
        /// The index that came too late.
        index: u64,
        /// Who.
        node: u64,
    },
}

impl Conflict {
    /// Whether they differ in what is in the log, not in what became of it.
    pub fn is_of_log(&self) -> bool {
        matches!(self, Self::Content { .. } | Self::Skipped { .. } | Self::Disorder { .. })
    }
}

/// The log that replicas agree on, and where they do not.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Entries by index. Where replicas differ, what most of them applied; of equally many, what
    /// was recorded last.
    pub entries: BTreeMap<u64, Arc<AppliedEntry>>,
    /// Where they differ.
    pub conflicts: Vec<Conflict>,
}

impl Log {
    /// The log of a history.
    pub fn of(history: &History) -> Self {
        let mut log = Self { entries: chosen(history), conflicts: Vec::new() };
        for run in &history.runs {
            log.follow(run);
        }
        log
    }

    /// Index of the last entry.
    pub fn last(&self) -> u64 {
        self.entries.last_key_value().map_or(0, |(index, _)| *index)
    }

    /// The state hash at an index: that of the last entry up to it.
    pub fn hash_at(&self, index: u64) -> Option<u128> {
        self.entries.range(..=index).next_back().map(|(_, entry)| entry.hash)
    }

    fn follow(&mut self, run: &super::Run) {
        let node = run.node;
        let mut at = 0;
        for act in &run.acts {
            match act {
                ReplicaAct::Restored { index, hash } => {
                    if self.hash_at(*index).is_some_and(|expected| expected != *hash) {
                        self.conflicts.push(Conflict::Restore { index: *index, node });
                    }
                    at = *index;
                }
                ReplicaAct::Applied(entry) => {
                    let index = entry.index;
                    if index <= at {
                        self.conflicts.push(Conflict::Disorder { index, node });
                        continue;
                    }
                    for (skipped, _) in self.entries.range(at + 1..index) {
                        self.conflicts.push(Conflict::Skipped { index: *skipped, node });
                    }
                    at = index;
                    self.compare(node, entry);
                }
            }
        }
    }

    fn compare(&mut self, node: u64, entry: &Arc<AppliedEntry>) {
        let index = entry.index;
        let Some(chosen) = self.entries.get(&index) else { return };
        if Arc::ptr_eq(chosen, entry) {
            return;
        }
        if chosen.stamp != entry.stamp || chosen.submissions != entry.submissions {
            self.conflicts.push(Conflict::Content { index, node });
            return;
        }
        let differs = [
            ("answers", chosen.answers != entry.answers),
            ("events", chosen.events != entry.events),
            ("state hash", chosen.hash != entry.hash),
        ];
        if let Some((what, _)) = differs.into_iter().find(|(_, differs)| *differs) {
            self.conflicts.push(Conflict::Effect { index, node, what });
        }
    }
}

/// What most replicas applied at each index.
fn chosen(history: &History) -> BTreeMap<u64, Arc<AppliedEntry>> {
    let mut votes: BTreeMap<u64, Vec<(usize, Arc<AppliedEntry>)>> = BTreeMap::new();
    for run in &history.runs {
        for act in &run.acts {
            let ReplicaAct::Applied(entry) = act else { continue };
            let at = votes.entry(entry.index).or_default();
            match at.iter_mut().find(|(_, e)| Arc::ptr_eq(e, entry) || **e == **entry) {
                Some((count, _)) => *count += 1,
                None => at.push((1, entry.clone())),
            }
        }
    }
    let most = |candidates: Vec<(usize, Arc<AppliedEntry>)>| {
        candidates.into_iter().max_by_key(|(count, _)| *count).map(|(_, entry)| entry)
    };
    votes.into_iter().filter_map(|(index, at)| Some((index, most(at)?))).collect()
}
