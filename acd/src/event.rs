//! Everything that happened. Watches, records, metrics outside and tests read these; there is no
//! second account of what the state machine did.

use alloc::{boxed::Box, string::String};

use crate::channel::{Channel, Medium};
use crate::config::{Grade, Priority, Strategy};
use crate::ids::{
    AgentId, ContactId, NodeId, OfferToken, PrincipalId, QueueId, Revision, Seq, SessionEpoch,
    SiteId,
};
use crate::record::{AuditRecord, ContactRecord};
use crate::site::NodeRole;
use crate::text::Label;
use crate::time::{AttendedTime, LogTime, Millis};

/// How the site of an offer was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum SiteChoice {
    /// All sites were equal.
    Any = 0,
    /// The contact's own site.
    Local = 1,
    /// Another site, after the contact's own had its time.
    Spilled = 2,
    /// The site that was furthest behind its share.
    Share = 3,
    /// The site with the most free agents.
    FreeCapacity = 4,
}

/// Why this contact went to this agent: the keys that won, in the order they were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferReason {
    /// The agent was the one to wait for.
    pub preferred: bool,
    /// The earliest step the agent fits, from 0.
    pub step: u8,
    /// The agent's grade for the queue.
    pub grade: Grade,
    /// How the site was chosen.
    pub site: SiteChoice,
    /// The strategy among the agents who were equal so far.
    pub strategy: Strategy,
    /// The agent's value under the strategy: idle since this number (longest idle), occupancy in
    /// millionths (least occupied), sum of levels (most skilled), number of the last offer
    /// (round robin).
    pub key: u64,
}

/// How an agent's part in a contact ended before the contact did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum OfferEnd {
    /// The agent declined.
    Declined = 0,
    /// The agent let it ring.
    Rona = 1,
    /// The agent's session, node or site is gone, or the agent logged out.
    AgentLost = 2,
    /// The front end could not connect the two.
    BridgeFailed = 3,
    /// The front end did not say in time.
    BridgeTimeout = 4,
    /// The customer left.
    Abandoned = 5,
    /// The contact's ingress is gone.
    IngressLost = 6,
    /// Taken back: moved or removed by a supervisor, turned into a callback, cut by a drain.
    Withdrawn = 7,
    /// The agent had answered it and passed it on.
    Transferred = 8,
}

/// Why a contact went from one queue to another without an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum OverflowCause {
    /// The queue was closed.
    Closed = 0,
    /// The queue was full.
    Full = 1,
    /// It waited too long.
    WaitedTooLong = 2,
    /// A supervisor moved it.
    Moved = 3,
    /// The queue was deleted.
    Deleted = 4,
    /// Its site is being drained.
    Drained = 5,
}

