//! What is refused, why, and that a refused command leaves no trace ([`Scene::refused`] compares
//! state hashes). Roles are in `roles.rs`, requests in `requests.rs`, revisions in
//! `configuration.rs`.

mod scene;

use acd::channel::Channel;
use acd::codec;
use acd::command::{
    AgentCommand, ClusterCommand, Command, ConfigCommand, ContactCommand, Enqueue, HeldContact,
    Submission, WorkCommand,
};
use acd::config::{AgentConfig, Priority, QueueConfig, Requirement, SkillLevel, Step};
use acd::ids::{ContactId, NodeId, OfferToken, QueueId, SessionEpoch};
use acd::limits;
use acd::rejection::{ContactNow, Rejection};
use acd::text::{Attributes, Label};
use acd::time::{LogTime, Millis};
use scene::*;

/// A queue `billing` (calls) and a queue `mail` (mail); anna in Kyiv serves both.
fn scene() -> Scene {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    let channels = acd::channel::Channels::of(&[Channel::Email]);
    s.put_queue(QueueConfig { channels, ..queue_config("mail") });
    s.staff("anna", "kyiv", &[("billing", 1), ("mail", 1)]);
    s
}

fn enqueue(enqueue: Enqueue) -> Command {
    ContactCommand::Enqueue(enqueue).into()
}

fn put_queue(config: QueueConfig) -> Command {
    ConfigCommand::PutQueue { config, expected: None }.into()
}

fn put_agent(config: AgentConfig) -> Command {
    ConfigCommand::PutAgent { config, expected: None }.into()
}

fn accept(id: &str, token: OfferToken) -> WorkCommand {
    WorkCommand::Accept { contact: contact(id), token }
}

// -- At the edge ----------------------------------------------------------------------------------

#[test]
fn what_is_not_well_formed_does_not_come_in() {
    assert_eq!(QueueId::new("Billing").unwrap_err().code(), "invalid-id");
    assert_eq!(ContactId::new("").unwrap_err().code(), "invalid-id");
    assert_eq!(Label::new("two\nlines").unwrap_err().code(), "invalid-label");
    assert_eq!(Attributes::new(&[0xff]).unwrap_err().code(), "invalid-attributes");
    assert_eq!(Priority::new(10).unwrap_err().code(), "out-of-range");
    assert_eq!(SkillLevel::new(0).unwrap_err().code(), "out-of-range");
    assert_eq!(codec::decode_submission(&[0xff]).unwrap_err().code(), "malformed");
}

// -- Arrivals -------------------------------------------------------------------------------------

#[test]
fn an_arrival_names_things_that_exist_and_fit() {
    let mut s = scene();
    s.grant("homeless", &[acd::roles::Role::Ingress], None);
    let requirements = requires(&[("french", 5)]);
    let twice: Vec<Requirement> = [1, 2].map(|n| requires(&[("french", n)])[0].clone()).into();
    let later = Some(LogTime(s.now + 60_000));
    let too_late = Some(LogTime(s.now).plus(Millis::days(401)));
    let callback = || other(Channel::Callback, "c1", "billing");
    for (who, command, code) in [
        ("edge-kyiv", call("c1", "nowhere"), "unknown"),
        ("edge-kyiv", other(Channel::Chat, "c1", "billing"), "channel-not-taken"),
        ("homeless", call("c1", "billing"), "no-site"),
        ("edge-kyiv", Enqueue { site: Some(site("odesa")), ..call("c1", "billing") }, "unknown"),
        ("edge-kyiv", Enqueue { requirements, ..call("c1", "billing") }, "unknown"),
        (
            "edge-kyiv",
            Enqueue { requirements: twice.into(), ..call("c1", "billing") },
            "named-twice",
        ),
        (
            "edge-kyiv",
            Enqueue { preferred: Some(agent("nobody")), ..call("c1", "billing") },
            "unknown",
        ),
        ("edge-kyiv", Enqueue { not_before: later, ..call("c1", "billing") }, "invalid-config"),
        ("edge-kyiv", Enqueue { not_before: too_late, ..callback() }, "out-of-range"),
        (
            "edge-kyiv",
            Enqueue { preferred_wait: Some(Millis::days(401)), ..call("c1", "billing") },
            "out-of-range",
        ),
    ] {
        assert_eq!(s.refused(who, enqueue(command.clone())).code(), code, "{command:?}");
    }
}

#[test]
fn a_contact_id_is_one_contact() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    let reused = Rejection::ContactIdReused { contact: contact("c1") };
    let another = Enqueue { priority: Priority::new(1).unwrap(), ..call("c1", "billing") };
    assert_eq!(s.refused("edge-kyiv", enqueue(another.clone())), reused);
    assert_eq!(s.refused("edge-lviv", enqueue(call("c1", "billing"))), reused, "of Kyiv's");
    s.hang_up("c1", "kyiv");
    assert_eq!(s.refused("edge-kyiv", enqueue(another)), reused, "closed, but remembered");
}

