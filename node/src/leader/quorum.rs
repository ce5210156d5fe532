//! Who still hears this leader.

use std::collections::BTreeMap;

use openraft_rt::watch::WatchReceiver;
use openraft_rt::{AsyncRuntime, Instant as _};

use crate::raft::{LeaderId, NodeId, Raft};

/// This node as the leader it is, and when a quorum last answered it; none if it does not lead, or just
/// began to.
pub fn last_answer<RT: AsyncRuntime>(raft: &Raft<RT>) -> Option<(LeaderId, RT::Instant)> {
    let leader = raft.as_leader().ok()?;
    let answered = match raft.voter_ids().count() {
        // Whoever votes alone is a quorum, and is asked once at most.
        1 => RT::Instant::now(),
        _ => leader.last_quorum_acked()?,
    };
    Some((leader.to_committed_leader_id(), answered))
}

/// Who answered this leader when.
pub(super) struct LastAnswers<I> {
    /// This node as the leader it is.
    pub leader: LeaderId,
    /// When the quorum did last.
    pub quorum: I,
    /// When each member, voter or learner, was sent what it answered last; none: nothing of this
    /// term. Heartbeats count, and entries.
    pub each: BTreeMap<NodeId, Option<I>>,
}

/// The last answers; none if this node does not lead, or just began to.
pub(super) fn answers<RT: AsyncRuntime>(raft: &Raft<RT>) -> Option<LastAnswers<RT::Instant>> {
    let metrics = raft.metrics();
    let (of, each) = {
        let metrics = metrics.borrow_watched();
        let each = metrics.heartbeat.as_ref()?;
        let each = each.iter().map(|(node, at)| (*node, at.map(|at| at.into_inner()))).collect();
        (metrics.vote.leader_id, each)
    };
    let (leader, quorum) = last_answer(raft)?;
    // It may have become another leader between the two looks.
    (of == leader).then_some(LastAnswers { leader, quorum, each })
}
