//! Layer 2: real processes in three cities behind a proxy of ours, a busy contact centre, and what
//! happens to machines and networks.
//!
//! ```text
//!  0 s   five daemons found a cluster: two in kyiv, two in lviv, one in dnipro; it is configured
//!        everybody comes to work; faults begin, one after the other, and end
//!        all is healed; everybody is served; nodes must agree
//!        the nodes are looked at, stopped, and their logs and records are read
//! ```
//!
//! The same workload and the same checks as in layer 1. The history comes from outside: what clients were
//! told, what a watch on each node showed, the hashes that nodes named while they ran; and from the disks
//! of the stopped nodes. A seed decides what is planned, not what happens: the machine has a say in it.

mod assemble;
mod clock;
mod closing;
mod cluster;
mod daemon;
mod disk;
mod door;
pub mod failover;
mod faults;
mod inject;
mod kept;
mod net;
mod observe;
pub mod throughput;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use acd::ids::{NodeId, SiteId};
use acd::time::LogTime;
use node::config::Profile;
use node::seams::{SystemClock, WallClock};
use openraft_rt_tokio::TokioRuntime;
use tokio::time::{Instant, sleep};

use self::cluster::Cluster;
use self::door::ProcessDoor;
use self::inject::{Injected, Injector};
use self::net::{CITIES, Net, city_of, nodes};
use crate::checks::{Bounds, judge};
use crate::history::{FinalNode, History, Recorder};
use crate::layer1::Outcome;
use crate::report::Report;
use crate::workload::{Floor, Plan};

pub use self::faults::Fault;

/// How long five nodes may take to found their cluster, beside whatever else the machine does.
const FOUND_WITHIN: Duration = Duration::from_secs(60);
/// How long everybody may take to be served after all is healed, and the nodes to agree: nine agents
/// have four conversations a second at best, and more wait than in the simulation, whose faults are
/// shorter.
const DRAINED: Duration = Duration::from_secs(90);
/// How long is waited for that: longer, or nobody would see that it takes too long.
const FINISH: Duration = Duration::from_secs(90);
/// How long nodes may take to agree after that.
const SETTLE: Duration = Duration::from_secs(20);
/// How long tasks may take to end that nobody waits for.
const END_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Snapshots and records every few seconds, and the whole log kept: it is read in the end.
const SETTINGS: &str = "[log]\nsnapshot_after_bytes = 65536\nkept_entries = 1000000\n";

const _: () = assert!(FINISH.as_millis() + SETTLE.as_millis() > DRAINED.as_millis());

/// Ms between two arrivals at a front end. Of every minute some twenty seconds nobody can be served,
/// and each of the three commands of a conversation takes up to two round trips: so many are served.
fn pace(rtt_ms: u64) -> u64 {
    match profile(rtt_ms) {
        Profile::City => 1_000,
        Profile::Metro => 1_200,
        Profile::Wan => 2_000,
    }
}

/// Something that keeps a run from its end.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Trouble(pub String);

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// What a run is to be like.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Decides what is planned.
    pub seed: u64,
    /// How long faults go on.
    pub busy: Duration,
    /// The round trip between cities, ms, at most 80; none: the seed chooses 0, 20 or 80.
    pub rtt_ms: Option<u64>,
    /// Where the history is kept, whatever comes of the run; none: in the system's folder for what is
    /// temporary, if it fails.
    pub keep: Option<PathBuf>,
}

impl Settings {
    /// The round trip between cities, in ms.
    pub fn rtt_ms(&self) -> u64 {
        let of_seed = [0, 20, 80][(self.seed % 3) as usize];
        self.rtt_ms.unwrap_or(of_seed)
    }
}

/// The profile for a round trip.
fn profile(rtt_ms: u64) -> Profile {
    match rtt_ms {
        0..=5 => Profile::City,
        6..=20 => Profile::Metro,
        _ => Profile::Wan,
    }
}

/// How much later than it is said here something may happen to a process, in ms.
fn silence_margin() -> u64 {
    50
}

/// What must be kept. What may be missing of a silence is the longest election timeout, as in the
/// simulation, what an entry may take to arrive, and what a busy machine adds.
fn bounds(rtt_ms: u64) -> Bounds {
    let (_, election_max) = profile(rtt_ms).timing().election_ms;
    Bounds {
        silence: election_max + rtt_ms + 250,
        drained: DRAINED.as_millis() as u64,
        ..Bounds::default()
    }
}

/// Runs a seed.
///
/// # Errors
///
/// If there is no daemon, or nothing can be founded. What goes wrong later is in the outcome.
pub fn run(settings: &Settings) -> Result<Outcome, Trouble> {
    let folder = kept::Folder::new(settings.keep.as_deref())?;
    let daemon = daemon::daemon()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ran = runtime.block_on(simulate(settings, daemon, folder.path()));
    // Whoever watches would watch on for ever.
    runtime.shutdown_timeout(END_WITHIN);
    let Ran { history, faults, chronicle, stopped } = ran?;
    let verdicts = judge(&history, bounds(settings.rtt_ms()));
    let mut report = Report::new(settings.seed, 2, faults, &history, &verdicts);
    report.stopped = stopped.map(|trouble| trouble.0);
    report.history = folder.keep(&history, &chronicle, &verdicts, report.passes())?;
    Ok(Outcome { report, verdicts, history })
}

