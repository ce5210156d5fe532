//! Nodes that join, vote, are retired and end, over real sockets and disks.

#![allow(clippy::disallowed_methods, reason = "a test runs on this machine's clocks and chance")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use acd::command::{SiteCommand, Submission};
use acd::ids::{NodeId, PrincipalId, SiteId};
use acd::site::NodeRole;
use acd::time::Millis;
use common::{ADMIN, Cluster, PATIENCE, until, validity};
use data_encoding::BASE64URL_NOPAD;
use node::daemon::{Daemon, make_disk};
use node::founding::AUTHORITY_FILE;
use node::identity::{Authority, ClusterId, fingerprint, join_name, pinned_config, sha256};
use node::joining::{JoinError, Joined, Pending, Token, ask};
use node::rpc::{Channel, Dial, Timer};
use node::seams::{SystemClock, TcpAcceptor, TcpConnector, WallClock};
use node::setup::Setup;
use node::storage::Marker;
use openraft_rt::watch::WatchReceiver;
use openraft_rt_tokio::TokioRuntime;
use prost::Message;
use proto::api::v1 as api;
use proto::api::v1::reads_client::ReadsClient;
use proto::stored::v1::NodeRole as StoredRole;

const HOUR: Millis = Millis::hours(1);

/// A cluster that keeps its authority's key on node 1.
async fn found(sites: &[&str]) -> Cluster {
    let mut cluster = Cluster::found_at(sites, "").await;
    cluster.founded.authority.save(&cluster.data(1).join(AUTHORITY_FILE)).unwrap();
    cluster.stop(1).await;
    cluster.start(1).await;
    until("somebody leads", || cluster.node(1).serves()).await;
    cluster
}

fn secret(number: u8) -> [u8; 32] {
    [number; 32]
}

async fn act(cluster: &Cluster, node: u64, command: SiteCommand) {
    let admin = PrincipalId::new(ADMIN).unwrap();
    cluster.must(node, &Submission::new(admin, command.into())).await;
}

/// Lets one node join.
async fn invite(cluster: &Cluster, number: u8, site: &str, role: NodeRole) -> Token {
    let (hash, site) = (fingerprint(&[&secret(number)]), SiteId::new(site).unwrap());
    act(cluster, 1, SiteCommand::IssueToken { hash, site, role, ttl: HOUR }).await;
    token(cluster, number)
}

/// A token of this cluster, whether or not it was issued.
fn token(cluster: &Cluster, number: u8) -> Token {
    let (id, authority) = (cluster.founded.founding.cluster, &cluster.founded.authority);
    token_of(id, authority, number, &cluster.setup(1).config.address)
}

fn token_of(cluster: ClusterId, authority: &Authority, number: u8, address: &str) -> Token {
    let token = api::JoinToken {
        cluster: cluster.0.to_be_bytes().to_vec().into(),
        authority: sha256(&[authority.certificate()]).to_vec().into(),
        secret: secret(number).to_vec().into(),
        addresses: vec![address.to_owned()],
        site: "lviv".into(),
        role: StoredRole::Voter.into(),
        expires_ms: 0,
    };
    let mut bytes = token.encode_to_vec();
    let check = sha256(&[&bytes]);
    bytes.extend(&check[..4]);
    Token::parse(&format!("qcj1.{}", BASE64URL_NOPAD.encode(&bytes))).unwrap()
}

/// A machine that is to be a node.
struct Joiner {
    folder: PathBuf,
    acceptor: TcpAcceptor,
    address: String,
}

impl Joiner {
    async fn new(cluster: &Cluster, name: &str) -> Self {
        let listen = cluster.setup(1).config.listen;
        let host = listen.rsplit_once(':').unwrap().0;
        let acceptor = TcpAcceptor::bind(&format!("{host}:0")).await.unwrap();
        let address = acceptor.address().unwrap().to_string();
        Self { folder: cluster.folder.path().join(name), acceptor, address }
    }

    fn begin(&self, token: &Token) -> Pending {
        Pending::begin(&self.folder, token, rand::random(), &self.address).unwrap().unwrap()
    }

    async fn ask(&self, token: &Token, pending: &Pending) -> Result<Joined, JoinError> {
        let (connector, clock) = (Arc::new(TcpConnector), Arc::new(SystemClock));
        ask::<TokioRuntime>(connector, clock, token, pending, &self.address).await
    }

    /// Is refused, and leaves nothing behind.
    async fn refused(&self, token: &Token) -> JoinError {
        let pending = self.begin(token);
        let error = self.ask(token, &pending).await.unwrap_err();
        pending.undo().unwrap();
        assert!(!self.folder.exists(), "something was left behind");
        error
    }

