//! Raft's types as they are stored and sent: messages of `quorumcall.stored.v1`.

use std::collections::{BTreeMap, BTreeSet};

use acd::time::LogTime;
use bytes::Bytes;
use prost::Message;
use proto::stored::v1;

use super::types::{
    EntryBytes, LeaderId, LogId, Member, Membership, NodeId, Payload, StoredMembership, Vote,
};

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a proper {what}")]
pub struct Malformed {
    /// What they should be.
    pub what: &'static str,
}

/// Encodes a place in the log.
pub fn log_id_to_stored(id: &LogId) -> v1::LogId {
    let LeaderId { term, node_id } = *id.committed_leader_id();
    v1::LogId { term, node: node_id, index: id.index }
}

/// Decodes a place in the log.
pub fn log_id_from_stored(stored: v1::LogId) -> LogId {
    let v1::LogId { term, node, index } = stored;
    LogId::new(LeaderId { term, node_id: node }, index)
}

/// Encodes a vote.
pub fn vote_to_stored(vote: &Vote) -> v1::Vote {
    let LeaderId { term, node_id } = vote.leader_id;
    v1::Vote { term, node: node_id, committed: vote.committed }
}

/// Decodes a vote.
pub fn vote_from_stored(stored: v1::Vote) -> Vote {
    let v1::Vote { term, node, committed } = stored;
    Vote { leader_id: LeaderId { term, node_id: node }, committed }
}

/// Encodes a member.
pub fn member_to_stored(node: NodeId, member: &Member) -> v1::Member {
    v1::Member {
        node,
        address: member.address.clone(),
        site: member.site.clone(),
        incarnation: Bytes::copy_from_slice(&member.incarnation.to_be_bytes()),
    }
}

/// Decodes a member.
pub fn member_from_stored(stored: v1::Member) -> Result<(NodeId, Member), Malformed> {
    let v1::Member { node, address, site, incarnation } = stored;
    let malformed = Malformed { what: "incarnation" };
    let incarnation = <[u8; 16]>::try_from(&*incarnation).map_err(|_| malformed)?;
    Ok((node, Member { address, site, incarnation: u128::from_be_bytes(incarnation) }))
}

/// Encodes a membership.
pub fn membership_to_stored(membership: &Membership) -> v1::Membership {
    let voters = membership.get_joint_config().iter();
    let members = membership.nodes().map(|(node, member)| member_to_stored(*node, member));
    v1::Membership {
        voters: voters.map(|set| v1::VoterSet { nodes: set.iter().copied().collect() }).collect(),
        members: members.collect(),
    }
}

/// Decodes a membership.
pub fn membership_from_stored(stored: v1::Membership) -> Result<Membership, Malformed> {
    let malformed = Malformed { what: "membership" };
    let members = stored.members.into_iter().map(member_from_stored);
    let members: BTreeMap<_, _> = members.collect::<Result<_, _>>()?;
    let voters: Vec<BTreeSet<_>> =
        stored.voters.into_iter().map(|set| set.nodes.into_iter().collect()).collect();
    Membership::new(voters, members).map_err(|_| malformed)
}

/// Encodes a membership with its entry.
pub fn stored_membership_to_stored(membership: &StoredMembership) -> v1::StoredMembership {
    v1::StoredMembership {
        log_id: membership.log_id().as_ref().map(log_id_to_stored),
        membership: Some(membership_to_stored(membership.membership())),
    }
}

/// Decodes a membership with its entry.
pub fn stored_membership_from_stored(
    stored: v1::StoredMembership,
) -> Result<StoredMembership, Malformed> {
    let v1::StoredMembership { log_id, membership } = stored;
    let membership = membership.ok_or(Malformed { what: "membership" })?;
    Ok(StoredMembership::new(log_id.map(log_id_from_stored), membership_from_stored(membership)?))
}

/// Encodes what an entry carries.
pub fn payload_to_bytes(payload: &Payload) -> Vec<u8> {
    use v1::log_payload as wire;
    let payload = match payload {
        Payload::Blank => wire::Payload::Blank(wire::Blank {}),
        Payload::Normal(entry) => wire::Payload::Entry(entry.0.clone()),
        Payload::Membership(m) => wire::Payload::Membership(membership_to_stored(m)),
    };
    v1::LogPayload { payload: Some(payload) }.encode_to_vec()
}

/// Decodes what an entry carries. The entry of the state machine shares the memory of `bytes`.
pub fn payload_from_bytes(bytes: Bytes) -> Result<Payload, Malformed> {
    use v1::log_payload as wire;
    let malformed = Malformed { what: "log payload" };
    let stored = v1::LogPayload::decode(bytes).map_err(|_| malformed.clone())?;
    match stored.payload.ok_or(malformed)? {
        wire::Payload::Blank(wire::Blank {}) => Ok(Payload::Blank),
        wire::Payload::Entry(entry) => Ok(Payload::Normal(EntryBytes(entry))),
        wire::Payload::Membership(m) => Ok(Payload::Membership(membership_from_stored(m)?)),
    }
}

/// Log time at which an entry was stamped, if it is one of the state machine. What follows the
/// stamp is skipped, not copied.
pub fn stamp(payload: &Payload) -> Option<LogTime> {
    match payload {
        Payload::Normal(entry) => Some(LogTime(v1::EntryStamp::decode(&*entry.0).ok()?.stamp_ms)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(site: &str) -> Member {
        Member { address: "10.0.0.1:7101".into(), site: site.into(), incarnation: 7 << 100 }
    }

    #[test]
    fn what_is_stored_is_read_back() {
        let voters = vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([1, 2, 4])];
        let members: BTreeMap<_, _> = (1..=5).map(|n| (n, member("kyiv"))).collect();
        let membership = Membership::new(voters, members).unwrap();
        let payloads = [
            Payload::Blank,
            Payload::Normal(EntryBytes(Bytes::from_static(b"anything"))),
            Payload::Membership(membership.clone()),
        ];
        for payload in payloads {
            let bytes = payload_to_bytes(&payload);
            assert_eq!(payload_from_bytes(bytes.into()), Ok(payload));
        }
        let id = LogId::new(LeaderId { term: 3, node_id: 2 }, 17);
        let stored = StoredMembership::new(Some(id), membership);
        assert_eq!(stored_membership_from_stored(stored_membership_to_stored(&stored)), Ok(stored));
    }

    #[test]
    fn other_bytes_are_refused() {
        assert!(payload_from_bytes(Bytes::from_static(b"\xff\xff")).is_err());
        assert!(payload_from_bytes(Bytes::new()).is_err());
        let wrong = v1::Member { incarnation: Bytes::from_static(b"short"), ..Default::default() };
        let stored = v1::Membership { voters: vec![], members: vec![wrong] };
        assert!(membership_from_stored(stored).is_err());
    }
}
