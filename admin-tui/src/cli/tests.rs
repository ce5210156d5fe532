//! The command line against nodes in this process: what is asked, what is printed, which exit code.

use clap::{CommandFactory, Parser};
use proto::api::v1 as api;
use proto::stored::v1 as stored;
use serde_json::Value;

use super::*;
use crate::testing::{ADMIN, Fault, Node, run_as};

const REFERENCE: &str = include_str!("../../../docs/cli.md");

fn parse(args: &[&str]) -> Result<Cli, String> {
    let all = ["quorumcall"].iter().chain(args);
    Cli::try_parse_from(all).map_err(|error| error.to_string())
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn options_stand_before_the_noun_or_after_the_verb() {
    let options = ["--identity", "me", "--endpoint", "a:1", "--endpoint", "[::1]:2"];
    let more = ["--timeout", "250ms", "-o", "json"];
    let verb = ["cluster", "status"];
    for args in [
        [&options[..], &more, &verb].concat(),
        [&verb[..], &options, &more].concat(),
        [&options[..], &verb, &more].concat(),
    ] {
        let cli = parse(&args).expect("proper");
        assert_eq!(cli.options.identity_path(), PathBuf::from("me"));
        assert_eq!(cli.options.endpoints, ["a:1", "[::1]:2"]);
        assert_eq!(cli.options.timeout, Duration::from_millis(250));
        assert_eq!(cli.options.output, Output::Json);
    }
    let cli = parse(&["replay", "f", "-o", "json"]).expect("proper");
    let Command::Replay(args) = cli.command else { panic!("{:?}", cli.command) };
    assert_eq!(args.output, Output::Json, "a replay has an output of its own");
}

#[test]
fn what_cannot_be_meant_is_a_wrong_use() {
    for (args, part) in [
        (&["cluster", "status", "--endpoint", "kyiv"][..], "HOST:PORT"),
        (&["cluster", "status", "--endpoint", "https://kyiv:1"], "HOST:PORT"),
        (&["cluster", "status", "--endpoint", "kyiv:0"], "HOST:PORT"),
        (&["cluster", "status", "--timeout", "10"], "no duration"),
        (&["cluster", "status", "--timeout", "2h"], "100ms to 1h"),
        (&["queue", "show", "Київ"], "not a queue id"),
        (&["contact", "explain", "a b"], "not a contact id"),
        (&["agent", "list", "--presence", "asleep"], "not-ready"),
        (&["agent", "list", "--limit", "0"], "1..=1000"),
        (&["contact", "list", "--limit", "1001"], "1..=1000"),
        (&["node", "show", "kyiv"], "invalid"),
        (&["site", "drain"], "SITE"),
        (&["site", "drain", "lviv", "--deadline", "0s"], "1s to 400d"),
        (&["site", "drain", "lviv", "--yes", "--dry-run"], "cannot be used with"),
        (&["site", "failover", "lviv", "--unplanned", "--wait"], "cannot be used with"),
        (&["site", "return", "lviv", "--reason", ""], "1 to 200 bytes"),
        (&["agent", "move", "anna"], "--to"),
        (&["agent", "move", "--to", "billing"], "--queue"),
        (&["agent", "move", "anna", "--queue", "sales", "--to", "billing"], "cannot be used with"),
        (&["agent", "move", "anna", "--to-site", "lviv", "--grade", "1"], "--to <QUEUE>"),
        (&["agent", "move", "anna", "--to", "billing", "--grade", "11"], "1..=10"),
        (&["apply"], "--file"),
        (&["apply", "-f", "x", "--reason", ""], "1 to 200 bytes"),
        (&["cluster"], "status"),
    ] {
        let error = parse(args).expect_err("refused");
        assert!(error.contains(part), "{args:?}: {error}");
    }
}

#[test]
fn the_reference_has_every_command_and_option() {
    fn visit(command: &clap::Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        let path = path.trim();
        if command.get_subcommands().next().is_none() {
            assert!(REFERENCE.contains(&format!("\n## `{path}")), "no section for `{path}`");
        }
        // What stands in the section of a command, or in what all have in common.
        let section = REFERENCE.split(&format!("\n## `{path}")).nth(1).unwrap_or_default();
        let section = section.split("\n## ").next().unwrap_or_default();
        let common = REFERENCE.split("\n## ").next().unwrap_or_default();
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            let Some(long) = arg.get_long().filter(|long| !matches!(*long, "help" | "version"))
            else {
                continue;
            };
            let name = format!("`--{long}`");
            let is_there = section.contains(&name) || common.contains(&name);
            assert!(is_there, "{name} of `{path}`");
        }
        for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
            visit(command, path);
        }
    }
    visit(&Cli::command(), "");
}

