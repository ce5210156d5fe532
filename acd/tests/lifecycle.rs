//! The life of a contact: every arrow of the drawing in `acd::contact` that an agent or a
//! conversation takes. What happens to those who wait is in `waiting.rs`, what happens when an
//! ingress is gone in `ingress.rs`.

mod scene;

use acd::channel::Channel;
use acd::command::{ConfigCommand, SiteCommand, WorkCommand};
use acd::config::QueueConfig;
use acd::event::{ContactEvent, OfferEnd};
use acd::record::Outcome;
use acd::time::{LogTime, Millis};
use scene::*;

/// One queue, one agent in Kyiv who serves it.
fn one_agent() -> Scene {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s
}

/// One queue, agents in Kyiv and Lviv who serve it.
fn two_agents() -> Scene {
    let mut s = one_agent();
    s.staff("boris", "lviv", &[("billing", 1)]);
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
    assert_eq!(s.state("c1"), "wrap-up");
    s.pass(seconds(10));
    s.complete("c1");
    let record = s.record("c1");
    assert_eq!(record.outcome, Outcome::Handled);
    assert_eq!((record.talk, record.wrap_up), (seconds(60), seconds(10)));
    assert_eq!(record.answered.unwrap().since(record.arrived), seconds(5));
}

#[test]
fn the_record_says_where_who_and_what_it_was_about() {
    let mut s = one_agent();
    s.call("c1", "billing", "lviv");
    s.connect("c1");
    let command = acd::command::ContactCommand::SetRecording {
        contact: contact("c1"),
        reference: label("s3://recordings/1"),
    };
    s.must("edge-lviv", command);
    s.work("c1", |contact, token| WorkCommand::SetDisposition {
        contact,
        token,
        disposition: label("refund"),
        resolved: false,
    });
    s.end("c1");
    s.work("c1", |contact, token| WorkCommand::Complete {
        contact,
        token,
        disposition: None,
        resolved: Some(true),
    });
    let record = s.record("c1");
    assert_eq!((record.site.as_str(), record.ingress.as_str()), ("lviv", "edge-lviv"));
    assert_eq!(record.agent.as_ref().unwrap().as_str(), "anna");
    assert_eq!(record.agent_site.as_ref().unwrap().as_str(), "kyiv");
    assert_eq!(record.disposition, Some(label("refund")));
    assert_eq!(record.resolved, Some(true), "said last");
    assert_eq!(record.recording, Some(label("s3://recordings/1")));
}

#[test]
fn the_customers_opinion_is_taken_long_after_the_contact_is_closed() {
    let mut s = one_agent();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.complete("c1");
    s.pass(Millis::hours(2));
    let (contact, score) = (contact("c1"), 90);
    s.must("edge-kyiv", acd::command::ContactCommand::RecordCsat { contact, score });
    assert_eq!(s.history("c1").last(), Some(&&ContactEvent::CsatReceived { score }));
}

// -- Offers that come to nothing ------------------------------------------------------------------

#[test]
fn a_contact_keeps_its_place_when_the_agent_lets_it_ring() {
    let mut s = one_agent();
    s.call("c1", "billing", "kyiv");
    s.call("c2", "billing", "kyiv");
    s.pass(seconds(20));
    assert_eq!((s.state("c1"), s.state("c2")), ("queued", "queued"));
    assert_eq!(s.offer_ends("c1"), [OfferEnd::Rona]);
    s.staff("boris", "lviv", &[("billing", 1)]);
    assert_eq!(s.with("c1").as_deref(), Some("boris"), "first in line");
}

#[test]
fn a_declined_contact_goes_to_somebody_else_and_not_back_for_a_while() {
    let mut s = two_agents();
    s.call("c1", "billing", "kyiv");
    assert_eq!(s.with("c1").as_deref(), Some("anna"), "idle for longer");
    s.decline("c1");
    assert_eq!(s.with("c1").as_deref(), Some("boris"));
    s.decline("c1");
    assert_eq!(s.state("c1"), "queued");
    s.pass(Millis(59_999));
    assert_eq!(s.state("c1"), "queued");
    s.pass(Millis(1));
    assert_eq!(s.with("c1").as_deref(), Some("anna"), "declined it first");
}

#[test]
fn an_offer_goes_back_at_once_when_the_agent_is_lost() {
    let mut s = two_agents();
    s.call("c1", "billing", "kyiv");
    s.lose_session("anna");
    assert_eq!(s.with("c1").as_deref(), Some("boris"));
    s.accept("c1");
    s.lose_session("boris");
    assert_eq!(s.state("c1"), "queued", "accepted is not connected");
    assert_eq!(s.offer_ends("c1"), [OfferEnd::AgentLost, OfferEnd::AgentLost]);
    s.log_in("anna", "lviv");
    assert_eq!(s.with("c1").as_deref(), Some("anna"), "who is lost is not punished");
}

