//! A contact: one thing a customer wants, from its arrival until it is closed.
//!
//! ```text
//!             ┌───────── decline / RONA / agent lost / not bridged ─────────┐
//! enqueue → Queued → Offered → Accepted → Connected ⇄ Held → WrapUp → closed
//!             │         │      (connecting)   └ transfer → Queued (keeps its arrival)
//!             ├ abandon / max wait / overflow / reject → closed
//!             ├ Scheduled (a callback whose time has not come)
//!             └ Stranded (its ingress is gone; keeps its place, is not offered)
//! ```
//!
//! Every stage has somebody who ends it and a deadline that ends it if they do not.

use alloc::{boxed::Box, vec::Vec};

use crate::agent::Agent;
use crate::channel::Channel;
use crate::config::{Priority, Requirements};
use crate::digest::Digest;
use crate::event::{OfferEnd, OfferReason};
use crate::ids::{AgentId, ContactId, OfferToken, PrincipalId, Seq};
use crate::queue::Queue;
use crate::site::Site;
use crate::table::{Entity, Slot, Table};
use crate::text::{Attributes, Label};
use crate::time::{AttendedTime, LogTime, Millis};

/// Where a contact stands among others: effective arrival, then number. Smaller is earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Arrival less head starts, in ms of log time. Below zero with strict priority.
    pub effective: i64,
    /// The contact's number.
    pub seq: Seq,
}

/// The offer by which a contact is with an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engagement {
    /// The fence.
    pub token: OfferToken,
    /// The agent.
    pub agent: Slot<Agent>,
    /// Where the agent worked then.
    pub site: Slot<Site>,
    /// When it was offered.
    pub offered: LogTime,
    /// Why this agent.
    pub reason: OfferReason,
}

/// Where a contact is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A callback whose time has not come.
    Scheduled {
        /// When it comes.
        until: LogTime,
    },
    /// Waiting in its place.
    Queued,
    /// Its ingress is gone.
    Stranded {
        /// When the place is given up.
        deadline: AttendedTime,
    },
    /// Before an agent.
    Offered {
        /// Whose.
        with: Engagement,
        /// When it counts as ringing in vain.
        deadline: AttendedTime,
    },
    /// The agent takes it; the front end connects the two.
    Accepted {
        /// Whose.
        with: Engagement,
        /// When the front end should have said so.
        deadline: AttendedTime,
    },
    /// In conversation.
    Connected {
        /// Whose.
        with: Engagement,
        /// When it is given up: the longest conversation, or sooner as an orphan.
        deadline: AttendedTime,
    },
    /// On hold.
    Held {
        /// Whose.
        with: Engagement,
        /// Since when.
        since: LogTime,
        /// As connected.
        deadline: AttendedTime,
    },
    /// The agent wraps up.
    WrapUp {
        /// Whose.
        with: Engagement,
        /// Since when.
        since: LogTime,
        /// When it ends by itself.
        deadline: AttendedTime,
    },
}

impl Stage {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Scheduled { .. } => "scheduled",
            Self::Queued => "queued",
            Self::Stranded { .. } => "stranded",
            Self::Offered { .. } => "offered",
            Self::Accepted { .. } => "accepted",
            Self::Connected { .. } => "connected",
            Self::Held { .. } => "held",
            Self::WrapUp { .. } => "wrap-up",
        }
    }

    /// The offer it is with an agent by.
    pub fn engagement(&self) -> Option<Engagement> {
        match self {
            Self::Scheduled { .. } | Self::Queued | Self::Stranded { .. } => None,
            Self::Offered { with, .. }
            | Self::Accepted { with, .. }
            | Self::Connected { with, .. }
            | Self::Held { with, .. }
            | Self::WrapUp { with, .. } => Some(*with),
        }
    }

    /// The deadline that ends it if nobody does.
    pub fn deadline(&self) -> Option<AttendedTime> {
        match self {
            Self::Scheduled { .. } | Self::Queued => None,
            Self::Stranded { deadline }
            | Self::Offered { deadline, .. }
            | Self::Accepted { deadline, .. }
            | Self::Connected { deadline, .. }
            | Self::Held { deadline, .. }
            | Self::WrapUp { deadline, .. } => Some(*deadline),
        }
    }

    /// Whether customer and agent have been connected.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Connected { .. } | Self::Held { .. } | Self::WrapUp { .. })
    }

    /// Whether it counts in the length of its queue: it has not been answered, and it wants to be
    /// by now.
    pub fn is_in_line(&self) -> bool {
        !self.is_live() && !matches!(self, Self::Scheduled { .. })
    }

    /// Whether it is not with an agent.
    pub fn is_waiting(&self) -> bool {
        self.engagement().is_none()
    }
}

