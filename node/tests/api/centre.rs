//! A contact centre to talk to, over the wire.

use std::future::Future;
use std::sync::Arc;

use crate::common::*;
use acd::channel::Channel as Kind;
use acd::codec::{encode_submission, reply_from_stored};
use acd::command::{AgentCommand, Command, ConfigCommand, ContactCommand, Enqueue, Submission};
use acd::config::{AgentConfig, Assignment, Capacity, Grade, Priority, QueueConfig, Requirements};
use acd::ids::{AgentId, ContactId, NodeId, PrincipalId, QueueId, SiteId};
use acd::reply::Reply;
use acd::roles::{Role, Roles};
use acd::text::{Attributes, Label};
use node::api::SESSION;
use node::identity::{Identity, client_config, node_name};
use node::rpc::{Channel, Dial, Timer};
use node::seams::{SystemClock, TcpConnector, WallClock};
use node::submit::Answer;
use openraft_rt_tokio::TokioRuntime;
use prost::Message;
use proto::api::v1 as api;
use proto::api::v1::administration_client::AdministrationClient;
use proto::api::v1::answer::Answer as Outcome;
use proto::api::v1::contacts_client::ContactsClient;
use proto::api::v1::reads_client::ReadsClient;
use proto::api::v1::watches_client::WatchesClient;
use proto::api::v1::work_client::WorkClient;
use proto::stored::v1 as stored;
use proto::stored::v1::{contact_command, submission};
use tonic::{Code, Request, Response, Status};

pub type Net = Channel<TokioRuntime>;

pub fn origin() -> hyper::Uri {
    hyper::Uri::from_static("https://quorumcall")
}

pub fn principal(id: &str) -> PrincipalId {
    PrincipalId::new(id).unwrap()
}

pub fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

/// Three cities with two queues, three agents, and somebody of each kind.
pub struct Centre {
    pub cluster: Cluster,
}

impl Centre {
    pub async fn open(settings: &str) -> Self {
        let centre = Self { cluster: Cluster::found(settings).await };
        let grant = |who: &str, roles: &[Role], site: Option<&str>| ConfigCommand::PutPrincipal {
            principal: principal(who),
            roles: Roles::of(roles),
            site: site.map(|site| SiteId::new(site).unwrap()),
            expected: None,
        };
        for command in [
            put_queue("billing"),
            put_queue("loans"),
            put_agent("anna", "Анна", "kyiv", &["billing"]),
            put_agent("bohdan", "Bohdan", "lviv", &["billing"]),
            put_agent("iryna", "Iryna", "dnipro", &["loans"]),
            grant("edge", &[Role::Ingress], Some("kyiv")),
            grant("desk", &[Role::Gateway], None),
            grant("vera", &[Role::Viewer], None),
            grant("sasha", &[Role::Supervisor], None),
        ] {
            centre.configure(command).await;
        }
        centre
    }

    pub fn identity(&self, who: &str) -> Identity {
        if who == ADMIN {
            let path = self.cluster.folder.path().join("all/operator.identity");
            return Identity::load(&path).unwrap();
        }
        let authority = &self.cluster.founded.authority;
        authority.issue_to(&principal(who), validity(), &mut rand::rng()).unwrap()
    }

    pub fn dial(&self, number: u64, who: &str) -> Dial {
        Dial {
            connector: Arc::new(TcpConnector),
            address: self.cluster.setup(number).config.address,
            server_name: node_name(self.cluster.founded.founding.cluster, NodeId(number)),
            tls: client_config(&self.identity(who), Arc::new(SystemClock)).unwrap().into(),
            headers: Vec::new(),
            connect_timeout: PATIENCE,
            keep_alive: PATIENCE,
        }
    }

    pub fn channel(&self, number: u64, who: &str) -> Net {
        Channel::new(self.dial(number, who), Timer::start())
    }

    pub fn contacts(&self, number: u64, who: &str) -> ContactsClient<Net> {
        ContactsClient::with_origin(self.channel(number, who), origin())
    }

    pub fn work(&self, number: u64, who: &str) -> WorkClient<Net> {
        WorkClient::with_origin(self.channel(number, who), origin())
    }

    pub fn administration(&self, number: u64, who: &str) -> AdministrationClient<Net> {
        AdministrationClient::with_origin(self.channel(number, who), origin())
    }

    pub fn reads(&self, number: u64, who: &str) -> ReadsClient<Net> {
        ReadsClient::with_origin(self.channel(number, who), origin())
    }

    pub fn watches(&self, number: u64, who: &str) -> WatchesClient<Net> {
        WatchesClient::with_origin(self.channel(number, who), origin())
    }

    /// Configures as the administrator, over the wire.
    pub async fn configure(&self, command: ConfigCommand) {
        let request = request();
        let reply = committed(async || {
            let submission::Command::Config(command) = choice(command.clone()) else { panic!() };
            let request = api::ConfigureRequest {
                request: request.clone(),
                reason: None,
                command: Some(command),
            };
            self.administration(1, ADMIN).configure(request).await
        });
        assert!(matches!(reply.await, Reply::Revised { .. }));
    }

