//! What `quorumcall replay` prints.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::calls::{CallLog, SkipReason};
use super::outcome::Outcome;
use super::real::real_outcome;
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
    calls: u64,
    /// Lines that are none, by reason.
    skipped: BTreeMap<SkipReason, u64>,
    /// What really happened.
    real: Outcome,
}

impl Report {
    pub(super) fn new(args: &ReplayArgs, log: &CallLog) -> Self {
        Self {
            file: args.file.display().to_string(),
            speed: args.speed.to_string(),
            data_lines: log.data_lines,
            calls: log.calls.len() as u64,
            skipped: log.skipped.clone(),
            real: real_outcome(&log.calls),
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
        let Self { file, speed, data_lines, calls, skipped, real } = self;
        writeln!(
            text,
            "{file}: {calls} calls in {data_lines} lines (times as UTC, speed {speed})"
        )?;
        for (reason, count) in skipped {
            writeln!(text, "  skipped {:<20} {count:>7}", reason.slug())?;
        }
        writeln!(text)?;
        write_columns(&mut text, &[("really", real)])?;
        Ok(text)
    }
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
