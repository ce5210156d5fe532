use alloc::{boxed::Box, string::String, string::ToString, vec, vec::Vec};

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;
use proto::stored::v1;
use v1::{agent_event, contact_event, event};

use super::samples::{
    self, EPOCH, STAMP, TOKEN, agent, calendar, contact, label, principal, queue, site,
};
use super::*;
use crate::channel::{Channel, Medium};
use crate::config::{Grade, Priority, Strategy};
use crate::event::{
    AgentEvent, Alarm, ContactEvent, Event, NotReadyReason, ObjectKind, OfferEnd, OfferReason,
    OverflowCause, SiteChoice, SiteState,
};
use crate::ids::{ContactId, NodeId, QueueId, Revision, Seq, SessionEpoch};
use crate::record::AuditRecord;
use crate::site::NodeRole;
use crate::time::{AttendedTime, Millis};

// -- Samples ------------------------------------------------------------------------------------

/// Lists the variants of events, those of the group in `part` one by one, as in
/// [`samples::variant`].
macro_rules! variants {
    (
        Event { $($other:ident),+ $(,)? }
        $($group:ident.$part:tt: $inner:ident { $($variant:ident),+ $(,)? })+
    ) => {
        const VARIANTS: &[&str] = &[
            $($(concat!(stringify!($inner), "::", stringify!($variant))),+,)+
            $(stringify!($other)),+
        ];

        fn variant(event: &Event) -> &'static str {
            match event {
                $($(Event::$group { $part: $inner::$variant { .. }, .. } => {
                    concat!(stringify!($inner), "::", stringify!($variant))
                })+)+
                $(Event::$other { .. } => stringify!($other),)+
            }
        }
    };
}

variants! {
    Event {
        Site, DrainDeadline, QueueClosed, QueueReopened, Config, NodeAdded, NodeRoleChanged,
        NodeLeaving, TokenEnded, NodeRemoved, NodeLost,
        IngressStreams, TermStarted, TimeSet, Checkpoint, Diverged, VersionRaised, VersionUnknown,
        Audit,
    }
    Contact.what: ContactEvent {
        Enqueued, Queued, Scheduled, StepReached, PlaceChanged, Spilled, PreferredGivenUp, Offered,
        OfferEnded, Accepted, Connected, Held, Retrieved, WrapUpStarted, Transferred, Overflowed,
        BecameCallback, Stranded, Resumed, Orphaned, Adopted, ConsultStarted, DispositionSet,
        RecordingSet, CsatReceived, Closed,
    }
    Agent.what: AgentEvent {
        LoggedIn, LoggedOut, Unreachable, Offline, Ready, NotReady, NotReadyWhenFree, MediumClosed,
        MediumOpened, Moved, MoveEnded,
    }
    Alarm.0: Alarm { CalendarEnds, DrainExpiredUnwell }
}

/// At least one sample of every event, with every optional part present and absent.
fn events() -> Vec<Event> {
    let of_contact = |what| Event::Contact { contact: contact(), what };
    let of_agent = |what| Event::Agent { agent: agent(), what };
    let mut samples: Vec<Event> = contact_events().into_iter().map(of_contact).collect();
    samples.extend(agent_events().into_iter().map(of_agent));
    samples.extend(central_events());
    samples.extend(samples::audit_records().into_iter().map(Box::new).map(Event::Audit));
    samples
}

