//! Watches: what happened, in order, an entry at a time, from a list or a token on.
//!
//! The events of the last entries are kept in a ring that is bounded by the number of events.
//! Events follow from the log, so every replica has the same ones for an index: a token of one
//! node is good at any other that still has what came after it. Whoever falls behind the ring is
//! told so and lists again; nobody is waited for.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acd::event::Event;
use acd::time::LogTime;
use openraft_rt::AsyncRuntime;
use tokio::sync::Notify;

/// Where a watcher is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// Which life of the cluster: changes when it is restored from a backup.
    pub epoch: u64,
    /// The last log index the watcher knows the events of.
    pub index: u64,
}

/// What happened in one entry of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryEvents {
    /// Index of the entry.
    pub index: u64,
    /// Log time of the entry.
    pub stamp: LogTime,
    /// What happened, in order. Never empty.
    pub events: Vec<Event>,
}

/// Why a watch cannot go on. The watcher lists again, or goes elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// What came after the token is no longer kept here, or the token is of another life of the
    /// cluster.
    #[error("compacted: what came after the token is gone; list again")]
    Compacted,
    /// The token is ahead of this replica, which did not catch up in time.
    #[error("this replica is behind the token; ask another node")]
    Behind,
    /// The node is ending.
    #[error("the node is ending; ask another node")]
    Closed,
}

/// How long a token that is ahead of this replica is waited for.
const CATCH_UP: Duration = Duration::from_secs(1);

/// The last entries' events, and who waits for more.
#[derive(Debug)]
pub(super) struct Ring {
    entries: Mutex<Entries>,
    /// Wakes everybody who waits for something to be applied.
    pub(super) applied: Notify,
}

#[derive(Debug)]
struct Entries {
    kept: VecDeque<Arc<EntryEvents>>,
    /// Events in `kept`.
    events: usize,
    events_max: usize,
    /// Everything after this index is in `kept`.
    floor: u64,
    /// The last index that was applied.
    applied: u64,
    closed: bool,
}

impl Ring {
    pub(super) fn new(events_max: usize, applied: u64) -> Self {
        let entries = Entries {
            kept: VecDeque::new(),
            events: 0,
            events_max,
            floor: applied,
            applied,
            closed: false,
        };
        Self { entries: Mutex::new(entries), applied: Notify::new() }
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        // Nothing in here panics half-way.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An entry was applied.
    pub(super) fn push(&self, index: u64, stamp: LogTime, events: Vec<Event>) {
        let mut entries = self.entries();
        entries.applied = index;
        if !events.is_empty() {
            entries.events += events.len();
            entries.kept.push_back(Arc::new(EntryEvents { index, stamp, events }));
            while entries.events > entries.events_max
                && let Some(oldest) = entries.kept.pop_front()
            {
                entries.events -= oldest.events.len();
                entries.floor = oldest.index;
            }
        }
        drop(entries);
        self.applied.notify_waiters();
    }

    /// The state was replaced: what led to it is not known here.
    pub(super) fn restart(&self, applied: u64) {
        let mut entries = self.entries();
        entries.kept.clear();
        entries.events = 0;
        entries.floor = applied;
        entries.applied = applied;
        drop(entries);
        self.applied.notify_waiters();
    }

    pub(super) fn close(&self) {
        self.entries().closed = true;
        self.applied.notify_waiters();
    }

    pub(super) fn last_applied(&self) -> u64 {
        self.entries().applied
    }

    pub(super) fn is_closed(&self) -> bool {
        self.entries().closed
    }

    /// The next entry with events after an index: none yet, or gone.
    fn after(&self, index: u64) -> Result<Option<Arc<EntryEvents>>, Ended> {
        let entries = self.entries();
        if index < entries.floor {
            return Err(Ended::Compacted);
        }
        let at = entries.kept.partition_point(|entry| entry.index <= index);
        match entries.kept.get(at) {
            Some(entry) => Ok(Some(entry.clone())),
            None if entries.closed => Err(Ended::Closed),
            None => Ok(None),
        }
    }

    /// Waits until an index is applied.
    pub(super) async fn wait_applied(&self, index: u64) -> Result<(), Ended> {
        loop {
            let mut changed = pin!(self.applied.notified());
            changed.as_mut().enable();
            if self.last_applied() >= index {
                return Ok(());
            }
            if self.is_closed() {
                return Err(Ended::Closed);
            }
            changed.await;
        }
    }
}

/// A watcher's place. Costs nothing while nothing happens, and a slow watcher costs the others
/// nothing.
#[derive(Clone, Debug)]
pub struct Watch {
    ring: Arc<Ring>,
    epoch: u64,
    position: u64,
}

impl Watch {
    pub(super) fn at(ring: Arc<Ring>, epoch: u64, position: u64) -> Self {
        Self { ring, epoch, position }
    }

