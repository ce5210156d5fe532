//! Configuration, as it is in the commands that change it and in snapshots.
//!
//! Reading parses the parts; what a whole must be is checked by its `normalise`.

use alloc::vec::Vec;

use proto::stored::v1;

use super::stored::{Stored, no_choice, required, stored_messages, stored_words};
use crate::channel::{Media, Medium};
use crate::config::{
    AgentConfig, Assignment, Calendar, Capacity, Grade, HeadStart, Interval, Overflow, Priority,
    QueueConfig, Requirement, Requirements, ReturnMode, ServiceTarget, Settings, SiteConfig,
    SitePolicy, SkillLevel, Step, Strategy, in_range,
};
use crate::ids::{QueueId, SiteId, SkillId};
use crate::limits;
use crate::rejection::Rejection;
use crate::time::Millis;

stored_messages! {
    QueueConfig {
        id, name, channels, target, steps, head_starts, strategy, site_policy, length_max,
        overflow, closed, calendar, auto_answer;
        offer_timeout as offer_timeout_ms,
        connect_timeout as connect_timeout_ms,
        cool_down as cool_down_ms,
        wrap_up as wrap_up_ms,
        handle_max as handle_max_ms,
        preferred_wait as preferred_wait_ms,
        wait_max as wait_max_ms,
    }
    ServiceTarget {
        percent; within as within_ms, short_abandon as short_abandon_ms
    }
    Step {
        skills, sites, extra_queues; after as after_ms, head_start as head_start_ms
    }
    Requirement { skill, level }
    AgentConfig { id, name, home_site, skills, queues, capacity }
    Assignment { queue, grade }
    SiteConfig { id, name, return_mode, leader_priority }
    Calendar { id, name, open; covers_until as covers_until_ms }
    Interval { ; start as start_ms, end as end_ms }
    Settings {
        ;
        unreachable_for as unreachable_for_ms,
        orphan_after as orphan_after_ms,
        stranded_for as stranded_for_ms,
        stranded_callback_for as stranded_callback_for_ms,
        calendar_alarm_before as calendar_alarm_before_ms,
        day_starts as day_starts_ms,
    }
}

stored_words! {
    Strategy { LongestIdle, LeastOccupied, MostSkilled, RoundRobin }
}

macro_rules! stored_small_number {
    ($($type:ident),+) => {$(
        impl Stored<u32> for $type {
            fn to_stored(&self) -> u32 {
                u32::from(self.get())
            }

            fn from_stored(stored: u32, _: &'static str) -> Result<Self, Rejection> {
                Self::new(stored)
            }
        }
    )+};
}
stored_small_number!(SkillLevel, Grade, Priority);

impl Stored<Vec<v1::Requirement>> for Requirements {
    fn to_stored(&self) -> Vec<v1::Requirement> {
        self.iter().map(Stored::to_stored).collect()
    }

    fn from_stored(stored: Vec<v1::Requirement>, at: &'static str) -> Result<Self, Rejection> {
        stored.into_iter().map(|requirement| Stored::from_stored(requirement, at)).collect()
    }
}

// -- Pairs and arrays ---------------------------------------------------------------------------

impl Stored<v1::AgentSkill> for (SkillId, SkillLevel) {
    fn to_stored(&self) -> v1::AgentSkill {
        v1::AgentSkill { skill: self.0.to_stored(), level: self.1.to_stored() }
    }

    fn from_stored(stored: v1::AgentSkill, _: &'static str) -> Result<Self, Rejection> {
        Ok((SkillId::new(&stored.skill)?, SkillLevel::new(stored.level)?))
    }
}

impl Stored<v1::SiteShare> for (SiteId, u32) {
    fn to_stored(&self) -> v1::SiteShare {
        v1::SiteShare { site: self.0.to_stored(), share: self.1 }
    }

    fn from_stored(stored: v1::SiteShare, _: &'static str) -> Result<Self, Rejection> {
        Ok((SiteId::new(&stored.site)?, stored.share))
    }
}

impl Stored<v1::PriorityHeadStart> for (Priority, HeadStart) {
    fn to_stored(&self) -> v1::PriorityHeadStart {
        use v1::priority_head_start as wire;
        let head_start = match self.1 {
            HeadStart::By(millis) => wire::HeadStart::ByMs(millis.to_stored()),
            HeadStart::Strict => wire::HeadStart::Strict(wire::Strict {}),
        };
        v1::PriorityHeadStart { priority: self.0.to_stored(), head_start: Some(head_start) }
    }

    fn from_stored(stored: v1::PriorityHeadStart, _: &'static str) -> Result<Self, Rejection> {
        use v1::priority_head_start as wire;
        const AT: &str = "PriorityHeadStart.head_start";
        let head_start = match stored.head_start.ok_or_else(|| no_choice(AT))? {
            wire::HeadStart::ByMs(millis) => HeadStart::By(Millis::from_stored(millis, AT)?),
            wire::HeadStart::Strict(wire::Strict {}) => HeadStart::Strict,
        };
        Ok((Priority::new(stored.priority)?, head_start))
    }
}