fn contact_events() -> Vec<ContactEvent> {
    use ContactEvent as C;
    let (token, deadline) = (TOKEN, AttendedTime(u64::MAX));
    let (from, to) = (queue(), QueueId::new("sales").unwrap());
    let reason = OfferReason {
        preferred: true,
        step: 7,
        grade: Grade::NAMED,
        site: SiteChoice::Spilled,
        strategy: Strategy::MostSkilled,
        key: u64::MAX,
    };
    let mut samples = vec![
        C::Enqueued {
            queue: queue(),
            channel: Channel::Callback,
            priority: Priority::new(9).unwrap(),
            effective: i64::MIN,
            site: site(),
            ingress: principal(),
        },
        C::Queued { queue: queue() },
        // Worked out, so it may lie after the last possible stamp.
        C::Scheduled { until: LogTime(u64::MAX) },
        C::StepReached { step: 255 },
        C::PlaceChanged { from: i64::MAX, to: -1, step: 1 },
        C::Spilled,
        C::PreferredGivenUp { agent: agent() },
        C::Offered {
            token,
            agent: agent(),
            site: site(),
            queue: queue(),
            deadline,
            auto_answer: true,
            reason,
        },
        C::OfferEnded { token, agent: agent(), end: OfferEnd::BridgeTimeout },
        C::Accepted { token, agent: agent() },
        C::Connected { token, agent: agent(), waited: Millis(u64::MAX) },
        C::Held,
        C::Retrieved,
        C::WrapUpStarted { agent: agent() },
        C::Transferred { agent: agent(), from: from.clone(), to: to.clone() },
        C::BecameCallback { cause: None },
        C::Stranded { deadline },
        C::Resumed,
        C::Orphaned { deadline },
        C::Adopted,
        C::ConsultStarted { consult: ContactId::new("c-2").unwrap() },
        C::DispositionSet { disposition: label(), resolved: true },
        C::RecordingSet { reference: label() },
        C::CsatReceived { score: 100 },
    ];
    for cause in [
        OverflowCause::Closed,
        OverflowCause::Full,
        OverflowCause::WaitedTooLong,
        OverflowCause::Moved,
        OverflowCause::Deleted,
        OverflowCause::Drained,
    ] {
        samples.push(C::Overflowed { from: from.clone(), to: to.clone(), cause });
        samples.push(C::BecameCallback { cause: Some(cause) });
    }
    let records = samples::contact_records().into_iter().map(Box::new);
    samples.extend(records.map(C::Closed));
    samples
}

fn agent_events() -> Vec<AgentEvent> {
    use AgentEvent as A;
    let logged_in =
        |instead_of| A::LoggedIn { epoch: EPOCH, node: NodeId(7), site: site(), instead_of };
    vec![
        logged_in(None),
        logged_in(Some(SessionEpoch(0))),
        A::LoggedOut,
        A::Unreachable,
        A::Offline,
        A::Ready,
        A::NotReady { reason: NotReadyReason::LoggedIn },
        A::NotReady { reason: NotReadyReason::Rona },
        A::NotReadyWhenFree { reason: NotReadyReason::Said(label()) },
        A::NotReadyWhenFree { reason: NotReadyReason::Supervisor(label()) },
        A::MediumClosed { medium: Medium::Voice },
        A::MediumOpened { medium: Medium::Message },
        A::Moved { until: None },
        A::Moved { until: Some(STAMP) },
        A::MoveEnded,
    ]
}

/// Events of the centre and the cluster, without those of administration.
fn central_events() -> Vec<Event> {
    let mut samples = vec![
        Event::DrainDeadline { site: site(), withdrawn: 1, live: u32::MAX, waiting: 3 },
        Event::QueueClosed { queue: queue(), until: STAMP },
        Event::QueueReopened { queue: queue() },
        Event::NodeAdded { node: NodeId(7), site: site(), role: NodeRole::Learner },
        Event::NodeRoleChanged { node: NodeId(7), role: NodeRole::Witness },
        Event::NodeLeaving { node: NodeId(7) },
        Event::TokenEnded { token: Seq(8) },
        Event::NodeRemoved { node: NodeId(7) },
        Event::NodeLost { node: NodeId(0) },
        Event::IngressStreams { ingress: principal(), nodes: 0 },
        Event::TermStarted { leader: NodeId(7), gap: Millis(u64::MAX) },
        Event::TimeSet { from: LogTime(u64::MAX), to: STAMP },
        Event::Checkpoint { index: 10_000, hash: 1 << 127 },
        Event::Diverged { index: 10_000, own: 0, majority: 1 },
        Event::VersionRaised { to: 2 },
        Event::VersionUnknown { to: u32::MAX },
        Event::Alarm(Alarm::CalendarEnds { calendar: calendar().as_str().into(), at: STAMP }),
        Event::Alarm(Alarm::DrainExpiredUnwell { site: site() }),
    ];
    for state in [
        SiteState::Active,
        SiteState::Suspect,
        SiteState::Lost,
        SiteState::Returning { until: None },
        SiteState::Returning { until: Some(STAMP) },
        SiteState::Draining,
        SiteState::Drained,
    ] {
        samples.push(Event::Site { site: site(), state });
    }
    for (kind, id) in [
        (ObjectKind::Queue, "billing"),
        (ObjectKind::Agent, "anna"),
        (ObjectKind::Site, "kyiv"),
        (ObjectKind::Skill, "english"),
        (ObjectKind::Calendar, "opening-hours"),
        (ObjectKind::Principal, "bob"),
        (ObjectKind::Settings, "settings"),
    ] {
        for revision in [None, Some(Revision(3))] {
            samples.push(Event::Config { kind, id: id.into(), revision });
        }
    }
    samples
}

