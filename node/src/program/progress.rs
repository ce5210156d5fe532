//! What a node that joins tells of its way to be a full member.

use std::io::{self, Write};
use std::time::Duration;

use acd::ids::NodeId;
use acd::members::{Seat, spread};
use acd::site::NodeRole;
use node::Node;
use openraft_rt::watch::WatchReceiver;
use openraft_rt_tokio::TokioRuntime;

/// How often it is looked, and something said if it has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Tells a line on standard output. Whoever closed it does not want to know; the node goes on.
pub fn tell(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Tells on standard output how far a node is, until it is what it is meant to be.
pub async fn follow(node: Node<TokioRuntime>) {
    let mut last = String::new();
    loop {
        let (words, is_done) = look(&node);
        if words != last {
            tell(&words);
            last = words;
        }
        if is_done {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Why a node that is meant to vote does not.
fn why_no_vote(node: &Node<TokioRuntime>) -> &'static str {
    let view = node.state().view();
    let members: Vec<_> = view.centre().members().collect();
    let meant = members.iter().filter(|(known, _)| known.role.votes() && !known.leaving);
    let seats = meant.map(|(known, site)| Seat {
        node: known.id,
        site,
        votes: node.raft().voter_ids().any(|voter| voter == known.id.0),
    });
    let seats: Vec<_> = seats.collect();
    match spread(&seats).contains(&NodeId(node.number())) {
        true => "; waits for its vote",
        false => {
            "; stays so for now: voters are odd in number, and no city has a majority of them. It \
             votes when the next place joins, or when a voter is gone"
        }
    }
}

/// How far it is, and whether there is nothing left to wait for.
fn look(node: &Node<TokioRuntime>) -> (String, bool) {
    let number = node.number();
    let (is_member, voters, is_voter) = {
        let metrics = node.raft().metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let voters: Vec<_> = membership.voter_ids().collect();
        let is_member = membership.get_node(&number).is_some();
        (is_member, voters.len(), voters.contains(&number))
    };
    let freshness = node.freshness();
    if !is_member || freshness.applied == 0 {
        return ("waits for the leader to find it".to_owned(), false);
    }
    let (applied, committed) = (freshness.applied, freshness.applied + freshness.lag);
    let wished = node.state().view().centre().node(NodeId(number)).map(|known| known.role);
    match wished {
        _ if is_voter => (format!("votes, as one of {voters}: it is a full member"), true),
        Some(NodeRole::Learner) if freshness.lag == 0 => {
            (format!("learner, caught up at {applied}: it is a full member"), true)
        }
        Some(NodeRole::Voter | NodeRole::Witness) if freshness.lag == 0 => {
            (format!("learner, caught up{}", why_no_vote(node)), false)
        }
        _ => (format!("learner: {applied} of {committed} entries"), false),
    }
}
