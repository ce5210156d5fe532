//! `[[queue]]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use acd::channel::{Channel, Channels};
use acd::config::{
    HeadStart, Overflow, Priority, QueueConfig, Requirement, ServiceTarget, SitePolicy, SkillLevel,
    Step, Strategy,
};
use acd::ids::{CalendarId, QueueId, SiteId, SkillId};
use acd::rejection::Rejection;
use acd::text::Label;
use acd::time::Millis;
use serde::de::{Deserializer, Error as _};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::text::{Named, Text};

/// A queue. What is left out is as in [`QueueConfig::new`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueEntry {
    /// The id.
    pub id: Text<QueueId>,
    /// The name people see.
    pub name: Text<Label>,
    /// Channels it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<Named<Channel>>>,
    /// Among equal agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Named<Strategy>>,
    /// How long an offer waits for an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offer_timeout: Option<Duration>,
    /// How long the front end has to connect the two after the agent accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Duration>,
    /// How long an agent who declined a contact, or let it ring, is not offered it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cool_down: Option<Duration>,
    /// How long wrap-up may take; `0s`: none in this queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrap_up: Option<Duration>,
    /// The longest conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle_max: Option<Duration>,
    /// How long a contact waits for a preferred agent who is busy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_wait: Option<Duration>,
    /// The most contacts that wait at one time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_max: Option<u32>,
    /// The longest wait; `0s`: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_max: Option<Duration>,
    /// Opening hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calendar: Option<Text<CalendarId>>,
    /// Whether desktops answer offers at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_answer: Option<bool>,
    /// Service target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetEntry>,
    /// What priorities are worth.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub head_starts: BTreeMap<PriorityKey, HeadStartEntry>,
    /// Among sites.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site_policy: Option<SitePolicyEntry>,
    /// What happens to those over `length_max` or `wait_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overflow: Option<OverflowEntry>,
    /// What happens to those who come while it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<OverflowEntry>,
    /// Rings of agents.
    #[serde(default, rename = "step", skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepEntry>,
}

/// `target = { percent = 80, within = "20s", short_abandon = "5s" }`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetEntry {
    /// This many of 100 contacts …
    pub percent: u8,
    /// … are answered within this time.
    pub within: Duration,
    /// Abandons below this are counted apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short_abandon: Option<Duration>,
}

/// A ring of agents: who may take a contact from this time on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepEntry {
    /// From this long after entry into the queue.
    pub after: Duration,
    /// Head start that the contact gains on reaching this step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_start: Option<Duration>,
    /// Sites whose agents may take it; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<Text<SiteId>>,
    /// Further queues whose agents may take it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_queues: Vec<Text<QueueId>>,
    /// Required skills, with the least level of each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skills: BTreeMap<Text<SkillId>, u32>,
}

/// `"any"`, `{ local-first = { spill_after = "30s" } }`, `{ shares = { kyiv = 3, lviv = 1 } }` or
/// `{ free-capacity = { hysteresis = 2 } }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SitePolicyEntry {
    /// One pure global queue.
    Any,
    /// Agents at the contact's own site first.
    LocalFirst {
        /// Others only after this.
        spill_after: Duration,
    },
    /// Each site gets its share.
    Shares(BTreeMap<Text<SiteId>, u32>),
    /// The site with the most free agents.
    FreeCapacity {
        /// How many more free agents another site must have.
        hysteresis: u32,
    },
}

/// `"reject"`, `"callback"` or `{ queue = "general" }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverflowEntry {
    /// It is turned away.
    Reject,
    /// It waits in another queue.
    Queue(Text<QueueId>),
    /// It is called back.
    Callback,
}

/// A priority as a key: TOML's keys are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PriorityKey(pub Priority);

impl Serialize for PriorityKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.get())
    }
}

impl<'de> Deserialize<'de> for PriorityKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let priority = text.parse().ok().and_then(|number| Priority::new(number).ok());
        priority
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is no priority: write 0 to 9")))
    }
}

/// `"90s"` or `"strict"`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeadStartEntry(pub HeadStart);

