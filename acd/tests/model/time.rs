//! Deadlines, found by looking at everything; and the commands that move time.

use acd::command::{
    CheckpointVote, ClusterCommand, Command, ConfigCommand, ContactCommand, LeaderChoice,
};
use acd::config::SiteConfig;
use acd::event::{AgentEvent, Alarm, Event, ObjectKind, OfferEnd, SiteState};
use acd::ids::{AgentId, CalendarId, ContactId, QueueId, Revision, SiteId};
use acd::limits;
use acd::record::Outcome as Ending;
use acd::rejection::Rejection;
use acd::reply::Reply;
use acd::roles::{Role, Roles};
use acd::site::NodeRole;
use acd::text::Label;
use acd::time::{LogTime, Millis};

use super::things::{Presence, Principal, Stage};
use super::{Model, Outcome, unknown};

/// Whose deadline, in the order in which those of one instant fire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Site(u64, SiteId),
    Queue(u64, QueueId),
    Calendar(u64, CalendarId),
    Agent(u64, AgentId),
    Contact(u64, ContactId),
}

/// Compared in the order of the fields.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Deadline {
    due: LogTime,
    /// False sorts first: the attended clock precedes the other one.
    on_log_clock: bool,
    whose: Whose,
}

impl Model {
    fn deadlines(&self) -> Vec<Deadline> {
        let mut found = Vec::new();
        let mut note = |due: LogTime, on_log_clock: bool, whose: Whose| {
            found.push(Deadline { due, on_log_clock, whose });
        };
        for site in self.sites.values() {
            let whose = || Whose::Site(site.seq, site.config.id.clone());
            if let SiteState::Returning { until: Some(until) } = site.state {
                note(until, true, whose());
            }
            if let Some(drain) = site.drain {
                // Nothing is done at a site that is lost.
                if !drain.expired && !drain.deadline_passed && site.state != SiteState::Lost {
                    note(drain.deadline, true, whose());
                }
                if !drain.expired {
                    note(drain.expiry, true, whose());
                }
            }
        }
        for queue in self.queues.values() {
            if let Some(until) = queue.closed_until {
                note(until, true, Whose::Queue(queue.seq, queue.config.id.clone()));
            }
        }
        for calendar in self.calendars.values() {
            if let Some(alarm) = calendar.alarm {
                note(alarm, true, Whose::Calendar(calendar.seq, calendar.config.id.clone()));
            }
        }
        for agent in self.agents.values() {
            let whose = || Whose::Agent(agent.seq, agent.config.id.clone());
            if let Presence::Unreachable { deadline, .. } = agent.presence {
                note(LogTime(deadline.0).plus(self.gaps), false, whose());
            }
            if let Some(moved) = &agent.moved {
                note(moved.until, true, whose());
            }
        }
        for contact in self.contacts.values() {
            let whose = || Whose::Contact(contact.seq, contact.id.clone());
            let deadline = match contact.stage {
                Stage::Queued => Some(contact.wait_deadline),
                _ => contact.deadline,
            };
            if let Some(deadline) = deadline {
                note(LogTime(deadline.0).plus(self.gaps), false, whose());
            }
            if let Some(review) = contact.review {
                note(review, true, whose());
            }
        }
        found
    }

    pub fn next_deadline(&self) -> Option<LogTime> {
        self.deadlines().into_iter().map(|d| d.due).min()
    }

    pub fn fire_due(&mut self) {
        if self.fired {
            return;
        }
        self.fired = true;
        for _ in 0..limits::DEADLINES_PER_ENTRY_MAX {
            let first = self.deadlines().into_iter().min();
            let Some(due) = first.filter(|d| d.due <= self.now) else { return };
            self.fire(due);
            self.settle();
        }
    }

    /// What was left over by an entry with too many deadlines, of whatever a test picks: it comes
    /// before a command on it.
    fn fire_left_over(&mut self, of: impl Fn(&Whose) -> bool) {
        loop {
            let due = |d: &Deadline| d.due <= self.now && of(&d.whose);
            let Some(first) = self.deadlines().into_iter().filter(due).min() else { return };
            self.fire(first);
            self.settle();
        }
    }

    pub fn fire_left_over_of_contact(&mut self, id: &ContactId) {
        self.fire_left_over(|whose| matches!(whose, Whose::Contact(_, contact) if contact == id));
    }

