//! What `quorumcall replay` prints.

use std::collections::BTreeMap;
use std::fmt::Write;

use acd::ids::ContactId;
use acd::time::Millis;
use serde::Serialize;

use super::calls::{CallLog, SkipReason};
use super::idle::idle_while_waiting;
use super::outcome::{Outcome, round};
use super::real::real_outcome;
use super::shifts::shifts;
use super::story::Story;
use super::{Played, Replayed};
use crate::cli::{Output, ReplayArgs};
use crate::failure::{ErrorCode, Failure};

/// The result of a replay; its JSON fields are stable.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The call log.
    file: String,
    /// How fast it was replayed.
    speed: String,
    /// Lines after the header.
    data_lines: u64,
    /// Lines that are calls.
    parsed: u64,
    /// Lines that are none, by reason.
    skipped: BTreeMap<SkipReason, u64>,
    /// What really happened.
    real: RealOutcome,
    /// What the contact centre made of it.
    replayed: ReplayedOutcome,
    /// Whether all nodes of the cluster had this state in the end; absent with `--local`.
    #[serde(skip_serializing_if = "Option::is_none")]
    state_hash_equal: Option<bool>,
    /// The contact that somebody asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    explained: Option<Story>,
}

/// The numbers of reality.
#[derive(Debug, Serialize)]
struct RealOutcome {
    #[serde(flatten)]
    outcome: Outcome,
    /// Share of all waiting time during which somebody who takes such calls was on shift and not
    /// talking, rounded to four decimals.
    idle_while_waiting: Option<f64>,
}

/// The numbers of a replay.
#[derive(Debug, Serialize)]
struct ReplayedOutcome {
    #[serde(flatten)]
    outcome: Outcome,
    /// Calls that were in no hurry and still wait when the last shift is over.
    waiting: u64,
    /// Acknowledged contacts that neither ended nor wait, or that ended twice.
    lost: u64,
    /// Callers who were before two agents, or agents before two callers.
    double_offered: u64,
    /// Commands of the people in the log that the contact centre refused, by code; being too late
    /// is no refusal.
    refused: BTreeMap<String, u64>,
    /// The answered calls that waited longest: ask `--explain` about them.
    longest_waits: Vec<LongWait>,
    /// Hash of the state at the end, in hexadecimal.
    state_hash: String,
    /// As above, for who reads this part alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    state_hash_equal: Option<bool>,
}

/// A call that waited long.
#[derive(Debug, Serialize)]
struct LongWait {
    contact: String,
    waited_s: f64,
}

impl Report {
    pub(super) fn new(args: &ReplayArgs, log: &CallLog, replayed: &Replayed) -> Self {
        let Replayed { played, state_hash, state_hash_equal } = replayed;
        let Played { ledger, refused, story } = played;
        Self {
            file: args.file.display().to_string(),
            speed: args.speed.to_string(),
            data_lines: log.data_lines,
            parsed: log.calls.len() as u64,
            skipped: log.skipped.clone(),
            real: RealOutcome {
                outcome: real_outcome(&log.calls),
                idle_while_waiting: idle_while_waiting(&log.calls, &shifts(&log.calls))
                    .map(|share| round(share, 4)),
            },
            replayed: ReplayedOutcome {
                outcome: ledger.outcome(),
                waiting: ledger.waiting(),
                lost: ledger.lost(),
                double_offered: ledger.double_offered(),
                refused: refused.clone(),
                longest_waits: ledger.longest_waits().iter().map(long_wait).collect(),
                state_hash: state_hash.clone(),
                state_hash_equal: *state_hash_equal,
            },
            state_hash_equal: *state_hash_equal,
            explained: story.clone(),
        }
    }

    /// The text to print.
    pub(super) fn print(&self, output: Output) -> Result<String, Failure> {
        let text = match output {
            Output::Table => self.table().map_err(|error| error.to_string()),
            Output::Json => serde_json::to_string_pretty(self)
                .map(|json| json + "\n")
                .map_err(|error| error.to_string()),
        };
        text.map_err(|why| Failure {
            code: ErrorCode::Output,
            what: "the result could not be put into words".into(),
            why,
            remedy: "report this with the command that led to it".into(),
        })
    }

    fn table(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let Self { file, speed, data_lines, parsed, skipped, real, replayed, .. } = self;
        writeln!(
            text,
            "{file}: {parsed} calls in {data_lines} lines (times as UTC, speed {speed})"
        )?;
        for (reason, count) in skipped {
            writeln!(text, "  skipped {:<20} {count:>7}", reason.slug())?;
        }
        writeln!(text)?;
        write_columns(&mut text, &[("really", &real.outcome), ("replayed", &replayed.outcome)])?;
        writeln!(text)?;
        let idle = percent(real.idle_while_waiting);
        writeln!(text, "really, somebody on shift was idle in {idle} of the waiting time")?;
        writeln!(text, "still waiting {}", replayed.waiting)?;
        writeln!(text, "lost {}, double offered {}", replayed.lost, replayed.double_offered)?;
        for (code, count) in &replayed.refused {
            writeln!(text, "refused {code:<24} {count:>7}")?;
        }
        for LongWait { contact, waited_s } in &replayed.longest_waits {
            writeln!(text, "long wait: {contact} {waited_s} s")?;
        }
        let equal = match self.state_hash_equal {
            None => "",
            Some(true) => ", equal on all nodes",
            Some(false) => ", NOT EQUAL on all nodes",
        };
        writeln!(text, "state hash {}{equal}", replayed.state_hash)?;
        if let Some(story) = &self.explained {
            writeln!(text)?;
            story.write(&mut text)?;
        }
        Ok(text)
    }
}

fn long_wait((waited, contact): &(Millis, ContactId)) -> LongWait {
    LongWait { contact: contact.as_str().into(), waited_s: waited.0 as f64 / 1_000.0 }
}

/// Outcomes side by side, a column each.
fn write_columns(text: &mut String, columns: &[(&str, &Outcome)]) -> std::fmt::Result {
    type Cell = fn(&Outcome) -> String;
    let rows: [(&str, Cell); 7] = [
        ("offered", |o| o.offered.to_string()),
        ("answered", |o| o.answered.to_string()),
        ("abandoned", |o| o.abandoned.to_string()),
        ("abandon rate", |o| percent(o.abandon_rate)),
        ("answered in 20 s", |o| percent(o.service_level_negative)),
        ("average speed of answer", |o| seconds(o.asa_s)),
        ("longest wait", |o| seconds(o.wait_max_s)),
    ];
    write!(text, "{:<24}", "")?;
    for (name, _) in columns {
        write!(text, " {name:>12}")?;
    }
    writeln!(text)?;
    for (name, cell) in rows {
        write!(text, "{name:<24}")?;
        for (_, outcome) in columns {
            write!(text, " {:>12}", cell(outcome))?;
        }
        writeln!(text)?;
    }
    Ok(())
}

fn percent(ratio: Option<f64>) -> String {
    ratio.map_or("no data".into(), |ratio| format!("{:.2} %", ratio * 100.0))
}

fn seconds(value: Option<f64>) -> String {
    value.map_or("no data".into(), |seconds| format!("{seconds:.2} s"))
}
