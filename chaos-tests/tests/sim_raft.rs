//! Raft on simulated hosts and logs, its messages handed over in memory: acknowledged writes
//! survive every fault, and a log that lies about its fsyncs is found out.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::panic::catch_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chaos_tests::sim::faults::{Planned, Subject, inject, plan, plan_of};
use chaos_tests::sim::log::{Mutations, SimTypes};
use chaos_tests::sim::{Host, Network, NodeRuntime, SimDisk, SimLog, World, run};
use futures::{Stream, TryStreamExt};
use node::raft::{Answers, EntryBytes, LogId, Member, SnapshotMeta, StoredMembership, Vote};
use openraft::alias::SnapshotOf;
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{
    AnyError, Config, EntryPayload, OptionalSend, RaftNetworkFactory, RaftNetworkV2,
    RaftSnapshotBuilder, SnapshotPolicy, StorageError,
};
use openraft_rt::AsyncRuntime;
use rand::RngExt;

type Raft = openraft::Raft<SimTypes, Machine>;
type Snapshot = (SnapshotMeta, Vec<Bytes>);
type Running = Arc<Mutex<BTreeMap<u64, (Raft, Machine)>>>;

const WINDOW: Duration = Duration::from_secs(15);

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Remembers what was applied, in order.
#[derive(Clone, Default)]
struct Machine {
    state: Arc<Mutex<State>>,
    /// Outlives crashes.
    snapshot: Arc<Mutex<Option<Snapshot>>>,
}

#[derive(Clone, Default)]
struct State {
    applied: Option<LogId>,
    membership: StoredMembership,
    seen: Vec<Bytes>,
}

impl Machine {
    /// What a restart finds.
    fn reopened(&self) -> Self {
        let state = match &*lock(&self.snapshot) {
            Some((meta, seen)) => State {
                applied: meta.last_log_id,
                membership: meta.last_membership.clone(),
                seen: seen.clone(),
            },
            None => State::default(),
        };
        Self { state: Arc::new(Mutex::new(state)), snapshot: self.snapshot.clone() }
    }
}

impl RaftSnapshotBuilder<SimTypes> for Machine {
    type SnapshotData = Vec<Bytes>;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<SimTypes, Vec<Bytes>>, io::Error> {
        let State { applied, membership, seen } = lock(&self.state).clone();
        let meta = SnapshotMeta { last_log_id: applied, last_membership: membership };
        *lock(&self.snapshot) = Some((meta.clone(), seen.clone()));
        Ok(openraft::Snapshot { meta, snapshot: seen })
    }
}

