use std::collections::BTreeSet;

use acd::command::{AgentCommand, ClusterCommand, Command, ConfigCommand, Submission};
use acd::config::{AgentConfig, Capacity, ReturnMode, SiteConfig};
use acd::ids::{AgentId, PrincipalId};
use acd::text::Label;
use acd::time::{LogTime, Millis};

use super::*;
use crate::config::Profile;

const ADMIN: &str = "olena";
/// Between two heartbeats, as `city` has it.
const HEARTBEAT: u64 = 40;
const HOLD: u64 = 30_000;

/// A cluster as its leader sees it, and the state that everybody has.
struct Scene {
    leader: LeaderId,
    roll_call: RollCall,
    centre: Centre,
    now: u64,
    nodes: BTreeMap<NodeId, Option<Duration>>,
    /// Nodes that the leader cannot hear.
    silent: BTreeSet<NodeId>,
    behind: BTreeMap<NodeId, u64>,
    /// Whether what is written gets into the log.
    is_written: bool,
    index: u64,
}

fn site(id: &str) -> SiteId {
    SiteId::new(id).unwrap()
}

impl Scene {
    /// A cluster with nodes 1, 2, 3 … at these sites, led by node 1 for a while.
    fn led(sites: &[&str]) -> Self {
        let mut scene = Self::elected(sites, 1);
        assert_eq!(scene.pass(1_000), []);
        scene
    }

    /// The same, and this node was just elected.
    fn elected(sites: &[&str], own: NodeId) -> Self {
        let delays = Profile::City.timing().site_delays();
        let mut scene = Self {
            leader: LeaderId { term: 7, node_id: own },
            roll_call: RollCall::new(own, delays),
            centre: Centre::new(),
            now: 5_000,
            nodes: (1..).zip(sites).map(|(node, _)| (node, None)).collect(),
            silent: BTreeSet::new(),
            behind: BTreeMap::new(),
            is_written: true,
            index: 0,
        };
        let (cluster, admin) = (Label::new("test").unwrap(), PrincipalId::new(ADMIN).unwrap());
        let init = ClusterCommand::Init { cluster, site: site(sites[0]), admin, replay: false };
        scene.must(ADMIN, init);
        for id in &sites[1..] {
            if scene.centre.site(&site(id)).is_none() {
                let config = SiteConfig::new(site(id), Label::new(id).unwrap());
                assert_eq!(config.return_mode, ReturnMode::After(Millis(HOLD)));
                scene.must(ADMIN, SiteCommand::Put { config, expected: None });
            }
            scene.must(ADMIN, SiteCommand::AddNode { site: site(id) });
        }
        scene
    }

    fn must(&mut self, who: &str, command: impl Into<Command>) {
        let submission = Submission::new(PrincipalId::new(who).unwrap(), command.into());
        self.index += 1;
        let stamp = LogTime(self.now);
        let outcome = self.centre.apply(self.index, stamp, submission, &mut Vec::new());
        assert!(outcome.is_ok(), "{outcome:?}");
    }

    /// Another node leads.
    fn elect(&mut self, own: NodeId) {
        self.leader = LeaderId { term: self.leader.term + 1, node_id: own };
        self.roll_call = RollCall::new(own, self.roll_call.delays);
        self.nodes.values_mut().for_each(|last| *last = None);
    }

    fn log_in(&mut self, agent: &str, node: NodeId) {
        let id = AgentId::new(agent).unwrap();
        if self.centre.agent(&id).is_none() {
            let config = AgentConfig {
                id: id.clone(),
                name: Label::new(agent).unwrap(),
                home_site: site("kyiv"),
                skills: Vec::new(),
                queues: Vec::new(),
                capacity: Capacity::default(),
            };
            self.must(ADMIN, ConfigCommand::PutAgent { config, expected: None });
        }
        self.must(agent, AgentCommand::LogIn { agent: id, node: acd::ids::NodeId(node) });
    }

