//! A hook for tests that judge from outside what a replica did. A production node has none.

use acd::event::Event;
use acd::time::LogTime;
use bytes::Bytes;

use crate::raft::{Answers, LogId};

/// Is told of everything that changes a replica's state, in order.
pub trait Observer: Send + Sync + 'static {
    /// An entry with commands is about to be applied.
    fn applying(&self, _at: LogId) {}
    /// An entry with commands was applied.
    fn applied(&self, entry: Applied<'_>);
    /// The state was replaced by that of a snapshot, or read from one at the start.
    fn restored(&self, at: Option<LogId>, hash: u128);
    /// Which bug this replica has.
    #[cfg(feature = "mutations")]
    fn mutation(&self) -> Option<acd::Mutation> {
        None
    }
    /// Whether this node, when it leads, says nothing of the gap before.
    #[cfg(feature = "mutations")]
    fn hides_gaps(&self) -> bool {
        false
    }
}

/// An entry and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Applied<'a> {
    /// Where it is in the log.
    pub log_id: LogId,
    /// Log time of the entry.
    pub stamp: LogTime,
    /// Its encoded submissions.
    pub submissions: &'a [Bytes],
    /// What became of them.
    pub answers: &'a Answers,
    /// What happened.
    pub events: &'a [Event],
    /// The state hash after it.
    pub hash: u128,
}
