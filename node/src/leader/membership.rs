//! How the leader makes Raft's membership what the state says it is meant to be.

mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use acd::command::SiteCommand;
use acd::event::SiteState;
use openraft::ChangeMembers;
use openraft::raft::Precondition;
use openraft_rt::watch::WatchReceiver;
use openraft_rt::{AsyncRuntime, Instant as _};

use self::plan::{Sight, Step, next, wishes};
use super::duties::Duties;
use super::quorum::answers;
use super::roll_call::RollCall;
use crate::raft::{LeaderId, LogId, Member, NodeId};
use crate::submit::Answer;

/// How often it is looked whether a step is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A member that has all but this many entries has caught up, if that is so at two looks.
const CAUGHT_UP_WITHIN: u64 = 64;
/// A voter that has not answered for this long, counted while others answer, is gone for good: a learner
/// takes its place.
const GONE_AFTER: Duration = Duration::from_secs(15 * 60);
/// How long a step may take until it is looked again what has become of it.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long another node may take to lead instead of this one.
const HAND_OVER: Duration = Duration::from_secs(1);
/// A step that fails is tried again after this long, then after twice as long each time, …
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// … at most.
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(60);

/// What a leader remembers between two looks.
struct Memory {
    leader: LeaderId,
    /// Who was close at the last look.
    close: BTreeSet<NodeId>,
    /// The step that failed last, when to try it again, and how long to wait then.
    failed: Option<(Step, Duration, Duration)>,
}

/// What Raft says of its membership.
struct Membership {
    log_id: Option<LogId>,
    configs: Vec<BTreeSet<NodeId>>,
    members: BTreeMap<NodeId, Member>,
    /// How many entries each one lacks.
    lags: BTreeMap<NodeId, u64>,
}

impl<RT: AsyncRuntime> Duties<RT> {
    /// Moves Raft's membership to what is meant, one step at a time.
    pub(super) async fn move_members(self: Arc<Self>) {
        let started = RT::Instant::now();
        let since = |at: RT::Instant| at.saturating_duration_since(started);
        let mut roll_call = RollCall::new(self.node, self.site_delays);
        let mut memory: Option<Memory> = None;
        let mut looked = Duration::ZERO;
        loop {
            RT::sleep(self.heartbeat).await;
            let Some(answers) = answers(&self.raft) else {
                roll_call.end();
                memory = None;
                continue;
            };
            let each = answers.each.into_iter().map(|(node, at)| (node, at.map(since)));
            roll_call.note(answers.leader, since(answers.quorum), each);
            let now = since(RT::Instant::now());
            if now.saturating_sub(looked) < LOOK_EVERY {
                continue;
            }
            looked = now;
            let Some((sight, membership)) = self.look(answers.leader, &roll_call, &mut memory)
            else {
                continue;
            };
            let Some(step) = next(&sight) else { continue };
            let Some(memory) = &mut memory else { continue };
            let pause = match &memory.failed {
                Some((failed, again, _)) if *failed == step && now < *again => continue,
                Some((failed, _, pause)) if *failed == step => (2 * *pause).min(AGAIN_AFTER_MAX),
                _ => AGAIN_AFTER,
            };
            memory.failed = match self.take_step(&step, answers.leader, &membership).await {
                Ok(()) => {
                    tracing::info!(?step, "the membership has changed");
                    None
                }
                Err(why) => {
                    tracing::warn!(?step, why, "the membership could not be changed; tried again");
                    Some((step, since(RT::Instant::now()) + pause, pause))
                }
            };
        }
    }

