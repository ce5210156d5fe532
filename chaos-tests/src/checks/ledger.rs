//! Contacts, agents and sites as their events tell of them: a second account, kept by other rules
//! and with other structures than the state machine's own. What may follow what is for the checks
//! to say; the ledger takes every event at its word.

use std::collections::{BTreeMap, BTreeSet};

use acd::channel::{Channel, Media};
use acd::command::{Command, ContactCommand, Submission, TransferTarget, WorkCommand};
use acd::config::{AgentConfig, QueueConfig, Requirements, Settings};
use acd::event::{AgentEvent, ContactEvent, Event, OfferEnd, SiteState};
use acd::ids::{AgentId, ContactId, QueueId, SiteId};
use acd::limits;
use acd::record::ContactRecord;
use acd::reply::Reply;
use acd::time::{Clocks, LogTime, Millis};

use super::configured;
use super::entities::{Agent, Contact, Past, Presence, Session, Stage, With};
use crate::history::{AppliedEntry, Log};

/// The second account.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) clocks: Clocks,
    /// Log time of the entry before.
    pub(crate) previous: LogTime,
    pub(crate) contacts: BTreeMap<ContactId, Contact>,
    pub(crate) closed: BTreeMap<ContactId, Box<ContactRecord>>,
    pub(crate) agents: BTreeMap<AgentId, Agent>,
    pub(crate) queues: BTreeMap<QueueId, QueueConfig>,
    pub(crate) sites: BTreeMap<SiteId, SiteState>,
    pub(crate) settings: Settings,
    /// Agents that somebody asked for by name, by contact.
    pub(crate) wishes: BTreeMap<ContactId, BTreeSet<AgentId>>,
    /// Numbers and requirements of contacts that come in within the present entry.
    arriving: BTreeMap<ContactId, (u64, Requirements)>,
}

/// Goes through a log; `look` sees the ledger before each event, and once, without an event,
/// before the first of each entry. The ledger as it is after the last entry comes back.
pub(crate) fn walk(
    log: &Log,
    mut look: impl FnMut(&Ledger, &AppliedEntry, Option<&Event>),
) -> Ledger {
    let mut ledger = Ledger::default();
    for entry in log.entries.values() {
        ledger.begin(entry);
        look(&ledger, entry, None);
        for event in &entry.events {
            look(&ledger, entry, Some(event));
            ledger.fold(event);
        }
    }
    ledger
}

impl Ledger {
    pub(crate) fn attended(&self) -> u64 {
        self.clocks.attended().0
    }

    fn due_in(&self, duration: Millis) -> u64 {
        self.clocks.attended().plus(duration).0
    }

    fn begin(&mut self, entry: &AppliedEntry) {
        let previous = self.clocks.now;
        self.previous = previous;
        self.clocks.now = previous.max(entry.stamp);
        for event in &entry.events {
            match event {
                Event::TimeSet { from, to } => {
                    self.clocks.now = *to;
                    self.clocks.gaps.0 += to.since(*from).0;
                }
                Event::TermStarted { gap, .. } => {
                    self.clocks.gaps.0 += gap.0.min(self.clocks.now.since(previous).0);
                }
                _ => {}
            }
        }
        self.arriving.clear();
        for (submission, answer) in entry.submissions.iter().zip(&entry.answers) {
            if let Ok(reply) = answer {
                self.note_arrival(submission, reply);
            }
        }
    }

    fn note_arrival(&mut self, submission: &Submission, reply: &Reply) {
        let (contact, requirements, wish) = match &submission.command {
            Command::Contact(ContactCommand::Enqueue(e)) => {
                (&e.contact, e.requirements.clone(), e.preferred.as_ref())
            }
            Command::Work(WorkCommand::Consult { consult, to, .. }) => {
                (consult, Requirements::default(), named(to))
            }
            Command::Work(WorkCommand::Transfer { contact, to, .. }) => {
                if let Some(agent) = named(to) {
                    self.wishes.entry(contact.clone()).or_default().insert(agent.clone());
                }
                return;
            }
            _ => return,
        };
        if let Some(agent) = wish {
            self.wishes.entry(contact.clone()).or_default().insert(agent.clone());
        }
        let seq = if let Reply::Enqueued { seq, .. } = reply { seq.0 } else { u64::MAX };
        self.arriving.entry(contact.clone()).or_insert((seq, requirements));
    }

