use acd::command::{ClusterCommand, Command, SiteCommand, Submission};
use acd::config::SiteConfig;
use acd::ids::PrincipalId;
use acd::time::{LogTime, Millis};

use super::*;

const ADMIN: &str = "olena";
/// The leader leads for longer than any pause.
const NOW: Duration = Duration::from_secs(36_000);

fn site(id: &str) -> SiteId {
    SiteId::new(id).unwrap()
}

fn node(number: NodeId) -> LeaderChoice {
    LeaderChoice::Node(acd::ids::NodeId(number))
}

/// A cluster as its leader, node 1, sees it.
struct Scene {
    centre: Centre,
    voters: BTreeMap<NodeId, Standing>,
    is_settled: bool,
    pace: Pace,
    index: u64,
}

impl Scene {
    /// Nodes 1, 2, 3 … at these sites, with these priorities; all are well.
    fn of(nodes: &[(&str, u8)]) -> Self {
        let well = Standing { answers: true, clock_is_right: true, behind: 0 };
        let voters = (2..).zip(&nodes[1..]).map(|(node, _)| (node, well)).collect();
        let mut pace = Pace::default();
        pace.note(Duration::ZERO, Some(1));
        let mut scene = Self { centre: Centre::new(), voters, is_settled: true, pace, index: 0 };
        let (cluster, admin) = (Label::new("test").unwrap(), PrincipalId::new(ADMIN).unwrap());
        scene.must(ClusterCommand::Init { cluster, site: site(nodes[0].0), admin, replay: false });
        for (id, priority) in nodes {
            scene.priority(id, *priority);
        }
        for (id, _) in &nodes[1..] {
            scene.must(SiteCommand::AddNode { site: site(id) });
        }
        scene
    }

    /// Carries out a command of whoever may give it.
    fn must(&mut self, command: impl Into<Command>) {
        let command = command.into();
        self.index += 1;
        let by_people = [ADMIN, "node-1"].into_iter().find(|who| {
            let who = PrincipalId::new(who).unwrap();
            let is_init = matches!(command, Command::Cluster(ClusterCommand::Init { .. }));
            is_init || self.centre.roles_of(&who).any_of(acd::roles::needed(&command))
        });
        let who = PrincipalId::new(by_people.unwrap()).unwrap();
        let submission = Submission::new(who, command.clone());
        let done = self.centre.apply(self.index, LogTime(self.index), submission, &mut Vec::new());
        done.unwrap_or_else(|why| panic!("{command:?}: {why}"));
    }

    fn priority(&mut self, id: &str, leader_priority: u8) {
        let name = Label::new(id).unwrap();
        let config = SiteConfig { leader_priority, ..SiteConfig::new(site(id), name) };
        self.must(SiteCommand::Put { config, expected: None });
    }

    fn drain(&mut self, id: &str) {
        let (deadline, expiry) = (Millis::minutes(10), Millis::hours(8));
        let (callback, force, expected, site) = (false, false, None, site(id));
        self.must(SiteCommand::Drain { site, deadline, expiry, callback, force, expected });
    }

    fn voter(&mut self, node: NodeId) -> &mut Standing {
        self.voters.get_mut(&node).unwrap()
    }

    fn sight(&self) -> Sight<'_> {
        let (centre, voters, is_settled) = (&self.centre, self.voters.clone(), self.is_settled);
        Sight { own: 1, centre, voters, is_settled }
    }

    fn next(&self) -> Option<Move> {
        self.sight().next(&self.pace, NOW)
    }

    fn goes_to(&self) -> Option<NodeId> {
        self.next().map(|due| due.to)
    }

    fn stays(&self, choice: LeaderChoice) -> String {
        self.sight().choose(&choice).unwrap_err().to_string()
    }
}

/// Kyiv is the first choice, and node 1 in Lviv leads.
fn away() -> Scene {
    Scene::of(&[("lviv", 50), ("kyiv", 90), ("dnipro", 60)])
}

#[test]
fn the_lead_goes_to_the_site_with_the_highest_priority() {
    assert_eq!(away().next(), Some(Move { to: 2, why: Why::Priority }));
}

#[test]
fn the_lead_stays_among_equals() {
    assert_eq!(Scene::of(&[("lviv", 50), ("kyiv", 50), ("dnipro", 50)]).next(), None);
    assert_eq!(Scene::of(&[("kyiv", 90), ("kyiv", 90), ("dnipro", 0)]).next(), None);
    assert_eq!(Scene::of(&[("kyiv", 90)]).next(), None);
}

