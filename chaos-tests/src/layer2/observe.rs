//! What is seen of each node from outside while faults happen: all its events, by a watch that stays
//! with it, and now and then how far it is and the hash of its state there.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::door::ProcessDoor;
use super::net::nodes;
use crate::history::Recorder;
use crate::workload::{Door, Seen, Watch};

/// How long a node may take to let somebody watch.
const PATIENCE: Duration = Duration::from_secs(2);
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How often a node is asked for the hash of its state.
const HASH_EVERY: Duration = Duration::from_millis(500);

/// Observes all nodes until it is dropped.
pub(super) fn observe(door: &Arc<ProcessDoor>, recorder: &Recorder) -> JoinSet<()> {
    let mut observers = JoinSet::new();
    for node in nodes() {
        observers.spawn(watch(node, door.clone(), recorder.clone()));
        observers.spawn(note_hashes(node, door.clone(), recorder.clone()));
    }
    observers
}

async fn watch(node: u64, door: Arc<ProcessDoor>, recorder: Recorder) {
    let name = format!("node-{node}");
    let mut token = None;
    loop {
        recorder.watch_asked(&name, node, token);
        let Ok(Some(mut watch)) = timeout(PATIENCE, door.watch(node, token)).await else {
            recorder.watch_ended(&name);
            sleep(AGAIN_AFTER).await;
            continue;
        };
        loop {
            match watch.next().await {
                Seen::Listed { token: at, contacts } => {
                    recorder.watch_listed(&name, at, contacts);
                    token = Some(at);
                }
                Seen::Entry { token: at, events } => {
                    recorder.written(at.index, recorder.now());
                    recorder.watch_entry(&name, at, &events);
                    token = Some(at);
                }
                Seen::Compacted => {
                    recorder.watch_compacted(&name);
                    token = None;
                    break;
                }
                Seen::Ended => {
                    recorder.watch_ended(&name);
                    sleep(AGAIN_AFTER).await;
                    break;
                }
            }
        }
    }
}

/// A state that a node names is one that it had: noted like one that it restored.
async fn note_hashes(node: u64, door: Arc<ProcessDoor>, recorder: Recorder) {
    let run = recorder.started(node);
    loop {
        if let Some(status) = door.status(node).await
            && let (Some(at), Some(cluster)) = (status.freshness, status.cluster)
            && let Ok(hash) = u128::from_str_radix(&cluster.state_hash, 16)
        {
            recorder.restored(run, at.applied, hash);
        }
        sleep(HASH_EVERY).await;
    }
}
