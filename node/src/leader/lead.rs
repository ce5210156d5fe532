//! The lead, as far as this node has it: who should take it, and how an operator moves it.
//!
//! ```text
//! operator ─▶ any node ─▶ the leader: who is meant? may they lead?
//!                           │ no:  a refusal, in the audit trail
//!                           └ yes: the wish into the log ─▶ hand over ─▶ who leads?
//! ```

use std::sync::Arc;
use std::time::Duration;

use acd::codec::encode_submission;
use acd::command::{ClusterCommand, Command, Submission};
use openraft_rt::watch::WatchReceiver;
use openraft_rt::{AsyncRuntime, Instant as _};
use proto::api::v1::TransferLeaderResponse;
use proto::peer::v1::HandOverRequest;
use tokio::sync::Mutex;

use super::hand_over;
use super::placement::{Sight, Standing, Stays};
use super::quorum::{LastAnswers, answers};
use crate::peers::{Directory, Neighbours, Peers};
use crate::raft::{NodeId, Raft};
use crate::replica::State;
use crate::rpc::RpcError;
use crate::submit::{Answer, COMMAND_DEADLINE, Door, answer_from_wire, answer_to_wire};

/// What became of a wish for another leader.
#[derive(Clone, Debug, PartialEq)]
pub struct Transferred {
    /// The answer to the wish. Unknown: the lead was given away, and nobody is known to have it yet.
    pub answer: Answer,
    /// If it was committed: who leads. An election may have gone another way.
    pub leader: Option<NodeId>,
}

impl From<Answer> for Transferred {
    fn from(answer: Answer) -> Self {
        Self { answer, leader: None }
    }
}

impl Transferred {
    /// As it is sent.
    pub fn to_wire(self) -> TransferLeaderResponse {
        let Self { answer, leader } = self;
        TransferLeaderResponse { answer: Some(answer_to_wire(answer)), leader }
    }

    fn from_wire(response: TransferLeaderResponse) -> Self {
        let TransferLeaderResponse { answer, leader } = response;
        Self { answer: answer_from_wire(answer), leader }
    }
}

/// The lead of this node. Clones share it.
pub struct Lead<RT: AsyncRuntime> {
    /// Raft.
    pub raft: Raft<RT>,
    /// This node.
    pub node: NodeId,
    /// The state.
    pub state: State,
    /// Where wishes are written down.
    pub door: Door<RT>,
    /// Who is a member.
    pub directory: Directory,
    /// Connections to them.
    pub peers: Peers<RT>,
    /// What they said of their clocks.
    pub neighbours: Neighbours,
    /// After how much silence a node does not answer.
    pub suspect: Duration,
    /// The lease of a leader: how long followers wait for one before they elect another.
    pub silence: Duration,
    /// Held while the lead moves, so that two of those who move it do not.
    pub moving: Arc<Mutex<()>>,
}

impl<RT: AsyncRuntime> Clone for Lead<RT> {
    fn clone(&self) -> Self {
        Self {
            raft: self.raft.clone(),
            node: self.node,
            state: self.state.clone(),
            door: self.door.clone(),
            directory: self.directory.clone(),
            peers: self.peers.clone(),
            neighbours: self.neighbours.clone(),
            suspect: self.suspect,
            silence: self.silence,
            moving: self.moving.clone(),
        }
    }
}

