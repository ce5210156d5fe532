//! What the nodes say of the cluster, several times a second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use proto::api::v1 as api;
use proto::api::v1::reads_client::ReadsClient;
use proto::stored::v1 as stored;
use proto::stored::v1::site_state::State;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic::transport::Channel;

use super::books::{Phase, reached};
use crate::client::answer_bytes_max;

/// How often the nodes are asked.
const EVERY: Duration = Duration::from_millis(200);
/// How long a node may take to answer.
const TIMEOUT: Duration = Duration::from_millis(500);

/// What one node said.
#[derive(Clone, Debug)]
pub struct NodeSaid {
    /// How current it is.
    pub freshness: api::Freshness,
    /// The cluster as it sees it.
    pub cluster: api::ClusterStatus,
}

impl NodeSaid {
    /// Index and hash of its state. None: it has stopped.
    pub fn state(&self) -> Option<(u64, &str)> {
        let Self { freshness, cluster } = self;
        freshness.halted.is_none().then_some((freshness.applied, &cluster.state_hash))
    }
}

/// What the nodes said last.
#[derive(Clone, Debug, Default)]
pub struct Board {
    /// By node. Those that did not answer are not there.
    pub nodes: BTreeMap<u64, NodeSaid>,
    /// As the node says that knows most.
    pub queues: Vec<api::QueueStatus>,
}

impl Board {
    /// The node that knows most: the one furthest ahead in the log.
    pub fn best(&self) -> Option<&NodeSaid> {
        let said = self.nodes.values().filter(|said| said.freshness.halted.is_none());
        said.max_by_key(|said| (said.freshness.applied, said.freshness.term))
    }

    /// Who leads, and the term, as the nodes know that are in the latest term, the leader itself
    /// first.
    pub fn leader(&self) -> Option<(u64, u64)> {
        let known = self.nodes.values().filter_map(|said| {
            let api::Freshness { term, leader, .. } = said.freshness;
            Some((term, said.freshness.part() == api::Part::Leader, leader?))
        });
        known.max().map(|(term, _, leader)| (leader, term))
    }

    /// Whether a site takes offers.
    pub fn is_in_service(&self, site: &str) -> bool {
        let status = self.best().and_then(|said| said.cluster.sites.iter().find(|s| s.id == site));
        status.is_some_and(|status| word(status) == "active")
    }
}

/// The word for a site's state.
pub(super) fn word(site: &api::SiteStatus) -> &'static str {
    state_word(site.state.as_ref())
}

/// The same, as events have it.
pub(super) fn state_word(state: Option<&stored::SiteState>) -> &'static str {
    match state.and_then(|state| state.state.as_ref()) {
        Some(State::Active(_)) => "active",
        Some(State::Suspect(_)) => "suspect",
        Some(State::Lost(_)) => "lost",
        Some(State::Returning(_)) => "returning",
        Some(State::Draining(_)) => "draining",
        Some(State::Drained(_)) => "drained",
        None => "unknown",
    }
}

/// A way to read from each node, by number from 1.
#[derive(Clone, Debug)]
pub struct Readers(Vec<ReadsClient<Channel>>);

impl Readers {
    /// By the nodes' channels, in the order of their numbers.
    pub fn new(channels: impl IntoIterator<Item = Channel>) -> Self {
        let reader =
            |channel| ReadsClient::new(channel).max_decoding_message_size(answer_bytes_max());
        Self(channels.into_iter().map(reader).collect())
    }

    /// Asks all nodes.
    pub async fn look(&self) -> Board {
        let asked = self.0.iter().zip(1_u64..).map(|(reader, node)| async move {
            let request = api::GetClusterRequest { linearizable: false };
            let mut reader = reader.clone();
            let answer = timeout(TIMEOUT, reader.get_cluster(request)).await;
            let api::GetClusterResponse { freshness, cluster } = answer.ok()?.ok()?.into_inner();
            Some((node, NodeSaid { freshness: freshness?, cluster: cluster? }))
        });
        // A node that does not answer, answers late or says half of it is shown as silent.
        let nodes = join_all(asked).await.into_iter().flatten().collect();
        let mut board = Board { nodes, queues: Vec::new() };
        let best = board.best().map(|said| said.freshness.node);
        let reader = best.and_then(|node| self.0.get(usize::try_from(node).ok()?.checked_sub(1)?));
        if let Some(reader) = reader {
            let mut reader = reader.clone();
            let request = api::ListQueuesRequest::default();
            if let Ok(Ok(answer)) = timeout(TIMEOUT, reader.list_queues(request)).await {
                board.queues = answer.into_inner().queues;
            }
        }
        board
    }
}

/// Keeps the board current until it is over.
pub(super) async fn watch_nodes(
    readers: Readers,
    board: watch::Sender<Arc<Board>>,
    mut phase: watch::Receiver<Phase>,
) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                board.send_replace(Arc::new(readers.look().await));
            }
            () = reached(&mut phase, Phase::Over) => return,
        }
    }
}
