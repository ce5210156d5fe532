//! `quorumcall site`: what cities do, and what is done with them.
//!
//! ```text
//! read (linearizable) → plan: preconditions, impact, consequences → consent → command, with the
//!                       revision the plan was made from → outcome → (--wait) until it is drained
//! ```

mod impact;
mod plan;
mod row;
mod steer;
#[cfg(test)]
mod tests;
mod wait;

use std::io::Write;

use acd::ids::SiteId;
use acd::time::Millis;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::cluster::Status;
use super::{Consent, Options, ReadArgs, parse_site, parse_span};
use crate::client::Conversation;
use crate::failure::{Answer, ErrorCode, Failure};
use crate::output::{Facts, Freshness, Printed, ahead, duration, percent, print};
use crate::terminal::Terminal;
use impact::Progress;
use plan::Action;

pub(super) use row::SiteRow;

/// How long a planned failover lets what is offered there ring: as long as people need to answer.
const FAILOVER_DEADLINE: Millis = Millis::seconds(30);
/// How long the cordon of a drained site stands, if nothing is said: a shift.
const EXPIRY: Millis = Millis::hours(8);

/// What to do with sites.
#[derive(Debug, Subcommand)]
pub enum SiteVerb {
    /// The cities, by id.
    List(ReadArgs),
    /// One city, with how far its drain has come.
    Show(SiteShowArgs),
    /// Gives a city no new work and lets it finish what it has.
    ///
    /// The drain belongs to the cluster: it goes on whatever becomes of this program. Conversations
    /// are never cut without --force.
    Drain(SiteDrainArgs),
    /// Ends a drain before its time.
    CancelDrain(SitePlanArgs),
    /// Moves the work of a city to the others: now, or because the city is gone.
    Failover(SiteFailoverArgs),
    /// Puts a drained or returning city back into service.
    Return(SitePlanArgs),
}

