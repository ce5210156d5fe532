//! `[[site]]`, `[[skill]]` and `[settings]`.

use acd::config::{ReturnMode, Settings, SiteConfig};
use acd::ids::{SiteId, SkillId};
use acd::rejection::Rejection;
use acd::text::Label;
use acd::time::LogTime;
use serde::de::{Deserializer, Error as _};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::compile::day_starts;
use super::duration::Duration;
use super::text::{Instant, Text};
use super::zone::Zone;

/// A city. What is left out is as in [`SiteConfig::new`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteEntry {
    /// The id.
    pub id: Text<SiteId>,
    /// The name people see.
    pub name: Text<Label>,
    /// After what time it comes back into service after a loss, or by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_after: Option<ReturnAfter>,
    /// Where the leader should be: 0 (never if it can be helped) to 100 (first).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader_priority: Option<u8>,
}

/// `"30s"` or `"by-hand"`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReturnAfter(pub ReturnMode);

const BY_HAND: &str = "by-hand";

impl Serialize for ReturnAfter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            ReturnMode::After(millis) => Duration(millis).serialize(serializer),
            ReturnMode::ByHand => serializer.serialize_str(BY_HAND),
        }
    }
}

impl<'de> Deserialize<'de> for ReturnAfter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == BY_HAND {
            return Ok(Self(ReturnMode::ByHand));
        }
        match text.parse::<Duration>() {
            Ok(duration) => Ok(Self(ReturnMode::After(duration.0))),
            Err(error) => Err(D::Error::custom(format!("{error}, or \"{BY_HAND}\""))),
        }
    }
}

impl SiteEntry {
    /// What a file says of a site that is so configured; nothing is left out.
    pub(super) fn from_config(config: &SiteConfig) -> Self {
        let SiteConfig { id, name, return_mode, leader_priority } = config;
        Self {
            id: Text(id.clone()),
            name: Text(name.clone()),
            return_after: Some(ReturnAfter(*return_mode)),
            leader_priority: Some(*leader_priority),
        }
    }

    /// The configuration it stands for.
    pub(super) fn to_config(&self) -> Result<SiteConfig, Rejection> {
        let defaults = SiteConfig::new(self.id.0.clone(), self.name.0.clone());
        SiteConfig {
            return_mode: self.return_after.map_or(defaults.return_mode, |entry| entry.0),
            leader_priority: self.leader_priority.unwrap_or(defaults.leader_priority),
            ..defaults
        }
        .normalise()
    }
}

/// A skill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkillEntry {
    /// The id.
    pub id: Text<SkillId>,
    /// The name people see.
    pub name: Text<Label>,
}

/// Settings of the whole centre. What is left out is as in [`Settings::default`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingsEntry {
    /// How long an agent whose session is lost stays unreachable before going offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreachable_for: Option<Duration>,
    /// How long a conversation goes on without its agent or ingress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orphan_after: Option<Duration>,
    /// How long a stranded call or chat keeps its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stranded_for: Option<Duration>,
    /// How long a stranded callback keeps its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stranded_callback_for: Option<Duration>,
    /// How long before a calendar runs out the alarm is raised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calendar_alarm_before: Option<Duration>,
    /// The time zone whose midnights start the reporting days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Zone>,
    /// When reporting days start, in order. Instead of `time_zone`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub day_starts: Vec<Instant>,
}

impl SettingsEntry {
    /// What a file says of these settings; nothing is left out. Reporting days are instants here:
    /// of which time zone they are the midnights, nobody knows any more.
    pub(super) fn from_config(settings: &Settings) -> Self {
        let Settings {
            unreachable_for,
            orphan_after,
            stranded_for,
            stranded_callback_for,
            calendar_alarm_before,
            day_starts,
        } = settings;
        Self {
            unreachable_for: Some(Duration(*unreachable_for)),
            orphan_after: Some(Duration(*orphan_after)),
            stranded_for: Some(Duration(*stranded_for)),
            stranded_callback_for: Some(Duration(*stranded_callback_for)),
            calendar_alarm_before: Some(Duration(*calendar_alarm_before)),
            time_zone: None,
            day_starts: day_starts.iter().copied().map(Instant).collect(),
        }
    }

    /// The settings it stands for, with reporting days compiled at `now`.
    pub(super) fn to_config(&self, now: LogTime) -> Result<Settings, Rejection> {
        let settings = self.check()?;
        let Some(zone) = &self.time_zone else {
            return Ok(settings);
        };
        Settings { day_starts: day_starts(zone, now)?, ..settings }.normalise()
    }

    /// The settings without what follows from a time zone.
    pub(super) fn check(&self) -> Result<Settings, Rejection> {
        if self.time_zone.is_some() && !self.day_starts.is_empty() {
            let what = "reporting days come from time_zone or from day_starts, not from both";
            return Err(Rejection::InvalidConfig { what });
        }
        let defaults = Settings::default();
        let millis = |entry: Option<Duration>, default| entry.map_or(default, |d| d.0);
        Settings {
            unreachable_for: millis(self.unreachable_for, defaults.unreachable_for),
            orphan_after: millis(self.orphan_after, defaults.orphan_after),
            stranded_for: millis(self.stranded_for, defaults.stranded_for),
            stranded_callback_for: millis(
                self.stranded_callback_for,
                defaults.stranded_callback_for,
            ),
            calendar_alarm_before: millis(
                self.calendar_alarm_before,
                defaults.calendar_alarm_before,
            ),
            day_starts: self.day_starts.iter().map(|at| at.0).collect(),
        }
        .normalise()
    }
}
