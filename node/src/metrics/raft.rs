//! Raft, as this node sees it.

use std::fmt;

use openraft_rt::watch::WatchReceiver;
use openraft_rt_tokio::TokioRuntime;

use super::page::Page;
use crate::tally::Counter;
use crate::{Freshness, Node, Role};

pub(super) fn write(
    page: &mut Page<'_>,
    node: &Node<TokioRuntime>,
    leaders: &Counter,
) -> fmt::Result {
    let Freshness { role, term, leader: _, applied, lag, age } = node.freshness();
    let (last, committed, snapshot, purged) = {
        let metrics = node.raft().metrics();
        let metrics = metrics.borrow_watched();
        let committed = metrics.cluster_committed.max(metrics.local_committed);
        let index = |id: Option<crate::raft::LogId>| id.map_or(0, |id| id.index);
        (
            metrics.last_log_index.unwrap_or(0),
            index(committed),
            index(metrics.snapshot),
            index(metrics.purged),
        )
    };
    page.gauge(
        "quorumcall_raft_leader",
        "1 if this node leads.",
        Some(u32::from(role == Role::Leader)),
    )?;
    page.gauge(
        "quorumcall_raft_voter",
        "1 if this node votes, 0 if it is only told.",
        Some(u32::from(role != Role::Learner)),
    )?;
    page.gauge("quorumcall_raft_term", "The term this node is in.", Some(term))?;
    page.gauge("quorumcall_raft_last_log_index", "The last entry in its log.", Some(last))?;
    page.gauge(
        "quorumcall_raft_committed_index",
        "The last entry it knows to be committed.",
        Some(committed),
    )?;
    page.gauge("quorumcall_raft_applied_index", "The last entry it has applied.", Some(applied))?;
    page.gauge(
        "quorumcall_raft_lag_entries",
        "Entries it knows to be committed and has not applied.",
        Some(lag),
    )?;
    page.gauge(
        "quorumcall_raft_snapshot_index",
        "The last entry that its snapshot covers; 0 if it has none.",
        Some(snapshot),
    )?;
    page.gauge(
        "quorumcall_raft_purged_index",
        "The last entry that its log no longer has; 0 if it has all.",
        Some(purged),
    )?;
    page.gauge(
        "quorumcall_raft_heard_seconds",
        "How long ago a leader was heard or, on the leader, a quorum.",
        age.map(|age| age.as_secs_f64()),
    )?;
    page.counter(
        "quorumcall_raft_leader_changes",
        "How often this node saw somebody begin to lead.",
        Some(leaders.get()),
    )
}
