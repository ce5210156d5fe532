//! A stream after its opening: requests come in, answers and what happens go out.
//!
//! It is driven by whoever sends its messages (hyper's task of the stream): a party that is idle
//! has no task and no timer of its own, and one that does not read is not heard either.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

use acd::codec::decode_submission;
use acd::rejection::Rejection;
use bytes::Bytes;
use openraft_rt::{AsyncRuntime, Instant as _, Select3};
use prost::Message as _;
use proto::stored::v1 as stored;
use tonic::{Status, Streaming};

use super::outbox::{Next, Outbox};
use super::streams::Submit;
use crate::submit::{Answer, COMMAND_DEADLINE, Class, ReplyTo, Submitted, leads_its_entry};

/// What comes next of a stream.
pub(super) enum Happened<Q, M> {
    /// The party asks for something.
    Asked(Q),
    /// A request was answered: which, in the order in which they were submitted; its tag.
    Answered { number: u64, tag: u64, answer: Answer },
    /// Something happened.
    Told(M),
    /// Nothing follows this but answers.
    Last(M),
    /// The stream fails.
    Failed(Status),
    /// The party asks for nothing more, and everything is answered.
    Gone,
}

/// A stream after its opening.
pub(super) struct Exchange<RT: AsyncRuntime, Q, M> {
    requests: Streaming<Q>,
    outbox: Arc<Outbox<M>>,
    submit: Submit,
    /// Requests without an answer, oldest first: tag, and when it will be unknown. None: answered.
    under_way: VecDeque<(Option<u64>, RT::Instant)>,
    /// The number of the first of them.
    first: u64,
    under_way_max: usize,
    /// No more requests come.
    is_silent: bool,
}

impl<RT: AsyncRuntime, Q, M: Send + 'static> Exchange<RT, Q, M> {
    /// Over `under_way_max` requests without an answer, no more are read.
    pub(super) fn new(
        requests: Streaming<Q>,
        outbox: Arc<Outbox<M>>,
        submit: Submit,
        under_way_max: usize,
    ) -> Self {
        let under_way = VecDeque::new();
        Self { requests, outbox, submit, under_way, first: 0, under_way_max, is_silent: false }
    }

    /// Submits a command; its number.
    ///
    /// # Errors
    ///
    /// Gives the refusal of what is not a proper command.
    pub(super) fn submit(
        &mut self,
        tag: u64,
        submission: &stored::Submission,
    ) -> Result<u64, Answer> {
        let bytes: Bytes = submission.encode_to_vec().into();
        let command = decode_submission(&bytes).map_err(|why| refusal(&why))?.command;
        let number = self.first + self.under_way.len() as u64;
        self.under_way.push_back((Some(tag), RT::Instant::now() + COMMAND_DEADLINE));
        (self.submit)(Submitted {
            submission: bytes,
            class: Class::of(&command),
            leads: leads_its_entry(&command),
            reply_to: ReplyTo::taken_by(self.outbox.clone(), number),
        });
        Ok(number)
    }

    /// Waits for what comes next. Dropped before it is ready, it loses nothing.
    pub(super) async fn next(&mut self) -> Happened<Q, M> {
        loop {
            if self.is_silent && self.under_way.is_empty() {
                return Happened::Gone;
            }
            let may_read = !self.is_silent && self.under_way.len() < self.under_way_max;
            let due = self.under_way.front().map(|(_, due)| *due);
            let next = {
                let requests = &mut self.requests;
                // First: so many requests may be under way and no more, so it starves nobody.
                let request = pin!(async {
                    match may_read {
                        true => requests.message().await,
                        false => std::future::pending().await,
                    }
                });
                let told = pin!(self.outbox.next());
                let timer = pin!(async {
                    match due {
                        Some(due) => RT::sleep_until(due).await,
                        None => std::future::pending().await,
                    }
                });
                RT::select3(request, told, timer).await
            };
            match next {
                Select3::First(Ok(Some(request))) => return Happened::Asked(request),
                Select3::First(Ok(None)) => self.is_silent = true,
                // The party is gone, or sent what is no message.
                Select3::First(Err(status)) => return Happened::Failed(status),
                Select3::Second(Next::Told(message)) => return Happened::Told(message),
                Select3::Second(Next::Last(message)) => return Happened::Last(message),
                Select3::Second(Next::Failed(status)) => return Happened::Failed(status),
                Select3::Second(Next::Answered(number, answer)) => {
                    if let Some(tag) = self.answered(number) {
                        return Happened::Answered { number, tag, answer };
                    }
                }
                Select3::Third(()) => {
                    let number = self.first;
                    if let Some(tag) = self.answered(number) {
                        let answer = Answer::unknown("no answer in time");
                        return Happened::Answered { number, tag, answer };
                    }
                }
            }
        }
    }

    /// The tag of a request that is answered now. None: it was said to be unknown.
    fn answered(&mut self, number: u64) -> Option<u64> {
        let at = number.checked_sub(self.first)?;
        let (waiting, _) = self.under_way.get_mut(usize::try_from(at).ok()?)?;
        let tag = waiting.take();
        while let Some((None, _)) = self.under_way.front() {
            self.under_way.pop_front();
            self.first += 1;
        }
        if self.under_way.is_empty() {
            // The memory, too: most of the time nothing is under way.
            self.under_way = VecDeque::new();
        }
        tag
    }
}

/// The answer to what was refused before it got into the log.
pub(super) fn refusal(why: &Rejection) -> Answer {
    Answer::Refused { index: 0, code: why.code().to_owned(), message: why.to_string() }
}

/// A submission, as it is stored.
pub(super) fn submission(
    principal: &str,
    session: Option<u64>,
    command: stored::submission::Command,
) -> stored::Submission {
    let principal = principal.to_owned();
    stored::Submission { principal, session, request: None, reason: None, command: Some(command) }
}

/// The index an answer is about.
pub(super) fn index_of(answer: &Answer) -> u64 {
    match answer {
        Answer::Committed { index, .. } | Answer::Refused { index, .. } => *index,
        Answer::Unavailable { .. } | Answer::Unknown { .. } => 0,
    }
}
