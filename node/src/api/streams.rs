//! The long-lived streams of a node: sessions of agents and streams of front ends.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use acd::Centre;
use acd::command::{SiteCommand, Submission};
use acd::ids::{NodeId, PrincipalId};
use futures::future::BoxFuture;
use openraft_rt::{AsyncRuntime, Instant as _};
use proto::api::v1::desktop_server::DesktopServer;
use proto::api::v1::ingress_server::IngressServer;
use tokio::sync::watch;
use tonic::{Code, Request, Status};

use super::admission::{ATTACHMENTS, Admission, LOG_INS};
use super::desktop::DesktopService;
use super::hub::Hub;
use super::ingress::IngressService;
use super::reaper::{Debts, Reaper};
use crate::node::Node;
use crate::replica::State;
use crate::rpc::Caller;
use crate::shutdown::Shutdown;
use crate::submit::{Answer, COMMAND_DEADLINE, Submitted, ask};

/// Where commands go.
pub(super) type Submit = Arc<dyn Fn(Submitted) + Send + Sync>;

/// Bytes of a message of a desktop. The largest, a transfer with its ids, has some 300.
const DESKTOP_MESSAGE_BYTES_MAX: usize = 16 << 10;
/// Bytes of a message of a front end. The largest is an attachment with 1,000 contacts of 140 bytes.
const INGRESS_MESSAGE_BYTES_MAX: usize = 512 << 10;
/// How long a stream may take until it has sent its first message.
const FIRST_MESSAGE_WITHIN: Duration = Duration::from_secs(10);
/// How soon a command that opens a stream is tried again while nobody leads.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How soon a node that starts tries again to end what is left of its last life.
const CLEAN_UP_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How long a node that ends waits until everybody has been told.
const FAREWELL: Duration = Duration::from_secs(1);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What the streams of a node share. Clones share it.
pub struct Streams<RT: AsyncRuntime> {
    shared: Arc<Shared<RT>>,
}

pub(super) struct Shared<RT: AsyncRuntime> {
    pub(super) node: NodeId,
    /// The principal the node writes as.
    principal: PrincipalId,
    pub(super) state: State,
    pub(super) submit: Submit,
    pub(super) hub: Arc<Hub>,
    pub(super) log_ins: Admission<RT>,
    pub(super) attachments: Admission<RT>,
    /// Whether nothing is left of the node's last life, and streams are let in.
    begun: watch::Sender<bool>,
}

impl<RT: AsyncRuntime> Clone for Streams<RT> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

/// A task that must run as long as the node, with its name.
pub type VitalTask = (&'static str, BoxFuture<'static, ()>);

impl<RT: AsyncRuntime> Streams<RT> {
    /// Nobody is let in until [`begin`](Self::begin) is done. The tasks are to be spawned.
    pub fn new(
        node: NodeId,
        principal: PrincipalId,
        state: State,
        submit: Arc<dyn Fn(Submitted) + Send + Sync>,
        shutdown: Shutdown,
    ) -> (Self, [VitalTask; 2]) {
        let debts = Arc::new(Debts::default());
        let (hub, watch) = Hub::new(node, state.clone(), debts.clone());
        let reaper = Reaper {
            debts,
            hub: hub.clone(),
            node,
            principal: principal.clone(),
            submit: submit.clone(),
            shutdown: shutdown.clone(),
        };
        let follow = hub.clone().follow::<RT>(watch, shutdown);
        let tasks: [VitalTask; 2] = [
            ("the task that tells sessions what happens", Box::pin(follow)),
            ("the task that reports lost sessions", Box::pin(reaper.run::<RT>())),
        ];
        let shared = Shared {
            node,
            principal,
            state,
            submit,
            hub,
            log_ins: Admission::new(LOG_INS),
            attachments: Admission::new(ATTACHMENTS),
            begun: watch::Sender::new(false),
        };
        (Self { shared: Arc::new(shared) }, tasks)
    }

    /// Answers desktops.
    pub fn desktop(&self) -> DesktopServer<DesktopService<RT>> {
        DesktopServer::new(DesktopService { shared: self.shared.clone() })
            .max_decoding_message_size(DESKTOP_MESSAGE_BYTES_MAX)
    }

    /// Answers front ends.
    pub fn ingress(&self) -> IngressServer<IngressService<RT>> {
        IngressServer::new(IngressService { shared: self.shared.clone() })
            .max_decoding_message_size(INGRESS_MESSAGE_BYTES_MAX)
    }

    /// Ends what the cluster believes to be here from this node's last life, and lets streams in
    /// then. Tries until it is done.
    ///
    /// One command ends all of it: the node reports itself as lost, before anybody is let in.
    pub async fn begin(&self, node: Node<RT>) {
        while !self.clean_up(&node).await {
            RT::sleep(CLEAN_UP_AGAIN_AFTER).await;
        }
        self.shared.log_ins.open();
        self.shared.attachments.open();
        self.shared.begun.send_replace(true);
    }

    /// Whether streams are let in.
    pub fn have_begun(&self) -> bool {
        *self.shared.begun.borrow()
    }

