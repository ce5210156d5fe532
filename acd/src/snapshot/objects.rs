//! What there is one of, sites, streams, and the configured objects, as they are stored.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use proto::stored::v1;

use super::{Globals, any_time, any_time_or_none, members};
use crate::catalogue::{CalendarEntry, Skill};
use crate::codec::stored::{Stored, malformed, no_choice, required, stored_messages};
use crate::config::{Calendar, QueueConfig, Settings, SiteConfig, limit};
use crate::event::SiteState;
use crate::ids::{NodeId, PrincipalId, Revision, Seq};
use crate::limits;
use crate::queue::{Closure, Queue, SiteCredit, config_hash};
use crate::rejection::Rejection;
use crate::roles::Principal;
use crate::site::{Drain, Site};
use crate::time::{Clocks, LogTime, Millis};

// -- What there is one of -------------------------------------------------------------------------

impl Stored<v1::Centre> for Globals {
    fn to_stored(&self) -> v1::Centre {
        let Self {
            cluster,
            version,
            replay,
            clocks: Clocks { now, gaps },
            last_seq,
            last_node,
            members_revision,
            tokens,
            settings,
            settings_revision,
            checkpoint,
        } = self;
        v1::Centre {
            cluster: cluster.to_stored(),
            version: *version,
            replay: *replay,
            now_ms: now.0,
            gaps_ms: gaps.0,
            last_seq: last_seq.0,
            last_node: *last_node,
            settings: settings.to_stored(),
            settings_revision: settings_revision.0,
            checkpoint: checkpoint
                .map(|(index, hash)| v1::Checkpoint { index, hash: hash.to_stored() }),
            tokens: tokens.values().map(Stored::to_stored).collect(),
            members_revision: members_revision.0,
        }
    }

    fn from_stored(stored: v1::Centre, at: &'static str) -> Result<Self, Rejection> {
        let v1::Centre {
            cluster,
            version,
            replay,
            now_ms,
            gaps_ms,
            last_seq,
            last_node,
            settings,
            settings_revision,
            checkpoint,
            tokens,
            members_revision,
        } = stored;
        let checkpoint = match checkpoint {
            None => None,
            Some(v1::Checkpoint { index, hash }) => {
                Some((index, u128::from_stored(hash, "Checkpoint.hash")?))
            }
        };
        if version > limits::CLUSTER_VERSION_MAX {
            let known = limits::CLUSTER_VERSION_MAX;
            let what = format!("the cluster goes by version {version}, this program knows {known}");
            return Err(Rejection::BadSnapshot { what: what.into() });
        }
        let settings: Settings = Stored::from_stored(settings, "Centre.settings")?;
        Ok(Self {
            cluster: Stored::from_stored(cluster, at)?,
            version,
            replay,
            clocks: Clocks { now: LogTime(now_ms), gaps: Millis(gaps_ms) },
            last_seq: Seq(last_seq),
            last_node,
            members_revision: Revision(members_revision),
            tokens: members::read_tokens(tokens, Seq(last_seq), NodeId(last_node))?,
            settings: settings.normalise()?,
            settings_revision: Revision(settings_revision),
            checkpoint,
        })
    }
}

// -- Sites ----------------------------------------------------------------------------------------

stored_messages! {
    Drain {
        callback, force, deadline_passed, expired;
        deadline as deadline_ms => any_time,
        expiry as expiry_ms => any_time,
    }
}

impl Stored<v1::Site> for Site {
    fn to_stored(&self) -> v1::Site {
        // No `..`, here and below: a new field must be stored, or be rebuilt.
        let Self { config, seq, revision, state, silent, drain, metrics, engaged: _ } = self;
        v1::Site {
            config: config.to_stored(),
            seq: seq.0,
            revision: revision.0,
            state: state.to_stored(),
            silent: *silent,
            drain: drain.to_stored(),
            metrics: metrics.to_stored(),
        }
    }

    fn from_stored(stored: v1::Site, at: &'static str) -> Result<Self, Rejection> {
        let v1::Site { config, seq, revision, state, silent, drain, metrics } = stored;
        let config: SiteConfig = Stored::from_stored(config, "Site.config")?;
        Ok(Self {
            config: config.normalise()?,
            seq: Seq(seq),
            revision: Revision(revision),
            state: Stored::from_stored(state, "Site.state")?,
            silent,
            drain: Stored::from_stored(drain, at)?,
            metrics: Stored::from_stored(metrics, "Site.metrics")?,
            engaged: 0,
        })
    }
}

