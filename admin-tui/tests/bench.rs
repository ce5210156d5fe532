//! The load generator against clusters of real processes: what it counts, never how fast it is.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn bench(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorumcall"));
    command.arg("bench").args(args).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("UTF-8")
}

fn result(args: &[&str]) -> Value {
    let output = bench(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What is true of a run of whole contacts: three commands each.
fn check(result: &Value, contacts: u64) {
    assert_eq!(result["contacts"], contacts, "{result}");
    assert_eq!(result["committed"], contacts * 3, "{result}");
    check_all(result);
}

/// What is true of every run.
fn check_all(result: &Value) {
    assert_eq!(result["refused"], serde_json::json!({}));
    assert_eq!((&result["unavailable"], &result["unknown"]), (&0.into(), &0.into()));
    assert_eq!(result["state_hash_equal"], true);
    assert_eq!((&result["fsync"], &result["tls"]), (&true.into(), &true.into()));
    for name in ["p50", "p99", "max"] {
        assert!(result["latency_ms"][name].as_f64().is_some_and(|ms| ms > 0.0), "{result}");
    }
    assert!(result["commands_per_s"].as_f64().is_some_and(|rate| rate > 0.0));
}

const SMALL: [&str; 6] = ["--contacts", "60", "--in-flight", "4", "--agents", "9"];

fn small<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&SMALL[..], &["--warm-up", "0s"], more].concat()
}

#[test]
fn whole_contacts_are_three_commands_each_whatever_the_path() {
    let three = result(&small(&[]));
    check(&three, 60);
    assert_eq!((&three["nodes"], &three["agents"]), (&3.into(), &9.into()));
    assert!(three["routed_per_s"].as_f64().is_some_and(|rate| rate > 0.0));
    assert!(three["routed_latency_ms"]["p50"].as_f64().is_some());
    check(&result(&small(&["--nodes", "1", "--path", "unary"])), 60);
    let sessions = result(&small(&["--path", "sessions"]));
    check(&sessions, 60);
    assert_eq!(sessions["sessions"]["broken"], 0);
    assert!(sessions["sessions"]["back_s"].is_null());
}

#[test]
fn agents_of_a_node_that_dies_come_back_at_others() {
    let lost = result(&small(&["--path", "sessions", "--lose-node"]));
    check(&lost, 60);
    assert!(lost["sessions"]["back_s"].as_f64().is_some_and(|seconds| seconds > 0.0), "{lost}");
    let alone = bench(&["--path", "sessions", "--lose-node", "--nodes", "1"]);
    assert_eq!(alone.status.code(), Some(2), "{}", text(&alone.stderr));
    assert!(text(&alone.stderr).starts_with("error E-BAD-SCHEDULE: "), "{}", text(&alone.stderr));
}

#[test]
fn single_commands_are_two_a_contact_whatever_the_path() {
    let commands = ["--mode", "commands", "--nodes", "1"];
    // A unit that finds nobody to hang up puts another contact in. As answers come in any order, at
    // the end up to four, as many as are under way, have not hung up: 120 = 2 × contacts − those.
    let check_commands = |result: &Value| {
        let contacts = result["contacts"].as_u64().expect("a number");
        assert!((60..=62).contains(&contacts), "{result}");
        assert_eq!(result["committed"], 120, "{result}");
        check_all(result);
    };
    let stream = result(&small(&[&commands[..], &["--waiting", "25"]].concat()));
    check_commands(&stream);
    assert!(stream["routed_per_s"].is_null());
    assert_eq!(stream["waiting"], 25);
    check_commands(&result(&small(&[&commands[..], &["--path", "unary"]].concat())));
    let sessions = result(&small(&[&commands[..], &["--path", "sessions"]].concat()));
    assert_eq!((&sessions["committed"], &sessions["contacts"]), (&120.into(), &0.into()));
}

