//! Commands on their way over streams that may break: each is sent again, over another stream, until
//! its outcome is known or its time is over.
//!
//! ```text
//! ask → waiting ⇄ sent over a stream → answered
//!          └──────────┴─ too late ───→ answered: unknown or unavailable
//! ```
//! Commands are sent in the order in which they were asked for; one that is sent again comes later
//! than others that were asked for after it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use proto::api::v1 as api;
use tokio::time::Instant;

use super::{ClientError, Committed, Outcome, outcome, too_late};

/// How long to wait before a command that was not taken is sent again.
const PAUSE: Duration = Duration::from_millis(50);

/// A stream over which nothing has had an outcome for so long is left: when the cluster has lost a node,
/// those who have stayed with it are given up after 3 s.
const BARREN_AFTER: Duration = Duration::from_secs(3);

/// Which stream, of those a client has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamId(pub u64);

struct Pending<R> {
    request: R,
    until: Instant,
    /// The stream it was sent over. None: it waits.
    sent: Option<StreamId>,
    may_be_done: bool,
    /// Why its outcome is not known.
    last: String,
}

/// Commands without an outcome.
pub(super) struct Outbox<R> {
    /// How long each may take.
    patience: Duration,
    /// How many may be on their way at a time.
    in_flight_max: usize,
    /// How many there may be in all.
    pending_max: usize,
    next_tag: u64,
    pending: BTreeMap<u64, Pending<R>>,
    waiting: VecDeque<u64>,
    /// Those that were not taken, with when they wait again; in order.
    pausing: VecDeque<(Instant, u64)>,
    in_flight: usize,
    /// The stream over which commands come back without an outcome, since when, and none with one.
    barren: Option<(StreamId, Instant)>,
}

/// What became of a command.
pub(super) type Done<R> = (u64, R, Result<Committed, ClientError>);

impl<R: Clone> Outbox<R> {
    pub fn new(patience: Duration, in_flight_max: usize, pending_max: usize) -> Self {
        Self {
            patience,
            in_flight_max,
            pending_max,
            next_tag: 1,
            pending: BTreeMap::new(),
            waiting: VecDeque::new(),
            pausing: VecDeque::new(),
            in_flight: 0,
            barren: None,
        }
    }

    /// Takes a command; its tag. None: there are too many.
    pub fn ask(&mut self, request: R) -> Option<u64> {
        if self.pending.len() >= self.pending_max {
            return None;
        }
        let tag = self.next_tag;
        self.next_tag += 1;
        let until = Instant::now() + self.patience;
        let last = "no stream to any node is open".to_owned();
        self.pending.insert(tag, Pending { request, until, sent: None, may_be_done: false, last });
        self.waiting.push_back(tag);
        Some(tag)
    }

    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether a pending command is like this.
    pub fn any(&self, is: impl Fn(&R) -> bool) -> bool {
        self.pending.values().any(|pending| is(&pending.request))
    }

    /// The next command to be sent; to be followed by [`sent`](Self::sent) if it was.
    pub fn next(&mut self, now: Instant) -> Option<(u64, &R)> {
        while let Some((at, tag)) = self.pausing.front().copied()
            && at <= now
        {
            self.pausing.pop_front();
            self.waiting.push_back(tag);
        }
        // What is too late meanwhile is not waited for any more.
        while let Some(tag) = self.waiting.front()
            && !self.pending.contains_key(tag)
        {
            self.waiting.pop_front();
        }
        if self.in_flight >= self.in_flight_max {
            return None;
        }
        let tag = *self.waiting.front()?;
        self.pending.get(&tag).map(|pending| (tag, &pending.request))
    }

    /// The command that [`next`](Self::next) gave is sent over this stream.
    pub fn sent(&mut self, over: StreamId) {
        let Some(tag) = self.waiting.pop_front() else { return };
        if let Some(pending) = self.pending.get_mut(&tag) {
            pending.sent = Some(over);
            self.in_flight += 1;
        }
    }

    /// A stream is gone: what was sent over it waits again, before everything else.
    pub fn lost(&mut self, stream: StreamId, why: &str) {
        let mut again = Vec::new();
        for (tag, pending) in &mut self.pending {
            if pending.sent == Some(stream) {
                pending.sent = None;
                pending.may_be_done = true;
                pending.last = why.to_owned();
                again.push(*tag);
            }
        }
        self.in_flight -= again.len();
        for tag in again.into_iter().rev() {
            self.waiting.push_front(tag);
        }
    }

    /// An answer came over a stream. None: it is not the last word, or nobody waits for it.
    pub fn answered(
        &mut self,
        over: StreamId,
        tag: u64,
        answer: api::Answer,
        now: Instant,
    ) -> Option<Done<R>> {
        let pending = self.pending.get_mut(&tag).filter(|p| p.sent == Some(over))?;
        pending.sent = None;
        self.in_flight -= 1;
        match outcome(answer) {
            Outcome::Known(known) => {
                self.barren = self.barren.filter(|(stream, _)| *stream != over);
                let pending = self.pending.remove(&tag)?;
                Some((tag, pending.request, known))
            }
            Outcome::Open { may_be_done, why } => {
                pending.may_be_done |= may_be_done;
                pending.last = why;
                if self.barren.is_none_or(|(stream, _)| stream != over) {
                    self.barren = Some((over, now));
                }
                self.pausing.push_back((now + PAUSE, tag));
                None
            }
        }
    }

    /// Why a stream is to be left, if so: what is sent over it comes back, as from a node that has lost
    /// the others. Another one may be better off.
    pub fn is_barren(&self, stream: StreamId, now: Instant) -> Option<String> {
        let (_, since) = self.barren.filter(|(barren, _)| *barren == stream)?;
        let words = || format!("nothing has had an outcome for {} s", BARREN_AFTER.as_secs());
        (now >= since + BARREN_AFTER).then(words)
    }

