//! `quorumcall cluster transfer-leader`.

use std::fmt;

use acd::command::LeaderChoice;
use acd::ids::{NodeId, SiteId};
use acd::text::Label;
use clap::Args;
use serde::Serialize;

use super::cluster::{Status, get_cluster};
use super::{Options, ReadArgs, parse_reason, parse_site};
use crate::client::Conversation;
use crate::failure::{Answer, ErrorCode, Failure};
use crate::output::{Freshness, Printed, print};
use crate::terminal::Terminal;

/// Arguments of `quorumcall cluster transfer-leader`.
#[derive(Debug, Args)]
pub struct TransferLeaderArgs {
    /// The node that should lead. Without it and --to-site: any other than the one that leads now, of
    /// the city with the highest leader priority.
    #[arg(long, value_name = "NODE", conflicts_with = "to_site")]
    pub to: Option<u64>,
    /// The city that should have the leader.
    #[arg(long, value_name = "SITE", value_parser = parse_site)]
    pub to_site: Option<SiteId>,
    /// Why, for the audit trail: 1 to 200 bytes.
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    pub reason: Label,
    /// Does it without asking.
    #[arg(long)]
    pub yes: bool,
}

/// Lets another node lead, after showing what that means.
pub(super) fn run(
    options: &Options,
    args: &TransferLeaderArgs,
    terminal: &mut impl Terminal,
) -> Result<Answer, Failure> {
    let conversation = Conversation::open(options)?;
    let read = ReadArgs { linearizable: false };
    let status = Status::of(conversation.ask(|client| get_cluster(client, read))?)?;
    let plan = Plan::make(&status, args)?;
    if plan.is_met_by(&plan.from) {
        let done = Transfer::of(&status, &plan, &plan.from, None);
        return print(&done, options.output).map(Answer::from);
    }
    if !args.yes {
        plan.confirm(terminal)?;
    }
    let reason = args.reason.as_str();
    let choice = &plan.choice;
    let (committed, leader) = conversation
        .ask(|client| async move { client.transfer_leader(choice, Some(reason)).await })?;
    let leader = Place::of(&status, leader.unwrap_or(plan.from.node));
    let failure = (!plan.is_met_by(&leader)).then(|| Failure {
        code: ErrorCode::LeaderElsewhere,
        what: format!("{leader} leads, and not {}", plan.choice),
        why:
            "the lead was given away, and the election went another way: who was asked to take it \
              was lost, or too slow"
                .into(),
        remedy: "look at `quorumcall cluster status`, then ask again".into(),
    });
    let done = Transfer::of(&status, &plan, &leader, Some(committed.index));
    Ok(Answer { text: print(&done, options.output)?, failure })
}

/// A node, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    node: u64,
    /// Not known of a node that has joined a moment ago.
    site: Option<SiteId>,
}

impl Place {
    fn of(status: &Status, node: u64) -> Self {
        let row = status.nodes.iter().find(|row| row.id == node);
        Self { node, site: row.and_then(|row| SiteId::new(&row.site).ok()) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.site {
            Some(site) => write!(f, "node {} ({site})", self.node),
            None => write!(f, "node {}", self.node),
        }
    }
}

/// What is to be done.
struct Plan {
    cluster: String,
    from: Place,
    term: u64,
    choice: LeaderChoice,
    /// A city with a higher priority than the lead would have then, and that priority.
    returns_to: Option<(String, u32)>,
}

impl Plan {
    fn make(status: &Status, args: &TransferLeaderArgs) -> Result<Self, Failure> {
        let leader = status.leader.ok_or_else(|| Failure {
            code: ErrorCode::Unavailable,
            what: "nobody leads, so nobody can hand over".into(),
            why: "the node that answers knows of no leader".into(),
            remedy:
                "see with `quorumcall cluster status` whether a majority of the nodes is up; ask \
                     again when one leads"
                    .into(),
        })?;
        let choice = match (args.to, &args.to_site) {
            (Some(node), _) => LeaderChoice::Node(NodeId(node)),
            (None, Some(site)) => LeaderChoice::Site(site.clone()),
            (None, None) => LeaderChoice::NotNode(NodeId(leader)),
        };
        let is_there = match &choice {
            LeaderChoice::Node(node) => status.nodes.iter().any(|row| row.id == node.0),
            LeaderChoice::Site(site) => status.sites.iter().any(|row| row.id == site.as_str()),
            LeaderChoice::NotNode(_) | LeaderChoice::NotSite(_) => true,
        };
        if !is_there {
            let (what, noun) = match &args.to_site {
                Some(site) => (format!("there is no site {site}"), "site"),
                None => (format!("there is no node {}", args.to.unwrap_or_default()), "node"),
            };
            return Err(Failure {
                code: ErrorCode::NotFound,
                what,
                why: format!("the cluster has no such {noun}"),
                remedy: format!("`quorumcall {noun} list` shows what there is"),
            });
        }
        let returns_to = returns_to(status, &choice);
        let cluster = status.freshness().cluster.clone();
        let from = Place::of(status, leader);
        Ok(Self { cluster, from, term: status.term, choice, returns_to })
    }

