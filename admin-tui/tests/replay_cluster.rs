//! A call log through a cluster of real processes: the numbers of a local replay, and nothing left
//! behind.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const HEADER: &str = "vru+line\tcall_id\tcustomer_id\tpriority\ttype\tdate\tvru_entry\tvru_exit\t\
vru_time\tq_start\tq_exit\tq_time\toutcome\tser_start\tser_exit\tser_time\tserver";

/// Nodes have no more than this to found a cluster in a test; a busy machine needs seconds.
const CITIES: &str = "kyiv,lviv,dnipro";

/// A call of the log: when it came, how long it waited, and how it ended.
struct Call {
    kind: &'static str,
    priority: u32,
    date: &'static str,
    came_s: u32,
    waited_s: u32,
    /// Seconds of service and by whom; none: the caller hung up.
    served: Option<(u32, &'static str)>,
}

fn clock(seconds: u32) -> String {
    format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

fn line(number: usize, call: &Call) -> String {
    let Call { kind, priority, date, came_s, waited_s, served } = call;
    let left_menu = came_s + 5;
    let taken = left_menu + waited_s;
    let nothing = || "0:00:00".to_owned();
    let (q_start, q_exit) = match waited_s {
        0 => (nothing(), nothing()),
        _ => (clock(left_menu), clock(taken)),
    };
    let (outcome, start, exit, service, server) = match served {
        Some((service, server)) => {
            ("AGENT", clock(taken), clock(taken + service), *service, *server)
        }
        None => ("HANG", nothing(), nothing(), 0, "NO_SERVER"),
    };
    format!(
        "AA0101\t{number}\t0\t{priority}\t{kind}\t{date}\t{}\t{}\t5\t{q_start}\t{q_exit}\t{waited_s}\t\
         {outcome}\t{start}\t{exit}\t{service}\t{server}",
        clock(*came_s),
        clock(left_menu)
    )
}

/// Two days of a small bank with too few agents: callers wait, hang up, come at the same second and
/// have priority; a call comes after everybody has gone.
fn small_bank() -> String {
    let agents = ["ANAT", "DORIT", "ZOHARI", "TOVA"];
    let kinds = ["PS", "NE", "NW", "IN"];
    let mut calls = Vec::new();
    for (day, date) in ["990201", "990202"].into_iter().enumerate() {
        for number in 0..30_u32 {
            let at = number as usize + day;
            // Three at a time, and then none for a while.
            let came_s = 8 * 3_600 + number / 3 * 70 + number % 3 / 2;
            let served = match at % 5 {
                4 => None,
                3 => Some((95, "NO_SERVER")),
                _ => Some((60 + 13 * (number % 7), agents[at % agents.len()])),
            };
            let waited_s = if served.is_none() { 20 + number } else { number % 4 * 9 };
            let priority = if at.is_multiple_of(6) { 2 } else { 0 };
            calls.push(Call {
                kind: kinds[at / 2 % kinds.len()],
                priority,
                date,
                came_s,
                waited_s,
                served,
            });
        }
    }
    let last = Call {
        kind: "PS",
        priority: 0,
        date: "990201",
        came_s: 22 * 3_600,
        waited_s: 30,
        served: Some((40, "NO_SERVER")),
    };
    calls.push(last);
    let lines = calls.iter().enumerate().map(|(number, call)| line(number, call));
    [HEADER.to_owned()].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}

/// Writes a file that only this test uses.
fn file(name: &str, content: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).expect("the target directory is writable");
    path
}

fn quorumcall() -> Command {
    Command::new(env!("CARGO_BIN_EXE_quorumcall"))
}

fn replay(file: &Path, args: &[&str]) -> Output {
    let mut command = quorumcall();
    command.arg("replay").arg(file).args(["--cities", CITIES]).args(args);
    command.output().expect("the program starts")
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("UTF-8")
}

fn json(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The same file through a cluster and in process: every field is the same but the hashes, for the
/// cluster's state also has who founded it.
fn same_numbers(log: &Path, args: &[&str]) -> Value {
    let of = |more: &[&str]| json(&replay(log, &[&["-o", "json"], more, args].concat()));
    let mut local = of(&["--local"]);
    let mut cluster = of(&[]);
    assert_eq!(cluster["state_hash_equal"], true);
    assert_eq!(cluster["replayed"]["state_hash_equal"], true);
    let whole = cluster.clone();
    for result in [&mut local, &mut cluster] {
        result.as_object_mut().expect("an object").remove("state_hash_equal");
        let replayed = result["replayed"].as_object_mut().expect("an object");
        replayed.remove("state_hash").expect("a hash");
        replayed.remove("state_hash_equal");
    }
    assert_eq!(cluster, local);
    whole
}

#[test]
fn a_cluster_comes_to_the_numbers_of_a_local_replay() {
    let log = file("small-bank.tsv", &small_bank());
    let asked = json(&replay(&log, &["--local", "-o", "json"]));
    let asked = asked["replayed"]["longest_waits"][0]["contact"].as_str().expect("somebody waited");
    let result = same_numbers(&log, &["--explain", asked]);
    let replayed = &result["replayed"];
    assert_eq!((&replayed["lost"], &replayed["double_offered"]), (&0.into(), &0.into()));
    assert!(replayed["abandoned"].as_u64().is_some_and(|n| n > 0), "{replayed}");
    let chapters = result["explained"]["chapters"].as_array().expect("a story");
    assert!(chapters.iter().any(|chapter| chapter["why_it_waits"].is_object()), "{chapters:?}");
    assert!(chapters.iter().any(|chapter| chapter["why_this_agent"].is_string()), "{chapters:?}");
}

/// The first calls of the bank's log; all of them are as many minutes' work for this build.
#[test]
fn real_calls_come_to_the_numbers_of_a_local_replay() {
    let Some(path) = std::env::var_os("QUORUMCALL_CALLS") else {
        println!("skipped: QUORUMCALL_CALLS does not name the bank's call log");
        return;
    };
    let all = std::fs::read_to_string(&path).expect("the file that QUORUMCALL_CALLS names");
    let some: Vec<_> = all.lines().take(301).collect();
    let result = same_numbers(&file("some-real-calls.tsv", &some.join("\n")), &[]);
    assert_eq!(result["replayed"]["lost"], 0);
    assert_eq!(result["replayed"]["double_offered"], 0);
}

#[test]
fn a_cluster_has_at_most_five_cities() {
    let log = file("six-cities.tsv", &small_bank());
    let mut command = quorumcall();
    let output = command.arg("replay").arg(&log).args(["--cities", "a,b,c,d,e,f"]).output();
    let output = output.expect("the program starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("error E-BAD-CITIES: "), "{}", text(&output.stderr));
}

#[test]
fn what_is_no_cluster_is_said_with_a_code_and_a_remedy() {
    let log = file("no-cluster.tsv", &small_bank());
    let missing = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nobody.identity");
    let missing = missing.display().to_string();
    let full = Path::new(env!("CARGO_TARGET_TMPDIR")).join("full");
    std::fs::create_dir_all(full.join("something")).expect("the target directory is writable");
    let full = full.display().to_string();
    for (args, code, exit) in [
        (&["--identity", &missing][..], "E-BAD-IDENTITY", 2),
        (&["--folder", &full], "E-LOCAL-CLUSTER", 3),
    ] {
        let output = replay(&log, args);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{stderr}");
        assert!(stderr.starts_with(&format!("error {code}: ")), "{stderr}");
        assert!(stderr.contains("\n  why: ") && stderr.contains("\n  do:  "), "{stderr}");
    }
}

#[test]
fn an_interrupt_ends_the_nodes_and_says_where_their_logs_are() {
    let log = file("interrupted.tsv", &small_bank());
    let mut command = quorumcall();
    command.arg("replay").arg(&log).args(["--cities", "kyiv", "--speed", "1"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    // It says so once time passes in the cluster, which is as slow as the log then.
    let mut said = String::new();
    while !said.contains("calls so far") {
        let read = stderr.read_line(&mut said).expect("words");
        assert!(read > 0, "it ended by itself: {said}");
    }
    let folder = said.lines().find_map(|line| line.strip_prefix("starting nodes in kyiv: "));
    let folder = PathBuf::from(folder.expect("a folder"));
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-s", "INT", &pid]).status().expect("kill is there");
    assert!(sent.success());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("words");
    assert_eq!(child.wait().expect("a child of ours").code(), Some(130), "{rest}");
    assert!(rest.contains("error E-INTERRUPTED: "), "{rest}");
    assert!(rest.contains(&folder.display().to_string()), "{rest}");
    assert!(folder.join("node-1.log").exists() && !folder.join("cluster").exists());
    std::fs::remove_dir_all(folder).expect("mine");
}
