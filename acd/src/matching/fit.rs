//! Which agents may take which contacts, and how well they fit: the one place that says so.
//!
//! The rule is between classes, so it is worked out once when a class first appears, not for
//! each decision.

use alloc::vec::Vec;

use crate::catalogue::Skill;
use crate::channel::Channel;
use crate::config::{Capacity, Grade, QueueConfig, Requirements, SitePolicy, SkillLevel, Strategy};
use crate::queue::Queue;
use crate::site::Site;
use crate::table::{Slot, Table};

/// What makes agents equal: their free ones differ only in how long they have been idle.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SupplyKey {
    /// Where they work.
    pub(crate) site: Slot<Site>,
    /// Queues served, by slot.
    pub(crate) queues: Vec<(Slot<Queue>, Grade)>,
    /// Skills, by slot.
    pub(crate) skills: Vec<(Slot<Skill>, SkillLevel)>,
    /// How many contacts of what.
    pub(crate) capacity: Capacity,
}

/// Where a contact of a local-first queue may go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scope {
    /// Its own site.
    pub(crate) own: Slot<Site>,
    /// Whether it may leave it.
    pub(crate) spilled: bool,
}

/// What makes contacts equal: they differ only in their place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DemandKey {
    /// The queue.
    pub(crate) queue: Slot<Queue>,
    /// The kind.
    pub(crate) channel: Channel,
    /// The step reached.
    pub(crate) step: u8,
    /// Skills the contacts themselves ask for.
    pub(crate) requirements: Requirements,
    /// In local-first queues.
    pub(crate) scope: Option<Scope>,
}

/// One step with ids resolved.
struct Ring {
    skills: Vec<(Slot<Skill>, SkillLevel)>,
    /// Empty: all.
    sites: Vec<Slot<Site>>,
    extra_queues: Vec<Slot<Queue>>,
}

/// What a demand asks of agents, ids resolved.
pub(crate) struct Demand {
    queue: Slot<Queue>,
    /// Steps up to the one reached.
    rings: Vec<Ring>,
    /// What the contacts themselves ask for.
    own_skills: Vec<(Slot<Skill>, SkillLevel)>,
    scope: Option<Scope>,
    pub(crate) strategy: Strategy,
    /// Whether sites are chosen at the moment of the offer (shares, free capacity).
    pub(crate) chooses_site: bool,
}

/// How well an agent fits; smaller is better. Compared in the order of the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fit {
    /// The earliest step fitted.
    pub(crate) step: u8,
    /// The grade of the queue for the agent.
    pub(crate) grade: Grade,
    /// 0: the contact's own site, or sites do not matter; 1: another one.
    pub(crate) remote: u8,
    /// For most-skilled queues: [`SKILL_SUM_MAX`] less the sum of levels.
    pub(crate) skill_deficit: u16,
}

/// The largest sum of levels: 8 skills of the step and 8 of the contact, at level 10.
pub(crate) const SKILL_SUM_MAX: u16 = 160;

impl Demand {
    /// Resolves ids. Ids that are not there fit nobody: configuration refuses them, so this is
    /// only met while several objects are being replaced.
    pub(crate) fn compile(
        key: &DemandKey,
        config: &QueueConfig,
        queues: &Table<Queue>,
        sites: &Table<Site>,
        skills: &Table<Skill>,
    ) -> Self {
        let resolve = |list: &Requirements| -> Option<Vec<_>> {
            list.iter().map(|r| Some((skills.find(r.skill.as_str())?, r.level))).collect()
        };
        let ring = |step: &crate::config::Step| -> Option<Ring> {
            let found = step.sites.iter().map(|id| sites.find(id.as_str()));
            let extra = step.extra_queues.iter().map(|id| queues.find(id.as_str()));
            Some(Ring {
                skills: resolve(&step.skills)?,
                sites: found.collect::<Option<_>>()?,
                extra_queues: extra.collect::<Option<_>>()?,
            })
        };
        let reached = &config.steps[..=usize::from(key.step)];
        let own_skills = resolve(&key.requirements);
        let rings = reached.iter().map(ring).collect::<Option<Vec<_>>>();
        let (own_skills, rings) = match (own_skills, rings) {
            (Some(own), Some(rings)) => (own, rings),
            _ => (Vec::new(), Vec::new()),
        };
        Self {
            queue: key.queue,
            rings,
            own_skills,
            scope: key.scope,
            strategy: config.strategy,
            chooses_site: matches!(
                config.site_policy,
                SitePolicy::Shares(_) | SitePolicy::FreeCapacity { .. }
            ),
        }
    }

    /// How well agents of this kind fit; none: they may not take it.
    pub(crate) fn fit(&self, supply: &SupplyKey) -> Option<Fit> {
        let remote = match self.scope {
            Some(scope) if scope.own != supply.site => {
                if !scope.spilled {
                    return None;
                }
                1
            }
            _ => 0,
        };
        let level = |skill: Slot<Skill>| {
            let at = supply.skills.binary_search_by_key(&skill, |(s, _)| *s).ok()?;
            Some(supply.skills[at].1)
        };
        let grade_of = |queue: Slot<Queue>| {
            let at = supply.queues.binary_search_by_key(&queue, |(q, _)| *q).ok()?;
            Some(supply.queues[at].1)
        };
        // The sum of levels if all requirements are met.
        let meets = |needed: &[(Slot<Skill>, SkillLevel)]| {
            needed.iter().try_fold(0u16, |sum, (skill, least)| {
                let has = level(*skill)?;
                (has >= *least).then(|| sum + u16::from(has.get()))
            })
        };
        let own_sum = meets(&self.own_skills)?;
        for (step, ring) in self.rings.iter().enumerate() {
            if !ring.sites.is_empty() && !ring.sites.contains(&supply.site) {
                continue;
            }
            let extra = || ring.extra_queues.iter().filter_map(|queue| grade_of(*queue)).min();
            let Some(grade) = grade_of(self.queue).or_else(extra) else {
                continue;
            };
            let Some(sum) = meets(&ring.skills) else {
                continue;
            };
            let skill_deficit = match self.strategy {
                Strategy::MostSkilled => SKILL_SUM_MAX.saturating_sub(own_sum + sum),
                _ => 0,
            };
            return Some(Fit { step: step as u8, grade, remote, skill_deficit });
        }
        None
    }
}
