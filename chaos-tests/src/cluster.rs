//! A cluster of real nodes in a simulated world.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acd::Centre;
use acd::ids::{PrincipalId, SiteId};
use acd::text::Label;
use acd::time::LogTime;
use node::config::{LogSettings, Profile};
use node::founding::{Founded, Plan, PlannedNode};
use node::identity::{Credentials, Identity, Validity};
use node::replica::Observer;
use node::storage::records::{MemoryIndex, RecordStore};
use node::storage::{Marker, StorageError};
use node::{Deps, Node};
use openraft::ServerState;
use openraft_rt::watch::WatchReceiver;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use crate::mutation::Mutation;
use crate::sim::clock::START_MS;
use crate::sim::faults::Subject;
use crate::sim::{
    Host, Life, Network, NodeRuntime, SimDisk, SimKeeper, SimLog, SimWallClock, World, lock,
};

/// Where nodes listen.
pub(crate) const PORT: u16 = 7400;
/// The first operator.
pub const ADMIN: &str = "admin";
/// How often replicas compare their states.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);
const YEAR_MS: u64 = 365 * 86_400_000;

/// Sizes so small that what happens once a day happens every few seconds.
fn small() -> (LogSettings, node::config::Limits) {
    let log = LogSettings { snapshot_after_bytes: 24 << 10, kept_entries: 24 };
    let limits = node::config::Limits { watch_events: 400, ..Default::default() };
    (log, limits)
}

/// Makes observers: one for each start of a node.
pub type Observers = Arc<dyn Fn(u64) -> Arc<dyn Observer> + Send + Sync>;

/// A cluster whose nodes start, crash and start again.
pub struct Cluster {
    world: World,
    network: Network,
    founded: Mutex<Founded>,
    credentials: BTreeMap<u64, Credentials>,
    disks: BTreeMap<u64, SimDisk>,
    logs: BTreeMap<u64, SimLog>,
    running: Mutex<BTreeMap<u64, (Life, Node<NodeRuntime>)>>,
    observers: Observers,
    mutation: Mutex<Option<Mutation>>,
}

/// Certificates that are good at all times of a run, wrong clocks included.
fn validity() -> Validity {
    Validity { not_before_ms: START_MS - YEAR_MS, not_after_ms: START_MS + YEAR_MS }
}

impl Cluster {
    /// Founds a cluster of nodes 1, 2, 3 … at these sites. No node runs yet.
    pub fn found(
        world: &World,
        network: &Network,
        sites: &[&str],
        profile: Profile,
        observers: Observers,
    ) -> Self {
        let node = |(number, site): (u64, &&str)| PlannedNode {
            site: SiteId::new(site).expect("a proper site"),
            address: Host::Node(number).address(PORT),
            listen: Host::Node(number).address(PORT),
        };
        let plan = Plan {
            cluster: Label::new("simulated").expect("a proper name"),
            admin: PrincipalId::new(ADMIN).expect("a proper principal"),
            profile,
            replay: false,
            nodes: (1..).zip(sites).map(node).collect(),
        };
        let mut rng = SmallRng::seed_from_u64(world.seed());
        let founded =
            Founded::from_plan(&plan, validity(), &mut rng).expect("a cluster can be founded");
        let mut credentials = BTreeMap::new();
        let mut disks = BTreeMap::new();
        let mut logs = BTreeMap::new();
        for (config, identity) in &founded.nodes {
            let node = config.node.0;
            let host = Host::Node(node);
            let clock = Arc::new(SimWallClock::new(world, host));
            let held = Credentials::new(identity.clone(), clock);
            credentials.insert(node, held.expect("a node's identity is good"));
            let disk = SimDisk::new(world, host);
            let member = founded.founding.member(config.node).expect("a founding member");
            let marker = Marker {
                cluster: founded.founding.cluster.0,
                node,
                incarnation: member.incarnation,
                site: member.site.as_str().to_owned(),
            };
            marker.create(&disk).expect("an empty disk takes a marker");
            disks.insert(node, disk);
            logs.insert(node, SimLog::new(world, host));
        }
        Self {
            world: world.clone(),
            network: network.clone(),
            founded: Mutex::new(founded),
            credentials,
            disks,
            logs,
            running: Mutex::default(),
            observers,
            mutation: Mutex::default(),
        }
    }

    /// Puts a bug into the logs of all nodes, and into their records from their next start on.
    pub fn mutate(&self, mutation: Mutation) {
        for log in self.logs.values() {
            log.set_mutations(mutation.of_log());
        }
        *lock(&self.mutation) = Some(mutation);
    }

    /// The numbers of the nodes.
    pub fn nodes(&self) -> Vec<u64> {
        self.disks.keys().copied().collect()
    }

    /// The running node, if it was started and has not crashed since.
    pub fn node(&self, number: u64) -> Option<Node<NodeRuntime>> {
        lock(&self.running).get(&number).map(|(_, node)| node.clone())
    }

    /// A certificate for somebody who uses the cluster.
    pub fn identity(&self, principal: &PrincipalId) -> Identity {
        let mut rng = SmallRng::seed_from_u64(self.world.seed());
        let founded = lock(&self.founded);
        founded
            .authority
            .issue_to(principal, validity(), &mut rng)
            .expect("anybody but a node gets a certificate")
    }

    /// The number of the cluster.
    pub fn cluster_id(&self) -> node::identity::ClusterId {
        lock(&self.founded).founding.cluster
    }

