//! Real processes: `quorumcall-node` as it is installed, on loopback, killed, damaged, and watched
//! by the system.
//!
//! `QUORUMCALL_KILLS=20 cargo test -p chaos-tests --test processes leader` kills as many leaders.

mod client;
mod cluster;
mod damage;
mod full_disk;
mod load;
mod offline;
mod order;

use std::sync::Arc;
use std::time::Instant;

use client::Clients;
use cluster::{Cluster, LOOK_EVERY, PATIENCE, Stopped, tail};
use load::{Acknowledged, Load};
use offline::Offline;

/// How many leaders are killed.
const KILLS: &str = "QUORUMCALL_KILLS";
const KILLS_DEFAULT: u64 = 20;
/// Contacts that must come in between two kills.
const CONTACTS_BETWEEN: usize = 200;
/// Snapshots every second or so, and logs too short for a node that was away.
const SMALL: &str = "[log]\nsnapshot_after_bytes = 65536\nkept_entries = 64\n";

/// Waits until a node leads in a term after this one.
async fn leader_after(cluster: &Cluster, term: u64) -> (u64, u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match cluster.leader() {
            Some((node, later)) if later > term => return (node, later),
            _ => tokio::time::sleep(LOOK_EVERY).await,
        }
        assert!(Instant::now() < deadline, "no leader after term {term}");
    }
}

/// Waits until so many contacts are in.
async fn contacts(load: &Load, cluster: &Cluster, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    while load.contacts() < count {
        let logs: Vec<_> = cluster.nodes().map(|node| tail(&cluster.log(node))).collect();
        assert!(Instant::now() < deadline, "the load stands still: {logs:#?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Stops all nodes in a moment in which all have everything; says where they were.
fn stop_all(cluster: &mut Cluster, last_acknowledged: u64) -> Vec<Stopped> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let leader = cluster.leader().map_or(1, |(leader, _)| leader);
        // The leader last: the others hear of what it has committed.
        let mut order: Vec<_> = cluster.nodes().filter(|node| *node != leader).collect();
        order.push(leader);
        let mut stopped: Vec<_> =
            order.into_iter().map(|node| (node, cluster.stop(node))).collect();
        stopped.sort_by_key(|(node, _)| *node);
        let stopped: Vec<_> = stopped.into_iter().map(|(_, stopped)| stopped).collect();
        if stopped.iter().all(|stopped| stopped.applied >= last_acknowledged) {
            return stopped;
        }
        assert!(Instant::now() < deadline, "a node does not catch up: {stopped:?}");
        for node in cluster.nodes() {
            cluster.start(node);
            cluster.wait_for(node, "the node runs");
        }
        // Until one leads and the others have what it has.
        std::thread::sleep(100 * LOOK_EVERY);
    }
}

/// The state has every contact that is not over, the records every one that is, none has both.
fn check_contacts(offline: &Offline, acknowledged: &Acknowledged) {
    for (contact, seq) in &acknowledged.contacts {
        let live = offline.centre.contact(contact).map(|contact| contact.seq.0);
        let records: &[_] = offline.records.get(contact).map_or(&[], Vec::as_slice);
        let recorded = records.iter().map(|record| record.seq.0);
        let found: Vec<_> = live.into_iter().chain(recorded).collect();
        assert_eq!(found, [*seq], "{contact:?}: acknowledged once, found so often");
        assert!(
            live.is_none() || !acknowledged.ended.contains(contact),
            "{contact:?} hung up and waits on"
        );
    }
    for (contact, records) in &offline.records {
        assert_eq!(records.len(), 1, "{contact:?} ended twice");
        assert!(offline.centre.contact(contact).is_none(), "{contact:?} ended and waits on");
    }
}

/// Every node has what was acknowledged, and the same state up to the last index that all have. Returns
/// that, and how many records are in the segments of the node that has the fewest there.
async fn judge(
    cluster: &Cluster,
    stopped: &[Stopped],
    acknowledged: &Acknowledged,
) -> (u64, usize) {
    let mut upto = stopped.iter().map(|stopped| stopped.applied).min().expect("nodes");
    for node in cluster.nodes() {
        let extent = offline::extent(&cluster.data(node)).await;
        // A snapshot may have been the last that a node did.
        upto = upto.max(extent.snapshot);
        assert!(extent.last >= upto, "node {node}: {extent:?} of {upto}");
    }
    let (mut hashes, mut in_segments) = (Vec::new(), Vec::new());
    for node in cluster.nodes() {
        let offline = offline::restore(&cluster.data(node), upto).await;
        check_contacts(&offline, acknowledged);
        in_segments.push(offline.in_segments);
        hashes.push(format!("{:032x}", offline.centre.state_hash()));
    }
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "at {upto}: {hashes:?}");
    for stopped in stopped.iter().filter(|stopped| stopped.applied == upto) {
        assert_eq!(stopped.state_hash, hashes[0], "at {upto}");
    }
    (upto, in_segments.into_iter().min().expect("nodes"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_leaders_are_killed_under_load() {
    let kills = std::env::var(KILLS).map_or(KILLS_DEFAULT, |text| text.parse().expect("a number"));
    let mut cluster = Cluster::found(3, SMALL);
    cluster.run();
    let clients = Arc::new(Clients::of(&cluster));
    load::configure(&clients).await;
    let load = Load::begin(&clients, 3);

    let began = Instant::now();
    let mut term = 0;
    for kill in 0..kills {
        let (leader, led) = leader_after(&cluster, term).await;
        contacts(&load, &cluster, load.contacts() + CONTACTS_BETWEEN).await;
        cluster.kill(leader);
        term = led;
        // Now it is back before it is missed, now it finds that others went on.
        if kill % 2 == 1 {
            (_, term) = leader_after(&cluster, term).await;
            term -= 1;
            contacts(&load, &cluster, load.contacts() + CONTACTS_BETWEEN).await;
        }
        cluster.start(leader);
    }
    leader_after(&cluster, term).await;
    contacts(&load, &cluster, load.contacts() + CONTACTS_BETWEEN).await;
    let acknowledged = load.end().await;
    let took = began.elapsed();
    let stopped = stop_all(&mut cluster, acknowledged.last);

    let (upto, in_segments) = judge(&cluster, &stopped, &acknowledged).await;
    assert!(in_segments > 0, "a node wrote no records");
    eprintln!(
        "{kills} leaders killed in {took:.1?}; {} contacts acknowledged, {} ended, {upto} entries",
        acknowledged.contacts.len(),
        acknowledged.ended.len()
    );
}
