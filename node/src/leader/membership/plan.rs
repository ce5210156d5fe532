//! The next step from the members there are to those that are meant to be.
//!
//! The state says what each node is meant to be; Raft's membership says what it is. The leader takes
//! one step at a time, so a later leader goes on wherever an earlier one stopped:
//!
//! ```text
//! a change that was interrupted is finished
//! a node that joined is added as a learner
//! who should vote does: spread over the cities, caught up, not gone for good
//! who should not be a member any more is dropped, and then removed from the state
//! ```
//!
//! Nothing shrinks by itself: there are never fewer voters than before, unless somebody was demoted or
//! retired by hand, or any one city may be lost then and could not before.

use std::collections::{BTreeMap, BTreeSet};

use acd::Centre;
use acd::ids::SiteId;
use acd::members::{Seat, spread, survival};

use crate::raft::{Member, NodeId};

/// What the state says of a node.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Its site.
    pub site: SiteId,
    /// Whether it is meant to vote.
    pub votes: bool,
    /// Whether it is being retired.
    pub leaving: bool,
    /// As Raft is to know it; none: it founded the cluster, and Raft knows it.
    pub home: Option<Member>,
}

/// What is meant to be, for each node of the state.
pub fn wishes(centre: &Centre) -> BTreeMap<NodeId, Wish> {
    let wish = |(node, site): (&acd::site::Node, &SiteId)| {
        let home = node.home.as_ref().map(|home| Member {
            address: home.address.as_str().to_owned(),
            site: site.to_string(),
            incarnation: home.incarnation,
        });
        let (votes, leaving) = (node.role.votes(), node.leaving);
        (node.id.0, Wish { site: site.clone(), votes, leaving, home })
    };
    centre.members().map(wish).collect()
}

/// What the leader sees.
#[derive(Clone, Debug)]
pub struct Sight {
    /// The leader.
    pub own: NodeId,
    /// What is meant to be.
    pub wishes: BTreeMap<NodeId, Wish>,
    /// The number that was given last.
    pub last_node: u64,
    /// Who votes, by Raft's membership.
    pub voters: BTreeSet<NodeId>,
    /// Who is to vote when a change that is under way is finished.
    pub changing_to: Option<BTreeSet<NodeId>>,
    /// Members of Raft, voters and learners.
    pub members: BTreeSet<NodeId>,
    /// Those who answer and have what the others have.
    pub ready: BTreeSet<NodeId>,
    /// Those who have not answered for so long that they will not.
    pub gone: BTreeSet<NodeId>,
    /// No city with a voter is suspect, and this leader has led for a moment.
    pub is_calm: bool,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A change that an earlier leader, or this one, did not finish.
    Finish(BTreeSet<NodeId>),
    /// A node becomes a learner.
    Add(NodeId, Member),
    /// This leader is not to vote any more: another one goes on.
    HandOver,
    /// These vote from now on.
    Vote(BTreeSet<NodeId>),
    /// A learner is no member any more.
    Drop(NodeId),
    /// A node that is no member any more leaves the state.
    Remove(NodeId),
}

/// The next step; none: all is as it is meant to be, or something must be waited for.
pub fn next(sight: &Sight) -> Option<Step> {
    if let Some(to) = &sight.changing_to {
        return Some(Step::Finish(to.clone()));
    }
    let missing = sight.wishes.iter().find_map(|(node, wish)| {
        let home = wish.home.clone().filter(|_| !wish.leaving)?;
        (!sight.members.contains(node)).then_some(Step::Add(*node, home))
    });
    if missing.is_some() {
        return missing;
    }
    if let Some(step) = voters(sight).filter(|_| sight.is_calm) {
        return Some(step);
    }
    let stays = |node: &NodeId| {
        // Founders are members of Raft before they are in the state.
        *node > sight.last_node || sight.wishes.get(node).is_some_and(|wish| !wish.leaving)
    };
    let dropped = sight.members.difference(&sight.voters).find(|node| !stays(node));
    if let Some(node) = dropped {
        return Some(Step::Drop(*node));
    }
    let mut leaving = sight.wishes.iter().filter(|(_, wish)| wish.leaving);
    let (node, _) = leaving.find(|(node, _)| !sight.members.contains(node))?;
    Some(Step::Remove(*node))
}

