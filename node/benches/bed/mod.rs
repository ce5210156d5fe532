//! A bed for benchmarks: nodes as the daemon runs them, with files on a real disk, TCP on loopback,
//! mutual TLS and the settings of a new `node.toml`, all in one process.
//!
//! Each node has a runtime of its own with as many workers as the daemon, whose threads carry its
//! name, so that processor time can be told apart by node.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

pub mod client;
#[path = "../../src/program/huge_pages.rs"]
mod huge_pages;
pub mod load;
pub mod machine;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use acd::ids::{PrincipalId, SiteId};
use acd::text::Label;
use acd::time::LogTime;
pub use huge_pages::without_huge_pages;
use node::config::Profile;
use node::daemon::FolderKeeper;
use node::founding::{Founded, Plan, PlannedNode};
use node::identity::{Credentials, Identity, Validity};
use node::raft::Payload;
use node::replica::Observer;
use node::seams::{RealDisk, SystemClock, TcpAcceptor, TcpConnector, WallClock};
use node::storage::records::{INDEX_FOLDER, RecordStore, SledIndex};
use node::storage::{FileLog, LogSettings, Marker};
use node::{Deps, Node};
use openraft::storage::{RaftLogReader, RaftLogStorage};
use openraft_rt::watch::WatchReceiver;
pub use openraft_rt_tokio::TokioRuntime as Tokio;
use tokio::runtime::Runtime;

/// As many as the daemon has.
const WORKERS: usize = 2;
/// The first operator.
pub const ADMIN: &str = "admin";
/// Where the nodes are.
pub const SITES: [&str; 3] = ["kyiv", "lviv", "dnipro"];
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);
const DAY_MS: u64 = 86_400_000;

/// A founded cluster and its folders, which go when it is dropped.
pub struct Bed {
    folder: tempfile::TempDir,
    pub founded: Founded,
}

/// A node that runs.
pub struct Running {
    pub node: Node<Tokio>,
    pub log: FileLog<Tokio>,
    pub took: Took,
    runtime: Runtime,
}

/// How long the parts of a start took.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// Checking the log, opening it, finding its last stamp.
    pub log: Duration,
    /// Opening the records and their index.
    pub records: Duration,
    /// [`Node::start`]: reading the snapshot, applying what the log has after it, and the rest.
    pub node: Duration,
}

/// A runtime as the daemon has.
pub fn runtime(name: &str) -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name(name)
        .enable_all()
        .build()
        .expect("threads are to be had")
}

fn validity() -> Validity {
    let now = SystemClock.now_ms();
    Validity { not_before_ms: now - DAY_MS, not_after_ms: now + DAY_MS }
}

/// A port that nobody listens on now.
fn address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    listener.local_addr().expect("a bound socket has an address").to_string()
}

impl Bed {
    /// Founds a cluster of so many nodes. `QUORUMCALL_BENCH_DIR` says where its files are, else
    /// the system's folder for temporary ones: it must be on a disk to say anything.
    pub fn found(nodes: usize) -> Self {
        let root = std::env::var_os("QUORUMCALL_BENCH_DIR").map(PathBuf::from);
        let root = root.unwrap_or_else(std::env::temp_dir);
        let folder = tempfile::tempdir_in(root).expect("a folder can be made");
        let planned = |site: &&str| {
            let address = address();
            let site = SiteId::new(site).expect("a proper site");
            PlannedNode { site, listen: address.clone(), address }
        };
        let plan = Plan {
            cluster: Label::new("bench").expect("a proper name"),
            admin: PrincipalId::new(ADMIN).expect("a proper principal"),
            profile: Profile::City,
            replay: false,
            nodes: SITES[..nodes].iter().map(planned).collect(),
        };
        let mut founded = Founded::from_plan(&plan, validity(), &mut rand::rng())
            .expect("a cluster can be founded");
        for (config, _) in &mut founded.nodes {
            config.data = folder.path().join(config.node.0.to_string());
        }
        for (config, _) in &founded.nodes {
            let disk = RealDisk::new(&config.data);
            std::fs::create_dir_all(&config.data).expect("a folder can be made");
            let log = FileLog::<Tokio>::open_or_create(&disk, LogSettings::default());
            drop(log.expect("an empty log"));
            let member = founded.founding.member(config.node).expect("a founder");
            let marker = Marker {
                cluster: founded.founding.cluster.0,
                node: config.node.0,
                incarnation: member.incarnation,
                site: member.site.to_string(),
            };
            marker.create(&disk).expect("an empty folder takes a marker");
        }
        Self { folder, founded }
    }

    /// A node's folder.
    pub fn data(&self, number: u64) -> RealDisk {
        RealDisk::new(&self.config(number).0.data)
    }

