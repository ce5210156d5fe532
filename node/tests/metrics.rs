//! What daemons tell those who scrape them: three of them in one process, with real sockets and disks.

#![allow(clippy::disallowed_methods, reason = "a test runs on this machine's clocks and chance")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use acd::channel::Channel;
use acd::command::{Command, ConfigCommand, ContactCommand, Enqueue, Submission};
use acd::config::{AgentConfig, Assignment, Capacity, Grade, Priority, QueueConfig, Requirements};
use acd::ids::{AgentId, ContactId, PrincipalId, QueueId, SiteId};
use acd::roles::{Role, Roles};
use acd::text::{Attributes, Label};
use node::config::Profile;
use node::daemon::Daemon;
use node::founding::{CONFIG_FILE, Founded, Plan, PlannedNode};
use node::identity::Validity;
use node::seams::{SystemClock, TcpAcceptor, WallClock};
use node::setup::Setup;
use node::submit::Answer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ADMIN: &str = "olena";
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const YEAR_MS: u64 = 365 * 86_400_000;
const SITES: [&str; 3] = ["kyiv", "lviv", "dnipro"];
const OPENMETRICS: &str = "Accept: application/openmetrics-text; version=1.0.0\r\n";

// -- A cluster ----------------------------------------------------------------------------------------

struct Cluster {
    _folder: tempfile::TempDir,
    validity: Validity,
    running: Vec<Daemon>,
}

fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

fn queue() -> QueueId {
    QueueId::new("billing").unwrap()
}