/// What happened to a contact.
#[derive(Clone, Debug, PartialEq)]
pub enum ContactEvent {
    /// It is in.
    Enqueued {
        /// Where it waits.
        queue: QueueId,
        /// Its kind.
        channel: Channel,
        /// Its priority.
        priority: Priority,
        /// When it counts as arrived, in ms of log time; may be before 1970 with strict priority.
        effective: i64,
        /// Where its media is.
        site: SiteId,
        /// Who put it in.
        ingress: PrincipalId,
    },
    /// It waits (again) in its place in this queue.
    Queued {
        /// The queue.
        queue: QueueId,
    },
    /// It will wait from this time on.
    Scheduled {
        /// From when.
        until: LogTime,
    },
    /// More agents may take it now.
    StepReached {
        /// The step, from 0.
        step: u8,
    },
    /// A step gave it a head start.
    PlaceChanged {
        /// Effective arrival before.
        from: i64,
        /// Effective arrival now.
        to: i64,
        /// The step that gave it.
        step: u8,
    },
    /// It need not stay at its own site any longer.
    Spilled,
    /// It waits for anybody now.
    PreferredGivenUp {
        /// The agent it waited for.
        agent: AgentId,
    },
    /// It is before an agent.
    Offered {
        /// The fence.
        token: OfferToken,
        /// The agent.
        agent: AgentId,
        /// Where the agent works.
        site: SiteId,
        /// The queue it waited in.
        queue: QueueId,
        /// When it counts as ringing in vain.
        deadline: AttendedTime,
        /// Whether the desktop answers at once.
        auto_answer: bool,
        /// Why this agent.
        reason: OfferReason,
    },
    /// The offer came to nothing.
    OfferEnded {
        /// The fence.
        token: OfferToken,
        /// The agent.
        agent: AgentId,
        /// How.
        end: OfferEnd,
    },
    /// The agent takes it; the front end connects the two.
    Accepted {
        /// The fence.
        token: OfferToken,
        /// The agent.
        agent: AgentId,
    },
    /// The two are connected: it is answered.
    Connected {
        /// The fence.
        token: OfferToken,
        /// The agent.
        agent: AgentId,
        /// How long it waited in this queue.
        waited: Millis,
    },
    /// On hold.
    Held,
    /// Off hold.
    Retrieved,
    /// The conversation is over, the agent wraps up.
    WrapUpStarted {
        /// The agent.
        agent: AgentId,
    },
    /// The agent passed it on.
    Transferred {
        /// The agent.
        agent: AgentId,
        /// From this queue.
        from: QueueId,
        /// To this queue.
        to: QueueId,
    },
    /// It went to another queue without an agent.
    Overflowed {
        /// From this queue.
        from: QueueId,
        /// To this queue.
        to: QueueId,
        /// Why.
        cause: OverflowCause,
    },
    /// The customer will be called back; the place is kept.
    BecameCallback {
        /// Why, if not because the customer asked.
        cause: Option<OverflowCause>,
    },
    /// Its ingress is gone; the place is kept.
    Stranded {
        /// When it is given up.
        deadline: AttendedTime,
    },
    /// Its ingress is back.
    Resumed,
    /// Its agent or ingress is gone in the middle of the conversation.
    Orphaned {
        /// When it is given up.
        deadline: AttendedTime,
    },
    /// They are back.
    Adopted,
    /// A colleague is asked.
    ConsultStarted {
        /// The second contact.
        consult: ContactId,
    },
    /// What it was about was noted.
    DispositionSet {
        /// What.
        disposition: Label,
        /// Whether the customer was helped.
        resolved: bool,
    },
    /// Where the recording is was noted.
    RecordingSet {
        /// Where.
        reference: Label,
    },
    /// The customer's opinion came in. The contact may be long closed.
    CsatReceived {
        /// 0–100.
        score: u8,
    },
    /// It is over; this is its record.
    Closed(Box<ContactRecord>),
}

/// Why an agent is not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotReadyReason {
    /// Just logged in.
    LoggedIn,
    /// Let a call ring.
    Rona,
    /// As the agent said.
    Said(Label),
    /// As a supervisor said.
    Supervisor(Label),
}

/// What happened to an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentEvent {
    /// A session is open.
    LoggedIn {
        /// The fence.
        epoch: SessionEpoch,
        /// The node.
        node: NodeId,
        /// Its site.
        site: SiteId,
        /// The session that was taken over.
        instead_of: Option<SessionEpoch>,
    },
    /// The session is ended.
    LoggedOut,
    /// The session is lost.
    Unreachable,
    /// The session did not come back in time.
    Offline,
    /// Can be offered contacts.
    Ready,
    /// Cannot.
    NotReady {
        /// Why.
        reason: NotReadyReason,
    },
    /// Will not be ready once free.
    NotReadyWhenFree {
        /// Why.
        reason: NotReadyReason,
    },
    /// Gets no more of this medium: let one ring.
    MediumClosed {
        /// The medium.
        medium: Medium,
    },
    /// Gets this medium again.
    MediumOpened {
        /// The medium.
        medium: Medium,
    },
    /// Serves other queues now.
    Moved {
        /// Until when.
        until: Option<LogTime>,
    },
    /// Serves the usual queues again.
    MoveEnded,
}

/// The state of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SiteState {
    /// In service.
    Active,
    /// Not heard of for a moment: no new offers there.
    Suspect,
    /// Not heard of for longer, or declared so.
    Lost,
    /// Back, and held for a while.
    Returning {
        /// When it goes into service by itself; none: by hand.
        until: Option<LogTime>,
    },
    /// Given no new work.
    Draining,
    /// Has no work left.
    Drained,
}

impl SiteState {
    /// Whether agents there get offers.
    pub fn takes_offers(self) -> bool {
        self == Self::Active
    }

