use acd::command::{Command, ConfigCommand, SiteCommand};
use acd::config::Overflow;
use acd::ids::{AgentId, QueueId, SiteId};

use super::*;
use crate::testing::{ADMIN, Fault, Node, Ran, principal, run_as};

const REFERENCE: &str = include_str!("../../../docs/centre-file.md");

/// The example of the reference.
fn example() -> String {
    let toml = REFERENCE.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    toml.expect("an example").to_owned()
}

/// The smallest file with two queues that name each other.
const TWO_QUEUES: &str = r#"
[[site]]
id = "kyiv"
name = "Київ"

[[queue]]
id = "a"
name = "A"
overflow = { queue = "b" }

[[queue]]
id = "b"
name = "B"

[[queue.step]]
after = "0s"
extra_queues = ["a"]

[[agent]]
id = "anna"
name = "Anna"
home_site = "kyiv"
queues = { a = 1 }
"#;

fn apply_file(node: &Node, content: &str, args: &[&str]) -> Ran {
    let path = node.file("centre.toml", content);
    let path = path.to_str().expect("UTF-8");
    node.run(&[&["apply", "-f", path, "--yes"], args].concat())
}

fn diff_file(node: &Node, content: &str, args: &[&str]) -> Ran {
    let path = node.file("centre.toml", content);
    node.run(&[&["diff", "-f", path.to_str().expect("UTF-8")], args].concat())
}

fn overflow_of(node: &Node, queue: &str) -> Overflow {
    let inside = node.inside();
    let queue = inside.centre.queue(&QueueId::new(queue).expect("a slug"));
    queue.expect("there").config.overflow.clone()
}

#[test]
fn a_file_is_applied_and_applied_again_changes_nothing() {
    let node = Node::start();
    let plan = diff_file(&node, &example(), &[]).ok();
    assert!(plan.out.contains("+ queue billing\n"), "{}", plan.out);
    assert!(
        plan.out.contains("\n    wrap_up: \"0s\"\n"),
        "what differs from the default: {}",
        plan.out
    );
    assert!(
        plan.out.contains("~ site kyiv (revision 1)\n    leader_priority: 50 → 90\n"),
        "{}",
        plan.out
    );
    assert!(node.inside().commands.is_empty(), "a diff changes nothing");

    let applied = apply_file(&node, &example(), &["--reason", "spring"]).ok();
    assert!(applied.out.contains("changes made"), "{}", applied.out);
    assert_eq!(node.inside().centre.counts(), (0, 1, 3, 3));
    let reasons: Vec<_> = node.inside().commands.iter().map(|(_, reason)| reason.clone()).collect();
    assert!(reasons.iter().all(|r| r.as_ref().is_some_and(|r| r.as_str() == "spring")));
    let sent = reasons.len();

    let again = apply_file(&node, &example(), &[]).ok();
    assert!(again.out.starts_with("no changes: "), "{}", again.out);
    let plan = diff_file(&node, &example(), &["--check"]).ok();
    assert!(plan.out.starts_with("no changes: "), "{}", plan.out);
    assert_eq!(node.inside().commands.len(), sent);
}

#[test]
fn a_change_is_told_field_by_field() {
    let node = Node::start();
    apply_file(&node, &example(), &[]).ok();
    let changed = example()
        .replace("wait_max = \"30m\"", "wait_max = \"45m\"\nauto_answer = true")
        .replace("head_starts = { 2 = \"90s\", 9 = \"strict\" }", "head_starts = { 2 = \"90s\" }")
        .replace("skills = { english = 9 }", "skills = { english = 10 }")
        .replace("after = \"20s\"", "after = \"30s\"")
        .replace("\"14:00-18:00\"]", "\"14:00-17:00\"]");
    let plan = diff_file(&node, &changed, &["-o", "json"]).ok().json();
    let fields = |kind: &str, id: &str| {
        let changes = plan["changes"].as_array().expect("changes");
        let change = changes.iter().find(|c| c["kind"] == kind && c["id"] == id);
        let fields = change.expect("changed")["fields"].as_array().expect("fields").clone();
        let triple = |field: &serde_json::Value| {
            let text = |name: &str| field[name].as_str().unwrap_or("-").to_owned();
            (text("field"), text("before"), text("after"))
        };
        fields.iter().map(triple).collect::<Vec<_>>()
    };
    let triple = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(
        fields("queue", "billing"),
        [
            triple("auto_answer", "false", "true"),
            triple("head_starts.9", "\"strict\"", "-"),
            triple("step 2.after", "\"20s\"", "\"30s\""),
            triple("wait_max", "\"30m\"", "\"45m\""),
        ]
    );
    assert_eq!(fields("agent", "anna"), [triple("skills.english", "9", "10")]);
    let [(field, before, after)] = &fields("calendar", "office")[..] else { panic!("one field") };
    assert_eq!(field, "open");
    assert!(before.contains(" and ") && before.ends_with(" more"), "{before}");
    assert!(after.contains(" and ") && after.ends_with(" more"), "{after}");
    assert_eq!(plan["summary"]["changed"], 3);
    assert_eq!((&plan["summary"]["added"], &plan["summary"]["removed"]), (&0.into(), &0.into()));
    assert_eq!(plan["changes"][0]["outcome"], "planned");

    let drift = diff_file(&node, &changed, &["--check"]);
    assert_eq!(drift.error(), "E-DRIFT");
    assert!(
        drift.out.contains("~ queue billing (revision 2)"),
        "it is shown as well: {}",
        drift.out
    );
}

