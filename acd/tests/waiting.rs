//! Those who wait: how long, where they go when they may not wait any longer, and callbacks.

mod scene;

use acd::channel::Channel;
use acd::command::{ConfigCommand, ContactCommand, Enqueue};
use acd::config::{Overflow, QueueConfig};
use acd::event::{ContactEvent, OfferEnd, OverflowCause};
use acd::record::{Outcome, TurnedAway};
use acd::reply::Reply;
use acd::time::{LogTime, Millis};
use scene::*;

/// A queue whose contacts wait a minute at most.
fn impatient(overflow: Overflow) -> QueueConfig {
    QueueConfig { wait_max: seconds(60), overflow, ..queue_config("billing") }
}

/// A queue with room for one.
fn narrow(overflow: Overflow) -> QueueConfig {
    QueueConfig { length_max: 1, overflow, ..queue_config("billing") }
}

fn callback_at(id: &str, at: u64) -> Enqueue {
    Enqueue { not_before: Some(LogTime(at)), ..other(Channel::Callback, id, "billing") }
}

// -- Abandons -------------------------------------------------------------------------------------

#[test]
fn a_customer_may_leave_at_any_moment_before_the_answer() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.call("queued", "billing", "kyiv");
    s.hang_up("queued", "kyiv");
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("offered", "billing", "kyiv");
    s.hang_up("offered", "kyiv");
    s.call("accepted", "billing", "kyiv");
    s.accept("accepted");
    s.hang_up("accepted", "kyiv");
    for id in ["queued", "offered", "accepted"] {
        assert_eq!(s.record(id).outcome, Outcome::Abandoned, "{id}");
        assert_eq!(s.record(id).agent, None, "{id}: nobody answered it");
    }
    assert_eq!(s.offer_ends("accepted"), [OfferEnd::Abandoned]);
    s.call("next", "billing", "kyiv");
    assert_eq!(s.state("next"), "offered", "the agent is free again");
}

// -- Maximum wait ---------------------------------------------------------------------------------

#[test]
fn who_waits_too_long_is_turned_away() {
    let mut s = Scene::new();
    s.put_queue(impatient(Overflow::Reject));
    s.call("c1", "billing", "kyiv");
    s.pass(Millis(59_999));
    assert_eq!(s.state("c1"), "queued");
    s.pass(Millis(1));
    assert_eq!(s.record("c1").outcome, Outcome::WaitedTooLong);
}

#[test]
fn a_maximum_wait_that_falls_into_an_offer_waits_for_its_end() {
    let mut s = Scene::new();
    s.put_queue(impatient(Overflow::Reject));
    s.call("declined", "billing", "kyiv");
    s.call("answered", "billing", "kyiv");
    s.pass(seconds(50));
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.staff("boris", "kyiv", &[("billing", 1)]);
    s.pass(seconds(15));
    assert_eq!((s.state("declined"), s.state("answered")), ("offered", "offered"));
    s.connect("answered");
    s.decline("declined");
    assert_eq!(s.record("declined").outcome, Outcome::WaitedTooLong);
    s.complete("answered");
    assert_eq!(s.record("answered").outcome, Outcome::Handled);
}

#[test]
fn who_waits_too_long_overflows_to_another_queue_with_the_arrival() {
    let mut s = Scene::new();
    s.put_queue(queue_config("general"));
    s.put_queue(impatient(Overflow::Queue(queue("general"))));
    s.call("c1", "billing", "kyiv");
    s.pass(seconds(30));
    s.call("c2", "general", "kyiv");
    s.pass(seconds(30));
    let went = ContactEvent::Overflowed {
        from: queue("billing"),
        to: queue("general"),
        cause: OverflowCause::WaitedTooLong,
    };
    assert!(s.history("c1").contains(&&went));
    s.staff("anna", "kyiv", &[("general", 1)]);
    assert_eq!(s.with("c1").as_deref(), Some("anna"), "arrived first");
}

#[test]
fn who_waits_too_long_becomes_a_callback_in_the_same_place() {
    let mut s = Scene::new();
    s.put_queue(impatient(Overflow::Callback));
    s.call("c1", "billing", "kyiv");
    let place = s.contact("c1").place();
    s.pass(seconds(60));
    assert_eq!((s.state("c1"), s.contact("c1").channel), ("queued", Channel::Callback));
    assert_eq!(s.contact("c1").place(), place);
    s.pass(Millis::hours(1));
    assert_eq!(s.state("c1"), "queued", "a callback is not in a hurry");
}

// -- Full and closed queues -----------------------------------------------------------------------

#[test]
fn a_full_queue_turns_away_overflows_or_calls_back() {
    for (overflow, state) in [
        (Overflow::Reject, "closed"),
        (Overflow::Queue(queue("general")), "queued"),
        (Overflow::Callback, "queued"),
    ] {
        let mut s = Scene::new();
        s.put_queue(queue_config("general"));
        s.put_queue(narrow(overflow.clone()));
        s.call("c1", "billing", "kyiv");
        let reply = s.must("edge-kyiv", ContactCommand::Enqueue(call("c2", "billing")));
        assert_eq!(s.state("c2"), state, "{overflow:?}");
        match overflow {
            Overflow::Reject => {
                assert_eq!(reply, Reply::TurnedAway { why: TurnedAway::Full });
                assert_eq!(s.record("c2").outcome, Outcome::TurnedAwayFull);
            }
            Overflow::Queue(_) => {
                assert_eq!(s.centre.queue(&queue("general")).unwrap().length(), 1)
            }
            Overflow::Callback => assert_eq!(s.contact("c2").channel, Channel::Callback),
        }
    }
}

