//! Passes commands on to the leader.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream;
use openraft_rt::{AsyncRuntime, Select2};
use proto::api::v1::SubmitRequest;
use proto::api::v1::submit_request::Command;
use proto::api::v1::submit_response::Outcome;
use tokio::sync::mpsc;

use super::answer::{Answer, ReplyTo};
use super::inbox::{Class, Submitted};
use super::service::outcome_from_wire;
use crate::peers::{Directory, Peers};
use crate::raft::NodeId;
use crate::rpc::RpcError;
use crate::shutdown::Shutdown;

/// Commands that wait to be passed on.
const QUEUE_MAX: usize = 8_192;
/// Commands in one message.
pub(super) const COMMANDS_PER_MESSAGE_MAX: usize = 1_024;

/// Passes commands on to the leader. Clones share it.
#[derive(Clone)]
pub struct Forwarder {
    queue: mpsc::Sender<(NodeId, Submitted)>,
}

impl Forwarder {
    /// Passes commands on until the shutdown.
    pub fn start<RT: AsyncRuntime>(
        peers: Peers<RT>,
        directory: Directory,
        shutdown: Shutdown,
    ) -> Self {
        let (queue, commands) = mpsc::channel(QUEUE_MAX);
        drop(RT::spawn(pass_on(commands, peers, directory, shutdown)));
        Self { queue }
    }

    /// Passes a command on.
    pub(super) fn forward(&self, leader: NodeId, submitted: Submitted) {
        if let Err(error) = self.queue.try_send((leader, submitted)) {
            let (_, refused) = error.into_inner();
            let words = "too many commands wait to be passed on to the leader; try again";
            refused.reply_to.answer(Answer::unavailable(words, Some(leader)));
        }
    }
}

async fn pass_on<RT: AsyncRuntime>(
    mut commands: mpsc::Receiver<(NodeId, Submitted)>,
    peers: Peers<RT>,
    directory: Directory,
    shutdown: Shutdown,
) {
    let mut link: Option<Link> = None;
    loop {
        let next = {
            let shutdown = pin!(shutdown.wait());
            let next = pin!(commands.recv());
            RT::select2(shutdown, next).await
        };
        let Select2::Second(Some((leader, submitted))) = next else { return };
        let usable = link.take().filter(|link| link.leader == leader && link.is_open());
        let open = match usable {
            Some(open) => open,
            None => match Link::open(&peers, &directory, leader) {
                Some(open) => open,
                None => {
                    let words = "the leader is not a member this node knows";
                    submitted.reply_to.answer(Answer::unavailable(words, Some(leader)));
                    continue;
                }
            },
        };
        open.send(submitted);
        link = Some(open);
    }
}

/// A stream to one leader.
struct Link {
    leader: NodeId,
    commands: mpsc::Sender<Command>,
    waiting: Arc<Mutex<WaitingForAnswers>>,
}

#[derive(Default)]
struct WaitingForAnswers {
    last_tag: u64,
    replies: BTreeMap<u64, ReplyTo>,
}

impl Link {
    fn open<RT: AsyncRuntime>(
        peers: &Peers<RT>,
        directory: &Directory,
        leader: NodeId,
    ) -> Option<Self> {
        let member = directory.get(leader)?;
        let mut client = peers.commands(leader, &member);
        let (commands, queue) = mpsc::channel(QUEUE_MAX);
        let waiting: Arc<Mutex<WaitingForAnswers>> = Arc::default();
        let answered = waiting.clone();
        drop(RT::spawn(async move {
            let why = match client.submit(messages(queue)).await {
                Err(status) => status,
                Ok(response) => {
                    let mut responses = response.into_inner();
                    loop {
                        match responses.message().await {
                            Ok(Some(response)) => give_answers(&answered, response.outcomes),
                            Ok(None) => break tonic::Status::unavailable("the stream ended"),
                            Err(status) => break status,
                        }
                    }
                }
            };
            let replies = {
                let mut answered = answered.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut answered.replies)
            };
            let words = format!("the way to the leader broke: {}", why.message());
            for reply_to in replies.into_values() {
                // Without a connection nothing was sent.
                reply_to.answer(match RpcError::of(&why) {
                    Some(RpcError::Connect { .. }) => Answer::unavailable(&words, Some(leader)),
                    _ => Answer::unknown(&words),
                });
            }
        }));
        Some(Self { leader, commands, waiting })
    }

    fn is_open(&self) -> bool {
        !self.commands.is_closed()
    }

    fn send(&self, submitted: Submitted) {
        let Submitted { submission, class, leads, reply_to } = submitted;
        let tag = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.last_tag += 1;
            let tag = waiting.last_tag;
            waiting.replies.insert(tag, reply_to);
            tag
        };
        let arrival = class == Class::Arrival;
        let sent = self.commands.try_send(Command { tag, submission, arrival, leads });
        if sent.is_err() {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(reply_to) = waiting.replies.remove(&tag) {
                let words = "the way to the leader is congested; try again";
                reply_to.answer(Answer::unavailable(words, Some(self.leader)));
            }
        }
    }
}

/// Messages of whatever waits.
fn messages(queue: mpsc::Receiver<Command>) -> impl futures::Stream<Item = SubmitRequest> {
    stream::unfold(queue, |mut queue| async move {
        let mut commands = Vec::new();
        match queue.recv_many(&mut commands, COMMANDS_PER_MESSAGE_MAX).await {
            0 => None,
            _ => Some((SubmitRequest { commands }, queue)),
        }
    })
}

fn give_answers(waiting: &Mutex<WaitingForAnswers>, outcomes: Vec<Outcome>) {
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    for outcome in outcomes {
        let (tag, answer) = outcome_from_wire(outcome);
        // A tag that is not waited for was answered.
        if let Some(reply_to) = waiting.replies.remove(&tag) {
            reply_to.answer(answer);
        }
    }
}
