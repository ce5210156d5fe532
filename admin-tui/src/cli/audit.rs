//! `quorumcall audit`.

use acd::codec::command_from_stored;
use acd::ids::PrincipalId;
use clap::{Args, Subcommand};
use proto::api::v1 as api;
use proto::stored::v1 as stored;
use serde::Serialize;

use super::deeds::deed;
use super::{Options, ReadArgs};
use crate::client::{Client, ClientError, Conversation, reads};
use crate::failure::Failure;
use crate::output::{Freshness, Printed, Table, incomplete, left, plain, print, time};

/// Rows of a page that a node is asked for.
const PAGE_SIZE: u32 = 1_000;

/// What to do with the audit trail.
#[derive(Debug, Subcommand)]
pub enum AuditVerb {
    /// Who did what, when and why, and what came of it; the oldest first.
    List(AuditListArgs),
}

/// Arguments of `quorumcall audit list`.
#[derive(Debug, Args)]
pub struct AuditListArgs {
    /// How far back, by the cluster's time.
    #[arg(long, value_name = "DURATION", value_parser = parse_since, default_value = "24h")]
    pub since: u64,
    /// Only what this principal did.
    #[arg(long, value_name = "PRINCIPAL", value_parser = parse_principal)]
    pub principal: Option<PrincipalId>,
    /// At most so many: the last ones.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000), default_value = "1000")]
    pub last: u32,
    /// How to read.
    #[command(flatten)]
    pub read: ReadArgs,
}

fn parse_since(text: &str) -> Result<u64, String> {
    let duration: crate::centre_file::Duration =
        text.parse().map_err(|error| format!("{error}"))?;
    Ok(duration.0.0)
}

fn parse_principal(text: &str) -> Result<PrincipalId, String> {
    PrincipalId::new(text).map_err(|why| why.to_string())
}

impl AuditVerb {
    pub(crate) fn run(&self, options: &Options) -> Result<String, Failure> {
        let Self::List(args) = self;
        let conversation = Conversation::open(options)?;
        let cluster = conversation.ask(|client| super::get_cluster(client, args.read))?;
        let now_ms = cluster.freshness.map_or(0, |freshness| freshness.now_ms);
        let mut request = api::ListAuditRequest {
            linearizable: args.read.linearizable,
            from_ms: now_ms.saturating_sub(args.since),
            to_ms: None,
            principal: args.principal.as_ref().map(PrincipalId::to_string),
            page_size: PAGE_SIZE,
            after: None,
        };
        let mut acts = Vec::new();
        let freshness = loop {
            let asked = request.clone();
            let page = conversation.ask(|client| list(client, asked))?;
            for entry in page.entries {
                acts.push(Act::of(entry)?);
            }
            // The last ones are wanted: the first of many are let go on the way.
            let surplus = acts.len().saturating_sub(args.last as usize);
            acts.drain(..surplus);
            match page.next {
                Some(next) => request.after = Some(next),
                None => break Freshness::of(page.freshness)?,
            }
        };
        print(&Trail { freshness, acts }, options.output)
    }
}

async fn list(
    client: Client,
    request: api::ListAuditRequest,
) -> Result<api::ListAuditResponse, ClientError> {
    let ask = |channel| {
        let request = request.clone();
        async move { reads(channel).list_audit(request).await }
    };
    client.read_fresh(ask).await
}

/// An act of administration.
#[derive(Debug, Serialize)]
struct Act {
    at_ms: u64,
    /// Index of its log entry.
    index: u64,
    principal: String,
    reason: Option<String>,
    /// What was done, as the command line says it where it can: `site drain`.
    command: &'static str,
    /// To what.
    subject: String,
    /// Why it was refused; null: it was done.
    refused: Option<Refused>,
    /// The id of its request, in hex.
    request: Option<String>,
    /// What would take it back, and what that is about; null: nothing does.
    inverse: Option<Inverse>,
}

#[derive(Debug, Serialize)]
struct Refused {
    code: String,
    message: String,
}

#[derive(Debug, Serialize)]
struct Inverse {
    command: &'static str,
    subject: String,
}

impl Act {
    fn of(entry: api::AuditEntry) -> Result<Self, Failure> {
        let record = entry.record.ok_or_else(|| incomplete("lists an act without saying which"))?;
        let stored::AuditRecord { at_ms, principal, request, reason, command, refused, inverse } =
            record;
        let words = |command: Option<stored::AnyCommand>| match command.map(command_from_stored) {
            Some(Ok(command)) => deed(&command),
            // Of a later release.
            Some(Err(_)) | None => (super::words::UNKNOWN, String::new()),
        };
        let (command, subject) = words(command);
        let inverse = inverse.map(|inverse| {
            let (command, subject) = words(Some(inverse));
            Inverse { command, subject }
        });
        Ok(Self {
            at_ms,
            index: entry.index,
            principal,
            reason,
            command,
            subject,
            refused: refused.map(|stored::Refusal { code, message }| Refused { code, message }),
            request: request
                .map(|request| request.id.iter().map(|byte| format!("{byte:02x}")).collect()),
            inverse,
        })
    }
}

#[derive(Debug, Serialize)]
struct Trail {
    freshness: Freshness,
    acts: Vec<Act>,
}

impl Printed for Trail {
    fn table(&self) -> String {
        let mut table = Table::new([
            left("TIME"),
            left("PRINCIPAL"),
            left("ACT"),
            left("OUTCOME"),
            left("REASON"),
        ]);
        for act in &self.acts {
            let outcome = act
                .refused
                .as_ref()
                .map_or("done".into(), |why| format!("REFUSED {}", plain(&why.code)));
            table.row([
                time(act.at_ms),
                act.principal.clone(),
                format!("{} {}", act.command, act.subject).trim_end().to_owned(),
                outcome,
                act.reason.clone().unwrap_or_default(),
            ]);
        }
        format!("{}\n{}", table.text("no acts"), self.freshness.line())
    }
}
