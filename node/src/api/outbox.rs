//! What waits to be sent to one party.
//!
//! Bounded, and empty it takes no memory of its own: 10,000 sessions that nothing happens to cost
//! nothing. Whoever lets too much wait is cut off, and what waited is thrown away at once, not when
//! that party reads again.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use tonic::Status;

use crate::submit::{Answer, TakeAnswers};

/// What is next for a party.
#[derive(Debug)]
pub(super) enum Next<M> {
    /// Something happened.
    Told(M),
    /// A command was answered; its number.
    Answered(u64, Answer),
    /// Nothing follows this.
    Last(M),
    /// Nothing follows; why.
    Failed(Status),
}

/// A message would be one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// What waits for one party. One reads.
#[derive(Debug)]
pub(super) struct Outbox<M> {
    inner: Mutex<Inner<M>>,
    /// Messages, answers apart, that may wait.
    told_max: usize,
}

#[derive(Debug)]
struct Inner<M> {
    /// Without answers, of which there are no more than commands under way.
    told: VecDeque<M>,
    answers: VecDeque<(u64, Answer)>,
    end: End<M>,
    reader: Option<Waker>,
}

#[derive(Debug)]
enum End<M> {
    NotYet,
    Last(Box<M>),
    Failed(Box<Status>),
    /// It was read.
    Read,
}

impl<M> Outbox<M> {
    /// Empty.
    pub(super) fn new(told_max: usize) -> Self {
        let inner = Inner {
            told: VecDeque::new(),
            answers: VecDeque::new(),
            end: End::NotYet,
            reader: None,
        };
        Self { inner: Mutex::new(inner), told_max }
    }

    fn inner(&self) -> MutexGuard<'_, Inner<M>> {
        // Nothing in here panics half-way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what waits, and wakes the reader.
    fn change<T>(&self, change: impl FnOnce(&mut Inner<M>) -> T) -> T {
        let mut inner = self.inner();
        let result = change(&mut inner);
        let reader = inner.reader.take();
        drop(inner);
        if let Some(reader) = reader {
            reader.wake();
        }
        result
    }

    /// Tells something. After the end nothing is told any more.
    ///
    /// # Errors
    ///
    /// If as much waits as may; the message is not among it then.
    pub(super) fn tell(&self, message: M) -> Result<(), TooMany> {
        self.change(|inner| match inner.end {
            End::NotYet if inner.told.len() >= self.told_max => Err(TooMany),
            End::NotYet => {
                inner.told.push_back(message);
                Ok(())
            }
            _ => Ok(()),
        })
    }

    /// Replaces what waits by a message that makes it old news. Answers stay.
    pub(super) fn tell_anew(&self, message: M) {
        self.change(|inner| {
            if let End::NotYet = inner.end {
                inner.told.clear();
                inner.told.push_back(message);
            }
        });
    }

    /// Ends it with a message, behind what waits. The first end counts.
    pub(super) fn end(&self, last: M) {
        self.change(|inner| {
            if let End::NotYet = inner.end {
                inner.end = End::Last(Box::new(last));
            }
        });
    }

    /// Ends it with an error. What waited is thrown away.
    pub(super) fn fail(&self, status: Status) {
        self.change(|inner| {
            if let End::NotYet = inner.end {
                inner.end = End::Failed(Box::new(status));
                // The memory, too.
                (inner.told, inner.answers) = (VecDeque::new(), VecDeque::new());
            }
        });
    }

    /// Waits for what is next: answers first, which somebody waits for.
    pub(super) async fn next(&self) -> Next<M> {
        poll_fn(|cx| {
            let mut inner = self.inner();
            if let Some((number, answer)) = inner.answers.pop_front() {
                return Poll::Ready(Next::Answered(number, answer));
            }
            if let Some(message) = inner.told.pop_front() {
                if inner.told.is_empty() {
                    inner.told = VecDeque::new();
                }
                return Poll::Ready(Next::Told(message));
            }
            match std::mem::replace(&mut inner.end, End::Read) {
                End::NotYet => inner.end = End::NotYet,
                End::Last(message) => return Poll::Ready(Next::Last(*message)),
                End::Failed(status) => return Poll::Ready(Next::Failed(*status)),
                // Only answers come now.
                End::Read => {}
            }
            match &mut inner.reader {
                Some(reader) => reader.clone_from(cx.waker()),
                reader => *reader = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
        .await
    }
}

impl<M: Send> TakeAnswers for Outbox<M> {
    /// Also after the last message: a log-out is answered after the session is over.
    fn take(&self, number: u64, answer: Answer) {
        self.change(|inner| {
            if !matches!(inner.end, End::Failed(_)) {
                inner.answers.push_back((number, answer));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use openraft_rt::AsyncRuntime as _;
    use openraft_rt_tokio::TokioRuntime;

    use super::*;

    fn next(outbox: &Outbox<u32>) -> Option<String> {
        outbox.next().now_or_never().map(|next| match next {
            Next::Told(message) => format!("told {message}"),
            Next::Answered(number, _) => format!("answered {number}"),
            Next::Last(message) => format!("last {message}"),
            Next::Failed(status) => format!("failed {}", status.message()),
        })
    }

    #[test]
    fn messages_come_in_order_and_answers_before_them() {
        let outbox = Outbox::new(10);
        assert_eq!(next(&outbox), None);
        outbox.tell(1).unwrap();
        outbox.tell(2).unwrap();
        outbox.take(7, Answer::unknown("x"));
        outbox.end(3);
        outbox.tell(4).unwrap();
        outbox.take(8, Answer::unknown("x"));
        let all: Vec<_> = std::iter::from_fn(|| next(&outbox)).collect();
        assert_eq!(all, ["answered 7", "answered 8", "told 1", "told 2", "last 3"]);
        outbox.take(9, Answer::unknown("x"));
        assert_eq!(next(&outbox).as_deref(), Some("answered 9"), "a log-out is answered late");
    }

    #[test]
    fn too_much_is_refused_and_thrown_away_by_a_failure() {
        let outbox = Outbox::new(2);
        outbox.tell(1).unwrap();
        outbox.tell(2).unwrap();
        assert_eq!(outbox.tell(3), Err(TooMany));
        outbox.fail(Status::aborted("cut off"));
        outbox.end(4);
        assert_eq!(next(&outbox).as_deref(), Some("failed cut off"));
        assert_eq!(next(&outbox), None);
    }

    #[test]
    fn what_is_told_anew_replaces_what_waits() {
        let outbox = Outbox::new(2);
        outbox.tell(1).unwrap();
        outbox.tell(2).unwrap();
        outbox.tell_anew(3);
        assert_eq!(next(&outbox).as_deref(), Some("told 3"));
        assert_eq!(next(&outbox), None);
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken() {
        let outbox = std::sync::Arc::new(Outbox::new(2));
        let reader = outbox.clone();
        let reading =
            TokioRuntime::spawn(async move { matches!(reader.next().await, Next::Told(5)) });
        tokio::task::yield_now().await;
        outbox.tell(5).unwrap();
        assert!(reading.await.unwrap());
    }
}
