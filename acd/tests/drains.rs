//! A city is given no new work and finishes what it has.

mod scene;

use acd::channel::Channel;
use acd::command::{ClusterCommand, SiteCommand};
use acd::event::{Alarm, Event, OfferEnd};
use acd::record::Outcome;
use acd::time::Millis;
use scene::*;

/// One queue; anna works in Lviv, boris in Kyiv.
fn two_cities() -> Scene {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.staff("anna", "lviv", &[("billing", 1)]);
    s.staff("boris", "kyiv", &[("billing", 2)]);
    s
}

/// A drain of Lviv with deadline in a minute and expiry in ten.
fn drain_lviv(callback: bool, force: bool) -> SiteCommand {
    let (deadline, expiry) = (seconds(60), seconds(600));
    SiteCommand::Drain { site: site("lviv"), deadline, expiry, callback, force, expected: None }
}

fn alarms(s: &Scene) -> Vec<&Alarm> {
    let all = s.events.iter().filter_map(|event| match event {
        Event::Alarm(alarm) => Some(alarm),
        _ => None,
    });
    all.collect()
}

#[test]
fn a_draining_site_gets_no_new_work_and_finishes_what_it_has() {
    let mut s = two_cities();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.staff("anton", "lviv", &[("billing", 1)]);
    s.call("c2", "billing", "kyiv");
    s.drain("lviv");
    assert_eq!(s.site_state("lviv"), "draining");
    s.call("c3", "billing", "lviv");
    assert_eq!(s.with("c3").as_deref(), Some("boris"), "anton is free, but in Lviv");
    s.connect("c2");
    assert_eq!(s.with("c2").as_deref(), Some("anton"), "what was offered may be taken");
    s.complete("c1");
    s.end("c2");
    assert_eq!(s.site_state("lviv"), "draining", "wrap-up is work");
    s.complete("c2");
    assert_eq!(s.site_state("lviv"), "drained");
}

#[test]
fn an_idle_site_is_drained_at_once() {
    let mut s = two_cities();
    s.drain("lviv");
    assert_eq!(s.site_state("lviv"), "drained");
}

#[test]
fn at_the_deadline_offers_go_back_and_conversations_go_on() {
    let mut s = two_cities();
    s.call("talking", "billing", "kyiv");
    s.connect("talking");
    s.must("olena", drain_lviv(false, false));
    s.pass(seconds(30));
    s.must("olena", SiteCommand::CancelDrain { site: site("lviv"), expected: None });
    s.staff("anton", "lviv", &[("billing", 1)]);
    s.not_ready("boris", "lunch");
    s.call("ringing", "billing", "lviv");
    assert_eq!(s.with("ringing").as_deref(), Some("anton"));
    let (deadline, expiry) = (seconds(10), seconds(600));
    s.must(
        "olena",
        SiteCommand::Drain {
            site: site("lviv"),
            deadline,
            expiry,
            callback: false,
            force: false,
            expected: None,
        },
    );
    s.pass(seconds(10));
    assert_eq!((s.state("talking"), s.state("ringing")), ("connected", "queued"));
    assert_eq!(s.offer_ends("ringing"), [OfferEnd::Withdrawn]);
    let lviv = site("lviv");
    let passed = Event::DrainDeadline { site: lviv, withdrawn: 1, live: 1, waiting: 0 };
    assert!(s.events.contains(&passed));
    s.complete("talking");
    assert_eq!(s.site_state("lviv"), "drained");
}

#[test]
fn at_the_deadline_customers_with_their_media_there_are_called_back() {
    let mut s = two_cities();
    s.call("there", "billing", "kyiv");
    s.connect("there");
    s.not_ready("boris", "lunch");
    s.call("waiting", "billing", "lviv");
    s.call("elsewhere", "billing", "dnipro");
    let place = s.contact("waiting").place();
    s.must("olena", drain_lviv(true, false));
    s.pass(seconds(60));
    assert_eq!(s.contact("waiting").channel, Channel::Callback);
    assert_eq!(s.contact("waiting").place(), place);
    assert_eq!(s.contact("elsewhere").channel, Channel::Voice);
    assert_eq!(s.state("there"), "connected", "never cut without force");
}