    /// Whether agents there are not to be counted on for now. A suspect site is heard of again, or
    /// lost, within seconds: nothing but new offers changes until then.
    pub fn is_out(self) -> bool {
        !matches!(self, Self::Active | Self::Suspect)
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspect => "suspect",
            Self::Lost => "lost",
            Self::Returning { .. } => "returning",
            Self::Draining => "draining",
            Self::Drained => "drained",
        }
    }
}

/// Kinds of configured objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ObjectKind {
    /// A queue.
    Queue = 0,
    /// An agent.
    Agent = 1,
    /// A site.
    Site = 2,
    /// A skill.
    Skill = 3,
    /// A calendar.
    Calendar = 4,
    /// A principal.
    Principal = 5,
    /// The settings of the centre.
    Settings = 6,
}

/// Something people should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// A calendar runs out; after that its queues count as open.
    CalendarEnds {
        /// The calendar.
        calendar: String,
        /// When.
        at: LogTime,
    },
    /// A drain expired while its site was not well; the cordon stays.
    DrainExpiredUnwell {
        /// The site.
        site: SiteId,
    },
}

/// Everything that can happen.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// To a contact.
    Contact {
        /// Which.
        contact: ContactId,
        /// What.
        what: ContactEvent,
    },
    /// To an agent.
    Agent {
        /// Which.
        agent: AgentId,
        /// What.
        what: AgentEvent,
    },
    /// A site changed its state.
    Site {
        /// Which.
        site: SiteId,
        /// To what.
        state: SiteState,
    },
    /// The deadline of a drain has passed.
    DrainDeadline {
        /// The site.
        site: SiteId,
        /// Offers taken back.
        withdrawn: u32,
        /// Conversations and wrap-ups that go on there, or were cut with force.
        live: u32,
        /// Contacts that wait with their media there.
        waiting: u32,
    },
    /// A queue is closed at once.
    QueueClosed {
        /// Which.
        queue: QueueId,
        /// Until when.
        until: LogTime,
    },
    /// That closure is over.
    QueueReopened {
        /// Which.
        queue: QueueId,
    },
    /// A configured object was created, changed or deleted, by hand or by the clock (the end of a
    /// closure or of a temporary move).
    Config {
        /// Kind.
        kind: ObjectKind,
        /// Which.
        id: String,
        /// New revision; none: deleted.
        revision: Option<Revision>,
    },
    /// A node is a member.
    NodeAdded {
        /// Which.
        node: NodeId,
        /// Where.
        site: SiteId,
        /// What it is meant to be.
        role: NodeRole,
    },
    /// A node is meant to be something else from now on.
    NodeRoleChanged {
        /// Which.
        node: NodeId,
        /// What it is meant to be.
        role: NodeRole,
    },
    /// A node is being retired.
    NodeLeaving {
        /// Which.
        node: NodeId,
    },
    /// A token to join by was used or revoked.
    TokenEnded {
        /// Which.
        token: Seq,
    },
    /// A node is no longer a member.
    NodeRemoved {
        /// Which.
        node: NodeId,
    },
    /// A node's sessions and streams are gone.
    NodeLost {
        /// Which.
        node: NodeId,
    },
    /// The number of streams an ingress has changed.
    IngressStreams {
        /// Which.
        ingress: PrincipalId,
        /// How many nodes it is attached to.
        nodes: u32,
    },
    /// A leader began its term.
    TermStarted {
        /// Which node.
        leader: NodeId,
        /// How long nobody could be heard.
        gap: Millis,
    },
    /// Log time was corrected.
    TimeSet {
        /// From.
        from: LogTime,
        /// To.
        to: LogTime,
    },
    /// A checkpoint was taken.
    Checkpoint {
        /// Index of the entry.
        index: u64,
        /// State hash there.
        hash: u128,
    },
    /// This replica's state differs from that of the majority: it must stop serving.
    Diverged {
        /// Index of the checkpoint.
        index: u64,
        /// This replica's hash.
        own: u128,
        /// The majority's.
        majority: u128,
    },
    /// The cluster goes by newer rules from here on.
    VersionRaised {
        /// The version.
        to: u32,
    },
    /// The cluster goes by rules that this program does not know: this replica must stop, and go
    /// on with a newer program.
    VersionUnknown {
        /// The version.
        to: u32,
    },
    /// Somebody should know.
    Alarm(Alarm),
    /// An act of administration.
    Audit(Box<AuditRecord>),
}
