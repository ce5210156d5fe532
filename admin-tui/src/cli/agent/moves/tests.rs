//! Moves of agents against a node in this process.

use acd::codec::{agent_config_to_stored, queue_config_to_stored, temporary_move_to_stored};
use acd::command::{Command, ConfigCommand};
use acd::config::{AgentConfig, Assignment, Capacity, Grade, QueueConfig};
use acd::ids::{AgentId, QueueId, SiteId};
use acd::text::Label;
use acd::time::Millis;
use proto::api::v1 as api;

use crate::cli::tests::is_documented;
use crate::testing::{Fault, Node, Ran};

fn agent(id: &str) -> AgentId {
    AgentId::new(id).expect("a slug")
}

fn queue(id: &str) -> QueueId {
    QueueId::new(id).expect("a slug")
}

/// A node with the queues `billing`, `general` and `sales`, `count` agents who serve `general` with
/// grade 2 and `sales` with grade 1, and olha, who serves `sales`.
fn node(count: usize) -> Node {
    let node = Node::start();
    {
        let mut inside = node.inside();
        let label = |text: &str| Label::new(text).expect("a label");
        for id in ["billing", "general", "sales"] {
            let config = QueueConfig::new(queue(id), label(id));
            inside.configure(ConfigCommand::PutQueue { config, expected: None }).expect("put");
        }
        let assignment = |id: &str, grade| Assignment {
            queue: queue(id),
            grade: Grade::new(grade).expect("a grade"),
        };
        let mut put = |id: &str, queues: Vec<Assignment>| {
            let config = AgentConfig {
                id: agent(id),
                name: label(id),
                home_site: SiteId::new("kyiv").expect("a slug"),
                skills: Vec::new(),
                queues,
                capacity: Capacity::default(),
            };
            inside.configure(ConfigCommand::PutAgent { config, expected: None }).expect("put");
        };
        for n in 0..count {
            put(&format!("agent-{n:02}"), vec![assignment("general", 2), assignment("sales", 1)]);
        }
        put("olha", vec![assignment("sales", 1)]);
    }
    show(&node);
    node
}

/// Puts on the boards what is so.
fn show(node: &Node) {
    let mut inside = node.inside();
    let tables = inside.centre.tables();
    let mut agents: Vec<_> = tables
        .agents()
        .map(|agent| api::AgentStatus {
            config: Some(agent_config_to_stored(&agent.config)),
            revision: agent.revision.0,
            moved: agent.moved.as_deref().map(temporary_move_to_stored),
            ..api::AgentStatus::default()
        })
        .collect();
    let queues = tables.queues().map(|queue| api::QueueStatus {
        config: Some(queue_config_to_stored(&queue.config)),
        ..api::QueueStatus::default()
    });
    let queues: Vec<_> = queues.collect();
    agents.sort_by_key(|agent| agent.config.as_ref().map(|config| config.id.clone()));
    inside.boards.agents = agents;
    inside.boards.queues = queues;
    inside.commands.clear();
}

fn moved(node: &Node, args: &[&str]) -> Ran {
    node.run(&[&["agent", "move"], args, &["--reason", "rush", "--yes"]].concat())
}

fn serves(node: &Node, id: &str) -> Vec<(String, u8)> {
    let inside = node.inside();
    let agent = inside.centre.agent(&agent(id)).expect("there");
    agent.queues().iter().map(|a| (a.queue.to_string(), a.grade.get())).collect()
}

fn queues(list: &[(&str, u8)]) -> Vec<(String, u8)> {
    list.iter().map(|(queue, grade)| ((*queue).to_owned(), *grade)).collect()
}

#[test]
fn an_agent_is_moved_for_an_hour_and_comes_back() {
    let node = node(1);
    let ran = moved(&node, &["agent-00", "--to", "billing", "--for", "1h"]).ok();
    assert!(ran.out.contains("general 2, sales 1  billing 1  done"), "{}", ran.out);
    assert!(ran.out.contains("1 agent moves, back by themselves"), "{}", ran.out);
    assert_eq!(serves(&node, "agent-00"), queues(&[("billing", 1)]));
    let (commands, back) = {
        let inside = node.inside();
        let agent = inside.centre.agent(&agent("agent-00")).expect("there");
        let left = agent.moved.as_ref().expect("for a while").until.since(inside.centre.now());
        (inside.commands.clone(), left <= Millis::hours(1) && left > Millis::minutes(50))
    };
    assert!(back);
    let [(Command::Config(ConfigCommand::MoveAgent { duration, expected, .. }), reason)] =
        &*commands
    else {
        panic!("{commands:?}")
    };
    assert_eq!((*duration, expected.map(|at| at.0)), (Some(Millis::hours(1)), Some(1)));
    assert_eq!(reason.as_ref().map(Label::as_str), Some("rush"));

    // Moved again for good: from what the agent serves usually.
    show(&node);
    let ran = moved(&node, &["agent-00", "--from", "sales", "--to", "billing"]).ok();
    assert!(ran.out.contains("agent-00 is moved until"), "{}", ran.out);
    assert_eq!(serves(&node, "agent-00"), queues(&[("billing", 1), ("general", 2)]));
    assert!(node.inside().centre.agent(&agent("agent-00")).expect("there").moved.is_none());
}

