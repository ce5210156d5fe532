//! What a client is told of a command.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use acd::reply::Reply;
use tokio::sync::mpsc::UnboundedSender;

use super::tally::{Origin, SubmitTally};
use crate::raft::NodeId;

/// What became of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Carried out, and on disk at a majority.
    Committed {
        /// Index of its entry.
        index: u64,
        /// The answer.
        reply: Reply,
    },
    /// Refused; nothing changed.
    Refused {
        /// Index of its entry; 0 if it never got into the log.
        index: u64,
        /// A stable code, explained in docs/errors.md.
        code: String,
        /// Words.
        message: String,
    },
    /// Not put into the log: it may be tried again.
    Unavailable {
        /// Why.
        message: String,
        /// Who leads, if that is known.
        leader: Option<NodeId>,
    },
    /// May or may not have been carried out, or be carried out yet. It may be repeated with the
    /// same ids.
    Unknown {
        /// Why.
        message: String,
    },
}

impl Answer {
    /// Not put into the log.
    pub fn unavailable(message: &str, leader: Option<NodeId>) -> Self {
        Self::Unavailable { message: message.into(), leader }
    }

    /// Nobody can tell now.
    pub fn unknown(message: &str) -> Self {
        Self::Unknown { message: message.into() }
    }
}

/// Takes answers to commands, whoever gives them.
pub trait TakeAnswers: Send + Sync {
    /// Takes the answer to the command with this tag. Must be brief.
    fn take(&self, tag: u64, answer: Answer);
}

enum To {
    Channel(UnboundedSender<(u64, Answer)>),
    Taker(Arc<dyn TakeAnswers>),
}

/// Where the answer to a command goes. It is always given: one that is dropped says that the
/// outcome is unknown.
pub struct ReplyTo {
    tag: u64,
    to: Option<To>,
    /// Where it is counted, and since when, once the command has come in.
    counted: Option<(Arc<SubmitTally>, Origin, Duration)>,
}

impl fmt::Debug for ReplyTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyTo").field("tag", &self.tag).finish_non_exhaustive()
    }
}

impl ReplyTo {
    /// The answer goes into `to` under `tag`. The receiver bounds how many commands it has under
    /// way, and with it the length of the channel.
    pub fn new(tag: u64, to: UnboundedSender<(u64, Answer)>) -> Self {
        Self { tag, to: Some(To::Channel(to)), counted: None }
    }

    /// The answer goes to somebody who bounds how many commands are under way.
    pub fn taken_by(taker: Arc<dyn TakeAnswers>, tag: u64) -> Self {
        Self { tag, to: Some(To::Taker(taker)), counted: None }
    }

    /// The answer is counted as that to a command of this origin.
    pub(super) fn count(&mut self, tally: &Arc<SubmitTally>, origin: Origin) {
        self.counted = Some((tally.clone(), origin, tally.now()));
    }

    /// Gives the answer.
    pub fn answer(mut self, answer: Answer) {
        self.send(answer);
    }

    fn send(&mut self, answer: Answer) {
        let Some(to) = self.to.take() else { return };
        if let Some((tally, origin, since)) = &self.counted {
            tally.answered(*origin, *since, &answer);
        }
        match to {
            To::Channel(to) => {
                // Whoever asked is gone.
                let _ = to.send((self.tag, answer));
            }
            To::Taker(taker) => taker.take(self.tag, answer),
        }
    }
}

impl Drop for ReplyTo {
    fn drop(&mut self) {
        self.send(Answer::unknown("the node ended before it had an answer"));
    }
}
