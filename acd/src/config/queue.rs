//! What is configured of a queue.

use alloc::{sync::Arc, vec::Vec};

use super::agent::{SkillLevel, in_range, limit, unique};
use crate::channel::Channels;
use crate::ids::{CalendarId, QueueId, SiteId, SkillId};
use crate::limits;
use crate::rejection::Rejection;
use crate::text::Label;
use crate::time::Millis;

/// Priority of a contact: 0 (normal) to 9. What it is worth is the queue's business: see
/// [`QueueConfig::head_starts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

impl Priority {
    /// 0–9; anything else is [`Rejection::OutOfRange`].
    pub fn new(priority: u32) -> Result<Self, Rejection> {
        in_range("priority", priority, 0, 9).map(Self)
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

/// What a priority is worth: the contact is placed as if it had arrived this much earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadStart {
    /// This long.
    By(Millis),
    /// Longer than anybody waits: always before those without it.
    Strict,
}

impl HeadStart {
    /// As a duration.
    pub fn millis(self) -> Millis {
        match self {
            Self::By(millis) => millis,
            Self::Strict => limits::HEAD_START_STRICT,
        }
    }
}

/// A skill and the least level of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    /// The skill.
    pub skill: SkillId,
    /// At least this level.
    pub level: SkillLevel,
}

/// Required skills, by skill id, each once. Cloning shares the list.
pub type Requirements = Arc<[Requirement]>;

/// A ring of agents: who may take a contact from this time on. Agents who fit an earlier step
/// precede agents who fit only a later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// From this long after entry into the queue. The first step has 0; then rising.
    pub after: Millis,
    /// Required skills, besides those the contact itself asks for.
    pub skills: Requirements,
    /// Sites whose agents may take it; empty: all.
    pub sites: Vec<SiteId>,
    /// Further queues whose agents may take it.
    pub extra_queues: Vec<QueueId>,
    /// Head start that the contact gains on reaching this step.
    pub head_start: Millis,
}

impl Default for Step {
    fn default() -> Self {
        Self {
            after: Millis::ZERO,
            skills: Requirements::default(),
            sites: Vec::new(),
            extra_queues: Vec::new(),
            head_start: Millis::ZERO,
        }
    }
}

/// Which of several agents who are equal so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Strategy {
    /// Free for the longest time.
    #[default]
    LongestIdle = 0,
    /// Lowest occupancy today, as it was when the agent became free.
    LeastOccupied = 1,
    /// Highest sum of levels in the skills that this step requires, then longest idle.
    MostSkilled = 2,
    /// Offered something the longest time ago.
    RoundRobin = 3,
}

/// How a queue spreads over sites.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SitePolicy {
    /// One pure global queue.
    #[default]
    Any,
    /// Agents at the contact's own site first; others only after `spill_after`.
    LocalFirst {
        /// How long the contact waits for its own site, from entry into the queue.
        spill_after: Millis,
    },
    /// Each site gets its share of the offers, as long as it has somebody free.
    Shares(Vec<(SiteId, u32)>),
    /// The site with the most free agents for this queue, kept until another one has at least
    /// `hysteresis` more.
    FreeCapacity {
        /// How many more free agents another site must have.
        hysteresis: u32,
    },
}

/// What happens to a contact that cannot wait here (any longer).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// It is turned away.
    #[default]
    Reject,
    /// It waits in another queue, keeping its arrival.
    Queue(QueueId),
    /// It is called back, keeping its place.
    Callback,
}

/// Service target: `percent` of contacts answered `within`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceTarget {
    /// 1–100.
    pub percent: u8,
    /// The time.
    pub within: Millis,
    /// Abandons below this are counted apart: misdialled, changed their mind.
    pub short_abandon: Millis,
}

