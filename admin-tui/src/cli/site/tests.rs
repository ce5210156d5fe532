//! Steering sites against a node in this process.

use std::io;

use acd::channel::{Channel, Channels};
use acd::command::{
    AgentCommand, Command, ConfigCommand, ContactCommand, Enqueue, SiteCommand, Submission,
    WorkCommand,
};
use acd::config::{AgentConfig, Assignment, Capacity, Grade, Priority, QueueConfig, Requirements};
use acd::ids::{AgentId, ContactId, NodeId, QueueId, Revision};
use acd::reply::Reply;
use acd::roles::{Role, Roles};
use acd::text::{Attributes, Label};
use clap::Parser;

use super::*;
use crate::cli::tests::is_documented;
use crate::testing::{ADMIN, Fault, Inside, Node, Ran, principal};

/// Somebody at a terminal, or nobody.
struct Person<F> {
    attended: bool,
    /// What they answer, the next one first.
    answers: Vec<&'static str>,
    /// All that they were shown and told.
    seen: String,
    /// What happens while they read.
    meanwhile: F,
}

impl<F: FnMut()> Person<F> {
    fn who_answers(answers: &[&'static str], meanwhile: F) -> Self {
        let answers = answers.iter().rev().copied().collect();
        Self { attended: true, answers, seen: String::new(), meanwhile }
    }
}

impl<F: FnMut()> Terminal for Person<F> {
    fn is_attended(&self) -> bool {
        self.attended
    }

    fn ask(&mut self, text: &str, question: &str) -> io::Result<String> {
        self.seen += &format!("{text}\n{question}\n");
        (self.meanwhile)();
        Ok(self.answers.pop().unwrap_or_default().to_owned())
    }

    fn say(&mut self, line: &str) {
        self.seen += &format!("{line}\n");
        (self.meanwhile)();
    }

    fn progress(&mut self, _: usize, _: usize) {}
}

/// Runs a verb at a terminal; what went to standard output, too.
fn run_at(
    node: &Node,
    args: &[&str],
    terminal: &mut impl Terminal,
) -> (String, Result<Answer, Failure>) {
    let identity = node.identity(ADMIN, &[node.address]);
    let identity = identity.to_str().expect("UTF-8");
    let args =
        ["quorumcall", "--identity", identity, "site"].into_iter().chain(args.iter().copied());
    let cli = crate::cli::Cli::try_parse_from(args).expect("proper");
    let crate::cli::Command::Site(verb) = cli.command else { panic!("{:?}", cli.command) };
    let mut out = Vec::new();
    let answer = verb.run(&cli.options, terminal, &mut out);
    (String::from_utf8(out).expect("UTF-8"), answer)
}

fn drained(node: &Node, more: &[&str]) -> Ran {
    node.run(&[&["site", "drain", "kyiv", "--reason", "works", "--yes"], more].concat())
}

fn state(node: &Node) -> &'static str {
    kyiv(&node.inside(), |site| site.state.word())
}

fn kyiv<T>(inside: &Inside, see: impl FnOnce(&acd::site::Site) -> T) -> T {
    see(inside.centre.site(&SiteId::new("kyiv").expect("a slug")).expect("there"))
}

fn sent(node: &Node) -> Vec<Command> {
    node.inside().commands.iter().map(|(command, _)| command.clone()).collect()
}

const NOW: Option<Revision> = Some(Revision(1));