#[test]
fn at_the_deadline_a_customer_there_whose_call_still_rings_is_called_back_too() {
    let mut s = two_cities();
    s.not_ready("boris", "lunch");
    s.call("c1", "billing", "lviv");
    s.call("c2", "billing", "lviv");
    assert_eq!(s.state("c1"), "offered");
    let (deadline, expiry) = (seconds(10), seconds(600));
    s.must(
        "olena",
        SiteCommand::Drain {
            site: site("lviv"),
            deadline,
            expiry,
            callback: true,
            force: false,
            expected: None,
        },
    );
    s.pass(seconds(10));
    assert_eq!((s.state("c1"), s.contact("c1").channel), ("queued", Channel::Callback));
    assert_eq!((s.state("c2"), s.contact("c2").channel), ("queued", Channel::Callback));
}

#[test]
fn a_jump_over_deadline_and_expiry_does_both_in_their_order() {
    let mut s = two_cities();
    s.not_ready("boris", "lunch");
    s.call("talking", "billing", "kyiv");
    s.connect("talking");
    s.call("waiting", "billing", "lviv");
    s.must("olena", drain_lviv(true, true));
    s.now += 700_000;
    s.must("node-1", ClusterCommand::Tick);
    assert_eq!(s.record("talking").outcome, Outcome::Cut);
    assert_eq!(s.contact("waiting").channel, Channel::Callback);
    let lviv = site("lviv");
    let passed = Event::DrainDeadline { site: lviv, withdrawn: 0, live: 1, waiting: 1 };
    assert!(s.events.contains(&passed));
    assert_eq!(s.site_state("lviv"), "active", "the cordon is lifted");
    assert_eq!(s.with("waiting").as_deref(), Some("anna"));
}

#[test]
fn a_drain_that_expires_before_its_deadline_has_none() {
    let mut s = two_cities();
    s.call("talking", "billing", "kyiv");
    s.connect("talking");
    let (deadline, expiry, expected) = (seconds(60), seconds(30), None);
    let (site, callback, force) = (site("lviv"), true, true);
    s.must("olena", SiteCommand::Drain { site, deadline, expiry, callback, force, expected });
    s.pass(seconds(90));
    assert_eq!((s.site_state("lviv"), s.state("talking")), ("active", "connected"));
}

#[test]
fn a_deadline_that_passes_while_the_site_is_lost_comes_when_it_is_back() {
    let mut s = two_cities();
    s.not_ready("boris", "lunch");
    s.call("talking", "billing", "kyiv");
    s.connect("talking");
    s.call("waiting", "billing", "lviv");
    s.must("olena", drain_lviv(true, true));
    s.lose("lviv");
    s.pass(seconds(90));
    assert_eq!((s.state("talking"), s.contact("waiting").channel), ("connected", Channel::Voice));
    s.caught_up("lviv");
    assert_eq!(s.record("talking").outcome, Outcome::Cut);
    assert_eq!(s.contact("waiting").channel, Channel::Callback);
    assert_eq!(s.site_state("lviv"), "drained");
    s.pass(seconds(509));
    assert_eq!(s.site_state("lviv"), "drained");
    let deadlines = s.events.iter().filter(|e| matches!(e, Event::DrainDeadline { .. }));
    assert_eq!(deadlines.count(), 1);
    s.pass(seconds(1));
    assert_eq!(s.site_state("lviv"), "active");
}

#[test]
fn with_force_the_deadline_cuts_conversations() {
    let mut s = two_cities();
    s.call("talking", "billing", "kyiv");
    s.connect("talking");
    s.must("olena", drain_lviv(false, true));
    s.pass(seconds(59));
    assert_eq!(s.state("talking"), "connected");
    s.pass(seconds(1));
    assert_eq!(s.record("talking").outcome, Outcome::Cut);
    assert_eq!(s.record("talking").talk, seconds(60));
    assert_eq!(s.site_state("lviv"), "drained");
}

#[test]
fn the_cordon_lifts_at_its_expiry() {
    let mut s = two_cities();
    s.drain("lviv");
    s.not_ready("boris", "lunch");
    s.call("c1", "billing", "kyiv");
    s.pass(Millis(599_999));
    assert_eq!((s.site_state("lviv"), s.state("c1")), ("drained", "queued"));
    s.pass(Millis(1));
    assert_eq!((s.site_state("lviv"), s.with("c1").as_deref()), ("active", Some("anna")));
    assert!(alarms(&s).is_empty());
}

