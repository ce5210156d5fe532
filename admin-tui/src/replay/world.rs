//! Callers and agents of a call log, as they behave: callers arrive when they arrived, hang up
//! when their patience ended, and talk as long as they talked; agents come and go with their
//! shifts and answer at once.
//!
//! No clock and no contact centre here: what happened goes in, what people do next comes out. So
//! the same people can be put before a contact centre in this process or before a cluster.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};

use acd::channel::Channel;
use acd::command::{AgentCommand, ContactCommand, Enqueue, Submission, WorkCommand};
use acd::config::Requirements;
use acd::event::{AgentEvent, ContactEvent, Event};
use acd::ids::{AgentId, ContactId, NodeId, OfferToken, PrincipalId, SessionEpoch, SiteId};
use acd::rejection::Rejection;
use acd::text::{Attributes, Label};
use acd::time::{LogTime, Millis};

use super::calls::{Call, CallType};
use super::centre::{DESKTOPS, ingress};
use super::shifts::Shift;

/// Something somebody will do at a time of their own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    /// A shift begins.
    Come(usize),
    /// A call arrives.
    Call(usize),
    /// A conversation is over.
    Finish(usize, OfferToken),
    /// A caller's patience ends.
    GiveUp(usize),
    /// A shift ends.
    Leave(usize),
}

/// The people of a call log.
pub struct World<'a> {
    calls: &'a [Call],
    shifts: &'a [Shift],
    /// Whom each call comes in by.
    ingresses: Vec<PrincipalId>,
    desktops: PrincipalId,
    /// Each agent's node.
    nodes: BTreeMap<AgentId, NodeId>,
    by_contact: HashMap<ContactId, usize>,
    /// How long callers talk who really hung up.
    typical_talk: BTreeMap<CallType, Millis>,
    sessions: BTreeMap<AgentId, SessionEpoch>,
    shift_over: Label,
    /// Acts to come, first first; at the same time in the order of [`Act`], then as planned.
    agenda: BinaryHeap<Reverse<(LogTime, Act)>>,
    /// What people do at once.
    now: VecDeque<Submission>,
}

impl<'a> World<'a> {
    /// The people. `homes` says where each agent works, `nodes` on which node of each city.
    pub fn new(
        calls: &'a [Call],
        shifts: &'a [Shift],
        cities: &[SiteId],
        homes: &BTreeMap<AgentId, SiteId>,
        nodes: &BTreeMap<SiteId, NodeId>,
    ) -> Result<Self, Rejection> {
        let ingresses = cities.iter().map(ingress).collect::<Result<_, _>>()?;
        let node_of = |(agent, site): (&AgentId, &SiteId)| Some((agent.clone(), *nodes.get(site)?));
        let mut agenda = BinaryHeap::new();
        for (number, call) in calls.iter().enumerate() {
            agenda.push(Reverse((call.arrival(), Act::Call(number))));
        }
        for (number, shift) in shifts.iter().enumerate() {
            agenda.push(Reverse((shift.from, Act::Come(number))));
            agenda.push(Reverse((shift.to, Act::Leave(number))));
        }
        Ok(Self {
            calls,
            shifts,
            ingresses,
            desktops: PrincipalId::new(DESKTOPS)?,
            nodes: homes.iter().filter_map(node_of).collect(),
            by_contact: calls.iter().enumerate().map(|(n, call)| (call.id.clone(), n)).collect(),
            typical_talk: typical_talk(calls),
            sessions: BTreeMap::new(),
            shift_over: Label::new("shift over")?,
            agenda,
            now: VecDeque::new(),
        })
    }

    /// When somebody acts next of their own accord.
    pub fn next_time(&self) -> Option<LogTime> {
        self.agenda.peek().map(|Reverse((at, _))| *at)
    }

    /// The next thing that somebody does by `now`.
    pub fn next_submission(&mut self, now: LogTime) -> Option<Submission> {
        loop {
            if let Some(submission) = self.now.pop_front() {
                return Some(submission);
            }
            if self.next_time()? > now {
                return None;
            }
            let Reverse((_, act)) = self.agenda.pop()?;
            self.perform(now, act);
        }
    }

