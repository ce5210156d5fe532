//! What can be configured, and the commands that put it there and take it away.

use std::fmt;

use acd::command::{Command, ConfigCommand, SiteCommand};
use acd::ids::Revision;
use serde::Serialize;

/// Kinds of configured objects, in the order in which people are shown them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Settings,
    Site,
    Skill,
    Calendar,
    Queue,
    Agent,
    Principal,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Site => "site",
            Self::Skill => "skill",
            Self::Calendar => "calendar",
            Self::Queue => "queue",
            Self::Agent => "agent",
            Self::Principal => "principal",
        }
    }
}

/// A configured object. Settings, of which there is one, have the id `settings`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Object {
    pub kind: Kind,
    pub id: String,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Settings => f.write_str("settings"),
            kind => write!(f, "{} {}", kind.word(), self.id),
        }
    }
}

/// The object that a command puts there. None: it does something else.
pub(super) fn object_of(command: &Command) -> Option<Object> {
    let (kind, id) = match command {
        Command::Site(SiteCommand::Put { config, .. }) => (Kind::Site, config.id.as_str()),
        Command::Config(command) => match command {
            ConfigCommand::PutSkill { skill, .. } => (Kind::Skill, skill.as_str()),
            ConfigCommand::PutCalendar { config, .. } => (Kind::Calendar, config.id.as_str()),
            ConfigCommand::PutQueue { config, .. } => (Kind::Queue, config.id.as_str()),
            ConfigCommand::PutAgent { config, .. } => (Kind::Agent, config.id.as_str()),
            ConfigCommand::PutPrincipal { principal, .. } => (Kind::Principal, principal.as_str()),
            ConfigCommand::PutSettings { .. } => (Kind::Settings, "settings"),
            _ => return None,
        },
        _ => return None,
    };
    Some(Object { kind, id: id.to_owned() })
}

/// The command that takes away what another one put there. None: it puts nothing there that could be
/// taken away.
pub(super) fn deletion(put: &Command) -> Option<Command> {
    let expected = None;
    Some(match put {
        Command::Site(SiteCommand::Put { config, .. }) => {
            SiteCommand::Delete { site: config.id.clone(), expected }.into()
        }
        Command::Config(command) => match command {
            ConfigCommand::PutSkill { skill, .. } => {
                ConfigCommand::DeleteSkill { skill: skill.clone(), expected }
            }
            ConfigCommand::PutCalendar { config, .. } => {
                ConfigCommand::DeleteCalendar { calendar: config.id.clone(), expected }
            }
            ConfigCommand::PutQueue { config, .. } => {
                let (queue, successor) = (config.id.clone(), None);
                ConfigCommand::DeleteQueue { queue, successor, expected }
            }
            ConfigCommand::PutAgent { config, .. } => {
                ConfigCommand::DeleteAgent { agent: config.id.clone(), expected }
            }
            ConfigCommand::PutPrincipal { principal, .. } => {
                ConfigCommand::DeletePrincipal { principal: principal.clone(), expected }
            }
            _ => return None,
        }
        .into(),
        _ => return None,
    })
}

/// The command, with the revision that it is to find. 0: the object must not be there yet. None:
/// whatever is there.
pub(super) fn expecting(mut command: Command, revision: Option<Revision>) -> Command {
    match &mut command {
        Command::Site(SiteCommand::Put { expected, .. } | SiteCommand::Delete { expected, .. })
        | Command::Config(
            ConfigCommand::PutSkill { expected, .. }
            | ConfigCommand::DeleteSkill { expected, .. }
            | ConfigCommand::PutCalendar { expected, .. }
            | ConfigCommand::DeleteCalendar { expected, .. }
            | ConfigCommand::PutQueue { expected, .. }
            | ConfigCommand::DeleteQueue { expected, .. }
            | ConfigCommand::PutAgent { expected, .. }
            | ConfigCommand::DeleteAgent { expected, .. }
            | ConfigCommand::PutPrincipal { expected, .. }
            | ConfigCommand::DeletePrincipal { expected, .. }
            | ConfigCommand::PutSettings { expected, .. },
        ) => *expected = revision,
        // No plan has others.
        _ => {}
    }
    command
}
