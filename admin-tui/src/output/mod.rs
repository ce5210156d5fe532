//! How answers are printed: for people as tables, for programs as JSON.
//!
//! A JSON field keeps its name and its meaning; fields are added, never renamed. Durations and times
//! are whole milliseconds there (`…_ms`), and what is not known is null. Tables may change.

mod counters;
mod freshness;
mod human;
mod table;
mod text;

use serde::Serialize;

use crate::cli::Output;
use crate::failure::{ErrorCode, Failure};

pub(crate) use counters::{AgentCounts, AgentMetrics, QueueMetrics, share};
pub(crate) use freshness::{Freshness, incomplete};
pub(crate) use human::{ago, ahead, duration, one_of, percent, time};
pub(crate) use table::{Facts, Table, left, right};
pub(crate) use text::plain;

/// What a command answers.
pub(crate) trait Printed: Serialize {
    /// For people.
    fn table(&self) -> String;
}

/// The text of an answer.
pub(crate) fn print(answer: &impl Printed, output: Output) -> Result<String, Failure> {
    match output {
        Output::Table => Ok(answer.table()),
        Output::Json => json(answer),
    }
}

/// An answer for programs.
pub(crate) fn json(answer: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(answer).map_err(|error| Failure {
        code: ErrorCode::Output,
        what: "the answer could not be put into words".into(),
        why: error.to_string(),
        remedy: "report this with the command that led to it".into(),
    })?;
    Ok(text + "\n")
}
