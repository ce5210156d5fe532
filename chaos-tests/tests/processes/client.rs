//! Clients of real nodes: TCP, TLS with identities of the cluster's authority, gRPC.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acd::codec::encode_submission;
use acd::command::Submission;
use acd::ids::{NodeId, PrincipalId};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use node::identity::{Authority, Identity, Validity, client_config, node_name};
use node::rpc::{Channel, Dial, Timer};
use node::seams::{SystemClock, TcpConnector, WallClock};
use node::submit::{Answer, outcome_from_wire};
use openraft_rt_tokio::TokioRuntime;
use proto::api::v1::commands_client::CommandsClient;
use proto::api::v1::submit_request::Command;
use proto::api::v1::{SubmitRequest, SubmitResponse};
use tokio::sync::mpsc;

use crate::cluster::Cluster;

const YEAR_MS: u64 = 365 * 86_400_000;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longer than a node waits for a command.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(25);

type Connection = Channel<TokioRuntime>;

/// Speaks for anybody, to any node.
pub struct Clients {
    operator: Identity,
    authority: Authority,
    addresses: Vec<String>,
    timer: Timer<TokioRuntime>,
    connections: Mutex<BTreeMap<(PrincipalId, u64), Connection>>,
}

impl Clients {
    /// With the authority that `found` left.
    pub fn of(cluster: &Cluster) -> Self {
        let operator = Identity::load(&cluster.founded().join("operator.identity"));
        let operator = operator.expect("the first operator's identity");
        let authority = Authority::load(&cluster.founded().join("ca.pem"));
        let authority = authority.expect("the cluster's authority");
        Self {
            operator,
            authority,
            addresses: cluster.addresses.clone(),
            timer: Timer::start(),
            connections: Mutex::default(),
        }
    }

    fn issue(&self, principal: &PrincipalId) -> Identity {
        let now_ms = SystemClock.now_ms();
        let validity = Validity { not_before_ms: now_ms - YEAR_MS, not_after_ms: now_ms + YEAR_MS };
        let issued = self.authority.issue_to(principal, validity, &mut rand::rng());
        issued.expect("anybody but a node gets a certificate")
    }

    fn connection(&self, principal: &PrincipalId, node: u64) -> Connection {
        let mut connections = self.connections.lock().expect("nobody panics with it");
        let make = || {
            let issued;
            let identity = if principal == self.operator.principal() {
                &self.operator
            } else {
                issued = self.issue(principal);
                &issued
            };
            let dial = Dial {
                connector: Arc::new(TcpConnector),
                address: self.addresses[node as usize - 1].clone(),
                server_name: node_name(self.authority.cluster(), NodeId(node)),
                tls: client_config(identity, Arc::new(SystemClock))
                    .expect("a good identity")
                    .into(),
                headers: Vec::new(),
                connect_timeout: CONNECT_TIMEOUT,
                keep_alive: CONNECT_TIMEOUT,
            };
            Channel::new(dial, self.timer.clone())
        };
        connections.entry((principal.clone(), node)).or_insert_with(make).clone()
    }

    /// Asks one node, once. Whatever goes wrong on the way leaves the outcome unknown.
    pub async fn ask(&self, node: u64, submission: &Submission) -> Answer {
        let channel = self.connection(&submission.principal, node);
        let origin = hyper::Uri::from_static("https://quorumcall");
        let mut client = CommandsClient::with_origin(channel, origin);
        let submission = encode_submission(submission).into();
        let command = Command { tag: 1, submission, arrival: false, leads: false };
        let once = stream::iter([SubmitRequest { commands: vec![command] }]);
        let call = async {
            let responses = client.submit(once).await.map_err(|status| status.to_string())?;
            let response = responses.into_inner().message().await;
            let response = response.map_err(|status| status.to_string())?;
            let outcome = response.and_then(|response| response.outcomes.into_iter().next());
            outcome.map(|outcome| outcome_from_wire(outcome).1).ok_or("no answer".to_owned())
        };
        match tokio::time::timeout(CALL_TIMEOUT, call).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(message)) => Answer::Unknown { message },
            Err(_) => Answer::unknown("no answer in time"),
        }
    }

    /// A stream of commands that stays open.
    pub async fn talk(&self, node: u64, principal: &PrincipalId) -> Conversation {
        let origin = hyper::Uri::from_static("https://quorumcall");
        let channel = self.connection(principal, node);
        let mut client = CommandsClient::with_origin(channel, origin);
        let (to, requests) = mpsc::channel(1);
        let requests = stream::unfold(requests, |mut requests| async move {
            Some((requests.recv().await?, requests))
        });
        let responses = client.submit(requests).await.expect("a node that answers");
        let responses = responses.into_inner().map(|response| response.expect("an answer"));
        Conversation { to, responses: responses.boxed(), tag: 0 }
    }

    /// Asks one node after the other, with the same ids, until one of them knows the outcome.
    pub async fn insist(&self, first: u64, submission: &Submission) -> Answer {
        let nodes = self.addresses.len() as u64;
        let mut node = first;
        loop {
            node = match self.ask(node, submission).await {
                Answer::Unavailable { leader: Some(leader), .. } if leader != node => leader,
                Answer::Unavailable { .. } | Answer::Unknown { .. } => node % nodes + 1,
                known => return known,
            };
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// As [`insist`](Self::insist); it must be carried out.
    pub async fn must(&self, first: u64, submission: &Submission) -> u64 {
        let asked = tokio::time::timeout(crate::cluster::PATIENCE, self.insist(first, submission));
        match asked.await.expect("an answer") {
            Answer::Committed { index, .. } => index,
            other => panic!("{submission:?}: {other:?}"),
        }
    }
}

/// One command after the other on one stream.
pub struct Conversation {
    to: mpsc::Sender<SubmitRequest>,
    responses: BoxStream<'static, SubmitResponse>,
    tag: u64,
}

impl Conversation {
    /// Sends a command and waits for its answer.
    pub async fn ask(&mut self, submission: &Submission) -> Answer {
        self.tag += 1;
        let submission = encode_submission(submission).into();
        let command = Command { tag: self.tag, submission, arrival: false, leads: false };
        self.to.send(SubmitRequest { commands: vec![command] }).await.expect("an open stream");
        let response = self.responses.next().await.expect("an open stream");
        let mut outcomes = response.outcomes.into_iter().map(outcome_from_wire);
        let (tag, answer) = outcomes.next().expect("an outcome");
        assert_eq!(tag, self.tag);
        answer
    }
}
