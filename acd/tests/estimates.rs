//! Position and expected wait, and why a contact waits.

mod scene;

use acd::command::Enqueue;
use acd::explain::Rule;
use acd::{ExpectedWait, Position};
use scene::*;

fn busy_queue() -> Scene {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.put_queue(queue_config("loans"));
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c0", "billing", "kyiv");
    s.connect("c0");
    s
}

#[test]
fn a_position_counts_those_of_the_queue_who_are_ahead() {
    let mut s = busy_queue();
    s.call("c1", "billing", "kyiv");
    s.call("c2", "billing", "lviv");
    s.call("elsewhere", "loans", "kyiv");
    assert_eq!(s.centre.position(&contact("c2")), Some(Position { ahead: 1, waiting: 2 }));
    assert_eq!(s.centre.position(&contact("c0")), None, "it does not wait");
}

#[test]
fn expected_wait_is_told_by_the_head_of_the_line_and_by_its_length() {
    let mut s = busy_queue();
    let nothing = ExpectedWait { head_of_line: None, queue_length: None };
    assert_eq!(s.centre.expected_wait(&queue("billing")), Some(nothing), "nothing handled yet");
    s.pass(seconds(60));
    s.complete("c0");
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.call("c2", "billing", "kyiv");
    s.enqueue(Enqueue { preferred: Some(agent("anna")), ..call("c3", "billing") }, "kyiv");
    s.pass(seconds(10));
    // Handled so far: one conversation of 60 s. Two wait, one agent: (2 + 1) × 60 s.
    let told = s.centre.expected_wait(&queue("billing")).unwrap();
    assert_eq!(told.head_of_line, Some(seconds(10)));
    assert_eq!(told.queue_length, Some(seconds(180)));
    assert_eq!(s.centre.expected_wait(&queue("nowhere")), None);
}

#[test]
fn an_explanation_names_the_first_rule_that_excludes_each_agent() {
    let mut s = busy_queue();
    s.staff("boris", "lviv", &[("loans", 1)]);
    s.staff("vira", "dnipro", &[("billing", 1)]);
    s.not_ready("vira", "lunch");
    s.put_agent(roster_entry("taras", "kyiv", &[("billing", 1)]));
    s.call("c1", "billing", "kyiv");
    let told = s.centre.explain(&contact("c1")).unwrap();
    let by_agent: Vec<_> = told.agents.iter().map(|(a, rule)| (a.as_str(), rule.clone())).collect();
    let expected = [
        ("anna", Rule::Busy),
        ("boris", Rule::QueueNotServed),
        ("taras", Rule::Offline),
        ("vira", Rule::NotReady),
    ];
    assert_eq!(by_agent, expected);
    assert_eq!(told.excluded.values().sum::<u32>(), 4);
    assert_eq!((told.stage, told.with), ("queued", None));
}

#[test]
fn an_explanation_of_an_offer_tells_the_keys_that_won() {
    let mut s = busy_queue();
    let told = s.centre.explain(&contact("c0")).unwrap();
    let with = told.with.unwrap();
    assert_eq!((with.agent.as_str(), with.site.as_str()), ("anna", "kyiv"));
    assert_eq!((with.reason.step, with.reason.grade), (0, grade(1)));
    s.complete("c0");
    assert_eq!(s.centre.explain(&contact("c0")), None, "its record tells the rest");
}
