//! Membership: tokens by which nodes join, and which of the nodes should vote.
//!
//! Voters are few, odd in number, and spread so that no city has a majority of them: any city may then
//! be lost. Who should vote is worked out here and nowhere else, so that whoever asks beforehand is
//! told what will come of it.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::digest::Digest;
use crate::ids::{NodeId, Seq, SiteId};
use crate::limits::VOTERS_MAX;
use crate::rejection::Rejection;
use crate::site::NodeRole;
use crate::time::LogTime;

/// A token by which one node may join. Its secret is known to whoever made it and to the node that
/// joins by it; here is its hash only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinToken {
    /// Its number.
    pub id: Seq,
    /// The first 16 bytes of the SHA-256 of its secret.
    pub hash: u128,
    /// The site of the node that joins by it; made when it does, if it is not there.
    pub site: SiteId,
    /// What that node is meant to be.
    pub role: NodeRole,
    /// When it was issued.
    pub issued: LogTime,
    /// From when on it is not good any more.
    pub expires: LogTime,
    /// How it ended; none: it is open until it expires.
    pub end: Option<TokenEnd>,
}

/// How a token ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenEnd {
    /// A node joined by it.
    Used {
        /// The node.
        node: NodeId,
        /// The first 16 bytes of the SHA-256 of its public key.
        key: u128,
        /// Which life of its disk is meant.
        incarnation: u128,
        /// When.
        at: LogTime,
    },
    /// It was taken back.
    Revoked {
        /// When.
        at: LogTime,
    },
}

impl JoinToken {
    /// Whether somebody could still join by it.
    pub fn is_open(&self, now: LogTime) -> bool {
        self.end.is_none() && now < self.expires
    }

    /// When it ended, if it has.
    pub(crate) fn ended(&self, now: LogTime) -> LogTime {
        match self.end {
            Some(TokenEnd::Used { at, .. } | TokenEnd::Revoked { at }) => at,
            None => self.expires.min(now),
        }
    }

    /// Whether a node with this key and disk may join by it; the node it has become, if it has.
    ///
    /// # Errors
    ///
    /// Why not. Who has joined by it is told so after it has expired, too: the answer may have been
    /// lost.
    pub fn may_redeem(
        &self,
        key: u128,
        incarnation: u128,
        now: LogTime,
    ) -> Result<Option<NodeId>, Rejection> {
        match self.end {
            Some(TokenEnd::Used { node, key: k, incarnation: i, .. }) => {
                match (k, i) == (key, incarnation) {
                    true => Ok(Some(node)),
                    false => Err(Rejection::TokenUsed { node }),
                }
            }
            Some(TokenEnd::Revoked { .. }) => Err(Rejection::TokenRevoked),
            None if self.expires <= now => Err(Rejection::TokenExpired { at: self.expires }),
            None => Ok(None),
        }
    }

    /// Its part of the state hash.
    pub(crate) fn digest(&self, out: &mut Digest) {
        let Self { id, hash, site, role, issued, expires, end } = self;
        out.u64(id.0).u128(*hash).str(site.as_str()).u8(*role as u8);
        out.u64(issued.0).u64(expires.0);
        match end {
            None => out.u8(0),
            Some(TokenEnd::Used { node, key, incarnation, at }) => {
                out.u8(1).u64(node.0).u128(*key).u128(*incarnation).u64(at.0)
            }
            Some(TokenEnd::Revoked { at }) => out.u8(2).u64(at.0),
        };
    }
}

/// A node that may vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat<'a> {
    /// Its number.
    pub node: NodeId,
    /// Its site.
    pub site: &'a SiteId,
    /// Whether it votes already.
    pub votes: bool,
}

