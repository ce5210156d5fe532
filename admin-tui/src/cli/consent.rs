//! What is asked before something is done: whether, and why.

use acd::text::Label;
use clap::Args;

use super::parse_reason;
use crate::failure::{ErrorCode, Failure};
use crate::terminal::Terminal;

/// Whether a plan may be carried out, and why it is.
#[derive(Debug, Args)]
pub struct Consent {
    /// Why, for the audit trail: 1 to 200 bytes.
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    pub reason: Option<Label>,
    /// Without asking.
    #[arg(long)]
    pub yes: bool,
    /// Shows the plan, and changes nothing.
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
}

/// What has to be answered.
pub(super) enum Ask<'a> {
    /// A name has to be written, for one key press must not cut calls.
    Name {
        /// The name.
        name: &'a str,
        /// What becomes of what is named: `drain it`.
        deed: &'a str,
    },
    /// Yes or no.
    YesOrNo(&'a str),
}

impl Consent {
    /// Asks the person at the terminal, unless `--yes` was given; why it is done. `text`: the plan.
    ///
    /// # Errors
    ///
    /// Nobody is there to ask, or they did not say yes.
    pub(super) fn obtain(
        &self,
        text: &str,
        ask: &Ask<'_>,
        needs_reason: bool,
        terminal: &mut impl Terminal,
    ) -> Result<Option<Label>, Failure> {
        if self.yes {
            return match &self.reason {
                None if needs_reason => Err(Failure {
                    code: ErrorCode::NeedsReason,
                    what: "nothing was changed".into(),
                    why: "no reason is given, and the audit trail is to have one".into(),
                    remedy: "give --reason TEXT with --yes".into(),
                }),
                reason => Ok(reason.clone()),
            };
        }
        if !terminal.is_attended() {
            return Err(Failure {
                code: ErrorCode::NeedsYes,
                what: "nothing was changed".into(),
                why: "nobody is at a terminal to say yes to the plan".into(),
                remedy: "look at the plan, then give --yes (and --reason TEXT)".into(),
            });
        }
        let consents = match ask {
            Ask::Name { name, deed } => {
                let question = format!("Write its name to {deed} ({name}):");
                terminal.ask(text, &question).map(|answer| answer == *name)
            }
            Ask::YesOrNo(question) => terminal.confirm(text, question),
        };
        if !consents.map_err(|error| unasked(&error))? {
            return Err(not_confirmed("the plan was not confirmed"));
        }
        if self.reason.is_some() || !needs_reason {
            return Ok(self.reason.clone());
        }
        let reason = terminal.ask("", "Why? The audit trail keeps it:");
        let reason = Label::new(&reason.map_err(|error| unasked(&error))?);
        reason.map(Some).map_err(|why| not_confirmed(&why.to_string()))
    }
}

fn unasked(error: &std::io::Error) -> Failure {
    not_confirmed(&format!("the terminal could not be asked: {error}"))
}

fn not_confirmed(why: &str) -> Failure {
    Failure {
        code: ErrorCode::NotConfirmed,
        what: "nothing was changed".into(),
        why: why.into(),
        remedy: "run the command again, or give --yes with --reason TEXT".into(),
    }
}