// -- Offers ---------------------------------------------------------------------------------------

#[test]
fn a_stale_token_is_told_what_is_true_now() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    let token = s.token("c1");
    let stale = |now| Rejection::StaleToken { contact: contact("c1"), now };
    s.decline("c1");
    assert_eq!(s.refused("anna", accept("c1", token)), stale(ContactNow::Waiting));
    s.staff("boris", "lviv", &[("billing", 1)]);
    assert_eq!(s.refused("anna", accept("c1", token)), stale(ContactNow::WithAgent));
    s.hang_up("c1", "kyiv");
    assert_eq!(s.refused("anna", accept("c1", token)), stale(ContactNow::Closed));
    let unknown = s.refused("anna", accept("c9", token));
    assert_eq!(unknown, Rejection::Unknown { kind: "contact", id: "c9".into() });
}

#[test]
fn each_stage_takes_its_own_commands_only() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    let (id, token) = (contact("c1"), s.token("c1"));
    let (c, t) = (id.clone(), token);
    let decline = WorkCommand::Decline { contact: c.clone(), token };
    let live_only = [
        WorkCommand::Hold { contact: c.clone(), token },
        WorkCommand::Retrieve { contact: c.clone(), token },
        WorkCommand::End { contact: c.clone(), token },
        WorkCommand::Complete { contact: c.clone(), token, disposition: None, resolved: None },
        WorkCommand::SetDisposition {
            contact: c.clone(),
            token,
            disposition: label("x"),
            resolved: true,
        },
        WorkCommand::Transfer { contact: c.clone(), token, to: to_queue("mail") },
        WorkCommand::Consult { contact: c, token: t, consult: contact("x"), to: to_agent("anna") },
    ];
    for state in ["offered", "accepted"] {
        for command in &live_only {
            let state_said = Rejection::WrongState { contact: id.clone(), state };
            assert_eq!(s.refused("anna", command.clone()), state_said, "{command:?}");
        }
        if state == "offered" {
            let bridged = ContactCommand::Bridged { contact: id.clone(), token };
            assert_eq!(s.refused("edge-kyiv", bridged).code(), "wrong-state");
            s.accept("c1");
        }
    }
    s.bridge("c1");
    assert_eq!(s.refused("anna", decline).code(), "wrong-state");
    let failed = ContactCommand::BridgeFailed { contact: id.clone(), token };
    assert_eq!(s.refused("edge-kyiv", failed).code(), "stale-token");
    let back = ContactCommand::RequestCallback { contact: id.clone(), not_before: None };
    assert_eq!(s.refused("edge-kyiv", back).code(), "wrong-state");
    for command in [
        ContactCommand::Move { contact: id.clone(), to: queue("billing") },
        ContactCommand::Remove { contact: id.clone() },
    ] {
        assert_eq!(s.refused("olena", command).code(), "wrong-state");
    }
    s.end("c1");
    let hold = WorkCommand::Hold { contact: id, token };
    assert_eq!(s.refused("anna", hold).code(), "wrong-state", "wrap-up");
}

#[test]
fn a_transfer_goes_to_what_exists_and_takes_the_channel() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    let token = s.token("c1");
    for (to, code) in [
        (to_queue("nowhere"), "unknown"),
        (to_agent("nobody"), "unknown"),
        (to_queue("mail"), "channel-not-taken"),
    ] {
        let transfer = WorkCommand::Transfer { contact: contact("c1"), token, to: to.clone() };
        assert_eq!(s.refused("anna", transfer).code(), code);
        let consult = contact("ask");
        let consult = WorkCommand::Consult { contact: contact("c1"), token, consult, to };
        assert_eq!(s.refused("anna", consult).code(), code);
    }
    s.call("c2", "billing", "kyiv");
    let consult = contact("c2");
    let consult =
        WorkCommand::Consult { contact: contact("c1"), token, consult, to: to_agent("anna") };
    assert_eq!(s.refused("anna", consult).code(), "contact-id-reused");
    let to = queue("mail");
    let moved = ContactCommand::Move { contact: contact("c2"), to };
    assert_eq!(s.refused("olena", moved).code(), "channel-not-taken");
}

// -- Limits ---------------------------------------------------------------------------------------

#[test]
fn a_contact_is_not_passed_on_for_ever() {
    let mut s = scene();
    // Without a cool-down it comes straight back.
    s.put_queue(QueueConfig { cool_down: Millis::ZERO, ..queue_config("billing") });
    s.call("c1", "billing", "kyiv");
    for _ in 0..limits::TRANSFERS_PER_CONTACT_MAX {
        s.connect("c1");
        s.transfer("c1", to_agent("anna"));
    }
    s.connect("c1");
    let (contact, token) = (contact("c1"), s.token("c1"));
    let once_more = WorkCommand::Transfer { contact, token, to: to_agent("anna") };
    assert_eq!(s.refused("anna", once_more).code(), "limit-reached");
}

