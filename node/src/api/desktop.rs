//! Sessions of agents: one stream is one session.

use std::sync::Arc;

use acd::command::{AgentCommand, Submission};
use acd::ids::{AgentId, PrincipalId};
use acd::rejection::Rejection;
use acd::reply::Reply;
use futures::stream::{self, BoxStream};
use openraft_rt::AsyncRuntime;
use proto::api::v1::desktop_event::{Answered, Event, Why};
use proto::api::v1::desktop_request::{NotReady, Open, Request as Asked};
use proto::api::v1::desktop_server::Desktop;
use proto::api::v1::{DesktopEvent, DesktopRequest};
use proto::stored::v1::agent_command as stored;
use proto::stored::v1::{AgentCommand as StoredAgentCommand, submission::Command};
use tonic::{Request, Response, Status, Streaming};

use super::desk;
use super::exchange::{Exchange, Happened, index_of, refusal, submission};
use super::hub::{DESKTOP_WAITING_MAX, DeskPlace};
use super::outbox::Outbox;
use super::streams::{Shared, caller, first_message, not_opened};
use crate::submit::{Answer, answer_to_wire};

/// Requests of one session without an answer; more are not read.
const UNDER_WAY_MAX: usize = 64;

/// Answers desktops.
pub struct DesktopService<RT: AsyncRuntime> {
    pub(super) shared: Arc<Shared<RT>>,
}

#[tonic::async_trait]
impl<RT: AsyncRuntime> Desktop for DesktopService<RT> {
    type SessionStream = BoxStream<'static, Result<DesktopEvent, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<DesktopRequest>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let caller = caller(&request)?;
        let opening =
            Opening { shared: self.shared.clone(), caller, requests: request.into_inner() };
        let phase = Phase::Opening(Box::new(opening));
        Ok(Response::new(Box::pin(stream::unfold(phase, Phase::next))))
    }
}

/// Where a session is in its life.
enum Phase<RT: AsyncRuntime> {
    Opening(Box<Opening<RT>>),
    Open(Box<Session<RT>>),
    Over,
}

impl<RT: AsyncRuntime> Phase<RT> {
    async fn next(self) -> Option<(Result<DesktopEvent, Status>, Self)> {
        let mut session = match self {
            // What is needed to open it is let go before it goes on: many are open, few are opened.
            Self::Opening(opening) => match Box::pin(opening.open()).await {
                Ok(session) => Box::new(session),
                Err(NotOpened::Refused(status)) => return Some((Err(status), Self::Over)),
                Err(NotOpened::Ended(last)) => return Some((Ok(last), Self::Over)),
            },
            Self::Open(session) => session,
            Self::Over => return None,
        };
        let next = session.next().await?;
        Some((next, if session.is_over { Self::Over } else { Self::Open(session) }))
    }
}

/// Why there is no session.
enum NotOpened {
    Refused(Status),
    /// It was over the moment it was opened.
    Ended(DesktopEvent),
}

