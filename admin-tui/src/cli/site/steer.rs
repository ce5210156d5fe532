//! Carrying out what is planned for a site.

use std::io::Write;

use serde::Serialize;

use super::SitePlanArgs;
use super::impact::{self, Impact};
use super::plan::{Action, Plan};
use super::wait;
use crate::cli::consent::Ask;
use crate::cli::outcome::Outcome;
use crate::cli::{Options, Output};
use crate::client::{ClientError, Conversation, new_request};
use crate::failure::{Answer, ErrorCode, Failure};
use crate::output::{Printed, json, plain, print};
use crate::terminal::Terminal;

/// A plan, and what became of it.
#[derive(Debug, Serialize)]
struct Report {
    plan: Plan,
    outcome: Outcome,
    /// The state the site is in now, as far as it is known.
    state: Option<&'static str>,
}

impl Printed for Report {
    fn table(&self) -> String {
        let state = self.state.map(|state| format!("; it is {state}")).unwrap_or_default();
        format!("{} {}: {}{state}\n", self.plan.action, self.plan.site, self.outcome.words())
    }
}

/// Plans, asks, carries out, and waits.
pub(super) fn steer(
    options: &Options,
    args: &SitePlanArgs,
    action: Action,
    wait: bool,
    terminal: &mut impl Terminal,
    out: &mut impl Write,
) -> Result<Answer, Failure> {
    let SitePlanArgs { site, expected, consent } = args;
    let conversation = Conversation::open(options)?;
    let (freshness, found) = impact::read(&conversation, site, true)?;
    let plan = Plan::new(site, action, freshness, found);
    let stale = expected.filter(|expected| *expected != plan.revision).map(|expected| Failure {
        code: ErrorCode::StalePlan,
        what: format!("site {site} was changed after your plan was made; nothing was done"),
        why: format!("it is at revision {}, not {expected}", plan.revision),
        remedy: "look again at the plan that is printed, and decide anew".into(),
    });
    let obstacle = stale.or_else(|| plan.obstacle());
    if consent.dry_run || obstacle.is_some() {
        return shown(options, plan, obstacle);
    }
    let ask = Ask::Name { name: site.as_str(), deed: action.deed() };
    let reason = match consent.obtain(&plan.text(), &ask, action.needs_reason(), terminal) {
        Ok(reason) => reason,
        // They have seen it.
        Err(failure) if failure.code == ErrorCode::NotConfirmed => return Err(failure),
        Err(failure) => return shown(options, plan, Some(failure)),
    };
    if consent.yes && options.output == Output::Table {
        // Before it is carried out, for who reads along.
        crate::print(&format!("{}\n", plan.text()), out)?;
    }
    let command = action.command(site.clone(), plan.revision);
    let request = new_request();
    let id = request.id.clone();
    let reason = reason.as_ref().map(|reason| reason.as_str());
    let answer = conversation.ask(|client| async move {
        Ok::<_, Failure>(client.administer_as(request, &command, reason).await)
    })?;
    let outcome = Outcome::of(&id, &answer);
    let mut failure = answer.err().map(|error| explain(&conversation, &plan, &outcome, &error));
    let mut state = None;
    if failure.is_none() {
        match wait {
            true => match wait::until_drained(&conversation, site, terminal) {
                Ok(()) => state = Some("drained"),
                Err(ended) => failure = Some(ended),
            },
            // What is not known is not told; what was asked for is done.
            false => state = impact::read(&conversation, site, true).ok().map(|(_, now)| now.state),
        }
    }
    let text = print(&Report { plan, outcome, state }, options.output)?;
    Ok(Answer { text, failure })
}

/// The plan alone.
fn shown(options: &Options, plan: Plan, failure: Option<Failure>) -> Result<Answer, Failure> {
    let text = match options.output {
        Output::Table => plan.text(),
        Output::Json => json(&Report { plan, outcome: Outcome::planned(), state: None })?,
    };
    Ok(Answer { text, failure })
}

/// Why it was not done, or nobody knows.
fn explain(
    conversation: &Conversation,
    plan: &Plan,
    outcome: &Outcome,
    error: &ClientError,
) -> Failure {
    let failure = Failure::from_error(error);
    let site = &plan.site;
    match failure.code {
        ErrorCode::StalePlan => Failure {
            what: format!("site {site} was changed after the plan was made; nothing was done"),
            why: match acd::ids::SiteId::new(site).map(|id| impact::read(conversation, &id, true)) {
                Ok(Ok((_, now))) => plain(&changes(&plan.impact, &now)).into_owned(),
                // It is stale, whatever it is now.
                _ => failure.why,
            },
            remedy: format!("look again: `quorumcall site show {site}`, then decide anew"),
            ..failure
        },
        ErrorCode::OutcomeUnknown => Failure {
            what: format!("whether {} of {site} was carried out, nobody knows yet", plan.action),
            remedy: format!(
                "look before you repeat it: `quorumcall site show {site}` has revision {} as long as it \
                 was not; the audit trail will name request {}",
                plan.revision,
                outcome.request()
            ),
            ..failure
        },
        _ => failure,
    }
}

/// What is not as the plan has it.
fn changes(then: &Impact, now: &Impact) -> String {
    let mut all = vec![format!("revision {} → {}", then.revision, now.revision)];
    if then.state != now.state {
        all.push(format!("it was {}, and is {}", then.state, now.state));
    }
    match (then.drain.is_some(), now.drain.is_some()) {
        (false, true) => all.push("somebody drains it".into()),
        (true, false) => all.push("its drain is over".into()),
        _ => {}
    }
    if all.len() == 1 {
        all.push("its configuration was changed, or was drained and returned meanwhile".into());
    }
    all.join("; ")
}