impl Cluster {
    /// Three nodes with a queue, an agent who is not there, and a caller who waits.
    async fn start() -> Self {
        let mut acceptors = Vec::new();
        let mut nodes = Vec::new();
        for site in SITES {
            let acceptor = TcpAcceptor::bind("127.0.0.1:0").await.unwrap();
            let address = acceptor.address().unwrap().to_string();
            let site = SiteId::new(site).unwrap();
            nodes.push(PlannedNode { site, address: address.clone(), listen: address });
            acceptors.push(acceptor);
        }
        let plan = Plan {
            cluster: label("Test"),
            admin: PrincipalId::new(ADMIN).unwrap(),
            profile: Profile::City,
            replay: false,
            nodes,
        };
        let now_ms = SystemClock.now_ms();
        let validity = Validity { not_before_ms: now_ms - YEAR_MS, not_after_ms: now_ms + YEAR_MS };
        let founded = Founded::from_plan(&plan, validity, &mut rand::rng()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let all = folder.path().join("all");
        founded.write(&all).unwrap();
        let mut running = Vec::new();
        for (number, acceptor) in (1..).zip(acceptors) {
            let data = all.join(format!("node-{number}"));
            let path = data.join(CONFIG_FILE);
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, format!("{text}\n[metrics]\nlisten = \"127.0.0.1:0\"\n")).unwrap();
            let setup = Setup::load(&data, now_ms).unwrap();
            running.push(Daemon::start(setup, acceptor).await.unwrap());
        }
        for number in 1..=SITES.len() {
            let done = all.join(format!("node-{number}/founding.done.toml"));
            let founded = async {
                while !done.exists() {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            };
            tokio::time::timeout(PATIENCE, founded).await.expect("the cluster is founded");
        }
        let cluster = Self { _folder: folder, validity, running };
        for command in centre() {
            cluster.must(1, ADMIN, command).await;
        }
        cluster.must(2, "edge", ContactCommand::Enqueue(call("c1")).into()).await;
        cluster
    }

    async fn must(&self, number: usize, who: &str, command: Command) {
        let submission = Submission::new(PrincipalId::new(who).unwrap(), command);
        let carried_out = async {
            loop {
                match self.running[number - 1].node().call(&submission).await {
                    Answer::Committed { .. } => return,
                    // While there is no leader.
                    Answer::Unavailable { .. } | Answer::Unknown { .. } => {}
                    refused => panic!("{refused:?}"),
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(PATIENCE, carried_out).await.unwrap();
    }

    fn address(&self, number: usize) -> SocketAddr {
        self.running[number - 1].metrics_address().unwrap()
    }

    async fn scrape(&self, number: usize) -> Scrape {
        let answer = get(self.address(number), OPENMETRICS).await;
        Scrape::parse(&answer)
    }

    /// Scrapes all until they are as they should be.
    async fn scrape_until(&self, what: &str, is_so: impl Fn(&[Scrape]) -> bool) -> Vec<Scrape> {
        let waiting = async {
            loop {
                let mut scrapes = Vec::new();
                for number in 1..=SITES.len() {
                    scrapes.push(self.scrape(number).await);
                }
                if is_so(&scrapes) {
                    return scrapes;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let outcome = tokio::time::timeout(PATIENCE, waiting).await;
        outcome.unwrap_or_else(|_| panic!("never: {what}"))
    }

    async fn stop(self) {
        for daemon in self.running {
            daemon.stop().await;
        }
    }
}

/// What the centre is made of.
fn centre() -> Vec<Command> {
    let ingress = ConfigCommand::PutPrincipal {
        principal: PrincipalId::new("edge").unwrap(),
        roles: Roles::of(&[Role::Ingress]),
        site: Some(SiteId::new("lviv").unwrap()),
        expected: None,
    };
    let agent = AgentConfig {
        id: AgentId::new("anna").unwrap(),
        name: label("Anna"),
        home_site: SiteId::new("kyiv").unwrap(),
        skills: Vec::new(),
        queues: vec![Assignment { queue: queue(), grade: Grade::new(1).unwrap() }],
        capacity: Capacity::default(),
    };
    let config = QueueConfig::new(queue(), label("Billing"));
    vec![
        ingress.into(),
        ConfigCommand::PutQueue { config, expected: None }.into(),
        ConfigCommand::PutAgent { config: agent, expected: None }.into(),
    ]
}

fn call(id: &str) -> Enqueue {
    Enqueue {
        contact: ContactId::new(id).unwrap(),
        queue: queue(),
        channel: Channel::Voice,
        priority: Priority::new(0).unwrap(),
        site: None,
        requirements: Requirements::from([]),
        preferred: None,
        preferred_wait: None,
        not_before: None,
        attributes: Attributes::default(),
    }
}

// -- Scraping -----------------------------------------------------------------------------------------

/// Sends bytes and reads until the other end closes, or breaks off.
async fn talk(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Whoever does not like what comes may close before it has come.
    let _ = stream.write_all(bytes).await;
    heard(stream).await
}

async fn heard(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    // A connection that is reset has said what it said.
    let _ = read.expect("a connection is ended");
    String::from_utf8(answer).unwrap()
}

async fn get(address: SocketAddr, headers: &str) -> String {
    talk(address, format!("GET /metrics HTTP/1.1\r\nHost: node\r\n{headers}\r\n").as_bytes()).await
}

type Labels = BTreeMap<String, String>;

/// What a scrape told.
#[derive(Debug, Default)]
struct Scrape {
    /// Types of the families, as the samples are named: `_total` and `_info` included.
    types: BTreeMap<String, String>,
    samples: Vec<(String, Labels, f64)>,
}

impl Scrape {
    /// Parses an answer in OpenMetrics text.
    fn parse(answer: &str) -> Self {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let head = head.to_ascii_lowercase();
        assert!(head.contains("\r\ncontent-type: application/openmetrics-text; version=1.0.0"));
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        assert_eq!(length.parse(), Ok(body.len()), "it is whole");
        let body = body.strip_suffix("# EOF\n").unwrap();
        let mut scrape = Self::default();
        for line in body.lines() {
            if let Some(line) = line.strip_prefix("# TYPE ") {
                let (name, kind) = line.split_once(' ').unwrap();
                let suffix = match kind {
                    "counter" => "_total",
                    "info" => "_info",
                    "gauge" | "histogram" => "",
                    other => panic!("{other}"),
                };
                let earlier = scrape.types.insert(format!("{name}{suffix}"), kind.to_owned());
                assert_eq!(earlier, None, "{name} is told once");
            } else if !line.starts_with('#') {
                scrape.samples.push(sample(line));
            }
        }
        scrape
    }

    fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted: Labels = labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let mut found = self.samples.iter().filter(|(n, l, _)| n == name && *l == wanted);
        let value = found.next().map(|(_, _, value)| *value);
        assert!(found.next().is_none(), "{name} {labels:?} twice");
        value
    }

    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels).unwrap_or_else(|| panic!("{name} {labels:?} is not told"))
    }

    fn get(&self, name: &str) -> f64 {
        self.value(name, &[])
    }

    /// The family of a sample, as in `types`.
    fn family(&self, name: &str) -> &str {
        let of_histogram = ["_bucket", "_sum", "_count"].iter();
        let bare = of_histogram.filter_map(|suffix| name.strip_suffix(suffix));
        let mut names = [name].into_iter().chain(bare);
        let found = names.find_map(|name| self.types.get_key_value(name));
        found.unwrap_or_else(|| panic!("{name} has no type")).0
    }
}

/// A sample: `name{key="value",…} number`.
fn sample(line: &str) -> (String, Labels, f64) {
    let (named, number) = line.rsplit_once(' ').unwrap();
    let (name, labels) = match named.split_once('{') {
        None => (named, ""),
        Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
    };
    // No label of ours has a comma or a quote in it.
    let pairs = labels.split(',').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| {
        let (key, value) = pair.split_once('=').unwrap();
        (key.to_owned(), value.strip_prefix('"').unwrap().strip_suffix('"').unwrap().to_owned())
    });
    (name.to_owned(), pairs.collect(), number.parse().unwrap())
}

// -- The document -------------------------------------------------------------------------------------

/// A row of a table of metrics.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    kind: String,
    labels: BTreeSet<String>,
}

fn document() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    fs::read_to_string(page).unwrap()
}

/// Rows begin with the name of a metric in the first column; then come its type, its unit, its
/// labels and what it means.
fn rows(document: &str) -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    for line in document.lines().filter(|line| line.starts_with("| `")) {
        let columns: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, unit, labels, meaning] = columns[..] else { continue };
        assert!(!unit.is_empty() && !meaning.is_empty(), "{line}");
        let name = name.trim_matches('`').to_owned();
        let labels = labels.split(',').map(|label| label.trim().trim_matches('`'));
        let labels = labels.filter(|label| *label != "–").map(str::to_owned).collect();
        let row = Row { kind: kind.to_owned(), labels };
        assert_eq!(rows.insert(name.clone(), row), None, "{name} has one row");
    }
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_and_a_scrape_name_the_same_metrics() {
    let cluster = Cluster::start().await;
    // Every family has samples then, but what only Linux tells.
    let scrapes = cluster
        .scrape_until("all is known", |scrapes| {
            scrapes.iter().all(|scrape| {
                let names = scrape.samples.iter().map(|(name, _, _)| scrape.family(name));
                let with: BTreeSet<_> = names.collect();
                let mut families = scrape.types.keys().map(String::as_str);
                families.all(|name| with.contains(name) || name.starts_with("process_"))
            })
        })
        .await;
    let rows = rows(&document());
    for scrape in &scrapes {
        let mut told: BTreeMap<String, Row> = BTreeMap::new();
        for (name, kind) in &scrape.types {
            let row = Row { kind: kind.clone(), labels: BTreeSet::new() };
            told.insert(name.clone(), row);
        }
        for (name, labels, _) in &scrape.samples {
            let keys = labels.keys().filter(|key| *key != "le").cloned();
            told.get_mut(scrape.family(name)).unwrap().labels.extend(keys);
        }
        let names = |rows: &BTreeMap<String, Row>| rows.keys().cloned().collect::<BTreeSet<_>>();
        let (told_names, documented) = (names(&told), names(&rows));
        let missing: Vec<_> = told_names.difference(&documented).collect();
        assert!(missing.is_empty(), "without a row: {missing:?}");
        let gone: Vec<_> = documented.difference(&told_names).collect();
        assert!(gone.is_empty(), "not told: {gone:?}");
        for (name, row) in &told {
            assert_eq!(row, &rows[name], "{name}, as it is told and as it is documented");
        }
    }
    cluster.stop().await;
}

