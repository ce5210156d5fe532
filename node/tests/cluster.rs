//! Three nodes in one process: real sockets, TLS, disks and logs.

#![allow(clippy::disallowed_methods, reason = "a test runs on this machine's clocks and chance")]

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use acd::codec::encode_submission;
use acd::command::{ConfigCommand, ContactCommand, Submission};
use acd::ids::{ContactId, NodeId, PrincipalId, SiteId, SkillId};
use acd::text::Label;
use futures::stream;
use node::config::Profile;
use node::daemon::Daemon;
use node::founding::{CONFIG_FILE, Founded, Plan, PlannedNode};
use node::identity::{Authority, Identity, Validity, client_config, node_name};
use node::rpc::{Channel, Dial, Timer};
use node::seams::{SystemClock, TcpAcceptor, TcpConnector, WallClock};
use node::setup::Setup;
use node::submit::{Answer, outcome_from_wire};
use openraft_rt_tokio::TokioRuntime;
use proto::api::v1::SubmitRequest;
use proto::api::v1::commands_client::CommandsClient;
use proto::api::v1::submit_request::Command;

const ADMIN: &str = "olena";
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const YEAR_MS: u64 = 365 * 86_400_000;

fn validity() -> Validity {
    let now_ms = SystemClock.now_ms();
    Validity { not_before_ms: now_ms - YEAR_MS, not_after_ms: now_ms + YEAR_MS }
}

/// Waits until something is so.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

struct Cluster {
    folder: tempfile::TempDir,
    founded: Founded,
    running: Vec<Option<Daemon>>,
}

impl Cluster {
    /// Three nodes that have founded their cluster.
    async fn found(settings: &str) -> Self {
        // A host of this program alone: nobody takes a port while a node is down.
        let host = if cfg!(target_os = "linux") {
            let [_, _, high, low] = std::process::id().to_be_bytes();
            Ipv4Addr::new(127, 78, high, low)
        } else {
            Ipv4Addr::LOCALHOST
        };
        let mut acceptors = Vec::new();
        let mut nodes = Vec::new();
        for site in ["kyiv", "lviv", "dnipro"] {
            let acceptor = TcpAcceptor::bind(&format!("{host}:0")).await.unwrap();
            let address = acceptor.address().unwrap().to_string();
            let site = SiteId::new(site).unwrap();
            nodes.push(PlannedNode { site, address: address.clone(), listen: address });
            acceptors.push(acceptor);
        }
        let plan = Plan {
            cluster: Label::new("Test").unwrap(),
            admin: PrincipalId::new(ADMIN).unwrap(),
            profile: Profile::City,
            replay: false,
            nodes,
        };
        let founded = Founded::from_plan(&plan, validity(), &mut rand::rng()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut cluster = Self { folder, founded, running: Vec::new() };
        cluster.founded.write(&cluster.folder.path().join("all")).unwrap();
        for (number, acceptor) in (1..).zip(acceptors) {
            let path = cluster.data(number).join(CONFIG_FILE);
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, format!("{text}{settings}")).unwrap();
            let daemon = Daemon::start(cluster.setup(number), acceptor).await.unwrap();
            cluster.running.push(Some(daemon));
        }
        for number in 1..=3 {
            let done = cluster.data(number).join("founding.done.toml");
            until("founded", || done.exists()).await;
        }
        cluster
    }

    fn data(&self, number: u64) -> std::path::PathBuf {
        self.folder.path().join(format!("all/node-{number}"))
    }

    fn setup(&self, number: u64) -> Setup {
        Setup::load(&self.data(number), SystemClock.now_ms()).unwrap()
    }

    fn node(&self, number: u64) -> &node::Node<TokioRuntime> {
        self.running[number as usize - 1].as_ref().unwrap().node()
    }

    async fn start(&mut self, number: u64) {
        let setup = self.setup(number);
        let listen = setup.config.listen.clone();
        // What has been stopped lets its port go in a moment.
        let bound = async {
            loop {
                match TcpAcceptor::bind(&listen).await {
                    Ok(acceptor) => return acceptor,
                    Err(_) => tokio::time::sleep(LOOK_EVERY).await,
                }
            }
        };
        let acceptor = tokio::time::timeout(PATIENCE, bound).await.unwrap();
        let daemon = Daemon::start(setup, acceptor).await.unwrap();
        self.running[number as usize - 1] = Some(daemon);
    }

