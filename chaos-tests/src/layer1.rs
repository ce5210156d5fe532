//! Layer 1: real nodes in one thread on virtual time, a busy contact centre, and every fault.
//!
//! ```text
//!  0 s   three or five nodes in three cities found a cluster; it is configured
//!        everybody comes to work; faults begin, and end
//!        all disks are slow, and nothing else
//!        all is healed; everybody is served; nodes must agree
//! ```

use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use acd::ids::{NodeId, PrincipalId, SiteId};
use acd::time::LogTime;
use node::config::Profile;
use node::raft::LogId;
use node::replica::{Applied, Observer};
use openraft_rt::AsyncRuntime;

use crate::checks::{Bounds, DRAINED_MS_MAX, Invariant, Verdict, judge};
use crate::cluster::{ADMIN, Cluster};
use crate::door::SimDoor;
use crate::history::{AppliedEntry, FinalNode, FinalRecords, History, Recorder, contacts_of};
use crate::mutation::Mutation;
use crate::report::Report;
use crate::sim::clock::START_MS;
use crate::sim::disk::FSYNC;
use crate::sim::faults::{Subject, inject, plan, set_fsync};
use crate::sim::log::Appends;
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

/// How long a new leader is left alone before all disks become slow.
const SETTLED: Duration = Duration::from_secs(1);
/// How long what was under way when all disks became slow may go through: that proves nothing.
const UNDER_WAY: Duration = Duration::from_secs(2);
/// What an fsync takes then: longer than a heartbeat, shorter than any election timeout. Of slower
/// disks only safety is asked: they keep no leader, for an election takes an fsync on each side.
const FSYNC_OF_BUSY_DISKS: Range<Duration> = Duration::from_millis(40)..Duration::from_millis(90);
/// How long all disks are slow after that.
const SLOW_DISKS: Duration = Duration::from_secs(8);

/// How often it is looked whether anybody leads.
const LOOKS_EVERY: Duration = Duration::from_millis(20);

