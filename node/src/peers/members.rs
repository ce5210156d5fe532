//! Who is a member, and how calls say which life of which disk they come from and are meant for.
//!
//! A node that lost its disk is not the node it was: it voted and acknowledged what it no longer
//! knows. Every disk has an *incarnation*, a random number in its storage marker; the membership
//! names the incarnation of every node, and each call between nodes carries that of the caller and
//! that of the node it is meant for.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use hyper::http::{HeaderName, HeaderValue};
use tokio::sync::Notify;
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::identity::node_of;
use crate::raft::{Member, NodeId};
use crate::rpc::Caller;
use crate::storage::Marker;

const CLUSTER: HeaderName = HeaderName::from_static("quorumcall-cluster");
const FROM: HeaderName = HeaderName::from_static("quorumcall-from");
const FROM_INCARNATION: HeaderName = HeaderName::from_static("quorumcall-from-incarnation");
const TO_INCARNATION: HeaderName = HeaderName::from_static("quorumcall-to-incarnation");

/// In the answer to somebody whose certificate does not count any more.
pub const DISMISSED: &str = "quorumcall-dismissed";

/// Headers of a call.
pub type Headers = Vec<(HeaderName, HeaderValue)>;

/// Headers of calls to a member.
pub(super) fn headers(own: &Marker, to: &Member) -> Headers {
    vec![
        (CLUSTER, hex(own.cluster)),
        (FROM, HeaderValue::from(own.node)),
        (FROM_INCARNATION, hex(own.incarnation)),
        (TO_INCARNATION, hex(to.incarnation)),
    ]
}

fn hex(number: u128) -> HeaderValue {
    // Hexadecimal digits are proper header text.
    HeaderValue::from_str(&format!("{number:032x}")).unwrap_or(HeaderValue::from_static(""))
}

/// The members a node knows, kept current from Raft's membership. Clones share it.
#[derive(Clone, Debug)]
pub struct Directory {
    own: Arc<Marker>,
    known: Arc<RwLock<Known>>,
    stranger: Arc<Notify>,
}

/// Who is a member, as far as a node knows.
#[derive(Debug)]
struct Known {
    /// By Raft's membership.
    members: BTreeMap<NodeId, Member>,
    /// Others that a member spoke of, until Raft's membership has them: this node's log may be behind,
    /// and the leader one that it has not heard of.
    introduced: BTreeMap<NodeId, Member>,
}

impl Directory {
    /// Begins with the members the cluster was founded with, or that this node was told of.
    pub fn new(own: Marker, members: BTreeMap<NodeId, Member>) -> Self {
        let known = Known { members, introduced: BTreeMap::new() };
        Self { own: Arc::new(own), known: Arc::new(RwLock::new(known)), stranger: Arc::default() }
    }

    /// This node's own marker.
    pub fn own(&self) -> &Marker {
        &self.own
    }

    /// Replaces all members by those of Raft's membership. One without this node is of a time before
    /// it joined: whom it knew already it goes on knowing.
    pub fn replace(&self, members: BTreeMap<NodeId, Member>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.members == members {
            return;
        }
        let before = std::mem::replace(&mut known.members, members);
        let Known { members, introduced } = &mut *known;
        match members.contains_key(&self.own.node) {
            // Who is not in it may have gone; who has come since is introduced again.
            true => introduced.clear(),
            false => introduced.extend(before),
        }
        introduced.retain(|node, _| !members.contains_key(node));
    }

    /// Takes over whom a member knows.
    pub fn introduce(&self, members: BTreeMap<NodeId, Member>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let Known { members: own, introduced } = &mut *known;
        let new = members.into_iter().filter(|(node, _)| !own.contains_key(node));
        introduced.extend(new);
    }

    /// Waits until a node calls that is not known here.
    pub async fn stranger_called(&self) {
        self.stranger.notified().await;
    }

