//! Agents: presence, sessions, what becomes of those who do not answer, temporary moves.

mod scene;

use acd::agent::Presence;
use acd::channel::{Channel, Medium};
use acd::command::{AgentCommand, ConfigCommand, Submission, WorkCommand};
use acd::config::{Assignment, QueueConfig};
use acd::event::{AgentEvent, NotReadyReason, OfferEnd};
use acd::ids::NodeId;
use acd::record::Outcome;
use acd::reply::{Reply, WorkState};
use acd::time::Millis;
use scene::*;

/// A queue of all channels and one of loans; anna in Kyiv serves the first.
fn scene() -> Scene {
    let mut s = Scene::new();
    s.put_queue(QueueConfig { channels: all_channels(), ..queue_config("billing") });
    s.put_queue(queue_config("loans"));
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s
}

fn said(reason: &str) -> NotReadyReason {
    NotReadyReason::Said(label(reason))
}

fn anna() -> acd::ids::AgentId {
    agent("anna")
}

// -- Presence -------------------------------------------------------------------------------------

#[test]
fn who_has_just_logged_in_is_not_ready_yet() {
    let mut s = scene();
    s.log_out("anna");
    assert_eq!(*s.presence("anna"), Presence::Offline);
    s.log_in("anna", "kyiv");
    assert_eq!(*s.presence("anna"), Presence::NotReady(NotReadyReason::LoggedIn));
    s.call("c1", "billing", "kyiv");
    assert_eq!(s.state("c1"), "queued");
    s.ready("anna");
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}

#[test]
fn a_presence_asked_for_while_busy_is_applied_when_free() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.not_ready("anna", "lunch");
    assert_eq!(*s.presence("anna"), Presence::Ready);
    let noted = AgentEvent::NotReadyWhenFree { reason: said("lunch") };
    assert_eq!(s.agent_history("anna").last(), Some(&&noted));
    s.call("c2", "billing", "kyiv");
    s.end("c1");
    assert_eq!(*s.presence("anna"), Presence::Ready, "wrap-up is not free");
    s.complete("c1");
    assert_eq!(*s.presence("anna"), Presence::NotReady(said("lunch")));
    assert_eq!(s.state("c2"), "queued");
}

#[test]
fn no_new_offers_are_made_to_who_will_not_be_ready() {
    let mut s = scene();
    s.enqueue(other(Channel::Email, "m1", "billing"), "kyiv");
    s.accept("m1");
    s.not_ready("anna", "lunch");
    s.enqueue(other(Channel::Email, "m2", "billing"), "kyiv");
    assert_eq!(s.state("m2"), "queued");
    s.ready("anna");
    assert_eq!(s.with("m2").as_deref(), Some("anna"), "changed her mind");
    s.accept("m2");
    s.complete("m1");
    s.complete("m2");
    assert_eq!(*s.presence("anna"), Presence::Ready);
}

#[test]
fn supervisors_change_the_presence_of_agents() {
    let mut s = scene();
    s.must("olena", AgentCommand::SetNotReady { agent: anna(), reason: label("training") });
    let by_supervisor = NotReadyReason::Supervisor(label("training"));
    assert_eq!(*s.presence("anna"), Presence::NotReady(by_supervisor));
    s.must("olena", AgentCommand::SetReady { agent: anna() });
    assert_eq!(*s.presence("anna"), Presence::Ready);
}

#[test]
fn a_supervisor_ends_a_session_and_leaves_the_conversation() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.must("olena", AgentCommand::ForceLogOut { agent: anna() });
    assert_eq!((s.presence("anna"), s.state("c1")), (&Presence::Offline, "connected"));
    s.pass(Millis::minutes(10));
    assert_eq!(s.record("c1").outcome, Outcome::Orphaned);
}

// -- Ringing in vain ------------------------------------------------------------------------------

#[test]
fn an_agent_who_lets_a_call_ring_is_not_ready() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    s.pass(Millis(19_999));
    assert_eq!(s.state("c1"), "offered");
    s.pass(Millis(1));
    assert_eq!(s.offer_ends("c1"), [OfferEnd::Rona]);
    assert_eq!(*s.presence("anna"), Presence::NotReady(NotReadyReason::Rona));
    s.call("c2", "billing", "kyiv");
    assert_eq!(s.state("c2"), "queued");
    s.ready("anna");
    assert_eq!(s.with("c2").as_deref(), Some("anna"), "not c1, for a while");
}

