//! What a desktop is told: what is true of its agent, from the state.
//!
//! A desktop is not told events but what is true after them. So it does not matter how far the
//! state is ahead of the events that led here, and an offer that was withdrawn before anybody could
//! be told of it is never told.

use acd::agent::{Agent, Presence};
use acd::channel::Media;
use acd::codec::{
    channel_to_stored, media_to_stored, not_ready_reason_to_stored, presence_to_stored,
};
use acd::contact::{Contact, Stage};
use acd::event::{AgentEvent, NotReadyReason};
use acd::ids::{AgentId, ContactId, OfferToken, SessionEpoch};
use acd::time::AttendedTime;
use acd::{Centre, Tables};
use bytes::Bytes;
use proto::api::v1::desktop_event as wire;
use proto::api::v1::{DesktopEvent, desktop_event::Event, desktop_event::Why};

/// The agent, if this session is the present one and connected; otherwise why it is over. None: the
/// agent is offline, and only the event says why.
pub(super) fn present<'a>(
    centre: &'a Centre,
    id: &AgentId,
    epoch: SessionEpoch,
) -> Result<&'a Agent, Option<Why>> {
    let agent = centre.agent(id).ok_or(Some(Why::Forced))?;
    match (agent.session, agent.live_session()) {
        (Some(session), _) if session.epoch != epoch => Err(Some(Why::TakenOver)),
        (Some(_), Some(_)) => Ok(agent),
        (Some(_), None) => Err(Some(Why::Lost)),
        (None, _) => Err(None),
    }
}

/// Why a session is over after an event of its agent, if the agent is offline then.
pub(super) fn why_offline(event: &AgentEvent) -> Option<Why> {
    match event {
        AgentEvent::LoggedOut => Some(Why::Forced),
        AgentEvent::Unreachable | AgentEvent::Offline => Some(Why::Lost),
        _ => None,
    }
}

/// What a desktop was told last.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Desk {
    standing: Standing,
    items: Vec<Item>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    presence: Presence,
    pending: Option<NotReadyReason>,
    closed_media: Media,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    contact: ContactId,
    token: OfferToken,
    stage: wire::Stage,
    deadline: Option<AttendedTime>,
}

impl Desk {
    /// What is true, and the message that tells it.
    pub(super) fn open(
        centre: &Centre,
        index: u64,
        agent: &Agent,
        epoch: SessionEpoch,
    ) -> (Self, DesktopEvent) {
        let desk = Self::of(centre, agent);
        let work = centre.tables().work_of(agent);
        let opened = wire::Opened {
            epoch: epoch.0,
            standing: Some(desk.standing.to_wire()),
            items: work.filter_map(|contact| item_to_wire(centre, contact)).collect(),
        };
        (desk, message(index, Event::Opened(opened)))
    }

    fn of(centre: &Centre, agent: &Agent) -> Self {
        let standing = Standing {
            presence: agent.presence.clone(),
            pending: agent.pending.clone(),
            closed_media: agent.closed_media,
        };
        let items = centre.tables().work_of(agent).filter_map(Item::of).collect();
        Self { standing, items }
    }

    /// Tells what is true now and was not told.
    pub(super) fn tell_changes<E>(
        &mut self,
        centre: &Centre,
        index: u64,
        agent: &Agent,
        mut tell: impl FnMut(DesktopEvent) -> Result<(), E>,
    ) -> Result<(), E> {
        let now = Self::of(centre, agent);
        if now == *self {
            return Ok(());
        }
        for Item { contact, token, .. } in &self.items {
            let is_theirs = |item: &Item| item.contact == *contact && item.token == *token;
            if !now.items.iter().any(is_theirs) {
                let gone = wire::Gone { contact: contact.as_str().into(), token: token.0 };
                tell(message(index, Event::Gone(gone)))?;
            }
        }
        if now.standing != self.standing {
            tell(message(index, Event::Standing(now.standing.to_wire())))?;
        }
        for contact in centre.tables().work_of(agent) {
            if Item::of(contact).is_some_and(|item| !self.items.contains(&item))
                && let Some(item) = item_to_wire(centre, contact)
            {
                tell(message(index, Event::Changed(item)))?;
            }
        }
        *self = now;
        Ok(())
    }
}

/// The last message of a session.
pub(super) fn ended(index: u64, why: Why) -> DesktopEvent {
    message(index, Event::Ended(wire::Ended { why: why as i32 }))
}

/// A message to a desktop.
pub(super) fn message(index: u64, event: Event) -> DesktopEvent {
    DesktopEvent { index, event: Some(event) }
}

impl Standing {
    fn to_wire(&self) -> wire::Standing {
        wire::Standing {
            presence: Some(presence_to_stored(&self.presence)),
            pending: self.pending.as_ref().map(not_ready_reason_to_stored),
            closed_media: media_to_stored(&self.closed_media),
        }
    }
}

impl Item {
    /// None: the contact is on nobody's desk.
    fn of(contact: &Contact) -> Option<Self> {
        let stage = match contact.stage {
            Stage::Offered { .. } => wire::Stage::Offered,
            Stage::Accepted { .. } => wire::Stage::Accepted,
            Stage::Connected { .. } => wire::Stage::Connected,
            Stage::Held { .. } => wire::Stage::Held,
            Stage::WrapUp { .. } => wire::Stage::WrapUp,
            Stage::Scheduled { .. } | Stage::Queued | Stage::Stranded { .. } => return None,
        };
        let token = contact.stage.engagement()?.token;
        let deadline = contact.stage.deadline();
        Some(Self { contact: contact.id.clone(), token, stage, deadline })
    }
}

fn item_to_wire(centre: &Centre, contact: &Contact) -> Option<wire::Item> {
    let Item { contact: id, token, stage, deadline } = Item::of(contact)?;
    let tables: Tables<'_> = centre.tables();
    let queue = &tables.queue(contact.queue).config;
    let now = centre.clocks().attended();
    Some(wire::Item {
        contact: id.as_str().into(),
        token: token.0,
        stage: stage as i32,
        ends_in_ms: deadline.map(|deadline| deadline.since(now).0),
        auto_answer: queue.auto_answer,
        channel: channel_to_stored(&contact.channel),
        queue: queue.id.as_str().into(),
        priority: u32::from(contact.priority.get()),
        arrived_ms: contact.arrived.0,
        consult_of: contact.consult_of().map(|parent| parent.as_str().into()),
        attributes: Bytes::copy_from_slice(contact.attributes.as_bytes()),
    })
}