impl Stored<v1::SiteState> for SiteState {
    fn to_stored(&self) -> v1::SiteState {
        use v1::site_state as wire;
        let state = match self {
            Self::Active => wire::State::Active(wire::Active {}),
            Self::Suspect => wire::State::Suspect(wire::Suspect {}),
            Self::Lost => wire::State::Lost(wire::Lost {}),
            Self::Returning { until } => {
                wire::State::Returning(wire::Returning { until_ms: until.map(|t| t.0) })
            }
            Self::Draining => wire::State::Draining(wire::Draining {}),
            Self::Drained => wire::State::Drained(wire::Drained {}),
        };
        v1::SiteState { state: Some(state) }
    }

    fn from_stored(stored: v1::SiteState, _: &'static str) -> Result<Self, Rejection> {
        use v1::site_state as wire;
        Ok(match stored.state.ok_or_else(|| no_choice("SiteState.state"))? {
            wire::State::Active(wire::Active {}) => Self::Active,
            wire::State::Suspect(wire::Suspect {}) => Self::Suspect,
            wire::State::Lost(wire::Lost {}) => Self::Lost,
            wire::State::Returning(wire::Returning { until_ms }) => {
                Self::Returning { until: until_ms.map(LogTime) }
            }
            wire::State::Draining(wire::Draining {}) => Self::Draining,
            wire::State::Drained(wire::Drained {}) => Self::Drained,
        })
    }
}
required!(SiteState);

pub(super) fn write_ingress(principal: &PrincipalId, nodes: &[NodeId]) -> v1::Ingress {
    let nodes = nodes.iter().map(|node| node.0).collect();
    v1::Ingress { principal: principal.to_stored(), nodes }
}

pub(super) fn read_ingress(stored: v1::Ingress) -> Result<(PrincipalId, Vec<NodeId>), Rejection> {
    let v1::Ingress { principal, nodes } = stored;
    if !nodes.is_sorted_by(|a, b| a < b) {
        return Err(malformed("Ingress.nodes do not rise".into()));
    }
    Ok((PrincipalId::new(&principal)?, nodes.into_iter().map(NodeId).collect()))
}

// -- Configured objects ---------------------------------------------------------------------------

stored_messages! {
    Skill { id, name, revision }
    CalendarEntry {
        config => Calendar::normalise, seq, revision; alarm as alarm_ms => any_time_or_none
    }
    Principal { id, roles, site, revision }
    Closure { ; until as until_ms => any_time }
    SiteCredit { site, credit }
}

impl Stored<i64> for i64 {
    fn to_stored(&self) -> i64 {
        *self
    }

    fn from_stored(stored: i64, _: &'static str) -> Result<Self, Rejection> {
        Ok(stored)
    }
}

impl Stored<v1::Queue> for Queue {
    fn to_stored(&self) -> v1::Queue {
        let Self {
            config,
            config_hash: _,
            seq,
            revision,
            closure,
            credits,
            current_site,
            metrics,
            length: _,
            contacts: _,
        } = self;
        v1::Queue {
            config: (**config).to_stored(),
            seq: seq.0,
            revision: revision.0,
            closure: closure.to_stored(),
            credits: credits.to_stored(),
            current_site: current_site.to_stored(),
            metrics: metrics.to_stored(),
        }
    }

    fn from_stored(stored: v1::Queue, at: &'static str) -> Result<Self, Rejection> {
        let v1::Queue { config, seq, revision, closure, credits, current_site, metrics } = stored;
        let config: QueueConfig = Stored::from_stored(config, "Queue.config")?;
        let config = config.normalise()?;
        let credits: Vec<SiteCredit> = Stored::from_stored(credits, "Queue.credits")?;
        limit("credits of a queue", credits.len(), limits::SITES_MAX)?;
        if !credits.is_sorted_by(|a, b| a.site < b.site) {
            return Err(malformed("Queue.credits are not in the order of sites".into()));
        }
        Ok(Self {
            config_hash: config_hash(&config),
            config: Arc::new(config),
            seq: Seq(seq),
            revision: Revision(revision),
            closure: Stored::from_stored(closure, at)?,
            credits,
            current_site: Stored::from_stored(current_site, at)?,
            metrics: Stored::from_stored(metrics, "Queue.metrics")?,
            length: 0,
            contacts: 0,
        })
    }
}
