//! How many of what there are.

mod scene;

use acd::census::{AgentCounts, QueueCensus, SiteCensus, StageCounts};
use acd::command::ConfigCommand;
use acd::event::SiteState;
use acd::time::{LogTime, Millis};
use scene::*;

fn queue_of(s: &Scene, id: &str) -> QueueCensus {
    let census = s.centre.roll().count(LogTime(s.now));
    census.queues.into_iter().find(|queue| queue.id.as_str() == id).unwrap()
}

fn site_of(s: &Scene, id: &str) -> SiteCensus {
    let census = s.centre.roll().count(LogTime(s.now));
    census.sites.into_iter().find(|site| site.id.as_str() == id).unwrap()
}

/// Agents of billing in all five ways of being; vira is unreachable in Lviv, her home is Dnipro.
fn five_agents() -> Scene {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.put_queue(queue_config("loans"));
    s.staff("anna", "kyiv", &[("billing", 1), ("loans", 2)]);
    s.call("c1", "billing", "lviv");
    s.connect("c1");
    s.staff("boris", "kyiv", &[("billing", 1)]);
    s.not_ready("boris", "lunch");
    s.put_agent(roster_entry("vira", "dnipro", &[("billing", 1)]));
    s.log_in("vira", "lviv");
    s.lose_session("vira");
    s.put_agent(roster_entry("taras", "dnipro", &[("billing", 1)]));
    s.staff("zoya", "kyiv", &[("billing", 1)]);
    s
}

#[test]
fn each_agent_is_counted_once_in_each_queue_and_at_one_site() {
    let s = five_agents();
    let all = AgentCounts { ready: 1, busy: 1, not_ready: 1, unreachable: 1, offline: 1 };
    assert_eq!(queue_of(&s, "billing").agents, all);
    let anna = AgentCounts { busy: 1, ..AgentCounts::default() };
    assert_eq!(queue_of(&s, "loans").agents, anna);
    let kyiv = AgentCounts { ready: 1, busy: 1, not_ready: 1, ..AgentCounts::default() };
    assert_eq!(site_of(&s, "kyiv").agents, kyiv);
    let lviv = AgentCounts { unreachable: 1, ..AgentCounts::default() };
    assert_eq!(site_of(&s, "lviv").agents, lviv, "where the session was");
    let dnipro = AgentCounts { offline: 1, ..AgentCounts::default() };
    assert_eq!(site_of(&s, "dnipro").agents, dnipro, "at home");
    assert_eq!(all.by_word().map(|(_, count)| count).iter().sum::<u32>(), 5);
}

#[test]
fn contacts_are_counted_by_stage_queue_and_site() {
    let mut s = five_agents();
    s.pass(seconds(1));
    s.call("c2", "billing", "lviv"); // To zoya.
    s.pass(seconds(5));
    s.call("c3", "billing", "lviv");
    let first = s.now;
    s.pass(seconds(10));
    s.call("c4", "billing", "dnipro");
    s.call("c5", "loans", "dnipro");
    s.call("c6", "loans", "kyiv");
    s.hang_up("c6", "kyiv");

    let census = s.centre.roll().count(LogTime(s.now));
    let expected = StageCounts { connected: 1, offered: 1, queued: 3, ..StageCounts::default() };
    assert_eq!(census.contacts, expected);
    assert_eq!((expected.before_agents(), expected.with_agents()), (1, 1));
    let ids: Vec<_> = census.queues.iter().map(|queue| queue.id.as_str()).collect();
    assert_eq!(ids, ["billing", "loans"]);

    let billing = queue_of(&s, "billing");
    assert_eq!(billing.contacts, StageCounts { queued: 2, ..expected });
    assert_eq!(billing.waiting_since, Some(LogTime(first)), "c3 waits for longest");
    assert_eq!(billing.today.answered, 1);
    let loans = queue_of(&s, "loans");
    assert_eq!((loans.contacts.queued, loans.today.abandoned), (1, 1));
    let lviv = site_of(&s, "lviv");
    assert_eq!((lviv.waiting, lviv.engaged), (1, 0), "media of c3; nobody works there");
    assert_eq!(site_of(&s, "kyiv").engaged, 2, "c1 with anna, c2 with zoya");
    assert_eq!(site_of(&s, "dnipro").waiting, 2);

    s.lose("lviv");
    assert_eq!(site_of(&s, "lviv").state, SiteState::Lost);
}

#[test]
fn a_roll_is_as_it_was_and_a_later_reader_sees_a_new_day() {
    let mut s = five_agents();
    let roll = s.centre.roll();
    s.call("c2", "billing", "kyiv");
    s.complete("c1");
    assert_eq!(roll.count(roll.now()).contacts.connected, 1);
    assert_eq!(queue_of(&s, "billing").today.answered, 1);
    let tomorrow = LogTime(s.now).plus(Millis::days(1));
    let census = s.centre.roll().count(tomorrow);
    assert_eq!(census.queues[0].today.answered, 0, "nothing was counted on that day");
}

#[test]
fn queues_that_are_gone_are_not_counted_and_their_places_are_used_again() {
    let mut s = five_agents();
    for id in ["a", "b", "c"] {
        s.put_queue(queue_config(id));
    }
    let delete = ConfigCommand::DeleteQueue { queue: queue("b"), successor: None, expected: None };
    s.must("olena", delete);
    let ids = |s: &Scene| {
        let census = s.centre.roll().count(LogTime(s.now));
        census.queues.iter().map(|queue| queue.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&s), ["a", "billing", "c", "loans"]);
    s.put_queue(queue_config("d"));
    assert_eq!(ids(&s), ["a", "billing", "c", "d", "loans"]);
}
