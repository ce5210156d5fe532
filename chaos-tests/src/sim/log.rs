//! Raft's log in memory, with an fsync.
//!
//! What is written can be read at once and is durable when an fsync that began after it has ended;
//! one fsync takes all that waits. A power cut keeps everything synced and a prefix, said by the
//! seed, of the operations after it in their order; the append at its end may be kept in part. So
//! does `raft-log`, whose files this stands in for.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::future::pending;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use node::raft::{Entry, EntryBytes, LogId, Payload, Types, Vote};
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{EntryPayload, OptionalSend};
use rand::RngExt;
use rand::rngs::SmallRng;
use tokio::sync::oneshot;

use super::disk::FSYNC;
use super::{Crash, Host, NodeRuntime, World, lock};

/// Raft over the simulated runtime.
pub type SimTypes = Types<NodeRuntime>;

/// Bytes of payload that one limited read returns, unless set otherwise.
pub const READ_LIMIT_BYTES: usize = 1 << 20;

/// A host's log. A cheap handle, also its own reader; it outlives the host's crashes, so that a
/// node started again opens it where its predecessor left it.
#[derive(Clone)]
pub struct SimLog {
    log: Arc<Mutex<Log>>,
    world: World,
    host: Host,
}

/// When each entry was first in any log, in virtual time. Clones share it.
#[derive(Clone, Default)]
pub struct Appends(Arc<Mutex<BTreeMap<LogId, Duration>>>);

impl Appends {
    fn note(&self, entries: &[Entry], now: Duration) {
        let mut first = lock(&self.0);
        for entry in entries {
            first.entry(entry.log_id).or_insert(now);
        }
    }

    /// When an entry was first appended; none: to none of the logs that were told to note it.
    pub fn first(&self, entry: LogId) -> Option<Duration> {
        lock(&self.0).get(&entry).copied()
    }
}

/// Wrong ways to keep a log, to see that tests find them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mutations {
    /// Appends are reported durable before they are.
    pub reply_before_fsync: bool,
    /// Votes are never written, only remembered.
    pub vote_not_persisted: bool,
}

struct Log {
    rng: SmallRng,
    /// What a reader sees.
    now: Contents,
    /// What a power cut cannot take.
    durable: Contents,
    /// What separates the two, in order.
    unsynced: VecDeque<Operation>,
    /// How many operations there have been; the last has this number.
    written: u64,
    synced: u64,
    syncing: bool,
    waiting: Vec<(u64, Waiting)>,
    fsync: Range<Duration>,
    read_limit_bytes: usize,
    mutations: Mutations,
    noted: Appends,
    appends: u64,
    crash_at_append: Option<u64>,
    write_error: Option<io::ErrorKind>,
}

#[derive(Clone, Default)]
struct Contents {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    entries: BTreeMap<u64, Entry>,
}

enum Operation {
    Append(Vec<Entry>),
    Vote(Vote),
    Committed(Option<LogId>),
    Truncate(Option<LogId>),
    Purge(LogId),
}

enum Waiting {
    Append(IOFlushed<SimTypes>),
    Vote(oneshot::Sender<()>),
}

impl Contents {
    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Append(entries) => {
                self.entries.extend(entries.iter().map(|e| (e.log_id.index, e.clone())));
            }
            Operation::Vote(vote) => self.vote = Some(*vote),
            Operation::Committed(committed) => self.committed = *committed,
            Operation::Truncate(last) => {
                let from = last.map_or(0, |last| last.index + 1);
                self.entries.split_off(&from);
            }
            Operation::Purge(upto) => {
                self.purged = Some(*upto);
                self.entries = self.entries.split_off(&(upto.index + 1));
            }
        }
    }

    fn last(&self) -> Option<LogId> {
        self.entries.last_key_value().map(|(_, entry)| entry.log_id).or(self.purged)
    }
}

impl Log {
    fn write(&mut self, operation: Operation) -> u64 {
        self.now.apply(&operation);
        self.unsynced.push_back(operation);
        self.written += 1;
        self.written
    }

    fn sync_upto(&mut self, upto: u64) -> Vec<Waiting> {
        while self.synced < upto {
            self.synced += 1;
            if let Some(operation) = self.unsynced.pop_front() {
                self.durable.apply(&operation);
            }
        }
        let waiting = std::mem::take(&mut self.waiting);
        let (done, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(at, _)| *at <= upto);
        self.waiting = rest;
        done.into_iter().map(|(_, waiting)| waiting).collect()
    }