#[test]
fn what_a_file_does_not_name_stays_unless_it_is_pruned() {
    let node = Node::start();
    apply_file(&node, &example(), &[]).ok();
    apply_file(&node, TWO_QUEUES, &[]).ok();
    assert_eq!(node.inside().centre.counts(), (0, 1, 5, 3), "nothing was deleted");

    let plan = diff_file(&node, TWO_QUEUES, &["--prune"]).ok();
    assert!(plan.out.contains("- queue billing (revision 2)\n"), "{}", plan.out);
    assert!(plan.out.contains("kept: principal olena, which is you\n"), "{}", plan.out);
    let pruned = apply_file(&node, TWO_QUEUES, &["--prune", "-o", "json"]).ok().json();
    assert_eq!(pruned["summary"]["not_done"], 0);
    assert_eq!(node.inside().centre.counts(), (0, 1, 2, 1));
    assert!(node.inside().centre.principal(&principal(ADMIN)).is_some());
    assert!(node.inside().centre.principal(&principal("edge-kyiv")).is_none());
    let again = apply_file(&node, TWO_QUEUES, &["--prune"]).ok();
    assert!(again.out.starts_with("no changes"), "{}", again.out);
}

#[test]
fn queues_that_go_may_name_each_other() {
    let node = Node::start();
    apply_file(&node, TWO_QUEUES, &[]).ok();
    let nothing = "[[site]]\nid = \"kyiv\"\nname = \"Київ\"\n";
    apply_file(&node, nothing, &["--prune"]).ok();
    assert_eq!(node.inside().centre.counts(), (0, 0, 0, 1));
}

#[test]
fn what_is_in_use_is_not_pruned_and_what_uses_it_is_named() {
    let node = Node::start();
    let add = SiteCommand::AddNode { site: SiteId::new("lviv").expect("a slug") };
    apply_file(&node, &example(), &[]).ok();
    node.inside().configure(add).expect("an operator");
    let refused = apply_file(&node, TWO_QUEUES, &["--prune"]);
    assert_eq!(refused.error(), "E-REFUSED");
    assert!(refused.err.contains("in-use: lviv is used by node 2"), "{}", refused.err);
    assert!(
        refused.err.contains("changes were made; that of site lviv was not"),
        "{}",
        refused.err
    );
    assert!(refused.out.contains("REFUSED     - site lviv (revision 1)"), "{}", refused.out);
    assert!(refused.out.contains("done        - queue billing"), "{}", refused.out);
}

#[test]
fn queues_change_places_without_a_circle_on_the_way() {
    let node = Node::start();
    apply_file(&node, TWO_QUEUES, &[]).ok();
    assert_eq!(overflow_of(&node, "a"), Overflow::Queue(QueueId::new("b").expect("a slug")));
    let turned = TWO_QUEUES
        .replace("overflow = { queue = \"b\" }\n", "")
        .replace("name = \"B\"\n", "name = \"B\"\noverflow = { queue = \"c\" }\n")
        + "[[queue]]\nid = \"c\"\nname = \"C\"\noverflow = { queue = \"a\" }\n";
    apply_file(&node, &turned, &[]).ok();
    assert_eq!(overflow_of(&node, "a"), Overflow::Reject);
    assert_eq!(overflow_of(&node, "b"), Overflow::Queue(QueueId::new("c").expect("a slug")));
    assert_eq!(overflow_of(&node, "c"), Overflow::Queue(QueueId::new("a").expect("a slug")));

    let circle = turned.replace("name = \"A\"\n", "name = \"A\"\noverflow = { queue = \"b\" }\n");
    let refused = diff_file(&node, &circle, &[]);
    assert_eq!(refused.error(), "E-CENTRE-REFUSED");
    assert!(refused.err.contains("a → b → c → a"), "{}", refused.err);
}

