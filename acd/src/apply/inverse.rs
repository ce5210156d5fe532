//! The command that takes an administrative command back, for the audit trail.

use crate::agent::Presence;
use crate::centre::Centre;
use crate::command::{AgentCommand, Command, ConfigCommand, ContactCommand, SiteCommand};
use crate::ids::AgentId;
use crate::time::Millis;

impl Centre {
    /// What would take this command back if it succeeds now; none: nothing can, or it is not an
    /// act of administration.
    pub(crate) fn inverse(&self, command: &Command) -> Option<Command> {
        match command {
            Command::Cluster(_) | Command::Work(_) => None,
            Command::Contact(ContactCommand::Move { contact, .. }) => {
                let queue = self.contacts.by_key(contact.as_str())?.queue;
                let to = self.queues.get(queue).id().clone();
                Some(ContactCommand::Move { contact: contact.clone(), to }.into())
            }
            Command::Contact(_) => None,
            // Whoever was not ready for another reason is not made ready.
            Command::Agent(AgentCommand::SetNotReady { agent, .. }) => {
                let found = self.agents.by_key(agent.as_str())?;
                let was_ready = found.presence == Presence::Ready && found.pending.is_none();
                was_ready.then(|| AgentCommand::SetReady { agent: agent.clone() }.into())
            }
            Command::Agent(_) => None,
            Command::Site(site) => self.inverse_of_site(site).map(Command::Site),
            Command::Config(config) => self.inverse_of_config(config).map(Command::Config),
        }
    }

    fn inverse_of_site(&self, command: &SiteCommand) -> Option<SiteCommand> {
        let expected = None;
        Some(match command {
            SiteCommand::Put { config, .. } => match self.sites.by_key(config.id.as_str()) {
                Some(old) => SiteCommand::Put { config: old.config.clone(), expected },
                None => SiteCommand::Delete { site: config.id.clone(), expected },
            },
            SiteCommand::Delete { site, .. } => {
                let config = self.sites.by_key(site.as_str())?.config.clone();
                SiteCommand::Put { config, expected }
            }
            SiteCommand::Drain { site, .. } => {
                SiteCommand::CancelDrain { site: site.clone(), expected }
            }
            SiteCommand::SetNodeRole { node, fewer, .. } => SiteCommand::SetNodeRole {
                node: *node,
                role: self.nodes.get(node)?.role,
                fewer: *fewer,
                expected,
            },
            _ => return None,
        })
    }

    fn inverse_of_config(&self, command: &ConfigCommand) -> Option<ConfigCommand> {
        use ConfigCommand as C;
        let expected = None;
        Some(match command {
            C::PutQueue { config, .. } => match self.queues.by_key(config.id.as_str()) {
                Some(old) => C::PutQueue { config: (*old.config).clone(), expected },
                None => C::DeleteQueue { queue: config.id.clone(), successor: None, expected },
            },
            // What was handed over to a successor does not come back by itself.
            C::DeleteQueue { queue, .. } => {
                let config = (*self.queues.by_key(queue.as_str())?.config).clone();
                C::PutQueue { config, expected }
            }
            C::CloseQueue { queue, .. } => match self.queues.by_key(queue.as_str())?.closure {
                Some(old) => {
                    let until = old.until;
                    C::CloseQueue { queue: queue.clone(), until, flush: false, expected }
                }
                None => C::ReopenQueue { queue: queue.clone(), expected },
            },
            C::ReopenQueue { queue, .. } => {
                let until = self.queues.by_key(queue.as_str())?.closure?.until;
                C::CloseQueue { queue: queue.clone(), until, flush: false, expected }
            }
            C::PutCalendar { config, .. } => match self.calendars.by_key(config.id.as_str()) {
                Some(old) => C::PutCalendar { config: old.config.clone(), expected },
                None => C::DeleteCalendar { calendar: config.id.clone(), expected },
            },
            C::DeleteCalendar { calendar, .. } => {
                let config = self.calendars.by_key(calendar.as_str())?.config.clone();
                C::PutCalendar { config, expected }
            }
            C::PutSkill { skill, .. } => match self.skills.by_key(skill.as_str()) {
                Some(old) => C::PutSkill { skill: skill.clone(), name: old.name.clone(), expected },
                None => C::DeleteSkill { skill: skill.clone(), expected },
            },
            C::DeleteSkill { skill, .. } => {
                let name = self.skills.by_key(skill.as_str())?.name.clone();
                C::PutSkill { skill: skill.clone(), name, expected }
            }
            C::PutAgent { config, .. } => match self.agents.by_key(config.id.as_str()) {
                Some(old) => C::PutAgent { config: (*old.config).clone(), expected },
                None => C::DeleteAgent { agent: config.id.clone(), expected },
            },
            C::DeleteAgent { agent, .. } => {
                let config = (*self.agents.by_key(agent.as_str())?.config).clone();
                C::PutAgent { config, expected }
            }
            C::MoveAgent { agent, duration, .. } => {
                let old = self.agents.by_key(agent.as_str())?;
                match (duration, &old.moved) {
                    (Some(_), None) => C::EndMove { agent: agent.clone(), expected },
                    (Some(_), Some(_)) => self.moved_again(agent)?,
                    // It takes away two things; one command cannot give both back.
                    (None, Some(_)) => return None,
                    (None, None) => C::MoveAgent {
                        agent: agent.clone(),
                        queues: old.config.queues.clone(),
                        home_site: Some(old.config.home_site.clone()),
                        duration: None,
                        expected,
                    },
                }
            }
            C::EndMove { agent, .. } => self.moved_again(agent)?,
            C::PutPrincipal { principal, .. } => match self.principals.by_key(principal.as_str()) {
                Some(old) => C::PutPrincipal {
                    principal: principal.clone(),
                    roles: old.roles,
                    site: old.site.clone(),
                    expected,
                },
                None => C::DeletePrincipal { principal: principal.clone(), expected },
            },
            C::DeletePrincipal { principal, .. } => {
                let old = self.principals.by_key(principal.as_str())?;
                C::PutPrincipal {
                    principal: principal.clone(),
                    roles: old.roles,
                    site: old.site.clone(),
                    expected,
                }
            }
            C::PutSettings { .. } => C::PutSettings { settings: self.settings.clone(), expected },
        })
    }

    /// The temporary move that an agent is on, for the rest of its time.
    fn moved_again(&self, agent: &AgentId) -> Option<ConfigCommand> {
        let moved = self.agents.by_key(agent.as_str())?.moved.as_deref()?;
        let rest = moved.until.since(self.clocks.now);
        (rest > Millis::ZERO).then(|| ConfigCommand::MoveAgent {
            agent: agent.clone(),
            queues: moved.queues.clone(),
            home_site: Some(moved.home_site.clone()),
            duration: Some(rest),
            expected: None,
        })
    }
}
