//! Makes things go wrong, and takes them back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use proto::api::v1::{Freshness, Part};
use tokio::time::{Instant, sleep};

use super::Trouble;
use super::cluster::Cluster;
use super::door::ProcessDoor;
use super::faults::{Fault, Planned};
use super::net::{CITIES, Net, city_of, nodes, nodes_of};
use crate::history::Recorder;

/// How long a cluster in which nothing is wrong may take until all nodes follow one leader. A failing
/// one takes for ever; a machine that does other things, too, may need some of this.
const RECOVERS_WITHIN: Duration = Duration::from_secs(60);
/// How long a node may take to notice that its disk is full or its clock is wrong, and to say so.
const SAYS_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const HOUR_MS: i64 = 3_600_000;

/// What a node says whose clock is wrong, and whose disk is full.
const WRONG_CLOCK: &str = "the clock of this node is wrong";
const FULL_DISK: &str = "E-NODE-ENDED";

/// A time in which these nodes could do nothing, and so nobody could lead if one of them led before.
#[derive(Clone, Debug)]
pub(super) struct Silence {
    pub(super) nodes: Vec<u64>,
    /// Ms since the history began.
    pub(super) from: u64,
    /// None: not before somebody else leads.
    pub(super) until: Option<u64>,
}

/// What was made to go wrong.
#[derive(Debug, Default)]
pub(super) struct Injected {
    /// How often, by the name of the fault.
    pub(super) faults: BTreeMap<String, u64>,
    pub(super) silences: Vec<Silence>,
    /// When, in ms since the history began, and whom it met.
    pub(super) chronicle: Vec<(u64, String)>,
}

/// What faults are made with.
#[derive(Clone)]
pub(super) struct Injector {
    pub(super) cluster: Arc<Cluster>,
    pub(super) net: Arc<Net>,
    pub(super) door: Arc<ProcessDoor>,
    pub(super) recorder: Recorder,
}

impl Injector {
    /// How all nodes are, of those that answer.
    pub(super) async fn look(&self) -> Vec<Freshness> {
        let asked = join_all(nodes().map(|node| self.door.status(node))).await;
        asked.into_iter().flatten().filter_map(|status| status.freshness).collect()
    }

    /// Who leads: who says so, in the highest term.
    pub(super) async fn leader(&self) -> Option<u64> {
        let looked = self.look().await;
        let leads = looked.iter().filter(|node| node.part() == Part::Leader);
        leads.max_by_key(|node| node.term).map(|node| node.node)
    }

