//! Cases that sequences by chance found: each is one story that once went wrong.

mod scene;

use acd::channel::{Channel, Channels};
use acd::command::{
    AgentCommand, ConfigCommand, ContactCommand, HeldContact, SiteCommand, TransferTarget,
    WorkCommand,
};
use acd::event::ContactEvent;
use acd::limits;
use acd::record::Outcome;
use acd::time::{LogTime, Millis};
use scene::*;

/// Two queues that take everything, one agent in Kyiv who serves the first.
fn one_agent() -> Scene {
    let mut s = Scene::new();
    for id in ["billing", "cards"] {
        let mut config = queue_config(id);
        config.channels = Channels(0b1_1111);
        s.put_queue(config);
    }
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s
}

fn chat(s: &mut Scene, id: &str, to: &str) {
    s.enqueue(acd::command::Enqueue { channel: Channel::Chat, ..call(id, to) }, "kyiv");
}

fn consult(s: &mut Scene, about: &str, id: &str, to: &str) {
    let to = TransferTarget::Queue(queue(to));
    let consult = contact(id);
    s.work(about, |contact, token| WorkCommand::Consult { contact, token, consult, to });
}

fn transfer(s: &mut Scene, id: &str, to: &str) {
    let to = TransferTarget::Queue(queue(to));
    s.work(id, |contact, token| WorkCommand::Transfer { contact, token, to });
}

#[test]
fn a_callback_scheduled_as_late_as_possible_waits_as_long_as_any_other() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    let not_before = Some(LogTime(s.now + limits::DURATION_MAX.0));
    let channel = Channel::Callback;
    s.enqueue(acd::command::Enqueue { channel, not_before, ..call("c1", "billing") }, "kyiv");
    s.pass(limits::DURATION_MAX);
    assert_eq!(s.state("c1"), "queued", "its waiting begins now");
}

#[test]
fn a_drain_that_cuts_a_conversation_ends_its_consultation_at_the_same_site_once() {
    let mut s = one_agent();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    consult(&mut s, "c1", "c2", "cards");
    let (deadline, expiry, expected) = (seconds(5), seconds(60), None);
    let site = site("kyiv");
    let (callback, force) = (false, true);
    s.must("olena", SiteCommand::Drain { site, deadline, expiry, callback, force, expected });
    s.pass(seconds(5));
    assert_eq!(s.record("c1").outcome, Outcome::Cut);
    assert_eq!(s.record("c2").outcome, Outcome::ConsultOver);
}

#[test]
fn a_closure_that_flushes_a_contact_ends_its_consultation_in_the_same_queue_once() {
    let mut s = one_agent();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    consult(&mut s, "c1", "c2", "cards");
    transfer(&mut s, "c1", "cards");
    let until = LogTime(s.now + 60_000);
    let (queue, flush, expected) = (queue("cards"), true, None);
    s.must("olena", ConfigCommand::CloseQueue { queue, until, flush, expected });
    assert_eq!(s.record("c1").outcome, Outcome::Flushed);
    assert_eq!(s.record("c2").outcome, Outcome::ConsultOver);
}

#[test]
fn an_agent_may_lose_a_contact_together_with_its_own_consultation() {
    let mut s = one_agent();
    let mut config = queue_config("billing");
    config.channels = Channels::of(&[Channel::Chat]);
    config.wait_max = seconds(10);
    config.cool_down = Millis::ZERO;
    s.put_queue(config);
    chat(&mut s, "c1", "billing");
    s.connect_chat("c1");
    s.pass(seconds(1));
    transfer(&mut s, "c1", "billing");
    s.connect_chat("c1");
    // Its own agent is the one who is asked; then it goes back to the queue, and to that agent.
    consult(&mut s, "c1", "c2", "billing");
    transfer(&mut s, "c1", "billing");
    s.decline("c2");
    assert_eq!((s.with("c1").as_deref(), s.with("c2").as_deref()), (Some("anna"), Some("anna")));
    assert!(s.token("c1") < s.token("c2"));
    s.pass(seconds(11));
    s.must("olena", AgentCommand::ForceLogOut { agent: agent("anna") });
    assert_eq!(s.record("c1").outcome, Outcome::WaitedTooLong);
}

