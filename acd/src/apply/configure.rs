//! Sites, skills, calendars, principals, settings: create, change, delete.

use alloc::string::String;

use super::{Outcome, unknown};
use crate::catalogue::{CalendarEntry, Skill};
use crate::centre::Centre;
use crate::command::ConfigCommand;
use crate::config::{Calendar, Requirement, Settings, SiteConfig, SitePolicy};
use crate::event::{Event, ObjectKind};
use crate::ids::{CalendarId, PrincipalId, Revision, SiteId, SkillId};
use crate::limits;
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::roles::{Principal, Role, Roles};
use crate::site::Site;
use crate::table::{Entity, Table};
use crate::text::Label;

/// Refuses a command that expects another revision. An object that does not exist has 0.
pub(crate) fn check_revision(
    id: &str,
    expected: Option<Revision>,
    actual: Option<Revision>,
) -> Result<(), Rejection> {
    let actual = actual.unwrap_or_default();
    match expected {
        Some(expected) if expected != actual => {
            Err(Rejection::StaleRevision { id: id.into(), expected, actual })
        }
        _ => Ok(()),
    }
}

/// Refuses to delete what is in use; names the first user.
pub(crate) fn check_unused(id: &str, users: impl Iterator<Item = String>) -> Result<(), Rejection> {
    match users.min() {
        Some(by) => Err(Rejection::InUse { id: id.into(), by }),
        None => Ok(()),
    }
}

/// Refuses one more than the table may hold.
pub(crate) fn check_room<T: Entity>(
    table: &Table<T>,
    what: &'static str,
    max: usize,
) -> Result<(), Rejection> {
    if table.len() >= max {
        return Err(Rejection::LimitReached { what, max: max as u64 });
    }
    Ok(())
}

impl Centre {
    pub(crate) fn config_command(&mut self, command: ConfigCommand) -> Outcome {
        match command {
            ConfigCommand::PutQueue { config, expected } => self.put_queue(config, expected),
            ConfigCommand::DeleteQueue { queue, successor, expected } => {
                self.delete_queue(&queue, successor.as_ref(), expected)
            }
            ConfigCommand::CloseQueue { queue, until, flush, expected } => {
                self.close_queue(&queue, until, flush, expected)
            }
            ConfigCommand::ReopenQueue { queue, expected } => self.reopen_queue(&queue, expected),
            ConfigCommand::PutCalendar { config, expected } => self.put_calendar(config, expected),
            ConfigCommand::DeleteCalendar { calendar, expected } => {
                self.delete_calendar(&calendar, expected)
            }
            ConfigCommand::PutSkill { skill, name, expected } => {
                self.put_skill(skill, name, expected)
            }
            ConfigCommand::DeleteSkill { skill, expected } => self.delete_skill(&skill, expected),
            ConfigCommand::PutAgent { config, expected } => self.put_agent(config, expected),
            ConfigCommand::DeleteAgent { agent, expected } => self.delete_agent(&agent, expected),
            ConfigCommand::MoveAgent { agent, queues, home_site, duration, expected } => {
                self.move_agent(&agent, queues, home_site, duration, expected)
            }
            ConfigCommand::EndMove { agent, expected } => self.end_move_now(&agent, expected),
            ConfigCommand::PutPrincipal { principal, roles, site, expected } => {
                self.put_principal(principal, roles, site, expected)
            }
            ConfigCommand::DeletePrincipal { principal, expected } => {
                self.delete_principal(&principal, expected)
            }
            ConfigCommand::PutSettings { settings, expected } => {
                self.put_settings(settings, expected)
            }
        }
    }

    /// Says that a configured object has a new revision, whoever or whatever changed it: an
    /// administrator who looks at the old one must know.
    pub(crate) fn tell_revision(&mut self, kind: ObjectKind, id: &str, revision: Revision) {
        self.events.push(Event::Config { kind, id: id.into(), revision: Some(revision) });
    }

    /// Says what became of a configured object, and answers with its revision.
    pub(crate) fn revised(&mut self, kind: ObjectKind, id: &str, revision: Revision) -> Outcome {
        self.tell_revision(kind, id, revision);
        Ok(Reply::Revised { revision })
    }

    /// Says that a configured object is gone.
    pub(crate) fn deleted(&mut self, kind: ObjectKind, id: &str) -> Outcome {
        self.events.push(Event::Config { kind, id: id.into(), revision: None });
        // Classes may hold the slots of what is gone; the next thing there is something else.
        self.forget_classes = true;
        Ok(Reply::Done)
    }

