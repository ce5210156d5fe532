//! What outlives the state: a record for each contact that is closed, one for each act of
//! administration.

use alloc::boxed::Box;

use crate::channel::Channel;
use crate::command::{Command, Request};
use crate::config::Priority;
use crate::ids::{AgentId, ContactId, OfferToken, PrincipalId, QueueId, Seq, SiteId};
use crate::rejection::Rejection;
use crate::text::{Attributes, Label};
use crate::time::{LogTime, Millis};

/// Why a contact was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum TurnedAway {
    /// The queue is closed.
    Closed = 0,
    /// The queue is full.
    Full = 1,
}

/// How a contact ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Outcome {
    /// An agent handled it.
    Handled = 0,
    /// The customer left before it was answered.
    Abandoned = 1,
    /// It waited too long and was turned away.
    WaitedTooLong = 2,
    /// It was turned away on arrival: the queue was closed.
    TurnedAwayClosed = 3,
    /// It was turned away on arrival: the queue was full.
    TurnedAwayFull = 4,
    /// A closure turned away those who waited.
    Flushed = 5,
    /// Its ingress did not come back in time.
    LostIngress = 6,
    /// Its agent or ingress was gone for too long in the middle of the conversation.
    Orphaned = 7,
    /// A supervisor removed it.
    Removed = 8,
    /// The contact it was a consultation for ended first.
    ConsultOver = 9,
    /// A drain with force cut it.
    Cut = 10,
}

/// Everything a report needs of a closed contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactRecord {
    /// The contact.
    pub contact: ContactId,
    /// Its number.
    pub seq: Seq,
    /// Its kind at the end.
    pub channel: Channel,
    /// Its priority.
    pub priority: Priority,
    /// Who put it in.
    pub ingress: PrincipalId,
    /// Where its media was.
    pub site: SiteId,
    /// The queue it was in last.
    pub queue: QueueId,
    /// The agent it was with last.
    pub agent: Option<AgentId>,
    /// Where that agent worked.
    pub agent_site: Option<SiteId>,
    /// The offer it was with that agent by.
    pub token: Option<OfferToken>,
    /// How it ended.
    pub outcome: Outcome,
    /// When it arrived.
    pub arrived: LogTime,
    /// When it entered its last queue.
    pub entered_queue: LogTime,
    /// When it was answered last.
    pub answered: Option<LogTime>,
    /// When it ended.
    pub closed: LogTime,
    /// Conversation without hold, over all agents.
    pub talk: Millis,
    /// Hold, over all agents.
    pub hold: Millis,
    /// Wrap-up.
    pub wrap_up: Millis,
    /// Transfers.
    pub transfers: u8,
    /// Offers that came to nothing.
    pub failed_offers: u32,
    /// What it was about.
    pub disposition: Option<Label>,
    /// Whether the customer was helped.
    pub resolved: Option<bool>,
    /// Where the recording is.
    pub recording: Option<Label>,
    /// The contact it was a consultation for.
    pub consult_of: Option<ContactId>,
    /// Its attributes.
    pub attributes: Attributes,
}

/// One act of administration, whatever came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRecord {
    /// When.
    pub at: LogTime,
    /// Who.
    pub principal: PrincipalId,
    /// Under which request.
    pub request: Option<Request>,
    /// Why, as they said.
    pub reason: Option<Label>,
    /// What.
    pub command: Command,
    /// What came of it.
    pub refused: Option<Rejection>,
    /// The command that takes it back, where there is one.
    pub inverse: Option<Box<Command>>,
}

/// A record of either kind: what is stored of what happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// Of a contact that is closed.
    Contact(Box<ContactRecord>),
    /// Of an act of administration.
    Audit(Box<AuditRecord>),
}
