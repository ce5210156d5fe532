//! `quorumcall node promote|demote|witness|remove`: what nodes are meant to be.

use acd::command::{Command, SiteCommand};
use acd::ids::{NodeId, Revision, SiteId};
use acd::members::{Seat, spread, survival};
use acd::site::NodeRole;
use clap::Args;
use proto::api::v1 as api;
use proto::stored::v1 as stored;
use serde::Serialize;

use super::cluster::get_cluster;
use super::consent::{Ask, Consent};
use super::outcome::Outcome;
use super::{Options, Output, ReadArgs, words};
use crate::client::{Conversation, new_request};
use crate::failure::{Answer, ErrorCode, Failure};
use crate::output::{Facts, Printed, incomplete, json, print};
use crate::terminal::Terminal;

/// Arguments of `quorumcall node promote` and `quorumcall node witness`.
#[derive(Debug, Args)]
pub struct RoleArgs {
    /// The node's number.
    #[arg(value_name = "NODE")]
    pub node: u64,
    /// Whether it may be done, and why.
    #[command(flatten)]
    pub consent: Consent,
}

/// Arguments of `quorumcall node demote` and `quorumcall node remove`.
#[derive(Debug, Args)]
pub struct FewerArgs {
    /// The node's number.
    #[arg(value_name = "NODE")]
    pub node: u64,
    /// Also if fewer nodes vote then.
    #[arg(long)]
    pub fewer: bool,
    /// Whether it may be done, and why.
    #[command(flatten)]
    pub consent: Consent,
}

/// What is to become of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// It is meant to be this.
    Role(NodeRole),
    /// It is to go.
    Remove,
}

impl Deed {
    fn words(self) -> &'static str {
        match self {
            Self::Role(NodeRole::Voter) => "let it vote",
            Self::Role(NodeRole::Learner) => "take its vote",
            Self::Role(NodeRole::Witness) => "make it a witness",
            Self::Remove => "remove it",
        }
    }

    fn command(self, node: u64, fewer: bool, expected: u64) -> Command {
        let (node, expected) = (NodeId(node), Some(Revision(expected)));
        Command::Site(match self {
            Self::Role(role) => SiteCommand::SetNodeRole { node, role, fewer, expected },
            Self::Remove => SiteCommand::RetireNode { node, fewer, expected },
        })
    }
}

/// What will come of it, when all that is meant is done.
#[derive(Clone, Debug, Serialize)]
struct Plan {
    node: u64,
    site: String,
    /// What it is meant to be now: voter, learner, witness.
    role: &'static str,
    /// What it will be meant to be: voter, learner, witness, none.
    then: &'static str,
    /// Revision of the members.
    revision: u64,
    /// Who should vote now, and then.
    voters: Vec<u64>,
    voters_then: Vec<u64>,
    /// What the cluster does not bear now, and then; empty: it bears the loss of any one city.
    losses: String,
    losses_then: String,
    /// It has the authority's key, which others should not be able to read afterwards.
    keeps_key: bool,
}

/// A node, as far as a plan needs it.
struct Known {
    node: u64,
    site: SiteId,
    votes: bool,
    is_voter: bool,
}

fn known(nodes: &[api::NodeStatus]) -> Vec<Known> {
    let staying = nodes.iter().filter(|node| !node.leaving);
    let known = staying.filter_map(|node| {
        Some(Known {
            node: node.node,
            site: SiteId::new(&node.site).ok()?,
            votes: matches!(node.role(), stored::NodeRole::Voter | stored::NodeRole::Witness),
            is_voter: node.voter,
        })
    });
    known.collect()
}

/// Who should vote, and what that does not bear.
fn outlook(nodes: &[Known]) -> (Vec<u64>, String) {
    let meant = nodes.iter().filter(|node| node.votes);
    let seats = meant.map(|known| Seat {
        node: NodeId(known.node),
        site: &known.site,
        votes: known.is_voter,
    });
    let voters: Vec<u64> =
        spread(&seats.collect::<Vec<_>>()).into_iter().map(|node| node.0).collect();
    let sites = nodes.iter().filter(|node| voters.contains(&node.node)).map(|node| &node.site);
    let losses = survival(sites).why;
    (voters, losses)
}

