//! A disk that takes no more.

use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::client::Clients;
use crate::cluster::Cluster;
use crate::load::{self, Load};
use crate::{CONTACTS_BETWEEN, contacts, judge, leader_after, stop_all};

/// What a file of the leader may have: a log of a thousand commands or two. In blocks of 512 bytes.
const BLOCKS: u32 = 512;

/// Runs a node whose files cannot grow beyond the limit: writes then fail, as on a full disk.
fn start_limited(cluster: &mut Cluster, node: u64) {
    let run = cluster.command(node);
    let mut limited = Command::new("sh");
    // Ignored, the signal becomes an error of the write.
    limited.args(["-c", "trap '' XFSZ; ulimit -f \"$0\" && exec \"$@\""]);
    limited.arg(BLOCKS.to_string()).arg(run.get_program()).args(run.get_args());
    limited.env_remove("QUORUMCALL_LOG").env_remove("MIMALLOC_ALLOW_THP");
    limited.stdin(Stdio::null()).stdout(Stdio::null()).stderr(cluster.log_file(node));
    let child = limited.spawn().expect("there is a shell");
    cluster.adopt(node, child);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_disk_is_full_stops_with_words_and_nothing_acknowledged_is_lost() {
    let mut cluster = Cluster::found(3, "");
    start_limited(&mut cluster, 1);
    for node in [2, 3] {
        cluster.start(node);
    }
    for node in cluster.nodes() {
        cluster.wait_for(node, "the cluster is founded");
    }
    let clients = Arc::new(Clients::of(&cluster));
    load::configure(&clients).await;
    let load = Load::begin(&clients, 3);
    let status = cluster.wait(1);
    let said = cluster.log(1);
    assert_eq!(status.code(), Some(1), "{said}");
    for words in ["E-NODE-ENDED", "File too large", "make room"] {
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }

    // The others go on, and so does this one once there is room.
    leader_after(&cluster, 0).await;
    contacts(&load, &cluster, load.contacts() + CONTACTS_BETWEEN).await;
    cluster.start(1);
    contacts(&load, &cluster, load.contacts() + CONTACTS_BETWEEN).await;
    let acknowledged = load.end().await;
    let stopped = stop_all(&mut cluster, acknowledged.last);
    judge(&cluster, &stopped, &acknowledged).await;
}