impl<RT: AsyncRuntime> Lead<RT> {
    /// Looks who should lead; none: this node does not, or has just begun to.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Sight<'_>) -> T) -> Option<T> {
        let LastAnswers { leader, each, .. } = answers(&self.raft)?;
        let now = RT::Instant::now();
        let answers = |node: NodeId| {
            let last = each.get(&node).copied().flatten();
            last.is_some_and(|at| now.saturating_duration_since(at) < self.suspect)
        };
        let fit = self.neighbours.with_right_clocks();
        let (voters, is_settled) = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            let replication = metrics.replication.as_ref()?;
            let last = metrics.last_log_index.unwrap_or_default();
            let standing = |node: NodeId| {
                let matched = replication.get(&node).cloned().flatten();
                Standing {
                    answers: answers(node),
                    clock_is_right: fit.contains_key(&node),
                    behind: matched.map_or(u64::MAX, |id| last.saturating_sub(id.index)),
                }
            };
            let membership = metrics.membership_config.membership();
            let others = membership.voter_ids().filter(|node| *node != self.node);
            let voters = others.map(|node| (node, standing(node))).collect();
            let is_joint = membership.get_joint_config().len() > 1;
            let is_committed = metrics.committed_membership_config == metrics.membership_config;
            (voters, is_committed && !is_joint)
        };
        let view = self.state.view();
        // What an earlier leader wrote is known once something of this one is applied.
        if *view.applied()?.committed_leader_id() != leader {
            return None;
        }
        Some(look(&Sight { own: self.node, centre: view.centre(), voters, is_settled }))
    }

    /// Who leads, as far as this node knows.
    pub fn leader(&self) -> Option<NodeId> {
        self.raft.server_metrics().borrow_watched().current_leader
    }

    /// Who should take over from this node when it must not lead any longer.
    pub fn successor(&self) -> Option<NodeId> {
        // A leader that has just begun has not heard of anybody yet, but was asked for its clock.
        self.look(|sight| sight.successor()).flatten().or_else(|| {
            let voters: Vec<_> = self.raft.voter_ids().collect();
            self.neighbours.furthest(&voters)
        })
    }

    /// Lets another node lead; whether somebody does within `patience`. Nothing is written meanwhile.
    pub async fn hand_over(&self, to: NodeId, patience: Duration) -> bool {
        hand_over(&self.raft, to, patience).await
    }

    /// Carries out somebody's wish for another leader, here or at the leader. Takes about as long as an
    /// election, and [`COMMAND_DEADLINE`] at most.
    pub async fn transfer(&self, wish: Submission) -> Transferred {
        let transferred = RT::timeout(COMMAND_DEADLINE, async {
            match self.raft.as_leader() {
                Ok(_) => self.transfer_here(wish).await,
                Err(elsewhere) => self.ask_leader(elsewhere.leader_id, &wish).await,
            }
        });
        let too_late = |_| Answer::unknown("no answer in time").into();
        let transferred = transferred.await.unwrap_or_else(too_late);
        // Who asks this node next is not sent to the old leader any more.
        if let Some(leader) = transferred.leader {
            // It may be another one already; whoever is asked then says so.
            let _ = self.known_leader(|known| known == leader).await;
        }
        transferred
    }

    async fn ask_leader(&self, leader: Option<NodeId>, wish: &Submission) -> Transferred {
        let member = leader.and_then(|leader| Some((leader, self.directory.get(leader)?)));
        let Some((leader, member)) = member else {
            return Answer::unavailable("no leader is known just now", leader).into();
        };
        let submission = encode_submission(wish).into();
        let mut peer = self.peers.urgent(leader, &member);
        match peer.hand_over(HandOverRequest { submission }).await {
            Ok(response) => Transferred::from_wire(response.into_inner()),
            Err(status) => {
                let words = format!("the way to the leader broke: {}", status.message());
                // Without a connection nothing was sent.
                match RpcError::of(&status) {
                    Some(RpcError::Connect { .. }) => Answer::unavailable(&words, Some(leader)),
                    _ => Answer::unknown(&words),
                }
                .into()
            }
        }
    }

    /// Carries out a wish for another leader as the leader, or refuses it. Either is in the audit trail
    /// before anything is done; what only Raft knows, the leader says into the command that goes there.
    pub async fn transfer_here(&self, wish: Submission) -> Transferred {
        let Command::Cluster(ClusterCommand::TransferLeader { to, .. }) = &wish.command else {
            return Answer::Refused {
                index: 0,
                code: "malformed".to_owned(),
                message: "this is no wish for another leader".to_owned(),
            }
            .into();
        };
        let to = to.clone();
        let moving = self.moving.try_lock();
        let chosen = match (self.look(|sight| sight.choose(&to)), &moving) {
            (None, _) => {
                let leader = self.leader().filter(|leader| *leader != self.node);
                let words = "this node does not lead, or has just begun to; try again in a moment";
                return Answer::unavailable(words, leader).into();
            }
            (Some(_), Err(_)) => Err(Stays::Moving),
            (Some(chosen), Ok(_)) => chosen,
        };
        let answer = self.door.call_here(&note(wish, chosen.as_ref().err())).await;
        let index = match answer {
            Answer::Committed { index, .. } => index,
            refused => return refused.into(),
        };
        let Ok(Some(successor)) = chosen else {
            // Such a node leads already: this one.
            return Transferred { answer, leader: Some(self.node) };
        };
        tracing::info!(index, to = successor, asked = %to, "the lead goes where it was asked for");
        let term = || self.raft.as_leader().ok().map(|leader| leader.leader_id().term);
        let before = term();
        self.hand_over(successor, 2 * self.silence).await;
        // It may have been elected again itself.
        let is_new = |leader| leader != self.node || term() != before;
        match self.known_leader(is_new).await {
            Some(leader) => Transferred { answer, leader: Some(leader) },
            None => Answer::unknown(
                "the lead was given away, and nobody is known to have it yet: look who leads",
            )
            .into(),
        }
    }

    /// Waits, for an election at most, until this node knows a leader that will do.
    async fn known_leader(&self, will_do: impl Fn(NodeId) -> bool + Send + Sync) -> Option<NodeId> {
        let mut metrics = self.raft.server_metrics();
        let known = async {
            loop {
                let leader = metrics.borrow_watched().current_leader;
                if let Some(leader) = leader.filter(|leader| will_do(*leader)) {
                    return Some(leader);
                }
                if metrics.changed().await.is_err() {
                    return None; // Raft has stopped.
                }
            }
        };
        RT::timeout(2 * self.silence, known).await.ok().flatten()
    }
}

/// What is written down of a wish. A refusal is about this moment, so it is not remembered as the
/// answer to the request: whoever asks again is judged anew.
fn note(wish: Submission, stays: Option<&Stays>) -> Submission {
    let Command::Cluster(ClusterCommand::TransferLeader { to, .. }) = wish.command else {
        return wish;
    };
    let request = wish.request.filter(|_| stays.is_none());
    let stays = stays.map(Stays::label);
    let command = ClusterCommand::TransferLeader { to, stays }.into();
    Submission { request, command, ..wish }
}
