//! Applying commands.
//!
//! ```text
//! entry:    begin(stamp) → command → command → … → end
//! command:  due deadlines fire (once per entry) → who may? → was it asked before? → validate,
//!           then change → audit → settle (match what became matchable) → timers
//! end:      deadlines, if no command let them fire → hash what changed
//! ```
//!
//! Handlers check everything before they change anything, so a refused command leaves no trace.
//! They change contacts and agents through a few verbs (`wait`, `offer`, `end_offer`, `close` …),
//! note whom to match, and leave matching, timers and hashes to the end of the command.

mod agents;
mod closing;
mod cluster;
mod configure;
mod configure_queue;
mod conversation;
mod deadlines;
mod enqueue;
mod ingress;
mod inverse;
mod joining;
mod membership;
mod nodes;
mod offers;
mod roster;
pub(crate) mod settle;
mod sites;
mod waiting;

use alloc::{boxed::Box, string::ToString, vec::Vec};

use crate::agent::Agent;
use crate::centre::{Centre, EntryProgress};
use crate::codec;
use crate::command::{ClusterCommand, Command, Submission};
use crate::contact::Contact;
use crate::event::{AgentEvent, ContactEvent, Event};
use crate::ids::{AgentId, ContactId, PrincipalId, QueueId, SessionEpoch, SiteId};
use crate::memory::FirstAnswer;
use crate::queue::Queue;
use crate::record::AuditRecord;
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::roles::{self, Role, Roles};
use crate::site::Site;
use crate::table::Slot;
use crate::time::{LogTime, Millis};

/// What a command came to.
pub(crate) type Outcome = Result<Reply, Rejection>;

impl Centre {
    /// Applies an entry with one command. What happened is appended to `events`.
    pub fn apply(
        &mut self,
        index: u64,
        stamp: LogTime,
        submission: Submission,
        events: &mut Vec<Event>,
    ) -> Outcome {
        self.begin(index, stamp);
        let outcome = self.execute(submission, events);
        self.end(events);
        outcome
    }

    /// Begins an entry. `stamp` is the leader's; one that would go back counts as now. In a
    /// cluster whose clients own log time it is ignored.
    pub fn begin(&mut self, index: u64, stamp: LogTime) {
        let previous = self.clocks.now;
        self.entry = EntryProgress { index, previous, commands: 0, fired: false };
        if !self.replay {
            self.clocks.now = self.clocks.now.max(stamp);
        }
        self.forget_old();
    }

    /// Applies one command of the entry that was begun.
    pub fn execute(&mut self, submission: Submission, events: &mut Vec<Event>) -> Outcome {
        core::mem::swap(&mut self.events, events);
        let outcome = self.answer(submission);
        self.settle();
        self.schedule_changed();
        self.entry.commands = self.entry.commands.saturating_add(1);
        core::mem::swap(&mut self.events, events);
        outcome
    }

    /// Ends the entry: an entry without commands still lets time pass.
    pub fn end(&mut self, events: &mut Vec<Event>) {
        core::mem::swap(&mut self.events, events);
        self.fire_due();
        self.hash_changed();
        core::mem::swap(&mut self.events, events);
    }

    /// Whenever time has moved: what is older than is promised is not known any more, however
    /// much that is. At most 110,000 entries of 0.1 µs each.
    pub(crate) fn forget_old(&mut self) {
        self.closed.expire(self.clocks.now);
        self.requests.expire(self.clocks.now, &mut self.digest);
    }

    fn answer(&mut self, submission: Submission) -> Outcome {
        let moves_time = matches!(
            submission.command,
            Command::Cluster(
                ClusterCommand::TermStarted { .. }
                    | ClusterCommand::SetTime { .. }
                    | ClusterCommand::AdvanceTo { .. }
            )
        );
        // Commands that move time decide themselves what is due.
        if !moves_time {
            self.fire_due();
        }
        self.fire_overdue_subject(&submission.command);
        if !roles::is_administration(&submission.command) {
            self.authorise(&submission.principal, &submission.command)?;
            let Submission { principal, session, command, .. } = submission;
            return self.carry_out(&principal, session, command);
        }
        self.administer(submission)
    }

