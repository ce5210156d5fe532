//! An agent as it is stored.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use proto::stored::v1;

use super::{any_time, bad};
use crate::agent::{Agent, Presence, Session, TemporaryMove, config_hash};
use crate::catalogue::Skill;
use crate::channel::Medium;
use crate::codec::stored::{Stored, no_choice, required, stored_messages};
use crate::config::agent::unique;
use crate::config::{AgentConfig, Assignment, limit};
use crate::event::NotReadyReason;
use crate::ids::{NodeId, Revision, Seq, SessionEpoch};
use crate::limits;
use crate::queue::Queue;
use crate::rejection::Rejection;
use crate::site::Site;
use crate::table::{Fork, Table};
use crate::text::Label;
use crate::time::{AttendedTime, LogTime};

/// The tables that agents refer to, to read.
#[derive(Clone, Copy)]
pub(super) struct Tables<'a> {
    pub(super) queues: &'a Table<Queue>,
    pub(super) sites: &'a Table<Site>,
    pub(super) skills: &'a Table<Skill>,
}

impl Tables<'_> {
    /// As on the roster: agents share the texts of the tables' own ids.
    fn share(self, config: &mut AgentConfig) {
        if let Some(site) = self.sites.by_key(config.home_site.as_str()) {
            config.home_site = site.id().clone();
        }
        for (id, _) in &mut config.skills {
            if let Some(skill) = self.skills.by_key(id.as_str()) {
                *id = skill.id.clone();
            }
        }
        for Assignment { queue: id, .. } in &mut config.queues {
            if let Some(queue) = self.queues.by_key(id.as_str()) {
                *id = queue.id().clone();
            }
        }
    }
}

pub(super) fn write(agent: &Agent, sites: &Fork<Site>) -> v1::Agent {
    // No `..`: a new field must be stored, or be rebuilt.
    let Agent {
        config,
        config_hash: _,
        seq,
        revision,
        moved,
        session,
        presence,
        pending,
        closed_media,
        idle,
        idle_since,
        occupancy_ppm,
        last_offer,
        activity_since,
        metrics,
        work: _,
        load: _,
    } = agent;
    v1::Agent {
        config: (**config).to_stored(),
        seq: seq.0,
        revision: revision.0,
        moved: moved.as_deref().map(Stored::to_stored),
        session: session.map(|Session { epoch, node, site }| v1::Session {
            epoch: epoch.0,
            node: node.0,
            site: sites.get(site).id().to_stored(),
        }),
        presence: presence.to_stored(),
        pending: pending.to_stored(),
        closed_media: closed_media.to_stored(),
        idle: idle.0,
        idle_since_ms: idle_since.0,
        occupancy_ppm: *occupancy_ppm,
        last_offer: last_offer.0,
        activity_since_ms: activity_since.0,
        metrics: metrics.to_stored(),
    }
}

pub(super) fn read(stored: v1::Agent, tables: Tables<'_>) -> Result<Agent, Rejection> {
    let v1::Agent {
        config,
        seq,
        revision,
        moved,
        session,
        presence,
        pending,
        closed_media,
        idle,
        idle_since_ms,
        occupancy_ppm,
        last_offer,
        activity_since_ms,
        metrics,
    } = stored;
    let config: AgentConfig = Stored::from_stored(config, "Agent.config")?;
    let moved: Option<TemporaryMove> = Stored::from_stored(moved, "Agent.moved")?;
    let session = match session {
        None => None,
        Some(v1::Session { epoch, node, site }) => {
            let site = tables.sites.find(&site);
            let site = site.ok_or_else(|| bad("a session at a site that is not there"))?;
            Some(Session { epoch: SessionEpoch(epoch), node: NodeId(node), site })
        }
    };
    let mut config = config.normalise()?;
    tables.share(&mut config);
    Ok(Agent {
        config_hash: config_hash(&config),
        config: Arc::new(config),
        seq: Seq(seq),
        revision: Revision(revision),
        moved: moved.map(Box::new),
        session,
        presence: Stored::from_stored(presence, "Agent.presence")?,
        pending: Stored::from_stored(pending, "Agent.pending")?,
        closed_media: Stored::from_stored(closed_media, "Agent.closed_media")?,
        idle: Seq(idle),
        idle_since: LogTime(idle_since_ms),
        occupancy_ppm,
        last_offer: Seq(last_offer),
        activity_since: LogTime(activity_since_ms),
        metrics: Stored::from_stored(metrics, "Agent.metrics")?,
        work: Vec::new(),
        load: [0; Medium::COUNT],
    })
}

stored_messages! {
    TemporaryMove { queues => limited_queues, home_site; until as until_ms => any_time }
}

fn limited_queues(queues: Vec<Assignment>) -> Result<Vec<Assignment>, Rejection> {
    limit("queues of an agent", queues.len(), limits::QUEUES_PER_AGENT_MAX)?;
    unique("queue", queues.iter().map(|a| a.queue.as_str()))?;
    Ok(queues)
}

impl Stored<v1::Presence> for Presence {
    fn to_stored(&self) -> v1::Presence {
        use v1::presence as wire;
        let presence = match self {
            Self::Offline => wire::Presence::Offline(wire::Offline {}),
            Self::Ready => wire::Presence::Ready(wire::Ready {}),
            Self::NotReady(reason) => wire::Presence::NotReady(reason.to_stored()),
            Self::Unreachable { deadline, before } => {
                wire::Presence::Unreachable(wire::Unreachable {
                    deadline_ms: deadline.0,
                    before: before.to_stored(),
                })
            }
        };
        v1::Presence { presence: Some(presence) }
    }

    fn from_stored(stored: v1::Presence, at: &'static str) -> Result<Self, Rejection> {
        use v1::presence as wire;
        Ok(match stored.presence.ok_or_else(|| no_choice("Presence.presence"))? {
            wire::Presence::Offline(wire::Offline {}) => Self::Offline,
            wire::Presence::Ready(wire::Ready {}) => Self::Ready,
            wire::Presence::NotReady(reason) => Self::NotReady(Stored::from_stored(reason, at)?),
            wire::Presence::Unreachable(wire::Unreachable { deadline_ms, before }) => {
                Self::Unreachable {
                    deadline: AttendedTime(deadline_ms),
                    before: Stored::from_stored(before, at)?,
                }
            }
        })
    }
}

impl Stored<v1::NotReadyReason> for NotReadyReason {
    fn to_stored(&self) -> v1::NotReadyReason {
        use v1::not_ready_reason as wire;
        let reason = match self {
            Self::LoggedIn => wire::Reason::LoggedIn(wire::LoggedIn {}),
            Self::Rona => wire::Reason::Rona(wire::Rona {}),
            Self::Said(label) => wire::Reason::Said(label.to_stored()),
            Self::Supervisor(label) => wire::Reason::Supervisor(label.to_stored()),
        };
        v1::NotReadyReason { reason: Some(reason) }
    }

    fn from_stored(stored: v1::NotReadyReason, _: &'static str) -> Result<Self, Rejection> {
        use v1::not_ready_reason as wire;
        Ok(match stored.reason.ok_or_else(|| no_choice("NotReadyReason.reason"))? {
            wire::Reason::LoggedIn(wire::LoggedIn {}) => Self::LoggedIn,
            wire::Reason::Rona(wire::Rona {}) => Self::Rona,
            wire::Reason::Said(label) => Self::Said(Label::new(&label)?),
            wire::Reason::Supervisor(label) => Self::Supervisor(Label::new(&label)?),
        })
    }
}

required!(Presence);