/// An offer that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastOffer {
    /// The fence.
    pub token: OfferToken,
    /// The agent.
    pub agent: AgentId,
    /// When it was made.
    pub offered: LogTime,
    /// When it ended.
    pub ended: LogTime,
    /// How.
    pub end: OfferEnd,
    /// Why it was made.
    pub reason: OfferReason,
    /// Until when this agent is not offered this contact again; none: no such rule.
    pub excluded_until: Option<LogTime>,
}

/// Waiting for one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preferred {
    /// The agent.
    pub agent: AgentId,
    /// Until when, while the agent is busy.
    pub until: LogTime,
}

/// What most contacts never have, kept apart so that those stay small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// What it was about.
    pub disposition: Option<Label>,
    /// Whether the customer was helped.
    pub resolved: Option<bool>,
    /// Where the recording is.
    pub recording: Option<Label>,
    /// The contact this is a consultation for.
    pub consult_of: Option<ContactId>,
    /// Consultations for this contact, in the order they began.
    pub consults: Vec<ContactId>,
}

/// A contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The id.
    pub id: ContactId,
    /// Its number.
    pub seq: Seq,
    /// Its kind.
    pub channel: Channel,
    /// Its priority.
    pub priority: Priority,
    /// The queue it is in, or was answered from.
    pub queue: Slot<Queue>,
    /// Where its media is.
    pub site: Slot<Site>,
    /// Who put it in.
    pub ingress: PrincipalId,
    /// Skills it needs in every step.
    pub requirements: Requirements,
    /// Whatever the desktop should see.
    pub attributes: Attributes,
    /// Hash of what was enqueued: tells a repeat from another contact with the same id.
    pub fingerprint: u64,
    /// When it arrived.
    pub arrived: LogTime,
    /// When it counts as arrived.
    pub effective: i64,
    /// When it entered its queue.
    pub entered_queue: LogTime,
    /// The step it has reached.
    pub step: u8,
    /// Whether it may go to other sites (local-first queues).
    pub spilled: bool,
    /// Whether a deadline of this stage is that of an orphan.
    pub orphaned: bool,
    /// The agent it waits for.
    pub preferred: Option<Box<Preferred>>,
    /// When waiting ends at the latest; counts on through offers, and is acted upon when the
    /// contact waits.
    pub wait_deadline: AttendedTime,
    /// When it should be looked at next while it waits: a step, a cool-down, the end of waiting
    /// for one agent or one site, or its scheduled time.
    pub review: Option<LogTime>,
    /// Where it is in its life.
    pub stage: Stage,
    /// Offers that came to nothing, the latest last, at most
    /// [`crate::limits::PAST_OFFERS_MAX`].
    pub past_offers: Vec<PastOffer>,
    /// How many there were in all.
    pub failed_offers: u32,
    /// When it was answered last.
    pub answered: Option<LogTime>,
    /// Conversation without hold of earlier engagements.
    pub talk: Millis,
    /// Hold of earlier engagements.
    pub hold: Millis,
    /// Hold within this engagement, without the one that goes on.
    pub hold_here: Millis,
    /// Conversation of this engagement, once it is over and wrap-up goes on.
    pub talk_here: Millis,
    /// Transfers.
    pub transfers: u8,
    /// What most contacts never have.
    pub details: Option<Box<Details>>,
}

impl Contact {
    /// Its place.
    pub fn place(&self) -> Place {
        Place { effective: self.effective, seq: self.seq }
    }

    /// Whether this agent is not to be offered it now.
    pub fn excludes(&self, agent: &AgentId, now: LogTime) -> bool {
        self.past_offers
            .iter()
            .any(|o| o.excluded_until.is_some_and(|until| now < until) && o.agent == *agent)
    }

    /// Whether anybody at all is excluded now: the rare case that costs more.
    pub(crate) fn excludes_anybody(&self, now: LogTime) -> bool {
        self.past_offers.iter().any(|o| o.excluded_until.is_some_and(|until| now < until))
    }

    /// The deadline on the attended clock that its stage is under.
    pub(crate) fn deadline(&self) -> Option<AttendedTime> {
        match self.stage {
            Stage::Queued => Some(self.wait_deadline),
            Stage::Scheduled { .. } => None,
            _ => self.stage.deadline(),
        }
    }