impl RaftStateMachine<SimTypes> for Machine {
    type SnapshotData = Vec<Bytes>;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let state = lock(&self.state);
        Ok((state.applied, state.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<SimTypes>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            {
                let mut state = lock(&self.state);
                state.applied = Some(entry.log_id);
                match entry.payload {
                    EntryPayload::Blank => {}
                    EntryPayload::Normal(EntryBytes(bytes)) => state.seen.push(bytes),
                    EntryPayload::Membership(membership) => {
                        state.membership = StoredMembership::new(Some(entry.log_id), membership);
                    }
                }
            }
            if let Some(responder) = responder {
                responder.send(Answers::default());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Vec<Bytes>,
    ) -> Result<(), io::Error> {
        *lock(&self.snapshot) = Some((meta.clone(), snapshot));
        let installed = lock(&self.reopened().state).clone();
        *lock(&self.state) = installed;
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<SnapshotOf<SimTypes, Vec<Bytes>>>, io::Error> {
        let snapshot = lock(&self.snapshot).clone();
        Ok(snapshot.map(|(meta, snapshot)| openraft::Snapshot { meta, snapshot }))
    }
}

struct Cluster {
    world: World,
    network: Network,
    logs: BTreeMap<u64, SimLog>,
    machines: BTreeMap<u64, Machine>,
    running: Running,
    /// Whether a leader that starts again goes on in its old term.
    leader_restore: bool,
}

impl Cluster {
    fn new(world: &World, nodes: &[u64], leader_restore: bool) -> Arc<Self> {
        Arc::new(Self {
            world: world.clone(),
            network: Network::new(world),
            logs: nodes.iter().map(|n| (*n, SimLog::new(world, Host::Node(*n)))).collect(),
            machines: nodes.iter().map(|n| (*n, Machine::default())).collect(),
            running: Arc::default(),
            leader_restore,
        })
    }

    fn raft(&self, node: u64) -> Option<Raft> {
        lock(&self.running).get(&node).map(|(raft, _)| raft.clone())
    }

    fn seen(&self, node: u64) -> Vec<Bytes> {
        lock(&self.running)
            .get(&node)
            .map_or_else(Vec::new, |(_, machine)| lock(&machine.state).seen.clone())
    }
}

impl Subject for Cluster {
    async fn start(&self, node: u64) {
        let config = Config {
            heartbeat_interval: 50,
            election_timeout_min: 150,
            election_timeout_max: 300,
            enable_pre_vote: Some(true),
            enable_leader_restore: Some(self.leader_restore),
            snapshot_policy: SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: 0,
            ..Config::default()
        };
        let config = Arc::new(config.validate().expect("a valid configuration"));
        let machine = self.machines[&node].reopened();
        let peers = Peers {
            me: node,
            world: self.world.clone(),
            network: self.network.clone(),
            running: self.running.clone(),
        };
        let raft = Raft::new(node, config, peers, self.logs[&node].clone(), machine.clone());
        // As a task of the host, so that what Raft spawns is the host's. It is cancelled if the
        // host crashes meanwhile, and then whoever crashed it starts it again.
        if let Ok(raft) = self.world.spawn_on(Host::Node(node), raft).await {
            let raft = raft.expect("a log that opens");
            lock(&self.running).insert(node, (raft, machine));
        }
    }

    async fn transfer_leader(&self, to: u64) {
        for node in self.logs.keys() {
            if let Some(raft) = self.raft(*node) {
                // Only a leader that is up can transfer.
                let trigger = raft.trigger();
                let asked = trigger.transfer_leader(to);
                drop(NodeRuntime::timeout(Duration::from_secs(1), asked).await);
            }
        }
    }

    async fn snapshot(&self, node: u64) {
        let running = lock(&self.running).get(&node).cloned();
        let Some((raft, machine)) = running else { return };
        let applied = lock(&machine.state).applied;
        let asked = async {
            raft.trigger().snapshot().await?;
            NodeRuntime::sleep(Duration::from_millis(100)).await;
            raft.trigger().purge_log(applied.map_or(0, |id| id.index)).await
        };
        // A node that is down takes none.
        drop(NodeRuntime::timeout(Duration::from_secs(1), asked).await);
    }

    fn log(&self, node: u64) -> SimLog {
        self.logs[&node].clone()
    }

    fn disk(&self, _: u64) -> Option<SimDisk> {
        None
    }
}

#[derive(Clone)]
struct Peers {
    me: u64,
    world: World,
    network: Network,
    running: Running,
}

struct Peer {
    peers: Peers,
    to: u64,
}

impl RaftNetworkFactory<SimTypes> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, to: u64, _: &Member) -> Peer {
        Peer { peers: self.clone(), to }
    }
}

fn unreachable() -> RPCError<SimTypes> {
    RPCError::Unreachable(Unreachable::new(&AnyError::error("no answer")))
}

impl Peer {
    async fn call<T, E, F>(
        &self,
        limit: Duration,
        ask: impl FnOnce(Raft) -> F + Send,
    ) -> Result<T, RPCError<SimTypes>>
    where
        F: Future<Output = Result<T, E>> + Send,
        T: Send,
        E: Send,
    {
        let Peers { me, world, network, running } = &self.peers;
        let (from, to) = (Host::Node(*me), Host::Node(self.to));
        let delay = || Duration::from_micros(NodeRuntime::thread_rng().random_range(100..1000));
        let answer = async {
            world.sleep(delay()).await;
            if network.is_cut(from, to) {
                return std::future::pending().await;
            }
            let raft = lock(running).get(&self.to).map(|(raft, _)| raft.clone());
            let answer = ask(raft.ok_or_else(unreachable)?).await;
            world.sleep(delay()).await;
            if network.is_cut(to, from) {
                return std::future::pending().await;
            }
            answer.map_err(|_| unreachable())
        };
        NodeRuntime::timeout(limit, answer).await.unwrap_or_else(|_| Err(unreachable()))
    }
}

impl RaftNetworkV2<SimTypes> for Peer {
    type SnapshotData = Vec<Bytes>;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<SimTypes>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<SimTypes>, RPCError<SimTypes>> {
        self.call(option.hard_ttl(), |raft| async move { raft.append_entries(rpc).await }).await
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<SimTypes>,
        option: RPCOption,
    ) -> Result<VoteResponse<SimTypes>, RPCError<SimTypes>> {
        self.call(option.hard_ttl(), |raft| async move { raft.vote(rpc).await }).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<SimTypes>,
        option: RPCOption,
    ) -> Result<VoteResponse<SimTypes>, RPCError<SimTypes>> {
        self.call(option.hard_ttl(), |raft| async move { raft.pre_vote(rpc).await }).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<SimTypes, Vec<Bytes>>,
        _: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<SimTypes>, StreamingError<SimTypes>> {
        let sent = self.call(option.hard_ttl(), |raft| async move {
            raft.install_full_snapshot(vote, snapshot).await
        });
        let failed = Unreachable::new(&AnyError::error("no answer"));
        sent.await.map_err(|_| StreamingError::Unreachable(failed))
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<SimTypes>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<SimTypes>, RPCError<SimTypes>> {
        let asked = |raft: Raft| async move { raft.handle_transfer_leader(rpc).await };
        self.call(option.hard_ttl(), asked).await
    }
}

/// Writes numbers, one after the other, each offered to one node once. Gives those that were
/// acknowledged.
async fn write(cluster: Arc<Cluster>, from: u64, until: Duration) -> Vec<Bytes> {
    let mut acknowledged = Vec::new();
    let mut number = from;
    let mut node = 1;
    while cluster.world.now() < until {
        number += 1;
        let bytes = Bytes::copy_from_slice(&number.to_be_bytes());
        if let Some(raft) = cluster.raft(node) {
            let asked = raft.client_write(EntryBytes(bytes.clone()));
            match NodeRuntime::timeout(Duration::from_millis(500), asked).await {
                Ok(Ok(_)) => acknowledged.push(bytes),
                _ => node = node % 3 + 1,
            }
        }
        NodeRuntime::sleep(Duration::from_millis(5)).await;
    }
    acknowledged
}

/// What a run under faults came to.
#[derive(Debug, PartialEq)]
struct Outcome {
    acknowledged: usize,
    lost: usize,
    /// Whether all nodes applied the same in the end.
    agreed: bool,
    fingerprint: u64,
}

/// What is wrong with a cluster on purpose.
#[derive(Clone, Copy, Default)]
struct Wrong {
    log: Mutations,
    leader_restore: bool,
}

fn run_under(
    seed: u64,
    wrong: Wrong,
    faults: impl FnOnce(&[u64]) -> Vec<Planned> + Send + 'static,
) -> Outcome {
    run(seed, move |world| async move {
        let nodes = [1, 2, 3];
        let cluster = Cluster::new(&world, &nodes, wrong.leader_restore);
        for node in nodes {
            cluster.logs[&node].set_mutations(wrong.log);
            cluster.start(node).await;
        }
        let members: BTreeMap<_, _> = nodes.map(|node| (node, Member::default())).into();
        let first = cluster.raft(1).expect("it was started");
        first.initialize(members).await.expect("a new cluster");

        let writer = world.spawn_on(Host::Client(1), write(cluster.clone(), 0, WINDOW));
        let injected = inject(&world, &cluster.network, &nodes, &cluster, faults(&nodes)).await;
        let acknowledged = writer.await.expect("clients do not crash");
        world.event(format_args!("{injected:?}"));

        // Healthy again: writes go through, and everybody hears of them.
        let until = world.now() + Duration::from_secs(5);
        let after = write(cluster.clone(), 1 << 32, until).await;
        NodeRuntime::sleep(Duration::from_secs(2)).await;
        let seen = nodes.map(|node| cluster.seen(node));
        let lost = acknowledged.iter().filter(|number| !seen[0].contains(number)).count();
        Outcome {
            acknowledged: acknowledged.len(),
            lost,
            agreed: seen.iter().all(|other| *other == seen[0]) && !after.is_empty(),
            fingerprint: world.fingerprint(),
        }
    })
}

#[test]
fn acknowledged_writes_survive_every_fault() {
    for seed in 0..4 {
        let outcome = run_under(seed, Wrong::default(), move |nodes| plan(seed, WINDOW, nodes));
        assert!(outcome.acknowledged > 100, "seed {seed}: {outcome:?}");
        assert!(outcome.lost == 0 && outcome.agreed, "seed {seed}: {outcome:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run_of_a_cluster() {
    let outcome = |seed| run_under(seed, Wrong::default(), move |nodes| plan(seed, WINDOW, nodes));
    assert_eq!(outcome(3), outcome(3));
    assert_ne!(outcome(3).fingerprint, outcome(4).fingerprint);
}

#[test]
fn a_log_that_answers_before_its_fsync_loses_acknowledged_writes() {
    let log = Mutations { reply_before_fsync: true, ..Mutations::default() };
    assert!(power_cuts_find(Wrong { log, ..Wrong::default() }));
}

/// A leader sends entries while it still writes them. If followers have an entry and the leader
/// loses it with its power, then a leader that goes on in its old term writes another one with the
/// same id, and no two nodes can tell them apart. So a restarted leader has to be elected anew.
#[test]
fn a_leader_that_goes_on_in_its_old_term_after_a_power_cut_forks_the_log() {
    assert!(power_cuts_find(Wrong { leader_restore: true, ..Wrong::default() }));
}

/// Whether something goes wrong under power cuts, for some seed.
fn power_cuts_find(wrong: Wrong) -> bool {
    (0..40).any(|seed| {
        let cuts = move |nodes: &[u64]| plan_of(&["power_cut"], seed, WINDOW, nodes);
        // Raft may notice by itself that a follower forgot what it had acknowledged, and panics.
        catch_unwind(|| run_under(seed, wrong, cuts))
            .map_or(true, |outcome| outcome.lost > 0 || !outcome.agreed)
    })
}

struct Stores {
    world: World,
    built: Mutex<u64>,
}

impl StoreBuilder<SimTypes, SimLog, Machine, ()> for Stores {
    async fn build(&self) -> Result<((), SimLog, Machine), StorageError<SimTypes>> {
        let mut built = lock(&self.built);
        *built += 1;
        Ok(((), SimLog::new(&self.world, Host::Node(*built)), Machine::default()))
    }
}

#[test]
fn the_log_keeps_the_contract_of_raft() {
    run(1, |world| async move {
        let stores = Stores { world, built: Mutex::new(0) };
        Suite::<SimTypes, SimLog, Machine, Stores, ()>::test_all(stores)
            .await
            .expect("the contract is kept");
    });
}

#[test]
fn the_runtime_keeps_the_contract_of_raft() {
    openraft_rt::testing::Suite::<NodeRuntime>::test_all();
}