    /// Administration is answered once per request, and audited whatever comes of it.
    fn administer(&mut self, submission: Submission) -> Outcome {
        let fingerprint = match &submission.request {
            None => 0,
            Some(_) => xxhash_rust::xxh3::xxh3_64(&codec::encode_submission(&submission)),
        };
        let Submission { principal, session, request, reason, command } = submission;
        let inverse = self.inverse(&command);
        let mut outcome = self.authorise(&principal, &command);
        if let (Ok(()), Some(request)) = (&outcome, &request) {
            match self.requests.look_up(request, fingerprint, self.clocks.now) {
                Ok(None) => {}
                Ok(Some(first)) => return first,
                Err(rejection) => outcome = Err(rejection),
            }
        }
        let permitted = outcome.is_ok();
        let outcome = match outcome {
            Ok(()) => self.carry_out(&principal, session, command.clone()),
            Err(rejection) => Err(rejection),
        };
        if let (true, Some(request)) = (permitted, request) {
            let answer = outcome.clone().map_err(|rejection| Rejection::FirstAnswer {
                code: rejection.code().into(),
                message: rejection.to_string().into(),
            });
            self.requests.remember(FirstAnswer { request, fingerprint, answer }, &mut self.digest);
        }
        let record = AuditRecord {
            at: self.clocks.now,
            principal,
            request,
            reason,
            command,
            refused: outcome.as_ref().err().cloned(),
            inverse: inverse.filter(|_| outcome.is_ok()).map(Box::new),
        };
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

    // -- Who may ------------------------------------------------------------------------------------

    /// The roles of a principal: those given by hand, `agent` for whoever is on the roster,
    /// `node` for members.
    pub fn roles_of(&self, principal: &PrincipalId) -> Roles {
        let by_hand = self.principals.by_key(principal.as_str());
        let mut held = by_hand.map_or(Roles::NONE, |p| p.roles);
        if self.agents.find(principal.as_str()).is_some() {
            held = held.with(Role::Agent);
        }
        let number = principal.as_str().strip_prefix("node-");
        // One name a node: `node-01` is nobody.
        let number = number.filter(|n| !n.starts_with('0')).and_then(|n| n.parse().ok());
        if number.is_some_and(|n| self.nodes.contains_key(&crate::ids::NodeId(n))) {
            held = held.with(Role::Node);
        }
        held
    }

    fn authorise(&self, principal: &PrincipalId, command: &Command) -> Result<(), Rejection> {
        let is_init = matches!(command, Command::Cluster(ClusterCommand::Init { .. }));
        match (&self.cluster, is_init) {
            (None, true) => return Ok(()), // There is nobody yet who could hold a role.
            (None, false) => return Err(Rejection::NotInitialised),
            (Some(_), true) => return Err(Rejection::AlreadyInitialised),
            (Some(_), false) => {}
        }
        let needed = roles::needed(command);
        if self.holds_any(principal, needed) {
            return Ok(());
        }
        Err(Rejection::NotPermitted { principal: principal.as_str().into(), needed })
    }

    /// Whether a principal holds any of these roles; looks only where they could come from.
    pub(crate) fn holds_any(&self, principal: &PrincipalId, needed: Roles) -> bool {
        let by_hand = self.principals.by_key(principal.as_str());
        if by_hand.is_some_and(|p| p.roles.any_of(needed)) {
            return true;
        }
        needed.any_of(Roles::of(&[Role::Agent, Role::Node]))
            && self.roles_of(principal).any_of(needed)
    }

    /// Refuses whoever is neither the owner nor a gateway, which speaks for many.
    pub(crate) fn check_owner(
        &self,
        principal: &PrincipalId,
        owner: &str,
    ) -> Result<(), Rejection> {
        if principal.as_str() == owner || self.holds_any(principal, Roles::of(&[Role::Gateway])) {
            return Ok(());
        }
        Err(Rejection::NotYours { principal: principal.as_str().into(), owner: owner.into() })
    }

    // -- Finding things -------------------------------------------------------------------------------

    pub(crate) fn find_queue(&self, id: &QueueId) -> Result<Slot<Queue>, Rejection> {
        self.queues.find(id.as_str()).ok_or_else(|| unknown("queue", id.as_str()))
    }

    pub(crate) fn find_agent(&self, id: &AgentId) -> Result<Slot<Agent>, Rejection> {
        self.agents.find(id.as_str()).ok_or_else(|| unknown("agent", id.as_str()))
    }

    pub(crate) fn find_site(&self, id: &SiteId) -> Result<Slot<Site>, Rejection> {
        self.sites.find(id.as_str()).ok_or_else(|| unknown("site", id.as_str()))
    }

    /// A live contact, after any deadline of it that is due has fired.
    pub(crate) fn find_contact(&mut self, id: &ContactId) -> Option<Slot<Contact>> {
        let slot = self.contacts.find(id.as_str())?;
        if self.fire_overdue(slot) { self.contacts.find(id.as_str()) } else { Some(slot) }
    }

    // -- Saying what happened -----------------------------------------------------------------------

    pub(crate) fn tell_contact(&mut self, contact: Slot<Contact>, what: ContactEvent) {
        let contact = self.contacts.get(contact).id.clone();
        self.events.push(Event::Contact { contact, what });
    }

    pub(crate) fn tell_agent(&mut self, agent: Slot<Agent>, what: AgentEvent) {
        let agent = self.agents.get(agent).id().clone();
        self.events.push(Event::Agent { agent, what });
    }

    /// A time on the attended clock from now.
    pub(crate) fn attended_in(&self, duration: Millis) -> crate::time::AttendedTime {
        self.clocks.attended().plus(duration)
    }
}

/// Something that is named does not exist.
pub(crate) fn unknown(kind: &'static str, id: &str) -> Rejection {
    Rejection::Unknown { kind, id: id.into() }
}
