//! What would become of a site, as a node tells it.

use acd::ids::SiteId;
use proto::api::v1 as api;
use proto::api::v1::site_impact as wire;
use proto::stored::v1::site_state::State;
use serde::Serialize;

use super::row::Drain;
use crate::cli::words;
use crate::client::{Client, ClientError, Conversation, reads};
use crate::failure::Failure;
use crate::output::{AgentCounts, Facts, Freshness, Table, incomplete, left, right};

/// What would become of a site.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Impact {
    /// active, suspect, lost, returning, draining, drained.
    pub state: &'static str,
    /// Whether the leader has not heard of it for a moment.
    pub silent: bool,
    /// For a site that returns: when it goes into service by itself. Null: by hand, or not at all.
    pub returns_ms: Option<u64>,
    /// How long it is held after a loss. Null: until an operator says so.
    pub return_after_ms: Option<u64>,
    /// A drain that goes on, or whose cordon still stands.
    pub drain: Option<Drain>,
    /// Revision, for plans.
    pub revision: u64,
    /// Agents with sessions there.
    pub agents: AgentCounts,
    /// Contacts before agents there or being connected to them.
    pub offered: u32,
    /// Conversations of agents there.
    pub talking: u32,
    /// Contacts that agents there wrap up.
    pub wrapping_up: u32,
    /// Contacts that wait with their media there.
    pub waiting: u32,
    /// Contacts whose front end has streams to this site only.
    pub cut_off: u32,
    /// Work ÷ what agents who are ready can handle at once. Null: nobody could take some of it.
    pub load_now: Option<f64>,
    /// The same without the agents there.
    pub load_then: Option<f64>,
    /// Queues that would notice.
    pub queues: Vec<QueueImpact>,
    /// What would be left of the quorum.
    pub quorum: Quorum,
}

/// What would become of a queue.
#[derive(Clone, Debug, Serialize)]
pub(super) struct QueueImpact {
    /// The queue.
    pub queue: String,
    /// Contacts that wait.
    pub waiting: u32,
    /// Contacts with agents anywhere.
    pub handled: u32,
    /// Those of them that are with agents there.
    pub handled_there: u32,
    /// Agents with sessions there who serve it.
    pub agents_there: AgentCounts,
    /// Agents who would be left.
    pub agents_elsewhere: AgentCounts,
    /// As of the whole centre.
    pub load_now: Option<f64>,
    /// As of the whole centre.
    pub load_then: Option<f64>,
}

/// What would be left of the quorum if the site's nodes were gone.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Quorum {
    /// Voters in all.
    pub voters: u32,
    /// How many of them it takes.
    pub needed: u32,
    /// Voters at other sites that answer.
    pub answer_elsewhere: u32,
    /// Whether those are enough.
    pub kept: bool,
    /// Who leads, by the node that answers.
    pub leader: Option<u64>,
    /// From where.
    pub leader_site: Option<String>,
    /// Sites that have voters.
    pub voter_sites: Vec<String>,
}

/// What is left to do at a site that is drained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Progress {
    offered: u32,
    talking: u32,
    wrapping_up: u32,
    waiting: u32,
    leader: Option<u64>,
    leader_site: Option<String>,
}

/// Asks for it.
pub(super) async fn ask(
    client: Client,
    site: &SiteId,
    linearizable: bool,
) -> Result<api::GetSiteImpactResponse, ClientError> {
    let request = api::GetSiteImpactRequest { linearizable, site: site.as_str().to_owned() };
    client
        .read_fresh(|channel| {
            let request = request.clone();
            async move { reads(channel).get_site_impact(request).await }
        })
        .await
}

/// Asks for it, and for how current it is.
pub(super) fn read(
    conversation: &Conversation,
    site: &SiteId,
    linearizable: bool,
) -> Result<(Freshness, Impact), Failure> {
    Impact::of(conversation.ask(|client| ask(client, site, linearizable))?)
}

impl Impact {
    /// What an answer says.
    pub(super) fn of(answer: api::GetSiteImpactResponse) -> Result<(Freshness, Self), Failure> {
        let freshness = Freshness::of(answer.freshness)?;
        let impact = answer.impact.ok_or_else(|| incomplete("does not describe the site"))?;
        let api::SiteImpact {
            site: _,
            state,
            silent,
            drain,
            revision,
            return_after_ms,
            agents,
            offered,
            talking,
            wrapping_up,
            waiting,
            cut_off,
            load_now_per_mille,
            load_then_per_mille,
            queues,
            quorum,
        } = impact;
        let word = words::site_state(state.as_ref());
        let returns_ms = match state.and_then(|state| state.state) {
            Some(State::Returning(returning)) => returning.until_ms,
            _ => None,
        };
        let api::QuorumLeft {
            voters,
            needed,
            answer_elsewhere,
            kept,
            leader,
            leader_site,
            voter_sites,
        } = quorum.ok_or_else(|| incomplete("does not say what is left of the quorum"))?;
        let quorum =
            Quorum { voters, needed, answer_elsewhere, kept, leader, leader_site, voter_sites };
        let impact = Self {
            state: word,
            silent,
            returns_ms,
            return_after_ms,
            drain: drain.map(Drain::of),
            revision,
            agents: AgentCounts::of(agents),
            offered,
            talking,
            wrapping_up,
            waiting,
            cut_off,
            load_now: load_now_per_mille.map(fraction),
            load_then: load_then_per_mille.map(fraction),
            queues: queues.into_iter().map(QueueImpact::of).collect(),
            quorum,
        };
        Ok((freshness, impact))
    }

