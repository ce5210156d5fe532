//! The way simulated clients reach the cluster: their own certificates, TLS, HTTP/2 and gRPC over
//! the simulated network. Watches have no call yet and are taken at the node itself.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acd::codec::encode_submission;
use acd::command::Submission;
use acd::ids::{NodeId, PrincipalId};
use futures::stream;
use node::identity::{client_config, node_name};
use node::replica::{Ended, Token};
use node::rpc::{Channel, Dial, Timer};
use node::submit::{Answer, outcome_from_wire};
use openraft_rt::{AsyncRuntime, Select2};
use proto::api::v1::SubmitRequest;
use proto::api::v1::commands_client::CommandsClient;
use proto::api::v1::submit_request::Command;

use crate::cluster::{Cluster, PORT};
use crate::history::{Outcome, ResumeToken, contacts_of};
use crate::sim::{Host, Life, Network, NodeRuntime, SimWallClock, World, lock};
use crate::workload::{Door, Seen, Watch};

/// How long a client takes to find out that a node is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// The way into a simulated cluster.
pub struct SimDoor {
    world: World,
    network: Network,
    cluster: Arc<Cluster>,
    clients: Mutex<Clients>,
}

#[derive(Default)]
struct Clients {
    /// Each principal calls from a host of its own.
    hosts: BTreeMap<PrincipalId, (Host, Arc<rustls::ClientConfig>)>,
    channels: BTreeMap<(PrincipalId, u64), Channel<NodeRuntime>>,
}

impl SimDoor {
    /// To this cluster.
    pub fn new(world: &World, network: &Network, cluster: &Arc<Cluster>) -> Self {
        Self {
            world: world.clone(),
            network: network.clone(),
            cluster: cluster.clone(),
            clients: Mutex::default(),
        }
    }

    fn channel(&self, principal: &PrincipalId, node: u64) -> Channel<NodeRuntime> {
        let mut clients = lock(&self.clients);
        let key = (principal.clone(), node);
        if let Some(channel) = clients.channels.get(&key) {
            return channel.clone();
        }
        let next = clients.hosts.len() as u64 + 1;
        let (host, tls) = clients.hosts.entry(principal.clone()).or_insert_with(|| {
            let host = Host::Client(next);
            let clock = Arc::new(SimWallClock::new(&self.world, host));
            let identity = self.cluster.identity(principal);
            (host, client_config(&identity, clock).expect("a client's identity is good"))
        });
        let dial = Dial {
            connector: Arc::new(self.network.connector(*host)),
            address: Host::Node(node).address(PORT),
            server_name: node_name(self.cluster.cluster_id(), NodeId(node)),
            tls: tls.clone().into(),
            headers: Vec::new(),
            connect_timeout: CONNECT_TIMEOUT,
            keep_alive: KEEP_ALIVE,
        };
        let channel = Channel::new(dial, Timer::start());
        clients.channels.insert(key, channel.clone());
        channel
    }
}

impl Door for SimDoor {
    type Watch = SimWatch;

    async fn submit(&self, node: u64, submission: Submission) -> Outcome {
        let channel = self.channel(&submission.principal, node);
        let origin = hyper::Uri::from_static("https://quorumcall");
        let mut client = CommandsClient::with_origin(channel, origin);
        let command = Command {
            tag: 1,
            submission: encode_submission(&submission).into(),
            arrival: false,
            leads: false,
        };
        let request = SubmitRequest { commands: vec![command] };
        let once = stream::iter([request]);
        let Ok(responses) = client.submit(once).await else { return Outcome::Unknown };
        let Ok(Some(response)) = responses.into_inner().message().await else {
            return Outcome::Unknown;
        };
        match response.outcomes.into_iter().next().map(outcome_from_wire) {
            Some((_, Answer::Committed { index, reply })) => Outcome::Committed { index, reply },
            Some((_, Answer::Refused { index, code, message })) => {
                Outcome::Refused { index, code, message }
            }
            Some((_, Answer::Unavailable { .. })) => Outcome::Unavailable,
            Some((_, Answer::Unknown { .. })) | None => Outcome::Unknown,
        }
    }

    async fn watch(&self, node: u64, from: Option<ResumeToken>) -> Option<Self::Watch> {
        let life = self.world.life(Host::Node(node));
        let state = self.cluster.node(node)?.state().clone();
        let (inner, listed) = match from {
            None => {
                let (contacts, watch) = state.watch(contacts_of);
                let token = ours(watch.token());
                (Ok(watch), Some(Seen::Listed { token, contacts }))
            }
            Some(ResumeToken { epoch, index }) => {
                (state.resume::<NodeRuntime>(Token { epoch, index }).await, None)
            }
        };
        let world = self.world.clone();
        Some(SimWatch { world, life, inner, listed })
    }
}

fn ours(token: Token) -> ResumeToken {
    ResumeToken { epoch: token.epoch, index: token.index }
}

/// A watch that ends with its node's life.
pub struct SimWatch {
    world: World,
    life: Life,
    inner: Result<node::replica::Watch, Ended>,
    listed: Option<Seen>,
}

impl Watch for SimWatch {
    async fn next(&mut self) -> Seen {
        if let Some(listed) = self.listed.take() {
            return listed;
        }
        let watch = match &mut self.inner {
            Ok(watch) => watch,
            Err(Ended::Compacted) => return Seen::Compacted,
            Err(Ended::Behind | Ended::Closed) => return Seen::Ended,
        };
        let next = {
            let ended = pin!(self.world.ended(self.life));
            let next = pin!(watch.next());
            NodeRuntime::select2(ended, next).await
        };
        match next {
            Select2::First(()) | Select2::Second(Err(Ended::Behind | Ended::Closed)) => Seen::Ended,
            Select2::Second(Err(Ended::Compacted)) => Seen::Compacted,
            Select2::Second(Ok(entry)) => {
                let token = ours(watch.token());
                Seen::Entry { token, events: Arc::new(entry.events.clone()) }
            }
        }
    }
}
