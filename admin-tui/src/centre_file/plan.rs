//! From a file to commands: checks every entry and every reference, then puts the commands in an
//! order in which each refers only to what those before it have made.

use std::collections::BTreeSet;

use acd::command::{Command, ConfigCommand, SiteCommand};
use acd::config::{AgentConfig, Overflow, QueueConfig, SiteConfig, SitePolicy};
use acd::ids::QueueId;
use acd::rejection::Rejection;
use acd::time::LogTime;

use super::compile::compile;
use super::{CentreFile, CentreFileError, Parsed, PrincipalEntry, Text};

/// Checks everything that does not depend on the time.
pub(super) fn check_file(file: &CentreFile) -> Result<(), CentreFileError> {
    Checked::of(file).map(drop)
}

/// The commands of a file at `now`: sites, skills, calendars, queues, agents, principals,
/// settings.
pub(super) fn commands(file: &CentreFile, now: LogTime) -> Result<Vec<Command>, CentreFileError> {
    let Checked { sites, queues, agents } = Checked::of(file)?;
    let mut out = Vec::new();
    for config in sites {
        out.push(SiteCommand::Put { config, expected: None }.into());
    }
    for skill in &file.skills {
        let (id, name) = (skill.id.0.clone(), skill.name.0.clone());
        out.push(ConfigCommand::PutSkill { skill: id, name, expected: None }.into());
    }
    for calendar in &file.calendars {
        let config = compile(calendar, now).map_err(refused("calendar", &calendar.id))?;
        out.push(ConfigCommand::PutCalendar { config, expected: None }.into());
    }
    out.extend(queue_commands(queues));
    for config in agents {
        out.push(ConfigCommand::PutAgent { config, expected: None }.into());
    }
    out.extend(file.principals.iter().map(principal_command));
    if let Some(settings) = &file.settings {
        let settings = settings.to_config(now).map_err(settings_refused)?;
        out.push(ConfigCommand::PutSettings { settings, expected: None }.into());
    }
    Ok(out)
}

/// The configurations of a file that are the same at every time. All its entries and references
/// are in order.
struct Checked {
    sites: Vec<SiteConfig>,
    queues: Vec<QueueConfig>,
    agents: Vec<AgentConfig>,
}

impl Checked {
    fn of(file: &CentreFile) -> Result<Self, CentreFileError> {
        let known = Known::of(file)?;
        let mut sites = Vec::with_capacity(file.sites.len());
        for site in &file.sites {
            sites.push(site.to_config().map_err(refused("site", &site.id))?);
        }
        for calendar in &file.calendars {
            calendar.check().map_err(refused("calendar", &calendar.id))?;
        }
        let mut queues = Vec::with_capacity(file.queues.len());
        for queue in &file.queues {
            let config = queue.to_config().map_err(refused("queue", &queue.id))?;
            known.check_queue(&config)?;
            queues.push(config);
        }
        let mut agents = Vec::with_capacity(file.agents.len());
        for agent in &file.agents {
            let config = agent.to_config().map_err(refused("agent", &agent.id))?;
            known.check_agent(&config)?;
            agents.push(config);
        }
        for principal in &file.principals {
            known.check_principal(principal)?;
        }
        if let Some(settings) = &file.settings {
            settings.check().map_err(settings_refused)?;
        }
        Ok(Self { sites, queues, agents })
    }
}

fn principal_command(principal: &PrincipalEntry) -> Command {
    ConfigCommand::PutPrincipal {
        principal: principal.id.0.clone(),
        roles: principal.roles(),
        site: principal.site.as_ref().map(|id| id.0.clone()),
        expected: None,
    }
    .into()
}

/// Queues may refer to each other in circles. One that refers to a queue not made yet is made
/// without its references first, and completed when all queues are there.
fn queue_commands(queues: Vec<QueueConfig>) -> Vec<Command> {
    let put = |config| ConfigCommand::PutQueue { config, expected: None }.into();
    let mut made = BTreeSet::new();
    let mut out = Vec::with_capacity(queues.len());
    let mut incomplete = Vec::new();
    for config in queues {
        let complete = queues_named(&config).all(|queue| made.contains(queue));
        made.insert(config.id.clone());
        if complete {
            out.push(put(config));
        } else {
            out.push(put(without_queues(config.clone())));
            incomplete.push(config);
        }
    }
    out.extend(incomplete.into_iter().map(put));
    out
}

