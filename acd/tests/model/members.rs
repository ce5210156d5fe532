//! Nodes and how they come and go.

use std::collections::BTreeMap;

use acd::config::SiteConfig;
use acd::event::{Event, ObjectKind};
use acd::ids::{NodeId, Revision, Seq, SiteId};
use acd::limits;
use acd::members::{JoinToken, TokenEnd};
use acd::rejection::Rejection;
use acd::reply::Reply;
use acd::site::{NodeHome, NodeRole};
use acd::text::{Address, Label};
use acd::time::Millis;

use super::config::revision_is;
use super::things::Node;
use super::{Model, Outcome, unknown};

impl Model {
    pub fn find_node(&self, node: NodeId) -> Result<&Node, Rejection> {
        self.nodes.get(&node).ok_or_else(|| unknown("node", &node.0.to_string()))
    }

    pub fn new_node(&mut self, site: &SiteId, role: NodeRole, home: Option<NodeHome>) -> NodeId {
        self.last_node += 1;
        self.members_revision += 1;
        let (node, site) = (NodeId(self.last_node), site.clone());
        self.events.push(Event::NodeAdded { node, site: site.clone(), role });
        self.nodes.insert(node, Node { site, role, leaving: false, home });
        node
    }

    pub fn lose_node(&mut self, node: NodeId) -> Result<(), Rejection> {
        self.find_node(node)?;
        self.events.push(Event::NodeLost { node });
        self.lose_sessions(|a| a.session.as_ref().is_some_and(|s| s.node == node));
        self.lose_streams(node);
        Ok(())
    }

    pub fn remove_node(&mut self, node: NodeId) -> Outcome {
        self.lose_node(node)?;
        self.nodes.remove(&node);
        self.members_revision += 1;
        self.events.push(Event::NodeRemoved { node });
        Ok(Reply::Done)
    }

    /// A node that sessions and streams may be on.
    pub fn find_host(&self, node: NodeId) -> Result<&Node, Rejection> {
        let found = self.find_node(node)?;
        let why = match (found.leaving, found.role) {
            (true, _) => "it is being retired",
            (false, NodeRole::Witness) => "it is a witness",
            (false, NodeRole::Voter | NodeRole::Learner) => return Ok(found),
        };
        Err(Rejection::WrongNode { node, why })
    }

    // -- Tokens -----------------------------------------------------------------------------------

    fn open_tokens(&self) -> usize {
        self.tokens.iter().filter(|t| t.end.is_none() && t.expires > self.now).count()
    }

    pub fn issue_token(
        &mut self,
        hash: u128,
        site: SiteId,
        role: NodeRole,
        ttl: Millis,
    ) -> Outcome {
        let (min, max) = (1_000, Millis::days(7).0);
        if ttl.0 < min || ttl.0 > max {
            let what = "ms for which a token is good";
            return Err(Rejection::OutOfRange { what, value: ttl.0, min, max });
        }
        if self.tokens.iter().any(|token| token.hash == hash) {
            return Err(Rejection::TokenKnown);
        }
        if self.open_tokens() >= limits::TOKENS_OPEN_MAX {
            let max = limits::TOKENS_OPEN_MAX as u64;
            return Err(Rejection::LimitReached { what: "tokens that are open", max });
        }
        let now = self.now;
        self.tokens.retain(|token| {
            let over_since = match token.end {
                Some(TokenEnd::Used { at, .. } | TokenEnd::Revoked { at }) => at,
                None => token.expires,
            };
            now.since(over_since) <= limits::TOKEN_KEPT
        });
        while self.tokens.len() - self.open_tokens() > limits::TOKENS_ENDED_KEPT {
            let over = |t: &JoinToken| t.end.is_some() || t.expires <= now;
            let first = self.tokens.iter().position(over).expect("one is over");
            self.tokens.remove(first);
        }
        let id = Seq(self.next_seq());
        let expires = self.now.plus(ttl);
        self.tokens.push(JoinToken { id, hash, site, role, issued: now, expires, end: None });
        Ok(Reply::TokenIssued { token: id, expires })
    }

    pub fn revoke_token(&mut self, id: Seq) -> Outcome {
        let at = self.now;
        let found = self.tokens.iter_mut().find(|token| token.id == id);
        let token = found.ok_or_else(|| unknown("token", &id.0.to_string()))?;
        if let Some(TokenEnd::Used { node, .. }) = token.end {
            return Err(Rejection::TokenUsed { node });
        }
        if token.end.is_none() {
            token.end = Some(TokenEnd::Revoked { at });
            self.events.push(Event::TokenEnded { token: id });
        }
        Ok(Reply::Done)
    }