#[test]
fn the_next_best_site_has_it_while_nobody_of_the_best_may_lead() {
    type Ill = fn(&mut Scene);
    let table: [(&str, Ill); 9] = [
        ("silent", |scene| scene.voter(2).answers = false),
        ("wrong clock", |scene| scene.voter(2).clock_is_right = false),
        ("behind", |scene| scene.voter(2).behind = CAUGHT_UP_WITHIN + 1),
        ("no vote", |scene| scene.voters.retain(|node, _| *node != 2)),
        ("lost", |scene| scene.must(SiteCommand::Lost { site: site("kyiv") })),
        ("returning", |scene| {
            scene.must(SiteCommand::Lost { site: site("kyiv") });
            scene.must(SiteCommand::CaughtUp { site: site("kyiv") });
        }),
        ("draining", |scene| scene.drain("kyiv")),
        ("in second place", |scene| scene.priority("kyiv", 59)),
        ("just lost the lead", |scene| {
            scene.pace.note(NOW - Duration::from_secs(90), Some(2));
            scene.pace.note(NOW - Duration::from_secs(70), Some(1));
        }),
    ];
    for (ill, make) in table {
        let mut scene = away();
        make(&mut scene);
        assert_eq!(scene.goes_to(), Some(3), "{ill}");
    }
}

#[test]
fn within_a_batch_is_near_enough() {
    let mut scene = away();
    scene.voter(2).behind = CAUGHT_UP_WITHIN;
    assert_eq!(scene.goes_to(), Some(2));
}

#[test]
fn of_one_site_the_node_that_has_most_leads() {
    let mut scene = Scene::of(&[("lviv", 50), ("kyiv", 90), ("kyiv", 90), ("kyiv", 90)]);
    assert_eq!(scene.goes_to(), Some(2), "the first of equals");
    scene.voter(2).behind = 2;
    scene.voter(3).behind = 1;
    scene.voter(4).behind = 3;
    assert_eq!(scene.goes_to(), Some(3));
}

#[test]
fn nothing_moves_while_a_site_is_silent_or_the_membership_changes() {
    let mut scene = away();
    scene.must(SiteCommand::Suspect { site: site("dnipro") });
    assert_eq!(scene.next(), None);
    scene.must(SiteCommand::Heard { site: site("dnipro") });
    assert_eq!(scene.goes_to(), Some(2));
    scene.is_settled = false;
    assert_eq!(scene.next(), None);
    scene.is_settled = true;
    // A site whose drain goes on is no suspect, but silent all the same.
    scene.drain("dnipro");
    scene.must(SiteCommand::Suspect { site: site("dnipro") });
    assert_eq!(scene.next(), None);
}

#[test]
fn a_leader_that_was_just_elected_keeps_the_lead_for_a_minute() {
    let mut scene = away();
    scene.pace.note(NOW - Duration::from_secs(30), Some(3));
    scene.pace.note(NOW - Duration::from_secs(20), Some(1));
    assert_eq!(scene.next(), None);
    assert_eq!(scene.sight().next(&scene.pace, NOW + Duration::from_secs(40)).unwrap().to, 2);
}

#[test]
fn a_leader_leaves_a_site_that_is_drained_at_once() {
    let mut scene = Scene::of(&[("kyiv", 90), ("kyiv", 90), ("lviv", 50), ("dnipro", 60)]);
    assert_eq!(scene.sight().stuck(), None);
    scene.pace = Pace::default();
    scene.pace.note(NOW, Some(1));
    scene.drain("kyiv");
    let drained = Move { to: 4, why: Why::Drained };
    assert_eq!(scene.next(), Some(drained.clone()));
    // Kyiv has nothing to do, and is drained soon.
    scene.must(ClusterCommand::Tick);
    assert_eq!(scene.next(), Some(drained));
    scene.voter(4).answers = false;
    assert_eq!(scene.goes_to(), Some(3));
    scene.voter(3).behind = 1_000;
    assert_eq!(scene.next(), None);
    let why = scene.sight().stuck().unwrap().to_string();
    assert_eq!(why, "node 3 is 1000 entries behind; node 4 does not answer");
}

#[test]
fn a_site_with_priority_0_leads_if_nobody_else_can() {
    let mut scene = Scene::of(&[("kyiv", 90), ("lviv", 50), ("vinnytsia", 0)]);
    scene.drain("kyiv");
    assert_eq!(scene.goes_to(), Some(2));
    scene.drain("lviv");
    assert_eq!(scene.goes_to(), Some(3));
    let scene = Scene::of(&[("vinnytsia", 0), ("lviv", 1)]);
    assert_eq!(scene.goes_to(), Some(2));
}

