//! The roster, skills, calendars, principals, settings.

use acd::channel::Media;
use acd::command::ConfigCommand;
use acd::config::{AgentConfig, Assignment};
use acd::event::{AgentEvent, Event, ObjectKind};
use acd::ids::{AgentId, PrincipalId, QueueId, Revision, SiteId};
use acd::limits;
use acd::metrics::Block;
use acd::rejection::Rejection;
use acd::reply::Reply;
use acd::roles::{Role, Roles};
use acd::time::{LogTime, Millis};

use super::things::{Agent, CalendarEntry, Moved, Presence, Principal};
use super::{Model, Outcome, unknown};

/// Refuses a command about another revision. What does not exist has 0.
pub fn revision_is(id: &str, expected: Option<Revision>, is: Option<u64>) -> Result<(), Rejection> {
    let actual = Revision(is.unwrap_or(0));
    match expected {
        Some(expected) if expected != actual => {
            Err(Rejection::StaleRevision { id: id.into(), expected, actual })
        }
        _ => Ok(()),
    }
}

pub fn in_use(id: &str, used: bool) -> Result<(), Rejection> {
    if used { Err(Rejection::InUse { id: id.into(), by: String::new() }) } else { Ok(()) }
}

/// A duration of at least so much, and not longer than anybody may configure.
pub fn within(duration: Millis, min: u64) -> Result<(), Rejection> {
    let max = limits::DURATION_MAX.0;
    if (min..=max).contains(&duration.0) {
        return Ok(());
    }
    Err(Rejection::OutOfRange { what: "duration", value: duration.0, min, max })
}

/// Assignments with one queue in place of another, at the better grade of the two.
pub fn merged(queues: &[Assignment], from: &QueueId, to: &QueueId) -> Vec<Assignment> {
    let mut merged: Vec<Assignment> = Vec::new();
    for assignment in queues {
        let queue = if assignment.queue == *from { to.clone() } else { assignment.queue.clone() };
        match merged.iter_mut().find(|a| a.queue == queue) {
            Some(same) => same.grade = same.grade.min(assignment.grade),
            None => merged.push(Assignment { queue, grade: assignment.grade }),
        }
    }
    merged.sort();
    merged
}

impl Model {
    pub fn revised(&mut self, kind: ObjectKind, id: &str, revision: u64) -> Outcome {
        let revision = Revision(revision);
        self.events.push(Event::Config { kind, id: id.into(), revision: Some(revision) });
        Ok(Reply::Revised { revision })
    }

    pub fn deleted(&mut self, kind: ObjectKind, id: &str) -> Outcome {
        self.events.push(Event::Config { kind, id: id.into(), revision: None });
        Ok(Reply::Done)
    }

