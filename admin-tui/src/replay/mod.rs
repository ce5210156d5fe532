//! `quorumcall replay`: a real call log goes through the contact centre.
//!
//! ```text
//! file → calls ┬→ centre (who serves what, where) → commands
//!              ├→ shifts (who is there when)
//!              └→ what really happened
//!
//! play: people of the log ⇄ a centre of this process, or a cluster
//! ```

pub mod calls;
pub mod centre;
mod cluster;
pub mod idle;
pub mod ledger;
mod local;
pub mod outcome;
mod play;
pub mod real;
mod report;
pub mod shifts;
pub mod story;
pub mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;

use acd::command::{Command, ConfigCommand};
use acd::ids::{AgentId, SiteId};
use acd::rejection::Rejection;
use acd::time::{LogTime, Millis};

use crate::centre_file::CentreFileError;
use crate::cli::ReplayArgs;
use crate::failure::{Answer, ErrorCode, Failure};
use crate::testbed::Judged;
use calls::{Call, CallLog, CallLogError};
use centre::{CentreError, centre_of};
use play::Played;
use report::Report;
use shifts::{Shift, shifts};

/// Time for the centre to be configured before the first call.
const LEAD: Millis = Millis::seconds(1);

/// What is replayed: the calls, and the centre and the people that are made of them.
struct Script<'a> {
    calls: &'a [Call],
    cities: &'a [SiteId],
    /// What makes the centre.
    commands: Vec<Command>,
    shifts: Vec<Shift>,
    /// The city of each agent.
    homes: BTreeMap<AgentId, SiteId>,
    /// When the centre is made.
    start: LogTime,
}

/// What came of a replay.
struct Replayed {
    played: Played,
    /// Hash of the state at the end, in hexadecimal.
    state_hash: String,
    /// Whether all nodes of a cluster had it; none: there was no cluster.
    state_hash_equal: Option<bool>,
}

impl Judged for Replayed {
    fn broken_promises(&self) -> Option<String> {
        let ledger = &self.played.ledger;
        let (lost, twice) = (ledger.lost(), ledger.double_offered());
        let mut broken = Vec::new();
        if lost > 0 {
            broken.push(format!("{lost} contacts were lost"));
        }
        if twice > 0 {
            broken.push(format!("{twice} contacts were offered twice at a time"));
        }
        if self.state_hash_equal == Some(false) {
            broken.push("the nodes have different states".to_owned());
        }
        (!broken.is_empty()).then(|| broken.join("; "))
    }
}

/// Runs the command; returns what is to be printed. `err` is told how far it is.
pub fn run(args: &ReplayArgs, err: &mut dyn Write) -> Result<Answer, Failure> {
    check_cities(&args.cities)?;
    let log = read_log(&args.file)?;
    let centre =
        centre_of(&log.calls, &args.cities).map_err(|error| no_centre(&args.file, &error))?;
    let commands = centre.to_commands(log_start(&log.calls)).map_err(|error| refused(&error))?;
    if args.print_centre {
        let toml = centre.to_toml().map_err(|error| refused(&error))?;
        let from = args.file.display().to_string();
        return Ok(format!("{}\n{toml}", centre_comment(&from)).into());
    }
    if let Some(asked) = &args.explain
        && !log.calls.iter().any(|call| call.id == *asked)
    {
        return Err(Failure {
            code: ErrorCode::NoSuchCall,
            what: format!("{asked} cannot be explained"),
            why: "no call of the log has this id".into(),
            remedy: "write line, call id and date joined, as in AA0101-34536-990201".into(),
        });
    }
    let script = Script::new(&log.calls, &args.cities, commands);
    let (replayed, failure) = if args.local {
        let explain = args.explain.as_ref();
        let replayed = local::replay(&script, args.speed, explain);
        let replayed = replayed.map_err(|rejection| stopped(&rejection))?;
        let failure = replayed.broken_promises().map(Failure::not_as_expected);
        (replayed, failure)
    } else {
        cluster::replay(&script, args, err)?
    };
    let text = Report::new(args, &log, &replayed).print(args.output)?;
    Ok(Answer { text, failure })
}

/// The centre did not take something that it must take.
fn stopped(rejection: &Rejection) -> Failure {
    Failure {
        code: ErrorCode::CentreRefused,
        what: "the replay stopped".into(),
        why: format!("{}: {rejection}", rejection.code()),
        remedy: "report this with the log and the command that led to it".into(),
    }
}

impl<'a> Script<'a> {
    fn new(calls: &'a [Call], cities: &'a [SiteId], commands: Vec<Command>) -> Self {
        let shifts = shifts(calls);
        let first = calls.iter().map(Call::arrival).chain(shifts.iter().map(|s| s.from)).min();
        let start = LogTime(first.unwrap_or_default().0.saturating_sub(LEAD.0));
        let home = |command: &Command| match command {
            Command::Config(ConfigCommand::PutAgent { config, .. }) => {
                Some((config.id.clone(), config.home_site.clone()))
            }
            _ => None,
        };
        let homes = commands.iter().filter_map(home).collect();
        Self { calls, cities, commands, shifts, homes, start }
    }
}

