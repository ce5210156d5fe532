//! Three cities from nothing, with the words of the guide: real processes, one command a city; then one
//! is killed on the way, and another one replaced.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use admin_tui::local::daemon;
use serde_json::Value;

/// A busy machine needs its time.
const PATIENCE: Duration = Duration::from_secs(90);

/// A machine of its own, as far as addresses go, and a folder for all nodes.
struct World {
    daemon: PathBuf,
    folder: PathBuf,
    nodes: Vec<(String, Child)>,
}

impl Drop for World {
    fn drop(&mut self) {
        for (_, node) in &mut self.nodes {
            // What has ended already is no matter.
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("UTF-8")
}

/// A port that is free at this moment.
fn address() -> String {
    let host = match cfg!(target_os = "linux") {
        true => {
            let [_, _, high, low] = std::process::id().to_be_bytes();
            Ipv4Addr::new(127, 79, high, low)
        }
        false => Ipv4Addr::LOCALHOST,
    };
    let listener = TcpListener::bind((host, 0)).expect("a port");
    listener.local_addr().expect("bound").to_string()
}

impl World {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        // Of a run before.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        Self { daemon: daemon(|| {}).expect("a daemon"), folder, nodes: Vec::new() }
    }

    fn data(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn node(&self, args: &[&str], data: &str) -> Command {
        let mut command = Command::new(&self.daemon);
        command.args(args).arg("--data").arg(self.data(data));
        command
    }

    /// Leaves a node running, with what it says in files.
    fn start(&mut self, args: &[&str], data: &str) {
        let file = |kind: &str| {
            let path = self.folder.join(format!("{data}.{kind}"));
            Stdio::from(std::fs::File::create(path).expect("a file"))
        };
        let mut command = self.node(args, data);
        let child = command.stdout(file("out")).stderr(file("err")).spawn().expect("it starts");
        self.nodes.push((data.to_owned(), child));
    }

    /// SIGKILL.
    fn kill(&mut self, data: &str) {
        let at = self.nodes.iter().position(|(name, _)| name == data).expect("it runs");
        let (_, mut node) = self.nodes.remove(at);
        node.kill().expect("it runs");
        node.wait().expect("it ended");
    }

    fn said(&self, data: &str) -> String {
        std::fs::read_to_string(self.folder.join(format!("{data}.out"))).unwrap_or_default()
    }

    fn operator(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorumcall"));
        command.env("QUORUMCALL_IDENTITY", self.data("kyiv").join("operator.identity"));
        command.args(args).output().expect("the program starts")
    }

    fn must(&self, args: &[&str]) -> String {
        let output = self.operator(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout).to_owned()
    }

    /// Asks for the status until it is so.
    fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let output = self.operator(&["cluster", "status", "-o", "json"]);
            if let Ok(json) = serde_json::from_slice(&output.stdout)
                && is_so(&json)
            {
                return json;
            }
            assert!(begun.elapsed() < PATIENCE, "never: {what}: {output:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn token(&self, site: &str, role: &str) -> String {
        let token =
            self.must(&["cluster", "join-token", "--site", site, "--role", role, "--ttl", "1h"]);
        assert_eq!(token.lines().count(), 1, "alone on standard output: {token}");
        token.trim().to_owned()
    }

    fn join(&mut self, site: &str, role: &str) -> String {
        let (token, listen) = (self.token(site, role), address());
        self.start(&["join", "--token", &token, "--listen", &listen], site);
        token
    }
}

fn voters(status: &Value) -> Vec<u64> {
    let nodes = status["nodes"].as_array().expect("nodes").iter();
    let voting = nodes.filter(|node| node["role"] == "voter");
    voting.map(|node| node["id"].as_u64().expect("a number")).collect()
}

#[test]
fn three_cities_come_up_with_one_command_each_and_one_of_them_is_replaced() {
    let mut world = World::new("from-nothing");
    let listen = address();
    let init = ["init", "--cluster", "Three cities", "--site", "kyiv", "--listen", &listen];
    let init = world.node(&init, "kyiv").output().expect("it starts");
    assert_eq!(init.status.code(), Some(0), "{}", text(&init.stderr));
    world.start(&["run"], "kyiv");
    let alone = world.until("the first one leads", |status| status["leader"] == 1);
    assert_eq!(alone["survival"]["automatic"], false);

    let used = world.join("lviv", "voter");
    let two = world.until("the second one is a learner", |status| {
        status["nodes"].as_array().is_some_and(|nodes| nodes.len() == 2)
            && status["nodes"][1]["state"] == "following"
    });
    assert_eq!(two["nodes"][1]["role"], "learner", "two voters bear no more than one");
    world.join("dnipro", "voter");
    let three = world.until("three vote", |status| voters(status) == [1, 2, 3]);
    assert_eq!(three["survival"]["automatic"], true);
    for field in ["id", "site", "role", "state", "applied", "lag"] {
        assert!(three["nodes"][2].get(field).is_some(), "{field}");
    }
    for field in ["id", "state", "agents", "leader_priority"] {
        assert!(three["sites"][2].get(field).is_some(), "{field}");
    }
    let begun = Instant::now();
    while !world.said("dnipro").contains("votes, as one of 3: it is a full member") {
        assert!(begun.elapsed() < PATIENCE, "{}", world.said("dnipro"));
        std::thread::sleep(Duration::from_millis(200));
    }

    // A token is good once, and a refusal leaves nothing behind.
    let again = ["join", "--token", &used, "--listen", &address()];
    let again = world.node(&again, "again").output().expect("it starts");
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("token-used"), "{}", text(&again.stderr));
    assert!(!world.data("again").exists());

    // Killed, it comes back as itself.
    world.kill("lviv");
    world.start(&["run"], "lviv");
    world.until("it is back", |status| status["nodes"][1]["lag"] == 0);

    world.join("odesa", "voter");
    world.until("the fourth one follows", |status| status["nodes"][3]["state"] == "following");
    world.must(&["node", "remove", "2", "--reason", "machine is old", "--yes"]);
    world.until("it is replaced", |status| {
        // Its vote goes first, then its membership, then its number.
        voters(status) == [1, 3, 4] && status["nodes"].as_array().is_some_and(|all| all.len() == 3)
    });
    let (_, mut old) = world
        .nodes
        .remove(world.nodes.iter().position(|(name, _)| name == "lviv").expect("it runs"));
    let begun = Instant::now();
    let ended = loop {
        if let Some(ended) = old.try_wait().expect("it is ours") {
            break ended;
        }
        assert!(begun.elapsed() < PATIENCE, "it goes on");
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(ended.code(), Some(1));
    assert!(!world.data("lviv").join("authority.pem").exists(), "it keeps no key");

    let trail: Value =
        serde_json::from_str(&world.must(&["audit", "list", "-o", "json"])).expect("JSON");
    let acts = trail["acts"].as_array().expect("acts").iter();
    let acts: Vec<_> = acts.map(|act| act["command"].as_str().expect("a word")).collect();
    assert_eq!(acts.iter().filter(|act| **act == "node join").count(), 3, "{acts:?}");
    assert_eq!(acts.last(), Some(&"node remove"));
}