impl From<Status> for NotOpened {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

struct Opening<RT: AsyncRuntime> {
    shared: Arc<Shared<RT>>,
    caller: PrincipalId,
    requests: Streaming<DesktopRequest>,
}

impl<RT: AsyncRuntime> Opening<RT> {
    async fn open(mut self: Box<Self>) -> Result<Session<RT>, NotOpened> {
        let first = first_message::<RT, _>(&mut self.requests).await?;
        let Some(Asked::Open(Open { agent })) = first.request else {
            return Err(Status::invalid_argument("the first message is `open`").into());
        };
        let agent =
            AgentId::new(&agent).map_err(|why| Status::invalid_argument(why.to_string()))?;
        let admitted = self.shared.log_ins.enter().await?;
        let mut joining = self.shared.hub.joining(agent.clone());
        // Whether the caller may, the state machine decides: the agent itself, or a gateway.
        let log_in = AgentCommand::LogIn { agent: agent.clone(), node: self.shared.node };
        let log_in = Submission::new(self.caller.clone(), log_in.into());
        joining.sent();
        let answer = self.shared.insist(&log_in, |answer| {
            if let Answer::Unknown { .. } = answer {
                joining.doubt();
            }
        });
        let answer = answer.await;
        let Answer::Committed { index, reply: Reply::LoggedIn { epoch, .. } } = answer else {
            joining.came_to_nothing();
            return Err(not_opened(answer).into());
        };
        joining.opened(epoch);
        drop(admitted);
        self.shared.applied(index).await?;
        let outbox = Arc::new(Outbox::new(DESKTOP_WAITING_MAX));
        let place = joining
            .take_place(outbox.clone())
            .map_err(|why| NotOpened::Ended(desk::ended(self.shared.state.last_applied(), why)))?;
        tracing::debug!(%agent, epoch = epoch.0, caller = %self.caller, "session open");
        let submit = self.shared.submit.clone();
        Ok(Session {
            exchange: Exchange::new(self.requests, outbox, submit, UNDER_WAY_MAX),
            caller: self.caller,
            agent,
            place,
            leaving: None,
            last: None,
            is_over: false,
        })
    }
}

/// An open session.
struct Session<RT: AsyncRuntime> {
    exchange: Exchange<RT, DesktopRequest, DesktopEvent>,
    caller: PrincipalId,
    agent: AgentId,
    place: DeskPlace,
    /// The request by which the agent leaves, while it is under way.
    leaving: Option<u64>,
    /// What the session ends with once that is answered.
    last: Option<DesktopEvent>,
    is_over: bool,
}

impl<RT: AsyncRuntime> Session<RT> {
    async fn next(&mut self) -> Option<Result<DesktopEvent, Status>> {
        loop {
            if self.leaving.is_none()
                && let Some(last) = self.last.take()
            {
                self.is_over = true;
                return Some(Ok(last));
            }
            match self.exchange.next().await {
                Happened::Asked(request) => match self.take_in(request) {
                    Ok(None) => {}
                    Ok(Some(refused)) => return Some(Ok(refused)),
                    Err(status) => return self.fail(status),
                },
                Happened::Answered { number, tag, answer } => {
                    if self.leaving == Some(number) {
                        self.leaving = None;
                        if let Answer::Committed { index, .. } = answer {
                            self.place.logged_out();
                            self.last = Some(desk::ended(index, Why::LoggedOut));
                        }
                    }
                    return Some(Ok(answered(tag, answer)));
                }
                Happened::Told(message) => return Some(Ok(message)),
                // While the agent leaves, the answer to that says why it is over.
                Happened::Last(last) => self.last = Some(last),
                Happened::Failed(status) => return self.fail(status),
                Happened::Gone => return None,
            }
        }
    }

    fn fail(&mut self, status: Status) -> Option<Result<DesktopEvent, Status>> {
        self.is_over = true;
        Some(Err(status))
    }

    /// Submits what the desktop asks for; what is refused at once is answered.
    fn take_in(&mut self, request: DesktopRequest) -> Result<Option<DesktopEvent>, Status> {
        let DesktopRequest { tag, request } = request;
        let (agent, epoch) = (self.agent.as_str().to_owned(), self.place.epoch().0);
        let presence = |command| Command::Agent(StoredAgentCommand { command: Some(command) });
        let leaves = matches!(request, Some(Asked::LogOut(_)));
        let (session, command) = match request {
            Some(Asked::Ready(_)) => {
                (None, presence(stored::Command::Ready(stored::Ready { agent, epoch })))
            }
            Some(Asked::NotReady(NotReady { reason })) => {
                let not_ready = stored::NotReady { agent, epoch, reason };
                (None, presence(stored::Command::NotReady(not_ready)))
            }
            Some(Asked::OpenMedium(medium)) => {
                let open_medium = stored::OpenMedium { agent, epoch, medium };
                (None, presence(stored::Command::OpenMedium(open_medium)))
            }
            Some(Asked::Work(work)) => (Some(epoch), Command::Work(work)),
            Some(Asked::LogOut(_)) => {
                (None, presence(stored::Command::LogOut(stored::LogOut { agent, epoch })))
            }
            Some(Asked::Open(_)) => {
                return Err(Status::invalid_argument("a stream is one session, which is open"));
            }
            None => {
                let what = "the request is missing or unknown to this version".to_owned();
                return Ok(Some(answered(tag, refusal(&Rejection::Malformed { what }))));
            }
        };
        let submission = submission(self.caller.as_str(), session, command);
        match self.exchange.submit(tag, &submission) {
            Ok(number) if leaves => self.leaving = Some(number),
            Ok(_) => {}
            Err(refused) => return Ok(Some(answered(tag, refused))),
        }
        Ok(None)
    }
}

fn answered(tag: u64, answer: Answer) -> DesktopEvent {
    let index = index_of(&answer);
    desk::message(index, Event::Answered(Answered { tag, answer: Some(answer_to_wire(answer)) }))
}
