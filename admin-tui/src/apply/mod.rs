//! `quorumcall diff` and `quorumcall apply`: a running centre becomes what a file says.
//!
//! ```text
//! centre.toml → commands ┐
//!                        ├→ differences (what people see) → waves of steps → sent, one wave
//! running centre ────────┘                                                   after the other
//! ```
//!
//! A plan carries the revision of each object that it was made from. What somebody else changed
//! meanwhile is refused as stale, and the plan stops at the first refusal. Whoever repeats it starts
//! from what is true then: what was done is no difference any more.

mod difference;
mod object;
mod order;
mod report;
mod running;
mod send;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::centre_file::{CentreFile, CentreFileError};
use crate::cli::{ApplyArgs, DiffArgs, Options};
use crate::client::{ClientError, Conversation};
use crate::failure::{Answer, ErrorCode, Failure};
use crate::output::print;
use crate::terminal::Terminal;
use difference::{Change, differences};
use object::Object;
use order::{Circle, Wave, waves};
use report::Report;
use running::Running;
use send::{Outcome, send};

/// Bytes of the largest file that is read: as many agents as there can be, with room.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Runs `quorumcall diff`.
pub(crate) fn diff(options: &Options, args: &DiffArgs) -> Result<Answer, Failure> {
    let file = read_file(&args.file)?;
    let conversation = Conversation::open(options)?;
    let plan = Plan::make(&conversation, &args.file, &file, args.prune)?;
    let text = print(&plan.report, options.output)?;
    let drift = args.check && plan.report.has_drifted();
    let failure = drift.then(|| Failure {
        code: ErrorCode::Drift,
        what: "the centre is not as the file says".into(),
        why: plan.report.summary(),
        remedy: format!(
            "apply it with `quorumcall apply -f {}`, or correct it",
            args.file.display()
        ),
    });
    Ok(Answer { text, failure })
}

/// Runs `quorumcall apply`.
pub(crate) fn apply(
    options: &Options,
    args: &ApplyArgs,
    terminal: &mut impl Terminal,
) -> Result<Answer, Failure> {
    let file = read_file(&args.file)?;
    let conversation = Conversation::open(options)?;
    let Plan { report, changes, waves } = Plan::make(&conversation, &args.file, &file, args.prune)?;
    if changes.is_empty() {
        return print(&report, options.output).map(Answer::from);
    }
    if !args.yes {
        confirm(&report, terminal)?;
    }
    let reason = args.reason.as_ref().map(|reason| reason.as_str());
    let outcomes = conversation.ask(|client| async {
        let progress = |done, all| terminal.progress(done, all);
        Ok::<_, Failure>(send(client, &changes, waves, reason, progress).await)
    })?;
    let failure = failure_of(&changes, &outcomes);
    let text = print(&report.carried_out(&outcomes), options.output)?;
    Ok(Answer { text, failure })
}

/// What is to be done.
struct Plan {
    report: Report,
    changes: Vec<Change>,
    waves: Vec<Wave>,
}

impl Plan {
    fn make(
        conversation: &Conversation,
        path: &Path,
        file: &CentreFile,
        prune: bool,
    ) -> Result<Self, Failure> {
        let running = Running::of(conversation.ask(running::ask)?)?;
        let applies = conversation.principal();
        let wanted = file.to_commands(running.now).map_err(|error| refused(path, &error))?;
        let own = Object { kind: object::Kind::Principal, id: applies.as_str().into() };
        let named = file.principals.iter().any(|entry| entry.id.0 == *applies);
        let keeps_own = prune && !named && running.objects.contains_key(&own);
        let changes = differences(wanted, &running, prune, applies);
        let waves =
            waves(&changes, &running, applies).map_err(|circle| in_circle(path, &circle))?;
        let kept = keeps_own.then_some(own).into_iter().collect();
        let report = Report::planned(running.freshness, path.display().to_string(), &changes, kept);
        Ok(Self { report, changes, waves })
    }
}

