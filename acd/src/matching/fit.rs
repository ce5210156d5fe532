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

/// Why an agent does not fit; the first rule in the order of the variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// Works at a site whose agents may not take it (yet).
    Site,
    /// Serves neither the queue nor one of the extra ones.
    Queue,
    /// Lacks this skill, or has too little of it.
    Skill(Slot<Skill>),
}

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
        let remote = self.remote(supply)?;
        let own_sum = meets(&self.own_skills, supply).ok()?;
        let fits = |(step, ring): (usize, &Ring)| {
            let (grade, sum) = self.fits_ring(ring, supply).ok()?;
            let skill_deficit = match self.strategy {
                Strategy::MostSkilled => SKILL_SUM_MAX.saturating_sub(own_sum + sum),
                _ => 0,
            };
            Some(Fit { step: step as u8, grade, remote, skill_deficit })
        };
        self.rings.iter().enumerate().find_map(fits)
    }

    /// Why agents of this kind do not fit, as the latest step sees it; none: they do.
    pub(crate) fn misfit(&self, supply: &SupplyKey) -> Option<Misfit> {
        if self.fit(supply).is_some() {
            return None;
        }
        if self.remote(supply).is_none() {
            return Some(Misfit::Site);
        }
        let own = meets(&self.own_skills, supply);
        let ring = self.rings.last().map(|ring| self.fits_ring(ring, supply));
        match (ring, own) {
            (Some(Err(misfit @ (Misfit::Site | Misfit::Queue))), _) => Some(misfit),
            (_, Err(skill)) => Some(Misfit::Skill(skill)),
            (Some(Err(misfit)), _) => Some(misfit),
            (Some(Ok(_)) | None, _) => Some(Misfit::Queue),
        }
    }

    /// 1 if the agents work elsewhere than the contact would like; none: too far for now.
    fn remote(&self, supply: &SupplyKey) -> Option<u8> {
        match self.scope {
            Some(scope) if scope.own != supply.site => scope.spilled.then_some(1),
            _ => Some(0),
        }
    }

    /// The grade and the sum of required levels in one step.
    fn fits_ring(&self, ring: &Ring, supply: &SupplyKey) -> Result<(Grade, u16), Misfit> {
        if !ring.sites.is_empty() && !ring.sites.contains(&supply.site) {
            return Err(Misfit::Site);
        }
        let grade_of = |queue: Slot<Queue>| {
            let at = supply.queues.binary_search_by_key(&queue, |(q, _)| *q).ok()?;
            Some(supply.queues[at].1)
        };
        let extra = || ring.extra_queues.iter().filter_map(|queue| grade_of(*queue)).min();
        let grade = grade_of(self.queue).or_else(extra).ok_or(Misfit::Queue)?;
        let sum = meets(&ring.skills, supply).map_err(Misfit::Skill)?;
        Ok((grade, sum))
    }
}

/// The sum of levels if all requirements are met; otherwise the first that is not.
fn meets(needed: &[(Slot<Skill>, SkillLevel)], supply: &SupplyKey) -> Result<u16, Slot<Skill>> {
    needed.iter().try_fold(0u16, |sum, (skill, least)| {
        let at = supply.skills.binary_search_by_key(skill, |(s, _)| *s).map_err(|_| *skill)?;
        let has = supply.skills[at].1;
        if has >= *least { Ok(sum + u16::from(has.get())) } else { Err(*skill) }
    })
}
