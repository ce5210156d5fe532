//! The demonstration with its real processes: customers, agents, a city that is killed and comes back.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

fn demo(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorumcall"));
    command.arg("demo").args(args).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("UTF-8")
}

/// Processes of nodes that use a folder.
fn nodes_in(folder: &Path) -> usize {
    let folder = folder.to_str().expect("UTF-8");
    let processes = std::fs::read_dir("/proc").expect("a system with /proc");
    let lines = processes.filter_map(|entry| {
        // Those that end meanwhile cannot be read.
        let line = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        String::from_utf8(line).ok()
    });
    lines.filter(|line| line.contains("quorumcall-node") && line.contains(folder)).count()
}

fn folder(name: &str) -> std::path::PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // Of a run before.
    let _ = std::fs::remove_dir_all(&path);
    path
}

#[test]
fn a_city_is_killed_and_restored_and_nothing_is_lost_or_offered_twice() {
    let folder = folder("demo-kill");
    let data = folder.to_str().expect("UTF-8");
    let args = ["--headless", "--duration", "14s", "--seed", "7", "-o", "json", "--data", data];
    let strikes = ["--kill", "leader@4s", "--restore", "leader@9s"];
    let output = demo(&[&args[..], &strikes].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");

    let contacts = &report["contacts"];
    assert_eq!((&contacts["lost"], &contacts["double_offered"]), (&0.into(), &0.into()));
    assert_eq!(report["state_hash_equal"], true);
    let count = |name: &str| contacts[name].as_u64().expect(name);
    assert!(count("offered") > 20 && count("answered") > 0, "{contacts}");
    let parts = ["answered", "abandoned", "waiting", "ended_otherwise"];
    assert_eq!(parts.into_iter().map(count).sum::<u64>(), count("offered"), "{contacts}");

    let failover = &report["failover"][0];
    assert!(failover["routed_again_ms"].as_u64().is_some(), "{report}");
    assert_eq!(failover["had_leader"], true);
    assert!(failover["killed_at_s"].as_f64().is_some_and(|at| at >= 4.0), "{failover}");
    assert!(report["raft"]["leader_changes"].as_u64() >= Some(1), "{report}");
    assert!(report["raft"]["last_applied"].as_u64() > Some(0));

    let sites: Vec<_> = report["sites"].as_array().expect("a list").iter().collect();
    let ids: Vec<_> = sites.iter().map(|site| site["id"].as_str().expect("an id")).collect();
    assert_eq!(ids, ["kyiv", "lviv", "dnipro"]);
    let nodes: u64 = sites.iter().filter_map(|site| site["nodes"].as_u64()).sum();
    assert_eq!(nodes, 5, "all of them run again");
    let level = &report["service_level"];
    assert_eq!((&level["target_s"], &level["target_pct"]), (&3.0.into(), &80.into()));

    assert_eq!(nodes_in(&folder), 0, "everything is ended");
    assert!(folder.join("node-1.log").exists() && folder.join("cluster/node-1").exists());
    std::fs::remove_dir_all(folder).expect("ours");
}

#[test]
fn ctrl_c_ends_everything_and_says_where_the_logs_are() {
    let folder = folder("demo-ctrl-c");
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorumcall"));
    command.arg("demo").arg("--data").arg(&folder);
    let demo = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut demo = demo.expect("the program starts");
    // Until all nodes run; it may be anywhere after that.
    let patience = Instant::now() + Duration::from_secs(120);
    while nodes_in(&folder) < 5 {
        assert!(Instant::now() < patience, "the nodes were not started");
        assert!(demo.try_wait().expect("a child").is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(50));
    }
    let id = demo.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill").success());
    let output = demo.wait_with_output().expect("it ends");
    let said = text(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 130)), "{:?}: {said}", output.status);
    assert!(said.contains(folder.to_str().expect("UTF-8")), "{said}");
    assert_eq!(nodes_in(&folder), 0, "everything is ended");
    std::fs::remove_dir_all(folder).expect("ours");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_started() {
    let taken = folder("demo-taken");
    std::fs::create_dir_all(&taken).expect("the target directory is writable");
    std::fs::write(taken.join("something"), "").expect("writable");
    for (args, code, words) in [
        (&["--kill", "odesa@1s"][..], 2, "E-BAD-SCHEDULE"),
        (&["--headless", "--kill", "lviv@40s"], 2, "E-BAD-SCHEDULE"),
        (&["--duration", "0s"], 2, "E-BAD-SCHEDULE"),
        (&["--kill", "lviv"], 2, "as in lviv@10s"),
        (&["--data", taken.to_str().expect("UTF-8")], 3, "something in it already"),
    ] {
        let output = demo(args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
        assert!(output.stdout.is_empty());
    }
    std::fs::remove_dir_all(taken).expect("ours");
}
