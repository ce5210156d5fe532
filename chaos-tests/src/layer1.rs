//! Layer 1: real nodes in one thread on virtual time, a busy contact centre, and every fault.
//!
//! ```text
//!  0 s   three or five nodes in three cities found a cluster; it is configured
//!        everybody comes to work; faults begin, and end
//!        all is healed; everybody is served; nodes must agree
//! ```

use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use acd::ids::{NodeId, PrincipalId, SiteId};
use acd::time::LogTime;
use node::config::Profile;
use node::raft::LogId;
use node::replica::{Applied, Observer};
use openraft_rt::AsyncRuntime;

use crate::checks::{Bounds, Invariant, Verdict, judge};
use crate::cluster::{ADMIN, Cluster};
use crate::door::SimDoor;
use crate::history::{AppliedEntry, FinalNode, History, Recorder, contacts_of};
use crate::mutation::Mutation;
use crate::report::Report;
use crate::sim::clock::START_MS;
use crate::sim::faults::{Subject, inject, plan};
use crate::sim::{Host, Network, NodeRuntime, World, run};
use crate::workload::{Floor, Plan};

/// Cities of the nodes; every fourth seed has all five, the others the first three.
const SITES: [&str; 5] = ["kyiv", "lviv", "dnipro", "kyiv", "lviv"];
/// How long faults go on.
const FAULTS: Duration = Duration::from_secs(40);
/// How long founding and configuring may take, without faults.
const BEGIN: Duration = Duration::from_secs(20);
/// How long everybody may take to be served after all is healed.
const FINISH: Duration = Duration::from_secs(45);
/// How long nodes may take to agree after that.
const SETTLE: Duration = Duration::from_secs(10);

/// What a seed came to.
pub struct Outcome {
    /// For people and scripts.
    pub report: Report,
    /// Every invariant.
    pub verdicts: BTreeMap<Invariant, Verdict>,
    /// Everything that was recorded.
    pub history: History,
}

/// Records what one start of a replica does.
struct Records {
    recorder: Recorder,
    run: usize,
    #[cfg(feature = "mutations")]
    mutation: Option<acd::Mutation>,
    #[cfg(feature = "mutations")]
    hides_gaps: bool,
}

impl Observer for Records {
    fn applied(&self, entry: Applied<'_>) {
        let decoded = entry.submissions.iter().map(|bytes| {
            acd::codec::decode_submission(bytes).expect("what clients here send can be decoded")
        });
        self.recorder.applied(
            self.run,
            AppliedEntry {
                index: entry.log_id.index,
                stamp: entry.stamp,
                submissions: decoded.collect(),
                answers: entry.answers.0.clone(),
                events: entry.events.to_vec(),
                hash: entry.hash,
            },
        );
    }

    fn restored(&self, at: Option<LogId>, hash: u128) {
        if let Some(LogId { index, .. }) = at {
            self.recorder.restored(self.run, index, hash);
        }
    }

    #[cfg(feature = "mutations")]
    fn mutation(&self) -> Option<acd::Mutation> {
        self.mutation
    }

    #[cfg(feature = "mutations")]
    fn hides_gaps(&self) -> bool {
        self.hides_gaps
    }
}

/// Runs a seed.
pub fn run_seed(seed: u64) -> Outcome {
    run_mutated(seed, None)
}

/// Runs a seed on a program with a bug. A panic, a node that does not start again among them, ends
/// the run and fails it; what was recorded until then is judged all the same.
pub fn run_mutated(seed: u64, mutation: Option<Mutation>) -> Outcome {
    let recorder = Arc::new(OnceLock::new());
    let simulated = {
        let recorder = recorder.clone();
        let test = move |world| simulate(world, seed, mutation, recorder);
        // Of what a panic may have left half done, only the recorder is looked at again, and that
        // adds one thing at a time.
        catch_unwind(AssertUnwindSafe(|| run(seed, test)))
    };
    let (faults, stopped) = match simulated {
        Ok(faults) => (faults, None),
        Err(payload) => (BTreeMap::new(), Some(words(payload.as_ref()))),
    };
    let history = recorder.get().map(Recorder::history).unwrap_or_default();
    let verdicts = judge(&history, Bounds::default());
    let mut report = Report::new(seed, 1, faults, &history, &verdicts);
    report.stopped = stopped;
    Outcome { report, verdicts, history }
}

/// What a panic said.
fn words(payload: &(dyn Any + Send)) -> String {
    let said = payload.downcast_ref::<String>().map(String::as_str);
    said.or(payload.downcast_ref::<&str>().copied()).unwrap_or("no words").to_owned()
}

