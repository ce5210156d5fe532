//! Makes log entries of what waits.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use acd::codec::{encode_entry, encode_submission};
use acd::command::{ClusterCommand, Submission};
use acd::ids::PrincipalId;
use acd::time::LogTime;
use bytes::Bytes;
use openraft::errors::ClientWriteError;
use openraft::raft::ClientWriteResult;
use openraft::raft::responder::OneshotResponder;
use openraft_rt::{AsyncRuntime, Instant as _, Oneshot, Select2, Select3};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::answer::{Answer, ReplyTo};
use super::inbox::{Inbox, Submitted};
use super::tally::SubmitTally;
use crate::leader::{LogClock, last_answer};
use crate::peers::{Directory, Neighbours};
use crate::raft::{EntryBytes, LeaderId, NodeId, Raft, Types};
use crate::shutdown::Shutdown;

/// How soon a term is begun again that could not be.
const BEGIN_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// How large entries are and how many are on their way.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// Commands in one entry.
    pub commands_max: usize,
    /// Bytes of the commands of one entry; one command may be larger.
    pub bytes_max: usize,
}

/// Takes commands from the inbox to the log while this node leads, and turns them away while it
/// does not.
pub struct Batcher<RT: AsyncRuntime> {
    /// Raft.
    pub raft: Raft<RT>,
    /// This node.
    pub node: NodeId,
    /// The principal this node writes as.
    pub principal: PrincipalId,
    /// What waits.
    pub inbox: Arc<Inbox>,
    /// Log time.
    pub clock: LogClock<RT>,
    /// How much at once.
    pub limits: BatchLimits,
    /// As many as may be on their way.
    pub places: Arc<Semaphore>,
    /// How long a quorum may be silent before that is a gap: the lease of a leader.
    pub silence: Duration,
    /// Told when this node may have begun to lead.
    pub leadership: Arc<Notify>,
    /// What the peers' clocks say.
    pub neighbours: Neighbours,
    /// Who the peers are.
    pub directory: Directory,
    /// Counts the entries.
    pub tally: Arc<SubmitTally>,
    /// The end.
    pub shutdown: Shutdown,
    /// A bug put in on purpose: gaps are not announced.
    #[cfg(feature = "mutations")]
    pub hides_gaps: bool,
}

/// Whether a term could be begun.
enum Begun {
    Yes,
    NotNow,
    Stopped,
}

type Receiver<RT> =
    <<RT as AsyncRuntime>::Oneshot as Oneshot>::Receiver<ClientWriteResult<Types<RT>>>;

/// An entry on its way.
struct InFlight<RT: AsyncRuntime> {
    outcome: Receiver<RT>,
    replies: Vec<ReplyTo>,
    _place: OwnedSemaphorePermit,
}

impl<RT: AsyncRuntime> Batcher<RT> {
    /// Works until the shutdown, or until Raft has stopped.
    pub async fn run(self) {
        let (sent, in_flight) = unbounded_channel();
        drop(RT::spawn(complete(in_flight)));
        // The term whose first entry is in the log.
        let mut begun: Option<LeaderId> = None;
        // Since when it cannot be begun.
        let mut refused: Option<RT::Instant> = None;
        loop {
            let something = {
                let shutdown = pin!(self.shutdown.wait());
                let leadership = pin!(self.leadership.notified());
                let filled = pin!(self.inbox.filled());
                RT::select3(shutdown, leadership, filled).await
            };
            if let Select3::First(()) = something {
                break;
            }
            let leader = match self.raft.as_leader() {
                Ok(leader) => leader,
                Err(elsewhere) => {
                    begun = None;
                    refused = None;
                    turn_away(self.inbox.drain(), elsewhere.leader_id);
                    continue;
                }
            };
            if let Some((leader, answered)) = last_answer(&self.raft) {
                self.clock.answered_by_quorum(leader, answered, self.silence);
            }
            let term = leader.to_committed_leader_id();
            if begun != Some(term) || self.clock.has_gap(self.silence) {
                begun = None;
                match self.begin_term(term).await {
                    Begun::Yes => {
                        begun = Some(term);
                        refused = None;
                    }
                    Begun::NotNow => {
                        let now = RT::Instant::now();
                        let since = *refused.get_or_insert(now);
                        if now.saturating_duration_since(since) > 2 * self.silence {
                            // A node that led before it was started again is no leader, although
                            // its vote says so, and where nobody else may stand, nobody would ever
                            // lead. Of a leader that may not write Raft makes nothing of this.
                            refused = None;
                            if self.raft.trigger().elect(true).await.is_err() {
                                break;
                            }
                        }
                        RT::sleep(BEGIN_AGAIN_AFTER).await;
                    }
                    Begun::Stopped => break,
                }
                // Whether anything waits, or this node still leads, is looked at anew.
                self.leadership.notify_one();
                continue;
            }
            let place = {
                let shutdown = pin!(self.shutdown.wait());
                let place = pin!(self.places.clone().acquire_owned());
                RT::select2(shutdown, place).await
            };
            // The semaphore is never closed.
            let Select2::Second(Ok(place)) = place else { break };
            let batch = self.inbox.take(self.limits.commands_max, self.limits.bytes_max);
            if batch.is_empty() {
                continue;
            }
            let (commands, replies) = batch.into_iter().map(|s| (s.submission, s.reply_to)).unzip();
            let stamp = self.clock.stamp();
            if !self.propose(term, stamp, commands, replies, place, &sent).await {
                break;
            }
        }
        self.inbox.close();
        turn_away(self.inbox.drain(), None);
    }

