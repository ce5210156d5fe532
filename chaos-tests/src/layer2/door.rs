//! The way of clients to real nodes: TCP from the city they are in, through the proxy, TLS with
//! identities of the cluster's authority, gRPC.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acd::codec::{encode_submission, event_from_stored};
use acd::command::Submission;
use acd::event::Event;
use acd::ids::{AgentId, ContactId, NodeId, OfferToken, PrincipalId};
use futures::stream;
use hyper::Uri;
use node::identity::{Authority, Identity, Validity, client_config, node_name};
use node::rpc::{Channel, Dial, Timer};
use node::seams::{SystemClock, TcpConnectorFrom, WallClock};
use node::submit::{Answer, outcome_from_wire};
use openraft_rt_tokio::TokioRuntime;
use proto::api::v1 as api;
use proto::api::v1::commands_client::CommandsClient;
use proto::api::v1::reads_client::ReadsClient;
use proto::api::v1::submit_request::Command;
use proto::api::v1::watch_response::{News, Why};
use proto::api::v1::watches_client::WatchesClient;
use tokio::time::timeout;

use super::Trouble;
use super::cluster::{ADMIN, Cluster};
use super::net::{CITIES, city_of, clients_of, front_of};
use crate::history::{Contacts, Outcome, Place, ResumeToken};
use crate::workload::{Door, Seen, Watch};

/// A connection to a node.
pub type Way = Channel<TokioRuntime>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a connection may be silent before it is asked, and how long the answer may take.
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// How long a node may take to say how it is.
const STATUS_TIMEOUT: Duration = Duration::from_millis(700);
/// Contacts on a page: more than the workload ever has at a time.
const PAGE: u32 = 1_000;
const YEAR_MS: u64 = 365 * 86_400_000;
/// Bytes of a message to a client.
const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// Speaks for anybody, to any node.
pub struct ProcessDoor {
    operator: Identity,
    authority: Authority,
    timer: Timer<TokioRuntime>,
    ways: Mutex<BTreeMap<(PrincipalId, u64), Way>>,
}

/// The origin of calls; who is there is said by the certificate.
pub fn origin() -> Uri {
    Uri::from_static("https://quorumcall")
}

impl ProcessDoor {
    /// To a cluster, with the authority that `found` left.
    ///
    /// # Errors
    ///
    /// If its files cannot be read.
    pub fn new(cluster: &Cluster) -> Result<Self, Trouble> {
        let operator = Identity::load(&cluster.founded().join("operator.identity"));
        let authority = Authority::load(&cluster.founded().join("ca.pem"));
        Ok(Self {
            operator: operator.map_err(|error| Trouble(error.to_string()))?,
            authority: authority.map_err(|error| Trouble(error.to_string()))?,
            timer: Timer::start(),
            ways: Mutex::default(),
        })
    }

    /// The connection of a principal to a node. Whoever is named after a city dials from there; the
    /// administrator and gateways have somebody in every city.
    ///
    /// # Errors
    ///
    /// If no certificate can be issued.
    pub fn way(&self, principal: &PrincipalId, node: u64) -> Result<Way, Trouble> {
        // What is in it is whole after every statement.
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(way) = ways.get(&(principal.clone(), node)) {
            return Ok(way.clone());
        }
        let way = self.dial(principal, node)?;
        ways.insert((principal.clone(), node), way.clone());
        Ok(way)
    }

    /// A connection that is shared with nobody.
    ///
    /// # Errors
    ///
    /// If no certificate can be issued.
    pub fn dial(&self, principal: &PrincipalId, node: u64) -> Result<Way, Trouble> {
        let issued;
        let identity = if principal == self.operator.principal() {
            &self.operator
        } else {
            let now_ms = SystemClock.now_ms();
            let (from, to) = (now_ms.saturating_sub(YEAR_MS), now_ms + YEAR_MS);
            let validity = Validity { not_before_ms: from, not_after_ms: to };
            issued = self
                .authority
                .issue_to(principal, validity, &mut rand::rng())
                .map_err(|error| Trouble(error.to_string()))?;
            &issued
        };
        let named_after = |city: &usize| principal.as_str().contains(CITIES[*city]);
        let city = (0..CITIES.len()).find(named_after).unwrap_or(city_of(node));
        let tls = client_config(identity, Arc::new(SystemClock));
        let dial = Dial {
            connector: Arc::new(TcpConnectorFrom { source: clients_of(city) }),
            address: front_of(node).to_string(),
            server_name: node_name(self.authority.cluster(), NodeId(node)),
            tls: tls.map_err(|error| Trouble(error.to_string()))?.into(),
            headers: Vec::new(),
            connect_timeout: CONNECT_TIMEOUT,
            keep_alive: KEEP_ALIVE,
        };
        Ok(Channel::new(dial, self.timer.clone()))
    }

    fn admin(&self, node: u64) -> Option<Way> {
        self.way(self.operator.principal(), node).ok()
    }

    /// How a node is, as it says itself. None: it does not answer.
    pub async fn status(&self, node: u64) -> Option<api::GetClusterResponse> {
        let mut reads = ReadsClient::with_origin(self.admin(node)?, origin());
        let asked = reads.get_cluster(api::GetClusterRequest { linearizable: false });
        Some(timeout(STATUS_TIMEOUT, asked).await.ok()?.ok()?.into_inner())
    }