    pub fn config_command(&mut self, command: ConfigCommand) -> Outcome {
        use ConfigCommand as C;
        match command {
            C::PutQueue { config, expected } => self.put_queue(config, expected),
            C::DeleteQueue { queue, successor, expected } => {
                self.delete_queue(&queue, successor.as_ref(), expected)
            }
            C::CloseQueue { queue, until, flush, expected } => {
                self.close_queue(&queue, until, flush, expected)
            }
            C::ReopenQueue { queue, expected } => {
                let revision = self.find_queue(&queue)?.revision;
                revision_is(queue.as_str(), expected, Some(revision))?;
                self.reopen(&queue);
                Ok(Reply::Revised { revision: Revision(self.queues[&queue].revision) })
            }
            C::PutCalendar { config, expected } => {
                let config = config.normalise()?;
                let id = config.id.clone();
                let old = self.calendars.get(&id).map(|c| (c.seq, c.revision));
                revision_is(id.as_str(), expected, old.map(|(_, revision)| revision))?;
                let seq = old.map_or_else(|| self.next_seq(), |(seq, _)| seq);
                let revision = old.map_or(0, |(_, revision)| revision) + 1;
                let early = self.settings.calendar_alarm_before.0;
                let alarm = config.covers_until.0.saturating_sub(early).max(self.now.0 + 1);
                let alarm = Some(LogTime(alarm));
                let entry = CalendarEntry { config, seq, revision, alarm };
                self.calendars.insert(id.clone(), entry);
                self.revised(ObjectKind::Calendar, id.as_str(), revision)
            }
            C::DeleteCalendar { calendar, expected } => {
                let Some(entry) = self.calendars.get(&calendar) else {
                    return Err(unknown("calendar", calendar.as_str()));
                };
                revision_is(calendar.as_str(), expected, Some(entry.revision))?;
                let mut queues = self.queues.values();
                let used = queues.any(|q| q.config.calendar.as_ref() == Some(&calendar));
                in_use(calendar.as_str(), used)?;
                self.calendars.remove(&calendar);
                self.deleted(ObjectKind::Calendar, calendar.as_str())
            }
            C::PutSkill { skill, name, expected } => {
                let old = self.skills.get(&skill).map(|(_, revision)| *revision);
                revision_is(skill.as_str(), expected, old)?;
                let revision = old.unwrap_or(0) + 1;
                self.skills.insert(skill.clone(), (name, revision));
                self.revised(ObjectKind::Skill, skill.as_str(), revision)
            }
            C::DeleteSkill { skill, expected } => {
                let Some((_, revision)) = self.skills.get(&skill) else {
                    return Err(unknown("skill", skill.as_str()));
                };
                revision_is(skill.as_str(), expected, Some(*revision))?;
                let used = self.agents.values().any(|a| a.level(&skill).is_some())
                    || self.queues.values().any(|q| {
                        q.config.steps.iter().any(|s| s.skills.iter().any(|r| r.skill == skill))
                    })
                    || self
                        .contacts
                        .values()
                        .any(|c| c.requirements.iter().any(|r| r.skill == skill));
                in_use(skill.as_str(), used)?;
                self.skills.remove(&skill);
                self.deleted(ObjectKind::Skill, skill.as_str())
            }
            C::PutAgent { config, expected } => self.put_agent(config, expected),
            C::DeleteAgent { agent, expected } => {
                let found = self.find_agent(&agent)?;
                revision_is(agent.as_str(), expected, Some(found.revision))?;
                if found.presence != Presence::Offline || self.is_busy(&agent) {
                    return Err(Rejection::AgentBusy { agent: agent.as_str().into() });
                }
                self.agents.remove(&agent);
                self.deleted(ObjectKind::Agent, agent.as_str())
            }
            C::MoveAgent { agent, queues, home_site, duration, expected } => {
                self.move_agent(&agent, queues, home_site, duration, expected)
            }
            C::EndMove { agent, expected } => {
                let found = self.find_agent(&agent)?;
                revision_is(agent.as_str(), expected, Some(found.revision))?;
                if found.moved.is_none() {
                    return Err(Rejection::InvalidConfig { what: "not moved for a while" });
                }
                self.end_move(&agent);
                Ok(Reply::Revised { revision: Revision(self.agents[&agent].revision) })
            }
            C::PutPrincipal { principal, roles, site, expected } => {
                self.put_principal(principal, roles, site, expected)
            }
            C::DeletePrincipal { principal, expected } => {
                let Some(found) = self.principals.get(&principal) else {
                    return Err(unknown("principal", principal.as_str()));
                };
                revision_is(principal.as_str(), expected, Some(found.revision))?;
                self.an_admin_is_left(&principal, Roles::NONE)?;
                let used = self.contacts.values().any(|c| c.ingress == principal);
                in_use(principal.as_str(), used)?;
                self.principals.remove(&principal);
                if self.is_gone(&principal) {
                    self.ingresses.remove(&principal);
                }
                self.deleted(ObjectKind::Principal, principal.as_str())
            }
            C::PutSettings { settings, expected } => {
                revision_is("settings", expected, Some(self.settings_revision))?;
                self.settings = settings.normalise()?;
                self.settings_revision += 1;
                self.revised(ObjectKind::Settings, "settings", self.settings_revision)
            }
        }
    }

