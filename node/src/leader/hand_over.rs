//! Giving the lead away.

use openraft_rt::AsyncRuntime;

use crate::peers::Neighbours;
use crate::raft::{NodeId, Raft};

/// Asks the voter that is furthest, and whose clock is right, to lead; whom, if there is one. It may
/// come to nothing.
pub async fn hand_over<RT: AsyncRuntime>(
    raft: &Raft<RT>,
    neighbours: &Neighbours,
) -> Option<NodeId> {
    let voters: Vec<_> = raft.voter_ids().collect();
    let to = neighbours.furthest(&voters)?;
    // Raft has stopped: nobody leads here.
    raft.trigger().transfer_leader(to).await.ok()?;
    Some(to)
}
