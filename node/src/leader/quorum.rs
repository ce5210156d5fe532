//! Whether a quorum still hears this leader.

use openraft_rt::{AsyncRuntime, Instant as _};

use crate::raft::{LeaderId, Raft};

/// This node as the leader it is, and when a quorum last answered it; none if it does not lead, or just
/// began to.
pub fn last_answer<RT: AsyncRuntime>(raft: &Raft<RT>) -> Option<(LeaderId, RT::Instant)> {
    let leader = raft.as_leader().ok()?;
    let answered = match leader.last_quorum_acked() {
        Some(answered) => answered,
        // Whoever votes alone is a quorum, and is not asked.
        None if raft.voter_ids().count() == 1 => RT::Instant::now(),
        None => return None,
    };
    Some((leader.to_committed_leader_id(), answered))
}
