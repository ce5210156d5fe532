//! The API of the node for tests.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use acd::codec::{command_from_stored, drain_to_stored, reply_to_stored, site_state_to_stored};
use acd::command::{Request as RequestKey, Submission};
use acd::ids::{RequestId, SiteId};
use acd::rejection::Rejection;
use acd::reply::Reply;
use acd::text::Label;
use acd::time::LogTime;
use api::administration_server::{Administration, AdministrationServer};
use api::configured_object as object;
use api::reads_server::{Reads, ReadsServer};
use futures::stream::{self, BoxStream};
use node::identity::principal_of;
use prost::Message;
use proto::api::v1 as api;
use proto::stored::v1 as stored;
use rustls_pki_types::CertificateDer;
use tokio::runtime::Runtime;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use super::{CLUSTER, Fault, Inside};

/// Serves the API; the address it is at.
pub(super) fn serve(runtime: &Runtime, inside: Arc<Mutex<Inside>>, identity: &Path) -> SocketAddr {
    let text = std::fs::read_to_string(identity).expect("just written");
    let parts = pem::parse_many(text).expect("PEM");
    let [certificate, authority, key] = &parts[..] else { panic!("not an identity") };
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(certificate.to_string(), key.to_string()))
        .client_ca_root(Certificate::from_pem(authority.to_string()));
    let _inside = runtime.enter();
    let incoming = TcpIncoming::bind((std::net::Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
    let address = incoming.local_addr().expect("bound");
    let service = Service(inside);
    let server = Server::builder()
        .tls_config(tls)
        .expect("an identity")
        .add_service(ReadsServer::new(service.clone()))
        .add_service(AdministrationServer::new(service))
        .serve_with_incoming(incoming);
    runtime.spawn(server);
    address
}

#[derive(Clone)]
struct Service(Arc<Mutex<Inside>>);

impl Service {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is behind the API, for a read.
    async fn read(&self, linearizable: bool) -> Result<MutexGuard<'_, Inside>, Status> {
        let fault = self.inside().fault;
        match fault {
            Fault::Hangs => std::future::pending().await,
            Fault::Unavailable => Err(Status::unavailable("no leader is known")),
            _ => {
                let mut inside = self.inside();
                inside.linearizable += u64::from(linearizable);
                inside.freshness.now_ms = inside.centre.now().0;
                Ok(inside)
            }
        }
    }

    async fn carry_out<T>(
        &self,
        call: &Request<T>,
        request: Option<stored::Request>,
        reason: Option<String>,
        command: stored::any_command::Command,
    ) -> Result<Response<api::Answer>, Status> {
        let fault = self.inside().fault;
        let answer = match fault {
            Fault::Hangs => std::future::pending().await,
            Fault::Unavailable => {
                let message = "no leader is known".into();
                api::answer::Answer::Unavailable(api::answer::Unavailable { message, leader: None })
            }
            Fault::Unsure => {
                let message = "the leader was lost".into();
                api::answer::Answer::Unknown(api::answer::Unknown { message })
            }
            Fault::UnsureOfAll => {
                // It is carried out, and nobody hears of it.
                let _ = self.apply(call, request, reason, command)?;
                let message = "the leader was lost".into();
                api::answer::Answer::Unknown(api::answer::Unknown { message })
            }
            Fault::None | Fault::LosesFirstAnswers => self.apply(call, request, reason, command)?,
        };
        Ok(Response::new(api::Answer { answer: Some(answer) }))
    }

    fn apply<T>(
        &self,
        call: &Request<T>,
        request: Option<stored::Request>,
        reason: Option<String>,
        command: stored::any_command::Command,
    ) -> Result<api::answer::Answer, Status> {
        let malformed = |what: &str| Status::invalid_argument(what.to_owned());
        let certificates = call.peer_certs().ok_or_else(|| malformed("no certificate"))?;
        let certificate = certificates.first().ok_or_else(|| malformed("no certificate"))?;
        let certificate = CertificateDer::from(certificate.as_ref());
        let principal = principal_of(&certificate, CLUSTER).map_err(|_| malformed("nobody"))?;
        let request = request.ok_or_else(|| malformed("no request"))?;
        let id = <[u8; 16]>::try_from(&*request.id).map_err(|_| malformed("no request id"))?;
        let request = RequestKey {
            id: RequestId(u128::from_be_bytes(id)),
            issued_at: LogTime(request.issued_at_ms),
        };
        let command = command_from_stored(stored::AnyCommand { command: Some(command) })
            .map_err(|why| Status::invalid_argument(why.to_string()))?;
        let reason = reason.map(|reason| Label::new(&reason)).transpose();
        let reason = reason.map_err(|why| Status::invalid_argument(why.to_string()))?;
        let submission = Submission {
            request: Some(request),
            reason: reason.clone(),
            ..Submission::new(principal, command.clone())
        };
        let mut inside = self.inside();
        let outcome = inside.apply(submission);
        inside.commands.push((command, reason));
        if inside.fault == Fault::LosesFirstAnswers && !inside.lost.contains(&request) {
            inside.lost.push(request);
            return Err(Status::unavailable("the connection broke"));
        }
        let index = inside.index;
        Ok(answer(index, outcome))
    }
}

