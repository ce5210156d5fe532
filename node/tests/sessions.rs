//! Sessions of agents and streams of front ends, over the wire, on three nodes.

#![allow(clippy::disallowed_methods, reason = "a test runs on this machine's clocks and chance")]

mod common;

use std::collections::VecDeque;
use std::sync::Arc;

use acd::Centre;
use acd::agent::Presence;
use acd::command::{AgentCommand, Command, ConfigCommand, ContactCommand, Submission, WorkCommand};
use acd::config::{AgentConfig, Assignment, Capacity, Grade, QueueConfig};
use acd::ids::{
    AgentId, ContactId, NodeId, OfferToken, PrincipalId, QueueId, SessionEpoch, SiteId,
};
use acd::roles::{Role, Roles};
use acd::text::Label;
use acd::time::Millis;
use common::*;
use futures::stream;
use hyper_util::rt::TokioIo;
use node::identity::{Identity, client_config, node_name};
use node::rpc::{Channel, Executor};
use node::seams::SystemClock;
use node::submit::{Answer, answer_from_wire};
use openraft_rt_tokio::TokioRuntime;
use proto::api::v1::desktop_client::DesktopClient;
use proto::api::v1::desktop_event::{Event as Told, Stage, Why};
use proto::api::v1::desktop_request::{LogOut, NotReady, Open, Ready, Request as Ask};
use proto::api::v1::ingress_client::IngressClient;
use proto::api::v1::ingress_event::Event as Heard;
use proto::api::v1::ingress_request::{Attach, Request as Report};
use proto::api::v1::{DesktopEvent, DesktopRequest, IngressEvent, IngressRequest};
use proto::stored::v1 as stored;
use proto::stored::v1::contact_command::Command as OfContact;
use proto::stored::v1::contact_event::Event as Happened;
use proto::stored::v1::work_command::Command as OfWork;
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};

const EDGE: &str = "edge";
const DESK: &str = "desk";
const QUEUE: &str = "sales";

fn principal(id: &str) -> PrincipalId {
    PrincipalId::new(id).unwrap()
}

fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

/// A centre with a queue of calls, these agents, the front end `edge` and the gateway `desk`.
async fn centre(agents: &[&str]) -> Cluster {
    let cluster = Cluster::found("").await;
    let by_admin = |command: ConfigCommand| Submission::new(principal(ADMIN), command.into());
    let queue = QueueId::new(QUEUE).unwrap();
    let config = QueueConfig {
        wrap_up: Millis::minutes(5),
        offer_timeout: Millis::minutes(5),
        ..QueueConfig::new(queue.clone(), label("Sales"))
    };
    cluster.must(1, &by_admin(ConfigCommand::PutQueue { config, expected: None })).await;
    for (who, role) in [(EDGE, Role::Ingress), (DESK, Role::Gateway)] {
        let put = ConfigCommand::PutPrincipal {
            principal: principal(who),
            roles: Roles::of(&[role]),
            site: Some(SiteId::new("kyiv").unwrap()),
            expected: None,
        };
        cluster.must(1, &by_admin(put)).await;
    }
    for id in agents {
        let config = AgentConfig {
            id: AgentId::new(id).unwrap(),
            name: label(id),
            home_site: SiteId::new("kyiv").unwrap(),
            skills: Vec::new(),
            queues: vec![Assignment { queue: queue.clone(), grade: Grade::new(1).unwrap() }],
            capacity: Capacity::default(),
        };
        cluster.must(1, &by_admin(ConfigCommand::PutAgent { config, expected: None })).await;
    }
    // Who may open a stream is known everywhere.
    cluster.agree().await;
    cluster
}

fn origin() -> hyper::Uri {
    hyper::Uri::from_static("https://quorumcall")
}

/// Who somebody is.
fn identity(cluster: &Cluster, who: &str) -> Identity {
    cluster.founded.authority.issue_to(&principal(who), validity(), &mut rand::rng()).unwrap()
}

/// Reads the state of a node.
fn read<T>(cluster: &Cluster, number: u64, read: impl FnOnce(&Centre) -> T) -> T {
    read(cluster.node(number).state().view().centre())
}

fn presence(cluster: &Cluster, number: u64, agent: &str) -> Presence {
    let agent = AgentId::new(agent).unwrap();
    read(cluster, number, |centre| centre.agent(&agent).unwrap().presence.clone())
}

