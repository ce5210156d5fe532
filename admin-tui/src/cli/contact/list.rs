//! `quorumcall contact list`.

use acd::ids::{QueueId, SiteId};
use clap::{Args, ValueEnum};
use proto::api::v1 as api;
use serde::Serialize;

use super::super::{Options, ReadArgs, parse_queue, parse_site};
use super::ContactRow;
use crate::client::{Conversation, reads};
use crate::failure::Failure;
use crate::output::{Freshness, Printed, Table, duration, left, one_of, print, right};

/// Arguments of `quorumcall contact list`.
#[derive(Debug, Args)]
pub struct ContactListArgs {
    /// Only those of this queue.
    #[arg(long, value_name = "QUEUE", value_parser = parse_queue)]
    pub queue: Option<QueueId>,
    /// Only those whose media is at this site.
    #[arg(long, value_name = "SITE", value_parser = parse_site)]
    pub site: Option<SiteId>,
    /// Only those in this stage.
    #[arg(long, value_enum)]
    pub stage: Option<StageWord>,
    /// Only those whose id contains this, in any case.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub text: String,
    /// Skips as many of those that match.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub skip: u64,
    /// The most on a page: 1 to 1,000.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub limit: u32,
    /// How to read.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Where a contact is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StageWord {
    /// A callback whose time has not come.
    Scheduled,
    /// Waiting in its place.
    Queued,
    /// Its ingress is gone.
    Stranded,
    /// Before an agent.
    Offered,
    /// The agent takes it; the two are being connected.
    Accepted,
    /// In conversation.
    Connected,
    /// On hold.
    Held,
    /// The agent wraps up.
    WrapUp,
}

impl StageWord {
    /// The word of nodes.
    fn word(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Stranded => "stranded",
            Self::Offered => "offered",
            Self::Accepted => "accepted",
            Self::Connected => "connected",
            Self::Held => "held",
            Self::WrapUp => "wrap-up",
        }
    }
}

pub(super) fn run(options: &Options, args: &ContactListArgs) -> Result<String, Failure> {
    let request = api::ListContactsRequest {
        linearizable: args.read.linearizable,
        queue: args.queue.as_ref().map(|id| id.as_str().to_owned()),
        site: args.site.as_ref().map(|id| id.as_str().to_owned()),
        stage: args.stage.map(|stage| stage.word().to_owned()),
        text: args.text.clone(),
        skip: args.skip,
        page_size: args.limit,
    };
    let answer = Conversation::open(options)?.ask(|client| async move {
        client
            .read_fresh(|channel| {
                let request = request.clone();
                async move { reads(channel).list_contacts(request).await }
            })
            .await
    })?;
    let freshness = Freshness::of(answer.freshness)?;
    let rows = answer.contacts.into_iter();
    let contacts: Vec<_> = rows.map(|row| ContactRow::of(row, freshness.now_ms)).collect();
    let shown = args.skip.saturating_add(contacts.len() as u64);
    let next_skip = (shown < answer.total && !contacts.is_empty()).then_some(shown);
    print(&ContactList { freshness, contacts, total: answer.total, next_skip }, options.output)
}

/// A page of contacts.
#[derive(Debug, Serialize)]
struct ContactList {
    freshness: Freshness,
    contacts: Vec<ContactRow>,
    /// All that match, on all pages.
    total: u64,
    /// What to give as --skip for the next page; null: this is the last.
    next_skip: Option<u64>,
}

impl Printed for ContactList {
    fn table(&self) -> String {
        let mut table = Table::new([
            left("CONTACT"),
            left("CHANNEL"),
            left("QUEUE"),
            right("PRIORITY"),
            left("STAGE"),
            right("WAITED"),
            right("STEP"),
            left("SITE"),
            left("AGENT"),
        ]);
        for contact in &self.contacts {
            let agent = contact.with.as_ref().map(|with| with.agent.clone());
            table.row([
                contact.id.clone(),
                contact.channel.into(),
                contact.queue.clone(),
                contact.priority.to_string(),
                contact.stage_text(),
                contact.waited_ms.map(duration).unwrap_or_default(),
                (u64::from(contact.step) + 1).to_string(),
                contact.site.clone(),
                agent.unwrap_or_default(),
            ]);
        }
        let more = match self.next_skip {
            Some(skip) => {
                let total = one_of(self.total, "contact", "contacts");
                format!("{} of {total}; more with --skip {skip}\n", self.contacts.len())
            }
            None => String::new(),
        };
        format!("{}{more}\n{}", table.text("no contacts"), self.freshness.line())
    }
}
