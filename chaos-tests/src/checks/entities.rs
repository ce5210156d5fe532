//! Contacts and agents as the ledger knows them.

use acd::channel::{Channel, Media, Medium};
use acd::config::{AgentConfig, Assignment, Requirements};
use acd::event::OfferEnd;
use acd::ids::{AgentId, OfferToken, QueueId, SessionEpoch, SiteId};
use acd::time::LogTime;

/// The offer by which a contact is with an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct With {
    pub(crate) token: OfferToken,
    pub(crate) agent: AgentId,
}

/// Where a contact is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Scheduled,
    Queued,
    Stranded,
    Offered(With),
    Accepted(With),
    Connected(With),
    Held(With),
    WrapUp(With),
}

impl Stage {
    pub(crate) fn with(&self) -> Option<&With> {
        match self {
            Self::Scheduled | Self::Queued | Self::Stranded => None,
            Self::Offered(with)
            | Self::Accepted(with)
            | Self::Connected(with)
            | Self::Held(with)
            | Self::WrapUp(with) => Some(with),
        }
    }

    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Stranded => "stranded",
            Self::Offered(_) => "offered",
            Self::Accepted(_) => "accepted",
            Self::Connected(_) => "connected",
            Self::Held(_) => "held",
            Self::WrapUp(_) => "wrap-up",
        }
    }
}

/// An offer that is over while its contact lives.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    pub(crate) with: With,
    pub(crate) end: OfferEnd,
    pub(crate) excluded_until: LogTime,
}

/// A live contact.
#[derive(Clone, Debug)]
pub(crate) struct Contact {
    /// Its number, as its sender was told.
    pub(crate) seq: u64,
    pub(crate) queue: QueueId,
    pub(crate) channel: Channel,
    pub(crate) effective: i64,
    pub(crate) site: SiteId,
    pub(crate) requirements: Requirements,
    pub(crate) step: u8,
    pub(crate) spilled: bool,
    pub(crate) entered: LogTime,
    pub(crate) stage: Stage,
    /// When its stage may end by itself at the earliest, in attended time.
    pub(crate) due: u64,
    /// When waiting in this queue may end by itself at the earliest.
    pub(crate) wait_due: u64,
    pub(crate) past: Vec<Past>,
}

impl Contact {
    /// What it is ordered by among those of its demand.
    pub(crate) fn place(&self) -> (i64, u64) {
        (self.effective, self.seq)
    }

    pub(crate) fn excludes(&self, agent: &AgentId, now: LogTime) -> bool {
        self.past.iter().any(|past| now < past.excluded_until && past.with.agent == *agent)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Offline,
    Ready,
    NotReady,
    Unreachable,
}

/// A session of an agent.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) epoch: SessionEpoch,
    pub(crate) site: SiteId,
}

/// An agent.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub(crate) config: AgentConfig,
    pub(crate) moved: Option<Vec<Assignment>>,
    pub(crate) session: Option<Session>,
    pub(crate) presence: Presence,
    /// Not ready once free.
    pub(crate) pending: bool,
    pub(crate) closed_media: Media,
    pub(crate) load: [u8; Medium::COUNT],
    /// When an unreachable agent may count as offline at the earliest.
    pub(crate) due: u64,
}

impl Agent {
    pub(crate) fn queues(&self) -> &[Assignment] {
        self.moved.as_deref().unwrap_or(&self.config.queues)
    }

    pub(super) fn new(config: AgentConfig) -> Self {
        Self {
            config,
            moved: None,
            session: None,
            presence: Presence::Offline,
            pending: false,
            closed_media: Media::NONE,
            load: [0; Medium::COUNT],
            due: 0,
        }
    }
}