    async fn stop(&mut self, number: u64) -> node::daemon::Last {
        let stopped = self.running[number as usize - 1].take().unwrap().stop().await;
        let log = node::seams::RealDisk::new(self.data(number));
        let free = || node::storage::FileLog::<TokioRuntime>::verify(&log).is_ok();
        until("the log is let go", free).await;
        stopped
    }

    /// Asks a node over the network with an identity.
    async fn ask(&self, number: u64, identity: &Identity, submission: &Submission) -> Answer {
        let dial = Dial {
            connector: Arc::new(TcpConnector),
            address: self.setup(number).config.address,
            server_name: node_name(self.founded.founding.cluster, NodeId(number)),
            tls: client_config(identity, Arc::new(SystemClock)).unwrap(),
            headers: Vec::new(),
            connect_timeout: PATIENCE,
            keep_alive: PATIENCE,
        };
        let channel = Channel::<TokioRuntime>::new(dial, Timer::start());
        let origin = hyper::Uri::from_static("https://quorumcall");
        let mut client = CommandsClient::with_origin(channel, origin);
        let submission = encode_submission(submission).into();
        let command = Command { tag: 7, submission, arrival: false, leads: false };
        let once = stream::iter([SubmitRequest { commands: vec![command] }]);
        let responses = match client.submit(once).await {
            Ok(responses) => responses,
            Err(status) => return Answer::unknown(&status.to_string()),
        };
        let response = responses.into_inner().message().await.unwrap().unwrap();
        let (tag, answer) = outcome_from_wire(response.outcomes.into_iter().next().unwrap());
        assert_eq!(tag, 7);
        answer
    }

    /// Somebody's certificate and key, with this cluster's authority to check nodes by.
    fn believing(&self, stranger: &Identity) -> Identity {
        let parts = |name: &str, identity: &Identity| {
            let path = self.folder.path().join(name);
            identity.save(&path).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            fs::remove_file(&path).unwrap();
            let begin = "-----BEGIN";
            text.split(begin).skip(1).map(|part| format!("{begin}{part}")).collect::<Vec<_>>()
        };
        let (theirs, ours) = (parts("theirs", stranger), parts("ours", &self.founded.operator));
        let path = self.folder.path().join("mixed");
        let mixed = [&*theirs[0], &*ours[1], &*theirs[2]].concat();
        node::identity::write_private(&path, mixed.as_bytes()).unwrap();
        let mixed = Identity::load(&path).unwrap();
        fs::remove_file(&path).unwrap();
        mixed
    }

