//! Giving the lead away.

use std::time::Duration;

use openraft_rt::AsyncRuntime;
use openraft_rt::watch::WatchReceiver;

use crate::raft::{NodeId, Raft};

/// Lets another node lead; whether it, or anybody else, does within `patience`.
///
/// From the moment it is asked, Raft on this node proposes nothing more and sends no heartbeats, and
/// nothing ends that but another term. So if the message is lost, the others hear nothing, and one of
/// them stands after an election timeout.
pub async fn hand_over<RT: AsyncRuntime>(raft: &Raft<RT>, to: NodeId, patience: Duration) -> bool {
    let Ok(leader) = raft.as_leader() else { return true };
    let term = leader.leader_id().term;
    if raft.trigger().transfer_leader(to).await.is_err() {
        return true; // Raft has stopped: nobody leads here.
    }
    let mut metrics = raft.server_metrics();
    let handed_over = async {
        while metrics.borrow_watched().state.is_leader() && is_term(raft, term) {
            if metrics.changed().await.is_err() {
                return;
            }
        }
    };
    if RT::timeout(patience, handed_over).await.is_ok() {
        return true;
    }
    tracing::warn!(to, "the lead could not be handed over in time");
    false
}

fn is_term<RT: AsyncRuntime>(raft: &Raft<RT>, term: u64) -> bool {
    raft.as_leader().is_ok_and(|leader| leader.leader_id().term == term)
}