const _: () = assert!(
    FINISH.as_millis() + SETTLE.as_millis() > DRAINED_MS_MAX as u128,
    "a run that takes too long must be seen to"
);

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
    appends: Appends,
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
        let index = entry.log_id.index;
        if let Some(at) = self.appends.first(entry.log_id) {
            self.recorder.written(index, at.as_millis() as u64);
        }
        self.recorder.applied(
            self.run,
            AppliedEntry {
                index,
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

/// Even seeds have a cluster in one region, odd ones in one city.
fn profile(seed: u64) -> Profile {
    if seed.is_multiple_of(2) { Profile::Metro } else { Profile::City }
}

/// What a seed's cluster must keep.
///
/// A leader that goes unheard for no longer than the longest election timeout, and leads on, need not
/// say so: nobody would have been elected in that time. All longer silences are in the log, to the
/// millisecond of the clock that stamps; what is added is how late [`note_leaderless`] may see the end
/// of one, and as much again between the stamp of an entry and its place in the log.
fn bounds(seed: u64) -> Bounds {
    let (_, election_max) = profile(seed).timing().election_ms;
    let late = 2 * LOOKS_EVERY.as_millis() as u64;
    Bounds { silence: election_max + late, ..Bounds::default() }
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
    let verdicts = judge(&history, bounds(seed));
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
    let appends = Appends::default();
    let observers = {
        let (recorder, appends) = (recorder.clone(), appends.clone());
        Arc::new(move |node| {
            let run = recorder.started(node);
            Arc::new(Records {
                recorder: recorder.clone(),
                run,
                appends: appends.clone(),
                #[cfg(feature = "mutations")]
                mutation: mutation.and_then(|mutation| mutation.of_centre(node)),
                #[cfg(feature = "mutations")]
                hides_gaps: mutation == Some(Mutation::GapNotAnnounced),
            }) as Arc<dyn Observer>
        })
    };
    let sites = if seed % 4 == 3 { &SITES[..] } else { &SITES[..3] };
    let cluster = Cluster::found(&world, &network, sites, profile(seed), observers);
    let cluster = Arc::new(cluster);
    if let Some(mutation) = mutation {
        cluster.mutate(mutation);
    }
    for node in cluster.nodes() {
        cluster.log(node).note_appends(appends.clone());
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
        slow_all_disks(&cluster, &world, recorder).await;
        over.set(true);
        injected
    };
    let (injected, ()) =
        futures::join!(faults, note_leaderless(&cluster, &network, recorder, &over));
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
        purged: cluster.log(number).purged().map(|purged| purged.index),
        records: Some(records_of(cluster, number)),
    }
}

/// What is on a node's disk, not what the node thinks is there.
fn records_of(cluster: &Cluster, number: u64) -> FinalRecords {
    let store = match cluster.records(number) {
        Ok(store) => store,
        Err(error) => {
            return FinalRecords { damaged: Some(error.to_string()), ..Default::default() };
        }
    };
    let mut found = FinalRecords { covered_to: store.covered_to(), ..Default::default() };
    let segments = store.segments();
    found.missing = store.missing();
    if let Some(first) = segments.first().map(|segment| segment.from).filter(|first| *first > 0) {
        found.missing.insert(0, 0..=first - 1);
    }
    for segment in segments {
        match store.records(segment.from..=segment.to) {
            Ok(mut records) => found.records.append(&mut records),
            Err(error) => found.damaged = Some(error.to_string()),
        }
    }
    found
}

/// After all faults all disks are slow for a while, and nothing else is wrong. If there is a leader,
/// it stays one, and has time to commit what it takes.
async fn slow_all_disks(cluster: &Arc<Cluster>, world: &World, recorder: &Recorder) {
    let follow_one = || {
        let leader = cluster.leader();
        leader.is_some() && cluster.nodes().iter().all(|node| cluster.follows(*node) == leader)
    };
    wait_until(world, SETTLE, follow_one).await;
    NodeRuntime::sleep(SETTLED).await;
    if !follow_one() {
        return; // For I10 to say, if it lasts.
    }
    set_fsync(&**cluster, &cluster.nodes(), FSYNC_OF_BUSY_DISKS);
    NodeRuntime::sleep(UNDER_WAY).await;
    let from = recorder.now();
    NodeRuntime::sleep(SLOW_DISKS).await;
    recorder.slow_disks(from, recorder.now());
    set_fsync(&**cluster, &cluster.nodes(), FSYNC);
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

/// Notes the times in which no node leads, or believes that it does, and in which nothing comes in
/// of what the last leader had sent. Only those: a leader that is cut off writes what it hears into
/// its log, and may be heard of again; and nobody can tell a leader that is gone from one whose words
/// take long.
async fn note_leaderless(
    cluster: &Cluster,
    network: &Network,
    recorder: &Recorder,
    over: &Cell<bool>,
) {
    let mut since = None;
    let mut last = Vec::new();
    loop {
        let leaders = cluster.leaders();
        match (since, leaders.is_empty() && !over.get()) {
            (None, true) => since = Some(recorder.now()),
            (Some(from), false) => {
                let sent_by = Duration::from_millis(from);
                let heard = |node: &u64| network.last_heard(Host::Node(*node), sent_by);
                let heard = last.iter().filter_map(heard).max().unwrap_or_default();
                let from = from.max(heard.as_millis() as u64);
                if from < recorder.now() {
                    recorder.leaderless(from, recorder.now());
                }
                since = None;
            }
            _ => {}
        }
        if !leaders.is_empty() {
            last = leaders;
        }
        if over.get() {
            return;
        }
        NodeRuntime::sleep(LOOKS_EVERY).await;
    }
}

/// Looks every 50 ms; gives up after a while and leaves it to the checks to say what is wrong.
async fn wait_until(world: &World, at_most: Duration, mut done: impl FnMut() -> bool) {
    let until = world.now() + at_most;
    while !done() && world.now() < until {
        NodeRuntime::sleep(Duration::from_millis(50)).await;
    }
}