    pub(crate) fn fold(&mut self, event: &Event) {
        match event {
            Event::Contact { contact, what } => self.fold_contact(contact, what),
            Event::Agent { agent, what } => self.fold_agent(agent, what),
            Event::Site { site, state } => {
                self.sites.insert(site.clone(), *state);
            }
            Event::Audit(record) if record.refused.is_none() => {
                configured::note(self, &record.command);
            }
            _ => {}
        }
    }

    fn enqueued(&mut self, id: &ContactId, what: &ContactEvent) {
        let ContactEvent::Enqueued { queue, channel, effective, site, .. } = what else {
            return;
        };
        let (seq, requirements) = self.arriving.get(id).cloned().unwrap_or_default();
        let contact = Contact {
            seq,
            queue: queue.clone(),
            channel: *channel,
            effective: *effective,
            site: site.clone(),
            requirements,
            step: 0,
            spilled: false,
            entered: self.clocks.now,
            stage: Stage::Queued,
            due: 0,
            wait_due: self.wait_due(queue, *channel),
            past: Vec::new(),
        };
        self.contacts.insert(id.clone(), contact);
    }

    /// When waiting in a queue that is entered now may end at the earliest.
    fn wait_due(&self, queue: &QueueId, channel: Channel) -> u64 {
        let longest = self.queues.get(queue).map_or(Millis::ZERO, |config| config.wait_max);
        let none = longest == Millis::ZERO || channel == Channel::Callback;
        self.due_in(if none { limits::DURATION_MAX } else { longest })
    }

    fn fold_contact(&mut self, id: &ContactId, what: &ContactEvent) {
        if let ContactEvent::Enqueued { .. } = what {
            return self.enqueued(id, what);
        }
        let Some(mut contact) = self.contacts.remove(id) else { return };
        let now = self.clocks.now;
        let with = contact.stage.with().cloned();
        match what {
            ContactEvent::Queued { .. } | ContactEvent::Stranded { .. } => {
                if contact.stage == Stage::Scheduled {
                    self.enter(&mut contact);
                }
                contact.stage = Stage::Queued;
                if let ContactEvent::Stranded { .. } = what {
                    contact.stage = Stage::Stranded;
                    contact.due = self.due_in(match contact.channel {
                        Channel::Callback => self.settings.stranded_callback_for,
                        _ => self.settings.stranded_for,
                    });
                }
            }
            ContactEvent::Scheduled { .. } => contact.stage = Stage::Scheduled,
            ContactEvent::StepReached { step } => contact.step = *step,
            ContactEvent::PlaceChanged { to, .. } => contact.effective = *to,
            ContactEvent::Spilled => contact.spilled = true,
            ContactEvent::Offered { token, agent, queue, .. } => {
                let timeout = self.queues.get(queue).map_or(Millis::ZERO, |q| q.offer_timeout);
                contact.due = self.due_in(timeout);
                contact.stage = Stage::Offered(With { token: *token, agent: agent.clone() });
                self.load(agent, contact.channel, true);
            }
            ContactEvent::OfferEnded { token, agent, end } => {
                let cool_down = self.queues.get(&contact.queue).map(|q| q.cool_down);
                let excludes = excludes(*end).then_some(now.plus(cool_down.unwrap_or_default()));
                let with = With { token: *token, agent: agent.clone() };
                if contact.past.len() == limits::PAST_OFFERS_MAX {
                    contact.past.remove(0);
                }
                let excluded_until = excludes.unwrap_or(LogTime(0));
                contact.past.push(Past { with, end: *end, excluded_until });
                contact.stage = Stage::Queued;
                self.load(agent, contact.channel, false);
            }
            ContactEvent::Accepted { token, agent } => {
                let queue = self.queues.get(&contact.queue);
                contact.due = self.due_in(queue.map_or(Millis::ZERO, |q| q.connect_timeout));
                contact.stage = Stage::Accepted(With { token: *token, agent: agent.clone() });
            }
            ContactEvent::Connected { token, agent, .. } => {
                let queue = self.queues.get(&contact.queue);
                contact.due = self.due_in(queue.map_or(Millis::ZERO, |q| q.handle_max));
                contact.stage = Stage::Connected(With { token: *token, agent: agent.clone() });
            }
            ContactEvent::Orphaned { .. } => {
                contact.due = contact.due.min(self.due_in(self.settings.orphan_after));
            }
            ContactEvent::Adopted => {
                let queue = self.queues.get(&contact.queue);
                contact.due = self.due_in(queue.map_or(Millis::ZERO, |q| q.handle_max));
            }
            ContactEvent::Held => {
                contact.stage = with.map_or(contact.stage, Stage::Held);
            }
            ContactEvent::Retrieved => {
                contact.stage = with.map_or(contact.stage, Stage::Connected);
            }
            ContactEvent::WrapUpStarted { .. } => {
                let queue = self.queues.get(&contact.queue);
                contact.due = self.due_in(queue.map_or(Millis::ZERO, |q| q.wrap_up));
                contact.stage = with.map_or(contact.stage, Stage::WrapUp);
            }
            ContactEvent::Transferred { to, .. } | ContactEvent::Overflowed { to, .. } => {
                contact.queue = to.clone();
                self.enter(&mut contact);
            }
            ContactEvent::BecameCallback { .. } => {
                contact.channel = Channel::Callback;
                contact.wait_due = self.wait_due(&contact.queue, Channel::Callback);
            }
            ContactEvent::Closed(record) => {
                if let Some(with) = with {
                    self.load(&with.agent, contact.channel, false);
                }
                self.closed.insert(id.clone(), record.clone());
                return;
            }
            ContactEvent::Enqueued { .. }
            | ContactEvent::PreferredGivenUp { .. }
            | ContactEvent::Resumed
            | ContactEvent::ConsultStarted { .. }
            | ContactEvent::DispositionSet { .. }
            | ContactEvent::RecordingSet { .. }
            | ContactEvent::CsatReceived { .. } => {}
        }
        self.contacts.insert(id.clone(), contact);
    }

