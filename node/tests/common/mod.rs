//! Nodes of a cluster in one process: real sockets, TLS, disks and logs.

#![allow(clippy::disallowed_methods, reason = "a test runs on this machine's clocks and chance")]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use acd::codec::encode_submission;
use acd::command::{ConfigCommand, Submission};
use acd::ids::{NodeId, PrincipalId, SiteId, SkillId};
use acd::text::Label;
use futures::stream;
use node::config::Profile;
use node::daemon::Daemon;
use node::founding::{CONFIG_FILE, Founded, Plan, PlannedNode};
use node::identity::{Identity, Validity, client_config, node_name};
use node::rpc::{Channel, Dial, Timer};
use node::seams::{SystemClock, TcpAcceptor, TcpConnector, WallClock};
use node::setup::Setup;
use node::submit::{Answer, outcome_from_wire};
use openraft_rt_tokio::TokioRuntime;
use proto::api::v1::SubmitRequest;
use proto::api::v1::commands_client::CommandsClient;
use proto::api::v1::submit_request::Command;
pub const ADMIN: &str = "olena";
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const LOOK_EVERY: Duration = Duration::from_millis(20);
pub const YEAR_MS: u64 = 365 * 86_400_000;

pub fn validity() -> Validity {
    let now_ms = SystemClock.now_ms();
    Validity { not_before_ms: now_ms - YEAR_MS, not_after_ms: now_ms + YEAR_MS }
}

/// Waits until something is so.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

pub struct Cluster {
    pub folder: tempfile::TempDir,
    pub founded: Founded,
    pub running: Vec<Option<Daemon>>,
}

impl Cluster {
    /// Three nodes that have founded their cluster.
    pub async fn found(settings: &str) -> Self {
        Self::found_at(&["kyiv", "lviv", "dnipro"], settings).await
    }

    /// Nodes 1, 2, 3 … at these sites.
    pub async fn found_at(sites: &[&str], settings: &str) -> Self {
        // A host of this program alone: nobody takes a port while a node is down.
        let host = if cfg!(target_os = "linux") {
            let [_, _, high, low] = std::process::id().to_be_bytes();
            Ipv4Addr::new(127, 78, high, low)
        } else {
            Ipv4Addr::LOCALHOST
        };
        let mut acceptors = Vec::new();
        let mut nodes = Vec::new();
        for site in sites {
            let acceptor = TcpAcceptor::bind(&format!("{host}:0")).await.unwrap();
            let address = acceptor.address().unwrap().to_string();
            let site = SiteId::new(site).unwrap();
            nodes.push(PlannedNode { site, address: address.clone(), listen: address });
            acceptors.push(acceptor);
        }
        let plan = Plan {
            cluster: Label::new("Test").unwrap(),
            admin: PrincipalId::new(ADMIN).unwrap(),
            profile: Profile::Metro,
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
        for number in 1..=sites.len() as u64 {
            let done = cluster.data(number).join("founding.done.toml");
            until("founded", || done.exists()).await;
        }
        cluster
    }

    pub fn data(&self, number: u64) -> std::path::PathBuf {
        self.folder.path().join(format!("all/node-{number}"))
    }

    pub fn setup(&self, number: u64) -> Setup {
        Setup::load(&self.data(number), SystemClock.now_ms()).unwrap()
    }

    pub fn node(&self, number: u64) -> &node::Node<TokioRuntime> {
        self.running[number as usize - 1].as_ref().unwrap().node()
    }

    pub async fn start(&mut self, number: u64) {
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

    pub async fn stop(&mut self, number: u64) -> node::daemon::Last {
        let stopped = self.running[number as usize - 1].take().unwrap().stop().await;
        let log = node::seams::RealDisk::new(self.data(number));
        let free = || node::storage::FileLog::<TokioRuntime>::verify(&log).is_ok();
        until("the log is let go", free).await;
        stopped
    }

    /// A connection of its own to a node with an identity.
    pub fn channel(&self, number: u64, identity: &Identity) -> Channel<TokioRuntime> {
        let dial = Dial {
            connector: Arc::new(TcpConnector),
            address: self.setup(number).config.address,
            server_name: node_name(self.founded.founding.cluster, NodeId(number)),
            tls: client_config(identity, Arc::new(SystemClock)).unwrap().into(),
            headers: Vec::new(),
            connect_timeout: PATIENCE,
            keep_alive: PATIENCE,
        };
        Channel::new(dial, Timer::start())
    }

    /// Asks a node over the network with an identity.
    pub async fn ask(&self, number: u64, identity: &Identity, submission: &Submission) -> Answer {
        self.ask_encoded(number, identity, encode_submission(submission)).await
    }

    /// The same with a command that need not be one.
    pub async fn ask_encoded(
        &self,
        number: u64,
        identity: &Identity,
        submission: Vec<u8>,
    ) -> Answer {
        let channel = self.channel(number, identity);
        let origin = hyper::Uri::from_static("https://quorumcall");
        let mut client = CommandsClient::with_origin(channel, origin);
        let submission = submission.into();
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
    pub fn believing(&self, stranger: &Identity) -> Identity {
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

    pub async fn must(&self, number: u64, submission: &Submission) {
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
    pub async fn agree(&self) {
        let state = |daemon: &Daemon| {
            let view = daemon.node().state().view();
            (view.applied(), view.centre().state_hash())
        };
        let states = || self.running.iter().flatten().map(state).collect::<Vec<_>>();
        // Looked at once: the leader may write something at any time.
        let mut agreed = Vec::new();
        until("all have applied the same", || {
            agreed = states();
            agreed.windows(2).all(|two| two[0].0 == two[1].0)
        })
        .await;
        assert!(agreed.windows(2).all(|two| two[0] == two[1]), "{agreed:?}");
    }
}

pub fn put_skill(principal: &str, name: &str) -> Submission {
    let skill = SkillId::new(name).unwrap();
    let put = ConfigCommand::PutSkill { skill, name: Label::new(name).unwrap(), expected: None };
    Submission::new(PrincipalId::new(principal).unwrap(), put.into())
}

/// The leader, as all that run see it.
pub async fn leader(cluster: &Cluster) -> u64 {
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