    async fn must(&self, number: u64, submission: &Submission) {
        let carried_out = async {
            loop {
                match self.ask(number, &self.founded.operator, submission).await {
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

    /// Waits until all that run have applied the same, and compares their states.
    async fn agree(&self) {
        let state = |daemon: &Daemon| {
            let view = daemon.node().state().view();
            (view.applied(), view.centre().state_hash())
        };
        let states = || self.running.iter().flatten().map(state).collect::<Vec<_>>();
        until("all have applied the same", || states().windows(2).all(|two| two[0].0 == two[1].0))
            .await;
        // Nothing is going on, so nothing is applied between the two looks.
        let states = states();
        assert!(states.windows(2).all(|two| two[0] == two[1]), "{states:?}");
    }
}

fn put_skill(principal: &str, name: &str) -> Submission {
    let skill = SkillId::new(name).unwrap();
    let put = ConfigCommand::PutSkill { skill, name: Label::new(name).unwrap(), expected: None };
    Submission::new(PrincipalId::new(principal).unwrap(), put.into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_take_commands_and_refuse_strangers() {
    let mut cluster = Cluster::found("").await;
    for number in 1..=3 {
        cluster.must(number, &put_skill(ADMIN, &format!("over-the-wire-{number}"))).await;
        let called = cluster.node(number).call(&put_skill(ADMIN, &format!("call-{number}"))).await;
        assert!(matches!(called, Answer::Committed { .. }), "{called:?}");
    }
    cluster.agree().await;

    // Who somebody is says the certificate.
    let answer = cluster.ask(1, &cluster.founded.operator, &put_skill("petro", "any")).await;
    let Answer::Refused { code, message, .. } = answer else { panic!("{answer:?}") };
    assert_eq!((code.as_str(), message.as_str()), ("not-yours", "olena may not speak for petro"));
    let petro = PrincipalId::new("petro").unwrap();
    let petro = cluster.founded.authority.issue_to(&petro, validity(), &mut rand::rng()).unwrap();
    let contact = ContactId::new("call-1").unwrap();
    let hang_up = ContactCommand::HangUp { contact };
    let hang_up = Submission::new(petro.principal().clone(), hang_up.into());
    let answer = cluster.ask(1, &petro, &hang_up).await;
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");

    // Another cluster's certificate, and one that another authority made for this cluster: by
    // itself it takes the node for a stranger; made to believe in the node it is refused.
    let name = cluster.founded.operator.principal();
    for other in [node::identity::ClusterId(77), cluster.founded.founding.cluster] {
        let other = Authority::create(other, validity(), &mut rand::rng()).unwrap();
        let stranger = other.issue_to(name, validity(), &mut rand::rng()).unwrap();
        let answer = cluster.ask(1, &stranger, &put_skill(ADMIN, "never")).await;
        let Answer::Unknown { message } = answer else { panic!("{answer:?}") };
        assert!(message.contains("invalid peer certificate"), "{message}");
        let believer = cluster.believing(&stranger);
        let answer = cluster.ask(1, &believer, &put_skill(ADMIN, "never")).await;
        let Answer::Unknown { message } = answer else { panic!("{answer:?}") };
        assert!(message.contains("is lost"), "{message}");
    }

    // A node that stops says where it was, and comes back to where the others are.
    let last = cluster.stop(2).await;
    assert!(last.applied > 0 && last.leader.is_some(), "{last:?}");
    cluster.must(1, &put_skill(ADMIN, "while-it-was-away")).await;
    cluster.start(2).await;
    cluster.agree().await;
    assert!(cluster.node(2).state().last_applied() > last.applied);
    for number in 1..=3 {
        cluster.stop(number).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_away_for_long_catches_up_by_snapshot_with_all_records() {
    let settings = "[log]\nsnapshot_after_bytes = 65536\nkept_entries = 0\n";
    let mut cluster = Cluster::found(settings).await;
    let away = 3;
    let last = cluster.stop(away).await;
    // Until the leader no longer has what the node lacks.
    let purged = |cluster: &Cluster| {
        let of = |number| {
            use openraft_rt::watch::WatchReceiver;
            let metrics = cluster.node(number).raft().metrics();
            let purged = metrics.borrow_watched().purged;
            purged.map_or(0, |id| id.index)
        };
        of(1).min(of(2))
    };
    let name = "x".repeat(60);
    let mut number = 0;
    while purged(&cluster) <= last.applied {
        number += 1;
        assert!(number < 5_000, "nothing is purged");
        let put = put_skill(ADMIN, &format!("{name}-{}", number % 100));
        match cluster.node(1 + number % 2).call(&put).await {
            Answer::Committed { .. } => {}
            // While there is no leader.
            Answer::Unavailable { .. } | Answer::Unknown { .. } => {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            refused => panic!("{refused:?}"),
        }
    }
    cluster.start(away).await;
    cluster.agree().await;
    for number in 1..=3 {
        cluster.stop(number).await;
    }
    let records: Vec<_> = (1..=3).map(|number| records(&cluster.data(number))).collect();
    let common = records.iter().map(|(covered, _)| *covered).min().unwrap();
    assert!(common > last.applied, "the records of the node that was away end at {common}");
    let upto = |records: &[(u64, u32)]| {
        records.iter().filter(|(index, _)| *index <= common).copied().collect::<Vec<_>>()
    };
    for (_, others) in &records {
        assert_eq!(upto(others), upto(&records[0].1));
    }
}

/// How far the records of a node go, and their places in the log. Nothing is missing between.
fn records(data: &Path) -> (u64, Vec<(u64, u32)>) {
    use node::storage::records::{MemoryIndex, RecordStore};
    let disk = Arc::new(node::seams::RealDisk::new(data));
    let store = RecordStore::open(disk, Box::new(MemoryIndex::default())).unwrap();
    assert_eq!(store.missing(), []);
    assert_eq!(store.segments()[0].from, 0);
    let covered = store.covered_to().unwrap();
    let records = store.records(0..=covered).unwrap();
    (covered, records.into_iter().map(|record| (record.index, record.ordinal)).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_a_wiped_disk_is_refused_by_its_peers() {
    let mut cluster = Cluster::found("").await;
    let wiped = 2;
    cluster.stop(wiped).await;
    cluster.must(1, &put_skill(ADMIN, "before")).await;
    let data = cluster.data(wiped);
    for folder in ["log", "record-index"] {
        fs::remove_dir_all(data.join(folder)).unwrap();
    }
    for file in ["marker", "log-mark", "founding.done.toml"] {
        fs::remove_file(data.join(file)).unwrap();
    }
    let setup = cluster.setup(wiped);
    let acceptor = TcpAcceptor::bind("127.0.0.1:0").await.unwrap();
    let refused = Daemon::start(setup, acceptor).await.err().unwrap();
    assert!(refused.to_string().contains("E-NO-MARKER"), "{refused}");

    // Somebody makes it look new, with another disk's number: the others know better.
    let mut founding = cluster.founded.founding.clone();
    founding.members[wiped as usize - 1].incarnation += 1;
    fs::write(data.join("founding.toml"), founding.to_toml()).unwrap();
    cluster.start(wiped).await;
    let impostor = cluster.node(wiped);
    let number = impostor.number();
    let address = cluster.setup(1).config.address;
    let identity = cluster.setup(wiped).identity;
    let headers = [
        ("quorumcall-cluster", format!("{}", cluster.founded.founding.cluster)),
        ("quorumcall-from", number.to_string()),
        ("quorumcall-from-incarnation", format!("{:032x}", founding.members[1].incarnation)),
        (
            "quorumcall-to-incarnation",
            format!("{:032x}", cluster.founded.founding.members[0].incarnation),
        ),
    ];
    let headers = headers
        .map(|(name, value)| (hyper::http::HeaderName::from_static(name), value.parse().unwrap()));
    let dial = Dial {
        connector: Arc::new(TcpConnector),
        address,
        server_name: node_name(identity.cluster(), NodeId(1)),
        tls: client_config(&identity, Arc::new(SystemClock)).unwrap(),
        headers: headers.into(),
        connect_timeout: PATIENCE,
        keep_alive: PATIENCE,
    };
    let channel = Channel::<TokioRuntime>::new(dial, Timer::start());
    let origin = hyper::Uri::from_static("https://quorumcall");
    let mut peer = proto::peer::v1::peer_client::PeerClient::with_origin(channel, origin);
    let status = peer.probe(proto::peer::v1::ProbeRequest::default()).await.unwrap_err();
    assert_eq!(
        status.message(),
        "node 2 has another disk than it joined with: remove it from the cluster and join it anew"
    );
    // And the cluster goes on without it; it never learns anything.
    cluster.must(1, &put_skill(ADMIN, "after")).await;
    assert_eq!(cluster.node(wiped).state().last_applied(), 0);
}

/// The leader, as all that run see it.
async fn leader(cluster: &Cluster) -> u64 {
    use openraft_rt::watch::WatchReceiver;
    let found = std::cell::Cell::new(0);
    until("one leads and knows it", || {
        let mut running = cluster.running.iter().flatten().map(Daemon::node);
        let leads = running.find(|node| node.raft().metrics().borrow_watched().state.is_leader());
        found.set(leads.map_or(0, |node| node.number()));
        found.get() != 0
    })
    .await;
    found.get()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hand_over_to_a_node_that_is_gone_leaves_a_cluster_that_goes_on() {
    let mut cluster = Cluster::found("").await;
    cluster.must(1, &put_skill(ADMIN, "before")).await;
    let leads = leader(&cluster).await;
    let gone = leads % 3 + 1;
    cluster.stop(gone).await;
    // Whether a third node took the lead meanwhile or nobody did: commands are taken again.
    cluster.node(leads).hand_over_to(gone).await;
    cluster.must(leads, &put_skill(ADMIN, "after")).await;
    cluster.start(gone).await;
    cluster.agree().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_starts_again_soon_knows_how_old_its_state_is() {
    let mut cluster = Cluster::found("").await;
    cluster.must(1, &put_skill(ADMIN, "before")).await;
    let follows = leader(&cluster).await % 3 + 1;
    cluster.stop(follows).await;
    cluster.start(follows).await;
    let leads = leader(&cluster).await;
    cluster.must(leads, &put_skill(ADMIN, "after")).await;
    cluster.agree().await;
    let heard = || cluster.node(follows).freshness().age.is_some_and(|age| age < PATIENCE / 60);
    until("the leader is heard", heard).await;
}