    /// The agent, queue or site that a command is about; contacts have theirs when looked for.
    pub fn fire_left_over_of_subject(&mut self, command: &Command) {
        use ConfigCommand as C;
        let agent = |id: &AgentId| Some(id.as_str().to_owned());
        let queue = |id: &QueueId| Some(id.as_str().to_owned());
        let (of_agent, of_queue, of_site) = match command {
            Command::Agent(command) => (agent(command.subject()), None, None),
            Command::Contact(ContactCommand::Enqueue(enqueue)) => {
                (None, queue(&enqueue.queue), None)
            }
            Command::Site(command) => {
                (None, None, command.subject().map(|site| site.as_str().to_owned()))
            }
            Command::Config(command) => match command {
                C::PutAgent { config, .. } => (agent(&config.id), None, None),
                C::DeleteAgent { agent: id, .. }
                | C::MoveAgent { agent: id, .. }
                | C::EndMove { agent: id, .. } => (agent(id), None, None),
                C::PutQueue { config, .. } => (None, queue(&config.id), None),
                C::DeleteQueue { queue: id, .. }
                | C::CloseQueue { queue: id, .. }
                | C::ReopenQueue { queue: id, .. } => (None, queue(id), None),
                _ => return,
            },
            _ => return,
        };
        self.fire_left_over(|whose| match whose {
            Whose::Agent(_, id) => of_agent.as_deref() == Some(id.as_str()),
            Whose::Queue(_, id) => of_queue.as_deref() == Some(id.as_str()),
            Whose::Site(_, id) => of_site.as_deref() == Some(id.as_str()),
            Whose::Calendar(..) | Whose::Contact(..) => false,
        });
    }

    fn fire(&mut self, due: Deadline) {
        match due.whose {
            Whose::Site(_, site) => self.review_site(&site),
            Whose::Queue(_, queue) => self.reopen(&queue),
            Whose::Calendar(_, id) => {
                let entry = self.calendars.get_mut(&id).expect("a calendar");
                entry.alarm = None;
                let at = entry.config.covers_until;
                let calendar = id.as_str().into();
                self.events.push(Event::Alarm(Alarm::CalendarEnds { calendar, at }));
            }
            Whose::Agent(_, agent) if due.on_log_clock => self.end_move(&agent),
            Whose::Agent(_, agent) => self.go_offline(&agent, AgentEvent::Offline),
            Whose::Contact(_, contact) if due.on_log_clock => self.review_contact(&contact),
            Whose::Contact(_, contact) => self.nobody_answered(&contact),
        }
    }

    fn review_contact(&mut self, id: &ContactId) {
        match self.c(id).stage {
            Stage::Queued => self.wait(id),
            Stage::Scheduled { .. } => {
                // Steps and waiting begin when its time has come.
                let deadline = self.longest_wait(&self.c(id).queue, self.c(id).channel);
                let now = self.now;
                let contact = self.cm(id);
                contact.review = None;
                contact.entered_queue = now;
                contact.wait_deadline = deadline;
                (contact.step, contact.spilled) = (0, false);
                self.return_to_queue(id);
            }
            other => panic!("nothing to review of a contact that is {other:?}"),
        }
    }

    fn nobody_answered(&mut self, id: &ContactId) {
        match self.c(id).stage {
            Stage::Queued => self.give_up_waiting(id),
            Stage::Stranded => self.close_unanswered(id, Ending::LostIngress),
            Stage::Offered => {
                let with = self.c(id).with.clone().expect("an offer");
                let medium = self.c(id).channel.medium();
                self.end_offer(id, OfferEnd::Rona);
                self.let_it_ring(&with.agent, medium);
                self.return_to_queue(id);
            }
            Stage::Accepted => {
                self.end_offer(id, OfferEnd::BridgeTimeout);
                let mut last = self.c(id).past_offers.iter().rev().map(|past| past.end);
                let silent = last.by_ref().take(3).eq([OfferEnd::BridgeTimeout; 3]);
                if silent {
                    self.strand(id);
                } else {
                    self.return_to_queue(id);
                }
            }
            Stage::Connected | Stage::Held { .. } => {
                self.finish_talk(id);
                self.close(id, Ending::Orphaned);
            }
            Stage::WrapUp { .. } => self.close(id, Ending::Handled),
            Stage::Scheduled { .. } => panic!("a scheduled contact has no such deadline"),
        }
    }

    // -- Commands of the leader -------------------------------------------------------------------