    fn put_agent(&mut self, config: AgentConfig, expected: Option<Revision>) -> Outcome {
        let config = config.normalise()?;
        self.find_site(&config.home_site)?;
        if let Some((skill, _)) = config.skills.iter().find(|(s, _)| !self.skills.contains_key(s)) {
            return Err(unknown("skill", skill.as_str()));
        }
        for assignment in &config.queues {
            self.find_queue(&assignment.queue)?;
        }
        let id = config.id.clone();
        let old = self.agents.get(&id).map(|a| a.revision);
        revision_is(id.as_str(), expected, old)?;
        let revision = old.unwrap_or(0) + 1;
        if old.is_some() {
            let agent = self.am(&id);
            agent.config = config;
            agent.revision = revision;
        } else {
            let seq = self.next_seq();
            let agent = Agent {
                config,
                seq,
                revision,
                moved: None,
                session: None,
                presence: Presence::Offline,
                pending: None,
                closed_media: Media::NONE,
                idle: seq,
                idle_since: self.now,
                occupancy_ppm: 0,
                last_offer: 0,
                activity_since: self.now,
                metrics: Block::default(),
                seen: None,
            };
            self.agents.insert(id.clone(), agent);
        }
        self.revised(ObjectKind::Agent, id.as_str(), revision)
    }

    fn move_agent(
        &mut self,
        id: &AgentId,
        mut queues: Vec<Assignment>,
        home_site: Option<SiteId>,
        duration: Option<Millis>,
        expected: Option<Revision>,
    ) -> Outcome {
        revision_is(id.as_str(), expected, Some(self.find_agent(id)?.revision))?;
        queues.sort();
        if queues.len() > limits::QUEUES_PER_AGENT_MAX {
            let max = limits::QUEUES_PER_AGENT_MAX as u64;
            return Err(Rejection::LimitReached { what: "queues of an agent", max });
        }
        if let Some(twice) = queues.windows(2).find(|w| w[0].queue == w[1].queue) {
            let id = twice[0].queue.as_str().into();
            return Err(Rejection::NamedTwice { what: "queue", id });
        }
        for assignment in &queues {
            self.find_queue(&assignment.queue)?;
        }
        if let Some(site) = &home_site {
            self.find_site(site)?;
        }
        if let Some(duration) = duration {
            within(duration, 1)?;
        }
        let until = duration.map(|d| self.now.plus(d));
        let agent = self.am(id);
        match until {
            Some(until) => {
                let home_site = home_site.unwrap_or(agent.home_site().clone());
                agent.moved = Some(Moved { queues, home_site, until });
            }
            None => {
                agent.config.queues = queues;
                agent.config.home_site = home_site.unwrap_or(agent.config.home_site.clone());
                agent.moved = None;
            }
        }
        agent.revision += 1;
        let revision = agent.revision;
        self.tell_agent(id, AgentEvent::Moved { until });
        self.revised(ObjectKind::Agent, id.as_str(), revision)
    }

    pub fn end_move(&mut self, id: &AgentId) {
        let agent = self.am(id);
        agent.moved = None;
        agent.revision += 1;
        let revision = Some(Revision(agent.revision));
        self.tell_agent(id, AgentEvent::MoveEnded);
        let (kind, id) = (ObjectKind::Agent, id.as_str().into());
        self.events.push(Event::Config { kind, id, revision });
    }

    fn put_principal(
        &mut self,
        id: PrincipalId,
        roles: Roles,
        site: Option<SiteId>,
        expected: Option<Revision>,
    ) -> Outcome {
        if id.as_str().starts_with("node-") {
            return Err(Rejection::ReservedName { name: id.as_str().into() });
        }
        if roles.contains(Role::Node) || roles.contains(Role::Agent) {
            return Err(Rejection::InvalidConfig { what: "roles that are not given by hand" });
        }
        if let Some(site) = &site {
            self.find_site(site)?;
        }
        let old = self.principals.get(&id).map(|p| p.revision);
        revision_is(id.as_str(), expected, old)?;
        if old.is_some() {
            self.an_admin_is_left(&id, roles)?;
        }
        let revision = old.unwrap_or(0) + 1;
        self.principals.insert(id.clone(), Principal { roles, site, revision });
        self.revised(ObjectKind::Principal, id.as_str(), revision)
    }

    fn an_admin_is_left(&self, but: &PrincipalId, roles: Roles) -> Result<(), Rejection> {
        let mut others = self.principals.iter().filter(|(id, _)| *id != but);
        if roles.contains(Role::Admin) || others.any(|(_, p)| p.roles.contains(Role::Admin)) {
            return Ok(());
        }
        Err(Rejection::InvalidConfig { what: "the last admin stays admin" })
    }
}
