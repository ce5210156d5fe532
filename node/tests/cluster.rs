//! What three nodes do for their clients and for each other.

#![allow(clippy::disallowed_methods, reason = "a test runs on this machine's clocks and chance")]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use acd::command::{ContactCommand, Submission};
use acd::ids::{ContactId, NodeId, PrincipalId};
use common::*;
use node::daemon::Daemon;
use node::identity::{Authority, client_config, node_name};
use node::rpc::{Channel, Dial, Timer};
use node::seams::{SystemClock, TcpAcceptor, TcpConnector};
use node::submit::Answer;
use openraft_rt_tokio::TokioRuntime;

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
        tls: client_config(&identity, Arc::new(SystemClock)).unwrap().into(),
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