    pub fn cluster_command(&mut self, command: ClusterCommand) -> Outcome {
        let first = if self.commands == 0 { Ok(()) } else { Err(Rejection::NotFirst) };
        match command {
            ClusterCommand::Init { cluster, site, admin, replay } => {
                if admin.as_str().starts_with("node-") {
                    return Err(Rejection::ReservedName { name: admin.as_str().into() });
                }
                (self.cluster, self.replay) = (Some(cluster), replay);
                self.version = 1;
                if replay {
                    // Time is the clients' from now on, and begins at the very beginning.
                    (self.now, self.gaps) = (LogTime::default(), Millis::ZERO);
                }
                let name = Label::new(site.as_str())?;
                self.new_site(SiteConfig::new(site.clone(), name));
                self.new_node(&site, NodeRole::Voter, None);
                let roles =
                    Roles::of(&[Role::Viewer, Role::Supervisor, Role::Operator, Role::Admin]);
                let id = admin.as_str().into();
                let (kind, revision) = (ObjectKind::Principal, Some(Revision(1)));
                self.events.push(Event::Config { kind, id, revision });
                self.principals.insert(admin, Principal { roles, site: None, revision: 1 });
                return Ok(Reply::Done);
            }
            ClusterCommand::Tick => {}
            ClusterCommand::TermStarted { leader, gap } => {
                first?;
                self.find_node(leader)?;
                self.add_gap(gap);
                self.fire_due();
                self.events.push(Event::TermStarted { leader, gap });
            }
            ClusterCommand::SetTime { to } => {
                first?;
                let from = self.now;
                self.move_time(to)?;
                self.add_gap(to.since(from));
                self.fire_due();
                self.events.push(Event::TimeSet { from, to });
            }
            ClusterCommand::AdvanceTo { to } => {
                first?;
                if !self.replay {
                    return Err(Rejection::NotAReplay);
                }
                self.move_time(to)?;
                self.fire_due();
            }
            ClusterCommand::RaiseVersion { to } => {
                let (now, next) = (self.version, self.version + 1);
                if to != next {
                    return Err(Rejection::WrongVersion { now, next, to });
                }
                self.version = to;
                self.events.push(Event::VersionRaised { to });
                if to > limits::CLUSTER_VERSION_MAX {
                    self.events.push(Event::VersionUnknown { to });
                }
                return Ok(Reply::Done);
            }
            ClusterCommand::TransferLeader { to, stays } => {
                match to {
                    LeaderChoice::Node(node) | LeaderChoice::NotNode(node) => {
                        if !self.nodes.contains_key(&node) {
                            return Err(unknown("node", &node.0.to_string()));
                        }
                    }
                    LeaderChoice::Site(site) | LeaderChoice::NotSite(site) => {
                        if !self.sites.contains_key(&site) {
                            return Err(unknown("site", site.as_str()));
                        }
                    }
                }
                return match stays {
                    Some(why) => Err(Rejection::LeaderStays { why: why.as_str().into() }),
                    None => Ok(Reply::Done),
                };
            }
            ClusterCommand::Checkpoint { about, votes } => return self.checkpoint(about, &votes),
        }
        Ok(Reply::Time { now: self.now, next_deadline: self.next_deadline() })
    }

    fn move_time(&mut self, to: LogTime) -> Result<(), Rejection> {
        if to < self.now {
            return Err(Rejection::TimeGoesBack);
        }
        if to.0 > limits::STAMP_MAX {
            let max = limits::STAMP_MAX;
            return Err(Rejection::OutOfRange { what: "log time", value: to.0, min: 0, max });
        }
        self.now = to;
        self.forget_old();
        Ok(())
    }

    /// Nobody could be heard for longer than since the last entry.
    fn add_gap(&mut self, gap: Millis) {
        self.gaps.0 += gap.0.min(self.now.0 - self.previous.0);
    }

    fn checkpoint(&mut self, about: u64, votes: &[CheckpointVote]) -> Outcome {
        if votes.len() > limits::CHECKPOINT_VOTES_MAX {
            let max = limits::CHECKPOINT_VOTES_MAX as u64;
            return Err(Rejection::LimitReached { what: "votes of a checkpoint", max });
        }
        if let Some((index, own)) = self.checkpoint
            && index == about
        {
            let mut first: Vec<CheckpointVote> = Vec::new();
            for vote in votes {
                let known = self.nodes.contains_key(&vote.node);
                if known && first.iter().all(|v| v.node != vote.node) {
                    first.push(*vote);
                }
            }
            let of = |hash: u128| first.iter().filter(|v| v.hash == hash).count();
            let is_most = |count: usize| count * 2 > self.nodes.len();
            let majority = first.iter().map(|v| v.hash).find(|hash| is_most(of(*hash)));
            if let Some(majority) = majority
                && majority != own
            {
                self.events.push(Event::Diverged { index, own, majority });
            }
        }
        // The one before is not remembered; the hash of this one is told after the entry.
        self.checkpoint = None;
        self.events.push(Event::Checkpoint { index: self.index, hash: 0 });
        Ok(Reply::Checkpoint { hash: 0 })
    }
}
