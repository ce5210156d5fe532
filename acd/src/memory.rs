//! Memory of what is over: ids of closed contacts and first answers to administrative requests,
//! so that a retry gets the answer it would have got.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use crate::channel::Channel;
use crate::chunks::Chunks;
use crate::command::Request;
use crate::digest::Digest;
use crate::ids::{AgentId, ContactId, OfferToken, PrincipalId, RequestId, Seq};
use crate::limits;
use crate::record::{Outcome, TurnedAway};
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::time::LogTime;

/// What is remembered of a closed contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedContact {
    /// The id.
    pub id: ContactId,
    /// Its number.
    pub seq: Seq,
    /// Who put it in.
    pub ingress: PrincipalId,
    /// When it arrived.
    pub arrived: LogTime,
    /// When it was closed.
    pub closed: LogTime,
    /// Hash of what was enqueued.
    pub fingerprint: u64,
    /// Its kind.
    pub channel: Channel,
    /// How it ended.
    pub outcome: Outcome,
    /// The offer it was with an agent by when it ended.
    pub token: Option<OfferToken>,
    /// That agent.
    pub agent: Option<AgentId>,
}

impl ClosedContact {
    /// The answer its enqueue got.
    pub(crate) fn enqueue_reply(&self) -> Reply {
        match self.outcome {
            Outcome::TurnedAwayClosed => Reply::TurnedAway { why: TurnedAway::Closed },
            Outcome::TurnedAwayFull => Reply::TurnedAway { why: TurnedAway::Full },
            _ => Reply::Enqueued { seq: self.seq, arrived: self.arrived },
        }
    }

    fn hash(&self, out: &mut Digest) -> u128 {
        let Self { id, seq, ingress, arrived, closed, fingerprint, channel, outcome, token, agent } =
            self;
        out.start(8);
        out.str(id.as_str()).u64(seq.0).str(ingress.as_str()).u64(arrived.0).u64(closed.0);
        out.u64(*fingerprint).u8(*channel as u8).u8(*outcome as u8);
        out.option(*token, |out, t| {
            out.u64(t.0);
        });
        out.option(agent.as_ref(), |out, a| {
            out.str(a.as_str());
        });
        out.finish()
    }
}

/// The last closed contacts: for [`limits::REMEMBERED_FOR`], at most [`limits::REMEMBERED_MAX`].
#[derive(Default)]
pub(crate) struct ClosedContacts {
    /// In the order they were closed, with their hashes.
    list: Chunks<(ClosedContact, u128)>,
    /// Hash of the id, position in the list.
    index: HashTable<(u64, u64)>,
    sum: u128,
}

impl ClosedContacts {
    pub(crate) fn find(&self, id: &ContactId) -> Option<&ClosedContact> {
        let hash = xxh3_64(id.as_str().as_bytes());
        let at = |position: u64| Some(&self.list.get(position)?.0);
        let found = self
            .index
            .find(hash, |(h, position)| *h == hash && at(*position).is_some_and(|c| c.id == *id));
        found.and_then(|(_, position)| at(*position))
    }

    pub(crate) fn remember(&mut self, contact: ClosedContact, digest: &mut Digest) {
        if self.list.len() >= limits::REMEMBERED_MAX {
            self.forget_first();
        }
        let hash = contact.hash(digest);
        let key = xxh3_64(contact.id.as_str().as_bytes());
        let position = self.list.push((contact, hash));
        self.index.insert_unique(key, (key, position), |(key, _)| *key);
        self.sum = self.sum.wrapping_add(hash);
    }

    fn forget_first(&mut self) {
        let Some((contact, hash)) = self.list.first() else {
            return;
        };
        let key = xxh3_64(contact.id.as_str().as_bytes());
        self.sum = self.sum.wrapping_sub(*hash);
        let first = self.list.first_position();
        if let Ok(entry) = self.index.find_entry(key, |(_, position)| *position == first) {
            entry.remove();
        }
        self.list.forget_first();
    }

    /// Forgets what is too old.
    pub(crate) fn expire(&mut self, now: LogTime) {
        let is_old =
            |(first, _): &(ClosedContact, u128)| now.since(first.closed) > limits::REMEMBERED_FOR;
        while self.list.first().is_some_and(is_old) {
            self.forget_first();
        }
    }

    pub(crate) fn sum(&self) -> u128 {
        self.sum
    }

