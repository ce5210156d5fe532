//! A node that knows nothing and answers as it is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use acd::codec::reply_to_stored;
use acd::reply::{Reply, Verdict};
use futures::stream::{self, BoxStream};
use proto::api::v1 as api;
use proto::api::v1::answer::{Answer, Committed, Unavailable};
use proto::api::v1::desktop_event::{Event as Shown, Opened, Why};
use proto::api::v1::desktop_request::Request as Asked;
use proto::api::v1::desktop_server::{Desktop, DesktopServer};
use proto::api::v1::ingress_event::{Attached, Event};
use proto::api::v1::ingress_request::Request as Order;
use proto::api::v1::ingress_server::{Ingress, IngressServer};
use proto::stored::v1::ContactEvent;
use proto::stored::v1::contact_command::Command;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

type Sender<T> = mpsc::Sender<Result<T, Status>>;

/// What a stream holds at most in these tests.
const ROOM: usize = 64;

#[derive(Default)]
struct State {
    mute: bool,
    cut_off: bool,
    index: u64,
    attached: Vec<Sender<api::IngressEvent>>,
    sessions: Vec<Sender<api::DesktopEvent>>,
    commands: Vec<Command>,
    requests: usize,
    verdicts: BTreeMap<String, Verdict>,
}

#[derive(Clone)]
struct Shared {
    state: Arc<Mutex<State>>,
    lives: Arc<watch::Sender<bool>>,
}

/// The node.
pub struct FakeNode {
    address: SocketAddr,
    shared: Shared,
}

impl FakeNode {
    /// Starts it; its log is at this index.
    pub async fn start(index: u64) -> Self {
        let state = State { index, ..State::default() };
        let lives = Arc::new(watch::Sender::new(true));
        let shared = Shared { state: Arc::new(Mutex::new(state)), lives };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let node = Self { address, shared };
        node.serve(listener);
        node
    }

    fn serve(&self, listener: TcpListener) {
        let mut lives = self.shared.lives.subscribe();
        let server = Server::builder()
            .add_service(IngressServer::new(self.shared.clone()))
            .add_service(DesktopServer::new(self.shared.clone()))
            .serve_with_incoming(TcpIncoming::from(listener));
        tokio::spawn(async move {
            tokio::select! {
                served = server => served.expect("it serves"),
                dead = lives.wait_for(|lives| !lives) => drop(dead),
            }
        });
    }

    pub fn endpoint(&self) -> String {
        self.address.to_string()
    }

    /// Ends it, and all of its streams.
    pub fn kill(&self) {
        self.shared.lives.send_replace(false);
        let mut state = self.state();
        state.attached.clear();
        state.sessions.clear();
    }

    /// Starts it again.
    pub async fn revive(&self) {
        self.shared.lives.send_replace(true);
        let listener = TcpListener::bind(self.address).await.expect("its port is free");
        self.serve(listener);
    }

    /// Whether it answers nothing.
    pub fn be_mute(&self, mute: bool) {
        self.state().mute = mute;
    }

    /// Whether it has lost the others: it takes nothing.
    pub fn be_cut_off(&self, cut_off: bool) {
        self.state().cut_off = cut_off;
    }

    pub fn attached(&self) -> usize {
        self.state().attached.len()
    }

    pub fn commands(&self) -> Vec<Command> {
        self.state().commands.clone()
    }

    pub fn requests(&self) -> usize {
        self.state().requests
    }

    /// What it will say of a contact; of others it says that they wait.
    pub fn judge(&self, contact: &str, verdict: Verdict) {
        self.state().verdicts.insert(contact.to_owned(), verdict);
    }

    /// Tells front ends that something happened.
    pub fn tell(&self, index: u64, event: ContactEvent) {
        for stream in &self.state().attached {
            let event = Some(Event::Happened(event.clone()));
            stream.try_send(Ok(api::IngressEvent { index, event })).expect("room");
        }
    }