    /// Returns when streams are let in.
    pub async fn begun(&self) {
        // The sender is here, so it does not end.
        let _ = self.shared.begun.subscribe().wait_for(|begun| *begun).await;
    }

    /// Whether nothing is left.
    async fn clean_up(&self, node: &Node<RT>) -> bool {
        let is_used = match node.catch_up().await {
            Ok(view) => is_used(view.centre(), self.shared.node),
            Err(_) => return false,
        };
        if !is_used {
            return true;
        }
        match self.shared.report_as_lost().await {
            Answer::Committed { index, .. } => {
                tracing::info!("sessions and streams of this node's last life were ended");
                self.shared.applied(index).await.is_ok()
            }
            // The cluster does not know this node (any more); so nothing is here.
            Answer::Refused { message, .. } => {
                tracing::info!(why = message, "there is nothing to end of this node's last life");
                true
            }
            Answer::Unavailable { .. } | Answer::Unknown { .. } => false,
        }
    }

    /// Ends all streams because the node ends, and tells the cluster; at most a second or two. To be
    /// called while commands are still carried out.
    pub async fn close(&self) {
        self.shared.begun.send_replace(false);
        self.shared.log_ins.close();
        self.shared.attachments.close();
        let is_used = is_used(self.shared.state.view().centre(), self.shared.node);
        self.shared.hub.close();
        if is_used {
            // Without an answer the leader finds out by itself.
            let _ = RT::timeout(FAREWELL, self.shared.report_as_lost()).await;
        }
        let told = async {
            while self.shared.hub.taken() > 0 {
                RT::sleep(LOOK_EVERY).await;
            }
        };
        // Whoever does not read finds the connection closed.
        let _ = RT::timeout(FAREWELL, told).await;
    }
}

/// Whether the state has sessions or streams on a node.
fn is_used(centre: &Centre, node: NodeId) -> bool {
    let mut agents = centre.tables().agents();
    agents.any(|agent| agent.live_session().is_some_and(|session| session.node == node))
        || centre.ingresses().any(|(_, nodes)| nodes.contains(&node))
}

impl<RT: AsyncRuntime> Shared<RT> {
    async fn report_as_lost(&self) -> Answer {
        let lost = SiteCommand::NodeLost { node: self.node };
        let lost = Submission::new(self.principal.clone(), lost.into());
        ask::<RT>(|submitted| (self.submit)(submitted), &lost).await
    }

    /// Waits until this replica has an entry.
    pub(super) async fn applied(&self, index: u64) -> Result<(), Status> {
        match RT::timeout(COMMAND_DEADLINE, self.state.wait_applied(index)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Status::unavailable("this node is ending; try another")),
            Err(_) => Err(Status::unavailable("this node is behind; try another")),
        }
    }

    /// Submits a command that opens a stream until it is carried out or refused, at most
    /// [`COMMAND_DEADLINE`] and one answer. `told` sees every answer.
    pub(super) async fn insist(
        &self,
        submission: &Submission,
        mut told: impl FnMut(&Answer) + Send,
    ) -> Answer {
        let until = RT::Instant::now() + COMMAND_DEADLINE;
        loop {
            let answer = ask::<RT>(|submitted| (self.submit)(submitted), submission).await;
            told(&answer);
            let is_final = matches!(answer, Answer::Committed { .. } | Answer::Refused { .. });
            if is_final || RT::Instant::now() >= until {
                return answer;
            }
            RT::sleep(AGAIN_AFTER).await;
        }
    }
}

/// Who calls.
pub(super) fn caller<T>(request: &Request<T>) -> Result<PrincipalId, Status> {
    let caller = request.extensions().get::<Caller>();
    Ok(caller.ok_or_else(|| Status::unauthenticated("no certificate"))?.principal.clone())
}

/// The first message of a stream.
pub(super) async fn first_message<RT: AsyncRuntime, Q>(
    requests: &mut tonic::Streaming<Q>,
) -> Result<Q, Status>
where
    Q: Send + 'static,
{
    let first = pin!(requests.message());
    match RT::timeout(FIRST_MESSAGE_WITHIN, first).await {
        Ok(Ok(Some(first))) => Ok(first),
        Ok(Ok(None)) => Err(Status::invalid_argument("the stream ended before its first message")),
        Ok(Err(status)) => Err(status),
        Err(_) => Err(Status::deadline_exceeded("no first message in 10 s")),
    }
}

/// What a stream that could not be opened ends with.
pub(super) fn not_opened(answer: Answer) -> Status {
    match answer {
        Answer::Refused { code, message, .. } => {
            let status = match &*code {
                "not-permitted" | "not-yours" => Code::PermissionDenied,
                "unknown" => Code::NotFound,
                _ => Code::FailedPrecondition,
            };
            Status::new(status, format!("{code}: {message}"))
        }
        Answer::Unavailable { message, .. } => Status::unavailable(message),
        Answer::Unknown { message } => {
            Status::unavailable(format!("{message}; open the stream again"))
        }
        Answer::Committed { .. } => Status::internal("a reply that does not belong to the command"),
    }
}
