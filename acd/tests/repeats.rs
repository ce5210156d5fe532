//! Whoever did not hear the answer asks again, and gets the same one.

mod scene;

use acd::command::{Command, ContactCommand, Enqueue, WorkCommand};
use acd::config::QueueConfig;
use acd::ids::ContactId;
use acd::rejection::{ContactNow, Rejection};
use acd::reply::Reply;
use acd::time::Millis;
use scene::*;

/// Anna and boris serve billing.
fn scene() -> Scene {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.staff("boris", "lviv", &[("billing", 1)]);
    s
}

/// Asks, and asks again: the same answer, and nothing more has happened.
fn twice(s: &mut Scene, who: &str, command: impl Into<Command>) -> (String, Command, Reply) {
    let command = command.into();
    let reply = s.must(who, command.clone());
    let asked = (who.to_string(), command, reply);
    again(s, &asked);
    asked
}

fn again(s: &mut Scene, (who, command, reply): &(String, Command, Reply)) {
    let (before, events) = (s.centre.state_hash(), s.events.len());
    assert_eq!(s.must(who, command.clone()), *reply, "{command:?}");
    assert_eq!((s.centre.state_hash(), s.events.len()), (before, events), "{command:?}");
}

fn enqueue(id: &str) -> ContactCommand {
    ContactCommand::Enqueue(call(id, "billing"))
}

#[test]
fn every_step_of_a_call_may_be_asked_twice_and_once_more_when_it_is_over() {
    let mut s = scene();
    let mut asked = vec![twice(&mut s, "edge-kyiv", enqueue("c1"))];
    let (id, token) = (contact("c1"), s.token("c1"));
    let c = || id.clone();
    asked.push(twice(&mut s, "anna", WorkCommand::Accept { contact: c(), token }));
    asked.push(twice(&mut s, "edge-kyiv", ContactCommand::Bridged { contact: c(), token }));
    let (consult, to) = (contact("ask"), to_agent("boris"));
    asked.push(twice(&mut s, "anna", WorkCommand::Consult { contact: c(), token, consult, to }));
    twice(&mut s, "anna", WorkCommand::Hold { contact: c(), token });
    twice(&mut s, "anna", WorkCommand::Retrieve { contact: c(), token });
    asked.push(twice(&mut s, "anna", WorkCommand::End { contact: c(), token }));
    asked.push(twice(&mut s, "edge-kyiv", ContactCommand::HangUp { contact: c() }));
    asked.iter().for_each(|asked| again(&mut s, asked));
    let complete = WorkCommand::Complete { contact: c(), token, disposition: None, resolved: None };
    asked.push(twice(&mut s, "anna", complete));
    assert_eq!(s.state("c1"), "closed");
    s.pass(Millis::minutes(4));
    asked.iter().for_each(|asked| again(&mut s, asked));
}

#[test]
fn what_ended_an_offer_may_be_repeated_while_the_contact_goes_on() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    let (id, token) = (contact("c1"), s.token("c1"));
    let declined = twice(&mut s, "anna", WorkCommand::Decline { contact: id.clone(), token });
    let second = s.token("c1");
    s.accept("c1");
    let failed = ContactCommand::BridgeFailed { contact: id.clone(), token: second };
    let failed = twice(&mut s, "edge-kyiv", failed);
    s.pass(seconds(60));
    let third = s.token("c1");
    s.connect("c1");
    let who = s.with("c1").unwrap();
    let to = to_queue("billing");
    let transfer = WorkCommand::Transfer { contact: id, token: third, to };
    let transferred = twice(&mut s, &who, transfer);
    for asked in [declined, failed, transferred] {
        again(&mut s, &asked);
    }
}

