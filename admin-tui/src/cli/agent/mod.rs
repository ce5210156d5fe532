//! `quorumcall agent`.

mod moves;

use std::collections::BTreeMap;

use acd::ids::{AgentId, QueueId, SiteId, SkillId};
use clap::{Args, Subcommand, ValueEnum};
use proto::api::v1 as api;
use proto::stored::v1 as stored;
use serde::Serialize;
use stored::presence::Presence as State;

use super::words::{self, NotReady};
use super::{Options, ReadArgs, parse_agent, parse_queue, parse_site, parse_skill};
use crate::centre_file::{Written, written_agent};
use crate::client::{Conversation, reads};
use crate::failure::{Answer, Failure};
use crate::output::{
    AgentMetrics, Facts, Freshness, Printed, Table, ago, ahead, duration, incomplete, left, one_of,
    percent, print, right,
};
use crate::terminal::Terminal;

pub use moves::AgentMoveArgs;

/// What to do with agents.
#[derive(Debug, Subcommand)]
pub enum AgentVerb {
    /// Agents, by id, a page at a time.
    List(AgentListArgs),
    /// One agent, with skills, queues and contacts.
    Show(AgentShowArgs),
    /// Lets agents serve another queue, for a while or for good.
    ///
    /// They keep the contacts they have. Who is moved for a while comes back by themselves.
    Move(AgentMoveArgs),
}

/// Arguments of `quorumcall agent list`.
#[derive(Debug, Args)]
pub struct AgentListArgs {
    /// Only those who serve this queue now.
    #[arg(long, value_name = "QUEUE", value_parser = parse_queue)]
    pub queue: Option<QueueId>,
    /// Only those whose session is at this site, or, offline, who belong there.
    #[arg(long, value_name = "SITE", value_parser = parse_site)]
    pub site: Option<SiteId>,
    /// Only those in this state.
    #[arg(long, alias = "state", value_enum)]
    pub presence: Option<PresenceWord>,
    /// Only those who have this skill, at any level.
    #[arg(long, value_name = "SKILL", value_parser = parse_skill)]
    pub skill: Option<SkillId>,
    /// Only those whose id or name contains this, in any case.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub text: String,
    /// Goes on after this id, which the page before gave.
    #[arg(long, value_name = "AGENT", value_parser = parse_agent)]
    pub after: Option<AgentId>,
    /// The most on a page: 1 to 1,000.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub limit: u32,
    /// How to read.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Whether an agent can be offered contacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PresenceWord {
    /// Not logged in.
    Offline,
    /// Can be offered contacts.
    Ready,
    /// Cannot.
    NotReady,
    /// The session is lost.
    Unreachable,
}

