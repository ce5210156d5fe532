//! Nodes and the tokens by which they join, as they are stored.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use proto::stored::v1;

use super::{any_time, bad};
use crate::codec::stored::{Stored, malformed, stored_messages};
use crate::config::limit;
use crate::ids::{NodeId, Seq};
use crate::limits;
use crate::members::{JoinToken, TokenEnd};
use crate::rejection::Rejection;
use crate::site::{Node, NodeHome, Site};
use crate::table::{Fork, Table};
use crate::time::LogTime;

stored_messages! {
    NodeHome { address, incarnation; joined as joined_ms => any_time }
}

pub(super) fn write_node(node: &Node, sites: &Fork<Site>) -> v1::Node {
    let Node { id, site, role, leaving, home } = node;
    v1::Node {
        id: id.0,
        site: sites.get(*site).id().to_stored(),
        role: role.to_stored(),
        leaving: *leaving,
        home: home.to_stored(),
    }
}

pub(super) fn read_node(stored: v1::Node, sites: &Table<Site>) -> Result<Node, Rejection> {
    let v1::Node { id, site, role, leaving, home } = stored;
    let site = sites.find(&site).ok_or_else(|| bad("a node at a site that is not there"))?;
    Ok(Node {
        id: NodeId(id),
        site,
        role: Stored::from_stored(role, "Node.role")?,
        leaving,
        home: Stored::from_stored(home, "Node.home")?,
    })
}

impl Stored<v1::JoinToken> for JoinToken {
    fn to_stored(&self) -> v1::JoinToken {
        use v1::join_token as wire;
        let Self { id, hash, site, role, issued, expires, end } = self;
        let end = end.map(|end| match end {
            TokenEnd::Used { node, key, incarnation, at } => wire::End::Used(wire::Used {
                node: node.0,
                key: key.to_stored(),
                incarnation: incarnation.to_stored(),
                at_ms: at.0,
            }),
            TokenEnd::Revoked { at } => wire::End::Revoked(wire::Revoked { at_ms: at.0 }),
        });
        v1::JoinToken {
            id: id.0,
            hash: hash.to_stored(),
            site: site.to_stored(),
            role: role.to_stored(),
            issued_ms: issued.0,
            expires_ms: expires.0,
            end,
        }
    }

    fn from_stored(stored: v1::JoinToken, _: &'static str) -> Result<Self, Rejection> {
        use v1::join_token as wire;
        let v1::JoinToken { id, hash, site, role, issued_ms, expires_ms, end } = stored;
        let end = match end {
            None => None,
            Some(wire::End::Used(wire::Used { node, key, incarnation, at_ms })) => {
                Some(TokenEnd::Used {
                    node: NodeId(node),
                    key: Stored::from_stored(key, "Used.key")?,
                    incarnation: Stored::from_stored(incarnation, "Used.incarnation")?,
                    at: LogTime(at_ms),
                })
            }
            Some(wire::End::Revoked(wire::Revoked { at_ms })) => {
                Some(TokenEnd::Revoked { at: LogTime(at_ms) })
            }
        };
        Ok(Self {
            id: Seq(id),
            hash: Stored::from_stored(hash, "JoinToken.hash")?,
            site: Stored::from_stored(site, "JoinToken.site")?,
            role: Stored::from_stored(role, "JoinToken.role")?,
            issued: LogTime(issued_ms),
            expires: LogTime(expires_ms),
            end,
        })
    }
}

/// Tokens by number. Their numbers were drawn, those of the nodes that joined by them given.
pub(super) fn read_tokens(
    stored: Vec<v1::JoinToken>,
    last_seq: Seq,
    last_node: NodeId,
) -> Result<BTreeMap<Seq, JoinToken>, Rejection> {
    let tokens: Vec<JoinToken> = Stored::from_stored(stored, "Centre.tokens")?;
    limit("tokens", tokens.len(), limits::TOKENS_OPEN_MAX + limits::TOKENS_ENDED_KEPT)?;
    if !tokens.is_sorted_by(|a, b| a.id < b.id) {
        return Err(malformed("Centre.tokens do not rise".into()));
    }
    if tokens.last().is_some_and(|token| token.id > last_seq) {
        return Err(bad("a token with a number that has not been drawn"));
    }
    let not_given = |token: &JoinToken| match token.end {
        Some(TokenEnd::Used { node, .. }) => node > last_node,
        _ => false,
    };
    if tokens.iter().any(not_given) {
        return Err(bad("a token used by a node with a number that has not been given"));
    }
    Ok(tokens.into_iter().map(|token| (token.id, token)).collect())
}
