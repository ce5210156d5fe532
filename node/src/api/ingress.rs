//! Streams of front ends: as long as one is open on any node, the media of its contacts is there.
//!
//! A contact belongs to the principal that put it in. A gateway may attach for a front end and do
//! everything with that one's contacts; what it put in itself would be its own, and this stream
//! would neither tell of it nor keep it from stranding. So on a stream for somebody else `enqueue`
//! is refused, and a gateway that has contacts of its own attaches under its own name.

use std::sync::Arc;

use acd::command::{ContactCommand, HeldContact, Submission};
use acd::ids::{ContactId, OfferToken, PrincipalId};
use acd::limits::REATTACH_CONTACTS_MAX;
use acd::rejection::Rejection;
use acd::reply::Reply;
use acd::roles::{Role, Roles};
use futures::stream::{self, BoxStream};
use openraft_rt::AsyncRuntime;
use proto::api::v1::ingress_event::{Answered, Attached, Event};
use proto::api::v1::ingress_request::{Attach, Request as Asked};
use proto::api::v1::ingress_server::Ingress;
use proto::api::v1::{IngressEvent, IngressRequest};
use proto::stored::v1 as stored;
use proto::stored::v1::contact_command::Command as StoredCommand;
use tonic::{Request, Response, Status, Streaming};

use super::exchange::{Exchange, Happened, index_of, refusal, submission};
use super::hub::{INGRESS_WAITING_MAX, LinePlace, NoPlace, STREAMS_PER_INGRESS_MAX};
use super::outbox::Outbox;
use super::streams::{Shared, caller, first_message, not_opened};
use crate::submit::{Answer, answer_to_wire, ask};

/// Commands of one stream without an answer; more are not read.
const UNDER_WAY_MAX: usize = 4_096;

/// Answers front ends.
pub struct IngressService<RT: AsyncRuntime> {
    pub(super) shared: Arc<Shared<RT>>,
}

#[tonic::async_trait]
impl<RT: AsyncRuntime> Ingress for IngressService<RT> {
    type AttachStream = BoxStream<'static, Result<IngressEvent, Status>>;

    async fn attach(
        &self,
        request: Request<Streaming<IngressRequest>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let caller = caller(&request)?;
        let opening =
            Opening { shared: self.shared.clone(), caller, requests: request.into_inner() };
        let phase = Phase::Opening(Box::new(opening));
        Ok(Response::new(Box::pin(stream::unfold(phase, Phase::next))))
    }
}

/// Where a stream is in its life.
enum Phase<RT: AsyncRuntime> {
    Opening(Box<Opening<RT>>),
    Open(Box<FrontEnd<RT>>),
    Over,
}

impl<RT: AsyncRuntime> Phase<RT> {
    async fn next(self) -> Option<(Result<IngressEvent, Status>, Self)> {
        let mut front_end = match self {
            Self::Opening(opening) => match Box::pin(opening.open()).await {
                Ok((attached, front_end)) => {
                    return Some((Ok(attached), Self::Open(Box::new(front_end))));
                }
                Err(status) => return Some((Err(status), Self::Over)),
            },
            Self::Open(front_end) => front_end,
            Self::Over => return None,
        };
        let next = front_end.next().await?;
        Some((next, if front_end.is_over { Self::Over } else { Self::Open(front_end) }))
    }
}

struct Opening<RT: AsyncRuntime> {
    shared: Arc<Shared<RT>>,
    caller: PrincipalId,
    requests: Streaming<IngressRequest>,
}

impl<RT: AsyncRuntime> Opening<RT> {
    async fn open(mut self: Box<Self>) -> Result<(IngressEvent, FrontEnd<RT>), Status> {
        let first = first_message::<RT, _>(&mut self.requests).await?;
        let Some(Asked::Attach(Attach { ingress, held })) = first.request else {
            return Err(Status::invalid_argument("the first message is `attach`"));
        };
        let invalid = |why: Rejection| Status::invalid_argument(why.to_string());
        let ingress = PrincipalId::new(&ingress).map_err(invalid)?;
        let held = held_contacts(held).map_err(invalid)?;
        let admitted = self.shared.attachments.enter().await?;
        let attaching = self.shared.hub.attaching(ingress.clone());
        let mut attaching = attaching.map_err(|why| match why {
            NoPlace::TooMany => Status::resource_exhausted(format!(
                "{ingress} has {STREAMS_PER_INGRESS_MAX} streams to this node; close one"
            )),
            NoPlace::Closed => Status::unavailable("this node is ending; try another"),
        })?;
        // Whether the caller may, the state machine decides: the front end itself, or a gateway.
        let attach = ContactCommand::Attach { ingress: ingress.clone(), node: self.shared.node };
        let attach = Submission::new(self.caller.clone(), attach.into());
        attaching.sent();
        let mut in_doubt = false;
        let answer = self.shared.insist(&attach, |answer| {
            in_doubt |= matches!(answer, Answer::Unknown { .. });
        });
        let answer = answer.await;
        if !in_doubt {
            attaching.answered();
        }
        let Answer::Committed { index, reply: Reply::Done } = answer else {
            return Err(not_opened(answer));
        };
        drop(admitted);
        self.shared.applied(index).await?;
        let outbox = Arc::new(Outbox::new(INGRESS_WAITING_MAX));
        let place = attaching.take_place(outbox.clone()).ok_or_else(|| {
            Status::unavailable("the cluster took this node for lost; attach to another")
        })?;
        // What comes of it is told: the stream has its place.
        let verdicts = match held.is_empty() {
            true => Answer::Committed { index, reply: Reply::Verdicts(Vec::new()) },
            false => {
                let reattach = ContactCommand::Reattach { contacts: held };
                let reattach = Submission::new(self.caller.clone(), reattach.into());
                ask::<RT>(|submitted| (self.shared.submit)(submitted), &reattach).await
            }
        };
        tracing::debug!(%ingress, caller = %self.caller, "stream of a front end open");
        let index = index_of(&verdicts).max(index);
        let attached = Attached { verdicts: Some(answer_to_wire(verdicts)) };
        let submit = self.shared.submit.clone();
        let front_end = FrontEnd {
            exchange: Exchange::new(self.requests, outbox, submit, UNDER_WAY_MAX),
            caller: self.caller,
            ingress,
            _place: place,
            is_over: false,
        };
        Ok((IngressEvent { index, event: Some(Event::Attached(attached)) }, front_end))
    }
}