#[test]
fn not_everybody_is_consulted_at_once() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    for n in 0..limits::CONSULTS_PER_CONTACT_MAX {
        s.consult("c1", &format!("ask-{n}"), to_queue("billing"));
    }
    let (contact, token, consult) = (contact("c1"), s.token("c1"), contact("once-more"));
    let once_more = WorkCommand::Consult { contact, token, consult, to: to_queue("billing") };
    assert_eq!(s.refused("anna", once_more).code(), "limit-reached");
}

#[test]
fn lists_are_bounded() {
    let mut s = scene();
    let held = |n: usize| HeldContact { contact: contact(&format!("c{n}")), token: None };
    let contacts = (0..=limits::REATTACH_CONTACTS_MAX).map(held).collect();
    let reattach = ContactCommand::Reattach { contacts };
    assert_eq!(s.refused("edge-kyiv", reattach).code(), "limit-reached");
    let steps: Vec<Step> = (0..=limits::STEPS_PER_QUEUE_MAX as u64).map(step_at).collect();
    let config = QueueConfig { steps, ..queue_config("billing") };
    assert_eq!(s.refused("olena", put_queue(config)).code(), "limit-reached");
    for n in s.centre.counts().3..limits::SITES_MAX {
        let id = format!("city-{n}");
        let config = acd::config::SiteConfig::new(site(&id), label(&id));
        s.must("olena", acd::command::SiteCommand::Put { config, expected: None });
    }
    let config = acd::config::SiteConfig::new(site("one-more"), label("one more"));
    let put = acd::command::SiteCommand::Put { config, expected: None };
    assert_eq!(s.refused("olena", put).code(), "limit-reached");
}

// -- Somebody else's ------------------------------------------------------------------------------

#[test]
fn nobody_acts_for_somebody_else() {
    let mut s = scene();
    s.staff("boris", "lviv", &[("billing", 1)]);
    s.call("c1", "billing", "kyiv");
    let (id, token) = (contact("c1"), s.token("c1"));
    let epoch = s.epoch("anna");
    let node = NodeId(1);
    let kyivs = [
        ContactCommand::HangUp { contact: id.clone() },
        ContactCommand::Bridged { contact: id.clone(), token },
        ContactCommand::BridgeFailed { contact: id.clone(), token },
        ContactCommand::RequestCallback { contact: id.clone(), not_before: None },
        ContactCommand::SetRecording { contact: id.clone(), reference: label("x") },
        ContactCommand::RecordCsat { contact: id.clone(), score: 1 },
        ContactCommand::Attach { ingress: principal("edge-kyiv"), node },
        ContactCommand::Detach { ingress: principal("edge-kyiv"), node },
    ];
    for command in kyivs {
        let refused = s.refused("edge-lviv", command.clone());
        assert_eq!(refused.code(), "not-yours", "{command:?}");
    }
    for command in [
        AgentCommand::LogIn { agent: agent("anna"), node },
        AgentCommand::Ready { agent: agent("anna"), epoch },
        AgentCommand::LogOut { agent: agent("anna"), epoch },
    ] {
        assert_eq!(s.refused("boris", command.clone()).code(), "not-yours", "{command:?}");
    }
    assert_eq!(s.refused("boris", accept("c1", token)).code(), "not-yours");
    s.hang_up("c1", "kyiv");
    let again = ContactCommand::HangUp { contact: id.clone() };
    assert_eq!(s.refused("edge-lviv", again).code(), "not-yours", "also when it is closed");
    let opinion = ContactCommand::RecordCsat { contact: id, score: 1 };
    assert_eq!(s.refused("edge-lviv", opinion).code(), "not-yours");
}

#[test]
fn a_gateway_speaks_for_many() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    let token = s.token("c1");
    s.must("desk", accept("c1", token));
    s.must("desk", ContactCommand::Bridged { contact: contact("c1"), token });
    s.must("desk", ContactCommand::HangUp { contact: contact("c1") });
    s.must("desk", AgentCommand::LogIn { agent: agent("anna"), node: NodeId(1) });
}

// -- Sessions -------------------------------------------------------------------------------------

