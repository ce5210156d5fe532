//! Whether a quorum still hears this leader.

use openraft_rt::{AsyncRuntime, Instant as _};

use crate::raft::Raft;

/// The term this node leads, and when a quorum last answered it; none if it does not lead, or just
/// began to.
pub fn last_answer<RT: AsyncRuntime>(raft: &Raft<RT>) -> Option<(u64, RT::Instant)> {
    let leader = raft.as_leader().ok()?;
    let answered = match leader.last_quorum_acked() {
        Some(answered) => answered,
        // Whoever votes alone is a quorum, and is not asked.
        None if raft.voter_ids().count() == 1 => RT::Instant::now(),
        None => return None,
    };
    Some((leader.leader_id().term, answered))
}