fn is_unreachable(cluster: &Cluster, number: u64, agent: &str) -> bool {
    matches!(presence(cluster, number, agent), Presence::Unreachable { .. })
}

fn stage_of(cluster: &Cluster, number: u64, contact: &str) -> Option<&'static str> {
    let contact = ContactId::new(contact).unwrap();
    read(cluster, number, |centre| centre.contact(&contact).map(|contact| contact.stage.word()))
}

/// What a stream sends, and what came of it so far.
struct Line<Q, M> {
    to: mpsc::Sender<Q>,
    from: Streaming<M>,
    seen: VecDeque<M>,
    tag: u64,
}

impl<Q, M> Line<Q, M> {
    async fn next(&mut self) -> Result<Option<M>, Status> {
        tokio::time::timeout(PATIENCE, self.from.message()).await.expect("a message in time")
    }

    /// The next message that is what is looked for. What came before it is kept.
    async fn find<T>(&mut self, what: &str, mut is: impl FnMut(&M) -> Option<T>) -> T {
        let known = self.seen.iter().enumerate().find_map(|(at, m)| Some((at, is(m)?)));
        if let Some((at, found)) = known {
            self.seen.remove(at);
            return found;
        }
        loop {
            let message = self.next().await.unwrap_or_else(|status| panic!("{what}: {status}"));
            let message = message.unwrap_or_else(|| panic!("{what}: the stream ended"));
            match is(&message) {
                Some(found) => return found,
                None => self.seen.push_back(message),
            }
        }
    }

    async fn send(&self, request: Q) {
        assert!(self.to.send(request).await.is_ok(), "the stream is closed");
    }

    /// What the stream ends with.
    async fn end(&mut self) -> Status {
        loop {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return Status::new(Code::Ok, ""),
                Err(status) => return status,
            }
        }
    }
}

fn requests<Q: Send + 'static>(
    first: Q,
) -> (mpsc::Sender<Q>, impl futures::Stream<Item = Q> + Send + 'static) {
    let (to, requests) = mpsc::channel(1_024);
    assert!(to.try_send(first).is_ok());
    let requests = stream::unfold(requests, |mut requests: mpsc::Receiver<Q>| async move {
        Some((requests.recv().await?, requests))
    });
    (to, requests)
}

type Desktop = Line<DesktopRequest, DesktopEvent>;

/// Opens a stream with a first message.
async fn talk(channel: Channel<TokioRuntime>, first: Ask) -> Result<Desktop, Status> {
    let (to, requests) = requests(DesktopRequest { tag: 0, request: Some(first) });
    let mut client = DesktopClient::with_origin(channel, origin());
    let from = client.session(requests).await?.into_inner();
    Ok(Line { to, from, seen: VecDeque::new(), tag: 0 })
}

fn open(agent: &str) -> Ask {
    Ask::Open(Open { agent: agent.into() })
}

async fn log_in(channel: Channel<TokioRuntime>, agent: &str) -> Desktop {
    talk(channel, open(agent)).await.unwrap()
}

/// What a stream with this first message ends with.
async fn refused(channel: Channel<TokioRuntime>, first: Ask) -> Status {
    match talk(channel, first).await {
        Ok(mut line) => line.end().await,
        Err(status) => status,
    }
}

impl Desktop {
    async fn opened(&mut self) -> (SessionEpoch, Vec<(String, Stage)>) {
        let opened = self.find("opened", |message| match &message.event {
            Some(Told::Opened(opened)) => Some(opened.clone()),
            _ => None,
        });
        let opened = opened.await;
        let items = opened.items.iter().map(|item| (item.contact.clone(), item.stage()));
        (SessionEpoch(opened.epoch), items.collect())
    }

    async fn ask(&mut self, request: Ask) -> Answer {
        self.tag += 1;
        let tag = self.tag;
        self.send(DesktopRequest { tag, request: Some(request) }).await;
        self.answer(tag).await
    }

    async fn answer(&mut self, tag: u64) -> Answer {
        self.find("an answer", |message| match &message.event {
            Some(Told::Answered(answered)) if answered.tag == tag => {
                Some(answer_from_wire(answered.answer.clone()))
            }
            _ => None,
        })
        .await
    }