    /// A command that has taken too long.
    pub fn expired(&mut self, now: Instant) -> Option<Done<R>> {
        // All may take equally long: the first one asked for is the first one that is late.
        let first = self.pending.first_entry().filter(|entry| entry.get().until <= now)?;
        let (tag, pending) = first.remove_entry();
        self.in_flight -= usize::from(pending.sent.is_some());
        // Its outcome may be known by an answer that is on its way.
        let may_be_done = pending.may_be_done || pending.sent.is_some();
        Some((tag, pending.request, Err(too_late(may_be_done, self.patience, pending.last))))
    }

    /// When [`next`](Self::next) or [`expired`](Self::expired) may have something new.
    pub fn next_due(&self) -> Option<Instant> {
        let late = self.pending.first_key_value().map(|(_, pending)| pending.until);
        let again = self.pausing.front().map(|(at, _)| *at);
        late.into_iter().chain(again).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::api::v1::answer::{Answer, Committed as Wire, Unavailable};
    use proto::stored::v1 as stored;

    const FIRST: StreamId = StreamId(1);
    const SECOND: StreamId = StreamId(2);

    fn outbox() -> Outbox<&'static str> {
        Outbox::new(Duration::from_secs(5), 2, 3)
    }

    fn committed() -> api::Answer {
        let done = stored::reply::Reply::Done(stored::reply::Done {});
        let reply = Some(stored::Reply { reply: Some(done) });
        api::Answer { answer: Some(Answer::Committed(Wire { index: 7, reply })) }
    }

    fn unavailable() -> api::Answer {
        let words = Unavailable { message: "no leader".into(), leader: None };
        api::Answer { answer: Some(Answer::Unavailable(words)) }
    }

    fn send(outbox: &mut Outbox<&'static str>, over: StreamId) -> Option<u64> {
        let (tag, _) = outbox.next(Instant::now())?;
        outbox.sent(over);
        Some(tag)
    }

    #[tokio::test]
    async fn what_was_sent_over_a_stream_that_broke_is_sent_again_first() {
        let mut outbox = outbox();
        let tags: Vec<_> = ["a", "b", "c"].map(|name| outbox.ask(name)).into_iter().collect();
        assert_eq!(tags, [Some(1), Some(2), Some(3)]);
        assert_eq!(outbox.ask("d"), None, "three are enough");
        assert_eq!([send(&mut outbox, FIRST), send(&mut outbox, FIRST)], [Some(1), Some(2)]);
        assert_eq!(send(&mut outbox, FIRST), None, "two on their way are enough");
        outbox.lost(FIRST, "broken");
        assert_eq!(send(&mut outbox, SECOND), Some(1));
        assert!(outbox.answered(FIRST, 1, committed(), Instant::now()).is_none());
        let done = outbox.answered(SECOND, 1, committed(), Instant::now());
        assert!(matches!(done, Some((1, "a", Ok(Committed { index: 7, .. })))));
        assert_eq!([send(&mut outbox, SECOND), send(&mut outbox, SECOND)], [Some(2), Some(3)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_taken_is_sent_again_after_a_pause_until_it_is_too_late() {
        let mut outbox = outbox();
        let tag = outbox.ask("a").expect("room");
        assert_eq!(send(&mut outbox, FIRST), Some(tag));
        assert!(outbox.answered(FIRST, tag, unavailable(), Instant::now()).is_none());
        assert_eq!(send(&mut outbox, FIRST), None);
        tokio::time::advance(PAUSE).await;
        assert_eq!(outbox.next_due(), Some(Instant::now()));
        assert_eq!(send(&mut outbox, FIRST), Some(tag));
        assert!(outbox.answered(FIRST, tag, unavailable(), Instant::now()).is_none());
        tokio::time::advance(Duration::from_secs(5)).await;
        let late = outbox.expired(Instant::now());
        assert!(matches!(late, Some((1, "a", Err(ClientError::Unavailable { .. })))));
        assert_eq!(outbox.len(), 0);
        assert!(outbox.next(Instant::now()).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_over_which_everything_comes_back_is_to_be_left() {
        let mut outbox = outbox();
        let tag = outbox.ask("a").expect("room");
        let end = Instant::now() + BARREN_AFTER;
        while Instant::now() < end {
            assert_eq!(outbox.is_barren(FIRST, Instant::now()), None);
            assert_eq!(send(&mut outbox, FIRST), Some(tag));
            assert!(outbox.answered(FIRST, tag, unavailable(), Instant::now()).is_none());
            tokio::time::advance(PAUSE).await;
        }
        assert!(outbox.is_barren(FIRST, Instant::now()).is_some());
        assert_eq!(outbox.is_barren(SECOND, Instant::now()), None);
        // One outcome is enough.
        assert_eq!(send(&mut outbox, FIRST), Some(tag));
        assert!(outbox.answered(FIRST, tag, committed(), Instant::now()).is_some());
        assert_eq!(outbox.is_barren(FIRST, Instant::now()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_late_after_it_was_sent_may_have_been_done() {
        let mut outbox = outbox();
        let tag = outbox.ask("a").expect("room");
        assert_eq!(send(&mut outbox, FIRST), Some(tag));
        tokio::time::advance(Duration::from_secs(6)).await;
        let late = outbox.expired(Instant::now());
        assert!(matches!(late, Some((1, "a", Err(ClientError::Unknown { .. })))));
        assert!(outbox.answered(FIRST, tag, committed(), Instant::now()).is_none());
    }
}