    async fn settle(&self, token: &Token, pending: Pending, joined: &Joined) {
        let mut config = pending.settle(joined, &self.address, &self.address).unwrap();
        config.data.clone_from(&self.folder);
        let marker = Marker {
            cluster: token.cluster.0,
            node: joined.node.0,
            incarnation: pending.incarnation,
            site: joined.site.to_string(),
        };
        make_disk(&config, &marker).await.unwrap();
        pending.end().unwrap();
    }

    /// Joins, and runs.
    async fn join(self, token: &Token) -> Member {
        let pending = self.begin(token);
        let joined = self.ask(token, &pending).await.unwrap();
        self.settle(token, pending, &joined).await;
        let setup = Setup::load(&self.folder, SystemClock.now_ms()).unwrap();
        let daemon = Daemon::start(setup, self.acceptor).await.unwrap();
        Member { folder: self.folder, daemon }
    }
}

/// A node that has joined.
struct Member {
    folder: PathBuf,
    daemon: Daemon,
}

fn voters(daemon: &Daemon) -> Vec<u64> {
    let metrics = daemon.node().raft().metrics();
    let metrics = metrics.borrow_watched();
    metrics.membership_config.membership().voter_ids().collect()
}

fn first(cluster: &Cluster) -> &Daemon {
    cluster.running[0].as_ref().unwrap()
}