    /// Waits until all nodes follow one leader; says which.
    pub(super) async fn one_leads(&self) -> Result<u64, Trouble> {
        let until = Instant::now() + RECOVERS_WITHIN;
        loop {
            let looked = self.look().await;
            if let Some(leader) = looked.first().and_then(|node| node.leader)
                && looked.len() == nodes().count()
                && looked.iter().all(|node| node.leader == Some(leader))
            {
                return Ok(leader);
            }
            if Instant::now() > until {
                let heard: Vec<_> = looked.iter().map(|n| (n.node, n.term, n.leader)).collect();
                return Err(Trouble(format!(
                    "nothing is wrong, and not all nodes follow one leader after \
                     {RECOVERS_WITHIN:?}: (node, term, leader) {heard:?}"
                )));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Does what a plan says until the time is over. Nothing is wrong any more then.
    pub(super) async fn carry_out(
        &self,
        plan: impl Iterator<Item = Planned>,
        within: Duration,
    ) -> Result<Injected, Trouble> {
        let mut injected = Injected::default();
        let until = Instant::now() + within;
        for Planned { after, fault, lasts } in plan {
            if matches!(fault, Fault::ClockJump { .. }) && !self.cluster.clocks().can_be_set() {
                continue;
            }
            sleep(after).await;
            let leader = self.one_leads().await?;
            // What would go on for longer than there is time is left out.
            if Instant::now() + lasts > until {
                break;
            }
            *injected.faults.entry(fault.name().to_owned()).or_default() += 1;
            let what = format!("{fault:?} for {lasts:?}; node {leader} leads");
            injected.chronicle.push((self.recorder.now(), what));
            self.inject(fault, leader, lasts, &mut injected).await?;
            injected.chronicle.push((self.recorder.now(), "all is healed".to_owned()));
        }
        sleep(until.saturating_duration_since(Instant::now())).await;
        self.one_leads().await?;
        Ok(injected)
    }

    async fn inject(
        &self,
        fault: Fault,
        leader: u64,
        lasts: Duration,
        injected: &mut Injected,
    ) -> Result<(), Trouble> {
        let city = city_of(leader);
        match fault {
            Fault::KillCity => {
                injected.silences.push(self.kill(leader, nodes_of(city)));
                sleep(lasts).await;
                self.start(nodes_of(city))?;
            }
            Fault::LoseQuorum => {
                // The largest other one: what is left is no majority.
                let others = (0..CITIES.len()).filter(|other| *other != city);
                let other = others.max_by_key(|other| nodes_of(*other).len()).unwrap_or(city);
                let all: Vec<_> = nodes_of(city).into_iter().chain(nodes_of(other)).collect();
                injected.silences.push(self.kill(leader, all.clone()));
                sleep(lasts).await;
                self.start(all)?;
            }
            Fault::BlackHole => self.cut(lasts, |net| net.cut_off(city)).await,
            Fault::MuteCity => self.cut(lasts, |net| net.mute(city)).await,
            Fault::DeafCity => self.cut(lasts, |net| net.deafen(city)).await,
            Fault::PauseLeader => {
                self.cluster.pause(leader)?;
                let from = self.recorder.now();
                sleep(lasts).await;
                let until = Some(self.recorder.now());
                self.cluster.resume(leader)?;
                injected.silences.push(Silence { nodes: vec![leader], from, until });
            }
            Fault::FullDisk => {
                let before = count(&self.cluster.said(leader), FULL_DISK);
                self.cluster.fill_disk(leader)?;
                let code = self.cluster.ended(leader, SAYS_WITHIN).await;
                let said = count(&self.cluster.said(leader), FULL_DISK);
                if code != Some(1) || said == before {
                    let last = self.cluster.last_words(leader);
                    return Err(Trouble(format!(
                        "the disk of node {leader} is full, and it does not end with code 1 and \
                         {FULL_DISK}, but with {code:?}: {last}"
                    )));
                }
                sleep(lasts).await;
                self.start(vec![leader])?;
            }
            Fault::ClockJump { ahead } => {
                self.cluster.clocks().set(leader, if ahead { HOUR_MS } else { -HOUR_MS })?;
                let noticed = self.gives_lead_away_for_its_clock(leader).await;
                sleep(lasts).await;
                self.cluster.clocks().set(leader, 0)?;
                noticed?;
            }
        }
        Ok(())
    }

    /// Kills nodes, the leader first.
    pub(super) fn kill(&self, leader: u64, all: Vec<u64>) -> Silence {
        self.cluster.kill(leader);
        let from = self.recorder.now();
        for node in all.iter().filter(|node| **node != leader) {
            self.cluster.kill(*node);
        }
        Silence { nodes: all, from, until: None }
    }

    pub(super) fn start(&self, all: Vec<u64>) -> Result<(), Trouble> {
        all.into_iter().try_for_each(|node| self.cluster.start(node))
    }

    async fn cut(&self, lasts: Duration, cut: impl FnOnce(&Net)) {
        cut(&self.net);
        sleep(lasts).await;
        self.net.heal();
    }

    /// Whether a leader whose clock is wrong says so, and another leads.
    async fn gives_lead_away_for_its_clock(&self, leader: u64) -> Result<(), Trouble> {
        let before = count(&self.cluster.said(leader), WRONG_CLOCK);
        let until = Instant::now() + SAYS_WITHIN;
        loop {
            let said = count(&self.cluster.said(leader), WRONG_CLOCK) > before;
            let leads = self.leader().await;
            if said && leads.is_some_and(|leads| leads != leader) {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(Trouble(format!(
                    "the clock of node {leader} jumped an hour; it said so: {said}; node \
                     {leads:?} leads: {}",
                    self.cluster.last_words(leader)
                )));
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

fn count(text: &str, words: &str) -> usize {
    text.matches(words).count()
}