fn answer(index: u64, outcome: Result<Reply, Rejection>) -> api::answer::Answer {
    match outcome {
        Ok(reply) => api::answer::Answer::Committed(api::answer::Committed {
            index,
            reply: Some(reply_to_stored(&reply)),
        }),
        Err(why) => api::answer::Answer::Refused(api::answer::Refused {
            index,
            code: why.code().into(),
            message: why.to_string(),
        }),
    }
}

/// The configuration of a centre, object by object: what its snapshot has of it.
fn configuration(inside: &Inside) -> Vec<api::ConfiguredObject> {
    use object::Object;
    use stored::snapshot_item::Item;
    let mut bytes = Vec::new();
    inside.centre.snapshot().write(&mut |chunk| bytes.extend_from_slice(chunk));
    let mut rest = &bytes[..];
    let mut objects = vec![(0, Object::Freshness(inside.freshness.clone()))];
    while !rest.is_empty() {
        let item = stored::SnapshotItem::decode_length_delimited(&mut rest).expect("an item");
        objects.push(match item.item {
            Some(Item::Centre(centre)) => {
                (centre.settings_revision, Object::Settings(centre.settings.expect("there")))
            }
            Some(Item::Site(site)) => (site.revision, Object::Site(site.config.expect("there"))),
            Some(Item::Skill(stored::Skill { id, name, revision })) => {
                (revision, Object::Skill(object::Skill { id, name }))
            }
            Some(Item::Calendar(entry)) => {
                (entry.revision, Object::Calendar(entry.config.expect("there")))
            }
            Some(Item::Queue(queue)) => {
                (queue.revision, Object::Queue(queue.config.expect("there")))
            }
            Some(Item::Agent(agent)) => {
                (agent.revision, Object::Agent(agent.config.expect("there")))
            }
            Some(Item::Principal(stored::Principal { id, roles, site, revision })) => {
                (revision, Object::Principal(object::Principal { id, roles, site }))
            }
            _ => continue,
        });
    }
    let object = |(revision, object)| api::ConfiguredObject { revision, object: Some(object) };
    objects.into_iter().map(object).collect()
}

#[tonic::async_trait]
impl Reads for Service {
    type GetConfigurationStream = BoxStream<'static, Result<api::ConfiguredObject, Status>>;

    async fn get_cluster(
        &self,
        request: Request<api::GetClusterRequest>,
    ) -> Result<Response<api::GetClusterResponse>, Status> {
        let inside = self.read(request.get_ref().linearizable).await?;
        let cluster = inside.boards.cluster.clone();
        let cluster = cluster.unwrap_or_else(|| api::ClusterStatus {
            replay: inside.centre.is_replay(),
            ..api::ClusterStatus::default()
        });
        let freshness = Some(inside.freshness.clone());
        Ok(Response::new(api::GetClusterResponse { freshness, cluster: Some(cluster) }))
    }

    async fn list_queues(
        &self,
        request: Request<api::ListQueuesRequest>,
    ) -> Result<Response<api::ListQueuesResponse>, Status> {
        let api::ListQueuesRequest { linearizable, queue: only } = request.into_inner();
        let inside = self.read(linearizable).await?;
        let is_wanted = |queue: &&api::QueueStatus| {
            let id = queue.config.as_ref().map(|config| &config.id);
            only.as_ref().is_none_or(|only| id == Some(only))
        };
        let queues = inside.boards.queues.iter().filter(is_wanted).cloned().collect();
        let freshness = Some(inside.freshness.clone());
        Ok(Response::new(api::ListQueuesResponse { freshness, queues }))
    }

