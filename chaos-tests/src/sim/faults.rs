//! What can go wrong, when it does in a run, and how it is made to.
//!
//! [`plan`] draws a schedule from a seed; [`inject`] carries it out on a cluster ([`Subject`]).
//! Every fault ends within the window of the plan: nodes are up, links are whole and clocks are
//! right again, and what follows must be a healthy cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use openraft_rt::AsyncRuntime;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::disk::FSYNC;
use super::{Host, Link, Network, NodeRuntime, SimDisk, SimLog, World, lock, mix};

/// The time between the beginnings of two faults.
const GAP: Range<Duration> = Duration::from_millis(300)..Duration::from_millis(3_000);
/// A fault shorter than this is not worth its while.
const SHORTEST: Duration = Duration::from_millis(100);

/// What an fsync takes while all disks are slow: with the profile `city` longer than the lease, with
/// `metro` about as long or longer.
const FSYNC_OF_SLOW_DISKS: Range<Duration> = Duration::from_millis(400)..Duration::from_millis(800);

/// Something that goes wrong for a while.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// A node loses power and starts again.
    Crash {
        /// Which.
        node: u64,
    },
    /// A node loses power right after one of its next appends to the log, before it is synced; at
    /// the end of the fault at the latest. Random times hardly ever fall between an append and its
    /// fsync.
    CrashAtAppend {
        /// Which.
        node: u64,
        /// The how many-th append from now: 1 is the next.
        nth: u64,
    },
    /// A node's process is killed and started again.
    Kill {
        /// Which.
        node: u64,
    },
    /// Several nodes lose power at once.
    PowerCut {
        /// Which.
        nodes: Vec<u64>,
        /// When exactly; at once if `None`.
        at_append: Option<AtAppend>,
    },
    /// A node stops and goes on as if nothing had been.
    Pause {
        /// Which.
        node: u64,
    },
    /// Some nodes and the others do not reach each other.
    Partition {
        /// One side.
        nodes: Vec<u64>,
    },
    /// One node's segments do not reach another; those of the other reach it.
    OneWayCut {
        /// Whose segments.
        from: u64,
        /// Whom they do not reach.
        to: u64,
    },
    /// A node hears nobody, but is heard.
    Deaf {
        /// Which.
        node: u64,
    },
    /// A node is heard by nobody, but hears.
    Mute {
        /// Which.
        node: u64,
    },
    /// Segments of one node take long to another.
    SlowLink {
        /// Whose segments.
        from: u64,
        /// To whom.
        to: u64,
        /// How long.
        delay: Duration,
    },
    /// All links lose segments.
    Loss {
        /// One in so many.
        one_in: u32,
    },
    /// A node's clocks run fast or slow.
    Drift {
        /// Which.
        node: u64,
        /// Parts in a million; slow if negative.
        ppm: i64,
    },
    /// A node's wall clock jumps, and back at the end.
    WallJump {
        /// Which.
        node: u64,
        /// Forward, or back if negative.
        by_ms: i64,
    },
    /// A node's disk takes long to sync.
    SlowFsync {
        /// Which.
        node: u64,
        /// How long.
        takes: Duration,
    },
    /// All disks take long to sync: longer than a leader may go unheard.
    SlowDisks,
    /// Leadership is handed to a node.
    TransferLeader {
        /// Which.
        to: u64,
    },
    /// A node takes a snapshot and purges its log.
    Snapshot {
        /// Which.
        node: u64,
    },
}

/// A moment at which nodes have much that is not synced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AtAppend {
    /// Right after the how many-th append of the first of them; 1 is the next.
    pub nth: u64,
    /// How long their disks take to sync until then. With disks as fast as ever, hardly anybody has
    /// been told anything yet of what is lost.
    pub fsync: Duration,
}