    async fn must(&mut self, request: Ask) {
        let answer = self.ask(request).await;
        assert!(matches!(answer, Answer::Committed { .. }), "{answer:?}");
    }

    /// Waits until a contact stands somewhere; the token.
    async fn item(&mut self, contact: &str, stage: Stage) -> u64 {
        self.find(&format!("{contact} {stage:?}"), |message| match &message.event {
            Some(Told::Changed(item)) if item.contact == contact && item.stage() == stage => {
                Some(item.token)
            }
            _ => None,
        })
        .await
    }

    async fn gone(&mut self, contact: &str) {
        self.find(&format!("{contact} gone"), |message| match &message.event {
            Some(Told::Gone(gone)) if gone.contact == contact => Some(()),
            _ => None,
        })
        .await;
    }

    async fn ended(&mut self) -> Why {
        let why = self.find("ended", |message| match &message.event {
            Some(Told::Ended(ended)) => Some(ended.why()),
            _ => None,
        });
        let why = why.await;
        assert!(matches!(self.next().await, Ok(None)), "the stream ends");
        why
    }
}

fn work(command: OfWork) -> Ask {
    Ask::Work(stored::WorkCommand { command: Some(command) })
}

fn accept(contact: &str, token: u64) -> Ask {
    work(OfWork::Accept(stored::work_command::Accept { contact: contact.into(), token }))
}

type FrontEnd = Line<IngressRequest, IngressEvent>;

async fn report(channel: Channel<TokioRuntime>, first: Report) -> Result<FrontEnd, Status> {
    let (to, requests) = requests(IngressRequest { tag: 0, request: Some(first) });
    let mut client = IngressClient::with_origin(channel, origin());
    let from = client.attach(requests).await?.into_inner();
    Ok(Line { to, from, seen: VecDeque::new(), tag: 0 })
}

fn as_ingress(ingress: &str, held: &[&str]) -> Report {
    let held = held.iter().map(|id| stored::HeldContact { contact: (*id).into(), token: None });
    Report::Attach(Attach { ingress: ingress.to_owned(), held: held.collect() })
}

async fn attach(channel: Channel<TokioRuntime>, ingress: &str, held: &[&str]) -> FrontEnd {
    report(channel, as_ingress(ingress, held)).await.unwrap()
}

/// What a stream with this first message ends with.
async fn not_attached(channel: Channel<TokioRuntime>, first: Report) -> Status {
    match report(channel, first).await {
        Ok(mut line) => line.end().await,
        Err(status) => status,
    }
}

impl FrontEnd {
    /// The verdicts on what it still has.
    async fn attached(&mut self) -> Vec<acd::reply::Verdict> {
        let first = self.next().await.unwrap().unwrap();
        let Some(Heard::Attached(attached)) = first.event else { panic!("{first:?}") };
        match answer_from_wire(attached.verdicts) {
            Answer::Committed { reply: acd::reply::Reply::Verdicts(verdicts), .. } => verdicts,
            other => panic!("{other:?}"),
        }
    }

    async fn ask(&mut self, command: OfContact) -> Answer {
        self.tag += 1;
        let tag = self.tag;
        let command = stored::ContactCommand { command: Some(command) };
        self.send(IngressRequest { tag, request: Some(Report::Command(command)) }).await;
        self.find("an answer", |message| match &message.event {
            Some(Heard::Answered(answered)) if answered.tag == tag => {
                Some(answer_from_wire(answered.answer.clone()))
            }
            _ => None,
        })
        .await
    }

    async fn must(&mut self, command: OfContact) {
        let answer = self.ask(command).await;
        assert!(matches!(answer, Answer::Committed { .. }), "{answer:?}");
    }

    async fn happened<T>(&mut self, contact: &str, is: impl Fn(&Happened) -> Option<T>) -> T {
        self.find(contact, |message| match &message.event {
            Some(Heard::Happened(happened)) if happened.contact == contact => {
                is(happened.event.as_ref()?)
            }
            _ => None,
        })
        .await
    }

    async fn call(&mut self, contact: &str) {
        self.must(enqueue(contact)).await;
    }

    /// An agent takes the contact; connects the two.
    async fn bridge(&mut self, contact: &str) {
        let accepted = |event: &Happened| match event {
            Happened::Accepted(accepted) => Some(accepted.token),
            _ => None,
        };
        let token = self.happened(contact, accepted).await;
        let contact = contact.to_owned();
        self.must(OfContact::Bridged(stored::contact_command::Bridged { contact, token })).await;
    }
}

