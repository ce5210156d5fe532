//! Whether a quorum still hears this leader.

use openraft_rt::{AsyncRuntime, Instant as _};

use crate::raft::Raft;

/// When a quorum last answered this node; none if it does not lead, or just began to.
pub fn last_answer<RT: AsyncRuntime>(raft: &Raft<RT>) -> Option<RT::Instant> {
    let leader = raft.as_leader().ok()?;
    match leader.last_quorum_acked() {
        Some(answered) => Some(answered),
        // Whoever votes alone is a quorum, and is not asked.
        None if raft.voter_ids().count() == 1 => Some(RT::Instant::now()),
        None => None,
    }
}