/// The step to the voters that should be.
fn voters(sight: &Sight) -> Option<Step> {
    // While the cluster is founded, nobody is moved.
    if sight.voters.iter().any(|node| *node > sight.last_node) {
        return None;
    }
    let by_hand =
        |node: &NodeId| sight.wishes.get(node).is_none_or(|wish| wish.leaving || !wish.votes);
    let choose = |counts: &dyn Fn(&NodeId) -> bool| -> BTreeSet<NodeId> {
        let seats: Vec<_> = sight
            .wishes
            .iter()
            .filter(|(node, _)| !by_hand(node) && counts(node))
            .map(|(node, wish)| Seat {
                node: acd::ids::NodeId(*node),
                site: &wish.site,
                votes: sight.voters.contains(node),
            })
            .collect();
        spread(&seats).into_iter().map(|node| node.0).collect()
    };
    let is_ready = |node: &NodeId| sight.ready.contains(node) && sight.members.contains(node);
    let may_stay = |node: &NodeId| sight.voters.contains(node);
    let with_those_that_live =
        choose(&|node| (may_stay(node) && !sight.gone.contains(node)) || is_ready(node));
    let may_shrink = sight.voters.iter().any(by_hand);
    let bears_any_loss = |voters: &BTreeSet<NodeId>| {
        let sites = voters.iter().filter_map(|node| sight.wishes.get(node));
        survival(sites.map(|wish| &wish.site)).automatic
    };
    // What somebody agreed to who takes a vote away: that all vote who are meant to.
    let meant = choose(&|_| true).len();
    let allowed = |to: &BTreeSet<NodeId>| {
        let is_better = || !bears_any_loss(&sight.voters) && bears_any_loss(to);
        let live = to.iter().filter(|node| **node == sight.own || sight.ready.contains(node));
        // Without a majority that answers nothing would be decided any more, this change included.
        let can_decide = 2 * live.count() > to.len();
        let is_enough = to.len() >= sight.voters.len() || (may_shrink && to.len() >= meant);
        can_decide && (is_enough || is_better())
    };
    let to = Some(with_those_that_live).filter(allowed);
    // Without a replacement, those that are gone for good keep their vote.
    let to =
        to.or_else(|| Some(choose(&|node| may_stay(node) || is_ready(node))).filter(allowed))?;
    if to == sight.voters {
        return None;
    }
    if to.contains(&sight.own) {
        return Some(Step::Vote(to));
    }
    let is_heir = |node: &&NodeId| **node != sight.own && sight.ready.contains(node);
    Some(match sight.voters.iter().any(|node| is_heir(&node)) {
        true => Step::HandOver,
        // Whoever takes over must vote first.
        false => Step::Vote(to.into_iter().chain([sight.own]).collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(node: NodeId, site: &str) -> Member {
        Member { address: format!("n{node}:1"), site: site.into(), incarnation: node.into() }
    }

    /// Nodes at their sites, all of them meant to vote, members of Raft, ready; the first ones vote.
    fn sight(sites: &[&str], voting: usize) -> Sight {
        let all: BTreeSet<_> = (1..=sites.len() as u64).collect();
        let wish = |(node, site): (u64, &&str)| {
            let wish = Wish {
                site: SiteId::new(site).unwrap(),
                votes: true,
                leaving: false,
                home: (node > 1).then(|| member(node, site)),
            };
            (node, wish)
        };
        Sight {
            own: 1,
            wishes: (1..).zip(sites).map(wish).collect(),
            last_node: sites.len() as u64,
            voters: all.iter().copied().take(voting).collect(),
            changing_to: None,
            members: all.clone(),
            ready: all,
            gone: BTreeSet::new(),
            is_calm: true,
        }
    }

    fn vote(nodes: &[NodeId]) -> Option<Step> {
        Some(Step::Vote(nodes.iter().copied().collect()))
    }

    const THREE: [&str; 3] = ["kyiv", "lviv", "dnipro"];

    #[test]
    fn a_node_that_joined_becomes_a_learner_first() {
        let mut sight = sight(&THREE, 1);
        sight.members = BTreeSet::from([1]);
        sight.ready = BTreeSet::from([1]);
        assert_eq!(next(&sight), Some(Step::Add(2, member(2, "lviv"))));
        sight.members = BTreeSet::from([1, 2]);
        assert_eq!(next(&sight), Some(Step::Add(3, member(3, "dnipro"))));
        sight.members = BTreeSet::from([1, 2, 3]);
        assert_eq!(next(&sight), None, "nobody has caught up");
    }

    #[test]
    fn learners_get_their_vote_when_they_have_caught_up_and_make_the_voters_odd() {
        let mut sight = sight(&THREE, 1);
        sight.ready = BTreeSet::from([1, 2]);
        assert_eq!(next(&sight), None, "two voters survive no more than one");
        sight.ready.insert(3);
        assert_eq!(next(&sight), vote(&[1, 2, 3]));
        sight.is_calm = false;
        assert_eq!(next(&sight), None, "nothing moves while a city is suspect");
    }

    #[test]
    fn a_change_that_was_interrupted_is_finished_first() {
        let mut sight = sight(&THREE, 1);
        let to = BTreeSet::from([1, 2, 3]);
        sight.changing_to = Some(to.clone());
        sight.is_calm = false;
        assert_eq!(next(&sight), Some(Step::Finish(to)));
    }

    #[test]
    fn all_is_well_when_all_is_as_it_is_meant_to_be() {
        assert_eq!(next(&sight(&THREE, 3)), None);
        assert_eq!(next(&sight(&["kyiv"], 1)), None);
        let five = ["kyiv", "kyiv", "lviv", "lviv", "dnipro"];
        assert_eq!(next(&sight(&five, 5)), None);
    }

    #[test]
    fn no_city_keeps_a_majority_when_a_third_one_comes() {
        let mut sight = sight(&["kyiv", "kyiv", "lviv", "dnipro"], 3);
        assert_eq!(next(&sight), vote(&[1, 3, 4]));
        sight.own = 2;
        assert_eq!(next(&sight), Some(Step::HandOver), "the leader is not to vote any more");
    }

    #[test]
    fn a_voter_that_is_gone_for_good_is_replaced_and_never_just_dropped() {
        let mut sight = sight(&["kyiv", "lviv", "dnipro", "dnipro"], 3);
        sight.ready.remove(&3);
        assert_eq!(next(&sight), None, "it may come back");
        sight.gone.insert(3);
        assert_eq!(next(&sight), vote(&[1, 2, 4]));
        sight.ready.remove(&4);
        assert_eq!(next(&sight), None, "there is nobody to replace it");
    }

    #[test]
    fn who_is_retired_loses_the_vote_then_the_membership_then_the_number() {
        let mut sight = sight(&["kyiv", "lviv", "dnipro", "odesa"], 3);
        sight.wishes.get_mut(&2).unwrap().leaving = true;
        assert_eq!(next(&sight), vote(&[1, 3, 4]));
        sight.voters = BTreeSet::from([1, 3, 4]);
        assert_eq!(next(&sight), Some(Step::Drop(2)));
        sight.members.remove(&2);
        assert_eq!(next(&sight), Some(Step::Remove(2)));
        sight.wishes.remove(&2);
        assert_eq!(next(&sight), None);
    }

    #[test]
    fn a_leader_that_is_retired_hands_over_first() {
        let mut sight = sight(&["kyiv", "lviv", "dnipro", "odesa"], 3);
        sight.wishes.get_mut(&1).unwrap().leaving = true;
        assert_eq!(next(&sight), Some(Step::HandOver));
    }

    #[test]
    fn who_is_demoted_by_hand_may_leave_fewer_voters() {
        let mut sight = sight(&THREE, 3);
        sight.wishes.get_mut(&3).unwrap().votes = false;
        assert_eq!(next(&sight), vote(&[1]), "two cities alone: the majority stays at one of them");
    }

    #[test]
    fn a_leader_that_votes_alone_lets_its_heir_vote_first() {
        let mut sight = sight(&["kyiv", "lviv"], 1);
        sight.wishes.get_mut(&1).unwrap().leaving = true;
        assert_eq!(next(&sight), vote(&[1, 2]));
        sight.voters = BTreeSet::from([1, 2]);
        assert_eq!(next(&sight), Some(Step::HandOver));
        sight.own = 2;
        assert_eq!(next(&sight), vote(&[2]));
    }

    #[test]
    fn a_vote_that_is_taken_away_takes_no_others_along() {
        let mut sight = sight(&["a", "a", "b", "b", "c"], 5);
        sight.wishes.get_mut(&3).unwrap().votes = false;
        sight.gone = BTreeSet::from([4, 5]);
        sight.ready = BTreeSet::from([1, 2, 3]);
        assert_eq!(next(&sight), None, "two of those that are to vote are not there");
        (sight.gone, sight.ready) = (BTreeSet::new(), BTreeSet::from([1, 2, 3, 4, 5]));
        assert_eq!(next(&sight), vote(&[1, 4, 5]));
    }

    #[test]
    fn nothing_shrinks_by_itself() {
        assert_eq!(next(&sight(&["kyiv", "lviv"], 2)), None);
        assert_eq!(next(&sight(&["kyiv", "lviv", "dnipro", "odesa"], 4)), None);
    }

    #[test]
    fn fewer_voters_that_bear_the_loss_of_any_city_are_better() {
        let sight = sight(&["kyiv", "kyiv", "kyiv", "kyiv", "kyiv", "lviv", "dnipro"], 5);
        assert_eq!(next(&sight), vote(&[1, 6, 7]));
    }

    #[test]
    fn founders_that_are_not_in_the_state_yet_are_left_alone() {
        let mut sight = sight(&THREE, 3);
        sight.wishes.remove(&3);
        sight.last_node = 2;
        assert_eq!(next(&sight), None);
    }

    #[test]
    fn a_stranger_whose_number_was_given_is_dropped() {
        let mut sight = sight(&["kyiv", "lviv", "dnipro", "odesa"], 3);
        sight.wishes.remove(&4);
        assert_eq!(next(&sight), Some(Step::Drop(4)));
    }
}
