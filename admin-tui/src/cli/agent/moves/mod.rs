//! `quorumcall agent move`: agents serve another queue, for a while or for good.
//!
//! ```text
//! who (by name or filter, linearizable) → what each would serve, what becomes of the queues → consent
//!   → one command an agent, with the revision of the plan, some at a time → what became of each
//! ```
//!
//! Moves of agents have nothing to do with each other: one that is refused, because somebody changed
//! the agent meanwhile, does not keep the others. When nobody can say what became of one, or nobody
//! answers, the rest is left.

mod plan;
mod who;

#[cfg(test)]
mod tests;

use acd::ids::{AgentId, QueueId, SiteId, SkillId};
use acd::text::Label;
use acd::time::Millis;
use clap::{ArgGroup, Args};
use futures::future::join_all;

use super::PresenceWord;
use crate::cli::consent::Ask;
use crate::cli::outcome::Outcome;
use crate::cli::{Consent, Options, parse_agent, parse_queue, parse_site, parse_skill, parse_span};
use crate::client::{Client, ClientError, Conversation, new_request};
use crate::failure::{Answer, ErrorCode, Failure};
use crate::output::{Printed, duration, one_of, print};
use crate::terminal::Terminal;
use plan::{Plan, Row};

/// The most agents that are moved at once. The cluster remembers 10,000 requests.
const MOVES_MAX: usize = 1_000;
/// Commands that are on their way at one time.
const IN_FLIGHT: usize = 16;

/// Arguments of `quorumcall agent move`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("who").required(true).multiple(true)
    .args(["agents", "queue", "site", "presence", "skill"])))]
#[command(group(ArgGroup::new("where").required(true).multiple(true).args(["to", "to_site"])))]
pub struct AgentMoveArgs {
    /// Who is moved: by name, or all that the filters leave.
    #[arg(
        value_name = "AGENT",
        value_parser = parse_agent,
        conflicts_with_all = ["queue", "site", "presence", "skill"]
    )]
    pub agents: Vec<AgentId>,
    /// The queue to serve: instead of --from, or of all that they serve.
    #[arg(long, value_name = "QUEUE", value_parser = parse_queue)]
    pub to: Option<QueueId>,
    /// The queue it takes the place of; the others stay.
    #[arg(long, value_name = "QUEUE", value_parser = parse_queue, requires = "to")]
    pub from: Option<QueueId>,
    /// In which order they are used for it, 1 first. Without it that of --from, or 1.
    #[arg(long, value_name = "N", requires = "to", value_parser = clap::value_parser!(u32).range(1..=10))]
    pub grade: Option<u32>,
    /// The site they belong to in reports. Where they work is where they log in.
    #[arg(long, value_name = "SITE", value_parser = parse_site)]
    pub to_site: Option<SiteId>,
    /// For how long, 1s to 400d; then they are back by themselves. Without it: for good.
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_span)]
    pub span: Option<Millis>,
    /// Only those who serve this queue now.
    #[arg(long, value_name = "QUEUE", value_parser = parse_queue)]
    pub queue: Option<QueueId>,
    /// Only those whose session is at this site, or, offline, who belong there.
    #[arg(long, value_name = "SITE", value_parser = parse_site)]
    pub site: Option<SiteId>,
    /// Only those in this state.
    #[arg(long, alias = "state", value_enum)]
    pub presence: Option<PresenceWord>,
    /// Only those who have this skill, at any level.
    #[arg(long, value_name = "SKILL", value_parser = parse_skill)]
    pub skill: Option<SkillId>,
    /// Whether, and why.
    #[command(flatten)]
    pub consent: Consent,
}

