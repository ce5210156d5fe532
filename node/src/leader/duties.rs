//! What the leader writes into the log when nobody asks: ticks, corrections of time, checkpoints,
//! and the members of a cluster that is being founded. Every node runs these; only a leader acts.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use acd::codec::encode_submission;
use acd::command::{CheckpointVote, ClusterCommand, Command, Request, SiteCommand, Submission};
use acd::config::SiteConfig;
use acd::ids::{PrincipalId, RequestId, Revision};
use acd::text::Label;
use openraft_rt::watch::WatchReceiver;
use openraft_rt::{AsyncRuntime, Instant as _, Select2};
use tokio::sync::Notify;

use super::clock::LogClock;
use crate::founding::Founding;
use crate::peers::{Directory, Neighbours, Peers};
use crate::raft::{NodeId, Raft};
use crate::replica::State;
use crate::seams::WallClock;
use crate::shutdown::Shutdown;
use crate::submit::{Answer, Door};

/// Ticks are at least this far apart.
const TICK_EVERY: Duration = Duration::from_millis(10);
/// How often peers are asked for their clocks.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// A wall clock that is further from the median of all than this does not lead.
const CLOCK_ERROR_MAX_MS: i64 = 500;
/// How often founding goes on where it was interrupted.
const FOUND_EVERY: Duration = Duration::from_millis(100);

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
    /// How often replicas compare their states.
    pub checkpoint_every: Duration,
    /// The longest round trip with which Raft's times leave room to spare.
    pub round_trip_max: Duration,
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
        until(Box::pin(duties.clone().tick()));
        until(Box::pin(duties.clone().compare_clocks()));
        until(Box::pin(duties.clone().compare_states()));
        until(Box::pin(duties.clone().take_snapshots(snapshot_due)));
        if let Some(founding) = founding {
            until(Box::pin(duties.clone().found(founding)));
        }
    }

    fn leads(&self) -> bool {
        self.raft.as_leader().is_ok()
    }

    async fn write(&self, command: ClusterCommand) -> Answer {
        self.door.call(&Submission::new(self.principal.clone(), command.into())).await
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
            }
            leadership.notify_one();
            if metrics.changed().await.is_err() {
                return;
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

    /// Asks peers what time it is. A node whose clock is wrong gives the lead away; a leader whose
    /// log time is far behind sets it.
    async fn compare_clocks(self: Arc<Self>) {
        let mut fit = true;
        let mut slow = BTreeSet::new();
        loop {
            self.neighbours.ask(&self.peers, &self.directory, &self.wall).await;
            self.watch_round_trips(&mut slow);
            let error_ms = self.neighbours.clock_error_ms();
            let fits = error_ms.is_none_or(|error| error.abs() <= CLOCK_ERROR_MAX_MS);
            if fits != fit {
                fit = fits;
                self.raft.runtime_config().elect(fit);
                match fit {
                    true => tracing::info!("the clock is right again; this node may lead"),
                    false => tracing::error!(
                        error_ms,
                        "the clock of this node is wrong: it does not lead. Check its time service"
                    ),
                }
            }
            if self.leads() && !fit {
                self.give_lead_away().await;
            } else if self.leads()
                && self.majority_has_this_time()
                && let Some(to) = self.clock.correction()
                && !self.state.view().centre().is_replay()
            {
                let answer = self.write(ClusterCommand::SetTime { to }).await;
                tracing::warn!(to_ms = to.0, ?answer, "log time was far behind; it is set");
            }
            RT::sleep(PROBE_EVERY).await;
        }
    }

    /// Says so, once, when a peer is further away than this node's times are made for. A leader whose
    /// followers answer later than its heartbeat allows is taken for gone.
    fn watch_round_trips(&self, slow: &mut BTreeSet<NodeId>) {
        for (node, reading) in self.neighbours.readings() {
            if reading.round_trip <= self.round_trip_max {
                slow.remove(&node);
            } else if slow.insert(node) {
                tracing::warn!(
                    node,
                    round_trip_ms = reading.round_trip.as_millis() as u64,
                    "this peer is further away than the profile in node.toml is for: choose the \
                     next slower one on every node"
                );
            }
        }
    }

    /// Whether a majority of the members, this node included, has about the same wall time.
    fn majority_has_this_time(&self) -> bool {
        let members = self.directory.others().len() + 1;
        1 + self.neighbours.clocks_within_ms(CLOCK_ERROR_MAX_MS) > members / 2
    }

    /// To the peer that is furthest.
    async fn give_lead_away(&self) {
        let voters: Vec<_> = self.raft.voter_ids().collect();
        let readings = self.neighbours.readings();
        let others = readings.iter().filter(|(node, _)| voters.contains(node));
        if let Some((node, _)) = others.max_by_key(|(_, reading)| reading.applied) {
            // Raft has stopped: nobody leads here.
            let _ = self.raft.trigger().transfer_leader(*node).await;
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
            let readings = self.neighbours.readings();
            let others = readings.iter().map(|(node, reading)| vote(*node, reading.checkpoint));
            let votes = std::iter::once(vote(self.node, own)).chain(others).flatten();
            let votes = votes.take(acd::limits::CHECKPOINT_VOTES_MAX).collect();
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

    /// Writes down who the cluster is founded with. Each step looks at what is there, so that a
    /// later leader goes on where an earlier one stopped.
    async fn found(self: Arc<Self>, founding: Founding) {
        loop {
            RT::sleep(FOUND_EVERY).await;
            if !self.leads() {
                // Somebody else founds it, or has.
                if self.founding_step(&founding).is_none() {
                    return;
                }
                continue;
            }
            let Some(step) = self.founding_step(&founding) else { return };
            let answer = self.door.call(&step).await;
            if let Answer::Refused { code, message, .. } = answer {
                tracing::error!(code, message, "the founding was refused");
            }
        }
    }

    /// The next step, if any is left.
    fn founding_step(&self, founding: &Founding) -> Option<Submission> {
        let view = self.state.view();
        let centre = view.centre();
        let mut sites = founding.members.iter().map(|member| &member.site);
        let command: Command = if centre.cluster().is_none() {
            founding.init_command()?
        } else if let Some(site) = sites.clone().find(|id| centre.site(id).is_none()) {
            let name = Label::new(site.as_str()).ok()?;
            let config = SiteConfig::new(site.clone(), name);
            SiteCommand::Put { config, expected: Some(Revision(0)) }.into()
        } else {
            let missing = sites.nth(centre.nodes().count())?;
            SiteCommand::AddNode { site: missing.clone() }.into()
        };
        let mut step = Submission::new(founding.admin.clone(), command);
        step.reason = Label::new("founding").ok();
        // A step that is repeated because its answer was lost is carried out once.
        let id = xxhash_rust::xxh3::xxh3_128(&encode_submission(&step));
        let count = centre.nodes().count() as u128;
        let request = RequestId(id.wrapping_add(count));
        step.request = Some(Request { id: request, issued_at: centre.now() });
        Some(step)
    }
}
