//! How commands of one principal reach a node and what becomes of them: over streams, or a call each.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use prost::Message;
use proto::api::v1 as api;
use proto::api::v1::contacts_client::ContactsClient;
use proto::api::v1::work_client::WorkClient;
use proto::stored::v1 as stored;
use proto::stored::v1::contact_command::Command as Contact;
use proto::stored::v1::submission::Command;
use proto::stored::v1::work_command::Command as Work;
use tokio::sync::mpsc;
use tonic::transport::Channel;
use tonic::{Response, Status};

use super::words::broken;
use crate::client::commands::{CommandSink, CommandStream, IN_FLIGHT_MAX};
use crate::client::{Client, ClientError, Identity};
use crate::failure::Failure;
use crate::testbed::{Testbed, no_cluster};

/// Calls at a time over one connection; a node takes 256.
const CALLS_PER_CONNECTION: u64 = 128;
/// How long one call may take: longer than a node waits for a command.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// What became of a command: its tag, and the answer.
pub(super) type Outcome = (u64, api::Answer);

/// A way for the commands of one principal.
pub(super) enum Line {
    /// Streams, each with its share of what is under way.
    Streams {
        streams: Vec<(CommandSink, Vec<(u64, Bytes)>)>,
        outcomes: mpsc::UnboundedReceiver<Result<Vec<Outcome>, ClientError>>,
    },
    /// A call for each command, by turns over these connections.
    Calls {
        connections: Vec<Channel>,
        under_way: FuturesUnordered<BoxFuture<'static, Result<Outcome, Status>>>,
    },
}

impl Line {
    /// Opens as many streams to a node as are needed for so many commands under way.
    pub(super) async fn streams(
        client: &Client,
        node: usize,
        in_flight: u64,
    ) -> Result<Self, Failure> {
        // As many as are under way at most: nobody sends more than one for each answer.
        let (to, outcomes) = mpsc::unbounded_channel();
        let mut streams = Vec::new();
        for _ in 0..in_flight.div_ceil(IN_FLIGHT_MAX as u64).max(1) {
            let channel = client.node(node).ok_or_else(|| no_cluster(&ClientError::NoEndpoint))?;
            let stream = CommandStream::open(channel).await.map_err(|error| broken(&error))?;
            let (sink, mut answers) = stream.split();
            let to = to.clone();
            tokio::spawn(async move {
                loop {
                    let next = answers.next().await;
                    let over = next.is_err();
                    if to.send(next).is_err() || over {
                        return;
                    }
                }
            });
            streams.push((sink, Vec::new()));
        }
        Ok(Self::Streams { streams, outcomes })
    }

    /// Opens as many connections to a node as are needed for so many calls under way.
    pub(super) fn calls(
        testbed: &Testbed,
        identity: &Identity,
        node: usize,
        in_flight: u64,
    ) -> Result<Self, Failure> {
        let count = in_flight.div_ceil(CALLS_PER_CONNECTION).max(1);
        let connection = |_| {
            let channel = testbed.connect(identity)?.node(node);
            channel.ok_or_else(|| no_cluster(&ClientError::NoEndpoint))
        };
        let connections: Result<_, _> = (0..count).map(connection).collect();
        Ok(Self::Calls { connections: connections?, under_way: FuturesUnordered::new() })
    }

    /// A command, to be sent with the next flush.
    pub(super) fn put(&mut self, tag: u64, principal: &str, command: Command) {
        match self {
            Self::Streams { streams, .. } => {
                let submission = stored::Submission {
                    principal: principal.to_owned(),
                    command: Some(command),
                    ..Default::default()
                };
                let at = (tag % streams.len() as u64) as usize;
                streams[at].1.push((tag, submission.encode_to_vec().into()));
            }
            Self::Calls { connections, under_way } => {
                let at = (tag % connections.len() as u64) as usize;
                under_way.push(call(tag, connections[at].clone(), command));
            }
        }
    }

    /// Sends what was put in.
    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        if let Self::Streams { streams, .. } = self {
            for (sink, waiting) in streams {
                sink.send(waiting.drain(..)).await.map_err(|error| broken(&error))?;
            }
        }
        Ok(())
    }

    /// The next outcomes; at least one. May be given up and called again.
    pub(super) async fn next(&mut self) -> Result<Vec<Outcome>, Failure> {
        match self {
            Self::Streams { outcomes, .. } => match outcomes.recv().await {
                Some(outcomes) => outcomes.map_err(|error| broken(&error)),
                None => std::future::pending().await,
            },
            Self::Calls { under_way, .. } => match under_way.next().await {
                Some(Ok(outcome)) => Ok(vec![outcome]),
                Some(Err(status)) => {
                    let last = format!("{:?}: {}", status.code(), status.message());
                    Err(broken(&ClientError::Unknown { last }))
                }
                None => std::future::pending().await,
            },
        }
    }
}

/// Calls the method for a command.
fn call(
    tag: u64,
    channel: Channel,
    command: Command,
) -> BoxFuture<'static, Result<Outcome, Status>> {
    let answer = async move {
        match command {
            Command::Contact(stored::ContactCommand { command: Some(Contact::Enqueue(asked)) }) => {
                ContactsClient::new(channel).enqueue(asked).await
            }
            Command::Contact(stored::ContactCommand { command: Some(Contact::HangUp(asked)) }) => {
                ContactsClient::new(channel).hang_up(asked).await
            }
            Command::Work(stored::WorkCommand { command: Some(Work::Accept(asked)) }) => {
                WorkClient::new(channel).accept(asked).await
            }
            Command::Work(stored::WorkCommand { command: Some(Work::Complete(asked)) }) => {
                WorkClient::new(channel).complete(asked).await
            }
            _ => Err(Status::unimplemented("no load has such a command")),
        }
    };
    Box::pin(async move {
        let answer = tokio::time::timeout(CALL_TIMEOUT, answer).await;
        let answer = answer.map_err(|_| Status::deadline_exceeded("no answer in time"))?;
        answer.map(Response::into_inner).map(|answer| (tag, answer))
    })
}