    // -- Sites --------------------------------------------------------------------------------------

    pub(crate) fn put_site(&mut self, config: SiteConfig, expected: Option<Revision>) -> Outcome {
        let config = config.normalise()?;
        let id = config.id.clone();
        let revision = match self.sites.find(id.as_str()) {
            Some(slot) => {
                check_revision(id.as_str(), expected, Some(self.sites.get(slot).revision))?;
                let site = self.sites.get_mut(slot);
                site.config = config;
                site.revision.0 += 1;
                site.revision
            }
            None => {
                check_revision(id.as_str(), expected, None)?;
                check_room(&self.sites, "sites", limits::SITES_MAX)?;
                let seq = self.next_seq();
                self.sites.insert(Site::new(config, seq));
                Revision(1)
            }
        };
        self.revised(ObjectKind::Site, id.as_str(), revision)
    }

    pub(crate) fn delete_site(&mut self, id: &SiteId, expected: Option<Revision>) -> Outcome {
        let slot = self.find_site(id)?;
        check_revision(id.as_str(), expected, Some(self.sites.get(slot).revision))?;
        let nodes = self.nodes.values().filter(|n| n.site == slot);
        let nodes = nodes.map(|n| alloc::format!("node {}", n.id.0));
        let agents = self.agents.iter().filter(|a| {
            a.config.home_site == *id
                || a.home_site() == id
                || a.session.is_some_and(|s| s.site == slot)
        });
        let agents = agents.map(|a| alloc::format!("agent {}", a.id()));
        let principals = self.principals.iter().filter(|p| p.site.as_ref() == Some(id));
        let principals = principals.map(|p| alloc::format!("principal {}", p.id));
        let queues = self.queues.iter().filter(|q| {
            let steps = q.config.steps.iter().any(|s| s.sites.contains(id));
            let shares = match &q.config.site_policy {
                SitePolicy::Shares(shares) => shares.iter().any(|(site, _)| site == id),
                _ => false,
            };
            steps || shares
        });
        let queues = queues.map(|q| alloc::format!("queue {}", q.id()));
        let contacts = self.contacts.iter().filter(|c| {
            c.site == slot || c.stage.engagement().is_some_and(|with| with.site == slot)
        });
        let contacts = contacts.map(|c| alloc::format!("contact {}", c.id));
        let users = nodes.chain(agents).chain(principals).chain(queues).chain(contacts);
        check_unused(id.as_str(), users)?;
        self.sites.remove(slot);
        self.deleted(ObjectKind::Site, id.as_str())
    }

    // -- Skills -------------------------------------------------------------------------------------

    fn put_skill(&mut self, id: SkillId, name: Label, expected: Option<Revision>) -> Outcome {
        let revision = match self.skills.find(id.as_str()) {
            Some(slot) => {
                check_revision(id.as_str(), expected, Some(self.skills.get(slot).revision))?;
                let skill = self.skills.get_mut(slot);
                skill.name = name;
                skill.revision.0 += 1;
                skill.revision
            }
            None => {
                check_revision(id.as_str(), expected, None)?;
                check_room(&self.skills, "skills", limits::SKILLS_MAX)?;
                self.skills.insert(Skill { id: id.clone(), name, revision: Revision(1) });
                Revision(1)
            }
        };
        self.revised(ObjectKind::Skill, id.as_str(), revision)
    }

    fn delete_skill(&mut self, id: &SkillId, expected: Option<Revision>) -> Outcome {
        let Some(slot) = self.skills.find(id.as_str()) else {
            return Err(unknown("skill", id.as_str()));
        };
        check_revision(id.as_str(), expected, Some(self.skills.get(slot).revision))?;
        let needs = |list: &[Requirement]| list.iter().any(|r| r.skill == *id);
        let agents = self.agents.iter().filter(|a| a.config.skills.iter().any(|(s, _)| s == id));
        let agents = agents.map(|a| alloc::format!("agent {}", a.id()));
        let queues = self.queues.iter().filter(|q| q.config.steps.iter().any(|s| needs(&s.skills)));
        let queues = queues.map(|q| alloc::format!("queue {}", q.id()));
        let contacts = self.contacts.iter().filter(|c| needs(&c.requirements));
        let contacts = contacts.map(|c| alloc::format!("contact {}", c.id));
        check_unused(id.as_str(), agents.chain(queues).chain(contacts))?;
        self.skills.remove(slot);
        self.deleted(ObjectKind::Skill, id.as_str())
    }

    // -- Calendars ----------------------------------------------------------------------------------

