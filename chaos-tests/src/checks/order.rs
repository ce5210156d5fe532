//! I4: contacts of one demand are offered in the order of their places, and a place is what was
//! announced: only a step changes it.

use acd::command::{Command, WorkCommand};
use acd::config::{QueueConfig, SitePolicy};
use acd::event::{ContactEvent, Event};
use acd::ids::{AgentId, ContactId};
use acd::time::Millis;

use super::entities::{Contact, Presence, Stage};
use super::ledger::{self, Ledger};
use super::{Findings, Verdict};
use crate::history::{AppliedEntry, Log};

/// I4.
pub(super) fn in_order(log: &Log) -> Verdict {
    let mut findings = Findings::default();
    ledger::walk(log, |ledger, entry, event| {
        let Some(Event::Contact { contact: id, what }) = event else { return };
        let verdict = match what {
            ContactEvent::Offered { agent, reason, .. } if !reason.preferred => {
                is_first(ledger, id, agent)
            }
            ContactEvent::Enqueued { .. } => placed(ledger, entry, id, what),
            ContactEvent::PlaceChanged { from, to, step } => moved(ledger, id, *from, *to, *step),
            _ => Ok(()),
        };
        if let Err(why) = verdict {
            findings.at_index(entry.index, || why);
        }
    });
    findings.verdict()
}

/// Nobody of the same demand has an earlier place.
///
/// Left out are those with whom an earlier place does not mean an earlier turn: contacts that
/// somebody wanted for one agent, and contacts that a free agent is in a cool-down from: that agent
/// may bring a later one up, which then goes to whoever is best for it. A cool-down that ends within
/// the entry counts, for what is due fires in the order of time.
fn is_first(ledger: &Ledger, id: &ContactId, agent: &AgentId) -> Result<(), String> {
    let Some(contact) = ledger.contacts.get(id) else { return Ok(()) };
    let Some(config) = ledger.queues.get(&contact.queue) else { return Ok(()) };
    for (other_id, other) in &ledger.contacts {
        if other_id != id
            && other.stage == Stage::Queued
            && other.place() < contact.place()
            && same_demand(config, contact, other)
            && !other.excludes(agent, ledger.previous)
            && !is_shunned_by_somebody_free(ledger, other)
            && !ledger.wishes.contains_key(other_id)
        {
            let (place, earlier) = (contact.place(), other.place());
            return Err(format!(
                "{id} at {place:?} was offered to {agent} before {other_id} at {earlier:?}"
            ));
        }
    }
    Ok(())
}

/// Whether an agent who could take one more of the kind is in a cool-down from the contact.
fn is_shunned_by_somebody_free(ledger: &Ledger, contact: &Contact) -> bool {
    let excluded = contact.past.iter().filter(|past| ledger.previous < past.excluded_until);
    let mut agents = excluded.filter_map(|past| ledger.agents.get(&past.with.agent));
    let medium = contact.channel.medium();
    agents.any(|agent| {
        let load = agent.load[medium.index()];
        agent.presence == Presence::Ready && load < agent.config.capacity.max[medium.index()]
    })
}

fn same_demand(config: &QueueConfig, a: &Contact, b: &Contact) -> bool {
    let local = matches!(config.site_policy, SitePolicy::LocalFirst { .. });
    a.queue == b.queue
        && a.channel == b.channel
        && a.step == b.step
        && a.requirements == b.requirements
        && (!local || (&a.site, a.spilled) == (&b.site, b.spilled))
}

/// An arrival is placed at its time less its head start; a consultation where its contact is.
fn placed(
    ledger: &Ledger,
    entry: &AppliedEntry,
    id: &ContactId,
    what: &ContactEvent,
) -> Result<(), String> {
    let ContactEvent::Enqueued { queue, priority, effective, .. } = what else { return Ok(()) };
    let parent = entry.submissions.iter().find_map(|submission| match &submission.command {
        Command::Work(WorkCommand::Consult { contact, consult, .. }) if consult == id => {
            ledger.contacts.get(contact)
        }
        _ => None,
    });
    let head_starts = ledger.queues.get(queue).map(|config| &config.head_starts);
    let head_start = head_starts
        .and_then(|list| list.iter().find(|(p, _)| p == priority))
        .map_or(Millis::ZERO, |(_, head_start)| head_start.millis());
    let now = i64::try_from(ledger.clocks.now.0).unwrap_or(i64::MAX);
    let expected = parent.map_or(now.saturating_sub_unsigned(head_start.0), |p| p.effective);
    if *effective != expected {
        return Err(format!("{id} was placed at {effective}, not {expected}"));
    }
    Ok(())
}

/// A step moves a contact ahead by its own head start, from where it was.
fn moved(ledger: &Ledger, id: &ContactId, from: i64, to: i64, step: u8) -> Result<(), String> {
    let Some(contact) = ledger.contacts.get(id) else { return Ok(()) };
    if contact.effective != from {
        return Err(format!("{id} moved from {from}, but was placed at {}", contact.effective));
    }
    let config = ledger.queues.get(&contact.queue);
    let gained = config.and_then(|config| config.steps.get(usize::from(step)));
    let gained = gained.map_or(0, |step| step.head_start.0);
    let waited = ledger.clocks.now.since(contact.entered);
    let after = config.and_then(|config| config.steps.get(usize::from(step)));
    if contact.step != step || after.is_none_or(|step| waited < step.after) {
        return Err(format!("{id} has not reached step {step}, which moved it"));
    }
    if to != from.saturating_sub_unsigned(gained) {
        return Err(format!("step {step} moved {id} from {from} to {to}, not by {gained}"));
    }
    Ok(())
}
