//! A stream of commands to one node: many in flight, outcomes as they become known.

use bytes::Bytes;
use futures::stream;
use proto::api::v1 as api;
use proto::api::v1::commands_client::CommandsClient;
use proto::api::v1::submit_request::Command;
use tokio::sync::mpsc;
use tonic::Streaming;
use tonic::transport::Channel;

use super::{ClientError, failed, is_elsewhere, words};

/// Commands that one stream has in flight; a node reads no more until some are answered.
pub const IN_FLIGHT_MAX: usize = 4_096;
/// Commands in one message.
const PER_MESSAGE_MAX: usize = 1_024;
/// Messages on their way to the connection.
const MESSAGES_WAITING_MAX: usize = 16;

/// A stream of commands of one principal. Who opens it keeps at most [`IN_FLIGHT_MAX`] commands
/// without an answer.
#[derive(Debug)]
pub struct CommandStream {
    sink: CommandSink,
    outcomes: Outcomes,
}

/// The part of a stream that sends.
#[derive(Debug)]
pub struct CommandSink {
    requests: mpsc::Sender<api::SubmitRequest>,
}

/// The part of a stream that is answered.
#[derive(Debug)]
pub struct Outcomes {
    responses: Streaming<api::SubmitResponse>,
}

impl CommandStream {
    /// Opens a stream to a node.
    pub async fn open(channel: Channel) -> Result<Self, ClientError> {
        let (requests, waiting) = mpsc::channel(MESSAGES_WAITING_MAX);
        let waiting =
            stream::unfold(
                waiting,
                |mut waiting| async move { Some((waiting.recv().await?, waiting)) },
            );
        let responses = CommandsClient::new(channel).submit(waiting).await;
        let responses = responses.map_err(|status| failed(&status))?.into_inner();
        Ok(Self { sink: CommandSink { requests }, outcomes: Outcomes { responses } })
    }

    /// Both parts, for who sends and waits at the same time.
    pub fn split(self) -> (CommandSink, Outcomes) {
        (self.sink, self.outcomes)
    }

    /// As [`CommandSink::send`].
    pub async fn send(
        &self,
        commands: impl IntoIterator<Item = (u64, Bytes)>,
    ) -> Result<(), ClientError> {
        self.sink.send(commands).await
    }

    /// As [`Outcomes::next`].
    pub async fn next(&mut self) -> Result<Vec<(u64, api::Answer)>, ClientError> {
        self.outcomes.next().await
    }
}

impl CommandSink {
    /// Sends encoded submissions, each with the tag that names its outcome. They take effect in
    /// this order.
    ///
    /// # Errors
    ///
    /// The stream is over; what was in flight may or may not be carried out.
    pub async fn send(
        &self,
        commands: impl IntoIterator<Item = (u64, Bytes)>,
    ) -> Result<(), ClientError> {
        let mut commands = commands.into_iter().map(|(tag, submission)| Command {
            tag,
            submission,
            arrival: false,
            leads: false,
        });
        loop {
            let commands: Vec<_> = commands.by_ref().take(PER_MESSAGE_MAX).collect();
            if commands.is_empty() {
                return Ok(());
            }
            let sent = self.requests.send(api::SubmitRequest { commands }).await;
            sent.map_err(|_| over("the stream of commands is over".to_owned()))?;
        }
    }
}

impl Outcomes {
    /// The next outcomes, by tag. May be given up at any moment: nothing is lost.
    ///
    /// # Errors
    ///
    /// As of [`CommandSink::send`].
    pub async fn next(&mut self) -> Result<Vec<(u64, api::Answer)>, ClientError> {
        match self.responses.message().await {
            Ok(Some(response)) => {
                let outcomes = response.outcomes.into_iter();
                Ok(outcomes.map(|o| (o.tag, o.answer.unwrap_or_default())).collect())
            }
            Ok(None) => Err(over("the node has ended the stream of commands".to_owned())),
            Err(status) if is_elsewhere(&status) => Err(over(words(&status))),
            Err(status) => Err(failed(&status)),
        }
    }
}

fn over(last: String) -> ClientError {
    ClientError::Unknown { last }
}
