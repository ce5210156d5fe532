use std::io;

use acd::command::{Command, SiteCommand};
use acd::config::SiteConfig;
use clap::Parser;
use proto::api::v1 as api;
use proto::stored::v1 as stored;

use super::*;
use crate::cli::{self, Cli, ClusterVerb};
use crate::testing::{ADMIN, Fault, Node};

const TRANSFER: [&str; 4] = ["cluster", "transfer-leader", "--reason", "new fans"];

/// Node 1 in Kyiv leads; node 2 is in Lviv, node 3 in Dnipro.
fn node() -> Node {
    let node = Node::start();
    let active = stored::site_state::State::Active(stored::site_state::Active {});
    let site = |(number, id): (u64, &str)| api::SiteStatus {
        id: id.into(),
        state: Some(stored::SiteState { state: Some(active) }),
        leader_priority: if id == "kyiv" { 90 } else { 50 },
        nodes: vec![number],
        ..api::SiteStatus::default()
    };
    let member = |(number, id): (u64, &str)| api::NodeStatus {
        node: number,
        site: id.into(),
        voter: true,
        leads: number == 1,
        ..api::NodeStatus::default()
    };
    let all = [(1, "kyiv"), (2, "lviv"), (3, "dnipro")];
    let mut inside = node.inside();
    inside.boards.cluster = Some(api::ClusterStatus {
        nodes: all.into_iter().map(member).collect(),
        sites: all.into_iter().map(site).collect(),
        ..api::ClusterStatus::default()
    });
    for (_, id) in &all[1..] {
        let id = SiteId::new(id).expect("a slug");
        let config = SiteConfig::new(id.clone(), Label::new(id.as_str()).expect("a label"));
        inside.configure(SiteCommand::Put { config, expected: None }).expect("a site");
        inside.configure(SiteCommand::AddNode { site: id }).expect("a node");
    }
    drop(inside);
    node
}

struct Person {
    says: Option<bool>,
    read: String,
}

impl Terminal for Person {
    fn is_attended(&self) -> bool {
        self.says.is_some()
    }

    fn ask(&mut self, text: &str, question: &str) -> io::Result<String> {
        self.read = format!("{text}{question}");
        let says = self.says.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(if says { "yes" } else { "no" }.into())
    }

    fn say(&mut self, _: &str) {}

    fn progress(&mut self, _: usize, _: usize) {}
}

/// Runs the command with somebody at the terminal, or nobody; what they read.
fn run_before(node: &Node, says: Option<bool>, args: &[&str]) -> (Result<Answer, Failure>, String) {
    let identity = node.identity(ADMIN, &[node.address]);
    let start = ["quorumcall", "--identity", identity.to_str().expect("UTF-8")];
    let cli = Cli::try_parse_from(start.iter().chain(&TRANSFER).chain(args)).expect("proper");
    let cli::Command::Cluster(ClusterVerb::TransferLeader(args)) = &cli.command else { panic!() };
    let mut person = Person { says, read: String::new() };
    let ran = run(&cli.options, args, &mut person);
    (ran, person.read)
}

fn wishes(node: &Node) -> Vec<(LeaderChoice, String)> {
    let wish = |(command, reason): &(Command, Option<Label>)| match command {
        Command::Cluster(acd::command::ClusterCommand::TransferLeader { to, .. }) => {
            (to.clone(), reason.as_ref().expect("a reason").to_string())
        }
        other => panic!("{other:?}"),
    };
    node.inside().commands.iter().map(wish).collect()
}

#[test]
fn the_plan_is_shown_and_carried_out_when_somebody_says_yes() {
    let node = node();
    node.inside().elected = Some(2);
    let (ran, read) = run_before(&node, Some(true), &["--to-site", "lviv"]);
    let answer = ran.expect("done");
    assert_eq!(answer.failure, None);
    assert!(
        read.starts_with("node 1 (kyiv) leads in term 7; then a node of lviv does.\n"),
        "{read}"
    );
    assert!(read.contains("kyiv has leader priority 90"), "{read}");
    assert!(read.ends_with("Move the lead of Three cities? [y/N]"), "{read}");
    let text = answer.text;
    assert!(text.starts_with("node 2 (lviv) leads; before, node 1 (kyiv) did\nkyiv has"), "{text}");
    let lviv = LeaderChoice::Site(SiteId::new("lviv").expect("a slug"));
    assert_eq!(wishes(&node), [(lviv, "new fans".to_owned())]);
}

