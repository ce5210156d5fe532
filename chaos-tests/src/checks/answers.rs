//! I6: whoever repeats gets the first answer, for as long as it is promised to be remembered:
//! across failover, snapshot and restart, because all of these are one log.

use std::collections::BTreeMap;

use acd::command::{Command, ContactCommand, Submission, WorkCommand};
use acd::event::{AgentEvent, ContactEvent, Event, OfferEnd};
use acd::ids::{ContactId, OfferToken, PrincipalId, RequestId};
use acd::limits;

use super::entities::Past;
use super::ledger::{self, Ledger};
use super::{Findings, Verdict};
use crate::history::{Answer, AppliedEntry, Log};

/// What was asked, what it was answered.
type First = (Submission, Answer);

#[derive(Default)]
struct Firsts {
    enqueues: BTreeMap<ContactId, First>,
    requests: BTreeMap<RequestId, First>,
    work: BTreeMap<(ContactId, OfferToken, PrincipalId, &'static str), First>,
}

/// I6.
pub(super) fn same_answer(log: &Log) -> Verdict {
    let mut findings = Findings::default();
    let mut firsts = Firsts::default();
    ledger::walk(log, |ledger, entry, event| {
        if event.is_some() {
            return; // Once an entry, as the state is before it.
        }
        for (submission, answer) in entry.submissions.iter().zip(&entry.answers) {
            if let Err(why) = firsts.judge(ledger, entry, submission, answer) {
                findings.at_index(entry.index, || why);
            }
        }
    });
    findings.verdict()
}

impl Firsts {
    fn judge(
        &mut self,
        ledger: &Ledger,
        entry: &AppliedEntry,
        submission: &Submission,
        answer: &Answer,
    ) -> Result<(), String> {
        if let Some(request) = submission.request {
            return self.judge_request(ledger, request, submission, answer);
        }
        match &submission.command {
            Command::Contact(ContactCommand::Enqueue(enqueue)) => {
                self.judge_enqueue(ledger, &enqueue.contact, submission, answer)
            }
            Command::Work(work) => self.judge_work(ledger, entry, work, submission, answer),
            _ => Ok(()),
        }
    }

    fn judge_enqueue(
        &mut self,
        ledger: &Ledger,
        contact: &ContactId,
        submission: &Submission,
        answer: &Answer,
    ) -> Result<(), String> {
        let Some((first, first_answer)) = self.enqueues.get(contact) else {
            if answer.is_ok() {
                self.enqueues.insert(contact.clone(), (submission.clone(), answer.clone()));
            }
            return Ok(());
        };
        if !is_remembered(ledger, contact) {
            return Ok(());
        }
        if first == submission {
            return same("enqueue", contact.as_str(), first_answer, answer);
        }
        match answer {
            Ok(reply) => Err(format!("another contact under the id {contact} got {reply:?}")),
            Err(_) => Ok(()),
        }
    }

    fn judge_request(
        &mut self,
        ledger: &Ledger,
        request: acd::command::Request,
        submission: &Submission,
        answer: &Answer,
    ) -> Result<(), String> {
        // Refusals that come before the request is looked up are not its answer.
        let is_no_answer = |answer: &Answer| {
            answer.as_ref().is_err_and(|rejection| {
                matches!(
                    rejection.code(),
                    "not-permitted"
                        | "not-initialised"
                        | "already-initialised"
                        | "request-too-old"
                        | "request-from-future"
                        | "request-reused"
                        | "limit-reached"
                )
            })
        };
        let Some((first, first_answer)) = self.requests.get(&request.id) else {
            if !is_no_answer(answer) {
                self.requests.insert(request.id, (submission.clone(), answer.clone()));
            }
            return Ok(());
        };
        let age = ledger.clocks.now.since(request.issued_at);
        if first != submission || age > limits::REQUEST_WINDOW {
            return Ok(());
        }
        same("request", &format!("{:x}", request.id.0), first_answer, answer)
    }

