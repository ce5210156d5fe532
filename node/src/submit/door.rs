//! Where commands come in.

use std::sync::Arc;
use std::time::Duration;

use acd::codec::encode_submission;
use acd::command::Submission;
use acd::ids::PrincipalId;
use acd::roles::Role;
use openraft_rt::AsyncRuntime;
use tokio::sync::mpsc;

use super::answer::{Answer, ReplyTo};
use super::forward::Forwarder;
use super::inbox::{Class, Full, Inbox, Submitted, leads_its_entry, stopwatch};
use super::tally::{Origin, SubmitTally};
use crate::raft::Raft;
use crate::replica::State;

/// How long a command is waited for; then its outcome is unknown. Longer than any failover a
/// profile promises.
pub const COMMAND_DEADLINE: Duration = Duration::from_secs(10);

/// The code of a refusal: an agent did not say from which session it acts.
pub const SESSION_MISSING: &str = "session-missing";

/// Takes commands, here or at the leader. Clones share it.
pub struct Door<RT: AsyncRuntime> {
    raft: Raft<RT>,
    state: State,
    inbox: Arc<Inbox>,
    forwarder: Forwarder,
    tally: Arc<SubmitTally>,
}

impl<RT: AsyncRuntime> Clone for Door<RT> {
    fn clone(&self) -> Self {
        Self {
            raft: self.raft.clone(),
            state: self.state.clone(),
            inbox: self.inbox.clone(),
            forwarder: self.forwarder.clone(),
            tally: self.tally.clone(),
        }
    }
}

impl<RT: AsyncRuntime> Door<RT> {
    /// Leads to this inbox, or to the forwarder.
    pub fn new(raft: Raft<RT>, state: State, inbox: Arc<Inbox>, forwarder: Forwarder) -> Self {
        let tally = Arc::new(SubmitTally::new(stopwatch::<RT>()));
        Self { raft, state, inbox, forwarder, tally }
    }

    /// What became of the commands that came in here.
    pub fn tally(&self) -> &Arc<SubmitTally> {
        &self.tally
    }

    /// Takes a command. If this node does not lead, it is passed on to the leader, once.
    pub fn submit(&self, mut submitted: Submitted) {
        submitted.reply_to.count(&self.tally, Origin::Client);
        if let Err(elsewhere) = self.raft.as_leader() {
            match elsewhere.leader_id {
                Some(leader) if !self.is_halted() => self.forwarder.forward(leader, submitted),
                leader => submitted
                    .reply_to
                    .answer(Answer::unavailable("no leader is known just now", leader)),
            }
            return;
        }
        self.take_in(submitted);
    }

    /// Takes a command that another node passed on.
    pub fn submit_forwarded(&self, submitted: Submitted) {
        self.submit_here(submitted, Origin::Peer);
    }

    fn submit_own(&self, submitted: Submitted) {
        self.submit_here(submitted, Origin::Node);
    }

    fn submit_here(&self, mut submitted: Submitted, origin: Origin) {
        submitted.reply_to.count(&self.tally, origin);
        match self.raft.as_leader() {
            Ok(_) => self.take_in(submitted),
            Err(elsewhere) => {
                let answer = Answer::unavailable("this node does not lead", elsewhere.leader_id);
                submitted.reply_to.answer(answer);
            }
        }
    }

    /// Whether somebody keeps the sessions of its agents apart by itself.
    pub fn is_gateway(&self, principal: &PrincipalId) -> bool {
        self.state.view().centre().roles_of(principal).contains(Role::Gateway)
    }

    /// Refuses a command of a client that must not come in.
    pub(super) fn refuse(&self, mut reply_to: ReplyTo, code: &str, message: String) {
        reply_to.count(&self.tally, Origin::Client);
        reply_to.answer(Answer::Refused { index: 0, code: code.to_owned(), message });
    }

    fn take_in(&self, submitted: Submitted) {
        if self.is_halted() {
            submitted.reply_to.answer(Answer::unavailable("this node has stopped", None));
        } else if let Err((refused, why)) = self.inbox.put(submitted) {
            let words = match (why, refused.class) {
                (Full::Closed, _) => "this node is ending",
                (Full::Pressed, Class::Work) => "too many commands wait; try again in a moment",
                (Full::Pressed, Class::Arrival) => {
                    "too many commands wait, and new contacts are held back first; try again in a \
                     moment"
                }
            };
            refused.reply_to.answer(Answer::unavailable(words, None));
        }
    }

    fn is_halted(&self) -> bool {
        self.state.halted().is_some()
    }

    /// Submits a command and waits for its answer, at most [`COMMAND_DEADLINE`].
    pub async fn call(&self, submission: &Submission) -> Answer {
        self.wait(submission, Self::submit).await
    }

    /// The same for what only this node may write, as its leader: never passed on.
    pub async fn call_here(&self, submission: &Submission) -> Answer {
        self.wait(submission, Self::submit_own).await
    }

    async fn wait(&self, submission: &Submission, submit: fn(&Self, Submitted)) -> Answer {
        ask::<RT>(|submitted| submit(self, submitted), submission).await
    }
}

/// Submits a command by `submit` and waits for its answer, at most [`COMMAND_DEADLINE`].
pub async fn ask<RT: AsyncRuntime>(
    submit: impl FnOnce(Submitted),
    submission: &Submission,
) -> Answer {
    let (to, mut answers) = mpsc::unbounded_channel();
    submit(Submitted {
        submission: encode_submission(submission).into(),
        class: Class::of(&submission.command),
        leads: leads_its_entry(&submission.command),
        reply_to: ReplyTo::new(0, to),
    });
    match RT::timeout(COMMAND_DEADLINE, answers.recv()).await {
        Ok(Some((_, answer))) => answer,
        // A reply is always given.
        Ok(None) => Answer::unknown("the node ended before it had an answer"),
        Err(_) => Answer::unknown("no answer in time"),
    }
}