/// Who should vote, of those who may: by number, rising.
///
/// Five or three such that no site has a majority, if they can be had; whoever votes already goes
/// first, then whoever has the lowest number. Otherwise, with one or two sites, the largest odd number
/// such that the majority is at one of them: of the other a line may break and nothing stops.
pub fn spread(seats: &[Seat<'_>]) -> Vec<NodeId> {
    let mut seats = seats.to_vec();
    seats.sort_unstable_by_key(|seat| (!seat.votes, seat.node));
    let mut sites: BTreeMap<&SiteId, Vec<&Seat<'_>>> = BTreeMap::new();
    for seat in &seats {
        sites.entry(seat.site).or_default().push(seat);
    }
    for count in [VOTERS_MAX, 3] {
        let per_site = (count - 1) / 2;
        let mut taken: BTreeMap<&SiteId, usize> = BTreeMap::new();
        let chosen = seats.iter().filter(|seat| {
            let here = taken.entry(seat.site).or_default();
            *here += 1;
            *here <= per_site
        });
        let chosen: Vec<_> = chosen.take(count).map(|seat| seat.node).collect();
        if chosen.len() == count {
            return sorted(chosen);
        }
    }
    // The site with most seats; of equals the one with most voters, then the one with the first seat.
    let home = sites.values().max_by(|a, b| {
        let voting = |seats: &[&Seat<'_>]| seats.iter().filter(|seat| seat.votes).count();
        let first = |seats: &[&Seat<'_>]| seats.iter().map(|seat| seat.node).min();
        (a.len(), voting(a)).cmp(&(b.len(), voting(b))).then(first(b).cmp(&first(a)))
    });
    let Some(home) = home else { return Vec::new() };
    let most = seats.len().min(VOTERS_MAX);
    let odd = (1..=most).rev().filter(|count| count % 2 == 1);
    let at_home = |count: usize| count / 2 + 1;
    let count = odd.into_iter().find(|count| {
        let others = seats.len() - home.len();
        home.len() >= at_home(*count) && home.len().min(*count) + others >= *count
    });
    let Some(count) = count else { return Vec::new() };
    let others = seats.iter().filter(|seat| !home.iter().any(|at| at.node == seat.node));
    let others: Vec<_> = others.take(count - at_home(count)).map(|seat| seat.node).collect();
    let mut chosen: Vec<_> = home.iter().map(|seat| seat.node).take(count - others.len()).collect();
    chosen.extend(others);
    sorted(chosen)
}

fn sorted(mut nodes: Vec<NodeId>) -> Vec<NodeId> {
    nodes.sort_unstable();
    nodes
}

/// What a cluster survives with certain voters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survival {
    /// Whether it goes on by itself when any one site is lost.
    pub automatic: bool,
    /// The sites without which nobody can decide, by id.
    pub needed: Vec<SiteId>,
    /// What that means and what would change it; empty if it survives the loss of any site.
    pub why: String,
}

/// What a cluster with voters at these sites, one for each voter, survives.
pub fn survival<'a>(voters: impl IntoIterator<Item = &'a SiteId>) -> Survival {
    let mut sites: BTreeMap<&SiteId, usize> = BTreeMap::new();
    for site in voters {
        *sites.entry(site).or_default() += 1;
    }
    let total: usize = sites.values().sum();
    let stops_all = |here: &usize| (total - here) * 2 <= total;
    let needed: Vec<SiteId> =
        sites.iter().filter(|(_, here)| stops_all(here)).map(|(site, _)| (*site).clone()).collect();
    let names: Vec<&SiteId> = sites.keys().copied().collect();
    let why = match (needed.as_slice(), names.as_slice()) {
        (_, []) => String::from("nobody votes"),
        ([], _) => String::new(),
        (_, [only]) => format!(
            "all voters are at {only}: when it is lost, nothing goes on until it is back. Two more \
             places make the loss of any one survivable"
        ),
        (_, [a, b]) => format!(
            "automatic failover between {a} and {b} is impossible: whichever of them is left cannot \
             tell a lost city from a broken line, and both must not decide. It needs a third place; \
             a witness will do, a small machine without agents"
        ),
        (needed, _) => {
            let mut names = String::new();
            for site in needed {
                if !names.is_empty() {
                    names.push_str(" or ");
                }
                names.push_str(site.as_str());
            }
            format!("without {names} there is no majority: nothing goes on until it is back")
        }
    };
    Survival { automatic: why.is_empty(), needed, why }
}
