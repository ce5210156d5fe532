//! The state everybody reads.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use acd::Centre;
use acd::record::Record;
use futures::future::BoxFuture;
use openraft_rt::AsyncRuntime;
use tokio::sync::Notify;

use super::pending::RECORDS_PER_SEGMENT;
use super::watch::{Ended, Ring, Token, Watch};
use crate::raft::{LogId, StoredMembership};
use crate::storage::records::LoggedRecord;

/// Why this replica must not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// Its state is not that of the majority.
    #[error(
        "this node's state differs from the majority's since the checkpoint at log index {index} \
         (own hash {own:032x}): it stops before it does harm. Keep its data folder for an \
         analysis, and join the node anew with an empty one"
    )]
    Diverged {
        /// The checkpoint.
        index: u64,
        /// This replica's hash there.
        own: u128,
    },
    /// The cluster goes by rules that this program does not know.
    #[error(
        "the cluster goes by version {version} of the rules, this program knows version {known}: \
         install the newer program on this node and start it again; it goes on from here"
    )]
    VersionUnknown {
        /// The cluster's version.
        version: u32,
        /// The program's.
        known: u32,
    },
    /// The cluster has removed this node.
    #[error(
        "this node was removed from the cluster, or its certificate was revoked. Its number is not \
         used again: to bring this machine back, join anew with an empty folder"
    )]
    Removed,
    /// An entry of the log is missing.
    #[error(
        "the log gave entry {index} where entry {expected} should be: it has lost something. Keep \
         its data folder for an analysis, and join the node anew with an empty one"
    )]
    OutOfOrder {
        /// The entry that came.
        index: u64,
        /// The entry after the one that was applied last.
        expected: u64,
    },
    /// A task that must run as long as the node has ended.
    #[error("{task} has ended although the node goes on: this is a bug. Start the node again")]
    TaskEnded {
        /// Which.
        task: &'static str,
    },
    /// An entry of the log cannot be read.
    #[error("log entry {index} cannot be read: {why}. Install the program that wrote it")]
    Unreadable {
        /// The entry.
        index: u64,
        /// Why.
        why: String,
    },
}

/// The state and how far it is. Clones share it.
#[derive(Clone)]
pub struct State {
    shared: Arc<Shared>,
}

struct Shared {
    inner: RwLock<Inner>,
    ring: Arc<Ring>,
    epoch: u64,
    halt: OnceLock<Halt>,
    halting: Notify,
    admissions: Arc<Notify>,
    acts: Mutex<VecDeque<LoggedRecord>>,
}

pub(super) struct Inner {
    pub(super) centre: Centre,
    pub(super) applied: Option<LogId>,
    pub(super) membership: StoredMembership,
}

/// The state at one index, for as long as it is held. Nothing is applied meanwhile: be brief.
pub struct View<'a>(RwLockReadGuard<'a, Inner>);

impl View<'_> {
    /// The contact centre.
    pub fn centre(&self) -> &Centre {
        &self.0.centre
    }

    /// The last entry that was applied.
    pub fn applied(&self) -> Option<LogId> {
        self.0.applied
    }

    pub(super) fn membership(&self) -> StoredMembership {
        self.0.membership.clone()
    }
}