    /// Steps and waiting begin anew; the place stays.
    fn enter(&self, contact: &mut Contact) {
        contact.entered = self.clocks.now;
        (contact.step, contact.spilled) = (0, false);
        contact.wait_due = self.wait_due(&contact.queue, contact.channel);
    }

    fn load(&mut self, agent: &AgentId, channel: Channel, more: bool) {
        if let Some(agent) = self.agents.get_mut(agent) {
            let load = &mut agent.load[channel.medium().index()];
            *load = if more { load.saturating_add(1) } else { load.saturating_sub(1) };
        }
    }

    fn fold_agent(&mut self, id: &AgentId, what: &AgentEvent) {
        let unreachable_due = self.due_in(self.settings.unreachable_for);
        let Some(agent) = self.agents.get_mut(id) else { return };
        match what {
            AgentEvent::LoggedIn { epoch, site, .. } => {
                agent.session = Some(Session { epoch: *epoch, site: site.clone() });
                match agent.presence {
                    Presence::Offline => {
                        agent.closed_media = Media::NONE;
                        agent.presence = Presence::NotReady;
                    }
                    // The next event says how the agent goes on.
                    Presence::Unreachable => agent.presence = Presence::NotReady,
                    Presence::Ready | Presence::NotReady => {}
                }
            }
            AgentEvent::LoggedOut | AgentEvent::Offline => {
                agent.presence = Presence::Offline;
                (agent.session, agent.pending) = (None, false);
            }
            AgentEvent::Unreachable => {
                agent.presence = Presence::Unreachable;
                (agent.pending, agent.due) = (false, unreachable_due);
            }
            AgentEvent::Ready => (agent.presence, agent.pending) = (Presence::Ready, false),
            AgentEvent::NotReady { .. } => {
                (agent.presence, agent.pending) = (Presence::NotReady, false);
            }
            AgentEvent::NotReadyWhenFree { .. } => agent.pending = true,
            AgentEvent::MediumClosed { medium } => {
                agent.closed_media = agent.closed_media.with(*medium);
            }
            AgentEvent::MediumOpened { medium } => {
                agent.closed_media = agent.closed_media.without(*medium);
            }
            AgentEvent::Moved { .. } => {}
            AgentEvent::MoveEnded => agent.moved = None,
        }
    }

    pub(crate) fn put_agent(&mut self, config: &AgentConfig) {
        match self.agents.get_mut(&config.id) {
            Some(agent) => agent.config = config.clone(),
            None => {
                self.agents.insert(config.id.clone(), Agent::new(config.clone()));
            }
        }
    }
}

fn named(to: &TransferTarget) -> Option<&AgentId> {
    match to {
        TransferTarget::Agent(agent) => Some(agent),
        TransferTarget::Queue(_) => None,
    }
}

/// Whether an agent whose part ended so is not offered the contact again for a while.
fn excludes(end: OfferEnd) -> bool {
    matches!(
        end,
        OfferEnd::Declined
            | OfferEnd::Rona
            | OfferEnd::BridgeFailed
            | OfferEnd::BridgeTimeout
            | OfferEnd::Transferred
    )
}
