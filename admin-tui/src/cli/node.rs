//! `quorumcall node`.

use acd::site::NodeRole;
use clap::{Args, Subcommand};
use proto::api::v1 as api;
use proto::stored::v1 as stored;
use serde::Serialize;

use super::cluster::Status;
use super::membership::{self, Deed, FewerArgs, RoleArgs};
use super::{Options, ReadArgs, words};
use crate::failure::{Answer, ErrorCode, Failure};
use crate::output::{Facts, Freshness, Printed, Table, duration, left, print, right};
use crate::terminal::Terminal;

/// A node that said nothing for so long is silent: as long as a site takes to be lost on a fast
/// network.
const SILENT_MS_MIN: u64 = 3_000;

/// What to do with nodes.
#[derive(Debug, Subcommand)]
pub enum NodeVerb {
    /// The members of the cluster, by number.
    List(ReadArgs),
    /// One member.
    Show(NodeShowArgs),
    /// Lets a node vote, as soon as it has caught up and there is room for its vote.
    Promote(RoleArgs),
    /// Takes a node's vote; it goes on as a learner.
    Demote(FewerArgs),
    /// Makes a node a witness: it votes, leads only if nobody else can, and takes nobody in.
    Witness(RoleArgs),
    /// Retires a node: it takes nobody in from now on, loses its vote, and is removed for good.
    ///
    /// Its number is never used again; its machine may join anew with an empty folder.
    Remove(FewerArgs),
}

/// Arguments of `quorumcall node show`.
#[derive(Debug, Args)]
pub struct NodeShowArgs {
    /// The node's number.
    #[arg(value_name = "NODE")]
    pub node: u64,
    /// How to read.
    #[command(flatten)]
    pub read: ReadArgs,
}

impl NodeVerb {
    pub(crate) fn run(
        &self,
        options: &Options,
        terminal: &mut impl Terminal,
    ) -> Result<Answer, Failure> {
        let mut change = |node, deed, fewer, consent| {
            membership::change(options, node, deed, fewer, consent, terminal)
        };
        match self {
            Self::Promote(args) => {
                change(args.node, Deed::Role(NodeRole::Voter), false, &args.consent)
            }
            Self::Witness(args) => {
                change(args.node, Deed::Role(NodeRole::Witness), false, &args.consent)
            }
            Self::Demote(args) => {
                change(args.node, Deed::Role(NodeRole::Learner), args.fewer, &args.consent)
            }
            Self::Remove(args) => change(args.node, Deed::Remove, args.fewer, &args.consent),
            Self::List(read) => list(options, *read).map(Answer::from),
            Self::Show(args) => show(options, args).map(Answer::from),
        }
    }
}

fn list(options: &Options, read: ReadArgs) -> Result<String, Failure> {
    let status = Status::read(options, read)?;
    let freshness = status.freshness().clone();
    print(&NodeList { freshness, nodes: status.nodes }, options.output)
}

fn show(options: &Options, args: &NodeShowArgs) -> Result<String, Failure> {
    let status = Status::read(options, args.read)?;
    let freshness = status.freshness().clone();
    let row = status.nodes.into_iter().find(|row| row.id == args.node);
    let node = row.ok_or_else(|| Failure {
        code: ErrorCode::NotFound,
        what: format!("there is no node {}", args.node),
        why: "no member of the cluster has this number; numbers are never reused".into(),
        remedy: "`quorumcall node list` shows the members".into(),
    })?;
    print(&NodeShown { freshness, node }, options.output)
}

/// A member of the cluster, as the node that answers sees it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct NodeRow {
    /// Its number.
    pub id: u64,
    /// Its site.
    pub site: String,
    /// Where others find it.
    pub address: String,
    /// What it is: voter, witness or learner.
    pub role: &'static str,
    /// What it is meant to be: voter, learner, witness; unknown while the cluster is founded.
    pub wished: &'static str,
    /// It is being retired.
    pub leaving: bool,
    /// leading, following, silent, halted, joining (the leader has not found it yet), unknown.
    pub state: &'static str,
    /// The last index it has applied, as it said last.
    pub applied: Option<u64>,
    /// Entries known to be committed that it had not applied when it said so.
    pub lag: Option<u64>,
    /// How long ago it said so.
    pub heard_ms: Option<u64>,
    /// The round trip to it.
    pub round_trip_us: Option<u64>,
    /// Its wall clock less that of the node that answers.
    pub clock_offset_ms: Option<i64>,
}

impl NodeRow {
    pub(super) fn of(stored: api::NodeStatus, freshness: &Freshness) -> Self {
        let api::NodeStatus {
            node: id,
            site,
            address,
            voter,
            leads,
            applied,
            heard_ms,
            round_trip_us,
            clock_offset_ms,
            role,
            leaving,
            member,
        } = stored;
        let meant = stored::NodeRole::try_from(role).unwrap_or_default();
        // Who answers does not hear of itself.
        let answers = id == freshness.node;
        let state = match heard_ms {
            _ if answers && freshness.halted.is_some() => "halted",
            _ if !member => "joining",
            Some(ms) if !answers && ms >= SILENT_MS_MIN => "silent",
            None if !answers && applied.is_none() => "unknown",
            _ if leads => "leading",
            _ => "following",
        };
        let applied = applied.or(answers.then_some(freshness.applied));
        Self {
            id,
            site,
            address,
            role: match (voter, meant) {
                (true, stored::NodeRole::Witness) => "witness",
                (true, _) => "voter",
                (false, _) => "learner",
            },
            wished: words::node_role(meant),
            leaving,
            state,
            applied,
            lag: applied.map(|applied| freshness.committed().saturating_sub(applied)),
            heard_ms: heard_ms.filter(|_| !answers),
            round_trip_us,
            clock_offset_ms,
        }
    }