#[test]
fn a_leader_whose_site_is_out_of_service_hands_over_in_its_time() {
    let mut scene = away();
    scene.must(SiteCommand::Lost { site: site("lviv") });
    scene.must(SiteCommand::CaughtUp { site: site("lviv") });
    scene.priority("kyiv", 0);
    scene.priority("dnipro", 0);
    assert_eq!(scene.next(), Some(Move { to: 2, why: Why::Priority }));
    scene.pace = Pace::default();
    scene.pace.note(NOW, Some(1));
    assert_eq!(scene.next(), None);
}

#[test]
fn an_operator_may_choose_a_site_with_a_lower_priority() {
    let scene = Scene::of(&[("kyiv", 90), ("lviv", 50), ("dnipro", 60), ("kyiv", 90)]);
    let choose = |choice| scene.sight().choose(&choice);
    assert_eq!(choose(node(2)), Ok(Some(2)));
    assert_eq!(choose(LeaderChoice::Site(site("lviv"))), Ok(Some(2)));
    assert_eq!(choose(LeaderChoice::NotNode(acd::ids::NodeId(1))), Ok(Some(4)));
    assert_eq!(choose(LeaderChoice::NotSite(site("kyiv"))), Ok(Some(3)));
}

#[test]
fn where_such_a_node_leads_already_nothing_is_to_be_done() {
    let mut scene = Scene::of(&[("kyiv", 90), ("lviv", 50)]);
    scene.is_settled = false;
    let choices = [
        node(1),
        LeaderChoice::Site(site("kyiv")),
        LeaderChoice::NotNode(acd::ids::NodeId(2)),
        LeaderChoice::NotSite(site("lviv")),
    ];
    for choice in choices {
        assert_eq!(scene.sight().choose(&choice), Ok(None), "{choice}");
    }
}

#[test]
fn whoever_asks_is_told_why_the_lead_stays() {
    let mut scene = away();
    scene.voter(2).answers = false;
    scene.voter(3).clock_is_right = false;
    assert_eq!(scene.stays(node(2)), "node 2 does not answer");
    assert_eq!(scene.stays(node(3)), "the clock of node 3 is wrong, or not known");
    assert_eq!(scene.stays(node(9)), "node 9 has no vote");
    assert_eq!(scene.stays(LeaderChoice::Site(site("odesa"))), "no other node has a vote there");
    let both = "node 2 does not answer; the clock of node 3 is wrong, or not known";
    assert_eq!(scene.stays(LeaderChoice::NotNode(acd::ids::NodeId(1))), both);
    scene.voter(2).answers = true;
    scene.voter(2).behind = 4_711;
    assert_eq!(scene.stays(node(2)), "node 2 is 4711 entries behind");
    scene.voter(2).behind = 0;
    scene.drain("kyiv");
    assert!(scene.stays(node(2)).starts_with("node 2 is at kyiv, which is drain"));
    scene.is_settled = false;
    assert_eq!(scene.stays(node(2)), "the membership is being changed");
}

#[test]
fn what_is_told_fits_into_the_audit_trail() {
    let nobody = (1..100).map(|node| (node, Obstacle::Behind(node)));
    let stays = Stays::Nobody(nobody.collect());
    assert!(stays.to_string().len() > LABEL_BYTES_MAX);
    assert!(stays.to_string().starts_with(stays.label().as_str()));
    assert_eq!(Stays::Nobody(Vec::new()).label().as_str(), "no other node has a vote there");
}

#[test]
fn a_leader_that_must_go_takes_whoever_there_is() {
    let mut scene = Scene::of(&[("kyiv", 90), ("kyiv", 90), ("lviv", 50), ("dnipro", 0)]);
    assert_eq!(scene.sight().successor(), Some(2), "the lead stays in the city");
    scene.voter(2).behind = 10_000;
    assert_eq!(scene.sight().successor(), Some(3), "what would take long is left alone");
    scene.voter(3).clock_is_right = false;
    assert_eq!(scene.sight().successor(), Some(4));
    scene.voter(4).answers = false;
    assert_eq!(scene.sight().successor(), Some(2));
    scene.voter(2).answers = false;
    assert_eq!(scene.sight().successor(), None);
    // Before a cluster is founded no node is at a site.
    let centre = Centre::new();
    let sight = Sight { centre: &centre, ..away().sight() };
    assert_eq!(sight.successor(), Some(2));
    assert_eq!(sight.next(&away().pace, NOW), None);
}