    async fn list_agents(
        &self,
        request: Request<api::ListAgentsRequest>,
    ) -> Result<Response<api::ListAgentsResponse>, Status> {
        let request = request.into_inner();
        let inside = self.read(request.linearizable).await?;
        let id = |agent: &api::AgentStatus| agent.config.as_ref().expect("named").id.clone();
        let serves = |agent: &api::AgentStatus| {
            let queues = &agent.config.as_ref().expect("named").queues;
            request.queue.as_ref().is_none_or(|only| queues.iter().any(|a| a.queue == *only))
        };
        let all = inside.boards.agents.iter().filter(|agent| serves(agent));
        let total = all.clone().count() as u64;
        let rest = all.filter(|agent| id(agent) > request.after);
        let agents = rest.take(request.page_size as usize).cloned().collect();
        let freshness = Some(inside.freshness.clone());
        Ok(Response::new(api::ListAgentsResponse { freshness, agents, total }))
    }

    async fn get_agent(
        &self,
        request: Request<api::GetAgentRequest>,
    ) -> Result<Response<api::GetAgentResponse>, Status> {
        let inside = self.read(request.get_ref().linearizable).await?;
        let asked = &request.get_ref().agent;
        let is_asked = |agent: &&api::AgentStatus| {
            agent.config.as_ref().is_some_and(|config| config.id == *asked)
        };
        let agent = inside.boards.agents.iter().find(is_asked).cloned();
        let agent = agent.ok_or_else(|| Status::not_found(format!("there is no agent {asked}")))?;
        let freshness = Some(inside.freshness.clone());
        Ok(Response::new(api::GetAgentResponse { freshness, agent: Some(agent) }))
    }

    async fn list_contacts(
        &self,
        request: Request<api::ListContactsRequest>,
    ) -> Result<Response<api::ListContactsResponse>, Status> {
        let request = request.into_inner();
        let inside = self.read(request.linearizable).await?;
        let is_wanted = |contact: &&api::ContactStatus| {
            request.stage.as_ref().is_none_or(|stage| contact.stage == *stage)
        };
        let found: Vec<_> = inside.boards.contacts.iter().filter(is_wanted).cloned().collect();
        let total = found.len() as u64;
        let page = found.into_iter().skip(request.skip as usize).take(request.page_size as usize);
        let freshness = Some(inside.freshness.clone());
        let contacts = page.collect();
        Ok(Response::new(api::ListContactsResponse { freshness, contacts, total }))
    }

    async fn get_contact(
        &self,
        request: Request<api::GetContactRequest>,
    ) -> Result<Response<api::GetContactResponse>, Status> {
        let inside = self.read(request.get_ref().linearizable).await?;
        let asked = &request.get_ref().contact;
        let answer = inside.boards.contact.clone();
        let answer =
            answer.ok_or_else(|| Status::not_found(format!("there is no contact {asked}")))?;
        let freshness = Some(inside.freshness.clone());
        Ok(Response::new(api::GetContactResponse { freshness, ..answer }))
    }

    async fn explain_contact(
        &self,
        request: Request<api::ExplainContactRequest>,
    ) -> Result<Response<api::ExplainContactResponse>, Status> {
        let inside = self.read(request.get_ref().linearizable).await?;
        let asked = &request.get_ref().contact;
        let answer = inside.boards.explanation.clone();
        let answer =
            answer.ok_or_else(|| Status::not_found(format!("there is no contact {asked}")))?;
        let freshness = Some(inside.freshness.clone());
        Ok(Response::new(api::ExplainContactResponse { freshness, ..answer }))
    }

    async fn get_site_impact(
        &self,
        request: Request<api::GetSiteImpactRequest>,
    ) -> Result<Response<api::GetSiteImpactResponse>, Status> {
        let inside = self.read(request.get_ref().linearizable).await?;
        let asked = SiteId::new(&request.get_ref().site);
        let site = asked.ok().and_then(|id| inside.centre.site(&id));
        let site = site.ok_or_else(|| Status::not_found("there is no such site"))?;
        // What a site is, the centre says; what would become of it, the test.
        let impact = api::SiteImpact {
            site: site.id().as_str().into(),
            state: Some(site_state_to_stored(&site.state)),
            silent: site.silent,
            drain: site.drain.as_ref().map(drain_to_stored),
            revision: site.revision.0,
            return_after_ms: Some(30_000),
            ..inside.boards.impact.clone()
        };
        let freshness = Some(inside.freshness.clone());
        Ok(Response::new(api::GetSiteImpactResponse { freshness, impact: Some(impact) }))
    }