#[test]
fn at_the_expiry_of_a_lost_site_there_is_an_alarm_and_the_cordon_stays() {
    let mut s = two_cities();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.drain("lviv");
    s.lose("lviv");
    s.pass(seconds(600));
    assert_eq!(alarms(&s), [&Alarm::DrainExpiredUnwell { site: site("lviv") }]);
    assert_eq!(s.site_state("lviv"), "lost");
    s.pass(Millis::hours(1));
    assert_eq!(alarms(&s).len(), 1, "said once");
}

#[test]
fn a_drained_site_that_was_switched_off_does_not_come_back_by_the_clock() {
    let mut s = two_cities();
    s.drain("lviv");
    assert_eq!(s.site_state("lviv"), "drained");
    s.lose("lviv");
    s.pass(seconds(600));
    assert_ne!(s.site_state("lviv"), "active", "there is nobody");
    assert_eq!(alarms(&s), [&Alarm::DrainExpiredUnwell { site: site("lviv") }]);
}

#[test]
fn a_drain_outlives_the_loss_of_its_site() {
    let mut s = two_cities();
    s.drain("lviv");
    s.lose("lviv");
    s.caught_up("lviv");
    assert_eq!(s.site_state("lviv"), "drained", "it was to be empty");
    s.pass(seconds(600));
    assert_eq!(s.site_state("lviv"), "active");
}

#[test]
fn a_cancelled_drain_puts_the_site_back_into_service() {
    let mut s = two_cities();
    s.call("c1", "billing", "kyiv");
    s.drain("lviv");
    let cancel = SiteCommand::CancelDrain { site: site("lviv"), expected: None };
    s.must("olena", cancel.clone());
    assert_eq!(s.site_state("lviv"), "active");
    assert_eq!(s.refused("olena", cancel).code(), "wrong-site-state");
    s.pass(seconds(600));
    assert_eq!(s.site_state("lviv"), "active");
}

#[test]
fn a_drained_site_returns_when_an_operator_says_so() {
    let mut s = two_cities();
    s.drain("lviv");
    s.must("olena", SiteCommand::Return { site: site("lviv"), expected: None });
    assert_eq!(s.site_state("lviv"), "active");
}

#[test]
fn a_site_is_not_drained_twice_nor_when_it_is_lost() {
    let mut s = two_cities();
    s.drain("lviv");
    assert_eq!(s.refused("olena", drain_lviv(false, true)).code(), "wrong-site-state");
    s.lose("kyiv");
    assert_eq!(s.refused("olena", drain("kyiv")).code(), "wrong-site-state");
}

#[test]
fn a_city_whose_drain_expired_while_it_was_lost_comes_back_with_its_cordon() {
    let mut s = Scene::new();
    s.drain("lviv");
    s.lose("lviv");
    s.pass(Millis::days(2));
    assert!(s.events.iter().any(|e| matches!(e, Event::Alarm(Alarm::DrainExpiredUnwell { .. }))));
    s.caught_up("lviv");
    assert_eq!(s.site_state("lviv"), "drained", "nobody is there, and nobody gets offers there");
    s.pass(Millis::days(2));
    assert_eq!(s.site_state("lviv"), "drained", "until an operator says so");
    s.must("olena", SiteCommand::Return { site: site("lviv"), expected: None });
    assert_eq!(s.site_state("lviv"), "active");
}

#[test]
fn a_city_of_which_nothing_is_heard_is_not_put_into_service() {
    let mut s = Scene::new();
    s.suspect("lviv");
    s.drain("lviv");
    s.must("olena", SiteCommand::CancelDrain { site: site("lviv"), expected: None });
    assert_eq!(s.site_state("lviv"), "suspect");
    s.drain("lviv");
    s.pass(Millis::days(2));
    assert!(s.events.iter().any(|e| matches!(e, Event::Alarm(Alarm::DrainExpiredUnwell { .. }))));
    assert_eq!(s.site_state("lviv"), "drained", "the cordon stays");
    s.must("node-1", SiteCommand::Heard { site: site("lviv") });
    s.must("olena", SiteCommand::Return { site: site("lviv"), expected: None });
    assert_eq!(s.site_state("lviv"), "active");
}
