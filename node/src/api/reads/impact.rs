//! What would become of the work and of the quorum without a site.

use std::collections::BTreeSet;
use std::time::Duration;

use acd::codec::{drain_to_stored, site_state_to_stored};
use acd::config::ReturnMode;
use acd::ids::SiteId;
use acd::impact::{Load, QueueImpact, SiteImpact};
use openraft_rt::AsyncRuntime;
use openraft_rt::watch::WatchReceiver;
use proto::api::v1 as api;
use proto::api::v1::site_impact as wire;
use tonic::Status;

use super::cluster::agent_counts;
use super::{ReadsService, malformed, not_there};
use crate::node::Node;
use crate::raft::NodeId;

/// A node that said nothing for so long cannot be counted on: as long as a site takes to be lost on a
/// fast network. Peers are asked every second.
const SILENT_AFTER: Duration = Duration::from_secs(3);

impl<RT: AsyncRuntime> ReadsService<RT> {
    pub(super) async fn site_impact(
        &self,
        request: api::GetSiteImpactRequest,
    ) -> Result<api::GetSiteImpactResponse, Status> {
        let id = SiteId::new(&request.site).map_err(malformed)?;
        let site = id.clone();
        let looked = self.look(
            request.linearizable,
            |centre| match centre.site(&id) {
                Some(_) => Ok(centre.attached_only_at(&id)),
                None => Err(not_there("site", id.as_str())),
            },
            move |board, cut_off| board.site_impact(&site, &cut_off).map(to_wire),
        );
        let (freshness, impact) = looked.await?;
        let quorum = quorum_left(&self.node, freshness.leader, id.as_str());
        // The board was taken with the look that found the site.
        let impact = impact.map(|impact| api::SiteImpact { quorum: Some(quorum), ..impact });
        Ok(api::GetSiteImpactResponse { freshness: Some(freshness), impact })
    }
}

fn to_wire(impact: SiteImpact<'_>) -> api::SiteImpact {
    let SiteImpact {
        site,
        nodes: _,
        agents,
        offered,
        talking,
        wrapping_up,
        waiting,
        cut_off,
        load_now,
        load_then,
        queues,
    } = impact;
    api::SiteImpact {
        site: site.id().as_str().to_owned(),
        state: Some(site_state_to_stored(&site.state)),
        silent: site.silent,
        drain: site.drain.as_ref().map(drain_to_stored),
        revision: site.revision.0,
        return_after_ms: match site.config.return_mode {
            ReturnMode::After(hold) => Some(hold.0),
            ReturnMode::ByHand => None,
        },
        agents: Some(agent_counts(agents)),
        offered,
        talking,
        wrapping_up,
        waiting,
        cut_off,
        load_now_per_mille: per_mille(load_now),
        load_then_per_mille: per_mille(load_then),
        queues: queues.into_iter().map(queue_to_wire).collect(),
        quorum: None,
    }
}

fn queue_to_wire(impact: QueueImpact<'_>) -> wire::QueueImpact {
    let QueueImpact {
        queue,
        waiting,
        handled,
        handled_there,
        agents_there,
        agents_elsewhere,
        load_now,
        load_then,
    } = impact;
    wire::QueueImpact {
        queue: queue.id().as_str().to_owned(),
        waiting,
        handled,
        handled_there,
        agents_there: Some(agent_counts(agents_there)),
        agents_elsewhere: Some(agent_counts(agents_elsewhere)),
        load_now_per_mille: per_mille(load_now),
        load_then_per_mille: per_mille(load_then),
    }
}

fn per_mille(load: Load) -> Option<u64> {
    match load {
        Load::PerMille(load) => Some(load),
        Load::Nobody => None,
    }
}

/// What would be left of the quorum if all nodes of a site were gone.
fn quorum_left<RT: AsyncRuntime>(
    node: &Node<RT>,
    leader: Option<NodeId>,
    site: &str,
) -> api::QuorumLeft {
    let directory = node.directory();
    let site_of = |number: &NodeId| directory.get(*number).map(|member| member.site);
    // While the membership changes there are two majorities, and it takes both.
    let configs: Vec<BTreeSet<NodeId>> = {
        let metrics = node.raft().metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.membership().get_joint_config().clone()
    };
    let heard = node.neighbours().heard();
    let answers = |number: &NodeId| {
        let is_heard = || heard.get(number).is_some_and(|(_, age)| *age < SILENT_AFTER);
        *number == node.number() || is_heard()
    };
    let is_left = |number: &NodeId| site_of(number).is_some_and(|at| at != site) && answers(number);
    let voters: BTreeSet<NodeId> = configs.iter().flatten().copied().collect();
    let is_majority = |config: &BTreeSet<NodeId>| {
        config.iter().filter(|number| is_left(number)).count() > config.len() / 2
    };
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let sites: BTreeSet<String> = voters.iter().filter_map(site_of).collect();
    api::QuorumLeft {
        voters: count(voters.len()),
        needed: count(voters.len() / 2 + 1),
        answer_elsewhere: count(voters.iter().filter(|number| is_left(number)).count()),
        kept: !configs.is_empty() && configs.iter().all(is_majority),
        leader,
        leader_site: leader.as_ref().and_then(site_of),
        voter_sites: sites.into_iter().collect(),
    }
}
