//! Writes a history while it happens.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use acd::command::Submission;
use acd::event::Event;
use acd::time::{LogTime, Millis};
use openraft_rt::{AsyncRuntime, Instant};

use super::{
    AppliedEntry, Contacts, Ending, FinalNode, History, Operation, Outcome, ReplicaAct,
    ResumeToken, Run, Told,
};

/// Writes a history while it happens; clones write the same one.
#[derive(Clone)]
pub struct Recorder {
    clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    history: History,
    /// Entries that were applied, so that replicas that agree share one copy.
    known: BTreeMap<u64, Arc<AppliedEntry>>,
    /// Events that watches were told, for the same reason.
    told: BTreeMap<u64, Arc<Vec<Event>>>,
    healed: u64,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl Recorder {
    /// A recorder on a runtime's clock. `began`: log time, about, at this moment.
    pub fn on<RT: AsyncRuntime>(began: LogTime) -> Self {
        let start = <RT::Instant as Instant>::now();
        Self::with_clock(began, move || {
            let elapsed = <RT::Instant as Instant>::now() - start;
            u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
        })
    }

    /// A recorder on any clock, in milliseconds.
    pub fn with_clock(began: LogTime, clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        let inner = Inner { history: History { began, ..History::default() }, ..Inner::default() };
        Self { clock: Arc::new(clock), inner: Arc::new(Mutex::new(inner)) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked while writing has failed the test already.
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Virtual time, in ms.
    pub fn now(&self) -> u64 {
        (self.clock)()
    }

    /// Log time now, about.
    pub fn log_time(&self) -> LogTime {
        let began = self.inner().history.began;
        began.plus(Millis(self.now()))
    }

    // -- Clients ----------------------------------------------------------------------------------

    /// A client calls; the number is for [`Self::returned`]. Until then the outcome is unknown.
    pub fn called(&self, client: &str, node: u64, submission: Submission) -> usize {
        let called = self.now();
        let (client, outcome) = (client.to_owned(), Outcome::Unknown);
        let operation = Operation { client, node, called, returned: None, submission, outcome };
        let mut inner = self.inner();
        inner.history.operations.push(operation);
        inner.history.operations.len() - 1
    }

    /// The call returned.
    pub fn returned(&self, operation: usize, outcome: Outcome) {
        let now = self.now();
        let mut inner = self.inner();
        let operation = &mut inner.history.operations[operation];
        operation.returned = Some(now);
        operation.outcome = outcome;
    }

    // -- Replicas ---------------------------------------------------------------------------------

    /// A replica starts, with nothing; the number is for what it does.
    pub fn started(&self, node: u64) -> usize {
        let started = self.now();
        let mut inner = self.inner();
        let runs = &mut inner.history.runs;
        let before = runs.iter().filter(|run| run.node == node).count();
        runs.push(Run { node, run: before as u32, started, acts: Vec::new() });
        runs.len() - 1
    }

    /// The replica goes on from a snapshot.
    pub fn restored(&self, run: usize, index: u64, hash: u128) {
        self.inner().history.runs[run].acts.push(ReplicaAct::Restored { index, hash });
    }

    /// An entry was first in anybody's log then; if nobody says, when it was applied first.
    pub fn written(&self, index: u64, at: u64) {
        self.inner().history.written_at.entry(index).or_insert(at);
    }

    /// The replica applied an entry.
    pub fn applied(&self, run: usize, entry: AppliedEntry) {
        let now = self.now();
        let mut inner = self.inner();
        let inner = &mut *inner;
        inner.history.written_at.entry(entry.index).or_insert(now);
        let known = inner.known.entry(entry.index);
        let entry = match known {
            std::collections::btree_map::Entry::Occupied(known) if **known.get() == entry => {
                known.get().clone()
            }
            std::collections::btree_map::Entry::Occupied(_) => Arc::new(entry),
            std::collections::btree_map::Entry::Vacant(vacant) => {
                vacant.insert(Arc::new(entry)).clone()
            }
        };
        inner.history.runs[run].acts.push(ReplicaAct::Applied(entry));
    }

    // -- Watches ----------------------------------------------------------------------------------

    fn told(&self, watch: &str, told: Told) {
        let now = self.now();
        let mut inner = self.inner();
        let watches = &mut inner.history.watches;
        watches.entry(watch.to_owned()).or_default().push((now, told));
    }

    /// A watch asks a node.
    pub fn watch_asked(&self, watch: &str, node: u64, from: Option<ResumeToken>) {
        self.told(watch, Told::Asked { node, from });
    }

    /// A watch is told everything.
    pub fn watch_listed(&self, watch: &str, token: ResumeToken, contacts: Contacts) {
        self.told(watch, Told::Listed { token, contacts });
    }

    /// A watch is told what happened in one entry.
    pub fn watch_entry(&self, watch: &str, token: ResumeToken, events: &[Event]) {
        let events = {
            let mut inner = self.inner();
            let known = inner.told.entry(token.index).or_insert_with(|| Arc::new(events.to_vec()));
            if **known == *events { known.clone() } else { Arc::new(events.to_vec()) }
        };
        self.told(watch, Told::Entry { token, events });
    }

    /// A watch is told to list again.
    pub fn watch_compacted(&self, watch: &str) {
        self.told(watch, Told::Compacted);
    }

    /// A watch lost its node.
    pub fn watch_ended(&self, watch: &str) {
        self.told(watch, Told::Ended);
    }

    /// Whoever watched wants to see no more.
    pub fn watch_closed(&self, watch: &str) {
        self.told(watch, Told::Closed);
    }

    // -- Faults -----------------------------------------------------------------------------------

    /// From `from` to `to`, in virtual time, the faults let no node lead.
    pub fn leaderless(&self, from: u64, to: u64) {
        self.inner().history.leaderless.push((from, to));
    }

    /// From `from` to `to`, in virtual time, all disks were slow and nothing else was wrong.
    pub fn slow_disks(&self, from: u64, to: u64) {
        self.inner().history.slow_disks.push((from, to));
    }

    /// The last fault is taken back.
    pub fn healed(&self) {
        let now = self.now();
        self.inner().healed = now;
    }

    /// How all nodes look in the end.
    pub fn ended(&self, nodes: Vec<FinalNode>) {
        let noted = self.now();
        let mut inner = self.inner();
        let inner = &mut *inner;
        inner.history.ending = Some(Ending { healed: inner.healed, noted, nodes });
    }

    /// What is recorded so far.
    pub fn history(&self) -> History {
        self.inner().history.clone()
    }
}
