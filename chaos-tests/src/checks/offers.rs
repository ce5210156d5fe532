//! I3: nothing is offered above capacity. I11: no offer, and no end of one by the clock, where
//! the rules forbid it.

use acd::channel::Medium;
use acd::config::{Assignment, Capacity, Requirements, SitePolicy};
use acd::event::{AgentEvent, ContactEvent, Event, OfferEnd, OfferReason, SiteState};
use acd::ids::{AgentId, ContactId, QueueId, SiteId};
use acd::record::Outcome;

use super::entities::{Agent, Contact, Presence, Stage};
use super::ledger::{self, Ledger};
use super::{Bounds, Findings, Verdict};
use crate::history::{History, Log};

/// I3.
pub(super) fn within_capacity(log: &Log) -> Verdict {
    let mut findings = Findings::default();
    ledger::walk(log, |ledger, entry, event| {
        let Some(Event::Contact { contact: id, what: ContactEvent::Offered { agent, .. } }) = event
        else {
            return;
        };
        let (Some(contact), Some(free)) = (ledger.contacts.get(id), ledger.agents.get(agent))
        else {
            findings.at_index(entry.index, || format!("{id} was offered to nobody: {agent}"));
            return;
        };
        let (medium, load) = (contact.channel.medium(), free.load);
        if !has_room(&free.config.capacity, medium, load) {
            findings.at_index(entry.index, || {
                format!("{id} ({medium:?}) was offered to {agent}, who had {load:?} already")
            });
        }
    });
    findings.verdict()
}

fn has_room(capacity: &Capacity, medium: Medium, load: [u8; Medium::COUNT]) -> bool {
    let others = Medium::ALL.into_iter().filter(|other| *other != medium);
    let mut busy = others.filter(|other| load[other.index()] > 0);
    load[medium.index()] < capacity.max[medium.index()]
        && busy.all(|other| capacity.interruptible_by[other.index()].contains(medium))
}

/// I11.
pub(super) fn allowed(history: &History, log: &Log, bounds: Bounds) -> Verdict {
    let mut findings = Findings::default();
    let mut before = None;
    ledger::walk(log, |ledger, entry, event| {
        let now = ledger.clocks;
        let Some(event) = event else {
            if let Some((index, earlier)) = before.replace((entry.index, now)) {
                let counted = now.gaps.0 - earlier.gaps.0;
                let passed = now.now.since(earlier.now).0;
                let silent = silence(history, (index, entry.index), passed);
                if silent > counted + bounds.silence {
                    findings.at_index(entry.index, || {
                        format!(
                            "nobody could be heard for {silent} ms, and {counted} ms were taken off"
                        )
                    });
                }
            }
            return;
        };
        let verdict = match event {
            Event::Contact { contact, what: ContactEvent::Offered { .. } } => {
                offered(ledger, contact, event)
            }
            Event::Contact { contact, what } => ended(ledger, contact, what),
            Event::Agent { agent, what: AgentEvent::Offline } => offline(ledger, agent),
            _ => Ok(()),
        };
        if let Err(why) = verdict {
            findings.at_index(entry.index, || why);
        }
    });
    findings.verdict()
}

/// How much of the log time between two entries, which is so much, was a silence in which no node
/// could lead. It uses up nobody's time to answer.
///
/// Entries are stamped when they are written, so a silence is looked for between the writing of the
/// one and of the other: when they are committed, and by whom, does not matter. Log time may be
/// slower than time, as with a slow clock, or stand still, as over a rest of the whole cluster: a
/// silence counts for as much of it as there was. It is never faster for long: where it leaps, it is
/// set, and what was leapt over is a gap.
fn silence(history: &History, (before, after): (u64, u64), passed: u64) -> u64 {
    let written = |index| history.written_at.get(&index).copied();
    let (Some(began), Some(ended)) = (written(before), written(after)) else { return 0 };
    let within = |(from, to): &(u64, u64)| (*to).min(ended).saturating_sub((*from).max(began));
    let silent: u64 = history.leaderless.iter().map(within).sum();
    let all = ended.saturating_sub(began);
    if passed >= all { silent } else { silent * passed / all }
}

