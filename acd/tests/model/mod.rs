//! The contact centre again, written as plainly as possible: lists that are scanned, ids instead
//! of slots, nothing that is kept up to date because it could be computed. It shares the words of
//! `acd` (ids, configuration, commands, events, replies) and none of its transitions.
//!
//! A command is answered in the same steps as DESIGN section 5 describes; where an order can be
//! seen from outside (events, numbers drawn) it is the documented one.

#![allow(dead_code, reason = "each test binary uses a part of it")]

mod agents;
mod closing;
mod config;
mod contacts;
mod matching;
mod members;
mod metrics;
mod offers;
mod queues;
mod sites;
mod streams;
pub mod things;
mod time;
mod waiting;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use acd::command::{ClusterCommand, Command, Submission};
use acd::config::Settings;
use acd::event::{AgentEvent, ContactEvent, Event};
use acd::ids::{
    AgentId, CalendarId, ContactId, NodeId, PrincipalId, QueueId, SessionEpoch, SiteId, SkillId,
};
use acd::limits;
use acd::members::JoinToken;
use acd::record::AuditRecord;
use acd::rejection::Rejection;
use acd::reply::Reply;
use acd::roles::{self, Role, Roles};
use acd::text::Label;
use acd::time::{AttendedTime, LogTime, Millis};

use things::{Agent, Answered, CalendarEntry, Closed, Contact, Node, Principal, Queue, Site};

pub type Outcome = Result<Reply, Rejection>;

#[derive(Default)]
pub struct Model {
    pub cluster: Option<Label>,
    pub version: u32,
    pub replay: bool,
    pub now: LogTime,
    pub gaps: Millis,
    pub last_seq: u64,
    pub last_node: u64,
    pub settings: Settings,
    pub settings_revision: u64,
    pub contacts: BTreeMap<ContactId, Contact>,
    pub agents: BTreeMap<AgentId, Agent>,
    pub queues: BTreeMap<QueueId, Queue>,
    pub sites: BTreeMap<SiteId, Site>,
    /// Name and revision.
    pub skills: BTreeMap<SkillId, (Label, u64)>,
    pub calendars: BTreeMap<CalendarId, CalendarEntry>,
    pub principals: BTreeMap<PrincipalId, Principal>,
    pub nodes: BTreeMap<NodeId, Node>,
    pub members_revision: u64,
    pub tokens: Vec<JoinToken>,
    /// Ingresses that ever had a stream; without any left they are gone.
    pub ingresses: BTreeMap<PrincipalId, BTreeSet<NodeId>>,
    pub closed: Vec<Closed>,
    pub requests: Vec<Answered>,
    /// Index and hash of the last checkpoint. The model has no hash of its own: it is told.
    pub checkpoint: Option<(u64, u128)>,

    index: u64,
    previous: LogTime,
    commands: u32,
    fired: bool,
    pub events: Vec<Event>,
    /// Contacts that began to wait or whose demand changed.
    to_match: Vec<ContactId>,
}

pub fn unknown(kind: &'static str, id: &str) -> Rejection {
    Rejection::Unknown { kind, id: id.into() }
}

impl Model {
    // -- Entries ----------------------------------------------------------------------------------

    pub fn begin(&mut self, index: u64, stamp: LogTime) {
        (self.index, self.previous, self.commands, self.fired) = (index, self.now, 0, false);
        if !self.replay {
            self.now = self.now.max(stamp);
        }
        self.forget_old();
    }

    pub fn execute(&mut self, submission: Submission) -> Outcome {
        let moves_time = matches!(
            submission.command,
            Command::Cluster(
                ClusterCommand::TermStarted { .. }
                    | ClusterCommand::SetTime { .. }
                    | ClusterCommand::AdvanceTo { .. }
            )
        );
        if !moves_time {
            self.fire_due();
        }
        self.fire_left_over_of_subject(&submission.command);
        let outcome = if roles::is_administration(&submission.command) {
            self.administer(submission)
        } else {
            let Submission { principal, session, command, .. } = submission;
            self.authorise(&principal, &command)
                .and_then(|()| self.carry_out(&principal, session, command))
        };
        self.settle();
        self.commands += 1;
        outcome
    }

