//! Configuration as data: what `centre.toml` says and single commands change.
//!
//! These types are what people write. They refer to each other by id and are checked as a whole
//! before any of them changes the state.

pub(crate) mod agent;
mod calendar;
pub(crate) mod queue;
mod settings;
mod site;

pub use agent::{AgentConfig, Assignment, Capacity, Grade, SkillLevel};
pub(crate) use agent::{in_range, limit};
pub use calendar::{Calendar, Interval};
pub use queue::{
    HeadStart, Overflow, Priority, QueueConfig, Requirement, Requirements, ServiceTarget,
    SitePolicy, Step, Strategy,
};
pub(crate) use queue::{check_duration, normalise_requirements};
pub use settings::Settings;
pub use site::{ReturnMode, SiteConfig};
