//! Front ends that lose their streams: contacts strand and come back, conversations go on.

mod scene;

use acd::channel::Channel;
use acd::config::QueueConfig;
use acd::event::{ContactEvent, OfferEnd};
use acd::record::Outcome;
use acd::reply::Verdict;
use acd::time::Millis;
use scene::*;

/// One queue, one agent in Kyiv; the ingress of Lviv has a stream to Lviv's node.
fn attached() -> Scene {
    let mut s = Scene::new();
    s.put_queue(QueueConfig { channels: all_channels(), ..queue_config("billing") });
    s.attach("edge-lviv", "lviv");
    s
}

#[test]
fn a_contact_strands_with_the_last_stream_of_its_ingress_only() {
    let mut s = attached();
    s.attach("edge-lviv", "kyiv");
    s.call("c1", "billing", "lviv");
    s.detach("edge-lviv", "lviv");
    assert_eq!(s.state("c1"), "queued", "there is another stream");
    s.detach("edge-lviv", "kyiv");
    assert_eq!(s.state("c1"), "stranded");
}

#[test]
fn a_stranded_contact_is_not_offered_and_comes_back_to_its_place() {
    let mut s = attached();
    s.call("c1", "billing", "lviv");
    s.pass(seconds(1));
    s.call("c2", "billing", "kyiv");
    s.detach("edge-lviv", "lviv");
    s.staff("anna", "kyiv", &[("billing", 1)]);
    assert_eq!(s.with("c2").as_deref(), Some("anna"), "c1 cannot be offered");
    s.attach("edge-lviv", "dnipro");
    assert_eq!(s.reattach("edge-lviv", &["c1"]), [Verdict::Waiting]);
    assert!(s.history("c1").contains(&&ContactEvent::Resumed));
    s.call("c3", "billing", "kyiv");
    s.decline("c2");
    assert_eq!(s.with("c1").as_deref(), Some("anna"), "before c3");
}

#[test]
fn an_offer_is_taken_back_when_the_ingress_is_gone() {
    let mut s = attached();
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "lviv");
    s.accept("c1");
    s.detach("edge-lviv", "lviv");
    assert_eq!((s.state("c1"), s.offer_ends("c1")), ("stranded", vec![OfferEnd::IngressLost]));
    s.call("c2", "billing", "kyiv");
    assert_eq!(s.state("c2"), "offered", "the agent is free");
}

#[test]
fn a_stranded_contact_closes_as_lost_ingress_at_its_deadline() {
    let mut s = attached();
    s.call("c1", "billing", "lviv");
    s.enqueue(other(Channel::Callback, "c2", "billing"), "lviv");
    s.detach("edge-lviv", "lviv");
    s.pass(Millis(Millis::minutes(5).0 - 1));
    assert_eq!(s.state("c1"), "stranded");
    s.pass(Millis(1));
    assert_eq!(s.record("c1").outcome, Outcome::LostIngress);
    assert_eq!(s.state("c2"), "stranded", "nobody is on the line: a callback waits for longer");
}

#[test]
fn mail_does_not_need_its_ingress() {
    let mut s = attached();
    s.enqueue(other(Channel::Email, "c1", "billing"), "lviv");
    s.detach("edge-lviv", "lviv");
    assert_eq!(s.state("c1"), "queued");
}

#[test]
fn each_contact_of_a_re_attached_ingress_gets_its_verdict() {
    let mut s = attached();
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("talking", "billing", "lviv");
    s.connect("talking");
    s.call("waiting", "billing", "lviv");
    s.call("gone", "billing", "lviv");
    s.hang_up("gone", "lviv");
    s.call("theirs", "billing", "kyiv");
    s.detach("edge-lviv", "lviv");
    let token = s.token("talking");
    let asked = ["talking", "waiting", "gone", "theirs", "never-heard-of"];
    let verdicts = [
        Verdict::WithAgent(token),
        Verdict::Waiting,
        Verdict::Closed,
        Verdict::NotYours,
        Verdict::Unknown,
    ];
    s.attach("edge-lviv", "lviv");
    assert_eq!(s.reattach("edge-lviv", &asked), verdicts);
    assert_eq!(s.reattach("edge-lviv", &asked), verdicts, "asked again");
}