#[test]
fn a_plan_that_somebody_overtook_is_refused_as_stale() {
    /// Changes an agent while the plan is being looked at.
    struct Overtaking<'a>(&'a Node, String);

    impl Terminal for Overtaking<'_> {
        fn is_attended(&self) -> bool {
            true
        }

        fn ask(&mut self, text: &str, question: &str) -> io::Result<String> {
            self.1 = format!("{text}{question}");
            let mut inside = self.0.inside();
            let anna = inside.centre.agent(&AgentId::new("anna").expect("a slug"));
            let config = (*anna.expect("there").config).clone();
            let put = ConfigCommand::PutAgent { config, expected: None };
            inside.configure(put).expect("an operator");
            Ok("y".into())
        }

        fn say(&mut self, _: &str) {}

        fn progress(&mut self, _: usize, _: usize) {}
    }

    let node = Node::start();
    apply_file(&node, TWO_QUEUES, &[]).ok();
    let changed = TWO_QUEUES
        .replace("name = \"A\"", "name = \"Aa\"")
        .replace("queues = { a = 1 }", "queues = { b = 2 }")
        + "[[principal]]\nid = \"petro\"\nroles = [\"viewer\"]\n";
    let (options, args) = arguments(&node, &changed);
    let mut terminal = Overtaking(&node, String::new());
    let answer = apply(&options, &args, &mut terminal).expect("it is told what was done");
    assert!(terminal.1.contains("queues.a: 1 → (none)"), "{}", terminal.1);
    assert!(
        terminal.1.ends_with("Change Three cities (1 added, 2 changed)? [y/N]"),
        "{}",
        terminal.1
    );
    let failure = answer.failure.expect("stale");
    assert_eq!(failure.code, ErrorCode::StalePlan);
    assert!(failure.why.contains("anna is at revision 2, not 1"), "{failure}");
    assert!(answer.text.contains("done        ~ queue a"), "{}", answer.text);
    assert!(answer.text.contains("REFUSED     ~ agent anna (revision 1)"), "{}", answer.text);

    let again = apply_file(&node, &changed, &[]).ok();
    assert!(again.out.contains("done        ~ agent anna (revision 2)"), "{}", again.out);
}

/// What `quorumcall apply -f FILE` is called with.
fn arguments(node: &Node, content: &str) -> (Options, ApplyArgs) {
    use clap::Parser;
    let path = node.file("centre.toml", content);
    let identity = node.identity(ADMIN, &[node.address]);
    let args = ["quorumcall".as_ref(), "apply".as_ref(), "-f".as_ref(), path.as_os_str()];
    let identity = ["--identity".as_ref(), identity.as_os_str()];
    let cli = crate::cli::Cli::try_parse_from(args.into_iter().chain(identity)).expect("proper");
    let crate::cli::Command::Apply(args) = cli.command else { panic!("{:?}", cli.command) };
    (cli.options, args)
}

#[test]
fn nothing_changes_without_a_yes() {
    struct Asked {
        attended: bool,
        answer: bool,
    }

    impl Terminal for Asked {
        fn is_attended(&self) -> bool {
            self.attended
        }

        fn ask(&mut self, _: &str, _: &str) -> io::Result<String> {
            Ok(if self.answer { "yes".into() } else { String::new() })
        }

        fn say(&mut self, _: &str) {}

        fn progress(&mut self, _: usize, _: usize) {}
    }

    let node = Node::start();
    let (options, args) = arguments(&node, TWO_QUEUES);
    for (mut terminal, code) in [
        (Asked { attended: true, answer: false }, ErrorCode::NotConfirmed),
        (Asked { attended: false, answer: true }, ErrorCode::NeedsYes),
    ] {
        let failure = apply(&options, &args, &mut terminal).expect_err("refused");
        assert_eq!(failure.code, code, "{failure}");
    }
    assert!(node.inside().commands.is_empty());
    let mut terminal = Asked { attended: true, answer: true };
    let answer = apply(&options, &args, &mut terminal).expect("done");
    assert_eq!(answer.failure, None);
    assert_eq!(node.inside().centre.counts(), (0, 1, 2, 1));
}

