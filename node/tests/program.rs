//! The daemon as it is called.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn daemon() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorumcall-node"));
    command.env_remove("QUORUMCALL_LOG").env_remove("MIMALLOC_ALLOW_THP");
    command
}

fn found(folder: &Path, address: &str) -> Output {
    let plan = folder.join("plan.toml");
    fs::write(
        &plan,
        format!(
            "cluster = \"Test\"\nadmin = \"olena\"\nprofile = \"city\"\n\
             [[nodes]]\nsite = \"kyiv\"\naddress = \"127.0.0.1:7400\"\nlisten = \"{address}\"\n"
        ),
    )
    .unwrap();
    let out = folder.join("out");
    daemon().args(["found", "--plan"]).arg(plan).arg("--out").arg(out).output().unwrap()
}

fn start(folder: &Path, more: &[&str]) -> Child {
    let data = folder.join("out/node-1");
    let mut command = daemon();
    command.args(["run", "--data"]).arg(data).args(more).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_founded_node_runs_until_it_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let founded = found(folder.path(), "127.0.0.1:0");
    assert!(founded.status.success(), "{}", text(&founded.stderr));
    assert!(text(&founded.stdout).contains("node-1 goes to 127.0.0.1:7400 at kyiv"));
    assert!(text(&founded.stderr).contains("without kyiv"));

    for (signal, why) in [("TERM", "SIGTERM"), ("INT", "Ctrl-C")] {
        let mut node = start(folder.path(), &["--log-format", "json"]);
        let mut log = BufReader::new(node.stderr.take().unwrap());
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        assert!(line.contains("\"the node listens\"") && line.starts_with('{'), "{line}");

        #[cfg(target_os = "linux")]
        {
            let status = fs::read_to_string(format!("/proc/{}/status", node.id())).unwrap();
            let huge_pages = status.lines().find(|line| line.starts_with("THP_enabled"));
            assert!(huge_pages.is_none_or(|line| line.ends_with('0')), "{huge_pages:?}");
        }

        let pid = node.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        assert_eq!(node.wait().unwrap().code(), Some(0));
        line.clear();
        log.read_to_string(&mut line).unwrap();
        assert!(line.contains(why), "{line}");
    }
}

#[test]
fn an_address_in_use_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    found(folder.path(), &other.local_addr().unwrap().to_string());
    let output = start(folder.path(), &[]).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let error = text(&output.stderr);
    assert!(
        error.contains("error E-LISTEN-IN-USE: the node cannot listen on 127.0.0.1:"),
        "{error}"
    );
    assert!(error.contains("change `listen` in node.toml"), "{error}");
}

/// Has the node serve metrics, there and nowhere else.
fn serve_metrics(folder: &Path, address: &str) {
    const SECTION: &str = "\n[metrics]\n";
    let path = folder.join("out/node-1/node.toml");
    let text = fs::read_to_string(&path).unwrap();
    let before = text.split_once(SECTION).map_or(&*text, |(before, _)| before);
    fs::write(&path, format!("{before}{SECTION}listen = \"{address}\"\n")).unwrap();
}

#[test]
fn an_address_for_metrics_in_use_is_said_before_anything_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    found(folder.path(), "127.0.0.1:0");
    serve_metrics(folder.path(), &other.local_addr().unwrap().to_string());
    let output = start(folder.path(), &["--log", "warn"]).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let error = text(&output.stderr);
    assert!(
        error.contains("error E-METRICS-IN-USE: metrics cannot be served on 127.0.0.1:"),
        "{error}"
    );
    assert!(error.contains("change `listen` under [metrics] in node.toml"), "{error}");
    assert!(!folder.path().join("out/node-1/log").exists(), "nothing was opened");

    // An address that no machine has (RFC 5737).
    serve_metrics(folder.path(), "192.0.2.1:9464");
    let output = start(folder.path(), &["--log", "warn"]).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let error = text(&output.stderr);
    assert!(error.contains("error E-METRICS-LISTEN: metrics cannot be served on "), "{error}");
}

