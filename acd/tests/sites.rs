//! Cities that fall silent, are lost, come back; nodes that are lost; revisions. Drains are in
//! `drains.rs`.

mod scene;

use acd::agent::Presence;
use acd::command::{ContactCommand, Enqueue, SiteCommand};
use acd::config::{QueueConfig, ReturnMode, SiteConfig, SitePolicy};
use acd::event::OfferEnd;
use acd::ids::{NodeId, Revision};
use acd::rejection::Rejection;
use acd::reply::{Reply, Verdict};
use acd::time::Millis;
use scene::*;

/// One queue; anna works in Lviv.
fn anna_in_lviv() -> Scene {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.staff("anna", "lviv", &[("billing", 1)]);
    s
}

fn return_mode(s: &mut Scene, city: &str, return_mode: ReturnMode) {
    let config = SiteConfig { return_mode, ..SiteConfig::new(site(city), label(city)) };
    s.must("olena", SiteCommand::Put { config, expected: None });
}

fn revision(s: &Scene, city: &str) -> Revision {
    s.centre.site(&site(city)).unwrap().revision
}

// -- Suspect --------------------------------------------------------------------------------------

#[test]
fn a_suspect_site_gets_no_new_offers_and_nothing_else_happens() {
    let mut s = anna_in_lviv();
    s.call("c1", "billing", "lviv");
    s.staff("bohdan", "lviv", &[("billing", 1)]);
    s.suspect("lviv");
    assert_eq!(s.site_state("lviv"), "suspect");
    assert_eq!(s.with("c1").as_deref(), Some("anna"), "the offer stands");
    assert_eq!(*s.presence("bohdan"), Presence::Ready);
    s.call("c2", "billing", "kyiv");
    assert_eq!(s.state("c2"), "queued");
    s.connect("c1");
    s.complete("c1");
    assert_eq!(s.state("c2"), "queued");
    s.must("node-1", SiteCommand::Heard { site: site("lviv") });
    assert_eq!((s.site_state("lviv"), s.with("c2").as_deref()), ("active", Some("bohdan")));
}

#[test]
fn hearing_of_a_lost_site_is_not_enough() {
    let mut s = anna_in_lviv();
    s.lose("lviv");
    s.must("node-1", SiteCommand::Heard { site: site("lviv") });
    s.suspect("lviv");
    assert_eq!(s.site_state("lviv"), "lost");
}

// -- Lost -----------------------------------------------------------------------------------------

#[test]
fn offers_of_a_lost_site_go_back_to_their_place_at_once() {
    let mut s = anna_in_lviv();
    s.call("c1", "billing", "kyiv");
    s.pass(seconds(1));
    s.call("c2", "billing", "kyiv");
    s.lose("lviv");
    assert_eq!((s.state("c1"), s.offer_ends("c1")), ("queued", vec![OfferEnd::AgentLost]));
    s.staff("boris", "dnipro", &[("billing", 1)]);
    assert_eq!(s.with("c1").as_deref(), Some("boris"), "before c2");
}

#[test]
fn agents_of_a_lost_site_are_unreachable_and_keep_their_conversations() {
    let mut s = anna_in_lviv();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.lose("lviv");
    assert!(matches!(s.presence("anna"), Presence::Unreachable { .. }));
    assert_eq!(s.state("c1"), "connected");
    s.log_in("anna", "kyiv");
    assert_eq!(*s.presence("anna"), Presence::Ready);
    s.complete("c1");
    s.call("c2", "billing", "kyiv");
    assert_eq!(s.with("c2").as_deref(), Some("anna"), "from Kyiv now");
}

#[test]
fn contacts_anchored_at_a_lost_site_strand_only_without_a_stream_elsewhere() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.attach("edge-lviv", "lviv");
    s.attach("edge-dnipro", "dnipro");
    s.attach("edge-dnipro", "lviv");
    s.call("c1", "billing", "lviv");
    s.call("c2", "billing", "dnipro");
    s.lose("lviv");
    assert_eq!((s.state("c1"), s.state("c2")), ("stranded", "queued"));
    s.attach("edge-lviv", "kyiv");
    assert_eq!(s.reattach("edge-lviv", &["c1"]), [Verdict::Waiting]);
    assert_eq!(s.state("c1"), "queued");
}

#[test]
fn an_operator_may_declare_a_site_lost() {
    let mut s = anna_in_lviv();
    s.must("olena", SiteCommand::DeclareLost { site: site("lviv"), expected: None });
    assert_eq!(s.site_state("lviv"), "lost");
    assert!(matches!(s.presence("anna"), Presence::Unreachable { .. }));
    let again = SiteCommand::DeclareLost { site: site("lviv"), expected: None };
    assert_eq!(s.refused("olena", again).code(), "wrong-site-state");
}

// -- Returning ------------------------------------------------------------------------------------

#[test]
fn a_site_that_is_back_is_held_for_a_while_before_it_gets_offers() {
    let mut s = anna_in_lviv();
    s.lose("lviv");
    s.caught_up("lviv");
    assert_eq!(s.site_state("lviv"), "returning");
    s.log_in("anna", "lviv");
    s.call("c1", "billing", "kyiv");
    s.pass(Millis(29_999));
    assert_eq!((s.site_state("lviv"), s.state("c1")), ("returning", "queued"));
    s.pass(Millis(1));
    assert_eq!((s.site_state("lviv"), s.with("c1").as_deref()), ("active", Some("anna")));
}