/// What is configured of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// The id.
    pub id: QueueId,
    /// The name people see.
    pub name: Label,
    /// Channels it takes.
    pub channels: Channels,
    /// Service target.
    pub target: ServiceTarget,
    /// Rings, 1–8, the first at 0.
    pub steps: Vec<Step>,
    /// What priorities are worth, by priority, each once; a priority not listed is worth nothing.
    pub head_starts: Vec<(Priority, HeadStart)>,
    /// Among equal agents.
    pub strategy: Strategy,
    /// Among sites.
    pub site_policy: SitePolicy,
    /// How long an offer waits for an answer.
    pub offer_timeout: Millis,
    /// How long the front end has to connect the two after the agent accepted.
    pub connect_timeout: Millis,
    /// How long an agent who declined a contact, or let it ring, is not offered it again.
    pub cool_down: Millis,
    /// How long wrap-up may take before it ends by itself; 0: no wrap-up in this queue.
    pub wrap_up: Millis,
    /// The longest conversation; then it is closed as orphaned.
    pub handle_max: Millis,
    /// How long a contact waits for a preferred agent who is busy, unless the enqueue says.
    pub preferred_wait: Millis,
    /// The most contacts that wait at one time.
    pub length_max: u32,
    /// The longest wait; 0: no limit but the longest duration there is.
    pub wait_max: Millis,
    /// What happens to those over either.
    pub overflow: Overflow,
    /// What happens to those who come while it is closed.
    pub closed: Overflow,
    /// Opening hours; none: always open.
    pub calendar: Option<CalendarId>,
    /// Whether desktops answer offers at once, without asking the agent.
    pub auto_answer: bool,
}

impl QueueConfig {
    /// A queue with the defaults of this product: voice, 80 % in 20 s, offers of 20 s, wrap-up
    /// of 30 s.
    pub fn new(id: QueueId, name: Label) -> Self {
        Self {
            id,
            name,
            channels: Channels::of(&[
                crate::channel::Channel::Voice,
                crate::channel::Channel::Callback,
            ]),
            target: ServiceTarget {
                percent: 80,
                within: Millis::seconds(20),
                short_abandon: Millis::seconds(5),
            },
            steps: alloc::vec![Step::default()],
            head_starts: Vec::new(),
            strategy: Strategy::default(),
            site_policy: SitePolicy::default(),
            offer_timeout: Millis::seconds(20),
            connect_timeout: Millis::seconds(30),
            cool_down: Millis::seconds(60),
            wrap_up: Millis::seconds(30),
            handle_max: Millis::hours(12),
            preferred_wait: Millis::seconds(30),
            length_max: limits::QUEUE_LENGTH_MAX,
            wait_max: Millis::ZERO,
            overflow: Overflow::default(),
            closed: Overflow::default(),
            calendar: None,
            auto_answer: false,
        }
    }

    /// Brings lists into their one order and checks limits that need no other object.
    pub fn normalise(mut self) -> Result<Self, Rejection> {
        if self.channels.is_empty() || self.channels.0 >= 1 << 5 {
            return Err(Rejection::InvalidConfig { what: "a queue takes at least one channel" });
        }
        in_range("service target", u32::from(self.target.percent), 1, 100)?;
        self.normalise_steps()?;
        self.head_starts.sort_by_key(|(priority, _)| *priority);
        if self.head_starts.windows(2).any(|w| w[0].0 == w[1].0) {
            return Err(Rejection::InvalidConfig { what: "a priority is listed twice" });
        }
        self.normalise_policy()?;
        let target = &self.target;
        let any = [target.within, target.short_abandon, self.cool_down, self.wrap_up];
        let wait = [self.wait_max, self.preferred_wait];
        let head_starts = self.head_starts.iter().map(|(_, h)| match h {
            HeadStart::By(millis) => *millis,
            HeadStart::Strict => Millis::ZERO,
        });
        for duration in any.into_iter().chain(wait).chain(head_starts) {
            check_duration(duration)?;
        }
        for duration in [self.offer_timeout, self.connect_timeout, self.handle_max] {
            check_deadline(duration)?;
        }
        if self.length_max == 0 || self.length_max > limits::QUEUE_LENGTH_MAX {
            return Err(Rejection::OutOfRange {
                what: "length_max",
                value: u64::from(self.length_max),
                min: 1,
                max: u64::from(limits::QUEUE_LENGTH_MAX),
            });
        }
        if [&self.overflow, &self.closed].contains(&&Overflow::Queue(self.id.clone())) {
            return Err(Rejection::InvalidConfig { what: "a queue overflows into itself" });
        }
        Ok(self)
    }

