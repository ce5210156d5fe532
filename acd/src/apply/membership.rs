//! What nodes are meant to be.
//!
//! The state says what is meant; whoever leads makes Raft's membership follow. So the refusals here
//! are about what will come of a change, not about who answers at this moment.

use alloc::vec::Vec;

use super::Outcome;
use super::configure::check_revision;
use crate::centre::Centre;
use crate::event::Event;
use crate::ids::{NodeId, Revision};
use crate::members::{Seat, spread};
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::site::{Node, NodeRole};

impl Centre {
    pub(super) fn set_node_role(
        &mut self,
        node: NodeId,
        role: NodeRole,
        fewer: bool,
        expected: Option<Revision>,
    ) -> Outcome {
        self.check_members(node, expected)?;
        let known = self.nodes.get(&node);
        if known.is_some_and(|known| known.leaving) {
            return Err(Rejection::NodeLeaving { node });
        }
        if known.is_some_and(|known| known.role == role) {
            return Ok(Reply::Revised { revision: self.members_revision });
        }
        self.check_voters(fewer, |other| match other.id == node {
            true => role.votes(),
            false => other.role.votes(),
        })?;
        if let Some(known) = self.nodes.get_mut(&node) {
            known.role = role;
        }
        if role == NodeRole::Witness {
            self.lose_node(node);
        }
        self.events.push(Event::NodeRoleChanged { node, role });
        Ok(self.members_revised())
    }

    pub(super) fn retire_node(
        &mut self,
        node: NodeId,
        fewer: bool,
        expected: Option<Revision>,
    ) -> Outcome {
        self.check_members(node, expected)?;
        if self.nodes.get(&node).is_some_and(|known| known.leaving) {
            return Ok(Reply::Revised { revision: self.members_revision });
        }
        self.check_voters(fewer, |other| other.id != node && other.role.votes())?;
        if let Some(known) = self.nodes.get_mut(&node) {
            known.leaving = true;
        }
        self.lose_node(node);
        self.events.push(Event::NodeLeaving { node });
        Ok(self.members_revised())
    }

    fn check_members(&self, node: NodeId, expected: Option<Revision>) -> Result<(), Rejection> {
        self.find_node(node)?;
        check_revision("members", expected, Some(self.members_revision))
    }

    fn members_revised(&mut self) -> Reply {
        self.members_revision.0 += 1;
        Reply::Revised { revision: self.members_revision }
    }

    /// Refuses a change after which nobody would vote, and one after which fewer would, unless that
    /// is meant.
    fn check_voters(&self, fewer: bool, votes: impl Fn(&Node) -> bool) -> Result<(), Rejection> {
        let meant = |votes: &dyn Fn(&Node) -> bool| {
            let nodes = self.members().filter(|(node, _)| !node.leaving && votes(node));
            let seats: Vec<_> =
                nodes.map(|(node, site)| Seat { node: node.id, site, votes: true }).collect();
            spread(&seats).len() as u64
        };
        let (now, then) = (meant(&|node| node.role.votes()), meant(&votes));
        if then == 0 {
            return Err(Rejection::LastVoter);
        }
        if then < now && !fewer {
            return Err(Rejection::FewerVoters { now, then });
        }
        Ok(())
    }
}
