//! The roster entry of an agent.

use alloc::vec::Vec;

use crate::channel::{Media, Medium};
use crate::ids::{AgentId, QueueId, SiteId, SkillId};
use crate::limits;
use crate::rejection::Rejection;
use crate::text::Label;

/// How good at a skill: 1–10, 10 is best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SkillLevel(u8);

impl SkillLevel {
    /// 1–10; anything else is [`Rejection::OutOfRange`].
    pub fn new(level: u32) -> Result<Self, Rejection> {
        in_range("skill level", level, 1, 10).map(Self)
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

/// In which order an agent should be used for a queue, and a queue for an agent: 1–10, 1 first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grade(u8);

impl Grade {
    /// Used for an agent who was named and does not serve the queue.
    pub const NAMED: Self = Self(11);

    /// 1–10; anything else is [`Rejection::OutOfRange`].
    pub fn new(grade: u32) -> Result<Self, Rejection> {
        in_range("grade", grade, 1, 10).map(Self)
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

/// A small number within bounds.
pub(crate) fn in_range(
    what: &'static str,
    value: u32,
    min: u32,
    max: u32,
) -> Result<u8, Rejection> {
    match u8::try_from(value) {
        Ok(small) if (min..=max).contains(&value) => Ok(small),
        _ => Err(Rejection::OutOfRange {
            what,
            value: u64::from(value),
            min: u64::from(min),
            max: u64::from(max),
        }),
    }
}

/// A queue an agent serves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Assignment {
    /// The queue.
    pub queue: QueueId,
    /// In which order.
    pub grade: Grade,
}

/// How many contacts at once, and what may interrupt what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capacity {
    /// The most contacts of each medium at once; 0: none of that medium.
    pub max: [u8; Medium::COUNT],
    /// For each medium, which other media may be offered while a contact of it is being handled.
    pub interruptible_by: [Media; Medium::COUNT],
}

impl Default for Capacity {
    /// Voice 1, chat 3, e-mail 5, message 3; a call or a chat may interrupt e-mail and messages.
    fn default() -> Self {
        let live = Media::of(&[Medium::Voice, Medium::Chat]);
        Self {
            max: [1, 3, 5, 3],
            interruptible_by: [
                Media::NONE,
                Media::NONE,
                live.with(Medium::Message),
                live.with(Medium::Email),
            ],
        }
    }
}

impl Capacity {
    /// Whether one more contact of `medium` may be given to an agent who has `load` already.
    pub fn allows(&self, medium: Medium, load: &[u8; Medium::COUNT]) -> bool {
        load[medium.index()] < self.max[medium.index()]
            && Medium::ALL.into_iter().all(|busy| {
                busy == medium
                    || load[busy.index()] == 0
                    || self.interruptible_by[busy.index()].contains(medium)
            })
    }
}

/// What is configured of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentConfig {
    /// The id; also the principal the agent logs in as.
    pub id: AgentId,
    /// The name people see.
    pub name: Label,
    /// The site the agent belongs to in reports. Where the agent works is the site of the
    /// session's node.
    pub home_site: SiteId,
    /// Skills, by id, each once.
    pub skills: Vec<(SkillId, SkillLevel)>,
    /// Queues served, by id, each once.
    pub queues: Vec<Assignment>,
    /// Capacity.
    pub capacity: Capacity,
}

impl AgentConfig {
    /// Brings lists into their one order and checks limits that need no other object.
    pub fn normalise(mut self) -> Result<Self, Rejection> {
        if self.id.as_str().starts_with("node-") {
            return Err(Rejection::ReservedName { name: self.id.as_str().into() });
        }
        self.skills.sort();
        self.queues.sort();
        limit("skills of an agent", self.skills.len(), limits::SKILLS_PER_AGENT_MAX)?;
        limit("queues of an agent", self.queues.len(), limits::QUEUES_PER_AGENT_MAX)?;
        unique("skill", self.skills.iter().map(|(id, _)| id.as_str()))?;
        unique("queue", self.queues.iter().map(|a| a.queue.as_str()))?;
        for max in self.capacity.max {
            let most = u32::from(limits::CAPACITY_PER_CHANNEL_MAX);
            in_range("capacity", u32::from(max), 0, most)?;
        }
        Ok(self)
    }
}

/// Refuses more than `max` of something.
pub(crate) fn limit(what: &'static str, count: usize, max: usize) -> Result<(), Rejection> {
    if count > max { Err(Rejection::LimitReached { what, max: max as u64 }) } else { Ok(()) }
}

/// Refuses a sorted list that names something twice.
pub(crate) fn unique<'a>(
    what: &'static str,
    sorted: impl Iterator<Item = &'a str>,
) -> Result<(), Rejection> {
    let mut previous = None;
    for id in sorted {
        if previous == Some(id) {
            return Err(Rejection::NamedTwice { what, id: id.into() });
        }
        previous = Some(id);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_a_call_may_interrupt_mail_but_not_a_chat() {
        let c = Capacity::default();
        assert!(c.allows(Medium::Voice, &[0, 0, 5, 0]));
        assert!(!c.allows(Medium::Voice, &[0, 1, 0, 0]));
        assert!(!c.allows(Medium::Voice, &[1, 0, 0, 0]));
        assert!(!c.allows(Medium::Email, &[1, 0, 0, 0]));
        assert!(c.allows(Medium::Chat, &[0, 2, 0, 0]));
        assert!(!c.allows(Medium::Chat, &[0, 3, 0, 0]));
    }
}
