//! What a node does for its own disk and for whoever reads its log.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openraft_rt::watch::WatchReceiver;
use openraft_rt_tokio::TokioRuntime;

use crate::storage::FileLog;
use crate::tally::Counter;
use crate::{Node, founding};

/// How often it is looked whether the founding is done, if nothing is applied.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Says who leads, each time that changes, and counts how often somebody begins to.
pub(super) async fn tell_who_leads(node: Node<TokioRuntime>, leaders: Arc<Counter>) {
    let mut metrics = node.raft().server_metrics();
    let mut last = None;
    let mut last_with_leader = None;
    loop {
        let (leader, term) = {
            let metrics = metrics.borrow_watched();
            (metrics.current_leader, metrics.vote.leader_id.term)
        };
        if last != Some((leader, term)) {
            last = Some((leader, term));
            if leader.is_some() && last_with_leader != last {
                last_with_leader = last;
                leaders.count();
            }
            match leader {
                Some(leader) if leader == node.number() => {
                    tracing::info!(leader, term, "this node leads");
                }
                Some(leader) => tracing::info!(leader, term, "this node follows"),
                None => tracing::info!(term, "no leader is known"),
            }
        }
        if metrics.changed().await.is_err() {
            return; // Raft has stopped.
        }
    }
}

/// Notes after each snapshot how far the log is durable.
pub(super) async fn mark_log(node: Node<TokioRuntime>, log: FileLog<TokioRuntime>) {
    let metrics = node.raft().data_metrics();
    // What was there when the log was opened was marked then.
    let mut last = metrics.borrow_watched().snapshot;
    loop {
        // They change with each entry, which is no reason to wake up.
        tokio::time::sleep(LOOK_EVERY).await;
        let snapshot = metrics.borrow_watched().snapshot;
        if snapshot != last {
            last = snapshot;
            mark(&log).await;
        }
    }
}

/// Notes how far the log is durable. Without a note less of a later loss is noticed; nothing else
/// depends on it, and what the log itself needs of the disk it tells Raft.
pub(super) async fn mark(log: &FileLog<TokioRuntime>) {
    let log = log.clone();
    match tokio::task::spawn_blocking(move || log.mark()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "it is not noted how far the log is durable"),
        Err(error) => tracing::error!(%error, "it is not noted how far the log is durable"),
    }
}

/// Puts the founding aside once this node has applied all of it. The first command alone would not
/// do: if the cluster went down then, nobody would be left to write the rest.
pub(super) async fn close_founding(node: Node<TokioRuntime>, folder: PathBuf, founders: usize) {
    let state = node.state();
    loop {
        let applied = state.next_applied();
        let is_done = {
            let view = state.view();
            // Founders are written last. One of them may have been removed since.
            view.centre().cluster().is_some() && view.centre().last_node() >= founders as u64
        };
        if is_done {
            break;
        }
        // A snapshot that is installed is no entry that is applied: look now and then.
        let _ = tokio::time::timeout(LOOK_EVERY, applied).await;
    }
    match tokio::task::spawn_blocking(move || founding::close(&folder)).await {
        Ok(Ok(())) => tracing::info!("the cluster is founded"),
        Ok(Err(error)) => tracing::error!(
            %error,
            "founding.toml cannot be renamed; move it out of the node's folder: with it a lost \
             disk would pass for a new one"
        ),
        // The node is being ended; the next start does it.
        Err(_) => {}
    }
}