/// Runs `quorumcall agent move`.
pub(super) fn run(
    options: &Options,
    args: &AgentMoveArgs,
    terminal: &mut impl Terminal,
) -> Result<Answer, Failure> {
    let conversation = Conversation::open(options)?;
    let found = conversation.ask(|client| who::find(client, args))?;
    let mut plan = Plan::new(args, found)?;
    let obstacle = plan.obstacle();
    if args.consent.dry_run || obstacle.is_some() || plan.moves() == 0 {
        return Ok(Answer { text: print(&plan, options.output)?, failure: obstacle });
    }
    let question = question(args, &plan);
    let asked = args.consent.obtain(&plan.table(), &Ask::YesOrNo(&question), true, terminal);
    let reason = match asked {
        Ok(reason) => reason,
        // They have seen it.
        Err(failure) if failure.code == ErrorCode::NotConfirmed => return Err(failure),
        Err(failure) => {
            return Ok(Answer { text: print(&plan, options.output)?, failure: Some(failure) });
        }
    };
    let errors = {
        let plan = &mut plan;
        conversation.ask(|client| async move {
            Ok::<_, Failure>(carry_out(&client, args, plan, reason, terminal).await)
        })?
    };
    let failure = failure_of(&plan, errors);
    Ok(Answer { text: print(&plan, options.output)?, failure })
}

fn question(args: &AgentMoveArgs, plan: &Plan) -> String {
    let agents = one_of(plan.moves() as u64, "agent", "agents");
    let queue = args.to.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
    let site = args.to_site.as_ref().map(|to| format!(", counted for {to},")).unwrap_or_default();
    let span = args.span.map_or_else(|| "for good".into(), |ms| format!("for {}", duration(ms.0)));
    format!("Move {agents}{queue}{site} {span}?")
}

/// Moves one after the other, some at a time; why some were not, by row.
async fn carry_out(
    client: &Client,
    args: &AgentMoveArgs,
    plan: &mut Plan,
    reason: Option<Label>,
    terminal: &mut impl Terminal,
) -> Vec<(usize, ClientError)> {
    let reason = reason.as_ref().map(Label::as_str);
    let to_do: Vec<usize> = plan.to_do();
    let mut errors = Vec::new();
    let mut tried = 0;
    for rows in to_do.chunks(IN_FLIGHT) {
        let sent = rows.iter().map(|row| {
            let command = plan.row(*row).command(args);
            async move {
                let request = new_request();
                let id = request.id.clone();
                (id, client.administer_as(request, &command, reason).await)
            }
        });
        let answers = join_all(sent).await;
        let mut stops = false;
        for (row, (id, answer)) in rows.iter().zip(answers) {
            plan.note(*row, Outcome::of(&id, &answer));
            tried += 1;
            if let Err(error) = answer {
                stops |= !matches!(error, ClientError::Refused { .. });
                errors.push((*row, error));
            }
        }
        terminal.progress(tried, to_do.len());
        if stops {
            break;
        }
    }
    for row in to_do.into_iter().skip(tried) {
        plan.note(row, Outcome::not_tried());
    }
    errors
}

/// Why not all were moved. None: they were.
fn failure_of(plan: &Plan, errors: Vec<(usize, ClientError)>) -> Option<Failure> {
    let missing = errors.len();
    let is_unknown =
        |(_, error): &(usize, ClientError)| matches!(error, ClientError::Unknown { .. });
    let worst = errors.iter().position(is_unknown).unwrap_or(0);
    let (row, error) = errors.into_iter().nth(worst)?;
    let agent = &plan.row(row).agent;
    let failure = Failure::from_error(&error);
    let remedy = match failure.code {
        ErrorCode::StalePlan => "look again at who is left, and move them anew".into(),
        ErrorCode::OutcomeUnknown => format!(
            "look before you repeat it: `quorumcall agent show {agent}`; the audit trail will name request {}",
            plan.row(row).outcome.request()
        ),
        _ => failure.remedy,
    };
    let what = match failure.code {
        ErrorCode::OutcomeUnknown => format!("whether {agent} was moved, nobody knows yet"),
        _ if missing == 1 => format!("{agent} was not moved"),
        _ => format!("{agent} and {} more were not moved", missing - 1),
    };
    Some(Failure { what, remedy, ..failure })
}

impl Row {
    fn command(&self, args: &AgentMoveArgs) -> acd::command::Command {
        self.to_command(args.to_site.clone(), args.span).into()
    }
}