impl Fault {
    /// Names of all faults.
    pub const NAMES: [&str; 17] = [
        "crash",
        "crash_at_append",
        "kill",
        "power_cut",
        "pause",
        "partition",
        "one_way_cut",
        "deaf",
        "mute",
        "slow_link",
        "loss",
        "drift",
        "wall_jump",
        "slow_fsync",
        "slow_disks",
        "transfer_leader",
        "snapshot",
    ];

    /// What kind of fault it is; one of [`Fault::NAMES`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Crash { .. } => "crash",
            Self::CrashAtAppend { .. } => "crash_at_append",
            Self::Kill { .. } => "kill",
            Self::PowerCut { .. } => "power_cut",
            Self::Pause { .. } => "pause",
            Self::Partition { .. } => "partition",
            Self::OneWayCut { .. } => "one_way_cut",
            Self::Deaf { .. } => "deaf",
            Self::Mute { .. } => "mute",
            Self::SlowLink { .. } => "slow_link",
            Self::Loss { .. } => "loss",
            Self::Drift { .. } => "drift",
            Self::WallJump { .. } => "wall_jump",
            Self::SlowFsync { .. } => "slow_fsync",
            Self::SlowDisks => "slow_disks",
            Self::TransferLeader { .. } => "transfer_leader",
            Self::Snapshot { .. } => "snapshot",
        }
    }

    /// The nodes whose life it ends.
    fn ends(&self) -> Vec<u64> {
        match self {
            Self::Crash { node } | Self::CrashAtAppend { node, .. } | Self::Kill { node } => {
                vec![*node]
            }
            Self::PowerCut { nodes, .. } => nodes.clone(),
            _ => Vec::new(),
        }
    }

    fn draw(name: &str, nodes: &[u64], rng: &mut SmallRng) -> Self {
        let mut shuffled = nodes.to_vec();
        shuffled.shuffle(rng);
        let node = shuffled[0];
        let other = shuffled.get(1).copied().unwrap_or(node);
        let sign = if rng.random_bool(0.5) { 1 } else { -1 };
        match name {
            "crash" => Self::Crash { node },
            "crash_at_append" => Self::CrashAtAppend { node, nth: rng.random_range(1..=20) },
            "kill" => Self::Kill { node },
            "power_cut" => {
                let least = nodes.len() / 2 + 1;
                shuffled.truncate(rng.random_range(least..=nodes.len()));
                let at_append = rng.random_bool(0.7).then(|| AtAppend {
                    nth: rng.random_range(1..=20),
                    fsync: Duration::from_millis(rng.random_range(0..300)),
                });
                Self::PowerCut { nodes: shuffled, at_append }
            }
            "pause" => Self::Pause { node },
            "partition" => {
                shuffled.truncate(rng.random_range(1..nodes.len().max(2)));
                Self::Partition { nodes: shuffled }
            }
            "one_way_cut" => Self::OneWayCut { from: node, to: other },
            "deaf" => Self::Deaf { node },
            "mute" => Self::Mute { node },
            "slow_link" => {
                let delay = Duration::from_millis(rng.random_range(20..400));
                Self::SlowLink { from: node, to: other, delay }
            }
            "loss" => Self::Loss { one_in: rng.random_range(5..50) },
            "drift" => Self::Drift { node, ppm: sign * rng.random_range(1_000..200_000) },
            "wall_jump" => Self::WallJump { node, by_ms: sign * rng.random_range(100..7_200_000) },
            "slow_fsync" => {
                let takes = Duration::from_millis(rng.random_range(10..500));
                Self::SlowFsync { node, takes }
            }
            "slow_disks" => Self::SlowDisks,
            "transfer_leader" => Self::TransferLeader { to: node },
            _ => Self::Snapshot { node },
        }
    }
}

/// A fault with its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// When it begins, from the beginning of the window.
    pub at: Duration,
    /// How long it lasts. A crashed node is down for so long; what happens at a moment, such as a
    /// transfer, needs none of it.
    pub lasts: Duration,
    /// What happens.
    pub fault: Fault,
}