    /// The sum computed from nothing.
    pub(crate) fn recompute_sum(&self, digest: &mut Digest) -> u128 {
        self.iter().fold(0, |sum: u128, contact| sum.wrapping_add(contact.hash(digest)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &ClosedContact> {
        self.list.iter().map(|(contact, _)| contact)
    }

    /// How many are remembered.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// The list as it is now, unchanged by what happens to it later.
    pub(crate) fn fork(&self) -> Chunks<(ClosedContact, u128)> {
        self.list.clone()
    }
}

/// The first answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstAnswer {
    /// The request.
    pub request: Request,
    /// Hash of who asked and what: the same id with anything else is a mistake.
    pub fingerprint: u64,
    /// The answer.
    pub answer: Result<Reply, Rejection>,
}

impl FirstAnswer {
    fn hash(&self, out: &mut Digest) -> u128 {
        let Self { request: Request { id, issued_at }, fingerprint, answer } = self;
        out.start(9);
        out.u64(id.0 as u64).u64((id.0 >> 64) as u64).u64(issued_at.0).u64(*fingerprint);
        match answer {
            Ok(Reply::Done) => out.u8(0),
            Ok(Reply::Revised { revision }) => out.u8(1).u64(revision.0),
            Ok(Reply::NodeAdded { node }) => out.u8(2).u64(node.0),
            Ok(Reply::TokenIssued { token, expires }) => out.u8(5).u64(token.0).u64(expires.0),
            Ok(Reply::Time { now, next_deadline }) => {
                out.u8(3).u64(now.0).option(*next_deadline, |out, t| {
                    out.u64(t.0);
                })
            }
            Ok(
                Reply::Enqueued { .. }
                | Reply::TurnedAway { .. }
                | Reply::Accepted { .. }
                | Reply::LoggedIn { .. }
                | Reply::Verdicts(_)
                | Reply::Checkpoint { .. },
            ) => unreachable!("administration gets no other answers"),
            Err(rejection) => out.u8(4).str(rejection.code()),
        };
        out.finish()
    }
}

/// First answers to administrative requests, for [`limits::REQUEST_WINDOW`].
#[derive(Default)]
pub(crate) struct Requests {
    by_id: BTreeMap<RequestId, Arc<FirstAnswer>>,
    by_age: BTreeSet<(LogTime, RequestId)>,
    sum: u128,
}

impl Requests {
    /// The first answer, if this request was asked before; a refusal, if it cannot be told.
    pub(crate) fn look_up(
        &self,
        request: &Request,
        fingerprint: u64,
        now: LogTime,
    ) -> Result<Option<Result<Reply, Rejection>>, Rejection> {
        if let Some(first) = self.by_id.get(&request.id) {
            return match &first.answer {
                _ if first.fingerprint != fingerprint => Err(Rejection::RequestReused),
                Ok(reply) => Ok(Some(Ok(reply.clone()))),
                Err(rejection) => Ok(Some(Err(rejection.clone()))),
            };
        }
        if now.since(request.issued_at) > limits::REQUEST_WINDOW {
            return Err(Rejection::RequestTooOld);
        }
        if request.issued_at.since(now) > limits::REQUEST_WINDOW {
            return Err(Rejection::RequestFromFuture);
        }
        if self.by_id.len() >= limits::REQUESTS_MAX {
            let max = limits::REQUESTS_MAX as u64;
            return Err(Rejection::LimitReached { what: "requests in ten minutes", max });
        }
        Ok(None)
    }

    pub(crate) fn remember(&mut self, first: FirstAnswer, digest: &mut Digest) {
        let Request { id, issued_at } = first.request;
        self.sum = self.sum.wrapping_add(first.hash(digest));
        self.by_age.insert((issued_at, id));
        self.by_id.insert(id, Arc::new(first));
    }

    /// Forgets what is older than the window. A request that old is
    /// refused, so forgetting it cannot make it happen twice.
    pub(crate) fn expire(&mut self, now: LogTime, digest: &mut Digest) {
        while let Some((issued_at, id)) = self.by_age.first().copied() {
            if now.since(issued_at) <= limits::REQUEST_WINDOW {
                break;
            }
            self.by_age.pop_first();
            if let Some(first) = self.by_id.remove(&id) {
                self.sum = self.sum.wrapping_sub(first.hash(digest));
            }
        }
    }

    /// What a request was answered first.
    pub(crate) fn find(&self, id: RequestId) -> Option<&FirstAnswer> {
        self.by_id.get(&id).map(|first| &**first)
    }

    pub(crate) fn sum(&self) -> u128 {
        self.sum
    }

    /// The sum computed from nothing.
    pub(crate) fn recompute_sum(&self, digest: &mut Digest) -> u128 {
        self.iter().fold(0, |sum: u128, first| sum.wrapping_add(first.hash(digest)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &FirstAnswer> {
        self.by_id.values().map(|first| &**first)
    }

    /// How many are remembered.
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// All answers as they are now, by request id.
    pub(crate) fn fork(&self) -> Vec<Arc<FirstAnswer>> {
        self.by_id.values().cloned().collect()
    }
}
