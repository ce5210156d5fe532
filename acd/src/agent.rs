//! An agent: a person who takes contacts.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use crate::channel::{Media, Medium};
use crate::config::{AgentConfig, Assignment};
use crate::contact::Contact;
use crate::digest::Digest;
use crate::event::NotReadyReason;
use crate::ids::{AgentId, NodeId, Revision, Seq, SessionEpoch, SiteId};
use crate::metrics::{AgentCounters, Block};
use crate::site::Site;
use crate::table::{Entity, Slot, Table};
use crate::time::{AttendedTime, LogTime, Millis};

/// Whether an agent can be offered contacts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// Not logged in.
    #[default]
    Offline,
    /// Can be offered contacts.
    Ready,
    /// Cannot.
    NotReady(NotReadyReason),
    /// The session is lost. Live contacts are kept, for the talk path may be up.
    Unreachable {
        /// When the agent counts as offline.
        deadline: AttendedTime,
        /// What a new session goes on with; none: ready.
        before: Option<NotReadyReason>,
    },
}

impl Presence {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Ready => "ready",
            Self::NotReady(_) => "not-ready",
            Self::Unreachable { .. } => "unreachable",
        }
    }
}

/// A session of an agent on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The fence.
    pub epoch: SessionEpoch,
    /// The node.
    pub node: NodeId,
    /// The node's site: where the agent works.
    pub site: Slot<Site>,
}

/// Other queues for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemporaryMove {
    /// The queues served meanwhile.
    pub queues: Vec<Assignment>,
    /// The home site meanwhile.
    pub home_site: SiteId,
    /// Until when.
    pub until: LogTime,
}

/// An agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// The roster entry.
    pub config: Arc<AgentConfig>,
    /// Hash of it, so that a change of state does not read all of it.
    pub(crate) config_hash: u64,
    /// Its number.
    pub seq: Seq,
    /// Revision of the roster entry.
    pub revision: Revision,
    /// Other queues for a while.
    pub moved: Option<Box<TemporaryMove>>,
    /// The session; kept while unreachable.
    pub session: Option<Session>,
    /// Whether the agent can be offered contacts.
    pub presence: Presence,
    /// Asked for while busy, applied when free; no new offers meanwhile.
    pub pending: Option<NotReadyReason>,
    /// Media that were closed because the agent let one ring.
    pub closed_media: Media,
    /// Drawn each time the agent becomes ready or gets rid of a contact: who has the smallest is
    /// idle for longest.
    pub idle: Seq,
    /// When that was.
    pub idle_since: LogTime,
    /// Occupancy of the day in millionths, as it was then.
    pub occupancy_ppm: u32,
    /// Number of the last offer.
    pub last_offer: Seq,
    /// Since when the agent does what the agent does now: handles, is available, or neither.
    pub activity_since: LogTime,
    /// Counters.
    pub metrics: Block<AgentCounters>,

    /// Offers and contacts, in the order they came. Follows from the contacts: neither hashed
    /// nor stored.
    pub(crate) work: Vec<Slot<Contact>>,
    /// How many of them of each medium.
    pub(crate) load: [u8; Medium::COUNT],
}

impl Agent {
    /// A new agent, offline.
    pub(crate) fn new(config: AgentConfig, seq: Seq, now: LogTime) -> Self {
        Self {
            config_hash: config_hash(&config),
            config: Arc::new(config),
            seq,
            revision: Revision(1),
            moved: None,
            session: None,
            presence: Presence::Offline,
            pending: None,
            closed_media: Media::NONE,
            idle: seq,
            idle_since: now,
            occupancy_ppm: 0,
            last_offer: Seq(0),
            activity_since: now,
            metrics: Block::default(),
            work: Vec::new(),
            load: [0; Medium::COUNT],
        }
    }

    /// Replaces the roster entry.
    pub(crate) fn set_config(&mut self, config: AgentConfig) {
        self.config_hash = config_hash(&config);
        self.config = Arc::new(config);
        self.revision.0 += 1;
    }

    /// The id.
    pub fn id(&self) -> &AgentId {
        &self.config.id
    }

    /// The queues served now.
    pub fn queues(&self) -> &[Assignment] {
        self.moved.as_ref().map_or(&self.config.queues, |m| &m.queues)
    }

    /// The home site now.
    pub fn home_site(&self) -> &SiteId {
        self.moved.as_ref().map_or(&self.config.home_site, |m| &m.home_site)
    }

