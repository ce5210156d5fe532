//! I8: a stale token or epoch changes nothing.
//!
//! Two sides of it: whoever carries a fence that was over before the entry began is refused, or
//! gets the answer that the same command got while it was not; and whatever people make happen is
//! asked for in its entry by somebody who carries the present fence.

use std::collections::BTreeSet;

use acd::command::{AgentCommand, Command, ContactCommand, Submission, WorkCommand};
use acd::event::{AgentEvent, ContactEvent, Event, OfferEnd};
use acd::ids::{AgentId, ContactId, OfferToken, SessionEpoch};
use acd::record::Outcome;

use super::entities::{Presence, Stage};
use super::ledger::{self, Ledger};
use super::{Findings, Verdict};
use crate::history::{AppliedEntry, Log};

/// I8.
pub(super) fn stale_changes_nothing(log: &Log) -> Verdict {
    let mut findings = Findings::default();
    ledger::walk(log, |ledger, entry, event| match event {
        None => {
            let fresh = Fresh::of(entry);
            for (submission, answer) in entry.submissions.iter().zip(&entry.answers) {
                if answer.is_ok()
                    && let Err(why) = was_carried_out(ledger, &fresh, submission)
                {
                    findings.at_index(entry.index, || why);
                }
            }
        }
        Some(event) => {
            if !has_cause(ledger, entry, event) {
                findings.at_index(entry.index, || {
                    format!("{event:?}, and nobody with the present fence asked for it")
                });
            }
        }
    });
    findings.verdict()
}

/// Fences that are made within an entry, and what else makes the state before it a poor guide to
/// the state in the middle of it.
struct Fresh {
    offers: BTreeSet<(ContactId, OfferToken)>,
    sessions: BTreeSet<(AgentId, SessionEpoch)>,
    closed: BTreeSet<ContactId>,
}

impl Fresh {
    fn of(entry: &AppliedEntry) -> Self {
        let (mut offers, mut sessions) = (BTreeSet::new(), BTreeSet::new());
        let mut closed = BTreeSet::new();
        for event in &entry.events {
            match event {
                Event::Contact { contact, what: ContactEvent::Offered { token, .. } } => {
                    offers.insert((contact.clone(), *token));
                }
                Event::Contact { contact, what: ContactEvent::Closed(_) } => {
                    closed.insert(contact.clone());
                }
                Event::Agent { agent, what: AgentEvent::LoggedIn { epoch, .. } } => {
                    sessions.insert((agent.clone(), *epoch));
                }
                _ => {}
            }
        }
        Self { offers, sessions, closed }
    }
}

