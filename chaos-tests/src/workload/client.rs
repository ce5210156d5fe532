//! A client: calls nodes, waits no longer than it has patience, tries elsewhere, records all.

use std::sync::Arc;
use std::time::Duration;

use acd::command::{Command, Request, Submission};
use acd::ids::{PrincipalId, RequestId};
use acd::text::Label;
use openraft_rt::AsyncRuntime;

use super::dice::Dice;
use super::{Door, Phase, Phases, Plan};
use crate::history::{Outcome, Recorder};

/// Tries before a client gives something up.
const TRIES: u32 = 40;

/// A client.
pub(crate) struct Client<D> {
    pub(crate) name: String,
    pub(crate) plan: Arc<Plan>,
    pub(crate) door: Arc<D>,
    pub(crate) recorder: Recorder,
    pub(crate) dice: Dice,
    phases: Phases,
}

impl<D: Door> Client<D> {
    pub(crate) fn new(
        name: &str,
        plan: Arc<Plan>,
        door: Arc<D>,
        recorder: &Recorder,
        phases: &Phases,
    ) -> Self {
        let dice = Dice::new(plan.seed, name);
        let (recorder, phases) = (recorder.clone(), phases.clone());
        Self { name: name.to_owned(), plan, door, recorder, dice, phases }
    }

    /// The same client in another task, with chance of its own.
    pub(crate) fn fork(&mut self) -> Self {
        Self {
            name: self.name.clone(),
            plan: self.plan.clone(),
            door: self.door.clone(),
            recorder: self.recorder.clone(),
            dice: Dice::new(self.dice.next(), ""),
            phases: self.phases.clone(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phases.now()
    }

    pub(crate) fn now(&self) -> u64 {
        self.recorder.now()
    }

    /// The node at a position of the plan, counted round.
    pub(crate) fn node(&self, at: usize) -> u64 {
        self.plan.nodes[at % self.plan.nodes.len()].0.0
    }

    pub(crate) async fn pause<RT: AsyncRuntime>(&mut self, low: u64, high: u64) {
        let ms = self.dice.between(low, high);
        RT::sleep(Duration::from_millis(ms)).await;
    }

    /// Asks one node, once.
    pub(crate) async fn ask<RT: AsyncRuntime>(&self, at: usize, submission: Submission) -> Outcome {
        let node = self.node(at);
        let operation = self.recorder.called(&self.name, node, submission.clone());
        let answer = self.door.submit(node, submission);
        let outcome = RT::timeout(self.plan.patience, answer).await.unwrap_or(Outcome::Unknown);
        self.recorder.returned(operation, outcome.clone());
        outcome
    }

    /// Asks one node after the other until one of them answers; none: given up.
    pub(crate) async fn insist<RT: AsyncRuntime>(
        &mut self,
        at: usize,
        submission: &Submission,
    ) -> Option<Outcome> {
        for turn in 0..TRIES {
            if self.phase() == Phase::Over {
                return None;
            }
            let outcome = self.ask::<RT>(at + turn as usize, submission.clone()).await;
            if outcome.index().is_some() {
                return Some(outcome);
            }
            self.pause::<RT>(40, 400).await;
        }
        None
    }

    /// The same in a task of its own.
    pub(crate) fn insist_aside<RT: AsyncRuntime>(&mut self, at: usize, submission: Submission) {
        let mut client = self.fork();
        let _detached = RT::spawn(async move {
            // Whatever came of it, the watch shows it.
            let _ = client.insist::<RT>(at, &submission).await;
        });
    }

    /// An act of administration under a request of its own.
    pub(crate) fn administer(
        &mut self,
        principal: &PrincipalId,
        command: impl Into<Command>,
    ) -> Submission {
        let id = RequestId(u128::from(self.dice.next()) << 64 | u128::from(self.dice.next()));
        let issued_at = self.recorder.log_time();
        let reason = Label::new("fault test").ok();
        Submission {
            request: Some(Request { id, issued_at }),
            reason,
            ..Submission::new(principal.clone(), command.into())
        }
    }
}