#[test]
fn one_queue_takes_the_place_of_another_and_the_others_stay() {
    let node = node(1);
    moved(&node, &["agent-00", "--from", "general", "--to", "billing"]).ok();
    assert_eq!(serves(&node, "agent-00"), queues(&[("billing", 2), ("sales", 1)]));
    show(&node);
    moved(&node, &["agent-00", "--from", "billing", "--to", "general", "--grade", "5"]).ok();
    assert_eq!(serves(&node, "agent-00"), queues(&[("general", 5), ("sales", 1)]));
    show(&node);
    let ran = moved(&node, &["olha", "--from", "general", "--to", "billing"]);
    assert_eq!(ran.error(), "E-PRECONDITION");
    assert!(ran.err.contains("olha does not serve general"), "{}", ran.err);
    assert_eq!(node.inside().commands.len(), 0);
}

#[test]
fn a_filter_moves_all_who_fit_and_says_who_they_are() {
    let node = node(20);
    let filter = ["agent", "move", "--queue", "general", "--from", "general", "--to", "billing"];
    let plan = node.run(&[&filter[..], &["--dry-run", "-o", "json"]].concat()).ok().json();
    let rows = plan["moves"].as_array().expect("moves");
    assert_eq!((rows.len(), &rows[19]["agent"]), (20, &"agent-19".into()));
    assert_eq!(
        (&rows[0]["outcome"], &rows[0]["serves_then"]["billing"]),
        (&"planned".into(), &2.into())
    );
    is_documented(&plan);
    assert_eq!(node.inside().commands.len(), 0);

    let done = moved(&node, &[&filter[2..], &["-o", "json"]].concat()).ok().json();
    let all = done["moves"].as_array().expect("moves");
    assert!(all.iter().all(|row| row["outcome"] == "done" && row["new_revision"] == 2), "{done}");
    is_documented(&done);
    assert_eq!(serves(&node, "agent-19"), queues(&[("billing", 2), ("sales", 1)]));
    assert_eq!(serves(&node, "olha"), queues(&[("sales", 1)]));

    show(&node);
    let none = moved(&node, &["--queue", "general", "--to", "billing"]).ok();
    assert!(none.out.starts_with("nobody is meant"), "{}", none.out);
}

#[test]
fn who_was_changed_meanwhile_is_left_and_the_others_are_moved() {
    let node = node(3);
    {
        let mut inside = node.inside();
        let config = (*inside.centre.agent(&agent("agent-01")).expect("there").config).clone();
        inside.configure(ConfigCommand::PutAgent { config, expected: None }).expect("put");
    }
    let ran = moved(&node, &["--queue", "general", "--to", "billing", "-o", "json"]);
    assert_eq!(ran.error(), "E-STALE-PLAN");
    assert!(
        ran.err.contains("agent-01 was not moved") && ran.err.contains("look again"),
        "{}",
        ran.err
    );
    let json = ran.json();
    let outcomes: Vec<_> =
        json["moves"].as_array().expect("moves").iter().map(|row| row["outcome"].clone()).collect();
    assert_eq!(outcomes, ["done", "refused", "done"]);
    is_documented(&json);
}

#[test]
fn when_nobody_knows_what_became_of_one_the_rest_is_left() {
    let node = node(20);
    node.inside().fault = Fault::Unsure;
    let args = ["--queue", "general", "--to", "billing", "--timeout", "300ms", "-o", "json"];
    let ran = moved(&node, &args);
    assert_eq!(ran.error(), "E-OUTCOME-UNKNOWN");
    assert!(ran.err.contains("the audit trail will name request"), "{}", ran.err);
    let json = ran.json();
    let count = |word: &str| {
        json["moves"].as_array().expect("moves").iter().filter(|row| row["outcome"] == word).count()
    };
    assert_eq!((count("unknown"), count("not-tried")), (16, 4));
}

#[test]
fn what_is_not_there_moves_nobody() {
    let node = node(1);
    for args in [
        &["agent-00", "--to", "nothing"][..],
        &["nobody", "--to", "billing"],
        &["agent-00", "--from", "nothing", "--to", "billing"],
        &["agent-00", "--to-site", "odesa"],
    ] {
        assert_eq!(moved(&node, args).error(), "E-NOT-FOUND", "{args:?}");
    }
    let so = moved(&node, &["olha", "--to", "sales"]).ok();
    assert!(so.out.contains("unchanged") && so.out.contains("0 agents move"), "{}", so.out);
    assert_eq!(node.inside().commands.len(), 0);
}