// -- There and back -----------------------------------------------------------------------------

fn encode(event: &Event) -> Vec<u8> {
    event_to_stored(event).encode_to_vec()
}

#[test]
fn every_event_comes_back_as_it_was() {
    for event in events() {
        let stored = v1::Event::decode(&*encode(&event)).unwrap();
        assert_eq!(event_from_stored(stored), Ok(event));
    }
}

#[test]
fn every_event_has_a_sample() {
    let samples: Vec<_> = events().iter().map(variant).collect();
    for variant in VARIANTS {
        assert!(samples.contains(variant), "{variant} has no sample");
    }
}

#[test]
fn a_refusal_that_is_told_keeps_its_code_and_its_words() {
    let refused = Rejection::NotInitialised;
    let audit =
        AuditRecord { refused: Some(refused.clone()), ..samples::audit_records().remove(0) };
    let stored = event_to_stored(&Event::Audit(Box::new(audit)));
    let Ok(Event::Audit(audit)) = event_from_stored(stored.clone()) else {
        unreachable!("an audit record was stored")
    };
    let read = audit.refused.clone().unwrap();
    assert_eq!((read.code(), read.to_string()), (refused.code(), refused.to_string()));
    assert_eq!(event_to_stored(&Event::Audit(audit)), stored);
}

// -- Refusals -----------------------------------------------------------------------------------

/// What is said of an event that is right but for this change of its stored form.
fn refusal(sample: &str, change: impl Fn(&mut event::Event)) -> String {
    let event = events().into_iter().find(|event| variant(event) == sample).unwrap();
    let mut stored = event_to_stored(&event);
    change(stored.event.as_mut().unwrap());
    event_from_stored(stored).unwrap_err().to_string()
}

/// A change inside one event of the centre.
macro_rules! central {
    ($sample:literal, $choice:ident, $event:ident => $change:expr) => {
        refusal($sample, |stored| {
            let event::Event::$choice($event) = stored else {
                unreachable!("the sample is of this kind")
            };
            $change;
        })
    };
}

/// A change inside one event of a contact or an agent.
macro_rules! within {
    ($group:ident, $module:ident, $sample:literal, $choice:ident, $event:ident => $change:expr) => {
        central!($sample, $group, group => {
            let Some($module::Event::$choice($event)) = &mut group.event else {
                unreachable!("the sample is of this kind")
            };
            $change
        })
    };
}

macro_rules! of_contact {
    ($sample:literal, $choice:ident, $event:ident => $change:expr) => {
        within!(Contact, contact_event, $sample, $choice, $event => $change)
    };
}

macro_rules! of_agent {
    ($sample:literal, $choice:ident, $event:ident => $change:expr) => {
        within!(Agent, agent_event, $sample, $choice, $event => $change)
    };
}