/// Faults over a window of time, in order, each ended before the window ends. They may overlap.
/// Each kind is as likely as any other.
pub fn plan(seed: u64, window: Duration, nodes: &[u64]) -> Vec<Planned> {
    plan_of(&Fault::NAMES, seed, window, nodes)
}

/// As [`plan`], with faults of some names only.
pub fn plan_of(names: &[&str], seed: u64, window: Duration, nodes: &[u64]) -> Vec<Planned> {
    assert!(!nodes.is_empty() && !names.is_empty(), "nothing to break, or no way to");
    let mut rng = SmallRng::seed_from_u64(mix(seed, 0xfa17));
    let mut plan = Vec::new();
    let mut at = Duration::ZERO;
    loop {
        at += rng.random_range(GAP);
        let longest = window.saturating_sub(at).min(Duration::from_secs(8));
        if longest <= SHORTEST {
            return plan;
        }
        let fault = Fault::draw(names[rng.random_range(0..names.len())], nodes, &mut rng);
        let (one, other) =
            (rng.random_range(SHORTEST..longest), rng.random_range(SHORTEST..longest));
        let lasts = match fault {
            // As long as several commits take.
            Fault::SlowDisks => one.max(other),
            // Short ones are more common than long ones, which let little happen meanwhile.
            _ => one.min(other),
        };
        plan.push(Planned { at, lasts, fault });
    }
}

/// How many faults of each name a plan has.
pub fn counts(plan: &[Planned]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for planned in plan {
        *counts.entry(planned.fault.name()).or_default() += 1;
    }
    counts
}

/// A cluster that faults are injected into. Node `n` runs on [`Host::Node`]`(n)`.
pub trait Subject: Send + Sync + 'static {
    /// Starts a node that is down, on its old disk and log.
    fn start(&self, node: u64) -> impl Future<Output = ()> + Send;
    /// Asks the leader to hand over to a node; it may fail to.
    fn transfer_leader(&self, to: u64) -> impl Future<Output = ()> + Send;
    /// Asks a node for a snapshot and a purge of its log; it may fail to.
    fn snapshot(&self, node: u64) -> impl Future<Output = ()> + Send;
    /// A node's log.
    fn log(&self, node: u64) -> SimLog;
    /// A node's disk, if it has one.
    fn disk(&self, node: u64) -> Option<SimDisk>;
}

/// Sets how long the logs and disks of nodes take to sync.
pub fn set_fsync<S: Subject>(subject: &S, nodes: &[u64], takes: Range<Duration>) {
    for node in nodes {
        subject.log(*node).set_fsync(takes.clone());
        if let Some(disk) = subject.disk(*node) {
            disk.set_fsync(takes.clone());
        }
    }
}

/// Carries a plan out, and returns when its last fault has ended, with how many of each name there
/// were. A fault is left out if it would end the life of a node that is already down, or about to
/// be; of a power cut, only such nodes are.
pub async fn inject<S: Subject>(
    world: &World,
    network: &Network,
    nodes: &[u64],
    subject: &Arc<S>,
    plan: Vec<Planned>,
) -> BTreeMap<&'static str, usize> {
    let injector = Arc::new(Injector {
        world: world.clone(),
        network: network.clone(),
        nodes: nodes.to_vec(),
        subject: subject.clone(),
        down: Mutex::new(BTreeSet::new()),
        done: Mutex::new(BTreeMap::new()),
    });
    let faults = plan.into_iter().map(|planned| {
        let injector = injector.clone();
        world.spawn_on(Host::Outside, async move { injector.inject(planned).await })
    });
    let ended = join_all(faults.collect::<Vec<_>>()).await;
    // The host of these tasks does not crash, and a panic fails the run by itself.
    drop(ended);
    lock(&injector.done).clone()
}