    /// Submits at a node what has no service of single calls.
    pub async fn submit(&self, number: u64, who: &str, command: impl Into<Command>) -> Reply {
        let submission = Submission::new(principal(who), command.into());
        let carried_out = async {
            loop {
                match self.cluster.node(number).call(&submission).await {
                    Answer::Committed { reply, .. } => return reply,
                    // While there is no leader.
                    Answer::Unavailable { .. } | Answer::Unknown { .. } => {}
                    refused => panic!("{refused:?}"),
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(PATIENCE, carried_out).await.unwrap()
    }

    /// Logs an agent in at a node, ready; the session.
    pub async fn log_in(&self, number: u64, who: &str) -> u64 {
        let agent = AgentId::new(who).unwrap();
        let log_in = AgentCommand::LogIn { agent: agent.clone(), node: NodeId(number) };
        let Reply::LoggedIn { epoch, .. } = self.submit(number, who, log_in).await else {
            panic!()
        };
        self.submit(number, who, AgentCommand::Ready { agent, epoch }).await;
        epoch.0
    }

    pub async fn enqueue(&self, id: &str, queue: &str) -> Reply {
        let enqueue = call(id, queue);
        committed(async || self.contacts(2, "edge").enqueue(enqueue.clone()).await).await
    }

    pub async fn hang_up(&self, id: &str) {
        let contact = id.to_owned();
        committed(async || {
            let hang_up = contact_command::HangUp { contact: contact.clone() };
            self.contacts(2, "edge").hang_up(hang_up).await
        })
        .await;
    }

    /// A contact, as the leader has it now.
    pub async fn contact(&self, id: &str) -> api::GetContactResponse {
        let contact = id.to_owned();
        let request = api::GetContactRequest { linearizable: true, contact };
        patiently(async || self.reads(1, "vera").get_contact(request.clone()).await).await
    }

    /// The token of the offer by which a contact is with an agent.
    pub async fn token(&self, id: &str) -> u64 {
        self.contact(id).await.live.unwrap().with.unwrap().token
    }
}

pub fn choice(command: impl Into<Command>) -> submission::Command {
    let encoded = encode_submission(&Submission::new(principal("any"), command.into()));
    stored::Submission::decode(&*encoded).unwrap().command.unwrap()
}

pub fn put_queue(id: &str) -> ConfigCommand {
    let config = QueueConfig::new(QueueId::new(id).unwrap(), label(id));
    ConfigCommand::PutQueue { config, expected: None }
}

pub fn put_agent(id: &str, name: &str, site: &str, queues: &[&str]) -> ConfigCommand {
    let queue =
        |id: &&str| Assignment { queue: QueueId::new(id).unwrap(), grade: Grade::new(1).unwrap() };
    let config = AgentConfig {
        id: AgentId::new(id).unwrap(),
        name: label(name),
        home_site: SiteId::new(site).unwrap(),
        skills: Vec::new(),
        queues: queues.iter().map(queue).collect(),
        capacity: Capacity::default(),
    };
    ConfigCommand::PutAgent { config, expected: None }
}

pub fn call(id: &str, queue: &str) -> stored::Enqueue {
    let enqueue = Enqueue {
        contact: ContactId::new("placeholder").unwrap(),
        queue: QueueId::new(queue).unwrap(),
        channel: Kind::Voice,
        priority: Priority::new(0).unwrap(),
        site: None,
        requirements: Requirements::from([]),
        preferred: None,
        preferred_wait: None,
        not_before: None,
        attributes: Attributes::default(),
    };
    let submission::Command::Contact(command) = choice(ContactCommand::Enqueue(enqueue)) else {
        panic!()
    };
    let Some(contact_command::Command::Enqueue(enqueue)) = command.command else { panic!() };
    stored::Enqueue { contact: id.to_owned(), ..enqueue }
}

pub fn request() -> Option<stored::Request> {
    let id = rand::random::<u128>().to_be_bytes().to_vec().into();
    Some(stored::Request { id, issued_at_ms: SystemClock.now_ms() })
}

/// Asks until the node can tell.
pub async fn patiently<T>(mut ask: impl AsyncFnMut() -> Result<Response<T>, Status>) -> T {
    let told = async {
        loop {
            match ask().await {
                Ok(told) => return told.into_inner(),
                Err(status) if status.code() == Code::Unavailable => {}
                Err(status) => panic!("{status:?}"),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.unwrap()
}

/// Submits until it is carried out: what it is carries what makes it safe to repeat.
pub async fn committed(
    mut ask: impl AsyncFnMut() -> Result<Response<api::Answer>, Status>,
) -> Reply {
    let told = async {
        loop {
            match ask().await.unwrap().into_inner().answer.unwrap() {
                Outcome::Committed(committed) => {
                    assert!(committed.index > 0);
                    return reply_from_stored(committed.reply.unwrap()).unwrap();
                }
                Outcome::Refused(refused) => panic!("{refused:?}"),
                // While there is no leader.
                Outcome::Unavailable(_) | Outcome::Unknown(_) => {}
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.unwrap()
}

/// What a command was refused with: index, code, words.
pub async fn refused(
    call: impl Future<Output = Result<Response<api::Answer>, Status>>,
) -> (u64, String, String) {
    match call.await.unwrap().into_inner().answer.unwrap() {
        Outcome::Refused(api::answer::Refused { index, code, message }) => (index, code, message),
        answer => panic!("{answer:?}"),
    }
}

pub async fn denied<T: std::fmt::Debug>(
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> String {
    let status = call.await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    status.message().to_owned()
}

pub async fn invalid<T: std::fmt::Debug>(
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> String {
    let status = call.await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    status.message().to_owned()
}

/// A request of an agent in a session.
pub fn in_session<M>(session: u64, message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(SESSION, session.to_string().parse().unwrap());
    request
}