#[test]
fn a_site_that_returns_by_hand_waits_for_the_hand() {
    let mut s = anna_in_lviv();
    return_mode(&mut s, "lviv", ReturnMode::ByHand);
    s.lose("lviv");
    let back = SiteCommand::Return { site: site("lviv"), expected: None };
    assert_eq!(s.refused("olena", back.clone()).code(), "wrong-site-state", "not caught up");
    s.caught_up("lviv");
    s.pass(Millis::hours(3));
    assert_eq!(s.site_state("lviv"), "returning");
    s.must("olena", back);
    assert_eq!(s.site_state("lviv"), "active");
}

#[test]
fn a_site_that_is_lost_again_while_returning_is_lost() {
    let mut s = anna_in_lviv();
    s.lose("lviv");
    s.caught_up("lviv");
    s.lose("lviv");
    s.pass(Millis::minutes(1));
    assert_eq!(s.site_state("lviv"), "lost");
}

#[test]
fn an_operator_need_not_wait_for_the_hold() {
    let mut s = anna_in_lviv();
    s.lose("lviv");
    s.caught_up("lviv");
    s.must("olena", SiteCommand::Return { site: site("lviv"), expected: None });
    assert_eq!(s.site_state("lviv"), "active");
}

// -- Nodes ----------------------------------------------------------------------------------------

#[test]
fn a_lost_node_of_a_living_site_loses_its_sessions_and_streams_only() {
    let mut s = anna_in_lviv();
    let reply = s.must("olena", SiteCommand::AddNode { site: site("lviv") });
    let Reply::NodeAdded { node } = reply else { panic!("{reply:?}") };
    s.put_agent(roster_entry("boris", "lviv", &[("billing", 1)]));
    s.must("boris", acd::command::AgentCommand::LogIn { agent: agent("boris"), node });
    s.ready("boris");
    s.must("node-1", ContactCommand::Attach { ingress: principal("edge-lviv"), node });
    s.call("c1", "billing", "lviv");
    s.call("c2", "billing", "kyiv");
    assert_eq!((s.with("c1"), s.with("c2")), (Some("anna".into()), Some("boris".into())));
    assert!(s.centre.has_connections(node));
    s.must("node-1", SiteCommand::NodeLost { node });
    assert!(!s.centre.has_connections(node));
    assert_eq!((s.site_state("lviv"), s.presence("anna")), ("active", &Presence::Ready));
    assert!(matches!(s.presence("boris"), Presence::Unreachable { .. }));
    assert_eq!((s.state("c1"), s.state("c2")), ("stranded", "offered"), "anna is free for c2");
}

#[test]
fn a_nodes_number_is_never_used_again() {
    let mut s = Scene::new();
    assert_eq!(
        s.refused("olena", SiteCommand::RemoveNode { node: NodeId(3) }).code(),
        "not-permitted"
    );
    s.must("node-1", SiteCommand::RemoveNode { node: NodeId(3) });
    let reply = s.must("olena", SiteCommand::AddNode { site: site("dnipro") });
    assert_eq!(reply, Reply::NodeAdded { node: NodeId(4) });
    let tick = acd::command::ClusterCommand::Tick;
    assert_eq!(s.refused("node-3", tick.clone()).code(), "not-permitted", "it is nobody now");
    s.must("node-4", tick);
}

// -- Revisions ------------------------------------------------------------------------------------

#[test]
fn a_stale_plan_for_a_site_is_refused() {
    let mut s = Scene::new();
    let planned = revision(&s, "lviv");
    return_mode(&mut s, "lviv", ReturnMode::ByHand);
    let actual = revision(&s, "lviv");
    let expected = Some(planned);
    let declare = SiteCommand::DeclareLost { site: site("lviv"), expected };
    let stale = Rejection::StaleRevision { id: "lviv".into(), expected: planned, actual };
    assert_eq!(s.refused("olena", declare), stale);
    let SiteCommand::Drain { site, deadline, expiry, callback, force, .. } = drain("lviv") else {
        unreachable!()
    };
    let drain = |expected| SiteCommand::Drain {
        site: site.clone(),
        deadline,
        expiry,
        callback,
        force,
        expected,
    };
    assert_eq!(s.refused("olena", drain(Some(planned))), stale);
    let reply = s.must("olena", drain(Some(actual)));
    assert_eq!(reply, Reply::Revised { revision: Revision(actual.0 + 1) });
}

#[test]
fn what_the_leader_observes_does_not_make_plans_stale() {
    let mut s = Scene::new();
    let planned = revision(&s, "lviv");
    s.suspect("lviv");
    s.lose("lviv");
    s.caught_up("lviv");
    assert_eq!(revision(&s, "lviv"), planned);
}

#[test]
fn a_suspect_site_gets_no_offers_and_nothing_else_changes() {
    let mut s = Scene::new();
    s.put_queue(QueueConfig {
        site_policy: SitePolicy::LocalFirst { spill_after: seconds(60) },
        ..queue_config("billing")
    });
    s.staff("anna", "lviv", &[("billing", 1)]);
    s.staff("boris", "kyiv", &[("billing", 1)]);
    s.suspect("lviv");
    s.enqueue(Enqueue { preferred: Some(agent("anna")), ..call("c1", "billing") }, "kyiv");
    s.call("c2", "billing", "lviv");
    assert_eq!((s.state("c1"), s.state("c2")), ("queued", "queued"), "boris is free");
    s.must("node-1", SiteCommand::Heard { site: site("lviv") });
    assert_eq!(s.with("c1").as_deref(), Some("anna"), "the wish was kept");
    s.suspect("lviv");
    s.lose("lviv");
    let waits_elsewhere = [s.with("c1"), s.with("c2")].into_iter().flatten().next();
    assert_eq!(waits_elsewhere.as_deref(), Some("boris"), "who is lost is not waited for");
}