    /// Writes the first entry of a term, or after a silence: how long nobody could be heard. Nothing
    /// else is written before it is committed.
    async fn begin_term(&self, leader: LeaderId) -> Begun {
        if self.clock.is_new() && !self.neighbours.majority_agrees(&self.directory) {
            // The first stamp is wall time, which nobody could take back.
            return Begun::NotNow;
        }
        let (stamp, gap) = self.clock.begin_term(leader);
        #[cfg(feature = "mutations")]
        let gap = if self.hides_gaps { acd::time::Millis::ZERO } else { gap };
        let command = ClusterCommand::TermStarted { leader: acd::ids::NodeId(self.node), gap };
        let submission = Submission::new(self.principal.clone(), command.into());
        let commands: [Bytes; 1] = [encode_submission(&submission).into()];
        let entry = EntryBytes(encode_entry(stamp, commands).into());
        let (responder, outcome) = OneshotResponder::new_pair();
        let written = self.raft.write(entry).with_leader(leader).responder(responder).await;
        if written.is_err() {
            return Begun::Stopped;
        }
        let outcome = {
            let shutdown = pin!(self.shutdown.wait());
            RT::select2(shutdown, outcome).await
        };
        match outcome {
            Select2::Second(Ok(Ok(_))) => {
                tracing::info!(term = leader.term, gap_ms = gap.0, "people are heard again");
                self.clock.term_begun(leader);
                Begun::Yes
            }
            // A leader that was just elected may not write until a quorum has answered it.
            Select2::Second(Ok(Err(_))) => Begun::NotNow,
            Select2::Second(Err(_)) | Select2::First(()) => Begun::Stopped,
        }
    }

    /// False: Raft has stopped.
    async fn propose(
        &self,
        leader: LeaderId,
        stamp: LogTime,
        commands: Vec<Bytes>,
        replies: Vec<ReplyTo>,
        place: OwnedSemaphorePermit,
        sent: &UnboundedSender<InFlight<RT>>,
    ) -> bool {
        self.tally.batches.count(commands.len() as u64);
        let entry = EntryBytes(encode_entry(stamp, commands).into());
        let (responder, outcome) = OneshotResponder::new_pair();
        // Nobody is told anything of an entry that a later leader of this node would write.
        let written = self.raft.write(entry).with_leader(leader).responder(responder).await;
        // The receiver lives as long as the batcher.
        let _ = sent.send(InFlight { outcome, replies, _place: place });
        written.is_ok()
    }
}

fn turn_away(waiting: Vec<Submitted>, leader: Option<NodeId>) {
    for submitted in waiting {
        submitted.reply_to.answer(Answer::unavailable("this node does not lead", leader));
    }
}

/// Gives answers, in the order of the log.
async fn complete<RT: AsyncRuntime>(mut in_flight: UnboundedReceiver<InFlight<RT>>) {
    while let Some(InFlight { outcome, replies, _place }) = in_flight.recv().await {
        match outcome.await {
            Ok(Ok(written)) => {
                let index = written.log_id.index;
                // A reply without an outcome says that it is unknown when it is dropped.
                for (reply_to, outcome) in replies.into_iter().zip(written.data.0) {
                    reply_to.answer(match outcome {
                        Ok(reply) => Answer::Committed { index, reply },
                        Err(refusal) => Answer::Refused {
                            index,
                            code: refusal.code().to_owned(),
                            message: refusal.to_string(),
                        },
                    });
                }
            }
            Ok(Err(ClientWriteError::ForwardToLeader(elsewhere))) => {
                for reply_to in replies {
                    let leader = elsewhere.leader_id;
                    reply_to.answer(Answer::unavailable("this node does not lead now", leader));
                }
            }
            Ok(Err(error)) => {
                let why = error.to_string();
                for reply_to in replies {
                    reply_to.answer(Answer::unknown(&why));
                }
            }
            Err(_) => {
                for reply_to in replies {
                    reply_to.answer(Answer::unknown("Raft has stopped on this node"));
                }
            }
        }
    }
}