    /// The leader that most nodes follow, if it says itself that it leads.
    pub fn leader(&self) -> Option<u64> {
        match self.leaders()[..] {
            [leader] => Some(leader),
            _ => None,
        }
    }

    /// The running nodes that lead, as they see it themselves. One that was cut off may not know
    /// that it does not any more. One that is paused leads nobody, and neither does one that was
    /// started again, although the vote it remembers is its own.
    pub fn leaders(&self) -> Vec<u64> {
        let running = lock(&self.running).clone();
        let leads = |(life, node): &&(Life, Node<NodeRuntime>)| {
            let state = node.raft().metrics().borrow_watched().state;
            state == ServerState::Leader
                && self.world.is_alive(*life)
                && !self.world.is_paused(life.host)
        };
        running.values().filter(leads).map(|(_, node)| node.number()).collect()
    }

    /// Whom a node follows.
    pub fn follows(&self, number: u64) -> Option<u64> {
        self.node(number)?.raft().metrics().borrow_watched().current_leader
    }

    /// Reads a node's state.
    pub fn read<T>(&self, number: u64, read: impl FnOnce(&Centre) -> T) -> Option<T> {
        let node = self.node(number)?;
        let view = node.state().view();
        Some(read(view.centre()))
    }

    /// Starts a node on what its disk and log have.
    ///
    /// # Panics
    ///
    /// If it does not start: after no fault may a disk be such that a node refuses it.
    pub async fn start_node(&self, number: u64) {
        let deps = self.deps(number);
        let host = Host::Node(number);
        let life = self.world.life(host);
        let starting = self.world.spawn_on(host, Node::<NodeRuntime>::start(deps));
        match starting.await {
            Ok(Ok(node)) => {
                // It may have crashed the moment it was up.
                if self.world.is_alive(life) {
                    lock(&self.running).insert(number, (life, node));
                }
            }
            Ok(Err(error)) => panic!("node {number} does not start: {error}"),
            Err(_) => self.world.event(format_args!("node {number} crashed while it started")),
        }
    }

    #[cfg(feature = "mutations")]
    fn mutated(&self, mut records: RecordStore) -> RecordStore {
        if *lock(&self.mutation) == Some(Mutation::RecordsNotWritten) {
            records.write_nothing();
        }
        records
    }

    #[cfg(not(feature = "mutations"))]
    fn mutated(&self, records: RecordStore) -> RecordStore {
        records
    }

    /// The records on a node's disk, read anew.
    pub fn records(&self, number: u64) -> Result<RecordStore, StorageError> {
        let disk = Arc::new(self.disks[&number].clone());
        RecordStore::open(disk, Box::new(MemoryIndex::default()))
    }

    fn deps(&self, number: u64) -> Deps<SimLog> {
        let host = Host::Node(number);
        let disk = self.disks[&number].clone();
        let log = self.logs[&number].clone();
        let records = self.records(number).expect("after no fault may records be damaged");
        let founded = lock(&self.founded);
        let (config, _) =
            founded.nodes.iter().find(|(c, _)| c.node.0 == number).expect("a node of the plan");
        let mut config = config.clone();
        (config.log, config.limits) = small();
        let listener = self
            .world
            .within(host, || self.network.listen(host, PORT))
            .expect("the port of a node that is down is free");
        Deps {
            config,
            marker: Marker::open(&disk).expect("the marker was synced"),
            epoch: 1,
            members: founded.founding.raft_members(),
            founding: Some(founded.founding.clone()),
            credentials: self.credentials[&number].clone(),
            keeper: Arc::new(SimKeeper::default()),
            last_stamp: last_stamp(&log),
            log,
            disk: Arc::new(disk),
            records: self.mutated(records),
            wall: Arc::new(SimWallClock::new(&self.world, host)),
            connector: Arc::new(self.network.connector(host)),
            listener: Box::new(listener),
            checkpoint_every: CHECKPOINT_EVERY,
            observer: Some((self.observers)(number)),
        }
    }
}

/// The stamp of the last entry of a log that has one.
fn last_stamp(log: &SimLog) -> LogTime {
    let entries = log.entries();
    let stamp = entries.iter().rev().find_map(|entry| match &entry.payload {
        node::raft::Payload::Normal(bytes) => {
            Some(acd::codec::decode_entry(bytes.0.clone()).ok()?.stamp)
        }
        _ => None,
    });
    stamp.unwrap_or_default()
}

impl Subject for Cluster {
    async fn start(&self, number: u64) {
        // What is left of its last life holds nothing that a node needs.
        let last = lock(&self.running).remove(&number);
        self.world.within(Host::Node(number), || drop(last));
        self.start_node(number).await;
    }

    async fn transfer_leader(&self, to: u64) {
        if let Some(leader) = self.leader().and_then(|leader| self.node(leader)) {
            let host = Host::Node(leader.number());
            let ask = self.world.spawn_on(host, async move {
                // It may come to nothing; the cluster must go on all the same.
                let _ = leader.hand_over_to(to).await;
            });
            drop(ask);
        }
    }

    async fn snapshot(&self, number: u64) {
        if let Some(node) = self.node(number) {
            let ask = self.world.spawn_on(Host::Node(number), async move {
                // Raft has stopped: it takes no snapshots.
                let _ = node.raft().trigger().snapshot().await;
            });
            drop(ask);
        }
    }

    fn log(&self, node: u64) -> SimLog {
        self.logs[&node].clone()
    }

    fn disk(&self, node: u64) -> Option<SimDisk> {
        self.disks.get(&node).cloned()
    }
}
