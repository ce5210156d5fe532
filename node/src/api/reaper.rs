//! Reports to the cluster which sessions and streams of this node are gone.
//!
//! A session that stays connected in the state while no stream leads to its desktop would be offered
//! contacts that nobody sees. So whatever ends here without the cluster's knowledge is a *debt*,
//! which is kept until the cluster has answered: carried out, or refused because the session was
//! over anyway. While nobody leads, debts wait. What a node that is gone cannot report, the leader
//! notices, or the node itself when it starts again.
//!
//! There is at most one debt per agent and per front end: a later session of an agent has ended the
//! earlier one.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acd::codec::encode_submission;
use acd::command::{AgentCommand, Command, ContactCommand, Submission};
use acd::ids::{AgentId, NodeId, PrincipalId, SessionEpoch};
use openraft_rt::{AsyncRuntime, Select2};
use tokio::sync::{Notify, mpsc};

use super::hub::Hub;
use super::streams::Submit;
use crate::shutdown::Shutdown;
use crate::submit::{Answer, COMMAND_DEADLINE, Class, ReplyTo, Submitted};

/// Debts that are reported at a time: 10,000 sessions that break at once are 40 rounds, each of one
/// commit, and leave the inbox (32,768) to others.
const REPORTED_AT_ONCE: usize = 256;
/// How long to wait after a round that did not get through, first and at most.
const AGAIN_AFTER: Duration = Duration::from_millis(50);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(1);

/// What the cluster is to be told.
#[derive(Default)]
pub(super) struct Debts {
    owed: Mutex<Owed>,
    due: Notify,
}

#[derive(Default)]
struct Owed {
    sessions: BTreeMap<AgentId, SessionEpoch>,
    streams: BTreeSet<PrincipalId>,
}

#[derive(Clone, Debug)]
enum Debt {
    /// A session without a stream.
    Session(AgentId, SessionEpoch),
    /// A front end without a stream to this node.
    Stream(PrincipalId),
}

impl Debts {
    fn owed(&self) -> MutexGuard<'_, Owed> {
        // Nothing in here panics half-way.
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session has no stream any more.
    pub(super) fn owe_session(&self, agent: AgentId, epoch: SessionEpoch) {
        self.owe(Debt::Session(agent, epoch));
    }

    /// A front end has no stream to this node any more.
    pub(super) fn owe_detach(&self, ingress: PrincipalId) {
        self.owe(Debt::Stream(ingress));
    }

    /// It is about to have one again.
    pub(super) fn forgive_detach(&self, ingress: &PrincipalId) {
        self.owed().streams.remove(ingress);
    }

    fn owe(&self, debt: Debt) {
        let mut owed = self.owed();
        match debt {
            Debt::Session(agent, epoch) => {
                let latest = owed.sessions.entry(agent).or_insert(epoch);
                *latest = epoch.max(*latest);
            }
            Debt::Stream(ingress) => {
                owed.streams.insert(ingress);
            }
        }
        drop(owed);
        self.due.notify_one();
    }

    /// Takes some out.
    fn take(&self, max: usize) -> Vec<Debt> {
        let mut owed = self.owed();
        let mut taken = Vec::new();
        while taken.len() < max {
            if let Some(ingress) = owed.streams.pop_first() {
                taken.push(Debt::Stream(ingress));
            } else if let Some((agent, epoch)) = owed.sessions.pop_first() {
                taken.push(Debt::Session(agent, epoch));
            } else {
                break;
            }
        }
        taken
    }
}

/// Pays debts.
pub(super) struct Reaper {
    pub(super) debts: Arc<Debts>,
    pub(super) hub: Arc<Hub>,
    pub(super) node: NodeId,
    /// The principal this node writes as.
    pub(super) principal: PrincipalId,
    pub(super) submit: Submit,
    pub(super) shutdown: Shutdown,
}

impl Reaper {
    /// Works until the shutdown.
    pub(super) async fn run<RT: AsyncRuntime>(self) {
        let shutdown = self.shutdown.clone();
        let shutdown = pin!(shutdown.wait());
        let pay = pin!(self.pay::<RT>());
        RT::select2(shutdown, pay).await;
    }

    async fn pay<RT: AsyncRuntime>(&self) {
        let mut pause = AGAIN_AFTER;
        loop {
            let debts = self.debts.take(REPORTED_AT_ONCE);
            if debts.is_empty() {
                self.debts.due.notified().await;
                continue;
            }
            let unpaid = self.report::<RT>(debts).await;
            if unpaid.is_empty() {
                pause = AGAIN_AFTER;
                continue;
            }
            tracing::debug!(
                unpaid = unpaid.len(),
                "lost sessions and streams could not be reported yet"
            );
            for debt in unpaid {
                self.debts.owe(debt);
            }
            RT::sleep(pause).await;
            pause = AGAIN_AFTER_MAX.min(2 * pause);
        }
    }

    /// Reports debts, and returns those of which the cluster's answer is not known.
    async fn report<RT: AsyncRuntime>(&self, debts: Vec<Debt>) -> Vec<Debt> {
        let (to, mut answers) = mpsc::unbounded_channel();
        let mut open: BTreeMap<u64, Debt> = BTreeMap::new();
        for (tag, debt) in (0..).zip(debts) {
            let send = || self.send(&debt, ReplyTo::new(tag, to.clone()));
            let is_sent = match &debt {
                Debt::Session(..) => {
                    send();
                    true
                }
                // A stream that is opened meanwhile is reported behind this.
                Debt::Stream(ingress) => self.hub.if_without_streams(ingress, send),
            };
            if is_sent {
                open.insert(tag, debt);
            }
        }
        drop(to);
        let answered = async {
            while !open.is_empty()
                && let Some((tag, answer)) = answers.recv().await
            {
                match answer {
                    Answer::Committed { .. } => drop(open.remove(&tag)),
                    Answer::Refused { code, message, .. } => {
                        // The session was over, or taken over; the node is no member any more.
                        tracing::debug!(debt = ?open.remove(&tag), code, message, "nothing to report");
                    }
                    Answer::Unavailable { .. } | Answer::Unknown { .. } => {}
                }
            }
        };
        // Late answers are not waited for: a repeat does no harm.
        if let Select2::Second(()) = RT::select2(answered, RT::sleep(COMMAND_DEADLINE)).await {
            tracing::debug!("no answer in time");
        }
        open.into_values().collect()
    }

    fn send(&self, debt: &Debt, reply_to: ReplyTo) {
        let command: Command = match debt.clone() {
            Debt::Session(agent, epoch) => AgentCommand::SessionLost { agent, epoch }.into(),
            Debt::Stream(ingress) => ContactCommand::Detach { ingress, node: self.node }.into(),
        };
        let submission = Submission::new(self.principal.clone(), command);
        (self.submit)(Submitted {
            submission: encode_submission(&submission).into(),
            class: Class::of(&submission.command),
            leads: false,
            reply_to,
        });
    }
}
