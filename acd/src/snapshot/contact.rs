//! A contact as it is stored.

use alloc::{boxed::Box, vec::Vec};

use proto::stored::v1;

use super::{any_time, any_time_or_none, bad};
use crate::agent::Agent;
use crate::codec::stored::{Stored, missing, no_choice, stored_messages, stored_words};
use crate::config::{Grade, Requirements, limit, normalise_requirements};
use crate::contact::{Contact, Details, Engagement, PastOffer, Preferred, Stage};
use crate::event::{OfferEnd, OfferReason, SiteChoice};
use crate::ids::{ContactId, OfferToken, PrincipalId, Seq};
use crate::limits;
use crate::queue::Queue;
use crate::rejection::Rejection;
use crate::roles::Principal;
use crate::site::Site;
use crate::table::{Fork, Table};
use crate::time::{AttendedTime, LogTime, Millis};

/// The tables that contacts refer to, to write.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) queues: &'a Fork<Queue>,
    pub(super) agents: &'a Fork<Agent>,
    pub(super) sites: &'a Fork<Site>,
}

/// The same, to read.
#[derive(Clone, Copy)]
pub(super) struct Tables<'a> {
    pub(super) queues: &'a Table<Queue>,
    pub(super) agents: &'a Table<Agent>,
    pub(super) sites: &'a Table<Site>,
    pub(super) principals: &'a Table<Principal>,
}

pub(super) fn write(contact: &Contact, names: Names<'_>) -> v1::Contact {
    // No `..`: a new field must be stored, or be rebuilt.
    let Contact {
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
    } = contact;
    v1::Contact {
        id: id.to_stored(),
        seq: seq.0,
        channel: channel.to_stored(),
        priority: priority.to_stored(),
        queue: names.queues.get(*queue).id().to_stored(),
        site: names.sites.get(*site).id().to_stored(),
        ingress: ingress.to_stored(),
        requirements: requirements.to_stored(),
        attributes: attributes.to_stored(),
        fingerprint: *fingerprint,
        arrived_ms: arrived.0,
        effective_ms: *effective,
        entered_queue_ms: entered_queue.0,
        step: step.to_stored(),
        spilled: *spilled,
        orphaned: *orphaned,
        preferred: preferred.as_deref().map(Stored::to_stored),
        wait_deadline_ms: wait_deadline.0,
        review_ms: review.map(|t| t.0),
        stage: Some(write_stage(stage, names)),
        past_offers: past_offers.to_stored(),
        failed_offers: *failed_offers,
        answered_ms: answered.map(|t| t.0),
        talk_ms: talk.0,
        hold_ms: hold.0,
        hold_here_ms: hold_here.0,
        talk_here_ms: talk_here.0,
        transfers: transfers.to_stored(),
        details: details.as_deref().map(Stored::to_stored),
    }
}

pub(super) fn read(stored: v1::Contact, tables: Tables<'_>) -> Result<Contact, Rejection> {
    let v1::Contact {
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
        arrived_ms,
        effective_ms,
        entered_queue_ms,
        step,
        spilled,
        orphaned,
        preferred,
        wait_deadline_ms,
        review_ms,
        stage,
        past_offers,
        failed_offers,
        answered_ms,
        talk_ms,
        hold_ms,
        hold_here_ms,
        talk_here_ms,
        transfers,
        details,
    } = stored;
    let queue = tables.queues.find(&queue);
    let queue = queue.ok_or_else(|| bad("a contact in a queue that is not there"))?;
    let site = tables.sites.find(&site);
    let site = site.ok_or_else(|| bad("a contact at a site that is not there"))?;
    let step = u8::from_stored(step, "Contact.step")?;
    if usize::from(step) >= tables.queues.get(queue).config.steps.len() {
        return Err(bad("a contact at a step that its queue has not"));
    }
    let ingress = PrincipalId::new(&ingress)?;
    // As on arrival: contacts share the text of the table's own id.
    let known = tables.principals.by_key(ingress.as_str());
    let ingress = known.map_or(ingress, |principal| principal.id.clone());
    let requirements: Requirements = Stored::from_stored(requirements, "Contact.requirements")?;
    limit("past offers of a contact", past_offers.len(), limits::PAST_OFFERS_MAX)?;
    let preferred: Option<Preferred> = Stored::from_stored(preferred, "Contact.preferred")?;
    let details: Option<Details> = Stored::from_stored(details, "Contact.details")?;
    Ok(Contact {
        id: Stored::from_stored(id, "Contact.id")?,
        seq: Seq(seq),
        channel: Stored::from_stored(channel, "Contact.channel")?,
        priority: Stored::from_stored(priority, "Contact.priority")?,
        queue,
        site,
        ingress,
        requirements: normalise_requirements(requirements)?,
        attributes: Stored::from_stored(attributes, "Contact.attributes")?,
        fingerprint,
        arrived: LogTime(arrived_ms),
        effective: effective_ms,
        entered_queue: LogTime(entered_queue_ms),
        step,
        spilled,
        orphaned,
        preferred: preferred.map(Box::new),
        wait_deadline: AttendedTime(wait_deadline_ms),
        review: review_ms.map(LogTime),
        stage: read_stage(stage, tables)?,
        past_offers: Stored::from_stored(past_offers, "Contact.past_offers")?,
        failed_offers,
        answered: answered_ms.map(LogTime),
        talk: Millis(talk_ms),
        hold: Millis(hold_ms),
        hold_here: Millis(hold_here_ms),
        talk_here: Millis(talk_here_ms),
        transfers: Stored::from_stored(transfers, "Contact.transfers")?,
        details: details.map(Box::new),
    })
}

// -- Stages ---------------------------------------------------------------------------------------

