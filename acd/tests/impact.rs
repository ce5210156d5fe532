//! What would become of the work if a city were drained or lost, before anybody does it.

mod scene;

use std::collections::BTreeSet;

use acd::board::{AgentTally, Board};
use acd::channel::Channel;
use acd::impact::{Load, QueueImpact, SiteImpact};
use acd::time::Millis;
use scene::*;

/// Lviv: anna talks, anton is rung, olha is at lunch. Kyiv: boris is free for loans and billing, too.
/// A call waits in each city.
fn day() -> Scene {
    let mut s = Scene::new();
    for id in ["billing", "loans", "sales"] {
        s.put_queue(queue_config(id));
    }
    for city in ["kyiv", "lviv"] {
        s.attach(&format!("edge-{city}"), city);
    }
    s.staff("anna", "lviv", &[("billing", 1)]);
    s.call("talks", "billing", "kyiv");
    s.connect("talks");
    s.staff("anton", "lviv", &[("billing", 1)]);
    s.call("rings", "billing", "lviv");
    s.staff("olha", "lviv", &[("billing", 1), ("loans", 1)]);
    s.not_ready("olha", "lunch");
    s.call("waits-in-lviv", "billing", "lviv");
    s.call("waits-in-kyiv", "billing", "kyiv");
    s.staff("boris", "kyiv", &[("loans", 1)]);
    s.staff("vira", "kyiv", &[("sales", 1)]);
    s
}

fn impact<R>(s: &Scene, city: &str, see: impl FnOnce(SiteImpact<'_>) -> R) -> R {
    let cut_off = s.centre.attached_only_at(&site(city));
    let board: Board = s.centre.board();
    see(board.site_impact(&site(city), &cut_off).unwrap())
}

fn of<'a, 'b>(impact: &'a SiteImpact<'b>, id: &str) -> &'a QueueImpact<'b> {
    impact.queues.iter().find(|q| q.queue.id().as_str() == id).unwrap()
}

#[test]
fn what_a_site_has_is_told_by_what_would_become_of_it() {
    let s = day();
    impact(&s, "lviv", |lviv| {
        assert_eq!((lviv.offered, lviv.talking, lviv.wrapping_up), (1, 1, 0));
        assert_eq!(lviv.waiting, 1, "its media is there");
        assert_eq!(lviv.agents, AgentTally { busy: 2, not_ready: 1, ..AgentTally::default() });
        assert_eq!(lviv.nodes, [Scene::node_of("lviv")]);
        assert_eq!(lviv.site.revision, s.centre.site(&site("lviv")).unwrap().revision);
        let queues: Vec<_> = lviv.queues.iter().map(|q| q.queue.id().to_string()).collect();
        assert_eq!(queues, ["billing", "loans"], "sales notices nothing");
    });
    let board = s.centre.board();
    assert!(board.site_impact(&site("odesa"), &BTreeSet::new()).is_none());
}

#[test]
fn a_drain_that_is_carried_out_does_what_was_foretold() {
    let mut s = day();
    let foretold = impact(&s, "lviv", |lviv| (lviv.offered, lviv.talking, lviv.agents.not_ready));
    s.lose("lviv");
    let ends = s.offer_ends("rings").len() as u32;
    let orphans = u32::from(s.contact("talks").orphaned);
    assert_eq!((ends, orphans, 1), foretold);
    assert_eq!(s.presence("olha").word(), "unreachable");
}

#[test]
fn a_queue_is_told_who_would_be_left() {
    let mut s = day();
    impact(&s, "lviv", |lviv| {
        let billing = of(&lviv, "billing");
        assert_eq!((billing.waiting, billing.handled, billing.handled_there), (2, 2, 2));
        assert_eq!(billing.agents_elsewhere, AgentTally::default());
        // Two wait and two are handled, by two who have room for one each; olha is at lunch.
        assert_eq!(billing.load_now, Load::PerMille(2_000));
        assert_eq!(billing.load_then, Load::Nobody);
        let loans = of(&lviv, "loans");
        assert_eq!(loans.agents_elsewhere, AgentTally { free: 1, ..AgentTally::default() });
        assert_eq!((loans.load_now, loans.load_then), (Load::PerMille(0), Load::PerMille(0)));
        // In the whole, each of the four who are ready counts once.
        assert_eq!((lviv.load_now, lviv.load_then), (Load::PerMille(1_000), Load::PerMille(2_000)));
    });
    // Dnipro is drained: who works there is nobody to count on.
    s.staff("dasha", "dnipro", &[("billing", 1)]);
    impact(&s, "lviv", |lviv| assert_eq!(of(&lviv, "billing").agents_elsewhere.busy, 1));
    s.drain("dnipro");
    impact(&s, "lviv", |lviv| assert_eq!(of(&lviv, "billing").agents_elsewhere.busy, 0));
}

#[test]
fn load_is_by_what_an_agent_can_have_at_once() {
    let mut s = Scene::new();
    let mut config = queue_config("care");
    config.channels = all_channels();
    s.put_queue(config);
    s.staff("anna", "lviv", &[("care", 1)]);
    s.staff("boris", "kyiv", &[("care", 1)]);
    s.attach("edge-kyiv", "kyiv");
    for n in 0..3 {
        s.enqueue(other(Channel::Chat, &format!("chat-{n}"), "care"), "kyiv");
    }
    // Two agents with three chats each, then one.
    impact(&s, "lviv", |lviv| {
        assert_eq!((lviv.load_now, lviv.load_then), (Load::PerMille(500), Load::PerMille(1_000)));
    });
    // A call keeps chats out: its part is added.
    s.call("call", "care", "kyiv");
    impact(&s, "lviv", |lviv| assert_eq!(lviv.load_then, Load::PerMille(2_000)));
}

#[test]
fn contacts_of_a_front_end_with_streams_to_one_site_only_are_cut_off_with_it() {
    let mut s = day();
    s.attach("edge-kyiv", "lviv");
    impact(&s, "lviv", |lviv| assert_eq!(lviv.cut_off, 2, "those of edge-lviv"));
    impact(&s, "kyiv", |kyiv| assert_eq!(kyiv.cut_off, 0, "edge-kyiv has a stream to Lviv"));
    impact(&s, "dnipro", |dnipro| assert_eq!(dnipro.cut_off, 0));
    let foretold = impact(&s, "lviv", |lviv| lviv.cut_off);
    s.lose("lviv");
    let stranded = ["rings", "waits-in-lviv"].iter().filter(|id| s.state(id) == "stranded");
    assert_eq!(stranded.count() as u32, foretold);
    s.pass(Millis(1));
    impact(&s, "lviv", |lviv| assert_eq!(lviv.cut_off, 0, "that has happened"));
}

#[test]
fn a_site_that_is_out_has_nothing_to_lose() {
    let mut s = day();
    s.lose("lviv");
    impact(&s, "lviv", |lviv| {
        assert_eq!((lviv.offered, lviv.agents.free, lviv.agents.busy), (0, 0, 0));
        assert_eq!(lviv.agents.unreachable, 3);
        assert_eq!(lviv.load_now, lviv.load_then, "nobody there takes anything now");
    });
}
