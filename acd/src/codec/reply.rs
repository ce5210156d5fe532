//! Answers, as nodes and clients pass them on.

use bytes::Bytes;
use proto::stored::v1;
use proto::stored::v1::reply as wire;

use super::stored::{malformed, no_choice};
use crate::ids::{ContactId, NodeId, OfferToken, Revision, Seq, SessionEpoch};
use crate::record::TurnedAway;
use crate::rejection::Rejection;
use crate::reply::{Reply, Verdict, WorkItem, WorkState};
use crate::time::{AttendedTime, LogTime};

/// The stored form of a reply.
pub fn reply_to_stored(reply: &Reply) -> v1::Reply {
    let reply = match reply {
        Reply::Done => wire::Reply::Done(wire::Done {}),
        Reply::Enqueued { seq, arrived } => {
            wire::Reply::Enqueued(wire::Enqueued { seq: seq.0, arrived_ms: arrived.0 })
        }
        Reply::TurnedAway { why } => {
            let why = match why {
                TurnedAway::Closed => wire::Why::Closed,
                TurnedAway::Full => wire::Why::Full,
            };
            wire::Reply::TurnedAway(wire::TurnedAway { why: why.into() })
        }
        Reply::Accepted { bridging } => {
            wire::Reply::Accepted(wire::Accepted { bridging: *bridging })
        }
        Reply::LoggedIn { epoch, work } => wire::Reply::LoggedIn(wire::LoggedIn {
            epoch: epoch.0,
            work: work.iter().map(work_item_to_stored).collect(),
        }),
        Reply::Revised { revision } => wire::Reply::Revised(revision.0),
        Reply::NodeAdded { node } => wire::Reply::NodeAdded(node.0),
        Reply::TokenIssued { token, expires } => {
            wire::Reply::TokenIssued(wire::TokenIssued { token: token.0, expires_ms: expires.0 })
        }
        Reply::Verdicts(verdicts) => {
            let verdicts = verdicts.iter().copied().map(verdict_to_stored).collect();
            wire::Reply::Verdicts(wire::Verdicts { verdicts })
        }
        Reply::Time { now, next_deadline } => wire::Reply::Time(wire::Time {
            now_ms: now.0,
            next_deadline_ms: next_deadline.map(|t| t.0),
        }),
        Reply::Checkpoint { hash } => {
            wire::Reply::Checkpoint(Bytes::copy_from_slice(&hash.to_be_bytes()))
        }
    };
    v1::Reply { reply: Some(reply) }
}

/// Checks and takes over the stored form of a reply.
///
/// # Errors
///
/// [`Rejection::Malformed`] if a part is missing; what the constructor of contact ids says of
/// theirs.
pub fn reply_from_stored(stored: v1::Reply) -> Result<Reply, Rejection> {
    Ok(match stored.reply.ok_or_else(|| no_choice("Reply.reply"))? {
        wire::Reply::Done(wire::Done {}) => Reply::Done,
        wire::Reply::Enqueued(wire::Enqueued { seq, arrived_ms }) => {
            Reply::Enqueued { seq: Seq(seq), arrived: LogTime(arrived_ms) }
        }
        wire::Reply::TurnedAway(turned_away) => Reply::TurnedAway {
            why: match turned_away.why() {
                wire::Why::Closed => TurnedAway::Closed,
                wire::Why::Full => TurnedAway::Full,
                wire::Why::Unspecified => return Err(no_choice("TurnedAway.why")),
            },
        },
        wire::Reply::Accepted(wire::Accepted { bridging }) => Reply::Accepted { bridging },
        wire::Reply::LoggedIn(wire::LoggedIn { epoch, work }) => Reply::LoggedIn {
            epoch: SessionEpoch(epoch),
            work: work.into_iter().map(work_item_from_stored).collect::<Result<_, _>>()?,
        },
        wire::Reply::Revised(revision) => Reply::Revised { revision: Revision(revision) },
        wire::Reply::NodeAdded(node) => Reply::NodeAdded { node: NodeId(node) },
        wire::Reply::TokenIssued(wire::TokenIssued { token, expires_ms }) => {
            Reply::TokenIssued { token: Seq(token), expires: LogTime(expires_ms) }
        }
        wire::Reply::Verdicts(wire::Verdicts { verdicts }) => {
            let verdicts = verdicts.into_iter().map(verdict_from_stored);
            Reply::Verdicts(verdicts.collect::<Result<_, _>>()?)
        }
        wire::Reply::Time(wire::Time { now_ms, next_deadline_ms }) => {
            Reply::Time { now: LogTime(now_ms), next_deadline: next_deadline_ms.map(LogTime) }
        }
        wire::Reply::Checkpoint(hash) => {
            let hash = <[u8; 16]>::try_from(&*hash)
                .map_err(|_| malformed("Reply.checkpoint must have 16 bytes".into()))?;
            Reply::Checkpoint { hash: u128::from_be_bytes(hash) }
        }
    })
}