/// Arguments of `quorumcall site show`.
#[derive(Debug, Args)]
pub struct SiteShowArgs {
    /// The site.
    #[arg(value_name = "SITE", value_parser = parse_site)]
    pub site: SiteId,
    /// How to read.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Arguments of everything that is done with a site.
#[derive(Debug, Args)]
pub struct SitePlanArgs {
    /// The site.
    #[arg(value_name = "SITE", value_parser = parse_site)]
    pub site: SiteId,
    /// Only if the site still has this revision, that of the plan you looked at.
    #[arg(long, value_name = "REVISION")]
    pub expected: Option<u64>,
    /// Whether, and why.
    #[command(flatten)]
    pub consent: Consent,
}

/// Arguments of `quorumcall site drain`.
#[derive(Debug, Args)]
pub struct SiteDrainArgs {
    /// The site, whether, and why.
    #[command(flatten)]
    pub plan: SitePlanArgs,
    /// When what is still being offered there goes back: 1s to 400d from now.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = parse_span)]
    pub deadline: Millis,
    /// When the cordon is lifted by itself, if the site is well: 1s to 400d from now.
    #[arg(long, value_name = "DURATION", default_value = "8h", value_parser = parse_span)]
    pub expiry: Millis,
    /// At the deadline: calls and chats that wait with their media there are called back instead.
    #[arg(long)]
    pub callback: bool,
    /// At the deadline: conversations are cut.
    #[arg(long)]
    pub force: bool,
    /// Waits until the site is drained, and says how far it has come. Ctrl-C ends the waiting only.
    #[arg(long)]
    pub wait: bool,
}

/// Arguments of `quorumcall site failover`.
#[derive(Debug, Args)]
pub struct SiteFailoverArgs {
    /// The site, whether, and why.
    #[command(flatten)]
    pub plan: SitePlanArgs,
    /// The city is gone, or must be taken for gone: its agents are unreachable, what they were offered
    /// goes back at once.
    #[arg(long)]
    pub unplanned: bool,
    /// Waits until the site is drained, and says how far it has come. Ctrl-C ends the waiting only.
    #[arg(long, conflicts_with = "unplanned")]
    pub wait: bool,
}

impl SiteVerb {
    pub(crate) fn run(
        &self,
        options: &Options,
        terminal: &mut impl Terminal,
        out: &mut impl Write,
    ) -> Result<Answer, Failure> {
        let (plan, action, wait) = match self {
            Self::List(read) => {
                let status = Status::read(options, *read)?;
                let freshness = status.freshness().clone();
                let list = SiteList { freshness, sites: status.sites };
                return print(&list, options.output).map(Answer::from);
            }
            Self::Show(args) => {
                return print(&SiteShown::read(options, args)?, options.output).map(Answer::from);
            }
            Self::Drain(args) => {
                let SiteDrainArgs { plan, deadline, expiry, callback, force, wait } = args;
                let (deadline, expiry) = (*deadline, *expiry);
                let action = Action::Drain { deadline, expiry, callback: *callback, force: *force };
                (plan, action, *wait)
            }
            Self::CancelDrain(plan) => (plan, Action::CancelDrain, false),
            Self::Failover(SiteFailoverArgs { plan, unplanned: true, .. }) => {
                (plan, Action::DeclareLost, false)
            }
            Self::Failover(SiteFailoverArgs { plan, unplanned: false, wait }) => {
                let action = Action::Failover { deadline: FAILOVER_DEADLINE, expiry: EXPIRY };
                (plan, action, *wait)
            }
            Self::Return(plan) => (plan, Action::Return, false),
        };
        steer::steer(options, plan, action, wait, terminal, out)
    }
}

#[derive(Debug, Serialize)]
struct SiteList {
    freshness: Freshness,
    sites: Vec<SiteRow>,
}

impl Printed for SiteList {
    fn table(&self) -> String {
        format!("{}\n{}", SiteRow::table(&self.sites), self.freshness.line())
    }
}

#[derive(Debug, Serialize)]
struct SiteShown {
    freshness: Freshness,
    site: SiteRow,
    /// What is left to do there. Null: it has no drain.
    progress: Option<Progress>,
}

impl SiteShown {
    fn read(options: &Options, args: &SiteShowArgs) -> Result<Self, Failure> {
        let status = Status::read(options, args.read)?;
        let freshness = status.freshness().clone();
        let row = status.sites.into_iter().find(|row| row.id == args.site.as_str());
        let site = row.ok_or_else(|| Failure {
            code: ErrorCode::NotFound,
            what: format!("there is no site {}", args.site),
            why: "the cluster has no site with this id".into(),
            remedy: "`quorumcall site list` shows the sites".into(),
        })?;
        let progress = match site.drain {
            Some(_) => {
                let conversation = Conversation::open(options)?;
                let (_, impact) = impact::read(&conversation, &args.site, args.read.linearizable)?;
                Some(impact.progress())
            }
            None => None,
        };
        Ok(Self { freshness, site, progress })
    }
}

impl Printed for SiteShown {
    fn table(&self) -> String {
        let site = &self.site;
        let now_ms = self.freshness.now_ms;
        let today = site.metrics.today();
        let level = percent(today.service_level().negative);
        let mut facts = Facts::default();
        facts.fact("site", &site.id).fact("name", &site.name).fact("state", site.state_text());
        if site.state == "returning" {
            let returns = match site.returns_ms {
                Some(at) => ahead(at, now_ms),
                None => "when an operator says so".into(),
            };
            facts.fact("in service", returns);
        }
        if let Some(drain) = &site.drain {
            facts.fact("drain", drain.words(now_ms));
        }
        if let Some(progress) = &self.progress {
            facts.fact("left there", progress.words()).fact("leader", progress.leader_words());
        }
        facts
            .fact("nodes", site.nodes_text())
            .fact("leader priority", site.leader_priority.to_string())
            .fact("agents", site.agents_by_state.words())
            .fact("engaged", format!("{} contacts and offers", site.engaged))
            .fact("waiting", format!("{} with their media there", site.waiting))
            .fact("occupancy today", percent(site.load))
            .fact("answered today", format!("{} of {}", today.answered, today.offered))
            .fact("in target today", format!("{level} of those offered"))
            .fact("longest wait today", duration(today.wait_max_ms))
            .fact("revision", site.revision.to_string());
        format!("{}\n{}", facts.text(), self.freshness.line())
    }
}