fn offered(ledger: &Ledger, id: &ContactId, event: &Event) -> Result<(), String> {
    let Event::Contact { what, .. } = event else { return Ok(()) };
    let ContactEvent::Offered { agent: agent_id, site, queue, deadline, reason, .. } = what else {
        return Ok(());
    };
    let (Some(contact), Some(agent)) = (ledger.contacts.get(id), ledger.agents.get(agent_id))
    else {
        return Err(format!("{id} or {agent_id} is not there"));
    };
    let refuse = |why: &str| Err(format!("{id} was offered to {agent_id}: {why}"));
    if contact.stage != Stage::Queued {
        return refuse(&format!("the contact is {}", contact.stage.word()));
    }
    if contact.queue != *queue {
        return refuse(&format!("it waits in {}, not {queue}", contact.queue));
    }
    if agent.presence != Presence::Ready || agent.pending {
        return refuse(&format!("the agent is {:?}, pending: {}", agent.presence, agent.pending));
    }
    if agent.session.as_ref().is_none_or(|session| session.site != *site) {
        return refuse("the agent's session is not at that site");
    }
    if ledger.sites.get(site) != Some(&SiteState::Active) {
        return refuse(&format!("site {site} is {:?}", ledger.sites.get(site)));
    }
    if agent.closed_media.contains(contact.channel.medium()) {
        return refuse("the agent takes none of that medium");
    }
    if contact.excludes(agent_id, ledger.clocks.now) {
        return refuse("the agent is in a cool-down from it");
    }
    let timeout = ledger.queues.get(queue).map(|config| config.offer_timeout.0);
    if timeout.is_none_or(|timeout| deadline.0 != ledger.attended() + timeout) {
        return refuse(&format!("{deadline:?} is not {timeout:?} from {}", ledger.attended()));
    }
    if reason.preferred {
        let wished = ledger.wishes.get(id).is_some_and(|wishes| wishes.contains(agent_id));
        return if wished { Ok(()) } else { refuse("nobody asked for this agent") };
    }
    if fits(ledger, contact, agent, site, reason) { Ok(()) } else { refuse("they do not fit") }
}

/// Whether the agent may take the contact in the step that the offer names.
fn fits(
    ledger: &Ledger,
    contact: &Contact,
    agent: &Agent,
    site: &SiteId,
    reason: &OfferReason,
) -> bool {
    let Some(config) = ledger.queues.get(&contact.queue) else { return false };
    let Some(step) = config.steps.get(usize::from(reason.step)) else { return false };
    let serves = |queue: &QueueId| agent.queues().iter().any(|a: &Assignment| a.queue == *queue);
    let has = |needed: &Requirements| {
        needed.iter().all(|r| {
            agent.config.skills.iter().any(|(id, level)| *id == r.skill && *level >= r.level)
        })
    };
    let local = matches!(config.site_policy, SitePolicy::LocalFirst { .. });
    reason.step <= contact.step
        && (serves(&contact.queue) || step.extra_queues.iter().any(serves))
        && (step.sites.is_empty() || step.sites.contains(site))
        && has(&step.skills)
        && has(&contact.requirements)
        && (!local || contact.spilled || contact.site == *site)
}

/// What the clock ended was over.
fn ended(ledger: &Ledger, id: &ContactId, what: &ContactEvent) -> Result<(), String> {
    let Some(contact) = ledger.contacts.get(id) else { return Ok(()) };
    let due = match what {
        ContactEvent::OfferEnded { end: OfferEnd::Rona | OfferEnd::BridgeTimeout, .. } => {
            contact.due
        }
        ContactEvent::Overflowed { cause, .. }
        | ContactEvent::BecameCallback { cause: Some(cause) }
            if *cause == acd::event::OverflowCause::WaitedTooLong =>
        {
            contact.wait_due
        }
        ContactEvent::Closed(record) => match record.outcome {
            Outcome::LostIngress | Outcome::Orphaned => contact.due,
            Outcome::WaitedTooLong => contact.wait_due,
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    let attended = ledger.attended();
    if attended < due {
        let early = due - attended;
        return Err(format!(
            "{what:?} happened to {id} {early} ms before its time, gaps taken off"
        ));
    }
    Ok(())
}

fn offline(ledger: &Ledger, agent: &AgentId) -> Result<(), String> {
    let due = ledger.agents.get(agent).map_or(0, |agent| agent.due);
    if ledger.attended() < due {
        return Err(format!("{agent} counts as offline before there was time to come back"));
    }
    Ok(())
}