#[test]
fn what_the_document_says_to_alert_on_exists() {
    let document = document();
    let rows = rows(&document);
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut seen = 0;
    for word in document.split(|c| !is_part(c)) {
        let is_metric = ["quorumcall_", "process_"].iter().any(|start| word.starts_with(start));
        if !is_metric {
            continue;
        }
        seen += 1;
        let bare = word.strip_suffix("_bucket").unwrap_or(word);
        assert!(rows.contains_key(bare) || word.ends_with('_'), "{word} is no metric");
    }
    assert!(seen > rows.len(), "rows, and what is said of them");
}

// -- Values -------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daemons_tell_what_is_true_of_the_cluster_and_of_themselves() {
    let cluster = Cluster::start().await;
    let billing = [("queue", "billing")];
    let scrapes = cluster
        .scrape_until("all have applied the same and hear of each other", |scrapes| {
            let applied = |scrape: &Scrape| scrape.get("quorumcall_raft_applied_index");
            let waits = |s: &Scrape| s.find("quorumcall_queue_waiting", &billing) == Some(1.0);
            let up = |s: &Scrape| {
                let up = s.samples.iter().filter(|(name, _, _)| name == "quorumcall_peer_up");
                up.map(|(_, _, value)| value).sum::<f64>() == 2.0
            };
            let knows = |s: &Scrape| s.find("quorumcall_clock_error_seconds", &[]).is_some();
            let leaders = scrapes.iter().map(|s| s.get("quorumcall_raft_leader")).sum::<f64>();
            leaders == 1.0
                && scrapes.iter().all(|s| applied(s) == applied(&scrapes[0]))
                && scrapes.iter().all(|s| waits(s) && up(s) && knows(s))
        })
        .await;
    let expires_s = cluster.validity.not_after_ms / 1_000;
    for (number, scrape) in (1..).zip(&scrapes) {
        let site = SITES[number - 1];
        // Raft.
        assert!(scrape.get("quorumcall_raft_applied_index") > 0.0);
        assert!(scrape.get("quorumcall_raft_term") >= 1.0);
        assert!(
            scrape.get("quorumcall_raft_last_log_index")
                >= scrape.get("quorumcall_raft_committed_index")
        );
        assert_eq!(scrape.get("quorumcall_raft_voter"), 1.0);
        assert!(scrape.get("quorumcall_raft_leader_changes_total") >= 1.0);
        assert!(scrape.get("quorumcall_raft_heard_seconds") < PATIENCE.as_secs_f64());
        // The centre.
        assert_eq!(scrape.value("quorumcall_contacts", &[("stage", "queued")]), 1.0);
        assert_eq!(scrape.value("quorumcall_contacts", &[("stage", "wrap-up")]), 0.0);
        let agents = |state| [billing[0], ("state", state)];
        assert_eq!(scrape.value("quorumcall_queue_agents", &agents("offline")), 1.0);
        assert_eq!(scrape.value("quorumcall_queue_agents", &agents("ready")), 0.0);
        assert_eq!(scrape.value("quorumcall_queue_offered_today", &billing), 0.0, "still waits");
        assert!(scrape.value("quorumcall_queue_oldest_wait_seconds", &billing) < 60.0);
        let active = [("site", site), ("state", "active")];
        assert_eq!(scrape.value("quorumcall_site_state", &active), 1.0);
        let lost = [("site", site), ("state", "lost")];
        assert_eq!(scrape.value("quorumcall_site_state", &lost), 0.0);
        assert_eq!(scrape.value("quorumcall_site_waiting", &[("site", "lviv")]), 1.0);
        let at_home = [("site", "kyiv"), ("state", "offline")];
        assert_eq!(scrape.value("quorumcall_site_agents", &at_home), 1.0);
        // Clocks: all of them are this machine's.
        let peer = ((number % 3) + 1).to_string();
        let peer = [("peer", peer.as_str())];
        assert!(scrape.value("quorumcall_peer_clock_offset_seconds", &peer).abs() < 10.0);
        assert!(scrape.value("quorumcall_peer_round_trip_seconds", &peer) < 10.0);
        assert!(scrape.get("quorumcall_clock_error_seconds").abs() < 10.0);
        assert!(scrape.get("quorumcall_log_time_offset_seconds").abs() < 60.0);
        // The disk.
        assert!(scrape.get("quorumcall_log_bytes") > 0.0);
        assert!(scrape.get("quorumcall_log_flush_seconds_count") > 0.0);
        let last = scrape.value("quorumcall_log_flush_seconds_bucket", &[("le", "+Inf")]);
        assert_eq!(last, scrape.get("quorumcall_log_flush_seconds_count"));
        let (free, size) =
            (scrape.get("quorumcall_data_free_bytes"), scrape.get("quorumcall_data_size_bytes"));
        assert!(0.0 < free && free <= size, "{free} of {size}");
        assert_eq!(scrape.get("quorumcall_records_damaged_segments"), 0.0);
        // Itself.
        assert_eq!(scrape.get("quorumcall_certificate_expiry_timestamp_seconds"), expires_s as f64);
        let started = scrape.get("process_start_time_seconds");
        assert!((started - SystemClock.now_ms() as f64 / 1_000.0).abs() < 600.0);
        let node = number.to_string();
        let info = scrape.samples.iter().find(|(name, _, _)| name == "quorumcall_node_info");
        let (_, labels, _) = info.unwrap();
        assert_eq!((labels["node"].as_str(), labels["site"].as_str()), (node.as_str(), site));
        // Peers are connected.
        assert!(scrape.get("quorumcall_rpc_connections") >= 1.0);
        let probes = [("method", "quorumcall.peer.v1.Peer/Probe"), ("status", "OK")];
        assert!(scrape.value("quorumcall_rpc_requests_total", &probes) >= 1.0);
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_counted_where_they_came_in_and_where_they_were_written() {
    let cluster = Cluster::start().await;
    let answers = |scrape: &Scrape, from, outcome| {
        scrape.value("quorumcall_commands_total", &[("from", from), ("outcome", outcome)])
    };
    let leader = |scrapes: &[Scrape]| {
        scrapes.iter().position(|scrape| scrape.get("quorumcall_raft_leader") == 1.0)
    };
    let before = cluster.scrape_until("somebody leads", |scrapes| leader(scrapes).is_some()).await;
    for number in 1..=3 {
        let hang_up = ContactCommand::HangUp { contact: ContactId::new("nobody").unwrap() };
        let submission = Submission::new(PrincipalId::new("edge").unwrap(), hang_up.into());
        let refused = async {
            loop {
                let answer = cluster.running[number - 1].node().call(&submission).await;
                if let Answer::Refused { .. } = answer {
                    return;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(PATIENCE, refused).await.unwrap();
    }
    let after = cluster.scrape_until("somebody leads", |scrapes| leader(scrapes).is_some()).await;
    for (before, after) in before.iter().zip(&after) {
        let more = answers(after, "client", "refused") - answers(before, "client", "refused");
        assert_eq!(more, 1.0);
    }
    let by_peers = |scrapes: &[Scrape]| {
        scrapes.iter().map(|scrape| answers(scrape, "peer", "refused")).sum::<f64>()
    };
    assert_eq!(by_peers(&after) - by_peers(&before), 2.0, "two were passed on");
    // Somebody wrote the founding and what the test began with.
    let batches = |scrape: &Scrape| scrape.get("quorumcall_batch_commands_count");
    assert!(after.iter().map(batches).sum::<f64>() > 0.0);
    let committed = |scrape: &Scrape| answers(scrape, "client", "committed");
    let sum = after.iter().map(committed).sum::<f64>();
    assert!(sum >= 4.0);
    let timed = |scrape: &Scrape| scrape.get("quorumcall_command_seconds_count");
    assert!((1.0..=sum).contains(&after.iter().map(timed).sum::<f64>()));
    cluster.stop().await;
}

// -- Whoever asks -------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_are_refused_and_hurt_nobody() {
    let cluster = Cluster::start().await;
    let address = cluster.address(1);
    let ask = |line: &str, more: &str| {
        let request = format!("{line} HTTP/1.1\r\nHost: node\r\n{more}\r\n");
        async move { talk(address, request.as_bytes()).await }
    };
    let answer = ask("GET /", "").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    let answer = ask("GET /metrics/", "").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    for method in ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "BREW"] {
        let answer = ask(&format!("{method} /metrics"), "").await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("\r\nallow: get\r\n"), "{answer}");
    }
    let answer = ask("GET /metrics", &format!("X: {}\r\n", "x".repeat(1 << 20))).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let answer = ask("GET /metrics", &"X: y\r\n".repeat(1_000)).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let answer = ask(&format!("GET /{}", "x".repeat(1 << 20)), "").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    let garbage: Vec<u8> =
        (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for garbage in [&garbage[..], &[0; 10], b"\x16\x03\x01", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let answer = talk(address, garbage).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }

    // In the other format, for who does not ask for this one.
    let answer = get(address, "").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let head = answer.to_ascii_lowercase();
    assert!(head.contains("\r\ncontent-type: text/plain; version=0.0.4;"), "{answer}");
    assert!(answer.contains("\n# TYPE quorumcall_commands_total counter\n"), "{answer}");
    assert!(answer.contains("\n# TYPE quorumcall_build_info gauge\n"), "{answer}");
    assert!(cluster.scrape(1).await.get("quorumcall_raft_applied_index") > 0.0);
    // And the node goes on.
    let skill = acd::ids::SkillId::new("polish").unwrap();
    let put = ConfigCommand::PutSkill { skill, name: label("Polish"), expected: None };
    cluster.must(1, ADMIN, put.into()).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_say_nothing_are_few_and_are_ended() {
    let cluster = Cluster::start().await;
    let address = cluster.address(1);
    let mut silent = Vec::new();
    for _ in 0..16 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    // Connections are taken in their order: this one finds the places taken, unless the machine slept
    // until one of the silent ones was ended.
    let answer = get(address, OPENMETRICS).await;
    let is_open = |stream: &TcpStream| {
        stream.try_read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    };
    if silent.iter().all(is_open) {
        assert_eq!(answer, "", "there is no place for it");
    }
    for stream in silent {
        let answer = heard(stream).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    let again = async {
        while get(address, OPENMETRICS).await.is_empty() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
    cluster.stop().await;
}
