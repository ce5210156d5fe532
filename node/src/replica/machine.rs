//! What Raft applies entries to.

use std::io;
use std::sync::Arc;

use acd::codec::{decode_entry, decode_submission};
use acd::event::Event;
use acd::snapshot::Restorer;
use acd::time::LogTime;
use acd::{Centre, limits};
use futures::{Stream, TryStreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft_rt::AsyncRuntime;
use tokio::sync::Notify;

use super::observer::{Applied, Observer};
use super::pending::{PendingRecords, SegmentWriter};
use super::snapshots::{Builder, Work};
use super::state::{Halt, Inner, State, index};
use crate::raft::{
    Answers, Entry, EntryBytes, LeaderId, LogId, Payload, SnapshotMeta, StoredMembership, Types,
};
use crate::storage::{Snapshot, SnapshotStore, StorageError};

/// What a replica is made of.
pub struct Parts {
    /// Where snapshots are.
    pub snapshots: Arc<SnapshotStore>,
    /// Where records go.
    pub segments: SegmentWriter,
    /// Which life of the cluster this is.
    pub epoch: u64,
    /// Events kept for watches.
    pub watch_events_max: usize,
    /// Bytes of applied log after which a snapshot is due.
    pub snapshot_after_bytes: u64,
    /// Told when a snapshot is due.
    pub snapshot_due: Arc<Notify>,
    /// Told of entries about time.
    pub time_news: Box<dyn Fn(TimeNews) + Send + Sync>,
    /// Watches over everything, under test.
    pub observer: Option<Arc<dyn Observer>>,
}

/// What an entry says about time.
#[derive(Clone, Copy, Debug)]
pub enum TimeNews {
    /// Log time was set to this.
    Set(LogTime),
    /// An entry of this leader, the first one here. The gap before its term is in the log: a leader
    /// writes it down before anything else.
    Led(LeaderId),
}

/// The state machine that Raft drives.
pub struct Machine {
    state: State,
    parts: Parts,
    pending: PendingRecords,
    /// Bytes applied since the last snapshot was begun.
    log_bytes: u64,
    /// Who wrote the last entry with commands that was applied since the start.
    leader: Option<LeaderId>,
}

impl Machine {
    /// Begins with the latest snapshot. Raft applies what the log has after it.
    ///
    /// # Errors
    ///
    /// What the snapshot's file has to say; a snapshot that cannot be read.
    pub fn open(parts: Parts) -> Result<Self, StorageError> {
        let inner = match parts.snapshots.latest()? {
            Some(snapshot) => read(&snapshot)?,
            None => Inner {
                centre: Centre::new(),
                applied: None,
                membership: StoredMembership::default(),
            },
        };
        #[cfg(feature = "mutations")]
        let inner = mutated(inner, &parts);
        if let Some(observer) = &parts.observer {
            observer.restored(inner.applied, inner.centre.state_hash());
        }
        let pending = PendingRecords::after(inner.applied.map(|id| id.index));
        let state = State::new(inner, parts.epoch, parts.watch_events_max);
        Ok(Self { state, parts, pending, log_bytes: 0, leader: None })
    }

    /// The state, for readers.
    pub fn state(&self) -> State {
        self.state.clone()
    }

    fn apply_entry(&mut self, entry: Entry) -> Result<Answers, Halt> {
        let Entry { log_id, payload } = entry;
        let expected = self.state.view().applied().map_or(0, |applied| applied.index + 1);
        if log_id.index != expected {
            return Err(Halt::OutOfOrder { index: log_id.index, expected });
        }
        match payload {
            Payload::Normal(bytes) => self.apply_commands(log_id, bytes),
            Payload::Blank => {
                let mut inner = self.state.change();
                inner.applied = Some(log_id);
                self.state.ring().push(log_id.index, inner.centre.now(), Vec::new());
                Ok(Answers::default())
            }
            Payload::Membership(membership) => {
                let mut inner = self.state.change();
                inner.applied = Some(log_id);
                inner.membership = StoredMembership::new(Some(log_id), membership);
                self.state.ring().push(log_id.index, inner.centre.now(), Vec::new());
                Ok(Answers::default())
            }
        }
    }

    fn apply_commands(&mut self, log_id: LogId, bytes: EntryBytes) -> Result<Answers, Halt> {
        if let Some(observer) = &self.parts.observer {
            observer.applying(log_id);
        }
        self.log_bytes += bytes.0.len() as u64;
        let entry = decode_entry(bytes.0)
            .map_err(|why| Halt::Unreadable { index: log_id.index, why: why.to_string() })?;
        let mut events = Vec::new();
        let mut answers = Vec::with_capacity(entry.submissions.len());
        let mut inner = self.state.change();
        inner.centre.begin(log_id.index, entry.stamp);
        for submission in &entry.submissions {
            // One that cannot be read is refused alone, by every replica with the same words.
            answers.push(match decode_submission(submission) {
                Ok(submission) => inner.centre.execute(submission, &mut events),
                Err(refusal) => Err(refusal),
            });
        }
        inner.centre.end(&mut events);
        inner.applied = Some(log_id);
        let answers = Answers(answers);
        if let Some(observer) = &self.parts.observer {
            observer.applied(Applied {
                log_id,
                stamp: entry.stamp,
                submissions: &entry.submissions,
                answers: &answers,
                events: &events,
                hash: inner.centre.state_hash(),
            });
        }
        if let Some(halt) = events.iter().find_map(must_halt) {
            // What a replica that is wrong saw happen is shown to nobody.
            return Err(halt);
        }
        let leader = *log_id.committed_leader_id();
        if self.leader.replace(leader) != Some(leader) {
            (self.parts.time_news)(TimeNews::Led(leader));
        }
        for event in &events {
            if let Event::TimeSet { to, .. } = event {
                (self.parts.time_news)(TimeNews::Set(*to));
            }
        }
        self.state.note_acts(self.pending.note(log_id.index, inner.centre.now(), &events));
        if self.pending.are_many() {
            self.parts.segments.write(self.pending.take(log_id.index));
        }
        if events.iter().any(ends_admission) {
            self.state.tell_admissions();
        }
        // Before the state can be read at this index: a watch that begins there misses nothing.
        self.state.ring().push(log_id.index, inner.centre.now(), events);
        Ok(answers)
    }

    /// What is needed to write a snapshot of the state as it is now. Takes well under a
    /// millisecond; the writing happens elsewhere.
    fn builder<RT: AsyncRuntime>(&mut self) -> Builder<RT> {
        self.log_bytes = 0;
        let records = self.pending.take(self.state.last_applied());
        let inner = self.state.view();
        Builder::new(Work {
            frozen: inner.centre().snapshot(),
            meta: SnapshotMeta {
                last_log_id: inner.applied(),
                last_membership: inner.membership(),
            },
            records,
            snapshots: self.parts.snapshots.clone(),
            segments: self.parts.segments.clone(),
        })
    }
}

/// Whether somebody may have lost the right to be connected.
fn ends_admission(event: &Event) -> bool {
    matches!(event, Event::NodeRemoved { .. })
}

fn must_halt(event: &Event) -> Option<Halt> {
    match event {
        Event::Diverged { index, own, .. } => Some(Halt::Diverged { index: *index, own: *own }),
        Event::VersionUnknown { to } => {
            Some(Halt::VersionUnknown { version: *to, known: limits::CLUSTER_VERSION_MAX })
        }
        _ => None,
    }
}

/// A state with the bug that this replica is to have.
#[cfg(feature = "mutations")]
fn mutated(mut inner: Inner, parts: &Parts) -> Inner {
    inner.centre.mutate(parts.observer.as_ref().and_then(|observer| observer.mutation()));
    inner
}

/// Reads a snapshot into a state.
fn read(snapshot: &Snapshot) -> Result<Inner, StorageError> {
    let mut restorer = Some(Restorer::new());
    let mut refusal = None;
    snapshot.read_payload::<StorageError>(|chunk| {
        if let Some(so_far) = restorer.take() {
            match so_far.push(chunk) {
                Ok(more) => restorer = Some(more),
                Err(why) => refusal = Some(why),
            }
        }
        Ok(())
    })?;
    let restored = match (restorer, refusal) {
        (Some(restorer), None) => restorer.finish(),
        (_, Some(why)) => Err(why),
        (None, None) => unreachable!("the restorer is only given up for a refusal"),
    };
    let centre = restored.map_err(|why| snapshot.damaged(&why.to_string()))?;
    let SnapshotMeta { last_log_id, last_membership } = snapshot.meta.clone();
    Ok(Inner { centre, applied: last_log_id, membership: last_membership })
}

impl<RT: AsyncRuntime> RaftStateMachine<Types<RT>> for Machine {
    type SnapshotData = Snapshot;
    type SnapshotBuilder = Builder<RT>;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let view = self.state.view();
        Ok((view.applied(), view.membership()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types<RT>>>> + Unpin + Send,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            match self.apply_entry(entry) {
                Ok(answers) => {
                    if let Some(responder) = responder {
                        responder.send(answers);
                    }
                }
                Err(halt) => {
                    let error = io::Error::other(halt.clone());
                    self.state.halt(halt);
                    return Err(error);
                }
            }
            if self.log_bytes >= self.parts.snapshot_after_bytes {
                self.parts.snapshot_due.notify_one();
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        self.builder()
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Snapshot,
    ) -> io::Result<()> {
        debug_assert_eq!(&snapshot.meta, meta);
        let store = self.parts.snapshots.clone();
        let inner = RT::spawn_blocking(move || {
            let inner = read(&snapshot)?;
            snapshot.keep()?;
            store.keep_only(&snapshot)?;
            Ok::<_, StorageError>(inner)
        })
        .await?
        .map_err(io::Error::other)?;
        #[cfg(feature = "mutations")]
        let inner = mutated(inner, &self.parts);
        if let Some(observer) = &self.parts.observer {
            observer.restored(inner.applied, inner.centre.state_hash());
        }
        // The records up to here came before the snapshot did: see `peers::service`.
        self.pending = PendingRecords::after(inner.applied.map(|id| id.index));
        self.log_bytes = 0;
        let applied = index(inner.applied);
        let mut present = self.state.change();
        *present = inner;
        drop(present);
        self.state.ring().restart(applied);
        self.state.tell_admissions();
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> io::Result<Option<openraft::alias::SnapshotOf<Types<RT>, Snapshot>>> {
        let latest = self.parts.snapshots.latest().map_err(io::Error::other)?;
        Ok(latest
            .map(|snapshot| openraft::storage::Snapshot { meta: snapshot.meta.clone(), snapshot }))
    }
}