    /// When a quorum answered last: the leader itself is there, too.
    fn quorum(&self) -> Option<Duration> {
        let own = self.leader.node_id;
        let now = Duration::from_millis(self.now);
        let answers =
            self.nodes.iter().map(|(node, at)| if *node == own { Some(now) } else { *at });
        let mut answers: Vec<_> = answers.collect();
        answers.sort_unstable();
        answers[(answers.len() - 1) / 2]
    }

    /// Whoever is not silent answers now, and the leader looks.
    fn look(&mut self) -> Vec<Finding> {
        for (node, last) in &mut self.nodes {
            if !self.silent.contains(node) {
                *last = Some(Duration::from_millis(self.now));
            }
        }
        self.look_only()
    }

    fn look_only(&mut self) -> Vec<Finding> {
        let mut found = Vec::new();
        if let Some(quorum) = self.quorum() {
            self.roll_call.note(self.leader, quorum, self.nodes.clone());
        }
        let now = Duration::from_millis(self.now);
        let behind = self.behind.clone();
        let behind = |node| Some(behind.get(&node).copied().unwrap_or(0));
        while let Some(due) = self.roll_call.due(now, &self.centre, behind) {
            assert!(found.len() < 10, "for ever: {found:?}");
            if self.is_written {
                let writer = format!("node-{}", self.leader.node_id);
                self.must(&writer, due.finding.command());
            }
            found.push(due.finding);
        }
        found
    }

    /// Lets time pass, with a heartbeat every 40 ms; what was found meanwhile.
    fn pass(&mut self, ms: u64) -> Vec<Finding> {
        let mut found = Vec::new();
        let until = self.now + ms;
        while self.now < until {
            self.now += HEARTBEAT;
            found.extend(self.look());
        }
        found
    }

    fn state(&self, id: &str) -> &'static str {
        self.centre.site(&site(id)).unwrap().state.word()
    }
}

fn suspect(id: &str) -> Finding {
    Finding::Suspect(site(id))
}
fn lost(id: &str) -> Finding {
    Finding::Lost(site(id))
}
fn heard(id: &str) -> Finding {
    Finding::Heard(site(id))
}
fn caught_up(id: &str) -> Finding {
    Finding::CaughtUp(site(id))
}

const THREE: [&str; 3] = ["kyiv", "lviv", "dnipro"];
const FIVE: [&str; 5] = ["kyiv", "kyiv", "lviv", "lviv", "dnipro"];

// -- A site -----------------------------------------------------------------------------------------

#[test]
fn nothing_is_written_while_everybody_answers() {
    for sites in [&THREE[..], &FIVE[..]] {
        assert_eq!(Scene::led(sites).pass(60_000), []);
    }
}

#[test]
fn a_site_that_falls_silent_is_suspect_after_half_a_second_and_lost_after_three() {
    let mut scene = Scene::led(&THREE);
    scene.silent.insert(2);
    assert_eq!(scene.pass(480), []);
    assert_eq!(scene.pass(120), [suspect("lviv")]);
    assert_eq!(scene.pass(2_360), []);
    assert_eq!(scene.pass(120), [lost("lviv")]);
    assert_eq!(scene.pass(600_000), []);
}

#[test]
fn what_is_due_says_for_how_long_nobody_answered() {
    let mut scene = Scene::led(&THREE);
    scene.silent.insert(2);
    scene.is_written = false;
    scene.pass(480);
    scene.now += HEARTBEAT;
    let quorum = Duration::from_millis(scene.now);
    let answers = [(1, None), (2, scene.nodes[&2]), (3, Some(quorum))];
    scene.roll_call.note(scene.leader, quorum, answers);
    let due = scene.roll_call.due(quorum, &scene.centre, |_| None).unwrap();
    assert_eq!(due, Due { finding: suspect("lviv"), silent: Duration::from_millis(520) });
}

#[test]
fn a_suspect_site_that_answers_is_heard() {
    let mut scene = Scene::led(&THREE);
    scene.silent.insert(2);
    assert_eq!(scene.pass(2_000), [suspect("lviv")]);
    scene.silent.clear();
    assert_eq!(scene.pass(HEARTBEAT), [heard("lviv")]);
    assert_eq!((scene.state("lviv"), scene.pass(60_000)), ("active", vec![]));
}

