//! A founded cluster of real processes on loopback.

use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long to wait for anything before giving up. Nothing should need a tenth of it.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often to look.
pub const LOOK_EVERY: Duration = Duration::from_millis(20);
pub const ADMIN: &str = "olena";
const CITIES: [&str; 3] = ["kyiv", "lviv", "dnipro"];

/// The daemon, built once for all tests of this program.
pub fn daemon() -> Command {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let program = BUILT.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        // What cargo told this test about its package would make it build what reads that anew.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_")) {
            if name != "CARGO_TARGET_DIR" && name != "CARGO_HOME" {
                cargo.env_remove(name);
            }
        }
        let built = cargo
            .args(["build", "--package", "quorumcall-node", "--bin", "quorumcall-node"])
            .args(["--message-format", "json-render-diagnostics"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo runs");
        assert!(built.status.success(), "the daemon cannot be built");
        let messages = String::from_utf8(built.stdout).expect("JSON is UTF-8");
        let mut messages = messages.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let program = messages.find_map(|line: Value| Some(line["executable"].as_str()?.into()));
        program.expect("cargo says where the program is")
    });
    let mut command = Command::new(program);
    command.env_remove("QUORUMCALL_LOG").env_remove("MIMALLOC_ALLOW_THP");
    command
}

/// An address on loopback that nobody else takes: each test program has a host of its own, whose
/// ports no outgoing connection of others is given.
fn address() -> String {
    let host = if cfg!(target_os = "linux") {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        Ipv4Addr::new(127, 77, high, low)
    } else {
        Ipv4Addr::LOCALHOST
    };
    let free = TcpListener::bind((host, 0)).expect("a free port");
    free.local_addr().expect("it is bound").to_string()
}

/// A cluster, and the processes of it that run. They are killed when it is dropped.
pub struct Cluster {
    folder: tempfile::TempDir,
    pub addresses: Vec<String>,
    processes: Vec<Option<Child>>,
}

/// What a node said last, when it was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    pub applied: u64,
    pub state_hash: String,
}

impl Cluster {
    /// Founds a cluster of one node or of three, with settings added to each `node.toml`.
    pub fn found(nodes: usize, settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let addresses: Vec<String> = (0..nodes).map(|_| address()).collect();
        let mut plan = format!("cluster = \"Real\"\nadmin = \"{ADMIN}\"\nprofile = \"city\"\n");
        for (site, address) in CITIES.iter().zip(&addresses) {
            plan += &format!("[[nodes]]\nsite = \"{site}\"\naddress = \"{address}\"\n");
        }
        let written = folder.path().join("plan.toml");
        fs::write(&written, plan).expect("a plan");
        let out = folder.path().join("cluster");
        let mut found = daemon();
        found.args(["found", "--plan"]).arg(&written).arg("--out").arg(&out);
        let founded = found.output().expect("the daemon runs");
        assert!(founded.status.success(), "{}", String::from_utf8_lossy(&founded.stderr));
        let cluster = Self { folder, addresses, processes: (0..nodes).map(|_| None).collect() };
        for node in cluster.nodes() {
            let path = cluster.data(node).join("node.toml");
            let text = fs::read_to_string(&path).expect("a node.toml");
            fs::write(&path, format!("{text}{settings}")).expect("a node.toml");
        }
        cluster
    }

    /// The numbers of the nodes.
    pub fn nodes(&self) -> std::ops::RangeInclusive<u64> {
        1..=self.addresses.len() as u64
    }

    /// What `found` made.
    pub fn founded(&self) -> PathBuf {
        self.folder.path().join("cluster")
    }

    /// The folder of a node.
    pub fn data(&self, node: u64) -> PathBuf {
        self.founded().join(format!("node-{node}"))
    }

    fn log_path(&self, node: u64) -> PathBuf {
        self.folder.path().join(format!("node-{node}.log"))
    }

    /// What a node has logged in all of its lives.
    pub fn log(&self, node: u64) -> String {
        fs::read_to_string(self.log_path(node)).unwrap_or_default()
    }

    fn at(&mut self, node: u64) -> &mut Option<Child> {
        &mut self.processes[node as usize - 1]
    }

    /// `run` for a node, its log appended to the others of its lives.
    pub fn command(&self, node: u64) -> Command {
        let mut command = daemon();
        command.args(["run", "--log-format", "json", "--data"]).arg(self.data(node));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(self.log_file(node));
        command
    }

    pub fn log_file(&self, node: u64) -> File {
        let path = self.log_path(node);
        OpenOptions::new().create(true).append(true).open(path).expect("a log file")
    }

