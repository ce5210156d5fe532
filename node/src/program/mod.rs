//! The command line of the daemon.

mod failure;
mod found;
mod huge_pages;
mod init;
mod issue;
mod join;
mod progress;
mod run;

use std::path::PathBuf;

use acd::ids::{PrincipalId, SiteId};
use acd::text::Label;
use clap::{Args, Parser, Subcommand, ValueEnum};
pub use found::found;
pub use huge_pages::without_huge_pages;
pub use init::init;
pub use issue::issue;
pub use join::join;
use node::config::{Profile, is_address};
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
    /// Found a cluster with one node, to which others join
    Init(InitArguments),
    /// Join a cluster, and run the node in the foreground, until SIGTERM or Ctrl-C
    Join(JoinArguments),
    /// Found a cluster with several nodes at once: make its keys, and a folder for each node
    Found(FoundArguments),
    /// Issue an identity to somebody who uses the cluster: a front end, a desktop, an operator
    Issue(IssueArguments),
    /// Run a node in the foreground, until SIGTERM or Ctrl-C
    Run(RunArguments),
}

/// How to found a cluster with one node.
#[derive(Args)]
pub struct InitArguments {
    /// The cluster's name, as people see it
    #[arg(long, value_name = "NAME", value_parser = label)]
    pub cluster: Label,
    /// The node's city: a-z, 0-9, `.`, `_` and `-`, at most 63
    #[arg(long, value_name = "SITE", value_parser = site)]
    pub site: SiteId,
    /// Where the node waits for connections
    #[arg(long, value_name = "HOST:PORT", value_parser = listen)]
    pub listen: String,
    /// The node's folder; empty, or not there yet
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Where others find the node; where it listens, unless that is any address of the machine
    #[arg(long, value_name = "HOST:PORT", value_parser = others)]
    pub address: Option<String>,
    /// The first operator's name
    #[arg(long, value_name = "NAME", value_parser = person, default_value = "operator")]
    pub admin: PrincipalId,
    /// How far apart the cities will be: round trips of up to 5, 20 or 80 ms
    #[arg(long, value_name = "city|metro|wan", value_parser = profile, default_value = "metro")]
    pub profile: Profile,
    /// Clients move the cluster's time: for replays and tests
    #[arg(long)]
    pub replay: bool,
}

/// How to join a cluster.
#[derive(Args)]
pub struct JoinArguments {
    /// What `quorumcall cluster join-token` printed; `@FILE` reads it from a file, `-` from standard
    /// input
    #[arg(long, value_name = "TOKEN")]
    pub token: String,
    /// Where the node waits for connections
    #[arg(long, value_name = "HOST:PORT", value_parser = others)]
    pub listen: String,
    /// The node's folder; empty, or not there yet. Given again, it goes on where it was
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Where others find the node; where it listens, unless that is any address of the machine
    #[arg(long, value_name = "HOST:PORT", value_parser = others)]
    pub address: Option<String>,
    /// Only make the folder: `quorumcall-node run` starts the node
    #[arg(long)]
    pub no_run: bool,
    /// How to run
    #[command(flatten)]
    pub run: RunOptions,
}

/// How to found a cluster with several nodes.
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

fn person(text: &str) -> Result<PrincipalId, String> {
    match text.starts_with("node-") {
        true => Err("node-NUMBER is the name of a node".to_owned()),
        false => principal(text),
    }
}

fn site(text: &str) -> Result<SiteId, String> {
    SiteId::new(text).map_err(|refused| refused.to_string())
}

fn label(text: &str) -> Result<Label, String> {
    Label::new(text).map_err(|refused| refused.to_string())
}

fn profile(text: &str) -> Result<Profile, String> {
    let found = Profile::ALL.into_iter().find(|profile| profile.word() == text);
    found.ok_or_else(|| "it is city, metro or wan".to_owned())
}

fn listen(text: &str) -> Result<String, String> {
    address(text, true)
}

fn others(text: &str) -> Result<String, String> {
    address(text, false)
}

fn address(text: &str, port_zero: bool) -> Result<String, String> {
    match is_address(text, port_zero) {
        true => Ok(text.to_owned()),
        false => Err("write it as kyiv-1.example:7400, 10.0.0.1:7400 or [fd00::1]:7400".to_owned()),
    }
}

/// How to run a node.
#[derive(Args)]
pub struct RunArguments {
    /// The node's folder, with node.toml, node.identity and, for a founder, founding.toml
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// How to run
    #[command(flatten)]
    pub run: RunOptions,
}

/// How to run, however the node came to be.
#[derive(Args)]
pub struct RunOptions {
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
