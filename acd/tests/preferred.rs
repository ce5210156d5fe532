//! Customers who want one agent: the last one they talked to, or one they name.

mod scene;

use acd::command::Enqueue;
use acd::config::QueueConfig;
use acd::event::ContactEvent;
use acd::time::Millis;
use scene::*;

/// Anna has been idle for longer than boris.
fn anna_and_boris() -> Scene {
    let mut s = Scene::new();
    s.put_queue(QueueConfig { wrap_up: Millis::ZERO, ..queue_config("billing") });
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.staff("boris", "lviv", &[("billing", 1)]);
    s
}

/// Boris is talking, anna is free.
fn boris_talks() -> Scene {
    let mut s = anna_and_boris();
    s.enqueue(wants("boris", "his", None), "kyiv");
    s.connect("his");
    s
}

fn wants(who: &str, id: &str, wait: Option<Millis>) -> Enqueue {
    Enqueue { preferred: Some(agent(who)), preferred_wait: wait, ..call(id, "billing") }
}

#[test]
fn a_preferred_agent_who_is_free_comes_before_the_longest_idle() {
    let mut s = anna_and_boris();
    s.enqueue(wants("boris", "c1", None), "kyiv");
    assert_eq!(s.with("c1").as_deref(), Some("boris"));
    assert!(s.reason("c1").preferred);
}

#[test]
fn a_preferred_agent_who_is_free_is_taken_also_by_who_would_not_wait() {
    let mut s = anna_and_boris();
    s.enqueue(wants("boris", "c1", Some(Millis::ZERO)), "kyiv");
    assert_eq!(s.with("c1").as_deref(), Some("boris"));
}

#[test]
fn a_preferred_agent_who_is_busy_is_waited_for_and_then_anybody_will_do() {
    let mut s = boris_talks();
    s.enqueue(wants("boris", "c1", Some(seconds(10))), "kyiv");
    s.pass(Millis(9_999));
    assert_eq!(s.state("c1"), "queued", "anna is free all the time");
    s.pass(Millis(1));
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
    let given_up = ContactEvent::PreferredGivenUp { agent: agent("boris") };
    assert!(s.history("c1").contains(&&given_up));
}

#[test]
fn the_queue_says_how_long_to_wait_if_the_contact_does_not() {
    let mut s = boris_talks();
    s.enqueue(wants("boris", "c1", None), "kyiv");
    s.pass(Millis(29_999));
    assert_eq!(s.state("c1"), "queued");
    s.pass(Millis(1));
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}

#[test]
fn who_would_not_wait_does_not_wait_for_a_busy_agent() {
    let mut s = boris_talks();
    s.enqueue(wants("boris", "c1", Some(Millis::ZERO)), "kyiv");
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}

#[test]
fn a_preferred_agent_who_gets_free_in_time_is_offered_the_contact() {
    let mut s = boris_talks();
    s.enqueue(wants("boris", "c1", None), "kyiv");
    s.pass(seconds(10));
    s.complete("his");
    assert_eq!(s.with("c1").as_deref(), Some("boris"));
}

#[test]
fn those_who_wait_for_an_agent_stand_in_their_place_among_the_others() {
    let mut s = boris_talks();
    s.not_ready("anna", "lunch");
    s.call("first", "billing", "kyiv");
    s.enqueue(wants("boris", "second", None), "kyiv");
    s.complete("his");
    assert_eq!(s.with("first").as_deref(), Some("boris"));
    assert_eq!(s.state("second"), "queued");
}

#[test]
fn nobody_waits_for_an_agent_who_is_not_ready() {
    let mut s = anna_and_boris();
    s.not_ready("boris", "lunch");
    s.enqueue(wants("boris", "c1", None), "kyiv");
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}

#[test]
fn waiting_ends_when_the_agent_will_not_be_ready_once_free() {
    let mut s = boris_talks();
    s.enqueue(wants("boris", "c1", None), "kyiv");
    s.not_ready("boris", "lunch");
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}

#[test]
fn waiting_ends_when_the_agent_is_lost() {
    let mut s = boris_talks();
    s.enqueue(wants("boris", "c1", None), "kyiv");
    s.lose_session("boris");
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}

#[test]
fn a_preferred_agent_who_declines_is_not_asked_again() {
    let mut s = anna_and_boris();
    s.enqueue(wants("boris", "c1", None), "kyiv");
    s.decline("c1");
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}

#[test]
fn a_named_agent_need_not_serve_the_queue() {
    let mut s = anna_and_boris();
    s.put_queue(queue_config("loans"));
    s.staff("clara", "kyiv", &[("loans", 1)]);
    s.enqueue(wants("clara", "c1", None), "kyiv");
    assert_eq!(s.with("c1").as_deref(), Some("clara"));
}

#[test]
fn a_direct_transfer_is_not_made_above_capacity() {
    let mut s = boris_talks();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.transfer("c1", to_agent("boris"));
    assert_eq!(s.state("c1"), "queued");
    assert_eq!(s.with("his").as_deref(), Some("boris"));
}