impl State {
    /// `epoch`: which life of the cluster; `events_max`: events kept for watches.
    pub(super) fn new(inner: Inner, epoch: u64, events_max: usize) -> Self {
        let ring = Arc::new(Ring::new(events_max, index(inner.applied)));
        let shared = Shared {
            inner: RwLock::new(inner),
            ring,
            epoch,
            halt: OnceLock::new(),
            halting: Notify::new(),
            admissions: Arc::default(),
            acts: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Reads the state.
    pub fn view(&self) -> View<'_> {
        View(self.shared.inner.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn change(&self) -> RwLockWriteGuard<'_, Inner> {
        self.shared.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps acts of administration until they are in a segment for certain.
    pub(super) fn note_acts(&self, records: &[LoggedRecord]) {
        let new = records.iter().filter(|logged| matches!(logged.record, Record::Audit(_)));
        let mut new = new.peekable();
        if new.peek().is_some() {
            let mut acts = self.shared.acts.lock().unwrap_or_else(PoisonError::into_inner);
            acts.extend(new.cloned());
            let surplus = acts.len().saturating_sub(RECORDS_PER_SEGMENT);
            acts.drain(..surplus);
        }
    }

    /// The last acts of administration, in the order of the log, as far back as to the last segment of
    /// records at least.
    pub fn recent_acts(&self) -> Vec<LoggedRecord> {
        let acts = self.shared.acts.lock().unwrap_or_else(PoisonError::into_inner);
        acts.iter().cloned().collect()
    }

    /// Ready when it may be that somebody is no longer admitted, from the moment this is called.
    pub fn admissions_changed(&self) -> BoxFuture<'static, ()> {
        Box::pin(self.shared.admissions.clone().notified_owned())
    }

    pub(super) fn tell_admissions(&self) {
        self.shared.admissions.notify_waiters();
    }

    pub(super) fn ring(&self) -> &Ring {
        &self.shared.ring
    }

    /// The last index that was applied.
    pub fn last_applied(&self) -> u64 {
        self.shared.ring.last_applied()
    }

    /// Waits until an index is applied.
    ///
    /// # Errors
    ///
    /// [`Ended::Closed`] when the node ends first.
    pub async fn wait_applied(&self, index: u64) -> Result<(), Ended> {
        self.shared.ring.wait_applied(index).await
    }

    /// Waits until something is applied after this was called first.
    pub fn next_applied(&self) -> tokio::sync::futures::Notified<'_> {
        self.shared.ring.applied.notified()
    }

    /// Lists what `list` reads, and watches from there on.
    pub fn watch<T>(&self, list: impl FnOnce(&Centre) -> T) -> (T, Watch) {
        let view = self.view();
        let listed = list(view.centre());
        let ring = self.shared.ring.clone();
        (listed, Watch::at(ring, self.shared.epoch, index(view.applied())))
    }

    /// Where to watch from to see all that comes after a view.
    pub fn token(&self, view: &View<'_>) -> Token {
        Token { epoch: self.shared.epoch, index: index(view.applied()) }
    }

    /// Watches from a token on.
    ///
    /// # Errors
    ///
    /// [`Ended::Compacted`]: list again. [`Ended::Behind`]: the token is ahead of this replica and
    /// stayed so for a second.
    pub async fn resume<RT: AsyncRuntime>(&self, token: Token) -> Result<Watch, Ended> {
        Watch::resume::<RT>(self.shared.ring.clone(), self.shared.epoch, token).await
    }

    /// Why this replica does not go on, if so.
    pub fn halted(&self) -> Option<&Halt> {
        self.shared.halt.get()
    }

    /// Returns when this replica must not go on.
    pub async fn until_halted(&self) -> &Halt {
        loop {
            // Before the look: what happens after it is noticed.
            let halting = self.shared.halting.notified();
            if let Some(halt) = self.halted() {
                return halt;
            }
            halting.await;
        }
    }

    /// This replica must not go on. Watches end; reads of what the node knows last are left to
    /// those who look for the cause.
    pub(crate) fn halt(&self, why: Halt) {
        tracing::error!(%why, "this node must not go on");
        // The first reason is the one to tell.
        let _ = self.shared.halt.set(why);
        self.shared.halting.notify_waiters();
        self.close();
    }

    /// Whether watches have ended: the node is ending, or must not go on.
    pub fn is_closed(&self) -> bool {
        self.shared.ring.is_closed()
    }

    /// Ends all watches.
    pub fn close(&self) {
        self.shared.ring.close();
    }
}

pub(super) fn index(applied: Option<LogId>) -> u64 {
    applied.map_or(0, |id| id.index)
}

/// A state without Raft, for tests of those who read it.
#[cfg(test)]
impl State {
    /// An empty centre.
    pub(crate) fn alone(events_max: usize) -> Self {
        let membership = StoredMembership::default();
        Self::new(Inner { centre: Centre::new(), applied: None, membership }, 1, events_max)
    }

    /// Applies a command in an entry of its own.
    pub(crate) fn apply(
        &self,
        stamp: acd::time::LogTime,
        submission: acd::command::Submission,
    ) -> (u64, Result<acd::reply::Reply, acd::rejection::Rejection>) {
        let mut inner = self.change();
        let next = index(inner.applied) + 1;
        let mut events = Vec::new();
        let outcome = inner.centre.apply(next, stamp, submission, &mut events);
        inner.applied = Some(LogId::new(crate::raft::LeaderId { term: 1, node_id: 1 }, next));
        self.ring().push(next, inner.centre.now(), events);
        (next, outcome)
    }

    /// Forgets what led here, as when a snapshot is installed.
    pub(crate) fn forget_events(&self) {
        let inner = self.change();
        self.ring().restart(index(inner.applied));
    }
}
