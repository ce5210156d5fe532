//! Cities of a cluster of real processes, steered by two operators.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use acd::ids::SiteId;
use admin_tui::local::{LocalCluster, LocalPlan, daemon};
use serde_json::Value;

/// A busy machine needs its time.
const PATIENCE: Duration = Duration::from_secs(60);

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("UTF-8")
}

struct Operator(PathBuf);

impl Operator {
    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorumcall"));
        command.arg("--identity").arg(&self.0).args(args);
        command.output().expect("the program starts")
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["-o", "json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Asks until it is so.
    fn until(&self, args: &[&str], is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let output = self.run(&[args, &["-o", "json"]].concat());
            if let Ok(json) = serde_json::from_slice(&output.stdout)
                && output.status.success()
                && is_so(&json)
            {
                return json;
            }
            assert!(begun.elapsed() < PATIENCE, "{args:?}: {output:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn found(name: &str) -> (LocalCluster, Operator) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // Of a run before.
    let _ = std::fs::remove_dir_all(&folder);
    let site = |id: &str| SiteId::new(id).expect("a slug");
    let plan = LocalPlan {
        name: "Three cities".into(),
        nodes: ["kyiv", "lviv", "dnipro"].map(site).to_vec(),
        profile: "city",
        replay: false,
        settings: String::new(),
    };
    let daemon = daemon(|| {}).expect("a daemon");
    let mut cluster = LocalCluster::found(daemon, &folder, &plan).expect("a folder");
    cluster.start_all().expect("nodes");
    let operator = Operator(cluster.operator_path());
    operator.until(&["cluster", "status", "--linearizable"], |json| {
        json["sites"].as_array().is_some_and(|sites| sites.len() == 3)
    });
    (cluster, operator)
}

#[test]
fn of_two_operators_who_act_at_once_the_second_is_told_to_look_again() {
    let (_cluster, operator) = found("sites-two-operators");
    // Both look, then both act.
    let plan = ["site", "drain", "lviv", "--dry-run"];
    let (one, other) = (operator.json(&plan), operator.json(&plan));
    let revision = one["plan"]["revision"].as_u64().expect("a revision").to_string();
    assert_eq!(one["plan"]["revision"], other["plan"]["revision"]);
    assert_eq!(one["plan"]["impact"]["quorum"]["voters"], 3);
    let act = |verb: &str| {
        let args = ["site", verb, "lviv", "--expected", &revision, "--reason", "works", "--yes"];
        operator.run(&args)
    };
    let first = act("drain");
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    assert!(text(&first.stdout).contains("drain lviv: done"), "{}", text(&first.stdout));
    let second = act("failover");
    assert_eq!(second.status.code(), Some(1), "{}", text(&second.stdout));
    let stderr = text(&second.stderr);
    assert!(stderr.starts_with("error E-STALE-PLAN: "), "{stderr}");
    assert!(stderr.contains("look again"), "{stderr}");

    let drained =
        operator.until(&["site", "show", "lviv"], |json| json["site"]["state"] == "drained");
    assert_eq!(drained["progress"]["offered"], 0);
    let back = operator.json(&["site", "return", "lviv", "--reason", "works are over", "--yes"]);
    assert_eq!((&back["outcome"]["outcome"], &back["state"]), (&"done".into(), &"active".into()));
}

#[test]
fn a_city_that_no_quorum_can_do_without_is_not_given_up() {
    let (mut cluster, operator) = found("sites-quorum");
    let status = operator.json(&["cluster", "status"]);
    let leader = status["leader"].as_u64().expect("a leader");
    let gone = leader % 3 + 1;
    let sites = ["kyiv", "lviv", "dnipro"];
    let (gone_site, last) = (sites[gone as usize - 1], sites[(gone % 3) as usize]);
    cluster.kill(gone);
    operator.until(&["site", "show", gone_site], |json| json["site"]["state"] == "lost");
    let fail_over = ["site", "failover", last, "--unplanned", "--reason", "fire", "--yes"];
    let dry = ["site", "failover", last, "--unplanned", "--dry-run", "-o", "json"];
    // What was heard of the one that is gone gets old.
    let begun = Instant::now();
    while operator.run(&dry).status.code() != Some(1) {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(100));
    }
    let refused = operator.run(&fail_over);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stdout));
    let stderr = text(&refused.stderr);
    assert!(stderr.starts_with("error E-PRECONDITION: "), "{stderr}");
    assert!(stderr.contains("1 of 3 voters answer elsewhere, 2 are needed"), "{stderr}");
}