/// When the first call of a log arrived: the time at which its centre is made.
fn log_start(calls: &[Call]) -> LogTime {
    calls.iter().map(Call::arrival).min().unwrap_or_default()
}

fn check_cities(cities: &[SiteId]) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    let why = if cities.len() > acd::limits::SITES_MAX {
        format!("{} cities are more than {}", cities.len(), acd::limits::SITES_MAX)
    } else if let Some(twice) = cities.iter().find(|city| !seen.insert(*city)) {
        format!("{twice} is named twice")
    } else {
        return Ok(());
    };
    let what = "these cities cannot share the agents".into();
    let remedy = "name each city once, as in --cities kyiv,lviv,dnipro".into();
    Err(Failure { code: ErrorCode::BadCities, what, why, remedy })
}

fn read_log(path: &Path) -> Result<CallLog, Failure> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    if file.metadata().map_err(|error| unreadable(path, &error))?.is_dir() {
        return Err(unreadable(path, &io::ErrorKind::IsADirectory.into()));
    }
    let log = CallLog::read(BufReader::with_capacity(1 << 16, file)).map_err(|error| {
        let CallLogError::Io { source, .. } = &error else { return not_a_log(path, &error) };
        unreadable(path, source)
    })?;
    if log.calls.is_empty() {
        let reasons: Vec<_> = log
            .skipped
            .iter()
            .map(|(reason, count)| format!("{count} {}", reason.slug()))
            .collect();
        let why = match reasons.as_slice() {
            [] => "it has nothing but a header".into(),
            some => format!("none of its {} lines is a call: {}", log.data_lines, some.join(", ")),
        };
        return Err(Failure {
            code: ErrorCode::NoCalls,
            what: format!("{} has nothing to replay", path.display()),
            why,
            remedy: "give a call log with calls that were queued or answered".into(),
        });
    }
    Ok(log)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let (code, why, remedy) = match error.kind() {
        io::ErrorKind::NotFound => (
            ErrorCode::FileMissing,
            "there is no such file".into(),
            "check the path; it is taken from the current directory",
        ),
        io::ErrorKind::IsADirectory => {
            (ErrorCode::FileIsDirectory, "it is a directory".into(), "give the call log itself")
        }
        io::ErrorKind::PermissionDenied => (
            ErrorCode::FileForbidden,
            "the system does not let you read it".into(),
            "ask its owner for permission, or run as a user who has it",
        ),
        _ => (ErrorCode::FileUnreadable, error.to_string(), "check the disk and try again"),
    };
    let what = format!("{} cannot be read", path.display());
    Failure { code, what, why, remedy: remedy.into() }
}

/// What stands above a printed centre. A path may hold anything, a comment no line end.
fn centre_comment(from: &str) -> String {
    let from: String = from.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    format!(
        "# The contact centre of {from}.\n\
         # The log knows no cities: agents are sorted by name and dealt to the sites in turn.\n"
    )
}

fn refused(error: &CentreFileError) -> Failure {
    Failure {
        code: ErrorCode::CentreRefused,
        what: "the contact centre of this log is refused".into(),
        why: error.to_string(),
        remedy: error.remedy(),
    }
}

fn not_a_log(path: &Path, error: &CallLogError) -> Failure {
    Failure {
        code: ErrorCode::NotACallLog,
        what: format!("{} is no call log", path.display()),
        why: error.to_string(),
        // A header without any of the columns is told all of them by `why` already.
        remedy: "give a file of tab-separated columns whose first line names them; \
                 docs/errors.md lists them"
            .into(),
    }
}

fn no_centre(path: &Path, error: &CentreError) -> Failure {
    let (code, remedy) = match error {
        CentreError::NoAgents => {
            (ErrorCode::NoAgents, "give a log in which at least one answered call has a server")
        }
        CentreError::NoCities | CentreError::Refused { .. } => {
            (ErrorCode::BadCities, "give shorter names, as in --cities kyiv,lviv,dnipro")
        }
    };
    let what = format!("{} makes no contact centre", path.display());
    Failure { code, what, why: error.to_string(), remedy: remedy.into() }
}

/// The log of the bank for tests, where `QUORUMCALL_CALLS` says. None, and a sentence that says so,
/// if it says nothing.
#[cfg(test)]
pub(crate) fn real_log() -> Option<CallLog> {
    let Some(path) = std::env::var_os("QUORUMCALL_CALLS") else {
        println!("skipped: QUORUMCALL_CALLS does not name the bank's call log");
        return None;
    };
    let file = File::open(&path).expect("the file that QUORUMCALL_CALLS names");
    Some(CallLog::read(BufReader::new(file)).expect("the log of the bank"))
}