// -- Orphans --------------------------------------------------------------------------------------

#[test]
fn a_conversation_goes_on_without_its_ingress_until_the_orphan_deadline() {
    let mut s = attached();
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "lviv");
    s.connect("c1");
    s.detach("edge-lviv", "lviv");
    assert_eq!(s.state("c1"), "connected");
    s.pass(Millis(Millis::minutes(10).0 - 1));
    assert_eq!(s.state("c1"), "connected");
    s.pass(Millis(1));
    assert_eq!(s.record("c1").outcome, Outcome::Orphaned);
    s.call("c2", "billing", "kyiv");
    assert_eq!(s.state("c2"), "offered", "the agent is not stuck");
}

#[test]
fn an_orphan_is_adopted_when_its_ingress_claims_it() {
    let mut s = attached();
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "lviv");
    s.connect("c1");
    s.detach("edge-lviv", "lviv");
    s.pass(Millis::minutes(9));
    s.attach("edge-lviv", "kyiv");
    s.reattach("edge-lviv", &["c1"]);
    assert!(s.history("c1").contains(&&ContactEvent::Adopted));
    s.pass(Millis::minutes(9));
    assert_eq!(s.state("c1"), "connected");
}

#[test]
fn an_orphan_is_adopted_when_its_agent_logs_in_again() {
    let mut s = attached();
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "lviv");
    s.connect("c1");
    s.lose_session("anna");
    assert!(matches!(s.history("c1").last(), Some(ContactEvent::Orphaned { .. })));
    s.pass(Millis::minutes(9));
    s.log_in("anna", "lviv");
    assert!(s.history("c1").contains(&&ContactEvent::Adopted));
    s.pass(Millis::minutes(9));
    s.complete("c1");
    assert_eq!(s.record("c1").outcome, Outcome::Handled);
}

#[test]
fn an_orphan_of_both_is_adopted_when_both_are_back() {
    let mut s = attached();
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "lviv");
    s.connect("c1");
    s.lose_session("anna");
    s.detach("edge-lviv", "lviv");
    s.log_in("anna", "kyiv");
    assert!(s.contact("c1").orphaned, "its media is still gone");
    s.attach("edge-lviv", "lviv");
    s.reattach("edge-lviv", &["c1"]);
    assert!(!s.contact("c1").orphaned);
}

#[test]
fn a_held_contact_is_an_orphan_too() {
    let mut s = attached();
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "lviv");
    s.connect("c1");
    s.hold("c1");
    s.lose_session("anna");
    s.pass(Millis::minutes(10));
    assert_eq!(s.record("c1").outcome, Outcome::Orphaned);
    assert_eq!(s.record("c1").hold, Millis::minutes(10));
}

#[test]
fn a_customer_who_hangs_up_on_a_lost_agent_is_done() {
    let mut s = attached();
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "lviv");
    s.connect("c1");
    s.lose_session("anna");
    s.hang_up("c1", "lviv");
    assert_eq!(s.record("c1").outcome, Outcome::Handled, "nobody is there to wrap up");
}

#[test]
fn a_callback_whose_ingress_is_gone_strands_when_its_time_comes() {
    let mut s = attached();
    let not_before = Some(acd::time::LogTime(s.now + 60_000));
    let later = acd::command::Enqueue { not_before, ..other(Channel::Callback, "c1", "billing") };
    s.enqueue(later, "lviv");
    s.detach("edge-lviv", "lviv");
    assert_eq!(s.state("c1"), "scheduled");
    s.pass(seconds(60));
    assert_eq!(s.state("c1"), "stranded");
}