    /// The live contacts as a node has them, and as of when. None: it does not answer, or there are more
    /// than fit on a page.
    pub async fn contacts(&self, node: u64) -> Option<(api::Freshness, Contacts)> {
        let mut reads = ReadsClient::with_origin(self.admin(node)?, origin())
            .max_decoding_message_size(MESSAGE_BYTES_MAX);
        let request = api::ListContactsRequest { page_size: PAGE, ..Default::default() };
        let list = reads.list_contacts(request).await.ok()?.into_inner();
        let contacts: Option<Contacts> = list.contacts.into_iter().map(contact).collect();
        let contacts = contacts.filter(|contacts| contacts.len() as u64 == list.total)?;
        Some((list.freshness?, contacts))
    }
}

/// Where a contact is.
fn contact(status: api::ContactStatus) -> Option<(ContactId, Place)> {
    let place = match (status.stage.as_str(), status.with) {
        ("scheduled", _) => Place::Scheduled,
        ("queued", _) => Place::Queued,
        ("stranded", _) => Place::Stranded,
        (stage, Some(with)) => Place::WithAgent {
            agent: AgentId::new(&with.agent).ok()?,
            token: OfferToken(with.token),
            stage: word(stage)?,
        },
        _ => return None,
    };
    Some((ContactId::new(&status.id).ok()?, place))
}

/// The stage as this program has it.
fn word(stage: &str) -> Option<&'static str> {
    ["offered", "accepted", "connected", "held", "wrap-up"].into_iter().find(|word| *word == stage)
}

impl Door for ProcessDoor {
    type Watch = ProcessWatch;

    async fn submit(&self, node: u64, submission: Submission) -> Outcome {
        let Ok(way) = self.way(&submission.principal, node) else { return Outcome::Unknown };
        let mut client = CommandsClient::with_origin(way, origin());
        let bytes = encode_submission(&submission).into();
        let command = Command { tag: 1, submission: bytes, arrival: false, leads: false };
        let once = stream::iter([api::SubmitRequest { commands: vec![command] }]);
        let Ok(responses) = client.submit(once).await else { return Outcome::Unknown };
        let Ok(Some(response)) = responses.into_inner().message().await else {
            return Outcome::Unknown;
        };
        match response.outcomes.into_iter().next().map(outcome_from_wire) {
            Some((_, answer)) => outcome(answer),
            None => Outcome::Unknown,
        }
    }

    async fn watch(&self, node: u64, from: Option<ResumeToken>) -> Option<Self::Watch> {
        let (after, listed) = match from {
            Some(token) => (token, None),
            None => {
                let (freshness, contacts) = self.contacts(node).await?;
                let token = ours(freshness.token?);
                (token, Some(Seen::Listed { token, contacts }))
            }
        };
        let mut watches = WatchesClient::with_origin(self.admin(node)?, origin())
            .max_decoding_message_size(MESSAGE_BYTES_MAX);
        let token = api::Token { epoch: after.epoch, index: after.index };
        let request = api::WatchRequest { after: Some(token), filter: None };
        let told = watches.watch(request).await.ok()?.into_inner();
        Some(ProcessWatch { told, listed, entry: Vec::new() })
    }
}

/// What a client was told.
pub fn outcome(answer: Answer) -> Outcome {
    match answer {
        Answer::Committed { index, reply } => Outcome::Committed { index, reply },
        // Refused by the node alone.
        Answer::Refused { index: 0, .. } => Outcome::Unavailable,
        Answer::Refused { index, code, message } => Outcome::Refused { index, code, message },
        Answer::Unavailable { .. } => Outcome::Unavailable,
        Answer::Unknown { .. } => Outcome::Unknown,
    }
}

fn ours(token: api::Token) -> ResumeToken {
    ResumeToken { epoch: token.epoch, index: token.index }
}

/// A watch over the network.
pub struct ProcessWatch {
    told: tonic::Streaming<api::WatchResponse>,
    listed: Option<Seen>,
    /// The beginning of an entry that comes in several messages.
    entry: Vec<Event>,
}

impl Watch for ProcessWatch {
    async fn next(&mut self) -> Seen {
        if let Some(listed) = self.listed.take() {
            return listed;
        }
        loop {
            let Ok(Some(response)) = self.told.message().await else { return Seen::Ended };
            let token = response.token.map(ours);
            match (response.news, token) {
                (Some(News::Started(_)), _) => {}
                (Some(News::Entry(entry)), Some(token)) => {
                    for event in entry.events {
                        // What this program has no word for is no word of this version's nodes.
                        let Ok(event) = event_from_stored(event) else { return Seen::Ended };
                        self.entry.push(event);
                    }
                    if !entry.more {
                        let events = Arc::new(std::mem::take(&mut self.entry));
                        return Seen::Entry { token, events };
                    }
                }
                (Some(News::Ended(over)), _) if over.why() == Why::Compacted => {
                    return Seen::Compacted;
                }
                _ => return Seen::Ended,
            }
        }
    }
}

/// The name of the administrator as a principal.
pub fn admin() -> PrincipalId {
    PrincipalId::new(ADMIN).expect("a proper name")
}
