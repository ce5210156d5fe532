//! Rings: more agents may take a contact the longer it has waited.

mod scene;

use acd::config::{QueueConfig, SkillLevel, Step};
use acd::event::ContactEvent;
use acd::time::Millis;
use scene::*;

fn with(steps: Vec<Step>) -> Scene {
    let mut s = Scene::new();
    s.put_queue(queue_config("loans"));
    s.put_queue(QueueConfig { steps, ..queue_config("billing") });
    s
}

/// Lviv for ten seconds, then everybody.
fn lviv_first() -> Vec<Step> {
    vec![Step { sites: vec![site("lviv")], ..step_at(0) }, step_at(10)]
}

#[test]
fn a_step_opens_when_its_time_has_come() {
    let mut s = with(lviv_first());
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "kyiv");
    s.pass(Millis(9_999));
    assert_eq!(s.state("c1"), "queued");
    s.pass(Millis(1));
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}

#[test]
fn an_agent_who_fits_an_earlier_step_comes_first_whatever_the_grade() {
    let mut s = with(lviv_first());
    s.call("c1", "billing", "kyiv");
    s.pass(seconds(20));
    s.staff("anna", "kyiv", &[("billing", 1)]);
    assert_eq!(s.with("c1").as_deref(), Some("anna"), "alone");
    s.staff("boris", "lviv", &[("billing", 9)]);
    s.decline("c1");
    assert_eq!((s.with("c1").as_deref(), s.reason("c1").step), (Some("boris"), 0));
    s.decline("c1");
    assert_eq!(s.state("c1"), "queued");
    s.staff("clara", "kyiv", &[("billing", 1)]);
    assert_eq!((s.with("c1").as_deref(), s.reason("c1").step), (Some("clara"), 1));
}

#[test]
fn a_skill_may_be_asked_for_in_one_step_and_waived_in_the_next() {
    let french = requires(&[("french", 5)]);
    let mut s = Scene::new();
    s.put_skill("french");
    let steps = vec![Step { skills: french, ..step_at(0) }, step_at(10)];
    s.put_queue(QueueConfig { steps, ..queue_config("billing") });
    let mut anna = roster_entry("anna", "kyiv", &[("billing", 1)]);
    anna.skills = vec![(skill("french"), SkillLevel::new(4).unwrap())];
    s.hire(anna);
    s.call("c1", "billing", "kyiv");
    assert_eq!(s.state("c1"), "queued", "not well enough");
    s.pass(seconds(10));
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}

#[test]
fn agents_of_extra_queues_take_it_in_the_grade_they_have_there() {
    let steps = vec![step_at(0), Step { extra_queues: vec![queue("loans")], ..step_at(10) }];
    let mut s = with(steps);
    s.staff("anna", "kyiv", &[("loans", 3)]);
    s.call("c1", "billing", "kyiv");
    assert_eq!(s.state("c1"), "queued");
    s.pass(seconds(10));
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
    assert_eq!((s.reason("c1").step, s.reason("c1").grade), (1, grade(3)));
}

#[test]
fn a_head_start_of_a_step_changes_the_place_by_an_event_that_says_so() {
    let steps = vec![step_at(0), Step { head_start: seconds(60), ..step_at(10) }];
    let mut s = with(steps);
    s.call("other", "loans", "kyiv");
    s.pass(seconds(5));
    s.call("c1", "billing", "kyiv");
    let from = s.contact("c1").effective;
    s.pass(seconds(10));
    let to = from - 60_000;
    assert_eq!(s.contact("c1").effective, to);
    let changed = ContactEvent::PlaceChanged { from, to, step: 1 };
    assert!(s.history("c1").contains(&&changed));
    s.staff("anna", "kyiv", &[("billing", 1), ("loans", 1)]);
    assert_eq!(s.with("c1").as_deref(), Some("anna"), "before the one who came earlier");
}

#[test]
fn a_head_start_is_gained_once() {
    let steps = vec![step_at(0), Step { head_start: seconds(60), ..step_at(10) }, step_at(20)];
    let mut s = with(steps);
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "kyiv");
    let from = s.contact("c1").effective;
    s.pass(seconds(15));
    s.decline("c1");
    s.pass(seconds(30));
    s.pass(seconds(60));
    assert_eq!(s.contact("c1").effective, from - 60_000);
}

/// The vector of the design: steps of 10 s; offered at 3 s, rings until 8 s; back in step one
/// with 2 s left of it.
#[test]
fn time_spent_in_an_offer_counts_towards_the_step() {
    let offer_timeout = seconds(5);
    let mut s = Scene::new();
    let steps = vec![Step { sites: vec![site("lviv")], ..step_at(0) }, step_at(10)];
    s.put_queue(QueueConfig { steps, offer_timeout, ..queue_config("billing") });
    s.call("c1", "billing", "kyiv");
    s.pass(seconds(3));
    s.staff("anna", "lviv", &[("billing", 1)]);
    s.staff("boris", "kyiv", &[("billing", 1)]);
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
    s.pass(seconds(5));
    assert_eq!((s.state("c1"), s.contact("c1").step), ("queued", 0));
    s.pass(Millis(1_999));
    assert_eq!((s.state("c1"), s.contact("c1").step), ("queued", 0));
    s.pass(Millis(1));
    assert_eq!((s.with("c1").as_deref(), s.contact("c1").step), (Some("boris"), 1));
}

#[test]
fn a_step_that_passes_during_an_offer_is_reached_on_the_way_back() {
    let mut s = with(lviv_first());
    s.staff("anna", "lviv", &[("billing", 1)]);
    s.staff("boris", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "kyiv");
    s.pass(seconds(12));
    assert_eq!((s.with("c1").as_deref(), s.contact("c1").step), (Some("anna"), 0));
    s.decline("c1");
    assert_eq!((s.with("c1").as_deref(), s.reason("c1").step), (Some("boris"), 1));
}

#[test]
fn steps_that_change_under_those_who_wait_open_the_door_at_once() {
    let mut s = with(lviv_first());
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "kyiv");
    s.pass(seconds(5));
    let mut steps = lviv_first();
    steps[1].after = seconds(3);
    s.put_queue(QueueConfig { steps, ..queue_config("billing") });
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}

#[test]
fn steps_that_go_away_under_those_who_wait_leave_the_last_one() {
    let mut s = with(vec![step_at(0), step_at(10), step_at(20)]);
    s.call("c1", "billing", "kyiv");
    s.pass(seconds(25));
    assert_eq!(s.contact("c1").step, 2);
    let place = s.contact("c1").place();
    s.put_queue(QueueConfig { steps: lviv_first(), ..queue_config("billing") });
    assert_eq!((s.contact("c1").step, s.contact("c1").place()), (1, place));
    s.staff("anna", "kyiv", &[("billing", 1)]);
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}