    fn end_life(&mut self, how: Crash) -> Vec<(u64, Waiting)> {
        if how == Crash::Power {
            let kept = self.rng.random_range(0..=self.unsynced.len());
            let mut operations = std::mem::take(&mut self.unsynced).into_iter();
            for operation in operations.by_ref().take(kept) {
                self.durable.apply(&operation);
            }
            if let Some(Operation::Append(mut entries)) = operations.next() {
                entries.truncate(self.rng.random_range(0..=entries.len()));
                self.durable.apply(&Operation::Append(entries));
            }
            self.now = self.durable.clone();
            self.synced = self.written;
        } else if self.mutations.vote_not_persisted {
            self.now.vote = self.durable.vote;
        }
        self.syncing = false;
        self.crash_at_append = None;
        std::mem::take(&mut self.waiting)
    }
}

impl SimLog {
    /// An empty log of a host.
    pub fn new(world: &World, host: Host) -> Self {
        let log = Arc::new(Mutex::new(Log {
            rng: world.rng(),
            now: Contents::default(),
            durable: Contents::default(),
            unsynced: VecDeque::new(),
            written: 0,
            synced: 0,
            syncing: false,
            waiting: Vec::new(),
            fsync: FSYNC,
            read_limit_bytes: READ_LIMIT_BYTES,
            mutations: Mutations::default(),
            noted: Appends::default(),
            appends: 0,
            crash_at_append: None,
            write_error: None,
        }));
        let weak = Arc::downgrade(&log);
        world.on_crash(move |crashed, how| {
            if crashed == host
                && let Some(log) = weak.upgrade()
            {
                // Callbacks are dropped once the log is free again: they may call others.
                let waiting = lock(&log).end_life(how);
                drop(waiting);
            }
        });
        Self { log, world: world.clone(), host }
    }

    /// Sets how long an fsync takes.
    pub fn set_fsync(&self, takes: Range<Duration>) {
        self.log().fsync = takes;
    }

    /// Sets how many bytes of payload one limited read returns.
    pub fn set_read_limit(&self, bytes: usize) {
        self.log().read_limit_bytes = bytes;
    }

    /// Makes the log wrong in some way.
    pub fn set_mutations(&self, mutations: Mutations) {
        self.log().mutations = mutations;
    }

    /// Notes the time of each append from now on.
    pub fn note_appends(&self, into: Appends) {
        self.log().noted = into;
    }

    /// Makes every write fail, or no longer.
    pub fn fail_writes(&self, with: Option<io::ErrorKind>) {
        self.log().write_error = with;
    }

    /// Cuts the host's power right after so many more appends, before they can be synced: `1` is
    /// the next. The host's crash at any earlier time takes it back.
    pub fn crash_at_append(&self, nth: u64) {
        let mut log = self.log();
        log.crash_at_append = Some(log.appends + nth);
    }

    /// How many appends there have been.
    pub fn appends(&self) -> u64 {
        self.log().appends
    }

    /// Replaces the log by an empty one. Its host should have crashed.
    pub fn wipe(&self) {
        let mut log = self.log();
        log.now = Contents::default();
        log.durable = Contents::default();
        log.unsynced.clear();
        log.synced = log.written;
    }

    /// The last entry and the last purged one that a power cut cannot take.
    pub fn durable_state(&self) -> (Option<LogId>, Option<LogId>) {
        let log = self.log();
        (log.durable.last(), log.durable.purged)
    }

    /// The last purged entry, as a reader sees it.
    pub fn purged(&self) -> Option<LogId> {
        self.log().now.purged
    }

    /// The vote that a power cut cannot take.
    pub fn durable_vote(&self) -> Option<Vote> {
        self.log().durable.vote
    }

    /// The entries a reader sees, in order.
    pub fn entries(&self) -> Vec<Entry> {
        self.log().now.entries.values().cloned().collect()
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }

    fn write(&self, operation: Operation) -> io::Result<u64> {
        if !self.world.is_alive(self.world.life_acting_for(self.host)) {
            return Err(io::Error::other("the host has crashed"));
        }
        let mut log = self.log();
        if let Some(kind) = log.write_error {
            return Err(kind.into());
        }
        let at = log.write(operation);
        drop(log);
        self.start_sync();
        Ok(at)
    }