    fn put_calendar(&mut self, config: Calendar, expected: Option<Revision>) -> Outcome {
        let config = config.normalise()?;
        let id = config.id.clone();
        let before = self.settings.calendar_alarm_before;
        // A calendar that is put in too late for its alarm raises it at once.
        let at = config.covers_until.0.saturating_sub(before.0).max(self.clocks.now.0 + 1);
        let alarm = Some(crate::time::LogTime(at));
        let revision = match self.calendars.find(id.as_str()) {
            Some(slot) => {
                check_revision(id.as_str(), expected, Some(self.calendars.get(slot).revision))?;
                let entry = self.calendars.get_mut(slot);
                entry.config = config;
                entry.alarm = alarm;
                entry.revision.0 += 1;
                entry.revision
            }
            None => {
                check_revision(id.as_str(), expected, None)?;
                check_room(&self.calendars, "calendars", limits::CALENDARS_MAX)?;
                let seq = self.next_seq();
                let revision = Revision(1);
                self.calendars.insert(CalendarEntry { config, seq, revision, alarm });
                revision
            }
        };
        self.revised(ObjectKind::Calendar, id.as_str(), revision)
    }

    fn delete_calendar(&mut self, id: &CalendarId, expected: Option<Revision>) -> Outcome {
        let Some(slot) = self.calendars.find(id.as_str()) else {
            return Err(unknown("calendar", id.as_str()));
        };
        check_revision(id.as_str(), expected, Some(self.calendars.get(slot).revision))?;
        let queues = self.queues.iter().filter(|q| q.config.calendar.as_ref() == Some(id));
        check_unused(id.as_str(), queues.map(|q| alloc::format!("queue {}", q.id())))?;
        self.calendars.remove(slot);
        self.deleted(ObjectKind::Calendar, id.as_str())
    }

    // -- Principals -----------------------------------------------------------------------------------

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
        if roles.any_of(Roles::of(&[Role::Node, Role::Agent])) {
            return Err(Rejection::InvalidConfig {
                what: "the roles node and agent come with membership and the roster",
            });
        }
        if let Some(site) = &site {
            self.find_site(site)?;
        }
        let found = self.principals.find(id.as_str());
        let revision = match found {
            Some(slot) => {
                check_revision(id.as_str(), expected, Some(self.principals.get(slot).revision))?;
                self.check_an_admin_is_left(&id, roles)?;
                let principal = self.principals.get_mut(slot);
                principal.roles = roles;
                principal.site = site;
                principal.revision.0 += 1;
                principal.revision
            }
            None => {
                check_revision(id.as_str(), expected, None)?;
                check_room(&self.principals, "principals", limits::PRINCIPALS_MAX)?;
                let revision = Revision(1);
                self.principals.insert(Principal { id: id.clone(), roles, site, revision });
                revision
            }
        };
        self.revised(ObjectKind::Principal, id.as_str(), revision)
    }

    fn delete_principal(&mut self, id: &PrincipalId, expected: Option<Revision>) -> Outcome {
        let Some(slot) = self.principals.find(id.as_str()) else {
            return Err(unknown("principal", id.as_str()));
        };
        check_revision(id.as_str(), expected, Some(self.principals.get(slot).revision))?;
        self.check_an_admin_is_left(id, Roles::NONE)?;
        // Nobody else could say that their customers are gone.
        let contacts = self.contacts.iter().filter(|c| c.ingress == *id);
        check_unused(id.as_str(), contacts.map(|c| alloc::format!("contact {}", c.id)))?;
        self.principals.remove(slot);
        if self.is_gone(id) {
            self.ingresses.remove(id);
        }
        self.deleted(ObjectKind::Principal, id.as_str())
    }

    /// Somebody must be able to give roles.
    fn check_an_admin_is_left(&self, but: &PrincipalId, roles: Roles) -> Result<(), Rejection> {
        let admin = Roles::of(&[Role::Admin]);
        let others = self.principals.iter().any(|p| p.id != *but && p.roles.any_of(admin));
        if others || roles.any_of(admin) {
            return Ok(());
        }
        Err(Rejection::InvalidConfig { what: "the last admin stays admin" })
    }

    // -- Settings -------------------------------------------------------------------------------------

    fn put_settings(&mut self, settings: Settings, expected: Option<Revision>) -> Outcome {
        check_revision("settings", expected, Some(self.settings_revision))?;
        self.settings = settings.normalise()?;
        self.settings_revision.0 += 1;
        self.revised(ObjectKind::Settings, "settings", self.settings_revision)
    }
}
