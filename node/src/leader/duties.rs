//! What the leader does when nobody asks: ticks, checkpoints, snapshots; its clock, the founding of
//! a cluster, the loss of sites and who should lead are in files of their own. Every node runs these duties; only a leader acts.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use acd::command::{CheckpointVote, ClusterCommand, Command, Submission};
use acd::ids::PrincipalId;
use openraft_rt::watch::WatchReceiver;
use openraft_rt::{AsyncRuntime, Instant as _, Select2};
use tokio::sync::Notify;

use super::clock::LogClock;
use super::{Lead, last_answer};
use crate::config::SiteDelays;
use crate::founding::Founding;
use crate::peers::{Directory, Neighbours, Peers};
use crate::raft::{NodeId, Raft};
use crate::replica::State;
use crate::seams::{Keeper, WallClock};
use crate::shutdown::Shutdown;
use crate::submit::{Answer, Door};

/// Ticks are at least this far apart.
const TICK_EVERY: Duration = Duration::from_millis(10);

/// What all duties need.
pub struct Duties<RT: AsyncRuntime> {
    /// Raft.
    pub raft: Raft<RT>,
    /// This node.
    pub node: NodeId,
    /// The principal it writes as.
    pub principal: PrincipalId,
    /// The state.
    pub state: State,
    /// Where commands go.
    pub door: Door<RT>,
    /// Log time.
    pub clock: LogClock<RT>,
    /// Wall time.
    pub wall: Arc<dyn WallClock>,
    /// Who is a member.
    pub directory: Directory,
    /// Connections to them.
    pub peers: Peers<RT>,
    /// What they said last.
    pub neighbours: Neighbours,
    /// Who should lead.
    pub lead: Lead<RT>,
    /// How often replicas compare their states.
    pub checkpoint_every: Duration,
    /// The time between two heartbeats.
    pub heartbeat: Duration,
    /// How long a quorum may be silent before that is a gap: the lease of a leader.
    pub silence: Duration,
    /// After how much silence something is said of a site.
    pub site_delays: SiteDelays,
    /// The longest round trip with which Raft's times leave room to spare.
    pub round_trip_max: Duration,
    /// Where secrets are kept.
    pub keeper: Arc<dyn Keeper>,
    /// The end.
    pub shutdown: Shutdown,
}

impl<RT: AsyncRuntime> Duties<RT> {
    /// Starts all duties; they end with the shutdown.
    pub fn start(
        self,
        leadership: Arc<Notify>,
        snapshot_due: Arc<Notify>,
        founding: Option<Founding>,
    ) {
        let duties = Arc::new(self);
        let until = |duty: futures::future::BoxFuture<'static, ()>| {
            let shutdown = duties.shutdown.clone();
            drop(RT::spawn(async move {
                let shutdown = pin!(shutdown.wait());
                RT::select2(shutdown, duty).await;
            }));
        };
        until(Box::pin(duties.clone().follow_membership(leadership)));
        until(Box::pin(duties.clone().watch_quorum()));
        until(Box::pin(duties.clone().watch_sites()));
        until(Box::pin(duties.clone().move_members()));
        until(Box::pin(duties.clone().place_leader()));
        until(Box::pin(duties.clone().tick()));
        until(Box::pin(duties.clone().compare_clocks()));
        until(Box::pin(duties.clone().compare_states()));
        until(Box::pin(duties.clone().take_snapshots(snapshot_due)));
        if let Some(founding) = founding {
            until(Box::pin(duties.clone().found(founding)));
        }
    }

    pub(super) fn leads(&self) -> bool {
        self.raft.as_leader().is_ok()
    }

    /// Never passed on: what one leader judged is not for the next one to write.
    pub(super) async fn write(&self, command: impl Into<Command>) -> Answer {
        self.door.call_here(&Submission::new(self.principal.clone(), command.into())).await
    }

    /// Keeps the directory as Raft's membership says, and wakes the batcher when leadership may
    /// have changed.
    async fn follow_membership(self: Arc<Self>, leadership: Arc<Notify>) {
        let mut metrics = self.raft.server_metrics();
        loop {
            let members = metrics.borrow_watched().membership_config.clone();
            let members: BTreeMap<_, _> = members
                .membership()
                .nodes()
                .map(|(node, member)| (*node, member.clone()))
                .collect();
            // Before Raft is initialised, or told by a leader, the founding's members count.
            if !members.is_empty() {
                self.directory.replace(members);
                self.peers.forget_strangers();
            }
            leadership.notify_one();
            if metrics.changed().await.is_err() {
                return;
            }
        }
    }

    /// Notices when no quorum answers this leader for a while.
    async fn watch_quorum(self: Arc<Self>) {
        loop {
            RT::sleep(self.heartbeat).await;
            if let Some((leader, answered)) = last_answer(&self.raft) {
                self.clock.answered_by_quorum(leader, answered, self.silence);
            }
        }
    }

    /// Lets deadlines fire when nothing else happens.
    async fn tick(self: Arc<Self>) {
        loop {
            let mut applied = pin!(self.state.next_applied());
            applied.as_mut().enable();
            let (next, now, replay) = {
                let view = self.state.view();
                let centre = view.centre();
                (centre.next_deadline(), centre.now(), centre.is_replay())
            };
            let Some(next) = next.filter(|_| !replay && self.leads()) else {
                // A leader's first entry is applied, too.
                applied.await;
                continue;
            };
            // Log time has moved on since the last entry, by as much as this node's clock.
            let due = self.clock.until(next.max(now));
            if let Select2::First(()) = RT::select2(applied, RT::sleep(due)).await
                && !due.is_zero()
            {
                continue;
            }
            let started = RT::Instant::now();
            // Whether it got into the log or not, the state says what to do next.
            let _ = self.write(ClusterCommand::Tick).await;
            RT::sleep_until(started + TICK_EVERY).await;
        }
    }

    /// Lets replicas compare their states.
    async fn compare_states(self: Arc<Self>) {
        loop {
            RT::sleep(self.checkpoint_every).await;
            if !self.leads() || self.state.view().centre().cluster().is_none() {
                continue;
            }
            let own = self.state.view().centre().checkpoint();
            let about = own.map_or(0, |(index, _)| index);
            let vote = |node, checkpoint: Option<(u64, u128)>| {
                let (_, hash) = checkpoint.filter(|(index, _)| *index == about)?;
                Some(CheckpointVote { node: acd::ids::NodeId(node), hash })
            };
            let others = self.neighbours.checkpoints();
            let others = others.iter().map(|(node, kept)| vote(*node, Some(*kept)));
            let votes = std::iter::once(vote(self.node, own)).chain(others).flatten();
            let votes: Vec<_> = votes.take(acd::limits::CHECKPOINT_VOTES_MAX).collect();
            if votes.iter().any(|vote| own.is_some_and(|(_, hash)| vote.hash != hash)) {
                tracing::error!(about, ?votes, "the states of replicas differ");
            }
            // The next one is about whatever was taken last.
            let _ = self.write(ClusterCommand::Checkpoint { about, votes }).await;
        }
    }

    /// Takes a snapshot when enough log has been applied.
    async fn take_snapshots(self: Arc<Self>, due: Arc<Notify>) {
        loop {
            due.notified().await;
            if self.raft.trigger().snapshot().await.is_err() {
                return; // Raft has stopped.
            }
        }
    }
}
