//! A site: a city, with its nodes.

use crate::config::{ReturnMode, SiteConfig};
use crate::digest::Digest;
use crate::event::SiteState;
use crate::ids::{NodeId, Revision, Seq, SiteId};
use crate::metrics::{Block, QueueCounters};
use crate::table::{Entity, Slot, Table};
use crate::text::Address;
use crate::time::LogTime;

/// A drain that goes on, or whose cordon still stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// When what is still being offered there goes back.
    pub deadline: LogTime,
    /// When the cordon is lifted by itself, if the site is well.
    pub expiry: LogTime,
    /// At the deadline: calls and chats that wait at this site are called back instead.
    pub callback: bool,
    /// At the deadline: conversations are cut.
    pub force: bool,
    /// What happens at the deadline has happened. A lost site has its deadline when it is back.
    pub deadline_passed: bool,
    /// The expiry has passed while the site was not well; people know.
    pub expired: bool,
}

impl Drain {
    /// Whether it is time for what happens at the deadline. An expiry that comes first takes it
    /// away.
    pub(crate) fn is_at_deadline(&self, now: LogTime) -> bool {
        !self.deadline_passed && self.deadline <= now && self.deadline <= self.expiry
    }
}

/// A site.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its configuration.
    pub config: SiteConfig,
    /// Its number.
    pub seq: Seq,
    /// Revision of configuration and of what operators did to it.
    pub revision: Revision,
    /// Its state.
    pub state: SiteState,
    /// The leader has not heard of it for a moment, whatever state it is in: it is not in service
    /// before it is heard of again.
    pub silent: bool,
    /// Its drain.
    pub drain: Option<Drain>,
    /// Counters of contacts answered by its agents, or ended unanswered with their media there.
    pub metrics: Block<QueueCounters>,

    /// Contacts and offers that agents working there have. Follows from the contacts: neither
    /// hashed nor stored.
    pub(crate) engaged: u32,
}

impl Site {
    /// A new site, in service.
    pub(crate) fn new(config: SiteConfig, seq: Seq) -> Self {
        Self {
            config,
            seq,
            revision: Revision(1),
            state: SiteState::Active,
            silent: false,
            drain: None,
            metrics: Block::default(),
            engaged: 0,
        }
    }

    /// The id.
    pub fn id(&self) -> &SiteId {
        &self.config.id
    }

    /// Contacts and offers that agents working there have.
    pub fn engaged(&self) -> u32 {
        self.engaged
    }

    /// When something of it is due: its return, or the deadline and expiry of its drain.
    pub(crate) fn review(&self) -> Option<LogTime> {
        let returns = match self.state {
            SiteState::Returning { until } => until,
            _ => None,
        };
        let is_lost = self.state == SiteState::Lost;
        let drain = self.drain.filter(|d| !d.expired).map(|d| {
            if is_lost || d.deadline_passed { d.expiry } else { d.deadline.min(d.expiry) }
        });
        match (returns, drain) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

impl Entity for Site {
    type Names<'a> = ();
    const KIND: u8 = 4;

    fn key(&self) -> &str {
        self.config.id.as_str()
    }

    fn digest(&self, (): (), out: &mut Digest) {
        let Self { config, seq, revision, state, silent, drain, metrics, engaged: _ } = self;
        let SiteConfig { id, name, return_mode, leader_priority } = config;
        out.str(id.as_str()).str(name.as_str()).u8(*leader_priority);
        match return_mode {
            ReturnMode::After(ms) => out.u8(0).u64(ms.0),
            ReturnMode::ByHand => out.u8(1),
        };
        out.u64(seq.0).u64(revision.0).str(state.word()).u8(u8::from(*silent));
        if let SiteState::Returning { until } = state {
            out.option(*until, |out, t| {
                out.u64(t.0);
            });
        }
        out.option(*drain, |out, d| {
            let Drain { deadline, expiry, callback, force, deadline_passed, expired } = d;
            out.u64(deadline.0).u64(expiry.0);
            for flag in [callback, force, deadline_passed, expired] {
                out.u8(u8::from(flag));
            }
        });
        metrics.digest(out);
    }
}

/// What a node is meant to be. What it is in Raft's membership at this moment follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum NodeRole {
    /// Keeps everything and decides with the others.
    Voter = 0,
    /// Keeps everything and decides nothing.
    Learner = 1,
    /// Decides with the others and takes nobody in: no sessions, no streams of front ends.
    Witness = 2,
}

impl NodeRole {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Voter, Self::Learner, Self::Witness];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Voter => "voter",
            Self::Learner => "learner",
            Self::Witness => "witness",
        }
    }

    /// Whether it is meant to vote.
    pub fn votes(self) -> bool {
        self != Self::Learner
    }
}

/// How a node joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeHome {
    /// Where others find it.
    pub address: Address,
    /// Which life of its disk is meant.
    pub incarnation: u128,
    /// When it joined.
    pub joined: LogTime,
}

/// A node: one process at a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its number.
    pub id: NodeId,
    /// Its site.
    pub site: Slot<Site>,
    /// What it is meant to be.
    pub role: NodeRole,
    /// It is being retired: it takes nobody in, loses its vote, and is removed then.
    pub leaving: bool,
    /// How it joined; none: it founded the cluster.
    pub home: Option<NodeHome>,
}

impl Node {
    /// Its part of the state hash.
    pub(crate) fn digest(&self, sites: &Table<Site>, out: &mut Digest) {
        let Self { id, site, role, leaving, home } = self;
        out.u64(id.0).u64(sites.key_hash(*site)).u8(*role as u8).u8(u8::from(*leaving));
        out.option(home.as_ref(), |out, home| {
            let NodeHome { address, incarnation, joined } = home;
            out.str(address.as_str()).u128(*incarnation).u64(joined.0);
        });
    }
}