#[test]
fn a_contact_that_returns_is_let_in_although_the_queue_is_full() {
    let mut s = Scene::new();
    s.put_queue(QueueConfig { length_max: 2, ..queue_config("billing") });
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.call("c2", "billing", "kyiv");
    s.call("c3", "billing", "kyiv");
    s.transfer("c1", to_queue("billing"));
    assert!(["queued", "offered"].contains(&s.state("c1")));
    assert_eq!(s.centre.queue(&queue("billing")).unwrap().length(), 3);
}

#[test]
fn a_closed_queue_does_with_arrivals_what_it_says() {
    for closed in [Overflow::Reject, Overflow::Queue(queue("general")), Overflow::Callback] {
        let mut s = Scene::new();
        s.put_queue(queue_config("general"));
        s.put_queue(QueueConfig { closed: closed.clone(), ..queue_config("billing") });
        let until = LogTime(s.now).plus(seconds(60));
        let (queue_id, flush, expected) = (queue("billing"), false, None);
        s.must("olena", ConfigCommand::CloseQueue { queue: queue_id, until, flush, expected });
        let reply = s.must("edge-kyiv", ContactCommand::Enqueue(call("c1", "billing")));
        match closed {
            Overflow::Reject => {
                assert_eq!(reply, Reply::TurnedAway { why: TurnedAway::Closed });
            }
            Overflow::Queue(to) => assert_eq!(s.centre.queue(&to).unwrap().length(), 1),
            Overflow::Callback => assert_eq!(s.contact("c1").channel, Channel::Callback),
        }
    }
}

// -- Callbacks ------------------------------------------------------------------------------------

#[test]
fn a_requested_callback_keeps_its_place() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.call("c1", "billing", "kyiv");
    s.pass(seconds(1));
    s.call("c2", "billing", "kyiv");
    let command = ContactCommand::RequestCallback { contact: contact("c1"), not_before: None };
    s.must("edge-kyiv", command);
    assert_eq!(s.contact("c1").channel, Channel::Callback);
    s.staff("anna", "kyiv", &[("billing", 1)]);
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
    s.accept("c1");
    assert_eq!(s.state("c1"), "accepted", "the call has to be made");
}

#[test]
fn a_callback_asked_for_during_an_offer_takes_the_offer_back() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "kyiv");
    let not_before = Some(LogTime(s.now).plus(seconds(600)));
    let command = ContactCommand::RequestCallback { contact: contact("c1"), not_before };
    s.must("edge-kyiv", command);
    assert_eq!((s.state("c1"), s.offer_ends("c1")), ("scheduled", vec![OfferEnd::Withdrawn]));
}

#[test]
fn a_scheduled_callback_waits_from_its_time_on() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.staff("anna", "kyiv", &[("billing", 1)]);
    let at = s.now + 600_000;
    s.enqueue(callback_at("c1", at), "kyiv");
    assert_eq!(s.state("c1"), "scheduled");
    s.pass(Millis(599_999));
    assert_eq!(s.state("c1"), "scheduled");
    s.pass(Millis(1));
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}

#[test]
fn a_customer_may_cancel_a_scheduled_callback() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.enqueue(callback_at("c1", s.now + 600_000), "kyiv");
    s.hang_up("c1", "kyiv");
    assert_eq!(s.record("c1").outcome, Outcome::Abandoned);
}

// -- Supervisors ----------------------------------------------------------------------------------

#[test]
fn a_supervisor_moves_a_waiting_contact_and_it_keeps_its_arrival() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.put_queue(queue_config("loans"));
    s.call("c1", "billing", "kyiv");
    s.pass(seconds(1));
    s.call("c2", "loans", "kyiv");
    s.must("olena", ContactCommand::Move { contact: contact("c1"), to: queue("loans") });
    s.staff("anna", "kyiv", &[("loans", 1)]);
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}

#[test]
fn a_supervisor_removes_a_contact_that_nobody_will_take() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.call("c1", "billing", "kyiv");
    s.must("olena", ContactCommand::Remove { contact: contact("c1") });
    assert_eq!(s.record("c1").outcome, Outcome::Removed);
}

#[test]
fn callbacks_for_tomorrow_do_not_fill_the_queue_of_today() {
    let mut s = Scene::new();
    s.put_queue(QueueConfig { length_max: 1, ..queue_config("billing") });
    for n in 0..3 {
        let not_before = Some(LogTime(MORNING).plus(Millis::days(1)));
        let callback = other(Channel::Callback, &format!("later-{n}"), "billing");
        s.enqueue(Enqueue { not_before, ..callback }, "kyiv");
    }
    s.call("now", "billing", "kyiv");
    assert_eq!(s.state("now"), "queued");
    assert_eq!(s.centre.queue(&queue("billing")).unwrap().length(), 1);
}

#[test]
fn a_contact_whose_front_end_never_connects_it_stops_ringing_agents() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    for n in 0..5 {
        s.staff(&format!("a{n}"), "kyiv", &[("billing", 1)]);
    }
    s.call("c1", "billing", "kyiv");
    for _ in 0..3 {
        s.accept("c1");
        s.pass(seconds(30));
    }
    assert_eq!(s.state("c1"), "stranded");
    assert_eq!(s.reattach("edge-kyiv", &["c1"]), [acd::reply::Verdict::Waiting]);
    assert_eq!(s.state("c1"), "offered", "its front end claimed it");
}
