//! What a demonstration prints at its end.

use std::fmt::Write;
use std::time::Duration;

use acd::metrics::Ratio;
use proto::stored::v1::QueueCounters;
use serde::Serialize;

use super::board::{Board, word};
use super::failover::Measured;
use super::ledger::Counts;
use super::table::today;
use super::verify::Verified;

/// The summary. Its JSON fields are stable; more may come.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The seed of the traffic.
    pub seed: u64,
    /// How long customers came.
    pub duration_s: f64,
    /// Contacts, counted by those outside.
    pub contacts: Contacts,
    /// Service levels over all queues; null: no data.
    pub service_level: ServiceLevel,
    /// Average speed of answer.
    pub asa_s: Option<f64>,
    /// Average handling time.
    pub aht_s: Option<f64>,
    /// Handling / (handling + available) of all agents.
    pub occupancy: Option<f64>,
    /// The cities.
    pub sites: Vec<Site>,
    /// The cluster.
    pub raft: Raft,
    /// What was killed.
    pub failover: Vec<Failover>,
    /// Whether all nodes that run had the same state at one log index.
    pub state_hash_equal: bool,
    /// That state. Null: they had none in common.
    pub state_hash: Option<String>,
    /// The ids of contacts that were lost, and of those that were offered twice; at most 20 each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost_contacts: Vec<String>,
    /// As above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub double_offered_contacts: Vec<String>,
}

/// Contacts, counted by those outside.
#[derive(Clone, Debug, Serialize)]
pub struct Contacts {
    /// Acknowledged.
    pub offered: u64,
    /// Answered, those in conversation at the end included.
    pub answered: u64,
    /// Left before they were answered.
    pub abandoned: u64,
    /// Neither answered nor closed at the end.
    pub waiting: u64,
    /// In conversation at the end.
    pub talking: u64,
    /// Closed in another way without an answer.
    pub ended_otherwise: u64,
    /// Acknowledged and not known to the cluster at the end, though never closed.
    pub lost: u64,
    /// Before two agents at a time.
    pub double_offered: u64,
}

/// The four usual service levels, between 0 and 1.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceLevel {
    /// Seconds of the target.
    pub target_s: f64,
    /// Percent of the target.
    pub target_pct: u32,
    /// Answered in time / (offered − abandoned in time).
    pub ignore: Option<f64>,
    /// Answered in time / offered.
    pub negative: Option<f64>,
    /// (Answered in time + abandoned in time) / offered.
    pub positive: Option<f64>,
    /// Answered in time / answered.
    pub answered: Option<f64>,
}

/// A city.
#[derive(Clone, Debug, Serialize)]
pub struct Site {
    /// The id.
    pub id: String,
    /// The word for its state.
    pub state: String,
    /// Agents logged in there.
    pub agents: u32,
    /// Contacts answered there.
    pub answered: u32,
    /// Processes of it that run.
    pub nodes: usize,
}

/// The cluster.
#[derive(Clone, Debug, Serialize)]
pub struct Raft {
    /// The node that leads. Null: nobody.
    pub leader: Option<u64>,
    /// The term.
    pub term: u64,
    /// How often a leader began its term while customers came.
    pub leader_changes: u64,
    /// The last log index applied.
    pub last_applied: u64,
}

/// A city that was killed.
#[derive(Clone, Debug, Serialize)]
pub struct Failover {
    /// The city.
    pub site: String,
    /// When, in seconds since customers began to come.
    pub killed_at_s: f64,
    /// From there to the first offer elsewhere. Null: there was none.
    pub routed_again_ms: Option<u64>,
    /// Whether the leader was in it.
    pub had_leader: bool,
    /// When its processes were started again. Null: they were not.
    pub restored_at_s: Option<f64>,
}

/// What a report is made of.
pub(super) struct Material<'a> {
    pub seed: u64,
    pub duration: Duration,
    pub board: &'a Board,
    /// Handling and available time of all agents: ms.
    pub occupancy: (u64, u64),
    pub counts: Counts,
    pub running: &'a [usize],
    pub leader_changes: u64,
    pub failovers: Vec<Measured>,
    pub verified: &'a Verified,
}

/// Contacts named in a report.
const NAMED_MAX: usize = 20;