/// A command that was carried out carried a present fence, or repeats what was carried out.
fn was_carried_out(ledger: &Ledger, fresh: &Fresh, submission: &Submission) -> Result<(), String> {
    let stale = || Err(format!("{:?} was carried out under an old fence", submission.command));
    match &submission.command {
        Command::Work(work) => {
            let (contact, token) = work.subject();
            if is_over(ledger, fresh, contact, token) {
                let repeats = repeats_work(ledger, work);
                return if repeats { Ok(()) } else { stale() };
            }
            let owner = ledger.contacts.get(contact).and_then(|c| c.stage.with());
            match (owner, submission.session) {
                (Some(with), Some(epoch)) if !fresh.closed.contains(contact) => {
                    let is_stale = is_old_session(ledger, fresh, &with.agent, epoch, false);
                    if is_stale { stale() } else { Ok(()) }
                }
                _ => Ok(()),
            }
        }
        Command::Contact(
            ContactCommand::Bridged { contact, token }
            | ContactCommand::BridgeFailed { contact, token },
        ) if is_over(ledger, fresh, contact, *token) => {
            let repeats = closed_with(ledger, contact, *token)
                || past_end(ledger, contact, *token, OfferEnd::BridgeFailed);
            if repeats { Ok(()) } else { stale() }
        }
        Command::Agent(command) => match fence_of(command) {
            Some((agent, epoch)) if is_old_session(ledger, fresh, agent, epoch, true) => stale(),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Whether an offer was over before the entry began, or never was.
fn is_over(ledger: &Ledger, fresh: &Fresh, contact: &ContactId, token: OfferToken) -> bool {
    let with = ledger.contacts.get(contact).and_then(|c| c.stage.with());
    let is_present = with.is_some_and(|with| with.token == token);
    !is_present && !fresh.offers.contains(&(contact.clone(), token))
}

fn closed_with(ledger: &Ledger, contact: &ContactId, token: OfferToken) -> bool {
    ledger.closed.get(contact).is_some_and(|record| record.token == Some(token))
}

fn past_end(ledger: &Ledger, contact: &ContactId, token: OfferToken, end: OfferEnd) -> bool {
    let past = ledger.contacts.get(contact).map(|contact| &contact.past);
    past.is_some_and(|past| past.iter().any(|p| p.with.token == token && p.end == end))
}

fn repeats_work(ledger: &Ledger, work: &WorkCommand) -> bool {
    let (contact, token) = work.subject();
    match work {
        WorkCommand::Accept { .. } | WorkCommand::End { .. } | WorkCommand::Complete { .. } => {
            closed_with(ledger, contact, token)
        }
        WorkCommand::Decline { .. } => past_end(ledger, contact, token, OfferEnd::Declined),
        WorkCommand::Transfer { .. } => past_end(ledger, contact, token, OfferEnd::Transferred),
        WorkCommand::Consult { consult, .. } => {
            ledger.contacts.contains_key(consult) || ledger.closed.contains_key(consult)
        }
        WorkCommand::Hold { .. }
        | WorkCommand::Retrieve { .. }
        | WorkCommand::SetDisposition { .. } => false,
    }
}

/// Whether a session was over before the entry began. `connected`: one that is lost counts too.
fn is_old_session(
    ledger: &Ledger,
    fresh: &Fresh,
    agent: &AgentId,
    epoch: SessionEpoch,
    connected: bool,
) -> bool {
    let known = ledger.agents.get(agent);
    let is_lost = known.is_none_or(|agent| {
        connected && matches!(agent.presence, Presence::Offline | Presence::Unreachable)
    });
    let session = known.and_then(|agent| agent.session.as_ref());
    let is_present = session.is_some_and(|session| session.epoch == epoch) && !is_lost;
    !is_present && !fresh.sessions.contains(&(agent.clone(), epoch))
}

fn fence_of(command: &AgentCommand) -> Option<(&AgentId, SessionEpoch)> {
    match command {
        AgentCommand::LogOut { agent, epoch }
        | AgentCommand::Ready { agent, epoch }
        | AgentCommand::NotReady { agent, epoch, .. }
        | AgentCommand::OpenMedium { agent, epoch, .. }
        | AgentCommand::SessionLost { agent, epoch } => Some((agent, *epoch)),
        AgentCommand::LogIn { .. }
        | AgentCommand::SetReady { .. }
        | AgentCommand::SetNotReady { .. }
        | AgentCommand::ForceLogOut { .. } => None,
    }
}

/// Whether somebody asked in this entry for what happens, with the fence that is the present one
/// when it happens.
fn has_cause(ledger: &Ledger, entry: &AppliedEntry, event: &Event) -> bool {
    let mut asked = entry.submissions.iter().zip(&entry.answers).filter(|(_, a)| a.is_ok());
    match event {
        Event::Contact { contact: id, what } => {
            let contact = ledger.contacts.get(id);
            let with = contact.and_then(|contact| contact.stage.with());
            let present = with.map(|with| with.token);
            let over = |what| asked_for(what, id, present);
            match what {
                ContactEvent::Accepted { token, .. } => {
                    Some(*token) == present && asked.any(over(Asked::Accept))
                }
                ContactEvent::Connected { token, .. } => {
                    Some(*token) == present && asked.any(over(Asked::Connect))
                }
                ContactEvent::OfferEnded { end: OfferEnd::Declined, .. } => {
                    asked.any(over(Asked::Decline))
                }
                ContactEvent::OfferEnded { end: OfferEnd::BridgeFailed, .. } => {
                    asked.any(over(Asked::BridgeFailed))
                }
                ContactEvent::OfferEnded { end: OfferEnd::Transferred, .. } => {
                    asked.any(over(Asked::Transfer))
                }
                ContactEvent::Held => asked.any(over(Asked::Hold)),
                ContactEvent::Retrieved => asked.any(over(Asked::Retrieve)),
                ContactEvent::WrapUpStarted { .. } => asked.any(over(Asked::End)),
                ContactEvent::Closed(record) if record.outcome == Outcome::Handled => {
                    let timed_out = contact.is_some_and(|contact| {
                        matches!(contact.stage, Stage::WrapUp(_))
                            && ledger.attended() >= contact.due
                    });
                    let is_cut =
                        entry.events.iter().any(|e| matches!(e, Event::DrainDeadline { .. }));
                    timed_out || is_cut || asked.any(over(Asked::End))
                }
                _ => true,
            }
        }
        Event::Agent { agent: id, what } => {
            let agent = ledger.agents.get(id);
            let present = agent.and_then(|a| a.session.as_ref()).map(|session| session.epoch);
            let about = |command: &AgentCommand| {
                command.subject() == id
                    && fence_of(command).is_none_or(|(_, epoch)| Some(epoch) == present)
            };
            let mut any = |which: fn(&AgentCommand) -> bool| {
                asked.any(|(submission, _)| match &submission.command {
                    Command::Agent(command) => about(command) && which(command),
                    _ => false,
                })
            };
            use AgentCommand as A;
            match what {
                AgentEvent::LoggedIn { .. } => any(|c| matches!(c, A::LogIn { .. })),
                AgentEvent::LoggedOut => {
                    any(|c| matches!(c, A::LogOut { .. } | A::ForceLogOut { .. }))
                }
                AgentEvent::Ready => {
                    any(|c| matches!(c, A::Ready { .. } | A::SetReady { .. } | A::LogIn { .. }))
                }
                AgentEvent::MediumOpened { .. } => any(|c| matches!(c, A::OpenMedium { .. })),
                _ => true,
            }
        }
        _ => true,
    }
}

/// What somebody can ask for under a token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Accept,
    /// Bridged, or accepted where there is nothing to bridge.
    Connect,
    Decline,
    BridgeFailed,
    Transfer,
    Hold,
    Retrieve,
    /// By the agent, with or without wrap-up, or by the customer, who needs no token.
    End,
}

type Answered<'a> = (&'a Submission, &'a crate::history::Answer);

fn asked_for<'a>(
    what: Asked,
    id: &'a ContactId,
    present: Option<OfferToken>,
) -> impl FnMut(Answered<'a>) -> bool {
    move |(submission, _)| {
        let (contact, token, fits) = match &submission.command {
            Command::Work(work) => {
                let (contact, token) = work.subject();
                let fits = match work {
                    WorkCommand::Accept { .. } => matches!(what, Asked::Accept | Asked::Connect),
                    WorkCommand::Decline { .. } => what == Asked::Decline,
                    WorkCommand::Transfer { .. } => what == Asked::Transfer,
                    WorkCommand::Hold { .. } => what == Asked::Hold,
                    WorkCommand::Retrieve { .. } => what == Asked::Retrieve,
                    WorkCommand::End { .. } | WorkCommand::Complete { .. } => what == Asked::End,
                    WorkCommand::SetDisposition { .. } | WorkCommand::Consult { .. } => false,
                };
                (contact, Some(token), fits)
            }
            Command::Contact(ContactCommand::Bridged { contact, token }) => {
                (contact, Some(*token), what == Asked::Connect)
            }
            Command::Contact(ContactCommand::BridgeFailed { contact, token }) => {
                (contact, Some(*token), what == Asked::BridgeFailed)
            }
            Command::Contact(ContactCommand::HangUp { contact }) => {
                (contact, present, what == Asked::End)
            }
            _ => return false,
        };
        fits && contact == id && token == present
    }
}