    /// Starts an fsync if none is under way; that one goes on until nothing is left.
    fn start_sync(&self) {
        let mut log = self.log();
        if log.syncing {
            return;
        }
        log.syncing = true;
        drop(log);
        let this = self.clone();
        let sync = async move {
            loop {
                let (upto, takes) = {
                    let mut log = this.log();
                    if log.synced == log.written {
                        log.syncing = false;
                        return;
                    }
                    let takes = log.fsync.clone();
                    let takes =
                        if takes.is_empty() { takes.start } else { log.rng.random_range(takes) };
                    (log.written, takes)
                };
                this.world.sleep(takes).await;
                let done = this.log().sync_upto(upto);
                for waiting in done {
                    match waiting {
                        Waiting::Append(callback) => callback.io_completed(Ok(())),
                        // Whoever asked may have given up.
                        Waiting::Vote(done) => drop(done.send(())),
                    }
                }
            }
        };
        drop(self.world.spawn_on(self.host, sync));
    }
}

fn payload_bytes(entry: &Entry) -> usize {
    match &entry.payload {
        EntryPayload::Normal(EntryBytes(bytes)) => bytes.len(),
        Payload::Blank | Payload::Membership(_) => 0,
    }
}

impl RaftLogReader<SimTypes> for SimLog {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<Entry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let empty = match (range.start_bound(), range.end_bound()) {
            (Bound::Included(start), Bound::Excluded(end)) => start >= end,
            (Bound::Included(start), Bound::Included(end)) => start > end,
            _ => false,
        };
        if empty {
            return Ok(Vec::new());
        }
        Ok(self.log().now.entries.range(range).map(|(_, entry)| entry.clone()).collect())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.log().now.vote)
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, io::Error> {
        if start >= end {
            return Ok(Vec::new());
        }
        let log = self.log();
        let mut bytes = 0;
        let mut entries = Vec::new();
        for entry in log.now.entries.range(start..end).map(|(_, entry)| entry) {
            bytes += payload_bytes(entry);
            if !entries.is_empty() && bytes > log.read_limit_bytes {
                break;
            }
            entries.push(entry.clone());
        }
        Ok(entries)
    }
}