const STRICT: &str = "strict";

impl Serialize for HeadStartEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            HeadStart::By(millis) => Duration(millis).serialize(serializer),
            HeadStart::Strict => serializer.serialize_str(STRICT),
        }
    }
}

impl<'de> Deserialize<'de> for HeadStartEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == STRICT {
            return Ok(Self(HeadStart::Strict));
        }
        match text.parse::<Duration>() {
            Ok(duration) => Ok(Self(HeadStart::By(duration.0))),
            Err(error) => Err(D::Error::custom(format!("{error}, or \"{STRICT}\""))),
        }
    }
}

impl QueueEntry {
    /// A queue with nothing but defaults.
    pub fn new(id: QueueId, name: Label) -> Self {
        Self {
            id: Text(id),
            name: Text(name),
            channels: None,
            strategy: None,
            offer_timeout: None,
            connect_timeout: None,
            cool_down: None,
            wrap_up: None,
            handle_max: None,
            preferred_wait: None,
            length_max: None,
            wait_max: None,
            calendar: None,
            auto_answer: None,
            target: None,
            head_starts: BTreeMap::new(),
            site_policy: None,
            overflow: None,
            closed: None,
            steps: Vec::new(),
        }
    }

    /// What a file says of a queue that is so configured; nothing is left out.
    pub(super) fn from_config(config: &QueueConfig) -> Self {
        // No `..`: what is new must be written, too.
        let QueueConfig {
            id,
            name,
            channels,
            target,
            steps,
            head_starts,
            strategy,
            site_policy,
            offer_timeout,
            connect_timeout,
            cool_down,
            wrap_up,
            handle_max,
            preferred_wait,
            length_max,
            wait_max,
            overflow,
            closed,
            calendar,
            auto_answer,
        } = config;
        let duration = |millis: &Millis| Some(Duration(*millis));
        Self {
            id: Text(id.clone()),
            name: Text(name.clone()),
            channels: Some(channels.iter().map(Named).collect()),
            strategy: Some(Named(*strategy)),
            offer_timeout: duration(offer_timeout),
            connect_timeout: duration(connect_timeout),
            cool_down: duration(cool_down),
            wrap_up: duration(wrap_up),
            handle_max: duration(handle_max),
            preferred_wait: duration(preferred_wait),
            length_max: Some(*length_max),
            wait_max: duration(wait_max),
            calendar: calendar.clone().map(Text),
            auto_answer: Some(*auto_answer),
            target: Some(TargetEntry {
                percent: target.percent,
                within: Duration(target.within),
                short_abandon: duration(&target.short_abandon),
            }),
            head_starts: head_starts
                .iter()
                .map(|(priority, worth)| (PriorityKey(*priority), HeadStartEntry(*worth)))
                .collect(),
            site_policy: Some(SitePolicyEntry::from_config(site_policy)),
            overflow: Some(OverflowEntry::from_config(overflow)),
            closed: Some(OverflowEntry::from_config(closed)),
            steps: steps.iter().map(StepEntry::from_config).collect(),
        }
    }