#[test]
fn a_lost_site_that_answers_returns_when_it_has_caught_up() {
    let mut scene = Scene::led(&THREE);
    scene.silent.insert(2);
    assert_eq!(scene.pass(4_000), [suspect("lviv"), lost("lviv")]);
    scene.silent.clear();
    scene.behind.insert(2, CAUGHT_UP_WITHIN + 1);
    assert_eq!(scene.pass(5_000), []);
    scene.behind.insert(2, CAUGHT_UP_WITHIN);
    assert_eq!(scene.pass(HEARTBEAT), [caught_up("lviv")]);
    assert_eq!((scene.state("lviv"), scene.pass(HOLD)), ("returning", vec![]));
    scene.must("node-1", ClusterCommand::Tick);
    assert_eq!((scene.state("lviv"), scene.pass(60_000)), ("active", vec![]));
}

#[test]
fn a_site_that_comes_up_long_after_the_founding_gets_into_service_by_itself() {
    let mut scene = Scene::elected(&FIVE, 1);
    scene.silent.insert(5);
    assert_eq!(scene.pass(10_000), [suspect("dnipro"), lost("dnipro")]);
    scene.silent.clear();
    assert_eq!(scene.pass(HOLD + 1_000), [caught_up("dnipro")]);
    scene.must("node-1", ClusterCommand::Tick);
    assert_eq!(scene.state("dnipro"), "active");
    // One that is only slow to start is not held.
    let mut scene = Scene::elected(&FIVE, 1);
    scene.silent.insert(5);
    assert_eq!(scene.pass(2_900), [suspect("dnipro")]);
    scene.silent.clear();
    assert_eq!((scene.pass(1_000), scene.state("dnipro")), (vec![heard("dnipro")], "active"));
}

#[test]
fn a_site_that_falls_silent_while_it_returns_is_not_in_service_before_it_is_heard() {
    let mut scene = Scene::led(&THREE);
    scene.silent.insert(2);
    scene.pass(4_000);
    scene.silent.clear();
    assert_eq!(scene.pass(HOLD - 1_000), [caught_up("lviv")]);
    scene.silent.insert(2);
    assert_eq!(scene.pass(1_200), [suspect("lviv")]);
    scene.must("node-1", ClusterCommand::Tick);
    assert_eq!(scene.state("lviv"), "suspect");
    scene.silent.clear();
    assert_eq!(scene.pass(HEARTBEAT), [heard("lviv")]);
    assert_eq!(scene.state("lviv"), "active");
    scene.silent.insert(2);
    assert_eq!(scene.pass(4_000), [suspect("lviv"), lost("lviv")]);
}

#[test]
fn a_draining_site_is_watched_like_any_other() {
    let mut scene = Scene::led(&THREE);
    let drain = SiteCommand::Drain {
        site: site("lviv"),
        deadline: Millis::minutes(1),
        expiry: Millis::hours(1),
        callback: false,
        force: false,
        expected: None,
    };
    scene.must(ADMIN, drain);
    assert_eq!(scene.state("lviv"), "drained");
    scene.silent.insert(2);
    assert_eq!(scene.pass(1_000), [suspect("lviv")]);
    scene.silent.clear();
    assert_eq!(scene.pass(1_000), [heard("lviv")]);
    scene.silent.insert(2);
    assert_eq!(scene.pass(10_000), [suspect("lviv"), lost("lviv")]);
    scene.silent.clear();
    assert_eq!(scene.pass(10_000), [caught_up("lviv")]);
    assert_eq!(scene.state("lviv"), "drained", "the drain outlives the loss");
}

#[test]
fn a_site_of_which_nobody_is_a_member_yet_is_left_alone() {
    let mut scene = Scene::led(&THREE);
    let config = SiteConfig::new(site("odesa"), Label::new("Odesa").unwrap());
    scene.must(ADMIN, SiteCommand::Put { config, expected: None });
    scene.must(ADMIN, SiteCommand::AddNode { site: site("odesa") });
    assert_eq!(scene.pass(60_000), []);
    // It joins, and counting begins.
    scene.nodes.insert(4, None);
    scene.silent.insert(4);
    assert_eq!(scene.pass(480), []);
    assert_eq!(scene.pass(120), [suspect("odesa")]);
}