    /// How many contacts of each medium the agent has, offers included.
    pub fn load(&self) -> [u8; Medium::COUNT] {
        self.load
    }

    /// Whether the agent has any contact or offer.
    pub fn is_busy(&self) -> bool {
        !self.work.is_empty()
    }

    /// The session, if it is connected.
    pub fn live_session(&self) -> Option<Session> {
        match self.presence {
            Presence::Offline | Presence::Unreachable { .. } => None,
            Presence::Ready | Presence::NotReady(_) => self.session,
        }
    }

    /// Media of which the agent could take one more, sites apart.
    pub fn open_media(&self) -> Media {
        if self.presence != Presence::Ready || self.pending.is_some() {
            return Media::NONE;
        }
        let mut open = Media::NONE;
        for medium in Medium::ALL {
            let closed = self.closed_media.contains(medium);
            if !closed && self.config.capacity.allows(medium, &self.load) {
                open = open.with(medium);
            }
        }
        open
    }

    /// What of the time since the agent's activity changed last was handling, and what was being
    /// available.
    pub(crate) fn spent(&self, now: LogTime) -> (Millis, Millis) {
        let spent = now.since(self.activity_since);
        match (self.work.is_empty(), &self.presence) {
            (false, _) => (spent, Millis::ZERO),
            (true, Presence::Ready) => (Millis::ZERO, spent),
            (true, _) => (Millis::ZERO, Millis::ZERO),
        }
    }

    /// When the agent counts as offline.
    pub(crate) fn deadline(&self) -> Option<AttendedTime> {
        match self.presence {
            Presence::Unreachable { deadline, .. } => Some(deadline),
            _ => None,
        }
    }

    /// When a temporary move ends.
    pub(crate) fn review(&self) -> Option<LogTime> {
        self.moved.as_ref().map(|m| m.until)
    }
}

pub(crate) fn digest_not_ready(out: &mut Digest, reason: &NotReadyReason) {
    match reason {
        NotReadyReason::LoggedIn => out.u8(0),
        NotReadyReason::Rona => out.u8(1),
        NotReadyReason::Said(label) => out.u8(2).str(label.as_str()),
        NotReadyReason::Supervisor(label) => out.u8(3).str(label.as_str()),
    };
}

fn digest_assignments(out: &mut Digest, queues: &[Assignment]) {
    out.list(queues.iter(), |out, a| {
        out.str(a.queue.as_str()).u8(a.grade.get());
    });
}

pub(crate) fn config_hash(config: &AgentConfig) -> u64 {
    let mut out = Digest::default();
    let AgentConfig { id, name, home_site, skills, queues, capacity } = config;
    out.str(id.as_str()).str(name.as_str()).str(home_site.as_str());
    out.list(skills.iter(), |out, (skill, level)| {
        out.str(skill.as_str()).u8(level.get());
    });
    digest_assignments(&mut out, queues);
    for (max, by) in capacity.max.iter().zip(capacity.interruptible_by) {
        out.u8(*max).u8(by.0);
    }
    out.finish() as u64
}

impl Entity for Agent {
    type Names<'a> = &'a Table<Site>;
    const KIND: u8 = 2;

    fn key(&self) -> &str {
        self.config.id.as_str()
    }

    fn digest(&self, sites: &Table<Site>, out: &mut Digest) {
        let Self {
            config: _,
            config_hash,
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
        } = self;
        out.u64(*config_hash);
        out.u64(seq.0).u64(revision.0);
        out.option(moved.as_deref(), |out, m| {
            digest_assignments(out, &m.queues);
            out.str(m.home_site.as_str()).u64(m.until.0);
        });
        out.option(*session, |out, Session { epoch, node, site }| {
            out.u64(epoch.0).u64(node.0).u64(sites.key_hash(site));
        });
        match presence {
            Presence::Offline => {
                out.u8(0);
            }
            Presence::Ready => {
                out.u8(1);
            }
            Presence::NotReady(reason) => digest_not_ready(out.u8(2), reason),
            Presence::Unreachable { deadline, before } => {
                out.u8(3).u64(deadline.0).option(before.as_ref(), digest_not_ready);
            }
        }
        out.option(pending.as_ref(), digest_not_ready).u8(closed_media.0);
        out.u64(idle.0).u64(idle_since.0).u32(*occupancy_ppm).u64(last_offer.0);
        out.u64(activity_since.0);
        metrics.digest(out);
    }
}