fn held_contacts(held: Vec<stored::HeldContact>) -> Result<Vec<HeldContact>, Rejection> {
    if held.len() > REATTACH_CONTACTS_MAX {
        let max = REATTACH_CONTACTS_MAX as u64;
        return Err(Rejection::LimitReached { what: "contacts in a re-attachment", max });
    }
    let each = |held: stored::HeldContact| {
        let contact = ContactId::new(&held.contact)?;
        Ok(HeldContact { contact, token: held.token.map(OfferToken) })
    };
    held.into_iter().map(each).collect()
}

/// An open stream.
struct FrontEnd<RT: AsyncRuntime> {
    exchange: Exchange<RT, IngressRequest, IngressEvent>,
    caller: PrincipalId,
    ingress: PrincipalId,
    _place: LinePlace,
    is_over: bool,
}

impl<RT: AsyncRuntime> FrontEnd<RT> {
    async fn next(&mut self) -> Option<Result<IngressEvent, Status>> {
        loop {
            match self.exchange.next().await {
                Happened::Asked(request) => match self.take_in(request) {
                    Ok(None) => {}
                    Ok(Some(refused)) => return Some(Ok(refused)),
                    Err(status) => return self.fail(status),
                },
                Happened::Answered { tag, answer, .. } => return Some(Ok(answered(tag, answer))),
                Happened::Told(message) => return Some(Ok(message)),
                Happened::Last(last) => {
                    self.is_over = true;
                    return Some(Ok(last));
                }
                Happened::Failed(status) => return self.fail(status),
                Happened::Gone => return None,
            }
        }
    }

    fn fail(&mut self, status: Status) -> Option<Result<IngressEvent, Status>> {
        self.is_over = true;
        Some(Err(status))
    }

    /// Submits what the front end asks for; what is refused at once is answered.
    fn take_in(&mut self, request: IngressRequest) -> Result<Option<IngressEvent>, Status> {
        let IngressRequest { tag, request } = request;
        let command = match request {
            Some(Asked::Command(command)) => command,
            Some(Asked::Attach(_)) => {
                return Err(Status::invalid_argument("the stream is attached already"));
            }
            None => {
                let what = "the request is missing or unknown to this version".to_owned();
                return Ok(Some(answered(tag, refusal(&Rejection::Malformed { what }))));
            }
        };
        let submitted = self.check(&command).and_then(|()| {
            let command = stored::submission::Command::Contact(command);
            let submission = submission(self.caller.as_str(), None, command);
            self.exchange.submit(tag, &submission)
        });
        Ok(submitted.err().map(|refused| answered(tag, refused)))
    }

    /// Refuses what is not for streams of front ends.
    fn check(&self, command: &stored::ContactCommand) -> Result<(), Answer> {
        let refused = |code: &str, message: String| {
            Err(Answer::Refused { index: 0, code: code.to_owned(), message })
        };
        match &command.command {
            Some(StoredCommand::Enqueue(_)) if self.caller != self.ingress => {
                let (caller, ingress) = (&self.caller, &self.ingress);
                let words = format!(
                    "what {caller} puts in is not {ingress}'s: it takes a stream of its own name"
                );
                refused("not-yours", words)
            }
            Some(StoredCommand::Attach(_) | StoredCommand::Detach(_)) => {
                let words = "a stream attaches when it is opened and detaches when it is closed";
                refused("not-permitted", words.to_owned())
            }
            Some(StoredCommand::Move(_) | StoredCommand::Remove(_)) => {
                let principal = self.caller.as_str().to_owned();
                let needed = Roles::of(&[Role::Supervisor]);
                Err(refusal(&Rejection::NotPermitted { principal, needed }))
            }
            _ => Ok(()),
        }
    }
}

fn answered(tag: u64, answer: Answer) -> IngressEvent {
    let index = index_of(&answer);
    let answered = Answered { tag, answer: Some(answer_to_wire(answer)) };
    IngressEvent { index, event: Some(Event::Answered(answered)) }
}