async fn three(cluster: &Cluster) -> (Member, Member) {
    let lviv = invite(cluster, 1, "lviv", NodeRole::Voter).await;
    let lviv = Joiner::new(cluster, "lviv").await.join(&lviv).await;
    let dnipro = invite(cluster, 2, "dnipro", NodeRole::Voter).await;
    let dnipro = Joiner::new(cluster, "dnipro").await.join(&dnipro).await;
    for daemon in [first(cluster), &lviv.daemon, &dnipro.daemon] {
        until("three vote", || voters(daemon) == [1, 2, 3]).await;
    }
    (lviv, dnipro)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_and_third_node_join_and_vote_and_keep_the_key_of_the_authority() {
    let mut cluster = found(&["kyiv"]).await;
    let (lviv, dnipro) = three(&cluster).await;
    for member in [&lviv, &dnipro] {
        let key = member.folder.join(AUTHORITY_FILE);
        until("the key is there", || key.exists()).await;
        let mode = fs::metadata(&key).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "for its owner only");
        // Nowhere else: neither in the log nor in a snapshot.
        let pem = String::from_utf8(fs::read(&key).unwrap()).unwrap();
        let secret = pem.lines().rev().nth(1).unwrap().as_bytes();
        let log = fs::read_dir(member.folder.join("log")).unwrap();
        for file in log.map(|file| fs::read(file.unwrap().path()).unwrap()) {
            assert!(!file.windows(secret.len()).any(|window| window == secret));
        }
    }
    // The first city may be lost now, and others can join all the same.
    cluster.stop(1).await;
    until("another one leads", || lviv.daemon.node().serves() && dnipro.daemon.node().serves())
        .await;
    let hash = fingerprint(&[&secret(3)]);
    let invite = SiteCommand::IssueToken {
        hash,
        site: SiteId::new("odesa").unwrap(),
        role: NodeRole::Learner,
        ttl: HOUR,
    };
    let invite = Submission::new(PrincipalId::new(ADMIN).unwrap(), invite.into());
    let answer = lviv.daemon.node().call(&invite).await;
    assert!(matches!(answer, node::submit::Answer::Committed { .. }), "{answer:?}");
    let address = lviv.daemon.node().directory().get(2).unwrap().address;
    let (id, authority) = (cluster.founded.founding.cluster, &cluster.founded.authority);
    let token = token_of(id, authority, 3, &address);
    let odesa = Joiner::new(&cluster, "odesa").await.join(&token).await;
    // Its log begins before there was a second node, let alone one that led.
    let (ahead, behind) = (lviv.daemon.node(), odesa.daemon.node());
    until("it has caught up", || {
        behind.state().last_applied() > 0 && behind.freshness().applied == ahead.freshness().applied
    })
    .await;
    assert_eq!(voters(&odesa.daemon), [1, 2, 3], "a learner stays one");
    for member in [lviv, dnipro, odesa] {
        member.daemon.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_leave_no_trace() {
    let cluster = found(&["kyiv"]).await;
    let good = invite(&cluster, 1, "lviv", NodeRole::Learner).await;
    let before = cluster.node(1).state().view().centre().state_hash();
    let joiner = Joiner::new(&cluster, "nowhere").await;
    let code = |error: &JoinError| match error {
        JoinError::Refused { code, .. } => code.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(code(&joiner.refused(&token(&cluster, 9)).await), "token-unknown");
    let address = cluster.setup(1).config.address;
    let id = cluster.founded.founding.cluster;
    // The right authority, and another cluster's number: made up.
    let made_up = token_of(ClusterId(id.0 ^ 1), &cluster.founded.authority, 1, &address);
    assert!(matches!(joiner.refused(&made_up).await, JoinError::OtherCluster { .. }));
    let forged = Authority::create(id, validity(), &mut rand::rng()).unwrap();
    let forged = token_of(id, &forged, 1, &address);
    assert!(matches!(joiner.refused(&forged).await, JoinError::OtherAuthority { .. }));
    let view_hash = || cluster.node(1).state().view().centre().state_hash();
    assert_eq!(view_hash(), before, "nothing is in the log");

    let member = Joiner::new(&cluster, "lviv").await.join(&good).await;
    assert_eq!(code(&joiner.refused(&good).await), "token-used");
    invite(&cluster, 2, "lviv", NodeRole::Learner).await;
    let tokens = cluster.node(1).state().view().centre().tokens().last().unwrap().id;
    act(&cluster, 1, SiteCommand::RevokeToken { token: tokens }).await;
    assert_eq!(code(&joiner.refused(&token(&cluster, 2)).await), "token-revoked");
    // What the others have is not for one who is there already.
    let third = invite(&cluster, 3, "lviv", NodeRole::Learner).await;
    let mut twin = Joiner::new(&cluster, "twin").await;
    twin.address = {
        let view = cluster.node(1).state().view();
        view.centre().node(NodeId(2)).unwrap().home.as_ref().unwrap().address.as_str().to_owned()
    };
    assert_eq!(code(&twin.refused(&third).await), "address-taken");
    member.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_joiner_that_was_interrupted_asks_again_as_the_same_one() {
    let cluster = found(&["kyiv"]).await;
    let token = invite(&cluster, 1, "lviv", NodeRole::Learner).await;
    let joiner = Joiner::new(&cluster, "lviv").await;
    let pending = joiner.begin(&token);
    let first = joiner.ask(&token, &pending).await.unwrap();
    drop(pending); // It dies before it can write anything down.
    let pending = joiner.begin(&token);
    let elsewhere = Pending::begin(&joiner.folder, &token, 1, "elsewhere:1");
    assert!(matches!(elsewhere, Err(JoinError::Folder { .. })), "the leader would not find it");
    let again = joiner.ask(&token, &pending).await.unwrap();
    assert_eq!((first.node, again.node), (NodeId(2), NodeId(2)));
    joiner.settle(&token, pending, &again).await;
    // With all of it done it only has to be started.
    assert!(Pending::begin(&joiner.folder, &token, 1, "a:1").unwrap().is_none());
    let setup = Setup::load(&joiner.folder, SystemClock.now_ms()).unwrap();
    let daemon = Daemon::start(setup, joiner.acceptor).await.unwrap();
    until("it follows", || daemon.node().state().last_applied() > 0).await;
    let other = Pending::begin(&cluster.folder.path().join("all"), &token, 1, "a:1");
    assert!(matches!(other, Err(JoinError::Folder { .. })), "a folder with something else");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_retired_leaves_and_ends_and_its_place_is_taken() {
    let cluster = found(&["kyiv"]).await;
    let (lviv, dnipro) = three(&cluster).await;
    let odesa = invite(&cluster, 3, "odesa", NodeRole::Voter).await;
    let odesa = Joiner::new(&cluster, "odesa").await.join(&odesa).await;
    until("it is known", || first(&cluster).node().directory().get(4).is_some()).await;
    let retire = SiteCommand::RetireNode { node: NodeId(2), fewer: false, expected: None };
    act(&cluster, 1, retire).await;
    until("another one votes", || voters(first(&cluster)) == [1, 3, 4]).await;
    let gone = || first(&cluster).node().state().view().centre().node(NodeId(2)).is_none();
    until("it is in the state no more", gone).await;
    let why = tokio::time::timeout(PATIENCE, lviv.daemon.node().failed()).await.unwrap();
    assert!(why.contains("was removed from the cluster"), "{why}");
    until("the key is removed", || !lviv.folder.join(AUTHORITY_FILE).exists()).await;
    lviv.daemon.stop().await;
    for member in [dnipro, odesa] {
        member.daemon.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_identity_may_join_and_nothing_else() {
    let cluster = found(&["kyiv"]).await;
    let id = cluster.founded.founding.cluster;
    let pin = sha256(&[cluster.founded.authority.certificate()]);
    let dial = Dial {
        connector: Arc::new(TcpConnector),
        address: cluster.setup(1).config.address,
        server_name: join_name(id),
        tls: pinned_config(id, pin, Arc::new(SystemClock)).unwrap().into(),
        headers: Vec::new(),
        connect_timeout: PATIENCE,
        keep_alive: PATIENCE,
    };
    let channel = Channel::<TokioRuntime>::new(dial, Timer::start());
    let origin = hyper::Uri::from_static("https://quorumcall");
    let mut reads = ReadsClient::with_origin(channel, origin);
    let refused = reads.get_cluster(api::GetClusterRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated, "{refused}");
}