// -- A node -----------------------------------------------------------------------------------------

#[test]
fn a_node_that_is_lost_alone_takes_its_sessions_along_once() {
    let mut scene = Scene::led(&FIVE);
    scene.log_in("anna", 3);
    scene.log_in("boris", 4);
    scene.silent.insert(3);
    assert_eq!(scene.pass(2_960), []);
    assert_eq!(scene.pass(120), [Finding::NodeLost(3)]);
    let presence = |scene: &Scene, agent| {
        scene.centre.agent(&AgentId::new(agent).unwrap()).unwrap().presence.word()
    };
    assert_eq!((presence(&scene, "anna"), presence(&scene, "boris")), ("unreachable", "not-ready"));
    assert_eq!((scene.state("lviv"), scene.pass(600_000)), ("active", vec![]));
}

#[test]
fn a_node_without_sessions_and_streams_is_lost_without_a_word() {
    let mut scene = Scene::led(&FIVE);
    scene.log_in("anna", 3);
    scene.silent.insert(4);
    assert_eq!(scene.pass(60_000), []);
}

#[test]
fn what_comes_to_a_node_after_its_loss_is_lost_too() {
    let mut scene = Scene::led(&FIVE);
    scene.silent.insert(3);
    assert_eq!(scene.pass(10_000), []);
    scene.log_in("anna", 3);
    assert_eq!(scene.pass(3_000), [Finding::NodeLost(3)]);
    assert_eq!(scene.pass(60_000), []);
    // Also with a site.
    scene.silent.insert(4);
    assert_eq!(scene.pass(10_000), [suspect("lviv"), lost("lviv")]);
    scene.log_in("anna", 4);
    assert_eq!(scene.pass(3_000), [Finding::NodeLost(4)]);
    assert_eq!(scene.pass(60_000), []);
}

#[test]
fn a_site_is_lost_with_its_last_node() {
    let mut scene = Scene::led(&FIVE);
    scene.log_in("anna", 3);
    scene.log_in("boris", 4);
    scene.silent.insert(3);
    assert_eq!(scene.pass(2_000), []);
    scene.silent.insert(4);
    let all = [Finding::NodeLost(3), suspect("lviv"), lost("lviv")];
    assert_eq!(BTreeSet::from_iter(scene.pass(60_000)), BTreeSet::from(all));
    // One node is enough for it to be back.
    scene.silent.remove(&3);
    assert_eq!(scene.pass(60_000), [caught_up("lviv")]);
}

#[test]
fn a_site_is_lost_once_when_its_nodes_fall_silent_together() {
    let mut scene = Scene::led(&FIVE);
    scene.log_in("anna", 3);
    scene.log_in("boris", 4);
    scene.silent.extend([3, 4]);
    assert_eq!(scene.pass(60_000), [suspect("lviv"), lost("lviv")]);
}

// -- The leader -------------------------------------------------------------------------------------

#[test]
fn the_leaders_own_site_is_heard_by_definition() {
    let mut scene = Scene::led(&THREE);
    scene.silent.insert(2);
    assert_eq!(scene.pass(4_000), [suspect("lviv"), lost("lviv")]);
    scene.silent.clear();
    scene.silent.insert(1);
    scene.elect(2);
    assert_eq!(scene.look(), [caught_up("lviv")]);
    assert_eq!(scene.pass(4_000), [suspect("kyiv"), lost("kyiv")]);
}

#[test]
fn silence_counts_from_the_election_at_the_earliest() {
    let mut scene = Scene::led(&THREE);
    scene.silent.insert(3);
    assert_eq!(scene.pass(480), []);
    // A quorum votes for node 2; node 1 is gone, node 3 is back in a moment.
    scene.elect(2);
    scene.silent.remove(&1);
    assert_eq!(scene.pass(480), []);
    assert_eq!(scene.pass(120), [suspect("dnipro")]);
    // The next one takes over what was written, not the time.
    scene.elect(1);
    assert_eq!(scene.pass(2_960), []);
    assert_eq!(scene.pass(120), [lost("dnipro")]);
    scene.elect(2);
    assert_eq!(scene.pass(60_000), []);
}