    pub(super) async fn resume<RT: AsyncRuntime>(
        ring: Arc<Ring>,
        epoch: u64,
        token: Token,
    ) -> Result<Self, Ended> {
        if token.epoch != epoch {
            return Err(Ended::Compacted);
        }
        match RT::timeout(CATCH_UP, ring.wait_applied(token.index)).await {
            Ok(caught_up) => caught_up?,
            Err(_) => return Err(Ended::Behind),
        }
        ring.after(token.index)?;
        Ok(Self::at(ring, epoch, token.index))
    }

    /// Where to resume after what was received so far.
    pub fn token(&self) -> Token {
        Token { epoch: self.epoch, index: self.position }
    }

    /// The events of the next entry that has any.
    ///
    /// # Errors
    ///
    /// [`Ended::Compacted`] if this watcher fell behind what is kept or the state was replaced by
    /// a snapshot; [`Ended::Closed`] when the node ends.
    pub async fn next(&mut self) -> Result<Arc<EntryEvents>, Ended> {
        loop {
            let ring = self.ring.clone();
            let mut changed = pin!(ring.applied.notified());
            changed.as_mut().enable();
            if let Some(entry) = self.ring.after(self.position)? {
                self.position = entry.index;
                return Ok(entry);
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use openraft_rt_tokio::TokioRuntime;

    use super::*;

    fn ring(events_max: usize) -> Arc<Ring> {
        Arc::new(Ring::new(events_max, 10))
    }

    fn events(n: usize) -> Vec<Event> {
        let event = |to| Event::TimeSet { from: LogTime(0), to: LogTime(to) };
        (0..n as u64).map(event).collect()
    }

    #[tokio::test]
    async fn entries_come_in_order_and_whole() {
        let ring = ring(100);
        let mut watch = Watch::at(ring.clone(), 1, 10);
        assert!(watch.next().now_or_never().is_none());
        ring.push(11, LogTime(1), events(2));
        ring.push(12, LogTime(2), events(0));
        ring.push(13, LogTime(3), events(1));
        assert_eq!(watch.next().await.unwrap().events.len(), 2);
        let entry = watch.next().await.unwrap();
        assert_eq!((entry.index, entry.stamp), (13, LogTime(3)));
        assert_eq!(watch.token(), Token { epoch: 1, index: 13 });
    }

    #[tokio::test]
    async fn whoever_falls_behind_is_told_so() {
        let ring = ring(3);
        let mut watch = Watch::at(ring.clone(), 1, 10);
        for index in 11..=13 {
            ring.push(index, LogTime(0), events(2));
        }
        assert_eq!(watch.next().await, Err(Ended::Compacted));
        let token = Token { epoch: 1, index: 12 };
        let mut late = Watch::resume::<TokioRuntime>(ring.clone(), 1, token).await.unwrap();
        assert_eq!(late.next().await.unwrap().index, 13);
        ring.restart(20);
        ring.push(21, LogTime(0), events(1));
        assert_eq!(late.next().await, Err(Ended::Compacted));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_ahead_is_waited_for_and_then_sent_elsewhere() {
        let ring = ring(3);
        let resume =
            |index| Watch::resume::<TokioRuntime>(ring.clone(), 1, Token { epoch: 1, index });
        assert_eq!(resume(11).await.unwrap_err(), Ended::Behind);
        let waiting = resume(11);
        ring.push(11, LogTime(0), vec![]);
        assert!(waiting.await.is_ok());
        let other_life = Token { epoch: 2, index: 10 };
        let resumed = Watch::resume::<TokioRuntime>(ring.clone(), 1, other_life).await;
        assert_eq!(resumed.unwrap_err(), Ended::Compacted);
        ring.close();
        assert_eq!(resume(12).await.unwrap_err(), Ended::Closed);
    }
}