/// Asserts that the reference has each field of an answer, but for what is named by people.
pub(super) fn is_documented(json: &Value) {
    /// Fields that hold what people have named.
    const NAMED: [&str; 8] = [
        "queues",
        "skills",
        "capacity",
        "interruptible_by",
        "head_starts_ms",
        "shares",
        "serves_now",
        "serves_then",
    ];
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                assert!(REFERENCE.contains(&format!("`{name}`")), "no word of `{name}`");
                if !NAMED.contains(&&**name) || value.is_array() {
                    is_documented(value);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(is_documented),
        _ => {}
    }
}

fn counts() -> Option<api::AgentCounts> {
    Some(api::AgentCounts { free: 2, busy: 3, not_ready: 1, unreachable: 0, offline: 6 })
}

fn site(id: &str, name: &str) -> api::SiteStatus {
    let active = stored::site_state::State::Active(stored::site_state::Active {});
    api::SiteStatus {
        id: id.into(),
        name: name.into(),
        state: Some(stored::SiteState { state: Some(active) }),
        drain: Some(stored::Drain { deadline_ms: 5, expiry_ms: 9, ..stored::Drain::default() }),
        leader_priority: 90,
        revision: 3,
        nodes: vec![1],
        agents: counts(),
        ..api::SiteStatus::default()
    }
}

fn cluster() -> api::ClusterStatus {
    let node = |number, site: &str| api::NodeStatus {
        node: number,
        site: site.into(),
        address: format!("{site}.example:7400"),
        voter: true,
        leads: number == 1,
        applied: Some(90),
        heard_ms: Some(120),
        round_trip_us: Some(830),
        clock_offset_ms: Some(-2),
        role: stored::NodeRole::Voter.into(),
        leaving: false,
        member: true,
    };
    api::ClusterStatus {
        name: "Three cities".into(),
        id: "f".repeat(32),
        version: 1,
        replay: false,
        state_hash: "0123456789abcdef0123456789abcdef".into(),
        nodes: vec![node(1, "kyiv"), node(2, "lviv")],
        sites: vec![site("kyiv", "Ки\u{202e}їв"), site("lviv", "Львів")],
        contacts: 4,
        agents: 12,
        queues: 1,
        members_revision: 2,
        tokens: Vec::new(),
    }
}

fn engagement() -> Option<stored::Engagement> {
    Some(stored::Engagement {
        token: 36_835,
        agent: "anna".into(),
        site: "lviv".into(),
        offered_ms: 1_000,
        reason: Some(stored::OfferReason { grade: 1, ..stored::OfferReason::default() }),
    })
}

fn contact(id: &str, stage: &str) -> api::ContactStatus {
    let attribute = stored::Attribute { name: "customer".into(), value: "17".into() };
    api::ContactStatus {
        id: id.into(),
        stage: stage.into(),
        queue: "billing".into(),
        with: engagement(),
        ahead: Some(4),
        attributes: prost::Message::encode_to_vec(&stored::Attributes { items: vec![attribute] })
            .into(),
        ..api::ContactStatus::default()
    }
}

/// A drain, and one that was refused.
fn audit() -> Vec<api::AuditEntry> {
    use acd::command::{Command, SiteCommand};
    let site = acd::ids::SiteId::new("lviv").expect("a slug");
    let command = SiteCommand::Return { site: site.clone(), expected: None };
    let inverse = SiteCommand::CancelDrain { site, expected: None };
    let stored =
        |command: SiteCommand| Some(acd::codec::command_to_stored(&Command::Site(command)));
    let done = stored::AuditRecord {
        at_ms: 1_000,
        principal: "olena".into(),
        request: Some(stored::Request { id: vec![7; 16].into(), issued_at_ms: 1 }),
        reason: Some("all\u{202e} clear".into()),
        command: stored(command),
        refused: None,
        inverse: stored(inverse),
    };
    let refused = stored::Refusal { code: "stale-revision".into(), message: "look again".into() };
    let refused = stored::AuditRecord { refused: Some(refused), request: None, ..done.clone() };
    [done, refused]
        .map(|record| api::AuditEntry { index: 9, ordinal: 0, record: Some(record) })
        .into()
}