    /// Tells desktops that they are over.
    pub fn end_sessions(&self, why: Why) {
        for session in self.state().sessions.drain(..) {
            let why = why.into();
            let event = Some(Shown::Ended(api::desktop_event::Ended { why }));
            session.try_send(Ok(api::DesktopEvent { index: 1, event })).expect("room");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    /// What becomes of a command.
    fn answer(&self) -> api::Answer {
        if self.state().cut_off {
            let words = "no leader is known just now".to_owned();
            return api::Answer {
                answer: Some(Answer::Unavailable(Unavailable { message: words, leader: None })),
            };
        }
        self.committed(&Reply::Done)
    }

    fn committed(&self, reply: &Reply) -> api::Answer {
        let mut state = self.state();
        state.index += 1;
        let reply = Some(reply_to_stored(reply));
        api::Answer { answer: Some(Answer::Committed(Committed { index: state.index, reply })) }
    }

    /// Waits for the next message; none: the client is gone, or this node.
    async fn next<T>(&self, requests: &mut Streaming<T>) -> Option<T> {
        let mut lives = self.lives.subscribe();
        tokio::select! {
            request = requests.message() => request.ok().flatten(),
            dead = lives.wait_for(|lives| !lives) => { drop(dead); None }
        }
    }
}

fn received<T: Send + 'static>(
    events: mpsc::Receiver<Result<T, Status>>,
) -> BoxStream<'static, Result<T, Status>> {
    Box::pin(stream::unfold(
        events,
        |mut events| async move { Some((events.recv().await?, events)) },
    ))
}

#[tonic::async_trait]
impl Ingress for Shared {
    type AttachStream = BoxStream<'static, Result<api::IngressEvent, Status>>;

    async fn attach(
        &self,
        request: Request<Streaming<api::IngressRequest>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let mut requests = request.into_inner();
        let (events, out) = mpsc::channel(ROOM);
        let node = self.clone();
        tokio::spawn(async move {
            while let Some(request) = node.next(&mut requests).await {
                let event = match request.request {
                    Some(Order::Attach(attach)) => {
                        let judge = |contact: &str| {
                            let verdicts = &node.state().verdicts;
                            verdicts.get(contact).copied().unwrap_or(Verdict::Waiting)
                        };
                        let held = attach.held.iter().map(|held| judge(&held.contact));
                        let reply = Reply::Verdicts(held.collect());
                        node.state().attached.push(events.clone());
                        Event::Attached(Attached { verdicts: Some(node.committed(&reply)) })
                    }
                    Some(Order::Command(command)) => {
                        let mute = {
                            let mut state = node.state();
                            state.commands.extend(command.command);
                            state.mute
                        };
                        if mute {
                            continue;
                        }
                        let answer = Some(node.answer());
                        Event::Answered(api::ingress_event::Answered { tag: request.tag, answer })
                    }
                    None => continue,
                };
                let event = api::IngressEvent { index: node.state().index, event: Some(event) };
                if events.try_send(Ok(event)).is_err() {
                    break;
                }
            }
        });
        Ok(Response::new(received(out)))
    }
}

#[tonic::async_trait]
impl Desktop for Shared {
    type SessionStream = BoxStream<'static, Result<api::DesktopEvent, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<api::DesktopRequest>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let mut requests = request.into_inner();
        let (events, out) = mpsc::channel(ROOM);
        let node = self.clone();
        tokio::spawn(async move {
            while let Some(request) = node.next(&mut requests).await {
                let event = match request.request {
                    Some(Asked::Open(_)) => {
                        node.state().sessions.push(events.clone());
                        Shown::Opened(Opened::default())
                    }
                    Some(_) => {
                        let mute = {
                            let mut state = node.state();
                            state.requests += 1;
                            state.mute
                        };
                        if mute {
                            continue;
                        }
                        let answer = Some(node.answer());
                        Shown::Answered(api::desktop_event::Answered { tag: request.tag, answer })
                    }
                    None => continue,
                };
                let event = api::DesktopEvent { index: node.state().index, event: Some(event) };
                if events.try_send(Ok(event)).is_err() {
                    break;
                }
            }
        });
        Ok(Response::new(received(out)))
    }
}