    /// How far a drain has come.
    pub(super) fn progress(&self) -> Progress {
        Progress {
            offered: self.offered,
            talking: self.talking,
            wrapping_up: self.wrapping_up,
            waiting: self.waiting,
            leader: self.quorum.leader,
            leader_site: self.quorum.leader_site.clone(),
        }
    }

    /// Adds what is true of it now.
    pub(super) fn tell(&self, facts: &mut Facts) {
        let silent = if self.silent { ", silent" } else { "" };
        facts
            .fact("state", format!("{}{silent}", self.state))
            .fact("revision", self.revision.to_string())
            .fact("agents there", self.agents.words())
            .fact("work there", self.progress().words())
            .fact("cut off with it", format!("{} contacts of front ends there", self.cut_off))
            .fact("load", format!("{} → {}", load(self.load_now), load(self.load_then)))
            .fact("quorum", self.quorum.words())
            .fact("leader", self.progress().leader_words());
    }

    /// The queues that would notice.
    pub(super) fn table(&self) -> String {
        let mut table = Table::new([
            left("QUEUE"),
            right("WAITING"),
            right("HANDLED"),
            right("THERE"),
            right("AGENTS THERE"),
            right("LEFT"),
            right("LEFT FREE"),
            right("LOAD NOW"),
            right("LOAD THEN"),
        ]);
        for queue in &self.queues {
            table.row([
                queue.queue.clone(),
                queue.waiting.to_string(),
                queue.handled.to_string(),
                queue.handled_there.to_string(),
                queue.agents_there.logged_in().to_string(),
                queue.agents_elsewhere.logged_in().to_string(),
                queue.agents_elsewhere.free.to_string(),
                load(queue.load_now),
                load(queue.load_then),
            ]);
        }
        table.text("no queue would notice")
    }
}

impl QueueImpact {
    fn of(stored: wire::QueueImpact) -> Self {
        let wire::QueueImpact {
            queue,
            waiting,
            handled,
            handled_there,
            agents_there,
            agents_elsewhere,
            load_now_per_mille,
            load_then_per_mille,
        } = stored;
        Self {
            queue,
            waiting,
            handled,
            handled_there,
            agents_there: AgentCounts::of(agents_there),
            agents_elsewhere: AgentCounts::of(agents_elsewhere),
            load_now: load_now_per_mille.map(fraction),
            load_then: load_then_per_mille.map(fraction),
        }
    }
}

impl Quorum {
    /// What is left, in words.
    pub(super) fn words(&self) -> String {
        let Self { voters, needed, answer_elsewhere, kept, .. } = self;
        let verdict = if *kept { "kept" } else { "LOST" };
        format!(
            "{verdict} without it: {answer_elsewhere} of {voters} voters answer elsewhere, {needed} are needed"
        )
    }

    /// Whether one of two cities can go on without the other, and why not. None: there are more.
    pub(super) fn two_cities(&self) -> Option<String> {
        let [one, other] = &self.voter_sites[..] else {
            return None;
        };
        Some(format!(
            "automatic failover between {one} and {other} is impossible: whichever of them is left \
             cannot tell a lost city from a broken line, and both must not decide. It needs a third \
             place: `quorumcall cluster join-token --site PLACE --role witness` (a small machine \
             without agents is enough)"
        ))
    }
}

impl Progress {
    /// What is left, in words.
    pub(super) fn words(&self) -> String {
        let Self { offered, talking, wrapping_up, waiting, .. } = self;
        format!(
            "{offered} offered, {talking} in conversation, {wrapping_up} in wrap-up; {waiting} wait with their media there"
        )
    }

    /// Who leads, in words.
    pub(super) fn leader_words(&self) -> String {
        match (self.leader, &self.leader_site) {
            (Some(node), Some(site)) => format!("node {node} ({site})"),
            (Some(node), None) => format!("node {node}"),
            (None, _) => "NONE known".into(),
        }
    }
}

/// Thousandths as a fraction; exact to three decimals.
fn fraction(per_mille: u64) -> f64 {
    per_mille as f64 / 1_000.0
}

/// A load, in words.
pub(super) fn load(load: Option<f64>) -> String {
    load.map_or_else(|| "NOBODY".into(), |load| format!("{:.1} %", load * 100.0))
}