impl Plan {
    fn of(cluster: &api::ClusterStatus, node: u64, deed: Deed) -> Result<Self, Failure> {
        let row = cluster.nodes.iter().find(|row| row.node == node).ok_or_else(|| Failure {
            code: ErrorCode::NotFound,
            what: format!("there is no node {node}"),
            why: "no member of the cluster has this number; numbers are never reused".into(),
            remedy: "`quorumcall node list` shows the members".into(),
        })?;
        let mut nodes = known(&cluster.nodes);
        let (voters, losses) = outlook(&nodes);
        match deed {
            Deed::Remove => nodes.retain(|known| known.node != node),
            Deed::Role(role) => {
                for known in nodes.iter_mut().filter(|known| known.node == node) {
                    known.votes = role.votes();
                }
            }
        }
        let (voters_then, losses_then) = outlook(&nodes);
        Ok(Self {
            node,
            site: row.site.clone(),
            role: words::node_role(row.role()),
            then: match deed {
                Deed::Remove => "none",
                Deed::Role(role) => role.word(),
            },
            revision: cluster.members_revision,
            keeps_key: voters.contains(&node) && !voters_then.contains(&node),
            voters,
            voters_then,
            losses,
            losses_then,
        })
    }

    fn text(&self) -> String {
        let list = |nodes: &[u64]| nodes.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        let losses = |why: &str| match why {
            "" => "any one city may be lost".to_owned(),
            why => why.to_owned(),
        };
        let mut facts = Facts::default();
        facts
            .fact("node", format!("{} at {}", self.node, self.site))
            .fact("is meant to be", format!("{} → {}", self.role, self.then))
            .fact("voters", format!("{} → {}", list(&self.voters), list(&self.voters_then)))
            .fact("losses now", losses(&self.losses))
            .fact("losses then", losses(&self.losses_then))
            .fact("revision", self.revision.to_string());
        if self.keeps_key {
            facts.fact(
                "key",
                "this node has had the key of the cluster's authority; it deletes it when it loses \
                 its vote. If its disk can fall into other hands, found a cluster with a new authority",
            );
        }
        facts.text()
    }
}

/// A plan, and what became of it.
#[derive(Debug, Serialize)]
struct Report {
    plan: Plan,
    outcome: Outcome,
}

impl Printed for Report {
    fn table(&self) -> String {
        format!(
            "node {}: {}; the leader does the rest, step by step: `quorumcall node list` shows how \
             far it is\n",
            self.plan.node,
            self.outcome.words()
        )
    }
}

/// Plans, asks, and carries out.
pub(super) fn change(
    options: &Options,
    node: u64,
    deed: Deed,
    fewer: bool,
    consent: &Consent,
    terminal: &mut impl Terminal,
) -> Result<Answer, Failure> {
    let conversation = Conversation::open(options)?;
    let read = ReadArgs { linearizable: true };
    let cluster = conversation.ask(|client| get_cluster(client, read))?.cluster;
    let cluster = cluster.ok_or_else(|| incomplete("does not describe the cluster"))?;
    let plan = Plan::of(&cluster, node, deed)?;
    if consent.dry_run {
        return shown(options, plan, None);
    }
    let question = format!("{} (node {node})?", deed.words());
    let site = plan.site.clone();
    let ask = match deed {
        Deed::Remove => Ask::Name { name: &site, deed: "remove a node of it" },
        Deed::Role(_) => Ask::YesOrNo(&question),
    };
    let reason = match consent.obtain(&plan.text(), &ask, true, terminal) {
        Ok(reason) => reason,
        // They have seen it.
        Err(failure) if failure.code == ErrorCode::NotConfirmed => return Err(failure),
        Err(failure) => return shown(options, plan, Some(failure)),
    };
    let command = deed.command(node, fewer, plan.revision);
    let request = new_request();
    let id = request.id.clone();
    let reason = reason.as_ref().map(|reason| reason.as_str());
    let answer = conversation.ask(|client| async move {
        Ok::<_, Failure>(client.administer_as(request, &command, reason).await)
    })?;
    let outcome = Outcome::of(&id, &answer);
    let failure = answer.err().map(|error| explain(&plan, Failure::from_error(&error)));
    let text = print(&Report { plan, outcome }, options.output)?;
    Ok(Answer { text, failure })
}

/// The plan alone.
fn shown(options: &Options, plan: Plan, failure: Option<Failure>) -> Result<Answer, Failure> {
    let text = match options.output {
        Output::Table => plan.text(),
        Output::Json => json(&Report { plan, outcome: Outcome::planned() })?,
    };
    Ok(Answer { text, failure })
}

fn explain(plan: &Plan, failure: Failure) -> Failure {
    match failure.code {
        ErrorCode::StalePlan => Failure {
            what: "the members were changed after the plan was made; nothing was done".into(),
            remedy: "look again: `quorumcall node list`, then decide anew".into(),
            ..failure
        },
        ErrorCode::OutcomeUnknown => Failure {
            what: format!("whether node {} was changed, nobody knows yet", plan.node),
            remedy: "look before you repeat it: `quorumcall node list`".into(),
            ..failure
        },
        _ => failure,
    }
}
