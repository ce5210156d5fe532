//! Who should lead: what a leader makes of what it knows.
//!
//! ```text
//!             of a site in service   answers   clock right   caught up      otherwise
//! may lead          yes                yes         yes      within a batch    stays
//! ```
//!
//! The lead belongs to the site with the highest priority of those that have a voter who may lead; who
//! has it keeps it against equals. It moves by itself only while nothing else moves: no site is silent,
//! and the membership is settled. How soon, and how soon again, is a matter of [`Pace`]. A leader whose
//! site is drained does not wait for its turn.
//!
//! An operator may choose otherwise. Priorities are what is wished for good, so the lead comes back to
//! them; whoever wants it elsewhere for good changes the priority, or drains the site.
//!
//! Cost: a look at each node and site.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use acd::Centre;
use acd::command::LeaderChoice;
use acd::event::SiteState;
use acd::ids::SiteId;
use acd::limits::LABEL_BYTES_MAX;
use acd::site::{NodeRole, Site};
use acd::text::Label;

use super::pace::Pace;
use super::roll_call::CAUGHT_UP_WITHIN;
use crate::raft::NodeId;

/// What a leader knows of another voter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// It answered a moment ago.
    pub answers: bool,
    /// Its wall clock is known to be near the median of all.
    pub clock_is_right: bool,
    /// Entries of the leader's log that it is not known to have.
    pub behind: u64,
}

/// What a leader sees when it looks who should lead.
pub struct Sight<'a> {
    /// The leader.
    pub own: NodeId,
    /// The state, with everything that was committed before its term.
    pub centre: &'a Centre,
    /// The other voters.
    pub voters: BTreeMap<NodeId, Standing>,
    /// The membership is committed, and not on its way to another one.
    pub is_settled: bool,
}

/// What keeps a node from leading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// It does not vote.
    NoVote,
    /// It has not answered for a moment.
    Silent,
    /// Its clock is wrong, or nobody knows.
    Clock,
    /// It lacks so many entries.
    Behind(u64),
    /// Its site is not in service, but in this state.
    Site(SiteId, &'static str),
    /// It is at no site yet: the cluster is being founded.
    NoSite,
    /// It is being retired.
    Leaving,
}

impl Obstacle {
    fn words(&self, node: NodeId) -> String {
        match self {
            Self::NoVote => format!("node {node} has no vote"),
            Self::Silent => format!("node {node} does not answer"),
            Self::Clock => format!("the clock of node {node} is wrong, or not known"),
            Self::Behind(entries) => format!("node {node} is {entries} entries behind"),
            Self::Site(site, state) => format!("node {node} is at {site}, which is {state}"),
            Self::Leaving => format!("node {node} is being retired"),
            Self::NoSite => format!("node {node} is at no site yet"),
        }
    }
}

/// Why the lead stays where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stays {
    /// The membership is being changed.
    Membership,
    /// The lead moves already.
    Moving,
    /// The only node that was asked for must not lead.
    Node(NodeId, Obstacle),
    /// Of those that were asked for nobody may lead; each with what keeps it, none: there is nobody.
    Nobody(Vec<(NodeId, Obstacle)>),
}

impl fmt::Display for Stays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Membership => f.write_str("the membership is being changed"),
            Self::Moving => f.write_str("the lead moves already"),
            Self::Node(node, obstacle) => f.write_str(&obstacle.words(*node)),
            Self::Nobody(nodes) if nodes.is_empty() => {
                f.write_str("no other node has a vote there")
            }
            Self::Nobody(nodes) => {
                let words = nodes.iter().map(|(node, obstacle)| obstacle.words(*node));
                f.write_str(&words.collect::<Vec<_>>().join("; "))
            }
        }
    }
}

impl Stays {
    /// The same for the audit trail, cut off where it is too long for it.
    pub fn label(&self) -> Label {
        let mut text = self.to_string();
        // Ids of sites are ASCII; so is all of it.
        text.truncate(LABEL_BYTES_MAX);
        Label::new(&text).expect("a few words")
    }
}

/// A move of the lead that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Who should lead.
    pub to: NodeId,
    /// Why.
    pub why: Why,
}

/// Why the lead moves by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The leader's site is to have no work.
    Drained,
    /// A site with a higher priority can have it.
    Priority,
}

