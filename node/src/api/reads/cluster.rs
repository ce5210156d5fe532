//! The cluster, its nodes and sites.

use std::collections::BTreeMap;

use acd::board::{AgentTally, SiteRow};
use acd::codec::{
    drain_to_stored, node_role_to_stored, queue_metrics_to_stored, site_state_to_stored,
    token_to_stored,
};
use openraft_rt::AsyncRuntime;
use openraft_rt::watch::WatchReceiver;
use proto::api::v1 as api;
use tonic::Status;

use super::ReadsService;
use crate::node::Node;

impl<RT: AsyncRuntime> ReadsService<RT> {
    pub(super) async fn cluster(
        &self,
        request: api::GetClusterRequest,
    ) -> Result<api::GetClusterResponse, Status> {
        let id = format!("{:032x}", self.node.directory().own().cluster);
        let looked = self.look(
            request.linearizable,
            |centre| {
                let (contacts, agents, queues, _) = centre.counts();
                Ok(api::ClusterStatus {
                    name: centre.cluster().map_or(String::new(), |name| name.as_str().to_owned()),
                    id,
                    version: centre.version(),
                    replay: centre.is_replay(),
                    state_hash: format!("{:032x}", centre.state_hash()),
                    nodes: Vec::new(),
                    sites: Vec::new(),
                    contacts: contacts as u64,
                    agents: agents as u64,
                    queues: queues as u64,
                    members_revision: centre.members_revision().0,
                    tokens: centre.tokens().map(token_to_stored).collect(),
                })
            },
            |board, cluster| api::ClusterStatus {
                sites: board.site_rows().into_iter().map(site_status).collect(),
                ..cluster
            },
        );
        let (freshness, mut cluster) = looked.await?;
        cluster.nodes = node_statuses(&self.node, &freshness);
        Ok(api::GetClusterResponse { freshness: Some(freshness), cluster: Some(cluster) })
    }
}

/// The members, by number, as this node sees them: those of Raft, and those of the state.
fn node_statuses<RT: AsyncRuntime>(
    node: &Node<RT>,
    freshness: &api::Freshness,
) -> Vec<api::NodeStatus> {
    let voters: Vec<_> = {
        let metrics = node.raft().metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.membership().voter_ids().collect()
    };
    let mut statuses: BTreeMap<u64, api::NodeStatus> = BTreeMap::new();
    {
        let view = node.state().view();
        for (known, site) in view.centre().members() {
            let status = api::NodeStatus {
                node: known.id.0,
                site: site.to_string(),
                address: known.home.as_ref().map_or("", |home| home.address.as_str()).to_owned(),
                role: node_role_to_stored(&known.role),
                leaving: known.leaving,
                ..api::NodeStatus::default()
            };
            statuses.insert(known.id.0, status);
        }
    }
    for (number, member) in node.directory().all() {
        let status = statuses.entry(number).or_default();
        (status.node, status.member) = (number, true);
        (status.site, status.address) = (member.site, member.address);
    }
    let heard = node.neighbours().heard();
    for (number, status) in &mut statuses {
        let heard = heard.get(number);
        let is_own = *number == node.number();
        status.voter = voters.contains(number);
        status.leads = freshness.leader == Some(*number);
        status.applied = match is_own {
            true => Some(freshness.applied),
            false => heard.map(|(reading, _)| reading.applied),
        };
        status.heard_ms = match is_own {
            true => Some(0),
            false => heard.map(|(_, age)| age.as_millis() as u64),
        };
        status.round_trip_us = heard.map(|(reading, _)| reading.round_trip.as_micros() as u64);
        status.clock_offset_ms = heard.map(|(reading, _)| reading.clock_offset_ms);
    }
    statuses.into_values().collect()
}

fn site_status(row: SiteRow<'_>) -> api::SiteStatus {
    let SiteRow { site, nodes, agents, waiting, metrics, handling, available } = row;
    api::SiteStatus {
        id: site.id().as_str().to_owned(),
        name: site.config.name.as_str().to_owned(),
        state: Some(site_state_to_stored(&site.state)),
        silent: site.silent,
        drain: site.drain.as_ref().map(drain_to_stored),
        leader_priority: u32::from(site.config.leader_priority),
        revision: site.revision.0,
        nodes: nodes.into_iter().map(|node| node.0).collect(),
        agents: Some(agent_counts(agents)),
        engaged: site.engaged(),
        waiting,
        metrics: Some(queue_metrics_to_stored(&metrics)),
        handling_ms: handling.0,
        available_ms: available.0,
    }
}

pub(super) fn agent_counts(tally: AgentTally) -> api::AgentCounts {
    let AgentTally { free, busy, not_ready, unreachable, offline } = tally;
    api::AgentCounts { free, busy, not_ready, unreachable, offline }
}
