//! `quorumcall contact`.

mod explain;
mod list;
mod show;

use acd::ids::ContactId;
use clap::{Args, Subcommand};
use proto::api::v1 as api;
use serde::Serialize;

use super::offer::With;
use super::{Options, ReadArgs, parse_contact, words};
use crate::client::{Client, ClientError, reads};
use crate::failure::Failure;

pub use list::ContactListArgs;

/// What to do with contacts.
#[derive(Debug, Subcommand)]
pub enum ContactVerb {
    /// Live contacts, by place, a page at a time.
    List(ContactListArgs),
    /// One contact: live, or what is kept of it.
    Show(ContactShowArgs),
    /// Why a contact is where it is, and what comes next.
    Explain(ContactExplainArgs),
}

/// Arguments of `quorumcall contact show`.
#[derive(Debug, Args)]
pub struct ContactShowArgs {
    /// The contact.
    #[arg(value_name = "CONTACT", value_parser = parse_contact)]
    pub contact: ContactId,
    /// How to read.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Arguments of `quorumcall contact explain`.
#[derive(Debug, Args)]
pub struct ContactExplainArgs {
    /// The contact.
    #[arg(value_name = "CONTACT", value_parser = parse_contact)]
    pub contact: ContactId,
    /// Names the agents who are excluded, up to 1,000, each with the first rule that does it.
    #[arg(long)]
    pub agents: bool,
    /// How to read.
    #[command(flatten)]
    pub read: ReadArgs,
}

impl ContactVerb {
    pub(crate) fn run(&self, options: &Options) -> Result<String, Failure> {
        match self {
            Self::List(args) => list::run(options, args),
            Self::Show(args) => show::run(options, args),
            Self::Explain(args) => explain::run(options, args),
        }
    }
}

/// Asks a node for a contact.
async fn get_contact(
    client: &Client,
    read: ReadArgs,
    contact: &ContactId,
) -> Result<api::GetContactResponse, ClientError> {
    let request = api::GetContactRequest {
        linearizable: read.linearizable,
        contact: contact.as_str().to_owned(),
    };
    client
        .read_fresh(|channel| {
            let request = request.clone();
            async move { reads(channel).get_contact(request).await }
        })
        .await
}

/// A live contact.
#[derive(Debug, Serialize)]
struct ContactRow {
    /// The id.
    id: String,
    /// Its number.
    seq: u64,
    /// voice, chat, email, message, callback.
    channel: &'static str,
    /// 0-9.
    priority: u32,
    /// Its queue.
    queue: String,
    /// Where its media is.
    site: String,
    /// Who put it in.
    ingress: String,
    /// scheduled, queued, stranded, offered, accepted, connected, held, wrap-up.
    stage: String,
    /// When it arrived.
    arrived_ms: u64,
    /// When it counts as arrived: its place is by this, then by number.
    effective_ms: i64,
    /// When it entered its queue.
    entered_queue_ms: u64,
    /// How long since, if nobody has answered it yet. Null: somebody has, or its time has not come.
    waited_ms: Option<u64>,
    /// The step it has reached, from 0.
    step: u32,
    /// The offer it is with an agent by.
    with: Option<With>,
    /// Offers that came to nothing.
    failed_offers: u32,
    /// Transfers.
    transfers: u32,
    /// Whether its agent or ingress is gone in the middle of the conversation.
    orphaned: bool,
    /// Contacts of the queue that wait in an earlier place. Null: it does not wait, or it is one of
    /// a list.
    ahead: Option<u32>,
}

impl ContactRow {
    fn of(stored: api::ContactStatus, now_ms: u64) -> Self {
        let channel = words::channel(stored.channel());
        let api::ContactStatus {
            id,
            seq,
            channel: _,
            priority,
            queue,
            site,
            ingress,
            stage,
            arrived_ms,
            effective_ms,
            entered_queue_ms,
            step,
            with,
            failed_offers,
            transfers,
            orphaned,
            ahead,
            attributes: _,
        } = stored;
        let is_in_line = matches!(&*stage, "queued" | "stranded" | "offered" | "accepted");
        Self {
            id,
            seq,
            channel,
            priority,
            queue,
            site,
            ingress,
            waited_ms: is_in_line.then(|| now_ms.saturating_sub(entered_queue_ms)),
            stage,
            arrived_ms,
            effective_ms,
            entered_queue_ms,
            step,
            with: with.map(With::of),
            failed_offers,
            transfers,
            orphaned,
            ahead,
        }
    }

    /// The stage for people, with what is wrong about it.
    fn stage_text(&self) -> String {
        let orphaned = if self.orphaned { ", ORPHANED" } else { "" };
        format!("{}{orphaned}", self.stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_was_not_answered_has_been_waiting() {
        let row = |stage: &str| {
            let stored = api::ContactStatus {
                stage: stage.into(),
                entered_queue_ms: 1_000,
                ..api::ContactStatus::default()
            };
            ContactRow::of(stored, 24_000).waited_ms
        };
        for stage in ["queued", "stranded", "offered", "accepted"] {
            assert_eq!(row(stage), Some(23_000), "{stage}");
        }
        for stage in ["scheduled", "connected", "held", "wrap-up"] {
            assert_eq!(row(stage), None, "{stage}");
        }
    }
}