    /// The configuration it stands for.
    pub(super) fn to_config(&self) -> Result<QueueConfig, Rejection> {
        let defaults = QueueConfig::new(self.id.0.clone(), self.name.0.clone());
        let millis = |entry: Option<Duration>, default| entry.map_or(default, |d| d.0);
        let list = self.channels.as_deref();
        let steps: Result<Vec<_>, _> = self.steps.iter().map(StepEntry::to_config).collect();
        let steps = steps?;
        QueueConfig {
            channels: list.map_or(defaults.channels, |names| {
                names.iter().fold(Channels::NONE, |set, name| set.with(name.0))
            }),
            target: self.target.map_or(defaults.target, |t| ServiceTarget {
                percent: t.percent,
                within: t.within.0,
                short_abandon: millis(t.short_abandon, defaults.target.short_abandon),
            }),
            steps: if steps.is_empty() { defaults.steps } else { steps },
            head_starts: self.head_starts.iter().map(|(p, h)| (p.0, h.0)).collect(),
            strategy: self.strategy.map_or(defaults.strategy, |name| name.0),
            site_policy: self
                .site_policy
                .as_ref()
                .map_or(defaults.site_policy, SitePolicyEntry::to_config),
            offer_timeout: millis(self.offer_timeout, defaults.offer_timeout),
            connect_timeout: millis(self.connect_timeout, defaults.connect_timeout),
            cool_down: millis(self.cool_down, defaults.cool_down),
            wrap_up: millis(self.wrap_up, defaults.wrap_up),
            handle_max: millis(self.handle_max, defaults.handle_max),
            preferred_wait: millis(self.preferred_wait, defaults.preferred_wait),
            length_max: self.length_max.unwrap_or(defaults.length_max),
            wait_max: millis(self.wait_max, defaults.wait_max),
            overflow: self.overflow.as_ref().map_or(defaults.overflow, OverflowEntry::to_config),
            closed: self.closed.as_ref().map_or(defaults.closed, OverflowEntry::to_config),
            calendar: self.calendar.as_ref().map(|id| id.0.clone()),
            auto_answer: self.auto_answer.unwrap_or(defaults.auto_answer),
            id: defaults.id,
            name: defaults.name,
        }
        .normalise()
    }
}

impl StepEntry {
    fn from_config(step: &Step) -> Self {
        let Step { after, skills, sites, extra_queues, head_start } = step;
        Self {
            after: Duration(*after),
            head_start: Some(Duration(*head_start)),
            sites: sites.iter().cloned().map(Text).collect(),
            extra_queues: extra_queues.iter().cloned().map(Text).collect(),
            skills: skills
                .iter()
                .map(|needed| (Text(needed.skill.clone()), u32::from(needed.level.get())))
                .collect(),
        }
    }

    fn to_config(&self) -> Result<Step, Rejection> {
        let skills: Result<Arc<[_]>, _> = self
            .skills
            .iter()
            .map(|(skill, level)| {
                Ok(Requirement { skill: skill.0.clone(), level: SkillLevel::new(*level)? })
            })
            .collect();
        Ok(Step {
            after: self.after.0,
            skills: skills?,
            sites: self.sites.iter().map(|id| id.0.clone()).collect(),
            extra_queues: self.extra_queues.iter().map(|id| id.0.clone()).collect(),
            head_start: self.head_start.map_or(Millis::ZERO, |d| d.0),
        })
    }
}

impl SitePolicyEntry {
    fn from_config(policy: &SitePolicy) -> Self {
        match policy {
            SitePolicy::Any => Self::Any,
            SitePolicy::LocalFirst { spill_after } => {
                Self::LocalFirst { spill_after: Duration(*spill_after) }
            }
            SitePolicy::Shares(shares) => Self::Shares(
                shares.iter().map(|(site, share)| (Text(site.clone()), *share)).collect(),
            ),
            SitePolicy::FreeCapacity { hysteresis } => {
                Self::FreeCapacity { hysteresis: *hysteresis }
            }
        }
    }

    fn to_config(&self) -> SitePolicy {
        match self {
            Self::Any => SitePolicy::Any,
            Self::LocalFirst { spill_after } => {
                SitePolicy::LocalFirst { spill_after: spill_after.0 }
            }
            Self::Shares(shares) => SitePolicy::Shares(
                shares.iter().map(|(site, share)| (site.0.clone(), *share)).collect(),
            ),
            Self::FreeCapacity { hysteresis } => {
                SitePolicy::FreeCapacity { hysteresis: *hysteresis }
            }
        }
    }
}

impl OverflowEntry {
    fn from_config(overflow: &Overflow) -> Self {
        match overflow {
            Overflow::Reject => Self::Reject,
            Overflow::Queue(queue) => Self::Queue(Text(queue.clone())),
            Overflow::Callback => Self::Callback,
        }
    }

    fn to_config(&self) -> Overflow {
        match self {
            Self::Reject => Overflow::Reject,
            Self::Queue(queue) => Overflow::Queue(queue.0.clone()),
            Self::Callback => Overflow::Callback,
        }
    }
}
