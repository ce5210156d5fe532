//! What is remembered of what is over, as it is stored.

use alloc::string::ToString;

use proto::stored::v1;

use super::any_time;
use crate::codec::stored::{Stored, no_choice, stored_messages, stored_words};
use crate::ids::{NodeId, Revision, Seq};
use crate::memory::{ClosedContact, FirstAnswer};
use crate::record::Outcome;
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::time::LogTime;

stored_messages! {
    ClosedContact {
        id, seq, ingress, fingerprint, channel, outcome, token, agent;
        arrived as arrived_ms => any_time,
        closed as closed_ms => any_time,
    }
}

stored_words! {
    Outcome {
        Handled, Abandoned, WaitedTooLong, TurnedAwayClosed, TurnedAwayFull, Flushed, LostIngress,
        Orphaned, Removed, ConsultOver, Cut
    }
}

impl Stored<v1::FirstAnswer> for FirstAnswer {
    fn to_stored(&self) -> v1::FirstAnswer {
        use v1::first_answer as wire;
        let Self { request, fingerprint, answer } = self;
        let answer = match answer {
            Ok(Reply::Done) => wire::Answer::Done(wire::Done {}),
            Ok(Reply::Revised { revision }) => wire::Answer::Revised(revision.0),
            Ok(Reply::NodeAdded { node }) => wire::Answer::NodeAdded(node.0),
            Ok(Reply::TokenIssued { token, expires }) => {
                wire::Answer::TokenIssued(wire::TokenIssued {
                    token: token.0,
                    expires_ms: expires.0,
                })
            }
            Ok(Reply::Time { now, next_deadline }) => wire::Answer::Time(wire::Time {
                now_ms: now.0,
                next_deadline_ms: next_deadline.map(|t| t.0),
            }),
            Ok(
                Reply::Enqueued { .. }
                | Reply::TurnedAway { .. }
                | Reply::Accepted { .. }
                | Reply::LoggedIn { .. }
                | Reply::Verdicts(_)
                | Reply::Checkpoint { .. },
            ) => unreachable!("administration gets no other answers"),
            Err(rejection) => wire::Answer::Refused(wire::Refused {
                code: rejection.code().into(),
                message: rejection.to_string(),
            }),
        };
        v1::FirstAnswer {
            request: request.to_stored(),
            fingerprint: *fingerprint,
            answer: Some(answer),
        }
    }

    fn from_stored(stored: v1::FirstAnswer, _: &'static str) -> Result<Self, Rejection> {
        use v1::first_answer as wire;
        let v1::FirstAnswer { request, fingerprint, answer } = stored;
        let answer = match answer.ok_or_else(|| no_choice("FirstAnswer.answer"))? {
            wire::Answer::Done(wire::Done {}) => Ok(Reply::Done),
            wire::Answer::Revised(revision) => Ok(Reply::Revised { revision: Revision(revision) }),
            wire::Answer::NodeAdded(node) => Ok(Reply::NodeAdded { node: NodeId(node) }),
            wire::Answer::TokenIssued(wire::TokenIssued { token, expires_ms }) => {
                Ok(Reply::TokenIssued { token: Seq(token), expires: LogTime(expires_ms) })
            }
            wire::Answer::Time(wire::Time { now_ms, next_deadline_ms }) => Ok(Reply::Time {
                now: LogTime(now_ms),
                next_deadline: next_deadline_ms.map(LogTime),
            }),
            wire::Answer::Refused(wire::Refused { code, message }) => {
                Err(Rejection::FirstAnswer { code: code.into(), message: message.into() })
            }
        };
        Ok(Self {
            request: Stored::from_stored(request, "FirstAnswer.request")?,
            fingerprint,
            answer,
        })
    }
}