fn enqueue(contact: &str) -> OfContact {
    OfContact::Enqueue(stored::Enqueue {
        contact: contact.into(),
        queue: QUEUE.into(),
        channel: stored::Channel::Voice as i32,
        ..stored::Enqueue::default()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_put_in_at_one_node_and_answered_at_another() {
    let cluster = centre(&["anna"]).await;
    let mut edge = attach(cluster.channel(1, &identity(&cluster, EDGE)), EDGE, &[]).await;
    assert_eq!(edge.attached().await, []);
    let mut anna = log_in(cluster.channel(2, &identity(&cluster, "anna")), "anna").await;
    assert_eq!(anna.opened().await.1, []);
    anna.must(Ask::Ready(Ready {})).await;
    edge.call("c-1").await;
    let token = anna.item("c-1", Stage::Offered).await;
    anna.must(accept("c-1", token)).await;
    assert_eq!(anna.item("c-1", Stage::Accepted).await, token);
    edge.bridge("c-1").await;
    assert_eq!(anna.item("c-1", Stage::Connected).await, token);
    let contact = || "c-1".to_owned();
    let hold = stored::work_command::Hold { contact: contact(), token };
    anna.must(work(OfWork::Hold(hold))).await;
    anna.item("c-1", Stage::Held).await;
    let end = stored::work_command::End { contact: contact(), token };
    anna.must(work(OfWork::End(end))).await;
    anna.item("c-1", Stage::WrapUp).await;
    let complete = stored::work_command::Complete {
        contact: contact(),
        token,
        disposition: Some("solved".into()),
        resolved: Some(true),
    };
    anna.must(work(OfWork::Complete(complete))).await;
    anna.gone("c-1").await;
    let closed = |event: &Happened| match event {
        Happened::Closed(record) => Some(record.clone()),
        _ => None,
    };
    let record = edge.happened("c-1", closed).await;
    assert_eq!((record.agent.as_deref(), record.resolved), (Some("anna"), Some(true)));
    // The story in the order of the log, told once.
    let indexes: Vec<u64> = edge.seen.iter().map(|message| message.index).collect();
    assert!(indexes.is_sorted(), "{indexes:?}");
    cluster.agree().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_elsewhere_takes_over_with_what_the_agent_has() {
    let cluster = centre(&["anna"]).await;
    let anna = identity(&cluster, "anna");
    let mut edge = attach(cluster.channel(1, &identity(&cluster, EDGE)), EDGE, &[]).await;
    edge.attached().await;
    let mut first = log_in(cluster.channel(2, &anna), "anna").await;
    let (old, _) = first.opened().await;
    first.must(Ask::Ready(Ready {})).await;
    edge.call("c-1").await;
    let token = first.item("c-1", Stage::Offered).await;
    first.must(accept("c-1", token)).await;
    edge.bridge("c-1").await;
    first.item("c-1", Stage::Connected).await;

    let mut second = log_in(cluster.channel(3, &anna), "anna").await;
    let (epoch, items) = second.opened().await;
    assert!(epoch > old);
    assert_eq!(items, [("c-1".to_owned(), Stage::Connected)]);
    assert_eq!(first.ended().await, Why::TakenOver);
    // What the old desktop still says, by whatever way, is refused.
    let (contact, token) = (ContactId::new("c-1").unwrap(), OfferToken(token));
    let hold: Command = WorkCommand::Hold { contact, token }.into();
    let late = Submission { session: Some(old), ..Submission::new(principal("anna"), hold) };
    let answer = cluster.ask(1, &anna, &late).await;
    assert!(
        matches!(&answer, Answer::Refused { code, .. } if code == "stale-session"),
        "{answer:?}"
    );
    let hold = stored::work_command::Hold { contact: "c-1".into(), token: token.0 };
    second.must(work(OfWork::Hold(hold))).await;
    second.item("c-1", Stage::Held).await;
    // Nothing was reported as lost.
    cluster.agree().await;
    assert_eq!(presence(&cluster, 1, "anna"), Presence::Ready);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_stream_makes_unreachable_and_a_new_session_goes_on() {
    let cluster = centre(&["anna"]).await;
    let anna = identity(&cluster, "anna");
    let mut edge = attach(cluster.channel(1, &identity(&cluster, EDGE)), EDGE, &[]).await;
    edge.attached().await;
    let mut first = log_in(cluster.channel(2, &anna), "anna").await;
    first.opened().await;
    first.must(Ask::Ready(Ready {})).await;
    edge.call("c-1").await;
    let token = first.item("c-1", Stage::Offered).await;
    first.must(accept("c-1", token)).await;
    edge.bridge("c-1").await;
    first.item("c-1", Stage::Connected).await;
    drop(first);
    until("unreachable", || is_unreachable(&cluster, 1, "anna")).await;
    assert_eq!(stage_of(&cluster, 1, "c-1"), Some("connected"), "the talk path may be up");
    edge.call("c-2").await;
    until("no new offers", || stage_of(&cluster, 1, "c-2") == Some("queued")).await;

    let mut second = log_in(cluster.channel(3, &anna), "anna").await;
    assert_eq!(second.opened().await.1, [("c-1".to_owned(), Stage::Connected)]);
    let complete =
        stored::work_command::Complete { contact: "c-1".into(), token, ..Default::default() };
    second.must(work(OfWork::Complete(complete))).await;
    second.gone("c-1").await;
    second.item("c-2", Stage::Offered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_ends_what_is_left_of_its_last_life() {
    let mut cluster = centre(&["anna"]).await;
    let killed = 3;
    cluster.stop(killed).await;
    // As if it had been killed with a session and a stream open: the state still has them.
    let node = NodeId(killed);
    let anna = AgentId::new("anna").unwrap();
    let log_in_there = AgentCommand::LogIn { agent: anna.clone(), node };
    let answer = cluster
        .ask(1, &identity(&cluster, DESK), &Submission::new(principal(DESK), log_in_there.into()))
        .await;
    assert!(matches!(answer, Answer::Committed { .. }), "{answer:?}");
    let attach_there = ContactCommand::Attach { ingress: principal(EDGE), node };
    let answer = cluster
        .ask(1, &identity(&cluster, EDGE), &Submission::new(principal(EDGE), attach_there.into()))
        .await;
    assert!(matches!(answer, Answer::Committed { .. }), "{answer:?}");
    assert!(!is_unreachable(&cluster, 1, "anna"));
    cluster.start(killed).await;
    until("the session is over", || is_unreachable(&cluster, 1, "anna")).await;
    let streams = |centre: &Centre| centre.streams_of(&principal(EDGE)).to_vec();
    assert_eq!(read(&cluster, 1, streams), []);
    // And then it takes new ones.
    let mut session = log_in(cluster.channel(killed, &identity(&cluster, "anna")), "anna").await;
    session.opened().await;
    session.must(Ask::Ready(Ready {})).await;
    until("ready", || presence(&cluster, killed, "anna") == Presence::Ready).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_ends_says_so_and_the_agents_go_elsewhere() {
    let mut cluster = centre(&["anna"]).await;
    let anna = identity(&cluster, "anna");
    let mut session = log_in(cluster.channel(3, &anna), "anna").await;
    session.opened().await;
    let mut edge = attach(cluster.channel(3, &identity(&cluster, EDGE)), EDGE, &[]).await;
    edge.attached().await;
    let ending = async {
        let why = session.ended().await;
        (why, edge.end().await.code())
    };
    let stop = cluster.stop(3);
    let (_, (why, status)) = tokio::join!(stop, ending);
    assert_eq!((why, status), (Why::NodeEnding, Code::Unavailable));
    // It said good-bye: nobody has to find out.
    until("unreachable", || is_unreachable(&cluster, 1, "anna")).await;
    assert_eq!(read(&cluster, 1, |centre| centre.streams_of(&principal(EDGE)).len()), 0);
    let mut session = log_in(cluster.channel(1, &anna), "anna").await;
    session.opened().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_front_end_that_lost_its_stream_claims_its_contacts_at_another_node() {
    let cluster = centre(&["anna"]).await;
    let who = identity(&cluster, EDGE);
    let mut edge = attach(cluster.channel(2, &who), EDGE, &[]).await;
    edge.attached().await;
    edge.call("c-1").await;
    edge.call("c-2").await;
    let contact = "c-2".to_owned();
    edge.must(OfContact::HangUp(stored::contact_command::HangUp { contact })).await;
    drop(edge);
    until("stranded", || stage_of(&cluster, 1, "c-1") == Some("stranded")).await;

    let mut edge = attach(cluster.channel(3, &who), EDGE, &["c-1", "c-2", "c-3"]).await;
    use acd::reply::Verdict::{Closed, Unknown, Waiting};
    assert_eq!(edge.attached().await, [Waiting, Closed, Unknown]);
    let resumed = |event: &Happened| matches!(event, Happened::Resumed(_)).then_some(());
    edge.happened("c-1", resumed).await;
    let mut anna = log_in(cluster.channel(1, &identity(&cluster, "anna")), "anna").await;
    anna.opened().await;
    anna.must(Ask::Ready(Ready {})).await;
    let token = anna.item("c-1", Stage::Offered).await;
    anna.must(accept("c-1", token)).await;
    edge.bridge("c-1").await;
    anna.item("c-1", Stage::Connected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_streams_are_told_the_same_and_the_last_one_counts() {
    let cluster = centre(&[]).await;
    let who = identity(&cluster, EDGE);
    let mut first = attach(cluster.channel(1, &who), EDGE, &[]).await;
    first.attached().await;
    let mut here = attach(cluster.channel(1, &who), EDGE, &[]).await;
    here.attached().await;
    let mut there = attach(cluster.channel(2, &who), EDGE, &[]).await;
    there.attached().await;
    first.call("c-1").await;
    let enqueued = |event: &Happened| matches!(event, Happened::Enqueued(_)).then_some(());
    for edge in [&mut first, &mut here, &mut there] {
        edge.happened("c-1", enqueued).await;
    }
    let nodes =
        |cluster: &Cluster| read(cluster, 3, |centre| centre.streams_of(&principal(EDGE)).to_vec());
    drop(first);
    drop(there);
    until("detached from the second node", || nodes(&cluster) == [NodeId(1)]).await;
    assert_eq!(stage_of(&cluster, 3, "c-1"), Some("queued"));
    drop(here);
    until("stranded", || stage_of(&cluster, 3, "c-1") == Some("stranded")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_leaves_is_answered_and_whoever_is_sent_away_is_told() {
    let cluster = centre(&["anna", "petro"]).await;
    let mut anna = log_in(cluster.channel(2, &identity(&cluster, "anna")), "anna").await;
    anna.opened().await;
    anna.must(Ask::LogOut(LogOut {})).await;
    assert_eq!(anna.ended().await, Why::LoggedOut);
    until("offline", || presence(&cluster, 2, "anna") == Presence::Offline).await;

    let mut petro = log_in(cluster.channel(2, &identity(&cluster, "petro")), "petro").await;
    petro.opened().await;
    let force = AgentCommand::ForceLogOut { agent: AgentId::new("petro").unwrap() };
    cluster.must(1, &Submission::new(principal(ADMIN), force.into())).await;
    assert_eq!(petro.ended().await, Why::Forced);
    until("offline", || presence(&cluster, 2, "petro") == Presence::Offline).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_with_a_conversation_cannot_leave_and_the_session_goes_on() {
    let cluster = centre(&["anna"]).await;
    let mut edge = attach(cluster.channel(1, &identity(&cluster, EDGE)), EDGE, &[]).await;
    edge.attached().await;
    let mut anna = log_in(cluster.channel(1, &identity(&cluster, "anna")), "anna").await;
    anna.opened().await;
    anna.must(Ask::Ready(Ready {})).await;
    edge.call("c-1").await;
    let token = anna.item("c-1", Stage::Offered).await;
    anna.must(accept("c-1", token)).await;
    edge.bridge("c-1").await;
    let answer = anna.ask(Ask::LogOut(LogOut {})).await;
    assert!(matches!(&answer, Answer::Refused { code, .. } if code == "agent-busy"), "{answer:?}");
    let too_long = Ask::NotReady(NotReady { reason: "x".repeat(201) });
    let answer = anna.ask(too_long).await;
    assert!(
        matches!(&answer, Answer::Refused { code, .. } if code == "invalid-label"),
        "{answer:?}"
    );
    anna.must(Ask::NotReady(NotReady { reason: "lunch".into() })).await;
    let pending = anna.find("pending", |message| match &message.event {
        Some(Told::Standing(standing)) => standing.pending.clone(),
        _ => None,
    });
    let said = stored::not_ready_reason::Reason::Said("lunch".into());
    assert_eq!(pending.await.reason, Some(said));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_may_be_sent_at_once_and_each_is_answered_once() {
    let cluster = centre(&["anna"]).await;
    let mut anna = log_in(cluster.channel(2, &identity(&cluster, "anna")), "anna").await;
    anna.opened().await;
    // More than may be under way: the rest is read as answers go out.
    for tag in 1..=500 {
        let request = match tag % 2 {
            0 => Ask::Ready(Ready {}),
            _ => Ask::NotReady(NotReady { reason: "lunch".into() }),
        };
        anna.send(DesktopRequest { tag, request: Some(request) }).await;
    }
    for tag in 1..=500 {
        let answer = anna.answer(tag).await;
        assert!(matches!(answer, Answer::Committed { .. }), "{tag}: {answer:?}");
    }
    let again = |message: &DesktopEvent| matches!(message.event, Some(Told::Answered(_)));
    assert!(!anna.seen.iter().any(again));
    until("ready at last", || presence(&cluster, 2, "anna") == Presence::Ready).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_opens_many_sessions_on_one_connection_and_loses_them_with_it() {
    let names: Vec<String> = (0..200).map(|n| format!("agent-{n}")).collect();
    let agents: Vec<&str> = names.iter().map(String::as_str).collect();
    let cluster = centre(&agents).await;
    let channel = cluster.channel(2, &identity(&cluster, DESK));
    let mut sessions = Vec::new();
    for agent in &agents {
        sessions.push(log_in(channel.clone(), agent).await);
    }
    for session in &mut sessions {
        session.opened().await;
    }
    for session in &mut sessions {
        session.must(Ask::Ready(Ready {})).await;
    }
    let all = |is: fn(&Presence) -> bool| {
        read(&cluster, 2, |centre| {
            centre.tables().agents().filter(|agent| is(&agent.presence)).count() == names.len()
        })
    };
    until("all are ready", || all(|presence| *presence == Presence::Ready)).await;
    drop(sessions);
    until("all are unreachable", || all(|p| matches!(p, Presence::Unreachable { .. }))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_session_is_refused_with_words() {
    let cluster = centre(&["anna", "petro"]).await;
    let anna = cluster.channel(1, &identity(&cluster, "anna"));
    let status = refused(anna.clone(), Ask::Ready(Ready {})).await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "the first message is `open`");
    let status = refused(anna.clone(), open("Anna Petrivna")).await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let gateway = cluster.channel(1, &identity(&cluster, DESK));
    let status = refused(gateway, open("nobody")).await;
    assert_eq!(status.code(), Code::NotFound, "{status}");
    let status = refused(cluster.channel(2, &identity(&cluster, "petro")), open("anna")).await;
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    let status = refused(cluster.channel(2, &identity(&cluster, EDGE)), open("anna")).await;
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");

    let mut twice = log_in(anna.clone(), "anna").await;
    twice.opened().await;
    twice.send(DesktopRequest { tag: 1, request: Some(open("anna")) }).await;
    assert_eq!(twice.end().await.code(), Code::InvalidArgument);
    until("that session is over", || is_unreachable(&cluster, 1, "anna")).await;

    let mut line = log_in(anna, "anna").await;
    line.opened().await;
    line.send(DesktopRequest { tag: 9, request: None }).await;
    let answer = line.answer(9).await;
    assert!(matches!(&answer, Answer::Refused { code, .. } if code == "malformed"), "{answer:?}");
    // The end of the requests is the end of the session.
    let Line { to, mut from, .. } = line;
    drop(to);
    assert!(matches!(from.message().await, Ok(None)));
    until("that one is over", || is_unreachable(&cluster, 1, "anna")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_for_streams_of_front_ends_is_refused_with_words() {
    let cluster = centre(&["anna"]).await;
    let channel = cluster.channel(1, &identity(&cluster, EDGE));
    let first = Report::Command(stored::ContactCommand { command: Some(enqueue("c-1")) });
    let status = not_attached(channel.clone(), first).await;
    assert_eq!(status.message(), "the first message is `attach`");
    let many: Vec<String> = (0..1_001).map(|n| format!("c-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let status = not_attached(channel.clone(), as_ingress(EDGE, &many)).await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let anna = cluster.channel(1, &identity(&cluster, "anna"));
    let status = not_attached(anna, as_ingress(EDGE, &[])).await;
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    let gateway = cluster.channel(1, &identity(&cluster, DESK));
    let status = not_attached(gateway, as_ingress("anna", &[])).await;
    assert_eq!(status.code(), Code::NotFound, "{status}");

    let mut edge = attach(channel, EDGE, &[]).await;
    edge.attached().await;
    use stored::contact_command as of;
    let contact = || "c-1".to_owned();
    let refused = [
        OfContact::Attach(of::Attach { ingress: EDGE.into(), node: 2 }),
        OfContact::Detach(of::Detach { ingress: EDGE.into(), node: 1 }),
        OfContact::Move(of::Move { contact: contact(), to: QUEUE.into() }),
        OfContact::Remove(of::Remove { contact: contact() }),
    ];
    for command in refused {
        let answer = edge.ask(command).await;
        let Answer::Refused { index: 0, code, .. } = &answer else { panic!("{answer:?}") };
        assert_eq!(code, "not-permitted");
    }
    edge.call("c-1").await;

    // A gateway works with the front end's contacts, and puts its own in under its own name.
    let gateway = cluster.channel(2, &identity(&cluster, DESK));
    let mut for_edge = attach(gateway.clone(), EDGE, &["c-1"]).await;
    assert_eq!(for_edge.attached().await, [acd::reply::Verdict::Waiting]);
    let answer = for_edge.ask(enqueue("c-2")).await;
    assert!(matches!(&answer, Answer::Refused { code, .. } if code == "not-yours"), "{answer:?}");
    for_edge.must(OfContact::HangUp(of::HangUp { contact: contact() })).await;
    let closed = |event: &Happened| matches!(event, Happened::Closed(_)).then_some(());
    edge.happened("c-1", closed).await;
    let mut own = attach(gateway, DESK, &[]).await;
    own.attached().await;
    own.call("c-2").await;
    own.happened("c-2", |event| matches!(event, Happened::Enqueued(_)).then_some(())).await;
}

/// A connection whose streams take next to nothing before they are read.
#[derive(Clone)]
struct Narrow(hyper::client::conn::http2::SendRequest<tonic::body::Body>);

impl Narrow {
    async fn open(cluster: &Cluster, number: u64, identity: &Identity) -> Self {
        let tls = client_config(identity, Arc::new(SystemClock)).unwrap();
        let tls = tokio_rustls::TlsConnector::from(tls);
        let address = cluster.setup(number).config.address;
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let name = node_name(cluster.founded.founding.cluster, NodeId(number));
        let stream = tls.connect(name, stream).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http2::Builder::new(Executor::<TokioRuntime>::default())
                .initial_stream_window_size(2_048)
                .handshake(TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        Self(sender)
    }
}

impl tower_service::Service<hyper::Request<tonic::body::Body>> for Narrow {
    type Response = hyper::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = futures::future::BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: hyper::Request<tonic::body::Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_read_is_cut_off() {
    let cluster = centre(&["anna"]).await;
    let narrow = Narrow::open(&cluster, 2, &identity(&cluster, "anna")).await;
    let (to, requests) = requests(DesktopRequest { tag: 0, request: Some(open("anna")) });
    let mut client = DesktopClient::with_origin(narrow, origin());
    let from = client.session(requests).await.unwrap().into_inner();
    let mut anna = Line { to, from, seen: VecDeque::new(), tag: 0 };
    let (epoch, _) = anna.opened().await;
    // Much happens to an agent whose desktop hangs: far more than the window and the queue take.
    let agent = AgentId::new("anna").unwrap();
    let mut toggles = 0;
    while !is_unreachable(&cluster, 2, "anna") {
        toggles += 1;
        assert!(toggles < 2_000, "the desktop is never cut off");
        let reason = label(&format!("{toggles:0>200}"));
        let not_ready = AgentCommand::NotReady { agent: agent.clone(), epoch, reason };
        let not_ready = Submission::new(principal("anna"), not_ready.into());
        // Refused once the session is lost.
        let _ = cluster.node(2).call(&not_ready).await;
    }
    let status = anna.end().await;
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
}
