//! How nodes join by tokens, what they are meant to be, and how they leave.

mod scene;

use acd::command::{AgentCommand, ContactCommand, SiteCommand};
use acd::ids::{NodeId, Revision};
use acd::limits;
use acd::members::TokenEnd;
use acd::rejection::Rejection;
use acd::reply::Reply;
use acd::site::NodeRole;
use acd::text::Address;
use acd::time::Millis;
use scene::*;

const HOUR: Millis = Millis::hours(1);

fn issue(hash: u128, at: &str, role: NodeRole) -> SiteCommand {
    SiteCommand::IssueToken { hash, site: site(at), role, ttl: HOUR }
}

fn redeem(hash: u128, key: u128, address: &str) -> SiteCommand {
    let address = Address::new(address).unwrap();
    SiteCommand::RedeemToken { hash, key, incarnation: 77, address }
}

fn role(node: u64, role: NodeRole, fewer: bool) -> SiteCommand {
    SiteCommand::SetNodeRole { node: NodeId(node), role, fewer, expected: None }
}

fn retire(node: u64, fewer: bool) -> SiteCommand {
    SiteCommand::RetireNode { node: NodeId(node), fewer, expected: None }
}

#[test]
fn a_token_is_good_once() {
    let mut s = Scene::new();
    s.must("olena", issue(1, "lviv", NodeRole::Voter));
    let joined = s.must("node-1", redeem(1, 5, "lviv-2:7400"));
    assert_eq!(joined, Reply::NodeAdded { node: NodeId(4) });
    let node = s.centre.node(NodeId(4)).unwrap();
    let home = node.home.as_ref().unwrap();
    assert_eq!((home.address.as_str(), home.incarnation), ("lviv-2:7400", 77));
    let before = s.centre.state_hash();
    let other = s.refused("node-1", redeem(1, 6, "lviv-3:7400"));
    assert_eq!(other, Rejection::TokenUsed { node: NodeId(4) });
    assert_eq!(s.centre.state_hash(), before);
}

#[test]
fn a_repeat_with_the_same_key_gets_the_same_number_also_after_the_token_has_expired() {
    let mut s = Scene::new();
    s.must("olena", issue(1, "lviv", NodeRole::Voter));
    let first = s.must("node-1", redeem(1, 5, "lviv-2:7400"));
    let hash = s.centre.state_hash();
    assert_eq!(s.must("node-2", redeem(1, 5, "lviv-2:7400")), first);
    assert_eq!(s.centre.state_hash(), hash, "nothing else happens");
    s.pass(HOUR);
    assert_eq!(s.must("node-2", redeem(1, 5, "lviv-2:7400")), first);
}

#[test]
fn an_expired_unknown_or_revoked_token_changes_nothing() {
    let mut s = Scene::new();
    assert_eq!(s.refused("node-1", redeem(9, 5, "a:1")), Rejection::TokenUnknown);
    let Reply::TokenIssued { token, expires } = s.must("olena", issue(1, "lviv", NodeRole::Voter))
    else {
        panic!("no token")
    };
    assert_eq!(expires, s.centre.now().plus(HOUR));
    s.must("olena", issue(2, "lviv", NodeRole::Voter));
    s.must("olena", SiteCommand::RevokeToken { token });
    s.must("olena", SiteCommand::RevokeToken { token });
    assert_eq!(s.refused("node-1", redeem(1, 5, "a:1")), Rejection::TokenRevoked);
    s.pass(HOUR);
    assert!(matches!(s.refused("node-1", redeem(2, 5, "a:1")), Rejection::TokenExpired { .. }));
    assert_eq!(s.centre.last_node(), 3);
    assert_eq!(s.refused("olena", issue(2, "lviv", NodeRole::Voter)), Rejection::TokenKnown);
}

#[test]
fn a_new_city_comes_with_its_first_node() {
    let mut s = Scene::new();
    s.must("olena", issue(1, "odesa", NodeRole::Witness));
    assert!(s.centre.site(&site("odesa")).is_none(), "not before somebody joins");
    s.must("node-1", redeem(1, 5, "odesa:7400"));
    let odesa = s.centre.site(&site("odesa")).unwrap();
    assert_eq!((odesa.state.word(), odesa.config.leader_priority), ("active", 0));
}

