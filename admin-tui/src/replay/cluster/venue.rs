//! A cluster as the people of a log meet it.

use std::collections::BTreeMap;

use acd::command::Submission;
use acd::event::Event;
use acd::ids::ContactId;
use acd::reply::Reply;
use acd::time::LogTime;
use proto::api::v1 as api;
use proto::api::v1::reads_client::ReadsClient;

use super::lines::{Exchanged, Fate, Lines};
use crate::client::{ClientError, answer_bytes_max};
use crate::failure::{ErrorCode, Failure};
use crate::replay::play::{Turn, Venue};
use crate::testbed::no_cluster;

impl Venue for Lines {
    type Error = Failure;

    /// Mostly known already: every command is followed by the question.
    async fn next_deadline(&mut self) -> Result<Option<LogTime>, Failure> {
        if let Some((index, due)) = self.due
            && index > self.changed
        {
            return Ok(due);
        }
        let question = [self.advance(self.now)];
        let exchanged = self.exchange(&question).await?;
        self.note_due(&exchanged.fates)?;
        Ok(self.due.and_then(|(_, due)| due))
    }

    async fn let_pass(&mut self, now: LogTime) -> Result<Vec<Event>, Failure> {
        let time = [self.advance(now)];
        let Exchanged { fates, .. } = self.exchange(&time).await?;
        self.note_due(&fates)?;
        self.now = now;
        let index = last_index(&fates);
        // What was due may be of no consequence.
        self.learn(index, false).await
    }

    async fn ask(&mut self, now: LogTime, submission: Submission) -> Result<Turn, Failure> {
        let time_moves = now > self.now;
        let same_stream = submission.principal == self.desk;
        // What one principal asks takes effect in its order; time must have moved before anybody
        // else does something.
        let mut together = Vec::with_capacity(3);
        if time_moves {
            together.push(self.advance(now));
            if !same_stream {
                let moved = self.exchange(&together).await?;
                self.note_due(&moved.fates)?;
                together.clear();
            }
        }
        let at = together.len();
        together.push(submission);
        // What is due next is asked along with it. If that overtakes a command of somebody else, it
        // is asked again.
        together.push(self.advance(now));
        let Exchanged { mut fates, first_try } = self.exchange(&together).await?;
        self.now = now;
        let question = fates.split_off(at + 1);
        let Some(fate) = fates.pop() else { return Err(no_cluster(&ClientError::NoEndpoint)) };
        self.note_due(&fates)?;
        self.changed = fate.index();
        self.note_due(&question)?;
        Ok(match fate {
            Fate::Committed { index, .. } => {
                Turn { refused: None, events: self.learn(index, first_try).await? }
            }
            Fate::Refused { index, code, .. } => {
                Turn { refused: Some(code), events: self.learn(index, false).await? }
            }
        })
    }

    async fn why_it_waits(
        &mut self,
        contact: &ContactId,
    ) -> Result<BTreeMap<String, u32>, Failure> {
        let mut client = ReadsClient::new(self.operator_channel()?)
            .max_decoding_message_size(answer_bytes_max());
        let request =
            api::ExplainContactRequest { linearizable: true, contact: contact.as_str().to_owned() };
        let excluded = match client.explain_contact(request).await {
            Ok(answer) => answer.into_inner().excluded,
            // It was turned away at once.
            Err(status) if status.code() == tonic::Code::NotFound => Vec::new(),
            Err(status) => {
                let last = status.message().to_owned();
                return Err(no_cluster(&ClientError::Unknown { last }));
            }
        };
        let mut rules = BTreeMap::new();
        for exclusion in excluded {
            *rules.entry(exclusion.rule).or_default() += exclusion.agents;
        }
        Ok(rules)
    }
}

impl Lines {
    /// Takes over what answers to movements of time say is due next.
    fn note_due(&mut self, fates: &[Fate]) -> Result<(), Failure> {
        for fate in fates {
            match fate {
                Fate::Committed { index, reply: Reply::Time { next_deadline, .. } } => {
                    self.due = Some((*index, *next_deadline));
                }
                Fate::Committed { .. } => {}
                Fate::Refused { code, message, .. } => {
                    return Err(Failure {
                        code: ErrorCode::NotForReplay,
                        what: "the cluster does not let its time be moved".into(),
                        why: format!("{code}: {message}"),
                        remedy: "use a cluster that nobody else uses, or leave --identity out"
                            .into(),
                    });
                }
            }
        }
        Ok(())
    }
}

fn last_index(fates: &[Fate]) -> u64 {
    fates.iter().map(Fate::index).max().unwrap_or_default()
}