#[test]
fn a_plan_stops_where_the_operator_may_not_go_on() {
    let node = Node::start();
    let supervisor = "[[principal]]\nid = \"petro\"\nroles = [\"supervisor\"]\n";
    apply_file(&node, supervisor, &[]).ok();
    let identity = node.identity("petro", &[node.address]);
    let file = TWO_QUEUES.to_owned()
        + "[[principal]]\nid = \"petro\"\nroles = [\"admin\"]\n[settings]\norphan_after = \"9m\"\n";
    let path = node.file("mine.toml", &file);
    let refused = run_as(&identity, &["apply", "-f", path.to_str().expect("UTF-8"), "--yes"]);
    assert_eq!(refused.error(), "E-NOT-PERMITTED");
    assert!(refused.err.contains("one of the roles: operator, admin"), "{}", refused.err);
    assert!(refused.out.contains("not tried   + queue a"), "sites come first: {}", refused.out);
}

#[test]
fn whoever_applies_changes_their_own_roles_last() {
    let node = Node::start();
    let file = TWO_QUEUES.to_owned()
        + "[[principal]]\nid = \"olena\"\nroles = [\"viewer\"]\n\
           [[principal]]\nid = \"zoya\"\nroles = [\"admin\"]\n[settings]\norphan_after = \"9m\"\n";
    apply_file(&node, &file, &[]).ok();
    let inside = node.inside();
    let last = &inside.commands.last().expect("commands").0;
    assert!(
        matches!(last, Command::Config(ConfigCommand::PutPrincipal { principal, .. })
            if principal.as_str() == ADMIN),
        "{last:?}"
    );
}

#[test]
fn a_command_whose_answer_is_lost_is_carried_out_once() {
    let node = Node::start();
    node.inside().fault = Fault::LosesFirstAnswers;
    let applied = apply_file(&node, TWO_QUEUES, &["-o", "json"]).ok().json();
    assert_eq!(applied["summary"]["not_done"], 0);
    let inside = node.inside();
    let a = inside.centre.queue(&QueueId::new("a").expect("a slug")).expect("there");
    assert_eq!(a.revision.0, 2, "made, then completed");
    assert!(applied["changes"].as_array().expect("rows").iter().all(|row| {
        row["outcome"] == "done" && row["new_revision"].as_u64().is_some_and(|r| r > 0)
    }));
}

#[test]
fn an_outcome_that_nobody_knows_is_told_as_such() {
    let node = Node::start();
    node.inside().fault = Fault::Unsure;
    let unsure = apply_file(&node, TWO_QUEUES, &["--timeout", "2s"]);
    assert_eq!(unsure.error(), "E-OUTCOME-UNKNOWN");
    assert!(unsure.err.contains("0 of 4 changes were made"), "{}", unsure.err);
    assert!(unsure.err.contains("whether that of site kyiv was, nobody knows"), "{}", unsure.err);
    assert!(unsure.out.contains("UNKNOWN     ~ site kyiv"), "{}", unsure.out);
    assert!(unsure.out.contains("not tried   + queue a"), "{}", unsure.out);
}

#[test]
fn a_file_that_makes_no_centre_is_refused_before_anybody_is_asked() {
    let node = Node::start();
    for (content, code, part) in [
        ("[[queue]]\nid = 7\n", "E-CENTRE-REFUSED", "line 2"),
        ("[[agent]]\nid = \"a\"\nname = \"A\"\nhome_site = \"x\"\n", "E-CENTRE-REFUSED", "site x"),
    ] {
        let refused = diff_file(&node, content, &["--endpoint", "127.0.0.1:1"]);
        assert_eq!(refused.error(), code);
        assert!(refused.err.contains(part), "{}", refused.err);
    }
    assert_eq!(node.run(&["diff", "-f", "/nowhere/centre.toml"]).error(), "E-FILE-MISSING");
    assert_eq!(node.run(&["diff", "-f", "/"]).error(), "E-FILE-IS-DIRECTORY");
    let path = node.file("latin.toml", "");
    std::fs::write(&path, b"name = \"\xcd\"").expect("writable");
    let refused = node.run(&["diff", "-f", path.to_str().expect("UTF-8")]);
    assert_eq!(refused.error(), "E-CENTRE-REFUSED");
}

#[test]
fn many_objects_of_a_kind_are_sent_together() {
    let node = Node::start();
    let agents: String = (0..150)
        .map(|n| format!("[[agent]]\nid = \"agent-{n}\"\nname = \"{n}\"\nhome_site = \"kyiv\"\n"))
        .collect();
    let file = TWO_QUEUES.to_owned() + &agents;
    apply_file(&node, &file, &[]).ok();
    assert_eq!(node.inside().centre.counts(), (0, 151, 2, 1));
}