    /// The contact this is a consultation for.
    pub fn consult_of(&self) -> Option<&ContactId> {
        self.details.as_ref()?.consult_of.as_ref()
    }

    pub(crate) fn details_mut(&mut self) -> &mut Details {
        self.details.get_or_insert_default()
    }
}

/// What the hash of a contact needs of other tables.
#[derive(Clone, Copy)]
pub struct ContactNames<'a> {
    pub(crate) queues: &'a Table<Queue>,
    pub(crate) agents: &'a Table<Agent>,
    pub(crate) sites: &'a Table<Site>,
}

fn digest_reason(out: &mut Digest, reason: &OfferReason) {
    let OfferReason { preferred, step, grade, site, strategy, key } = reason;
    out.u8(u8::from(*preferred)).u8(*step).u8(grade.get()).u8(*site as u8);
    out.u8(*strategy as u8).u64(*key);
}

impl Entity for Contact {
    type Names<'a> = ContactNames<'a>;
    const KIND: u8 = 1;

    fn key(&self) -> &str {
        self.id.as_str()
    }

    fn digest(&self, names: ContactNames<'_>, out: &mut Digest) {
        // No `..`: a new field must be hashed.
        let Self {
            id,
            seq,
            channel,
            priority,
            queue,
            site,
            ingress,
            requirements,
            attributes,
            fingerprint,
            arrived,
            effective,
            entered_queue,
            step,
            spilled,
            orphaned,
            preferred,
            wait_deadline,
            review,
            stage,
            past_offers,
            failed_offers,
            answered,
            talk,
            hold,
            hold_here,
            talk_here,
            transfers,
            details,
        } = self;
        out.str(id.as_str()).u64(seq.0).u8(*channel as u8).u8(priority.get());
        out.u64(names.queues.key_hash(*queue)).u64(names.sites.key_hash(*site));
        out.str(ingress.as_str());
        out.list(requirements.iter(), |out, r| {
            out.str(r.skill.as_str()).u8(r.level.get());
        });
        out.u64(attributes.hash()).u64(*fingerprint);
        out.u64(arrived.0).i64(*effective).u64(entered_queue.0);
        out.u8(*step).u8(u8::from(*spilled)).u8(u8::from(*orphaned));
        out.option(preferred.as_ref(), |out, p| {
            out.str(p.agent.as_str()).u64(p.until.0);
        });
        out.u64(wait_deadline.0).option(*review, |out, t| {
            out.u64(t.0);
        });
        let number = match stage {
            Stage::Scheduled { until } => {
                out.u64(until.0);
                0
            }
            Stage::Queued => 1,
            Stage::Stranded { .. } => 2,
            Stage::Offered { .. } => 3,
            Stage::Accepted { .. } => 4,
            Stage::Connected { .. } => 5,
            Stage::Held { since, .. } => {
                out.u64(since.0);
                6
            }
            Stage::WrapUp { since, .. } => {
                out.u64(since.0);
                7
            }
        };
        out.u8(number).option(stage.deadline(), |out, t| {
            out.u64(t.0);
        });
        out.option(stage.engagement(), |out, with| {
            let Engagement { token, agent, site, offered, reason } = with;
            out.u64(token.0).u64(names.agents.key_hash(agent)).u64(offered.0);
            out.u64(names.sites.key_hash(site));
            digest_reason(out, &reason);
        });
        out.list(past_offers.iter(), |out, past| {
            let PastOffer { token, agent, offered, ended, end, reason, excluded_until } = past;
            out.u64(token.0).str(agent.as_str()).u64(offered.0).u64(ended.0).u8(*end as u8);
            digest_reason(out, reason);
            out.option(*excluded_until, |out, t| {
                out.u64(t.0);
            });
        });
        out.u32(*failed_offers).option(*answered, |out, t| {
            out.u64(t.0);
        });
        out.u64(talk.0).u64(hold.0).u64(hold_here.0).u64(talk_here.0).u8(*transfers);
        out.option(details.as_deref(), |out, details| {
            let Details { disposition, resolved, recording, consult_of, consults } = details;
            for label in [disposition, recording] {
                out.option(label.as_ref(), |out, l| {
                    out.str(l.as_str());
                });
            }
            out.option(*resolved, |out, r| {
                out.u8(u8::from(r));
            });
            out.option(consult_of.as_ref(), |out, id| {
                out.str(id.as_str());
            });
            out.list(consults.iter(), |out, id| {
                out.str(id.as_str());
            });
        });
    }
}
