//! Events, as watches pass them on.
//!
//! An event is told to whoever watches and is then forgotten: its form has no version of its own
//! and is on no disk. Giving an event its form copies the texts in it, each once; taking one over
//! copies them again, into the shared texts of the ids.

use alloc::string::String;

use proto::stored::v1;

use super::record::{any_duration, any_time, any_time_or_none};
use super::stored::{Stored, malformed, no_choice, stored_words};
use crate::config::in_range;
use crate::event::{AgentEvent, Alarm, ContactEvent, Event, ObjectKind, OverflowCause};
use crate::ids::{
    AgentId, CalendarId, ContactId, NodeId, PrincipalId, QueueId, Revision, Seq, SiteId, SkillId,
};
use crate::rejection::Rejection;
use crate::time::{LogTime, Millis};

/// The stored form of an event. Of a refusal in the audit trail only its code and its words are
/// kept.
pub fn event_to_stored(event: &Event) -> v1::Event {
    use v1::event as wire;
    // No `..`, here and below: a new part must have its form.
    let event = match event {
        Event::Contact { contact, what } => wire::Event::Contact(v1::ContactEvent {
            contact: contact.to_stored(),
            event: what.to_stored(),
        }),
        Event::Agent { agent, what } => {
            wire::Event::Agent(v1::AgentEvent { agent: agent.to_stored(), event: what.to_stored() })
        }
        Event::Site { site, state } => wire::Event::Site(wire::SiteChanged {
            site: site.to_stored(),
            state: state.to_stored(),
        }),
        Event::DrainDeadline { site, withdrawn, live, waiting } => {
            wire::Event::DrainDeadline(wire::DrainDeadline {
                site: site.to_stored(),
                withdrawn: *withdrawn,
                live: *live,
                waiting: *waiting,
            })
        }
        Event::QueueClosed { queue, until } => wire::Event::QueueClosed(wire::QueueClosed {
            queue: queue.to_stored(),
            until_ms: until.0,
        }),
        Event::QueueReopened { queue } => wire::Event::QueueReopened(queue.to_stored()),
        Event::Config { kind, id, revision } => wire::Event::Config(wire::ConfigChanged {
            kind: kind.to_stored(),
            id: id.clone(),
            revision: revision.map(|r| r.0),
        }),
        Event::NodeAdded { node, site, role } => wire::Event::NodeAdded(wire::NodeAdded {
            node: node.0,
            site: site.to_stored(),
            role: role.to_stored(),
        }),
        Event::NodeRoleChanged { node, role } => {
            wire::Event::NodeRoleChanged(wire::NodeRoleChanged {
                node: node.0,
                role: role.to_stored(),
            })
        }
        Event::NodeLeaving { node } => wire::Event::NodeLeaving(node.0),
        Event::TokenEnded { token } => wire::Event::TokenEnded(token.0),
        Event::NodeRemoved { node } => wire::Event::NodeRemoved(node.0),
        Event::NodeLost { node } => wire::Event::NodeLost(node.0),
        Event::IngressStreams { ingress, nodes } => {
            wire::Event::IngressStreams(wire::IngressStreams {
                ingress: ingress.to_stored(),
                nodes: *nodes,
            })
        }
        Event::TermStarted { leader, gap } => {
            wire::Event::TermStarted(wire::TermStarted { leader: leader.0, gap_ms: gap.0 })
        }
        Event::TimeSet { from, to } => {
            wire::Event::TimeSet(wire::TimeSet { from_ms: from.0, to_ms: to.0 })
        }
        Event::Checkpoint { index, hash } => {
            wire::Event::Checkpoint(wire::CheckpointTaken { index: *index, hash: hash.to_stored() })
        }
        Event::Diverged { index, own, majority } => wire::Event::Diverged(wire::Diverged {
            index: *index,
            own: own.to_stored(),
            majority: majority.to_stored(),
        }),
        Event::VersionRaised { to } => wire::Event::VersionRaised(*to),
        Event::VersionUnknown { to } => wire::Event::VersionUnknown(*to),
        Event::Alarm(Alarm::CalendarEnds { calendar, at }) => {
            wire::Event::CalendarEnds(wire::CalendarEnds {
                calendar: calendar.clone(),
                at_ms: at.0,
            })
        }
        Event::Alarm(Alarm::DrainExpiredUnwell { site }) => {
            wire::Event::DrainExpiredUnwell(site.to_stored())
        }
        Event::Audit(record) => wire::Event::Audit(record.to_stored()),
    };
    v1::Event { event: Some(event) }
}