impl Report {
    pub(super) fn new(material: Material<'_>) -> Self {
        let Material { board, counts, verified, .. } = &material;
        let sum = sum(board);
        let per_mille = |ratio: Ratio| ratio.per_mille().map(|per_mille| per_mille as f64 / 1e3);
        let ratio = |part: u32, of: u32| per_mille(Ratio::new(part.into(), of.into()));
        let seconds =
            |sum: u64, of: u32| Ratio::new(sum, of.into()).scaled(1).map(|ms| ms as f64 / 1e3);
        let (target_s, target_pct) = target(board);
        let (handling, available) = material.occupancy;
        let (leader, term) = board.leader().unzip();
        Self {
            seed: material.seed,
            duration_s: round(material.duration),
            contacts: Contacts {
                offered: counts.offered,
                answered: counts.answered,
                abandoned: counts.abandoned,
                waiting: counts.waiting,
                talking: counts.talking,
                ended_otherwise: counts.ended_otherwise,
                lost: verified.lost.len() as u64,
                double_offered: verified.twice.len() as u64,
            },
            service_level: ServiceLevel {
                target_s,
                target_pct,
                ignore: ratio(
                    sum.answered_in_target,
                    sum.offered.saturating_sub(sum.abandoned_in_target),
                ),
                negative: ratio(sum.answered_in_target, sum.offered),
                positive: ratio(sum.answered_in_target + sum.abandoned_in_target, sum.offered),
                answered: ratio(sum.answered_in_target, sum.answered),
            },
            asa_s: seconds(sum.wait_ms, sum.answered),
            aht_s: seconds(sum.talk_ms + sum.hold_ms + sum.wrap_up_ms, sum.handled),
            occupancy: per_mille(Ratio::new(handling, handling + available)),
            sites: sites(board, material.running),
            raft: Raft {
                leader,
                term: term.unwrap_or(0),
                leader_changes: material.leader_changes,
                last_applied: verified.last_applied,
            },
            failover: material.failovers.iter().map(failover).collect(),
            state_hash_equal: verified.hash.is_some(),
            state_hash: verified.hash.clone(),
            lost_contacts: verified.lost.iter().take(NAMED_MAX).cloned().collect(),
            double_offered_contacts: verified.twice.iter().take(NAMED_MAX).cloned().collect(),
        }
    }

    /// Whether nothing was lost, nobody offered twice, and all nodes are equal.
    pub fn is_good(&self) -> bool {
        self.contacts.lost == 0 && self.contacts.double_offered == 0 && self.state_hash_equal
    }

    pub(super) fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Self { contacts, service_level: level, raft, .. } = self;
        writeln!(text, "{} s, seed {}", self.duration_s, self.seed)?;
        writeln!(text)?;
        for (name, count) in [
            ("came", contacts.offered),
            ("answered", contacts.answered),
            ("left unanswered", contacts.abandoned),
            ("still waiting", contacts.waiting),
            ("ended otherwise", contacts.ended_otherwise),
            ("lost", contacts.lost),
            ("offered twice", contacts.double_offered),
        ] {
            writeln!(text, "{name:<28}{count:>9}")?;
        }
        writeln!(text)?;
        let target = format!("answered in {} s", level.target_s);
        writeln!(text, "{target:<28}{:>9}", percent(level.negative))?;
        writeln!(text, "{:<28}{:>9}", "  less those who left early", percent(level.ignore))?;
        writeln!(text, "{:<28}{:>9}", "average speed of answer", seconds(self.asa_s))?;
        writeln!(text, "{:<28}{:>9}", "average handling time", seconds(self.aht_s))?;
        writeln!(text, "{:<28}{:>9}", "occupancy", percent(self.occupancy))?;
        writeln!(text)?;
        writeln!(
            text,
            "{:<10}{:<11}{:>6}{:>8}{:>10}",
            "city", "state", "nodes", "agents", "answered"
        )?;
        for Site { id, state, agents, answered, nodes } in &self.sites {
            writeln!(text, "{id:<10}{state:<11}{nodes:>6}{agents:>8}{answered:>10}")?;
        }
        writeln!(text)?;
        for failover in &self.failover {
            let Failover { site, killed_at_s, routed_again_ms, had_leader, restored_at_s } =
                failover;
            let leader = if *had_leader { " with the leader" } else { "" };
            let again = match routed_again_ms {
                Some(ms) => format!("contacts were routed again after {ms} ms"),
                None => "contacts were not routed again".to_owned(),
            };
            let back =
                restored_at_s.map_or(String::new(), |at| format!("; started again at {at} s"));
            writeln!(text, "{site} was killed{leader} at {killed_at_s} s: {again}{back}")?;
        }
        let leader = raft.leader.map_or("nobody leads".into(), |node| format!("node {node} leads"));
        let Raft { term, leader_changes, last_applied, .. } = raft;
        writeln!(
            text,
            "{leader}, term {term}, {leader_changes} changes of leader, log index {last_applied}"
        )?;
        match &self.state_hash {
            Some(hash) => writeln!(text, "all nodes have the same state: {hash}"),
            None => writeln!(text, "THE NODES DO NOT HAVE THE SAME STATE"),
        }
    }
}