/// The queues a queue refers to.
pub(crate) fn queues_named(config: &QueueConfig) -> impl Iterator<Item = &QueueId> {
    let overflows = [&config.overflow, &config.closed].into_iter().filter_map(|to| match to {
        Overflow::Queue(queue) => Some(queue),
        Overflow::Reject | Overflow::Callback => None,
    });
    config.steps.iter().flat_map(|step| &step.extra_queues).chain(overflows)
}

/// The queue without what it says of others.
pub(crate) fn without_queues(mut config: QueueConfig) -> QueueConfig {
    for step in &mut config.steps {
        step.extra_queues.clear();
    }
    for to in [&mut config.overflow, &mut config.closed] {
        if matches!(to, Overflow::Queue(_)) {
            *to = Overflow::default();
        }
    }
    config
}

/// The ids that a file contains.
struct Known<'a> {
    sites: BTreeSet<&'a str>,
    skills: BTreeSet<&'a str>,
    calendars: BTreeSet<&'a str>,
    queues: BTreeSet<&'a str>,
}

impl<'a> Known<'a> {
    fn of(file: &'a CentreFile) -> Result<Self, CentreFileError> {
        ids("agent", file.agents.iter().map(|entry| &entry.id))?;
        ids("principal", file.principals.iter().map(|entry| &entry.id))?;
        Ok(Self {
            sites: ids("site", file.sites.iter().map(|entry| &entry.id))?,
            skills: ids("skill", file.skills.iter().map(|entry| &entry.id))?,
            calendars: ids("calendar", file.calendars.iter().map(|entry| &entry.id))?,
            queues: ids("queue", file.queues.iter().map(|entry| &entry.id))?,
        })
    }

    fn check_queue(&self, config: &QueueConfig) -> Result<(), CentreFileError> {
        let from = ("queue", config.id.as_str());
        for step in &config.steps {
            for site in &step.sites {
                check(from, "site", &self.sites, site.as_str())?;
            }
            for requirement in step.skills.iter() {
                check(from, "skill", &self.skills, requirement.skill.as_str())?;
            }
        }
        for queue in queues_named(config) {
            check(from, "queue", &self.queues, queue.as_str())?;
        }
        if let SitePolicy::Shares(shares) = &config.site_policy {
            for (site, _) in shares {
                check(from, "site", &self.sites, site.as_str())?;
            }
        }
        match &config.calendar {
            Some(calendar) => check(from, "calendar", &self.calendars, calendar.as_str()),
            None => Ok(()),
        }
    }

    fn check_agent(&self, config: &AgentConfig) -> Result<(), CentreFileError> {
        let from = ("agent", config.id.as_str());
        check(from, "site", &self.sites, config.home_site.as_str())?;
        for assignment in &config.queues {
            check(from, "queue", &self.queues, assignment.queue.as_str())?;
        }
        for (skill, _) in &config.skills {
            check(from, "skill", &self.skills, skill.as_str())?;
        }
        Ok(())
    }

    fn check_principal(&self, entry: &PrincipalEntry) -> Result<(), CentreFileError> {
        let from = ("principal", entry.id.0.as_str());
        match &entry.site {
            Some(site) => check(from, "site", &self.sites, site.0.as_str()),
            None => Ok(()),
        }
    }
}

/// Collects ids, each of which may be there once.
fn ids<'a, T: Parsed + 'a>(
    kind: &str,
    all: impl Iterator<Item = &'a Text<T>>,
) -> Result<BTreeSet<&'a str>, CentreFileError> {
    let mut found = BTreeSet::new();
    for id in all.map(|id| id.0.text()) {
        if !found.insert(id) {
            return Err(CentreFileError::Twice { entry: format!("{kind} {id}") });
        }
    }
    Ok(found)
}

fn check(
    from: (&str, &str),
    kind: &'static str,
    known: &BTreeSet<&str>,
    id: &str,
) -> Result<(), CentreFileError> {
    if known.contains(id) {
        return Ok(());
    }
    let entry = format!("{} {}", from.0, from.1);
    Err(CentreFileError::UnknownReference { entry, kind, id: id.into() })
}

fn refused<T: Parsed>(kind: &str, id: &Text<T>) -> impl FnOnce(Rejection) -> CentreFileError {
    let entry = format!("{kind} {}", id.0.text());
    |why| CentreFileError::Refused { entry, why }
}

fn settings_refused(why: Rejection) -> CentreFileError {
    CentreFileError::Refused { entry: "settings".into(), why }
}