/// Checks and takes over the stored form of an event. A refusal in the audit trail comes back as
/// [`Rejection::FirstAnswer`], with the code and the words it had.
///
/// # Errors
///
/// [`Rejection::Malformed`] if a part is missing, or one that this program has no word for; what
/// the constructors of ids, texts and numbers say of theirs.
pub fn event_from_stored(stored: v1::Event) -> Result<Event, Rejection> {
    use v1::event as wire;
    Ok(match stored.event.ok_or_else(|| no_choice("Event.event"))? {
        wire::Event::Contact(v1::ContactEvent { contact, event }) => Event::Contact {
            contact: ContactId::new(&contact)?,
            what: Stored::from_stored(event, "ContactEvent.event")?,
        },
        wire::Event::Agent(v1::AgentEvent { agent, event }) => Event::Agent {
            agent: AgentId::new(&agent)?,
            what: Stored::from_stored(event, "AgentEvent.event")?,
        },
        wire::Event::Site(wire::SiteChanged { site, state }) => Event::Site {
            site: SiteId::new(&site)?,
            state: Stored::from_stored(state, "SiteChanged.state")?,
        },
        wire::Event::DrainDeadline(wire::DrainDeadline { site, withdrawn, live, waiting }) => {
            Event::DrainDeadline { site: SiteId::new(&site)?, withdrawn, live, waiting }
        }
        wire::Event::QueueClosed(wire::QueueClosed { queue, until_ms }) => {
            Event::QueueClosed { queue: QueueId::new(&queue)?, until: LogTime(until_ms) }
        }
        wire::Event::QueueReopened(queue) => Event::QueueReopened { queue: QueueId::new(&queue)? },
        wire::Event::Config(wire::ConfigChanged { kind, id, revision }) => {
            let kind = ObjectKind::from_stored(kind, "ConfigChanged.kind")?;
            let id = object_id(kind, id)?;
            Event::Config { kind, id, revision: revision.map(Revision) }
        }
        wire::Event::NodeAdded(wire::NodeAdded { node, site, role }) => Event::NodeAdded {
            node: NodeId(node),
            site: SiteId::new(&site)?,
            role: Stored::from_stored(role, "NodeAdded.role")?,
        },
        wire::Event::NodeRoleChanged(wire::NodeRoleChanged { node, role }) => {
            Event::NodeRoleChanged {
                node: NodeId(node),
                role: Stored::from_stored(role, "NodeRoleChanged.role")?,
            }
        }
        wire::Event::NodeLeaving(node) => Event::NodeLeaving { node: NodeId(node) },
        wire::Event::TokenEnded(token) => Event::TokenEnded { token: Seq(token) },
        wire::Event::NodeRemoved(node) => Event::NodeRemoved { node: NodeId(node) },
        wire::Event::NodeLost(node) => Event::NodeLost { node: NodeId(node) },
        wire::Event::IngressStreams(wire::IngressStreams { ingress, nodes }) => {
            Event::IngressStreams { ingress: PrincipalId::new(&ingress)?, nodes }
        }
        wire::Event::TermStarted(wire::TermStarted { leader, gap_ms }) => {
            Event::TermStarted { leader: NodeId(leader), gap: Millis(gap_ms) }
        }
        wire::Event::TimeSet(wire::TimeSet { from_ms, to_ms }) => {
            Event::TimeSet { from: LogTime(from_ms), to: LogTime(to_ms) }
        }
        wire::Event::Checkpoint(wire::CheckpointTaken { index, hash }) => {
            Event::Checkpoint { index, hash: Stored::from_stored(hash, "CheckpointTaken.hash")? }
        }
        wire::Event::Diverged(wire::Diverged { index, own, majority }) => Event::Diverged {
            index,
            own: Stored::from_stored(own, "Diverged.own")?,
            majority: Stored::from_stored(majority, "Diverged.majority")?,
        },
        wire::Event::VersionRaised(to) => Event::VersionRaised { to },
        wire::Event::VersionUnknown(to) => Event::VersionUnknown { to },
        wire::Event::CalendarEnds(wire::CalendarEnds { calendar, at_ms }) => {
            CalendarId::new(&calendar)?;
            Event::Alarm(Alarm::CalendarEnds { calendar, at: LogTime(at_ms) })
        }
        wire::Event::DrainExpiredUnwell(site) => {
            Event::Alarm(Alarm::DrainExpiredUnwell { site: SiteId::new(&site)? })
        }
        wire::Event::Audit(record) => Event::Audit(Stored::from_stored(record, "Event.audit")?),
    })
}

/// An id that an object of this kind can have.
fn object_id(kind: ObjectKind, id: String) -> Result<String, Rejection> {
    match kind {
        ObjectKind::Queue => QueueId::new(&id).map(drop),
        ObjectKind::Agent => AgentId::new(&id).map(drop),
        ObjectKind::Site => SiteId::new(&id).map(drop),
        ObjectKind::Skill => SkillId::new(&id).map(drop),
        ObjectKind::Calendar => CalendarId::new(&id).map(drop),
        ObjectKind::Principal => PrincipalId::new(&id).map(drop),
        ObjectKind::Settings if id == "settings" => Ok(()),
        ObjectKind::Settings => Err(malformed("ConfigChanged.id is not that of settings".into())),
    }?;
    Ok(id)
}

