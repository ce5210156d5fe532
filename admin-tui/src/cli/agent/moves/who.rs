//! Who would be moved, and what the queues are like.

use std::collections::BTreeSet;

use proto::api::v1 as api;
use tonic::{Response, Status};

use super::{AgentMoveArgs, MOVES_MAX};
use crate::cli::{ReadArgs, get_cluster};
use crate::client::{Client, reads};
use crate::failure::{ErrorCode, Failure};

/// Agents on a page.
const PAGE: u32 = 1_000;

/// What a plan is made from.
pub(super) struct Found {
    pub freshness: Option<api::Freshness>,
    /// By id.
    pub agents: Vec<api::AgentStatus>,
    pub queues: Vec<api::QueueStatus>,
}

/// Asks who is meant; everybody catches up first.
pub(super) async fn find(client: Client, args: &AgentMoveArgs) -> Result<Found, Failure> {
    if args.agents.len() > MOVES_MAX {
        return Err(too_many(args.agents.len() as u64));
    }
    let agents = if args.agents.is_empty() {
        by_filter(&client, args).await?
    } else {
        by_name(&client, args).await?
    };
    let request = api::ListQueuesRequest { linearizable: true, queue: None };
    let queues = client
        .read_fresh(|channel| {
            let request = request.clone();
            async move { reads(channel).list_queues(request).await }
        })
        .await?;
    let ids: BTreeSet<&str> =
        queues.queues.iter().filter_map(|q| Some(q.config.as_ref()?.id.as_str())).collect();
    for queue in [&args.to, &args.from].into_iter().flatten() {
        if !ids.contains(queue.as_str()) {
            return Err(not_there("queue", queue.as_str()));
        }
    }
    if let Some(site) = &args.to_site {
        let answer = get_cluster(client, ReadArgs { linearizable: true }).await?;
        let sites = answer.cluster.unwrap_or_default().sites;
        if !sites.iter().any(|there| there.id == site.as_str()) {
            return Err(not_there("site", site.as_str()));
        }
    }
    Ok(Found { freshness: queues.freshness, agents, queues: queues.queues })
}

async fn by_name(client: &Client, args: &AgentMoveArgs) -> Result<Vec<api::AgentStatus>, Failure> {
    let names: BTreeSet<_> = args.agents.iter().collect();
    let mut agents = Vec::with_capacity(names.len());
    for agent in names {
        let agent = agent.as_str().to_owned();
        let request = api::GetAgentRequest { linearizable: true, agent };
        let answer = client
            .read_fresh(|channel| {
                let request = request.clone();
                async move { reads(channel).get_agent(request).await }
            })
            .await?;
        agents.extend(answer.agent);
    }
    Ok(agents)
}

async fn by_filter(
    client: &Client,
    args: &AgentMoveArgs,
) -> Result<Vec<api::AgentStatus>, Failure> {
    let first = api::ListAgentsRequest {
        linearizable: true,
        queue: args.queue.as_ref().map(|id| id.as_str().to_owned()),
        site: args.site.as_ref().map(|id| id.as_str().to_owned()),
        presence: args.presence.map(|presence| presence.word().to_owned()),
        skill: args.skill.as_ref().map(|id| id.as_str().to_owned()),
        page_size: PAGE,
        ..api::ListAgentsRequest::default()
    };
    let answer = client
        .read_fresh(|channel| {
            let request = first.clone();
            async move { list(channel, request).await }
        })
        .await?;
    // The page holds as many as may be moved at once.
    if answer.total > MOVES_MAX as u64 {
        return Err(too_many(answer.total));
    }
    Ok(answer.agents)
}

async fn list(
    channel: tonic::transport::Channel,
    request: api::ListAgentsRequest,
) -> Result<Response<api::ListAgentsResponse>, Status> {
    reads(channel).list_agents(request).await
}

fn too_many(count: u64) -> Failure {
    Failure {
        code: ErrorCode::Precondition,
        what: "nobody was moved".into(),
        why: format!("{count} agents are meant, and at most {MOVES_MAX} are moved at once"),
        remedy: "narrow the filter, and move them in parts".into(),
    }
}

fn not_there(what: &str, id: &str) -> Failure {
    Failure {
        code: ErrorCode::NotFound,
        what: format!("there is no {what} {id}"),
        why: format!("the cluster has no {what} with this id"),
        remedy: format!("`quorumcall {what} list` shows what there is"),
    }
}