    /// Starts a node and does not wait.
    pub fn start(&mut self, node: u64) {
        let child = self.command(node).spawn().expect("the daemon runs");
        self.adopt(node, child);
    }

    /// Starts all nodes and waits until they have founded the cluster.
    pub fn run(&mut self) {
        for node in self.nodes() {
            self.start(node);
        }
        for node in self.nodes() {
            self.wait_for(node, "the cluster is founded");
        }
    }

    /// Keeps a process as a node's.
    pub fn adopt(&mut self, node: u64, child: Child) {
        *self.at(node) = Some(child);
    }

    /// Starts a node that is expected to refuse; its exit code and its last words.
    pub fn refused(&self, node: u64) -> (i32, String) {
        let mut command = self.command(node);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the daemon runs");
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().expect("a child of ours").is_none() {
            if Instant::now() > deadline {
                child.kill().expect("a child of ours");
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let output = child.wait_with_output().expect("a child of ours");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let code = output.status.code().unwrap_or_else(|| panic!("it goes on: {said}"));
        (code, said)
    }

    /// `kill -9`.
    pub fn kill(&mut self, node: u64) {
        if let Some(mut child) = self.at(node).take() {
            child.kill().expect("a child of ours");
            child.wait().expect("a child of ours");
        }
    }

    /// Tells a node to stop, waits for it, and returns what it said.
    pub fn stop(&mut self, node: u64) -> Stopped {
        let child = self.at(node).as_mut().expect("it runs");
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
        let status = self.wait(node);
        assert_eq!(status.code(), Some(0), "{}", tail(&self.log(node)));
        let log = self.log(node);
        let line = log.lines().rfind(|line| line.contains("\"the node has stopped\""));
        let line: Value = serde_json::from_str(line.expect("its last words")).expect("JSON");
        Stopped {
            applied: line["fields"]["applied"].as_u64().expect("a number"),
            state_hash: line["fields"]["state_hash"].as_str().expect("a hash").to_owned(),
        }
    }

    /// Waits until a node's process has ended.
    pub fn wait(&mut self, node: u64) -> ExitStatus {
        let log = self.log_path(node);
        let child = self.at(node).as_mut().expect("it runs");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().expect("a child of ours") {
                *self.at(node) = None;
                return status;
            }
            let log = || tail(&fs::read_to_string(&log).unwrap_or_default());
            assert!(Instant::now() < deadline, "node {node} does not stop: {}", log());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Who said last that it leads, in which term. It may be dead.
    pub fn leader(&self) -> Option<(u64, u64)> {
        let leads = |node| {
            let log = self.log(node);
            let says =
                |line: &&str| line.contains("\"this node leads\"") && line.contains("\"leader\"");
            let line: Value = serde_json::from_str(log.lines().rfind(says)?).ok()?;
            Some((line["fields"]["term"].as_u64()?, node))
        };
        let (term, node) = self.nodes().filter_map(leads).max()?;
        Some((node, term))
    }

    /// Waits until a node runs, or its process has ended; says whether it runs.
    pub fn runs_or_ended(&mut self, node: u64) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while !self.log(node).contains("\"the node runs\"") {
            let child = self.at(node).as_mut().expect("it was started");
            if child.try_wait().expect("a child of ours").is_some() {
                return false;
            }
            assert!(Instant::now() < deadline, "{}", tail(&self.log(node)));
            std::thread::sleep(LOOK_EVERY);
        }
        true
    }

    /// Ends a node that runs under a tracer, which is the process that was started.
    pub fn stop_traced(&mut self, node: u64) {
        let tracer = self.at(node).as_ref().expect("it runs").id();
        let children = fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children"));
        for child in children.expect("its children").split_whitespace() {
            assert!(Command::new("kill").args(["-s", "TERM", child]).status().unwrap().success());
        }
        self.wait(node);
    }

    /// Waits until something is in the log of a node.
    pub fn wait_for(&self, node: u64, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log(node).contains(words) {
            let log = tail(&self.log(node));
            assert!(Instant::now() < deadline, "node {node} does not say `{words}`: {log}");
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.processes.iter_mut().flatten() {
            // What a tracer traces would outlive it.
            let pid = child.id();
            let traced = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            for traced in traced.unwrap_or_default().split_whitespace() {
                let _ = Command::new("kill").args(["-s", "KILL", traced]).status();
            }
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The end of a log.
pub fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// Copies a folder with all that is in it.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            // With its permissions.
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