/// An agent in Kyiv whom a mail is offered to; the token.
fn ring(node: &Node) {
    let mut inside = node.inside();
    let mut must = |who: &str, command: Command| {
        let done = inside.apply(Submission::new(principal(who), command));
        done.expect("carried out")
    };
    let queue = QueueId::new("post").expect("a slug");
    let agent = AgentId::new("anna").expect("a slug");
    let label = |text| Label::new(text).expect("a label");
    let site = SiteId::new("kyiv").expect("a slug");
    let mut config = QueueConfig::new(queue.clone(), label("Post"));
    config.channels = Channels::of(&[Channel::Email]);
    must(ADMIN, ConfigCommand::PutQueue { config, expected: None }.into());
    let grade = Grade::new(1).expect("a grade");
    let config = AgentConfig {
        id: agent.clone(),
        name: label("Anna"),
        home_site: site.clone(),
        skills: Vec::new(),
        queues: vec![Assignment { queue: queue.clone(), grade }],
        capacity: Capacity::default(),
    };
    must(ADMIN, ConfigCommand::PutAgent { config, expected: None }.into());
    let roles = Roles::of(&[Role::Ingress]);
    let put = ConfigCommand::PutPrincipal {
        principal: principal("edge"),
        roles,
        site: Some(site),
        expected: None,
    };
    must(ADMIN, put.into());
    let log_in = AgentCommand::LogIn { agent: agent.clone(), node: NodeId(1) };
    let Reply::LoggedIn { epoch, .. } = must("anna", log_in.into()) else { panic!() };
    must("anna", AgentCommand::Ready { agent, epoch }.into());
    let enqueue = Enqueue {
        contact: ContactId::new("mail").expect("an id"),
        queue,
        channel: Channel::Email,
        priority: Priority::new(0).expect("a priority"),
        site: None,
        requirements: Requirements::from([]),
        preferred: None,
        preferred_wait: None,
        not_before: None,
        attributes: Attributes::default(),
    };
    must("edge", ContactCommand::Enqueue(enqueue).into());
}

