//! `centre.toml`: a whole contact centre as people write it.
//!
//! ```text
//! text ⇄ CentreFile (what was written, with units) → configurations (checked) → commands (ordered)
//! ```
//!
//! A [`CentreFile`] keeps what was written and nothing else: what is left out stays left out,
//! and takes the defaults of the state machine when it becomes commands. A file is complete:
//! everything it refers to, it also contains.

mod duration;
mod error;
mod places;
mod plan;
mod queue;
mod roster;
mod text;

use acd::command::Command;
use serde::{Deserialize, Serialize};

pub use duration::{Duration, InvalidDuration};
pub use error::CentreFileError;
pub use places::{CalendarEntry, OpenEntry, ReturnAfter, SettingsEntry, SiteEntry, SkillEntry};
pub use queue::{
    HeadStartEntry, OverflowEntry, PriorityKey, QueueEntry, SitePolicyEntry, StepEntry, TargetEntry,
};
pub use roster::{AgentEntry, PrincipalEntry};
pub use text::{Instant, Named, Parsed, Text, Word};

/// A contact centre as a file says it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CentreFile {
    /// Settings of the whole centre.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<SettingsEntry>,
    /// Cities.
    #[serde(default, rename = "site", skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<SiteEntry>,
    /// Skills.
    #[serde(default, rename = "skill", skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<SkillEntry>,
    /// Opening hours.
    #[serde(default, rename = "calendar", skip_serializing_if = "Vec::is_empty")]
    pub calendars: Vec<CalendarEntry>,
    /// Queues.
    #[serde(default, rename = "queue", skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<QueueEntry>,
    /// Agents.
    #[serde(default, rename = "agent", skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentEntry>,
    /// People and machines with roles.
    #[serde(default, rename = "principal", skip_serializing_if = "Vec::is_empty")]
    pub principals: Vec<PrincipalEntry>,
}

impl CentreFile {
    /// Reads a file. What it returns can become commands: form, limits and references are
    /// checked.
    pub fn parse(text: &str) -> Result<Self, CentreFileError> {
        let file: Self =
            toml::from_str(text).map_err(|error| CentreFileError::from_toml(&error, text))?;
        file.to_commands()?;
        Ok(file)
    }

    /// Writes the file. [`CentreFile::parse`] reads the same from it.
    pub fn to_toml(&self) -> Result<String, CentreFileError> {
        toml::to_string_pretty(self)
            .map_err(|error| CentreFileError::NotWritable { what: error.to_string() })
    }

    /// The commands that make a centre like this, in an order in which each refers only to what
    /// those before it have made. They replace whatever is there and delete nothing.
    pub fn to_commands(&self) -> Result<Vec<Command>, CentreFileError> {
        plan::commands(self)
    }
}

#[cfg(test)]
mod tests;