#[test]
fn a_medium_is_closed_once_however_many_contacts_ring_in_vain() {
    let mut s = scene();
    let mut entry = roster_entry("anna", "kyiv", &[("billing", 1)]);
    entry.capacity.max = [1, 2, 0, 0];
    s.put_agent(entry);
    s.enqueue(other(Channel::Chat, "t1", "billing"), "kyiv");
    s.enqueue(other(Channel::Chat, "t2", "billing"), "kyiv");
    assert_eq!((s.state("t1"), s.state("t2")), ("offered", "offered"));
    s.pass(seconds(20));
    assert_eq!(s.offer_ends("t1"), [OfferEnd::Rona]);
    assert_eq!(s.offer_ends("t2"), [OfferEnd::Rona]);
    let closed = AgentEvent::MediumClosed { medium: Medium::Chat };
    let said = s.agent_history("anna").into_iter().filter(|event| **event == closed).count();
    assert_eq!(said, 1);
}

#[test]
fn an_agent_who_lets_a_chat_ring_gets_no_more_chats_but_other_work() {
    let mut s = scene();
    s.enqueue(other(Channel::Chat, "t1", "billing"), "kyiv");
    s.pass(seconds(20));
    assert_eq!(*s.presence("anna"), Presence::Ready);
    let closed = AgentEvent::MediumClosed { medium: Medium::Chat };
    assert_eq!(s.agent_history("anna").last(), Some(&&closed));
    s.enqueue(other(Channel::Chat, "t2", "billing"), "kyiv");
    assert_eq!(s.state("t2"), "queued");
    s.enqueue(other(Channel::Email, "m1", "billing"), "kyiv");
    assert_eq!(s.with("m1").as_deref(), Some("anna"));
    let (epoch, medium) = (s.epoch("anna"), Medium::Chat);
    s.must("anna", AgentCommand::OpenMedium { agent: anna(), epoch, medium });
    assert_eq!(s.with("t2").as_deref(), Some("anna"));
}

#[test]
fn ringing_in_vain_while_busy_with_mail_waits_for_the_mail() {
    let mut s = scene();
    s.enqueue(other(Channel::Email, "m1", "billing"), "kyiv");
    s.accept("m1");
    s.call("c1", "billing", "kyiv");
    s.pass(seconds(20));
    assert_eq!((s.state("c1"), s.presence("anna")), ("queued", &Presence::Ready));
    s.call("c2", "billing", "kyiv");
    assert_eq!(s.state("c2"), "queued", "no new offers meanwhile");
    s.complete("m1");
    assert_eq!(*s.presence("anna"), Presence::NotReady(NotReadyReason::Rona));
}

// -- Sessions -------------------------------------------------------------------------------------

#[test]
fn a_new_session_takes_over_offers_and_contacts_and_is_told_all() {
    let mut s = scene();
    s.enqueue(other(Channel::Email, "m1", "billing"), "kyiv");
    s.accept("m1");
    s.call("c1", "billing", "kyiv");
    let (mail, ringing) = (s.token("m1"), s.token("c1"));
    let old = s.epoch("anna");
    let deadline = s.contact("c1").stage.deadline().unwrap();
    let reply = s.must("anna", AgentCommand::LogIn { agent: anna(), node: NodeId(2) });
    let Reply::LoggedIn { epoch, work } = reply else { panic!("{reply:?}") };
    assert!(epoch > old);
    let told: Vec<_> = work.iter().map(|w| (w.contact.as_str(), w.token, w.state)).collect();
    let offered = WorkState::Offered(deadline);
    assert_eq!(told, [("m1", mail, WorkState::Connected), ("c1", ringing, offered)]);
    assert_eq!(s.offer_ends("c1"), [], "nothing was withdrawn");
    let ready = AgentCommand::Ready { agent: anna(), epoch: old };
    assert_eq!(s.refused("anna", ready).code(), "stale-session");
    s.accept("c1");
    assert_eq!(s.state("c1"), "accepted");
}

#[test]
fn the_loss_of_an_old_session_does_not_hurt_the_new_one() {
    let mut s = scene();
    let old = s.epoch("anna");
    s.log_in("anna", "lviv");
    let lost = AgentCommand::SessionLost { agent: anna(), epoch: old };
    assert_eq!(s.refused("node-1", lost).code(), "stale-session");
    assert_eq!(*s.presence("anna"), Presence::Ready, "a takeover keeps the presence");
}

#[test]
fn an_unreachable_agent_gets_no_offers_and_is_offline_in_the_end() {
    let mut s = scene();
    s.lose_session("anna");
    s.call("c1", "billing", "kyiv");
    assert_eq!(s.state("c1"), "queued");
    s.pass(Millis(Millis::minutes(2).0 - 1));
    assert!(matches!(s.presence("anna"), Presence::Unreachable { .. }));
    s.pass(Millis(1));
    assert_eq!(*s.presence("anna"), Presence::Offline);
}

#[test]
fn an_agent_who_is_back_in_time_goes_on_as_before() {
    let mut s = scene();
    s.lose_session("anna");
    s.pass(seconds(100));
    s.call("c1", "billing", "kyiv");
    s.log_in("anna", "kyiv");
    assert_eq!(s.with("c1").as_deref(), Some("anna"), "was ready, is ready");
    s.decline("c1");
    s.not_ready("anna", "lunch");
    s.lose_session("anna");
    s.log_in("anna", "kyiv");
    assert_eq!(*s.presence("anna"), Presence::NotReady(said("lunch")));
}