impl RaftLogStorage<SimTypes> for SimLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<SimTypes>, io::Error> {
        let log = self.log();
        Ok(LogState { last_purged_log_id: log.now.purged, last_log_id: log.now.last() })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        if self.log().mutations.vote_not_persisted {
            self.log().now.vote = Some(*vote);
            return Ok(());
        }
        let at = self.write(Operation::Vote(*vote))?;
        let (sender, receiver) = oneshot::channel();
        self.log().waiting.push((at, Waiting::Vote(sender)));
        receiver.await.map_err(io::Error::other)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        self.write(Operation::Committed(committed)).map(drop)
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.log().now.committed)
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: IOFlushed<SimTypes>,
    ) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<_> = entries.into_iter().collect();
        let (noted, now) = (self.log().noted.clone(), self.world.now());
        noted.note(&entries, now);
        let at = self.write(Operation::Append(entries))?;
        let crashes = {
            let mut log = self.log();
            log.appends += 1;
            log.crash_at_append == Some(log.appends)
        };
        if self.log().mutations.reply_before_fsync {
            callback.io_completed(Ok(()));
        } else {
            self.log().waiting.push((at, Waiting::Append(callback)));
        }
        if crashes {
            self.world.crash(self.host);
            // Its host is gone: nothing comes after.
            pending::<()>().await;
        }
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        self.write(Operation::Truncate(last_log_id)).map(drop)
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        self.write(Operation::Purge(log_id)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use node::raft::LeaderId;
    use openraft_rt::{AsyncRuntime, Oneshot};

    use super::*;
    use crate::sim::run;

    const NODE: Host = Host::Node(1);
    const SECOND: Duration = Duration::from_secs(1);

    fn id(index: u64) -> LogId {
        LogId::new(LeaderId { term: 1, node_id: 1 }, index)
    }

    fn entry(index: u64) -> Entry {
        let payload = EntryPayload::Normal(EntryBytes(Bytes::from(vec![0; 100])));
        Entry { log_id: id(index), payload }
    }

    fn vote(term: u64) -> Vote {
        Vote { leader_id: LeaderId { term, node_id: 1 }, committed: false }
    }

    async fn append(log: &mut SimLog, indexes: Range<u64>) {
        let entries: Vec<_> = indexes.map(entry).collect();
        log.append(entries, IOFlushed::noop()).await.expect("appended");
    }

    fn last(log: &SimLog) -> Option<u64> {
        log.entries().last().map(|entry| entry.log_id.index)
    }

    #[test]
    fn an_append_can_be_read_at_once_and_is_durable_after_the_fsync() {
        run(1, |world| async move {
            let mut log = SimLog::new(&world, NODE);
            append(&mut log, 0..3).await;
            let (sender, flushed) = <NodeRuntime as AsyncRuntime>::Oneshot::channel();
            log.append([entry(3)], IOFlushed::signal(sender)).await.expect("appended");
            assert_eq!(log.try_get_log_entries(..).await.expect("read").len(), 4);
            assert_eq!(log.durable_state(), (None, None));
            flushed.await.expect("told").expect("flushed");
            assert!(world.now() >= FSYNC.start);
            assert_eq!(log.durable_state(), (Some(id(3)), None));
        });
    }

    #[test]
    fn a_power_cut_keeps_what_was_synced_and_a_prefix_of_the_rest() {
        let mut seen = Vec::new();
        for seed in 0..64 {
            let left = run(seed, |world| async move {
                let mut log = SimLog::new(&world, NODE);
                append(&mut log, 0..2).await;
                world.sleep(SECOND).await;
                append(&mut log, 2..4).await;
                log.truncate_after(Some(id(2))).await.expect("truncated");
                world.crash(NODE);
                assert_eq!(log.durable_state().0.map(|id| id.index), last(&log));
                last(&log)
            });
            seen.push(left);
        }
        seen.sort();
        seen.dedup();
        // Nothing; half of the append; all of it; and cut off again, which looks like half.
        assert_eq!(seen, [Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn a_killed_process_loses_nothing_of_its_log() {
        run(1, |world| async move {
            let mut log = SimLog::new(&world, NODE);
            append(&mut log, 0..2).await;
            world.kill(NODE);
            assert_eq!(last(&log), Some(1));
        });
    }

    #[test]
    fn a_vote_is_saved_only_once_it_is_durable() {
        run(1, |world| async move {
            let mut log = SimLog::new(&world, NODE);
            log.set_fsync(SECOND..SECOND);
            log.save_vote(&vote(2)).await.expect("saved");
            assert_eq!(world.now(), SECOND);
            world.crash(NODE);
            assert_eq!(log.read_vote().await.expect("read"), Some(vote(2)));
        });
    }

    #[test]
    fn a_vote_that_is_not_persisted_is_forgotten() {
        run(1, |world| async move {
            let mut log = SimLog::new(&world, NODE);
            log.set_mutations(Mutations { vote_not_persisted: true, ..Mutations::default() });
            log.save_vote(&vote(2)).await.expect("saved");
            assert_eq!(log.read_vote().await.expect("read"), Some(vote(2)));
            world.crash(NODE);
            assert_eq!(log.read_vote().await.expect("read"), None);
        });
    }

    #[test]
    fn a_crash_at_an_append_comes_before_its_fsync_and_nothing_after_it() {
        run(1, |world| async move {
            let log = SimLog::new(&world, NODE);
            let life = world.life(NODE);
            log.crash_at_append(2);
            let mut inner = log.clone();
            let task = world.spawn_on(NODE, async move {
                append(&mut inner, 0..1).await;
                NodeRuntime::sleep(SECOND).await;
                append(&mut inner, 1..2).await;
                append(&mut inner, 2..3).await;
            });
            world.ended(life).await;
            assert_eq!(world.now(), SECOND);
            assert!(task.await.is_err());
            assert!(last(&log) == Some(0) || last(&log) == Some(1));
            assert_eq!(log.appends(), 2);
        });
    }

    #[test]
    fn a_limited_read_returns_at_least_one_entry() {
        run(1, |world| async move {
            let mut log = SimLog::new(&world, NODE);
            append(&mut log, 0..10).await;
            log.set_read_limit(250);
            assert_eq!(log.limited_get_log_entries(0, 10).await.expect("read").len(), 2);
            log.set_read_limit(1);
            assert_eq!(log.limited_get_log_entries(4, 10).await.expect("read").len(), 1);
        });
    }

    #[test]
    fn a_failing_disk_fails_writes() {
        run(1, |world| async move {
            let mut log = SimLog::new(&world, NODE);
            log.fail_writes(Some(io::ErrorKind::StorageFull));
            assert!(log.append([entry(0)], IOFlushed::noop()).await.is_err());
            assert!(log.save_vote(&vote(2)).await.is_err());
            log.fail_writes(None);
            append(&mut log, 0..1).await;
            log.wipe();
            assert_eq!(last(&log), None);
        });
    }
}
