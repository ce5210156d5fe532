//! I1: every acknowledged contact is in exactly one place. I2: at most one live offer or
//! connection per contact.

use std::collections::BTreeMap;

use acd::codec;
use acd::command::{Command, ContactCommand, Submission, WorkCommand};
use acd::event::{ContactEvent, Event};
use acd::ids::ContactId;
use acd::limits;
use acd::reply::Reply;

use super::ledger::{self, Ledger};
use super::{Findings, Verdict, records};
use crate::history::{AppliedEntry, Contacts, History, Log, Outcome, Place};

/// I1.
pub(super) fn each_in_one_place(history: &History, log: &Log) -> Verdict {
    let mut findings = Findings::default();
    let ledger = ledger::walk(log, |ledger, entry, event| {
        if let Some(Event::Contact { contact, what }) = event {
            life(&mut findings, ledger, entry, contact, what);
        }
    });
    for operation in &history.operations {
        let Outcome::Committed { index, reply } = &operation.outcome else { continue };
        let Some(contact) = put_in(&operation.submission, reply) else { continue };
        if !ledger.contacts.contains_key(contact) && !ledger.closed.contains_key(contact) {
            findings.at_index(*index, || format!("{contact} was acknowledged and is nowhere"));
        }
    }
    for node in history.ending.iter().flat_map(|ending| &ending.nodes) {
        if node.applied >= log.last()
            && let Err(why) = same_contacts(&ledger, &node.contacts)
        {
            findings.at(|| why, || format!("node {} in the end", node.node));
        }
    }
    not_put_in(history, log, &mut findings);
    records::each_once(history, log, &mut findings);
    findings.verdict()
}

/// What happens to a contact happens to one that is there.
fn life(
    findings: &mut Findings,
    ledger: &Ledger,
    entry: &AppliedEntry,
    id: &ContactId,
    what: &ContactEvent,
) {
    let index = entry.index;
    let live = ledger.contacts.contains_key(id);
    match what {
        ContactEvent::CsatReceived { .. } => {}
        ContactEvent::Enqueued { .. } => {
            if live {
                findings.at_index(index, || format!("{id} came in twice"));
            }
            let now = ledger.clocks.now;
            let closed = ledger.closed.get(id).map(|record| now.since(record.closed));
            if closed.is_some_and(|ago| ago <= limits::REMEMBERED_FOR) {
                findings.at_index(index, || format!("{id} came in again after it was closed"));
            }
            let mut answers = entry.submissions.iter().zip(&entry.answers);
            let asked = answers.any(|(submission, answer)| {
                answer.as_ref().is_ok_and(|reply| put_in(submission, reply) == Some(id))
            });
            if !asked {
                findings.at_index(index, || format!("nobody put {id} in"));
            }
        }
        _ if !live => {
            findings.at_index(index, || format!("{what:?} happened to {id}, which is not there"));
        }
        ContactEvent::Closed(record) if record.contact != *id => {
            let other = &record.contact;
            findings.at_index(index, || format!("{id} was closed with the record of {other}"));
        }
        _ => {}
    }
}

/// The contact that a submission put in, going by its answer.
fn put_in<'a>(submission: &'a Submission, reply: &Reply) -> Option<&'a ContactId> {
    if !matches!(reply, Reply::Enqueued { .. } | Reply::TurnedAway { .. }) {
        return None;
    }
    match &submission.command {
        Command::Contact(ContactCommand::Enqueue(enqueue)) => Some(&enqueue.contact),
        Command::Work(WorkCommand::Consult { consult, .. }) => Some(consult),
        _ => None,
    }
}

/// What was never put in, as its client was told, is not in the log.
fn not_put_in(history: &History, log: &Log, findings: &mut Findings) {
    let mut possible: BTreeMap<Vec<u8>, bool> = BTreeMap::new();
    for operation in &history.operations {
        let bytes = codec::encode_submission(&operation.submission);
        *possible.entry(bytes).or_default() |= operation.outcome != Outcome::Unavailable;
    }
    for entry in log.entries.values() {
        for submission in &entry.submissions {
            if possible.get(&codec::encode_submission(submission)) == Some(&false) {
                let command = &submission.command;
                findings.at_index(entry.index, || {
                    format!("{command:?} is in the log although its client was told otherwise")
                });
            }
        }
    }
}

/// Whether a replica has exactly the contacts that the events tell of, where they tell.
pub(super) fn same_contacts(ledger: &Ledger, contacts: &Contacts) -> Result<(), String> {
    for (id, contact) in &ledger.contacts {
        let is = match contact.stage.with() {
            Some(with) => Place::WithAgent {
                agent: with.agent.clone(),
                token: with.token,
                stage: contact.stage.word(),
            },
            None => match contact.stage.word() {
                "scheduled" => Place::Scheduled,
                "stranded" => Place::Stranded,
                _ => Place::Queued,
            },
        };
        match contacts.get(id) {
            None => return Err(format!("{id} is lost; it was {is:?}")),
            Some(place) if *place != is => {
                return Err(format!("{id} is {place:?}, not {is:?}"));
            }
            Some(_) => {}
        }
    }
    match contacts.keys().find(|id| !ledger.contacts.contains_key(*id)) {
        Some(invented) => Err(format!("{invented} is there, and nobody put it in or it is closed")),
        None => Ok(()),
    }
}

/// I2.
pub(super) fn one_engagement(log: &Log) -> Verdict {
    let mut findings = Findings::default();
    let mut last_token = 0;
    ledger::walk(log, |ledger, entry, event| {
        let Some(Event::Contact { contact: id, what }) = event else { return };
        let stage = ledger.contacts.get(id).map(|contact| &contact.stage);
        let with = stage.and_then(|stage| stage.with());
        match what {
            ContactEvent::Offered { token, agent, .. } => {
                if let Some(with) = with {
                    let other = &with.agent;
                    findings.at_index(entry.index, || {
                        format!("{id} was offered to {agent} while with {other}")
                    });
                }
                if token.0 <= last_token {
                    findings.at_index(entry.index, || format!("{token:?} was given out before"));
                }
                last_token = last_token.max(token.0);
            }
            ContactEvent::OfferEnded { token, agent, .. }
            | ContactEvent::Accepted { token, agent }
            | ContactEvent::Connected { token, agent, .. }
                if with.is_none_or(|with| with.token != *token || with.agent != *agent) =>
            {
                findings.at_index(entry.index, || {
                    format!("{what:?} happened to {id}, which was with {with:?}")
                });
            }
            _ => {}
        }
    });
    findings.verdict()
}