fn work_item_to_stored(item: &WorkItem) -> wire::WorkItem {
    use wire::work_item::State;
    let state = match item.state {
        WorkState::Offered(until) => State::OfferedUntilMs(until.0),
        WorkState::Accepted => State::Accepted(wire::Done {}),
        WorkState::Connected => State::Connected(wire::Done {}),
        WorkState::Held => State::Held(wire::Done {}),
        WorkState::WrapUp => State::WrapUp(wire::Done {}),
    };
    let contact = item.contact.as_str().into();
    wire::WorkItem { contact, token: item.token.0, state: Some(state) }
}

fn work_item_from_stored(stored: wire::WorkItem) -> Result<WorkItem, Rejection> {
    use wire::work_item::State;
    let wire::WorkItem { contact, token, state } = stored;
    let state = match state.ok_or_else(|| no_choice("WorkItem.state"))? {
        State::OfferedUntilMs(until) => WorkState::Offered(AttendedTime(until)),
        State::Accepted(wire::Done {}) => WorkState::Accepted,
        State::Connected(wire::Done {}) => WorkState::Connected,
        State::Held(wire::Done {}) => WorkState::Held,
        State::WrapUp(wire::Done {}) => WorkState::WrapUp,
    };
    Ok(WorkItem { contact: ContactId::new(&contact)?, token: OfferToken(token), state })
}

fn verdict_to_stored(verdict: Verdict) -> wire::Verdict {
    use wire::verdict::Verdict as Wire;
    let verdict = match verdict {
        Verdict::Waiting => Wire::Waiting(wire::Done {}),
        Verdict::WithAgent(token) => Wire::WithAgent(token.0),
        Verdict::Closed => Wire::Closed(wire::Done {}),
        Verdict::Unknown => Wire::Unknown(wire::Done {}),
        Verdict::NotYours => Wire::NotYours(wire::Done {}),
    };
    wire::Verdict { verdict: Some(verdict) }
}

fn verdict_from_stored(stored: wire::Verdict) -> Result<Verdict, Rejection> {
    use wire::verdict::Verdict as Wire;
    Ok(match stored.verdict.ok_or_else(|| no_choice("Verdict.verdict"))? {
        Wire::Waiting(wire::Done {}) => Verdict::Waiting,
        Wire::WithAgent(token) => Verdict::WithAgent(OfferToken(token)),
        Wire::Closed(wire::Done {}) => Verdict::Closed,
        Wire::Unknown(wire::Done {}) => Verdict::Unknown,
        Wire::NotYours(wire::Done {}) => Verdict::NotYours,
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let contact = ContactId::new("c-1").unwrap();
        let states = [
            WorkState::Offered(AttendedTime(5)),
            WorkState::Accepted,
            WorkState::Connected,
            WorkState::Held,
            WorkState::WrapUp,
        ];
        let token = OfferToken(9);
        let item = |state| WorkItem { contact: contact.clone(), token, state };
        let replies = [
            Reply::Done,
            Reply::Enqueued { seq: Seq(7), arrived: LogTime(8) },
            Reply::TurnedAway { why: TurnedAway::Closed },
            Reply::TurnedAway { why: TurnedAway::Full },
            Reply::Accepted { bridging: true },
            Reply::LoggedIn { epoch: SessionEpoch(3), work: states.map(item).into() },
            Reply::Revised { revision: Revision(2) },
            Reply::NodeAdded { node: NodeId(4) },
            Reply::TokenIssued { token: Seq(4), expires: LogTime(5) },
            Reply::Verdicts(vec![
                Verdict::Waiting,
                Verdict::WithAgent(token),
                Verdict::Closed,
                Verdict::Unknown,
                Verdict::NotYours,
            ]),
            Reply::Time { now: LogTime(1), next_deadline: None },
            Reply::Time { now: LogTime(1), next_deadline: Some(LogTime(2)) },
            Reply::Checkpoint { hash: 1 << 127 },
        ];
        for reply in replies {
            assert_eq!(reply_from_stored(reply_to_stored(&reply)), Ok(reply));
        }
    }

    #[test]
    fn what_lacks_a_part_is_refused() {
        let verdict = wire::Verdict { verdict: None };
        let short = Bytes::from_static(b"x");
        for reply in [
            None,
            Some(wire::Reply::TurnedAway(wire::TurnedAway { why: 0 })),
            Some(wire::Reply::Verdicts(wire::Verdicts { verdicts: vec![verdict] })),
            Some(wire::Reply::Checkpoint(short)),
        ] {
            let stored = v1::Reply { reply };
            assert!(reply_from_stored(stored.clone()).is_err(), "{stored:?}");
        }
    }
}