#[test]
fn a_missing_part_is_named() {
    let unknown = |at| alloc::format!("malformed: {at} is missing or unknown to this version");
    let missing = |at| alloc::format!("malformed: {at} is missing");
    let nothing = event_from_stored(v1::Event { event: None });
    let refused = [
        (nothing.unwrap_err().to_string(), unknown("Event.event")),
        (
            central!("ContactEvent::Held", Contact, e => e.event = None),
            unknown("ContactEvent.event"),
        ),
        (central!("AgentEvent::Ready", Agent, e => e.event = None), unknown("AgentEvent.event")),
        (central!("Site", Site, e => e.state = None), missing("SiteChanged.state")),
        (
            central!("Site", Site, e => e.state = Some(v1::SiteState::default())),
            unknown("SiteState.state"),
        ),
        (central!("Config", Config, e => e.kind = 0), missing("ConfigChanged.kind")),
        (central!("Audit", Audit, e => e.command = None), missing("AuditRecord.command")),
        (
            of_contact!("ContactEvent::Enqueued", Enqueued, e => e.channel = 0),
            missing("Enqueued.channel"),
        ),
        (
            of_contact!("ContactEvent::Offered", Offered, e => e.reason = None),
            missing("Offered.reason"),
        ),
        (
            of_contact!("ContactEvent::OfferEnded", OfferEnded, e => e.end = 0),
            missing("OfferEnded.end"),
        ),
        (
            of_contact!("ContactEvent::Overflowed", Overflowed, e => e.cause = 0),
            missing("Overflowed.cause"),
        ),
        (
            of_contact!("ContactEvent::BecameCallback", BecameCallback, e => e.cause = Some(0)),
            missing("BecameCallback.cause"),
        ),
        (
            of_contact!("ContactEvent::Closed", Closed, e => e.outcome = 0),
            missing("ContactRecord.outcome"),
        ),
        (
            of_agent!("AgentEvent::NotReady", NotReady, e => e.reason = None),
            unknown("NotReadyReason.reason"),
        ),
        (
            of_agent!("AgentEvent::MediumClosed", MediumClosed, e => *e = 0),
            missing("AgentEvent.medium_closed"),
        ),
    ];
    for (said, expected) in refused {
        assert_eq!(said, expected);
    }
}

#[test]
fn what_is_no_id_text_word_or_number_of_its_kind_is_refused() {
    let refused = [
        (central!("AgentEvent::Ready", Agent, e => e.agent.clear()), "\"\" is not a agent id"),
        (central!("Config", Config, e => e.id = "a b".into()), "\"a b\" is not a queue id"),
        (
            central!("Config", Config, e => e.kind = v1::ObjectKind::Settings as i32),
            "malformed: ConfigChanged.id is not that of settings",
        ),
        (
            central!("Alarm::CalendarEnds", CalendarEnds, e => e.calendar.clear()),
            "\"\" is not a calendar id",
        ),
        (
            central!("Checkpoint", Checkpoint, e => e.hash = Bytes::new()),
            "malformed: CheckpointTaken.hash has 0 bytes, must have 16",
        ),
        (
            central!("Diverged", Diverged, e => e.majority = vec![7; 17].into()),
            "malformed: Diverged.majority has 17 bytes, must have 16",
        ),
        (
            of_contact!("ContactEvent::RecordingSet", RecordingSet, e => e.clear()),
            "text must have 1 to 200 bytes and no control characters: \"\"",
        ),
        (
            of_contact!("ContactEvent::StepReached", StepReached, e => *e = 256),
            "ContactEvent.step_reached is 256, must be 0 to 255",
        ),
        (
            of_contact!("ContactEvent::CsatReceived", CsatReceived, e => *e = 101),
            "ContactEvent.csat_received is 101, must be 0 to 100",
        ),
        (
            of_contact!("ContactEvent::Overflowed", Overflowed, e => e.cause = 7),
            "malformed: Overflowed.cause is 7, which is unknown to this version",
        ),
    ];
    for (said, expected) in refused {
        assert_eq!(said, expected);
    }
}

// -- Whatever the bytes -------------------------------------------------------------------------

/// Refused, or an event that is as good as any: it has a form and comes back.
fn refused_or_sound(bytes: &[u8]) {
    let Ok(stored) = v1::Event::decode(bytes) else { return };
    if let Ok(event) = event_from_stored(stored) {
        assert_eq!(event_from_stored(event_to_stored(&event)), Ok(event));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn random_bytes_are_refused_or_sound(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        refused_or_sound(&bytes);
    }

    #[test]
    fn damaged_events_are_refused_or_sound(
        sample in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        tail in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut bytes = encode(sample.get(&events()));
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut cut_short = bytes[..cut.index(bytes.len() + 1)].to_vec();
        cut_short.extend_from_slice(&tail);
        bytes.extend_from_slice(&tail);
        refused_or_sound(&bytes);
        refused_or_sound(&cut_short);
    }
}