#[test]
fn an_agent_who_comes_back_too_late_still_has_the_conversation() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.lose_session("anna");
    s.pass(Millis::minutes(5));
    assert_eq!(*s.presence("anna"), Presence::Offline);
    s.log_in("anna", "lviv");
    assert_eq!(*s.presence("anna"), Presence::NotReady(NotReadyReason::LoggedIn));
    s.complete("c1");
    assert_eq!(s.record("c1").outcome, Outcome::Handled);
}

#[test]
fn an_agent_may_end_a_conversation_while_the_session_is_lost() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.lose_session("anna");
    s.work("c1", |contact, token| WorkCommand::End { contact, token });
    assert_eq!(s.record("c1").outcome, Outcome::Handled);
}

#[test]
fn logging_out_gives_an_offer_back_and_is_refused_in_conversation_and_wrap_up() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    let log_out = AgentCommand::LogOut { agent: anna(), epoch: s.epoch("anna") };
    assert_eq!(s.refused("anna", log_out.clone()).code(), "agent-busy");
    s.end("c1");
    assert_eq!(s.refused("anna", log_out).code(), "agent-busy");
    s.complete("c1");
    s.call("c2", "billing", "kyiv");
    s.log_out("anna");
    assert_eq!((s.state("c2"), s.offer_ends("c2")), ("queued", vec![OfferEnd::AgentLost]));
}

// -- Temporary moves ------------------------------------------------------------------------------

fn move_to(queue_id: &str, duration: Option<Millis>) -> ConfigCommand {
    ConfigCommand::MoveAgent {
        agent: anna(),
        queues: vec![Assignment { queue: queue(queue_id), grade: grade(1) }],
        home_site: None,
        duration,
        expected: None,
    }
}

#[test]
fn a_temporary_move_comes_back_by_itself() {
    let mut s = scene();
    s.call("c1", "loans", "kyiv");
    s.must("olena", move_to("loans", Some(Millis::hours(2))));
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
    s.connect("c1");
    s.complete("c1");
    s.call("c2", "billing", "kyiv");
    s.pass(Millis(Millis::hours(2).0 - 1));
    assert_eq!(s.state("c2"), "queued");
    s.pass(Millis(1));
    assert_eq!(s.with("c2").as_deref(), Some("anna"));
    assert!(s.agent_history("anna").contains(&&AgentEvent::MoveEnded));
}

#[test]
fn a_move_takes_nothing_away_that_is_with_the_agent() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    s.must("olena", move_to("loans", Some(Millis::hours(2))));
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
    s.connect("c1");
    s.complete("c1");
    assert_eq!(s.record("c1").outcome, Outcome::Handled);
}

#[test]
fn a_temporary_move_is_ended_before_its_time() {
    let mut s = scene();
    s.must("olena", move_to("loans", Some(Millis::hours(2))));
    s.must("olena", ConfigCommand::EndMove { agent: anna(), expected: None });
    s.call("c1", "billing", "kyiv");
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
    let again = ConfigCommand::EndMove { agent: anna(), expected: None };
    assert_eq!(s.refused("olena", again).code(), "invalid-config");
}

#[test]
fn a_move_for_good_stays() {
    let mut s = scene();
    s.must("olena", move_to("loans", None));
    s.pass(Millis::days(30));
    s.call("c1", "loans", "kyiv");
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}

#[test]
fn an_old_session_does_nothing_with_the_contacts_of_the_new_one() {
    let mut s = scene();
    let old = s.epoch("anna");
    s.call("c1", "billing", "kyiv");
    let new = s.log_in("anna", "lviv");
    let accept = |session| {
        let command = WorkCommand::Accept { contact: contact("c1"), token: s.token("c1") };
        Submission { session: Some(session), ..Submission::new(principal("anna"), command.into()) }
    };
    let (from_old, from_new) = (accept(old), accept(new));
    assert_eq!(s.submit(from_old).unwrap_err().code(), "stale-session");
    assert_eq!(s.state("c1"), "offered");
    s.submit(from_new).unwrap();
    assert_eq!(s.state("c1"), "accepted");
}

#[test]
fn who_passes_a_call_on_does_not_get_it_straight_back() {
    let mut s = scene();
    s.put_agent(roster_entry("anna", "kyiv", &[("billing", 1), ("loans", 1)]));
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.transfer("c1", to_queue("loans"));
    assert_eq!(s.state("c1"), "queued");
    s.staff("boris", "kyiv", &[("loans", 2)]);
    assert_eq!(s.with("c1").as_deref(), Some("boris"));
}