    /// What this leader sees; none: it has not applied an entry of its own term, or just began.
    fn look(
        &self,
        leader: LeaderId,
        roll_call: &RollCall,
        memory: &mut Option<Memory>,
    ) -> Option<(Sight, Membership)> {
        let membership = self.raft_membership();
        let close: BTreeSet<_> = membership
            .lags
            .iter()
            .filter(|(_, lag)| **lag <= CAUGHT_UP_WITHIN)
            .map(|(node, _)| *node)
            .collect();
        let view = self.state.view();
        let applied = view.applied()?;
        let Some(before) = memory.as_mut().filter(|memory| memory.leader == leader) else {
            *memory = Some(Memory { leader, close, failed: None });
            return None;
        };
        if *applied.committed_leader_id() != leader {
            return None;
        }
        let ready = |node: &&NodeId| {
            **node == self.node || (before.close.contains(*node) && roll_call.answers(**node))
        };
        let ready = close.iter().filter(ready).copied().chain([self.node]).collect();
        let gone = membership.members.keys().copied();
        let gone = gone.filter(|node| roll_call.silence(*node) >= GONE_AFTER).collect();
        before.close = close;
        let centre = view.centre();
        let wishes = wishes(centre);
        let suspect = |node: &NodeId| {
            let site = wishes.get(node).and_then(|wish| centre.site(&wish.site));
            site.is_some_and(|site| site.silent || site.state == SiteState::Suspect)
        };
        let (voters, changing_to) = match membership.configs.as_slice() {
            [] => return None,
            [voters] => (voters.clone(), None),
            [from, .., to] => (from.clone(), Some(to.clone())),
        };
        let sight = Sight {
            own: self.node,
            last_node: centre.last_node(),
            is_calm: !voters.iter().any(suspect),
            wishes,
            members: membership.members.keys().copied().collect(),
            voters,
            changing_to,
            ready,
            gone,
        };
        Some((sight, membership))
    }

    fn raft_membership(&self) -> Membership {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let stored = &metrics.membership_config;
        let last = metrics.last_log_index.unwrap_or_default();
        let matched = metrics.replication.iter().flatten();
        let lag = |matched: &Option<LogId>| last.saturating_sub(matched.map_or(0, |id| id.index));
        Membership {
            log_id: *stored.log_id(),
            configs: stored.membership().get_joint_config().clone(),
            members: stored.membership().nodes().map(|(n, m)| (*n, m.clone())).collect(),
            lags: matched.map(|(node, matched)| (*node, lag(matched))).collect(),
        }
    }

    async fn take_step(
        &self,
        step: &Step,
        leader: LeaderId,
        seen: &Membership,
    ) -> Result<(), String> {
        let change = match step.clone() {
            Step::Finish(voters) | Step::Vote(voters) => ChangeMembers::ReplaceAllVoters(voters),
            Step::Add(node, member) => ChangeMembers::AddNodes(BTreeMap::from([(node, member)])),
            Step::Drop(node) => ChangeMembers::RemoveNodes(BTreeSet::from([node])),
            Step::Remove(node) => {
                let node = acd::ids::NodeId(node);
                return match self.write(SiteCommand::RemoveNode { node }).await {
                    Answer::Committed { .. } => Ok(()),
                    other => Err(format!("{other:?}")),
                };
            }
            Step::HandOver => {
                let moving = self.lead.moving.try_lock();
                let _moving = moving.map_err(|_| "the lead moves already")?;
                let to = self.lead.successor().ok_or("no other voter could lead")?;
                return match self.lead.hand_over(to, HAND_OVER).await {
                    true => Ok(()),
                    false => Err(format!("node {to} did not take the lead in time")),
                };
            }
        };
        // What another leader, or another change, has done meanwhile is looked at anew.
        let unless_changed = [
            Precondition::CommittedLeaderId { committed_leader_id: leader },
            Precondition::LastMembershipLogId { last_membership_log_id: seen.log_id },
        ];
        // Demoted voters stay learners: what becomes of them is a step of its own.
        let changed = self.raft.change_membership_if(change, true, unless_changed);
        match RT::timeout(STEP_TIMEOUT, changed).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("it is not committed in time".to_owned()),
        }
    }
}