    /// A member.
    pub fn get(&self, node: NodeId) -> Option<Member> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.members.get(&node).or_else(|| known.introduced.get(&node)).cloned()
    }

    /// Every member, by number.
    pub fn all(&self) -> Vec<(NodeId, Member)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let all = known.members.iter().chain(&known.introduced);
        let mut all: Vec<_> = all.map(|(node, member)| (*node, member.clone())).collect();
        all.sort_unstable_by_key(|(node, _)| *node);
        all
    }

    /// Every member but this node.
    pub fn others(&self) -> Vec<(NodeId, Member)> {
        let mut all = self.all();
        all.retain(|(node, _)| *node != self.own.node);
        all
    }

    /// Checks that a call comes from a member's present disk and is meant for this one; returns
    /// the node.
    ///
    /// # Errors
    ///
    /// `Unauthenticated` or `PermissionDenied` with what is wrong.
    pub fn check_peer(
        &self,
        caller: Option<&Caller>,
        metadata: &MetadataMap,
    ) -> Result<NodeId, Status> {
        let caller = caller.ok_or_else(|| Status::unauthenticated("no certificate"))?;
        let Some(acd::ids::NodeId(node)) = node_of(&caller.principal) else {
            return Err(Status::permission_denied(format!(
                "{} is not a node; this service is for nodes",
                caller.principal
            )));
        };
        self.check_marker(node, metadata)?;
        Ok(node)
    }

    fn check_marker(&self, node: NodeId, metadata: &MetadataMap) -> Result<(), Status> {
        let number = |name: &HeaderName| {
            let text = metadata.get(name.as_str())?.to_str().ok()?;
            u128::from_str_radix(text, 16).ok()
        };
        if number(&CLUSTER) != Some(self.own.cluster) {
            return Err(Status::permission_denied("the call is for another cluster"));
        }
        if number(&TO_INCARNATION) != Some(self.own.incarnation) {
            return Err(Status::permission_denied(format!(
                "the call is for another disk of node {}: its data folder was replaced; remove \
                 the node from the cluster and join it anew",
                self.own.node
            )));
        }
        let from = metadata.get(FROM.as_str()).and_then(|v| v.to_str().ok()?.parse().ok());
        let Some(member) = self.get(node).filter(|_| from == Some(node)) else {
            self.stranger.notify_one();
            return Err(Status::permission_denied(format!("node {node} is not a member")));
        };
        if number(&FROM_INCARNATION) != Some(member.incarnation) {
            return Err(Status::permission_denied(format!(
                "node {node} has another disk than it joined with: remove it from the cluster \
                 and join it anew"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use acd::ids::PrincipalId;

    use super::*;

    fn directory(node: NodeId) -> Directory {
        let member = |n| Member {
            address: format!("node-{n}:7101"),
            site: "kyiv".into(),
            incarnation: 100 + u128::from(n),
        };
        let own =
            Marker { cluster: 7, node, incarnation: 100 + u128::from(node), site: "kyiv".into() };
        Directory::new(own, (1..=3).map(|n| (n, member(n))).collect())
    }

    fn call(from: &Marker, to: &Member, principal: &str) -> Result<NodeId, Status> {
        let headers = headers(from, to).into_iter().collect();
        let caller = Caller { principal: PrincipalId::new(principal).unwrap(), serial: 1 };
        directory(2).check_peer(Some(&caller), &MetadataMap::from_headers(headers))
    }

    #[test]
    fn a_member_may_call() {
        let two = directory(2).get(2).unwrap();
        assert_eq!(call(directory(1).own(), &two, "node-1").unwrap(), 1);
    }

    #[test]
    fn a_wiped_or_swapped_disk_may_not() {
        let two = directory(2).get(2).unwrap();
        let wiped = Marker { incarnation: 55, ..directory(1).own().clone() };
        let error = call(&wiped, &two, "node-1").unwrap_err();
        assert!(error.message().contains("another disk than it joined with"), "{error}");
        let other_two = Member { incarnation: 55, ..two };
        let error = call(directory(1).own(), &other_two, "node-1").unwrap_err();
        assert!(error.message().contains("data folder was replaced"), "{error}");
    }

    #[test]
    fn who_is_introduced_is_known_until_the_membership_says_more() {
        let directory = directory(2);
        let member = |n: u64| Member {
            address: format!("node-{n}:7101"),
            site: "lviv".into(),
            incarnation: u128::from(n),
        };
        directory.introduce([(5, member(5)), (1, member(9))].into());
        assert_eq!(directory.get(5), Some(member(5)));
        assert_eq!(directory.get(1).unwrap().incarnation, 101, "the membership counts");
        let numbers = |directory: &Directory| {
            directory.all().into_iter().map(|(node, _)| node).collect::<Vec<_>>()
        };
        assert_eq!(numbers(&directory), [1, 2, 3, 5]);
        // Of a time before this node joined: nobody is forgotten.
        directory.replace([(1, member(1))].into());
        assert_eq!(numbers(&directory), [1, 2, 3, 5]);
        directory.replace([(1, member(1)), (2, member(2)), (5, member(5))].into());
        assert_eq!(numbers(&directory), [1, 2, 5], "3 has gone meanwhile");
        directory.replace([(1, member(1)), (2, member(2))].into());
        assert_eq!(directory.get(5), None, "5 was a member, and is not any more");
    }

    #[test]
    fn strangers_may_not() {
        let two = directory(2).get(2).unwrap();
        let directory_1 = directory(1);
        let own = directory_1.own();
        assert!(call(&Marker { cluster: 8, ..own.clone() }, &two, "node-1").is_err());
        assert!(call(own, &two, "anna").is_err());
        assert!(call(own, &two, "node-01").is_err(), "a node has one name");
        assert!(call(own, &two, "node-3").is_err(), "one node in another's name");
        let nine = Marker { node: 9, ..own.clone() };
        let error = call(&nine, &two, "node-9").unwrap_err();
        assert!(error.message().contains("not a member"), "{error}");
        assert!(directory(2).check_peer(None, &MetadataMap::new()).is_err());
    }
}