#[test]
fn the_audit_trail_is_told_whole_though_it_comes_in_pages() {
    let ran = node().run(&["audit", "list", "--since", "1d"]).ok();
    assert!(ran.out.contains("site return lviv"), "{}", ran.out);
    assert!(ran.out.contains("REFUSED stale-revision"), "{}", ran.out);
    assert!(!ran.out.contains('\u{202e}'), "{}", ran.out);
    let json = node().run(&["audit", "list", "-o", "json"]).ok().json();
    assert_eq!(json["acts"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["acts"][0]["inverse"]["command"], "site cancel-drain");
    let last = node().run(&["audit", "list", "--last", "1", "-o", "json"]).ok().json();
    assert_eq!(last["acts"][0]["refused"]["code"], "stale-revision");
    is_documented(&json);
}

/// A node with something on every board.
fn node() -> Node {
    let node = Node::start();
    let assignment = stored::Assignment { queue: "billing".into(), grade: 1 };
    let capacity = stored::Capacity {
        voice: Some(stored::MediumCapacity { max: 1, interruptible_by: Vec::new() }),
        ..stored::Capacity::default()
    };
    let agent = |id: String| api::AgentStatus {
        config: Some(stored::AgentConfig {
            name: id.clone(),
            id,
            home_site: "lviv".into(),
            queues: vec![assignment.clone()],
            capacity: Some(capacity.clone()),
            ..stored::AgentConfig::default()
        }),
        session: Some(stored::Session { epoch: 5, node: 2, site: "lviv".into() }),
        presence: Some(stored::Presence {
            presence: Some(stored::presence::Presence::NotReady(stored::NotReadyReason {
                reason: Some(stored::not_ready_reason::Reason::Said("lunch".into())),
            })),
        }),
        moved: Some(stored::TemporaryMove {
            queues: vec![assignment.clone()],
            home_site: "kyiv".into(),
            until_ms: 9,
        }),
        work: vec![api::agent_status::AgentWork {
            contact: "c-1".into(),
            stage: "connected".into(),
            queue: "billing".into(),
        }],
        revision: 4,
        ..api::AgentStatus::default()
    };
    {
        let mut inside = node.inside();
        let file = crate::centre_file::CentreFile::parse(
            "[[queue]]\nid = \"billing\"\nname = \"Billing\"\nhead_starts = { 2 = \"90s\" }\n\
             site_policy = { local-first = { spill_after = \"30s\" } }\n\
             [[queue.step]]\nafter = \"0s\"\n\
             [[queue.step]]\nafter = \"20s\"\nhead_start = \"9s\"\n",
        );
        let commands = file.expect("proper").to_commands(crate::testing::wall_time());
        let put = commands.expect("proper").pop().expect("a queue");
        let stored = acd::codec::command_to_stored(&put).command;
        let Some(stored::any_command::Command::Config(stored::ConfigCommand {
            command: Some(stored::config_command::Command::PutQueue(put)),
        })) = stored
        else {
            panic!("a queue");
        };
        let boards = &mut inside.boards;
        boards.cluster = Some(cluster());
        boards.audit = audit();
        boards.queues = vec![api::QueueStatus {
            config: put.config,
            revision: 2,
            open: true,
            waiting: 7,
            oldest_wait_ms: Some(83_000),
            agents: counts(),
            ..api::QueueStatus::default()
        }];
        boards.agents = (0..3).map(|n| agent(format!("agent-{n}"))).collect();
        boards.contacts = vec![contact("c-1", "queued"), contact("c-2", "wrap-up")];
        boards.contact = Some(api::GetContactResponse {
            live: Some(contact("c-1", "queued")),
            records: vec![stored::ContactRecord {
                outcome: stored::Outcome::Handled.into(),
                ..stored::ContactRecord::default()
            }],
            closed: Some(stored::ClosedContact::default()),
            ..api::GetContactResponse::default()
        });
        boards.explanation = Some(api::ExplainContactResponse {
            contact: "c-1".into(),
            queue: "billing".into(),
            stage: "queued".into(),
            with: engagement(),
            past_offers: vec![stored::PastOffer {
                agent: "anna".into(),
                end: stored::OfferEnd::Rona.into(),
                ..stored::PastOffer::default()
            }],
            excluded: vec![api::explain_contact_response::Exclusion {
                rule: "busy".into(),
                about: String::new(),
                agents: 3,
            }],
            agents: vec![api::explain_contact_response::ExcludedAgent {
                agent: "agent-0".into(),
                rule: "busy".into(),
                about: String::new(),
            }],
            ..api::ExplainContactResponse::default()
        });
    }
    node
}

/// All commands that only read.
const READS: [&[&str]; 12] = [
    &["cluster", "status"],
    &["site", "list"],
    &["site", "show", "kyiv"],
    &["node", "list"],
    &["node", "show", "2"],
    &["queue", "list"],
    &["queue", "show", "billing"],
    &["agent", "list"],
    &["agent", "show", "agent-1"],
    &["contact", "list"],
    &["contact", "show", "c-1"],
    &["contact", "explain", "c-1"],
];

#[test]
fn every_read_answers_in_both_forms_and_says_how_current_it_is() {
    let node = node();
    for args in READS {
        let ran = node.run(args).ok();
        assert!(ran.out.contains("as of 0.2 s ago, lag 0, leader node 1 (kyiv)"), "{}", ran.out);
        assert!(!ran.out.contains('\u{202e}'), "what turns the direction of writing: {}", ran.out);
        let json = node.run(&[args, &["-o", "json"]].concat()).ok().json();
        assert_eq!(json["freshness"]["age_ms"], 200, "{args:?}");
        assert_eq!(json["freshness"]["halted"], Value::Null, "{args:?}");
        is_documented(&json);
    }
    assert_eq!(node.inside().linearizable, 0);
    for args in READS {
        node.run(&[args, &["--linearizable"]].concat()).ok();
    }
    assert!(node.inside().linearizable >= READS.len() as u64);
}

#[test]
fn the_status_has_what_scripts_rely_on() {
    let json = node().run(&["cluster", "status", "-o", "json"]).ok().json();
    assert_eq!((&json["leader"], &json["term"]), (&1.into(), &7.into()));
    assert_eq!(json["name"], "Three cities");
    assert_eq!(json["state_hash"], "0123456789abcdef0123456789abcdef");
    let node = &json["nodes"][1];
    assert_eq!((&node["id"], &node["site"]), (&2.into(), &"lviv".into()));
    assert_eq!((&node["role"], &node["state"]), (&"voter".into(), &"following".into()));
    assert_eq!((&node["applied"], &node["lag"]), (&90.into(), &10.into()));
    let site = &json["sites"][0];
    assert_eq!((&site["id"], &site["state"]), (&"kyiv".into(), &"active".into()));
    assert_eq!((&site["agents"], &site["leader_priority"]), (&6.into(), &90.into()));
}

#[test]
fn long_lists_come_in_pages() {
    let node = node();
    let page = node.run(&["agent", "list", "--limit", "2", "-o", "json"]).ok().json();
    assert_eq!((&page["total"], &page["next"]), (&3.into(), &"agent-1".into()));
    let ran = node.run(&["agent", "list", "--limit", "2"]).ok();
    assert!(ran.out.contains("2 of 3 agents; more with --after agent-1"), "{}", ran.out);
    let last = node.run(&["agent", "list", "--after", "agent-1", "-o", "json"]).ok().json();
    assert_eq!(last["agents"].as_array().map(Vec::len), Some(1));
    assert_eq!(last["next"], Value::Null);
    let page = node.run(&["contact", "list", "--limit", "1", "-o", "json"]).ok().json();
    assert_eq!((&page["total"], &page["next_skip"]), (&2.into(), &1.into()));
    let page = node.run(&["contact", "list", "--skip", "1", "-o", "json"]).ok().json();
    assert_eq!((&page["contacts"][0]["id"], &page["next_skip"]), (&"c-2".into(), &Value::Null));
    let stage = node.run(&["contact", "list", "--stage", "wrap-up", "-o", "json"]).ok().json();
    assert_eq!((&stage["total"], &stage["contacts"][0]["id"]), (&1.into(), &"c-2".into()));
}

#[test]
fn what_is_not_there_is_told_with_exit_code_1() {
    let node = node();
    node.inside().boards.contact = None;
    node.inside().boards.explanation = None;
    for args in [
        &["site", "show", "odesa"][..],
        &["node", "show", "9"],
        &["queue", "show", "nothing"],
        &["agent", "show", "nobody"],
        &["contact", "show", "c-9"],
        &["contact", "explain", "c-9"],
    ] {
        assert_eq!(node.run(args).error(), "E-NOT-FOUND", "{args:?}");
    }
    // What has been closed is told as such.
    node.inside().boards.contact = Some(api::GetContactResponse {
        closed: Some(stored::ClosedContact {
            outcome: stored::Outcome::Abandoned.into(),
            ..stored::ClosedContact::default()
        }),
        ..api::GetContactResponse::default()
    });
    let ran = node.run(&["contact", "explain", "c-9"]).ok();
    assert!(ran.out.starts_with("contact c-9: closed: the customer left"), "{}", ran.out);
    is_documented(&node.run(&["contact", "explain", "c-9", "-o", "json"]).ok().json());
}

#[test]
fn another_node_is_asked_if_one_is_gone_or_hangs() {
    let first = node();
    let second = first.another();
    second.inside().boards.cluster = Some(cluster());
    let identity = first.identity(ADMIN, &[first.address, second.address]);
    let status = ["cluster", "status", "--timeout", "8s", "-o", "json"];
    let answered = || run_as(&identity, &status).ok().json()["freshness"]["node"].clone();
    assert_eq!(answered(), 1);
    for fault in [Fault::Hangs, Fault::Unavailable] {
        first.inside().fault = fault;
        assert_eq!(answered(), 2, "{fault:?}");
    }
    let identity = second.identity(ADMIN, &[first.address, second.address]);
    let endpoint = first.kill().to_string();
    let status = ["cluster", "status", "-o", "json"];
    assert_eq!(run_as(&identity, &status).ok().json()["freshness"]["node"], 2, "it is gone");
    let status = ["cluster", "status", "--timeout", "1s", "--endpoint", &endpoint];
    let ran = run_as(&second.identity(ADMIN, &[]), &status);
    assert_eq!(ran.error(), "E-UNAVAILABLE");
    assert!(ran.err.contains(&endpoint) && ran.err.contains("refused"), "{}", ran.err);
}

#[test]
fn a_node_that_stopped_or_is_cut_off_is_believed_only_if_there_is_no_other() {
    let first = node();
    let second = first.another();
    second.inside().boards.cluster = Some(cluster());
    let identity = first.identity(ADMIN, &[first.address, second.address]);
    let status = ["cluster", "status"];
    first.inside().freshness.halted = Some("its state\u{7} differs".into());
    let ran = run_as(&identity, &status).ok();
    assert!(ran.out.contains("leader node 2 (kyiv)") && !ran.out.contains("HALTED"), "{}", ran.out);

    let stale = api::Freshness {
        leader: None,
        age_ms: Some(45_000),
        part: api::Part::Follower.into(),
        ..second.inside().freshness.clone()
    };
    second.inside().freshness = stale;
    let ran = run_as(&identity, &status).ok();
    assert!(ran.out.contains("NO LEADER that node 2 knows of"), "{}", ran.out);
    assert!(ran.out.contains("as of 45s ago, lag 0, follower node 2"), "{}", ran.out);
    assert!(ran.out.contains("leader      NONE"), "{}", ran.out);

    second.inside().fault = Fault::Unavailable;
    let ran = run_as(&identity, &status).ok();
    assert!(
        ran.out.contains("HALTED: node 1 (kyiv) has stopped (its state\u{fffd} differs)"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("halted"), "its row says so, too: {}", ran.out);
    let json = run_as(&identity, &["node", "list", "-o", "json"]).ok().json();
    assert_eq!(json["nodes"][0]["state"], "halted");
}

#[test]
fn an_answer_that_does_not_say_how_old_it_is_is_no_answer() {
    let node = node();
    let ran = node.run(&["agent", "show", "agent-0"]).ok();
    assert!(ran.out.contains("as of"), "{}", ran.out);
    assert!(
        crate::output::Freshness::of(None)
            .is_err_and(|failure| { failure.code == crate::ErrorCode::NodeFailed })
    );
}

#[test]
fn who_cannot_say_who_they_are_asks_nobody() {
    use std::os::unix::fs::PermissionsExt;
    let node = node();
    let missing = PathBuf::from("/nowhere/operator.identity");
    assert_eq!(run_as(&missing, &["queue", "list"]).error(), "E-IDENTITY-MISSING");
    let exposed = node.identity(ADMIN, &[node.address]);
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&exposed, mode).expect("mine");
    assert_eq!(run_as(&exposed, &["queue", "list"]).error(), "E-IDENTITY-EXPOSED");
    let malformed = node.file("other.identity", "nothing");
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&malformed, mode).expect("mine");
    assert_eq!(run_as(&malformed, &["queue", "list"]).error(), "E-IDENTITY-MALFORMED");
    let alone = node.identity(ADMIN, &[]);
    assert_eq!(run_as(&alone, &["queue", "list"]).error(), "E-NO-ENDPOINT");
    let endpoint = node.address.to_string();
    run_as(&alone, &["queue", "list", "--endpoint", &endpoint]).ok();
}

#[test]
fn an_identity_of_another_cluster_is_of_no_use() {
    let (ours, theirs) = (node(), node());
    let identity = ours.identity(ADMIN, &[theirs.address]);
    let ran = run_as(&identity, &["queue", "list", "--timeout", "3s"]);
    assert_eq!(ran.error(), "E-UNAVAILABLE");
    assert!(ran.err.contains("certificate"), "{}", ran.err);
}