    fn normalise_steps(&mut self) -> Result<(), Rejection> {
        if self.steps.is_empty() {
            self.steps.push(Step::default());
        }
        limit("steps of a queue", self.steps.len(), limits::STEPS_PER_QUEUE_MAX)?;
        if self.steps[0].after != Millis::ZERO {
            return Err(Rejection::InvalidConfig { what: "the first step starts at 0" });
        }
        if self.steps.windows(2).any(|w| w[0].after >= w[1].after) {
            return Err(Rejection::InvalidConfig { what: "steps start one after the other" });
        }
        if self.steps[0].head_start != Millis::ZERO {
            return Err(Rejection::InvalidConfig {
                what: "the first step gives no head start; priorities do",
            });
        }
        for step in &mut self.steps {
            check_duration(step.after)?;
            check_duration(step.head_start)?;
            step.skills = normalise_requirements(core::mem::take(&mut step.skills))?;
            step.sites.sort();
            step.extra_queues.sort();
            limit("sites of a step", step.sites.len(), limits::STEP_LIST_MAX)?;
            limit("extra queues of a step", step.extra_queues.len(), limits::STEP_LIST_MAX)?;
            unique("site", step.sites.iter().map(SiteId::as_str))?;
            unique("queue", step.extra_queues.iter().map(QueueId::as_str))?;
        }
        Ok(())
    }

    fn normalise_policy(&mut self) -> Result<(), Rejection> {
        match &mut self.site_policy {
            SitePolicy::Any | SitePolicy::FreeCapacity { .. } => Ok(()),
            SitePolicy::LocalFirst { spill_after } => check_duration(*spill_after),
            SitePolicy::Shares(shares) => {
                shares.sort();
                limit("site shares", shares.len(), limits::SITES_MAX)?;
                unique("site", shares.iter().map(|(id, _)| id.as_str()))?;
                if shares.is_empty() || shares.iter().any(|(_, s)| *s == 0 || *s > 1_000) {
                    return Err(Rejection::InvalidConfig {
                        what: "a site's share is 1 to 1,000, and there is at least one",
                    });
                }
                Ok(())
            }
        }
    }

    /// What this priority is worth here.
    pub fn head_start(&self, priority: Priority) -> Millis {
        let found = self.head_starts.iter().find(|(p, _)| *p == priority);
        found.map_or(Millis::ZERO, |(_, head_start)| head_start.millis())
    }
}

/// Brings requirements into their one order and checks them. What is in order already is not
/// copied: most contacts come that way.
pub(crate) fn normalise_requirements(list: Requirements) -> Result<Requirements, Rejection> {
    limit("required skills", list.len(), limits::REQUIREMENTS_MAX)?;
    if list.windows(2).all(|pair| pair[0].skill < pair[1].skill) {
        return Ok(list);
    }
    let mut sorted = list.to_vec();
    sorted.sort();
    unique("skill", sorted.iter().map(|r| r.skill.as_str()))?;
    Ok(Requirements::from(sorted))
}

/// A duration somebody may configure.
pub(crate) fn check_duration(duration: Millis) -> Result<(), Rejection> {
    if duration > limits::DURATION_MAX {
        return Err(Rejection::OutOfRange {
            what: "duration in ms",
            value: duration.0,
            min: 0,
            max: limits::DURATION_MAX.0,
        });
    }
    Ok(())
}

/// A duration after which something happens: not zero.
pub(crate) fn check_deadline(duration: Millis) -> Result<(), Rejection> {
    if duration == Millis::ZERO {
        return Err(Rejection::OutOfRange {
            what: "deadline in ms",
            value: 0,
            min: 1,
            max: limits::DURATION_MAX.0,
        });
    }
    check_duration(duration)
}