    fn perform(&mut self, now: LogTime, act: Act) {
        match act {
            Act::Come(shift) => {
                let agent = self.shifts[shift].agent.clone();
                if let Some(node) = self.nodes.get(&agent).copied() {
                    self.at_desk(AgentCommand::LogIn { agent, node });
                }
            }
            Act::Leave(shift) => {
                let agent = self.shifts[shift].agent.clone();
                if let Some(epoch) = self.sessions.get(&agent).copied() {
                    let reason = self.shift_over.clone();
                    self.at_desk(AgentCommand::NotReady { agent, epoch, reason });
                }
            }
            Act::Call(number) => {
                let call = &self.calls[number];
                if let Some(patience) = call.patience() {
                    self.agenda.push(Reverse((now.plus(patience), Act::GiveUp(number))));
                }
                if let Some(enqueue) = enqueue(call) {
                    self.at_edge(number, ContactCommand::Enqueue(enqueue));
                }
            }
            Act::GiveUp(number) => {
                // Whoever is being served does not give up.
                if self.by_contact.contains_key(&self.calls[number].id) {
                    let contact = self.calls[number].id.clone();
                    self.at_edge(number, ContactCommand::HangUp { contact });
                }
            }
            Act::Finish(number, token) => {
                let contact = self.calls[number].id.clone();
                self.at_desk(WorkCommand::Complete {
                    contact,
                    token,
                    disposition: None,
                    resolved: None,
                });
            }
        }
    }

    fn at_desk(&mut self, command: impl Into<acd::command::Command>) {
        self.now.push_back(Submission::new(self.desktops.clone(), command.into()));
    }

    fn at_edge(&mut self, call: usize, command: ContactCommand) {
        let ingress = self.ingresses[call % self.ingresses.len()].clone();
        self.now.push_back(Submission::new(ingress, command.into()));
    }

    /// People learn what happened, and act on it.
    pub fn learn(&mut self, now: LogTime, event: &Event) {
        match event {
            Event::Contact { contact, what } => self.learn_of_contact(now, contact, what),
            Event::Agent { agent, what } => match what {
                AgentEvent::LoggedIn { epoch, .. } => {
                    self.sessions.insert(agent.clone(), *epoch);
                    self.at_desk(AgentCommand::Ready { agent: agent.clone(), epoch: *epoch });
                }
                // The shift was over, and now the desk is empty.
                AgentEvent::NotReady { .. } => {
                    if let Some(epoch) = self.sessions.remove(agent) {
                        self.at_desk(AgentCommand::LogOut { agent: agent.clone(), epoch });
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn learn_of_contact(&mut self, now: LogTime, contact: &ContactId, what: &ContactEvent) {
        let Some(number) = self.by_contact.get(contact).copied() else {
            return;
        };
        match what {
            ContactEvent::Offered { token, .. } => {
                self.at_desk(WorkCommand::Accept { contact: contact.clone(), token: *token });
            }
            ContactEvent::Accepted { token, .. } => {
                let bridged = ContactCommand::Bridged { contact: contact.clone(), token: *token };
                self.at_edge(number, bridged);
            }
            ContactEvent::Connected { token, .. } => {
                let call = &self.calls[number];
                let typical = self.typical_talk.get(&call.kind).copied().unwrap_or_default();
                let talk = call.handle_time().unwrap_or(typical);
                self.agenda.push(Reverse((now.plus(talk), Act::Finish(number, *token))));
                self.by_contact.remove(contact);
            }
            ContactEvent::Closed(_) => {
                self.by_contact.remove(contact);
            }
            _ => {}
        }
    }
}

/// A call as it is put in.
fn enqueue(call: &Call) -> Option<Enqueue> {
    Some(Enqueue {
        contact: call.id.clone(),
        queue: call.kind.queue().ok()?,
        channel: Channel::Voice,
        priority: call.priority,
        site: None,
        requirements: Requirements::from([]),
        preferred: None,
        preferred_wait: None,
        not_before: None,
        attributes: Attributes::default(),
    })
}

/// The median conversation of each type: what somebody who hung up would have needed.
fn typical_talk(calls: &[Call]) -> BTreeMap<CallType, Millis> {
    let mut talks: BTreeMap<CallType, Vec<Millis>> = BTreeMap::new();
    for call in calls {
        if let Some(talk) = call.handle_time() {
            talks.entry(call.kind).or_default().push(talk);
        }
    }
    let median = |mut talks: Vec<Millis>| {
        talks.sort_unstable();
        talks[talks.len() / 2]
    };
    talks.into_iter().map(|(kind, talks)| (kind, median(talks))).collect()
}