#[test]
fn a_new_leader_hears_only_who_answered_it() {
    let mut scene = Scene::led(&THREE);
    scene.silent.insert(3);
    assert_eq!(scene.pass(1_000), [suspect("dnipro")]);
    scene.elect(2);
    assert_eq!(scene.pass(1_000), []);
    scene.silent.clear();
    assert_eq!(scene.pass(HEARTBEAT), [heard("dnipro")]);
}

#[test]
fn a_leader_that_is_cut_off_finds_nothing_also_when_it_hears_the_first_again() {
    let mut scene = Scene::led(&THREE);
    scene.silent.extend([2, 3]);
    assert_eq!(scene.pass(60_000), []);
    scene.silent.remove(&3);
    assert_eq!(scene.pass(200), []);
    scene.silent.remove(&2);
    assert_eq!(scene.pass(60_000), []);
}

#[test]
fn a_leader_that_stood_still_gives_everybody_time_to_answer() {
    for stood_still in [100, 400, 1_000, 60_000] {
        let mut scene = Scene::led(&THREE);
        scene.now += stood_still;
        assert_eq!(scene.look_only(), [], "{stood_still} ms");
        // Node 3 answers at once, node 2 a moment later.
        scene.silent.insert(2);
        assert_eq!(scene.pass(200), [], "{stood_still} ms");
        scene.silent.clear();
        assert_eq!(scene.pass(1_000), [], "{stood_still} ms");
    }
}

#[test]
fn nothing_is_due_when_the_last_answer_of_a_quorum_is_old() {
    let mut scene = Scene::led(&THREE);
    scene.silent.insert(2);
    scene.pass(480);
    scene.now += HEARTBEAT;
    let quorum = Duration::from_millis(scene.now);
    let answers = [(1, None), (2, scene.nodes[&2]), (3, Some(quorum))];
    scene.roll_call.note(scene.leader, quorum, answers);
    let mut after = |ms| {
        let now = quorum + Duration::from_millis(ms);
        scene.roll_call.due(now, &scene.centre, |_| None).map(|due| due.finding)
    };
    assert_eq!((after(60_000), after(251), after(250)), (None, None, Some(suspect("lviv"))));
}

#[test]
fn what_is_refused_is_written_again_ever_more_seldom() {
    let mut scene = Scene::led(&THREE);
    scene.silent.insert(2);
    scene.is_written = false;
    let found = scene.pass(10 * 60_000);
    let count = found.iter().filter(|finding| **finding == lost("lviv")).count();
    // After 1, 2, 4 … 32 s, and every minute.
    assert!((13..=16).contains(&count), "{count}");
    scene.is_written = true;
    assert_eq!(scene.pass(61_000), [lost("lviv")]);
    assert_eq!(scene.pass(61_000), []);
}

#[test]
fn a_node_that_is_not_on_the_list_yet_writes_nothing() {
    let mut scene = Scene::elected(&THREE, 1);
    scene.must("node-2", SiteCommand::RemoveNode { node: acd::ids::NodeId(1) });
    scene.silent.insert(2);
    assert_eq!(scene.pass(60_000), []);
}

#[test]
fn a_leader_alone_watches_its_learners() {
    let mut scene = Scene::elected(&THREE, 1);
    scene.silent.insert(3);
    let mut found = Vec::new();
    for _ in 0..150 {
        scene.now += HEARTBEAT;
        let now = Duration::from_millis(scene.now);
        let answers = [(1, None), (2, Some(now)), (3, None)];
        scene.roll_call.note(scene.leader, now, answers);
        while let Some(due) = scene.roll_call.due(now, &scene.centre, |_| Some(0)) {
            scene.must("node-1", due.finding.command());
            found.push(due.finding);
        }
    }
    assert_eq!(found, [suspect("dnipro"), lost("dnipro")]);
}