#[test]
fn a_call_that_cannot_be_bridged_goes_back_to_its_place_but_not_to_that_agent() {
    let mut s = one_agent();
    s.call("c1", "billing", "kyiv");
    s.call("c2", "billing", "kyiv");
    s.accept("c1");
    s.bridge_fails("c1");
    assert_eq!(s.offer_ends("c1"), [OfferEnd::BridgeFailed]);
    assert_eq!((s.state("c1"), s.with("c2").as_deref()), ("queued", Some("anna")));
    s.staff("boris", "lviv", &[("billing", 1)]);
    assert_eq!(s.with("c1").as_deref(), Some("boris"));
}

#[test]
fn a_front_end_that_says_nothing_has_not_bridged() {
    let mut s = two_agents();
    s.call("c1", "billing", "kyiv");
    s.accept("c1");
    s.pass(Millis(29_999));
    assert_eq!(s.state("c1"), "accepted");
    s.pass(Millis(1));
    assert_eq!(s.offer_ends("c1"), [OfferEnd::BridgeTimeout]);
    assert_eq!(s.with("c1").as_deref(), Some("boris"), "anna cools down");
}

// -- Conversation ---------------------------------------------------------------------------------

#[test]
fn chats_and_mail_are_answered_without_bridging() {
    for channel in [Channel::Chat, Channel::Email, Channel::Message] {
        let mut s = Scene::new();
        s.put_queue(QueueConfig { channels: all_channels(), ..queue_config("billing") });
        s.staff("anna", "kyiv", &[("billing", 1)]);
        s.enqueue(other(channel, "c1", "billing"), "kyiv");
        s.accept("c1");
        assert_eq!(s.state("c1"), "connected", "{channel:?}");
    }
}

#[test]
fn hold_is_counted_apart_from_talk() {
    let mut s = one_agent();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    for _ in 0..2 {
        s.pass(seconds(10));
        s.hold("c1");
        assert_eq!(s.state("c1"), "held");
        s.pass(seconds(7));
        s.retrieve("c1");
        assert_eq!(s.state("c1"), "connected");
    }
    s.hold("c1");
    s.pass(seconds(1));
    s.complete("c1");
    assert_eq!((s.record("c1").talk, s.record("c1").hold), (seconds(20), seconds(15)));
}

#[test]
fn wrap_up_ends_by_itself_and_the_agent_is_offered_the_next() {
    let mut s = one_agent();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.call("c2", "billing", "kyiv");
    s.hang_up("c1", "kyiv");
    assert_eq!((s.state("c1"), s.state("c2")), ("wrap-up", "queued"));
    s.pass(Millis(29_999));
    assert_eq!(s.state("c2"), "queued");
    s.pass(Millis(1));
    assert_eq!((s.state("c1"), s.state("c2")), ("closed", "offered"));
    assert_eq!(s.record("c1").outcome, Outcome::Handled);
}

#[test]
fn a_queue_without_wrap_up_closes_when_the_conversation_ends() {
    let mut s = Scene::new();
    s.put_queue(QueueConfig { wrap_up: Millis::ZERO, ..queue_config("billing") });
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.end("c1");
    assert_eq!(s.record("c1").wrap_up, Millis::ZERO);
}

#[test]
fn nobody_talks_for_ever() {
    let mut s = one_agent();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.pass(Millis::hours(12));
    assert_eq!(s.record("c1").outcome, Outcome::Orphaned);
}

// -- Transfer -------------------------------------------------------------------------------------

#[test]
fn a_transfer_keeps_the_arrival_and_starts_the_steps_anew() {
    let mut s = one_agent();
    s.put_queue(QueueConfig { steps: vec![step_at(0), step_at(10)], ..queue_config("loans") });
    s.call("c1", "billing", "kyiv");
    let arrived = s.contact("c1").arrived;
    s.connect("c1");
    s.pass(seconds(30));
    s.call("c2", "loans", "kyiv");
    s.pass(seconds(30));
    s.transfer("c1", to_queue("loans"));
    assert_eq!((s.state("c1"), s.contact("c1").step), ("queued", 0));
    assert_eq!((s.contact("c1").arrived, s.contact("c1").transfers), (arrived, 1));
    assert_eq!(s.contact("c2").step, 1);
    s.staff("boris", "lviv", &[("loans", 1)]);
    assert_eq!(s.with("c1").as_deref(), Some("boris"), "arrived first");
    s.pass(seconds(10));
    s.connect("c1");
    s.pass(seconds(5));
    s.complete("c1");
    assert_eq!(s.record("c1").talk, seconds(65), "with both agents");
}