impl PresenceWord {
    /// The word.
    fn word(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Ready => "ready",
            Self::NotReady => "not-ready",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Arguments of `quorumcall agent show`.
#[derive(Debug, Args)]
pub struct AgentShowArgs {
    /// The agent.
    #[arg(value_name = "AGENT", value_parser = parse_agent)]
    pub agent: AgentId,
    /// How to read.
    #[command(flatten)]
    pub read: ReadArgs,
}

impl AgentVerb {
    pub(crate) fn run(
        &self,
        options: &Options,
        terminal: &mut impl Terminal,
    ) -> Result<Answer, Failure> {
        match self {
            Self::List(args) => print(&AgentList::read(options, args)?, options.output),
            Self::Show(args) => print(&AgentShown::read(options, args)?, options.output),
            Self::Move(args) => return moves::run(options, args, terminal),
        }
        .map(Answer::from)
    }
}

/// An agent.
#[derive(Debug, Serialize)]
struct AgentRow {
    /// The id.
    id: String,
    /// The name people see.
    name: String,
    /// offline, ready, not-ready, unreachable.
    presence: &'static str,
    /// Why the agent is not ready.
    reason: Option<NotReady>,
    /// Why the agent will not be ready once free.
    pending: Option<NotReady>,
    /// Where the session is.
    site: Option<String>,
    /// The node the session is on.
    node: Option<u64>,
    /// Where the agent belongs.
    home_site: String,
    /// Since when the agent does what the agent does now.
    since_ms: u64,
    /// Queues served now, with the grade of each.
    queues: BTreeMap<String, u32>,
    /// Other queues for a while.
    moved: Option<Moved>,
    /// Offers and contacts, in the order in which they came.
    work: Vec<WorkRow>,
    /// Media that were closed because the agent let one ring.
    closed_media: Vec<&'static str>,
    /// Revision, for plans.
    revision: u64,
    /// Counters.
    metrics: AgentMetrics,
}

/// An offer or contact of an agent.
#[derive(Debug, Serialize)]
struct WorkRow {
    contact: String,
    stage: String,
    queue: String,
}

/// Other queues for a while.
#[derive(Debug, Serialize)]
struct Moved {
    home_site: String,
    until_ms: u64,
}

impl AgentRow {
    fn of(stored: api::AgentStatus) -> Result<Self, Failure> {
        let closed_media = stored.closed_media().map(words::medium).collect();
        let api::AgentStatus {
            config,
            revision,
            presence,
            pending,
            session,
            moved,
            closed_media: _,
            activity_since_ms,
            work,
            metrics,
        } = stored;
        let config = config.ok_or_else(|| incomplete("has an agent without a name"))?;
        let (presence, reason) = match presence.and_then(|presence| presence.presence) {
            Some(State::Ready(_)) => ("ready", None),
            Some(State::NotReady(reason)) => ("not-ready", Some(NotReady::of(&reason))),
            Some(State::Unreachable(_)) => ("unreachable", None),
            Some(State::Offline(_)) => ("offline", None),
            None => ("unknown", None),
        };
        let served = moved.as_ref().map_or(&config.queues, |moved| &moved.queues);
        let queues = served.iter().map(|a| (a.queue.clone(), a.grade)).collect();
        let work =
            work.into_iter().map(|api::agent_status::AgentWork { contact, stage, queue }| {
                WorkRow { contact, stage, queue }
            });
        let (site, node) = session.map(|session| (session.site, session.node)).unzip();
        Ok(Self {
            id: config.id,
            name: config.name,
            presence,
            reason,
            pending: pending.as_ref().map(NotReady::of),
            site,
            node,
            home_site: config.home_site,
            since_ms: activity_since_ms,
            queues,
            moved: moved
                .map(|moved| Moved { home_site: moved.home_site, until_ms: moved.until_ms }),
            work: work.collect(),
            closed_media,
            revision,
            metrics: AgentMetrics::of(metrics),
        })
    }

    fn presence_text(&self) -> String {
        let reason = self.reason.as_ref().map(|why| format!(": {}", why.words()));
        let pending = self.pending.as_ref().map(|why| format!(", then not ready: {}", why.words()));
        let word = if self.presence == "not-ready" { "not ready" } else { self.presence };
        format!("{word}{}{}", reason.unwrap_or_default(), pending.unwrap_or_default())
    }

    fn queues_text(&self) -> String {
        let queues: Vec<_> =
            self.queues.iter().map(|(queue, grade)| format!("{queue} {grade}")).collect();
        queues.join(", ")
    }
}

/// A page of agents.
#[derive(Debug, Serialize)]
struct AgentList {
    freshness: Freshness,
    agents: Vec<AgentRow>,
    /// All that match, on all pages.
    total: u64,
    /// What to give as --after for the next page; null: this is the last.
    next: Option<String>,
}

impl AgentList {
    fn read(options: &Options, args: &AgentListArgs) -> Result<Self, Failure> {
        let request = api::ListAgentsRequest {
            linearizable: args.read.linearizable,
            queue: args.queue.as_ref().map(|id| id.as_str().to_owned()),
            site: args.site.as_ref().map(|id| id.as_str().to_owned()),
            presence: args.presence.map(|presence| presence.word().to_owned()),
            skill: args.skill.as_ref().map(|id| id.as_str().to_owned()),
            text: args.text.clone(),
            after: args.after.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default(),
            page_size: args.limit,
        };
        let answer = Conversation::open(options)?.ask(|client| async move {
            client
                .read_fresh(|channel| {
                    let request = request.clone();
                    async move { reads(channel).list_agents(request).await }
                })
                .await
        })?;
        let freshness = Freshness::of(answer.freshness)?;
        let agents = answer.agents.into_iter().map(AgentRow::of).collect::<Result<Vec<_>, _>>()?;
        // A page that is not full is the last one.
        let is_full = agents.len() >= args.limit as usize;
        let next = agents.last().filter(|_| is_full).map(|agent| agent.id.clone());
        Ok(Self { freshness, agents, total: answer.total, next })
    }
}

impl Printed for AgentList {
    fn table(&self) -> String {
        let now_ms = self.freshness.now_ms;
        let mut table = Table::new([
            left("AGENT"),
            left("NAME"),
            left("SITE"),
            left("PRESENCE"),
            right("SINCE"),
            right("CONTACTS"),
            right("ANSWERED"),
            right("OCCUPANCY"),
            left("QUEUES"),
        ]);
        for agent in &self.agents {
            let today = agent.metrics.today();
            table.row([
                agent.id.clone(),
                agent.name.clone(),
                agent.site.clone().unwrap_or_default(),
                agent.presence_text(),
                duration(now_ms.saturating_sub(agent.since_ms)),
                agent.work.len().to_string(),
                today.answered.to_string(),
                percent(today.occupancy()),
                agent.queues_text(),
            ]);
        }
        let shown = self.agents.len() as u64;
        let more = match &self.next {
            Some(next) if self.total > shown => {
                format!(
                    "{shown} of {}; more with --after {next}\n",
                    one_of(self.total, "agent", "agents")
                )
            }
            _ => String::new(),
        };
        format!("{}{more}\n{}", table.text("no agents"), self.freshness.line())
    }
}

/// One agent.
#[derive(Debug, Serialize)]
struct AgentShown {
    freshness: Freshness,
    agent: AgentRow,
    /// As centre.toml has it.
    config: Written,
}

impl AgentShown {
    fn read(options: &Options, args: &AgentShowArgs) -> Result<Self, Failure> {
        let request = api::GetAgentRequest {
            linearizable: args.read.linearizable,
            agent: args.agent.as_str().to_owned(),
        };
        let answer = Conversation::open(options)?.ask(|client| async move {
            client
                .read_fresh(|channel| {
                    let request = request.clone();
                    async move { reads(channel).get_agent(request).await }
                })
                .await
        })?;
        let freshness = Freshness::of(answer.freshness)?;
        let stored = answer.agent.ok_or_else(|| incomplete("does not describe the agent"))?;
        let config = written_agent(stored.config.clone().unwrap_or_default())
            .map_err(|_| incomplete("has a configuration that this program does not know"))?;
        Ok(Self { freshness, agent: AgentRow::of(stored)?, config })
    }
}

impl Printed for AgentShown {
    fn table(&self) -> String {
        let agent = &self.agent;
        let now_ms = self.freshness.now_ms;
        let today = agent.metrics.today();
        let session = match (&agent.site, agent.node) {
            (Some(site), Some(node)) => format!("at {site}, on node {node}"),
            _ => "none".into(),
        };
        let mut facts = Facts::default();
        facts
            .fact("agent", &agent.id)
            .fact("name", &agent.name)
            .fact("presence", agent.presence_text())
            .fact("since", ago(agent.since_ms, now_ms))
            .fact("session", session)
            .fact("home site", &agent.home_site)
            .fact("serves", agent.queues_text());
        if let Some(moved) = &agent.moved {
            let until = ahead(moved.until_ms, now_ms);
            facts.fact("moved", format!("until {until}; counts for {} meanwhile", moved.home_site));
        }
        if !agent.closed_media.is_empty() {
            facts.fact("closed media", agent.closed_media.join(", "));
        }
        facts
            .fact("answered today", today.answered.to_string())
            .fact("let ring today", today.rona.to_string())
            .fact("declined today", today.declined.to_string())
            .fact("occupancy today", percent(today.occupancy()))
            .fact("revision", agent.revision.to_string());
        let mut work = Table::new([left("CONTACT"), left("STAGE"), left("QUEUE")]);
        for WorkRow { contact, stage, queue } in &agent.work {
            work.row([contact.clone(), stage.clone(), queue.clone()]);
        }
        let mut config = Facts::default();
        for (field, value) in self.config.fields() {
            config.fact(&field, value);
        }
        format!(
            "{}\n{}\nconfiguration, as centre.toml has it\n{}\n{}",
            facts.text(),
            work.text("no contacts"),
            config.text(),
            self.freshness.line()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stored::not_ready_reason::Reason;

    fn not_ready(reason: Reason) -> stored::NotReadyReason {
        stored::NotReadyReason { reason: Some(reason) }
    }

    #[test]
    fn an_agent_is_told_with_what_keeps_them_from_work() {
        let assignment = |queue: &str, grade| stored::Assignment { queue: queue.into(), grade };
        let row = AgentRow::of(api::AgentStatus {
            config: Some(stored::AgentConfig {
                id: "anna".into(),
                queues: vec![assignment("billing", 1)],
                ..stored::AgentConfig::default()
            }),
            presence: Some(stored::Presence {
                presence: Some(State::NotReady(not_ready(Reason::Said("lunch".into())))),
            }),
            pending: Some(not_ready(Reason::Supervisor("training".into()))),
            moved: Some(stored::TemporaryMove {
                queues: vec![assignment("general", 2), assignment("sales", 3)],
                home_site: "kyiv".into(),
                until_ms: 9,
            }),
            ..api::AgentStatus::default()
        });
        let row = row.expect("complete");
        assert_eq!(row.presence_text(), "not ready: lunch, then not ready: training (supervisor)");
        assert_eq!(row.queues_text(), "general 2, sales 3", "those of the move");
        assert!(AgentRow::of(api::AgentStatus::default()).is_err());
    }
}
