//! What this node knows of its peers' clocks, positions and state hashes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use openraft_rt::{AsyncRuntime, Instant as _};
use proto::peer::v1::{ProbeRequest, ProbeResponse};

use super::members::{DISMISSED, Directory};
use super::network::Peers;
use crate::raft::NodeId;
use crate::seams::WallClock;

/// How long a peer may take to answer.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);

/// What a peer said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Its wall clock less this node's, in ms, as it was in the middle of the round trip.
    pub clock_offset_ms: i64,
    /// The round trip.
    pub round_trip: Duration,
    /// The last index it applied.
    pub applied: u64,
    /// Entries that this node had applied when it asked, and the peer had not when it answered.
    pub behind: u64,
}

/// Tells how long ago something was.
type Age = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The last readings of all peers that answered. Clones share them.
#[derive(Clone, Default)]
pub struct Neighbours {
    readings: Arc<Mutex<BTreeMap<NodeId, Reading>>>,
    /// The last reading of every member that ever answered, and when it did.
    heard: Arc<Mutex<BTreeMap<NodeId, (Reading, Age)>>>,
    /// Kept when a peer does not answer once: a vote that is missing judges nobody.
    checkpoints: Arc<Mutex<BTreeMap<NodeId, (u64, u128)>>>,
    removed: Arc<AtomicBool>,
}

/// A wall clock that is further from the median of all than this does not lead.
pub const CLOCK_ERROR_MAX_MS: i64 = 500;

impl Neighbours {
    /// The readings.
    pub fn readings(&self) -> BTreeMap<NodeId, Reading> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What every member that ever answered said last, and how long ago that was.
    pub fn heard(&self) -> BTreeMap<NodeId, (Reading, Duration)> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().map(|(node, (reading, age))| (*node, (*reading, age()))).collect()
    }

    /// Asks all peers at once, keeps connections to them ready, and keeps what those said that
    /// answered. `applied`: the last index that this node applied.
    pub(crate) async fn ask<RT: AsyncRuntime>(
        &self,
        peers: &Peers<RT>,
        directory: &Directory,
        wall: &Arc<dyn WallClock>,
        applied: u64,
    ) {
        let questions = directory.others().into_iter().map(|(node, member)| {
            peers.keep_ready(node, &member);
            let mut peer = peers.urgent(node, &member);
            let (wall, removed) = (wall.clone(), self.removed.clone());
            async move {
                let asked = RT::Instant::now();
                let wall_ms = wall.now_ms();
                let answer = RT::timeout(PROBE_TIMEOUT, peer.probe(ProbeRequest { wall_ms })).await;
                let round_trip = RT::Instant::now().saturating_duration_since(asked);
                let answer = answer.ok()?;
                if let Err(status) = &answer
                    && status.metadata().contains_key(DISMISSED)
                {
                    removed.store(true, Ordering::Relaxed);
                }
                let answer = answer.ok()?.into_inner();
                let answered = asked + round_trip;
                let age: Age =
                    Arc::new(move || RT::Instant::now().saturating_duration_since(answered));
                let reading = reading(&answer, wall_ms, round_trip, applied);
                Some((node, checkpoint(&answer), reading, age))
            }
        });
        let answers: Vec<_> = join_all(questions).await.into_iter().flatten().collect();
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.retain(|node, _| directory.get(*node).is_some());
        heard
            .extend(answers.iter().map(|(node, _, reading, age)| (*node, (*reading, age.clone()))));
        drop(heard);
        let mut checkpoints = self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner);
        checkpoints.extend(answers.iter().filter_map(|(node, kept, ..)| Some((*node, (*kept)?))));
        drop(checkpoints);
        let readings = answers.into_iter().map(|(node, _, reading, _)| (node, reading)).collect();
        *self.readings.lock().unwrap_or_else(PoisonError::into_inner) = readings;
    }

    /// Whether a peer has said that this node is no member any more. Peers are who their certificates
    /// say, so nobody else can.
    pub fn say_removed(&self) -> bool {
        self.removed.load(Ordering::Relaxed)
    }

    /// The checkpoints that peers said last that they keep: index and state hash there.
    pub fn checkpoints(&self) -> BTreeMap<NodeId, (u64, u128)> {
        self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a majority of the members, this node included, has about the same wall time.
    pub fn majority_agrees(&self, directory: &Directory) -> bool {
        let members = directory.others().len() + 1;
        let readings = self.readings();
        let near = |reading: &&Reading| reading.clock_offset_ms.abs() <= CLOCK_ERROR_MAX_MS;
        1 + readings.values().filter(near).count() > members / 2
    }

    /// The readings of the peers whose clocks are right.
    pub fn with_right_clocks(&self) -> BTreeMap<NodeId, Reading> {
        // Offsets are from this node's clock, which may be the wrong one.
        let median = self.clock_error_ms().map_or(0, |error| -error);
        let mut readings = self.readings();
        readings.retain(|_, reading| {
            reading.clock_offset_ms.abs_diff(median) <= CLOCK_ERROR_MAX_MS.unsigned_abs()
        });
        readings
    }

    /// The peer that is furthest of those whose clocks are right, among some.
    pub fn furthest(&self, among: &[NodeId]) -> Option<NodeId> {
        let fit = self.with_right_clocks().into_iter().filter(|(node, _)| among.contains(node));
        fit.max_by_key(|(_, reading)| reading.applied).map(|(node, _)| node)
    }

    /// How far this node's wall clock is from the median of all, its own included, in ms; none if
    /// fewer than two peers answered: one cannot tell then who is wrong.
    pub fn clock_error_ms(&self) -> Option<i64> {
        let readings = self.readings();
        if readings.len() < 2 {
            return None;
        }
        let mut offsets: Vec<i64> = readings.values().map(|r| r.clock_offset_ms).collect();
        offsets.push(0);
        offsets.sort_unstable();
        Some(-offsets[offsets.len() / 2])
    }
}