struct Injector<S> {
    world: World,
    network: Network,
    nodes: Vec<u64>,
    subject: Arc<S>,
    /// Nodes whose life a fault now under way ends.
    down: Mutex<BTreeSet<u64>>,
    done: Mutex<BTreeMap<&'static str, usize>>,
}

impl<S: Subject> Injector<S> {
    async fn inject(&self, planned: Planned) {
        let Planned { at, lasts, mut fault } = planned;
        self.world.sleep(at).await;
        let ends = {
            let mut down = lock(&self.down);
            // A power cut takes what is left.
            if let Fault::PowerCut { nodes, .. } = &mut fault
                && nodes.iter().any(|node| !down.contains(node))
            {
                nodes.retain(|node| !down.contains(node));
            }
            let ends = fault.ends();
            if ends.iter().any(|node| down.contains(node)) {
                self.world.event(format_args!("left out: {fault:?}"));
                return;
            }
            down.extend(&ends);
            ends
        };
        self.world.event(format_args!("{fault:?} for {lasts:?}"));
        *lock(&self.done).entry(fault.name()).or_default() += 1;
        self.carry_out(&fault, lasts).await;
        for node in ends {
            self.subject.start(node).await;
            lock(&self.down).remove(&node);
        }
    }

    async fn carry_out(&self, fault: &Fault, lasts: Duration) {
        let Self { world, network, subject, .. } = self;
        match fault {
            Fault::Crash { node } => {
                world.crash(Host::Node(*node));
                world.sleep(lasts).await;
            }
            Fault::CrashAtAppend { node, nth } => {
                self.crash_at_append(&[*node], *nth, lasts).await;
            }
            Fault::Kill { node } => {
                world.kill(Host::Node(*node));
                world.sleep(lasts).await;
            }
            Fault::PowerCut { nodes, at_append: Some(AtAppend { nth, fsync }) } => {
                for node in nodes {
                    subject.log(*node).set_fsync(*fsync..*fsync * 2);
                }
                self.crash_at_append(nodes, *nth, lasts).await;
                for node in nodes {
                    subject.log(*node).set_fsync(FSYNC);
                }
            }
            Fault::PowerCut { nodes, at_append: None } => {
                self.power_cut(nodes);
                world.sleep(lasts).await;
            }
            Fault::Pause { node } => {
                world.pause(Host::Node(*node));
                world.sleep(lasts).await;
                world.resume(Host::Node(*node));
            }
            Fault::Partition { nodes } => {
                let others = self.others(nodes);
                let nodes: Vec<_> = nodes.iter().map(|node| Host::Node(*node)).collect();
                network.partition(&[&nodes, &others]);
                world.sleep(lasts).await;
                network.heal_partition(&[&nodes, &others]);
            }
            Fault::OneWayCut { from, to } => {
                self.cut(&[(Host::Node(*from), Host::Node(*to))], lasts).await;
            }
            Fault::Deaf { node } => {
                let others = self.others(&[*node]);
                let links: Vec<_> = others.into_iter().map(|o| (o, Host::Node(*node))).collect();
                self.cut(&links, lasts).await;
            }
            Fault::Mute { node } => {
                let others = self.others(&[*node]);
                let links: Vec<_> = others.into_iter().map(|o| (Host::Node(*node), o)).collect();
                self.cut(&links, lasts).await;
            }
            Fault::SlowLink { from, to, delay } => {
                let (from, to) = (Host::Node(*from), Host::Node(*to));
                network.set_link(from, to, Link { delay: *delay, jitter: *delay / 2, loss: 0.0 });
                world.sleep(lasts).await;
                network.reset_link(from, to);
            }
            Fault::Loss { one_in } => {
                let loss = 1.0 / f64::from(*one_in);
                network.set_default_link(Link { loss, ..Link::default() });
                world.sleep(lasts).await;
                network.set_default_link(Link::default());
            }
            Fault::Drift { node, ppm } => {
                world.set_drift_ppm(Host::Node(*node), *ppm);
                world.sleep(lasts).await;
                world.set_drift_ppm(Host::Node(*node), 0);
            }
            Fault::WallJump { node, by_ms } => {
                world.jump_wall_ms(Host::Node(*node), *by_ms);
                world.sleep(lasts).await;
                world.jump_wall_ms(Host::Node(*node), -*by_ms);
            }
            Fault::SlowFsync { node, takes } => {
                set_fsync(&**subject, &[*node], *takes..*takes * 2);
                world.sleep(lasts).await;
                set_fsync(&**subject, &[*node], FSYNC);
            }
            Fault::SlowDisks => {
                set_fsync(&**subject, &self.nodes, FSYNC_OF_SLOW_DISKS);
                world.sleep(lasts).await;
                set_fsync(&**subject, &self.nodes, FSYNC);
            }
            Fault::TransferLeader { to } => subject.transfer_leader(*to).await,
            Fault::Snapshot { node } => subject.snapshot(*node).await,
        }
    }