    fn config(&self, number: u64) -> &(node::config::NodeConfig, Identity) {
        let mut nodes = self.founded.nodes.iter();
        nodes.find(|(config, _)| config.node.0 == number).expect("a node of the plan")
    }

    /// A certificate for somebody who uses the cluster.
    pub fn identity(&self, principal: &str) -> Identity {
        let principal = PrincipalId::new(principal).expect("a proper principal");
        let authority = &self.founded.authority;
        authority.issue_to(&principal, validity(), &mut rand::rng()).expect("a certificate")
    }

    /// Starts a node on what its folder has.
    pub fn start(&self, number: u64, observer: Option<Arc<dyn Observer>>) -> Running {
        self.start_with(number, observer, |_| {})
    }

    /// Starts a node with other settings than the usual ones.
    pub fn start_with(
        &self,
        number: u64,
        observer: Option<Arc<dyn Observer>>,
        change: impl FnOnce(&mut node::config::NodeConfig),
    ) -> Running {
        let runtime = runtime(&format!("node-{number}"));
        let (config, identity) = self.config(number);
        let mut config = config.clone();
        change(&mut config);
        let disk = self.data(number);

        let begin = Instant::now();
        let log = FileLog::<Tokio>::open(&disk, LogSettings::default()).expect("a log");
        let last_stamp = runtime.block_on(last_stamp(log.clone()));
        let log_took = begin.elapsed();

        let begin = Instant::now();
        let index = SledIndex::open(disk.root().join(INDEX_FOLDER)).expect("an index");
        let records = RecordStore::open(Arc::new(disk.clone()), Box::new(index)).expect("records");
        let records_took = begin.elapsed();

        let clock: Arc<dyn WallClock> = Arc::new(SystemClock);
        let listener = runtime.block_on(TcpAcceptor::bind(&config.listen)).expect("a free port");
        let deps = Deps {
            config,
            marker: Marker::open(&disk).expect("a marker"),
            epoch: 1,
            members: self.founded.founding.raft_members(),
            founding: Some(self.founded.founding.clone()),
            credentials: Credentials::new(identity.clone(), clock.clone()).expect("an identity"),
            keeper: Arc::new(FolderKeeper::new(disk.root())),
            log: log.clone(),
            last_stamp,
            disk: Arc::new(disk),
            records,
            wall: clock,
            connector: Arc::new(TcpConnector),
            listener: Box::new(listener),
            checkpoint_every: CHECKPOINT_EVERY,
            observer,
        };
        let begin = Instant::now();
        let node = runtime.block_on(Node::<Tokio>::start(deps)).expect("a node starts");
        let took = Took { log: log_took, records: records_took, node: begin.elapsed() };
        Running { node, log, took, runtime }
    }
}

/// The stamp of the last entry that has one, which log time goes on from.
async fn last_stamp(mut log: FileLog<Tokio>) -> LogTime {
    let state = log.get_log_state().await.expect("a log that was opened");
    let end = state.last_log_id.map_or(0, |last| last.index + 1);
    // The leader writes nothing but commands, but for a blank entry when its term begins.
    let entries = log.try_get_log_entries(end.saturating_sub(16)..end).await.expect("its end");
    let stamp = entries.into_iter().rev().find_map(|entry| match entry.payload {
        Payload::Normal(bytes) => Some(acd::codec::decode_entry(bytes.0).ok()?.stamp),
        _ => None,
    });
    stamp.unwrap_or_default()
}

impl Running {
    /// Waits until this node can take commands, itself or at another.
    pub async fn wait_founded(&self, nodes: usize) {
        let founded = || {
            let view = self.node.state().view();
            view.centre().cluster().is_some() && view.centre().nodes().count() >= nodes
        };
        while !founded() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Writes a snapshot and waits until it is there and the log is cut.
    pub async fn snapshot(&self) {
        let mut metrics = self.node.raft().metrics();
        let before = metrics.borrow_watched().snapshot;
        self.node.raft().trigger().snapshot().await.expect("Raft runs");
        while metrics.borrow_watched().snapshot == before {
            metrics.changed().await.expect("Raft runs");
        }
    }

    /// Ends the node and all of its threads.
    pub fn stop(self) {
        let Self { node, log, runtime, .. } = self;
        runtime.block_on(node.stop());
        drop((node, log));
        runtime.shutdown_timeout(Duration::from_secs(10));
    }
}

/// The node that leads.
pub fn leader(nodes: &[Running]) -> &Running {
    loop {
        if let Some(leader) = nodes.iter().find(|node| node.node.raft().as_leader().is_ok()) {
            return leader;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