/// A run, as far as it came.
struct Ran {
    history: History,
    faults: BTreeMap<String, u64>,
    /// What was made to go wrong, and when.
    chronicle: Vec<(u64, String)>,
    stopped: Option<Trouble>,
}

/// A cluster that runs behind a proxy, and ways into it.
struct Scene {
    cluster: Arc<Cluster>,
    net: Arc<Net>,
    door: Arc<ProcessDoor>,
}

impl Scene {
    /// Founds and starts it; `settings` are added to each node.toml.
    async fn set(
        rtt_ms: u64,
        daemon: PathBuf,
        folder: &Path,
        settings: &str,
    ) -> Result<Self, Trouble> {
        let net = Arc::new(Net::lay(Duration::from_millis(rtt_ms)).await?);
        let word = profile(rtt_ms).word();
        let cluster = Arc::new(Cluster::found(daemon, folder, word, settings)?);
        for node in nodes() {
            cluster.start(node)?;
        }
        cluster.all_say("the cluster is founded", FOUND_WITHIN).await?;
        let door = Arc::new(ProcessDoor::new(&cluster)?);
        Ok(Self { cluster, net, door })
    }
}

async fn simulate(settings: &Settings, daemon: PathBuf, folder: &Path) -> Result<Ran, Trouble> {
    let rtt_ms = settings.rtt_ms();
    let Scene { cluster, net, door } = Scene::set(rtt_ms, daemon, folder, SETTINGS).await?;
    let began = LogTime(SystemClock.now_ms());
    let recorder = Recorder::on::<TokioRuntime>(began);
    let site = |node| SiteId::new(CITIES[city_of(node)]).expect("a proper name");
    let plan = Plan {
        busy: settings.busy,
        pace: pace(rtt_ms),
        ..Plan::new(settings.seed, nodes().map(|n| (NodeId(n), site(n))).collect(), door::admin())
    };
    let injector = Injector { cluster, net, door: door.clone(), recorder: recorder.clone() };
    injector.one_leads().await?;
    let floor = Floor::open(plan, door.clone(), recorder.clone());
    floor.set_up::<TokioRuntime>().await.map_err(Trouble)?;

    let observers = observe::observe(&door, &recorder);
    let (_, election_max) = profile(rtt_ms).timing().election_ms;
    let faults = faults::plan(settings.seed, Duration::from_millis(election_max));
    let (injected, ()) =
        tokio::join!(injector.carry_out(faults, settings.busy), floor.serve::<TokioRuntime>());
    injector.net.heal();
    recorder.healed();
    let (injected, mut stopped) = match injected {
        Ok(injected) => (injected, None),
        Err(trouble) => (Injected::default(), Some(trouble)),
    };
    if stopped.is_none() {
        floor.finish::<TokioRuntime>(FINISH).await;
        stopped = closing::write_records(&injector).await.err();
    }
    if stopped.is_none() {
        let looked = look(&injector).await;
        recorder.ended(looked);
    }
    let mut history = recorder.history();
    drop(observers);
    if stopped.is_none() {
        let ended = injector.cluster.stop().await;
        let read = match ended {
            Ok(()) => {
                let silences = &injected.silences;
                assemble::complete(&mut history, &injector.cluster, silences, rtt_ms).await
            }
            Err(trouble) => Err(trouble),
        };
        stopped = read.err();
    }
    let Injected { faults, chronicle, .. } = injected;
    Ok(Ran { history, faults, chronicle, stopped })
}

/// How all nodes are once they are equally far, or when that takes too long.
async fn look(injector: &Injector) -> Vec<FinalNode> {
    let until = Instant::now() + SETTLE;
    loop {
        let mut all = Vec::new();
        for node in nodes() {
            all.extend(look_at(node, &injector.door).await);
        }
        let is_equal = all.iter().all(|node: &FinalNode| node.applied == all[0].applied);
        if (is_equal && all.len() == nodes().count()) || Instant::now() > until {
            return all;
        }
        sleep(LOOK_EVERY).await;
    }
}

/// A node as it is. None: it does not answer, or changed meanwhile.
async fn look_at(node: u64, door: &ProcessDoor) -> Option<FinalNode> {
    let (before, contacts) = door.contacts(node).await?;
    let status = door.status(node).await?;
    let (freshness, cluster) = (status.freshness?, status.cluster?);
    (freshness.applied == before.applied).then_some(FinalNode {
        node,
        leader: freshness.leader,
        applied: freshness.applied,
        hash: u128::from_str_radix(&cluster.state_hash, 16).ok()?,
        contacts,
        purged: None,
        records: None,
    })
}
