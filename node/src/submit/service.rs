//! The stream of commands, from clients and from nodes that pass commands on.

use std::collections::VecDeque;
use std::pin::pin;

use acd::codec::{decode_submission, reply_from_stored, reply_to_stored};
use futures::stream::{self, BoxStream};
use openraft_rt::{AsyncRuntime, Instant as _, Select3};
use proto::api::v1 as api;
use proto::api::v1::answer::{Answer as Wire, Committed, Refused, Unavailable, Unknown};
use proto::api::v1::commands_server::Commands;
use proto::api::v1::submit_request::Command;
use proto::api::v1::submit_response::Outcome;
use proto::api::v1::{SubmitRequest, SubmitResponse};
use tokio::sync::mpsc::{self, UnboundedSender};
use tonic::{Request, Response, Status, Streaming};

use super::answer::{Answer, ReplyTo};
use super::door::{COMMAND_DEADLINE, Door, SESSION_MISSING};
use super::forward::COMMANDS_PER_MESSAGE_MAX;
use super::inbox::{Class, Submitted, leads_its_entry};
use crate::identity;
use crate::peers::Directory;
use crate::rpc::Caller;
use crate::shutdown::Shutdown;

/// Commands of one stream without an answer; more are not read.
const IN_FLIGHT_MAX: usize = 4_096;
/// Bytes of a command, twice what the largest has. What a command says is bounded by `acd`, but it is
/// kept as it came, with fields that nobody knows.
const SUBMISSION_BYTES_MAX: usize = 128 << 10;
/// Messages of answers that may wait for a slow client; then its commands are not read.
const RESPONSES_WAITING_MAX: usize = 16;

/// Answers the stream of commands.
pub struct CommandsService<RT: AsyncRuntime> {
    /// Where commands go.
    pub door: Door<RT>,
    /// Who is a node.
    pub directory: Directory,
    /// The end.
    pub shutdown: Shutdown,
}

/// Who is at the other end.
enum Client {
    /// A node that passes on what others, whom it authenticated, want.
    Node,
    /// Anybody else, for itself.
    Other(Caller),
}

#[tonic::async_trait]
impl<RT: AsyncRuntime> Commands for CommandsService<RT> {
    type SubmitStream = BoxStream<'static, Result<SubmitResponse, Status>>;

    async fn submit(
        &self,
        request: Request<Streaming<SubmitRequest>>,
    ) -> Result<Response<Self::SubmitStream>, Status> {
        let caller = request.extensions().get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| Status::unauthenticated("no certificate"))?;
        let client = if identity::node_of(&caller.principal).is_some() {
            self.directory.check_peer(Some(&caller), request.metadata())?;
            Client::Node
        } else {
            Client::Other(caller)
        };
        let (responses, out) = mpsc::channel(RESPONSES_WAITING_MAX);
        let (answers_to, answers) = mpsc::unbounded_channel();
        let session = Session::<RT> {
            door: self.door.clone(),
            client,
            requests: request.into_inner(),
            answers_to,
            answers,
            responses,
            deadlines: VecDeque::new(),
            ended: false,
        };
        let shutdown = self.shutdown.clone();
        drop(RT::spawn(async move {
            let shutdown = pin!(shutdown.wait());
            let session = pin!(session.run());
            RT::select2(shutdown, session).await;
        }));
        let out = stream::unfold(out, |mut out| async move { Some((out.recv().await?, out)) });
        Ok(Response::new(Box::pin(out)))
    }
}

struct Session<RT: AsyncRuntime> {
    door: Door<RT>,
    client: Client,
    requests: Streaming<SubmitRequest>,
    answers_to: UnboundedSender<(u64, Answer)>,
    answers: mpsc::UnboundedReceiver<(u64, Answer)>,
    responses: mpsc::Sender<Result<SubmitResponse, Status>>,
    /// Commands without an answer, oldest first: tag, and when it will be unknown. None: answered.
    deadlines: VecDeque<(Option<u64>, RT::Instant)>,
    /// No more commands come.
    ended: bool,
}

impl<RT: AsyncRuntime> Session<RT> {
    async fn run(mut self) {
        loop {
            if self.ended && self.deadlines.is_empty() {
                return;
            }
            let may_read = !self.ended && self.deadlines.len() < IN_FLIGHT_MAX;
            let due = self.deadlines.front().map(|(_, due)| *due);
            let mut outcomes = Vec::new();
            let next = {
                let answer = pin!(self.answers.recv());
                let requests = &mut self.requests;
                let request = pin!(async {
                    match may_read {
                        true => requests.message().await,
                        false => std::future::pending().await,
                    }
                });
                let timer = pin!(async {
                    match due {
                        Some(due) => RT::sleep_until(due).await,
                        None => std::future::pending().await,
                    }
                });
                RT::select3(answer, request, timer).await
            };
            match next {
                Select3::First(Some(first)) => {
                    self.answered(first, &mut outcomes);
                    while outcomes.len() < COMMANDS_PER_MESSAGE_MAX
                        && let Ok(more) = self.answers.try_recv()
                    {
                        self.answered(more, &mut outcomes);
                    }
                }
                // This session holds a sender.
                Select3::First(None) => return,
                Select3::Second(Ok(Some(SubmitRequest { commands }))) => {
                    if commands.len() > COMMANDS_PER_MESSAGE_MAX {
                        let words =
                            format!("a message has at most {COMMANDS_PER_MESSAGE_MAX} commands");
                        // The client is gone, or told.
                        let _ = self.responses.send(Err(Status::invalid_argument(words))).await;
                        return;
                    }
                    for command in commands {
                        self.take_in(command);
                    }
                }
                Select3::Second(Ok(None)) => self.ended = true,
                // The client is gone; so are its answers.
                Select3::Second(Err(_)) => return,
                Select3::Third(()) => {
                    if let Some((Some(tag), _)) = self.deadlines.pop_front() {
                        let answer = Answer::unknown("no answer in time");
                        outcomes.push(outcome_to_wire(tag, answer));
                        self.forget_answered();
                    }
                }
            }
            if !outcomes.is_empty() {
                let response = SubmitResponse { outcomes };
                if self.responses.send(Ok(response)).await.is_err() {
                    return;
                }
            }
        }
    }