/// The counters of the day of all queues.
fn sum(board: &Board) -> QueueCounters {
    let mut sum = QueueCounters::default();
    for queue in &board.queues {
        let c = today(queue.metrics.as_ref());
        sum.offered += c.offered;
        sum.answered += c.answered;
        sum.answered_in_target += c.answered_in_target;
        sum.abandoned_in_target += c.abandoned_in_target;
        sum.handled += c.handled;
        sum.wait_ms += c.wait_ms;
        sum.talk_ms += c.talk_ms;
        sum.hold_ms += c.hold_ms;
        sum.wrap_up_ms += c.wrap_up_ms;
    }
    sum
}

/// Seconds and percent of the service target. All queues have the same.
fn target(board: &Board) -> (f64, u32) {
    let target = board.queues.iter().find_map(|queue| queue.config.as_ref()?.target);
    target.map_or((0.0, 0), |target| (target.within_ms as f64 / 1e3, target.percent))
}

fn sites(board: &Board, running: &[usize]) -> Vec<Site> {
    let Some(best) = board.best() else { return Vec::new() };
    let site = |city: &&str| {
        let status = best.cluster.sites.iter().find(|site| site.id == **city)?;
        let at = super::plan::CITIES.iter().position(|other| other == city)?;
        let agents = status.agents.unwrap_or_default();
        Some(Site {
            id: status.id.clone(),
            state: word(status).to_owned(),
            agents: agents.free + agents.busy + agents.not_ready,
            answered: today(status.metrics.as_ref()).answered,
            nodes: running.get(at).copied().unwrap_or(0),
        })
    };
    super::plan::CITIES.iter().filter_map(site).collect()
}

fn failover(measured: &Measured) -> Failover {
    Failover {
        site: measured.site.clone(),
        killed_at_s: round(measured.killed_at),
        routed_again_ms: measured.routed_again.map(|again| again.as_millis() as u64),
        had_leader: measured.had_leader,
        restored_at_s: measured.restored_at.map(round),
    }
}

/// In seconds, to the millisecond.
fn round(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1e3
}

fn percent(share: Option<f64>) -> String {
    share.map_or("no data".into(), |share| format!("{:.1} %", share * 100.0))
}