    async fn list_audit(
        &self,
        request: Request<api::ListAuditRequest>,
    ) -> Result<Response<api::ListAuditResponse>, Status> {
        let inside = self.read(request.get_ref().linearizable).await?;
        // One on a page, so that whoever asks has to go on.
        let skip = request.get_ref().after.as_ref().map_or(0, |after| after.len());
        let all = &inside.boards.audit;
        let entries = all.iter().skip(skip).take(1).cloned().collect();
        let next = (skip + 1 < all.len()).then(|| "x".repeat(skip + 1));
        let freshness = Some(inside.freshness.clone());
        Ok(Response::new(api::ListAuditResponse { freshness, entries, next }))
    }

    async fn get_outcome(
        &self,
        request: Request<api::GetOutcomeRequest>,
    ) -> Result<Response<api::GetOutcomeResponse>, Status> {
        let inside = self.read(request.get_ref().linearizable).await?;
        let id = <[u8; 16]>::try_from(&*request.get_ref().id);
        let id = RequestId(u128::from_be_bytes(id.map_err(|_| Status::invalid_argument("no id"))?));
        let answer = inside
            .centre
            .first_answer(id)
            .map(|first| api::Answer { answer: Some(answer(0, first.answer.clone())) });
        let freshness = Some(inside.freshness.clone());
        Ok(Response::new(api::GetOutcomeResponse { freshness, answer }))
    }

    async fn get_configuration(
        &self,
        _: Request<api::GetConfigurationRequest>,
    ) -> Result<Response<Self::GetConfigurationStream>, Status> {
        let inside = self.read(true).await?;
        let objects = configuration(&inside).into_iter().map(Ok);
        Ok(Response::new(Box::pin(stream::iter(objects.collect::<Vec<_>>()))))
    }
}

#[tonic::async_trait]
impl Administration for Service {
    async fn configure(
        &self,
        call: Request<api::ConfigureRequest>,
    ) -> Result<Response<api::Answer>, Status> {
        let api::ConfigureRequest { request, reason, command } = call.get_ref().clone();
        let command = command.ok_or_else(|| Status::invalid_argument("no command"))?;
        let command = stored::any_command::Command::Config(command);
        self.carry_out(&call, request, reason, command).await
    }

    async fn steer_site(
        &self,
        call: Request<api::SteerSiteRequest>,
    ) -> Result<Response<api::Answer>, Status> {
        let api::SteerSiteRequest { request, reason, command } = call.get_ref().clone();
        let command = command.ok_or_else(|| Status::invalid_argument("no command"))?;
        let command = stored::any_command::Command::Site(command);
        self.carry_out(&call, request, reason, command).await
    }

    async fn steer_agent(
        &self,
        _: Request<api::SteerAgentRequest>,
    ) -> Result<Response<api::Answer>, Status> {
        Err(Status::unimplemented("no test steers agents"))
    }

    async fn steer_contact(
        &self,
        _: Request<api::SteerContactRequest>,
    ) -> Result<Response<api::Answer>, Status> {
        Err(Status::unimplemented("no test steers contacts"))
    }

    async fn transfer_leader(
        &self,
        call: Request<api::TransferLeaderRequest>,
    ) -> Result<Response<api::TransferLeaderResponse>, Status> {
        let api::TransferLeaderRequest { request, reason, to } = call.get_ref().clone();
        let (stays, leader) = {
            let inside = self.inside();
            (inside.stays.clone(), inside.elected)
        };
        let wish = stored::cluster_command::TransferLeader { to, stays };
        let command = Some(stored::cluster_command::Command::TransferLeader(wish));
        let command = stored::any_command::Command::Cluster(stored::ClusterCommand { command });
        let answer = self.carry_out(&call, request, reason, command).await?.into_inner();
        Ok(Response::new(api::TransferLeaderResponse { answer: Some(answer), leader }))
    }

    async fn advance_time(
        &self,
        _: Request<stored::cluster_command::AdvanceTo>,
    ) -> Result<Response<api::Answer>, Status> {
        Err(Status::unimplemented("no test moves time"))
    }
}