#[test]
fn a_drain_is_planned_carried_out_and_told() {
    let node = Node::start();
    let ran = drained(&node, &["--deadline", "5m"]).ok();
    let plan = ran.out.find("plan: drain kyiv").expect("the plan comes first");
    assert!(plan < ran.out.find("drain kyiv: done, revision 2").expect("told"), "{}", ran.out);
    for part in [
        "ok  it is active",
        "the leader is there: the lead goes to another city first",
        "in 5m what is still offered there goes back to its place (1 now)",
        "conversations are never cut",
        "MORE WORK THAN HANDS elsewhere: load 118.2 %",
        "kept without it: 2 of 3 voters answer elsewhere, 2 are needed",
        "billing        4        9      3",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let site = SiteId::new("kyiv").expect("a slug");
    let (deadline, expiry) = (Millis::minutes(5), Millis::hours(8));
    let (callback, force) = (false, false);
    let command = SiteCommand::Drain { site, deadline, expiry, callback, force, expected: NOW };
    assert_eq!(sent(&node), [command.into()]);
    let reason = node.inside().commands[0].1.clone();
    assert_eq!(reason.as_ref().map(Label::as_str), Some("works"));
    // There is nothing to do in it.
    assert!(ran.out.contains("it is drained"), "{}", ran.out);

    let cancelled = node.run(&["site", "cancel-drain", "kyiv", "--yes", "-o", "json"]).ok().json();
    assert_eq!(
        (&cancelled["outcome"]["outcome"], &cancelled["state"]),
        (&"done".into(), &"active".into())
    );
    is_documented(&cancelled);
    let again = node.run(&["site", "cancel-drain", "kyiv", "--yes"]);
    assert_eq!(again.error(), "E-PRECONDITION");
    assert!(again.out.contains("NO  it has no drain"), "{}", again.out);
}

#[test]
fn a_plan_alone_changes_nothing() {
    let node = Node::start();
    for args in [
        &["drain", "kyiv"][..],
        &["drain", "kyiv", "--callback", "--force"],
        &["failover", "kyiv"],
        &["failover", "kyiv", "--unplanned"],
    ] {
        let ran = node.run(&[&["site"], args, &["--dry-run"]].concat()).ok();
        assert!(ran.out.starts_with("plan: "), "{}", ran.out);
        let dry = [&["site"], args, &["--dry-run", "-o", "json"]].concat();
        let json = node.run(&dry).ok().json();
        assert_eq!(json["outcome"]["outcome"], "planned");
        assert_eq!(
            (&json["plan"]["revision"], &json["plan"]["impact"]["offered"]),
            (&1.into(), &1.into())
        );
        is_documented(&json);
    }
    assert_eq!(sent(&node), []);
    assert_eq!(node.inside().linearizable, 8, "a plan is made from what is true now");
}

#[test]
fn nothing_is_done_without_consent_and_a_reason() {
    let node = Node::start();
    let no_reason = node.run(&["site", "drain", "kyiv", "--yes"]);
    assert_eq!(no_reason.error(), "E-NEEDS-REASON");
    assert!(no_reason.out.starts_with("plan: drain kyiv"), "{}", no_reason.out);

    let drain = ["drain", "kyiv", "--reason", "works"];
    let mut nobody = Person { attended: false, ..Person::who_answers(&["kyiv"], || {}) };
    let (_, answer) = run_at(&node, &drain, &mut nobody);
    let answer = answer.expect("the plan is printed");
    assert!(answer.text.starts_with("plan: drain kyiv"), "{}", answer.text);
    assert_eq!(answer.failure.map(|failure| failure.code), Some(ErrorCode::NeedsYes));

    for answers in [&["y"][..], &["lviv"], &[]] {
        let mut person = Person::who_answers(answers, || {});
        let (_, answer) = run_at(&node, &drain, &mut person);
        assert_eq!(answer.map_err(|failure| failure.code), Err(ErrorCode::NotConfirmed));
        assert!(person.seen.contains("Write its name to drain it (kyiv):"), "{}", person.seen);
    }
    let mut silent = Person::who_answers(&["kyiv", ""], || {});
    let (_, answer) = run_at(&node, &["drain", "kyiv"], &mut silent);
    assert_eq!(answer.map_err(|failure| failure.code), Err(ErrorCode::NotConfirmed));
    assert_eq!(sent(&node), []);

    let mut person = Person::who_answers(&["kyiv", "water in the cellar"], || {});
    let (_, answer) = run_at(&node, &["drain", "kyiv"], &mut person);
    assert_eq!(answer.expect("done").failure, None);
    let reason = node.inside().commands[0].1.clone();
    assert_eq!(reason.as_ref().map(Label::as_str), Some("water in the cellar"));
}

#[test]
fn a_plan_that_somebody_overtook_is_stale_and_told_with_what_changed() {
    let node = Node::start();
    let mut overtaken = Person::who_answers(&["kyiv"], || {
        drained(&node, &[]).ok();
    });
    let (_, answer) = run_at(&node, &["drain", "kyiv", "--reason", "works"], &mut overtaken);
    let answer = answer.expect("told");
    assert!(answer.text.contains("REFUSED"), "{}", answer.text);
    let failure = answer.failure.expect("stale");
    assert_eq!((failure.code, failure.code.exit_code()), (ErrorCode::StalePlan, 1));
    assert!(failure.why.contains("revision 1 → 2; it was active, and is drained"), "{failure}");
    assert!(failure.remedy.starts_with("look again: "), "{failure}");
    assert_eq!(sent(&node).len(), 2, "and it is not tried once more");

    // The revision of a plan that was looked at before.
    let late = node.run(&["site", "return", "kyiv", "--expected", "1", "--yes", "--reason", "x"]);
    assert_eq!(late.error(), "E-STALE-PLAN");
    assert!(late.err.contains("at revision 2, not 1"), "{}", late.err);
    assert_eq!(sent(&node).len(), 2);
    node.run(&["site", "return", "kyiv", "--expected", "2", "--yes", "--reason", "x"]).ok();
    assert_eq!(state(&node), "active");
}

#[test]
fn a_city_without_which_there_is_no_quorum_is_not_given_up() {
    let node = Node::start();
    let quorum = proto::api::v1::QuorumLeft {
        voters: 3,
        needed: 2,
        answer_elsewhere: 1,
        kept: false,
        voter_sites: vec!["kyiv".into(), "lviv".into()],
        ..proto::api::v1::QuorumLeft::default()
    };
    node.inside().boards.impact.quorum = Some(quorum);
    let fail_over = ["site", "failover", "kyiv", "--reason", "fire", "--yes"];
    for args in [&fail_over[..], &[&fail_over[..], &["--unplanned"]].concat()] {
        let ran = node.run(args);
        assert_eq!(ran.error(), "E-PRECONDITION");
        assert!(ran.err.contains("1 of 3 voters answer elsewhere, 2 are needed"), "{}", ran.err);
        let why = "automatic failover between kyiv and lviv is impossible";
        assert!(ran.err.contains(why) && ran.err.contains("--role witness"), "{}", ran.err);
        assert!(ran.out.contains("NO  quorum LOST without it"), "{}", ran.out);
    }
    assert_eq!(sent(&node), []);
    // A drain keeps the nodes.
    drained(&node, &[]).ok();
}

#[test]
fn a_city_is_given_up_and_comes_back() {
    let node = Node::start();
    let lost = node.run(&["site", "failover", "kyiv", "--unplanned", "--reason", "fire", "--yes"]);
    let lost = lost.ok();
    assert!(lost.out.contains("it comes back by itself after 30s"), "{}", lost.out);
    assert!(lost.out.contains("5 contacts lose their front end"), "{}", lost.out);
    assert_eq!(state(&node), "lost");
    let early = node.run(&["site", "return", "kyiv", "--reason", "back", "--yes"]);
    assert_eq!(early.error(), "E-PRECONDITION");
    assert!(early.err.contains("when its nodes answer and have caught up"), "{}", early.err);
    let site = SiteId::new("kyiv").expect("a slug");
    let caught_up = Submission::new(principal("node-1"), SiteCommand::CaughtUp { site }.into());
    node.inside().apply(caught_up).expect("a node");
    assert_eq!(state(&node), "returning");
    node.run(&["site", "return", "kyiv", "--reason", "back", "--yes"]).ok();
    assert_eq!(state(&node), "active");
    let twice = node.run(&["site", "return", "kyiv", "--reason", "back", "--yes"]);
    assert_eq!(twice.error(), "E-PRECONDITION");
}

#[test]
fn an_outcome_nobody_knows_is_looked_up_and_told_with_its_request() {
    let node = Node::start();
    node.inside().fault = Fault::Unsure;
    let ran = drained(&node, &["--timeout", "300ms", "-o", "json"]);
    assert_eq!(ran.error(), "E-OUTCOME-UNKNOWN");
    let json = ran.json();
    assert_eq!(json["outcome"]["outcome"], "unknown");
    let request = json["outcome"]["request"].as_str().expect("a request");
    assert!(request.len() == 32 && ran.err.contains(request), "{}", ran.err);
    assert_eq!(state(&node), "active");

    // It was carried out, and whoever answered did not know.
    node.inside().fault = Fault::UnsureOfAll;
    let known = drained(&node, &["--timeout", "300ms", "-o", "json"]).ok().json();
    assert_eq!(known["outcome"]["outcome"], "done");
    assert_eq!(known["outcome"]["new_revision"], 2);
    assert_eq!(state(&node), "drained");
}

#[test]
fn who_waits_is_told_how_far_it_has_come() {
    let node = Node::start();
    ring(&node);
    let wait = ["drain", "kyiv", "--reason", "works", "--yes", "--wait", "-o", "json"];
    let mut cancelled = Person::who_answers(&[], || {
        let site = SiteId::new("kyiv").expect("a slug");
        let cancel = SiteCommand::CancelDrain { site, expected: None };
        node.inside().configure(cancel).expect("an operator");
    });
    let answer = run_at(&node, &wait, &mut cancelled).1.expect("told");
    let failure = answer.failure.expect("it is not drained");
    assert_eq!(failure.code, ErrorCode::NotDrained);
    assert!(failure.why.contains("the site is active"), "{failure}");
    assert!(cancelled.seen.starts_with("kyiv: 1 offered, 2 in conversation"), "{}", cancelled.seen);

    let shown = node.run(&["site", "show", "kyiv", "-o", "json"]);
    assert_eq!(shown.error(), "E-NOT-FOUND", "the board of this node has no sites");
    let mut done = Person::who_answers(&[], || {
        let mut inside = node.inside();
        let contact = ContactId::new("mail").expect("an id");
        let with = inside.centre.contact(&contact).and_then(|c| c.stage.engagement());
        let token = with.expect("offered").token;
        let decline = WorkCommand::Decline { contact, token };
        inside.apply(Submission::new(principal("anna"), decline.into())).expect("anna's");
    });
    let answer = run_at(&node, &wait, &mut done).1.expect("told");
    assert_eq!(answer.failure, None);
    let json: serde_json::Value = serde_json::from_str(&answer.text).expect("JSON");
    assert_eq!(json["state"], "drained");
    is_documented(&json);
}
