//! `quorumcall cluster`.

use acd::ids::SiteId;
use acd::members::survival;
use clap::Subcommand;
use proto::api::v1 as api;
use serde::Serialize;

use super::node::NodeRow;
use super::site::SiteRow;
use super::token::{self, JoinTokenArgs, RevokeTokenArgs};
use super::transfer::{self, TransferLeaderArgs};
use super::{Options, ReadArgs};
use crate::client::{Client, ClientError, Conversation, reads};
use crate::failure::{Answer, Failure};
use crate::output::{Facts, Freshness, Printed, incomplete, print};
use crate::terminal::StandardTerminal;

/// What to do with the cluster.
#[derive(Debug, Subcommand)]
pub enum ClusterVerb {
    /// Who leads, which nodes there are and how far they are, how the sites do.
    Status(ReadArgs),
    /// Makes a token by which one node may join, and prints it alone.
    ///
    /// There: `quorumcall-node join --token TOKEN --listen HOST:PORT --data DIR`. The cluster knows
    /// only its hash.
    JoinToken(JoinTokenArgs),
    /// Tokens to join by: open ones, and those that ended lately.
    Tokens(ReadArgs),
    /// Ends a token that nobody has used.
    RevokeToken(RevokeTokenArgs),
    /// Lets another node lead, after showing what that means.
    ///
    /// On a terminal you are asked first; elsewhere --yes is needed. The leader refuses if that node
    /// cannot lead just now, and says why.
    TransferLeader(TransferLeaderArgs),
}

impl ClusterVerb {
    pub(crate) fn run(&self, options: &Options) -> Result<Answer, Failure> {
        match self {
            Self::Status(read) => {
                print(&Status::read(options, *read)?, options.output).map(Answer::from)
            }
            Self::JoinToken(args) => token::issue(options, args).map(Answer::from),
            Self::Tokens(read) => token::list(options, *read).map(Answer::from),
            Self::RevokeToken(args) => token::revoke(options, args).map(Answer::from),
            Self::TransferLeader(args) => transfer::run(options, args, &mut StandardTerminal),
        }
    }
}

/// States in which a site should not have the leader: it goes as soon as somebody else can lead.
const DRAINED: [&str; 2] = ["draining", "drained"];

/// Asks a node for the cluster.
pub(crate) async fn get_cluster(
    client: Client,
    read: ReadArgs,
) -> Result<api::GetClusterResponse, ClientError> {
    let request = api::GetClusterRequest { linearizable: read.linearizable };
    client.read_fresh(|channel| async move { reads(channel).get_cluster(request).await }).await
}

/// What the cluster bears, with those who vote now.
#[derive(Debug, Serialize)]
struct Survival {
    /// Whether it goes on by itself without any one city.
    automatic: bool,
    /// The cities without which nobody can decide.
    needed: Vec<String>,
    /// What that means; empty: it bears the loss of any one.
    why: String,
}

impl Survival {
    fn of(nodes: &[api::NodeStatus]) -> Self {
        let voting = nodes.iter().filter(|node| node.voter);
        let sites: Vec<_> = voting.filter_map(|node| SiteId::new(&node.site).ok()).collect();
        let acd::members::Survival { automatic, needed, why } = survival(&sites);
        Self { automatic, needed: needed.iter().map(SiteId::to_string).collect(), why }
    }
}

/// The cluster, its nodes and its sites.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    freshness: Freshness,
    name: String,
    id: String,
    version: u32,
    replay: bool,
    pub(super) leader: Option<u64>,
    pub(super) term: u64,
    state_hash: String,
    contacts: u64,
    agents: u64,
    queues: u64,
    members_revision: u64,
    survival: Survival,
    pub(super) nodes: Vec<NodeRow>,
    pub(super) sites: Vec<SiteRow>,
}

impl Status {
    /// Asks for it.
    pub(super) fn read(options: &Options, read: ReadArgs) -> Result<Self, Failure> {
        let answer = Conversation::open(options)?.ask(|client| get_cluster(client, read))?;
        Self::of(answer)
    }

    pub(super) fn of(answer: api::GetClusterResponse) -> Result<Self, Failure> {
        let freshness = Freshness::of(answer.freshness)?;
        let cluster = answer.cluster.ok_or_else(|| incomplete("does not describe the cluster"))?;
        let api::ClusterStatus {
            name,
            id,
            version,
            replay,
            state_hash,
            nodes,
            sites,
            contacts,
            agents,
            queues,
            members_revision,
            tokens: _,
        } = cluster;
        let survival = Survival::of(&nodes);
        Ok(Self {
            name,
            id,
            version,
            replay,
            leader: freshness.leader,
            term: freshness.term,
            state_hash,
            contacts,
            agents,
            queues,
            members_revision,
            survival,
            nodes: nodes.into_iter().map(|node| NodeRow::of(node, &freshness)).collect(),
            sites: sites.into_iter().map(SiteRow::of).collect(),
            freshness,
        })
    }

    /// How current it is.
    pub(super) fn freshness(&self) -> &Freshness {
        &self.freshness
    }
}

impl Printed for Status {
    fn table(&self) -> String {
        let leader = match self.leader {
            Some(node) => {
                let row = self.nodes.iter().find(|row| row.id == node);
                let site = row.map(|row| format!(" ({})", row.site)).unwrap_or_default();
                let state = row.and_then(|row| self.sites.iter().find(|site| site.id == row.site));
                let state = state.map(|site| site.state).filter(|state| DRAINED.contains(state));
                let state = state.map(|state| format!(", at a site that is {state}"));
                format!("node {node}{site}, term {}{}", self.term, state.unwrap_or_default())
            }
            None => format!("NONE, term {}", self.term),
        };
        let mut facts = Facts::default();
        facts
            .fact("cluster", format!("{} ({})", self.name, self.id))
            .fact("leader", leader)
            .fact("contacts", self.contacts.to_string())
            .fact("agents", self.agents.to_string())
            .fact("queues", self.queues.to_string())
            .fact("rules", format!("version {}", self.version))
            .fact("state hash", format!("{} at {}", self.state_hash, self.freshness.applied));
        match self.survival.why.as_str() {
            "" => facts.fact("losses", "any one city may be lost"),
            why => facts.fact("losses", why),
        };
        if self.replay {
            facts.fact("log time", "moved by clients: this cluster is for replays and tests");
        }
        format!(
            "{}\n{}\n{}\n{}",
            facts.text(),
            NodeRow::table(&self.nodes),
            SiteRow::table(&self.sites),
            self.freshness.line()
        )
    }
}