    pub fn redeem_token(
        &mut self,
        hash: u128,
        (key, incarnation): (u128, u128),
        address: Address,
    ) -> Outcome {
        let found = self.tokens.iter().position(|token| token.hash == hash);
        let at = found.ok_or(Rejection::TokenUnknown)?;
        let token = self.tokens[at].clone();
        match token.end {
            Some(TokenEnd::Used { node, key: k, incarnation: i, .. }) => {
                let is_there = self.nodes.contains_key(&node);
                let same = k == key && i == incarnation && is_there;
                let used = Rejection::TokenUsed { node };
                return if same { Ok(Reply::NodeAdded { node }) } else { Err(used) };
            }
            Some(TokenEnd::Revoked { .. }) => return Err(Rejection::TokenRevoked),
            None if self.now >= token.expires => {
                return Err(Rejection::TokenExpired { at: token.expires });
            }
            None => {}
        }
        if self.nodes.len() >= limits::NODES_MAX {
            let max = limits::NODES_MAX as u64;
            return Err(Rejection::LimitReached { what: "nodes", max });
        }
        for (node, known) in &self.nodes {
            if !known.leaving && known.home.as_ref().is_some_and(|home| home.address == address) {
                return Err(Rejection::AddressTaken { node: *node });
            }
        }
        if !self.sites.contains_key(&token.site) {
            if self.sites.len() >= limits::SITES_MAX {
                let max = limits::SITES_MAX as u64;
                return Err(Rejection::LimitReached { what: "sites", max });
            }
            let name = Label::new(token.site.as_str()).expect("a slug is a label");
            let mut config = SiteConfig::new(token.site.clone(), name);
            if token.role == NodeRole::Witness {
                config.leader_priority = 0;
            }
            self.new_site(config);
            self.revised(ObjectKind::Site, token.site.as_str(), 1)?;
        }
        let joined = self.now;
        let home = NodeHome { address, incarnation, joined };
        let node = self.new_node(&token.site, token.role, Some(home));
        self.tokens[at].end = Some(TokenEnd::Used { node, key, incarnation, at: joined });
        self.events.push(Event::TokenEnded { token: token.id });
        Ok(Reply::NodeAdded { node })
    }

    // -- What nodes are meant to be -----------------------------------------------------------------

    pub fn set_node_role(
        &mut self,
        node: NodeId,
        role: NodeRole,
        fewer: bool,
        expected: Option<Revision>,
    ) -> Outcome {
        self.find_node(node)?;
        revision_is("members", expected, Some(self.members_revision))?;
        let known = self.nodes[&node].clone();
        if known.leaving {
            return Err(Rejection::NodeLeaving { node });
        }
        if known.role == role {
            return self.members_are();
        }
        let changed = Node { role, ..known };
        self.enough_vote(node, Some(&changed), fewer)?;
        self.nodes.insert(node, changed);
        if role == NodeRole::Witness {
            self.lose_node(node)?;
        }
        self.events.push(Event::NodeRoleChanged { node, role });
        self.members_revision += 1;
        self.members_are()
    }

    pub fn retire_node(
        &mut self,
        node: NodeId,
        fewer: bool,
        expected: Option<Revision>,
    ) -> Outcome {
        self.find_node(node)?;
        revision_is("members", expected, Some(self.members_revision))?;
        if self.nodes[&node].leaving {
            return self.members_are();
        }
        self.enough_vote(node, None, fewer)?;
        self.nodes.get_mut(&node).expect("found").leaving = true;
        self.lose_node(node)?;
        self.events.push(Event::NodeLeaving { node });
        self.members_revision += 1;
        self.members_are()
    }

    fn members_are(&self) -> Outcome {
        Ok(Reply::Revised { revision: Revision(self.members_revision) })
    }

    /// Refuses what leaves nobody to vote, or, unless that is meant, fewer than before.
    fn enough_vote(
        &self,
        node: NodeId,
        changed: Option<&Node>,
        fewer: bool,
    ) -> Result<(), Rejection> {
        let mut then_nodes = self.nodes.clone();
        then_nodes.remove(&node);
        then_nodes.extend(changed.map(|changed| (node, changed.clone())));
        let (now, then) = (voters_of(&self.nodes), voters_of(&then_nodes));
        if then == 0 {
            return Err(Rejection::LastVoter);
        }
        if !fewer && then < now {
            return Err(Rejection::FewerVoters { now, then });
        }
        Ok(())
    }
}

/// How many of some nodes vote when all is as it is meant to be: five or three, if no city has a
/// majority of them then; else the largest odd number of which one city can have the majority.
fn voters_of(nodes: &BTreeMap<NodeId, Node>) -> u64 {
    let mut sites: BTreeMap<&SiteId, u64> = BTreeMap::new();
    for node in nodes.values() {
        if !node.leaving && matches!(node.role, NodeRole::Voter | NodeRole::Witness) {
            *sites.entry(&node.site).or_default() += 1;
        }
    }
    let spread_out = |count: u64| sites.values().map(|n| (*n).min(count / 2)).sum::<u64>() >= count;
    if let Some(count) = [5, 3].into_iter().find(|count| spread_out(*count)) {
        return count;
    }
    let all: u64 = sites.values().sum();
    let most = sites.values().copied().max().unwrap_or(0);
    [5, 3, 1].into_iter().find(|n| *n <= all && most > n / 2).unwrap_or(0)
}