    pub fn end(&mut self) {
        self.fire_due();
    }

    pub fn forget_old(&mut self) {
        let now = self.now;
        self.closed.retain(|c| now.since(c.closed) <= limits::REMEMBERED_FOR);
        self.requests.retain(|a| {
            let issued_at = a.submission.request.expect("only requests are kept").issued_at;
            now.since(issued_at) <= limits::REQUEST_WINDOW
        });
    }

    fn administer(&mut self, submission: Submission) -> Outcome {
        let Submission { principal, session, request, reason, command } = submission.clone();
        let mut may = self.authorise(&principal, &command);
        if let (Ok(()), Some(request)) = (&may, request) {
            let first = self
                .requests
                .iter()
                .find(|a| a.submission.request.is_some_and(|r| r.id == request.id));
            if let Some(first) = first {
                if first.submission == submission {
                    return first.answer.clone();
                }
                may = Err(Rejection::RequestReused);
            } else if self.now.since(request.issued_at) > limits::REQUEST_WINDOW {
                may = Err(Rejection::RequestTooOld);
            } else if request.issued_at.since(self.now) > limits::REQUEST_WINDOW {
                may = Err(Rejection::RequestFromFuture);
            }
        }
        let remembered = may.is_ok() && request.is_some();
        let outcome = may.and_then(|()| self.carry_out(&principal, session, command.clone()));
        if remembered {
            let answer = outcome.clone().map_err(|r| Rejection::FirstAnswer {
                code: r.code().into(),
                message: r.to_string().into(),
            });
            self.requests.push(Answered { submission, answer });
        }
        let refused = outcome.as_ref().err().cloned();
        let at = self.now;
        let record =
            AuditRecord { at, principal, request, reason, command, refused, inverse: None };
        self.events.push(Event::Audit(Box::new(record)));
        outcome
    }

    fn carry_out(
        &mut self,
        principal: &PrincipalId,
        session: Option<SessionEpoch>,
        command: Command,
    ) -> Outcome {
        match command {
            Command::Cluster(command) => self.cluster_command(command),
            Command::Contact(command) => self.contact_command(principal, command),
            Command::Work(command) => self.work_command(principal, session, command),
            Command::Agent(command) => self.agent_command(principal, command),
            Command::Site(command) => self.site_command(command),
            Command::Config(command) => self.config_command(command),
        }
    }

    // -- Who may ----------------------------------------------------------------------------------

    pub fn roles_of(&self, principal: &PrincipalId) -> Roles {
        let mut held = self.principals.get(principal).map_or(Roles::NONE, |p| p.roles);
        if self.agents.keys().any(|agent| agent.as_str() == principal.as_str()) {
            held = held.with(Role::Agent);
        }
        if self.nodes.keys().any(|node| format!("node-{}", node.0) == principal.as_str()) {
            held = held.with(Role::Node);
        }
        held
    }

    fn authorise(&self, principal: &PrincipalId, command: &Command) -> Result<(), Rejection> {
        let is_init = matches!(command, Command::Cluster(ClusterCommand::Init { .. }));
        match (self.cluster.is_some(), is_init) {
            (false, true) => return Ok(()),
            (false, false) => return Err(Rejection::NotInitialised),
            (true, true) => return Err(Rejection::AlreadyInitialised),
            (true, false) => {}
        }
        let needed = roles::needed(command);
        let held = self.roles_of(principal);
        if needed.iter().any(|role| held.contains(role)) {
            return Ok(());
        }
        Err(Rejection::NotPermitted { principal: principal.as_str().into(), needed })
    }

    fn check_owner(&self, principal: &PrincipalId, owner: &str) -> Result<(), Rejection> {
        if principal.as_str() == owner || self.roles_of(principal).contains(Role::Gateway) {
            return Ok(());
        }
        Err(Rejection::NotYours { principal: principal.as_str().into(), owner: owner.into() })
    }

    // -- Small things -----------------------------------------------------------------------------

    fn next_seq(&mut self) -> u64 {
        self.last_seq += 1;
        self.last_seq
    }

    pub fn attended(&self) -> AttendedTime {
        AttendedTime(self.now.0 - self.gaps.0)
    }

    fn attended_in(&self, duration: Millis) -> AttendedTime {
        self.attended().plus(duration)
    }