/// Runs it all; how often each fault was injected. The recorder is put where it can be found should
/// this panic.
async fn simulate(
    world: World,
    seed: u64,
    mutation: Option<Mutation>,
    shared: Arc<OnceLock<Recorder>>,
) -> BTreeMap<String, u64> {
    let recorder = shared.get_or_init(|| {
        // Nobody's clock: those of nodes drift.
        let world = world.clone();
        Recorder::with_clock(LogTime(START_MS), move || world.now().as_millis() as u64)
    });
    let network = Network::new(&world);
    let observers = {
        let recorder = recorder.clone();
        Arc::new(move |node| {
            let run = recorder.started(node);
            Arc::new(Records {
                recorder: recorder.clone(),
                run,
                #[cfg(feature = "mutations")]
                mutation: mutation.and_then(|mutation| mutation.of_centre(node)),
                #[cfg(feature = "mutations")]
                hides_gaps: mutation == Some(Mutation::GapNotAnnounced),
            }) as Arc<dyn Observer>
        })
    };
    let sites = if seed % 4 == 3 { &SITES[..] } else { &SITES[..3] };
    let profile = if seed.is_multiple_of(2) { Profile::Metro } else { Profile::City };
    let cluster = Arc::new(Cluster::found(&world, &network, sites, profile, observers));
    if let Some(mutation) = mutation {
        for node in cluster.nodes() {
            cluster.log(node).set_mutations(mutation.of_log());
        }
    }
    for node in cluster.nodes() {
        cluster.start_node(node).await;
    }
    wait_until(&world, BEGIN, || {
        let members = |node| cluster.read(node, |centre| centre.nodes().count());
        cluster.nodes().into_iter().all(|node| members(node) == Some(sites.len()))
    })
    .await;

    drop(world.spawn_on(Host::Outside, end_with_a_halt(cluster.clone())));
    let door = Arc::new(SimDoor::new(&world, &network, &cluster));
    let site = |site: &&str| SiteId::new(site).expect("a proper site");
    let nodes = cluster.nodes().into_iter().map(NodeId).zip(sites.iter().map(site)).collect();
    let admin = PrincipalId::new(ADMIN).expect("a proper principal");
    let floor = Floor::open(Plan::new(seed, nodes, admin), door, recorder.clone());
    floor.set_up::<NodeRuntime>().await.expect("without faults the centre can be configured");

    let faults = plan(seed, FAULTS, &cluster.nodes());
    let numbers = cluster.nodes();
    let injected = inject(&world, &network, &numbers, &cluster, faults);
    let over = Cell::new(false);
    let faults = async {
        let (injected, ()) = futures::join!(injected, floor.serve::<NodeRuntime>());
        over.set(true);
        injected
    };
    let (injected, ()) = futures::join!(faults, note_leaderless(&cluster, recorder, &over));
    recorder.healed();
    floor.finish::<NodeRuntime>(FINISH).await;
    wait_until(&world, SETTLE, || agree(&cluster)).await;
    recorder.ended(cluster.nodes().iter().map(|node| look_at(&cluster, *node)).collect());

    injected.into_iter().map(|(name, n)| (name.to_owned(), n as u64)).collect()
}

/// Whether all nodes follow one leader and are equally far.
fn agree(cluster: &Cluster) -> bool {
    let Some(leader) = cluster.leader() else { return false };
    let applied = |node| cluster.node(node).map(|n| n.state().last_applied());
    cluster
        .nodes()
        .into_iter()
        .all(|node| cluster.follows(node) == Some(leader) && applied(node) == applied(leader))
}

fn look_at(cluster: &Cluster, number: u64) -> FinalNode {
    let node = cluster.node(number).expect("all faults are over: every node runs");
    let view = node.state().view();
    FinalNode {
        node: number,
        leader: cluster.follows(number),
        applied: node.state().last_applied(),
        hash: view.centre().state_hash(),
        contacts: contacts_of(view.centre()),
    }
}

/// Ends the run when a replica refuses to go on: there is no fault of which it may. Whoever watches
/// it would ask it again and again for the rest of the run.
async fn end_with_a_halt(cluster: Arc<Cluster>) {
    loop {
        for number in cluster.nodes() {
            if let Some(node) = cluster.node(number)
                && let Some(halt) = node.state().halted()
            {
                panic!("node {number} stopped: {halt}");
            }
        }
        NodeRuntime::sleep(Duration::from_millis(20)).await;
    }
}

/// Notes the times in which no node leads, or believes that it does. Only those: a leader that is
/// cut off writes what it hears into its log, and may be heard of again.
async fn note_leaderless(cluster: &Cluster, recorder: &Recorder, over: &Cell<bool>) {
    let mut since = None;
    loop {
        match (since, cluster.leaders().is_empty() && !over.get()) {
            (None, true) => since = Some(recorder.now()),
            (Some(from), false) => {
                recorder.leaderless(from, recorder.now());
                since = None;
            }
            _ => {}
        }
        if over.get() {
            return;
        }
        NodeRuntime::sleep(Duration::from_millis(20)).await;
    }
}

/// Looks every 50 ms; gives up after a while and leaves it to the checks to say what is wrong.
async fn wait_until(world: &World, at_most: Duration, mut done: impl FnMut() -> bool) {
    let until = world.now() + at_most;
    while !done() && world.now() < until {
        NodeRuntime::sleep(Duration::from_millis(50)).await;
    }
}
