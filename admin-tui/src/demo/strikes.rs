//! Kills cities and starts them again, at their times.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acd::ids::SiteId;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};

use super::args::Target;
use super::board::Readers;
use super::books::{Books, Phase, reached};
use super::failover::Deed;
use super::plan::CITIES;
use crate::local::{LocalCluster, LocalError};

/// How long to look for a leader that is to be killed, and how often.
const LEADER_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The cluster's processes, and which of them were killed on purpose.
#[derive(Clone)]
pub(super) struct Machines {
    cluster: Arc<Mutex<LocalCluster>>,
    down: Arc<Mutex<BTreeSet<u64>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A process is there or not, whoever panicked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Machines {
    pub fn new(cluster: LocalCluster) -> Self {
        Self { cluster: Arc::new(Mutex::new(cluster)), down: Arc::default() }
    }

    /// The processes. They are held for moments only, except at the end.
    pub fn cluster(&self) -> MutexGuard<'_, LocalCluster> {
        lock(&self.cluster)
    }

    fn nodes_at(&self, city: &str) -> Vec<u64> {
        SiteId::new(city).map_or(Vec::new(), |site| self.cluster().nodes_at(&site))
    }

    /// Nodes that run.
    pub fn running(&self) -> Vec<u64> {
        let mut cluster = self.cluster();
        cluster.nodes().filter(|node| cluster.is_running(*node)).collect()
    }

    /// How many nodes of each city run.
    pub fn running_by_city(&self) -> [usize; 3] {
        let running = self.running();
        CITIES.map(|city| self.nodes_at(city).iter().filter(|node| running.contains(node)).count())
    }

    /// Fails with a node that has ended although nobody killed it.
    pub fn intact(&self) -> Result<(), LocalError> {
        match self.fallen() {
            Some(node) => Err(self.cluster().stuck(node, "has ended by itself")),
            None => Ok(()),
        }
    }

    fn fallen(&self) -> Option<u64> {
        // First, so that none that is just started again is in neither.
        let down = lock(&self.down);
        let running = self.running();
        let mut nodes = self.cluster().nodes();
        nodes.find(|node| !running.contains(node) && !down.contains(node))
    }

    fn kill(&self, city: &str) {
        let nodes = self.nodes_at(city);
        // First, so that nobody takes them for fallen.
        lock(&self.down).extend(&nodes);
        for node in nodes {
            self.cluster().kill(node);
        }
    }

    fn start(&self, city: &str) -> Result<(), LocalError> {
        for node in self.nodes_at(city) {
            self.cluster().start(node)?;
            lock(&self.down).remove(&node);
        }
        Ok(())
    }
}

/// Does what is due until it closes.
pub(super) async fn strike(
    deeds: Vec<(Duration, Deed, Target)>,
    machines: Machines,
    readers: Readers,
    books: Arc<Books>,
    mut phase: watch::Receiver<Phase>,
) -> Result<(), LocalError> {
    let began = Instant::now();
    // The city that was the leader's when it was killed.
    let mut last_leader = None;
    for (at, deed, target) in deeds {
        let due = tokio::select! {
            () = sleep_until(began + at) => true,
            () = reached(&mut phase, Phase::Closing) => false,
        };
        if !due {
            break;
        }
        let leader = match deed {
            Deed::Kill => leader_city(&readers, target == Target::Leader).await,
            Deed::Restore => None,
        };
        let city = match (&target, deed) {
            (Target::City(city), _) => Some(city.clone()),
            (Target::Leader, Deed::Kill) => leader.clone(),
            (Target::Leader, Deed::Restore) => last_leader.take(),
        };
        let Some(city) = city else {
            books.tell("there is no leader whose city could be killed or restored".to_owned());
            continue;
        };
        let (machines, name) = (machines.clone(), city.clone());
        match deed {
            Deed::Kill => {
                if machines.nodes_at(&city).iter().all(|n| !machines.running().contains(n)) {
                    books.tell(format!("{city} is down already"));
                    continue;
                }
                if target == Target::Leader {
                    last_leader = Some(city.clone());
                }
                let had_leader = leader.as_ref() == Some(&city);
                let with = if had_leader { ", the leader's city," } else { "" };
                books.tell(format!("{city}{with} is killed: kill -9 to all of its nodes"));
                books.failovers.killed(&city, had_leader);
                // If it panicked, the nodes would be found running.
                let _ = spawn_blocking(move || machines.kill(&name)).await;
            }
            Deed::Restore => {
                books.tell(format!("the nodes of {city} are started again"));
                books.failovers.restored(&city);
                if let Ok(started) = spawn_blocking(move || machines.start(&name)).await {
                    started?;
                }
            }
        }
    }
    Ok(())
}

/// The leader's city; waits a while for one if one is `needed`.
async fn leader_city(readers: &Readers, needed: bool) -> Option<String> {
    let until = Instant::now() + LEADER_WITHIN;
    loop {
        let board = readers.look().await;
        let leader = board.leader().filter(|(leader, _)| board.nodes.contains_key(leader));
        if let Some((leader, _)) = leader {
            return board.nodes.get(&leader).map(|said| said.freshness.site.clone());
        }
        if !needed || Instant::now() >= until {
            return None;
        }
        sleep(LOOK_EVERY).await;
    }
}