fn seconds(value: Option<f64>) -> String {
    value.map_or("no data".into(), |seconds| format!("{seconds:.2} s"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::board::NodeSaid;
    use proto::api::v1 as api;
    use proto::stored::v1 as stored;
    use serde_json::{Value, json};

    fn metrics(today: QueueCounters) -> Option<stored::QueueMetrics> {
        Some(stored::QueueMetrics { today: Some(today), ..Default::default() })
    }

    fn queue(today: QueueCounters) -> api::QueueStatus {
        let target = stored::ServiceTarget { percent: 80, within_ms: 3_000, ..Default::default() };
        let config = stored::QueueConfig { target: Some(target), ..Default::default() };
        api::QueueStatus { config: Some(config), metrics: metrics(today), ..Default::default() }
    }

    fn board(queues: Vec<api::QueueStatus>) -> Board {
        let lost = stored::site_state::State::Lost(stored::site_state::Lost {});
        let agents =
            api::AgentCounts { free: 3, busy: 2, not_ready: 1, unreachable: 4, offline: 5 };
        let site = api::SiteStatus {
            id: "lviv".into(),
            state: Some(stored::SiteState { state: Some(lost) }),
            agents: Some(agents),
            metrics: metrics(QueueCounters { answered: 7, ..Default::default() }),
            ..Default::default()
        };
        let freshness =
            api::Freshness { node: 2, term: 5, leader: Some(2), applied: 99, ..Default::default() };
        let cluster = api::ClusterStatus { sites: vec![site], ..Default::default() };
        Board { nodes: [(2, NodeSaid { freshness, cluster })].into(), queues }
    }

    fn report(board: &Board, verified: &Verified, failovers: Vec<Measured>) -> Report {
        Report::new(Material {
            seed: 7,
            duration: Duration::from_millis(30_004),
            board,
            occupancy: if failovers.is_empty() { (0, 0) } else { (3, 1) },
            counts: Counts { offered: 20, answered: 12, waiting: 8, ..Counts::default() },
            running: &[2, 0, 1],
            leader_changes: 1,
            failovers,
            verified,
        })
    }

    fn equal() -> Verified {
        Verified { hash: Some("ab".into()), last_applied: 120, ..Verified::default() }
    }

    #[test]
    fn the_fields_that_scripts_rely_on_are_there() {
        let two = [
            QueueCounters {
                offered: 10,
                answered: 6,
                answered_in_target: 5,
                abandoned: 4,
                abandoned_in_target: 2,
                handled: 4,
                wait_ms: 3_000,
                talk_ms: 8_000,
                wrap_up_ms: 1_000,
                ..Default::default()
            },
            QueueCounters {
                offered: 10,
                answered: 6,
                answered_in_target: 5,
                hold_ms: 1_000,
                ..Default::default()
            },
        ];
        let measured = Measured {
            site: "lviv".into(),
            killed_at: Duration::from_millis(10_001),
            restored_at: None,
            had_leader: true,
            routed_again: Some(Duration::from_micros(412_900)),
        };
        let report = report(&board(two.map(queue).to_vec()), &equal(), vec![measured]);
        assert!(report.is_good());
        let json = serde_json::to_value(&report).expect("JSON");
        let expected = json!({
            "seed": 7,
            "duration_s": 30.004,
            "contacts": {
                "offered": 20, "answered": 12, "abandoned": 0, "waiting": 8, "talking": 0,
                "ended_otherwise": 0, "lost": 0, "double_offered": 0,
            },
            "service_level": {
                "target_s": 3.0, "target_pct": 80,
                "ignore": 0.556, "negative": 0.5, "positive": 0.6, "answered": 0.833,
            },
            "asa_s": 0.25,
            "aht_s": 2.5,
            "occupancy": 0.75,
            "sites": [
                { "id": "lviv", "state": "lost", "agents": 6, "answered": 7, "nodes": 0 },
            ],
            "raft": { "leader": 2, "term": 5, "leader_changes": 1, "last_applied": 120 },
            "failover": [{
                "site": "lviv", "killed_at_s": 10.001, "routed_again_ms": 412,
                "had_leader": true, "restored_at_s": null,
            }],
            "state_hash_equal": true,
            "state_hash": "ab",
        });
        assert_eq!(json, expected);
        let table = report.table();
        assert!(table.contains("lviv was killed with the leader at 10.001 s"), "{table}");
        assert!(table.contains("50.0 %") && table.contains("same state: ab"), "{table}");
    }

    #[test]
    fn where_there_is_no_data_nothing_is_said() {
        let report = report(&board(Vec::new()), &equal(), Vec::new());
        let json = serde_json::to_value(&report).expect("JSON");
        for name in ["ignore", "negative", "positive", "answered"] {
            assert_eq!(json["service_level"][name], Value::Null);
        }
        assert_eq!([&json["asa_s"], &json["aht_s"], &json["occupancy"]], [&Value::Null; 3]);
        assert!(report.table().contains("no data"));
    }

    #[test]
    fn what_went_wrong_is_not_good_and_is_named() {
        let lost = Verified { lost: vec!["kyiv-3".into()], ..equal() };
        let twice = Verified { twice: vec!["kyiv-4".into()], ..equal() };
        let differ = Verified { hash: None, ..equal() };
        let board = board(Vec::new());
        for verified in [&lost, &twice, &differ] {
            assert!(!report(&board, verified, Vec::new()).is_good());
        }
        let report = report(&board, &lost, Vec::new());
        assert_eq!((report.contacts.lost, report.lost_contacts), (1, vec!["kyiv-3".to_owned()]));
    }
}