    fn others(&self, nodes: &[u64]) -> Vec<Host> {
        let others = self.nodes.iter().filter(|node| !nodes.contains(node));
        others.map(|node| Host::Node(*node)).collect()
    }

    async fn cut(&self, links: &[(Host, Host)], lasts: Duration) {
        for (from, to) in links {
            self.network.cut(*from, *to);
        }
        self.world.sleep(lasts).await;
        for (from, to) in links {
            self.network.heal(*from, *to);
        }
    }

    fn power_cut(&self, nodes: &[u64]) {
        let hosts: Vec<_> = nodes.iter().map(|node| Host::Node(*node)).collect();
        self.world.power_cut(&hosts);
    }

    /// Crashes the first node at an append, and the others with it.
    async fn crash_at_append(&self, nodes: &[u64], nth: u64, lasts: Duration) {
        let Some((first, others)) = nodes.split_first() else { return };
        let began = self.world.now();
        let life = self.world.life(Host::Node(*first));
        self.subject.log(*first).crash_at_append(nth);
        let ended = NodeRuntime::timeout(lasts, self.world.ended(life)).await;
        if ended.is_err() {
            self.world.crash(life.host);
        }
        self.power_cut(others);
        let left = lasts.saturating_sub(self.world.now() - began);
        self.world.sleep(left).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    #[test]
    fn every_fault_ends_within_the_window() {
        for seed in 0..200 {
            let plan = plan(seed, WINDOW, &[1, 2, 3]);
            assert!(plan.len() > 15);
            assert!(plan.is_sorted_by_key(|planned| planned.at));
            assert!(plan.iter().all(|planned| planned.at + planned.lasts <= WINDOW));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_plan() {
        let nodes = [1, 2, 3, 4, 5];
        assert_eq!(plan(7, WINDOW, &nodes), plan(7, WINDOW, &nodes));
        assert_ne!(plan(7, WINDOW, &nodes), plan(8, WINDOW, &nodes));
    }

    #[test]
    fn plans_of_some_seeds_have_every_fault() {
        let plans: Vec<_> = (0..20).flat_map(|seed| plan(seed, WINDOW, &[1, 2, 3])).collect();
        let counts = counts(&plans);
        assert!(Fault::NAMES.iter().all(|name| counts.get(name).is_some_and(|n| *n > 5)));
    }

    #[test]
    fn a_partition_has_two_sides_and_a_power_cut_takes_a_majority() {
        for planned in (0..50).flat_map(|seed| plan(seed, WINDOW, &[1, 2, 3, 4, 5])) {
            match planned.fault {
                Fault::Partition { nodes } => assert!((1..5).contains(&nodes.len())),
                Fault::PowerCut { nodes, .. } => assert!((3..=5).contains(&nodes.len())),
                Fault::OneWayCut { from, to } => assert_ne!(from, to),
                _ => {}
            }
        }
    }
}
