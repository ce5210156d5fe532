//! What the model knows: plain values, named by their ids.

use acd::channel::{Channel, Media, Medium};
use acd::command::{Enqueue, Submission, TransferTarget};
use acd::config::{
    AgentConfig, Assignment, Calendar, Capacity, Grade, Priority, QueueConfig, Requirement,
    SiteConfig, SkillLevel,
};
use acd::contact::PastOffer;
use acd::event::{NotReadyReason, OfferReason, SiteState};
use acd::ids::{AgentId, ContactId, NodeId, OfferToken, PrincipalId, QueueId, SiteId, SkillId};
use acd::metrics::{AgentCounters, Block, QueueCounters};
use acd::record::Outcome as Ending;
use acd::rejection::Rejection;
use acd::reply::Reply;
use acd::roles::Roles;
use acd::site::{Drain, NodeHome, NodeRole};
use acd::text::{Attributes, Label};
use acd::time::{AttendedTime, LogTime};

/// What made a contact: tells a repeat from another contact under the same id.
#[derive(Clone, PartialEq)]
pub enum Asked {
    Enqueue(PrincipalId, Enqueue),
    Consult(ContactId, TransferTarget),
}

/// The agent a contact is with.
#[derive(Clone, Debug, PartialEq)]
pub struct With {
    pub token: OfferToken,
    pub agent: AgentId,
    pub site: SiteId,
    pub offered: LogTime,
    pub reason: OfferReason,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stage {
    Scheduled { until: LogTime },
    Queued,
    Stranded,
    Offered,
    Accepted,
    Connected,
    Held { since: LogTime },
    WrapUp { since: LogTime },
}

#[derive(Clone)]
pub struct Contact {
    pub id: ContactId,
    pub seq: u64,
    pub channel: Channel,
    pub priority: Priority,
    pub queue: QueueId,
    pub site: SiteId,
    pub ingress: PrincipalId,
    pub requirements: Vec<Requirement>,
    pub attributes: Attributes,
    pub asked: Asked,
    pub arrived: LogTime,
    pub effective: i64,
    pub entered_queue: LogTime,
    pub step: usize,
    pub spilled: bool,
    pub orphaned: bool,
    pub preferred: Option<(AgentId, LogTime)>,
    pub wait_deadline: AttendedTime,
    pub review: Option<LogTime>,
    pub stage: Stage,
    /// Of every stage but waiting in place and being scheduled.
    pub deadline: Option<AttendedTime>,
    pub with: Option<With>,
    pub past_offers: Vec<PastOffer>,
    pub failed_offers: u32,
    pub answered: Option<LogTime>,
    pub talk: u64,
    pub hold: u64,
    pub talk_here: u64,
    pub hold_here: u64,
    pub transfers: u8,
    pub disposition: Option<Label>,
    pub resolved: Option<bool>,
    pub recording: Option<Label>,
    pub consult_of: Option<ContactId>,
    pub consults: Vec<ContactId>,
}

impl Contact {
    pub fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Connected | Stage::Held { .. } | Stage::WrapUp { .. })
    }

    pub fn is_before_answer(&self) -> bool {
        matches!(self.stage, Stage::Offered | Stage::Accepted)
    }

    pub fn is_talking(&self) -> bool {
        matches!(self.stage, Stage::Connected | Stage::Held { .. })
    }

    pub fn place(&self) -> (i64, u64) {
        (self.effective, self.seq)
    }

    pub fn excludes(&self, agent: &AgentId, now: LogTime) -> bool {
        let still = |o: &PastOffer| o.excluded_until.is_some_and(|until| now < until);
        self.past_offers.iter().any(|o| o.agent == *agent && still(o))
    }

    pub fn word(&self) -> &'static str {
        match self.stage {
            Stage::Scheduled { .. } => "scheduled",
            Stage::Queued => "queued",
            Stage::Stranded => "stranded",
            Stage::Offered => "offered",
            Stage::Accepted => "accepted",
            Stage::Connected => "connected",
            Stage::Held { .. } => "held",
            Stage::WrapUp { .. } => "wrap-up",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Presence {
    Offline,
    Ready,
    NotReady(NotReadyReason),
    Unreachable { deadline: AttendedTime, before: Option<NotReadyReason> },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    pub epoch: u64,
    pub node: NodeId,
    pub site: SiteId,
}

#[derive(Clone)]
pub struct Moved {
    pub queues: Vec<Assignment>,
    pub home_site: SiteId,
    pub until: LogTime,
}

/// What decides which contacts an agent may take, busy or not.
#[derive(Clone, PartialEq)]
pub struct Eligibility {
    pub site: SiteId,
    pub queues: Vec<(QueueId, Grade)>,
    pub skills: Vec<(SkillId, SkillLevel)>,
    pub capacity: Capacity,
}

#[derive(Clone)]
pub struct Agent {
    pub config: AgentConfig,
    pub seq: u64,
    pub revision: u64,
    pub moved: Option<Moved>,
    pub session: Option<Session>,
    pub presence: Presence,
    pub pending: Option<NotReadyReason>,
    pub closed_media: Media,
    pub idle: u64,
    pub idle_since: LogTime,
    pub occupancy_ppm: u32,
    pub last_offer: u64,
    pub activity_since: LogTime,
    pub metrics: Block<AgentCounters>,
    /// As it was when matching ended last.
    pub seen: Option<(Eligibility, Media)>,
}

impl Agent {
    pub fn queues(&self) -> &[Assignment] {
        self.moved.as_ref().map_or(&self.config.queues, |m| &m.queues)
    }

    pub fn home_site(&self) -> &SiteId {
        self.moved.as_ref().map_or(&self.config.home_site, |m| &m.home_site)
    }

    /// The site of the session, if the session is connected.
    pub fn works_at(&self) -> Option<&SiteId> {
        match self.presence {
            Presence::Ready | Presence::NotReady(_) => self.session.as_ref().map(|s| &s.site),
            _ => None,
        }
    }

    pub fn grade(&self, queue: &QueueId) -> Option<Grade> {
        self.queues().iter().find(|a| a.queue == *queue).map(|a| a.grade)
    }

    pub fn level(&self, skill: &SkillId) -> Option<SkillLevel> {
        self.config.skills.iter().find(|(s, _)| s == skill).map(|(_, level)| *level)
    }

    /// Whether somebody who wants this agent goes on waiting while the agent is busy.
    pub fn can_be_waited_for(&self, medium: Medium) -> bool {
        self.presence == Presence::Ready
            && self.pending.is_none()
            && self.config.capacity.max[medium as usize] > 0
            && !self.closed_media.contains(medium)
    }
}

#[derive(Clone)]
pub struct Queue {
    pub config: QueueConfig,
    pub seq: u64,
    pub revision: u64,
    pub closed_until: Option<LogTime>,
    pub credits: Vec<(SiteId, i64)>,
    pub current_site: Option<SiteId>,
    pub metrics: Block<QueueCounters>,
}

#[derive(Clone)]
pub struct Site {
    pub config: SiteConfig,
    pub seq: u64,
    pub revision: u64,
    pub state: SiteState,
    pub silent: bool,
    pub drain: Option<Drain>,
    pub metrics: Block<QueueCounters>,
}

#[derive(Clone)]
pub struct Node {
    pub site: SiteId,
    pub role: NodeRole,
    pub leaving: bool,
    pub home: Option<NodeHome>,
}

#[derive(Clone)]
pub struct CalendarEntry {
    pub config: Calendar,
    pub seq: u64,
    pub revision: u64,
    pub alarm: Option<LogTime>,
}

#[derive(Clone)]
pub struct Principal {
    pub roles: Roles,
    pub site: Option<SiteId>,
    pub revision: u64,
}

#[derive(Clone)]
pub struct Closed {
    pub id: ContactId,
    pub seq: u64,
    pub ingress: PrincipalId,
    pub arrived: LogTime,
    pub closed: LogTime,
    pub asked: Asked,
    pub channel: Channel,
    pub outcome: Ending,
    pub token: Option<OfferToken>,
    pub agent: Option<AgentId>,
}

#[derive(Clone)]
pub struct Answered {
    pub submission: Submission,
    pub answer: Result<Reply, Rejection>,
}
