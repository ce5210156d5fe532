//! `quorumcall apply` and `quorumcall diff`.

use std::path::PathBuf;

use acd::text::Label;
use clap::Args;

use super::parse_reason;

/// Arguments of `quorumcall apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The contact centre as a file: docs/centre-file.md.
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,
    /// Also removes what the file does not name: agents, principals, queues, calendars, skills and
    /// sites. What is in use stays, and is named.
    #[arg(long)]
    pub prune: bool,
    /// Changes without asking.
    #[arg(long)]
    pub yes: bool,
    /// Why, for the audit trail: 1 to 200 bytes.
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    pub reason: Option<Label>,
}

/// Arguments of `quorumcall diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The contact centre as a file: docs/centre-file.md.
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,
    /// Also shows as removed what the file does not name.
    #[arg(long)]
    pub prune: bool,
    /// Fails (exit code 1) if the centre is not as the file says.
    #[arg(long)]
    pub check: bool,
}
