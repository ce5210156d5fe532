//! The command line of the daemon.

mod failure;
mod found;
mod huge_pages;
mod issue;
mod run;

use std::path::PathBuf;

use acd::ids::PrincipalId;
use clap::{Args, Parser, Subcommand, ValueEnum};
pub use found::found;
pub use huge_pages::without_huge_pages;
pub use issue::issue;
pub use run::run;

/// A node of Quorumcall, a distributed contact centre.
#[derive(Parser)]
#[command(name = "quorumcall-node", version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Found a cluster: make its keys, and a folder for each node
    Found(FoundArguments),
    /// Issue an identity to somebody who uses the cluster: a front end, a desktop, an operator
    Issue(IssueArguments),
    /// Run a node in the foreground, until SIGTERM or Ctrl-C
    Run(RunArguments),
}

/// How to found a cluster.
#[derive(Args)]
pub struct FoundArguments {
    /// The plan: name, first operator, nodes
    #[arg(long, value_name = "FILE")]
    pub plan: PathBuf,
    /// Where the folders go; empty, or not there yet
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// To whom to issue an identity.
#[derive(Args)]
pub struct IssueArguments {
    /// The cluster's authority, as `found` wrote it
    #[arg(long, value_name = "FILE")]
    pub authority: PathBuf,
    /// Whom it names: a-z, 0-9, `.`, `_` and `-`, at most 63. What they may do is said in the
    /// cluster, not here
    #[arg(long, value_name = "NAME", value_parser = principal)]
    pub principal: PrincipalId,
    /// Where a node listens, for the identity's holder to find it; repeatable
    #[arg(long, value_name = "HOST:PORT")]
    pub endpoint: Vec<String>,
    /// The file; must not exist yet
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

fn principal(text: &str) -> Result<PrincipalId, String> {
    PrincipalId::new(text).map_err(|refused| refused.to_string())
}

/// How to run a node.
#[derive(Args)]
pub struct RunArguments {
    /// The node's folder, with node.toml, node.identity and, for a founder, founding.toml
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Also stop when standard input ends: for programs that start nodes, so that no node outlives
    /// the one that started it
    #[arg(long)]
    pub stop_at_end_of_input: bool,
    /// How log lines are written, on standard error
    #[arg(long, value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// What is logged, such as `info` or `node=debug,openraft=warn`
    #[arg(
        long,
        value_name = "FILTER",
        env = "QUORUMCALL_LOG",
        default_value = "info,openraft=warn"
    )]
    pub log: String,
}

/// How log lines are written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