    pub(super) fn table(nodes: &[Self]) -> String {
        let mut table = Table::new([
            right("NODE"),
            left("SITE"),
            left("ADDRESS"),
            left("ROLE"),
            left("STATE"),
            right("APPLIED"),
            right("LAG"),
            right("HEARD"),
            right("ROUND TRIP"),
            right("CLOCK"),
        ]);
        for node in nodes {
            let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
            table.row([
                node.id.to_string(),
                node.site.clone(),
                node.address.clone(),
                node.role_text(),
                node.state.into(),
                number(node.applied),
                number(node.lag),
                node.heard_text(),
                node.round_trip_text(),
                node.clock_text(),
            ]);
        }
        table.text("no nodes")
    }

    /// What it is, and what it is on its way to.
    fn role_text(&self) -> String {
        let votes_as_meant = self.role == self.wished || self.wished == words::UNKNOWN;
        match (self.leaving, votes_as_meant) {
            (true, _) => format!("{} → none", self.role),
            (false, true) => self.role.into(),
            (false, false) => format!("{} → {}", self.role, self.wished),
        }
    }

    fn heard_text(&self) -> String {
        self.heard_ms.map(|ms| format!("{} ago", duration(ms))).unwrap_or_default()
    }

    fn round_trip_text(&self) -> String {
        let text = |us: u64| format!("{}.{:02}ms", us / 1_000, us % 1_000 / 10);
        self.round_trip_us.map(text).unwrap_or_default()
    }

    fn clock_text(&self) -> String {
        self.clock_offset_ms.map(|ms| format!("{ms:+}ms")).unwrap_or_default()
    }
}

#[derive(Debug, Serialize)]
struct NodeList {
    freshness: Freshness,
    nodes: Vec<NodeRow>,
}

impl Printed for NodeList {
    fn table(&self) -> String {
        format!("{}\n{}", NodeRow::table(&self.nodes), self.freshness.line())
    }
}

#[derive(Debug, Serialize)]
struct NodeShown {
    freshness: Freshness,
    node: NodeRow,
}

impl Printed for NodeShown {
    fn table(&self) -> String {
        let node = &self.node;
        let number = |n: Option<u64>| n.map_or("not known".into(), |n| n.to_string());
        let text = |text: String| if text.is_empty() { "not known".into() } else { text };
        let mut facts = Facts::default();
        facts
            .fact("node", node.id.to_string())
            .fact("site", &node.site)
            .fact("address", &node.address)
            .fact("role", node.role_text())
            .fact("state", node.state)
            .fact("applied", number(node.applied))
            .fact("lag", number(node.lag))
            .fact("heard", text(node.heard_text()))
            .fact("round trip", text(node.round_trip_text()))
            .fact("clock offset", text(node.clock_text()));
        format!("{}\n{}", facts.text(), self.freshness.line())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn freshness() -> Freshness {
        let stored = api::Freshness { node: 1, applied: 100, lag: 5, ..api::Freshness::default() };
        Freshness::of(Some(stored)).expect("complete")
    }

    fn row(node: api::NodeStatus) -> NodeRow {
        NodeRow::of(node, &freshness())
    }

    #[test]
    fn a_node_is_what_was_heard_of_it() {
        let heard = |heard_ms| api::NodeStatus {
            node: 2,
            member: true,
            voter: true,
            applied: Some(80),
            heard_ms: Some(heard_ms),
            ..api::NodeStatus::default()
        };
        let following = row(heard(200));
        assert_eq!((following.state, following.role), ("following", "voter"));
        assert_eq!((following.applied, following.lag), (Some(80), Some(25)));
        assert_eq!(row(api::NodeStatus { leads: true, ..heard(200) }).state, "leading");
        // Whoever leads in the memory of a node that hears nothing of it any more.
        assert_eq!(row(api::NodeStatus { leads: true, ..heard(3_000) }).state, "silent");
        let unknown = row(api::NodeStatus { node: 3, member: true, ..api::NodeStatus::default() });
        assert_eq!((unknown.state, unknown.role, unknown.lag), ("unknown", "learner", None));
    }

    #[test]
    fn the_node_that_answers_knows_itself() {
        let own = row(api::NodeStatus {
            node: 1,
            member: true,
            leads: true,
            ..api::NodeStatus::default()
        });
        assert_eq!((own.state, own.applied, own.lag), ("leading", Some(100), Some(5)));
        let halted = Freshness { halted: Some("diverged".into()), ..freshness() };
        let own = api::NodeStatus { node: 1, leads: true, ..api::NodeStatus::default() };
        assert_eq!(NodeRow::of(own, &halted).state, "halted");
    }
}