impl Sight<'_> {
    /// Whom an operator's choice means; none: such a node leads already.
    ///
    /// # Errors
    ///
    /// Why nobody of those takes over.
    pub fn choose(&self, choice: &LeaderChoice) -> Result<Option<NodeId>, Stays> {
        let is_meant = |node| choice.is(acd::ids::NodeId(node), self.site_of(node).map(Site::id));
        if is_meant(self.own) {
            return Ok(None);
        }
        if !self.is_settled {
            return Err(Stays::Membership);
        }
        if let LeaderChoice::Node(node) = choice {
            return match self.obstacle(node.0) {
                None => Ok(Some(node.0)),
                Some(obstacle) => Err(Stays::Node(node.0, obstacle)),
            };
        }
        let meant = || self.voters.keys().copied().filter(|node| is_meant(*node));
        let fit = meant().filter(|node| self.obstacle(*node).is_none());
        let best = fit.max_by_key(|node| self.rank(*node));
        let nobody = || {
            let kept = meant().filter_map(|node| Some((node, self.obstacle(node)?)));
            Stays::Nobody(kept.collect())
        };
        best.map(Some).ok_or_else(nobody)
    }

    /// The move that is due by priorities and drains, if one is.
    pub fn next(&self, pace: &Pace, now: Duration) -> Option<Move> {
        let is_silent = |site: &Site| site.silent || site.state == SiteState::Suspect;
        if !self.is_settled || self.centre.tables().sites().any(is_silent) {
            return None;
        }
        let leaves = self.leaves();
        let own = self.priority(self.own);
        let better = self.voters.keys().copied().filter(|node| {
            self.priority(*node) > own
                && self.obstacle(*node).is_none()
                && pace.allows(now, self.own, *node, leaves)
        });
        let to = better.max_by_key(|node| self.rank(*node))?;
        Some(Move { to, why: if leaves { Why::Drained } else { Why::Priority } })
    }

    /// Whether the leader's site is to have no work.
    pub fn leaves(&self) -> bool {
        let state = self.site_of(self.own).map(|site| site.state);
        matches!(state, Some(SiteState::Draining | SiteState::Drained))
    }

    /// Why nobody takes the lead from a leader whose site is to have no work; none: somebody can, or
    /// it need not go.
    pub fn stuck(&self) -> Option<Stays> {
        let site = self.site_of(self.own).filter(|_| self.leaves())?;
        self.choose(&LeaderChoice::NotSite(site.id().clone())).err()
    }

    /// Who takes over from a leader that must go, whatever the state of its site: anybody who answers
    /// and whose clock is right.
    pub fn successor(&self) -> Option<NodeId> {
        let fit = self.voters.iter().filter(|(node, voter)| {
            voter.answers && voter.clock_is_right && !self.is_leaving(**node)
        });
        let rank = |(node, voter): &(&NodeId, &Standing)| {
            (voter.behind <= CAUGHT_UP_WITHIN, self.rank(**node))
        };
        fit.max_by_key(rank).map(|(node, _)| *node)
    }

    /// What keeps another node from leading.
    fn obstacle(&self, node: NodeId) -> Option<Obstacle> {
        let Some(voter) = self.voters.get(&node) else { return Some(Obstacle::NoVote) };
        let Some(site) = self.site_of(node) else { return Some(Obstacle::NoSite) };
        if self.is_leaving(node) {
            return Some(Obstacle::Leaving);
        }
        if !voter.answers {
            return Some(Obstacle::Silent);
        }
        if !voter.clock_is_right {
            return Some(Obstacle::Clock);
        }
        if voter.behind > CAUGHT_UP_WITHIN {
            return Some(Obstacle::Behind(voter.behind));
        }
        let state = if site.silent { SiteState::Suspect } else { site.state };
        (state != SiteState::Active).then(|| Obstacle::Site(site.id().clone(), state.word()))
    }

    /// Where a node stands among those that may lead: priority first, then who has most of the log,
    /// then the lowest number.
    fn rank(&self, node: NodeId) -> (Option<u8>, Reverse<u64>, Reverse<NodeId>) {
        let behind = self.voters.get(&node).map_or(0, |voter| voter.behind);
        (self.priority(node), Reverse(behind), Reverse(node))
    }

    /// How much a node should lead: 0, if nobody else can, as a witness; none: not now, for its site is not in
    /// service.
    fn priority(&self, node: NodeId) -> Option<u8> {
        let site = self.site_of(node)?;
        let is_in_service = site.state == SiteState::Active && !site.silent;
        let known = self.centre.node(acd::ids::NodeId(node));
        let is_witness = known.is_some_and(|known| known.role == NodeRole::Witness);
        let priority = if is_witness { 0 } else { site.config.leader_priority };
        is_in_service.then_some(priority)
    }

    fn is_leaving(&self, node: NodeId) -> bool {
        self.centre.node(acd::ids::NodeId(node)).is_some_and(|known| known.leaving)
    }

    fn site_of(&self, node: NodeId) -> Option<&Site> {
        let (_, site) = self.centre.nodes().find(|(number, _)| number.0 == node)?;
        self.centre.site(site)
    }
}

#[cfg(test)]
mod tests;