fn checkpoint(answer: &ProbeResponse) -> Option<(u64, u128)> {
    let kept = answer.checkpoint.as_ref()?;
    let hash = <[u8; 16]>::try_from(&*kept.hash).ok()?;
    Some((kept.index, u128::from_be_bytes(hash)))
}

fn reading(answer: &ProbeResponse, asked_ms: u64, round_trip: Duration, applied: u64) -> Reading {
    let here = asked_ms.saturating_add(round_trip.as_millis() as u64 / 2);
    let offset = i128::from(answer.wall_ms) - i128::from(here);
    Reading {
        clock_offset_ms: offset.clamp(i64::MIN.into(), i64::MAX.into()) as i64,
        round_trip,
        applied: answer.applied,
        behind: applied.saturating_sub(answer.applied),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbours(offsets: &[i64]) -> Neighbours {
        let reading = |(node, offset): (u64, &i64)| {
            let round_trip = Duration::ZERO;
            (node, Reading { clock_offset_ms: *offset, round_trip, applied: node, behind: 0 })
        };
        let readings = (2..).zip(offsets).map(reading).collect();
        Neighbours { readings: Arc::new(Mutex::new(readings)), ..Neighbours::default() }
    }

    #[test]
    fn the_clock_that_differs_from_the_others_is_wrong() {
        assert_eq!(neighbours(&[900, 910]).clock_error_ms(), Some(-900));
        assert_eq!(neighbours(&[-3, 900]).clock_error_ms(), Some(0));
        assert_eq!(neighbours(&[900]).clock_error_ms(), None, "nobody can tell who is wrong");
    }

    #[test]
    fn the_lead_is_not_given_to_a_clock_that_is_wrong() {
        assert_eq!(neighbours(&[-900, -901]).furthest(&[2, 3]), Some(3));
        assert_eq!(neighbours(&[0, 900]).furthest(&[2, 3]), Some(2));
        assert_eq!(neighbours(&[0, 0]).furthest(&[2]), Some(2));
        assert_eq!(neighbours(&[]).furthest(&[2, 3]), None);
    }

    #[test]
    fn half_of_the_round_trip_is_taken_off() {
        let answer = ProbeResponse { wall_ms: 1_050, applied: 0, checkpoint: None };
        let reading = reading(&answer, 1_000, Duration::from_millis(80), 0);
        assert_eq!(reading.clock_offset_ms, 10);
    }

    #[test]
    fn a_peer_is_behind_by_what_it_lacks_of_what_was_applied_when_it_was_asked() {
        let behind = |applied| {
            let answer = ProbeResponse { wall_ms: 0, applied, checkpoint: None };
            reading(&answer, 0, Duration::ZERO, 100).behind
        };
        assert_eq!((behind(70), behind(100), behind(130)), (30, 0, 0));
    }
}