    fn answered(&mut self, (tag, answer): (u64, Answer), outcomes: &mut Vec<Outcome>) {
        let waiting = self.deadlines.iter_mut().find(|(waiting, _)| *waiting == Some(tag));
        // One that is not waited for any more was said to be unknown.
        if let Some((waiting, _)) = waiting {
            *waiting = None;
            outcomes.push(outcome_to_wire(tag, answer));
            self.forget_answered();
        }
    }

    /// After each answer: they come about in the order of the commands, so that the next one that
    /// is answered is looked for at the front.
    fn forget_answered(&mut self) {
        while matches!(self.deadlines.front(), Some((None, _))) {
            self.deadlines.pop_front();
        }
    }

    fn take_in(&mut self, command: Command) {
        let Command { tag, submission, arrival, leads } = command;
        let reply_to = ReplyTo::new(tag, self.answers_to.clone());
        self.deadlines.push_back((Some(tag), RT::Instant::now() + COMMAND_DEADLINE));
        let caller = match &self.client {
            Client::Node => {
                let class = if arrival { Class::Arrival } else { Class::Work };
                self.door.submit_forwarded(Submitted { submission, class, leads, reply_to });
                return;
            }
            Client::Other(caller) => caller,
        };
        if submission.len() > SUBMISSION_BYTES_MAX {
            let words = format!("a command has at most {SUBMISSION_BYTES_MAX} bytes");
            return self.door.refuse(reply_to, "malformed", words);
        }
        let decoded = match decode_submission(&submission) {
            Ok(decoded) => decoded,
            Err(refusal) => {
                return self.door.refuse(reply_to, refusal.code(), refusal.to_string());
            }
        };
        if decoded.principal != caller.principal {
            let words = format!("{} may not speak for {}", caller.principal, decoded.principal);
            return self.door.refuse(reply_to, "not-yours", words);
        }
        // What an old desktop of an agent does must not count once there is another.
        if matches!(decoded.command, acd::command::Command::Work(_))
            && decoded.session.is_none()
            && !self.door.is_gateway(&caller.principal)
        {
            let words = "an agent says from which session it acts: the session is missing";
            return self.door.refuse(reply_to, SESSION_MISSING, words.to_owned());
        }
        self.door.submit(Submitted {
            submission,
            class: Class::of(&decoded.command),
            leads: leads_its_entry(&decoded.command),
            reply_to,
        });
    }
}

/// An answer as it is sent.
pub fn answer_to_wire(answer: Answer) -> api::Answer {
    let answer = match answer {
        Answer::Committed { index, reply } => {
            Wire::Committed(Committed { index, reply: Some(reply_to_stored(&reply)) })
        }
        Answer::Refused { index, code, message } => Wire::Refused(Refused { index, code, message }),
        Answer::Unavailable { message, leader } => {
            Wire::Unavailable(Unavailable { message, leader })
        }
        Answer::Unknown { message } => Wire::Unknown(Unknown { message }),
    };
    api::Answer { answer: Some(answer) }
}

fn outcome_to_wire(tag: u64, answer: Answer) -> Outcome {
    Outcome { tag, answer: Some(answer_to_wire(answer)) }
}

/// An answer as it was sent. One that cannot be read leaves the outcome unknown.
pub fn answer_from_wire(answer: Option<api::Answer>) -> Answer {
    match answer.and_then(|answer| answer.answer) {
        Some(Wire::Committed(Committed { index, reply })) => {
            match reply_from_stored(reply.unwrap_or_default()) {
                Ok(reply) => Answer::Committed { index, reply },
                Err(error) => Answer::unknown(&format!("carried out, with a reply that {error}")),
            }
        }
        Some(Wire::Refused(Refused { index, code, message })) => {
            Answer::Refused { index, code, message }
        }
        Some(Wire::Unavailable(Unavailable { message, leader })) => {
            Answer::Unavailable { message, leader }
        }
        Some(Wire::Unknown(Unknown { message })) => Answer::Unknown { message },
        None => Answer::unknown("an answer that this program does not know"),
    }
}

/// What became of a command of a stream, with its tag.
pub fn outcome_from_wire(outcome: Outcome) -> (u64, Answer) {
    (outcome.tag, answer_from_wire(outcome.answer))
}