#[test]
fn a_session_that_is_over_says_nothing_any_more() {
    let mut s = scene();
    let old = s.epoch("anna");
    s.log_in("anna", "lviv");
    let agent = agent("anna");
    for command in [
        AgentCommand::LogOut { agent: agent.clone(), epoch: old },
        AgentCommand::Ready { agent: agent.clone(), epoch: old },
        AgentCommand::NotReady { agent: agent.clone(), epoch: old, reason: label("lunch") },
        AgentCommand::OpenMedium {
            agent: agent.clone(),
            epoch: SessionEpoch(u64::MAX),
            medium: acd::channel::Medium::Chat,
        },
    ] {
        assert_eq!(s.refused("anna", command.clone()).code(), "stale-session", "{command:?}");
    }
    let lost = AgentCommand::SessionLost { agent: agent.clone(), epoch: old };
    assert_eq!(s.refused("node-1", lost).code(), "stale-session");
    s.log_out("anna");
    for command in [
        AgentCommand::SetReady { agent: agent.clone() },
        AgentCommand::SetNotReady { agent: agent.clone(), reason: label("x") },
        AgentCommand::ForceLogOut { agent },
    ] {
        assert_eq!(s.refused("olena", command.clone()).code(), "stale-session", "{command:?}");
    }
}

#[test]
fn an_opinion_is_a_percentage() {
    let mut s = scene();
    let command = ContactCommand::RecordCsat { contact: contact("c1"), score: 101 };
    assert_eq!(s.refused("edge-kyiv", command).code(), "out-of-range");
}

#[test]
fn a_log_in_is_to_a_node_there_is() {
    let mut s = scene();
    let log_in = AgentCommand::LogIn { agent: agent("anna"), node: NodeId(9) };
    assert_eq!(s.refused("anna", log_in).code(), "unknown");
    let attach = ContactCommand::Attach { ingress: principal("edge-kyiv"), node: NodeId(9) };
    assert_eq!(s.refused("edge-kyiv", attach).code(), "unknown");
}

#[test]
fn whoever_has_live_contacts_stays() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    let log_out = AgentCommand::LogOut { agent: agent("anna"), epoch: s.epoch("anna") };
    assert_eq!(s.refused("anna", log_out).code(), "agent-busy");
    let delete = ConfigCommand::DeleteAgent { agent: agent("anna"), expected: None };
    assert_eq!(s.refused("olena", delete).code(), "agent-busy");
}

// -- Configuration --------------------------------------------------------------------------------

#[test]
fn configuration_that_contradicts_itself_is_refused() {
    let mut s = scene();
    let own = acd::config::Overflow::Queue(queue("billing"));
    let base = || queue_config("billing");
    for (config, code) in [
        (QueueConfig { overflow: own, ..base() }, "invalid-config"),
        (QueueConfig { steps: vec![step_at(1)], ..base() }, "invalid-config"),
        (
            QueueConfig { steps: vec![step_at(0), step_at(9), step_at(9)], ..base() },
            "invalid-config",
        ),
        (QueueConfig { channels: acd::channel::Channels::NONE, ..base() }, "invalid-config"),
        (QueueConfig { offer_timeout: Millis::ZERO, ..base() }, "out-of-range"),
        (QueueConfig { wait_max: Millis::days(401), ..base() }, "out-of-range"),
        (QueueConfig { length_max: 0, ..base() }, "out-of-range"),
    ] {
        assert_eq!(s.refused("olena", put_queue(config.clone())).code(), code, "{config:?}");
    }
    let twice = roster_entry("boris", "kyiv", &[("billing", 1), ("billing", 2)]);
    assert_eq!(s.refused("olena", put_agent(twice)).code(), "named-twice");
    let node = roster_entry("node-1", "kyiv", &[]);
    assert_eq!(s.refused("olena", put_agent(node)).code(), "reserved-name");
    let nowhere = roster_entry("boris", "odesa", &[]);
    assert_eq!(s.refused("olena", put_agent(nowhere)).code(), "unknown");
}

// -- The cluster ----------------------------------------------------------------------------------

#[test]
fn nothing_is_done_before_the_first_command_and_that_is_given_once() {
    let mut s = Scene::blank();
    let tick = || Submission::new(principal("node-1"), ClusterCommand::Tick.into());
    assert_eq!(s.submit(tick()), Err(Rejection::NotInitialised));
    let mut s = scene();
    let again = ClusterCommand::Init {
        cluster: label("mine"),
        site: site("odesa"),
        admin: principal("mallory"),
        replay: false,
    };
    assert_eq!(s.refused("mallory", again.clone()), Rejection::AlreadyInitialised);
    assert_eq!(s.refused("olena", again), Rejection::AlreadyInitialised);
}

#[test]
fn a_first_operator_is_not_called_like_a_node() {
    let mut s = Scene::blank();
    let admin = principal("node-1");
    let (cluster, site) = (label("test"), site("kyiv"));
    let init = ClusterCommand::Init { cluster, site, admin, replay: false };
    let outcome = s.try_as("node-1", init);
    assert_eq!(outcome.unwrap_err().code(), "reserved-name");
    assert!(s.centre.cluster().is_none());
}