#[test]
fn a_node_says_where_its_metrics_are_and_serves_them() {
    let folder = tempfile::tempdir().unwrap();
    found(folder.path(), "127.0.0.1:0");
    serve_metrics(folder.path(), "127.0.0.1:0");
    let mut node = start(folder.path(), &["--log-format", "json"]);
    let mut log = BufReader::new(node.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("\"metrics are served") {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended");
    }
    // What happened is in words, what it happened to in fields.
    let (_, address) = line.split_once("\"address\":\"").unwrap();
    let (address, _) = address.split_once('"').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for metric in ["quorumcall_raft_leader ", "process_start_time_seconds "] {
        assert!(answer.contains(&format!("\n{metric}")), "{metric} in {answer}");
    }

    let pid = node.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    assert_eq!(node.wait().unwrap().code(), Some(0));
    assert!(TcpStream::connect(address).is_err(), "nobody is there any more");
}

#[test]
fn wrong_use_and_refusals_have_their_own_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let missing = start(folder.path(), &[]).wait_with_output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).starts_with("error E-CONFIG-FILE: "));

    found(folder.path(), "127.0.0.1:0");
    let again = found(folder.path(), "127.0.0.1:0");
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).starts_with("error E-FOUND-NOT-EMPTY: "));

    let filter = start(folder.path(), &["--log", "node=loud"]).wait_with_output().unwrap();
    assert_eq!(filter.status.code(), Some(2));
    assert!(text(&filter.stderr).contains("E-LOG-FILTER"), "{}", text(&filter.stderr));

    assert_eq!(daemon().arg("dance").output().unwrap().status.code(), Some(2));
}

#[test]
fn an_identity_is_issued_with_the_authority_and_says_where_the_nodes_are() {
    let folder = tempfile::tempdir().unwrap();
    found(folder.path(), "127.0.0.1:0");
    let out = folder.path().join("sip.identity");
    let issue = |principal: &str| {
        let authority = folder.path().join("out/ca.pem");
        daemon()
            .args(["issue", "--principal", principal, "--endpoint", "a:1", "--endpoint", "b:2"])
            .arg("--authority")
            .arg(authority)
            .arg("--out")
            .arg(&out)
            .output()
            .unwrap()
    };
    for refused in ["Sip", "node-7"] {
        let output = issue(refused);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(!out.exists());
    }
    let output = issue("sip");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let written = fs::read_to_string(&out).unwrap();
    assert!(
        written.starts_with("endpoint: a:1\nendpoint: b:2\n-----BEGIN CERTIFICATE"),
        "{written}"
    );
    let identity = node::identity::Identity::load(&out).unwrap();
    assert_eq!(identity.principal().as_str(), "sip");
    let operator = fs::read_to_string(folder.path().join("out/operator.identity")).unwrap();
    assert!(operator.starts_with("endpoint: 127.0.0.1:7400\n"), "{operator}");

    let output = issue("sip");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("E-IDENTITY-EXISTS"));
}

#[test]
fn a_node_that_was_told_so_stops_when_its_input_ends() {
    let folder = tempfile::tempdir().unwrap();
    found(folder.path(), "127.0.0.1:0");
    let data = folder.path().join("out/node-1");
    let mut node = daemon();
    node.args(["run", "--stop-at-end-of-input", "--data"]).arg(data);
    let mut node = node.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(node.stderr.take().unwrap());
    let mut said = String::new();
    log.read_line(&mut said).unwrap();
    assert!(node.try_wait().unwrap().is_none(), "{said}");
    drop(node.stdin.take());
    assert_eq!(node.wait().unwrap().code(), Some(0));
    log.read_to_string(&mut said).unwrap();
    assert!(said.contains("the end of standard input"), "{said}");
}
