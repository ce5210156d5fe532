//! Agents.

use acd::agent::Agent;
use acd::board::{AgentRow, Board, Work};
use acd::codec::{
    agent_config_to_stored, agent_metrics_to_stored, media_to_stored, not_ready_reason_to_stored,
    presence_to_stored, session_to_stored, temporary_move_to_stored,
};
use acd::ids::{AgentId, QueueId, SiteId, SkillId};
use openraft_rt::AsyncRuntime;
use proto::api::v1 as api;
use tonic::Status;

use super::{ReadsService, malformed, not_there, one_of, page, page_rows, parse, wanted_text};

/// The words for presences.
const PRESENCES: [&str; 4] = ["offline", "ready", "not-ready", "unreachable"];

/// Which agents are wanted.
struct Filter {
    queue: Option<QueueId>,
    site: Option<SiteId>,
    presence: Option<String>,
    skill: Option<SkillId>,
    text: String,
}

impl Filter {
    fn wants(&self, board: &Board, agent: &Agent) -> bool {
        let Self { queue, site, presence, skill, text } = self;
        let has = |id: &SkillId| agent.config.skills.iter().any(|(skill, _)| skill == id);
        let name = || agent.config.name.as_str().to_lowercase();
        queue.as_ref().is_none_or(|id| agent.queues().iter().any(|a| a.queue == *id))
            && site.as_ref().is_none_or(|id| board.works_at(agent) == id)
            && presence.as_ref().is_none_or(|word| agent.presence.word() == word)
            && skill.as_ref().is_none_or(has)
            && (text.is_empty() || agent.id().as_str().contains(text) || name().contains(text))
    }
}

impl<RT: AsyncRuntime> ReadsService<RT> {
    pub(super) async fn agents(
        &self,
        request: api::ListAgentsRequest,
    ) -> Result<api::ListAgentsResponse, Status> {
        one_of(request.presence.as_deref(), "presence", &PRESENCES)?;
        let filter = Filter {
            queue: parse(request.queue, QueueId::new)?,
            site: parse(request.site, SiteId::new)?,
            presence: request.presence,
            skill: parse(request.skill, SkillId::new)?,
            text: wanted_text(&request.text)?,
        };
        let after = parse(Some(request.after).filter(|after| !after.is_empty()), AgentId::new)?;
        let size = page_rows(request.page_size)?;
        let looked = self.look(
            request.linearizable,
            |centre| match &filter {
                Filter { queue: Some(id), .. } if centre.queue(id).is_none() => {
                    Err(not_there("queue", id.as_str()))
                }
                Filter { site: Some(id), .. } if centre.site(id).is_none() => {
                    Err(not_there("site", id.as_str()))
                }
                _ => Ok(filter),
            },
            move |board, filter| {
                let mut rows: Vec<_> =
                    board.agents().filter(|agent| filter.wants(board, agent)).collect();
                let total = rows.len() as u64;
                rows.retain(|agent| after.as_ref().is_none_or(|after| agent.id() > after));
                let rows = page(rows, 0, size, |a, b| a.id().cmp(b.id())).into_iter();
                let agents = rows.map(|agent| status(board, board.agent_row(agent)));
                (agents.collect(), total)
            },
        );
        let (freshness, (agents, total)) = looked.await?;
        Ok(api::ListAgentsResponse { freshness: Some(freshness), agents, total })
    }

    pub(super) async fn agent(
        &self,
        request: api::GetAgentRequest,
    ) -> Result<api::GetAgentResponse, Status> {
        let id = AgentId::new(&request.agent).map_err(malformed)?;
        let taken = self.take(request.linearizable, |centre| {
            let slot = centre.agent_slot(&id).ok_or_else(|| not_there("agent", id.as_str()))?;
            Ok((centre.board(), slot))
        });
        let (freshness, (board, slot)) = taken.await?;
        let agent = status(&board, board.agent_row(board.agent(slot)));
        Ok(api::GetAgentResponse { freshness: Some(freshness), agent: Some(agent) })
    }
}

fn status(board: &Board, row: AgentRow<'_>) -> api::AgentStatus {
    let AgentRow { agent, work, metrics } = row;
    let session = agent.session.as_ref();
    let work =
        work.into_iter().map(|Work { contact, stage, queue }| api::agent_status::AgentWork {
            contact: contact.as_str().to_owned(),
            stage: stage.to_owned(),
            queue: queue.as_str().to_owned(),
        });
    api::AgentStatus {
        config: Some(agent_config_to_stored(&agent.config)),
        revision: agent.revision.0,
        presence: Some(presence_to_stored(&agent.presence)),
        pending: agent.pending.as_ref().map(not_ready_reason_to_stored),
        session: session.map(|session| session_to_stored(session, board.site(session.site).id())),
        moved: agent.moved.as_deref().map(temporary_move_to_stored),
        closed_media: media_to_stored(&agent.closed_media),
        activity_since_ms: agent.activity_since.0,
        work: work.collect(),
        metrics: Some(agent_metrics_to_stored(&metrics)),
    }
}