    fn judge_work(
        &mut self,
        ledger: &Ledger,
        entry: &AppliedEntry,
        work: &WorkCommand,
        submission: &Submission,
        answer: &Answer,
    ) -> Result<(), String> {
        let kind = match work {
            WorkCommand::Accept { .. } => "accept",
            WorkCommand::Complete { .. } => "complete",
            WorkCommand::Decline { .. } => "decline",
            WorkCommand::Transfer { .. } => "transfer",
            _ => return Ok(()),
        };
        let (contact, token) = work.subject();
        let key = (contact.clone(), token, submission.principal.clone(), kind);
        let Some((_, first_answer)) = self.work.get(&key) else {
            if answer.is_ok() {
                self.work.insert(key, (submission.clone(), answer.clone()));
            }
            return Ok(());
        };
        let promised = match work {
            WorkCommand::Accept { .. } => {
                still_theirs(ledger, entry, submission, contact, token)
                    || was_closed_with(ledger, contact, token)
            }
            WorkCommand::Complete { .. } => was_closed_with(ledger, contact, token),
            WorkCommand::Decline { .. } => {
                past_end(ledger, entry, contact, token, OfferEnd::Declined)
            }
            _ => past_end(ledger, entry, contact, token, OfferEnd::Transferred),
        };
        if promised { same(kind, contact.as_str(), first_answer, answer) } else { Ok(()) }
    }
}

fn same(what: &str, id: &str, first: &Answer, answer: &Answer) -> Result<(), String> {
    let is_same = match (first, answer) {
        (Ok(first), Ok(reply)) => first == reply,
        (Err(first), Err(rejection)) => {
            first.code() == rejection.code() && first.to_string() == rejection.to_string()
        }
        _ => false,
    };
    if is_same {
        return Ok(());
    }
    Err(format!("{what} {id} was first answered {first:?}, then {answer:?}"))
}

/// Whether a contact is live, or was closed a short while ago.
fn is_remembered(ledger: &Ledger, contact: &ContactId) -> bool {
    let closed = ledger.closed.get(contact);
    let ago = closed.map(|record| ledger.clocks.now.since(record.closed));
    ledger.contacts.contains_key(contact) || ago.is_some_and(|ago| ago <= limits::REMEMBERED_FOR)
}

/// Whether the contact was with an agent by this offer when it was closed.
fn was_closed_with(ledger: &Ledger, contact: &ContactId, token: OfferToken) -> bool {
    let closed = ledger.closed.get(contact);
    is_remembered(ledger, contact)
        && !ledger.contacts.contains_key(contact)
        && closed.is_some_and(|record| record.token == Some(token))
}

/// Whether the contact is with the agent by this offer all through the entry, in the session that
/// the command comes from.
fn still_theirs(
    ledger: &Ledger,
    entry: &AppliedEntry,
    submission: &Submission,
    contact: &ContactId,
    token: OfferToken,
) -> bool {
    let Some(with) = ledger.contacts.get(contact).and_then(|c| c.stage.with()) else {
        return false;
    };
    let session = ledger.agents.get(&with.agent).and_then(|agent| agent.session.as_ref());
    let in_session = submission.session.is_none() || submission.session == session.map(|s| s.epoch);
    let disturbed = entry.events.iter().any(|event| match event {
        Event::Contact { what: ContactEvent::OfferEnded { token: ended, .. }, .. } => {
            *ended == token
        }
        Event::Agent { agent, what: AgentEvent::LoggedIn { .. } | AgentEvent::LoggedOut } => {
            *agent == with.agent
        }
        Event::Agent { agent, what: AgentEvent::Offline } => *agent == with.agent,
        _ => false,
    });
    with.token == token && in_session && !disturbed
}

/// Whether the offer ended like this before the entry, and the contact lives on after it.
fn past_end(
    ledger: &Ledger,
    entry: &AppliedEntry,
    contact: &ContactId,
    token: OfferToken,
    end: OfferEnd,
) -> bool {
    let Some(live) = ledger.contacts.get(contact) else { return false };
    // An offer that ends within the entry may push the oldest out of memory.
    let disturbed = entry.events.iter().any(|event| match event {
        Event::Contact { contact: id, what } => {
            id == contact
                && matches!(what, ContactEvent::Closed(_) | ContactEvent::OfferEnded { .. })
        }
        _ => false,
    });
    let ended = |past: &Past| past.with.token == token && past.end == end;
    !disturbed && live.past.iter().any(ended)
}
