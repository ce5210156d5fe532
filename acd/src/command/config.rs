//! Configuration. `expected` is the revision a change replaces: 0 means "must not exist yet",
//! none means "whatever is there".

use alloc::vec::Vec;

use crate::config::{AgentConfig, Assignment, Calendar, QueueConfig, Settings};
use crate::ids::{AgentId, CalendarId, PrincipalId, QueueId, Revision, SiteId, SkillId};
use crate::roles::Roles;
use crate::text::Label;
use crate::time::{LogTime, Millis};

/// Configuration.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigCommand {
    /// Creates or changes a queue.
    PutQueue {
        /// Its configuration.
        config: QueueConfig,
        /// Revision it replaces.
        expected: Option<Revision>,
    },
    /// Deletes a queue. In use it is refused with what uses it, or, with a successor, its waiting
    /// contacts move there first.
    DeleteQueue {
        /// The queue.
        queue: QueueId,
        /// Where its contacts go.
        successor: Option<QueueId>,
        /// Its revision.
        expected: Option<Revision>,
    },
    /// Closes a queue at once until a time.
    CloseQueue {
        /// The queue.
        queue: QueueId,
        /// When it opens again by itself.
        until: LogTime,
        /// Whether those who wait are turned away too.
        flush: bool,
        /// Its revision.
        expected: Option<Revision>,
    },
    /// Ends a closure before its time.
    ReopenQueue {
        /// The queue.
        queue: QueueId,
        /// Its revision.
        expected: Option<Revision>,
    },
    /// Creates or changes opening hours.
    PutCalendar {
        /// The calendar.
        config: Calendar,
        /// Revision it replaces.
        expected: Option<Revision>,
    },
    /// Deletes opening hours that no queue uses.
    DeleteCalendar {
        /// The calendar.
        calendar: CalendarId,
        /// Its revision.
        expected: Option<Revision>,
    },
    /// Creates or renames a skill.
    PutSkill {
        /// The skill.
        skill: SkillId,
        /// The name people see.
        name: Label,
        /// Revision it replaces.
        expected: Option<Revision>,
    },
    /// Deletes a skill that nothing uses.
    DeleteSkill {
        /// The skill.
        skill: SkillId,
        /// Its revision.
        expected: Option<Revision>,
    },
    /// Creates or changes an agent.
    PutAgent {
        /// The configuration.
        config: AgentConfig,
        /// Revision it replaces.
        expected: Option<Revision>,
    },
    /// Deletes an agent who is offline and has no contacts.
    DeleteAgent {
        /// The agent.
        agent: AgentId,
        /// Its revision.
        expected: Option<Revision>,
    },
    /// Moves an agent to other queues (and another home site), for a while or for good.
    MoveAgent {
        /// The agent.
        agent: AgentId,
        /// The queues to serve.
        queues: Vec<Assignment>,
        /// The home site; none: as it is.
        home_site: Option<SiteId>,
        /// For how long; none: for good.
        duration: Option<Millis>,
        /// Its revision.
        expected: Option<Revision>,
    },
    /// Ends a temporary move before its time.
    EndMove {
        /// The agent.
        agent: AgentId,
        /// Its revision.
        expected: Option<Revision>,
    },
    /// Gives a principal its roles.
    PutPrincipal {
        /// Who.
        principal: PrincipalId,
        /// The roles.
        roles: Roles,
        /// For an ingress: where its media is.
        site: Option<SiteId>,
        /// Revision it replaces.
        expected: Option<Revision>,
    },
    /// Takes all roles away.
    DeletePrincipal {
        /// Who.
        principal: PrincipalId,
        /// Its revision.
        expected: Option<Revision>,
    },
    /// Changes the settings of the centre.
    PutSettings {
        /// The settings.
        settings: Settings,
        /// Revision they replace.
        expected: Option<Revision>,
    },
}

/// The configured object that has deadlines and that a command is about.
pub(crate) enum Subject<'a> {
    Agent(&'a AgentId),
    Queue(&'a QueueId),
    Other,
}

impl ConfigCommand {
    /// What it is about.
    pub(crate) fn subject(&self) -> Subject<'_> {
        match self {
            Self::PutQueue { config, .. } => Subject::Queue(&config.id),
            Self::DeleteQueue { queue, .. }
            | Self::CloseQueue { queue, .. }
            | Self::ReopenQueue { queue, .. } => Subject::Queue(queue),
            Self::PutAgent { config, .. } => Subject::Agent(&config.id),
            Self::DeleteAgent { agent, .. }
            | Self::MoveAgent { agent, .. }
            | Self::EndMove { agent, .. } => Subject::Agent(agent),
            Self::PutCalendar { .. }
            | Self::DeleteCalendar { .. }
            | Self::PutSkill { .. }
            | Self::DeleteSkill { .. }
            | Self::PutPrincipal { .. }
            | Self::DeletePrincipal { .. }
            | Self::PutSettings { .. } => Subject::Other,
        }
    }
}
