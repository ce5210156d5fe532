//! How nodes join: tokens, and the nodes that redeem them.

use crate::centre::Centre;
use crate::config::SiteConfig;
use crate::event::Event;
use crate::ids::{NodeId, Seq, SiteId};
use crate::limits;
use crate::members::{JoinToken, TokenEnd};
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::site::{NodeHome, NodeRole, Site};
use crate::table::Slot;
use crate::text::{Address, Label};
use crate::time::Millis;

use super::{Outcome, unknown};

/// Who redeems a token.
pub(super) struct Joiner {
    /// The first 16 bytes of the SHA-256 of its public key.
    pub key: u128,
    /// Which life of its disk is meant.
    pub incarnation: u128,
    /// Where others find it.
    pub address: Address,
}

impl Centre {
    pub(super) fn issue_token(
        &mut self,
        hash: u128,
        site: SiteId,
        role: NodeRole,
        ttl: Millis,
    ) -> Outcome {
        let max = limits::TOKEN_TTL_MAX.0;
        let least = Millis::seconds(1).0;
        if !(least..=max).contains(&ttl.0) {
            let what = "ms for which a token is good";
            return Err(Rejection::OutOfRange { what, value: ttl.0, min: least, max });
        }
        if self.tokens.values().any(|token| token.hash == hash) {
            return Err(Rejection::TokenKnown);
        }
        let now = self.clocks.now;
        let open = self.tokens.values().filter(|token| token.is_open(now)).count();
        if open >= limits::TOKENS_OPEN_MAX {
            let max = limits::TOKENS_OPEN_MAX as u64;
            return Err(Rejection::LimitReached { what: "tokens that are open", max });
        }
        self.forget_tokens();
        let id = self.next_seq();
        let expires = now.plus(ttl);
        let token = JoinToken { id, hash, site, role, issued: now, expires, end: None };
        self.tokens.insert(id, token);
        Ok(Reply::TokenIssued { token: id, expires })
    }

    /// Those that ended long ago, and, of too many, those that were issued first.
    fn forget_tokens(&mut self) {
        let now = self.clocks.now;
        self.tokens.retain(|_, token| {
            token.is_open(now) || now.since(token.ended(now)) <= limits::TOKEN_KEPT
        });
        let ended = self.tokens.values().filter(|token| !token.is_open(now)).count();
        for _ in limits::TOKENS_ENDED_KEPT..ended {
            let first = self.tokens.values().find(|token| !token.is_open(now)).map(|t| t.id);
            if let Some(first) = first {
                self.tokens.remove(&first);
            }
        }
    }

    pub(super) fn revoke_token(&mut self, id: Seq) -> Outcome {
        let at = self.clocks.now;
        let Some(token) = self.tokens.get_mut(&id) else {
            return Err(unknown("token", &alloc::format!("{}", id.0)));
        };
        match token.end {
            None => {
                token.end = Some(TokenEnd::Revoked { at });
                self.events.push(Event::TokenEnded { token: id });
                Ok(Reply::Done)
            }
            Some(TokenEnd::Revoked { .. }) => Ok(Reply::Done),
            // Whoever revokes it because it leaked must know.
            Some(TokenEnd::Used { node, .. }) => Err(Rejection::TokenUsed { node }),
        }
    }

    pub(super) fn redeem_token(&mut self, hash: u128, joiner: Joiner) -> Outcome {
        let Joiner { key, incarnation, address } = joiner;
        let token = self.tokens.values().find(|token| token.hash == hash);
        let token = token.ok_or(Rejection::TokenUnknown)?;
        if let Some(node) = token.may_redeem(key, incarnation, self.clocks.now)? {
            // Its number is not given twice, not even to itself.
            return match self.nodes.contains_key(&node) {
                true => Ok(Reply::NodeAdded { node }),
                false => Err(Rejection::TokenUsed { node }),
            };
        }
        if self.nodes.len() >= limits::NODES_MAX {
            let max = limits::NODES_MAX as u64;
            return Err(Rejection::LimitReached { what: "nodes", max });
        }
        if let Some(node) = self.node_at(&address) {
            return Err(Rejection::AddressTaken { node });
        }
        let (id, site, role) = (token.id, token.site.clone(), token.role);
        let site = self.site_to_join(site, role)?;
        let joined = self.clocks.now;
        let home = NodeHome { address, incarnation, joined };
        let node = self.create_node(site, role, Some(home));
        if let Some(token) = self.tokens.get_mut(&id) {
            token.end = Some(TokenEnd::Used { node, key, incarnation, at: joined });
        }
        self.events.push(Event::TokenEnded { token: id });
        Ok(Reply::NodeAdded { node })
    }

    /// The node that others find at this address, if it is not on its way out.
    fn node_at(&self, address: &Address) -> Option<NodeId> {
        let mut there = self.nodes.values().filter(|node| {
            !node.leaving && node.home.as_ref().is_some_and(|home| home.address == *address)
        });
        there.next().map(|node| node.id)
    }

    /// The site of a node that joins. A city comes with its first node; where only a witness is,
    /// nobody leads if there is another choice.
    fn site_to_join(&mut self, id: SiteId, role: NodeRole) -> Result<Slot<Site>, Rejection> {
        if let Ok(slot) = self.find_site(&id) {
            return Ok(slot);
        }
        // A slug is a label.
        let mut config = SiteConfig::new(id.clone(), Label::new(id.as_str())?);
        if role == NodeRole::Witness {
            config.leader_priority = 0;
        }
        self.put_site(config, None)?;
        self.find_site(&id)
    }
}