    fn is_met_by(&self, place: &Place) -> bool {
        self.choice.is(NodeId(place.node), place.site.as_ref())
    }

    fn returns(&self) -> String {
        self.returns_to.as_ref().map_or_else(String::new, |(site, priority)| {
            format!(
                "{site} has leader priority {priority}, which is higher: the lead goes there when it \
                 has been elsewhere for a minute. To keep it away, drain {site} or lower its priority.\n"
            )
        })
    }

    fn confirm(&self, terminal: &mut impl Terminal) -> Result<(), Failure> {
        let refused = |code, why: String, remedy: &str| Failure {
            code,
            what: "the lead was left where it is".into(),
            why,
            remedy: remedy.into(),
        };
        if !terminal.is_attended() {
            return Err(refused(
                ErrorCode::NeedsYes,
                "nobody is at a terminal to say yes to the plan".into(),
                "look at `quorumcall cluster status`, then say --yes",
            ));
        }
        let Self { from, term, choice, .. } = self;
        let text = format!(
            "{from} leads in term {term}; then {choice} does.\n\
             Nothing is written meanwhile, for some milliseconds: callers and agents notice nothing.\n{}",
            self.returns()
        );
        let question = format!("Move the lead of {}?", crate::output::plain(&self.cluster));
        match terminal.confirm(&text, &question) {
            Ok(true) => Ok(()),
            Ok(false) => Err(refused(
                ErrorCode::NotConfirmed,
                "the plan was not confirmed".into(),
                "choose another node with --to, or say `y`",
            )),
            Err(error) => Err(refused(
                ErrorCode::NotConfirmed,
                format!("the terminal could not be asked: {error}"),
                "look at `quorumcall cluster status`, then say --yes",
            )),
        }
    }
}

/// The city that would get the lead back, and its priority, if one has a higher one than where the lead
/// should go.
fn returns_to(status: &Status, choice: &LeaderChoice) -> Option<(String, u32)> {
    // Where a voter is, in cities in service: the others get nothing.
    let site_of =
        |id: &str| status.sites.iter().find(|site| site.id == id && site.state == "active");
    let voters = || {
        let voters = status.nodes.iter().filter(|node| node.role == "voter");
        voters.filter_map(|node| Some((node.id, site_of(&node.site)?)))
    };
    let is_meant = |node: u64, site: &str| choice.is(NodeId(node), SiteId::new(site).ok().as_ref());
    let meant = voters().filter(|(node, site)| is_meant(*node, &site.id));
    let goes_to = meant.map(|(_, site)| site.leader_priority).max()?;
    let (_, best) = voters().max_by_key(|(_, site)| site.leader_priority)?;
    (best.leader_priority > goes_to).then(|| (best.id.clone(), best.leader_priority))
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Transfer {
    /// How current that is which it was planned by.
    freshness: Freshness,
    /// Who led before.
    from: u64,
    /// Who leads.
    leader: u64,
    /// Where that is.
    site: Option<String>,
    /// Whether the lead has moved.
    moved: bool,
    /// Index of the entry by which it is in the audit trail. Null: nothing was asked.
    index: Option<u64>,
    /// The city that gets the lead back after a minute, for its priority is higher.
    returns_to: Option<String>,
    #[serde(skip)]
    text: String,
}

impl Transfer {
    fn of(status: &Status, plan: &Plan, leader: &Place, index: Option<u64>) -> Self {
        let from = &plan.from;
        let moved = leader.node != from.node;
        let text = match moved {
            true => format!("{leader} leads; before, {from} did\n{}", plan.returns()),
            false => format!("{leader} leads, as before\n"),
        };
        Self {
            freshness: status.freshness().clone(),
            from: from.node,
            leader: leader.node,
            site: leader.site.as_ref().map(|site| site.as_str().to_owned()),
            moved,
            index,
            returns_to: plan.returns_to.as_ref().filter(|_| moved).map(|(site, _)| site.clone()),
            text,
        }
    }
}

impl Printed for Transfer {
    fn table(&self) -> String {
        self.text.clone()
    }
}

#[cfg(test)]
mod tests;
