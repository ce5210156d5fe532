//! `[[agent]]` and `[[principal]]`: who takes contacts, and who may do what.

use std::collections::BTreeMap;

use acd::channel::{Media, Medium};
use acd::config::{AgentConfig, Assignment, Capacity, Grade, SkillLevel};
use acd::ids::{AgentId, PrincipalId, QueueId, SiteId, SkillId};
use acd::rejection::Rejection;
use acd::roles::{Role, Roles};
use acd::text::Label;
use serde::{Deserialize, Serialize};

use super::text::{Named, Text};

/// An agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentEntry {
    /// The id; also the principal the agent logs in as.
    pub id: Text<AgentId>,
    /// The name people see.
    pub name: Text<Label>,
    /// The site the agent belongs to in reports.
    pub home_site: Text<SiteId>,
    /// Queues served, with the grade of each: 1 to 10, 1 first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub queues: BTreeMap<Text<QueueId>, u32>,
    /// Skills, with the level of each: 1 to 10, 10 best.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skills: BTreeMap<Text<SkillId>, u32>,
    /// The most contacts of a medium at once; what is left out is as in [`Capacity::default`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub capacity: BTreeMap<Named<Medium>, u8>,
    /// For a medium, which others may be offered while a contact of it is being handled; what is
    /// left out is as in [`Capacity::default`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub interruptible_by: BTreeMap<Named<Medium>, Vec<Named<Medium>>>,
}

impl AgentEntry {
    /// What a file says of an agent who is so configured; nothing is left out.
    pub(super) fn from_config(config: &AgentConfig) -> Self {
        let AgentConfig { id, name, home_site, skills, queues, capacity } = config;
        let media = |media: Media| media.iter().map(Named).collect();
        Self {
            id: Text(id.clone()),
            name: Text(name.clone()),
            home_site: Text(home_site.clone()),
            queues: queues
                .iter()
                .map(|Assignment { queue, grade }| (Text(queue.clone()), u32::from(grade.get())))
                .collect(),
            skills: skills
                .iter()
                .map(|(skill, level)| (Text(skill.clone()), u32::from(level.get())))
                .collect(),
            capacity: Medium::ALL
                .into_iter()
                .map(|medium| (Named(medium), capacity.max[medium.index()]))
                .collect(),
            interruptible_by: Medium::ALL
                .into_iter()
                .map(|medium| (Named(medium), media(capacity.interruptible_by[medium.index()])))
                .collect(),
        }
    }

    /// The configuration it stands for.
    pub(super) fn to_config(&self) -> Result<AgentConfig, Rejection> {
        let skill =
            |(id, level): (&Text<SkillId>, &u32)| Ok((id.0.clone(), SkillLevel::new(*level)?));
        let assignment = |(id, grade): (&Text<QueueId>, &u32)| {
            Ok(Assignment { queue: id.0.clone(), grade: Grade::new(*grade)? })
        };
        let mut capacity = Capacity::default();
        for (medium, max) in &self.capacity {
            capacity.max[medium.0.index()] = *max;
        }
        for (medium, by) in &self.interruptible_by {
            capacity.interruptible_by[medium.0.index()] =
                by.iter().fold(Media::NONE, |set, other| set.with(other.0));
        }
        AgentConfig {
            id: self.id.0.clone(),
            name: self.name.0.clone(),
            home_site: self.home_site.0.clone(),
            skills: self.skills.iter().map(skill).collect::<Result<_, Rejection>>()?,
            queues: self.queues.iter().map(assignment).collect::<Result<_, Rejection>>()?,
            capacity,
        }
        .normalise()
    }
}

/// A person or a machine with roles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrincipalEntry {
    /// Who.
    pub id: Text<PrincipalId>,
    /// The roles.
    pub roles: Vec<Named<Role>>,
    /// For an ingress: where its media is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<Text<SiteId>>,
}

impl PrincipalEntry {
    /// What a file says of a principal with these roles.
    pub(super) fn from_config(id: &PrincipalId, roles: Roles, site: Option<&SiteId>) -> Self {
        Self {
            id: Text(id.clone()),
            roles: roles.iter().map(Named).collect(),
            site: site.cloned().map(Text),
        }
    }

    /// The roles as a set.
    pub(super) fn roles(&self) -> Roles {
        self.roles.iter().fold(Roles::NONE, |set, role| set.with(role.0))
    }
}
