//! Nodes: members, and what is lost with them.

use alloc::vec::Vec;

use super::{Outcome, unknown};
use crate::agent::Agent;
use crate::centre::Centre;
use crate::event::Event;
use crate::ids::{NodeId, SiteId};
use crate::limits;
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::site::{Node, NodeHome, NodeRole, Site};
use crate::table::Slot;

impl Centre {
    pub(crate) fn add_node(&mut self, site: &SiteId) -> Outcome {
        let slot = self.find_site(site)?;
        if self.nodes.len() >= limits::NODES_MAX {
            let max = limits::NODES_MAX as u64;
            return Err(Rejection::LimitReached { what: "nodes", max });
        }
        Ok(Reply::NodeAdded { node: self.create_node(slot, NodeRole::Voter, None) })
    }

    pub(crate) fn create_node(
        &mut self,
        site: Slot<Site>,
        role: NodeRole,
        home: Option<NodeHome>,
    ) -> NodeId {
        self.last_node += 1;
        self.members_revision.0 += 1;
        let node = NodeId(self.last_node);
        self.nodes.insert(node, Node { id: node, site, role, leaving: false, home });
        let site = self.sites.get(site).id().clone();
        self.events.push(Event::NodeAdded { node, site, role });
        node
    }

    pub(crate) fn remove_node(&mut self, node: NodeId) -> Outcome {
        self.find_node(node)?;
        self.lose_node(node);
        self.nodes.remove(&node);
        self.members_revision.0 += 1;
        self.events.push(Event::NodeRemoved { node });
        Ok(Reply::Done)
    }

    /// A member's site.
    pub(crate) fn find_node(&self, node: NodeId) -> Result<Slot<Site>, Rejection> {
        match self.nodes.get(&node) {
            Some(member) => Ok(member.site),
            None => Err(unknown("node", &alloc::format!("{}", node.0))),
        }
    }

    /// The site of a member that takes sessions and streams in.
    pub(crate) fn find_host(&self, node: NodeId) -> Result<Slot<Site>, Rejection> {
        let site = self.find_node(node)?;
        let known = self.nodes.get(&node);
        let why = match known {
            Some(known) if known.leaving => "it is being retired",
            Some(known) if known.role == NodeRole::Witness => "it is a witness",
            _ => return Ok(site),
        };
        Err(Rejection::WrongNode { node, why })
    }

    /// A node's sessions and streams are gone.
    pub(crate) fn lose_node(&mut self, node: NodeId) {
        self.events.push(Event::NodeLost { node });
        self.lose_sessions(|agent| agent.live_session().is_some_and(|s| s.node == node));
        self.lose_streams(node);
    }

    /// The sessions of these agents are gone, in the order of the agents' numbers.
    pub(crate) fn lose_sessions(&mut self, which: impl Fn(&Agent) -> bool) {
        let mut agents: Vec<Slot<Agent>> = self.agents.slots().collect();
        agents.retain(|slot| which(self.agents.get(*slot)));
        agents.sort_unstable_by_key(|slot| self.agents.get(*slot).seq);
        for agent in agents {
            self.lose_session(agent);
        }
    }

    /// The streams of all ingresses to this node are gone.
    pub(crate) fn lose_streams(&mut self, node: NodeId) {
        let attached: Vec<_> = self
            .ingresses
            .iter()
            .filter(|(_, n)| n.contains(&node))
            .map(|(i, _)| i.clone())
            .collect();
        for ingress in attached {
            self.lose_stream(&ingress, node);
        }
    }
}