fn write_stage(stage: &Stage, names: Names<'_>) -> v1::Stage {
    use v1::stage as wire;
    let engagement = |with: &Engagement| Some(write_engagement(with, names));
    let stage = match stage {
        Stage::Scheduled { until } => wire::Stage::Scheduled(wire::Scheduled { until_ms: until.0 }),
        Stage::Queued => wire::Stage::Queued(wire::Queued {}),
        Stage::Stranded { deadline } => {
            wire::Stage::Stranded(wire::Stranded { deadline_ms: deadline.0 })
        }
        Stage::Offered { with, deadline } => {
            wire::Stage::Offered(wire::Offered { with: engagement(with), deadline_ms: deadline.0 })
        }
        Stage::Accepted { with, deadline } => wire::Stage::Accepted(wire::Accepted {
            with: engagement(with),
            deadline_ms: deadline.0,
        }),
        Stage::Connected { with, deadline } => wire::Stage::Connected(wire::Connected {
            with: engagement(with),
            deadline_ms: deadline.0,
        }),
        Stage::Held { with, since, deadline } => wire::Stage::Held(wire::Held {
            with: engagement(with),
            since_ms: since.0,
            deadline_ms: deadline.0,
        }),
        Stage::WrapUp { with, since, deadline } => wire::Stage::WrapUp(wire::WrapUp {
            with: engagement(with),
            since_ms: since.0,
            deadline_ms: deadline.0,
        }),
    };
    v1::Stage { stage: Some(stage) }
}

fn read_stage(stored: Option<v1::Stage>, tables: Tables<'_>) -> Result<Stage, Rejection> {
    use v1::stage as wire;
    let engagement = |with| read_engagement(with, tables);
    let stage = stored.ok_or_else(|| missing("Contact.stage"))?.stage;
    Ok(match stage.ok_or_else(|| no_choice("Stage.stage"))? {
        wire::Stage::Scheduled(wire::Scheduled { until_ms }) => {
            Stage::Scheduled { until: LogTime(until_ms) }
        }
        wire::Stage::Queued(wire::Queued {}) => Stage::Queued,
        wire::Stage::Stranded(wire::Stranded { deadline_ms }) => {
            Stage::Stranded { deadline: AttendedTime(deadline_ms) }
        }
        wire::Stage::Offered(wire::Offered { with, deadline_ms }) => {
            Stage::Offered { with: engagement(with)?, deadline: AttendedTime(deadline_ms) }
        }
        wire::Stage::Accepted(wire::Accepted { with, deadline_ms }) => {
            Stage::Accepted { with: engagement(with)?, deadline: AttendedTime(deadline_ms) }
        }
        wire::Stage::Connected(wire::Connected { with, deadline_ms }) => {
            Stage::Connected { with: engagement(with)?, deadline: AttendedTime(deadline_ms) }
        }
        wire::Stage::Held(wire::Held { with, since_ms, deadline_ms }) => Stage::Held {
            with: engagement(with)?,
            since: LogTime(since_ms),
            deadline: AttendedTime(deadline_ms),
        },
        wire::Stage::WrapUp(wire::WrapUp { with, since_ms, deadline_ms }) => Stage::WrapUp {
            with: engagement(with)?,
            since: LogTime(since_ms),
            deadline: AttendedTime(deadline_ms),
        },
    })
}

fn write_engagement(with: &Engagement, names: Names<'_>) -> v1::Engagement {
    let Engagement { token, agent, site, offered, reason } = with;
    v1::Engagement {
        token: token.0,
        agent: names.agents.get(*agent).id().to_stored(),
        site: names.sites.get(*site).id().to_stored(),
        offered_ms: offered.0,
        reason: reason.to_stored(),
    }
}

fn read_engagement(
    stored: Option<v1::Engagement>,
    tables: Tables<'_>,
) -> Result<Engagement, Rejection> {
    let v1::Engagement { token, agent, site, offered_ms, reason } =
        stored.ok_or_else(|| missing("Stage.with"))?;
    let agent = tables.agents.find(&agent);
    let site = tables.sites.find(&site);
    Ok(Engagement {
        token: OfferToken(token),
        agent: agent.ok_or_else(|| bad("a contact with an agent who is not there"))?,
        site: site.ok_or_else(|| bad("a contact with an agent at a site that is not there"))?,
        offered: LogTime(offered_ms),
        reason: Stored::from_stored(reason, "Engagement.reason")?,
    })
}

// -- Parts ----------------------------------------------------------------------------------------

stored_messages! {
    Preferred { agent; until as until_ms => any_time }
    OfferReason { preferred, step, grade => any_grade, site, strategy, key }
    PastOffer {
        token, agent, end, reason;
        offered as offered_ms => any_time,
        ended as ended_ms => any_time,
        excluded_until as excluded_until_ms => any_time_or_none,
    }
    Details { disposition, resolved, recording, consult_of, consults => limited_consults }
}

stored_words! {
    SiteChoice { Any, Local, Spilled, Share, FreeCapacity }
    OfferEnd {
        Declined, Rona, AgentLost, BridgeFailed, BridgeTimeout, Abandoned, IngressLost, Withdrawn,
        Transferred
    }
}

/// A grade that somebody gave, or the one of agents who were named.
fn any_grade(grade: u32) -> Result<Grade, Rejection> {
    if grade == u32::from(Grade::NAMED.get()) { Ok(Grade::NAMED) } else { Grade::new(grade) }
}

fn limited_consults(consults: Vec<ContactId>) -> Result<Vec<ContactId>, Rejection> {
    limit("consultations of a contact", consults.len(), limits::CONSULTS_PER_CONTACT_MAX)?;
    Ok(consults)
}