#[test]
fn half_load_begins_as_many_again_at_an_even_pace() {
    let result = result(&small(&["--nodes", "1", "--half-load"]));
    let half = &result["half_load"];
    assert!(half["begun_per_s"].as_f64().is_some_and(|rate| rate > 0.0), "{result}");
    assert!(half["latency_ms"]["p99"].as_f64().is_some_and(|ms| ms > 0.0), "{result}");
}

/// A node that goes on with what a run left in a folder; it ends with this program.
struct Left {
    node: Child,
    folder: PathBuf,
}

impl Left {
    fn start(folder: &Path) -> Self {
        let daemon = Path::new(env!("CARGO_BIN_EXE_quorumcall")).with_file_name("quorumcall-node");
        let mut run = Command::new(daemon);
        run.arg("run").arg("--data").arg(folder.join("cluster/node-1"));
        run.arg("--stop-at-end-of-input").stdin(Stdio::piped()).stderr(Stdio::null());
        let node = run.spawn().expect("the daemon was built by the run before");
        Self { node, folder: folder.to_owned() }
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.node.kill();
        let _ = self.node.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_running_cluster_can_be_loaded_but_not_replayed_through() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-left");
    let _ = std::fs::remove_dir_all(&folder);
    let named = folder.display().to_string();
    check(&result(&small(&["--nodes", "1", "--folder", &named])), 60);
    let _left = Left::start(&folder);
    let identity = folder.join("cluster/operator.identity").display().to_string();
    check(&result(&small(&["--identity", &identity])), 60);

    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-left.tsv");
    let header = "vru+line\tcall_id\tcustomer_id\tpriority\ttype\tdate\tvru_entry\tvru_exit\t\
                  q_start\tq_exit\tq_time\toutcome\tser_start\tser_exit\tser_time\tserver";
    let call = "A\t1\t0\t0\tPS\t990201\t8:00:00\t8:00:05\t0:00:00\t0:00:00\t0\tAGENT\t8:00:05\t\
                8:01:00\t55\tANAT";
    std::fs::write(&log, format!("{header}\n{call}\n")).expect("a file");
    let mut replay = Command::new(env!("CARGO_BIN_EXE_quorumcall"));
    replay.arg("replay").arg(&log).args(["--cities", "kyiv", "--identity", &identity]);
    let output = replay.output().expect("the program starts");
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("error E-NOT-FOR-REPLAY: "), "{stderr}");
}

#[test]
fn etcd_is_measured_by_the_same_client() {
    let etcd = Path::new("/usr/bin/etcd");
    if !etcd.exists() {
        println!("skipped: there is no {}", etcd.display());
        return;
    }
    let port = || {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        free.local_addr().expect("it is bound").port()
    };
    let (client, peer) = (port(), port());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("etcd");
    let _ = std::fs::remove_dir_all(&folder);
    let mut command = Command::new(etcd);
    command.arg("--data-dir").arg(&folder);
    command.arg("--listen-client-urls").arg(format!("http://127.0.0.1:{client}"));
    command.arg("--advertise-client-urls").arg(format!("http://127.0.0.1:{client}"));
    command.arg("--listen-peer-urls").arg(format!("http://127.0.0.1:{peer}"));
    command.arg("--initial-advertise-peer-urls").arg(format!("http://127.0.0.1:{peer}"));
    command.arg("--initial-cluster").arg(format!("default=http://127.0.0.1:{peer}"));
    let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("etcd starts");
    let _etcd = Left { node: process, folder };
    let against = format!("etcd=127.0.0.1:{client}");
    let more = ["--nodes", "1", "--mode", "commands", "--against", &against];
    // By then etcd serves: our own cluster takes longer to begin.
    let result = result(&small(&more));
    let other = &result["against"];
    assert_eq!(other["system"], "etcd");
    assert!(other["per_s"].as_f64().is_some_and(|rate| rate > 0.0), "{result}");
    assert!(other["commands_ratio"].as_f64().is_some_and(|ratio| ratio > 0.0), "{result}");
}
