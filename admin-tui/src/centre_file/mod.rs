//! `centre.toml`: a whole contact centre as people write it.
//!
//! ```text
//! text ⇄ CentreFile (what was written, with units) → configurations (checked) → commands (ordered)
//! configuration of a running centre → Written (what a file would say, nothing left out)
//! ```
//!
//! A [`CentreFile`] keeps what was written and nothing else: what is left out stays left out,
//! and takes the defaults of the state machine when it becomes commands. A file is complete:
//! everything it refers to, it also contains.
//!
//! Local time becomes instants here and nowhere else ([`compile`]), so that all nodes have the
//! same hours whatever time zone data they have. What comes of it reaches [`COMPILED_DAYS`] ahead
//! and is made anew by applying the file again.

mod calendar;
mod compile;
mod duration;
mod error;
mod hours;
mod places;
mod plan;
mod queue;
mod roster;
mod text;
mod written;
mod zone;

use acd::command::Command;
use acd::time::LogTime;
use serde::{Deserialize, Serialize};

pub use calendar::{
    CalendarEntry, Day, InstantHours, InvalidDay, LocalHours, OpenEntry, OpeningHours, WeeklyHours,
};
pub use compile::{COMPILED_DAYS, compile, day_starts};
pub use duration::{Duration, InvalidDuration};
pub use error::CentreFileError;
pub use hours::{DayHours, InvalidHours, Opening};
pub use places::{ReturnAfter, SettingsEntry, SiteEntry, SkillEntry};
pub(crate) use plan::{queues_named, without_queues};
pub use queue::{
    HeadStartEntry, OverflowEntry, PriorityKey, QueueEntry, SitePolicyEntry, StepEntry, TargetEntry,
};
pub use roster::{AgentEntry, PrincipalEntry};
pub use text::{Instant, Named, Parsed, Text, Word};
pub(crate) use written::{Written, written_agent, written_queue};
pub use zone::{InvalidZone, Zone};

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
    /// checked. Only how many intervals local hours make is known no sooner than they are
    /// compiled.
    pub fn parse(text: &str) -> Result<Self, CentreFileError> {
        let file: Self =
            toml::from_str(text).map_err(|error| CentreFileError::from_toml(&error, text))?;
        plan::check_file(&file)?;
        Ok(file)
    }

    /// Writes the file. [`CentreFile::parse`] reads the same from it.
    pub fn to_toml(&self) -> Result<String, CentreFileError> {
        toml::to_string_pretty(self)
            .map_err(|error| CentreFileError::NotWritable { what: error.to_string() })
    }

    /// The commands that make a centre like this, in an order in which each refers only to what
    /// those before it have made. They replace whatever is there and delete nothing.
    ///
    /// Local hours are compiled from the day of `now` on: the time of whoever applies the file.
    /// On the same day the same file makes the same commands.
    pub fn to_commands(&self, now: LogTime) -> Result<Vec<Command>, CentreFileError> {
        plan::commands(self, now)
    }
}

#[cfg(test)]
mod tests;