#[test]
fn what_ended_an_offer_is_not_remembered_of_a_closed_contact() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    let (c1, first) = (contact("c1"), s.token("c1"));
    s.decline("c1");
    let second = s.token("c1");
    s.accept("c1");
    s.bridge_fails("c1");
    s.hang_up("c1", "kyiv");
    let decline = WorkCommand::Decline { contact: c1.clone(), token: first };
    let failed = ContactCommand::BridgeFailed { contact: c1.clone(), token: second };
    let closed = |id: &ContactId| {
        let now = ContactNow::Closed;
        Rejection::StaleToken { contact: id.clone(), now }
    };
    assert_eq!(s.refused("anna", decline), closed(&c1));
    assert_eq!(s.refused("edge-kyiv", failed), closed(&c1));
    assert_eq!(closed(&c1).code(), "stale-token");
    // Not even of the offer that the contact was closed with.
    s.call("c2", "billing", "kyiv");
    let (c2, token) = (contact("c2"), s.token("c2"));
    let who = s.with("c2").unwrap();
    s.connect("c2");
    s.complete("c2");
    assert_eq!(s.refused(&who, WorkCommand::Decline { contact: c2.clone(), token }), closed(&c2));
    let failed = ContactCommand::BridgeFailed { contact: c2.clone(), token };
    assert_eq!(s.refused("edge-kyiv", failed), closed(&c2));
}

#[test]
fn a_consultation_may_be_repeated_after_the_contact_was_passed_on() {
    let mut s = scene();
    s.put_queue(queue_config("loans"));
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    let (c1, token, who) = (contact("c1"), s.token("c1"), s.with("c1").unwrap());
    let (consult, to) = (contact("ask"), to_queue("loans"));
    let command = WorkCommand::Consult { contact: c1.clone(), token, consult, to };
    let asked = twice(&mut s, &who, command);
    s.transfer("c1", to_queue("loans"));
    again(&mut s, &asked);
    let (consult, to) = (contact("another"), to_queue("loans"));
    let late = WorkCommand::Consult { contact: c1, token, consult, to };
    assert_eq!(s.refused(&who, late).code(), "stale-token");
}

#[test]
fn an_enqueue_that_was_turned_away_is_turned_away_again() {
    let mut s = Scene::new();
    s.put_queue(QueueConfig { length_max: 1, ..queue_config("billing") });
    s.call("c1", "billing", "kyiv");
    let asked = twice(&mut s, "edge-kyiv", enqueue("c2"));
    assert!(matches!(asked.2, Reply::TurnedAway { .. }));
    s.hang_up("c1", "kyiv");
    again(&mut s, &asked);
}

#[test]
fn a_callback_is_asked_for_twice_and_made_once() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.call("c1", "billing", "kyiv");
    let not_before = Some(acd::time::LogTime(s.now + 60_000));
    let command = ContactCommand::RequestCallback { contact: contact("c1"), not_before };
    twice(&mut s, "edge-kyiv", command);
}

#[test]
fn a_hang_up_may_be_repeated_after_the_abandon() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.call("c1", "billing", "kyiv");
    twice(&mut s, "edge-kyiv", ContactCommand::HangUp { contact: contact("c1") });
}

#[test]
fn streams_open_and_close_once() {
    let mut s = scene();
    let (ingress, node) = (principal("edge-kyiv"), Scene::node_of("kyiv"));
    let attach = ContactCommand::Attach { ingress: ingress.clone(), node };
    twice(&mut s, "edge-kyiv", attach);
    twice(&mut s, "node-1", ContactCommand::Detach { ingress, node });
}

#[test]
fn closed_contacts_are_forgotten_after_five_minutes() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    s.hang_up("c1", "kyiv");
    s.pass(Millis::minutes(5));
    let hang_up = ContactCommand::HangUp { contact: contact("c1") };
    s.must("edge-kyiv", hang_up.clone());
    s.pass(Millis(1));
    assert_eq!(s.refused("edge-kyiv", hang_up).code(), "unknown");
    let new = Enqueue { attributes: Default::default(), ..call("c1", "billing") };
    s.enqueue(new, "lviv");
    assert_eq!(s.state("c1"), "offered", "a new contact with an old id");
}

#[test]
fn an_id_is_forgotten_after_five_minutes_also_if_nothing_happened_meanwhile() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.call("c1", "billing", "kyiv");
    s.hang_up("c1", "kyiv");
    s.now += Millis::hours(1).0;
    // No tick in between: the first entry of the hour is this one.
    s.call("c1", "billing", "kyiv");
    assert_eq!(s.state("c1"), "queued", "what was acknowledged is in");
}