/// Makes what happens to somebody the choice in the message of the same name, of which `module`
/// has the parts:
///
/// - `nothing { Variant }`: there is no more to say;
/// - `boxed { Variant }`: the choice is the stored form of what is in the box;
/// - `value { Variant { field } as Choice(name) }`: the choice is the stored form of one field;
/// - `message { Variant { fields; field as other_name } }`: the choice is a message of that name.
///
/// Behind a field comes `=> check` as in [`stored_messages`](super::stored::stored_messages).
macro_rules! stored_events {
    ($group:ident in $module:ident {
        nothing { $($nothing:ident),+ $(,)? }
        $(boxed { $($boxed:ident),+ })?
        value {
            $($single:ident { $inner:ident $(=> $inner_check:path)? } as $choice:ident($at:ident)),+
            $(,)?
        }
        message {
            $($variant:ident {
                $($same:ident $(=> $check:path)?),*
                $(; $($field:ident as $wire:ident $(=> $wire_check:path)?),+)?
            })+
        }
    }) => {
        impl Stored<Option<v1::$module::Event>> for $group {
            fn to_stored(&self) -> Option<v1::$module::Event> {
                use v1::$module as wire;
                Some(match self {
                    $(Self::$nothing => wire::Event::$nothing(wire::Nothing {}),)+
                    $($(Self::$boxed(inner) => wire::Event::$boxed(inner.to_stored()),)+)?
                    $(Self::$single { $inner } => {
                        wire::Event::$choice(Stored::to_stored($inner))
                    })+
                    $(Self::$variant { $($same,)* $($($field),+)? } => {
                        wire::Event::$variant(wire::$variant {
                            $($same: Stored::to_stored($same),)*
                            $($($wire: Stored::to_stored($field),)+)?
                        })
                    })+
                })
            }

            fn from_stored(
                stored: Option<v1::$module::Event>,
                at: &'static str,
            ) -> Result<Self, Rejection> {
                use super::stored::read_field;
                use v1::$module as wire;
                Ok(match stored.ok_or_else(|| no_choice(at))? {
                    $(wire::Event::$nothing(wire::Nothing {}) => Self::$nothing,)+
                    $($(wire::Event::$boxed(inner) => {
                        Self::$boxed(Stored::from_stored(inner, stringify!($boxed))?)
                    })+)?
                    $(wire::Event::$choice(inner) => Self::$single {
                        $inner: read_field!(
                            inner,
                            concat!(stringify!($group), ".", stringify!($at))
                            $(, $inner_check)?
                        ),
                    },)+
                    $(wire::Event::$variant(wire::$variant {
                        $($same,)* $($($wire),+)?
                    }) => Self::$variant {
                        $($same: read_field!(
                            $same,
                            concat!(stringify!($variant), ".", stringify!($same))
                            $(, $check)?
                        ),)*
                        $($($field: read_field!(
                            $wire,
                            concat!(stringify!($variant), ".", stringify!($wire))
                            $(, $wire_check)?
                        ),)+)?
                    },)+
                })
            }
        }
    };
}

stored_events! {
    ContactEvent in contact_event {
        nothing { Spilled, Held, Retrieved, Resumed, Adopted }
        boxed { Closed }
        value {
            Queued { queue } as Queued(queued),
            Scheduled { until => any_time } as ScheduledUntilMs(scheduled_until_ms),
            StepReached { step } as StepReached(step_reached),
            PreferredGivenUp { agent } as PreferredGivenUp(preferred_given_up),
            WrapUpStarted { agent } as WrapUpStarted(wrap_up_started),
            Stranded { deadline } as StrandedUntilMs(stranded_until_ms),
            Orphaned { deadline } as OrphanedUntilMs(orphaned_until_ms),
            ConsultStarted { consult } as ConsultStarted(consult_started),
            RecordingSet { reference } as RecordingSet(recording_set),
            CsatReceived { score => score_in_range } as CsatReceived(csat_received),
        }
        message {
            Enqueued { queue, channel, priority, site, ingress; effective as effective_ms }
            PlaceChanged { step; from as from_ms, to as to_ms }
            Offered { token, agent, site, queue, auto_answer, reason; deadline as deadline_ms }
            OfferEnded { token, agent, end }
            Accepted { token, agent }
            Connected { token, agent; waited as waited_ms => any_duration }
            Transferred { agent, from, to }
            Overflowed { from, to, cause }
            BecameCallback { cause }
            DispositionSet { disposition, resolved }
        }
    }
}

fn score_in_range(score: u32) -> Result<u8, Rejection> {
    in_range("ContactEvent.csat_received", score, 0, 100)
}

stored_events! {
    AgentEvent in agent_event {
        nothing { LoggedOut, Unreachable, Offline, Ready, MoveEnded }
        value {
            NotReady { reason } as NotReady(not_ready),
            NotReadyWhenFree { reason } as NotReadyWhenFree(not_ready_when_free),
            MediumClosed { medium } as MediumClosed(medium_closed),
            MediumOpened { medium } as MediumOpened(medium_opened),
        }
        message {
            LoggedIn { epoch, node, site, instead_of }
            Moved { ; until as until_ms => any_time_or_none }
        }
    }
}

stored_words! {
    ObjectKind { Queue, Agent, Site, Skill, Calendar, Principal, Settings }
    OverflowCause { Closed, Full, WaitedTooLong, Moved, Deleted, Drained }
}
