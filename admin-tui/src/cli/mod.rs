//! The command line: `quorumcall NOUN VERB`, a file a noun.
//!
//! A noun's file has its arguments, what it asks the cluster, and what it answers in both forms.

mod agent;
mod audit;
mod centre;
mod cluster;
mod consent;
mod contact;
mod deeds;
mod membership;
mod node;
mod offer;
mod outcome;
mod queue;
mod replay;
mod site;
mod token;
mod transfer;
mod words;

use std::path::PathBuf;
use std::time::Duration;

use acd::ids::{AgentId, ContactId, QueueId, SiteId, SkillId};
use acd::site::NodeRole;
use acd::text::Label;
use acd::time::Millis;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::bench::BenchArgs;
use crate::demo::DemoArgs;

pub use agent::{AgentMoveArgs, AgentVerb};
pub use audit::AuditVerb;
pub use centre::{ApplyArgs, DiffArgs};
pub use cluster::ClusterVerb;
pub(crate) use cluster::get_cluster;
pub use consent::Consent;
pub use contact::ContactVerb;
pub use node::NodeVerb;
pub use queue::QueueVerb;
pub use replay::{ReplayArgs, Speed};
pub use site::SiteVerb;
pub use transfer::TransferLeaderArgs;

/// The operator's program of Quorumcall, the contact centre of many cities.
#[derive(Debug, Parser)]
#[command(name = "quorumcall", version, arg_required_else_help = true)]
pub struct Cli {
    /// Whom to ask, and how to answer.
    #[command(flatten)]
    pub options: Options,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The cluster as a whole.
    #[command(subcommand)]
    Cluster(ClusterVerb),
    /// Cities.
    #[command(subcommand)]
    Site(SiteVerb),
    /// Members of the cluster, one process each.
    #[command(subcommand)]
    Node(NodeVerb),
    /// Where contacts wait.
    #[command(subcommand)]
    Queue(QueueVerb),
    /// People who take contacts.
    #[command(subcommand)]
    Agent(AgentVerb),
    /// Calls, chats, e-mails, messages and callbacks.
    #[command(subcommand)]
    Contact(ContactVerb),
    /// What people did.
    #[command(subcommand)]
    Audit(AuditVerb),
    /// Makes the contact centre as a file says, after showing what changes.
    ///
    /// What the file does not name is left alone, unless --prune is given. On a terminal you are
    /// asked before anything changes; elsewhere --yes is needed.
    Apply(ApplyArgs),
    /// Shows what `apply` would change, and changes nothing.
    Diff(DiffArgs),
    /// Replays a real call log and shows what happens beside what really happened.
    ///
    /// Callers arrive when they arrived, hang up when their patience ended, and are served as
    /// long as they were served. Times of the log are taken as UTC. Without further arguments a
    /// cluster with a node in each city is started on this machine, and removed afterwards.
    Replay(ReplayArgs),
    /// Loads a cluster the way front ends and desktops do, and prints rates and latencies.
    ///
    /// Without further arguments three nodes are started on this machine, and removed afterwards.
    Bench(BenchArgs),
    /// Shows three cities that share one queue, on this machine.
    ///
    /// Five nodes run as processes; customers call, chat and lose patience, sixty agents answer. A
    /// city can be killed on the way. Ctrl-C ends everything it started.
    Demo(DemoArgs),
}

/// Whom to ask, and how to answer. They may stand before the noun or after the verb.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Who you are: the file with your certificate and key. Without it the one that
    /// QUORUMCALL_IDENTITY names, or operator.identity here.
    // No default of the parser's: commands that found a cluster of their own must see that none is
    // named.
    #[arg(long, global = true, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// Where a node is; repeatable. Without it, the nodes that the identity names are asked.
    #[arg(long = "endpoint", global = true, value_name = "HOST:PORT", value_parser = parse_endpoint)]
    pub endpoints: Vec<String>,
    /// How long the cluster has for an answer: 100ms to 1h.
    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        default_value = "10s",
        value_parser = parse_timeout
    )]
    pub timeout: Duration,
    /// How to print the answer.
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

impl Options {
    /// Where the identity is.
    pub fn identity_path(&self) -> PathBuf {
        let named = self.identity.clone();
        let by_environment = || std::env::var_os("QUORUMCALL_IDENTITY").map(PathBuf::from);
        named.or_else(by_environment).unwrap_or_else(|| "operator.identity".into())
    }
}

/// How a read is done.
#[derive(Clone, Copy, Debug, Args)]
pub struct ReadArgs {
    /// Lets the node catch up first with everything that is committed by now.
    #[arg(long)]
    pub linearizable: bool,
}

/// How to print a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs; fields are stable.
    Json,
}

fn parse_endpoint(text: &str) -> Result<String, String> {
    let proper = text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(['/', '@', ' '])
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if proper {
        Ok(text.to_owned())
    } else {
        Err("write HOST:PORT, such as `kyiv-1.example:7400` or `[fd00::3]:7400`".into())
    }
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    let duration: crate::centre_file::Duration =
        text.parse().map_err(|error| format!("{error}"))?;
    let duration = Duration::from_millis(duration.0.0);
    if (Duration::from_millis(100)..=Duration::from_secs(3_600)).contains(&duration) {
        Ok(duration)
    } else {
        Err("write 100ms to 1h".into())
    }
}

/// A duration that something configured may have: 1 s to 400 days.
fn parse_span(text: &str) -> Result<Millis, String> {
    let crate::centre_file::Duration(span) = text.parse().map_err(|error| format!("{error}"))?;
    if (Millis::seconds(1)..=acd::limits::DURATION_MAX).contains(&span) {
        Ok(span)
    } else {
        Err("write 1s to 400d".into())
    }
}

fn parse_reason(text: &str) -> Result<Label, String> {
    Label::new(text).map_err(|why| why.to_string())
}

const SLUG: &str = "write a-z, 0-9, '.', '_' and '-', at most 63, beginning with a letter or digit";

fn parse_site(text: &str) -> Result<SiteId, String> {
    SiteId::new(text).map_err(|why| format!("{why}: {SLUG}"))
}

fn parse_role(text: &str) -> Result<NodeRole, String> {
    let found = NodeRole::ALL.into_iter().find(|role| role.word() == text);
    found.ok_or_else(|| "it is voter, learner or witness".into())
}

fn parse_ttl(text: &str) -> Result<Millis, String> {
    let duration: crate::centre_file::Duration =
        text.parse().map_err(|error| format!("{error}"))?;
    let ttl = Millis(duration.0.0);
    if (Millis::seconds(1)..=acd::limits::TOKEN_TTL_MAX).contains(&ttl) {
        Ok(ttl)
    } else {
        Err("write 1s to 7d".into())
    }
}

fn parse_queue(text: &str) -> Result<QueueId, String> {
    QueueId::new(text).map_err(|why| format!("{why}: {SLUG}"))
}

fn parse_skill(text: &str) -> Result<SkillId, String> {
    SkillId::new(text).map_err(|why| format!("{why}: {SLUG}"))
}

fn parse_agent(text: &str) -> Result<AgentId, String> {
    AgentId::new(text).map_err(|why| format!("{why}: {SLUG}"))
}

fn parse_contact(text: &str) -> Result<ContactId, String> {
    ContactId::new(text).map_err(|why| format!("{why}: write 1 to 128 printable ASCII characters"))
}

#[cfg(test)]
mod tests;