#[test]
fn an_address_belongs_to_one_node() {
    let mut s = Scene::new();
    s.must("olena", issue(1, "lviv", NodeRole::Voter));
    s.must("olena", issue(2, "lviv", NodeRole::Voter));
    s.must("node-1", redeem(1, 5, "lviv-2:7400"));
    let taken = s.refused("node-1", redeem(2, 6, "lviv-2:7400"));
    assert_eq!(taken, Rejection::AddressTaken { node: NodeId(4) });
    s.must("olena", retire(4, false));
    s.must("node-1", SiteCommand::RemoveNode { node: NodeId(4) });
    let removed = s.refused("node-1", redeem(1, 5, "lviv-2:7400"));
    assert_eq!(removed, Rejection::TokenUsed { node: NodeId(4) }, "it does not come back");
    // A wiped disk joins anew, as another node.
    let anew = s.must("node-1", redeem(2, 6, "lviv-2:7400"));
    assert_eq!(anew, Reply::NodeAdded { node: NodeId(5) });
}

#[test]
fn tokens_are_bounded_and_the_oldest_that_ended_are_forgotten_first() {
    let mut s = Scene::new();
    for hash in 0..limits::TOKENS_OPEN_MAX as u128 {
        s.must("olena", issue(hash, "lviv", NodeRole::Voter));
    }
    assert_eq!(s.refused("olena", issue(900, "lviv", NodeRole::Voter)).code(), "limit-reached");
    s.must("node-1", redeem(0, 5, "a:1"));
    assert!(matches!(s.centre.tokens().next().unwrap().end, Some(TokenEnd::Used { .. })));
    for round in 1..10_u128 {
        s.pass(HOUR);
        for hash in 0..limits::TOKENS_OPEN_MAX as u128 {
            s.must("olena", issue(1_000 * round + hash, "lviv", NodeRole::Voter));
        }
    }
    let kept = limits::TOKENS_OPEN_MAX + limits::TOKENS_ENDED_KEPT;
    assert_eq!(s.centre.tokens().count(), kept);
    assert_eq!(s.refused("node-1", redeem(0, 5, "a:1")), Rejection::TokenUnknown);
}

#[test]
fn the_last_voter_stays() {
    let mut s = Scene::new();
    s.must("olena", role(2, NodeRole::Learner, true));
    s.must("olena", role(3, NodeRole::Learner, true));
    assert_eq!(s.refused("olena", role(1, NodeRole::Learner, true)), Rejection::LastVoter);
    assert_eq!(s.refused("olena", retire(1, true)), Rejection::LastVoter);
}

#[test]
fn fewer_voters_only_when_that_is_meant() {
    let mut s = Scene::new();
    let fewer = Rejection::FewerVoters { now: 3, then: 1 };
    assert_eq!(s.refused("olena", role(2, NodeRole::Learner, false)), fewer);
    assert_eq!(s.refused("olena", retire(2, false)), fewer);
    s.must("olena", issue(1, "lviv", NodeRole::Voter));
    s.must("node-1", redeem(1, 5, "lviv-2:7400"));
    s.must("olena", retire(2, false));
}

#[test]
fn the_second_plan_is_stale() {
    let mut s = Scene::new();
    let seen = s.centre.members_revision();
    let plan = |node| SiteCommand::SetNodeRole {
        node: NodeId(node),
        role: NodeRole::Witness,
        fewer: false,
        expected: Some(seen),
    };
    s.must("olena", plan(2));
    let stale = s.refused("olena", plan(3));
    let (expected, actual) = (seen, Revision(seen.0 + 1));
    assert_eq!(stale, Rejection::StaleRevision { id: "members".into(), expected, actual });
}

#[test]
fn a_witness_and_a_node_that_leaves_take_nobody_in() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.put_agent(roster_entry("boris", "lviv", &[("billing", 1)]));
    let (lviv, dnipro) = (Scene::node_of("lviv"), Scene::node_of("dnipro"));
    let log_in = |node| AgentCommand::LogIn { agent: agent("boris"), node };
    let attach = |node| ContactCommand::Attach { ingress: principal("edge-lviv"), node };
    s.must("boris", log_in(lviv));
    s.must("edge-lviv", attach(lviv));
    s.must("olena", role(lviv.0, NodeRole::Witness, false));
    assert!(!s.centre.has_connections(lviv), "whoever was there is sent away");
    assert_eq!(s.refused("boris", log_in(lviv)).code(), "wrong-node");
    assert_eq!(s.refused("edge-lviv", attach(lviv)).code(), "wrong-node");
    s.must("boris", log_in(dnipro));
    s.must("olena", retire(dnipro.0, true));
    assert!(!s.centre.has_connections(dnipro));
    assert_eq!(s.refused("boris", log_in(dnipro)).code(), "wrong-node");
    let leaving = s.refused("olena", role(dnipro.0, NodeRole::Witness, true));
    assert_eq!(leaving, Rejection::NodeLeaving { node: dnipro });
}