#[test]
fn a_consultation_is_not_offered_while_nobody_could_bridge_it() {
    let mut s = one_agent();
    s.staff("boris", "kyiv", &[("cards", 1)]);
    let (ingress, node) = (principal("edge-kyiv"), Scene::node_of("kyiv"));
    let attach = ContactCommand::Attach { ingress: ingress.clone(), node };
    s.must("edge-kyiv", attach.clone());
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.must("edge-kyiv", ContactCommand::Detach { ingress, node });
    consult(&mut s, "c1", "c2", "cards");
    assert_eq!(s.state("c2"), "stranded");
    s.must("edge-kyiv", attach);
    let held = HeldContact { contact: contact("c2"), token: None };
    s.must("edge-kyiv", ContactCommand::Reattach { contacts: vec![held] });
    assert_eq!(s.with("c2").as_deref(), Some("boris"));
}

#[test]
fn a_conversation_is_adopted_by_the_ingress_that_claims_it_whatever_was_reported_of_streams() {
    let mut s = one_agent();
    let (ingress, node) = (principal("edge-kyiv"), Scene::node_of("kyiv"));
    s.must("edge-kyiv", ContactCommand::Attach { ingress: ingress.clone(), node });
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.must("edge-kyiv", ContactCommand::Detach { ingress, node });
    assert!(s.contact("c1").orphaned);
    let held = HeldContact { contact: contact("c1"), token: None };
    s.must("edge-kyiv", ContactCommand::Reattach { contacts: vec![held] });
    assert!(!s.contact("c1").orphaned);
}

#[test]
fn nobody_waits_for_an_agent_who_gets_no_more_of_that_medium() {
    let mut s = one_agent();
    let mut entry = roster_entry("anna", "kyiv", &[("billing", 1)]);
    entry.capacity.max = [1, 1, 0, 0];
    s.put_agent(entry);
    chat(&mut s, "c1", "billing");
    let preferred = Some(agent("anna"));
    let (channel, preferred_wait) = (Channel::Chat, Some(seconds(600)));
    let wants = acd::command::Enqueue { channel, preferred, preferred_wait, ..call("c2", "cards") };
    s.enqueue(wants, "kyiv");
    assert!(s.contact("c2").preferred.is_some(), "anna is busy with c1");
    s.pass(seconds(20));
    let given_up = |e: &&ContactEvent| matches!(e, ContactEvent::PreferredGivenUp { .. });
    assert!(s.history("c2").iter().any(given_up), "anna let a chat ring");
}

#[test]
fn a_deadline_that_was_left_over_fires_before_a_command_on_its_contact() {
    let mut s = Scene::new();
    let mut config = queue_config("billing");
    config.wait_max = seconds(10);
    s.put_queue(config);
    let more = u64::from(limits::DEADLINES_PER_ENTRY_MAX) + 50;
    let mut events = Vec::new();
    s.index += 1;
    s.centre.begin(s.index, LogTime(s.now));
    for number in 0..more {
        let enqueue = ContactCommand::Enqueue(call(&format!("c{number}"), "billing"));
        let by = acd::command::Submission::new(principal("edge-kyiv"), enqueue.into());
        s.centre.execute(by, &mut events).unwrap();
    }
    s.centre.end(&mut events);
    s.now += 10_000;
    let last = format!("c{}", more - 1);
    s.hang_up(&last, "kyiv");
    assert_eq!(s.record(&last).outcome, Outcome::WaitedTooLong, "it was too late to abandon");
    assert_eq!(s.centre.counts().0, 49, "at most so many fire in an entry, besides");
    s.pass(Millis::ZERO);
    assert_eq!(s.centre.counts().0, 0, "the rest leads the next one");
}
