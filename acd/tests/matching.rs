//! Which agent for a contact, which contact for an agent.

mod scene;

use acd::command::{Enqueue, SiteCommand};
use acd::config::{AgentConfig, HeadStart, Priority, QueueConfig, SkillLevel, Step, Strategy};
use acd::event::ContactEvent;
use acd::time::Millis;
use scene::*;

fn level(n: u32) -> SkillLevel {
    SkillLevel::new(n).unwrap()
}

fn priority(n: u32) -> Priority {
    Priority::new(n).unwrap()
}

/// A centre with this queue.
fn with(config: QueueConfig) -> Scene {
    let mut s = Scene::new();
    s.put_queue(config);
    s
}

/// A centre with a queue of this strategy and no wrap-up.
fn by(strategy: Strategy) -> Scene {
    with(QueueConfig { strategy, wrap_up: Millis::ZERO, ..queue_config("billing") })
}

/// An agent in Kyiv with a level of French.
fn speaks_french(s: &mut Scene, id: &str, n: u32) {
    let skills = vec![(skill("french"), level(n))];
    s.hire(AgentConfig { skills, ..roster_entry(id, "kyiv", &[("billing", 1)]) });
}

/// A call is answered, takes this long and is over.
fn serve(s: &mut Scene, id: &str, talk: u64) -> String {
    s.call(id, "billing", "kyiv");
    s.connect(id);
    let agent = s.with(id).unwrap();
    s.pass(seconds(talk));
    s.complete(id);
    agent
}

// -- Agents: grade, then strategy -----------------------------------------------------------------

#[test]
fn the_better_grade_comes_before_the_longer_idle() {
    let mut s = with(queue_config("billing"));
    s.staff("anna", "kyiv", &[("billing", 2)]);
    s.pass(seconds(100));
    s.staff("boris", "lviv", &[("billing", 1)]);
    s.call("c1", "billing", "kyiv");
    assert_eq!((s.with("c1").as_deref(), s.reason("c1").grade), (Some("boris"), grade(1)));
    s.call("c2", "billing", "kyiv");
    assert_eq!(s.with("c2").as_deref(), Some("anna"));
}

#[test]
fn longest_idle_goes_by_when_the_agent_became_free() {
    let mut s = by(Strategy::LongestIdle);
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.staff("boris", "kyiv", &[("billing", 1)]);
    assert_eq!(serve(&mut s, "c1", 60), "anna");
    assert_eq!(serve(&mut s, "c2", 1), "boris");
    assert_eq!(serve(&mut s, "c3", 1), "anna", "free since before boris");
}

#[test]
fn least_occupied_goes_by_the_day_so_far() {
    let mut s = by(Strategy::LeastOccupied);
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.staff("boris", "kyiv", &[("billing", 1)]);
    s.pass(seconds(10));
    assert_eq!(serve(&mut s, "c1", 100), "anna");
    assert_eq!(serve(&mut s, "c2", 10), "boris");
    assert_eq!(serve(&mut s, "c3", 10), "boris", "anna has worked more");
}

#[test]
fn most_skilled_goes_by_the_levels_that_are_required() {
    let french = requires(&[("french", 3)]);
    let steps = vec![Step { skills: french, ..step_at(0) }];
    let mut s = Scene::new();
    s.put_skill("french");
    let strategy = Strategy::MostSkilled;
    s.put_queue(QueueConfig { steps, strategy, ..queue_config("billing") });
    speaks_french(&mut s, "anna", 4);
    speaks_french(&mut s, "boris", 9);
    speaks_french(&mut s, "clara", 2);
    s.call("c1", "billing", "kyiv");
    assert_eq!((s.with("c1").as_deref(), s.reason("c1").key), (Some("boris"), 9));
    s.call("c2", "billing", "kyiv");
    assert_eq!(s.with("c2").as_deref(), Some("anna"));
    s.call("c3", "billing", "kyiv");
    assert_eq!(s.state("c3"), "queued", "clara does not speak well enough");
}

#[test]
fn round_robin_goes_by_the_last_offer() {
    let mut s = by(Strategy::RoundRobin);
    for id in ["anna", "boris", "clara"] {
        s.staff(id, "kyiv", &[("billing", 1)]);
    }
    let mut turns = Vec::new();
    for n in 0..6u64 {
        // However long they talk.
        turns.push(serve(&mut s, &format!("c{n}"), 100 - 10 * n));
    }
    assert_eq!(turns, ["anna", "boris", "clara", "anna", "boris", "clara"]);
}

// -- Contacts: grade, effective arrival, number ---------------------------------------------------

#[test]
fn a_freed_agent_takes_the_queue_of_the_better_grade_first() {
    let mut s = with(queue_config("billing"));
    s.put_queue(queue_config("loans"));
    s.call("old", "billing", "kyiv");
    s.pass(seconds(300));
    s.call("new", "loans", "kyiv");
    s.staff("anna", "kyiv", &[("billing", 2), ("loans", 1)]);
    assert_eq!(s.with("new").as_deref(), Some("anna"));
}

#[test]
fn of_equal_grade_the_earlier_arrival_comes_first_across_queues() {
    let mut s = with(queue_config("billing"));
    s.put_queue(queue_config("loans"));
    s.call("c1", "loans", "kyiv");
    s.pass(Millis(1));
    s.call("c2", "billing", "kyiv");
    s.staff("anna", "kyiv", &[("billing", 1), ("loans", 1)]);
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}

#[test]
fn arrivals_of_one_instant_go_by_their_number() {
    let mut s = with(queue_config("billing"));
    for id in ["z", "y", "a"] {
        s.call(id, "billing", "kyiv");
    }
    s.staff("anna", "kyiv", &[("billing", 1)]);
    assert_eq!(s.with("z").as_deref(), Some("anna"));
}