impl Stored<v1::Capacity> for Capacity {
    fn to_stored(&self) -> v1::Capacity {
        let of = |medium: Medium| {
            Some(v1::MediumCapacity {
                max: u32::from(self.max[medium.index()]),
                interruptible_by: self.interruptible_by[medium.index()].to_stored(),
            })
        };
        v1::Capacity {
            voice: of(Medium::Voice),
            chat: of(Medium::Chat),
            email: of(Medium::Email),
            message: of(Medium::Message),
        }
    }

    fn from_stored(stored: v1::Capacity, at: &'static str) -> Result<Self, Rejection> {
        let most = u32::from(limits::CAPACITY_PER_CHANNEL_MAX);
        let mut capacity =
            Self { max: [0; Medium::COUNT], interruptible_by: [Media::NONE; Medium::COUNT] };
        for (medium, of) in [
            (Medium::Voice, stored.voice),
            (Medium::Chat, stored.chat),
            (Medium::Email, stored.email),
            (Medium::Message, stored.message),
        ] {
            // Left out, as an older version leaves out a medium it does not know: none of it.
            let of = of.unwrap_or_default();
            capacity.max[medium.index()] = in_range("capacity", of.max, 0, most)?;
            capacity.interruptible_by[medium.index()] =
                Media::from_stored(of.interruptible_by, at)?;
        }
        Ok(capacity)
    }
}

// -- Choices ------------------------------------------------------------------------------------

impl Stored<v1::SitePolicy> for SitePolicy {
    fn to_stored(&self) -> v1::SitePolicy {
        use v1::site_policy as wire;
        let policy = match self {
            Self::Any => wire::Policy::Any(wire::Any {}),
            Self::LocalFirst { spill_after } => wire::Policy::LocalFirst(wire::LocalFirst {
                spill_after_ms: spill_after.to_stored(),
            }),
            Self::Shares(shares) => {
                wire::Policy::Shares(wire::Shares { shares: shares.to_stored() })
            }
            Self::FreeCapacity { hysteresis } => {
                wire::Policy::FreeCapacity(wire::FreeCapacity { hysteresis: *hysteresis })
            }
        };
        v1::SitePolicy { policy: Some(policy) }
    }

    fn from_stored(stored: v1::SitePolicy, at: &'static str) -> Result<Self, Rejection> {
        use v1::site_policy as wire;
        Ok(match stored.policy.ok_or_else(|| no_choice("SitePolicy.policy"))? {
            wire::Policy::Any(wire::Any {}) => Self::Any,
            wire::Policy::LocalFirst(wire::LocalFirst { spill_after_ms }) => {
                Self::LocalFirst { spill_after: Millis::from_stored(spill_after_ms, at)? }
            }
            wire::Policy::Shares(wire::Shares { shares }) => {
                Self::Shares(Stored::from_stored(shares, at)?)
            }
            wire::Policy::FreeCapacity(wire::FreeCapacity { hysteresis }) => {
                Self::FreeCapacity { hysteresis }
            }
        })
    }
}

impl Stored<v1::Overflow> for Overflow {
    fn to_stored(&self) -> v1::Overflow {
        use v1::overflow as wire;
        let outcome = match self {
            Self::Reject => wire::Outcome::Reject(wire::Reject {}),
            Self::Queue(queue) => wire::Outcome::Queue(queue.to_stored()),
            Self::Callback => wire::Outcome::Callback(wire::Callback {}),
        };
        v1::Overflow { outcome: Some(outcome) }
    }

    fn from_stored(stored: v1::Overflow, _: &'static str) -> Result<Self, Rejection> {
        use v1::overflow as wire;
        Ok(match stored.outcome.ok_or_else(|| no_choice("Overflow.outcome"))? {
            wire::Outcome::Reject(wire::Reject {}) => Self::Reject,
            wire::Outcome::Queue(queue) => Self::Queue(QueueId::new(&queue)?),
            wire::Outcome::Callback(wire::Callback {}) => Self::Callback,
        })
    }
}

impl Stored<v1::ReturnMode> for ReturnMode {
    fn to_stored(&self) -> v1::ReturnMode {
        use v1::return_mode as wire;
        let mode = match self {
            Self::After(duration) => wire::Mode::AfterMs(duration.to_stored()),
            Self::ByHand => wire::Mode::ByHand(wire::ByHand {}),
        };
        v1::ReturnMode { mode: Some(mode) }
    }

    fn from_stored(stored: v1::ReturnMode, at: &'static str) -> Result<Self, Rejection> {
        use v1::return_mode as wire;
        Ok(match stored.mode.ok_or_else(|| no_choice("ReturnMode.mode"))? {
            wire::Mode::AfterMs(millis) => Self::After(Millis::from_stored(millis, at)?),
            wire::Mode::ByHand(wire::ByHand {}) => Self::ByHand,
        })
    }
}

required! {
    Capacity,
    SitePolicy,
    Overflow,
    ReturnMode
}