/// Asks whether the plan should be carried out.
fn confirm(report: &Report, terminal: &mut impl Terminal) -> Result<(), Failure> {
    use crate::output::Printed;
    let why = |why: &str| (why.to_owned(), "nothing was changed".to_owned());
    let refused =
        |code, (why, what), remedy: &str| Failure { code, what, why, remedy: remedy.into() };
    if !terminal.is_attended() {
        return Err(refused(
            ErrorCode::NeedsYes,
            why("nobody is at a terminal to say yes to the plan"),
            "look at the plan with `quorumcall diff`, then apply it with --yes",
        ));
    }
    let question =
        format!("Change {} ({})?", crate::output::plain(report.cluster()), report.summary());
    match terminal.confirm(&report.table(), &question) {
        Ok(true) => Ok(()),
        Ok(false) => Err(refused(
            ErrorCode::NotConfirmed,
            why("the plan was not confirmed"),
            "correct the file, or say `y`",
        )),
        Err(error) => Err(refused(
            ErrorCode::NotConfirmed,
            why(&format!("the terminal could not be asked: {error}")),
            "look at the plan with `quorumcall diff`, then apply it with --yes",
        )),
    }
}

/// Why a plan was not carried out to its end. None: it was.
fn failure_of(changes: &[Change], outcomes: &[Outcome]) -> Option<Failure> {
    let failed = outcomes.iter().zip(changes).find_map(|(outcome, change)| match outcome {
        Outcome::Failed { error, begun } => Some((error, *begun, change)),
        _ => None,
    });
    let (error, begun, change) = failed?;
    let done = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Done(_))).count();
    let part = match begun {
        true => "; it is there without what it says of other queues",
        false => "",
    };
    let Failure { code, why, remedy, .. } = Failure::from_error(error);
    let object = &change.object;
    let missing = match error {
        ClientError::Unknown { .. } => format!("whether that of {object} was, nobody knows"),
        _ => format!("that of {object} was not"),
    };
    let what = format!("{done} of {} changes were made; {missing}{part}", changes.len());
    let remedy = match code {
        ErrorCode::StalePlan => {
            "somebody changed it meanwhile: look at the difference again and decide anew".into()
        }
        ErrorCode::OutcomeUnknown | ErrorCode::Unavailable => {
            format!("{remedy}; then apply the file again: what was done is no difference any more")
        }
        _ => remedy,
    };
    Some(Failure { code, what, why, remedy })
}

fn read_file(path: &Path) -> Result<CentreFile, Failure> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| {
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)
    });
    if let Err(error) = read {
        return Err(unreadable(path, &error));
    }
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Failure {
            code: ErrorCode::CentreRefused,
            what: format!("{} is no centre.toml", path.display()),
            why: format!("it has more than {FILE_BYTES_MAX} bytes"),
            remedy: "give the file of a contact centre".into(),
        });
    }
    CentreFile::parse(&text).map_err(|error| refused(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let (code, why, remedy) = match error.kind() {
        io::ErrorKind::NotFound => (
            ErrorCode::FileMissing,
            "there is no such file".into(),
            "check the path; it is taken from the current directory",
        ),
        io::ErrorKind::IsADirectory => {
            (ErrorCode::FileIsDirectory, "it is a directory".into(), "give the file itself")
        }
        io::ErrorKind::PermissionDenied => (
            ErrorCode::FileForbidden,
            "the system does not let you read it".into(),
            "ask its owner for permission, or run as a user who has it",
        ),
        io::ErrorKind::InvalidData => {
            (ErrorCode::CentreRefused, "it is no UTF-8".into(), "save it as UTF-8")
        }
        _ => (ErrorCode::FileUnreadable, error.to_string(), "check the disk and try again"),
    };
    let what = format!("{} cannot be read", path.display());
    Failure { code, what, why, remedy: remedy.into() }
}

fn refused(path: &Path, error: &CentreFileError) -> Failure {
    Failure {
        code: ErrorCode::CentreRefused,
        what: format!("{} makes no contact centre", path.display()),
        why: error.to_string(),
        remedy: error.remedy(),
    }
}

fn in_circle(path: &Path, Circle(queues): &Circle) -> Failure {
    Failure {
        code: ErrorCode::CentreRefused,
        what: format!("{} makes no contact centre", path.display()),
        why: format!("queues would overflow in a circle: {}", queues.join(" → ")),
        remedy: "let one of them overflow elsewhere, or not at all".into(),
    }
}