#[test]
fn a_transfer_to_an_agent_waits_for_that_agent() {
    let mut s = two_agents();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.call("c2", "billing", "kyiv");
    s.connect("c2");
    assert_eq!(s.with("c2").as_deref(), Some("boris"));
    s.transfer("c1", to_agent("boris"));
    assert_eq!(s.state("c1"), "queued", "anna is free but was not asked for");
    s.complete("c2");
    assert_eq!(s.with("c1").as_deref(), Some("boris"));
    assert!(s.reason("c1").preferred);
}

#[test]
fn a_transferred_customer_who_hangs_up_is_gone() {
    let mut s = one_agent();
    s.put_queue(queue_config("loans"));
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.transfer("c1", to_queue("loans"));
    s.hang_up("c1", "kyiv");
    assert_eq!(s.record("c1").outcome, Outcome::Abandoned);
    assert_eq!(s.record("c1").transfers, 1);
}

// -- Consultation ---------------------------------------------------------------------------------

#[test]
fn a_consultation_is_a_second_contact_linked_to_the_first() {
    let mut s = two_agents();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.consult("c1", "c1-ask", to_agent("boris"));
    assert_eq!(s.with("c1-ask").as_deref(), Some("boris"));
    assert_eq!(s.contact("c1-ask").consult_of(), Some(&contact("c1")));
    s.connect("c1-ask");
    s.complete("c1-ask");
    assert_eq!(s.record("c1-ask").consult_of, Some(contact("c1")));
    assert_eq!(s.state("c1"), "connected", "the customer is still there");
}

#[test]
fn an_unanswered_consultation_ends_with_the_contact_it_is_for() {
    let mut s = two_agents();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.consult("c1", "ask", to_agent("boris"));
    s.complete("c1");
    assert_eq!(s.record("ask").outcome, Outcome::ConsultOver);
    assert_eq!(s.offer_ends("ask"), [OfferEnd::Withdrawn]);
}

#[test]
fn a_colleague_who_is_talking_is_not_cut_off() {
    let mut s = two_agents();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.consult("c1", "ask", to_agent("boris"));
    s.connect("ask");
    s.complete("c1");
    assert_eq!(s.state("ask"), "connected");
}

/// Anna, in Lviv, talks to a customer there and has asked a colleague who is not there yet.
fn asked_in_lviv() -> Scene {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.staff("anna", "lviv", &[("billing", 1)]);
    s.call("c1", "billing", "lviv");
    s.connect("c1");
    s.consult("c1", "ask", to_queue("billing"));
    s
}

#[test]
fn a_forced_drain_that_cuts_a_call_ends_its_consultation_too() {
    let mut s = asked_in_lviv();
    s.must(
        "olena",
        SiteCommand::Drain {
            site: site("lviv"),
            deadline: seconds(60),
            expiry: seconds(600),
            callback: false,
            force: true,
            expected: None,
        },
    );
    s.pass(seconds(60));
    assert_eq!(s.record("c1").outcome, Outcome::Cut);
    assert_eq!(s.record("ask").outcome, Outcome::ConsultOver);
}

#[test]
fn a_flush_that_turns_a_customer_away_ends_the_consultation_too() {
    let mut s = asked_in_lviv();
    s.not_ready("anna", "lunch");
    s.transfer("c1", to_queue("billing"));
    let (queue, until) = (queue("billing"), LogTime(s.now + 60_000));
    s.must("olena", ConfigCommand::CloseQueue { queue, until, flush: true, expected: None });
    assert_eq!(s.record("c1").outcome, Outcome::Flushed);
    assert_eq!(s.record("ask").outcome, Outcome::ConsultOver);
}

// -- Fences ---------------------------------------------------------------------------------------

#[test]
fn a_token_means_one_offer_only() {
    let mut s = two_agents();
    s.call("c1", "billing", "kyiv");
    let first = s.token("c1");
    s.decline("c1");
    let second = s.token("c1");
    assert!(second > first, "a token is never used again");
    let stale = WorkCommand::Accept { contact: contact("c1"), token: first };
    assert_eq!(s.refused("anna", stale).code(), "stale-token");
    assert_eq!(s.with("c1").as_deref(), Some("boris"), "not disturbed");
}

#[test]
fn every_event_of_an_offer_says_why_this_agent() {
    let mut s = two_agents();
    s.call("c1", "billing", "kyiv");
    let reason = s.reason("c1");
    assert_eq!((reason.preferred, reason.step, reason.grade), (false, 0, grade(1)));
    assert_eq!(reason.strategy, acd::config::Strategy::LongestIdle);
    let offered = s.history("c1").into_iter().find_map(|what| match what {
        ContactEvent::Offered { site, deadline, .. } => Some((site.to_string(), deadline.0)),
        _ => None,
    });
    let deadline = LogTime(s.now).plus(seconds(20)).0;
    assert_eq!(offered, Some(("kyiv".to_string(), deadline)));
}