#[test]
fn nothing_is_asked_of_the_cluster_without_a_yes() {
    let node = node();
    for (says, code) in [(Some(false), ErrorCode::NotConfirmed), (None, ErrorCode::NeedsYes)] {
        let (ran, _) = run_before(&node, says, &["--to", "2"]);
        assert_eq!(ran.expect_err("refused").code, code);
    }
    assert_eq!(wishes(&node), []);
}

#[test]
fn scripts_get_json_and_need_no_terminal() {
    let node = node();
    node.inside().elected = Some(3);
    let json = node.run(&[&TRANSFER[..], &["--yes", "-o", "json"]].concat()).ok().json();
    assert_eq!(wishes(&node), [(LeaderChoice::NotNode(NodeId(1)), "new fans".to_owned())]);
    assert_eq!((&json["from"], &json["leader"]), (&1.into(), &3.into()));
    assert_eq!((&json["site"], &json["moved"]), (&"dnipro".into(), &true.into()));
    assert_eq!(json["returns_to"], "kyiv");
    assert!(json["index"].as_u64().is_some_and(|index| index > 0), "{json}");
    let reference = include_str!("../../../../docs/cli.md");
    for field in json.as_object().expect("an object").keys() {
        assert!(reference.contains(&format!("`{field}`")), "no word of `{field}`");
    }
}

#[test]
fn where_it_leads_already_nothing_is_done() {
    let node = node();
    for to in [&["--to", "1"][..], &["--to-site", "kyiv"]] {
        let ran = node.run(&[&TRANSFER[..], to].concat()).ok();
        assert_eq!(ran.out, "node 1 (kyiv) leads, as before\n");
    }
    assert_eq!(wishes(&node), []);
}

#[test]
fn a_leader_that_stays_says_why() {
    let node = node();
    node.inside().stays = Some("node 2 does not answer".into());
    let ran = node.run(&[&TRANSFER[..], &["--to", "2", "--yes"]].concat());
    assert_eq!(ran.error(), "E-REFUSED");
    let why = "why: leader-stays: the leader stays: node 2 does not answer";
    assert!(ran.err.contains(why), "{}", ran.err);
}

#[test]
fn an_election_that_goes_another_way_is_told() {
    let node = node();
    node.inside().elected = Some(3);
    let ran = node.run(&[&TRANSFER[..], &["--to", "2", "--yes"]].concat());
    assert_eq!(ran.error(), "E-LEADER-ELSEWHERE");
    assert!(ran.err.contains("node 3 (dnipro) leads, and not node 2"), "{}", ran.err);
    assert!(ran.out.starts_with("node 3 (dnipro) leads; before, node 1"), "{}", ran.out);
}

#[test]
fn what_is_not_there_cannot_lead() {
    let node = node();
    for (to, part) in [(["--to", "9"], "no node 9"), (["--to-site", "odesa"], "no site odesa")] {
        let ran = node.run(&[&TRANSFER[..], &to, &["--yes"]].concat());
        assert_eq!(ran.error(), "E-NOT-FOUND");
        assert!(ran.err.contains(part), "{}", ran.err);
    }
    node.inside().freshness.leader = None;
    assert_eq!(node.run(&[&TRANSFER[..], &["--yes"]].concat()).error(), "E-UNAVAILABLE");
}

#[test]
fn an_outcome_that_nobody_knows_is_told_as_such() {
    let node = node();
    node.inside().fault = Fault::Unsure;
    let ran = node.run(&[&TRANSFER[..], &["--to", "2", "--yes", "--timeout", "1s"]].concat());
    assert_eq!(ran.error(), "E-OUTCOME-UNKNOWN");
}

#[test]
fn a_place_with_the_highest_priority_keeps_the_lead() {
    let node = node();
    node.inside().elected = Some(2);
    let priority = |at: usize, priority: u32| {
        let mut inside = node.inside();
        let sites = &mut inside.boards.cluster.as_mut().expect("there").sites;
        sites[at].leader_priority = priority;
    };
    let returns_to = |args: &[&str]| {
        let args = [&TRANSFER[..], args, &["--yes", "-o", "json"]].concat();
        node.run(&args).ok().json()["returns_to"].clone()
    };
    priority(0, 50);
    assert_eq!(returns_to(&["--to", "2"]), serde_json::Value::Null, "equals keep it");
    priority(2, 70);
    assert_eq!(returns_to(&["--to", "2"]), "dnipro");
    assert_eq!(returns_to(&[]), serde_json::Value::Null, "it goes to the best of the others");
}