#[test]
fn a_head_start_is_worth_its_time_and_not_more() {
    let head_starts = vec![(priority(2), HeadStart::By(seconds(90)))];
    let mut s = with(QueueConfig { head_starts, ..queue_config("billing") });
    s.call("c1", "billing", "kyiv");
    s.pass(Millis(1));
    s.call("c2", "billing", "kyiv");
    s.pass(Millis(89_999));
    s.enqueue(Enqueue { priority: priority(2), ..call("best", "billing") }, "kyiv");
    s.staff("anna", "kyiv", &[("billing", 1)]);
    assert_eq!(s.with("c1").as_deref(), Some("anna"), "the same instant, a smaller number");
    s.staff("boris", "kyiv", &[("billing", 1)]);
    assert_eq!(s.with("best").as_deref(), Some("boris"), "as if it had come 90 s ago");
}

#[test]
fn strict_priority_is_always_before_the_others() {
    let head_starts = vec![(priority(9), HeadStart::Strict)];
    let mut s = with(QueueConfig { head_starts, ..queue_config("billing") });
    s.call("c1", "billing", "kyiv");
    s.pass(Millis::days(30));
    s.enqueue(Enqueue { priority: priority(9), ..call("best", "billing") }, "kyiv");
    s.staff("anna", "kyiv", &[("billing", 1)]);
    assert_eq!(s.with("best").as_deref(), Some("anna"));
}

#[test]
fn a_head_start_survives_the_way_back_to_the_queue_and_to_another() {
    let head_starts = vec![(priority(2), HeadStart::By(seconds(90)))];
    let mut s = with(QueueConfig { head_starts, ..queue_config("billing") });
    s.put_queue(queue_config("loans"));
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.enqueue(Enqueue { priority: priority(2), ..call("c1", "billing") }, "kyiv");
    let place = s.contact("c1").place();
    s.decline("c1");
    assert_eq!(s.contact("c1").place(), place);
    s.pass(seconds(60));
    s.connect("c1");
    s.transfer("c1", to_queue("loans"));
    assert_eq!(s.contact("c1").place(), place);
}

// -- What a contact asks for ----------------------------------------------------------------------

#[test]
fn a_contacts_own_requirements_hold_in_every_step() {
    let mut s =
        with(QueueConfig { steps: vec![step_at(0), step_at(10)], ..queue_config("billing") });
    s.put_skill("french");
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.enqueue(
        Enqueue { requirements: requires(&[("french", 5)]), ..call("c1", "billing") },
        "kyiv",
    );
    s.pass(seconds(20));
    assert_eq!(s.state("c1"), "queued");
    speaks_french(&mut s, "boris", 4);
    assert_eq!(s.state("c1"), "queued");
    speaks_french(&mut s, "boris", 5);
    assert_eq!(s.with("c1").as_deref(), Some("boris"), "as soon as the skill is there");
}

#[test]
fn an_agent_who_begins_to_serve_a_queue_is_offered_who_waits_there() {
    let mut s = with(queue_config("billing"));
    s.put_queue(queue_config("loans"));
    s.staff("anna", "kyiv", &[("loans", 1)]);
    s.call("c1", "billing", "kyiv");
    s.put_agent(roster_entry("anna", "kyiv", &[("billing", 1)]));
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}

// -- Personal exclusions --------------------------------------------------------------------------

#[test]
fn an_agent_who_declined_the_first_in_line_gets_the_second() {
    let mut s = with(queue_config("billing"));
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "kyiv");
    s.call("c2", "billing", "kyiv");
    s.decline("c1");
    assert_eq!((s.state("c1"), s.with("c2").as_deref()), ("queued", Some("anna")));
}

#[test]
fn a_contact_looks_behind_the_agent_who_declined_it() {
    let mut s = with(queue_config("billing"));
    for id in ["anna", "boris", "clara"] {
        s.staff(id, "kyiv", &[("billing", 1)]);
    }
    s.call("c1", "billing", "kyiv");
    s.decline("c1");
    s.decline("c1");
    assert_eq!(s.offered_to("c1"), ["anna", "boris", "clara"]);
}

#[test]
fn a_cool_down_is_for_one_agent_and_one_contact() {
    let mut s = with(QueueConfig { cool_down: seconds(10), ..queue_config("billing") });
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "kyiv");
    s.decline("c1");
    assert_eq!(s.state("c1"), "queued");
    s.call("c2", "billing", "kyiv");
    assert_eq!(s.with("c2").as_deref(), Some("anna"));
    s.hang_up("c2", "kyiv");
    s.pass(seconds(10));
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}

#[test]
fn every_offer_names_the_step_it_was_made_in() {
    let steps = vec![Step { sites: vec![site("lviv")], ..step_at(0) }, step_at(10)];
    let mut s = with(QueueConfig { steps, ..queue_config("billing") });
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "kyiv");
    s.pass(seconds(10));
    assert_eq!(s.reason("c1").step, 1);
    assert!(s.history("c1").contains(&&ContactEvent::StepReached { step: 1 }));
}

#[test]
fn of_several_agents_who_get_free_at_once_the_best_for_the_contact_takes_it() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.staff("second", "lviv", &[("billing", 2)]);
    s.staff("first", "lviv", &[("billing", 1)]);
    s.suspect("lviv");
    s.call("c1", "billing", "kyiv");
    assert_eq!(s.state("c1"), "queued");
    s.must("node-1", SiteCommand::Heard { site: site("lviv") });
    assert_eq!(s.with("c1").as_deref(), Some("first"), "not who is idle longest");
}