    fn c(&self, id: &ContactId) -> &Contact {
        &self.contacts[id]
    }

    fn cm(&mut self, id: &ContactId) -> &mut Contact {
        self.contacts.get_mut(id).expect("a live contact")
    }

    fn am(&mut self, id: &AgentId) -> &mut Agent {
        self.agents.get_mut(id).expect("an agent")
    }

    fn qm(&mut self, id: &QueueId) -> &mut Queue {
        self.queues.get_mut(id).expect("a queue")
    }

    fn sm(&mut self, id: &SiteId) -> &mut Site {
        self.sites.get_mut(id).expect("a site")
    }

    fn find_queue(&self, id: &QueueId) -> Result<&Queue, Rejection> {
        self.queues.get(id).ok_or_else(|| unknown("queue", id.as_str()))
    }

    fn find_agent(&self, id: &AgentId) -> Result<&Agent, Rejection> {
        self.agents.get(id).ok_or_else(|| unknown("agent", id.as_str()))
    }

    fn find_site(&self, id: &SiteId) -> Result<&Site, Rejection> {
        self.sites.get(id).ok_or_else(|| unknown("site", id.as_str()))
    }

    fn find_closed(&self, id: &ContactId) -> Option<&Closed> {
        self.closed.iter().find(|c| c.id == *id)
    }

    fn tell(&mut self, contact: &ContactId, what: ContactEvent) {
        self.events.push(Event::Contact { contact: contact.clone(), what });
    }

    fn tell_agent(&mut self, agent: &AgentId, what: AgentEvent) {
        self.events.push(Event::Agent { agent: agent.clone(), what });
    }

    /// Contacts with an agent, in the order they came.
    pub fn work_of(&self, agent: &AgentId) -> Vec<ContactId> {
        let mut work: Vec<_> = self
            .contacts
            .values()
            .filter_map(|c| c.with.as_ref().map(|with| (with, c)))
            .filter(|(with, _)| with.agent == *agent)
            .map(|(with, c)| (with.token, c.id.clone()))
            .collect();
        work.sort();
        work.into_iter().map(|(_, id)| id).collect()
    }

    pub fn load_of(&self, agent: &AgentId) -> [u8; 4] {
        let mut load = [0; 4];
        for contact in self.contacts.values() {
            if contact.with.as_ref().is_some_and(|with| with.agent == *agent) {
                load[contact.channel.medium() as usize] += 1;
            }
        }
        load
    }

    pub fn is_busy(&self, agent: &AgentId) -> bool {
        self.load_of(agent) != [0; 4]
    }

    /// Contacts that have not been answered from a queue and want to be by now.
    pub fn length_of(&self, queue: &QueueId) -> u32 {
        let in_line = |c: &&things::Contact| {
            c.queue == *queue && !c.is_live() && !matches!(c.stage, things::Stage::Scheduled { .. })
        };
        self.contacts.values().filter(in_line).count() as u32
    }

    /// Contacts and offers that agents working at a site have.
    pub fn engaged_at(&self, site: &SiteId) -> u32 {
        let with = self.contacts.values().filter_map(|c| c.with.as_ref());
        with.filter(|with| with.site == *site).count() as u32
    }

    /// Those of the contacts that a test picks, by something.
    fn pick<K: Ord>(
        &self,
        test: impl Fn(&Contact) -> bool,
        by: impl Fn(&Contact) -> K,
    ) -> Vec<ContactId> {
        let mut found: Vec<&Contact> = self.contacts.values().filter(|c| test(c)).collect();
        found.sort_by_key(|c| by(c));
        found.into_iter().map(|c| c.id.clone()).collect()
    }

    fn agents_by_seq(&self) -> Vec<AgentId> {
        let mut agents: Vec<_> =
            self.agents.values().map(|a| (a.seq, a.config.id.clone())).collect();
        agents.sort();
        agents.into_iter().map(|(_, id)| id).collect()
    }

    fn sites_by_seq(&self) -> Vec<SiteId> {
        let mut sites: Vec<_> = self.sites.values().map(|s| (s.seq, s.config.id.clone())).collect();
        sites.sort();
        sites.into_iter().map(|(_, id)| id).collect()
    }
}
