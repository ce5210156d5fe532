//! The life of a contact: every arrow of the drawing in `acd::contact`.

mod scene;

use acd::record::Outcome;
use scene::*;

/// One queue, one agent in Kyiv who serves it.
fn one_agent() -> Scene {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s
}

#[test]
fn a_call_is_offered_accepted_bridged_wrapped_up_and_closed() {
    let mut s = one_agent();
    s.call("c1", "billing", "lviv");
    assert_eq!((s.state("c1"), s.with("c1").as_deref()), ("offered", Some("anna")));
    s.pass(seconds(3));
    s.accept("c1");
    assert_eq!(s.state("c1"), "accepted");
    s.pass(seconds(2));
    s.bridge("c1");
    assert_eq!(s.state("c1"), "connected");
    s.pass(seconds(60));
    s.end("c1");
    assert_eq!(s.state("c1"), "in wrap-up");
    s.pass(seconds(10));
    s.complete("c1");
    let record = s.record("c1");
    assert_eq!(record.outcome, Outcome::Handled);
    assert_eq!((record.talk, record.wrap_up), (seconds(60), seconds(10)));
    assert_eq!(record.answered.unwrap().since(record.arrived), seconds(5));
}

#[test]
fn a_contact_keeps_its_place_when_the_agent_lets_it_ring() {
    let mut s = one_agent();
    s.call("c1", "billing", "kyiv");
    s.call("c2", "billing", "kyiv");
    s.pass(seconds(20));
    assert_eq!((s.state("c1"), s.state("c2")), ("queued", "queued"));
    s.staff("boris", "lviv", &[("billing", 1)]);
    assert_eq!(s.with("c1").as_deref(), Some("boris"), "first in line");
}
